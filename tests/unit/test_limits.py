"""Limits that merchants and operators rely on, as the documents and the API have them."""

from datetime import timedelta

import pytest

from consent_tokens.consent.inbound.quoting import MAX_PART
from consent_tokens.consent.keywords import MAX_KEYWORD_LENGTH
from consent_tokens.consent.one_time_code import (
    CODE_DIGITS,
    CODE_LIFETIME,
    LOGIN_INTENT,
    MAX_CODE_ATTEMPTS,
)
from consent_tokens.consent.phone import MAX_TYPED_LENGTH
from consent_tokens.consent.preferences import MAX_DAILY_LIMIT, MAX_WEEKLY_LIMIT
from consent_tokens.consent.quiet_periods import MAX_QUIET_PERIOD
from consent_tokens.consent.request import MAX_VALID_DAYS, TOKEN_RETRIEVAL_PERIOD
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES, SMS
from consent_tokens.crypto.jws import MAX_TOKEN_LENGTH
from consent_tokens.crypto.proof_of_work import MAX_NUMBER, SALT_BYTES
from consent_tokens.crypto.sealing import NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES
from consent_tokens.relay.message import (
    DEFAULT_VALIDITY,
    INVITATION_PURPOSE,
    MAX_ATTEMPTS,
    MAX_SCHEDULE_AHEAD,
    MAX_VALIDITY,
)


@pytest.mark.parametrize(
    ("limit", "documented"),
    [
        ((CODE_DIGITS, MAX_CODE_ATTEMPTS, CODE_LIFETIME), (6, 5, timedelta(minutes=5))),
        ((DEFAULT_VALIDITY, MAX_VALIDITY), (timedelta(days=1), timedelta(days=7))),
        (MAX_SCHEDULE_AHEAD, timedelta(days=30)),
        (MAX_ATTEMPTS, 5),
        (MAX_VALID_DAYS, 5 * 365),
        (TOKEN_RETRIEVAL_PERIOD, timedelta(hours=24)),
        ((MAX_MESSAGES, MAX_DAYS), (1000, 365)),
        ((MAX_DAILY_LIMIT, MAX_WEEKLY_LIMIT), (100, 500)),
        (MAX_QUIET_PERIOD, timedelta(days=731)),
        ((MAX_PART, MAX_KEYWORD_LENGTH, MAX_TYPED_LENGTH), (4000, 80, 40)),
        (MAX_TOKEN_LENGTH, 4096),
        ((NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES), (12, 16, 48)),
        ((SALT_BYTES, MAX_NUMBER), (12, 200_000)),
        ((SMS, LOGIN_INTENT, INVITATION_PURPOSE), ("sms", "login", "service.invitation")),
    ],
)
def test_a_limit_is_the_one_that_is_documented(limit: object, documented: object) -> None:
    assert limit == documented
