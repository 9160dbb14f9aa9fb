"""The catalogue of purposes as data: what a file may say, and what may not change."""

import copy
from collections.abc import Iterator

import pytest

from consent_tokens.consent.purpose_catalogue import (
    MAX_PURPOSES,
    built_in_definitions,
    changes,
    extend,
    parse_catalogue,
)
from consent_tokens.consent.purposes import (
    Purpose,
    PurposeClass,
    in_catalogue_order,
    limited_purposes,
    use_own_purposes,
)
from consent_tokens.localization import LANGUAGES
from tests.fixtures import OWN_PURPOSE

BUILT_IN = built_in_definitions()


@pytest.fixture
def own_purposes() -> Iterator[None]:
    """Loyalty points beside the built-in purposes."""
    use_own_purposes(parse_catalogue(OWN_PURPOSE))
    yield
    use_own_purposes(())


def test_a_purpose_is_looked_up_and_equal_to_its_id() -> None:
    assert Purpose("orders.updates") is Purpose.ORDERS
    assert Purpose.ORDERS == "orders.updates"
    assert {"orders.updates": 1}[Purpose.ORDERS] == 1
    assert "orders.updates" in Purpose
    assert "orders" not in Purpose
    assert copy.deepcopy(Purpose.ORDERS) is Purpose.ORDERS
    with pytest.raises(ValueError, match="'orders' is no purpose"):
        Purpose("orders")


@pytest.mark.usefixtures("own_purposes")
def test_an_own_purpose_stands_behind_the_built_in_ones_of_its_class() -> None:
    points = Purpose("loyalty.points")
    assert (points.keyword_number, points.purpose_class) == (101, PurposeClass.MARKETING)
    assert points.words("zh-TW").name == "會員點數"
    assert points in limited_purposes()
    assert in_catalogue_order(frozenset({points, Purpose.ORDERS, Purpose.SURVEYS})) == (
        Purpose.SURVEYS, points, Purpose.ORDERS,
    )  # fmt: skip
    assert len(Purpose) == len(BUILT_IN) + 1


def test_what_one_process_starts_with_is_gone_in_the_next() -> None:
    assert "loyalty.points" not in Purpose
    assert len(Purpose) == len(BUILT_IN)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_words_differ(language: str) -> None:
    """Two purposes of one name could not be told apart on the question page."""
    for member in ("name", "description", "example"):
        words = [getattr(each.words[language], member) for each in BUILT_IN]
        assert len(set(words)) == len(words)


def test_only_collection_needs_an_admission_of_its_own() -> None:
    assert [each for each in Purpose if each.needs_own_admission] == [Purpose.COLLECTION]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('id = "loyalty.points"\n', "", r"purpose 1: .*`id`"),
        ('"loyalty.points"', '"Loyalty Points"', r"Loyalty Points: `id`: .*regex"),
        ('"loyalty.points"', '"loyalty"', r"loyalty: `id`: .*regex"),
        ('"loyalty.points"', f'"loyalty.{"p" * 40}"', r"`id`: .*length <= 40"),
        ('class = "marketing"\n', "", r"loyalty.points: .*`class`"),
        ('"marketing"', '"advert"', r"loyalty.points: `class`: Invalid enum value 'advert'"),
        ("number = 101", 'number = "101"', r"loyalty.points: `number`: Expected `int`"),
        ("number = 101", "number = 1000", r"loyalty.points: `number`: .*<= 999"),
        ("number = 101", "number = 101\nkind = 1", r"loyalty.points: .*`kind`"),
        ("words.zh-TW", "words.zh-HK", r"loyalty.points: `words.zh-TW` is missing"),
        ("[purpose.words.en]", "[purpose.words.de]\n", r"loyalty.points: `words.en` is missing"),
        ('name = "Points"', 'name = ""', r"loyalty.points: `words.*name`: .*length >= 1"),
        ('name = "Points"', f'name = "{"P" * 41}"', r"loyalty.points: `words.*name`: .*<= 40"),
        ('name = "Points"', 'name = " Points"', r"loyalty.points: `words.*`name` must be one line"),
        ('name = "Points"', r'name = "Poi\nnts"', r"loyalty.points: `words.*`name` must be one li"),
        ('name = "Points"\n', "", r"loyalty.points: `words.*name`"),
        ("[[purpose]]", "[[purposes]]", "`purposes` is no member"),
        ("[[purpose]]", "[purpose]", r"there is no \[\[purpose\]\]"),
        ("[[purpose]]", "[[purpose]", "Expected"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_purpose_and_member(
    before: str, after: str, fault: str
) -> None:
    text = OWN_PURPOSE.replace(before, after)
    assert text != OWN_PURPOSE
    with pytest.raises(ValueError, match=fault):
        parse_catalogue(text)


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("loyalty.points", "loyalty.levels", "loyalty.points: `number` 101 is there twice"),
        ("101", "102", "loyalty.points: `id` loyalty.points is there twice"),
    ],
)
def test_each_id_and_number_is_there_once(before: str, after: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_catalogue(OWN_PURPOSE + OWN_PURPOSE.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("loyalty.points", "marketing.points", "marketing.points: `id` begins as a built-in"),
        ("loyalty.points", "account.points", "account.points: `id` begins as a built-in"),
        ("101", "99", "loyalty.points: `number` must be from 100 to 999"),
    ],
)
def test_an_own_purpose_leaves_built_in_ids_and_numbers_alone(
    before: str, after: str, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        extend(BUILT_IN, parse_catalogue(OWN_PURPOSE.replace(before, after)))


def test_a_catalogue_has_an_end() -> None:
    many = "".join(
        OWN_PURPOSE.replace("points", f"p{place}").replace("101", str(place))
        for place in range(100, 100 + MAX_PURPOSES)
    )
    with pytest.raises(ValueError, match=f"more than {MAX_PURPOSES} purposes"):
        extend(BUILT_IN, parse_catalogue(many))


@pytest.mark.parametrize(
    ("known", "faults"),
    [
        (("marketing.surveys", 4, "marketing"), []),
        (("loyalty.points", 101, "marketing"), ["loyalty.points is missing"]),
        (("marketing.surveys", 40, "marketing"), ["marketing.surveys: `number` was 40, not 4"]),
        (("service.notices", 8, "marketing"),
         ["service.notices: `class` was marketing, not transactional"]),
        (("loyalty.points", 4, "marketing"),
         ["loyalty.points is missing", "marketing.surveys: `number` 4 was that of loyalty.points"]),
    ],
)  # fmt: skip
def test_what_was_in_use_may_not_change(known: tuple[str, int, str], faults: list[str]) -> None:
    assert changes([known], BUILT_IN) == faults
