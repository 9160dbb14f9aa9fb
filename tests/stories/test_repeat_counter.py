"""The repeat counter: a value that is in too many texts of a template holds it."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql
from structlog.testing import capture_logs

from consent_tokens.errors import DatabaseUnavailableError
from consent_tokens.relay.templates.fill import FilledText, fill
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services.admission import template_reviews as reviews
from consent_tokens.services.admission import template_values as counter
from consent_tokens.services.admission.template_values import count_values
from consent_tokens.services.retention.sweep import apply_retention
from consent_tokens.store import template_values, templates
from consent_tokens.store.database import Transaction
from consent_tokens.workers.template_counter import TemplateCounter
from tests.service import ORDERS, REVIEWER, Service
from tests.stories.test_templates import events_of, status_of

TEXT = "尊敬的{name}，您的订单{order}已发出，预计{date}送达"
ADVERT = "全场五折戳主页"  # letters alone: it has the form of a name
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"


def name(number: int) -> str:
    """Return a name that no other number has."""
    return "".join(SURNAMES[number // 32**place % 32] for place in range(4))


def accept(service: Service, template_id: str, names: Sequence[str], first: int = 0) -> None:
    """Store texts of a template as the relay stores them when it has accepted them."""
    runtime = service.runtime
    template = runtime.database.read(lambda at: templates.for_relay(at, [template_id]))[template_id]
    rows: list[dict[str, Any]] = []
    for place, each in enumerate(names, first):
        values = {"name": each, "order": f"{8812000000 + place}", "date": "11月27日"}
        filled = fill(template, values, link_domains=frozenset(), event_id=values["order"])
        assert isinstance(filled, FilledText), filled
        key = runtime.new_key(runtime.new_partition())
        rows.append({
            "partition": key.partition, "id": key.id, "template_id": template_id,
            "version": template.version, "hashes": runtime.value_hashes(template, filled),
            "at": int(runtime.clock.now().timestamp()),
        })  # fmt: skip
    with runtime.database.engine.begin() as connection:
        connection.execute(
            sql(
                "INSERT INTO messages (partition, id, priority, purpose, status, accepted_at, "
                "send_at, valid_until, changed_at, segments, attempts, template_id, "
                "template_version, value_hashes) VALUES (:partition, :id, 1, 'orders.updates', "
                "'sent', :at, :at, :at, :at, 1, 1, :template_id, :version, :hashes)"
            ),
            rows,
        )


def count_all(service: Service) -> int:
    counted = 0
    while count := count_values(service.runtime):
        counted += count
    return counted


def counts(service: Service, template_id: str) -> dict[str, int]:
    return service.runtime.database.read(lambda at: template_values.count_of(at, template_id))


@pytest.fixture
def template_id(service: Service) -> str:
    found: str = service.template(service.merchant(), ORDERS, TEXT)["id"]
    return found


def test_values_of_messages_that_the_relay_accepted_are_counted(service: Service) -> None:
    merchant = service.merchant()
    template_id = service.template(merchant, ORDERS, TEXT)["id"]
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    values = {"name": "张伟", "order": "8812", "date": "11月27日"}
    for order in ("8812", "8813"):
        sent = merchant.post(
            "/v1/messages",
            {
                "token": token, "purpose": ORDERS, "template": template_id,
                "variables": {**values, "order": order}, "event": {"type": "order", "id": order},
            },
        )  # fmt: skip
        assert sent.status_code == 202, sent.text
    service.work()

    assert count_all(service) == 2
    assert counts(service, template_id) == {"": 2, "name": 2, "order": 1}
    assert service.texts(service.consumer().number)[-1].startswith("【晨光书店】尊敬的张伟")


def test_value_in_more_than_two_percent_holds_the_template(
    service: Service, template_id: str
) -> None:
    accept(service, template_id, [ADVERT] * 5 + [name(each) for each in range(194)])
    count_all(service)
    assert status_of(service, template_id) is TemplateStatus.APPROVED  # 199 texts are too few

    accept(service, template_id, [name(500)], first=500)
    held_before = service.metric("consent_templates_held_total")
    with capture_logs() as lines:
        count_all(service)

    assert status_of(service, template_id) is TemplateStatus.HELD
    alarms = [line for line in lines if line["event"] == "template_held"]
    assert alarms == [{
        "event": "template_held", "log_level": "critical", "template": template_id,
        "variable": "name", "repeated": 5, "texts": 200,
    }]  # fmt: skip
    assert service.metric("consent_templates_held_total") == held_before + 1
    assert ADVERT not in str(lines)


def test_two_percent_and_honest_names_hold_nothing(service: Service, template_id: str) -> None:
    accept(service, template_id, [ADVERT] * 4 + [name(each) for each in range(196)])
    accept(service, template_id, [name(each) for each in range(1000, 1800)], first=1000)

    assert count_all(service) == 1000
    assert status_of(service, template_id) is TemplateStatus.APPROVED
    assert counts(service, template_id) == {"": 1000, "name": 4, "order": 1}


def test_same_date_in_every_text_is_honest(service: Service, template_id: str) -> None:
    accept(service, template_id, [name(each) for each in range(300)])
    count_all(service)

    assert "date" not in counts(service, template_id)
    assert status_of(service, template_id) is TemplateStatus.APPROVED


def test_value_written_in_other_ways_is_the_same(service: Service, template_id: str) -> None:
    adverts = [
        "全场五折戳主页",
        "全場五折戳主頁",
        "全场·五折·戳主页",
        "全场五折 戳主页",
        "全场-五折戳主页",
    ]
    accept(service, template_id, adverts + [name(each) for each in range(195)])
    count_all(service)

    assert status_of(service, template_id) is TemplateStatus.HELD


def test_holding_is_recorded_and_told_the_merchant(service: Service) -> None:
    merchant = service.merchant()
    template_id = service.template(merchant, ORDERS, TEXT)["id"]
    accept(service, template_id, [ADVERT] * 200)
    count_all(service)

    assert ("template_held", f"{template_id}:1", None) in events_of(service, merchant)
    shown = merchant.get(f"/v1/templates/{template_id}").json
    assert (shown["status"], shown["approved_version"]) == ("held", None)
    assert shown["reason"] == "one value of name is in 200 of 200 texts"


def test_no_value_is_stored(service: Service, template_id: str) -> None:
    accept(service, template_id, [ADVERT] * 10)
    count_all(service)

    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(sql("SELECT * FROM template_value_counts")).all()
        left = connection.execute(sql("SELECT value_hashes FROM messages")).all()
    assert all(hashes is None for (hashes,) in left)
    assert {type(each.value_hash) for each in rows} == {int}
    assert ADVERT not in str(rows)


def test_values_of_two_templates_have_nothing_in_common(service: Service, template_id: str) -> None:
    other = service.template(service.merchant("别家"), ORDERS, TEXT)["id"]
    for each in (template_id, other):
        accept(service, each, [ADVERT])
    count_all(service)

    with service.runtime.database.engine.connect() as connection:
        hashes = connection.execute(
            sql("SELECT value_hash FROM template_value_counts WHERE variable <> ''")
        ).all()
    assert len(set(hashes)) == len(hashes) == 4


def test_released_template_is_held_by_another_value_only(
    service: Service, template_id: str
) -> None:
    accept(service, template_id, ["会员"] * 100 + [name(each) for each in range(100)])
    count_all(service)
    reviews.release(service.runtime, REVIEWER, template_id, reason="没有姓名时的称呼")

    accept(service, template_id, ["会员"] * 100, first=300)
    count_all(service)
    assert status_of(service, template_id) is TemplateStatus.APPROVED

    accept(service, template_id, [ADVERT] * 10, first=500)
    count_all(service)
    assert status_of(service, template_id) is TemplateStatus.HELD


def test_advert_after_many_honest_texts_is_found(
    service: Service, template_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "MAX_TEXTS", 400)
    for first in range(0, 2000, 500):
        accept(service, template_id, [name(each) for each in range(first, first + 500)], first)
        count_all(service)
    assert counts(service, template_id)[""] < 800  # old texts weigh less
    assert counts(service, template_id).get("name", 0) <= 1

    accept(service, template_id, [ADVERT] * 30, first=3000)
    count_all(service)
    assert status_of(service, template_id) is TemplateStatus.HELD


def test_each_text_is_counted_once_whatever_is_interrupted(
    service: Service, template_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(service, template_id, [name(each) for each in range(20)])

    def fail(transaction: Transaction, *_: object, **__: object) -> None:
        transaction.execute(sql("SELECT 1"))
        raise DatabaseUnavailableError("the process ended here")

    with monkeypatch.context() as patched:
        patched.setattr(template_values, "halve_counts", fail)
        with pytest.raises(DatabaseUnavailableError):
            count_values(service.runtime)
    assert counts(service, template_id) == {}

    assert count_all(service) == 20
    assert count_all(service) == 0
    assert counts(service, template_id)[""] == 20


def test_several_processes_count_each_text_once(service: Service, template_id: str) -> None:
    accept(service, template_id, [name(each) for each in range(1500)])
    counted: list[int] = []

    def work() -> None:
        counted.append(count_all(service))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(counted) == 1500
    assert counts(service, template_id)[""] == 1500


def test_counter_runs_by_itself(service: Service, template_id: str) -> None:
    accept(service, template_id, [ADVERT] * 200)
    worker = TemplateCounter(service.runtime)
    worker.start()
    try:
        is_held = threading.Event()
        for _ in range(200):
            if status_of(service, template_id) is TemplateStatus.HELD:
                is_held.set()
                break
            is_held.wait(0.05)
    finally:
        worker.stop()
    assert is_held.is_set()


def test_counts_are_deleted_when_nothing_is_sent(service: Service, template_id: str) -> None:
    accept(service, template_id, [ADVERT] * 10)
    count_all(service)
    service.clock.advance(timedelta(days=91))
    apply_retention(service.runtime, service.context.consent)

    assert counts(service, template_id) == {}
