"""May anything leave at all? Only if revocations, the clock and the keys are what they should be.

Asked before each round of the dispatcher and before anything is accepted; most answers come from
what this process remembers of its last look.
"""

from datetime import timedelta
from typing import Final

import structlog

from consent_tokens.app_context import Watch, World
from consent_tokens.errors import (
    ClockInDoubtError,
    RevocationsBehindError,
    UntrustedError,
)
from consent_tokens.services.integrity.journal_outbox import begin, known, tell
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

LOOK_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 1.0  # after a look that was not good
JUMP_SECONDS: Final = 60.0  # by so much a clock may be put right without a word
SETTLED_SECONDS: Final = 600.0  # a clock that has stood so long where it jumped to is believed
APART_SECONDS: Final = 10.0  # between this machine's clock and the database's


def trust(world: World) -> None:
    """Return if messages may leave and be accepted.

    Raises ClockInDoubtError, JournalUnavailableError, RevocationsBehindError, and what the store
    raises.
    """
    watch = world.watch
    _look_at_clock(world, watch)
    if not world.store.has_journal:
        return  # during an upgrade: the version before knows no journal
    now = world.clock.elapsed()
    if watch.refused and now - watch.looked < AGAIN_SECONDS:
        raise watch.refused
    end = world.journal.position() if watch.seen else None
    if end is None or end != watch.seen or now - watch.looked > LOOK_SECONDS:
        watch.looked, watch.refused = now, None
        try:
            _look(world, watch)
        except UntrustedError as fault:
            watch.seen, watch.refused = None, fault
            raise


def keep(world: World) -> None:
    """Write down how far we are, and tell the journal what it has yet to be told."""
    if not world.store.has_journal:
        return
    tell(world)
    trust(world)
    now, seen = world.clock.now(), world.watch.seen

    def deed(transaction: Transaction) -> None:
        high = marks.find(transaction, marks.CLOCK)
        if high is None or int(high) < int(now.timestamp()):
            marks.put(transaction, marks.CLOCK, str(int(now.timestamp())))
        if seen and marks.find(transaction, marks.JOURNAL) != str(seen):
            marks.put(transaction, marks.JOURNAL, str(seen))

    world.store.run(deed)


def _look(world: World, watch: Watch) -> None:
    """Compare journal and database from where we were, or from where the database is."""
    now = world.clock.now()
    marked, high, theirs = world.store.read(
        lambda transaction: (
            marks.find(transaction, marks.JOURNAL),
            marks.find(transaction, marks.CLOCK),
            marks.database_time(transaction),
        )
    )
    if high and now.timestamp() < int(high) - JUMP_SECONDS:
        raise ClockInDoubtError("the clock stands before a time at which we already were")
    apart = abs(theirs - now) if theirs and world.clock.is_real else timedelta()
    if apart > timedelta(seconds=APART_SECONDS + 1):
        raise ClockInDoubtError("the clocks of this machine and of the database's are apart")
    if marked is None:
        marked = str(begin(world))
    end = world.journal.position()
    since = known(end, marked)
    live = world.store.read(
        lambda transaction: marks.still_live(transaction, list(world.journal.read(since)))
    )
    if live:
        raise RevocationsBehindError(f"{len(live)} grants live that had ended")
    watch.seen = end


def _look_at_clock(world: World, watch: Watch) -> None:
    """Hold the wall clock against the one that never jumps."""
    elapsed = world.clock.elapsed()
    offset = world.clock.now().timestamp() - elapsed
    if watch.offset is None:
        watch.offset = offset
    if abs(offset - watch.offset) <= JUMP_SECONDS:
        watch.jumped = None
        return
    if watch.jumped is None or abs(offset - watch.jumped[0]) > JUMP_SECONDS:
        watch.jumped = (offset, elapsed)
        log.warning("clock_jumped", seconds=round(offset - watch.offset))
    if elapsed - watch.jumped[1] < SETTLED_SECONDS:
        raise ClockInDoubtError("the clock jumped")
    watch.offset = offset
