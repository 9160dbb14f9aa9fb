"""Blueprints of the merchant API: decorators that parse, render and describe by the same schemas.

flask-smorest registers the operations and their descriptions. Added here: authentication, RFC 9457
problems, and answers that are rendered inside the transaction (docs/decisions/, number 19).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, cast

import flask_smorest
import msgspec
from flask import Response
from marshmallow import Schema

from consent_tokens.errors import InsufficientScopeError, TooManyRequestsError, UnauthenticatedError
from consent_tokens.relay.admission.api_access import ApiKey, ApiScope
from consent_tokens.services.api_keys import authenticate
from consent_tokens.services.api_rates import WINDOW_SECONDS, RateStanding
from consent_tokens.services.idempotency import ApiResponse, IdempotencyKey, run_once
from consent_tokens.web import problems
from consent_tokens.web.merchant_api.answers import Problem
from consent_tokens.web.merchant_api.operation_scopes import SCOPES
from consent_tokens.web.merchant_api.parsing import FORM, InputParser
from consent_tokens.web.merchant_api.schemas import IdempotencyHeader
from consent_tokens.web.request_context import (
    API_KEY,
    RATE,
    api_key,
    api_rates,
    client_ip,
    current_request,
    failed_authentications,
    runtime,
)

View = Callable[..., Any]
Decorator = Callable[[View], View]

JSON: Final = "application/json"
DESCRIPTION: Final = "_apidoc"  # the attribute of a view in which flask-smorest keeps it
PROBLEMS: Final = (401, 403, 429, 500, 503)  # that every operation may answer with
BODY_PROBLEMS: Final = (
    400,
    408,
    411,
    413,
    415,
    422,
)  # that an operation with a body may answer with


@dataclass(frozen=True, slots=True)
class Answer:
    """How an operation answers: the status and schema of its description, and the request's key."""

    status: int
    schema: Schema
    key: IdempotencyKey | None

    def render(self, result: object) -> ApiResponse:
        """Return the answer of an operation with this result."""
        return ApiResponse.render(self.status, self.schema.dump(result))

    def once(self, work: Callable[[Any], object], *, read_only: bool = False) -> ApiResponse:
        """Return the answer of an operation with the result of `work`, done once per key.

        It is rendered to bytes inside the transaction, which stores it with the work. Raises as
        `run_once`.
        """
        done = run_once(runtime(), self.key, work, self.render, read_only=read_only)
        return done.response


class ApiBlueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A group of operations under /v1. A view takes `merchant_id` and its input by name."""

    ARGUMENTS_PARSER = InputParser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING: Final = {"json": JSON, "json_or_form": JSON}

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix="/v1", description=description)
        self.register_error_handler(Exception, problems.handle_exception)
        self.after_request(_add_rate_limit)

    def get(self, rule: str) -> Decorator:
        """Register a reading operation. Its id is the view's name, its summary the docstring."""
        return self._operation("GET", rule)

    def post(self, rule: str) -> Decorator:
        """Register a writing operation. Its id is the view's name, its summary the docstring."""
        return self._operation("POST", rule)

    def query(self, schema: Schema) -> Decorator:
        """Pass the query parameters, as the schema loads them, as `query`."""
        load = self._load(schema, location="query", arg_name="query")
        return _chain(load, self.problems(422))

    def body(self, schema: Schema) -> Decorator:
        """Pass the JSON body, as the schema loads it, as `body`."""
        return _chain(self._load(schema, arg_name="body"), self.problems(*BODY_PROBLEMS))

    def body_or_form(self, schema: Schema) -> Decorator:
        """Pass the body, JSON or a form, as the schema loads it, as `body`."""
        load = self._load(schema, location="json_or_form", arg_name="body")
        describe = self.doc(requestBody={"content": {FORM: {"schema": schema}}})
        return _chain(load, describe, self.problems(*BODY_PROBLEMS))

    def answer(self, status: int, schema: Schema) -> Decorator:
        """Render what a view returns through the schema."""
        return cast("Decorator", self.response(status, schema))

    def answer_once(self, status: int, schema: Schema, *, is_of_key: bool = False) -> Decorator:
        """Pass `answer`, which renders through the schema, once for each Idempotency-Key.

        With `is_of_key` the answer is repeated only to the API key that got it.
        """

        def decorator(view: View) -> View:
            @wraps(view)
            def answering(*, merchant_id: str, key: str | None, **arguments: object) -> Response:
                once = _idempotency_key(merchant_id, key, is_of_key=is_of_key)
                answer = Answer(status, schema, once)
                found = view(merchant_id=merchant_id, answer=answer, **arguments)
                return found if isinstance(found, Response) else to_response(found)

            return answering

        load = self._load(IdempotencyHeader(), location="headers", arg_name="key")
        describe = _only_described(self.response(status, schema))
        return _chain(decorator, load, describe, self.problems(422))

    @staticmethod
    def doc(**described: object) -> Decorator:
        """Add to the description of an operation."""
        return _only_described(flask_smorest.Blueprint.doc(**described))

    def _load(self, schema: Schema, **how: Any) -> Decorator:  # noqa: ANN401 - webargs's
        """Pass what the schema loads of a request, by the parser alone."""
        parse = self.ARGUMENTS_PARSER.use_args(schema, **how)
        describe = self.arguments(schema, **how)

        def decorator(view: View) -> View:
            parsing: View = parse(view)
            vars(parsing)[DESCRIPTION] = vars(describe(view))[DESCRIPTION]
            return parsing

        return decorator

    def problems(self, *statuses: int) -> Decorator:
        """Describe problems that an operation may answer with."""
        # not by `alt_response`: each would copy all that was described
        content = {problems.PROBLEM_JSON: {"schema": Problem}}
        described = {
            str(each): {"description": HTTPStatus(each).phrase, "content": content}
            for each in statuses
        }
        return self.doc(responses=described)

    def _operation(self, method: str, rule: str) -> Decorator:
        def decorator(view: View) -> View:
            scopes = SCOPES[view.__name__]

            @wraps(view)
            def authenticated(**arguments: object) -> Response:
                current_request().environ[API_KEY] = key = _authenticate()
                _count(key)
                _check_scopes(key, scopes)
                response: Response = view(merchant_id=key.merchant_id, **arguments)
                return response

            describe = _chain(
                self.problems(*PROBLEMS),
                self.doc(
                    operationId=view.__name__,
                    security=[{"apiKey": [scope.value]} for scope in scopes],
                ),
            )
            self.route(rule, methods=[method])(describe(authenticated))
            return view

        return decorator


