"""`/merchant/senders`: apply, and read how a sender stands."""

from typing import Any

import pytest

from consent_tokens.listing import ListFilter
from consent_tokens.services.admission import sender_applications, sender_standings
from tests.console_people import events_by, merchant_person
from tests.service import PORT, PROMOTIONS, REVIEWER, Service

FORM: dict[str, Any] = {
    "port": "10690002", "extension": "7", "signature": "晨光童书", "source": "company",
    "classes": ["marketing"], "carrier": "移动", "valid_until": "2030-01-31",
}  # fmt: skip
WRONG = [
    ("port", "12", "3 to 12 digits"), ("port", "10x", "3 to 12 digits"),
    ("extension", "123456789", "up to 8 digits"), ("signature", "x" * 21, "1 to 20 characters"),
    ("signature", "全场五折", "reads like an offer"), ("signature", "另一家店", "Another merchant"),
    ("source", "no", "Choose what"), ("evidence", "", "Name the evidence"),
    ("classes", ["finance-x"], "admitted for"), ("valid_until", "2001-01-01", "in the future"),
    ("valid_until", "soon", "in the future"), ("carrier", "a\x07b", "one line"),
]  # fmt: skip


def test_too_many_applications_that_wait_are_said_to_be_too_many(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_applications, "MAX_UNDECIDED", 1)
    user = merchant_person(small, small.legal_merchant().id, "marketer")
    assert user.post("/senders", **FORM).status_code == 303
    answer = user.post("/senders", **FORM | {"port": "10690003"})
    assert answer.status_code == 422
    assert "await a decision. Wait until one is decided." in answer.text
    assert "does not let you apply" not in answer.text


def test_what_is_wrong_with_an_application_is_said_at_its_field(small: Service) -> None:
    small.legal_merchant("另一家店")
    user = merchant_person(small, small.legal_merchant().id, "marketer")
    for field, entered, words in WRONG:
        form = FORM | {field: entered}
        if field == "evidence":
            form["source"] = "trademark"
        answer = user.post("/senders", **form)
        assert answer.status_code == 422, (field, entered)
        assert f'href="#{field}"' in answer.text, (field, entered)
        assert words in answer.text, (field, entered, answer.text)


def test_a_sender_is_applied_for_and_decided(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "marketer")
    paths = []
    for extension in "78":
        small.clock.sleep(1)
        applied = user.post("/senders", **FORM | {"extension": extension})
        assert applied.status_code == 303, applied.text
        paths.append(applied.headers["Location"].removeprefix("/merchant"))
    assert "until it is admitted" in user.get(paths[0]).text
    ids = [each.rpartition("/")[2] for each in paths]
    small.clock.sleep(1)
    sender_applications.approve(small.runtime, REVIEWER, ids[0])
    sender_applications.refuse(small.runtime, REVIEWER, ids[1], "The carrier has not filed it.")
    shown = user.get(paths[0]).text
    assert "Admitted" in shown
    assert "Feb 1, 2030" in shown  # its last day is over
    assert "The carrier has not filed it." in user.get(paths[1]).text
    assert "106900027" in user.get("/senders?q=移动&format=csv").text
    assert events_by(user).count("sender_applied") == 2
    stranger = merchant_person(small, small.merchant("Another shop").id, name="other@shop.example")
    assert stranger.get(paths[0]).status_code == 404
    assert "106900027" not in stranger.get("/senders").text

    def listed(**wanted: Any) -> list[str]:  # noqa: ANN401 - members of ListFilter
        found = sender_standings.list_standings(
            small.runtime, merchant.id, ListFilter(limit=2, **wanted)
        )
        return [each.sender.source for each in found]

    own = listed()[0]
    assert own.startswith(PORT)
    assert listed(is_newest_first=True) == ["106900027", "106900028"]
    last = sender_standings.position_of(
        sender_standings.read_standing(small.runtime, merchant.id, ids[0])
    )
    assert listed(is_newest_first=True, after=last) == ["106900028", own]


def test_the_overview_leads_to_the_first_steps_until_somebody_agreed(small: Service) -> None:
    merchant = small.merchant(sends=False)
    user = merchant_person(small, merchant.id)
    shown = user.get().text
    assert shown.count(">Done<") == 1, "it has a key"
    for path in ("api-keys", "senders", "templates", "requests"):
        assert f'href="/merchant/{path}"' in shown.partition("Your first steps")[2], path
    merchant.ask(PROMOTIONS)
    assert user.get().text.count(">Done<") == 2
    small.obtain_token(merchant, small.consumer(), PROMOTIONS)
    assert "Your first steps" not in user.get().text
