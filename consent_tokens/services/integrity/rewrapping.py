"""Wrap stored data keys under the wrapping key that is in use, after a rotation.

A little at each call, between rounds of a dispatcher. Nothing is locked ahead: a value is replaced
only if it is still what was read, so a revoked grant stays without its key, and two dispatchers do
not disturb each other. A crash loses the place, not the work: the next pass finds less to do.
"""

from dataclasses import dataclass
from typing import Any, Final

import structlog

from consent_tokens.crypto.keyring import Keyring
from consent_tokens.crypto.keys import DataKey
from consent_tokens.crypto.sealing import WRAPPED_BYTES, unwrap, wrap
from consent_tokens.errors import KeyUnavailableError, SealBrokenError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.wrapped_keys import LASTING, page_under_others, replace_values

log = structlog.get_logger()

MAX_SECONDS: Final = 0.5  # of one call, of 30 between two
# a process that has not noticed the new key yet may still write under the one before
SETTLED_SECONDS: Final = 60.0


@dataclass
class Rewrapper:
    """The place in a pass over all columns; a pass that changes nothing is the last one."""

    runtime: Runtime
    _kid: bytes = b""  # of the wrapping key that is in use
    _noticed_at: float = 0.0  # monotonic seconds: when this process began to use it
    _is_done: bool = False
    _column: int = 0
    _after: tuple[Any, ...] | None = None
    _pass_began_at: float = 0.0
    _rewrapped: int = 0  # in this pass
    _failed: int = 0  # in this pass: without their key, or altered

    def run(self) -> int:
        """Go on for at most MAX_SECONDS; return how many data keys were wrapped again."""
        keyring, started = self.runtime.keyring, self.runtime.clock.monotonic()
        if len(keyring.unwrapping) == 1:
            return 0  # there is no other key that anything could be under
        if keyring.wrapping.kid != self._kid:
            self._begin(keyring.wrapping.kid, started)
        count = 0
        while not self._is_done and self.runtime.clock.monotonic() - started < MAX_SECONDS:
            count += self._next_page(keyring)
            if self._column == len(LASTING):
                self._end_pass()
                break  # the next pass is a later call's
        return count

    def _begin(self, kid: bytes, now: float) -> None:
        stored = self.runtime.database.read(
            lambda transaction: checkpoints.find(transaction, checkpoints.REWRAPPED)
        )
        self._kid, self._noticed_at, self._is_done = kid, now, stored == kid.hex()
        self._begin_pass()

    def _begin_pass(self) -> None:
        self._column, self._after, self._rewrapped, self._failed = 0, None, 0, 0
        self._pass_began_at = self.runtime.clock.monotonic()

    def _next_page(self, keyring: Keyring) -> int:
        wrapped, after = LASTING[self._column], self._after
        page = self.runtime.database.read(
            lambda transaction: page_under_others(transaction, wrapped, self._kid, after)
        )
        changes = [
            (key, old, new)
            for key, old in page.values.items()
            if (new := self._wrapped_again(old, keyring))
        ]
        if changes:
            self.runtime.database.run(
                lambda transaction: replace_values(transaction, wrapped, changes)
            )
        self._rewrapped += len(changes)
        self._after = page.last
        if page.last is None:
            self._column += 1
        return len(changes)

    def _wrapped_again(self, value: bytes, keyring: Keyring) -> bytes | None:
        try:
            key = unwrap(value[:WRAPPED_BYTES], keyring.unwrapping, DataKey)
        except (KeyUnavailableError, SealBrokenError):
            self._failed += 1
            return None
        return wrap(key, keyring.wrapping) + value[WRAPPED_BYTES:]

    def _end_pass(self) -> None:
        if self._rewrapped or self._failed:
            log.info("data_keys_rewrapped", count=self._rewrapped, failed=self._failed)
        is_settled = self._pass_began_at - self._noticed_at >= SETTLED_SECONDS
        if not self._rewrapped and is_settled:
            self._is_done = True
            self.runtime.database.run(
                lambda transaction: checkpoints.save(
                    transaction, checkpoints.REWRAPPED, self._kid.hex()
                )
            )
        self._begin_pass()
