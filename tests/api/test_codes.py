"""One-time codes: hard to guess, bound to one browser, and silent about the number (T7 to T10)."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import NormalDist, median

import phonenumbers
import pytest
from playwright.sync_api import Browser
from sqlalchemy import event, text

from consent_tokens.app_context import DEFAULTS
from consent_tokens.clock import ManualClock
from tests.browsers import service_over_http
from tests.number_scan import NUMBERS, WRITTEN
from tests.service import CODE, PROMOTIONS, Consumer, Page, Service, found, otp_policy

MANY = "number=1000/hour;client_ip=100000/hour;total=1000000/hour"
WIDE = otp_policy(MANY)
WAITING = otp_policy(MANY, DEFAULTS.otp.waits)


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
    choose = partial(consumer.post, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    choose(first)
    code = consumer.code()
    answer = consumer.post(second, consumer.get(first).text, code=code, decision="grant")
    assert answer.status_code == 403, "the second question waits for no code"
    choose(second)
    assert consumer.code() != code
    answer = consumer.post(second, code=code, decision="grant")
    assert (answer.status_code, answer.location) == (303, second)
    assert "This code is wrong" in consumer.get(f"{second}?lang=en").text
    assert merchant.get("/v1/grants").json["items"] == []
    ask(consumer)
    assert not is_in(consumer, code)


def test_a_new_code_does_not_reset_the_count_of_failures(small: Service) -> None:
    """Ten a day for a number and asker, however many codes there are (SP 800-63B-4, 3.1.3.2)."""
    service = small.with_context(otp=WIDE)
    consumer = service.consumer()
    failed = 0
    for _ in range(5):
        ask(consumer)
        code = consumer.code()
        for _ in range(2):
            assert not is_in(consumer, wrong(code))
            failed += 1
        service.clock.advance(timedelta(hours=1))
    assert failed == 10
    answer = consumer.post("/my", consumer.get("/my?again=1").text, phone=consumer.number)
    assert answer.status_code == 429, "after ten failures the asker is told to wait"
    service.clock.advance(timedelta(days=1))
    ask(consumer)
    assert is_in(consumer, consumer.code())


def from_address(consumer: Consumer, address: str) -> Consumer:
    consumer.browser.environ_base["REMOTE_ADDR"] = address
    return consumer


def test_ten_wrong_codes_of_a_stranger_lock_nobody_out(small: Service) -> None:
    service = small.with_context(otp=WIDE)
    victim = service.consumer()
    attacker = from_address(service.consumer(), "198.51.100.7")
    for _ in range(2):
        ask(attacker)
        for _ in range(5):
            assert not is_in(attacker, wrong(attacker.code()))
        service.clock.advance(timedelta(minutes=10))
    ask(victim)
    assert is_in(victim, victim.code())


def test_many_strangers_lock_new_browsers_out_but_none_that_proved_the_number(
    small: Service,
) -> None:
    service = small.with_context(otp=WIDE)
    known, new = service.consumer(), from_address(service.consumer(), "203.0.113.9")
    known.log_in()
    known.post("/my", action="leave")
    for stranger in range(5):
        attacker = from_address(service.consumer(), f"198.51.100.{stranger}")
        for _ in range(2):
            ask(attacker)
            for _ in range(5):
                assert not is_in(attacker, wrong(attacker.code()))
            service.clock.advance(timedelta(minutes=10))
    answer = new.post("/my", phone=new.number)
    assert answer.status_code == 429, "fifty wrong codes a day for one number"
    ask(known)
    assert is_in(known, known.code())


@pytest.mark.slow
def test_guesses_from_many_addresses_stay_fifty_a_day(small: Service) -> None:
    """Many browsers and addresses, many codes: as many guesses are compared as the limit allows."""
    service = small.with_context(otp=WIDE)
    guessed = 0
    for browser in range(40):
        attacker = from_address(service.consumer(), f"198.51.100.{browser}")
        attacker.post("/my", phone=attacker.number)
        for guess in range(25):
            guessed += 1
            assert not is_in(attacker, f"{browser * 25 + guess:06}")
    with service.runtime.database.engine.connect() as connection:
        judged = connection.scalar(text("SELECT count(*) FROM events WHERE kind = 'code_failed'"))
    assert guessed == 1000
    assert judged == 50


def statuses(consumer: Consumer, count: int, apart: timedelta = timedelta()) -> list[int]:
    """Ask for codes one after the other; return the status of each answer."""
    found = []
    for _ in range(count):
        page = consumer.get("/my?again=1").text
        found.append(consumer.post("/my", page, phone=consumer.number).status_code)
        consumer.service.clock.advance(apart)
    return found


def test_the_same_asker_waits_longer_from_code_to_code(small: Service) -> None:
    service = small.with_context(otp=WAITING)
    consumer = service.consumer()
    for wait in (30, 60, 120, 300, 900, 3600, 3600):
        assert statuses(consumer, 2) == [303, 429]
        refused = consumer.post("/my", consumer.get("/my?again=1").text, phone=consumer.number)
        assert refused.headers["Retry-After"] == str(wait)
        service.clock.advance(timedelta(seconds=wait))
    other = from_address(service.consumer(), "198.51.100.7")
    assert statuses(other, 1) == [303], "who asks from elsewhere does not wait for them"


def test_the_page_says_when_another_code_can_be_asked_for(small: Service) -> None:
    consumer = small.with_context(otp=WAITING).consumer()
    assert "30 秒后可以重新获取" in ask(consumer)
    small.clock.advance(timedelta(seconds=30))
    shown = consumer.get("/my").text
    assert "重新获取验证码" in shown
    assert "秒后" not in shown
    assert "script" not in consumer.get("/my").headers["Content-Security-Policy"]


@pytest.mark.browser
def test_a_script_counts_down_to_the_next_code(browser: Browser, tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    with (
        service_over_http(tmp_path, otp=WAITING) as service,
        browser.new_context(locale="en-GB") as context,
    ):
        page = context.new_page()
        page.clock.install()
        page.goto(f"{service.base}/my")
        page.fill("input[name=phone]", NUMBERS[0])
        page.click("main button")
        page.fill("input[name=code]", "123")
        page.get_by_text("new code in 0:").wait_for()
        page.clock.fast_forward(31_000)
        page.get_by_role("status").get_by_role("link", name="Ask for a new code").wait_for()
        assert page.get_by_text("new code in").count() == 0
        assert page.input_value("input[name=code]") == "123"


def test_strangers_cannot_use_up_the_codes_of_a_number(small: Service) -> None:
    """Above a number's limit, codes need a challenge; who proved the number has a limit apart."""
    otp = otp_policy("number=3/hour;client_ip=1000/hour;total=10000/hour")
    service = small.with_context(otp=otp)
    known, new = service.consumer(), from_address(service.consumer(), "203.0.113.9")
    known.log_in()
    known.post("/my", action="leave")
    strangers = [from_address(service.consumer(), f"198.51.100.{at}") for at in range(6)]
    assert [statuses(each, 1)[0] for each in strangers] == [303, 303, 429, 429, 429, 429]
    page = new.post("/my", new.get("/my").text, phone=new.number)
    assert page.status_code == 429
    assert 'name="ticket"' in page.text, "the page offers work, or a wait"
    service.clock.advance(timedelta(seconds=61))
    assert new.post("/my", page.text, phone=new.number, ticket=ticket_in(page)).status_code == 303
    assert is_in(new, new.code())
    ask(known)
    assert is_in(known, known.code())


