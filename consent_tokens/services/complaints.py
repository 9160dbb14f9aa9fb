"""A consumer reports a message, and is told at once what the records say of it.

From the link in a message, or by pasting any text after a one-time code: then the message is found
by a keyed fingerprint of number, sender and text, which says nothing to whoever lacks the key.
What the consumer writes and shows lies enclosed: it may hold anything, a number too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.crypto.keyed_hashes import blind_index, derived_digits, rate_limit_key
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import RowKey, new_partition
from consent_tokens.crypto.sealing import open_envelope, seal_envelope
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError, TooManyRequestsError
from consent_tokens.evidence.complaints import (
    CASE_NUMBER_DIGITS,
    MAX_STATEMENT_LENGTH,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
    assess,
    comparable_text,
)
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.message import Message
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.outbox.fingerprints import fingerprint_of
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.store import (
    complaints,
    events,
    fingerprints,
    grants,
    merchants,
    messages,
    recipients,
)
from consent_tokens.store.complaints import Complaint
from consent_tokens.store.database import Transaction

REPORT_INTENT: Final = "report"  # what a one-time code for a pasted text is for
MATCH_WINDOW: Final = timedelta(
    days=2
)  # between the time that a consumer gives and the one we recorded
REPORTS_PER_DAY: Final = FrequencyCap(
    10, timedelta(days=1)
)  # pasted texts that one number may report
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


def report_message(world: AppContext, message: Message, reason: ComplaintReason) -> FiledComplaint:
    """File a complaint about the message behind a link; about one message it counts once."""
    _need_tables(world)

    def deed(transaction: Transaction) -> FiledComplaint:
        return _file_complaint(
            world, transaction, reason, message=message, assessment=_assess(transaction, message)
        )

    return world.database.run(deed)


def report_pasted_text(
    world: AppContext,
    secret: ChallengeSecret | None,
    code: str,
    pasted: PastedText,
    reason: ComplaintReason,
) -> FiledComplaint | None:
    """File a complaint about a pasted text, once the code proves the number; None if it does not.

    Raises TooManyError when a number has reported too many today.
    """
    _need_tables(world)

    def deed(transaction: Transaction) -> FiledComplaint | None:
        number = verify_code(world, transaction, secret, intent=REPORT_INTENT, code=code)
        if number is None:
            return None
        _require_within_limit(world, transaction, number)
        message = _find_message(world, transaction, number, pasted)
        if message is not None:
            about = _assess(transaction, message)
            return _file_complaint(world, transaction, reason, message=message, assessment=about)
        senders = merchants.senders_with_source(transaction, pasted.sender)
        index = blind_index(number.reveal(), world.keyring.index)
        home = recipients.find(transaction, index)
        about = _Assessment(
            verdict=Verdict.NO_CONSENT if senders else Verdict.NOT_THROUGH_US,
            merchant_id=senders[0].merchant_id if senders else None,
            home=new_partition(world.random.token_bytes(8)) if home is None else home,
            sent=pasted.at,
        )
        return _file_complaint(world, transaction, reason, message=None, assessment=about)

    return world.database.run(deed)


def find_by_case_number(world: AppContext, number: str) -> Complaint:
    """Return the complaint with that number. Raises NotFoundError."""
    digits = "".join(letter for letter in number if letter.isdigit())
    key = rate_limit_key("complaint", digits, world.keyring.index)

    def question(transaction: Transaction) -> Complaint | None:
        return complaints.find_by_case_number(transaction, key)

    is_one = len(digits) == CASE_NUMBER_DIGITS and world.database.has_wishes
    found = world.database.read(question) if is_one else None
    if found is None:
        raise NotFoundError("no complaint of that number")
    return found


def add_statement(world: AppContext, complaint: Complaint, said: str, picture: bytes) -> None:
    """Add the consumer's own words and a picture, once each. Raises InvalidError."""
    said = said.strip()
    if len(said) > MAX_STATEMENT_LENGTH:
        raise InvalidError({"said": ["too_long"]})
    if picture and (len(picture) > MAX_PICTURE_BYTES or not picture.startswith(PICTURE_SIGNATURES)):
        raise InvalidError({"picture": ["not_a_picture"]})
    words = _sealed(world, complaint.key, said.encode()) if said else None
    shown = _sealed(world, complaint.key, picture) if picture else None
    world.database.run(
        lambda transaction: complaints.add_statement(
            transaction,
            complaint.key,
            said=None if complaint.statement else words,
            picture=None if complaint.picture else shown,
        )
    )


