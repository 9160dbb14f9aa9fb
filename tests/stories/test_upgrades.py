"""Old and new run side by side during an upgrade: before the migration, and after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, text

from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.store import schema
from consent_tokens.store.database import Database
from tests.number_scan import WRITTEN
from tests.processes import ROOT
from tests.service import ALWAYS, ORDERS, PROMOTIONS, Service

BEFORE = ("0001", "0002", "0003")


def moved(store: Database, to: str) -> None:
    config = schema._config()
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        move = command.downgrade if to in BEFORE else command.upgrade
        move(config, to)


@pytest.fixture(params=BEFORE)
def before(request: pytest.FixtureRequest) -> str:
    """A version of the database from before this code's own."""
    found: str = request.param
    return found


@pytest.fixture
def older(database_url: str, tmp_path: Path, before: str) -> Iterator[Service]:
    """This version's code on the database of a version before."""
    WRITTEN.append(tmp_path)
    made = Service.at(database_url, tmp_path / "keys")
    moved(made.world.database, before)
    again = made.but(database=Database.open(database_url))
    yield again
    moved(again.world.database, "head")
    again.world.database.close()
    made.close()


def live_a_life(service: Service) -> None:
    """Ask, agree, send, deliver, revoke, refuse."""
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)
    consumer.agree(asked["path"], PROMOTIONS, ORDERS)
    token = merchant.token(asked)
    handles = [merchant.send(token, purpose).json["id"] for purpose in (PROMOTIONS, ORDERS)]
    service.work()
    for handle in handles:
        assert merchant.get(f"/v1/messages/{handle}").json["status"] == "delivered"
    assert service.app.test_client().get("/readyz").json == {"ready": True, "why": []}
    assert service.app.test_client().get("/metrics").status_code == 200
    merchant.post("/v1/tokens/revoke", {"token": token})
    assert merchant.send(token).json["code"] == "consent_revoked"


def test_this_version_works_before_its_migration_and_takes_it_up_while_running(
    older: Service, before: str
) -> None:
    assert upgraded(older) == (before >= "0002", before >= "0003")
    live_a_life(older)
    moved(older.world.database, "head")
    live_a_life(older)
    assert upgraded(older) == (True, True)
    save_checkpoints(older.world)
    assert older.world.readiness.journal_seen is not None


def upgraded(service: Service) -> tuple[bool, bool]:
    return service.world.database.has_journal, service.world.database.has_wishes


def test_a_migration_takes_nothing_away_from_the_version_before(
    database_url: str, tmp_path: Path, before: str
) -> None:
    """Whatever the version before reads or writes is there: tables, columns, and no new duty."""
    store = Database.open(database_url)
    schema.upgrade(store)
    moved(store, before)
    older_tables = described(store)
    moved(store, "head")
    after = described(store)
    for table, columns in older_tables.items():
        assert columns.items() <= after[table].items(), table
        for name in after[table].keys() - columns.keys():
            _, is_nullable = after[table][name]
            assert is_nullable, f"{table}.{name}: the version before does not fill it in"
    store.close()
    WRITTEN.append(tmp_path)


def test_the_great_index_may_be_built_beforehand(database_url: str, tmp_path: Path) -> None:
    """As docs/operations.md says, while everything runs; the migration finds it there."""
    WRITTEN.append(tmp_path)
    store = Database.open(database_url)
    schema.upgrade(store)
    moved(store, "0003")
    guide = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (line,) = [each for each in guide.splitlines() if "CREATE INDEX CONCURRENTLY" in each]
    concurrently = " CONCURRENTLY" if not store.is_sqlite else ""
    with store.engine.connect() as connection:
        resting = connection.execution_options(isolation_level="AUTOCOMMIT")
        resting.exec_driver_sql(line.strip().replace(" CONCURRENTLY", concurrently))
    moved(store, "head")
    indices = {str(each["name"]) for each in inspect(store.engine).get_indexes("messages")}
    assert "messages_under_grant" in indices
    assert "messages_by_grant" not in indices
    store.close()


def described(store: Database) -> dict[str, dict[str, tuple[str, bool]]]:
    looked = inspect(store.engine)
    return {
        table: {
            str(column["name"]): (str(column["type"]), bool(column["nullable"]))
            for column in looked.get_columns(table)
        }
        for table in looked.get_table_names()
        if table != "alembic_version"
    }


def test_a_newer_database_does_not_stop_this_version(small: Service) -> None:
    with small.world.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    live_a_life(small)
