"""Promise 15: what the service says of how long it keeps data is what happens."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import unescape
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import func, select, text

from consent_tokens.cli import main
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import SettingError
from consent_tokens.services.erasure import number_deactivated, number_reassigned
from consent_tokens.services.retention import sweep
from consent_tokens.services.retention.kinds import KINDS
from consent_tokens.services.rollups.counting import add_increments
from consent_tokens.services.webhooks import add_webhook
from consent_tokens.settings import Settings
from consent_tokens.store.tables import events, metadata
from tests.number_scan import NUMBERS
from tests.service import CSRF, LINK, ORDERS, PROMOTIONS, Consumer, Merchant, Service, found
from tests.service import otp_policy as limits

WIDE = limits("number=1000/hour;client_ip=1000/hour;total=100000/hour")
MARKS = ("mark of a text", "mark of a statement", "mark-of-a-reference")
YEAR = timedelta(days=366)
# what is about no consumer, and kept as long as the service runs
LASTING = {
    "merchants", "api_keys", "senders", "webhooks", "events", "checkpoints", "retention_runs",
    "key_records", "token_mac_keys", "purposes", "api_rates",
    "rule_versions", "workers",
}  # fmt: skip

CONSOLES = {
    "merchant_people", "console_credentials", "passkeys", "recovery_codes", "console_links",
    "console_sessions", "console_challenges", "sign_in_waits", "proposed_actions",
}  # fmt: skip


@pytest.fixture
def wide(service: Service) -> Service:
    return service.with_context(otp=WIDE)


def rows(service: Service) -> Mapping[str, int]:
    """Return how many rows each table holds, of the tables that hold any."""
    with service.runtime.database.engine.connect() as connection:
        counted = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }
    return {name: count for name, count in counted.items() if count}


def stored(service: Service, tmp_path: Path) -> Iterator[bytes]:
    """Return the content of every file of the database, PostgreSQL's after a full vacuum."""
    database = service.runtime.database
    if database.sqlite_path:
        yield from (path.read_bytes() for path in tmp_path.glob("consent.db*"))
        return
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM FULL"))
        connection.execute(text("CHECKPOINT"))
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    for path in (folder / "base").rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def picture() -> BytesIO:
    """Return a small picture, as a browser uploads it."""
    upload = BytesIO()
    Image.new("RGB", (40, 30), "red").save(upload, "PNG")
    upload.seek(0)
    return upload


def report(consumer: Consumer, link: str) -> None:
    """Complain about a message, with a statement and a picture."""
    first = consumer.post(link, action="report")
    consumer.post(first.headers["Location"], reason="fraud")
    consumer.browser.post(
        "/reports",
        data={
            "csrf": found(CSRF, consumer.get("/reports").text),
            "action": "more",
            "said": MARKS[1],
            "picture": (picture(), "x.png"),
        },
    )


def live_through_everything(service: Service) -> tuple[Merchant, Consumer]:
    """Have consumers do all that leaves rows; return a merchant, and one who stopped it."""
    merchant, consumer = service.merchant(), service.consumer()
    client = service.context.webhook_client
    add_webhook(service.runtime, client, merchant.id, "http://127.0.0.1:9999/")
    token = service.obtain_token(merchant, consumer, PROMOTIONS, reference=MARKS[2])
    assert merchant.send(token, text=MARKS[0]).status_code == 202
    assert merchant.post("/v1/messages", {"token": token, "purpose": PROMOTIONS, "text": "once"},
                         Idempotency_Key="once").status_code == 202  # fmt: skip
    assert merchant.send(token, "marketing.surveys").status_code == 403
    service.work()
    report(consumer, f"/m/{found(LINK, consumer.texts()[-1])}")
    invited = merchant.post("/v1/consent-requests", {"purposes": [ORDERS], "token": token})
    assert invited.status_code == 201
    merchant.ask(PROMOTIONS, reference="another reference")
    service.work()
    consumer.log_in()
    page = consumer.get("/my/wishes").text
    consumer.post("/my", page, action="calm", until="2021-12-24")
    consumer.post(
        "/my", page, action="pause", days=7, grant=merchant.get("/v1/grants").json["items"][0]["id"]
    )
    erased = service.consumer(NUMBERS[1])
    merchant.send(service.obtain_token(merchant, erased), text=MARKS[0])
    service.work()
    erased.log_in()
    erased.post("/my", erased.get("/my/all").text, action="forget")
    add_increments(service.runtime)
    return merchant, consumer


def pass_time(service: Service, by: timedelta) -> None:
    service.clock.advance(by)
    service.work()
    add_increments(service.runtime)


