"""Compares what was accepted with what arrived, in Jepsen's terms."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text

from consent_tokens.relay.message import MessageStatus
from consent_tokens.services.runtime import Runtime
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
    """Each message that was acknowledged: its name, its status, and how often it arrived."""

    statuses: Mapping[str, MessageStatus]
    arrived: Counter[str]
    marketing: frozenset[str]

    @property
    def lost(self) -> list[str]:
        """Return what never arrived although its status says otherwise, or it is transactional.

        A marketing message may be `unknown`: that status says that nobody can tell.
        """
        return [
            name
            for name, status in self.statuses.items()
            if not self.arrived[name]
            and (status in ARRIVED | WAITING or name not in self.marketing)
        ]

    @property
    def duplicated(self) -> dict[str, int]:
        """Return what arrived more than once, and how many times too often."""
        return {name: count - 1 for name, count in self.arrived.items() if count > 1}

    @property
    def unexpected(self) -> list[str]:
        """Return what arrived although it was not acknowledged, or is refused or expired."""
        unsent = {MessageStatus.REFUSED, MessageStatus.EXPIRED}
        return [
            name
            for name in self.arrived
            if name not in self.statuses or self.statuses[name] in unsent
        ]

    def __str__(self) -> str:
        uncertain = sum(status is MessageStatus.UNKNOWN for status in self.statuses.values())
        return (
            f"acknowledged {len(self.statuses)}, arrived {len(self.arrived)}, "
            f"lost {len(self.lost)}, unexpected {len(self.unexpected)}, "
            f"duplicated {sum(self.duplicated.values())}, shown as uncertain {uncertain}"
        )


def statuses_of(runtime: Runtime, ids: Mapping[str, str]) -> dict[str, MessageStatus]:
    """Return the status of each message by its name; `ids` has the public id of each name."""
    found: dict[str, MessageStatus] = {}
    for name, public_id in ids.items():
        key = runtime.keyring.ids.message.decode(public_id)
        message = (
            runtime.database.read(lambda transaction, key=key: messages.find(transaction, key))  # type: ignore[misc]  # a default
            if key
            else None
        )
        assert message, name
        found[name] = message.status
    return found


def count_unfinished(runtime: Runtime) -> int:
    """Return how many messages are queued, deferred or leased."""
    with runtime.database.engine.connect() as connection:
        return int(
            connection.execute(
                text(
                    "SELECT count(*) FROM messages"
                    " WHERE status IN ('queued', 'deferred', 'sending')"
                )
            ).scalar_one()
        )
