"""One-time codes: hard to guess, bound to one browser, and silent about the number (T7 to T10)."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import sqrt
from pathlib import Path
from statistics import NormalDist, median

import phonenumbers
import pytest
from sqlalchemy import event, text

from tests.number_scan import NUMBERS
from tests.service import CODE, PROMOTIONS, Consumer, Page, Service, otp_policy

WIDE = otp_policy("number=1000/hour;client_ip=100000/hour;total=1000000/hour")


def ask(consumer: Consumer, number: str | None = None) -> str:
    """Ask for a code at /my, and return the page that follows."""
    consumer.post("/my", consumer.get("/my?again=1").text, phone=number or consumer.number)
    return consumer.get("/my").text


def is_in(consumer: Consumer, code: str) -> bool:
    consumer.post("/my", code=code)
    return 'value="leave"' in consumer.get("/my").text


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_code_is_six_digits_and_good_once(service: Service) -> None:
    consumer = service.consumer()
    ask(consumer)
    code = consumer.code()
    assert re.fullmatch(r"\d{6}", code)
    cookie = consumer.browser.get_cookie("session")
    assert is_in(consumer, code)
    again = service.consumer()
    assert cookie
    again.browser.set_cookie("session", cookie.value)
    assert not is_in(again, code)


def test_a_code_lasts_five_minutes(service: Service) -> None:
    consumer = service.consumer()
    ask(consumer)
    code = consumer.code()
    service.clock.advance(timedelta(minutes=5))
    assert not is_in(consumer, code)


def test_a_code_allows_five_tries(service: Service) -> None:
    consumer = service.consumer()
    ask(consumer)
    code = consumer.code()
    for _ in range(5):
        assert not is_in(consumer, wrong(code))
    assert not is_in(consumer, code)


def test_a_code_works_only_in_the_browser_that_asked(service: Service) -> None:
    one, other = service.consumer(), service.consumer()
    ask(one)
    code = one.code()
    ask(other, NUMBERS[1])
    assert not is_in(other, code)
    assert is_in(one, code)


def test_a_code_for_one_thing_opens_no_other(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    first, second = merchant.ask()["path"], merchant.ask()["path"]
    consumer.post(first, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    code = consumer.code()
    answer = consumer.post(second, code=code, decision="grant")
    assert answer.status_code == 422
    ask(consumer)
    assert not is_in(consumer, code)


def test_a_new_code_does_not_reset_the_count_of_failures(small: Service) -> None:
    """Ten a day for a number (SP 800-63B-4, 3.1.3.2), however many codes are asked for."""
    service = small.with_context(otp=WIDE)
    consumer = service.consumer()
    failed = 0
    for _ in range(5):
        ask(consumer)
        code = consumer.code()
        for _ in range(2):
            assert not is_in(consumer, wrong(code))
            failed += 1
    assert failed == 10
    before = len(consumer.texts())
    ask(consumer)
    service.work()
    assert len(consumer.texts()) == before, "after ten failures no code is sent"
    service.clock.advance(timedelta(days=1))
    ask(consumer)
    assert is_in(consumer, consumer.code())


def test_the_right_code_after_ten_failures_is_refused(small: Service) -> None:
    service = small.with_context(otp=WIDE)
    victim, attacker = service.consumer(), service.consumer()
    ask(victim)
    code = victim.code()
    for _ in range(2):
        ask(attacker)
        for _ in range(5):
            assert not is_in(attacker, wrong(code))
    assert not is_in(victim, code)


@pytest.mark.slow
def test_ten_thousand_guesses_do_not_get_in(small: Service) -> None:
    """Many browsers and addresses, many codes: what is accepted as a guess stays ten a day."""
    service = small.with_context(otp=WIDE)
    guessed = 0
    for browser in range(40):
        attacker = service.consumer()
        ask(attacker)
        for guess in range(25):
            guessed += 1
            assert not is_in(attacker, f"{browser * 25 + guess:06}")
    with service.runtime.database.engine.connect() as connection:
        judged = connection.scalar(text("SELECT count(*) FROM events WHERE kind = 'code_failed'"))
    assert guessed == 1000
    assert judged == 10


def test_limits_by_number_address_and_over_all(service: Service) -> None:
    otp = otp_policy("number=2/hour,3/day;client_ip=5/hour;total=7/day")
    limited = service.with_context(otp=otp)
    consumer = limited.consumer()
    for _ in range(4):
        ask(consumer)
    limited.work()
    assert len(consumer.texts()) == 2, "two an hour for a number"
    limited.clock.advance(timedelta(hours=1))
    ask(consumer)
    ask(consumer)
    limited.work()
    assert len(consumer.texts()) == 3, "three a day for a number"
    other = limited.consumer(NUMBERS[1])
    answers = [other.post("/my", phone=other.number).status_code for _ in range(3)]
    assert answers[-1] == 429, "the whole service is over its limit"
    limited.work()


def test_an_address_that_asks_too_often_is_told_so(service: Service) -> None:
    otp = otp_policy("number=5/hour;client_ip=3/hour;total=100/hour")
    limited = service.with_context(otp=otp)
    answers = []
    for number in NUMBERS[:5]:
        consumer = limited.consumer(number)
        answers.append(consumer.post("/my", phone=number))
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) == 3600


NOT_MOBILE = [
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region, kind in [
        ("GB", phonenumbers.PhoneNumberType.PREMIUM_RATE),
        ("GB", phonenumbers.PhoneNumberType.SHARED_COST),
        ("GB", phonenumbers.PhoneNumberType.PAGER),
        ("GB", phonenumbers.PhoneNumberType.VOIP),
        ("GB", phonenumbers.PhoneNumberType.PERSONAL_NUMBER),
        ("DE", phonenumbers.PhoneNumberType.TOLL_FREE),
        ("CN", phonenumbers.PhoneNumberType.FIXED_LINE),
    ]
    if (example := phonenumbers.example_number_for_type(region, kind)) is not None
]


def bare(page: str) -> str:
    """Return a page without what differs from one showing to the next."""
    return re.sub(r'value="[^"]{20,}"', "", page)


def test_a_number_that_is_no_mobile_gets_no_sms_and_the_same_page(service: Service) -> None:
    assert len(NOT_MOBILE) >= 5
    pages = {bare(ask(service.consumer(), number)) for number in [*NOT_MOBILE, *NUMBERS[:2]]}
    assert len(pages) == 1
    service.work()
    assert {phone.reveal() for phone, _ in service.simulator.phones()} == set(NUMBERS[:2])


@pytest.mark.parametrize(
    "text_", ["", "x", "12", "+999999999999999999", "１３９", "139123409170000000"]
)
def test_what_is_no_number_is_said_to_be_none(small: Service, text_: str) -> None:
    answer = small.consumer().post("/my", phone=text_)
    assert answer.status_code == 422
    assert "不像是手机号码" in answer.text


@pytest.mark.parametrize(
    "typed",
    [
        "13912340917",
        "139 1234 0917",
        "+86 139-1234-0917",
        "008613912340917",
        "１３９１２３４０９１７",
    ],
)
def test_numbers_typed_as_people_do(service: Service, typed: str) -> None:
    consumer = service.consumer("+8613912340917")
    ask(consumer, typed)
    assert is_in(consumer, consumer.code())


def headers(answer: Page) -> set[str]:
    return set(answer.headers.keys())


def p_of_the_same(one: list[float], other: list[float]) -> float:
    """Return how likely two samples as different as these come of one source (Mann-Whitney U)."""
    ranks = {each: place for place, each in enumerate(sorted([*one, *other]), start=1)}
    n, m = len(one), len(other)
    u = sum(ranks[each] for each in one) - n * (n + 1) / 2
    z = (u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
    return 2 * (1 - NormalDist().cdf(abs(z)))


@contextmanager
def statements(service: Service) -> Iterator[list[str]]:
    """Collect the SQL statements that are executed meanwhile, without their parameters."""
    executed: list[str] = []

    def collect(*event_arguments: object) -> None:
        executed.append(str(event_arguments[2]))

    engine = service.runtime.database.engine
    event.listen(engine, "before_cursor_execute", collect)
    yield executed
    event.remove(engine, "before_cursor_execute", collect)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/my", "/report"])
def test_known_and_unknown_numbers_get_the_same_answer_in_the_same_time(
    small: Service, path: str
) -> None:
    """The same statements; CPU time, interleaved: medians within a millisecond, no order by rank.

    CPU time, because the wall clock of a shared machine also measures its other processes; what
    waiting for the database could tell is held by the statements.
    """
    service = small.with_context(otp=WIDE)
    known, unknown = NUMBERS[0], NUMBERS[1]
    service.obtain_token(service.merchant(), service.consumer(known))
    took: dict[str, list[float]] = {known: [], unknown: []}
    seen: dict[str, set[object]] = {known: set(), unknown: set()}
    ran: dict[str, set[tuple[str, ...]]] = {known: set(), unknown: set()}
    browser = service.consumer()
    for round_ in range(120):
        for number in (known, unknown) if round_ % 2 else (unknown, known):
            page = browser.get(f"{path}?again=1").text
            with statements(service) as executed:
                begun = time.thread_time()
                answer = browser.post(path, page, phone=number)
                took[number].append(time.thread_time() - begun)
            ran[number].add(tuple(executed))
            seen[number].add((answer.status_code, bare(answer.text), frozenset(headers(answer))))
    assert seen[known] == seen[unknown]
    assert ran[known] == ran[unknown]
    apart = abs(median(took[known]) - median(took[unknown]))
    p = p_of_the_same(took[known], took[unknown])
    print(f"\n{path}: medians {apart * 1e6:.0f} us apart, p = {p:.2f}")
    assert apart < 0.001
    assert p > 0.01 or apart < 0.0003  # what no network lets through


def test_a_number_without_consents_logs_in_and_sees_an_empty_page(service: Service) -> None:
    page = service.consumer(NUMBERS[3]).log_in().text
    assert "没有谁可以给您发短信" in page


def test_no_code_can_be_found_in_what_was_written(small: Service, tmp_path: Path) -> None:
    """Neither plain nor under any hash without the key."""
    consumer = small.consumer()
    ask(consumer)
    with small.runtime.database.engine.connect() as connection:
        challenge = connection.execute(text("SELECT id FROM challenges")).one()
    small.work()
    code = CODE.search(consumer.texts()[-1])
    assert code
    written = b"".join(each.read_bytes() for each in tmp_path.glob("consent.db*"))
    for plain in (code[1].encode(), challenge.id + code[1].encode()):
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, plain)
            assert digest.digest() not in written
            assert digest.hexdigest().encode() not in written
    assert code[1].encode() not in written