def test_every_table_has_a_kind_that_says_how_long_it_is_kept() -> None:
    named = {table for kind in KINDS for table in kind.tables}
    assert named == set(metadata.tables)
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_a_plan_is_kept_until_the_same_season_of_the_next_year_is_over(small: Service) -> None:
    merchant, begins = small.merchant(), small.clock.now()
    times = {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(days=1)).isoformat()}
    assert merchant.post("/v1/plans", {**times, "messages": 5}).status_code == 201
    small.clock.advance(timedelta(days=401))
    small.maintain()
    assert len(merchant.get("/v1/plans").json["items"]) == 1
    small.clock.advance(timedelta(seconds=1))
    small.maintain()
    assert merchant.get("/v1/plans").json["items"] == []


def test_after_four_years_nothing_of_a_consumer_is_left(wide: Service, tmp_path: Path) -> None:
    wide.maintain()
    live_through_everything(wide)
    before = rows(wide)
    never_filled = {
        "merchant_weights", "journal_outbox", "link_domains", "waiting_entries", "message_segments",
        "merchant_applications", "merchant_documents", "sender_applications", "operators",
        *CONSOLES, "template_moves", "objections", "posters",
        "reviews", "control_group_proposals", "signatures", "templates", "template_value_counts",
        "recipient_locks",
        "pacings", "unproven_texts", "plans", "daily_counts", "dispatch_pauses", "campaigns",
        "campaign_parts", "rollup_increments",
    }  # fmt: skip
    assert set(metadata.tables) - set(before) == never_filled
    assert any(MARKS[0].encode() in each or MARKS[2].encode() in each
               for each in stored(wide, tmp_path))  # fmt: skip
    with wide.runtime.database.engine.connect() as connection:
        secrets = [
            bytes(value)
            for statement in (
                "SELECT blind_index FROM recipients",
                "SELECT fingerprint FROM fingerprints",
                "SELECT fingerprint FROM erased_texts",
                "SELECT picture FROM complaints WHERE picture IS NOT NULL",
            )
            for value in connection.execute(text(statement)).scalars()
        ]
    assert len(secrets) >= 4
    pass_time(wide, YEAR)  # the consent ends
    pass_time(wide, 3 * YEAR)
    assert set(rows(wide)) <= LASTING
    with wide.runtime.database.engine.connect() as connection:
        kinds = set(connection.execute(select(events.c.kind)).scalars())
    assert kinds <= {"merchant_admitted", "sender_admitted", "api_key_created"}
    for content in stored(wide, tmp_path):
        for mark in (*(mark.encode() for mark in MARKS), *secrets):
            assert mark not in content


def test_records_of_sending_are_held_for_six_months_also_after_forget_me(wide: Service) -> None:
    live_through_everything(wide)
    sent = rows(wide)
    pass_time(wide, timedelta(days=184))
    held = rows(wide)
    for table in ("fingerprints", "erased_texts", "complaints"):
        assert held[table] == sent[table], table
    assert held["messages"] >= 3
    pass_time(wide, timedelta(days=3))
    gone = rows(wide)
    for table in ("fingerprints", "erased_texts", "complaints"):
        assert table not in gone
    assert gone["receipts"] >= sent["receipts"], "they are kept for three years after the end"


