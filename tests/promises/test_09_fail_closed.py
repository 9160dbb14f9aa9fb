"""Promise 9: key missing, database away, schema unknown: no message leaves, readiness says why."""

import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog.testing
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from consent_tokens.app_context import AppContext
from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.crypto.key_source import KeySource
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import (
    DatabaseUnavailableError,
    KeyMissingError,
    KeyUnavailableError,
    SettingError,
)
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import ReadinessState
from consent_tokens.settings import Settings
from consent_tokens.store import database, grants, schema
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Database, Transaction
from tests.service import Service


def draw(size: int) -> bytes:
    return SystemRandomSource().token_bytes(size)


def test_keys_are_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    first = Keyring.load_or_create(tmp_path, draw)
    again = Keyring.load_or_create(tmp_path, draw)
    assert first.signing.kid == again.signing.kid
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.key")}
    assert modes == {0o600}


def test_processes_that_start_at_once_use_the_same_keys(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    context = multiprocessing.get_context("fork")
    begin, made = context.Event(), context.Queue()

    def load() -> None:
        begin.wait()
        made.put(Keyring.load_or_create(folder, draw).signing.kid)

    processes = [context.Process(target=load) for _ in range(8)]
    for process in processes:
        process.start()
    begin.set()
    kids = {made.get(timeout=10) for _ in processes}
    for process in processes:
        process.join()
    assert len(kids) == 1


def test_a_folder_of_keys_that_others_may_use_is_restricted_to_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    (folder / "README.md").write_text("what is in here")
    Keyring.load_or_create(folder, draw)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "signing").chmod(0o777)
    with structlog.testing.capture_logs() as lines:
        Keyring.load_or_create(folder, draw)
    assert (folder / "signing").stat().st_mode & 0o777 == 0o700
    assert [line["event"] for line in lines] == ["keys_folder_restricted"]


@pytest.mark.parametrize("name", ["index.key", "id.key", "session.key", "wrapping/0001.key"])
def test_a_key_that_is_lost_is_not_silently_replaced(tmp_path: Path, name: str) -> None:
    Keyring.load_or_create(tmp_path, draw)
    (tmp_path / name).unlink()
    with pytest.raises(KeyUnavailableError):
        Keyring.load_or_create(tmp_path, draw)


def test_a_key_that_others_can_read_is_refused_by_name(tmp_path: Path) -> None:
    Keyring.load_or_create(tmp_path, draw)
    (tmp_path / "index.key").chmod(0o640)
    with pytest.raises(KeyUnavailableError, match=r"index\.key"):
        Keyring.load_or_create(tmp_path, draw)


def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path) -> None:
    Keyring.load_or_create(tmp_path, draw)
    (tmp_path / "id.key").write_text("not-a-key-but-perhaps-a-password")
    with pytest.raises(KeyUnavailableError) as fault:
        Keyring.load_or_create(tmp_path, draw)
    assert "password" not in str(fault.value)


def test_without_the_wrapping_key_of_a_grant_nothing_of_it_leaves(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    handle = merchant.send(token).json["id"]
    before = consumer.texts()
    stranger = Keyring.from_secrets(
        signing=[bytes(32)], wrapping=[bytes(32)], id_key=bytes(32), index=bytes(32),
        journal=bytes(32), session=[bytes(32)], token_mac=[bytes(32)],
    )  # fmt: skip
    held = service.runtime.keyring
    names = (held.names | stranger.names) - {
        name for name in held.names if name.kind is KeyKind.WRAPPING
    }
    incomplete = replace(
        held, wrapping=stranger.wrapping, unwrapping=stranger.unwrapping, names=names
    )
    crippled = service.with_runtime(keys=KeySource(incomplete), readiness=ReadinessState())
    ready = crippled.app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["why"]) == (503, ["key_unavailable"])
    with pytest.raises(KeyMissingError):
        crippled.work()
    assert consumer.texts() == before
    assert merchant.get(f"/v1/messages/{handle}").json["status"] == "queued"
    service.clock.advance(timedelta(seconds=2))
    service.work()  # the key is back
    assert len(consumer.texts()) == len(before) + 1


def test_a_database_that_is_away_is_answered_503_and_readiness_says_so(tmp_path: Path) -> None:
    service = Service.start(f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys")
    merchant = service.merchant()
    away = service.with_runtime(database=Database.open("postgresql://nobody@127.0.0.1:1/none"))
    ready = away.app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["why"]) == (503, ["store_unavailable"])
    asked = type(merchant)(away, merchant.id, merchant.api_key).send("x")
    assert (asked.status_code, asked.json["code"]) == (503, "store_unavailable")
    assert asked.headers["Retry-After"]
    assert away.app.test_client().get("/healthz").status_code == 200
    service.close()


