"""Complaints: a consumer reports a message and at once sees what the records say about it.

The message is identified by its link, or by its pasted text after a one-time code. Pasted texts are
matched by keyed fingerprint of number, sender and text. Statements and pictures are sealed, because
they may contain anything, including phone numbers.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.consent.one_time_code import REPORT_INTENT
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import derived_digits
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError, TooManyRequestsError
from consent_tokens.evidence.complaints import (
    CASE_NUMBER_DIGITS,
    MAX_STATEMENT_LENGTH,
    Complaint,
    ComplaintGroup,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
    comparable_sender,
    comparable_text,
)
from consent_tokens.evidence.events import EventKind, complaint_event
from consent_tokens.policies import OtpPolicy, RateLimit
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.class_disputes import DECISIONS as CLASS_DECISIONS
from consent_tokens.services.class_disputes import (
    after_filing,
    announce_review,
    class_decision,
    decide_class,
    initial_status,
    lock_disputed_template,
    verdict_on_class,
)
from consent_tokens.services.consents.sent_texts import verdict_on
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.outbox.sent_text_fingerprints import fingerprint_of
from consent_tokens.services.pictures import NotAPictureError, reencode
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import complaint_events, enqueue
from consent_tokens.store import (
    checkpoints,
    complaints,
    erased_texts,
    fingerprints,
    merchants,
    messages,
    recipients,
    retention,
    senders,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
MATCH_WINDOW: Final = timedelta(days=2)  # between the reported and the recorded time of a message
REPORTS_PER_DAY: Final = RateLimit(10, timedelta(days=1))  # pasted texts per phone number
RECORDS_OF_SENDING: Final = ("sent_texts", "erased_texts")  # kinds that tell what was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedText:
    """A text message as the consumer's phone shows it."""

    sender: str  # as `comparable_sender` returns it
    text: str
    at: datetime  # as the consumer remembers it


@dataclass(frozen=True, slots=True)
class FiledComplaint:
    """A new or known complaint, with the case number by which the consumer follows it."""

    case_number: str
    complaint: Complaint
    is_new: bool = True
    review_of: str | None = None  # the template of which this complaint has started a review


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint as the consumer who filed it sees it."""

    complaint: Complaint
    merchant: Merchant | None


def report_message(runtime: Runtime, message: Message, reason: ComplaintReason) -> FiledComplaint:
    """File a complaint about a message; return the existing one if it was filed before."""
    filed = runtime.database.run(
        lambda transaction: report_within(runtime, transaction, message, reason)
    )
    announce(filed)
    return filed


def report_within(
    runtime: Runtime, transaction: Transaction, message: Message, reason: ComplaintReason
) -> FiledComplaint:
    """File a complaint in the caller's transaction; after it has ended, call `announce`."""
    template_id = lock_disputed_template(transaction, message, reason)
    assessment = _assess(transaction, message, reason, template_id)
    return _file_complaint(runtime, transaction, reason, message=message, assessment=assessment)


def announce(filed: FiledComplaint) -> None:
    """Log the review that a complaint has started, if it did."""
    if filed.review_of:
        announce_review(filed.review_of)


def report_pasted_text(
    runtime: Runtime,
    policy: OtpPolicy,
    secret: ChallengeSecret | None,
    code: str,
    pasted: PastedText,
    reason: ComplaintReason,
) -> FiledComplaint | None:
    """File a complaint about a pasted text; return None if the one-time code is wrong.

    Raises TooManyRequestsError above REPORTS_PER_DAY for the verified number.
    """

    def work(transaction: Transaction) -> FiledComplaint | None:
        number = verify_code(runtime, policy, transaction, secret, intent=REPORT_INTENT, code=code)
        if number is None:
            return None
        _require_within_limit(runtime, transaction, number)
        message = _find_message(runtime, transaction, number, pasted)
        if message is not None:
            return report_within(runtime, transaction, message, reason)
        assessment = _assess_without_message(runtime, transaction, number, pasted)
        return _file_complaint(runtime, transaction, reason, message=None, assessment=assessment)

    filed = runtime.database.run(work)
    if filed is not None:
        announce(filed)
    return filed


def find_by_case_number(runtime: Runtime, case_number: str) -> Complaint:
    """Return the complaint with a case number; anything but digits is ignored.

    Raises NotFoundError.
    """
    digits = "".join(letter for letter in case_number if letter.isdigit())
    found = None
    if len(digits) == CASE_NUMBER_DIGITS:
        key = _case_number_hash(runtime, digits)
        found = runtime.database.read(
            lambda transaction: complaints.find_by_case_number(transaction, key)
        )
    if found is None:
        raise NotFoundError("no complaint of that number")
    return found


def read_case(runtime: Runtime, case_number: str) -> Case:
    """Return the complaint with a case number, and its merchant. Raises NotFoundError."""
    complaint = find_by_case_number(runtime, case_number)
    merchant_id = complaint.merchant_id
    if merchant_id is None:
        return Case(complaint, None)
    return Case(
        complaint,
        runtime.database.read(lambda transaction: merchants.find(transaction, merchant_id)),
    )


