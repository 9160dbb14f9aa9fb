"""Grants and messages by the thousand, without the web pages; rounds and keys without commands."""

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
from consent_tokens.crypto.sealing import wrap
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.actors import find_actor
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.consents.tokens import binding_of, mac_of
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.dispatch.round import BATCH_SIZE, RoundResult, start_round
from consent_tokens.services.merchants import add_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.accept import accept_all, verify_requests
from consent_tokens.services.submission.message_request import MessageRequest, VerifiedRequest
from consent_tokens.services.supervision.carrying_out import approve_and_carry_out
from consent_tokens.services.supervision.keys import propose_withdrawal
from consent_tokens.store import merchants
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import mint, seal_number
from tests.number_scan import NUMBERS
from tests.service import SECOND_ADMIN

GRANT_COLUMNS = (
    "partition", "id", "merchant_id", "purposes", "cap_limit", "cap_days", "opens", "closes",
    "timezone", "ends_at", "language", "granted_at", "status", "status_since", "wrapped_key",
    "token_mac",
)  # fmt: skip
PURPOSES = frozenset({Purpose.PROMOTIONS, Purpose.ORDERS})
OWN_PURPOSE = """
[[purpose]]
id = "loyalty.points"
class = "marketing"
number = 101

[purpose.words.en]
name = "Points"
description = "points that you earn and spend"
example = "You have 120 points"

[purpose.words.zh-CN]
name = "会员积分"
description = "积分的获得、使用和到期"
example = "您有 120 积分"

[purpose.words.zh-TW]
name = "會員點數"
description = "點數的取得、使用和到期"
example = "您有 120 點"
"""  # a file that CONSENT_PURPOSES_FILE may name
ROWS_PER_TRANSACTION = 1000


def admit_merchant(runtime: Runtime, name: str = "晨光书店", extension: str | None = None) -> str:
    """Admit a merchant with a sender, whose extension is its own; return its id."""
    if extension is None:
        extension = f"8{len(runtime.database.read(merchants.list_all)):03}"
    admitted = add_merchant(runtime, name)
    add_sender(runtime, admitted.merchant.id, port="10690001", extension=extension, signature=name)
    return admitted.merchant.id


def insert_grants(
    runtime: Runtime, merchant_id: str, count: int, numbers: Sequence[str] = NUMBERS
) -> list[str]:
    """Insert grants, each in a partition of its own, and return their tokens."""
    now = runtime.clock.now()
    scope = Scope(
        purposes=PURPOSES,
        frequency_cap=FrequencyCap(4, timedelta(days=30)),
        send_window=SendWindow(0, 1440, ZoneInfo("Asia/Shanghai")),
        ends_at=now + timedelta(days=180),
    )
    rows: list[tuple[Any, ...]] = []
    tokens: list[str] = []
    for place in range(count):
        key = runtime.new_key(runtime.new_partition())
        grant = Grant(
            key=key, merchant_id=merchant_id, scope=scope, language="zh-CN", granted_at=now,
            status=GrantStatus.LIVE, status_since=now,
        )  # fmt: skip
        grant_key = GrantKey(runtime.random.token_bytes(32))
        binding = binding_of(runtime, grant)
        number = PhoneNumber(numbers[place % len(numbers)])
        sealed = seal_number(number, grant_key, binding, runtime.random.token_bytes(12))
        token = mint(
            grant,
            binding,
            sealed_number=sealed,
            notice=bytes(32),
            now=now,
            key=runtime.keyring.signing,
        )
        tokens.append(token)
        seconds = int(now.timestamp())
        rows.append(
            (
                *key, merchant_id, " ".join(sorted(PURPOSES)), 4, 30, 0, 1440, "Asia/Shanghai",
                int(scope.ends_at.timestamp()), "zh-CN", seconds, "live", seconds,
                wrap(grant_key, runtime.keyring.wrapping), mac_of(runtime, token, key),
            )
        )  # fmt: skip

    def insert(part: list[tuple[Any, ...]], transaction: Transaction) -> None:
        insert_rows(transaction, "grants", GRANT_COLUMNS, part)

    for first in range(0, count, ROWS_PER_TRANSACTION):
        runtime.database.run(partial(insert, rows[first : first + ROWS_PER_TRANSACTION]))
    return tokens


def accept_messages(
    context: AppContext, merchant_id: str, requests: Sequence[MessageRequest]
) -> list[str]:
    """Have the relay accept messages; return their ids. Fails if any is refused."""
    runtime = context.runtime
    ids: list[str] = []

    def accept(
        part: Sequence[tuple[str, VerifiedRequest]], transaction: Transaction
    ) -> list[RowKey]:
        results = accept_all(runtime, context.relay, transaction, part)
        return [result.key for result in results if result.key]

    for first in range(0, len(requests), ROWS_PER_TRANSACTION):
        part = [(merchant_id, each) for each in requests[first : first + ROWS_PER_TRANSACTION]]
        verified = verify_requests(runtime, part)
        paired = list(zip([merchant_id] * len(part), verified, strict=True))
        accepted = runtime.database.run(partial(accept, paired))
        ids += runtime.keyring.ids.message.encode_all(accepted)
    assert len(ids) == len(requests), "some were refused"
    return ids


def dispatch_round(context: AppContext, quota: LeaseQuota | None = None) -> RoundResult:
    """Run one round of dispatch, from lease to record."""
    return start_round(
        context.runtime, context.gateway, context.relay, quota or LeaseQuota(limit=BATCH_SIZE)
    ).finish()


def withdraw_key(runtime: Runtime, kid: str) -> None:
    """Withdraw a key as two people do: the user of the system, and SECOND_ADMIN."""
    first = find_actor(runtime, by=None, os_user="operator")
    made = propose_withdrawal(runtime, first, kid, "a test")
    approve_and_carry_out(runtime, SECOND_ADMIN, made.id)
