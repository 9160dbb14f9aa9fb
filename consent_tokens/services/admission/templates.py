"""Templates of merchants: submitted, and checked at once. `template_reviews` decides."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
)
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.templates.check import Draft, TemplateFault, check_template
from consent_tokens.relay.templates.fault_texts import explain
from consent_tokens.relay.templates.fingerprint import fingerprint
from consent_tokens.relay.templates.marks import marks
from consent_tokens.relay.templates.template import (
    OnOverflow,
    Template,
    TemplateStatus,
    Variable,
)
from consent_tokens.services.admission.template_standings import (
    TemplateStanding,
    standings_of,
    subject_of,
)
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    control_groups,
    link_domains,
    templates,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.templates import TemplateVersion

MAX_RESUBMISSIONS: Final = 3  # of a text that was refused, in RESUBMISSION_WINDOW
RESUBMISSION_WINDOW: Final = timedelta(days=1)
EVENT_TYPE: Final = re.compile("[a-z][a-z0-9_-]{0,31}")
DEFAULT_EVENT_TYPES: Final[Mapping[str, str]] = {
    Purpose.ORDERS: "order",
    Purpose.DELIVERIES: "order",
    Purpose.APPOINTMENTS: "appointment",
    Purpose.NOTICES: "notice",
    Purpose.CODES: "code",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a merchant submits: a new template, or a new version of the one at `template_id`.

    Without an `event_type`, texts that need an event have that of their purpose.
    """

    purpose: Purpose
    text: str
    variables: Mapping[str, Variable]
    on_overflow: OnOverflow = OnOverflow.REFUSE
    event_type: str | None = None
    is_essential: bool = False
    template_id: str | None = None


def submit(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    submission: Submission,
    *,
    actor_id: str | None = None,
) -> TemplateStanding:
    """Submit a template for review; return it as it is now. `actor_id` is who did, if a person did.

    Raises InvalidError with its faults, NotFoundError, ConflictError for a withdrawn template, and
    TooManyRequestsError after MAX_RESUBMISSIONS of a refused one.
    """
    merchant = get_merchant(transaction, merchant_id)
    earlier = _earlier_versions(transaction, merchant_id, submission)
    if faults := faults_of(transaction, merchant, submission, earlier):
        raise invalid(faults)
    known = fingerprint(submission.text)
    _ensure_not_too_often(runtime, transaction, merchant_id, submission, known)
    template = new_template(runtime, merchant_id, submission, earlier)
    now = runtime.clock.now()
    if merchant.is_sandbox:  # nothing leaves: nobody has to review it
        template = replace(template, status=TemplateStatus.APPROVED)
    version = TemplateVersion(
        template=template,
        fingerprint=known,
        findings=marks(draft_of(submission)),
        submitted_at=now,
        decided_at=now if merchant.is_sandbox else None,
    )
    templates.add(transaction, version)
    kind = EventKind.TEMPLATE_SUBMITTED
    record_event(runtime, transaction, merchant, kind, subject_of(template), actor_id)
    return standings_of(runtime, transaction, [version])[0]


def _earlier_versions(
    transaction: Transaction, merchant_id: str, submission: Submission
) -> list[TemplateVersion]:
    """Return the versions of the template that a submission is a new version of, locked."""
    if submission.template_id is None:
        return []
    earlier = templates.lock(transaction, submission.template_id)
    if not earlier or earlier[0].template.merchant_id != merchant_id:
        raise NotFoundError("no template of that id")
    if any(each.template.status is TemplateStatus.WITHDRAWN for each in earlier):
        raise ConflictError("the template was withdrawn")
    return earlier


def invalid(faults: Iterable[TemplateFault]) -> InvalidError:
    """Return the error of a template with these faults, by field."""
    by_field: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        by_field[fault.field].append(explain(fault.code, fault.detail))
    return InvalidError(dict(by_field))


def draft_of(submission: Submission) -> Draft:
    """Return the draft that is checked."""
    return Draft(purpose=submission.purpose, text=submission.text, variables=submission.variables)


