"""The tables of operation: the workers that run, and what dispatchers do not send for now.

They are small, and not in a recipient's partition. `store/migrations` creates them.
"""

from sqlalchemy import Column, Integer, SmallInteger, String, Table

from consent_tokens.store.table_metadata import Timestamp, metadata

workers = Table(  # one row a worker that runs, written every few seconds
    "workers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(16), nullable=False),  # dispatcher, webhooks ...
    Column("host", String(64), nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("error", String(60)),  # the last one, by its code
    Column("error_at", Timestamp),
    # of a dispatcher only
    Column("gateway", String(16)),
    Column("sessions", SmallInteger),  # bound
    Column("max_sessions", SmallInteger),  # configured
    Column("gateway_fault", String(60)),  # why not all of them are bound
    Column("segments_per_minute", Integer),  # that the gateway accepted
    Column("in_flight", Integer),  # messages
)

dispatch_pauses = Table(
    "dispatch_pauses",
    metadata,
    Column("subject_id", String(40), primary_key=True),  # all, or id of merchant, sender, worker
    Column("kind", String(16), nullable=False),  # all, merchant, sender, worker
    Column("merchant_id", String(40)),  # of a merchant or sender
    Column("reason", String(400), nullable=False),
    Column("paused_by", String(40), nullable=False),
    Column("paused_at", Timestamp, nullable=False),
)