def ticket_in(page: Page) -> str:
    match = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert match
    return match[1]


def test_no_number_is_flooded_with_codes(small: Service) -> None:
    """Also with solved challenges: three times the limit of the number, and no more."""
    otp = otp_policy("number=2/hour;client_ip=1000/hour;total=10000/hour")
    service = small.with_context(otp=otp)
    for at in range(20):
        stranger = from_address(service.consumer(), f"198.51.100.{at}")
        page = stranger.post("/my", phone=stranger.number)
        if page.status_code == 429:
            service.clock.advance(timedelta(seconds=61))
            stranger.post("/my", page.text, phone=stranger.number, ticket=ticket_in(page))
    service.work()
    assert len(service.consumer().texts()) <= 2 + 2 * 3


def test_a_proof_is_worth_nothing_for_another_number_or_changed(small: Service) -> None:
    service = small.with_context(otp=WAITING)
    known = service.consumer()
    known.log_in()
    known.post("/my", action="leave")
    cookie = known.browser.get_cookie("proof")
    assert cookie
    assert known.number[-4:] not in cookie.value
    assert statuses(known, 2) == [303, 303], "who proved the number does not wait"
    known.number = NUMBERS[1]
    assert statuses(known, 2) == [303, 429]
    thief = service.consumer(NUMBERS[0])
    thief.browser.set_cookie("proof", cookie.value[:-2] + "AA")
    assert statuses(thief, 2)[1] == 429


