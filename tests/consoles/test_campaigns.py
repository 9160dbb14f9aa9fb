"""`/merchant/campaigns`: a file is checked, sent once line by line, watched, stopped, explained."""

import csv
import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from consent_tokens.errors import TooManyRequestsError
from consent_tokens.policies import SHANGHAI
from consent_tokens.relay.campaign import PART_SIZE
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.campaigns import sending
from consent_tokens.services.campaigns.uploads import (
    MAX_LINES,
    UPLOADS,
    Upload,
    UploadedLine,
    add_campaign,
)
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import campaigns
from consent_tokens.store.merchants import MerchantStatus, set_status
from consent_tokens.workers.campaign_worker import CampaignWorker
from tests.console_people import ConsoleUser, merchant_person
from tests.fixtures import insert_grants
from tests.number_scan import NUMBERS
from tests.service import CSRF, ORDERS, PROMOTIONS, Merchant, Page, Service, found

TIMES = {"opens": "00:00", "closes": "24:00"}


def rows_of(service: Service, table: str) -> Sequence[Any]:
    query = sql(f"SELECT * FROM {table}")  # noqa: S608 - a table of this file
    return service.runtime.database.read(lambda at: at.execute(query).all())


def csv_of(*rows: tuple[object, ...], header: str = "token,purpose,text,reference") -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return f"{header}\n{text.getvalue()}"


def upload(user: ConsoleUser, content: str | bytes, **form: Any) -> Page:  # noqa: ANN401 - fields
    data = content.encode() if isinstance(content, str) else content
    token = found(CSRF, user.get("/campaigns/new").text)
    name = form.pop("filename", "spring.csv")
    return user.browser.post(
        "/merchant/campaigns",
        data={"csrf": token, "file": (io.BytesIO(data), name)} | form,
        headers={"Accept-Language": "en"},
    )


def uploaded(user: ConsoleUser, content: str | bytes, **form: Any) -> str:  # noqa: ANN401 - fields
    """Return the path of a campaign that was uploaded and checked."""
    answer = upload(user, content, **form)
    assert answer.status_code == 303, answer.text
    work(user.service)
    return answer.location.removeprefix("/merchant")


def work(service: Service, parts: int = 1_000) -> None:
    """Have the parts that are due be checked or submitted, at most so many."""
    for _ in range(parts):
        if not sending.advance_due(service.runtime, service.context.submitter, lambda: False):
            return


def start(user: ConsoleUser, path: str, **times: str) -> Page:
    return user.post(f"{path}/start", user.get(path).text, **TIMES | times)


def refused(user: ConsoleUser, path: str) -> list[list[str]]:
    text = user.get(f"{path}/refused.csv").text.removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text)))[1:]


def shop(service: Service, count: int) -> tuple[Merchant, ConsoleUser, list[str]]:
    merchant = service.merchant()
    user = merchant_person(service, merchant.id, "marketer")
    return merchant, user, insert_grants(service.runtime, merchant.id, count)


def accepted(service: Service) -> list[str]:
    """Return the references of the messages."""
    return [row.reference for row in rows_of(service, "messages")]


def test_a_file_is_checked_then_sent_and_what_was_refused_is_explained(small: Service) -> None:
    _merchant, user, tokens = shop(small, 3)
    stranger = merchant_person(small, small.merchant("Other").id, name="x@shop.example")
    rows = [(token, PROMOTIONS, "Sale today", f"r{n}") for n, token in enumerate(tokens)]
    path = uploaded(
        user,
        csv_of(
            *rows, ("x" * 20, PROMOTIONS, "Sale", "=1+1"), (tokens[0], "", "Sale", "r9"),
            (tokens[0], PROMOTIONS, "a, b", "r8", "more"),
        ),
    )  # fmt: skip
    page = user.get(path).text
    assert "Ready to start" in page
    assert "4 segments, if every line is sent" in page
    assert "Lines that cannot be sent: 2" in page
    assert "Missing or not valid: purpose." in page
    assert "it has 5 cells, the first line names 4" in page
    assert "from 100 different customers on" in page
    assert not accepted(small), "the check sends nothing"
    assert stranger.get(path).status_code == 404
    assert start(user, path).status_code == 303
    work(small)
    assert sorted(accepted(small)) == ["r0", "r1", "r2"]
    assert "Finished" in user.get(path).text
    lines = refused(user, path)
    assert [(each[0], each[1], each[2]) for each in lines] == [
        ("5", "'=1+1", "token_malformed"), ("6", "r9", "invalid"), ("7", "", "unreadable"),
    ]  # fmt: skip
    assert lines[0][5], "the decision can be looked up"
    small.work()
    assert any("Sale today" in text for number in NUMBERS for text in small.texts(number))


