"""schemathesis sends what the OpenAPI description allows, and what it forbids, to every operation.

Each answer has a documented status, content type and body, and none is a 5xx; also over chains of
calls, where one call's answer is the next one's input. `SCHEMATHESIS_EXAMPLES` sets how many of
each.
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service import ORDERS, PROMOTIONS, Service

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "7"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def api(small: Service) -> tuple[BaseSchema, dict[str, str]]:
    """The description of a service, and the headers of a merchant that has a consent."""
    merchant = small.merchant()
    small.obtain_token(merchant, small.consumer(), PROMOTIONS, ORDERS)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", small.app)
    return schema, {"Authorization": f"Bearer {merchant.api_key}"}


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_described(
    api: tuple[BaseSchema, dict[str, str]], mode: GenerationMode
) -> None:
    """`positive`: what the description allows; `negative`: what it forbids."""
    schema, headers = api
    called = set()
    for operation in schema.get_all_operations():

        @BOUNDED
        @given(case=operation.ok().as_strategy(generation_mode=mode))
        def call(case: Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        call()
        called.add(operation.ok().label)
    assert len(called) >= 15


@pytest.mark.slow
def test_chains_of_calls_answer_as_described(api: tuple[BaseSchema, dict[str, str]]) -> None:
    """What one call answers, such as an id, is the input of the next (OpenAPI links)."""
    schema, headers = api

    class Chain(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            del case
            return {"headers": headers}

        def validate_response(self, response: Any, case: Case[Any], **_more: Any) -> None:  # noqa: ANN401 - as schemathesis calls it
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(Chain, settings=BOUNDED)
