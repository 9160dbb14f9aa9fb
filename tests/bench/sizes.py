"""What is accepted without HTTP: templates of free texts, and a million grants of ten."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

from consent_tokens.app_context import AppContext
from consent_tokens.services.submission.accept import accept_all, verify_requests
from consent_tokens.services.submission.message_request import MessageRequest, VerifiedRequest
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from tests.admissions import insert_template
from tests.bench.contexts import PHONES, PURPOSE, TEXT, Size, admit_merchant, bench_context
from tests.bench.dispatching import drained
from tests.bench.measures import Report
from tests.fixtures import GRANT_COLUMNS, insert_grants
from tests.service import ORDERS

FEW: Final = 10  # grants
TEMPLATE_TEXTS: Final = 5000


def accepting(
    context: AppContext, merchant_id: str, count: int, template: str | None = None
) -> float:
    """Return how many messages a second are accepted in batches of 500, without HTTP.

    Of free text, or of a template with two variables, each about an order of its own.
    """
    tokens = insert_grants(context.runtime, merchant_id, count, PHONES)
    begun = time.perf_counter()

    requests = [(merchant_id, _request(each, template)) for each in tokens]

    def insert(verified: list[VerifiedRequest], transaction: Transaction) -> None:
        submissions = [(merchant_id, each) for each in verified]
        accept_all(context.runtime, context.relay, transaction, submissions)

    for at in range(0, count, 500):
        verified = verify_requests(context.runtime, requests[at : at + 500])
        context.runtime.database.run(partial(insert, verified))
    return count / (time.perf_counter() - begun)


def _request(token: str, template: str | None) -> MessageRequest:
    if template is None:
        return MessageRequest(token=token, purpose=PURPOSE, text=TEXT)
    order = f"DD{int.from_bytes(token[-8:].encode())}"
    return MessageRequest(
        token=token,
        purpose=ORDERS,
        template=TemplateCall(template, {"order": order, "day": "11月12日"}),
        event=MessageEvent("order", order),
    )


def measure_templates(report: Report, url: str, keys: Path) -> None:
    """Measure how fast texts of a template are accepted, of free texts beside them.

    Of an empty database at this URL.
    """
    context = bench_context(url, keys)
    merchant_id, _ = admit_merchant(context)
    template = insert_template(context.runtime, merchant_id, ORDERS)
    free = accepting(context, merchant_id, TEMPLATE_TEXTS)
    filled = accepting(context, merchant_id, TEMPLATE_TEXTS, template)
    context.close()
    group, name = "batches of 500 without HTTP, on SQLite", "texts of a template"
    report.add(group, "free texts", free)
    report.add(group, name, filled)
    report.add_ratio(group, name, "of free texts", filled / free, 0.8)


def insert_unused_grants(context: AppContext, merchant_id: str, count: int) -> None:
    """Insert so many grants that nobody has a token of."""
    now = int(context.runtime.clock.now().timestamp())
    drawn = context.runtime.random.token_bytes(16 * count)
    kid = context.runtime.keyring.wrapping.kid  # a key that is not there keeps it from starting

    def insert(begin: int, transaction: Transaction) -> None:
        rows = [
            (
                int.from_bytes(drawn[at : at + 8], "big", signed=True),
                int.from_bytes(drawn[at + 8 : at + 16], "big", signed=True),
                merchant_id, PURPOSE, 4, 30, 0, 1440, "Asia/Shanghai", now + 10**7, "zh-CN", now,
                "live", now, kid + (drawn[at : at + 16] * 3)[len(kid) :], bytes(48),
            )
            for at in range(begin * 16, min(begin + 2000, count) * 16, 16)
        ]  # fmt: skip
        insert_rows(transaction, "grants", GRANT_COLUMNS, rows)

    for begin in range(0, count, 2000):
        context.runtime.database.run(partial(insert, begin))


@dataclass(frozen=True)
class Sized:
    """A database with so many grants."""

    url: str
    keys: Path
    merchant_id: str

    @classmethod
    def of(cls, url: str, keys: Path, grants: int) -> Self:
        """Insert the grants, then vacuum, so that later writes are measured alone."""
        context = bench_context(url, keys)
        merchant_id, _ = admit_merchant(context)
        insert_unused_grants(context, merchant_id, grants)
        if not context.runtime.database.is_sqlite:
            with context.runtime.database.engine.connect() as connection:
                resting = connection.execution_options(isolation_level="AUTOCOMMIT")
                resting.exec_driver_sql("VACUUM ANALYZE")
                resting.exec_driver_sql("CHECKPOINT")
        context.close()
        return cls(url, keys, merchant_id)

    def measure(self, gateway: str, count: int) -> tuple[float, float]:
        """Return how many messages a second are accepted, and dispatched."""
        context = bench_context(self.url, self.keys)
        accepted = accepting(context, self.merchant_id, count)
        context.close()
        return accepted, drained(self.url, self.keys, gateway, count)


@dataclass(frozen=True)
class Sizes:
    """Two databases, of which one has many grants."""

    name: str
    few: Sized
    many: Sized
    grants: int  # in the large one

    @classmethod
    def of(cls, name: str, size: Size, folder: Path, url_of: Callable[[int], str]) -> Self:
        """Fill both databases."""
        few, many = (
            Sized.of(url_of(grants), folder / f"{name}{grants}", grants)
            for grants in (FEW, size.grants)
        )
        return cls(name, few, many, size.grants)

    def measure(self, report: Report, size: Size, gateway: str) -> None:
        """Measure both, one after the other."""
        group = "with a million grants"
        few = self.few.measure(gateway, size.dispatched // 2)
        many = self.many.measure(gateway, size.dispatched // 2)
        for what, with_few, with_many in zip(("accepted", "dispatched"), few, many, strict=True):
            name = f"{self.name}: {what}, with {self.grants:,}"
            report.add(group, name, with_many)
            report.add_ratio(group, name, f"of that with {FEW}", with_many / with_few, 0.95)
