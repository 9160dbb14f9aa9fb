"""A backup of the whole database that a test can put back, on SQLite and PostgreSQL alike."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from consent_tokens.services.runtime import ReadinessState
from consent_tokens.store.tables import metadata
from tests.service import Service


@dataclass(frozen=True)
class Backup:
    """All rows of all tables, as they were at one moment."""

    rows: dict[str, list[dict[str, Any]]]

    @classmethod
    def take(cls, service: Service) -> "Backup":
        with service.runtime.database.engine.connect() as connection:
            return cls(
                {
                    table.name: [dict(row._mapping) for row in connection.execute(select(table))]
                    for table in metadata.sorted_tables
                }
            )

    def restore(self, service: Service) -> Service:
        """Put it back, and return the service started anew: same keys, same journal."""
        with service.runtime.database.engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
                if self.rows[table.name]:
                    connection.execute(insert(table), self.rows[table.name])
        return service.with_runtime(readiness=ReadinessState())
