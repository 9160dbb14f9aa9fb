"""`/merchant/api-keys`: create keys that do less, use them, revoke them."""

import re
from http import HTTPStatus
from typing import Any

from consent_tokens.services import own_api_keys
from tests.console_people import ConsoleUser, events_by, merchant_person
from tests.service import Merchant, Page, Service, found

SECRET = re.compile(r'id="secret">(ctk_[^<]+)<')
FORM: dict[str, Any] = {"scopes": ["messages", "consents"]}
WRONG = [
    ("scopes", []), ("scopes", ["all"]), ("networks", "192.0.2.1/24"), ("networks", "shop"),
    ("expires", "2001-01-01"), ("expires", "soon"), ("rate", "0"), ("rate", "many"),
]  # fmt: skip


def create(user: ConsoleUser, **form: object) -> Page:
    return user.post("/api-keys", **FORM | form)


def test_a_developer_creates_a_key_that_works_and_revokes_it(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "developer")
    for field, entered in WRONG:
        answer = create(user, **{field: entered})
        assert answer.status_code == 422, (field, entered)
        assert f'href="#{field}"' in answer.text, (field, entered)
    live = found(SECRET, create(user, networks="127.0.0.0/8\r\n::1/128", rate="60").text)
    test = found(SECRET, create(user, test="on", expires="2030-01-31").text)
    assert test.startswith("ctk_test_")
    listed = user.get("/api-keys").text
    assert live not in listed
    assert test not in listed
    key_id = f"key_{live.split('_')[1]}"
    assert key_id in listed
    assert "127.0.0.0/8, ::1/128" in user.get(f"/api-keys/{key_id}").text
    assert live not in user.get("/api-keys?format=csv").text
    program = Merchant(small, merchant.id, live)
    assert program.get("/v1/grants").status_code == HTTPStatus.OK
    assert program.get("/v1/webhooks").status_code == HTTPStatus.FORBIDDEN
    assert Merchant(small, merchant.id, test).get("/v1/grants").status_code == HTTPStatus.OK
    assert user.post(f"/api-keys/{key_id}/revoke").status_code == 303
    assert program.get("/v1/grants").status_code == HTTPStatus.UNAUTHORIZED
    assert "Revoked" in user.get(f"/api-keys/{key_id}").text
    assert user.post(f"/api-keys/{key_id}/revoke").status_code == 404
    assert {"api_key_created", "api_key_revoked"} <= set(events_by(user))


def test_what_gives_access_asks_for_the_second_factor_again(small: Service) -> None:
    user = merchant_person(small, small.merchant().id, "developer")
    small.clock.sleep(600)
    asked = create(user, scopes=["messages", "templates"])
    assert "ctk_" not in asked.text
    shown = user.step_up(asked, "/api-keys", scopes=["messages", "templates"]).text
    assert found(SECRET, shown).startswith("ctk_")
    marketer = merchant_person(
        small, user.person.merchant_id or "", "marketer", name="marketer@shop.example"
    )
    assert create(marketer).status_code == 403


def test_a_key_of_another_merchant_is_not_found(small: Service) -> None:
    user = merchant_person(small, small.merchant().id)
    other = small.merchant("Another shop")
    theirs = own_api_keys.list_of_merchant(small.runtime, other.id)[0].id
    assert user.get(f"/api-keys/{theirs}").status_code == 404
    assert user.post(f"/api-keys/{theirs}/revoke").status_code == 404
    assert other.get("/v1/grants").status_code == HTTPStatus.OK
    assert theirs not in user.get("/api-keys").text
