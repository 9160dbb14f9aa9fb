"""Promise 3: SIGKILL between an act, its journal entry and its confirmation loses no act."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from consent_tokens.app_context import DEFAULTS
from consent_tokens.clock import ManualClock
from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.preferences import Preferences
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ConsentTokensError
from consent_tokens.evidence.journal import EntryKind, GrantAmended
from consent_tokens.revocation_journal import LockedJournal
from consent_tokens.row_key import RowKey
from consent_tokens.services import journal_replay
from consent_tokens.services.consents import amendments, revocation
from consent_tokens.services.integrity import journal_outbox
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.journal_replay import replay
from consent_tokens.services.preferences import update
from consent_tokens.services.preferences.update import update_preferences
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, grants
from tests.backups import Backup
from tests.service import ORDERS, PROMOTIONS, Service, make_context

pytestmark = pytest.mark.processes

POINTS = ("before_append", "in_append", "after_append", "after_record")
ROUNDS = 25  # acts of each process in a race
# forked from a process that has imported this module and done nothing else
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def die(*_: object, **__: object) -> Any:  # noqa: ANN401 - it does not return
    os.kill(os.getpid(), signal.SIGKILL)


def write_half(journal: LockedJournal, entries: Sequence[str]) -> int:
    """Append half an entry, and die."""
    journal.file.seek(0, os.SEEK_END)
    journal.file.write(entries[0][: len(entries[0]) // 2].encode())
    os.fsync(journal.file.fileno())
    die()
    return 0


def arm(point: str) -> None:
    """Have this process die at a named point."""
    if point == "before_append":
        LockedJournal.append = die  # type: ignore[method-assign]  # that is the point
    elif point == "in_append":
        LockedJournal.append = write_half  # type: ignore[method-assign, assignment]  # see above
    elif point == "after_append":
        journal_outbox._record_written = die
    elif point == "after_record":
        for module in (amendments, revocation, update):
            module.wait_until_not_in_flight = die  # type: ignore[attr-defined]  # see above


def do_pause(runtime: Runtime, key: RowKey) -> object:
    return amendments.pause(runtime, key)


def do_narrow(runtime: Runtime, key: RowKey) -> object:
    return amendments.narrow(runtime, key, ScopeReduction(max_messages=1))


def do_revoke(runtime: Runtime, key: RowKey) -> object:
    return revocation.revoke(runtime, key, EndReason.CONSUMER)


def do_prefer(runtime: Runtime, key: RowKey) -> object:
    return update_preferences(
        runtime,
        key.partition,
        "limits",
        lambda _, _timezones: Preferences(daily_limit=1),
        default_timezone=DEFAULTS.consent.default_timezone,
    )


ACTS = {"pause": do_pause, "narrow": do_narrow, "revoke": do_revoke, "prefer": do_prefer}


def run_child(
    url: str, keys: str, seconds: float, work: Callable[..., object], *args: object
) -> None:
    """Do something at the service of another process, at the same time of the clock."""
    clock = ManualClock()
    clock.advance(timedelta(seconds=seconds))
    runtime = make_context(url, Path(keys), clock=clock).runtime
    work(runtime, *args)
    runtime.database.close()


def act_and_die(runtime: Runtime, key: RowKey, act: str, point: str) -> None:
    arm(point)
    ACTS[act](runtime, key)


def replay_and_die(runtime: Runtime, point: str) -> None:
    if point == "before_apply":
        journal_replay._apply_batch = die
    elif point == "after_a_batch":
        # the preferences are applied before the grants' terms
        journal_replay.restore_terms = die  # type: ignore[attr-defined]  # as above
    else:
        checkpoints.save = die
    replay(runtime)


def race(runtime: Runtime, key: RowKey, first: int) -> None:
    """Pause, resume and narrow a grant again and again."""
    for turn in range(ROUNDS):
        fewer = ScopeReduction(opens=first + 2 * turn)
        try:
            amendments.pause(runtime, key)
            amendments.resume(runtime, key)
            amendments.narrow(runtime, key, fewer)
        except ConsentTokensError as error:
            if error.error_code not in {"invalid", "store_busy"}:
                raise


class Other:
    """Other processes of a service."""

    def __init__(self, service: Service, keys: Path) -> None:
        url = service.runtime.database.engine.url.render_as_string(hide_password=False)
        seconds = (service.clock.now() - ManualClock().now()).total_seconds()
        self.base = (url, str(keys), seconds)

    def start(self, work: Callable[..., object], *args: object) -> Any:  # noqa: ANN401 - a process
        process = PROCESSES.Process(target=run_child, args=(*self.base, work, *args))
        process.start()
        return process

    def dies(self, work: Callable[..., object], *args: object) -> None:
        process = self.start(work, *args)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL


def live_grant(service: Service) -> tuple[RowKey, Callable[[], tuple[Any, ...]]]:
    """Return a grant, and a function that returns all that is so of it."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    claims = jwt.decode(token, options={"verify_signature": False})
    key = service.runtime.ids.grant.decode(claims["jti"])
    assert key

    def state() -> tuple[Any, ...]:
        grant = service.runtime.database.read(lambda transaction: grants.find(transaction, key))
        assert grant
        stored = Backup.take(service).rows["preferences"]
        return (
            grant.status,
            grant.scope,
            [{name: value for name, value in row.items() if name != "timezone"} for row in stored],
        )

    return key, state


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_committed_reaches_the_journal(
    act: str, point: str, service: Service, tmp_path: Path
) -> None:
    key, state = live_grant(service)
    save_checkpoints(service.runtime)
    backup = Backup.take(service)
    before = state()
    Other(service, tmp_path / "keys").dies(act_and_die, key, act, point)
    after = state()
    assert after != before, "the act was committed"
    save_checkpoints(service.runtime)
    ids = [entry.id for entry in service.runtime.revocation_journal.read()]
    assert len(set(ids)) == 1
    assert len(ids) == (2 if point == "after_append" else 1)
    again = backup.restore(service)
    assert replay(again.runtime).total == 1
    assert state() == after
    again.clock.advance(timedelta(seconds=2))
    assert again.app.test_client().get("/readyz").status_code == 200


