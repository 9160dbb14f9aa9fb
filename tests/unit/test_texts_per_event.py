"""Merchants with more texts for each event than is usual."""

import pytest

from consent_tokens.relay.texts_per_event import MIN_EVENTS, EventTexts, outliers

USUAL = [EventTexts(f"mer_{place}", 120 + place, 100) for place in range(5)]


@pytest.mark.parametrize(
    ("texts", "events", "stands_out"),
    [
        (500, 100, True),
        (130, 100, False),
        (2 * 122, 100, False),  # just twice the median
        (MIN_EVENTS * 9, MIN_EVENTS, True),
        ((MIN_EVENTS - 1) * 9, MIN_EVENTS - 1, False),  # too few events say nothing
    ],
)
def test_who_has_far_more_texts_for_each_event_stands_out(
    texts: int, events: int, *, stands_out: bool
) -> None:
    one = EventTexts("mer_x", texts, events)
    found = [each.counted for each in outliers([one, *USUAL[:4]])]
    assert found == ([one] if stands_out else [])


def test_a_peak_of_all_and_few_merchants_alarm_nobody() -> None:
    at_a_peak = [each._replace(texts=each.texts * 5) for each in USUAL]
    assert outliers(at_a_peak) == []
    assert outliers([EventTexts("mer_x", 900, 100), *USUAL[:3]]) == []
