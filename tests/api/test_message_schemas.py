"""Messages and batches are read and rendered by msgspec types exactly as their schemas say."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from consent_tokens.errors import InvalidError, MalformedJsonError, OutboxFullError
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
from consent_tokens.relay.message import MAX_SCHEDULE_AHEAD
from consent_tokens.row_key import RowKey
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult
from consent_tokens.web import strict_json
from consent_tokens.web.merchant_api.message_decoding import (
    MAX_BATCH_SIZE,
    MAX_EVENT_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PURPOSE_LENGTH,
    MAX_TEMPLATE_ID_LENGTH,
    MAX_TEXT_LENGTH,
    MAX_VALIDITY_MINUTES,
    MAX_VALUE_LENGTH,
    MAX_VARIABLES,
)
from consent_tokens.web.merchant_api.message_schemas import (
    AcceptedAnswer,
    BatchAnswer,
    BatchIn,
    MessageIn,
)
from consent_tokens.web.merchant_api.parsing import FastSchema
from consent_tokens.web.merchant_api.schemas import MAX_REFERENCE_LENGTH, MAX_TOKEN_LENGTH
from tests.service import Service

MANY = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ANY_TEXT = st.text(st.characters(), max_size=20)  # with halves of surrogate pairs and null bytes
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**400, 10**401)
    | st.floats()
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


def text_up_to(limit: int) -> st.SearchStrategy[str]:
    """Texts, most of all those about as long as the limit."""
    lengths = st.sampled_from([0, 1, limit - 1, limit, limit + 1])
    return ANY_TEXT | st.builds(
        lambda letter, length: letter * length, st.sampled_from(["a", "字", "😀", "\x00"]), lengths
    )


TIMES = st.datetimes().map(datetime.isoformat) | st.sampled_from(
    [
        "2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00.9999999Z", "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00+00:00", "2026-01-01T23:59:60Z", "20260101T000000Z", "2026-W01-1",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", "soon",
    ]
)  # fmt: skip
NUMBERS = st.integers(-1, MAX_VALIDITY_MINUTES + 1) | st.sampled_from(
    [True, 1.0, 1.5, 1e3, float("nan"), float("inf"), "60", -0.0, 10**30]
)
VARIABLES = st.dictionaries(
    text_up_to(MAX_NAME_LENGTH), text_up_to(MAX_VALUE_LENGTH), max_size=MAX_VARIABLES + 1
)
EVENTS = st.fixed_dictionaries(
    {"type": ANY_TEXT, "id": text_up_to(MAX_EVENT_ID_LENGTH)}, optional={"step": ANY_TEXT}
)
MESSAGES = st.fixed_dictionaries(
    {"token": text_up_to(MAX_TOKEN_LENGTH), "purpose": text_up_to(MAX_PURPOSE_LENGTH)},
    optional={
        "text": text_up_to(MAX_TEXT_LENGTH),
        "template": text_up_to(MAX_TEMPLATE_ID_LENGTH),
        "variables": VARIABLES | ANY_JSON,
        "event": EVENTS | ANY_JSON,
        "reference": text_up_to(MAX_REFERENCE_LENGTH),
        "send_at": TIMES,
        "valid_for_minutes": NUMBERS,
    },
)
WORD = st.text(min_size=1, max_size=9)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "event": st.fixed_dictionaries({"type": WORD, "id": WORD}, optional={"step": WORD}),
    "reference": WORD,
    "send_at": TIMES,
    "valid_for_minutes": st.integers(1, MAX_VALIDITY_MINUTES),
}
FREE = st.fixed_dictionaries(dict.fromkeys(("token", "purpose", "text"), WORD), optional=OPTIONAL)
OF_TEMPLATE = st.fixed_dictionaries(
    dict.fromkeys(("token", "purpose", "template"), WORD),
    optional={"variables": st.dictionaries(WORD, st.text(max_size=9), max_size=3), **OPTIONAL},
)
PLAIN = FREE | OF_TEMPLATE
HOSTILE = st.one_of(
    MESSAGES,
    PLAIN,
    ANY_JSON,
    # one member of another type, one too many, one too few
    st.builds(
        lambda message, name, value: {**message, name: value},
        PLAIN,
        st.sampled_from(
            ["token", "purpose", "text", "template", "variables", "event", "reference", "send_at"]
        )
        | ANY_TEXT,
        ANY_JSON,
    ),
    st.builds(
        lambda message, name: {key: message[key] for key in message if key != name},
        PLAIN,
        st.sampled_from(["token", "purpose", "text", "template"]),
    ),
)


@st.composite
def bodies(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> bytes:
    """JSON in one of the ways in which it can be written, or something that is nearly JSON."""
    value = draw(values)
    text = json.dumps(
        value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
    )
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32-le"]))
    body = text.encode(encoding, "surrogatepass")
    if draw(st.integers(0, 9)) == 0:  # a byte changed, or the end cut off
        place = draw(st.integers(0, max(len(body) - 1, 0)))
        body = body[:place] + draw(st.binary(max_size=2)) + body[place + draw(st.integers(0, 1)) :]
    return body


@pytest.fixture
def app(small: Service) -> Iterator[Service]:
    """The context of an app, whose clock tells how far ahead a message may be scheduled."""
    with small.app.app_context():
        yield small


def outcome(schema: Schema, body: bytes) -> object:
    """Return what reading a body by its schema alone comes to."""
    try:
        return comparable(schema.load(strict_json.parse(body)))
    except ValidationError as error:
        return "refused", error.messages
    except MalformedJsonError:
        return "not JSON"


def read_fast(schema: FastSchema, body: bytes) -> object:
    """Return what a fast reader comes to; None if it leaves the body to the schema."""
    try:
        return comparable(schema.read_fast(body))
    except MalformedJsonError:
        return "not JSON"


def comparable(value: Any) -> Any:  # noqa: ANN401 - a loaded body
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return ("refused", value.fields) if isinstance(value, InvalidError) else value


@pytest.mark.usefixtures("app")
@MANY
@given(body=bodies(HOSTILE))
@example(b'{"token":"t","purpose":"p","text":"x","valid_for_minutes":5.0}')
@example(b'{"token":"t","purpose":"p","text":"x","valid_for_minutes":true}')
@example(b'{"token":"t","purpose":"p","text":"\\ud800"}')
@example(b'{"token":"t","purpose":"p","text":"a\\u0000b"}')
@example(b'{"token":"t","purpose":"p","text":"a","text":"b"}')
@example(b'{"token":"t","purpose":"p","text":"x","reference":null}')
@example(b'{"token":"t","purpose":"p","text":NaN}')
@example(b'{"token":"t","purpose":"p","text":"x","template":"y"}')
@example(b'{"token":"t","purpose":"p","text":"x","variables":{}}')
@example(b'{"token":"t","purpose":"p","template":"x","variables":{"a":"b","a":"c"}}')
@example(b'{"token":"t","purpose":"p","template":"x","event":{"type":"a","type":"b","id":"c"}}')
@example(b'{"token":"t","purpose":"p"}')
def test_a_message_that_is_read_fast_is_what_its_schema_loads(body: bytes) -> None:
    fast = read_fast(MessageIn(), body)
    assert fast is None or fast == outcome(MessageIn(), body)


@pytest.mark.usefixtures("app")
@MANY
@given(body=bodies(st.fixed_dictionaries({"messages": st.lists(HOSTILE, max_size=4)}) | ANY_JSON))
@example(b'{"messages":[null]}')
@example(b'{"messages":[]}')
@example(b'{"messages":[{"token":"\xff"}]}')
@example(b'{"messages":["\x01"]}')
@example(b'{"messages":[7],"messages":[{"token":"t","purpose":"p","text":"x"}]}')
@example(b'{"messages":[' + b"[" * 5000 + b"]" * 5000 + b"]}")
@example(b'{"messages":[' + b"9" * 5000 + b"]}")
@example(json.dumps({"messages": [7] * (MAX_BATCH_SIZE + 1)}).encode())
def test_a_batch_that_is_read_fast_is_what_its_schema_loads(body: bytes) -> None:
    fast = read_fast(BatchIn(), body)
    assert fast is None or fast == outcome(BatchIn(), body)


@pytest.mark.usefixtures("app")
@MANY
@given(message=PLAIN)
def test_a_plain_message_is_read_fast(message: dict[str, Any]) -> None:
    """So that the tests above compare something."""
    body = json.dumps(message).encode()
    is_valid = not isinstance(outcome(MessageIn(), body), tuple | str)
    assert (MessageIn().read_fast(body) is not None) == is_valid
    assert BatchIn().read_fast(b'{"messages":[%s,7]}' % body) is not None


@MANY
@given(body=bodies(MESSAGES | HOSTILE | st.builds(lambda each: {"messages": each}, HOSTILE)))
def test_a_hostile_body_is_answered(app: Service, body: bytes) -> None:
    """Also where a member's name cannot be repeated in the answer."""
    merchant = app.merchant(sends=False)
    for path in ("/v1/messages", "/v1/messages/batch"):
        answer = app.app.test_client().post(
            path, data=body, content_type="application/json",
            headers={"Authorization": f"Bearer {merchant.api_key}"},
        )  # fmt: skip
        assert answer.status_code in {200, 400, 403, 422}, answer.text
        assert answer.json is not None


