"""Sandboxes: what test API keys act for, and what becomes of messages there.

A sandbox is a merchant of its own, beside the one that it belongs to: so nothing of one is the
other's (promise 4). Its consents are of test numbers, which are nobody's, and its messages are
completed by these rules and handed to no gateway.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from consent_tokens.consent.phone import TEST_DIGITS, PhoneNumber
from consent_tokens.relay.decision import Reason

SUFFIX: Final = "_test"  # of the id of a sandbox, after the merchant's
TEST_TOKEN: Final = "test_"  # noqa: S105 - before the code that a test token is refused with
DEFERRED_FOR: Final = timedelta(hours=1)


class SandboxRecipient(StrEnum):
    """What becomes of the messages to a test recipient."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"  # by the carrier
    UNKNOWN = "unknown"
    DEFERRED = "deferred"  # again and again, until it expires


RECIPIENTS: Final = tuple(SandboxRecipient)


def sandbox_id(merchant_id: str) -> str:
    """Return the id of a merchant's sandbox; of a sandbox its own."""
    return merchant_id if is_sandbox(merchant_id) else f"{merchant_id}{SUFFIX}"


def owner_id(merchant_id: str) -> str:
    """Return the id of the merchant that a sandbox belongs to."""
    return merchant_id.removesuffix(SUFFIX)


def is_sandbox(merchant_id: str | None) -> bool:
    """Whether an id is of a sandbox."""
    return merchant_id is not None and merchant_id.endswith(SUFFIX)


def sandbox_number(recipient: SandboxRecipient, number: int) -> PhoneNumber:
    """Return the test number of the n-th recipient of a kind."""
    digits = f"{RECIPIENTS.index(recipient)}{number:0{TEST_DIGITS - 1}}"
    return PhoneNumber.for_tests(digits)


def recipient_of(number: PhoneNumber) -> SandboxRecipient:
    """Return what becomes of messages to a test number. Raises ValueError for another number."""
    kind = int(number.test_digits[:1])
    if kind >= len(RECIPIENTS):
        raise ValueError("no number of a test recipient")
    return RECIPIENTS[kind]


def refusal_of(merchant_id: str, token: str) -> Reason | None:
    """Return why a test token is refused: `test_cap_reached` and so on; None for other tokens.

    Only in a sandbox: to other merchants such a text is no token.
    """
    if not is_sandbox(merchant_id) or not token.startswith(TEST_TOKEN):
        return None
    code = token.removeprefix(TEST_TOKEN)
    return Reason(code) if code in set(Reason) else None
