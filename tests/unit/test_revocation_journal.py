"""The file of the revocation journal: its lines, its versions, and how old lines are deleted."""

import multiprocessing
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.preferences import Preferences, QuietHours, stricter_of
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.errors import JournalUnavailableError
from consent_tokens.evidence.journal import (
    Change,
    EntryKind,
    GrantAmended,
    GrantRevoked,
    InvitationRecorded,
    JournalEntry,
    PreferencesSet,
    RecipientErased,
)
from consent_tokens.revocation_journal import JournalPosition, RevocationJournal
from consent_tokens.row_key import RowKey

KEY_ID = "ab" * 8
START = datetime(2024, 1, 1, tzinfo=UTC)
KEYS = st.builds(RowKey, *[st.integers(-(2**63), 2**63 - 1)] * 2)
TIMES = st.integers(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True)
MINUTES = st.integers(0, 1439)
PERIODS = st.tuples(TIMES, st.integers(1, 10**7)).map(
    lambda pair: QuietPeriod(pair[0], pair[0] + timedelta(seconds=pair[1]))
)
HOURS = (
    st.tuples(MINUTES, MINUTES)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: QuietHours(*pair, ZoneInfo("Asia/Shanghai")))
)
PREFERENCES = st.builds(
    Preferences,
    quiet_periods=st.lists(PERIODS, max_size=5, unique_by=lambda each: each.ends).map(
        lambda found: tuple(sorted(found))
    ),
    daily_limit=st.none() | st.integers(1, 100),
    weekly_limit=st.none() | st.integers(1, 500),
    quiet_hours=st.none() | HOURS,
    no_invitations=st.booleans(),
)
CHANGES: dict[EntryKind, st.SearchStrategy[Change]] = {
    EntryKind.REVOKED: st.builds(GrantRevoked, KEYS),
    EntryKind.PAUSED: st.builds(
        GrantAmended,
        key=KEYS,
        purposes=st.sets(st.sampled_from(tuple(Purpose)), min_size=1).map(frozenset),
        limit=st.integers(1, 1000),
        opens=MINUTES,
        closes=MINUTES,
        ends_at=TIMES,
        is_paused=st.booleans(),
        paused_until=st.none() | TIMES,
    ),
    EntryKind.PREFERENCES: st.builds(
        PreferencesSet, st.integers(-(2**63), 2**63 - 1), TAGS, PREFERENCES
    ),
    EntryKind.DECLINED: st.builds(
        InvitationRecorded,
        key=KEYS,
        tag=TAGS,
        merchant_id=st.just("mer_2b4c"),
        request_key=KEYS,
        invited_at=TIMES,
        next_allowed_at=TIMES,
        is_open=st.booleans(),
    ),
    EntryKind.ERASED: st.builds(RecipientErased, st.integers(-(2**63), 2**63 - 1), st.booleans()),
}
ENTRIES = st.sampled_from(sorted(CHANGES)).flatmap(
    lambda kind: st.builds(
        JournalEntry, st.integers(-(2**63), 2**63 - 1), st.just(kind), TIMES, CHANGES[kind]
    )
)


def entry(number: int, at: datetime = START) -> JournalEntry:
    return JournalEntry(number, EntryKind.REVOKED, at, GrantRevoked(RowKey(number, number)))


def numbers(entries: list[JournalEntry]) -> list[int | None]:
    return [each.id for each in entries]


@pytest.fixture
def journal(tmp_path: Path) -> RevocationJournal:
    made = RevocationJournal(tmp_path / "revocations.journal", KEY_ID)
    made.create("cd" * 16)
    return made


@given(ENTRIES)
def test_an_entry_is_read_as_it_was_written(written: JournalEntry) -> None:
    text = written.to_text()
    assert JournalEntry.parse(text) == written
    assert text.isascii()
    assert "\n" not in text


@given(PREFERENCES, PREFERENCES)
def test_the_stricter_of_two_preferences_allows_no_more_than_either(
    one: Preferences, other: Preferences
) -> None:
    both = stricter_of(one, other)
    for each in (one, other):
        assert both.no_invitations >= each.no_invitations
        for limit, own in (
            (both.daily_limit, each.daily_limit),
            (both.weekly_limit, each.weekly_limit),
        ):
            assert own is None or (limit is not None and limit <= own)
        for period in each.quiet_periods:
            assert any(
                wide.begins <= period.begins and wide.ends >= period.ends
                for wide in both.quiet_periods
            )
    assert both.quiet_hours == (one.quiet_hours or other.quiet_hours)
    assert stricter_of(both, both) == both


def version_1(path: Path, *keys: tuple[int, int]) -> RevocationJournal:
    lines = ["consent-tokens revocations 1 " + "cd" * 16]
    for partition, number in keys:
        text = f"{partition} {number} {int(START.timestamp())}"
        lines.append(f"{text} {crc32(text.encode()):08x}")
    path.write_text("\n".join(lines) + "\n", "ascii")
    return RevocationJournal(path, KEY_ID)


