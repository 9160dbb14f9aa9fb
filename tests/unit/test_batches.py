"""Messages of a batch are decided, stored and recorded as each of them alone."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select, update

from consent_tokens.row_key import RowKey
from consent_tokens.services.submission.accept import accept_all, verify_requests
from consent_tokens.services.submission.message_request import (
    MessageRequest,
    SubmissionResult,
    VerifiedRequest,
)
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import events, grants, messages
from tests.admissions import insert_template
from tests.fixtures import admit_merchant, insert_grants
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Service

Made = tuple[object, list[tuple[object, ...]], list[tuple[object, ...]]]
CHANGES: tuple[dict[str, object], ...] = (  # of a grant
    {},
    {"status": "paused"},
    {"status": "revoked"},
    {"opens": 1200, "closes": 1300},
    {"timezone": "America/New_York"},
    {"purposes": ORDERS},
    {"language": "en"},
    {"cap_limit": 1},
)


class Undone(Exception):  # noqa: N818 - ends a transaction that is not to be committed
    """Carries what the transaction would have written."""


def made_of(service: Service, submissions: Sequence[tuple[str, VerifiedRequest]]) -> list[Made]:
    """Return results and rows of submissions that are accepted in one transaction, and undo it."""

    def work(transaction: Transaction) -> None:
        results = accept_all(service.runtime, service.context.relay, transaction, submissions)
        raise Undone([_made(transaction, each) for each in results])

    with pytest.raises(Undone) as undone:
        service.runtime.database.run(work)
    made: list[Made] = undone.value.args[0]
    return made


def _made(transaction: Transaction, result: SubmissionResult) -> Made:
    key = result.key or result.event or RowKey(0, 0)
    table_id = events.c.id if result.event else events.c.message_id
    of_event = events.c.partition == key.partition, table_id == key.id
    of_message = messages.c.partition == key.partition, messages.c.id == key.id
    without_ids = [each for each in events.c if each.name not in {"id", "message_id"}]
    return (
        (result.decision, result.segments, result.characters_left),
        [tuple(row) for row in transaction.execute(select(*without_ids).where(*of_event))],
        [tuple(row)[2:] for row in transaction.execute(select(messages).where(*of_message))],
    )


def test_messages_of_a_batch_are_what_each_of_them_is_alone(small: Service) -> None:
    runtime, now = small.runtime, small.clock.now()
    merchant_id = admit_merchant(runtime)
    other_id = admit_merchant(runtime)
    templates = [
        insert_template(runtime, merchant_id, ORDERS),
        insert_template(
            runtime, merchant_id, ORDERS, text="{order} 将于 {day} 到达", event_type=None
        ),
        insert_template(runtime, other_id, ORDERS),
    ]
    values = {"order": "DD100001", "day": "11月12日"}
    requests: list[dict[str, Any]] = [
        {"text": "满 200 减 50"},
        {"text": "满 200 减 50", "validity": timedelta(hours=2)},
        {"text": "满 200 减 50", "send_at": now + timedelta(hours=20), "reference": "a"},
        {"text": "满 200 减 50", "purpose": "marketing.events"},
        {"text": "满 200 减 50", "sender_id": "snd_none"},
        {"text": "今晚八点开始"},
        {"text": "今晚\u202e八点"},
        {"text": "x" * 3000},
        *(
            {"purpose": ORDERS, "template": TemplateCall(each, values), "event": event}
            for each in templates
            for event in (MessageEvent("order", "1"), MessageEvent("parcel", "1"), None)
        ),
        {"purpose": ORDERS, "template": TemplateCall(templates[0], values | {"order": "a b"}),
         "event": MessageEvent("order", "1")},
        {"purpose": ORDERS, "template": TemplateCall(templates[0], values | {"day": "11月13日"}),
         "event": MessageEvent("order", "2")},
    ]  # fmt: skip
    soon = {"ends_at": now + timedelta(seconds=60)}
    pairs = list(product((*CHANGES, soon), requests))
    tokens = insert_grants(runtime, merchant_id, len(pairs), NUMBERS)
    drafts = [
        MessageRequest(token=token, **{"purpose": PROMOTIONS} | request)
        for token, (_, request) in zip(tokens, pairs, strict=True)
    ]
    verified = verify_requests(runtime, [(merchant_id, each) for each in drafts])

    def change(transaction: Transaction) -> None:
        for (changed, _), each in zip(pairs, verified, strict=True):
            assert each.grant is not None
            if changed:
                of_grant = grants.c.id == each.grant.id
                transaction.execute(update(grants).where(of_grant).values(**changed))

    runtime.database.run(change)
    submissions = [(merchant_id, each) for each in verified]
    alone = [made_of(small, [each])[0] for each in submissions]
    assert made_of(small, submissions) == alone
    assert made_of(small, submissions[::-1]) == alone[::-1]
    reasons = {getattr(each[0][0], "reason", None) for each in alone}
    assert len(reasons) > 8, "they differ in what becomes of them"
