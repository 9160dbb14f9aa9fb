"""May anything leave at all? Only if revocations, the clock and the keys are what they should be.

Asked before each round of the dispatcher and before anything is accepted; most answers come from
what this process remembers of its last look.
"""

from datetime import timedelta
from typing import Final

import structlog

from consent_tokens.app_context import AppContext, ReadinessState
from consent_tokens.errors import (
    ClockInDoubtError,
    NotReadyError,
    RevocationsBehindError,
)
from consent_tokens.services.integrity.journal_outbox import (
    flush_journal,
    start_journal,
    unread_from,
)
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

CHECK_INTERVAL_SECONDS: Final = 30.0
RECHECK_SECONDS: Final = 1.0  # after a look that was not good
MAX_CLOCK_STEP_SECONDS: Final = 60.0  # by so much a clock may be put right without a word
CLOCK_SETTLED_SECONDS: Final = (
    600.0  # a clock that has stood so long where it jumped to is believed
)
MAX_DATABASE_CLOCK_SKEW_SECONDS: Final = 10.0  # between this machine's clock and the database's


def ensure_ready(world: AppContext) -> None:
    """Return if messages may leave and be accepted.

    Raises ClockInDoubtError, JournalUnavailableError, RevocationsBehindError, and what the store
    raises.
    """
    watch = world.readiness
    _check_wall_clock(world, watch)
    if not world.database.has_journal:
        return  # during an upgrade: the version before knows no journal
    now = world.clock.monotonic()
    if watch.error and now - watch.checked_at < RECHECK_SECONDS:
        raise watch.error
    end = world.revocation_journal.position() if watch.journal_seen else None
    if end is None or end != watch.journal_seen or now - watch.checked_at > CHECK_INTERVAL_SECONDS:
        watch.checked_at, watch.error = now, None
        try:
            _check_journal_and_clocks(world, watch)
        except NotReadyError as fault:
            watch.journal_seen, watch.error = None, fault
            raise


def save_checkpoints(world: AppContext) -> None:
    """Write down how far we are, and tell the journal what it has yet to be told."""
    if not world.database.has_journal:
        return
    flush_journal(world)
    ensure_ready(world)
    now, seen = world.clock.now(), world.readiness.journal_seen

    def deed(transaction: Transaction) -> None:
        high = marks.find(transaction, marks.CLOCK)
        if high is None or int(high) < int(now.timestamp()):
            marks.save(transaction, marks.CLOCK, str(int(now.timestamp())))
        if seen and marks.find(transaction, marks.JOURNAL) != str(seen):
            marks.save(transaction, marks.JOURNAL, str(seen))

    world.database.run(deed)


def _check_journal_and_clocks(world: AppContext, watch: ReadinessState) -> None:
    """Compare journal and database from where we were, or from where the database is."""
    now = world.clock.now()
    marked, high, theirs = world.database.read(
        lambda transaction: (
            marks.find(transaction, marks.JOURNAL),
            marks.find(transaction, marks.CLOCK),
            marks.database_time(transaction),
        )
    )
    if high and now.timestamp() < int(high) - MAX_CLOCK_STEP_SECONDS:
        raise ClockInDoubtError("the clock stands before a time at which we already were")
    apart = abs(theirs - now) if theirs and world.clock.is_real else timedelta()
    if apart > timedelta(seconds=MAX_DATABASE_CLOCK_SKEW_SECONDS + 1):
        raise ClockInDoubtError("the clocks of this machine and of the database's are apart")
    if marked is None:
        marked = str(start_journal(world))
    end = world.revocation_journal.position()
    since = unread_from(end, marked)
    live = world.database.read(
        lambda transaction: marks.live_grants_among(
            transaction, list(world.revocation_journal.read(since))
        )
    )
    if live:
        raise RevocationsBehindError(f"{len(live)} grants live that had ended")
    watch.journal_seen = end


def _check_wall_clock(world: AppContext, watch: ReadinessState) -> None:
    """Hold the wall clock against the one that never jumps."""
    elapsed = world.clock.monotonic()
    offset = world.clock.now().timestamp() - elapsed
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
