"""The file of evidence on a message or a complaint: two people, one download at a time."""

import json
from datetime import timedelta
from hashlib import sha256

from consent_tokens.services.people import proposals
from tests.console_people import ConsoleUser, operator
from tests.consoles.test_reviews import answer
from tests.consoles.test_supervision import (
    MESSAGE,
    STATEMENT,
    TEXT,
    add_statement,
    first_item,
    report,
    sent_text,
)
from tests.number_scan import NUMBERS
from tests.service import Service, found


def approved(service: Service, asking: ConsoleUser, approving: ConsoleUser, subject: str) -> str:
    """Ask for the evidence on a subject, and approve it; return the path of the download."""
    asked = asking.post("/evidence", subject=subject, reason="court", words="file 12/26")
    assert asked.status_code == 303
    (made,) = proposals.list_open(service.runtime)
    path = f"/evidence/{made.id}"
    assert answer(asking, path).status_code == 404, "nobody has approved it"
    assert answer(asking, f"/proposals/{made.id}/approve").status_code == 403
    assert answer(approving, f"/proposals/{made.id}/approve").status_code == 303
    return path


def test_evidence_is_exported_by_two_people_and_names_no_number(small: Service) -> None:
    consumer, link = sent_text(small)
    report(consumer, link)
    add_statement(consumer)
    ann, bob = operator(small, "reviewer", "Ann"), operator(small, "admin", "Bob")
    item = first_item(ann)
    message = found(MESSAGE, ann.get(f"/complaints/{item}").text)
    assert f"/console/evidence?subject={item}" in ann.get(f"/complaints/{item}").text
    wrong = ({"subject": "msg_0", "reason": "court"}, {"subject": message}, {"reason": "court"})
    for form in wrong:
        assert ann.post("/evidence", **form).status_code == 422, form
    path = ""
    for subject in (message, item):
        path = approved(small, ann, bob, subject)
        assert answer(bob, path).status_code == 404, "it was approved for Ann"
        file = answer(ann, path)
        assert file.headers["Content-Disposition"].startswith("attachment")
        for hidden in (TEXT, STATEMENT, NUMBERS[0].removeprefix("+86")):
            assert hidden not in file.text
        members = json.loads(file.text)
        assert members["reason"].startswith("A court asks for it.")
        assert members["exported_by"] == ann.person.id
        assert members["approved_by"] == bob.person.id
        assert members["message"]["id"] == message
        assert members["complaint"]["id"] == item
        assert members["consent"]["notice"]["text"]
        assert len(members["consent"]["receipts"]) == 1
        kinds = {each["kind"] for each in members["events"]}
        assert {"message_accepted", "message_reported", "complaint_filed"} <= kinds
        assert members["decisions"][0]["steps"]
        small.clock.advance(timedelta(minutes=1))
        shown = ann.get(f"/messages/{message}").text
        assert "evidence_exported" in shown
        assert sha256(file.data).hexdigest() in shown
    small.clock.advance(timedelta(days=1))
    ann.sign_in()
    assert answer(ann, path).status_code == 404, "a day is over"


def test_evidence_on_a_complaint_without_a_message(small: Service) -> None:
    consumer = small.consumer()
    consumer.post("/report", phone=consumer.number)
    form = {"sender": "10086", "text": TEXT, "at": "2021-11-10T10:00", "reason": "fraud"}
    assert consumer.post("/report", code=consumer.code(), **form).status_code == 200
    ann, bob = operator(small, "reviewer", "Ann"), operator(small, "admin", "Bob")
    path = approved(small, ann, bob, first_item(ann))
    members = json.loads(answer(ann, path).text)
    assert members["message"] is None
    assert members["complaint"]["reason"] == "fraud"