def test_how_far_ahead_a_message_may_be_scheduled(app: Service) -> None:
    latest = app.clock.now() + MAX_SCHEDULE_AHEAD
    for at, is_valid in ((latest, True), (latest + timedelta(seconds=1), False)):
        message = {"token": "t", "purpose": "p", "text": "x", "send_at": at.isoformat()}
        body = json.dumps(message).encode()
        assert (MessageIn().read_fast(body) is not None) == is_valid
        assert isinstance(outcome(MessageIn(), body), tuple) != is_valid


@given(minutes=st.integers(-14 * 60, 14 * 60))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_offset_that_a_time_is_written_with_decides_nothing(app: Service, minutes: int) -> None:
    """Rules count days of UTC: `plan_missing` depended on it, and so did `send_after`."""
    at = app.clock.now() + timedelta(hours=9)
    written = at.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    message = {"token": "t", "purpose": "p", "text": "x", "send_at": written}
    body = json.dumps(message).encode()
    for read in (MessageIn().read_fast(body), outcome(MessageIn(), body)):
        assert isinstance(read, MessageRequest)
        assert read.send_at is not None
        assert read.send_at.isoformat() == at.isoformat()


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
KEYS = st.builds(RowKey, *[st.integers(-(2**63), 2**63 - 1)] * 2)
ACCEPTED = st.builds(
    SubmissionResult,
    st.builds(Accepted, MOMENTS) | st.builds(Deferred, MOMENTS),
    KEYS,
    st.integers(1, 9),
)
REFUSED = st.builds(
    SubmissionResult, st.builds(Refused, st.sampled_from(Reason), st.none() | MOMENTS)
)
ERRORS = st.just(OutboxFullError()) | st.builds(
    InvalidError, st.dictionaries(st.text(), st.lists(st.text(), min_size=1), min_size=1)
)


@pytest.mark.usefixtures("app")
@MANY
@given(results=st.lists(ACCEPTED | REFUSED | ERRORS, max_size=6))
def test_a_batch_is_rendered_as_its_schema_dumps_it(results: list[Any]) -> None:
    assert BatchAnswer().dump(results) == Schema.dump(BatchAnswer(), results)


@pytest.mark.usefixtures("app")
@MANY
@given(result=ACCEPTED)
def test_an_accepted_message_is_rendered_as_its_schema_dumps_it(result: SubmissionResult) -> None:
    assert AcceptedAnswer().dump(result) == Schema.dump(AcceptedAnswer(), result)
