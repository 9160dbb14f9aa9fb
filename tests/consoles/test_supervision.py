"""The operator's pages about complaints, messages, rules and consumers who ask for help."""

import io
import re
from datetime import timedelta

from PIL import Image

from consent_tokens.rules.pack import rule_set
from consent_tokens.store.merchants import list_all
from consent_tokens.store.tables import events
from tests.console_people import ConsoleUser, operator
from tests.number_scan import NUMBERS
from tests.service import LINK, PROMOTIONS, WIDE_RULES, Consumer, Page, Service, found
from tests.stories.test_class_disputes import ADVERT_NAME, Shop

ITEM = re.compile(r'href="/console/complaints/([\w-]+)"')
GROUPED = re.compile(r"((?:\d{4} ){3}\d{4})")  # a case number
MESSAGE = re.compile(r'href="/console/messages/([\w-]+)"')
TEXT = "今晚八点新书签售"
STATEMENT = "我从来没有同意过"
REMARK = "the consent was ticked by a shop assistant"


def sent_text(service: Service) -> tuple[Consumer, str]:
    """Return a consumer with a text that arrived, and the link in it."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS)
    assert merchant.send(token, PROMOTIONS, TEXT, reference="A-1").status_code == 202
    service.work()
    return consumer, found(LINK, consumer.texts()[-1])


def report(consumer: Consumer, link: str, reason: str = "never_agreed") -> str:
    """Report the text of a link; return the case number."""
    assert consumer.post(f"/m/{link}/report", reason=reason).status_code == 303
    return found(GROUPED, consumer.get("/reports").text)


def add_statement(consumer: Consumer) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    picture.seek(0)
    added = consumer.post("/reports", action="more", said=STATEMENT, picture=(picture, "text.png"))
    assert added.status_code == 303


def first_item(user: ConsoleUser) -> str:
    return found(ITEM, user.get("/complaints").text)


def acts_of(service: Service, *kinds: str) -> list[tuple[str, str | None]]:
    """Return kind and actor of the events of these kinds, in all partitions."""
    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(events.select().order_by(events.c.at))
        return [(row.kind, row.actor) for row in rows if row.kind in kinds]


def test_a_complaint_is_taken_read_and_decided_by_its_owner_alone(small: Service) -> None:
    consumer, link = sent_text(small)
    case_number = report(consumer, link)
    add_statement(consumer)
    ann, ben = operator(small, "reviewer", "Ann"), operator(small, "reviewer", "Ben")
    auditor = operator(small, "auditor", "Eve")
    item = first_item(ann)
    path = f"/complaints/{item}"

    shown = ann.get(path).text
    for said in ("I never agreed", "Sent under a consent", "Decide by", "message_accepted"):
        assert said in shown
    for hidden in (STATEMENT, TEXT, NUMBERS[0]):
        assert hidden not in shown
    assert "Take it" not in auditor.get(path).text
    # nothing is read or decided before it is taken
    assert ann.post(f"{path}/additions").status_code == 409
    assert ann.post(f"{path}/take").status_code == 303
    assert "looking at it" in status_page(small, case_number)
    assert ben.post(f"{path}/take").status_code == 409
    for act in ("additions", "picture", "decision"):
        form = {"ground": "no_consent", "remark": REMARK} if act == "decision" else {}
        assert ben.post(f"{path}/{act}", **form).status_code == 409, act
    assert STATEMENT in ann.post(f"{path}/additions").text
    assert ann.post(f"{path}/picture").content_type == "image/jpeg"

    for wrong in ({"ground": "no_consent"}, {"ground": "advert", "remark": REMARK}, {}):
        assert ann.post(f"{path}/decision", **wrong).status_code == 422, wrong
    decided = ann.post(f"{path}/decision", ground="no_consent", remark=REMARK)
    assert decided.status_code == 303
    shown = ann.get(path).text
    assert REMARK in shown
    assert "Upheld" in shown
    status = status_page(small, case_number)
    assert "You had not agreed to this text." in status
    assert REMARK not in status
    assert ann.post(f"{path}/additions").status_code == 409, "it is decided"
    assert item in ann.get("/complaints?part=decided").text
    by = ann.person.id
    expected = ["complaint_taken", "complaint_text_read", "complaint_text_read",
                "complaint_decided"]  # fmt: skip
    assert acts_of(small, *expected) == [(kind, by) for kind in expected]


def status_page(service: Service, case_number: str) -> str:
    anybody = service.consumer()
    anybody.browser.get("/reports?lang=en")
    anybody.post("/reports", number=case_number)
    return anybody.get("/reports").text


def test_complaints_about_one_template_are_one_entry_and_show_a_released_text(
    small: Service,
) -> None:
    shop = Shop(small, people=2)
    for each in shop.people:
        assert shop.send(each) is None
    first = shop.people[0]
    answers = [shop.report(each) for each in shop.people]
    ann = operator(small, "reviewer")
    queue = ann.get("/complaints").text
    assert "2 complaints" in queue
    path = f"/complaints/{found(ITEM, queue)}"
    ann.post(f"{path}/take")
    shown = ann.get(path).text
    assert "Advert or not: to be decided" in shown
    assert ADVERT_NAME not in shown
    assert "What the consumer added" not in shown
    shop.case_page(first, answers[0])
    first.post("/reports", action="answer", ordered="no", show_text="yes")
    places = {path, f"/complaints/{found(ITEM, shown)}"}
    assert len(places) == 2, "each is decided with the other"
    texts = [ann.post(f"{each}/additions").text for each in places]
    assert sum(ADVERT_NAME in each for each in texts) == 1
    assert ann.post(f"{path}/decision", ground="advert", remark="名字里是广告").status_code == 303
    assert shop.status() == "withdrawn"
    assert "Nobody waits for a decision." in ann.get("/complaints").text
    assert {each.ground for each in shop.filed()} == {"advert"}


def test_an_administrator_gives_back_what_somebody_else_took(small: Service) -> None:
    consumer, link = sent_text(small)
    report(consumer, link)
    ann, admin = operator(small, "reviewer", "Ann"), operator(small, "admin", "Boss")
    ben = operator(small, "reviewer", "Ben")
    path = f"/complaints/{first_item(ann)}"
    ann.post(f"{path}/take")
    assert "None is yours" in ben.get("/complaints?part=mine").text
    assert "I never agreed" in ann.get("/complaints?part=mine").text
    assert ben.post(f"{path}/release").status_code == 409
    assert admin.post(f"{path}/release").status_code == 303
    small.clock.advance(timedelta(days=6))
    ben.sign_in()
    assert "overdue" in ben.get("/complaints").text
    assert ben.post(f"{path}/take").status_code == 303


def test_a_message_is_found_and_shown_without_text_and_number(small: Service) -> None:
    sent_text(small)
    analyst = operator(small, "analyst")
    of = f"merchant={small.runtime.database.read(list_all)[0].id}"
    item = found(MESSAGE, analyst.get(f"/messages?{of}&reference=A-1").text)
    searches = {
        f"id={item}": True, "id=msg_0": False, of: True, "merchant=mer_0": False,
        "reason=delivered": True, "reason=refused": False, f"{of}&reference=A-1": True,
        f"{of}&reference=B": False, "from=2021-11-11T00:00&to=2021-11-12T00:00": True,
        "to=2021-11-11T00:00": False, f"before={item}": False,
    }  # fmt: skip
    for search, is_found in searches.items():
        assert (item in _rows(analyst.get(f"/messages?{search}"))) is is_found, search
    for wrong in ("reference=A-1", "from=yesterday", "to=99999-01-01"):
        assert analyst.get(f"/messages?{wrong}").status_code == 422, wrong
    exported = analyst.get("/messages?format=csv")
    assert exported.content_type.startswith("text/csv")
    shown = analyst.get(f"/messages/{item}").text
    for said in (
        "message_accepted",
        "message_submitted",
        "A-1",
        "notice as it was shown",
        "Step by step",
    ):
        assert said in shown
    for hidden in (TEXT, NUMBERS[0], NUMBERS[0].removeprefix("+86")):
        assert hidden not in shown + exported.text
    assert analyst.get("/messages/msg_0").status_code == 404


def _rows(page: Page) -> str:
    """Return what a page lists, without its form."""
    assert page.status_code == 200
    return page.text.partition("</form>")[2].rpartition("<tbody>")[2]


def test_rules_are_listed_tried_and_compared(small: Service) -> None:
    sent_text(small)
    other = rule_set({name: f"{text}\n# other" for name, text in WIDE_RULES.files.items()})
    reviewer, auditor = operator(small, "reviewer"), operator(small, "auditor", "Eve")
    page = auditor.get("/rules").text
    assert WIDE_RULES.version in page
    assert "demo." in page
    assert "Try the rules" not in page
    assert "one version only" in page
    assert "Stopped" in reviewer.post("/rules/trial").text
    small.runtime.rules.rule_set = other
    consumer = small.consumer(NUMBERS[1])
    merchant = small.merchant("另一家")
    token = small.obtain_token(merchant, consumer, PROMOTIONS)
    merchant.send(token, PROMOTIONS, TEXT)
    compared = auditor.get(f"/rules/difference?from={WIDE_RULES.version}&to={other.version}")
    assert "+# other" in compared.text
    assert auditor.get("/rules/difference?from=0&to=1").status_code == 404
    assert "text/csv" in auditor.get("/rules?format=csv").content_type


SUPPORT_CODE = re.compile(r"<b>([\d ]{12})</b>")


def test_a_support_code_shows_the_consents_once_and_no_number(small: Service) -> None:
    consumer, _link = sent_text(small)
    page = consumer.log_in()
    ann, ben = operator(small, "reviewer", "Ann"), operator(small, "reviewer", "Ben")

    def code() -> str:
        return found(SUPPORT_CODE, consumer.post("/my", page.text, action="support").text)

    def ask(entered: str, reason: str = "ending") -> Page:
        return ann.post("/support", code=entered, reason=reason)

    replaced, used = code(), code()
    assert ask(replaced).status_code == 422
    assert ask(used, "").status_code == 422, "why it is needed has to be said"
    asked = ask(used).headers["Location"].removeprefix("/console")
    assert ask(used).status_code == 422, "it was entered already"
    # the second person is somebody else, who confirms with a second factor
    assert "Waiting until a colleague agrees" in ann.get(asked).text
    assert ann.post(f"{asked}/consents").status_code == 409
    assert ann.post(f"{asked}/approve").status_code == 403
    assert ben.get(asked).status_code == 404
    assert f"{asked}/approve" in ben.get("/support").text
    confirmed = ben.post(f"{asked}/approve")
    assert ben.post(f"{asked}/consents").status_code == 404
    assert confirmed.status_code == 303
    assert "A colleague has agreed" in ann.get(asked).text
    shown = ann.post(f"{asked}/consents")
    assert "晨光书店" in shown.text
    assert "Live" in shown.text
    assert NUMBERS[0].removeprefix("+86") not in shown.text
    assert ann.post(f"{asked}/consents").status_code == 409, "it works once"
    late = ask(code()).headers["Location"].removeprefix("/console")
    small.clock.advance(timedelta(minutes=10))
    answer = ben.post(f"{late}/approve")  # the second factor is asked for again
    assert ben.step_up(answer, f"{late}/approve").status_code == 409
    assert "Nobody agreed" in ann.get(late).text
    assert acts_of(small, "consumer_helped") == [("consumer_helped", ann.person.id)]
    assert operator(small, "auditor", "Eve").get("/support").status_code == 403
    statuses = [ask(str(each)).status_code for each in range(20)]
    assert statuses[-1] == 429