def to_response(answer: ApiResponse) -> Response:
    """Return an answer as a response; with a status of 400 and more it is a problem."""
    return Response(answer.body, status=answer.status, headers=headers_of(answer))


def headers_of(answer: ApiResponse) -> list[tuple[str, str]]:
    """Return the headers of an answer."""
    is_problem = answer.status >= HTTPStatus.BAD_REQUEST
    headers = [("Content-Type", problems.PROBLEM_JSON if is_problem else JSON)]
    if answer.status == HTTPStatus.CREATED:
        created = msgspec.json.decode(answer.body)["id"]
        headers.append(
            ("Location", f"{runtime().service.base_url}{current_request().path}/{created}")
        )
    if answer.is_replayed:
        headers.append(("Idempotent-Replayed", "true"))
    return headers


def _only_described(decorator: Decorator) -> Decorator:
    """Return a decorator that describes a view as another one does, and does not wrap it.

    A wrapper of flask-smorest takes two microseconds of each request.
    """

    def describe(view: View) -> View:
        vars(view)[DESCRIPTION] = vars(decorator(view))[DESCRIPTION]
        return view

    return describe


def _chain(*decorators: Decorator) -> Decorator:
    """Return one decorator that applies several, the first of them innermost."""

    def decorator(view: View) -> View:
        for each in decorators:
            view = each(view)
        return view

    return decorator


def _count(key: ApiKey) -> None:
    """Count a request against the rate limits of its key. Raises TooManyRequestsError."""
    current_request().environ[RATE] = standing = api_rates().take(key)
    if standing is not None and not standing.is_allowed:
        raise TooManyRequestsError(standing.reset)


def _add_rate_limit(response: Response) -> Response:
    """Add how the rate limit stands (draft-ietf-httpapi-ratelimit-headers-10)."""
    standing: RateStanding | None = current_request().environ.get(RATE)
    if standing is not None:
        name, limit, remaining, reset, _ = standing
        response.headers["RateLimit-Policy"] = f'"{name}";q={limit};w={WINDOW_SECONDS}'
        response.headers["RateLimit"] = f'"{name}";r={remaining};t={reset}'
    return response


def _check_scopes(key: ApiKey, scopes: tuple[ApiScope, ...]) -> None:
    """Raise InsufficientScopeError unless a key has one of these scopes."""
    if not key.access.has_any(scopes):
        failed_authentications().record("scope", key.id, client_ip())
        raise InsufficientScopeError(tuple(scope.value for scope in scopes), key.id)


def _authenticate() -> ApiKey:
    """Return the API key that came with the request. Raises UnauthenticatedError."""
    kind, _, key = current_request().headers.get("Authorization", "").partition(" ")
    try:
        if kind.lower() != "bearer":
            raise UnauthenticatedError  # noqa: TRY301 - recorded below like the others
        return authenticate(runtime(), key.strip(), client_ip())
    except UnauthenticatedError as error:
        failed_authentications().record(error.reason, error.key_id, client_ip())
        raise


def _idempotency_key(
    merchant_id: str, text: str | None, *, is_of_key: bool
) -> IdempotencyKey | None:
    if text is None:
        return None
    current = current_request()
    request_bytes = f"{current.method} {current.path}\n".encode() + current.get_data()
    if is_of_key:
        request_bytes = f"{api_key().id} ".encode() + request_bytes
    return IdempotencyKey(merchant_id, text, request_bytes)
