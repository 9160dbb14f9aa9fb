"""How many messages of each grant were submitted and refused, by week, counted by the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text

from consent_tokens.relay.message import MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import MAX_TIME_IN_OUTBOX, SUBMITTED_STATUSES
from consent_tokens.store.tables import IS_UNACCEPTED_REFUSAL

WEEKS: Final = 12  # that are counted, the last of which ends now
WEEK_SECONDS: Final = 7 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class WeekCount:
    """The messages of seven days."""

    submitted: int
    refused: int


NO_COUNTS: Final = (WeekCount(0, 0),) * WEEKS


def _counts(name: str, is_refused: int) -> str:
    """Return the columns of one kind of count, the oldest week first."""
    return ", ".join(
        f"SUM(n) FILTER (WHERE is_refused = {is_refused} AND week = {weeks_ago})"
        f" AS {name}_{weeks_ago}"
        for weeks_ago in reversed(range(WEEKS))
    )


SUBMITTED: Final = ", ".join(f"'{status.value}'" for status in SUBMITTED_STATUSES)
REFUSED: Final = f"'{MessageStatus.REFUSED.value}'"
# One row per grant. A refused message is a row of messages if it had been accepted before, else
# only an event. CROSS JOIN makes SQLite start at the grants, so that the index of each one's
# messages leaves out those that were accepted too long ago.
BY_WEEK: Final = f"""
SELECT grant_id, {_counts("submitted", 0)}, {_counts("refused", 1)}
FROM (
    SELECT grant_id, is_refused, age / {WEEK_SECONDS} AS week, COUNT(*) AS n
    FROM (
        SELECT g.id AS grant_id, CASE WHEN m.status = {REFUSED} THEN 1 ELSE 0 END AS is_refused,
            :now - CASE WHEN m.status = {REFUSED} THEN m.changed_at ELSE m.send_at END AS age
        FROM grants g CROSS JOIN messages m
        WHERE g.partition = :partition {{which}}
            AND m.partition = g.partition AND m.grant_id = g.id
            AND m.accepted_at > :accepted_since AND m.status IN ({REFUSED}, {SUBMITTED})
        UNION ALL
        SELECT g.id, 1, :now - e.at
        FROM grants g CROSS JOIN events e
        WHERE g.partition = :partition {{which}}
            AND e.partition = g.partition AND e.grant_id = g.id
            AND e.at > :since AND {IS_UNACCEPTED_REFUSAL}
    ) AS counted
    WHERE age >= 0 AND age < {WEEKS * WEEK_SECONDS}
    GROUP BY grant_id, is_refused, age / {WEEK_SECONDS}
) AS by_week
GROUP BY grant_id
"""  # noqa: S608 - the names are this package's own
OF_RECIPIENT: Final = text(BY_WEEK.format(which=""))
OF_GRANT: Final = text(BY_WEEK.format(which="AND g.id = :grant_id"))


def weeks_of_recipient(
    transaction: Transaction, partition: int, now: datetime
) -> Mapping[int, Sequence[WeekCount]]:
    """Return the last weeks of a recipient's grants by grant id, the oldest week first.

    A grant without any message in these weeks is not in the answer.
    """
    rows = transaction.execute(OF_RECIPIENT, _parameters(partition, now))
    return {row.grant_id: _weeks(row) for row in rows}


def weeks_of_grant(transaction: Transaction, grant: RowKey, now: datetime) -> Sequence[WeekCount]:
    """Return the last weeks of one grant, the oldest first."""
    parameters = _parameters(grant.partition, now) | {"grant_id": grant.id}
    row = transaction.execute(OF_GRANT, parameters).one_or_none()
    return _weeks(row) if row else NO_COUNTS


def _parameters(partition: int, now: datetime) -> dict[str, int]:
    seconds = int(now.timestamp())
    since = seconds - WEEKS * WEEK_SECONDS
    accepted_since = since - int(MAX_TIME_IN_OUTBOX.total_seconds())
    return {
        "partition": partition,
        "now": seconds,
        "since": since,
        "accepted_since": accepted_since,
    }


def _weeks(row: Row[Any]) -> Sequence[WeekCount]:
    sums: tuple[Any, ...] = row[1:]  # behind the grant id; null where nothing was summed
    counts = [int(each or 0) for each in sums]
    return [WeekCount(*pair) for pair in zip(counts[:WEEKS], counts[WEEKS:], strict=True)]
