"""`X-Request-Id`: on every answer, and in the log lines of the request."""

import pytest
import structlog
from structlog.testing import capture_logs

from tests.service import Service

HEADER = "X-Request-Id"


@pytest.mark.parametrize("path", ["/my", "/healthz", "/v1/grants", "/nowhere", "/static/style.css"])
def test_every_answer_has_an_id_of_its_own(small: Service, path: str) -> None:
    ids = {small.app.test_client().get(path).headers[HEADER] for _ in range(5)}
    assert len(ids) == 5


def test_an_id_that_the_client_sends_comes_back(small: Service) -> None:
    client = small.app.test_client()
    sent = "order-4711_a"
    assert client.get("/my", headers={HEADER: sent}).headers[HEADER] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<script>", "ä"])
def test_an_id_that_is_none_is_replaced(small: Service, sent: str) -> None:
    given = small.app.test_client().get("/my", headers={HEADER: sent}).headers.getlist(HEADER)
    assert len(given) == 1
    assert given != [sent]


def test_the_log_lines_of_a_request_name_it(small: Service) -> None:
    client = small.app.test_client()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for sent in ("first", "second"):
            client.get("/v1/grants", headers={HEADER: sent})
    assert [line["request_id"] for line in lines] == ["first", "second"]
