"""Promise 3: what a consumer took back, whole or in part, survives the restore of a backup."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from consent_tokens.consent.preferences import Preferences
from consent_tokens.errors import JournalUnavailableError, RevocationsBehindError
from consent_tokens.evidence.journal import EntryKind
from consent_tokens.services.consents.amendments import pause
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.journal_replay import ReplayResult, replay
from consent_tokens.services.preferences.update import find_preferences
from consent_tokens.services.runtime import ReadinessState
from consent_tokens.store.tables import preferences, recipients, waiting_entries
from tests.backups import Backup
from tests.number_scan import NUMBERS
from tests.service import (
    ALWAYS,
    GRANT,
    ORDERS,
    WIDE,
    Page,
    Service,
    SignedIn,
    found,
)

QUESTION = re.compile(r"/c/([A-Za-z0-9_-]{22})")


class Person(SignedIn):
    """A consumer who may be invited, too."""

    def invited(self) -> int:
        asked = {"purposes": ["marketing.events"], **ALWAYS, "token": self.token}
        return self.merchant.post("/v1/consent-requests", asked).status_code

    def declines(self) -> Page:
        self.service.work()
        match = QUESTION.search(self.consumer.texts()[-1])
        assert match
        return self.consumer.post(match[0], decision="decline")

    def preferences(self) -> Preferences:
        rows = self.service.runtime.database.read(
            lambda transaction: transaction.execute(select(recipients.c.partition)).scalars().all()
        )
        assert len(rows) == 1
        return find_preferences(self.service.runtime, rows[0])


@pytest.fixture
def person(service: Service) -> Person:
    consent = replace(service.context.consent, opt_in_by_reply=True)
    return Person.with_consent(service.with_context(consent=consent))


def why_not_ready(service: Service) -> list[str]:
    service.clock.advance(timedelta(seconds=2))  # a failed check is remembered for a second
    why: list[str] = service.app.test_client().get("/readyz").json["why"]
    return why


def restored(person: Person, backup: Backup) -> tuple[Person, ReplayResult]:
    """Put a backup back, and replay the journal: the database is not ready before."""
    save_checkpoints(person.service.runtime)
    again = person.in_service(backup.restore(person.service))
    assert why_not_ready(again.service) == ["revocations_behind"]
    assert again.merchant.send(again.token, ORDERS).json["code"] == "revocations_behind"
    result = replay(again.service.runtime)
    assert why_not_ready(again.service) == []
    assert replay(again.service.runtime).total == 0, "twice is once"
    return again, result


def taken(person: Person) -> Backup:
    save_checkpoints(person.service.runtime)
    return Backup.take(person.service)


Act = Callable[[Person], object]
Check = Callable[[Person], bool]

ACTS: dict[str, tuple[Act, Check, EntryKind]] = {
    "narrowed": (
        lambda person: person.act("narrow", purposes=[ORDERS], max_messages=1, to=1260),
        lambda person: (person.code(), person.code(ORDERS)) == ("purpose_not_granted", "queued"),
        EntryKind.NARROWED,
    ),
    "stopped in part by text": (
        lambda person: person.service.reply(NUMBERS[0], "106900011", "退订 1"),
        lambda person: (person.code(), person.code(ORDERS)) == ("purpose_not_granted", "queued"),
        EntryKind.NARROWED,
    ),
    "paused": (
        lambda person: person.act("pause"),
        lambda person: person.code(ORDERS) == "consent_paused",
        EntryKind.PAUSED,
    ),
    "paused for a week": (
        lambda person: person.act("pause", days=7),
        lambda person: person.code(ORDERS) == "consent_paused",
        EntryKind.PAUSED,
    ),
    "quiet period": (
        lambda person: person.act("calm", season="double11"),
        lambda person: person.preferences().quiet_periods != (),
        EntryKind.PREFERENCES,
    ),
    "limits": (
        lambda person: person.act("limits", a_day=2, a_week=3),
        lambda person: person.preferences() == Preferences(daily_limit=2, weekly_limit=3),
        EntryKind.PREFERENCES,
    ),
    "quiet hours": (
        lambda person: person.act("rest", **{"from": 1320, "to": 480}),
        lambda person: person.preferences().quiet_hours is not None,
        EntryKind.PREFERENCES,
    ),
    "no invitations": (
        lambda person: person.act("invitations", invitations="none"),
        lambda person: person.invited() == 403,
        EntryKind.PREFERENCES,
    ),
    "not answered": (
        lambda person: person.invited(),
        lambda person: person.invited() == 403,
        EntryKind.INVITED,
    ),
    "refused": (
        lambda person: (person.invited(), person.declines()),
        lambda person: person.invited() == 403,
        EntryKind.DECLINED,
    ),
    "revoked": (
        lambda person: person.act("revoke"),
        lambda person: person.code(ORDERS) == "consent_revoked",
        EntryKind.REVOKED,
    ),
    "erased": (
        lambda person: person.act("forget"),
        lambda person: "没有" in person.consumer.log_in().text,
        EntryKind.ERASED,
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_what_was_taken_back_after_the_backup_stays_so(name: str, person: Person) -> None:
    act, is_so, kind = ACTS[name]
    backup = taken(person)
    act(person)
    again, result = restored(person, backup)
    assert result.applied[kind] == 1
    assert is_so(again)


def test_erasure_leaves_nothing_of_the_recipient(person: Person) -> None:
    person.act("limits", a_day=2, a_week=3)
    backup = taken(person)
    person.act("forget")
    again, _ = restored(person, backup)
    with again.service.runtime.database.engine.connect() as connection:
        assert connection.execute(select(recipients)).all() == []
        assert connection.execute(select(preferences)).all() == []
    assert again.code(ORDERS) == "consent_revoked"


def test_the_last_word_counts(person: Person) -> None:
    """A pause and preferences that were lifted again are not put back."""
    person.act("pause")
    person.act("limits", a_day=2, a_week=3)
    backup = taken(person)
    person.act("resume")
    person.act("limits")
    again, result = restored(person, backup)
    assert result.applied == {EntryKind.RESUMED: 1, EntryKind.PREFERENCES: 1}
    assert again.code() == "queued"
    assert again.preferences() == Preferences()


def test_between_the_restore_and_the_replay_an_old_entry_only_takes_back(person: Person) -> None:
    """What the consumer does at the restored service is not undone by older entries."""
    backup = taken(person)
    person.act("narrow", purposes=[ORDERS])
    person.act("pause")
    person.act("resume")
    save_checkpoints(person.service.runtime)
    again = person.in_service(backup.restore(person.service))
    pause(again.service.runtime, again.grant_key())  # as by the link in a message
    replay(again.service.runtime)
    assert why_not_ready(again.service) == []
    assert again.code(ORDERS) == "consent_paused"
    again.act("resume")
    assert (again.code(), again.code(ORDERS)) == ("purpose_not_granted", "queued")


def test_preferences_of_a_newer_number_wait_until_it_comes_back(service: Service) -> None:
    service = service.with_context(otp=WIDE)
    save_checkpoints(service.runtime)
    empty = Backup.take(service)
    person = Person.with_consent(service)
    person.act("limits", a_day=2, a_week=3)
    person.act("invitations", invitations="none")
    save_checkpoints(service.runtime)
    again = empty.restore(service)
    result = replay(again.runtime)
    assert (result.total, result.waiting) == (0, 1)
    back = Person.with_consent(again)
    assert back.preferences() == Preferences(daily_limit=2, weekly_limit=3, no_invitations=True)
    assert back.invited() == 403
    assert replay(again.runtime).waiting == 0
    back.act("invitations")
    back.act("limits")
    assert replay(again.runtime).total == 0, "what was lifted since stays lifted"
    assert back.preferences() == Preferences()


def test_waiting_preferences_show_when_the_number_signs_in(service: Service) -> None:
    service = service.with_context(otp=WIDE)
    save_checkpoints(service.runtime)
    empty = Backup.take(service)
    Person.with_consent(service).act("invitations", invitations="none")
    save_checkpoints(service.runtime)
    again = empty.restore(service)
    replay(again.runtime)
    again.consumer().log_in()
    assert Person(again, again.merchant(), again.consumer(), "").preferences().no_invitations


def test_whoever_gets_the_number_next_has_no_waiting_preferences(service: Service) -> None:
    service = service.with_context(otp=WIDE)
    save_checkpoints(service.runtime)
    empty = Backup.take(service)
    Person.with_consent(service).act("invitations", invitations="none")
    save_checkpoints(service.runtime)
    again = empty.restore(service)
    assert replay(again.runtime).waiting == 1
    owner = again.consumer()
    owner.post("/my", phone=owner.number)
    owner.post("/my", code=owner.code(), action="new_to_me")
    assert replay(again.runtime).waiting == 0


def test_a_number_that_was_erased_and_came_back(person: Person) -> None:
    """The backup has it under another partition: what it said last applies there."""
    backup = taken(person)
    person.act("revoke")  # nothing else is kept of the number: its recipient is deleted
    newer = Person.with_consent(person.service)
    newer.act("limits", a_day=1, a_week=1)
    again, result = restored(person, backup)
    assert result.applied == {EntryKind.PREFERENCES: 1, EntryKind.REVOKED: 1}
    assert result.waiting == 0
    assert again.preferences() == Preferences(daily_limit=1, weekly_limit=1)


@pytest.mark.parametrize("act", ["forget", "refuse"])
def test_a_consent_that_was_given_later_is_not_undone_by_older_entries(
    act: str, person: Person
) -> None:
    """By a reply, which is acted on also while the database lacks entries."""
    assert person.invited() == 201
    person.service.work()
    backup = taken(person)
    if act == "forget":
        person.act("forget")
    else:
        person.declines()
    save_checkpoints(person.service.runtime)
    person.service.clock.advance(timedelta(minutes=1))
    again = person.in_service(backup.restore(person.service))
    with pytest.raises(RevocationsBehindError):
        again.service.reply(NUMBERS[0], "106900011", "Y")
    replay(again.service.runtime)
    assert why_not_ready(again.service) == []
    given = again.merchant.get("/v1/grants").json["items"][-1]
    assert (given["status"], given["scope"]["purposes"]) == ("live", ["marketing.events"])
    former = again.merchant.get("/v1/grants").json["items"][0]
    assert former["status"] == ("revoked" if act == "forget" else "live")


FORMS: dict[str, dict[str, object]] = {
    "narrow": {"purposes": [ORDERS]},
    "pause": {},
    "resume": {},
    "prolong": {"days": 30},
    "calm": {"season": "double11"},
    "limits": {"a_day": 2},
    "rest": {"from": 1320, "to": 480},
    "invitations": {"invitations": "none"},
    "revoke": {},
    "forget": {},
}


@pytest.mark.parametrize("action", FORMS)
def test_nothing_is_confirmed_while_the_journal_cannot_be_written(
    action: str, person: Person
) -> None:
    grant = found(GRANT, person.consumer.log_in().text)
    page = person.consumer.get("/my/wishes").text
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal.path
    journal.rename(journal.with_name("elsewhere"))
    form = {"action": action, "grant": grant, **FORMS[action]}
    assert person.consumer.post("/my", page, **form).status_code == 503
    journal.with_name("elsewhere").rename(journal)
    assert person.consumer.post("/my", page, **form).status_code == 303


def test_a_refusal_is_not_confirmed_while_the_journal_cannot_be_written(person: Person) -> None:
    person.invited()
    person.service.work()
    match = QUESTION.search(person.consumer.texts()[-1])
    assert match
    page = person.consumer.get(match[0]).text
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal.path
    journal.rename(journal.with_name("elsewhere"))
    assert person.consumer.post(match[0], page, decision="decline").status_code == 503
    journal.with_name("elsewhere").rename(journal)
    assert person.consumer.post(match[0], page, decision="decline").status_code == 303


def test_a_stop_by_text_is_not_confirmed_while_the_journal_cannot_be_written(
    person: Person,
) -> None:
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal
    before = person.consumer.texts()
    journal.path.rename(journal.path.with_name("elsewhere"))
    with pytest.raises(JournalUnavailableError):
        person.service.reply(NUMBERS[0], "106900011", "退订 1")
    assert person.consumer.texts() == before
    journal.path.with_name("elsewhere").rename(journal.path)
    person.service.clock.advance(timedelta(seconds=2))
    person.service.work()
    assert [entry.kind for entry in journal.read()] == [EntryKind.NARROWED]
    (confirmed,) = person.consumer.texts()[len(before) :]
    assert "不再发：打折和活动" in confirmed


def test_a_backup_that_is_older_than_the_journal_is_refused(person: Person) -> None:
    """The dispatcher deletes entries older than every backup that may be restored."""
    backup = taken(person)
    person.act("narrow", purposes=[ORDERS])
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal
    person.service.clock.advance(timedelta(days=366))
    person.service.work()
    assert len(journal.read()) == 1, "the journal is rewritten once a week at most"
    person.service.clock.advance(timedelta(days=7))
    person.service.work()
    assert journal.read() == []
    assert why_not_ready(person.service) == []
    again = person.in_service(backup.restore(person.service))
    assert why_not_ready(again.service) == ["journal_unavailable"]
    with pytest.raises(JournalUnavailableError, match="older than the oldest entry"):
        replay(again.service.runtime)
    assert replay(again.service.runtime, accept=True).total == 0
    assert why_not_ready(again.service) == []


def test_a_lost_journal_key_is_noticed(person: Person) -> None:
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal
    other = person.service.with_runtime(
        revocation_journal=replace(journal, key_id="00" * 8), readiness=ReadinessState()
    )
    assert why_not_ready(other) == ["journal_unavailable"]
    replay(other.runtime, accept=True)
    assert why_not_ready(other) == []


def test_an_accepted_journal_only_takes_back(person: Person) -> None:
    """It may be an older copy: what it gives back may have been taken back since."""
    person.act("pause")
    person.act("resume")
    person.act("limits", a_day=9, a_week=9)
    person.act("limits")
    save_checkpoints(person.service.runtime)
    journal = person.service.runtime.revocation_journal.path
    older = journal.read_bytes()
    person.act("pause")
    person.act("limits", a_day=1, a_week=1)
    save_checkpoints(person.service.runtime)
    journal.write_bytes(older)
    again = person.in_service(person.service.with_runtime(readiness=ReadinessState()))
    assert why_not_ready(again.service) == ["journal_unavailable"]
    replay(again.service.runtime, accept=True)
    assert why_not_ready(again.service) == []
    assert again.code(ORDERS) == "consent_paused"
    assert again.preferences() == Preferences(daily_limit=1, weekly_limit=1)


def test_the_journal_and_what_waits_hold_no_number(person: Person) -> None:
    rows = taken(person).rows
    backup = Backup({**rows, "recipients": [], "grants": []})
    person.act("limits", a_day=2, a_week=3)
    person.invited()
    save_checkpoints(person.service.runtime)
    again = backup.restore(person.service)
    assert replay(again.runtime).waiting == 2
    with again.runtime.database.engine.connect() as connection:
        waiting = json.dumps([row.entry for row in connection.execute(select(waiting_entries))])
    text = again.runtime.revocation_journal.path.read_text("ascii") + waiting
    for number in NUMBERS:
        assert number.lstrip("+") not in text
