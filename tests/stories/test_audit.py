"""`audit`: what is stored proves what it should, and a change of it is found."""

import pytest
from sqlalchemy import text

from consent_tokens.services.integrity.audit import Audit
from tests.number_scan import NUMBERS
from tests.service import LINK as MESSAGE_LINK
from tests.service import ORDERS, PROMOTIONS, Service, found


def findings(service: Service) -> list[str]:
    return [each.finding for each in Audit(service.runtime).findings()]


def lived_in(service: Service) -> None:
    """Grants that are live, paused, revoked and erased."""
    merchant, one, two = service.merchant(), service.consumer(), service.consumer(NUMBERS[1])
    for consumer, action in ((one, "revoke"), (one, "pause"), (two, "revoke")):
        token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
        merchant.send(token)
        service.work()
        link = f"/m/{found(MESSAGE_LINK, consumer.texts()[-1])}"
        assert consumer.post(link, action=action).status_code == 303
    service.obtain_token(merchant, two)
    merchant.post("/v1/tokens/revoke", {"token": service.obtain_token(merchant, one)})


def test_what_the_service_stores_has_no_finding(service: Service) -> None:
    lived_in(service)
    run = Audit(service.runtime)
    assert list(run.findings()) == []
    assert run.grants == 5
    assert run.receipts == 5 + 3


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE grants SET status = 'live' WHERE wrapped_key IS NULL", "its key is gone"),
        ("UPDATE grants SET status = 'revoked' WHERE wrapped_key IS NOT NULL", "still there"),
        ("UPDATE receipts SET jws = substr(jws, 1, length(jws) - 9) || 'AAAAAAAAA'", "signature"),
        ("UPDATE receipts SET id = id + 1", "of another receipt"),
        ("UPDATE receipts SET kind = 'consent'", "of another receipt"),
        ("UPDATE receipts SET jws = 'x' || jws", "a key that is not there"),
        ("DELETE FROM receipts WHERE kind = 'withdrawal'", "ended without a receipt"),
        ("DELETE FROM receipts WHERE kind = 'consent'", "no receipt of the consent"),
        ("DELETE FROM events WHERE kind = 'grant_created'", "no event of its creation"),
    ],
)
def test_what_somebody_changed_is_found(service: Service, change: str, finding: str) -> None:
    lived_in(service)
    with service.runtime.database.engine.begin() as connection:
        connection.execute(text(change))
    assert any(finding in each for each in findings(service))