def complaints_of_merchant(
    runtime: Runtime, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[ComplaintGroup]:
    """Return groups of complaints about a merchant, oldest first, of days that are over.

    They follow `after`: the start of a day, and a place in it.
    """
    since, place = after or (BEGINNING, -1)
    until = start_of_day(runtime.clock.now())
    found = runtime.database.read(
        lambda transaction: complaints.groups(
            transaction,
            since=since,
            until=until,
            merchant_id=merchant_id,
            limit=limit + place + 1,
        )
    )
    return [each for each in found if (each.day, each.place) > (since.date(), place)][:limit]


def enqueue_complaint_groups(runtime: Runtime) -> None:
    """Enqueue a `complaint.opened` for each merchant, day and purpose since the last call.

    Of days that are over only. What was enqueued is saved in the same transaction, so that a
    process that ends in between repeats nothing and leaves nothing out.
    """
    now = runtime.clock.now()
    today = start_of_day(now)
    reached = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.COMPLAINT_GROUPS)
    )
    if reached is not None and datetime.fromisoformat(reached) >= today:
        return

    def work(transaction: Transaction) -> None:
        last = checkpoints.lock(transaction, checkpoints.COMPLAINT_GROUPS)
        since = today if last is None else datetime.fromisoformat(last)
        found = complaints.groups(transaction, since=since, until=today)
        enqueue(runtime, transaction, complaint_events(found), now)
        checkpoints.save(transaction, checkpoints.COMPLAINT_GROUPS, max(since, today).isoformat())

    runtime.database.run(work)


def add_statement(runtime: Runtime, complaint: Complaint, statement: str, picture: bytes) -> None:
    """Add the consumer's statement and picture; neither can be replaced once it is there.

    A picture is encoded anew, without metadata.

    Raises InvalidError naming the form field.
    """
    statement = statement.strip()
    if len(statement) > MAX_STATEMENT_LENGTH:
        raise InvalidError({"said": ["too_long"]})
    try:
        picture = reencode(picture) if picture else b""
    except NotAPictureError:
        raise InvalidError({"picture": ["not_a_picture"]}) from None
    sealed_statement = _seal(runtime, complaint.key, statement.encode()) if statement else None
    sealed_picture = _seal(runtime, complaint.key, picture) if picture else None
    runtime.database.run(
        lambda transaction: complaints.add_statement(
            transaction,
            complaint.key,
            statement=None if complaint.statement else sealed_statement,
            picture=None if complaint.picture else sealed_picture,
        )
    )


