"""Read a request's body, query and headers through the schema that describes them."""

from abc import abstractmethod
from typing import Any, ClassVar, NoReturn

from flask import Request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from consent_tokens.errors import InvalidError
from consent_tokens.web import strict_json
from consent_tokens.web.request_context import current_request

FORM = "application/x-www-form-urlencoded"


class FastSchema(Schema):
    """A schema with a faster reader for the JSON of most requests."""

    @abstractmethod
    def read_fast(self, body: bytes) -> object | None:
        """Return exactly what `load` would return for this JSON, or None to leave it to `load`.

        Raises MalformedJsonError.
        """


class FastHeader(Schema):
    """A schema of one header, with a faster reader for most values."""

    name: ClassVar[str]

    @abstractmethod
    def read_fast(self, value: str) -> str | None:
        """Return what `load` would return for this value, or None to leave it to `load`."""


class InputParser(FlaskParser):
    """The parser that flask-smorest calls before a view. Raises InvalidError."""

    def parse(self, argmap: Any, req: Request | None = None, **options: Any) -> Any:  # noqa: ANN401 - webargs's
        """Return the loaded input, by the schema's fast reader where that accepts the body."""
        current = current_request()
        if isinstance(argmap, FastSchema) and current.is_json:
            found = argmap.read_fast(current.get_data())
            if found is not None:
                return found
        if isinstance(argmap, FastHeader) and (value := current.headers.get(argmap.name)):
            header = argmap.read_fast(value)
            if header is not None:
                return header
        return super().parse(argmap, req, **options)

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ANN401, ARG002 - webargs's
        """Return the JSON of a body. Raises MalformedJsonError, UnsupportedMediaType."""
        if not req.is_json:
            raise UnsupportedMediaType
        return strict_json.parse(req.get_data())

    def load_json_or_form(self, req: Request, schema: Schema) -> Any:  # noqa: ANN401 - webargs's
        """Return the form (RFC 7662, 2.1) or JSON of a body."""
        return _form(req) if req.mimetype == FORM else self.load_json(req, schema)

    def handle_error(self, error: ValidationError, *_: object, **__: object) -> NoReturn:
        """Raise InvalidError with the fields at fault."""
        messages = error.messages
        assert isinstance(messages, dict)  # noqa: S101 - webargs names the location
        raise InvalidError(flatten_errors(*messages.values())) from None


def _form(req: Request) -> dict[str, str]:
    """Return the members of a form. Raises InvalidError if one is sent twice (RFC 6749, 3.1)."""
    form = {_shown(name): values for name, values in req.form.lists()}
    if twice := {name: ["Must be sent once."] for name in form if len(form[name]) > 1}:
        raise InvalidError(twice)
    return {name: values[0] for name, values in form.items()}


def _shown(name: object) -> str:
    """Return a member's name as an answer repeats it."""
    return str(name)[: strict_json.MAX_NAME_LENGTH]


def flatten_errors(messages: object, path: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested messages by path: `messages.3.text`."""
    if not isinstance(messages, dict):
        listed = messages if isinstance(messages, list) else [messages]
        return {path or "_schema": [str(message) for message in listed]}
    found: dict[str, list[str]] = {}
    for key, inner in messages.items():
        name = _shown(key)
        found |= flatten_errors(inner, f"{path}.{name}" if path else name)
    return found
