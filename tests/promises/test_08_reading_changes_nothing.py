"""Promise 8: every GET is safe. Link previews and scanners revoke nothing, consent to nothing."""

import pytest
from sqlalchemy import text

from consent_tokens.row_key import RowKey
from tests.service import LINK, Service, found

BOTS = [
    "",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "WhatsApp/2.23.20.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.42",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks Chrome/130.0.0.0",
]
PREFETCH: list[dict[str, str]] = [
    {}, {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"},
]  # fmt: skip
COUNTED = (
    "grants", "consent_requests", "messages", "events", "recipients", "challenges", "preferences",
    "complaints", "receipts", "invitations", "rate_limits",
)  # fmt: skip


def everything(service: Service) -> list[object]:
    """Return what is in the tables, row by row."""
    with service.runtime.database.engine.connect() as connection:
        return [
            sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}"))))  # noqa: S608 - our own table names
            for name in COUNTED
        ]


def receipt_of(service: Service) -> RowKey:
    with service.runtime.database.engine.connect() as connection:
        row = connection.execute(text("SELECT partition, id FROM receipts")).first()
    assert row
    return RowKey(row.partition, row.id)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_no_bot_that_only_looks_changes_anything(service: Service, method: str) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    service.obtain_token(merchant, consumer)
    token = service.obtain_token(merchant, consumer)
    merchant.send(token)
    service.work()
    link = f"/m/{found(LINK, consumer.texts()[-1])}"
    open_question = merchant.ask()["path"]
    handle = service.runtime.keyring.ids.receipt.encode(receipt_of(service))
    paths = (
        link, f"{link}?x=1", f"{link}/report", f"{link}?action=revoke", open_question,
        f"{open_question}?decision=grant", f"{open_question}/qr.svg", "/my", "/my?action=forget",
        "/my/wishes", "/my/all", "/my/data.json", "/report", "/reports", f"/receipts/{handle}",
        f"/receipts/{handle}.json", "/receipts/check", "/",
    )  # fmt: skip
    before = everything(service)
    for agent in BOTS:
        for headers in PREFETCH:
            for path in paths:
                bot = service.app.test_client()
                bot.open(path, method=method, headers={"User-Agent": agent, **headers})
    assert everything(service) == before


def test_every_route_that_answers_get_is_read_only(small: Service) -> None:
    """No view answers both GET and POST, so none can mistake one for the other."""
    for rule in small.app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert methods in ({"GET"}, {"POST"}), rule


def test_a_post_that_no_page_gave_rise_to_is_refused(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.send(token)
    service.work()
    link = f"/m/{found(LINK, consumer.texts()[-1])}"
    for form in ({"action": "revoke"}, {"action": "revoke", "csrf": "x"}):
        assert service.app.test_client().post(link, data=form).status_code == 403
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        page = consumer.get(link).text
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        forged = consumer.browser.post(
            link, data={"action": "revoke", "csrf": csrf}, headers=headers
        )
        assert forged.status_code == 403
    assert merchant.send(token).status_code == 202


def test_the_form_of_one_link_is_none_for_another(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.send(token, text="一")
    merchant.send(token, text="二")
    service.work()
    one, other = (f"/m/{found(LINK, text)}" for text in consumer.texts()[-2:])
    assert one != other
    shown = consumer.get(one).text
    assert consumer.post(other, shown, action="revoke").status_code == 403
    assert consumer.post(one, shown, action="revoke").status_code == 303
    assert consumer.post(one, shown, action="revoke").status_code == 303