def read_statement(runtime: Runtime, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's statement and picture, for the operator; empty if there is none."""
    associated_data = _associated_data(runtime, complaint.key)
    statement, picture = (
        runtime.open_envelope(each, associated_data) if each else b""
        for each in (complaint.statement, complaint.picture)
    )
    return statement.decode(), picture


def decide_complaint(
    runtime: Runtime,
    public_id: str,
    status: ComplaintStatus,
    *,
    actor: Actor | None = None,
    reason: str | None = None,
) -> Complaint:
    """Record the operator's decision; whether a text was an advert is decided for its template.

    That needs an actor and a reason. Raises NotFoundError, ConflictError if already decided;
    InvalidError and ForbiddenError as `class_decision`.
    """
    key = runtime.ids.complaint.decode(public_id)
    now = runtime.clock.now()

    def work(transaction: Transaction) -> Complaint:
        found = complaints.find(transaction, key) if key else None
        if found is None:
            raise NotFoundError("no complaint of that id")
        if not found.is_open:
            raise ConflictError("this complaint was decided")
        if found.verdict is Verdict.CLASS_DISPUTED and status in CLASS_DECISIONS:
            if actor is None:
                raise InvalidError({"actor": ["is needed to decide whether a text is an advert"]})
            decide_class(runtime, transaction, class_decision(actor, status, reason), found)
            return complaints.find(transaction, found.key) or found
        complaints.set_status(transaction, found.key, status, now)
        event = complaint_event(found, EventKind.COMPLAINT_DECIDED, now, status.value)
        runtime.record(transaction, event)
        return replace(found, status=status, changed_at=now)

    return runtime.database.run(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assessment:
    """The verdict on a message or pasted text, and what the complaint's row takes from it."""

    verdict: Verdict
    merchant_id: str | None
    partition: int
    sent_at: datetime
    template_id: str | None = None
    status: ComplaintStatus = ComplaintStatus.RECEIVED


def _assess(
    transaction: Transaction, message: Message, reason: ComplaintReason, template_id: str | None
) -> _Assessment:
    """Assess a recorded message; `template_id` is that of the template put in question."""
    by_records = verdict_on(transaction, message)
    verdict = verdict_on_class(transaction, by_records, message, reason)
    return _Assessment(
        verdict=verdict,
        template_id=template_id,
        status=initial_status(transaction, verdict, template_id),
        merchant_id=message.merchant_id,
        partition=message.key.partition,
        sent_at=message.send_at,
    )


def _assess_without_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> _Assessment:
    """Assess a pasted text whose message was erased or deleted, or never existed."""
    with_source = senders.with_source(transaction, pasted.sender)
    found = senders.latest_owners(with_source, runtime.clock.now())
    partition = recipients.find(transaction, runtime.blind_index(number))
    if found:
        verdict = _verdict_without_message(runtime, transaction, number, pasted)
    elif pasted.sender.casefold() == comparable_sender(runtime.service.sender).casefold():
        verdict = Verdict.OWN_SENDER
    else:
        verdict = Verdict.NOT_THROUGH_US
    return _Assessment(
        verdict=verdict,
        merchant_id=found[0].merchant_id if found else None,
        partition=runtime.new_partition() if partition is None else partition,
        sent_at=pasted.at,
    )


def _verdict_without_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Verdict:
    """Return the verdict on a text of an admitted sender of which no message is recorded.

    That there was no consent is said only of a time whose records are all still there.
    """
    since, until = pasted.at - MATCH_WINDOW, pasted.at + MATCH_WINDOW
    fingerprint = _fingerprint(runtime, number, pasted)
    erased = erased_texts.find(
        transaction, fingerprint, since=start_of_day(since), until=start_of_day(until)
    )
    if erased:
        return min(erased, key=lambda each: abs(each.sent_on - pasted.at)).verdict
    if fingerprints.find(transaction, fingerprint, since=since, until=until):
        return Verdict.RECORDS_GONE  # the text was sent, but its message is deleted
    deleted = (retention.deleted_before(transaction, kind) for kind in RECORDS_OF_SENDING)
    if any(before is not None and since < before for before in deleted):
        return Verdict.RECORDS_GONE
    return Verdict.NO_CONSENT


def _file_complaint(
    runtime: Runtime,
    transaction: Transaction,
    reason: ComplaintReason,
    *,
    message: Message | None,
    assessment: _Assessment,
) -> FiledComplaint:
    if message and (existing := complaints.find_by_message(transaction, message.key)):
        return FiledComplaint(_case_number(runtime, existing.key), existing, is_new=False)
    now = runtime.clock.now()
    key = runtime.new_key(assessment.partition)
    case_number = _case_number(runtime, key)
    complaint = Complaint(
        key=key,
        case_number_hash=_case_number_hash(runtime, case_number),
        merchant_id=assessment.merchant_id,
        grant_id=message.grant_id if message else None,
        message_id=message.key.id if message else None,
        purpose=message.purpose if message else None,
        template_id=assessment.template_id,
        sent_at=assessment.sent_at,
        reason=reason,
        verdict=assessment.verdict,
        status=assessment.status,
        filed_at=now,
        changed_at=now,
    )
    complaints.add(transaction, complaint)
    event = complaint_event(complaint, EventKind.COMPLAINT_FILED, now, reason.value)
    runtime.record(transaction, event)
    review_of = after_filing(runtime, transaction, complaint)
    if review_of:
        complaint = replace(complaint, status=ComplaintStatus.IN_REVIEW)
    return FiledComplaint(case_number, complaint, review_of=review_of)


def _find_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Message | None:
    """Return the recorded message that matches a pasted text; of several the nearest in time."""
    matches = fingerprints.find(
        transaction,
        _fingerprint(runtime, number, pasted),
        since=pasted.at - MATCH_WINDOW,
        until=pasted.at + MATCH_WINDOW,
    )
    if not matches:
        return None
    key, _sent_at = min(matches, key=lambda match: abs(match[1] - pasted.at))
    return messages.find(transaction, key)


def _fingerprint(runtime: Runtime, number: PhoneNumber, pasted: PastedText) -> bytes:
    return fingerprint_of(runtime, number, pasted.sender, comparable_text(pasted.text))


def _require_within_limit(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> None:
    now = runtime.clock.now()
    key = runtime.rate_limit_key("reports", number.reveal())
    allowed_at = try_acquire(transaction, key, [REPORTS_PER_DAY], now)
    if allowed_at != now:
        raise TooManyRequestsError(int((allowed_at - now).total_seconds()))


def _case_number(runtime: Runtime, key: RowKey) -> str:
    """Return the case number: derived from the row key by a secret key, stored only hashed."""
    return derived_digits(f"{key.partition} {key.id}", CASE_NUMBER_DIGITS, runtime.keyring.index)


def _case_number_hash(runtime: Runtime, case_number: str) -> bytes:
    return runtime.rate_limit_key("case_number", case_number)


def _seal(runtime: Runtime, key: RowKey, plaintext: bytes) -> bytes:
    return runtime.seal_envelope(plaintext, _associated_data(runtime, key))


def _associated_data(runtime: Runtime, key: RowKey) -> bytes:
    return f"complaint statement\n{runtime.ids.complaint.encode(key)}".encode()
