"""Complaints: a consumer reports a message and at once sees what the records say about it.

The message is identified by its link, or by its pasted text after a one-time code. It is assessed
in `complaint_assessment`; what the consumer adds is in `complaint_additions`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.consent.one_time_code import REPORT_INTENT
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import derived_digits
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.complaints import (
    CASE_NUMBER_DIGITS,
    Complaint,
    ComplaintGroup,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
)
from consent_tokens.evidence.events import EventKind, complaint_event
from consent_tokens.evidence.rollups import Measure, counted_for, for_message
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
    lock_disputed_template,
)
from consent_tokens.services.complaint_assessment import (
    Assessment,
    PastedText,
    assess,
    assess_without_message,
    find_message,
)
from consent_tokens.services.complaint_reactions import count_complaint
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.rate_limits import acquire
from consent_tokens.services.rollups.counting import count_one
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import complaint_events, enqueue
from consent_tokens.store import (
    checkpoints,
    complaints,
    merchants,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
REPORTS_PER_DAY: Final = RateLimit(10, timedelta(days=1))  # pasted texts per phone number


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
    assessment = assess(transaction, message, reason, template_id)
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
        message = find_message(runtime, transaction, number, pasted)
        if message is not None:
            return report_within(runtime, transaction, message, reason)
        assessment = assess_without_message(runtime, transaction, number, pasted)
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
    return runtime.database.run(
        lambda transaction: decide_within(
            runtime, transaction, public_id, status, actor=actor, reason=reason
        )
    )


def decide_within(
    runtime: Runtime,
    transaction: Transaction,
    public_id: str,
    status: ComplaintStatus,
    *,
    actor: Actor | None,
    reason: str | None,
) -> Complaint:
    """Record a decision in the caller's transaction; see `decide_complaint`."""
    found = find_complaint(runtime, transaction, public_id)
    if not found.is_open:
        raise ConflictError("this complaint was decided")
    if found.verdict is Verdict.CLASS_DISPUTED and status in CLASS_DECISIONS:
        if actor is None:
            raise InvalidError({"actor": ["is needed to decide whether a text is an advert"]})
        decide_class(runtime, transaction, class_decision(actor, status, reason), found)
        return complaints.find(transaction, found.key) or found
    now, by = runtime.clock.now(), actor.id if actor else None
    complaints.set_status(transaction, found.key, status, now)
    event = complaint_event(found, EventKind.COMPLAINT_DECIDED, now, status.value, actor=by)
    runtime.record(transaction, event)
    return replace(found, status=status, changed_at=now)


def find_complaint(runtime: Runtime, transaction: Transaction, public_id: str) -> Complaint:
    """Return a complaint by its public id. Raises NotFoundError."""
    key = runtime.ids.complaint.decode(public_id)
    found = complaints.find(transaction, key) if key else None
    if found is None:
        raise NotFoundError("no complaint of that id")
    return found


def _file_complaint(
    runtime: Runtime,
    transaction: Transaction,
    reason: ComplaintReason,
    *,
    message: Message | None,
    assessment: Assessment,
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
        as_marketing=assessment.as_marketing,
        status=assessment.status,
        filed_at=now,
        changed_at=now,
    )
    complaints.add(transaction, complaint)
    if message:
        count_complaint(transaction, message)
    of = for_message(message) if message else counted_for(complaint.merchant_id)
    count_one(runtime, transaction, Measure.COMPLAINTS, of)
    event = complaint_event(complaint, EventKind.COMPLAINT_FILED, now, reason.value)
    runtime.record(transaction, event)
    review_of = after_filing(runtime, transaction, complaint)
    if review_of:
        complaint = replace(complaint, status=ComplaintStatus.IN_REVIEW)
    return FiledComplaint(case_number, complaint, review_of=review_of)


def _require_within_limit(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> None:
    now = runtime.clock.now()
    key = runtime.rate_limit_key("reports", number.reveal())
    acquire(transaction, key, [REPORTS_PER_DAY], now)


def _case_number(runtime: Runtime, key: RowKey) -> str:
    """Return the case number: derived from the row key by a secret key, stored only hashed."""
    return derived_digits(f"{key.partition} {key.id}", CASE_NUMBER_DIGITS, runtime.keyring.index)


def _case_number_hash(runtime: Runtime, case_number: str) -> bytes:
    return runtime.rate_limit_key("case_number", case_number)
