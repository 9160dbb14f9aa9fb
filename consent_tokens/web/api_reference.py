"""What `/docs` shows of the OpenAPI description, in words for a merchant's developer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from consent_tokens.consent.notice import purpose_detail
from consent_tokens.consent.purposes import Purpose

Schema = dict[str, Any]

METHODS: Final = ("post", "get")  # in the order in which they are used
TITLES: Final = {
    "consent_requests": "Consent requests",
    "link_domains": "Link domains",
    "api_keys": "API keys",
    "webhook_urls": "Webhook addresses",
}
FORMATS: Final = {"date-time": "time (RFC 3339)", "date": "day (YYYY-MM-DD)", "uri": "URL"}
TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a body, or a parameter, with what it may be in words."""

    name: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation, with an example of its request and of its answer."""

    id: str
    method: str
    path: str
    summary: str
    parameters: list[Field]
    members: list[Field]
    request: str  # JSON, or empty
    status: str
    answer: str  # JSON
    errors: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The operations of one kind of resource."""

    id: str
    title: str
    description: str
    calls: list[Call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One type of event that is posted to merchants."""

    type: str
    summary: str
    example: str  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeText:
    """A purpose with its words, its class and its keyword number."""

    value: str
    name: str
    detail: str
    purpose_class: str
    number: int
    needs_own_admission: bool


def sections(api: Schema) -> list[Section]:
    """Return the operations of an OpenAPI description by tag."""
    calls = list(_calls(api))
    return [
        Section(
            id=tag["name"],
            title=TITLES.get(tag["name"], tag["name"].capitalize()),
            description=tag["description"],
            calls=[call for name, call in calls if name == tag["name"]],
        )
        for tag in api["tags"]
        if tag["name"] != "webhooks"
    ]


def webhooks(api: Schema) -> list[Webhook]:
    """Return the webhooks of an OpenAPI description."""
    return [
        Webhook(
            type=kind,
            summary=item["post"]["summary"],
            example=_json(item["post"]["requestBody"]["content"]["application/json"]["example"]),
        )
        for kind, item in api["webhooks"].items()
    ]


def purposes(language: str) -> list[PurposeText]:
    """Return the catalogue of purposes with their names in a language."""
    return [
        PurposeText(
            value=each.value,
            name=each.words(language).name,
            detail=purpose_detail(each, language),
            purpose_class=each.purpose_class.value,
            number=each.keyword_number,
            needs_own_admission=each.needs_own_admission,
        )
        for each in Purpose
    ]


def _calls(api: Schema) -> Iterator[tuple[str, Call]]:
    for path, item in api["paths"].items():
        for method in METHODS:
            if method in item:
                yield item[method]["tags"][0], _call(api, path, method, item[method])


def _call(api: Schema, path: str, method: str, operation: Schema) -> Call:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    status = next(each for each in operation["responses"] if each.startswith("2"))
    answer = operation["responses"][status]["content"]["application/json"]
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        parameters=[
            Field(each["name"], _words(each["schema"] | _described(each), is_required=False))
            for each in operation.get("parameters", [])
        ],
        members=_members(api, body["schema"]) if body else [],
        request=_json(body["example"]) if body else "",
        status=_status(status),
        answer=_json(answer["example"]),
        errors=[_status(each) for each in sorted(operation["responses"]) if each != status],
    )


def _described(parameter: Schema) -> Schema:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _members(api: Schema, reference: Schema) -> list[Field]:
    schema = api["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    return [
        Field(name, _words(each, is_required=name in required))
        for name, each in schema["properties"].items()
    ]


def _words(schema: Schema, *, is_required: bool) -> str:
    parts = [_type(schema)]
    if is_required:
        parts.append("required")
    if "maximum" in schema:
        parts.append(f"from {schema.get('minimum', 0)} to {schema['maximum']}")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    if "maxItems" in schema:
        parts.append(f"at most {schema['maxItems']} of them")
    if schema.get("default") is not None:
        parts.append(f"{schema['default']} by default")
    return ", ".join(parts) + (f". {schema['description']}" if "description" in schema else "")


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    declared = schema.get("type", "object")
    kinds = (
        [declared] if isinstance(declared, str) else [each for each in declared if each != "null"]
    )
    if kinds == ["array"]:
        return (
            f"list of {_type(schema['items'])}"
            if "enum" not in schema["items"]
            else (f"list, each {_type(schema['items'])}")
        )
    return " or ".join(TYPES[each] for each in kinds)


def _status(status: str) -> str:
    """Return a status code with its phrase (RFC 9110, 15)."""
    return f"{status} {HTTPStatus(int(status)).phrase}"


def _json(example: object) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