def test_lines_that_cannot_be_sent_are_not_opened_for_each_refresh(small: Service) -> None:
    _merchant, user, tokens = shop(small, 1)
    rows = [(tokens[0], PROMOTIONS, "Sale", "r0"), (tokens[0], "", "Sale", "r1")]
    answer = upload(user, csv_of(*rows))
    path = answer.location.removeprefix("/merchant")
    fault = "Missing or not valid: purpose."

    def shown() -> tuple[bool, bool, bool]:
        """Return whether a page refreshes itself, counts the faulty lines, and lists them."""
        page = user.get(path).text
        return "data-live" in page, "Lines that cannot be sent: 1" in page, fault in page

    assert shown() == (True, True, False), "it is being checked"
    work(small)
    assert shown() == (False, True, True)
    start(user, path)
    assert shown() == (True, True, False), "it runs"
    work(small)
    assert shown() == (False, True, True)


def test_what_is_stored_is_sealed_and_each_line_is_deleted_once_submitted(small: Service) -> None:
    _merchant, user, tokens = shop(small, 1)
    path = uploaded(user, csv_of((tokens[0], PROMOTIONS, "Secret words", "ref-1")))
    stored = str(rows_of(small, "campaign_parts")) + str(rows_of(small, "campaigns"))
    assert all(each not in stored for each in (tokens[0], "Secret words", "ref-1"))
    assert any(row.lines for row in rows_of(small, "campaign_parts"))
    start(user, path)
    work(small)
    assert not any(row.lines for row in rows_of(small, "campaign_parts"))
    small.clock.sleep(timedelta(days=31).total_seconds())
    small.maintain()
    assert not rows_of(small, "campaign_parts") + rows_of(small, "campaigns")


class KilledError(BaseException):
    """The process ends."""


def test_a_part_is_submitted_once_whenever_a_process_ends_and_however_many_run(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _merchant, user, tokens = shop(small, 5)
    count = 2 * PART_SIZE + 5
    rows = [(tokens[n % 5], PROMOTIONS, f"Sale {n}", f"r{n}") for n in range(count)]
    path = uploaded(user, csv_of(*rows))
    start(user, path)
    work(small, 1)

    def killed(*_: object) -> None:
        raise KilledError

    for name in ("complete_part", "save"):  # inside the transaction, at either write
        with monkeypatch.context() as patched:
            patched.setattr(campaigns, name, killed)
            with pytest.raises(KilledError):
                work(small, 1)
    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(work, small) for _ in range(2)]:
            each.result()
    decided = [*accepted(small), *(each[1] for each in refused(user, path))]
    assert sorted(decided) == sorted(f"r{n}" for n in range(count))
    assert "Finished" in user.get(path).text


def test_it_waits_for_its_time_and_its_hours_and_for_the_outbox(small: Service) -> None:
    _merchant, user, tokens = shop(small, 1)
    path = uploaded(user, csv_of((tokens[0], PROMOTIONS, "Sale", "r0")))
    now = small.clock.now().astimezone(SHANGHAI)
    begin = (now + timedelta(days=1)).replace(hour=6, minute=0)
    start(user, path, starts_at=begin.strftime("%Y-%m-%dT%H:%M"), opens="09:00", closes="20:00")
    work(small)
    assert not accepted(small)
    assert "The next lines are submitted from" in user.get(path).text
    small.clock.sleep((begin - now).total_seconds() + 3 * 3600 - 60)  # a minute to nine
    work(small)
    assert not accepted(small)
    small.clock.sleep(60)
    full = small.with_context(relay=replace(small.context.relay, outbox_limit=0))
    work(full)
    assert not accepted(small)
    small.clock.sleep(sending.RETRY_AFTER.total_seconds())
    work(small)
    assert accepted(small) == ["r0"]


def test_a_stop_submits_nothing_more_and_says_what_has_left(small: Service) -> None:
    _merchant, user, tokens = shop(small, 2)
    rows = [(tokens[n % 2], PROMOTIONS, f"Sale {n}", f"r{n}") for n in range(PART_SIZE + 7)]
    path = uploaded(user, csv_of(*rows))
    start(user, path)
    work(small, 1)
    before = accepted(small)
    page = user.get(f"{path}/stop").text
    assert "7 are left now" in page
    assert f"{len(before)} until now" in page
    assert user.post(f"{path}/stop", page).status_code == 303
    work(small)
    assert accepted(small) == before
    assert not any(row.lines for row in rows_of(small, "campaign_parts"))
    page = user.get(path).text
    assert "7 lines were not submitted, and are deleted" in page
    assert start(user, path).status_code == 409
    assert user.post(f"{path}/stop").status_code == 409
    kinds = [row.kind for row in rows_of(small, "events") if row.actor == user.person.id]
    assert [each for each in kinds if each.startswith("campaign")] == [
        "campaign_uploaded", "campaign_started", "campaign_stopped",
    ]  # fmt: skip


