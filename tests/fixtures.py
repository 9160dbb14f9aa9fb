"""Grants and messages by the thousand, put straight into the store: for loads, not for promises."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import FrequencyCap, Scope, SendWindow
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import RowKey, new_partition
from consent_tokens.crypto.sealing import wrap
from consent_tokens.services import merchants as admit
from consent_tokens.services.consents.decisions import binding_of
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.dispatch.round import BATCH_SIZE, RoundResult, start_round
from consent_tokens.services.submission.accept import MessageRequest, accept, verify_request
from consent_tokens.store.database import Transaction, insert_rows
from consent_tokens.tokens.mint import mint, seal_number
from tests.number_scan import NUMBERS

COLUMNS = (
    "home", "number", "merchant_id", "purposes", "cap_most", "cap_days", "opens", "closes",
    "zone", "ends_at", "language", "granted_at", "state", "since", "wrapped_key",
)  # fmt: skip
PURPOSES = frozenset({Purpose.PROMOTIONS, Purpose.ORDERS})
AT_ONCE = 1000


def merchant(world: AppContext, name: str = "晨光书店", extension: str = "12") -> str:
    """Admit a merchant with a sender; return its id."""
    admitted = admit.add_merchant(world, name)
    admit.add_sender(
        world, admitted.merchant.id, port="10690001", extension=extension, signature=name
    )
    return admitted.merchant.id


def seeded(
    world: AppContext, merchant_id: str, count: int, numbers: Sequence[str] = NUMBERS
) -> list[str]:
    """Put grants into the store and return their tokens, none of which was ever verified."""
    now = world.clock.now()
    scope = Scope(
        purposes=PURPOSES,
        frequency_cap=FrequencyCap(4, timedelta(days=30)),
        send_window=SendWindow(0, 1440, ZoneInfo("Asia/Shanghai")),
        ends_at=now + timedelta(days=180),
    )
    rows: list[tuple[Any, ...]] = []
    tokens: list[str] = []
    for place in range(count):
        address = RowKey.new(
            new_partition(world.random.token_bytes(8)), world.random.token_bytes(8)
        )
        grant = Grant(
            home=address.partition, number=address.id, merchant_id=merchant_id, scope=scope,
            language="zh-CN", granted_at=now, status=GrantStatus.LIVE, status_since=now,
        )  # fmt: skip
        key = GrantKey(world.random.token_bytes(32))
        binding = binding_of(world, grant)
        number = PhoneNumber(numbers[place % len(numbers)])
        box = seal_number(number, key, binding, world.random.token_bytes(12))
        tokens.append(
            mint(
                grant,
                binding,
                sealed_number=box,
                notice=bytes(32),
                now=now,
                key=world.keyring.signing,
            )
        )
        seconds = int(now.timestamp())
        rows.append(
            (
                *address, merchant_id, " ".join(sorted(PURPOSES)), 4, 30, 0, 1440, "Asia/Shanghai",
                int(scope.ends_at.timestamp()), "zh-CN", seconds, "live", seconds,
                wrap(key, world.keyring.wrapping),
            )
        )  # fmt: skip

    def put(part: list[tuple[Any, ...]], transaction: Transaction) -> None:
        insert_rows(transaction, "grants", COLUMNS, part)

    for first in range(0, count, AT_ONCE):
        world.database.run(partial(put, rows[first : first + AT_ONCE]))
    return tokens


def laid_out(world: AppContext, merchant_id: str, drafts: Sequence[MessageRequest]) -> list[str]:
    """Have the relay accept drafts; return the handles of the messages, all of them."""
    handles: list[str] = []

    def put(part: Sequence[MessageRequest], transaction: Transaction) -> list[RowKey]:
        read = [verify_request(world, draft) for draft in part]
        verdicts = accept(world, transaction, merchant_id, read)
        return [verdict.key for verdict in verdicts if verdict.key]

    for first in range(0, len(drafts), AT_ONCE):
        taken = world.database.run(partial(put, drafts[first : first + AT_ONCE]))
        handles += world.keyring.ids.message.encode_all(taken)
    assert len(handles) == len(drafts), "some were refused"
    return handles


def dispatched(world: AppContext, room: LeaseQuota | None = None) -> RoundResult:
    """Let a dispatcher take up one round, and see it to its end."""
    return start_round(world, room or LeaseQuota(limit=BATCH_SIZE)).finish()
