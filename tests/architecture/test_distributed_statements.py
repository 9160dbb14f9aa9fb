"""What a distributed PostgreSQL takes: each statement on the way of a message names its shards.

The statements are those that the driver is given, on PostgreSQL, while a message is consented to,
accepted, dispatched, reported, replied to and taken back.
"""

# ruff: noqa: ANN401 - the driver's own signatures
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import event

from consent_tokens.services.admission.pacing_decisions import drop
from consent_tokens.services.admission.template_values import count_values
from consent_tokens.services.dispatch.pauses import expire_paused
from consent_tokens.services.rollups.counting import add_increments
from consent_tokens.services.supervision.pauses import pause, resume
from consent_tokens.store import senders
from consent_tokens.store.database import IS_DISTRIBUTED
from consent_tokens.store.dispatch_pauses import ALL, PausedKind
from consent_tokens.store.tables import metadata
from tests.number_scan import NUMBERS
from tests.service import ADMIN, ORDERS, REVIEWER, Service, SignedIn
from tests.stories.test_pacing import AFTER, POLICY, Paced

# docs/data-model.md: other tables are distributed by their partition, or are reference tables
DISTRIBUTED_BY: Final = {
    "recipients": "blind_index", "fingerprints": "fingerprint", "erased_texts": "fingerprint",
    "challenges": "id", "rate_limits": "id", "consumer_sessions": "id",
    "idempotency_responses": "key_hash", "waiting_entries": "tag",
    "api_rates": "bucket", "pacings": "subject_id", "unproven_texts": "group_id",
    "message_links": "link_hash",
}  # fmt: skip
# a parameter, the rows of input, or a list of parameters: not a column of another table
GIVEN: Final = r"(= (input\.|%\()|(NOT )?IN \((?!\s*SELECT))"
IS_REFERENCE_TABLE: Final = {"complaints"}  # though its rows are in partitions
# statements that ask every shard, by a part of each; none of them is executed for each message
ALL_SHARDS: Final = {
    "once a round: which merchants have messages due": ["merchant_id AS id, MIN(send_at)"],
    "once a round and merchant: its messages that are due": ["SET status = 'sending'"],
    "once for a batch of delivery reports: the gateway's ids name no partition": [
        "JOIN messages m ON m.gateway_id = input.id"
    ],
    "once a second, for backpressure and metrics": ["SELECT count(*), min(send_at) FROM ("],
    "every few seconds: texts whose values are not counted yet": ["value_hashes IS NOT NULL"],
    "every few seconds: what was counted for rollups": ["FROM rollup_increments"],
    "at the start: whether the journal must not be missing": ["SELECT grants.wrapped_key"],
    "every few seconds and unproven template: its messages, by an index of those alone": [
        "pacing_id ="
    ],
    "every few seconds: which templates are to be looked at": ["pacings.active_until >"],
    "once for each template that is approved, and a day and sender": ["pacings.merchant_id IN ("],
    "for a template that many people stop: how many stop others": ["pacings.created_at >"],
    "maintenance, once a minute": [
        "DELETE FROM recipients",
        "SET lease_until = NULL", "SET settle_at = NULL", "grants.ends_at <=",
        "pauses.until <=", "consent_requests.expires_at <=", "quiet_until IS NOT NULL",
        "AND valid_until <=",
        "grants.status_since <", "challenges.sent_at <", "rate_limits.idle_at <=",
        "consumer_sessions.seen_at <", "fingerprints.sent_at <", "message_segments.sent_at <",
        "messages.accepted_at <", "message_links.expires_at <=", "recipient_locks.locked_at <",
        "erased_texts.sent_on <",
        "events.at <",
        "consent_requests.decided_at <",
        "invitations.next_allowed_at <=",
        "posters.expires_at <",
        "merchant_consents.stopped_at <",
        "waiting_entries.until <=",
        "webhook_events.created_at <",
        "idempotency_responses.created_at <",
    ],
    "once for each new recipient: that nobody has its partition": ["WHERE recipients.partition ="],
    "once for each end of a consent: its token is deleted": ["consent_requests.grant_partition ="],
}  # fmt: skip
REFUSED: Final = re.compile(r"\bRECURSIVE\b|\bLATERAL\b|^\s*INSERT INTO .*\bSELECT\b", re.DOTALL)
UPDATE: Final = re.compile(r"\s*UPDATE (\w+)\s+SET\b(.*?)\b(FROM|WHERE|RETURNING)\b", re.DOTALL)
ONE_SHARD: Final = re.compile(
    r"(partition|bucket|subject_id|group_id|merchants\.id|name) = .*FOR UPDATE", re.DOTALL
)


def distribution() -> dict[str, str]:
    """Return the distribution column of each distributed table."""
    return DISTRIBUTED_BY | {
        table.name: "partition"
        for table in metadata.sorted_tables
        if "partition" in table.primary_key.columns
        and table.name not in DISTRIBUTED_BY.keys() | IS_REFERENCE_TABLE
    }


def names_its_shards(statement: str) -> bool:
    """Whether each distributed table of a statement is restricted by its distribution column."""
    words = set(re.findall(r"\w+", statement))
    columns = {column for table, column in distribution().items() if table in words}
    if match := re.match(r"\s*INSERT INTO \w+ \(([^)]*)\) VALUES", statement):
        return columns <= set(re.findall(r"\w+", match[1]))
    return all(
        re.search(rf"\b{column}\b(, (\w+\.)?\w+)*\)? {GIVEN}", part)
        for part in statement.split("UNION ALL")
        for column in columns
    )


