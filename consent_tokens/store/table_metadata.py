"""What the definitions of tables share: the metadata, and the type of times."""

from datetime import datetime

from sqlalchemy import BigInteger, Dialect, MetaData, TypeDecorator

from consent_tokens.clock import utc_from_epoch

metadata = MetaData()


class Timestamp(TypeDecorator[datetime]):
    """A time: whole seconds of UTC in every database, an aware datetime in Python."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the seconds. Raises ValueError for a naive datetime."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return int(value.timestamp())

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the aware datetime."""
        del dialect
        return None if value is None else utc_from_epoch(value)
