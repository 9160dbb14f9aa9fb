"""Promise 5: the figures for merchants do not show which acts touched several merchants."""

from datetime import timedelta

from consent_tokens.consent.grant import EndReason
from consent_tokens.evidence.rollups import Measure, counted_for
from consent_tokens.services.rollups.counting import add_increments, count_one
from consent_tokens.services.rollups.rebuild import rebuild
from consent_tokens.store.database import Transaction
from tests.console_people import ConsoleUser, merchant_person
from tests.number_scan import NUMBERS
from tests.service import Merchant, Service

HIDDEN = ("stopped on a page", "stopped by reply", "changed hands", "backup")


def viewers(service: Service, *shops: Merchant) -> list[ConsoleUser]:
    """Return somebody new at each merchant who may see its figures."""
    today = service.clock.now().date()
    return [merchant_person(service, each.id, "viewer", f"{today} {each.id}") for each in shops]


def seen_by(viewer: ConsoleUser) -> tuple[str, str, list[str]]:
    """Return what somebody sees: the pages of today and of 28 days, and the lines of the CSV."""
    while add_increments(viewer.service.runtime):
        pass
    csv = viewer.get("?format=csv&file=days").text.splitlines()
    return viewer.get("").text, viewer.get("?days=28").text, csv


def test_a_stop_of_all_merchants_counts_as_a_stop_of_one_when_the_day_is_over(
    small: Service,
) -> None:
    shops = [small.merchant(name) for name in ("甲店", "乙店", "丙店")]
    everywhere, once = small.consumer(), small.consumer(NUMBERS[1])
    for shop, consumer in zip(shops, (everywhere, everywhere, once), strict=True):
        assert shop.send(small.obtain_token(shop, consumer)).status_code == 202
    small.work()
    everywhere.log_in()
    everywhere.post("/my", everywhere.get("/my/all").text, action="revoke_all")
    once.log_in()
    grant = shops[2].get("/v1/grants").json["items"][0]["id"]
    once.post("/my", once.get("/my").text, action="revoke", grant=grant)
    for viewer in viewers(small, *shops):
        *pages, csv = seen_by(viewer)
        assert csv[-1].endswith(",1,0,1,1,0,0,0,1,0")
        for page in pages:
            assert "+1 −0" in page
            assert "None ended on days that are over." in page
            assert "Stops, complaints and consents that end today are shown tomorrow." in page
    small.clock.advance(timedelta(days=1))
    after = viewers(small, *shops)
    for _ in ("as it was counted", "counted anew"):
        for viewer in after:
            _, page, csv = seen_by(viewer)
            assert csv[-2].endswith(",1,0,1,1,0,1,0,1,1")
            assert "+1 −1" in page
            assert "ended by the customer or the platform" in page
        rebuild(small.runtime, small.context.consent.retention, 2)


def test_reasons_that_no_webhook_names_are_one(small: Service) -> None:
    shop = small.merchant()

    def one_of_each(transaction: Transaction) -> None:
        for reason in EndReason:
            count_one(small.runtime, transaction, Measure.LOST, counted_for(shop.id), reason)

    small.runtime.database.run(one_of_each)
    small.clock.advance(timedelta(days=1))
    small.runtime.database.run(one_of_each)
    today, page, _ = seen_by(*viewers(small, shop))
    assert "ended by" not in today
    for words in ("ended by the customer or the platform", "its time was over", "replaced by"):
        assert words in page
    assert "+0 −7" in page
    assert not [words for words in HIDDEN if words in page]
