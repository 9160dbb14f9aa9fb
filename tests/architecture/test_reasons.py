"""The table of reasons is complete, and every place that shows a reason draws from it."""

import pytest

from consent_tokens.localization import LANGUAGES, catalogue
from consent_tokens.relay.decision import Reason
from consent_tokens.services.dispatch.outcomes import QUARANTINE_REASONS
from consent_tokens.services.outbox.service_messages import WITHHELD
from consent_tokens.web.reasons import FAILURES, REASON_TEXTS, REFUSALS, consumer_text
from tests.architecture.refusals_page import PAGE, TABLE, tables
from tests.service import Service


def test_every_reason_has_one_entry_in_the_order_of_the_checks() -> None:
    assert [each.code for each in REFUSALS] == list(Reason)
    assert {each.code for each in FAILURES} == {WITHHELD, *QUARANTINE_REASONS}
    assert len(REASON_TEXTS) == len(REFUSALS) + len(FAILURES)


@pytest.mark.parametrize("code", [*REASON_TEXTS, "smpp_0x45", None])
def test_every_reason_has_a_sentence_for_consumers_in_every_language(code: str | None) -> None:
    said = {catalogue(language).gettext(consumer_text(code)) for language in LANGUAGES}
    assert len(said) == len(LANGUAGES), "it is the same in two languages"


def test_the_page_of_refusals_is_the_table() -> None:
    written = TABLE.findall(PAGE.read_text("utf-8"))
    assert written == tables(), "run: python -m tests.architecture.refusals_page"


def test_the_docs_page_explains_every_reason(small: Service) -> None:
    page = small.app.test_client().get("/docs").text
    for each in REASON_TEXTS.values():
        assert f'<dt id="{each.code}">' in page
        assert each.explanation in page
