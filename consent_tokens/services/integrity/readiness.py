"""Readiness: whether messages may be accepted and sent (promise 9).

Fails closed when the revocation journal is unavailable, holds entries that the database lacks (a
restored backup), when the keys are not those of this database or one is missing, when live tokens
name another issuer, when a purpose that was in use is missing or changed, or when the clock cannot
be trusted. Checked before each dispatch round and
each submission; most calls use the cached result of the last full check.
"""

from datetime import timedelta
from typing import Final

import structlog

from consent_tokens.errors import (
    ClockInDoubtError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    NotReadyError,
)
from consent_tokens.services.integrity.issuer import ensure_issuer
from consent_tokens.services.integrity.journal_outbox import (
    advance_checkpoint,
    ensure_complete,
    flush_journal,
)
from consent_tokens.services.integrity.key_set import ensure_key_set
from consent_tokens.services.integrity.purposes import ensure_purposes
from consent_tokens.services.runtime import ClockJump, ReadinessState, Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction
from consent_tokens.store.schema import is_usable

log = structlog.get_logger()

CHECK_INTERVAL_SECONDS: Final = 30.0  # between full checks while nothing has changed
RECHECK_SECONDS: Final = 1.0  # how long a failed check is cached
MAX_CLOCK_STEP_SECONDS: Final = 60.0  # a smaller adjustment of the wall clock is accepted
CLOCK_SETTLED_SECONDS: Final = 600.0  # a clock that jumped is trusted again after so long
MAX_DATABASE_CLOCK_SKEW_SECONDS: Final = 10.0  # between this machine's clock and the database's


def ensure_ready(runtime: Runtime) -> None:
    """Return if messages may be accepted and sent.

    Raises ClockInDoubtError, IssuerChangedError, JournalUnavailableError, KeyMissingError,
    KeysChangedError, KeyWithdrawnError, PurposesChangedError, RevocationsBehindError, and what the
    database raises.
    """
    state = runtime.readiness
    _check_wall_clock(runtime, state)
    now = runtime.clock.monotonic()
    if state.error and now - state.checked_at < RECHECK_SECONDS:
        raise state.error
    end = runtime.revocation_journal.position() if state.journal_seen else None
    if end is None or end != state.journal_seen or now - state.checked_at > CHECK_INTERVAL_SECONDS:
        state.checked_at, state.error = now, None
        try:
            _check_journal_and_clocks(runtime, state)
        except NotReadyError as error:
            state.journal_seen, state.error = None, error
            raise


def unready_reasons(runtime: Runtime) -> list[str]:
    """Return the error codes of why the service is not ready; empty if it is."""
    try:
        if not is_usable(runtime.database):
            return ["schema_outdated"]
        ensure_ready(runtime)
    except (DatabaseUnavailableError, DatabaseBusyError, NotReadyError) as error:
        return [error.error_code]
    return []


def save_checkpoints(runtime: Runtime) -> None:
    """Flush the journal, check readiness, and store the clock and journal checkpoints.

    Raises as `ensure_ready` does.
    """
    flush_journal(runtime)
    ensure_ready(runtime)
    now, seen = runtime.clock.now(), runtime.readiness.journal_seen

    def work(transaction: Transaction) -> None:
        latest = checkpoints.find(transaction, checkpoints.CLOCK)
        if latest is None or int(latest) < int(now.timestamp()):
            checkpoints.save(transaction, checkpoints.CLOCK, str(int(now.timestamp())))
        if seen:
            advance_checkpoint(transaction, seen)

    runtime.database.run(work)


def _check_journal_and_clocks(runtime: Runtime, state: ReadinessState) -> None:
    """Compare the clock with its checkpoint and the database's, and the journal with its outbox."""
    now = runtime.clock.now()
    clock_checkpoint, database_time = runtime.database.read(
        lambda transaction: (
            checkpoints.find(transaction, checkpoints.CLOCK),
            checkpoints.database_time(transaction),
        )
    )
    if clock_checkpoint and now.timestamp() < int(clock_checkpoint) - MAX_CLOCK_STEP_SECONDS:
        raise ClockInDoubtError("the clock is earlier than its last checkpoint")
    skew = abs(database_time - now) if database_time and runtime.clock.is_real else timedelta()
    if skew > timedelta(seconds=MAX_DATABASE_CLOCK_SKEW_SECONDS + 1):  # it gives whole seconds
        raise ClockInDoubtError("the clocks of this machine and of the database differ")
    ensure_key_set(runtime)
    ensure_issuer(runtime)
    ensure_purposes(runtime)
    state.journal_seen = ensure_complete(runtime)


def _check_wall_clock(runtime: Runtime, state: ReadinessState) -> None:
    """Compare the wall clock with the monotonic clock. Raises ClockInDoubtError after a jump."""
    monotonic = runtime.clock.monotonic()
    offset = runtime.clock.now().timestamp() - monotonic
    if state.offset is None:
        state.offset = offset
    if abs(offset - state.offset) <= MAX_CLOCK_STEP_SECONDS:
        state.jump = None
        return
    if state.jump is None or abs(offset - state.jump.offset) > MAX_CLOCK_STEP_SECONDS:
        state.jump = ClockJump(offset, monotonic)
        log.warning("clock_jumped", seconds=round(offset - state.offset))
    if monotonic - state.jump.detected_at < CLOCK_SETTLED_SECONDS:
        raise ClockInDoubtError("the clock jumped")
    state.offset = offset
