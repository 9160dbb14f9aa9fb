"""What is accepted over HTTP, in batches and one by one, held against its peers round by round."""

from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Final, Self

from sqlalchemy import text

from tests.bench import peers
from tests.bench.contexts import PHONES, Size, admit_merchant, bench_context
from tests.bench.http_load import saturate
from tests.bench.load import BATCH, Figures, batch_bodies, draft, dumps, load, request
from tests.bench.measures import Report
from tests.bench.serving import service_app, serving
from tests.fixtures import insert_grants

WORKERS: Final = {1: "one worker", 2: "two workers"}
BATCH_CONNECTIONS: Final = {1: 3, 2: 5}  # by workers: all have work while answers are on their way
CONNECTIONS: Final = 16
HALF_LOAD: Final = "p50 of single messages at half of that load"
BARS: Final = {  # of raw verification, of an empty POST, of Kannel
    "SQLite": (1.2, 0.35, 0.9),
    "PostgreSQL": (1.0, 0.30, 0.75),
}


@dataclass(frozen=True)
class Peers:
    """What the peers did in this round, a second."""

    empty: dict[int, float]  # by workers
    kannel: float | None  # None if it is not installed
    kannel_with_reports: float | None


def measure_peers(report: Report, size: Size) -> Peers:
    """Measure an empty POST and Kannel's sendsms."""
    group = "peers"
    empty = {count: peers.empty_posts(size.seconds, count).a_second for count in WORKERS}
    for count, words in WORKERS.items():
        report.add(group, f"empty Flask JSON POST, {words}", empty[count])
    if not peers.has_kannel():
        return Peers(empty, None, None)
    rates = [
        peers.kannel_sends(size.seconds, query).a_second
        for query in (peers.QUERY, peers.WITH_REPORTS)
    ]
    report.add(group, "Kannel's sendsms, in memory", rates[0])
    report.add(group, "Kannel's sendsms with delivery reports asked for", rates[1])
    return Peers(empty, *rates)


@dataclass(frozen=True)
class Accepting:
    """A new database with a merchant, to which a measurement adds grants and messages."""

    name: str
    url: str
    keys: Path
    merchant_id: str
    api_key: str

    @classmethod
    def of(cls, name: str, url: str, keys: Path) -> Self:
        """Create the tables and admit a merchant."""
        context = bench_context(url, keys)
        merchant_id, api_key = admit_merchant(context)
        context.close()
        return cls(name, url, keys, merchant_id, api_key)

    def measure(self, report: Report, size: Size, beside: Peers, workers: int) -> None:
        """Measure one round. Each token is seen once, by processes that were just started."""
        group = f"accepting on {self.name}, {WORKERS[workers]}"
        context = bench_context(self.url, self.keys)
        count = BATCH * size.batches
        tokens = insert_grants(context.runtime, self.merchant_id, count + size.singles, PHONES)
        public = context.runtime.keyring.signing.verifying
        context.close()
        before = peers.raw_verifications(public, tokens[:2000])
        many = self._batches(tokens[:count], size, workers).a_second * BATCH
        # the machine's own speed drifts: what it was before and after, on average
        raw = (before + peers.raw_verifications(public, tokens[:2000])) / 2
        one, half_load = self._singles(tokens[count:], size, workers)
        of_raw, of_empty, of_kannel = BARS[self.name]
        report.add(group, "raw Ed25519 verification, one thread", raw)
        batches = "batches of 500"
        report.add(group, batches, many)
        report.add_ratio(group, batches, "of raw verification", many / raw, of_raw)
        if beside.kannel and beside.kannel_with_reports:
            report.add_ratio(group, batches, "of Kannel", many / beside.kannel, of_kannel)
            with_reports = many / beside.kannel_with_reports
            report.add_ratio(group, batches, "of Kannel with delivery reports", with_reports)
        singles = "single messages with Idempotency-Key"
        report.add(group, singles, one.a_second)
        empty = one.a_second / beside.empty[workers]
        report.add_ratio(group, singles, "of an empty POST", empty, of_empty)
        report.add(group, HALF_LOAD, half_load.p50, " ms")
        spread = half_load.p99 / half_load.p50
        report.add_ratio(group, HALF_LOAD, "p99 of p50", spread, 3.0, is_upper=True)

    def _batches(self, tokens: list[str], size: Size, workers: int) -> Figures:
        before = self._count()
        with serving(service_app(self.url, self.keys), workers) as port:
            figures = saturate(
                port, "/v1/messages/batch", batch_bodies(tokens), seconds=size.seconds,
                api_key=self.api_key, connections=BATCH_CONNECTIONS[workers], is_once=True,
            )  # fmt: skip
        self._check(before, sum(figures.statuses.values()) * BATCH)
        return figures

    def _singles(self, tokens: list[str], size: Size, workers: int) -> tuple[Figures, Figures]:
        """Return the figures of full load, and of half of it."""
        before, at_half = self._count(), len(tokens) // 4
        bodies = [dumps(draft(token)) for token in tokens]
        with serving(service_app(self.url, self.keys), workers) as port:
            one = saturate(
                port, "/v1/messages", bodies[at_half:], seconds=size.seconds,
                api_key=self.api_key, connections=CONNECTIONS, is_once=True, has_keys=True,
            )  # fmt: skip
            rate = one.a_second / 2
            prefix = f"half-{time_ns()}-"
            posts = [
                request("/v1/messages", body, self.api_key, f"{prefix}{place}")
                for place, body in enumerate(bodies[: min(at_half, int(rate * size.seconds))])
            ]
            half_load = load(port, posts, CONNECTIONS, rate=rate)
        if set(half_load.statuses) != {202}:
            raise SystemExit(f"not all were answered 202: {half_load.statuses}")
        self._check(before, sum(one.statuses.values()) + len(posts))
        return one, half_load

    def _count(self) -> int:
        """Return how many messages were accepted."""
        context = bench_context(self.url, self.keys)
        count = "SELECT count(*) FROM messages"
        found = context.runtime.database.read(lambda db: db.execute(text(count)).scalar_one())
        context.close()
        return int(found)

    def _check(self, before: int, answered: int) -> None:
        """Check that what was answered was accepted: a refusal in a batch is answered 200, too."""
        if (accepted := self._count() - before) < answered:
            raise SystemExit(f"{answered} were answered, but only {accepted} accepted")
