"""Promise 3, and 9: a restored backup revives no consent, because of the revocation journal."""

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_tokens.cli import main
from consent_tokens.clock import ManualClock
from consent_tokens.errors import JournalUnavailableError
from consent_tokens.evidence.journal import EntryKind, GrantRevoked, JournalEntry
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.revocation_journal import LockedJournal, RevocationJournal
from consent_tokens.row_key import RowKey
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.journal_replay import replay
from consent_tokens.services.runtime import ReadinessState
from tests.service import ORDERS, Merchant, Service

KEY_ID = "ab" * 8


def revoked(partition: int, grant_id: int) -> JournalEntry:
    """Return the entry of a revocation."""
    change = GrantRevoked(RowKey(partition, grant_id))
    return JournalEntry(7, EntryKind.REVOKED, ManualClock().now(), change)


def ready(service: Service) -> tuple[int, list[str]]:
    answer = service.app.test_client().get("/readyz")
    return answer.status_code, answer.json["why"]


def copied(small: Service, tmp_path: Path) -> Path:
    """Return a backup of the database, as `VACUUM INTO` makes it."""
    copy = tmp_path / f"backup-{len(list(tmp_path.iterdir()))}.db"
    with closing(sqlite3.connect(str(small.runtime.database.engine.url.database))) as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    return copy


def restored(small: Service, copy: Path) -> Service:
    """Return the service started anew on a backup: same keys, same journal, nothing remembered."""
    return Service.start(f"sqlite:///{copy}", copy.parent / "keys", clock=small.clock)


def revoked_after_the_backup(small: Service, tmp_path: Path) -> tuple[Merchant, str, Path]:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    save_checkpoints(small.runtime)
    copy = copied(small, tmp_path)
    merchant.post("/v1/tokens/revoke", {"token": token})
    return merchant, token, copy


def test_nothing_is_relayed_until_the_revocations_are_replayed(
    small: Service, tmp_path: Path
) -> None:
    merchant, token, copy = revoked_after_the_backup(small, tmp_path)
    again = restored(small, copy)
    assert ready(again) == (503, ["revocations_behind"])
    asker = Merchant(again, merchant.id, merchant.api_key)
    refused = asker.send(token)
    assert (refused.status_code, refused.json["code"]) == (503, "revocations_behind")
    assert refused.headers["Retry-After"]
    assert replay(again.runtime).total == 1
    again.clock.advance(timedelta(seconds=2))
    assert ready(again) == (200, [])
    assert asker.send(token).json["code"] == "consent_revoked"
    assert replay(again.runtime).total == 0, "twice is once"
    again.close()


def test_what_lay_in_the_outbox_of_the_backup_does_not_leave(
    small: Service, tmp_path: Path
) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    assert merchant.send(token, text="in the outbox").status_code == 202
    save_checkpoints(small.runtime)
    copy = copied(small, tmp_path)
    merchant.post("/v1/tokens/revoke", {"token": token})
    again = restored(small, copy)
    with pytest.raises(Exception, match="lacks 1 entries"):
        again.dispatcher.round()
    replay(again.runtime)
    again.clock.advance(timedelta(seconds=2))
    again.work()
    phones = again.context.simulator
    assert phones
    assert not any("in the outbox" in each.text for _, texts in phones.phones() for each in texts)
    again.close()


def lose(journal: Path) -> None:
    journal.unlink()


def cut(journal: Path) -> None:
    os.truncate(journal, 70)


def swap(journal: Path) -> None:
    journal.unlink()
    RevocationJournal(journal, KEY_ID).create("00" * 16)


def spoil(journal: Path) -> None:
    journal.write_bytes(b"nonsense\n" * 20)


def hide(journal: Path) -> None:
    journal.rename(journal.with_name("elsewhere"))
    journal.mkdir()


@pytest.mark.parametrize("harm", [lose, cut, swap, spoil, hide])
def test_without_the_journal_that_it_knows_nothing_is_relayed_or_revoked(
    harm: Callable[[Path], None], small: Service
) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    other = small.obtain_token(merchant, consumer, ORDERS)
    merchant.post("/v1/tokens/revoke", {"token": other})
    save_checkpoints(small.runtime)
    harm(small.runtime.revocation_journal.path)
    assert ready(small) == (503, ["journal_unavailable"])
    small.clock.advance(timedelta(seconds=2))
    assert merchant.send(token).json["code"] == "journal_unavailable"
    revoked = merchant.post("/v1/tokens/revoke", {"token": token})
    assert (revoked.status_code, revoked.json["code"]) == (503, "journal_unavailable")
    grants = merchant.get("/v1/grants").json["items"]
    assert sorted(each["status"] for each in grants) == ["live", "revoked"]


def test_the_operator_can_accept_a_new_journal(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    save_checkpoints(small.runtime)
    lose(small.runtime.revocation_journal.path)
    assert ready(small)[0] == 503
    with pytest.raises(JournalUnavailableError):
        replay(small.runtime)
    assert replay(small.runtime, accept=True).total == 0
    small.clock.advance(timedelta(seconds=2))
    assert ready(small) == (200, [])
    assert merchant.send(token).status_code == 202


def test_the_command_replays(small: Service, tmp_path: Path) -> None:
    _, _, copy = revoked_after_the_backup(small, tmp_path)
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{copy}",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
    }
    done = CliRunner().invoke(main, ["journal", "replay", "--json"], env=environment)
    assert done.exit_code == 0
    counts = json.loads(done.stdout)
    assert counts.pop("revoked") == 1
    assert set(counts) == {*EntryKind, "waiting"} - {"revoked"}
    assert not any(counts.values())


