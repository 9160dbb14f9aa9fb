"""What a consumer looks at: every consent, what came under it and what did not.

Reads only. A consent that ended because the number changed hands is shown to nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.preferences import Wishes
from consent_tokens.consent.purposes import in_order
from consent_tokens.consent.scope import SMS, Scope, clock_time
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import Event
from consent_tokens.relay.message import Message
from consent_tokens.store import complaints, events, grants, merchants, messages, receipts
from consent_tokens.store import preferences as wishes
from consent_tokens.store.complaints import Complaint
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import Change
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.messages import LEFT
from consent_tokens.store.receipts import Receipt

LINK_LASTS: Final = timedelta(days=180)  # how long the link in a message leads anywhere
MOST_SHOWN: Final = 50  # messages of one grant, on a page
MOST_COUNTED: Final = 2000  # for the chart: far above what is asked for in twelve weeks
MOST_KEPT: Final = 100_000  # for the file of all that is kept
WEEKS: Final = 12  # of the chart


@dataclass(frozen=True, slots=True)
class Week:
    """What came under a consent in seven days, and what was kept away."""

    sent: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One grant as its consumer sees it."""

    handle: str
    grant: Grant
    merchant: Merchant
    notice: Notice
    messages: list[Message]
    refusals: list[Event]  # what the relay refused when it was handed in; its text was never kept
    receipts: list[tuple[str, Receipt]]  # by handle, the newest first
    paused_until: datetime | None
    weeks: list[Week]

    def state(self, now: datetime) -> GrantState:
        """Return the state as it is now."""
        return self.grant.standing(now)

    @property
    def stopped(self) -> int:
        """Return how many messages waited when it ended, and are not sent."""
        ended = self.grant.since
        return sum(
            each.reason == "consent_revoked" and each.changed == ended for each in self.messages
        )

    @property
    def last_left(self) -> datetime | None:
        """Return when the last message was handed over."""
        return max((each.leaves for each in self.messages if each.state in LEFT), default=None)


@dataclass(frozen=True, slots=True)
class Linked:
    """What the link in a message leads to."""

    message: Message
    consent: Consent


@dataclass(frozen=True, slots=True)
class _Home:
    """What is the same for every consent of a recipient, read once."""

    refusals: Sequence[Event]
    receipts: Sequence[Receipt]
    pauses: Mapping[int, datetime]

    @classmethod
    def opened(cls, world: World, transaction: Transaction, home: int) -> "_Home":
        refusals = events.refusals_in(transaction, home)
        if not world.store.has_wishes:
            return cls(refusals, [], {})
        return cls(
            refusals,
            receipts.in_home(transaction, home),
            grants.pauses_in(transaction, home),
        )


def consents(world: World, home: int, most: int = MOST_SHOWN) -> list[Consent]:
    """Return every consent of a recipient, over all merchants, the newest first.

    Each comes with at most `most` of its messages, and of what was refused.
    """

    def question(transaction: Transaction) -> list[Consent]:
        hidden = events.passed_on_in(transaction, home)
        found = [g for g in grants.in_home(transaction, home) if g.number not in hidden]
        named = merchants.some(transaction, [grant.merchant_id for grant in found])
        shared = _Home.opened(world, transaction, home)
        return [
            _consent(world, transaction, grant, named[grant.merchant_id], shared, most)
            for grant in found
        ]

    return world.store.read(question)


def linked(world: World, code: str) -> Linked:
    """Return what the link `/m/{code}` leads to. Raises NotFoundError, also when it is too old."""
    address = world.keyring.handles.link.find(code)
    since = world.clock.now() - LINK_LASTS

    def question(transaction: Transaction) -> Linked:
        message = messages.find(transaction, address) if address else None
        if message is None or message.grant is None or message.accepted < since:
            raise NotFoundError("this link leads nowhere")
        grant = grants.find(transaction, message.grant)
        merchant = merchants.find(transaction, grant.merchant_id) if grant else None
        is_hidden = grant and grant.number in events.passed_on_in(transaction, grant.home)
        if grant is None or merchant is None or is_hidden:
            raise NotFoundError("this link leads nowhere")
        shared = _Home.opened(world, transaction, grant.home)
        return Linked(message, _consent(world, transaction, grant, merchant, shared))

    return world.store.read(question)


def _consent(
    world: World,
    transaction: Transaction,
    grant: Grant,
    merchant: Merchant,
    shared: _Home,
    most: int = MOST_SHOWN,
) -> Consent:
    address = Address(grant.home, grant.number)
    sent = messages.under_grant(transaction, address, max(most, MOST_COUNTED))
    refusals = [each for each in shared.refusals if each.grant == grant.number and not each.message]
    return Consent(
        handle=world.keyring.handles.grant.hide(address),
        grant=grant,
        merchant=merchant,
        notice=grants.notice_of(transaction, address) or Notice(grant.language, ""),
        messages=sent[:most],
        refusals=refusals[:most],
        receipts=[
            (world.keyring.handles.receipt.hide(each.address), each)
            for each in shared.receipts
            if each.grant_number == grant.number
        ],
        paused_until=shared.pauses.get(grant.number),
        weeks=_weeks(sent, refusals, world.clock.now()),
    )


