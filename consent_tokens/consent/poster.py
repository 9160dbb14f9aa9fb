"""A poster: one code that many people scan; each of them gets a consent request of their own."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from consent_tokens.consent.request import AskedTerms
from consent_tokens.row_key import RowKey

MAX_DAYS: Final = 365  # that a poster is open for
MAX_OPENED_A_DAY: Final = 2_000  # scans of one poster; what a busy shop needs, and no more
OPEN_FOR: Final = timedelta(hours=1)  # a request that was opened by a scan: the person is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Poster:
    """What a merchant asks of everybody who scans the code, until `expires_at`."""

    key: RowKey
    merchant_id: str
    name: str
    terms: AskedTerms
    created_at: datetime
    created_by: str
    expires_at: datetime
    opened: int = 0  # requests
    opened_on: date = date.min  # the day (UTC) of the last scan
    opened_today: int = 0  # scans of that day, those too whose request was refused

    def is_open(self, now: datetime) -> bool:
        """Whether a scan opens a request."""
        return now < self.expires_at

    def scanned(self, now: datetime) -> "Poster | None":
        """Return the poster after one more scan; None if there were too many today."""
        today = now.date()
        before = self.opened_today if self.opened_on == today else 0
        if before >= MAX_OPENED_A_DAY:
            return None
        return replace(self, opened_on=today, opened_today=before + 1)
