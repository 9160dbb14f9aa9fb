"""Suspend merchants, wholly or for a class of purposes, and restore them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import (
    PEOPLE_FOR_TWO,
    Act,
    Action,
    Actor,
    approvers,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.merchant_records import get_admitted
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantStatus


@dataclass(frozen=True, slots=True)
class Restored:
    """A merchant, and whether a second person must say so before it is restored."""

    merchant: Merchant
    needs_another: bool


def suspend(
    runtime: Runtime,
    actor: Actor,
    merchant_id: str,
    reason: str | None,
    classes: Iterable[PurposeClass] = (),
) -> Merchant:
    """Stop a merchant's consent requests and messages at once: all, or those of some classes.

    Raises ForbiddenError, InvalidError, NotFoundError, and ConflictError if it was not admitted.
    """
    require_right(actor, Action.SUSPEND)
    wanted = frozenset(classes)

    def work(transaction: Transaction) -> Merchant:
        merchant = get_admitted(transaction, merchant_id)
        text = _checked_reason(merchant, reason)
        if not wanted <= merchant.classes:
            raise InvalidError({"class": ["the merchant is not admitted for it"]})
        if wanted:
            changed = replace(merchant, suspended_classes=merchant.suspended_classes | wanted)
        else:
            changed = replace(merchant, status=MerchantStatus.SUSPENDED)
        merchants.update_one(transaction, changed)
        for subject in _subjects(wanted):
            act = Act(
                merchant=merchant,
                kind=EventKind.MERCHANT_SUSPENDED,
                action=Action.SUSPEND,
                subject_id=_subject_id(merchant, subject),
                reason=text,
            )
            record_act(runtime, transaction, actor, act)
        return changed

    return runtime.database.run(work)


def restore(
    runtime: Runtime,
    actor: Actor,
    merchant_id: str,
    reason: str | None,
    classes: Iterable[PurposeClass] = (),
) -> Restored:
    """Let a suspended merchant request consent and send again: all, or those of some classes.

    A legal entity is restored once two different people said so; a demonstration by one. Raises
    ForbiddenError, InvalidError, NotFoundError, and ConflictError if that is not suspended.
    """
    wanted = frozenset(classes)
    return runtime.database.run(
        lambda transaction: restore_within(runtime, transaction, actor, merchant_id, reason, wanted)
    )


def restore_within(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    merchant_id: str,
    reason: str | None,
    wanted: frozenset[PurposeClass],
) -> Restored:
    """Restore a merchant in the caller's transaction; raises as `restore`."""
    require_right(actor, Action.RESTORE)
    merchant = get_admitted(transaction, merchant_id)
    text = _checked_reason(merchant, reason)
    ensure_suspended(merchant, wanted)
    restored: set[PurposeClass | None] = {
        subject
        for subject in _subjects(wanted)
        if _approve(runtime, transaction, actor, merchant, subject, text)
    }
    if not restored:
        return Restored(merchant, needs_another=True)
    changed = replace(
        merchant,
        status=MerchantStatus.ACTIVE if None in restored else merchant.status,
        suspended_classes=merchant.suspended_classes - restored,
    )
    merchants.update_one(transaction, changed)
    return Restored(changed, needs_another=len(restored) < len(_subjects(wanted)))


def ensure_suspended(merchant: Merchant, classes: frozenset[PurposeClass]) -> None:
    """Raise ConflictError unless a merchant is suspended for these classes; without any, wholly."""
    is_suspended = (
        classes <= merchant.suspended_classes
        if classes
        else merchant.status is MerchantStatus.SUSPENDED
    )
    if not is_suspended:
        raise ConflictError("that is not suspended")


def _approve(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    merchant: Merchant,
    subject: PurposeClass | None,
    reason: str | None,
) -> bool:
    """Record that an actor would restore this; return whether enough people have said so."""
    subject_id = _subject_id(merchant, subject)
    before = approvers(transaction, subject_id or merchant.id, Action.RESTORE, since=Action.SUSPEND)
    is_enough = merchant.is_demonstration or len(before | {actor.id}) >= PEOPLE_FOR_TWO
    act = Act(
        merchant=merchant,
        kind=EventKind.MERCHANT_RESTORED if is_enough else EventKind.MERCHANT_RESTORING,
        action=Action.RESTORE,
        subject_id=subject_id,
        reason=reason,
    )
    record_act(runtime, transaction, actor, act)
    return is_enough


def _subjects(classes: frozenset[PurposeClass]) -> list[PurposeClass | None]:
    """Return what is suspended or restored: each of the classes; without any, the merchant."""
    return [*sorted(classes)] or [None]


def _subject_id(merchant: Merchant, subject: PurposeClass | None) -> str | None:
    return None if subject is None else f"{merchant.id}:{subject}"


def _checked_reason(merchant: Merchant, reason: str | None) -> str | None:
    """Return the reason, which nobody asks for about a demonstration. Raises InvalidError."""
    return None if merchant.is_demonstration and not reason else check_reason(reason)
