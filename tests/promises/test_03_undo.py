"""Promise 3: to undo is an act of its own, and gives back no more than was had just before."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ConflictError
from consent_tokens.services.consents.amendments import extend, narrow, pause, resume
from consent_tokens.services.consents.undo import undo
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.journal_replay import replay
from tests.backups import Backup
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, WIDE, Page, Service, SignedIn, found

UNDO = re.compile(r'name="undo" value="([^"]+)"')


class Person(SignedIn):
    """A consumer who narrows and pauses a consent, and undoes it on the next page."""

    def offered(self, action: str, **form: object) -> str:
        """Submit a form; return what the form on the next page would undo."""
        answer = self.act(action, **form)
        self.service.clock.advance(timedelta(seconds=1))
        return found(UNDO, self.consumer.get(answer.headers["Location"]).text)

    def undo(self, offered: str) -> Page:
        answer = self.act("undo", undo=offered)
        self.service.clock.advance(timedelta(seconds=1))
        return answer

    def scope(self) -> dict[str, object]:
        scope: dict[str, object] = self.merchant.get(f"/v1/grants/{self.grant}").json["scope"]
        return scope

    def consent(self) -> dict[str, list[dict[str, object]]]:
        data = self.consumer.get("/my/data.json").json
        return {"changes": data["consents"][0]["changes"], "events": data["events"]}


@pytest.fixture
def person(service: Service) -> Person:
    return Person.with_consent(service)


@pytest.fixture
def quick(small: Service) -> Person:
    return Person.with_consent(small)


def test_undo_restores_the_scope_before_and_is_recorded(person: Person) -> None:
    before = person.scope()
    offered = person.offered("narrow", purposes=[ORDERS], max_messages=1, to=1260)
    assert person.code() == "purpose_not_granted"
    answer = person.undo(offered)
    assert "晨光书店" in person.consumer.get(answer.headers["Location"]).text
    assert person.scope() == before
    assert (person.code(), person.code(ORDERS)) == ("queued", "queued")
    recorded = person.consent()
    assert [each["what"] for each in recorded["changes"]] == ["narrowed", "widened"]
    assert [each["code"] for each in recorded["events"] if each["kind"] == "grant_changed"] == [
        "narrowed",
        "widened",
    ]
    assert person.undo(offered).status_code == 409, "once"


def test_undo_of_a_pause_resumes_what_it_paused_and_no_more(person: Person) -> None:
    pause(person.service.runtime, person.grant_key())
    request = person.merchant.ask("marketing.events")
    person.consumer.agree(request["path"], "marketing.events")
    token = person.merchant.token(request)
    person.service.clock.advance(timedelta(seconds=1))
    offered = person.offered("pause", days=7, stay="my")
    assert person.merchant.send(token, "marketing.events").json["code"] == "consent_paused"
    assert person.undo(offered).status_code == 303
    assert person.merchant.send(token, "marketing.events").status_code == 202
    assert person.code() == "consent_paused"


def narrow_more(person: Person) -> None:
    narrow(person.service.runtime, person.grant_key(), ScopeReduction(max_messages=1))


def pause_and_resume(person: Person) -> None:
    pause(person.service.runtime, person.grant_key())
    resume(person.service.runtime, person.grant_key())


SINCE: dict[str, Callable[[Person], object]] = {
    "narrowed by reply": narrow_more,
    "paused and resumed": pause_and_resume,
    "extended": lambda person: extend(
        person.service.runtime, person.grant_key(), timedelta(days=30)
    ),
    "stopped": lambda person: person.act("revoke"),
    "signed in again": lambda person: person.consumer.log_in(),
    "another offer": lambda person: person.offered("pause"),
}


@pytest.mark.parametrize("name", SINCE)
def test_nothing_is_undone_after_anything_else(name: str, quick: Person) -> None:
    offered = quick.offered("narrow", purposes=[ORDERS])
    SINCE[name](quick)
    after = quick.scope()
    assert quick.undo(offered).status_code == 409
    assert quick.scope() == after
    assert PROMOTIONS not in str(after["purposes"])


def test_what_a_newer_consent_covers_is_not_undone(quick: Person) -> None:
    """No two live grants to a merchant cover one purpose, so the newer one counts."""
    offered = quick.offered("narrow", purposes=[ORDERS])
    request = quick.merchant.ask(PROMOTIONS)
    quick.consumer.agree(request["path"], PROMOTIONS)
    assert quick.undo(offered).status_code == 409


def test_another_session_or_consumer_undoes_nothing(quick: Person) -> None:
    offered = quick.offered("narrow", purposes=[ORDERS])
    other = quick.in_service(quick.service)
    assert other.undo(offered).status_code == 409, "a session that was not offered it"
    stranger = replace(quick, consumer=quick.service.consumer(NUMBERS[1]))
    stranger.consumer.agree(quick.merchant.ask(ORDERS)["path"], ORDERS)
    stranger.consumer.log_in()
    assert stranger.undo(offered).status_code == 404, "the consent of another"
    partition = quick.grant_key().partition
    with pytest.raises(ConflictError, match="no change of yours"):
        undo(quick.service.runtime, partition + 1, [offered])
    assert quick.undo(offered).status_code == 303


def restored(person: Person, backup: Backup) -> Person:
    save_checkpoints(person.service.runtime)
    again = person.in_service(backup.restore(person.service).with_context(otp=WIDE))
    replay(again.service.runtime)
    return again


def taken(person: Person) -> Backup:
    save_checkpoints(person.service.runtime)
    return Backup.take(person.service)


def test_a_restored_backup_has_the_last_word_of_the_consumer(quick: Person) -> None:
    """Whether the backup is older than the narrowing, or than its undoing."""
    before = quick.scope()
    oldest = taken(quick)
    offered = quick.offered("narrow", purposes=[ORDERS])
    between = taken(quick)
    quick.undo(offered)
    assert restored(quick, oldest).scope() == before
    assert restored(quick, between).scope() == before


def test_what_was_taken_back_after_an_undoing_stays_so(quick: Person) -> None:
    backup = taken(quick)
    quick.undo(quick.offered("narrow", purposes=[ORDERS]))
    quick.offered("narrow", purposes=[PROMOTIONS])
    again = restored(quick, backup)
    assert (again.code(), again.code(ORDERS)) == ("queued", "purpose_not_granted")
    again.act("revoke")
    assert again.scope()["purposes"] == [PROMOTIONS]
    assert again.code() == "consent_revoked"


def test_what_is_not_certain_to_be_the_last_word_widens_nothing(quick: Person) -> None:
    """The consumer narrows at the restored service, before the old undoing is replayed."""
    backup = taken(quick)
    quick.undo(quick.offered("narrow", purposes=[ORDERS]))
    save_checkpoints(quick.service.runtime)
    again = quick.in_service(backup.restore(quick.service))
    narrow(again.service.runtime, again.grant_key(), ScopeReduction(max_messages=1))
    replay(again.service.runtime)
    assert again.scope()["max_messages"] == 1
