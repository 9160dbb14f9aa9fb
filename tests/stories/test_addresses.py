"""Where the service is reached: a base path, a base URL that moved, links as phones open them."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from consent_tokens.errors import SettingError
from consent_tokens.settings import RESERVED_PATHS, Settings
from consent_tokens.web.wsgi import WSGIApp
from tests.number_scan import NUMBERS, WRITTEN
from tests.service import CODE, PROMOTIONS, Consumer, Page, Service, found

PREFIX = "/sms/consent"
HOST = "https://shop.example"
LINK = re.compile(r"https?://\S+/m/\S{11,22}(?=\s|$)")
TAILS = (
    "/", ".", "。", "）", ")", "/。", "，退订回R", "拒收请回复R", "R", "-", "%20", ">",
    "。【晨光】", "%A1%A3",
)  # fmt: skip


class Addresses(HTMLParser):
    """Every address that a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found |= {
            value for name, value in attrs if name in {"href", "src", "action"} and value
        }


def under_prefix(folder: Path) -> Service:
    WRITTEN.append(folder)
    return Service.start(f"sqlite:///{folder}/consent.db", folder / "keys", base_url=HOST + PREFIX)


class Proxy:
    """A proxy that strips the prefix, as `location /sms/ { proxy_pass http://service/; }` does."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(PREFIX) or "/"
        return self.app(environ, start_response)


def crawl(browser: FlaskClient, start: str) -> dict[str, Page]:
    """Follow every address of every page, and return what was answered."""
    pages: dict[str, Page] = {}
    waiting = {start}
    while waiting:
        path = waiting.pop()
        assert urlsplit(path).path.startswith(PREFIX), f"{path} leads out of the service"
        shown = pages[path] = browser.get(path, base_url=HOST, buffered=True)
        addresses = Addresses()
        if shown.mimetype == "text/html":
            addresses.feed(shown.text)
        if "Location" in shown.headers:
            addresses.found.add(shown.headers["Location"])
        targets = {urlsplit(urljoin(HOST + path, each)) for each in addresses.found}
        inside = {each.path + (f"?{each.query}" if each.query else "") for each in targets
                  if f"{each.scheme}://{each.netloc}" == HOST}  # fmt: skip
        waiting |= {each for each in inside if each not in pages}
    return pages


@pytest.mark.parametrize("strips", [False, True])
def test_every_page_of_a_service_under_a_path_stays_under_it(
    tmp_path: Path, *, strips: bool
) -> None:
    service = under_prefix(tmp_path)
    if strips:
        service.app.wsgi_app = Proxy(service.app.wsgi_app)  # type: ignore[method-assign]  # Flask's way
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask()
    assert asked["consent_url"].startswith(f"{HOST}{PREFIX}/c/")
    assert asked["qr_url"].startswith(f"{HOST}{PREFIX}/c/")
    agreed = agree(consumer, asked["consent_url"])
    token = merchant.token(asked)
    assert merchant.send(token).status_code == 202
    service.work()
    link = found(re.compile(r"(https\S+/m/[A-Za-z0-9_-]+)"), consumer.texts()[-1])
    assert link.startswith(f"{HOST}{PREFIX}/m/")
    pages: dict[str, Page] = {}
    for url in (HOST + PREFIX, agreed, link, asked["consent_url"], asked["qr_url"]):
        pages |= crawl(consumer.browser, urlsplit(url).path)
    broken = {path: page.status_code for path, page in pages.items() if page.status_code >= 400}
    assert not broken
    assert len(pages) > 10
    for page in pages.values():
        for cookie in page.headers.getlist("Set-Cookie"):
            assert f"Path={PREFIX}" in cookie
            assert cookie.startswith("__Secure-session=")
    service.close()


def agree(consumer: Consumer, url: str) -> str:
    """Agree on the page at a URL, as a browser does; return the URL that answers."""
    path = urlsplit(url).path
    for form in ({"purposes": PROMOTIONS, "phone": consumer.number}, {"code": ""}):
        page = consumer.browser.get(path, base_url=HOST).text
        hidden = dict(re.findall(r'name="(csrf|notice)" value="([^"]+)"', page))
        if "code" in form:
            form["code"] = consumer.code()
        shown = consumer.browser.post(
            path, data={**hidden, **form, "decision": "grant"}, base_url=HOST,
            headers={"Origin": HOST},
        )  # fmt: skip
        assert shown.status_code == 303, shown.text
        assert shown.headers["Location"] == path
    return url


def test_the_documents_of_a_service_under_a_path_name_its_urls(tmp_path: Path) -> None:
    service = under_prefix(tmp_path)
    browser = service.app.test_client()
    configuration = browser.get(f"{PREFIX}/.well-known/consent-configuration").json
    assert configuration["api"] == f"{HOST}{PREFIX}/v1"
    assert browser.get(urlsplit(configuration["jwks_uri"]).path).json["keys"]
    assert browser.get(f"{PREFIX}/openapi.json").json["servers"] == [{"url": HOST + PREFIX}]
    problem = browser.get(f"{PREFIX}/v1/grants").json
    assert browser.get(urlsplit(problem["type"]).path).status_code == 200
    service.close()


def test_a_base_path_that_is_a_page_of_the_service_is_refused(small: Service) -> None:
    first = {str(rule).split("/")[1] for rule in small.app.url_map.iter_rules()} - {""}
    assert first == RESERVED_PATHS
    for wrong in ("/m", "/static/x", "/a//b", "/a/../b", "/a b", "/ä", "/x?y=1", "/x#y", "/%2e"):
        with pytest.raises(SettingError, match="CONSENT_BASE_URL"):
            Settings.from_environment({"CONSENT_BASE_URL": f"https://h.example{wrong}"})
    for right in ("", "/", "/sms", "/sms/", "/a.b/c-d_e~f"):
        read = Settings.from_environment({"CONSENT_BASE_URL": f"https://h.example{right}"})
        assert read.service.base_url == f"https://h.example{right}".rstrip("/")


# --- A base URL that moves ------------------------------------------------------------------------


def test_a_base_url_that_moves_with_its_issuer_kept_costs_no_token(
    database_url: str, tmp_path: Path
) -> None:
    WRITTEN.append(tmp_path)
    before = Service.start(database_url, tmp_path / "keys", base_url="http://old.example")
    merchant, consumer = before.merchant(), before.consumer()
    token = before.obtain_token(merchant, consumer)
    consumer.post("/my", phone=consumer.number)  # its code waits while the service moves
    before.close()
    after = Service.start(
        database_url, tmp_path / "keys", base_url="https://new.example/sms",
        issuer="http://old.example",
    )  # fmt: skip
    merchant.service = consumer.service = after
    assert merchant.send(token).status_code == 202
    renewed = merchant.post("/v1/tokens/renew", {"token": token}).json["token"]
    assert merchant.post("/v1/tokens/introspect", {"token": renewed}).json["active"] is True
    after.work()
    code, text = after.texts(NUMBERS[0])[-2:]
    assert CODE.search(code)
    assert "https://new.example/sms/m/" in text
    public = after.app.test_client().get("/.well-known/consent-configuration").json
    assert public["issuer"] == "http://old.example"
    assert public["audience"] == "http://old.example/relay"
    assert public["jwks_uri"] == "https://new.example/sms/.well-known/jwks.json"
    after.close()


def test_another_issuer_stops_the_service_while_a_grant_is_live(
    database_url: str, tmp_path: Path
) -> None:
    WRITTEN.append(tmp_path)
    before = Service.start(database_url, tmp_path / "keys", base_url="http://old.example")
    merchant, consumer = before.merchant(), before.consumer()
    token = before.obtain_token(merchant, consumer)
    before.close()
    moved = Service.start(database_url, tmp_path / "keys", base_url="https://new.example")
    ready = moved.app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["why"]) == (503, ["issuer_changed"])
    merchant.service = moved
    assert merchant.send(token).json["code"] == "issuer_changed"
    moved.close()


def test_the_issuer_may_change_while_no_grant_is_live(database_url: str, tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    for base_url in ("http://old.example", "https://new.example"):
        service = Service.start(database_url, tmp_path / "keys", base_url=base_url)
        assert service.app.test_client().get("/readyz").status_code == 200
        service.close()


# --- Links as phones pass them on -----------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["http://localhost", HOST + PREFIX])
def test_what_phones_append_to_a_link_is_cut_off(tmp_path: Path, base_url: str) -> None:
    WRITTEN.append(tmp_path)
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys", base_url=base_url
    )
    merchant, consumer = service.merchant(), service.consumer()
    browser = service.app.test_client()
    asked = merchant.ask("marketing.promotions", **{"from": "00:00", "to": "24:00"})
    path = urlsplit(asked["consent_url"]).path
    agree(consumer, asked["consent_url"]) if PREFIX in path else (consumer.agree(path, PROMOTIONS))
    merchant.send(merchant.token(asked))
    service.work()
    link = found(re.compile(r"(https?://\S+/m/[A-Za-z0-9_-]+)"), consumer.texts()[-1])
    for page in (urlsplit(link).path, path):
        for tail in TAILS:
            shown = browser.get(f"{page}{tail}?lang=en")
            assert shown.status_code == 302, tail
            assert shown.headers["Location"] == f"{page}?lang=en"
            assert browser.get(shown.headers["Location"]).status_code == 200
        assert browser.get(f"{page[:-1]}/", follow_redirects=True).status_code == 404
        assert browser.get(page[:-1]).status_code == 404
        assert browser.post(f"{page}/", data={"action": "revoke"}).status_code in {403, 404, 405}
    assert browser.get(f"{urlsplit(link).path}/report").status_code == 200
    assert browser.get(f"{path}/qr.svg").status_code == 200
    service.close()


# --- Times that are past --------------------------------------------------------------------------


def test_a_message_planned_for_the_past_is_refused(small: Service) -> None:
    merchant = small.merchant()
    token = small.obtain_token(merchant, small.consumer())
    now = small.clock.now()
    for age in (timedelta(minutes=16), timedelta(hours=1), timedelta(days=1), timedelta(days=9000)):
        refused = merchant.send(token, send_at=(now - age).isoformat())
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["send_at"])
    batch = {"messages": [{"token": token, "purpose": PROMOTIONS, "text": "x",
                           "send_at": "2001-11-25T10:00:00Z"}]}  # fmt: skip
    (result,) = merchant.post("/v1/messages/batch", batch).json["results"]
    assert (result["status"], list(result["problem"]["errors"])) == ("refused", ["send_at"])
    sent = merchant.send(token, send_at=(now - timedelta(minutes=15)).isoformat())
    assert (sent.status_code, sent.json["status"]) == (202, "queued")


# --- Proxies that are not trusted -----------------------------------------------------------------


def test_a_proxy_that_is_not_trusted_is_logged_once(small: Service) -> None:
    headers = {"X-Forwarded-For": "198.51.100.0"}
    with capture_logs() as lines:
        for _ in range(3):
            small.app.test_client().get("/healthz", headers=headers)
        small.with_context(trusted_proxies=1).app.test_client().get("/healthz", headers=headers)
        Service.from_context(small.context).app.test_client().get("/healthz")
    assert [line["event"] for line in lines] == ["proxy_not_trusted"]
    assert "198.51.100.0" not in str(lines)