def test_an_ipv6_network_counts_as_one_address(small: Service) -> None:
    otp = otp_policy("number=5/hour;client_ip=3/hour;total=1000/hour")
    service = small.with_context(otp=otp)
    answers = []
    for at, number in enumerate(NUMBERS[:5]):
        consumer = from_address(service.consumer(number), f"2001:db8:0:1::{at + 1:x}")
        answers.append(consumer.post("/my", phone=number).status_code)
    assert answers == [303, 303, 303, 429, 429]
    other = from_address(service.consumer(NUMBERS[5]), "2001:db8:0:2::1")
    assert other.post("/my", phone=other.number).status_code == 303


def test_an_ipv6_site_counts_more_loosely(small: Service) -> None:
    otp = otp_policy("number=500/hour;client_ip=2/hour;total=1000/hour")
    service = small.with_context(otp=otp)
    answers = []
    for at in range(10):
        consumer = from_address(service.consumer(), f"2001:db8:0:{at:x}::1")
        answers.append(consumer.post("/my", phone=consumer.number).status_code)
    assert answers == [303] * 8 + [429] * 2


def test_the_rest_of_the_total_limit_is_for_numbers_with_consents(small: Service) -> None:
    """Nobody is shown the difference."""
    otp = otp_policy("number=50/hour;client_ip=1000/hour;total=10/hour")
    service = small.with_context(otp=otp)
    known = service.consumer(NUMBERS[0])
    service.obtain_token(service.merchant(), known)
    strangers = [service.consumer(number) for number in NUMBERS[1:9]]
    pages = {bare(ask(each)) for each in strangers[:7]}
    fresh = from_address(service.consumer(NUMBERS[0]), "203.0.113.9")
    unknown = ask(strangers[7])
    shown = ask(fresh)
    service.work()
    assert strangers[0].texts()
    assert not strangers[7].texts(), "eight of ten were used"
    assert len(known.texts()) == 2
    assert masked(unknown) == masked(shown)
    assert len({masked(page) for page in pages}) == 1


def masked(page: str) -> str:
    return re.sub(r'<b class="num">[^<]+</b>', "", bare(page))


def test_the_whole_service_has_a_limit(service: Service) -> None:
    otp = otp_policy("number=2/hour,3/day;client_ip=50/hour;total=4/day")
    limited = service.with_context(otp=otp)
    answers = [
        (other := limited.consumer(number)).post("/my", phone=other.number).status_code
        for number in NUMBERS[:6]
    ]
    assert answers == [303] * 4 + [429] * 2


def test_an_address_that_asks_too_often_is_told_so(service: Service) -> None:
    otp = otp_policy("number=5/hour;client_ip=3/hour;total=100/hour")
    limited = service.with_context(otp=otp)
    answers = []
    for number in NUMBERS[:5]:
        consumer = limited.consumer(number)
        answers.append(consumer.post("/my", phone=number))
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) == 3600


def example(region: str, kind: int) -> str:
    found = phonenumbers.example_number_for_type(region, kind)
    assert found
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def bare(page: str) -> str:
    """Return a page without what differs from one showing to the next."""
    return re.sub(r'value="[^"]{20,}"', "", page)


NO_NUMBERS = [
    ("", "不像是手机号码"),
    ("x", "不像是手机号码"),
    ("１３９", "位数不够"),
    ("1391234562", "位数不够"),
    ("139123409170000000", "位数过多"),
    ("+86 86 139 1234 5678", "没有这样的号码|位数过多"),
    ("+999999999999999999", "不像是手机号码|位数过多"),
    ("12012345678", "没有这样的号码|境外号码"),
    ("4915112345678", "境外号码"),
    ("+8810123456789", "不像是手机号码|没有这样的号码|无法向这类号码"),
    (example("GB", phonenumbers.PhoneNumberType.PREMIUM_RATE), "无法向这类号码"),
    (example("FR", phonenumbers.PhoneNumberType.SHARED_COST), "无法向这类号码"),
    (example("GB", phonenumbers.PhoneNumberType.PAGER), "无法向这类号码"),
    (example("DE", phonenumbers.PhoneNumberType.TOLL_FREE), "无法向这类号码"),
    ("010-12345678", "固定电话|没有这样的号码"),
    (example("CN", phonenumbers.PhoneNumberType.FIXED_LINE), "固定电话"),
    (example("GB", phonenumbers.PhoneNumberType.VOIP), "固定电话"),
]


