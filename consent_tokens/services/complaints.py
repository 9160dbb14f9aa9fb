"""A consumer reports a message, and is told at once what the records say of it.

From the link in a message, or by pasting any text after a one-time code: then the message is found
by a keyed fingerprint of number, sender and text, which says nothing to whoever lacks the key.
What the consumer writes and shows lies enclosed: it may hold anything, a number too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import derived_digits
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError, TooManyRequestsError
from consent_tokens.evidence.complaints import (
    CASE_NUMBER_DIGITS,
    MAX_STATEMENT_LENGTH,
    Complaint,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
    assess,
    comparable_text,
)
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.policies import OtpPolicy, RateLimit
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.outbox.fingerprints import fingerprint_of
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    complaints,
    fingerprints,
    grants,
    merchants,
    messages,
    recipients,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

REPORT_INTENT: Final = "report"  # what a one-time code for a pasted text is for
MATCH_WINDOW: Final = timedelta(
    days=2
)  # between the time that a consumer gives and the one we recorded
REPORTS_PER_DAY: Final = RateLimit(10, timedelta(days=1))  # pasted texts that one number may report
MAX_PICTURE_BYTES: Final = 1024 * 1024  # bytes
PICTURE_SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # PNG, JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedText:
    """A text as the consumer's phone shows it."""

    sender: str  # digits
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FiledComplaint:
    """A complaint, and the number by which it is followed."""

    case_number: str
    complaint: Complaint


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint as the consumer who filed it sees it."""

    complaint: Complaint
    merchant: Merchant | None


def report_message(runtime: Runtime, message: Message, reason: ComplaintReason) -> FiledComplaint:
    """File a complaint about the message behind a link; about one message it counts once."""

    def work(transaction: Transaction) -> FiledComplaint:
        return _file_complaint(
            runtime, transaction, reason, message=message, assessment=_assess(transaction, message)
        )

    return runtime.database.run(work)


def report_pasted_text(
    runtime: Runtime,
    policy: OtpPolicy,
    secret: ChallengeSecret | None,
    code: str,
    pasted: PastedText,
    reason: ComplaintReason,
) -> FiledComplaint | None:
    """File a complaint about a pasted text, once the code proves the number; None if it does not.

    Raises TooManyError when a number has reported too many today.
    """

    def work(transaction: Transaction) -> FiledComplaint | None:
        number = verify_code(runtime, policy, transaction, secret, intent=REPORT_INTENT, code=code)
        if number is None:
            return None
        _require_within_limit(runtime, transaction, number)
        message = _find_message(runtime, transaction, number, pasted)
        if message is not None:
            about = _assess(transaction, message)
            return _file_complaint(runtime, transaction, reason, message=message, assessment=about)
        senders = merchants.senders_with_source(transaction, pasted.sender)
        partition = recipients.find(transaction, runtime.blind_index(number))
        about = _Assessment(
            verdict=Verdict.NO_CONSENT if senders else Verdict.NOT_THROUGH_US,
            merchant_id=senders[0].merchant_id if senders else None,
            partition=runtime.new_partition() if partition is None else partition,
            sent=pasted.at,
        )
        return _file_complaint(runtime, transaction, reason, message=None, assessment=about)

    return runtime.database.run(work)


def find_by_case_number(runtime: Runtime, number: str) -> Complaint:
    """Return the complaint with that number. Raises NotFoundError."""
    digits = "".join(letter for letter in number if letter.isdigit())
    key = runtime.rate_limit_key("complaint", digits)

    def query(transaction: Transaction) -> Complaint | None:
        return complaints.find_by_case_number(transaction, key)

    is_one = len(digits) == CASE_NUMBER_DIGITS
    found = runtime.database.read(query) if is_one else None
    if found is None:
        raise NotFoundError("no complaint of that number")
    return found


def read_case(runtime: Runtime, number: str) -> Case:
    """Return the complaint with that number, and its merchant. Raises NotFoundError."""
    complaint = find_by_case_number(runtime, number)
    merchant_id = complaint.merchant_id
    if merchant_id is None:
        return Case(complaint, None)
    return Case(
        complaint,
        runtime.database.read(lambda transaction: merchants.find(transaction, merchant_id)),
    )


def complaints_of_merchant(
    runtime: Runtime, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[Complaint]:
    """Return the complaints about a merchant, the oldest first, from behind `after` (time, id)."""
    return runtime.database.read(
        lambda transaction: complaints.of_merchant(
            transaction, merchant_id, after=after, limit=limit
        )
    )


def add_statement(runtime: Runtime, complaint: Complaint, said: str, picture: bytes) -> None:
    """Add the consumer's own words and a picture, once each. Raises InvalidError."""
    said = said.strip()
    if len(said) > MAX_STATEMENT_LENGTH:
        raise InvalidError({"said": ["too_long"]})
    if picture and (len(picture) > MAX_PICTURE_BYTES or not picture.startswith(PICTURE_SIGNATURES)):
        raise InvalidError({"picture": ["not_a_picture"]})
    words = _sealed(runtime, complaint.key, said.encode()) if said else None
    shown = _sealed(runtime, complaint.key, picture) if picture else None
    runtime.database.run(
        lambda transaction: complaints.add_statement(
            transaction,
            complaint.key,
            statement=None if complaint.statement else words,
            picture=None if complaint.picture else shown,
        )
    )


