"""`/v1/messages`: hand in one or a thousand, and see what became of them."""

from typing import Any, cast

from flask import request

from consent_tokens import metrics as meters
from consent_tokens.app_context import World
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import (
    ConsentTokensError,
    InvalidError,
    NotFoundError,
    OutboxFullError,
)
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused, is_marketing
from consent_tokens.relay.message import MOST_AHEAD, Message
from consent_tokens.services.idempotency import Answer, once
from consent_tokens.services.integrity.readiness import trust
from consent_tokens.services.submission.accept import Draft, Verdict, Verified, accept, verified
from consent_tokens.services.submission.backpressure import is_full
from consent_tokens.store import messages
from consent_tokens.store.database import Transaction
from consent_tokens.web import problems
from consent_tokens.web.merchant_api import blueprint, for_merchant, loaded, merchant_id, once_key
from consent_tokens.web.merchant_api.paging import Page, page_asked
from consent_tokens.web.merchant_api.schemas import (
    MOST_REFERENCE,
    BatchSchema,
    DraftSchema,
    plain_draft,
)
from consent_tokens.web.request_context import gatherer, world

doors = blueprint("messages")

DRAFT = DraftSchema()
BATCH = BatchSchema()


@doors.post("/messages")
@for_merchant
def send_one() -> Answer:
    """Hand in a message."""
    merchant = merchant_id()
    body = request.get_json()
    written = plain_draft(body) or _draft(world(), body)
    trust(world())
    if is_marketing(written.purpose) and is_full(world()):
        raise OutboxFullError
    draft = verified(world(), written)
    key = once_key(merchant)
    if key is None:
        answer = _one(gatherer().accept(merchant, draft))
    else:
        answer = once(
            world(),
            key,
            lambda transaction: accept(world(), transaction, merchant, [draft])[0],
            _one,
        )
    world().something_to_do.set()
    return answer


@doors.post("/messages/batch")
@for_merchant
def send_many() -> Answer:
    """Hand in up to 1000 messages; each is judged for itself."""
    merchant = merchant_id()
    batch = cast("dict[str, list[object]]", loaded(BATCH, request.get_json()))
    here = world()
    trust(here)
    read = [_draft_or_fault(here, item) for item in batch["messages"]]
    if is_full(here):
        read = [_held_back(item) for item in read]
        if all(isinstance(item, OutboxFullError) for item in read):
            raise OutboxFullError
    items = [verified(here, item) if isinstance(item, Draft) else item for item in read]
    sound = [item for item in items if isinstance(item, Verified)]

    def render(verdicts: list[Verdict]) -> Answer:
        rest = iter(_results(verdicts))
        results = [next(rest) if isinstance(item, Verified) else _refused(item) for item in items]
        return Answer(200, {"results": results})

    answer = once(
        world(),
        once_key(merchant),
        lambda transaction: accept(world(), transaction, merchant, sound),
        render,
    )
    world().something_to_do.set()
    return answer


@doors.get("/messages/<handle>")
@for_merchant
def look_at_message(handle: str) -> Answer:
    """Look at a message: where it stands, and why."""
    merchant = merchant_id()
    address = world().keyring.handles.message.find(handle)
    found = (
        world().store.read(lambda transaction: messages.find(transaction, address))
        if address
        else None
    )
    if found is None or found.merchant_id != merchant:
        raise NotFoundError("no message of that id")
    return Answer(200, rendered(found))


@doors.get("/messages")
@for_merchant
def list_messages() -> Answer:
    """List the messages of one reference, the oldest first."""
    merchant = merchant_id()
    page = page_asked()
    reference = request.args.get("reference", "")
    if not 0 < len(reference) <= MOST_REFERENCE or not reference.isprintable():
        raise InvalidError({"reference": [f"Must be 1 to {MOST_REFERENCE} characters."]})

    def question(transaction: Transaction) -> Answer:
        found = messages.by_reference(
            transaction, merchant, reference, after=page.after, limit=page.limit + 1
        )
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.accepted, last.address.number) if last else None
        items = [rendered(message) for message in found[: page.limit]]
        return Answer(200, {"items": items, "next": cursor})

    return world().store.read(question)


def rendered(message: Message) -> dict[str, Any]:
    """Return a message as its merchant sees it: not the text, which the merchant has."""
    handles = world().keyring.handles
    reason = Reason(message.reason) if message.reason in set(Reason) else None
    return {
        "id": handles.message.hide(message.address),
        "grant": handles.grant.hide(message.grant or Address(0, 0)),
        "status": message.state.value,
        "purpose": message.purpose,
        "reference": message.reference,
        "accepted_at": message.accepted.isoformat(),
        "send_after": message.leaves.isoformat(),
        "valid_until": message.valid_until.isoformat(),
        "changed_at": message.changed.isoformat(),
        "segments": message.segments,
        "reason": message.reason,
        "explain": problems.explain(reason) if reason else None,
    }


def _draft(here: World, body: object) -> Draft:
    """Return the draft in a body. Raises InvalidError."""
    draft = cast("Draft", loaded(DRAFT, body))
    if draft.send_at and draft.send_at > here.clock.now() + MOST_AHEAD:
        raise InvalidError({"send_at": [f"Must be within {MOST_AHEAD.days} days."]})
    return draft


def _draft_or_fault(here: World, item: object) -> Draft | ConsentTokensError:
    try:
        return plain_draft(item) or _draft(here, item)
    except InvalidError as fault:
        return fault


def _held_back(item: Draft | ConsentTokensError) -> Draft | ConsentTokensError:
    """Return what stays of an item while the outbox is full: marketing waits outside."""
    is_held = isinstance(item, Draft) and is_marketing(item.purpose)
    return OutboxFullError() if is_held else item


def _one(verdict: Verdict) -> Answer:
    _count([verdict])
    match verdict.decision:
        case Refused() as refusal:
            body = problems.of_refusal(refusal)
            return Answer(body["status"], body)
        case Accepted() | Deferred() as taken:
            status = "queued" if isinstance(taken, Accepted) else "deferred"
            return Answer(202, {"id": _handles([verdict])[0], "status": status} | _when(verdict))


def _results(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """Return the results of a batch, each with its own id or its own problem."""
    _count(verdicts)
    handles = iter(_handles(verdicts))
    return [
        {"status": "refused", "problem": problems.of_refusal(verdict.decision)}
        if isinstance(verdict.decision, Refused)
        else {"id": next(handles), "status": "accepted"} | _when(verdict)
        for verdict in verdicts
    ]


def _count(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        if isinstance(verdict.decision, Refused):
            meters.REFUSED.labels(verdict.decision.reason.value).inc()
    meters.ACCEPTED.inc(sum(verdict.address is not None for verdict in verdicts))


def _handles(verdicts: list[Verdict]) -> list[str]:
    """Return the handles of those messages that were taken, in order."""
    taken = [verdict.address for verdict in verdicts if verdict.address is not None]
    return world().keyring.handles.message.hide_all(taken)


def _when(verdict: Verdict) -> dict[str, Any]:
    if isinstance(verdict.decision, Refused):
        return {}
    return {
        "send_after": verdict.decision.leaves.isoformat(),
        "segments": verdict.segments,
    }


def _refused(fault: ConsentTokensError) -> dict[str, Any]:
    return {"status": "refused", "problem": problems.of_fault(fault)}
