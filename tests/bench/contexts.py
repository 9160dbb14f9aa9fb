"""What the benchmarks share: a context on the real clock, a text, and phone numbers."""

from pathlib import Path

from consent_tokens.app_context import AppContext
from consent_tokens.clock import SystemClock
from consent_tokens.gateways.base import Gateway
from tests.service import make_context

PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"
PHONES = [f"+86139{place:08}" for place in range(1000)]


def bench_context(url: str, keys: Path, gateway: Gateway | None = None) -> AppContext:
    """Return a context on a database, with its keys in a folder."""
    return make_context(
        url, keys, clock=SystemClock(), gateway=gateway, base_url="http://localhost"
    )