def test_who_is_reached_is_told_in_buckets_that_single_nobody_out(small: Service) -> None:
    _merchant, user, tokens = shop(small, 300)
    page = user.get(uploaded(user, csv_of(*((t, PROMOTIONS, "Sale", "") for t in tokens)))).text
    buckets = re.findall(r"<dt>(Reached at once|Out of reach)</dt><dd>([^<]+)</dd>", page)
    assert [name for name, _ in buckets] == ["Reached at once", "Out of reach"]
    low, high = (int(each) for each in buckets[0][1].split(" to "))
    assert low % 50 == high % 50 == 0
    assert 100 < low < 450
    # one consent many times is one person: nothing is told about so few
    few = user.get(uploaded(user, csv_of(*((tokens[0], PROMOTIONS, "S", "") for _ in tokens))))
    assert "Reached at once" not in few.text
    for _ in range(UPLOADS.limit - 2):
        assert upload(user, csv_of((tokens[0], PROMOTIONS, "S", ""))).status_code == 303
    assert upload(user, csv_of((tokens[0], PROMOTIONS, "S", ""))).status_code == 429


@pytest.mark.both_databases
def test_no_more_files_are_taken_a_day_if_they_come_together(service: Service) -> None:
    merchant = service.merchant()
    (token,) = insert_grants(service.runtime, merchant.id, 1)
    line = UploadedLine(2, MessageRequest(token=token, purpose=PROMOTIONS, text="Sale"))

    def try_upload(number: int) -> bool:
        upload = Upload(merchant_id=merchant.id, person_id="mpr_1", name=f"{number}", lines=[line],
                        timezone=SHANGHAI)  # fmt: skip
        try:
            add_campaign(service.runtime, upload)
        except TooManyRequestsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(try_upload, range(UPLOADS.limit + 6)))
    assert taken.count(True) == len(rows_of(service, "campaigns")) == UPLOADS.limit


def test_a_suspended_merchant_is_refused_line_by_line(small: Service) -> None:
    merchant, user, tokens = shop(small, 1)
    path = uploaded(user, csv_of((tokens[0], PROMOTIONS, "Sale", "r0")))
    start(user, path)
    suspended = MerchantStatus.SUSPENDED
    small.runtime.database.run(lambda at: set_status(at, merchant.id, suspended))
    work(small)
    assert refused(user, path)[0][2] == "merchant_suspended"


WRONG: list[tuple[str | bytes, dict[str, str], str]] = [
    ("", {}, "Choose a file."),
    (b"PK\x03\x04zip", {}, "Excel workbook"),
    ("token;text\n", {}, "missing: purpose"),
    ("token,purpose,text\n", {}, "with 1 to"),
    ("token,purpose,text\n" + "t,p,x\n" * (MAX_LINES + 1), {}, "with 1 to"),
    ("token,purpose,text\nt,p,x\n", {"name": "a\u202eb"}, "Use one line"),
    ("token,purpose,text\nt,p,x\n", {"template": "tpl_other"}, "one of your approved"),
    ("token,purpose,text\nt,p,x\n", {"sender": "snd_other"}, "one of your senders"),
    ("token,purpose,text\nt,p,x\n", {"encoding": "nonsense"}, "No such encoding"),
]


def test_what_is_wrong_with_a_file_or_a_time_is_said_at_its_field(small: Service) -> None:
    _merchant, user, tokens = shop(small, 1)
    for content, form, words in WRONG:
        answer = upload(user, content, **form)
        assert answer.status_code == 422, words
        assert words in answer.text
    assert not rows_of(small, "campaigns")
    path = uploaded(user, csv_of((tokens[0], PROMOTIONS, "Sale", "r0")))
    for times in ({"opens": "x"}, {"closes": "00:00"}, {"starts_at": "2020-01-01T00:00"},
                  {"starts_at": "soon"}):  # fmt: skip
        answer = start(user, path, **times)
        assert answer.status_code == 422, times
        assert f'href="#{next(iter(times))}"' in answer.text


def test_a_template_and_a_sender_are_set_for_all_lines(small: Service) -> None:
    merchant, user, tokens = shop(small, 2)
    second = add_sender(
        small.runtime, merchant.id, port="10690002", extension="", signature="晨光书店"
    )
    template = small.template(
        merchant, ORDERS, "您的订单{order}已发出", variables={"order": {"type": "order"}}
    )
    content = csv_of(
        (tokens[0], "A-1001", "order", "A-1001"), header="token,variables.order,event.type,event.id"
    )
    path = uploaded(user, content.encode("gb18030"), template=template["id"], sender=second.id)
    assert start(user, path).status_code == 303
    work(small)
    assert not refused(user, path)
    (message,) = rows_of(small, "messages")
    assert (message.sender_id, message.template_id) == (second.id, template["id"])
    assert message.text == "您的订单A-1001已发出"


def test_the_worker_does_what_is_due(small: Service) -> None:
    _merchant, user, tokens = shop(small, 1)
    worker = CampaignWorker(small.runtime, small.context.submitter)
    assert upload(user, csv_of((tokens[0], PROMOTIONS, "Sale", "r0"))).status_code == 303
    assert worker._do_due() is True
    assert worker._do_due() is False
    assert not accepted(small)