@pytest.mark.parametrize("point", ["before_apply", "after_a_batch", "before_the_checkpoint"])
def test_a_replay_that_was_killed_is_run_again(
    point: str, service: Service, tmp_path: Path
) -> None:
    key, state = live_grant(service)
    save_checkpoints(service.runtime)
    backup = Backup.take(service)
    do_prefer(service.runtime, key)
    do_narrow(service.runtime, key)
    do_pause(service.runtime, key)
    after = state()
    save_checkpoints(service.runtime)
    again = backup.restore(service)
    Other(service, tmp_path / "keys").dies(replay_and_die, point)
    again.clock.advance(timedelta(seconds=2))
    assert again.app.test_client().get("/readyz").json["why"] == ["revocations_behind"]
    replay(again.runtime)
    assert state() == after
    again.clock.advance(timedelta(seconds=2))
    assert again.app.test_client().get("/readyz").status_code == 200


def test_entries_of_two_processes_keep_the_order_of_their_acts(
    service: Service, tmp_path: Path
) -> None:
    key, state = live_grant(service)
    save_checkpoints(service.runtime)
    backup = Backup.take(service)
    others = Other(service, tmp_path / "keys")
    racing = [others.start(race, key, first) for first in (1, 2)]
    for process in racing:
        process.join(240)
        assert process.exitcode == 0
    save_checkpoints(service.runtime)
    entries = service.runtime.revocation_journal.read()
    assert {entry.kind for entry in entries} == {
        EntryKind.PAUSED, EntryKind.RESUMED, EntryKind.NARROWED,
    }  # fmt: skip
    opens = [entry.change.opens for entry in entries if isinstance(entry.change, GrantAmended)]
    assert opens == sorted(opens), "hours were only narrowed"
    after = state()
    again = backup.restore(service)
    replay(again.runtime)
    assert state() == after