def read_statement(world: AppContext, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's own words and picture, for the operator."""
    bound = _associated_data(world, complaint.key)
    said, picture = (
        open_envelope(each, world.keyring.unwrapping, associated_data=bound) if each else b""
        for each in (complaint.statement, complaint.picture)
    )
    return said.decode(), picture


def decide_complaint(world: AppContext, handle: str, state: ComplaintStatus) -> Complaint:
    """Record the operator's decision. Raises NotFoundError, ConflictError if it was decided."""
    address = world.keyring.ids.complaint.decode(handle)
    now = world.clock.now()

    def deed(transaction: Transaction) -> Complaint:
        found = complaints.find(transaction, address) if address else None
        if found is None:
            raise NotFoundError("no complaint of that id")
        if found.status not in {ComplaintStatus.RECEIVED, ComplaintStatus.IN_REVIEW}:
            raise ConflictError("this complaint was decided")
        complaints.set_status(transaction, found.key, state, now)
        line = Event(
            partition=found.key.partition,
            at=now,
            kind=EventKind.COMPLAINT_DECIDED,
            merchant_id=found.merchant_id,
            grant_id=found.grant_id,
            message_id=found.message_id,
            reason=state.value,
        )
        events.record(transaction, [line], world.random.token_bytes)
        return replace(found, status=state, changed_at=now)

    return world.database.run(deed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assessment:
    """What a complaint is about, as far as the records know."""

    verdict: Verdict
    merchant_id: str | None
    home: int
    sent: datetime


def _assess(transaction: Transaction, message: Message) -> _Assessment:
    grant = grants.find(transaction, message.grant_key) if message.grant_key else None
    verdict = Verdict.NO_CONSENT
    if grant is not None:
        verdict = assess(message, grants.scope_at(transaction, grant, message.send_at))
    return _Assessment(
        verdict=verdict,
        merchant_id=message.merchant_id,
        home=message.key.partition,
        sent=message.send_at,
    )


def _file_complaint(
    world: AppContext,
    transaction: Transaction,
    reason: ComplaintReason,
    *,
    message: Message | None,
    assessment: _Assessment,
) -> FiledComplaint:
    if message and (before := complaints.find_by_message(transaction, message.key)):
        return FiledComplaint(_case_number(world, before.key), before)
    now = world.clock.now()
    address = RowKey.new(assessment.home, world.random.token_bytes(8))
    number = _case_number(world, address)
    complaint = Complaint(
        key=address,
        case_number_hash=rate_limit_key("complaint", number, world.keyring.index),
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
    line = Event(
        partition=address.partition,
        at=now,
        kind=EventKind.COMPLAINT_FILED,
        merchant_id=assessment.merchant_id,
        grant_id=complaint.grant_id,
        message_id=complaint.message_id,
        reason=reason.value,
    )
    events.record(transaction, [line], world.random.token_bytes)
    return FiledComplaint(number, complaint)


def _find_message(
    world: AppContext, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Message | None:
    """Return the message that the pasted text was, of several the one nearest in time."""
    digest = fingerprint_of(world, number, pasted.sender, comparable_text(pasted.text))
    left = fingerprints.find(
        transaction, digest, since=pasted.at - MATCH_WINDOW, until=pasted.at + MATCH_WINDOW
    )
    if not left:
        return None
    address, _ = min(left, key=lambda each: abs(each[1] - pasted.at))
    return messages.find(transaction, address)


def _require_within_limit(world: AppContext, transaction: Transaction, number: PhoneNumber) -> None:
    now = world.clock.now()
    key = rate_limit_key("reports", number.reveal(), world.keyring.index)
    again = try_acquire(transaction, key, [REPORTS_PER_DAY], now)
    if again != now:
        raise TooManyRequestsError(int((again - now).total_seconds()))


def _case_number(world: AppContext, address: RowKey) -> str:
    """Return the number by which a complaint is followed: computed, so it need not be kept."""
    return derived_digits(
        f"{address.partition} {address.id}", CASE_NUMBER_DIGITS, world.keyring.index
    )


def _sealed(world: AppContext, address: RowKey, plaintext: bytes) -> bytes:
    return seal_envelope(
        plaintext,
        GrantKey(world.random.token_bytes(32)),
        world.keyring.wrapping,
        associated_data=_associated_data(world, address),
        nonce=world.random.token_bytes(12),
    )


def _associated_data(world: AppContext, address: RowKey) -> bytes:
    return f"complaint\n{world.keyring.ids.complaint.encode(address)}".encode()


def _need_tables(world: AppContext) -> None:
    if not world.database.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
