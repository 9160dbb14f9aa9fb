"""Worlds to measure in."""

from pathlib import Path

from consent_tokens.app_context import AppContext
from consent_tokens.clock import SystemClock
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.webhook_client import WebhookClient
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.revocation_journal import RevocationJournal
from consent_tokens.store.database import Database

PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"
PHONES = [f"+86139{place:08}" for place in range(1000)]


def world_at(url: str, keys: Path, gateway: Gateway | None = None) -> AppContext:
    chance = SystemRandomSource()
    return AppContext(
        base_url="http://bench",
        clock=SystemClock(),
        random=chance,
        keyring=Keyring.load_or_create(keys, chance.token_bytes),
        database=Database.open(url),
        gateway=gateway or Simulator(run=chance.token_bytes(4).hex()),
        revocation_journal=RevocationJournal(keys / "revocations.journal"),
        webhook_client=WebhookClient(),
    )
