"""What was accepted, held against what arrived, in Jepsen's terms."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text

from consent_tokens.app_context import AppContext
from consent_tokens.relay.message import MessageStatus
from consent_tokens.store import messages

NAME = re.compile(r"#(\w+)#")
ARRIVED = {MessageStatus.SENT, MessageStatus.DELIVERED}
WAITING = {MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.SENDING}


def arrived(lines: Iterable[str]) -> Counter[str]:
    """Return how often each named text arrived at the carrier: long ones by their first segment."""
    count: Counter[str] = Counter()
    for line in lines:
        match = NAME.search(str(json.loads(line).get("text", "")))
        if match:
            count[match[1]] += 1
    return count


@dataclass(frozen=True)
class Ledger:
    """Each message that was acknowledged: its name, its state, and how often it arrived."""

    states: Mapping[str, MessageStatus]
    arrived: Counter[str]
    marketing: frozenset[str]

    @property
    def lost(self) -> list[str]:
        """Return what never arrived although nobody says so; and transactional ones that did not.

        A marketing message that is `unknown` says itself that nobody can tell.
        """
        return [
            name
            for name, state in self.states.items()
            if not self.arrived[name] and (state in ARRIVED | WAITING or name not in self.marketing)
        ]

    @property
    def doubled(self) -> dict[str, int]:
        """Return what arrived more than once, and how many times too often."""
        return {name: count - 1 for name, count in self.arrived.items() if count > 1}

    @property
    def unexpected(self) -> list[str]:
        """Return what arrived and was never acknowledged, or is said to have been kept back."""
        kept = {MessageStatus.REFUSED, MessageStatus.EXPIRED}
        return [
            name for name in self.arrived if name not in self.states or self.states[name] in kept
        ]

    def __str__(self) -> str:
        uncertain = sum(state is MessageStatus.UNKNOWN for state in self.states.values())
        return (
            f"acknowledged {len(self.states)}, arrived {len(self.arrived)}, lost {len(self.lost)}, "
            f"unexpected {len(self.unexpected)}, doubled {sum(self.doubled.values())}, "
            f"shown as uncertain {uncertain}"
        )


def states(world: AppContext, handles: Mapping[str, str]) -> dict[str, MessageStatus]:
    """Return where each message stands, by its name; `handles` leads from name to handle."""
    found: dict[str, MessageStatus] = {}
    for name, handle in handles.items():
        address = world.keyring.ids.message.decode(handle)
        message = (
            world.database.read(lambda at, address=address: messages.find(at, address))  # type: ignore[misc]  # a default
            if address
            else None
        )
        assert message, name
        found[name] = message.status
    return found


def waiting(world: AppContext) -> int:
    """Return how many messages still wait or are in somebody's hands."""
    with world.database.engine.connect() as connection:
        return int(
            connection.execute(
                text(
                    "SELECT count(*) FROM messages WHERE state IN ('queued', 'deferred', 'sending')"
                )
            ).scalar_one()
        )