def test_deletion_goes_in_batches_and_stops_for_the_dispatcher(
    wide: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant, consumer = wide.merchant(), wide.consumer()
    token = wide.obtain_token(merchant, consumer, PROMOTIONS, max_messages=50)
    for number in range(7):
        assert merchant.send(token, text=f"text {number}").status_code == 202
    wide.work()
    monkeypatch.setattr(sweep, "BATCH_SIZE", 2)
    wide.clock.advance(timedelta(days=31))
    sweep.apply_retention(wide.runtime, wide.context.consent)
    with wide.runtime.database.engine.connect() as connection:
        left = connection.execute(text("SELECT count(text) FROM messages")).scalar_one()
    assert left == 0
    monkeypatch.setattr(sweep, "MAX_SECONDS", 0.0)
    wide.clock.advance(timedelta(days=186))
    sweep.apply_retention(wide.runtime, wide.context.consent)
    assert rows(wide)["fingerprints"] == 7, "no time, nothing deleted"


def test_messages_leave_also_while_nothing_can_be_deleted(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    with small.runtime.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE retention_runs RENAME TO out_of_reach"))
    merchant.send(token, text=MARKS[0])
    small.clock.advance(timedelta(minutes=1))
    small.work()
    assert MARKS[0] in consumer.texts()[-1]


def test_the_report_says_what_is_due_and_what_was_deleted(
    small: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    merchant.send(token, text=MARKS[0])
    small.work()
    monkeypatch.setenv("CONSENT_DATABASE_URL", f"sqlite:///{tmp_path}/consent.db")
    monkeypatch.setenv("CONSENT_KEYS_DIR", str(tmp_path / "keys"))

    def reported() -> Mapping[str, Mapping[str, object]]:
        result = CliRunner().invoke(main, ["retention", "report", "--json"])
        assert result.exit_code == 0, result.output
        return {each["kind"]: each for each in json.loads(result.output)}

    texts = reported()["message_texts"]
    assert (texts["kept_days"], texts["why"]) == (30, "PIPL 19")
    assert texts["due"] == 1, "the command runs years later, on the real clock"
    assert texts["deleted"] == 0
    pass_time(small, timedelta(days=31))
    texts = reported()["message_texts"]
    assert (texts["due"], texts["deleted"]) == (0, 1)
    assert texts["last_run"] == small.clock.now().isoformat()
    assert texts["deleted_before"] == (small.clock.now() - timedelta(days=30)).isoformat()
    table = CliRunner().invoke(main, ["retention", "report"]).output
    assert all(kind.name in table for kind in KINDS)


# --- What is said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("What a text said: 30 days after it was sent.", "1096 days after the consent")),
        ("zh-CN", ("短信内容: 发出后 30 天", "同意结束后 1096 天", "验证码发出后 5 分钟")),
        ("zh-TW", ("簡訊內容: 傳送後 30 天", "同意結束後 1096 天")),
    ],
)
def test_the_privacy_notice_names_every_kind_that_is_about_a_consumer(
    small: Service, language: str, words: tuple[str, ...]
) -> None:
    page = small.app.test_client().get(f"/privacy?lang={language}").text
    for expected in words:
        assert expected in page
    if language == "en":
        for kind in KINDS:
            assert (kind.what in unescape(page)) is kind.is_on_page, kind.name


def test_the_notice_that_is_agreed_to_states_the_three_periods(small: Service) -> None:
    page = small.app.test_client().get(f"{small.merchant().ask()['path']}?lang=en").text
    assert "kept for 30 days, that it was sent for 185, and this consent for 1096" in page


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_RECORD_RETENTION_DAYS", "183"),
        ("CONSENT_PROOF_RETENTION_DAYS", "184"),
        ("CONSENT_TEXT_RETENTION_DAYS", "186"),
    ],
)
def test_no_setting_keeps_less_than_the_law_requires_or_contradicts_another(
    name: str, value: str
) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: value})


# --- Proof stays in reach -----------------------------------------------------------------------


def test_after_the_last_consent_its_consumer_still_sees_it_as_long_as_it_is_kept(
    wide: Service,
) -> None:
    merchant, consumer = wide.merchant(), wide.consumer()
    token = wide.obtain_token(merchant, consumer)
    merchant.send(token, text=MARKS[0])
    wide.work()
    consumer.log_in()
    consumer.post("/my", consumer.get("/my/all").text, action="revoke_all")
    for days in (1, 30, 150, 800):
        pass_time(wide, timedelta(days=days))
        page = consumer.log_in().text
        assert "晨光书店" in page
        grant = merchant.get("/v1/grants").json["items"][0]["id"]
        detail = consumer.get(f"/my/consents/{grant}").text
        assert detail.count("/receipts/") == 2
        assert (MARKS[0] in detail) is (days == 1)
    pass_time(wide, timedelta(days=200))
    assert "晨光书店" not in consumer.log_in().text
    assert "recipients" not in rows(wide)


def test_a_new_owner_sees_nothing_of_consents_that_had_ended_before(wide: Service) -> None:
    merchant, consumer = wide.merchant(), wide.consumer()
    wide.obtain_token(merchant, consumer)
    consumer.log_in()
    consumer.post("/my", consumer.get("/my/all").text, action="revoke_all")
    wide.clock.advance(timedelta(days=30))
    since = wide.clock.now()
    new = wide.consumer()
    wide.obtain_token(wide.merchant("乙店"), new)
    assert "晨光书店" in new.log_in().text, "nobody knows yet"
    assert number_reassigned(wide.runtime, PhoneNumber.parse(new.number), since) == 0
    for days in (0, 250, 500):
        pass_time(wide, timedelta(days=days))
        page = new.log_in().text
        assert "晨光书店" not in page
        assert "乙店" in page
        assert "晨光书店" not in new.get("/my/data.json").text


def test_a_number_out_of_service_leads_to_nothing_also_after_the_last_consent(
    wide: Service,
) -> None:
    merchant, consumer = wide.merchant(), wide.consumer()
    wide.obtain_token(merchant, consumer)
    consumer.log_in()
    consumer.post("/my", consumer.get("/my/all").text, action="revoke_all")
    with wide.runtime.database.engine.connect() as connection:
        partition = connection.execute(text("SELECT partition FROM recipients")).scalar_one()
    number_deactivated(wide.runtime, partition)
    assert "recipients" not in rows(wide)
    events_before = rows(wide)["events"]
    assert number_deactivated(wide.runtime, partition) == 0, "a second report changes nothing"
    assert rows(wide)["events"] == events_before
