"""Read a request's body, query and headers through the schema that describes them."""

from abc import abstractmethod
from typing import Any, NoReturn

from flask import Request, request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser

from consent_tokens.errors import InvalidError

FORM = "application/x-www-form-urlencoded"


class FastSchema(Schema):
    """A schema with a faster reader for the JSON of most requests."""

    @abstractmethod
    def read_fast(self, body: bytes) -> object | None:
        """Return exactly what `load` would return for this JSON, or None to leave it to `load`."""


class InputParser(FlaskParser):
    """The parser that flask-smorest calls before a view. Raises InvalidError."""

    def parse(self, argmap: Any, req: Request | None = None, **options: Any) -> Any:  # noqa: ANN401 - webargs's
        """Return the loaded input, by the schema's fast reader where that accepts the body."""
        if isinstance(argmap, FastSchema) and request.is_json:
            found = argmap.read_fast(request.get_data())
            if found is not None:
                return found
        return super().parse(argmap, req, **options)

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ANN401, ARG002 - webargs's
        """Return the JSON of a body. Raises BadRequest or UnsupportedMediaType, as Flask does."""
        return req.get_json()

    def load_json_or_form(self, req: Request, schema: Schema) -> Any:  # noqa: ANN401 - webargs's
        """Return the form (RFC 7662, 2.1) or JSON of a body."""
        return req.form.to_dict() if req.mimetype == FORM else self.load_json(req, schema)

    def handle_error(self, error: ValidationError, *_: object, **__: object) -> NoReturn:
        """Raise InvalidError with the fields at fault."""
        messages = error.messages
        assert isinstance(messages, dict)  # noqa: S101 - webargs names the location
        raise InvalidError(flatten_errors(*messages.values())) from None


def flatten_errors(messages: object, path: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested messages by path: `messages.3.text`."""
    if not isinstance(messages, dict):
        listed = messages if isinstance(messages, list) else [messages]
        return {path or "_schema": [str(message) for message in listed]}
    found: dict[str, list[str]] = {}
    for key, inner in messages.items():
        # a member's name may hold half of a surrogate pair, which no answer can repeat
        name = str(key).encode("utf-8", "backslashreplace").decode()
        found |= flatten_errors(inner, f"{path}.{name}" if path else name)
    return found
