"""Applications of merchants: submitted, then returned to be mended, refused, or approved."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.text_form import normal_domain
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.application_form import ApplicationForm, checked_identity
from consent_tokens.services.admission.control_groups import propose_twins
from consent_tokens.services.admission.daily_limits import check_limits
from consent_tokens.services.admission.documents import add_documents
from consent_tokens.services.api_keys import add_new, new_api_key
from consent_tokens.services.merchant_records import record_event
from consent_tokens.services.merchants import AdmittedMerchant, changed_identity
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import applications, checkpoints, link_domains, merchants
from consent_tokens.store.applications import Application, ApplicationStatus
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import (
    Merchant,
    MerchantIdentity,
    MerchantKind,
    MerchantStatus,
    write_limits,
)

NO_LIMITS: Final[Mapping[PurposeClass, int]] = MappingProxyType({})
NO_CLASSES: Final[frozenset[PurposeClass]] = frozenset()


def apply(
    runtime: Runtime,
    form: ApplicationForm,
    *,
    amends: str | None = None,
    actor_id: str | None = None,
) -> Merchant:
    """Submit an application; `amends` is the merchant whose returned application it mends.

    `actor_id` is the operator who enters it, if one does.

    Raises InvalidError, NotFoundError, and ConflictError if nothing was returned to it.
    """
    now = runtime.clock.now()
    identity = checked_identity(form, now)

    def work(transaction: Transaction) -> Merchant:
        checkpoints.lock_admission(transaction)
        merchant = (
            _new_merchant(runtime, transaction, form, identity)
            if amends is None
            else _amended(transaction, amends, form, identity)
        )
        applications.save(transaction, _application(merchant.id, form, now))
        domains = sorted({each for each in map(normal_domain, form.link_domains) if each})
        link_domains.replace_all(transaction, merchant.id, domains)
        add_documents(runtime, transaction, merchant.id, form.documents)
        propose_twins(runtime, transaction, merchant.id)
        record_event(runtime, transaction, merchant, EventKind.MERCHANT_APPLIED, actor_id=actor_id)
        return merchant

    return runtime.database.run(work)


def _new_merchant(
    runtime: Runtime, transaction: Transaction, form: ApplicationForm, identity: MerchantIdentity
) -> Merchant:
    merchant = Merchant(
        id=f"mer_{runtime.random.token_bytes(8).hex()}",
        partition=runtime.new_partition(),
        name=form.name.strip(),
        status=MerchantStatus.APPLIED,
        admitted_at=runtime.clock.now(),  # until it is admitted: when it applied
        identity=identity,
        kind=MerchantKind.LEGAL_ENTITY,
        classes=NO_CLASSES,
    )
    merchants.add(transaction, merchant)
    return merchant


def _amended(
    transaction: Transaction, merchant_id: str, form: ApplicationForm, identity: MerchantIdentity
) -> Merchant:
    merchant, application = get_applied(transaction, merchant_id)
    if application.status is not ApplicationStatus.RETURNED:
        raise ConflictError(f"the application is {application.status}, not returned")
    amended = replace(merchant, name=form.name.strip(), identity=identity)
    merchants.update_one(transaction, amended)
    return amended


def _application(merchant_id: str, form: ApplicationForm, now: datetime) -> Application:
    return Application(
        merchant_id=merchant_id,
        status=ApplicationStatus.SUBMITTED,
        classes=form.classes,
        country=form.country.upper(),
        legal_person=form.legal_person,
        licences=form.licences,
        wanted_use=form.wanted_use,
        submitted_at=now,
    )


def get_applied(transaction: Transaction, merchant_id: str) -> tuple[Merchant, Application]:
    """Return a merchant with its application. Raises NotFoundError."""
    merchant = merchants.find(transaction, merchant_id)
    application = applications.find(transaction, merchant_id)
    if merchant is None or application is None:
        raise NotFoundError("no merchant of that id has applied")
    return merchant, application


def approve(  # noqa: PLR0913 - what is decided about an application
    runtime: Runtime,
    actor: Actor,
    merchant_id: str,
    *,
    checked_by: str,
    classes: frozenset[PurposeClass] | None = None,
    purposes: frozenset[Purpose] = frozenset(),
    daily_limits: Mapping[PurposeClass, int] = NO_LIMITS,
) -> AdmittedMerchant:
    """Admit a merchant for classes that it asked for, all by default, with its first API key.

    `purposes` are those of these classes that need an admission of their own, `daily_limits` how
    many messages of a class are accepted in a day. `checked_by` is who checked its identity, as
    consumers are shown. Raises ForbiddenError, InvalidError,
    NotFoundError, and ConflictError unless the application awaits a decision.
    """
    require_right(actor, Action.APPROVE)

    def work(transaction: Transaction) -> AdmittedMerchant:
        merchant, application = _undecided(transaction, merchant_id)
        admitted = application.classes if classes is None else classes
        _check_approval(application, admitted, purposes)
        check_limits(daily_limits, admitted)
        now = runtime.clock.now()
        identity = changed_identity(merchant.identity, {"checked_by": checked_by}, now)
        active = replace(
            merchant,
            status=MerchantStatus.ACTIVE,
            admitted_at=now,
            classes=admitted,
            purposes=purposes,
            daily_limits=daily_limits,
            identity=identity,
        )
        merchants.update_one(transaction, active)
        key, text = new_api_key(runtime, merchant_id)
        add_new(runtime, transaction, key, actor.id)
        decision = ApplicationStatus.APPROVED, EventKind.MERCHANT_ADMITTED, Action.APPROVE
        named = " ".join([*sorted(purposes), write_limits(daily_limits)]).strip() or None
        _decide(runtime, transaction, actor, (merchant, application), decision, named)
        return AdmittedMerchant(active, text)

    return runtime.database.run(work)


def _check_approval(
    application: Application, admitted: frozenset[PurposeClass], purposes: frozenset[Purpose]
) -> None:
    """Raise InvalidError for classes that were not asked for, and purposes of other classes."""
    if not admitted or not admitted <= application.classes:
        asked = ", ".join(sorted(application.classes))
        raise InvalidError({"class": [f"must be of those that it asked for: {asked}"]})
    if wrong := [each for each in purposes if not _can_be_named(each, admitted)]:
        why = f"{wrong[0]} needs no admission of its own, or is of no class that it gets"
        raise InvalidError({"purpose": [why]})


def _can_be_named(purpose: Purpose, admitted: frozenset[PurposeClass]) -> bool:
    return purpose.needs_own_admission and purpose.purpose_class in admitted


def return_application(runtime: Runtime, actor: Actor, merchant_id: str, reason: str) -> None:
    """Send an application back, to be mended. Raises as `approve`."""
    require_right(actor, Action.RETURN)
    text = check_reason(reason)

    def work(transaction: Transaction) -> None:
        found = _undecided(transaction, merchant_id)
        decision = ApplicationStatus.RETURNED, EventKind.MERCHANT_RETURNED, Action.RETURN
        _decide(runtime, transaction, actor, found, decision, text)

    runtime.database.run(work)


def refuse(runtime: Runtime, actor: Actor, merchant_id: str, reason: str) -> None:
    """Refuse a merchant; its documents are deleted. Raises as `approve`."""
    require_right(actor, Action.REFUSE)
    text = check_reason(reason)

    def work(transaction: Transaction) -> None:
        merchant, application = _undecided(transaction, merchant_id)
        merchants.set_status(transaction, merchant_id, MerchantStatus.REFUSED)
        applications.delete_documents(transaction, merchant_id)
        decision = ApplicationStatus.REFUSED, EventKind.MERCHANT_REFUSED, Action.REFUSE
        _decide(runtime, transaction, actor, (merchant, application), decision, text)

    runtime.database.run(work)


def _undecided(transaction: Transaction, merchant_id: str) -> tuple[Merchant, Application]:
    checkpoints.lock_admission(transaction)
    merchant, application = get_applied(transaction, merchant_id)
    if application.status is not ApplicationStatus.SUBMITTED:
        raise ConflictError(f"the application is {application.status}")
    return merchant, application


def _decide(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    found: tuple[Merchant, Application],
    decision: tuple[ApplicationStatus, EventKind, Action],
    reason: str | None = None,
) -> None:
    merchant, application = found
    status, kind, action = decision
    decided = replace(
        application,
        status=status,
        decided_at=runtime.clock.now(),
        decided_by=actor.id,
        reason=reason,
    )
    applications.save(transaction, decided)
    act = Act(merchant=merchant, kind=kind, action=action, reason=reason)
    record_act(runtime, transaction, actor, act)
