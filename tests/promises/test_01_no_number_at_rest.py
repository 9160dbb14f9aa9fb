"""Promise 1: a raw number is nowhere but in memory. Every byte that was written is searched."""

import logging
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.logging_setup import redact
from tests.number_scan import NUMBERS, WRITTEN, files, forms, found_in, searched_all, swapped
from tests.service import LINK, PROMOTIONS, Service, found


def test_the_search_would_find_a_number_in_any_form() -> None:
    """A search that finds nothing proves something only if it finds what is there."""
    for number in NUMBERS:
        for form in forms(number):
            assert (number, form) in found_in(b"before" + form + b"after")


def test_bcd_is_as_sms_carries_it() -> None:
    assert swapped("8613912340917") == bytes.fromhex("683119320419F7")


def test_a_whole_story_leaves_no_number_in_any_answer_or_file(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    merchant = service.merchant()
    answers: list[bytes] = []
    with caplog.at_level(logging.DEBUG):
        for number in NUMBERS[:8]:
            consumer = service.consumer(number)
            request = merchant.ask(return_url="https://shop.example/back")
            answers.append(consumer.agree(request["path"], PROMOTIONS).data)
            token = merchant.token(request)
            looked = (
                merchant.send(token, text="满 200 减 50", reference=f"order-{number[-2:]}"),
                merchant.send(token, "orders.updates"),
                merchant.post("/v1/tokens/introspect", {"token": token}),
                merchant.post("/v1/tokens/renew", {"token": token}),
                merchant.get("/v1/grants"),
            )
            answers += [each.data + str(each.headers).encode() for each in looked]
            service.work()
            answers.append(consumer.log_in().data)
            answers.append(consumer.get(f"/m/{found(LINK, consumer.texts()[-2])}").data)
            answers.append(token.encode())
            service.reply(number, "106900011", "退订")
            consumer.post("/my", phone="not a number " + number)
    # the page that echoes nothing, the log that holds nothing, the disk that keeps nothing
    assert not found_in(b"\n".join(answers), NUMBERS[:8])
    assert not found_in(caplog.text.encode(), NUMBERS[:8])
    for path in files([tmp_path]):
        assert not found_in(path.read_bytes(), NUMBERS[:8]), path


def test_a_number_prints_formats_and_pickles_nothing() -> None:
    number = PhoneNumber.parse(NUMBERS[0])
    assert not found_in(repr(number).encode() + str(number).encode())
    with pytest.raises(TypeError):
        f"{number}"
    with pytest.raises(TypeError):
        pickle.dumps(number)


@pytest.mark.parametrize("text", [*NUMBERS, "138 1234 0917", "138-1234-0917"])
def test_logs_blot_what_looks_like_a_number(text: str) -> None:
    assert redact(f"sent to {text}.") == "sent to [digits]."


@given(
    digits=st.text("0123456789０１٣", min_size=7, max_size=15),
    separators=st.lists(
        st.sampled_from(["", "_", "/", " ", "-", ".", ") (", " - ", "\u00a0", "\u200b", "–", "__"]),
        min_size=15, max_size=15,
    ),
    plus=st.sampled_from(["", "+", "tel:", "("]),
)  # fmt: skip
@example(digits="13812345678", separators=["", "", "_"] * 5, plus="")
@example(digits="13812345678", separators=["", "", "/"] * 5, plus="")
def test_logs_redact_a_number_however_it_is_grouped(
    digits: str, separators: list[str], plus: str
) -> None:
    written = plus + "".join(map("".join, zip(digits, separators, strict=False)))
    assert not re.search(r"\d", redact(f"sent to {written} at last"))


def test_logs_keep_short_numbers() -> None:
    assert redact("status_503 after 30 s, 123456 left") == "status_503 after 30 s, 123456 left"


def test_cookies_hold_no_number(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    path = merchant.ask()["path"]
    consumer.post(path, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    cookie = consumer.browser.get_cookie("session")
    assert cookie is not None
    assert not found_in(cookie.value.encode())


def test_what_the_whole_suite_wrote_holds_no_number() -> None:
    """The last test of all: databases, journals, logs and PostgreSQL's own files."""
    assert WRITTEN, "no test has written anything: this test is to run after the others"
    leaks, octets = searched_all(WRITTEN)
    assert leaks == []
    assert octets > 0
