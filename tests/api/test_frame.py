"""Every page names service and operator, with privacy notice, help and contact (PIPL art. 17)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import abort
from flask.testing import FlaskClient

from consent_tokens.errors import SettingError, TooManyRequestsError
from consent_tokens.localization import catalogue
from consent_tokens.policies import Operator
from consent_tokens.settings import Settings
from consent_tokens.web import create_app
from tests.service import PROMOTIONS, Service

PAGES = (
    "/",
    "/my",
    "/report",
    "/report/status",
    "/privacy",
    "/help",
    "/rules",
    "/docs",
    "/demo/shop",
    "/nowhere",
)
HARBOUR = Operator(
    legal_name="Harbour <Platform> Ltd", registration="91310000MA1FL0000X", contact="400 000 0000"
)


def browser_of(service: Service, **identity: Any) -> FlaskClient:  # noqa: ANN401 - fields of ServiceIdentity
    """Return a browser of the service under another identity."""
    runtime = replace(service.runtime, service=replace(service.runtime.service, **identity))
    return create_app(replace(service.context, runtime=runtime)).test_client()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["zh-CN", "zh-TW", "en"])
def test_every_page_names_the_operator(small: Service, path: str, language: str) -> None:
    shown = browser_of(small, operator=HARBOUR).get(f"{path}?lang={language}").text
    footer = shown.partition("<footer")[2]
    assert "Harbour &lt;Platform&gt; Ltd" in footer
    assert "91310000MA1FL0000X" in footer
    assert "400 000 0000" in footer
    for link in ("/privacy", "/help", "/report"):
        assert f'href="{link}"' in footer
    name = "Consent Tokens" if language == "en" else "短信许可"
    assert f"· {name}</title>" in shown
    assert f"{name}</a>" in shown.partition("<header")[2].partition("</header>")[0]


def test_a_demonstration_says_that_nobody_runs_it(small: Service) -> None:
    assert "no company runs it" in small.app.test_client().get("/?lang=en").text
    assert (
        "not named: this is a demonstration" in small.app.test_client().get("/privacy?lang=en").text
    )


@pytest.mark.parametrize("path", ["/privacy", "/help"])
@pytest.mark.parametrize("language", ["zh-CN", "zh-TW", "en"])
def test_no_placeholder_is_left_in_a_text(small: Service, path: str, language: str) -> None:
    shown = browser_of(small, operator=HARBOUR).get(f"{path}?lang={language}").text
    assert "$" not in shown
    retention = small.context.consent.retention
    if path == "/privacy":
        assert str(retention.texts.days) in shown
        assert str(retention.records.days) in shown


def test_the_operator_can_replace_a_text(small: Service, tmp_path: Path) -> None:
    (tmp_path / "help.en.md").write_text(
        "# Ask $contact\n<script>alert(1)</script> [x](javascript:alert(1)) $unknown\n"
    )
    browser = browser_of(small, operator=HARBOUR, pages_dir=tmp_path)
    shown = browser.get("/help?lang=en").text
    assert "<h1>Ask 400 000 0000</h1>" in shown
    assert "<script>" not in shown
    assert 'href="javascript' not in shown
    assert "$unknown" in shown
    assert "Stop texts" not in shown
    assert "停止短信" in browser.get("/help?lang=zh-CN").text  # those not replaced stay


def test_the_operator_can_set_a_logo(small: Service, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    browser = browser_of(small, logo=logo)
    assert '<link rel="icon" href="/logo">' in browser.get("/").text
    answer = browser.get("/logo")
    assert answer.content_type == "image/svg+xml"
    assert answer.data == logo.read_bytes()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]  # no script in an SVG
    logo.unlink()
    assert browser.get("/logo").status_code == 404
    assert small.app.test_client().get("/logo").status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_OPERATOR_NAME", "two\nlines"),
        ("CONSENT_OPERATOR_CONTACT", "x" * 201),
        ("CONSENT_LOGO_FILE", "nowhere.svg"),
        ("CONSENT_LOGO_FILE", __file__),
        ("CONSENT_PAGES_DIR", "nowhere"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: value})


def test_texts_in_english_carry_the_english_name() -> None:
    service = Settings.from_environment({}).service
    assert (service.name_in("zh-CN"), service.name_in("en")) == ("短信许可", "Consent Tokens")
    service = Settings.from_environment({"CONSENT_SERVICE_NAME": "Harbour"}).service
    assert (service.name_in("zh-TW"), service.name_in("en")) == ("Harbour", "Harbour")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (400, "could not read"),
        (403, "session has expired"),
        (404, "does not exist"),
        (405, "cannot be opened this way"),
        (408, "took too long"),
        (413, "too large"),
        (415, "could not read"),
        (429, "could not read"),
        (500, "wrong on our side"),
        (503, "does not work just now"),
    ],
)
def test_an_error_page_says_what_to_do(small: Service, code: int, words: str) -> None:
    app = create_app(small.context)
    app.add_url_rule("/fails", "fails", lambda: abort(code))
    answer = app.test_client().get("/fails?lang=en")
    assert answer.status_code == code
    assert "<title>Error: " in answer.text
    assert words in answer.text
    assert 'href="/help"' in answer.text
    chinese = app.test_client().get("/fails?lang=zh-CN").text
    assert "<title>出错：" in chinese


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5 seconds"), (61, "2 minutes"), (3600, "1 hour"), (3601, "2 hours")]
)
def test_a_limit_says_how_long_to_wait(small: Service, seconds: int, words: str) -> None:
    def fail() -> str:
        raise TooManyRequestsError(seconds)

    app = create_app(small.context)
    app.add_url_rule("/fails", "fails", fail)
    answer = app.test_client().get("/fails?lang=en")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == str(seconds)
    assert f"try again in {words}." in answer.text


def test_an_exception_reveals_nothing(small: Service) -> None:
    def fail() -> str:
        raise RuntimeError("a secret of the inside")

    app = create_app(small.context)
    app.add_url_rule("/fails", "fails", fail)
    answer = app.test_client().get("/fails?lang=en")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Nothing was changed" in answer.text


def test_an_unreadable_own_text_does_not_fail(small: Service, tmp_path: Path) -> None:
    (tmp_path / "help.en.md").write_bytes(b"# \xff\xfe" + b"x" * 300_000)
    answer = browser_of(small, pages_dir=tmp_path).get("/help?lang=en")
    assert answer.status_code == 200
    assert len(answer.data) < 250_000


@pytest.mark.parametrize("language", ["zh-CN", "zh-TW", "en"])
def test_the_help_names_buttons_as_they_are_named(small: Service, language: str) -> None:
    shown = small.app.test_client().get(f"/help?lang={language}").text
    texts = catalogue(language)
    for button in ("Stop texts", "This number is new to me", "Get help: show a support code"):
        assert texts.gettext(button) in shown


@pytest.mark.parametrize(
    ("preferred", "day"), [("en-GB,en;q=0.9", "10 May 2022"), ("en-US,en;q=0.9", "May 10, 2022")]
)
def test_dates_are_written_as_in_the_country_of_the_reader(
    small: Service, preferred: str, day: str
) -> None:
    """But not those in the notice, whose words are the same for all who agree to it in English."""
    consumer, path = small.consumer(), small.merchant().ask()["path"]
    consumer.browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = preferred
    assert f"{day}, by itself" in consumer.get(path).text
    consumer.post(path, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    assert "Until May 10, 2022; then it stops by itself" in consumer.get(path).text
    consumer.post(path, code=consumer.code(), decision="grant")
    assert f"until {day}" in consumer.get(path).text
