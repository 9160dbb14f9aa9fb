"""May anything leave at all? Only if revocations, the clock and the keys are what they should be.

Asked before each round of the dispatcher and before anything is accepted; most answers come from
what this process remembers of its last look.
"""

from datetime import timedelta
from typing import Final

import structlog

from consent_tokens.errors import (
    ClockInDoubtError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    NotReadyError,
    RevocationsBehindError,
)
from consent_tokens.services.integrity.journal_outbox import (
    flush_journal,
    start_journal,
    unread_from,
)
from consent_tokens.services.runtime import ReadinessState, Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction
from consent_tokens.store.schema import is_usable

log = structlog.get_logger()

CHECK_INTERVAL_SECONDS: Final = 30.0
RECHECK_SECONDS: Final = 1.0  # after a look that was not good
MAX_CLOCK_STEP_SECONDS: Final = 60.0  # by so much a clock may be put right without a word
CLOCK_SETTLED_SECONDS: Final = (
    600.0  # a clock that has stood so long where it jumped to is believed
)
MAX_DATABASE_CLOCK_SKEW_SECONDS: Final = 10.0  # between this machine's clock and the database's


def ensure_ready(runtime: Runtime) -> None:
    """Return if messages may leave and be accepted.

    Raises ClockInDoubtError, JournalUnavailableError, RevocationsBehindError, and what the store
    raises.
    """
    watch = runtime.readiness
    _check_wall_clock(runtime, watch)
    now = runtime.clock.monotonic()
    if watch.error and now - watch.checked_at < RECHECK_SECONDS:
        raise watch.error
    end = runtime.revocation_journal.position() if watch.journal_seen else None
    if end is None or end != watch.journal_seen or now - watch.checked_at > CHECK_INTERVAL_SECONDS:
        watch.checked_at, watch.error = now, None
        try:
            _check_journal_and_clocks(runtime, watch)
        except NotReadyError as error:
            watch.journal_seen, watch.error = None, error
            raise


def unready_reasons(runtime: Runtime) -> list[str]:
    """Return why no message may leave or be accepted, as error codes; empty if they may."""
    try:
        if not is_usable(runtime.database):
            return ["schema_outdated"]
        ensure_ready(runtime)
    except (DatabaseUnavailableError, DatabaseBusyError, NotReadyError) as error:
        return [error.error_code]
    return []


def save_checkpoints(runtime: Runtime) -> None:
    """Write down how far we are, and tell the journal what it has yet to be told."""
    flush_journal(runtime)
    ensure_ready(runtime)
    now, seen = runtime.clock.now(), runtime.readiness.journal_seen

    def work(transaction: Transaction) -> None:
        high = checkpoints.find(transaction, checkpoints.CLOCK)
        if high is None or int(high) < int(now.timestamp()):
            checkpoints.save(transaction, checkpoints.CLOCK, str(int(now.timestamp())))
        if seen and checkpoints.find(transaction, checkpoints.JOURNAL) != str(seen):
            checkpoints.save(transaction, checkpoints.JOURNAL, str(seen))

    runtime.database.run(work)


def _check_journal_and_clocks(runtime: Runtime, watch: ReadinessState) -> None:
    """Compare journal and database from where we were, or from where the database is."""
    now = runtime.clock.now()
    marked, high, theirs = runtime.database.read(
        lambda transaction: (
            checkpoints.find(transaction, checkpoints.JOURNAL),
            checkpoints.find(transaction, checkpoints.CLOCK),
            checkpoints.database_time(transaction),
        )
    )
    if high and now.timestamp() < int(high) - MAX_CLOCK_STEP_SECONDS:
        raise ClockInDoubtError("the clock stands before a time at which we already were")
    apart = abs(theirs - now) if theirs and runtime.clock.is_real else timedelta()
    if apart > timedelta(seconds=MAX_DATABASE_CLOCK_SKEW_SECONDS + 1):
        raise ClockInDoubtError("the clocks of this machine and of the database's are apart")
    if marked is None:
        marked = str(start_journal(runtime))
    end = runtime.revocation_journal.position()
    since = unread_from(end, marked)
    live = runtime.database.read(
        lambda transaction: checkpoints.live_grants_among(
            transaction, list(runtime.revocation_journal.read(since))
        )
    )
    if live:
        raise RevocationsBehindError(f"{len(live)} grants live that had ended")
    watch.journal_seen = end


def _check_wall_clock(runtime: Runtime, watch: ReadinessState) -> None:
    """Hold the wall clock against the one that never jumps."""
    elapsed = runtime.clock.monotonic()
    offset = runtime.clock.now().timestamp() - elapsed
    if watch.offset is None:
        watch.offset = offset
    if abs(offset - watch.offset) <= MAX_CLOCK_STEP_SECONDS:
        watch.jumped = None
        return
    if watch.jumped is None or abs(offset - watch.jumped[0]) > MAX_CLOCK_STEP_SECONDS:
        watch.jumped = (offset, elapsed)
        log.warning("clock_jumped", seconds=round(offset - watch.offset))
    if elapsed - watch.jumped[1] < CLOCK_SETTLED_SECONDS:
        raise ClockInDoubtError("the clock jumped")
    watch.offset = offset
