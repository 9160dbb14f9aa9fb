"""Worlds to measure in."""

from pathlib import Path

from consent_tokens.app_context import World
from consent_tokens.clock import SystemClock
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.webhook_client import Caller
from consent_tokens.randomness import SystemChance
from consent_tokens.revocation_journal import Journal
from consent_tokens.store.database import Store

PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"
PHONES = [f"+86139{place:08}" for place in range(1000)]


def world_at(url: str, keys: Path, gateway: Gateway | None = None) -> World:
    chance = SystemChance()
    return World(
        base_url="http://bench",
        clock=SystemClock(),
        chance=chance,
        keyring=Keyring.in_folder(keys, chance.draw),
        store=Store.at(url),
        gateway=gateway or Simulator(run=chance.draw(4).hex()),
        journal=Journal(keys / "revocations.journal"),
        caller=Caller(),
    )