def is_refused(statement: str) -> bool:
    """Whether Citus refuses a statement: one that moves a row, or has several shards.

    FOR UPDATE needs one partition.
    """
    locks_many = "FOR UPDATE" in statement and not ONE_SHARD.search(statement)
    return locks_many or moves_a_row(statement) or bool(REFUSED.search(statement))


def moves_a_row(statement: str) -> bool:
    """Whether a statement sets the distribution column of a table, even to the value it has."""
    match = re.match(
        r"\s*UPDATE (\w+)\s+SET\b(.*?)\b(FROM|WHERE|RETURNING)\b", statement, re.DOTALL
    )
    if match is None or (column := distribution().get(match[1])) is None:
        return False
    return bool(re.search(rf"(^|[\s,]){column}\s*=", match[2]))


@pytest.fixture
def statements(small_postgres: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the driver is given, as if the tables were distributed."""
    given: list[str] = []

    class Recorded(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            given.append(query)
            return super().execute(query, *args, **options)

        def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
            given.append(query)
            return super().executemany(query, *args, **options)

    class RecordedRaw(psycopg.RawCursor[Any]):
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            given.append(query.decode())
            return super().execute(query, *args, **options)

    def checked_out(connection: Any, record: Any, _proxy: object) -> None:
        connection.cursor_factory = Recorded
        record.info[IS_DISTRIBUTED] = True

    monkeypatch.setattr(psycopg, "RawCursor", RecordedRaw)
    event.listen(small_postgres.runtime.database.engine, "checkout", checked_out)
    return given


@pytest.fixture
def small_postgres(empty_postgres_url: str, tmp_path: Path) -> Iterator[Service]:
    started = Service.start(empty_postgres_url, tmp_path)
    yield started
    started.close()


def send_in_every_way(service: Service) -> SignedIn:
    """Have messages of each kind accepted, sent, reported and counted."""
    signed_in = SignedIn.with_consent(service)
    merchant = signed_in.merchant
    one = {"token": signed_in.token, "purpose": ORDERS, "text": "a parcel"}
    assert merchant.post("/v1/messages", one, **{"Idempotency-Key": "one"}).status_code == 202
    assert merchant.post("/v1/messages/batch", {"messages": [one, one]}).status_code == 200
    template = service.template(
        merchant, ORDERS, "您的订单{order}已发货，请凭订单编号到门店前台领取。",
        variables={"order": {"type": "order"}},
    )  # fmt: skip
    filled = {
        "token": signed_in.token, "purpose": ORDERS, "template": template["id"],
        "variables": {"order": "8812"}, "event": {"type": "order", "id": "8812"},
    }  # fmt: skip
    assert merchant.post("/v1/messages", filled).status_code == 202
    service.work()
    texts = signed_in.consumer.texts()
    assert sum("a parcel" in text for text in texts) == 3, "sent, by the statement for Citus"
    assert count_values(service.runtime) == 1
    assert add_increments(service.runtime) > 0
    return signed_in


def pause_in_every_way(signed_in: SignedIn) -> None:
    """Have a sender and another merchant paused, and then everything, while a message waits."""
    service, runtime = signed_in.service, signed_in.service.runtime
    merchant_id = signed_in.merchant.id
    [sender] = runtime.database.read(partial(senders.of_merchant, merchant_id=merchant_id))
    paused = (
        (PausedKind.MERCHANT, service.merchant("else").id),
        (PausedKind.SENDER, sender.id),
        (PausedKind.ALL, ALL),
    )
    assert signed_in.merchant.send(signed_in.token).status_code == 202
    for kind, subject_id in paused:
        pause(runtime, ADMIN, kind, subject_id, "an alarm")
        service.work()
        assert expire_paused(runtime, "") == 0, "its validity has not ended"
    for kind, subject_id in paused:
        resume(runtime, ADMIN, kind, subject_id)
    service.work()


def pace_in_every_way(service: Service) -> None:
    """Have texts of a new template held back, let go, reacted to, and dropped."""
    paced = Paced(service, policy=replace(POLICY, parts=(2, 2)), people=9, number=NUMBERS[1])
    paced.send(6)
    paced.send(1, "")
    paced.service.work()
    paced.wait()
    paced.wait(AFTER)
    assert paced.left == 5
    paced.stop(0, 1, 2)  # one may be free text
    paced.wait()
    assert paced.pacing()["status"] == "held"
    drop(service.runtime, REVIEWER, paced.template, reason="an advert for loans")
    paced.wait()
    paced.wait()
    assert paced.pacing()["held"] == 0, "refused"


def end_in_every_way(signed_in: SignedIn) -> None:
    """Have a consent ended on the page, and others by a reply and by the merchant."""
    service, merchant, consumer = signed_in.service, signed_in.merchant, signed_in.consumer
    assert signed_in.act("revoke").status_code == 303
    assert merchant.send(service.obtain_token(merchant, consumer)).status_code == 202
    service.reply(consumer.number, "106900011", "TD")
    token = service.obtain_token(merchant, consumer)
    assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200


def test_each_statement_on_the_way_of_a_message_names_its_shards(
    small_postgres: Service, statements: list[str]
) -> None:
    signed_in = send_in_every_way(small_postgres)
    pause_in_every_way(signed_in)
    end_in_every_way(signed_in)
    pace_in_every_way(small_postgres)
    small_postgres.maintain()
    all_shards = [part for parts in ALL_SHARDS.values() for part in parts]
    asked = dict.fromkeys(statements)
    faults = [each for each in asked if is_refused(each)]
    faults += [
        each
        for each in asked
        if not names_its_shards(each) and not any(part in each for part in all_shards)
    ]
    assert not faults, "\n\n".join(faults)
    unused = [part for part in all_shards if not any(part in each for each in asked)]
    assert not unused, "no such statement any more"
