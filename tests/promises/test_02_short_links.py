"""The link in a text is drawn anew for each submission and kept as a keyed hash."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from consent_tokens.consent.grant import EndReason
from consent_tokens.crypto.message_link_ids import PLACEHOLDER_LINK_ID, link_hash
from consent_tokens.row_key import RowKey
from consent_tokens.services.dispatch import round as dispatch_round
from consent_tokens.services.erasure import erase_recipient
from consent_tokens.services.outbox import message_links
from consent_tokens.services.outbox.message_links import LINK_LIFETIME
from consent_tokens.store import checkpoints
from consent_tokens.store.checkpoints import ENCRYPTED_LINKS
from consent_tokens.store.tables import message_links as table
from tests.number_scan import NUMBERS
from tests.service import LINK, ORDERS, PROMOTIONS, Consumer, Service, found


def rows(service: Service) -> list[tuple[bytes, int, int]]:
    columns = table.c.link_hash, table.c.partition, table.c.id
    return service.runtime.database.read(
        lambda transaction: [tuple(row) for row in transaction.execute(select(*columns))]
    )


def sent_link(service: Service, consumer: Consumer) -> str:
    merchant = service.merchant()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    merchant.send(token, ORDERS, "已发出")
    merchant.send(token, PROMOTIONS, "满减")
    service.work()
    (text,) = [each for each in consumer.texts() if "/m/" in each]
    return found(LINK, text)


def test_only_a_text_with_a_link_has_a_row_and_the_row_has_no_id(service: Service) -> None:
    consumer = service.consumer()
    link_id = sent_link(service, consumer)
    ((link_hash, partition, _),) = rows(service)
    assert len(link_hash) == 32
    assert link_id.encode() not in link_hash
    assert consumer.get(f"/m/{link_id}").status_code == 200
    erase_recipient(service.runtime, partition, EndReason.CONSUMER)
    assert rows(service) == []
    assert consumer.get(f"/m/{link_id}").status_code == 404


def test_an_encrypted_row_key_leads_to_messages_of_before_and_to_ones_own(
    service: Service,
) -> None:
    consumer = service.consumer()
    sent_link(service, consumer)
    ((_, partition, message_id),) = rows(service)
    path = f"/m/{service.runtime.ids.message_link.encode(RowKey(partition, message_id))}"
    stranger = service.consumer()
    assert stranger.get(path).status_code == 404, "whoever has the id key can compute it"
    for days, status in ((-1, 404), (1, 200)):
        until = int((service.clock.now() + timedelta(days=days)).timestamp())
        service.runtime.database.run(
            partial(checkpoints.save, name=ENCRYPTED_LINKS, value=str(until))
        )
        assert stranger.get(path).status_code == status
    service.runtime.database.run(partial(checkpoints.save, name=ENCRYPTED_LINKS, value="0"))
    consumer.log_in()
    assert consumer.get(path).status_code == 200
    other = service.consumer(NUMBERS[1])
    other.log_in()
    assert other.get(path).status_code == 404


def test_an_id_that_exists_is_drawn_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in one round, and again in a later one: no link leads to another's text."""
    merchant = service.merchant()
    consumers = [service.consumer(number) for number in NUMBERS[:3]]
    tokens = [service.obtain_token(merchant, each, PROMOTIONS) for each in consumers]
    ids = (f"{PLACEHOLDER_LINK_ID[1:]}{digit}" for digit in "556657")
    monkeypatch.setattr(
        message_links, "draw_link_ids", lambda count, _: [next(ids) for _ in range(count)]
    )
    for sent in (tokens[:2], tokens[2:]):
        for token in sent:
            assert merchant.send(token).status_code == 202
        service.work()
    links = [found(LINK, each.texts()[-1]) for each in consumers]
    index = service.runtime.keys.keyring.index
    partitions = dict(row[:2] for row in rows(service))
    assert len({partitions[link_hash(link, index)] for link in links}) == 3
    assert next(ids, None) is None


def test_the_link_is_on_disk_before_the_text_leaves(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher that dies in between: the next one draws a new id, and both lead to the text."""
    seen: list[int] = []
    submit_all = dispatch_round._submit_all

    def counted(*args: object) -> object:
        seen.append(len(rows(service)))
        return submit_all(*args)  # type: ignore[arg-type]  # whatever it takes

    monkeypatch.setattr(dispatch_round, "_submit_all", counted)
    sent_link(service, service.consumer())
    assert 1 in seen


@pytest.mark.parametrize(
    "link_id", ["0" * 11, "-" * 11, "%00" * 11, "０" * 11, "z" * 5000, "'; --"]
)
def test_hostile_ids_lead_nowhere(service: Service, link_id: str) -> None:
    assert service.consumer().browser.get(f"/m/{link_id}", follow_redirects=True).status_code == 404


def test_misses_are_limited_and_a_link_that_works_never_is(service: Service) -> None:
    consumer = service.consumer()
    link_id = sent_link(service, consumer)
    answers = [consumer.get(f"/m/{number:011}").status_code for number in range(40)]
    assert (answers[0], answers[-1]) == (404, 429)
    assert consumer.get(f"/m/{link_id}").status_code == 200


def test_a_link_ends_and_its_row_is_deleted(service: Service) -> None:
    consumer = service.consumer()
    link_id = sent_link(service, consumer)
    service.clock.advance(LINK_LIFETIME + timedelta(hours=1))
    assert consumer.get(f"/m/{link_id}").status_code == 404
    service.work()
    assert rows(service) == []