def test_a_crash_between_database_and_journal_is_repaired(small: Service, tmp_path: Path) -> None:
    """The revocation is committed, but not yet in the journal; the next round writes it."""
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    save_checkpoints(small.runtime)
    copy = copied(small, tmp_path)

    class Torn(RevocationJournal):
        @contextmanager
        def lock(self) -> Iterator[LockedJournal]:
            with super().lock() as journal:
                if journal.header.length:
                    raise JournalUnavailableError("the plug was pulled")
                yield journal

    journal = small.runtime.revocation_journal
    torn = small.with_runtime(revocation_journal=Torn(journal.path, journal.key_id))
    answer = Merchant(torn, merchant.id, merchant.api_key).post(
        "/v1/tokens/revoke", {"token": token}
    )
    assert answer.status_code == 503, "it was not said to be done"
    save_checkpoints(small.runtime)
    again = restored(small, copy)
    assert ready(again) == (503, ["revocations_behind"])
    again.close()


def test_a_line_that_was_cut_short_spoils_none_after_it(tmp_path: Path) -> None:
    journal = RevocationJournal(tmp_path / "revocations.journal", KEY_ID)
    journal.create("ab" * 16)
    journal.append([revoked(1, 2).to_text()])
    with journal.path.open("ab") as file:
        file.write(b"12345 678")
    journal.append([revoked(-3, 4).to_text()])
    assert journal.read() == [revoked(1, 2), revoked(-3, 4)]
    assert journal.path.stat().st_mode & 0o077 == 0


def test_many_who_write_at_once_spoil_nothing(tmp_path: Path) -> None:
    journal = RevocationJournal(tmp_path / "revocations.journal", KEY_ID)
    makers = [threading.Thread(target=journal.create, args=(f"{n:032x}",)) for n in range(8)]

    def write(partition: int) -> None:
        for number in range(50):
            journal.append([revoked(partition, number).to_text()])

    writers = [threading.Thread(target=write, args=(partition,)) for partition in range(8)]
    for group in (makers, writers):
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()
    written = {str(entry.change) for entry in journal.read()}
    assert written == {str(revoked(n, k).change) for n in range(8) for k in range(50)}
    assert len(journal.read()) == len(written)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_restored_journal_that_is_older_is_noticed(small: Service) -> None:
    """Keys and journal come from a backup, too: the database knows that there was more."""
    merchant, consumer = small.merchant(), small.consumer()
    small.obtain_token(merchant, consumer)
    save_checkpoints(small.runtime)
    path = small.runtime.revocation_journal.path
    shutil.copy(path, path.with_name("older"))
    merchant.post("/v1/tokens/revoke", {"token": small.obtain_token(merchant, consumer)})
    save_checkpoints(small.runtime)
    path.with_name("older").rename(path)
    assert ready(small) == (503, ["journal_unavailable"])


# --- the clock ----------------------------------------------------------------------------------


class Jumping(ManualClock):
    """A clock whose wall time can be set while the time that never jumps goes on."""

    set_by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.set_by


def test_while_the_clock_is_in_doubt_nothing_leaves(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    clock = Jumping(at=small.clock.at)
    doubting = small.with_runtime(clock=clock, readiness=ReadinessState())
    asker = Merchant(doubting, merchant.id, merchant.api_key)
    assert ready(doubting) == (200, [])
    for jump in (timedelta(hours=1), timedelta(hours=-1)):
        clock.set_by = jump
        assert ready(doubting) == (503, ["clock_in_doubt"])
        assert asker.send(token).json["code"] == "clock_in_doubt"
        clock.set_by = timedelta()
        assert ready(doubting) == (200, []), "put right, it is trusted at once"
    clock.set_by = timedelta(hours=1)
    assert ready(doubting)[0] == 503
    clock.advance(timedelta(minutes=11))
    assert ready(doubting) == (200, []), "a clock that stays where it is was put right by that"


def test_a_clock_before_a_time_at_which_we_were_is_not_believed(small: Service) -> None:
    save_checkpoints(small.runtime)
    earlier = ManualClock(at=small.clock.at - timedelta(hours=1))
    again = small.with_context(
        runtime=replace(small.runtime, clock=earlier, readiness=ReadinessState()),
        gateway=Simulator(),
    )
    assert ready(again) == (503, ["clock_in_doubt"])
    earlier.advance(timedelta(hours=1))
    assert ready(again) == (200, [])


def test_the_databases_own_clock_is_asked_too(empty_postgres_url: str, tmp_path: Path) -> None:
    service = Service.start(empty_postgres_url, tmp_path / "keys")

    class Wrong(ManualClock):
        @property
        def is_real(self) -> bool:
            return True

    wrong = service.with_runtime(clock=Wrong(at=service.clock.at), readiness=ReadinessState())
    assert ready(wrong) == (503, ["clock_in_doubt"])
    service.close()
