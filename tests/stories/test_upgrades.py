"""`db upgrade`: it creates the schema, changes nothing the second time, and runs under load."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, inspect, make_url, text

from consent_tokens.cli import main
from consent_tokens.services.merchants import add_merchant
from consent_tokens.store import merchants, schema
from consent_tokens.store.database import Database
from consent_tokens.store.tables import metadata
from tests.number_scan import WRITTEN
from tests.service import ALWAYS, ORDERS, PROMOTIONS, Service

NewDatabase = Callable[[], Database]

# what a later version might need: a nullable column and an index
SAMPLE_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "NEWEST"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merchants", sa.Column("note", sa.Text()))
    op.create_index("merchants_by_name", "merchants", ["name"])


def downgrade() -> None:
    op.drop_index("merchants_by_name")
    op.drop_column("merchants", "note")
"""


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Return databases without tables, on each of the two systems."""
    WRITTEN.append(tmp_path)
    opened: list[Database] = []
    names = (f"empty_{number}" for number in count())

    def on_sqlite() -> Database:
        opened.append(Database.open(f"sqlite:///{tmp_path}/{next(names)}.db"))
        return opened[-1]

    def on_postgres() -> Database:
        server: str = request.getfixturevalue("postgres_url")
        name = next(names)
        execute_on_server(server, f"DROP DATABASE IF EXISTS {name}")
        execute_on_server(server, f"CREATE DATABASE {name}")
        url = make_url(server).set(database=name)
        opened.append(Database.open(url.render_as_string(hide_password=False)))
        return opened[-1]

    yield on_sqlite if request.param == "sqlite" else on_postgres
    for database in opened:
        database.close()


def execute_on_server(url: str, statement: str) -> None:
    """Execute what PostgreSQL takes in no transaction."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def upgrade(database: Database) -> None:
    """Run the operator's command."""
    url = database.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(main, ["db", "upgrade"], env={"CONSENT_DATABASE_URL": url})
    assert done.exit_code == 0, done.output


def described(database: Database) -> dict[str, object]:
    """Return the whole schema: SQLite's own statements, or what PostgreSQL's catalogue says."""
    if database.is_sqlite:
        with database.engine.connect() as connection:
            rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).all()
        return {
            f"{kind} {name}": re.sub(r"\s+", " ", sql or "")
            for kind, name, sql in rows
            if "alembic_version" not in name
        }
    found: dict[str, object] = {}
    inspector = inspect(database.engine)
    with database.engine.connect() as connection:
        indexes = connection.execute(text("SELECT indexname, indexdef FROM pg_indexes"))
        found |= {row.indexname: row.indexdef for row in indexes}
        options = connection.execute(
            text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'")
        )
        found |= {f"options of {row.relname}": row.reloptions for row in options}
    for table in inspector.get_table_names():
        found[f"columns of {table}"] = [
            (each["name"], str(each["type"]), each["nullable"], each["default"])
            for each in inspector.get_columns(table)
        ]
        found[f"keys of {table}"] = (
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted(each["column_names"] for each in inspector.get_unique_constraints(table)),
        )
    return {name: value for name, value in found.items() if "alembic_version" not in name}


def test_an_upgrade_builds_exactly_the_tables_that_the_code_uses(
    new_database: NewDatabase,
) -> None:
    upgraded, created = new_database(), new_database()
    upgrade(upgraded)
    metadata.create_all(created.engine)
    assert described(upgraded) == described(created)
    assert set(metadata.tables) < set(inspect(upgraded.engine).get_table_names())
    assert schema.is_current(upgraded)


def test_a_second_upgrade_changes_nothing(new_database: NewDatabase, tmp_path: Path) -> None:
    database = new_database()
    upgrade(database)
    before = described(database), schema.revision(database)
    url = database.engine.url.render_as_string(hide_password=False)
    service = Service.start(url, tmp_path / "keys")
    admitted = add_merchant(service.runtime, "晨光书店").merchant
    upgrade(database)
    assert (described(database), schema.revision(database)) == before
    assert service.runtime.database.read(merchants.list_all) == [admitted]
    service.close()


def use_every_part(service: Service) -> None:
    """Request consent, grant it, send, deliver, revoke, refuse."""
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)
    consumer.agree(asked["path"], PROMOTIONS, ORDERS)
    token = merchant.token(asked)
    ids = [merchant.send(token, purpose).json["id"] for purpose in (PROMOTIONS, ORDERS)]
    service.work()
    for message_id in ids:
        assert merchant.get(f"/v1/messages/{message_id}").json["status"] == "delivered"
    assert service.app.test_client().get("/readyz").json == {"ready": True, "why": []}
    assert "consent_ready 1.0" in service.metrics()
    merchant.post("/v1/tokens/revoke", {"token": token})
    assert merchant.send(token).json["code"] == "consent_revoked"


def test_a_migration_runs_while_the_service_accepts_and_dispatches(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This version works before it, during it, and on the newer schema after it."""
    database = new_database()
    url = database.engine.url.render_as_string(hide_password=False)
    service = Service.start(url, tmp_path / "keys")
    use_every_part(service)
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    migrations = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations)
    sample = SAMPLE_MIGRATION.replace("NEWEST", str(schema.revision(database)))
    (migrations / "versions" / "9999_sample.py").write_text(sample)
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    assert not schema.is_current(database)

    is_done, statuses = threading.Event(), list[int]()
    halfway = threading.Event()

    def send_until_done() -> None:
        while not is_done.is_set() or len(statuses) < 10:
            statuses.append(merchant.send(token, ORDERS).status_code)
            service.dispatcher.round()
            service.clock.advance(timedelta(days=1) / 20)
            if len(statuses) == 3:
                halfway.set()

    sending = threading.Thread(target=send_until_done)
    sending.start()
    try:
        assert halfway.wait(30)
        upgrade(database)
    finally:
        is_done.set()
        sending.join(60)
    assert set(statuses) == {202}
    assert schema.revision(database) == "9999"
    assert "merchants_by_name" in {
        each["name"] for each in inspect(database.engine).get_indexes("merchants")
    }
    use_every_part(service)
    service.close()


def test_a_newer_database_does_not_stop_this_version(small: Service) -> None:
    with small.runtime.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    use_every_part(small)