def test_version_1_is_read_and_becomes_version_2(tmp_path: Path) -> None:
    journal = version_1(tmp_path / "revocations.journal", (1, 2), (-3, 4))
    before = journal.position()
    assert [each.change for each in journal.read()] == [
        GrantRevoked(RowKey(1, 2)),
        GrantRevoked(RowKey(-3, 4)),
    ]
    assert journal.read(before.offset) == []
    journal.append([entry(5).to_text()])
    assert journal.path.read_bytes().startswith(b"consent-tokens revocations 2 ")
    assert journal.position().offset > before.offset
    assert numbers(journal.read(before.offset)) == [5], "a position of before holds still"
    assert [each.at for each in journal.read()] == [START] * 3
    assert journal.deleted_before() == 0
    assert journal.path.stat().st_mode & 0o077 == 0


def test_old_lines_go_and_positions_stay(journal: RevocationJournal) -> None:
    begin, ends = journal.position().offset, []
    for day in range(10):
        journal.append([entry(day, START + timedelta(days=day)).to_text()])
        ends.append(journal.position().offset)
    limit = START + timedelta(days=4)
    assert journal.delete_before(limit, up_to=ends[-1]) == ends[3] - begin
    assert journal.position() == JournalPosition("cd" * 16, ends[-1])
    assert journal.deleted_before() == ends[3]
    assert numbers(journal.read()) == [4, 5, 6, 7, 8, 9]
    assert numbers(journal.read(ends[6])) == [7, 8, 9]
    assert journal.ids_before(ends[5], {1, 4, 5, 6}) == {4, 5}
    assert journal.delete_before(limit, up_to=ends[-1]) == 0
    journal.append([entry(10, START + timedelta(days=10)).to_text()])
    assert numbers(journal.read(ends[-1])) == [10]
    assert len(list(journal.path.parent.iterdir())) == 1


def test_nothing_goes_that_was_not_compared_or_is_not_old_enough(
    journal: RevocationJournal,
) -> None:
    for day in range(4):
        journal.append([entry(day, START + timedelta(days=day)).to_text()])
    late = START + timedelta(days=100)
    assert journal.delete_before(late, up_to=0) == 0
    week = timedelta(days=7)
    assert journal.delete_before(START + week, up_to=10**9, slack=week) == 0
    assert numbers(journal.read()) == [0, 1, 2, 3]
    assert journal.delete_before(START + timedelta(days=8), up_to=10**9, slack=week) > 0
    assert journal.read() == []


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_crash_while_old_lines_are_deleted_leaves_the_old_file(
    is_complete: bool, journal: RevocationJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append([entry(day, START + timedelta(days=day)).to_text() for day in range(5)])
    before = journal.path.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if is_complete:
            patched.setattr(Path, "rename", crash)
        else:
            patched.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            journal.delete_before(START + timedelta(days=3), up_to=10**9)
    assert journal.path.read_bytes() == before
    journal.append([entry(9, START + timedelta(days=9)).to_text()])
    assert journal.delete_before(START + timedelta(days=3), up_to=10**9)
    assert numbers(journal.read()) == [3, 4, 9]
    assert len(list(journal.path.parent.iterdir())) == 1


def append_many(path: Path, first: int) -> None:
    journal = RevocationJournal(path, KEY_ID)
    for number in range(first, first + 200):
        journal.append([entry(number, START + timedelta(days=500)).to_text()])


def test_processes_append_while_old_lines_are_deleted(journal: RevocationJournal) -> None:
    """An appender that had opened the old file does not write to it any more."""
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=append_many, args=(journal.path, first))
        for first in (1000, 2000, 3000)
    ]
    for writer in writers:
        writer.start()
    compactions = 0
    old = 10_000  # numbers that no writer appends, however many there are
    while any(writer.is_alive() for writer in writers) or not compactions:
        journal.append([entry(old, START).to_text()])
        old += 1
        compactions += bool(journal.delete_before(START + timedelta(days=1), up_to=10**9))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    kept = [number for number in numbers(journal.read()) if number and number < 10_000]
    assert sorted(kept) == [n + k for n in (1000, 2000, 3000) for k in range(200)]


def test_threads_append_while_a_journal_of_version_1_becomes_version_2(tmp_path: Path) -> None:
    journal = version_1(tmp_path / "revocations.journal", (1, 2))
    threads = [
        threading.Thread(target=journal.append, args=([entry(number).to_text()],))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, numbers(journal.read()))) == sorted(map(str, [None, *range(16)]))


def test_a_journal_of_another_key_is_not_used(journal: RevocationJournal) -> None:
    other = RevocationJournal(journal.path, "00" * 8)
    for use in (other.position, other.read, lambda: other.append(["x"])):
        with pytest.raises(JournalUnavailableError, match="another journal key"):
            use()
    other.adopt_key()
    assert other.read() == []
    with pytest.raises(JournalUnavailableError):
        journal.position()


def test_an_entry_of_a_newer_version_is_not_skipped(journal: RevocationJournal) -> None:
    journal.append(["forgiven 1 1700000000 5"])
    with pytest.raises(JournalUnavailableError, match="newer version"):
        journal.read()


def test_a_line_that_was_altered_is_skipped(journal: RevocationJournal) -> None:
    journal.append([entry(1).to_text(), entry(2).to_text()])
    text = journal.path.read_text("ascii")
    journal.path.write_text(text.replace("revoked 1 ", "revoked 7 "), "ascii")
    assert numbers(journal.read()) == [2]