def _weeks(sent: Sequence[Message], refusals: Sequence[Event], now: datetime) -> list[Week]:
    """Return the last twelve weeks, the oldest first; the last ends now."""

    def of(moments: Sequence[datetime]) -> list[int]:
        counts = [0] * WEEKS
        for moment in moments:
            ago = (now - moment) // timedelta(days=7)
            if 0 <= ago < WEEKS:
                counts[WEEKS - 1 - ago] += 1
        return counts

    left = of([each.leaves for each in sent if each.state in LEFT])
    kept = [each.changed for each in sent if each.state == "refused"]
    refused = of([*kept, *(each.at for each in refusals)])
    return [Week(*pair) for pair in zip(left, refused, strict=True)]


# --- All that is kept (PIPL 45) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All that is kept of a recipient, for a file."""

    at: datetime
    consents: list[Consent]
    changes: list[Change]
    wishes: Wishes
    complaints: list[Complaint]
    events: list[Event]


def everything(world: World, home: int) -> Everything:
    """Return all that is kept of a recipient. The number is not among it: nobody keeps it."""
    now = world.clock.now()
    shown = consents(world, home, MOST_KEPT)
    own = {consent.grant.number for consent in shown}

    def question(transaction: Transaction) -> Everything:
        has = world.store.has_wishes
        found = events.in_home(transaction, home, now - timedelta(days=36_500))
        return Everything(
            at=now,
            consents=shown,
            changes=[
                each
                for each in (grants.changes_in(transaction, home) if has else [])
                if each.grant.number in own
            ],
            wishes=wishes.find(transaction, home) if has else Wishes(),
            complaints=[
                each
                for each in (complaints.in_home(transaction, home) if has else [])
                if each.grant_number is None or each.grant_number in own
            ],
            events=[each for each in found if each.grant is None or each.grant in own],
        )

    return world.store.read(question)


def as_json(world: World, kept: Everything) -> dict[str, Any]:
    """Return all that is kept in members that programs read."""
    calm, rest = kept.wishes.calm, kept.wishes.rest
    return {
        "issuer": world.base_url,
        "made_at": kept.at.isoformat(),
        "consents": [_consent_json(world, each, kept) for each in kept.consents],
        "wishes": {
            "calm": [calm.begins.isoformat(), calm.ends.isoformat()] if calm else None,
            "most_a_day": kept.wishes.a_day,
            "most_a_week": kept.wishes.a_week,
            "rest": (
                {"from": clock_time(rest.begins), "to": clock_time(rest.ends), "tz": rest.zone.key}
                if rest
                else None
            ),
            "no_invitations": kept.wishes.no_invitations,
        },
        "complaints": [
            {
                "reason": each.why.value,
                "verdict": each.verdict.value,
                "state": each.state.value,
                "at": each.at.isoformat(),
            }
            for each in kept.complaints
        ],
        "events": [
            {"at": each.at.isoformat(), "kind": each.kind.value, "code": each.code}
            for each in kept.events
        ],
    }


def _consent_json(world: World, consent: Consent, kept: Everything) -> dict[str, Any]:
    grant = consent.grant
    return {
        "merchant": consent.merchant.name,
        "grant": consent.handle,
        "state": consent.state(kept.at).value,
        "since": grant.since.isoformat(),
        "granted_at": grant.granted.isoformat(),
        "scope": scope_json(grant.scope),
        "notice": {"language": consent.notice.language, "text": consent.notice.text},
        "changes": [
            {"at": each.at.isoformat(), "what": each.what, "before": scope_json(each.scope)}
            for each in kept.changes
            if each.grant.number == grant.number
        ],
        "messages": [
            {
                "state": each.state.value,
                "reason": each.reason,
                "purpose": each.purpose,
                "accepted_at": each.accepted.isoformat(),
                "at": each.leaves.isoformat(),
                "text": each.text,
            }
            for each in consent.messages
        ],
        "refused": [{"at": each.at.isoformat(), "reason": each.code} for each in consent.refusals],
        "receipts": [f"{world.base_url}/receipts/{handle}" for handle, _ in consent.receipts],
    }


def scope_json(scope: Scope) -> dict[str, Any]:
    """Return a scope in the words of the API."""
    return {
        "purposes": [purpose.value for purpose in in_order(scope.purposes)],
        "channels": [SMS],
        "max_messages": scope.cap.most,
        "per_days": scope.cap.within.days,
        "from": clock_time(scope.hours.opens),
        "to": clock_time(scope.hours.closes),
        "tz": scope.hours.zone.key,
        "expires_at": scope.ends.isoformat(),
    }
