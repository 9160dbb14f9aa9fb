"""Grants and messages by the thousand, put straight into the store: for loads, not for promises."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import Cap, Hours, Scope
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import Address, new_home
from consent_tokens.crypto.sealing import wrap
from consent_tokens.services import merchants as admit
from consent_tokens.services.consents.decisions import binding_of
from consent_tokens.services.dispatch.lease import Room
from consent_tokens.services.dispatch.round import MOST_AT_ONCE, Dispatched, begin
from consent_tokens.services.submission.accept import Draft, accept, verified
from consent_tokens.store.database import Transaction, insert_rows
from consent_tokens.tokens.mint import mint, seal_number
from tests.number_scan import NUMBERS

COLUMNS = (
    "home", "number", "merchant_id", "purposes", "cap_most", "cap_days", "opens", "closes",
    "zone", "ends_at", "language", "granted_at", "state", "since", "wrapped_key",
)  # fmt: skip
PURPOSES = frozenset({Purpose.PROMOTIONS, Purpose.ORDERS})
AT_ONCE = 1000


def merchant(world: World, name: str = "晨光书店", extension: str = "12") -> str:
    """Admit a merchant with a sender; return its id."""
    admitted = admit.admit(world, name)
    admit.add_sender(
        world, admitted.merchant.id, port="10690001", extension=extension, signature=name
    )
    return admitted.merchant.id


def seeded(
    world: World, merchant_id: str, count: int, numbers: Sequence[str] = NUMBERS
) -> list[str]:
    """Put grants into the store and return their tokens, none of which was ever verified."""
    now = world.clock.now()
    scope = Scope(
        purposes=PURPOSES,
        cap=Cap(4, timedelta(days=30)),
        hours=Hours(0, 1440, ZoneInfo("Asia/Shanghai")),
        ends=now + timedelta(days=180),
    )
    rows: list[tuple[Any, ...]] = []
    tokens: list[str] = []
    for place in range(count):
        address = Address.at(new_home(world.chance.draw(8)), world.chance.draw(8))
        grant = Grant(
            home=address.home, number=address.number, merchant_id=merchant_id, scope=scope,
            language="zh-CN", granted=now, state=GrantState.LIVE, since=now,
        )  # fmt: skip
        key = GrantKey(world.chance.draw(32))
        binding = binding_of(world, grant)
        number = PhoneNumber(numbers[place % len(numbers)])
        box = seal_number(number, key, binding, world.chance.draw(12))
        tokens.append(
            mint(grant, binding, box=box, notice=bytes(32), now=now, key=world.keyring.signing)
        )
        seconds = int(now.timestamp())
        rows.append(
            (
                *address, merchant_id, " ".join(sorted(PURPOSES)), 4, 30, 0, 1440, "Asia/Shanghai",
                int(scope.ends.timestamp()), "zh-CN", seconds, "live", seconds,
                wrap(key, world.keyring.wrapping),
            )
        )  # fmt: skip

    def put(part: list[tuple[Any, ...]], transaction: Transaction) -> None:
        insert_rows(transaction, "grants", COLUMNS, part)

    for first in range(0, count, AT_ONCE):
        world.store.run(partial(put, rows[first : first + AT_ONCE]))
    return tokens


def laid_out(world: World, merchant_id: str, drafts: Sequence[Draft]) -> list[str]:
    """Have the relay accept drafts; return the handles of the messages, all of them."""
    handles: list[str] = []

    def put(part: Sequence[Draft], transaction: Transaction) -> list[Address]:
        read = [verified(world, draft) for draft in part]
        verdicts = accept(world, transaction, merchant_id, read)
        return [verdict.address for verdict in verdicts if verdict.address]

    for first in range(0, len(drafts), AT_ONCE):
        taken = world.store.run(partial(put, drafts[first : first + AT_ONCE]))
        handles += world.keyring.handles.message.hide_all(taken)
    assert len(handles) == len(drafts), "some were refused"
    return handles


def dispatched(world: World, room: Room | None = None) -> Dispatched:
    """Let a dispatcher take up one round, and see it to its end."""
    return begin(world, room or Room(most=MOST_AT_ONCE)).settle()
