"""Promise 15: a page confirms what was saved, from when to when, and nothing else."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import select, update

from consent_tokens.consent.preferences import Preferences
from consent_tokens.consent.quiet_periods import MAX_QUIET_PERIODS, QuietPeriod
from consent_tokens.services.consents.views import find_consent
from consent_tokens.services.preferences.update import find_preferences
from consent_tokens.store.tables import preferences as table
from consent_tokens.store.tables import retention_runs
from tests.service import ORDERS, PROMOTIONS, Page, Service, SignedIn, found

STATUS = re.compile(r'<p class="note[^"]*" role="status">(.*?)</p>', re.DOTALL)
FAULT = re.compile(r'<p class="fault" id="([^"]+)-fault" role="alert">(.*?)</p>', re.DOTALL)
DECEMBER = datetime(2026, 12, 1, 4, tzinfo=UTC)  # noon in Shanghai


class Person(SignedIn):
    """A consumer who is signed in, and reads English."""

    @property
    def partition(self) -> int:
        return self.grant_key().partition

    @property
    def stored(self) -> Preferences:
        return find_preferences(self.service.runtime, self.partition)

    def submit(self, action: str, **form: object) -> Page:
        page = self.page("/my/wishes?lang=en")
        return self.consumer.post("/my", page, action=action, grant=self.grant, **form)

    def confirmed(self, action: str, **form: object) -> str:
        """Submit a form; return what the next page confirms."""
        answer = self.submit(action, **form)
        assert answer.status_code == 303, answer.text
        return unescape(found(STATUS, self.consumer.get(answer.headers["Location"]).text))

    def faults(self, action: str, **form: object) -> dict[str, str]:
        """Submit a form that is wrong; return the fault of each field, none of which was saved."""
        before = self.stored
        answer = self.submit(action, **form)
        assert answer.status_code == 422
        assert self.stored == before
        assert 'class="summary" role="alert"' in answer.text
        assert "<title>Error:" in answer.text
        return {name: unescape(words) for name, words in FAULT.findall(answer.text)}


@pytest.fixture
def person(service: Service) -> Person:
    service.clock.advance(DECEMBER - service.clock.now())
    person = Person.with_consent(service, max_messages=100, expires_in_days=300)
    person.consumer.log_in()
    return person


def test_a_quiet_period_that_begins_later_is_confirmed_with_its_days(person: Person) -> None:
    assert person.confirmed("calm", season="618") == (
        "No offers from June 1, 2027 to June 20, 2027. "
        "News about orders and deliveries still comes."
    )
    (period,) = person.stored.quiet_periods
    assert period.begins == datetime(2027, 5, 31, 16, tzinfo=UTC)
    assert period.ends == datetime(2027, 6, 20, 16, tzinfo=UTC)
    assert person.code() == "queued", "it has not begun"


def test_a_quiet_period_that_has_begun_is_confirmed_with_its_end(person: Person) -> None:
    words = person.confirmed("calm", until="2026-12-24")
    assert words.startswith("No offers until the end of December 24, 2026.")
    assert person.code() == "consent_paused"


def test_seasons_lie_side_by_side_and_each_ends_on_its_own(person: Person) -> None:
    for season in ("double11", "618", "spring_festival"):
        person.confirmed("calm", season=season)
    festival, six_eighteen, double_11 = person.stored.quiet_periods
    assert festival.begins == datetime(2027, 1, 22, 16, tzinfo=UTC)  # 6 February less two weeks
    assert festival.ends == datetime(2027, 2, 20, 16, tzinfo=UTC)  # the Lantern Festival is over
    page = person.consumer.get("/my?lang=en").text
    for name in ("Double 11", "618", "Spring Festival"):
        assert f"<b>{name}</b>" in page
    words = person.confirmed("no_calm", ends=int(six_eighteen.ends.timestamp()))
    assert words == "That quiet period is removed."
    assert list(person.stored.quiet_periods) == [festival, double_11]
    for at, code in (
        (festival.begins + timedelta(days=1), "consent_paused"),
        (six_eighteen.begins + timedelta(days=1), "queued"),
    ):
        person.service.clock.advance(at - person.service.clock.now())
        person.service.work()
        assert person.code() == code
    assert list(person.stored.quiet_periods) == [double_11], "what is over is deleted"
    person.consumer.log_in()
    exported = person.consumer.get("/my/data.json").json["preferences"]
    assert exported["quiet_periods"] == [[double_11.begins.isoformat(), double_11.ends.isoformat()]]


def test_ending_one_period_says_if_another_goes_on(person: Person) -> None:
    person.confirmed("calm", until="2026-12-24")
    person.confirmed("calm", until="2026-12-31")
    short, long = sorted(person.stored.quiet_periods, key=lambda each: each.ends)
    words = person.confirmed("no_calm", ends=int(short.ends.timestamp()))
    assert words.endswith("Another one lasts until the end of December 31, 2026.")
    assert person.code() == "consent_paused"
    words = person.confirmed("no_calm", ends=int(long.ends.timestamp()))
    assert words == "The quiet period is ended. Shops may send you offers again."
    assert person.stored == Preferences()
    assert person.code() == "queued"


def test_what_is_so_already_is_not_confirmed_as_a_change(person: Person) -> None:
    unchanged = "Nothing changed: it was so already."
    person.confirmed("calm", season="618")
    assert person.confirmed("calm", season="618") == unchanged
    assert person.confirmed("no_calm", ends=1) == unchanged
    assert person.confirmed("limits", a_day="", a_week="") == unchanged
    assert person.confirmed("rest") == unchanged
    assert person.confirmed("narrow", purposes=[PROMOTIONS, ORDERS]) == unchanged
    changes = person.merchant.get(f"/v1/grants/{person.grant}").json
    assert changes["scope"]["purposes"] == [PROMOTIONS, ORDERS]
    assert person.consumer.get("/my/data.json").json["consents"][0]["changes"] == []


def test_there_are_at_most_five_periods(person: Person) -> None:
    for day in range(10, 10 + MAX_QUIET_PERIODS):
        person.confirmed("calm", until=f"2026-12-{day}")
    assert person.faults("calm", until="2027-01-10") == {
        "until": "You have 5 quiet periods already. End one of them first."
    }
    assert "five" not in person.consumer.get("/my?lang=en").text


@pytest.mark.parametrize(
    ("action", "form", "field"),
    [
        ("rest", {"from": 1320}, "rest-to"),
        ("rest", {"to": 420}, "rest-from"),
        ("rest", {"from": 420, "to": 420}, "rest-to"),
        ("limits", {"a_day": 9, "a_week": 5}, "a_day"),
        ("limits", {"a_day": 0}, "a_day"),
        ("limits", {"a_week": "many"}, "a_week"),
        ("calm", {"until": "2026-11-30"}, "until"),
        ("calm", {"season": "halloween"}, "until"),
    ],
)
def test_what_cannot_be_saved_is_a_fault_of_its_field(
    person: Person, action: str, form: dict[str, object], field: str
) -> None:
    person.confirmed("rest", **{"from": 1380, "to": 360})
    assert list(person.faults(action, **form)) == [field]


def test_what_was_typed_stays_beside_a_fault(person: Person) -> None:
    page = person.submit("limits", a_day=9, a_week=5).text
    assert re.search(r'id="a_day"[^>]* value="9"[^>]* aria-invalid="true"', page)
    assert re.search(r'id="a_week"[^>]* value="5"', page)


def test_limits_and_hours_are_confirmed_as_they_are_stored(person: Person) -> None:
    assert person.confirmed("limits", a_day=2, a_week=5) == (
        "Saved. At most 2 offers in any 24 hours. At most 5 offers in any 7 days."
    )
    assert (person.stored.daily_limit, person.stored.weekly_limit) == (2, 5)
    assert person.confirmed("limits", a_week=1) == "Saved. At most 1 offer in any 7 days."
    assert (person.stored.daily_limit, person.stored.weekly_limit) == (None, 1)
    assert person.confirmed("limits").startswith("Saved: no limit for all shops together.")
    assert person.stored.rate_limits == ()
    words = person.confirmed("rest", **{"from": 1320, "to": 420})
    assert words == "Saved. Every day from 10 pm to 7 am."
    assert person.stored.quiet_hours
    assert (person.stored.quiet_hours.begins, person.stored.quiet_hours.ends) == (1320, 420)
    assert person.confirmed("rest") == "Saved: no quiet hours any more."
    assert person.stored.quiet_hours is None


def test_invitations_are_confirmed_as_they_are_stored(person: Person) -> None:
    assert person.confirmed("invitations", invitations="none").endswith("are blocked.")
    assert person.stored.no_invitations
    assert person.confirmed("invitations").endswith("can invite you.")
    assert not person.stored.no_invitations


def test_changes_of_a_consent_are_confirmed_as_they_are_stored(person: Person) -> None:
    words = person.confirmed("narrow", purposes=[PROMOTIONS], max_messages=2)
    scope = find_consent(person.service.runtime, person.partition, person.grant).grant.scope
    assert scope.frequency_cap.limit == 2
    assert "at most 2 in any 30 days" in words
    assert "orders" not in words
    assert person.confirmed("pause", days=7) == "晨光书店 is paused until December 8, 2026."
    assert "Paused until December 8, 2026" in person.consumer.get("/my?lang=en").text
    assert person.confirmed("pause", days=30) == "Nothing changed: it was so already."
    assert person.confirmed("resume") == "晨光书店 may text you again."
    assert person.confirmed("resume") == "Nothing changed: it was so already."
    assert person.confirmed("pause") == "晨光书店 is paused until you resume it."
    words = person.confirmed("prolong", days=30)
    grant = find_consent(person.service.runtime, person.partition, person.grant).grant
    assert grant.scope.ends_at == datetime(2027, 10, 27, 4, tzinfo=UTC)
    assert words == "Extended. It now lasts until October 27, 2027."


def test_a_row_that_the_version_before_has_changed_keeps_what_that_version_set(
    person: Person,
) -> None:
    """It knows one period, which spans all: while both run, it is quiet in either reading."""
    for season in ("618", "double11"):
        person.confirmed("calm", season=season)
    begins, ends = DECEMBER, DECEMBER + timedelta(days=2)
    with person.service.runtime.database.engine.begin() as connection:
        row = connection.execute(select(table)).one()
        spans = person.stored.quiet_periods
        assert (row.quiet_from, row.quiet_until) == (spans[0].begins, spans[1].ends)
        connection.execute(update(table).values(quiet_from=begins, quiet_until=ends))
    assert person.stored.quiet_periods == (QuietPeriod(begins, ends),)
    person.service.clock.advance(timedelta(days=300))  # past the end of 618, which counts no more
    person.service.work()
    assert person.stored == Preferences()
    with person.service.runtime.database.engine.connect() as connection:
        assert connection.execute(select(table)).all() == []
        assert connection.execute(select(retention_runs)).all()


def test_the_list_shows_the_number_masked_and_each_season_by_name(person: Person) -> None:
    page = person.consumer.get("/my?lang=en").text
    number = person.consumer.number
    assert number not in page
    assert number[-4:] in page
    assert "A quiet Spring Festival?" in page, "it comes next"
    assert [each for each in ("Double 11", "618") if f"</span>{each}</button>" in page] == [
        "Double 11", "618",
    ]  # fmt: skip
    assert 'value="leave"' in page


def test_before_an_erasure_the_page_says_what_is_kept_why_and_how_long(person: Person) -> None:
    page = unescape(person.consumer.get("/my/all?lang=en").text)
    for words in (
        "That texts were sent or refused, and when, without their words",
        "Kept 185 days after it was sent or refused",
        "MIIT Order 74",
        "Kept 1096 days after the consent ended",
        "Civil Code 188",
    ):
        assert words in page