@pytest.mark.parametrize(("typed", "words"), NO_NUMBERS)
@pytest.mark.parametrize("path", ["/my", "/report"])
def test_a_number_that_gets_no_code_is_refused_in_words(
    small: Service, path: str, typed: str, words: str
) -> None:
    """Its form is no secret; a code that will not come is not promised."""
    answer = small.consumer().post(path, phone=typed)
    assert answer.status_code == 422
    assert re.search(words, answer.text), answer.text
    assert 'href="#phone"' in answer.text
    small.work()
    assert not small.simulator.phones()


def test_a_landline_gets_a_code_once_it_is_confirmed(small: Service) -> None:
    landline = small.consumer(example("CN", phonenumbers.PhoneNumberType.FIXED_LINE))
    asked = landline.post("/my", phone=landline.number)
    assert 'name="can_receive"' in asked.text
    assert landline.post("/my", phone=landline.number, can_receive="1").status_code == 303
    assert landline.code()


def test_the_page_of_the_code_shows_the_number_masked(small: Service) -> None:
    consumer = small.consumer("+8613912340917")
    shown = ask(consumer)
    assert "+86 139 •••• 0917" in shown
    assert "13912340917" not in shown
    assert 'href="?again=1"' in shown


def test_a_wrong_code_answers_by_redirect(small: Service) -> None:
    """So that Back and reloading send nothing again."""
    consumer = small.consumer()
    ask(consumer)
    answer = consumer.post("/my", code=wrong(consumer.code()))
    assert answer.status_code == 303
    assert "验证码错误或已失效" in consumer.get("/my").text
    assert "验证码错误或已失效" not in consumer.get("/my").text


@pytest.mark.parametrize(
    "dress",
    [
        "{} ", "{0[0]}{0[1]}{0[2]}-{0[3]}{0[4]}{0[5]}", "{0[0]} {0[1]} {0[2]} {0[3]} {0[4]} {0[5]}",
        "【短信许可】验证码 {}，用于登录，5 分钟内有效，请勿告诉他人。\n@localhost #{}",
        "[Consent Tokens] Your code is {}, to sign in. Valid for 5 minutes; tell it to nobody.",
    ],
)  # fmt: skip
def test_a_code_is_taken_as_people_enter_it(small: Service, dress: str) -> None:
    consumer = small.consumer()
    ask(consumer)
    code = consumer.code()
    assert is_in(consumer, dress.format(code, code))


def test_a_code_in_full_width_digits_is_taken(small: Service) -> None:
    consumer = small.consumer()
    ask(consumer)
    assert is_in(consumer, "".join(chr(ord(each) + 0xFEE0) for each in consumer.code()))


@pytest.mark.parametrize("entered", ["", "12345", "1234567", "x" * 10_000, "１" * 499 + "\ufdfa"])
def test_what_is_no_code_is_refused(small: Service, entered: str) -> None:
    consumer = small.consumer()
    ask(consumer)
    assert not is_in(consumer, entered)


def test_the_sms_says_what_its_code_is_for(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    ask(consumer)
    small.work()
    assert "用于登录" in consumer.texts()[-1]
    reporter = small.consumer(NUMBERS[1])
    reporter.post("/report", phone=reporter.number)
    small.work()
    assert "用于举报短信" in reporter.texts()[-1]
    asked = small.consumer(NUMBERS[2])
    path = merchant.ask()["path"]
    asked.post(path, purposes=[PROMOTIONS], phone=asked.number, decision="grant")
    small.work()
    last = asked.texts()[-1]
    assert "同意接收" in last
    assert last.splitlines()[-1] == f"@localhost #{found(CODE, last)}"


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
        service.clock.advance(timedelta(hours=2))  # past the wait between codes
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
    assert "没有商家可以给您发短信" in page


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


class EachReadingIsLater(ManualClock):
    """A clock on which a second passes between any two readings."""

    def now(self) -> datetime:
        self.advance(timedelta(seconds=1))
        return super().now()


def test_a_second_that_begins_meanwhile_makes_no_code_wrong(tmp_path: Path) -> None:
    """Times have whole seconds: a limit compared with another reading would refuse by chance."""
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys", clock=EachReadingIsLater()
    )
    consumer = service.consumer()
    for _ in range(3):
        ask(consumer)
        assert is_in(consumer, consumer.code())
        consumer.post("/my", action="leave")
    service.close()