def test_a_database_without_its_tables_is_not_ready(tmp_path: Path) -> None:
    service = Service.start(f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys")
    with service.runtime.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    ready = service.app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["why"]) == (503, ["schema_outdated"])
    service.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_DATABASE_URL", "mysql://x/y"),
        ("CONSENT_DATABASE_URL", "nonsense"),
        ("CONSENT_BASE_URL", "ftp://x"),
        ("CONSENT_BASE_URL", "example.org"),
        ("CONSENT_BIND", "127.0.0.1"),
        ("CONSENT_BIND", "127.0.0.1:99999"),
        ("CONSENT_GATEWAY_URL", "http://x"),
        ("CONSENT_GATEWAY_URL", "smpp://host"),
        ("CONSENT_GATEWAY_THROUGHPUT", "-1"),
        ("CONSENT_OTP_RATE_LIMITS", "number=5/hour"),
        ("CONSENT_OTP_RATE_LIMITS", "number=5/hour;client_ip=x;total=1/day"),
        ("CONSENT_OTP_RATE_LIMITS", "number=0/hour;client_ip=1/day;total=1/day"),
        ("CONSENT_TRANSACTIONAL_FREQUENCY_CAP", "many"),
        ("CONSENT_DEFAULT_TIMEZONE", "Mars/Olympus"),
        ("CONSENT_MAX_SEGMENTS", "0"),
        ("CONSENT_LINKS", "marketing=short"),
        ("CONSENT_LINKS", "adverts=none"),
        ("CONSENT_LINKS", "marketing=none marketing=constant"),
        ("CONSENT_KEYS_DIR", ""),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str, tmp_path: Path) -> None:
    environment = {"CONSENT_KEYS_DIR": str(tmp_path / "keys"), name: value}
    with pytest.raises(SettingError, match=name):
        AppContext.from_settings(Settings.from_environment(environment))


def test_the_simulator_refuses_to_pose_as_the_real_thing(tmp_path: Path) -> None:
    environment = {
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
        "CONSENT_BASE_URL": "https://consent.example",
    }
    with pytest.raises(SettingError, match="CONSENT_GATEWAY_URL"):
        AppContext.from_settings(Settings.from_environment(environment))


VALUES = (4711471147114711, 815081508150815)


def statements(transaction: Transaction) -> list[Callable[[], object]]:
    """Each of the ways in which a statement goes to the database."""
    keys = [RowKey(*VALUES), RowKey(3, 4)]
    return [
        lambda: grants.lock(transaction, keys),
        lambda: insert_rows(
            transaction, "journal_outbox", ("partition", "id", "at"), [(*VALUES, 3)]
        ),
        lambda: grants.find(transaction, keys[0]),
    ]


@pytest.mark.parametrize("way", range(3))
def test_a_connection_that_was_cut_is_said_to_be_away_and_not_used_again(
    empty_postgres_url: str, way: int
) -> None:
    store = Database.open(empty_postgres_url)

    def cut(transaction: Transaction) -> None:
        pid = transaction.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with store.engine.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        statements(transaction)[way]()

    with pytest.raises(DatabaseUnavailableError):
        store.run(cut)
    with pytest.raises(DatabaseUnavailableError):
        store.read(cut)
    for each in range(3):
        store.run(lambda transaction, each=each: statements(transaction)[each]())  # type: ignore[misc]  # a default in a lambda
    store.close()


def test_a_connection_that_was_cut_while_it_was_idle_is_replaced(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PING_AFTER_SECONDS", 0.0)
    store, other = Database.open(empty_postgres_url), Database.open(empty_postgres_url)
    backend = "SELECT pg_backend_pid()"
    for _ in range(2):
        pid = store.read(lambda transaction: transaction.exec_driver_sql(backend).scalar_one())
        with other.engine.begin() as killer:
            killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        assert store.run(lambda transaction: transaction.exec_driver_sql(backend).scalar()) != pid
    store.close()
    other.close()


@pytest.mark.parametrize("way", range(3))
def test_a_fault_of_the_database_never_holds_a_value(database_url: str, way: int) -> None:
    store = Database.open(database_url)
    schema.upgrade(store)
    with store.engine.begin() as connection:
        for table in ("grants", "journal_outbox"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        with pytest.raises(DBAPIError) as fault:
            store.run(lambda transaction: statements(transaction)[way]())
        said = "".join(traceback.format_exception(fault.value))
        assert not [value for value in VALUES if str(value) in said]
        assert "[[" not in said
        assert "'{" not in said
    finally:
        with store.engine.begin() as connection:
            for table in ("grants", "journal_outbox"):
                connection.exec_driver_sql(f"ALTER TABLE {table}_away RENAME TO {table}")
        store.close()