def read_statement(runtime: Runtime, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's own words and picture, for the operator."""
    bound = _associated_data(runtime, complaint.key)
    said, picture = (
        runtime.open_envelope(each, bound) if each else b""
        for each in (complaint.statement, complaint.picture)
    )
    return said.decode(), picture


def decide_complaint(runtime: Runtime, public_id: str, status: ComplaintStatus) -> Complaint:
    """Record the operator's decision. Raises NotFoundError, ConflictError if it was decided."""
    key = runtime.keyring.ids.complaint.decode(public_id)
    now = runtime.clock.now()

    def work(transaction: Transaction) -> Complaint:
        found = complaints.find(transaction, key) if key else None
        if found is None:
            raise NotFoundError("no complaint of that id")
        if found.status not in {ComplaintStatus.RECEIVED, ComplaintStatus.IN_REVIEW}:
            raise ConflictError("this complaint was decided")
        complaints.set_status(transaction, found.key, status, now)
        event = Event(
            partition=found.key.partition,
            at=now,
            kind=EventKind.COMPLAINT_DECIDED,
            merchant_id=found.merchant_id,
            grant_id=found.grant_id,
            message_id=found.message_id,
            reason=status.value,
        )
        runtime.record(transaction, event)
        return replace(found, status=status, changed_at=now)

    return runtime.database.run(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assessment:
    """What a complaint is about, as far as the records know."""

    verdict: Verdict
    merchant_id: str | None
    partition: int
    sent: datetime


def _assess(transaction: Transaction, message: Message) -> _Assessment:
    grant = grants.find(transaction, message.grant_key) if message.grant_key else None
    verdict = Verdict.NO_CONSENT
    if grant is not None:
        verdict = assess(message, grants.scope_at(transaction, grant, message.send_at))
    return _Assessment(
        verdict=verdict,
        merchant_id=message.merchant_id,
        partition=message.key.partition,
        sent=message.send_at,
    )


def _file_complaint(
    runtime: Runtime,
    transaction: Transaction,
    reason: ComplaintReason,
    *,
    message: Message | None,
    assessment: _Assessment,
) -> FiledComplaint:
    if message and (before := complaints.find_by_message(transaction, message.key)):
        return FiledComplaint(_case_number(runtime, before.key), before)
    now = runtime.clock.now()
    key = runtime.new_key(assessment.partition)
    number = _case_number(runtime, key)
    complaint = Complaint(
        key=key,
        case_number_hash=runtime.rate_limit_key("complaint", number),
        merchant_id=assessment.merchant_id,
        grant_id=message.grant_id if message else None,
        message_id=message.key.id if message else None,
        purpose=message.purpose if message else None,
        sent_at=assessment.sent,
        reason=reason,
        verdict=assessment.verdict,
        status=ComplaintStatus.RECEIVED,
        filed_at=now,
        changed_at=now,
    )
    complaints.add(transaction, complaint)
    event = Event(
        partition=key.partition,
        at=now,
        kind=EventKind.COMPLAINT_FILED,
        merchant_id=assessment.merchant_id,
        grant_id=complaint.grant_id,
        message_id=complaint.message_id,
        reason=reason.value,
    )
    runtime.record(transaction, event)
    return FiledComplaint(number, complaint)


def _find_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Message | None:
    """Return the message that the pasted text was, of several the one nearest in time."""
    digest = fingerprint_of(runtime, number, pasted.sender, comparable_text(pasted.text))
    left = fingerprints.find(
        transaction, digest, since=pasted.at - MATCH_WINDOW, until=pasted.at + MATCH_WINDOW
    )
    if not left:
        return None
    key, _ = min(left, key=lambda each: abs(each[1] - pasted.at))
    return messages.find(transaction, key)


def _require_within_limit(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> None:
    now = runtime.clock.now()
    key = runtime.rate_limit_key("reports", number.reveal())
    again = try_acquire(transaction, key, [REPORTS_PER_DAY], now)
    if again != now:
        raise TooManyRequestsError(int((again - now).total_seconds()))


def _case_number(runtime: Runtime, key: RowKey) -> str:
    """Return the number by which a complaint is followed: computed, so it need not be kept."""
    return derived_digits(f"{key.partition} {key.id}", CASE_NUMBER_DIGITS, runtime.keyring.index)


def _sealed(runtime: Runtime, key: RowKey, plaintext: bytes) -> bytes:
    return runtime.seal_envelope(plaintext, _associated_data(runtime, key))


def _associated_data(runtime: Runtime, key: RowKey) -> bytes:
    return f"complaint\n{runtime.keyring.ids.complaint.encode(key)}".encode()