def faults_of(
    transaction: Transaction,
    merchant: Merchant,
    submission: Submission,
    earlier: Sequence[TemplateVersion],
) -> list[TemplateFault]:
    """Return what is wrong with a submission; `earlier` are the versions before it.

    A text without other faults may be one that the control group may not submit again.
    """
    domains = link_domains.of_merchant(transaction, merchant.id)
    form_faults = check_template(draft_of(submission), domains)
    faults = [*_terms_faults(merchant, submission, earlier), *form_faults]
    if faults:
        return faults
    group = control_groups.members(transaction, merchant.id)
    if templates.is_blocked(transaction, fingerprint(submission.text), group):
        return [TemplateFault("text", "text_withdrawn")]
    return faults


def _terms_faults(
    merchant: Merchant, submission: Submission, earlier: Sequence[TemplateVersion]
) -> Iterable[TemplateFault]:
    is_transactional = submission.purpose.purpose_class is PurposeClass.TRANSACTIONAL
    if not merchant.may_use(submission.purpose):
        yield TemplateFault("purpose", "class_not_admitted", submission.purpose.purpose_class)
    if earlier and earlier[0].template.purpose != submission.purpose:
        yield TemplateFault("purpose", "other_purpose", earlier[0].template.purpose)
    if submission.is_essential and not is_transactional:
        yield TemplateFault("essential", "essential_not_transactional")
    if submission.event_type is not None:
        if not is_transactional or submission.is_essential:
            yield TemplateFault("event_type", "event_not_transactional")
        elif not EVENT_TYPE.fullmatch(submission.event_type):
            yield TemplateFault("event_type", "event_type")


def _ensure_not_too_often(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    submission: Submission,
    known: bytes,
) -> None:
    """Refuse a text that the control group may not submit again today; `known` is its fingerprint.

    Raises TooManyRequestsError.
    """
    group = control_groups.members(transaction, merchant_id)
    template_id = submission.template_id or ""
    refused_at = templates.first_refused_at(
        transaction, group, template_id=template_id, fingerprint=known
    )
    if refused_at:
        window_start = runtime.clock.now() - RESUBMISSION_WINDOW
        recent = templates.submissions_since(
            transaction,
            group,
            max(window_start, refused_at),
            template_id=template_id,
            fingerprint=known,
        )
        _ensure_few(recent, window_start)


def _ensure_few(recent: Sequence[TemplateVersion], since: datetime) -> None:
    """Raise TooManyRequestsError if a text was resubmitted MAX_RESUBMISSIONS times since then."""
    if len(recent) >= MAX_RESUBMISSIONS:
        wait = recent[-MAX_RESUBMISSIONS].submitted_at - since
        raise TooManyRequestsError(max(1, int(wait.total_seconds())))


def new_template(
    runtime: Runtime,
    merchant_id: str,
    submission: Submission,
    earlier: Sequence[TemplateVersion],
) -> Template:
    """Return the version that a submission would be, not stored."""
    number = int.from_bytes(runtime.random.token_bytes(8), "big")
    before = earlier[0].template if earlier else None
    template = Template(
        id=before.id if before else templates.id_of(number),
        version=before.version + 1 if before else 1,
        merchant_id=merchant_id,
        purpose=submission.purpose.value,
        text=submission.text,
        variables=submission.variables,
        on_overflow=submission.on_overflow,
        event_type=submission.event_type,
        texts_per_event=1,
        is_essential=submission.is_essential,
        status=TemplateStatus.SUBMITTED,
    )
    return with_event(template)


def with_event(template: Template) -> Template:
    """Return a template with the event that its class needs: none, its own, or its purpose's."""
    is_transactional = class_of(template.purpose) is PurposeClass.TRANSACTIONAL
    needs_event = is_transactional and not template.is_essential
    usual = DEFAULT_EVENT_TYPES.get(template.purpose, "event")
    return replace(template, event_type=(template.event_type or usual) if needs_event else None)
