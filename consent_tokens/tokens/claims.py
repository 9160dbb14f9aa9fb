"""The claims of a consent token, and their JSON: parsed strictly, written canonically."""

import json
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Self

import msgspec
from msgspec import Struct

from consent_tokens.consent.scope import (
    SMS,
    Scope,
    format_time_of_day,
    frequency_cap_of,
    parse_time_of_day,
    purposes_of,
    send_window_of,
)
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.errors import TokenMalformedError

SEALED_NUMBER_BYTES: Final = 44  # nonce 12, padded number 16, tag 16
DIGEST_BYTES: Final = 32
MAX_TIMESTAMP: Final = 253402300799  # the last second of the year 9999
MEMBERS: Final = frozenset(
    ["iss", "aud", "client_id", "jti", "iat", "exp", "scope", "channels", "limits", "notice", "rcp"]
)
LIMIT_MEMBERS: Final = frozenset({"max", "days", "from", "to", "tz"})


class _Limits(Struct, frozen=True, kw_only=True):
    """The member `limits`, in the order in which it is written."""

    days: int
    opens: str = msgspec.field(name="from")
    max: int
    to: str
    tz: str


class Members(Struct, frozen=True, kw_only=True):
    """The members of a token and their types, in the order in which they are written.

    What they say is checked once they become claims.
    """

    aud: str
    channels: list[str]
    client_id: str
    exp: int
    iat: int
    iss: str
    jti: str
    limits: _Limits
    notice: str
    rcp: str
    scope: str


class Claims(Struct, frozen=True, kw_only=True):
    """The claims of a token. Every member is required; unknown members are refused."""

    issuer: str
    merchant_id: str
    jti: str
    issued_at: datetime
    scope: Scope
    channels: tuple[str, ...]
    notice: bytes  # SHA-256 of the notice that was shown
    sealed_number: bytes

    @property
    def audience(self) -> str:
        """Return the `aud` claim: the relay of the issuer."""
        return f"{self.issuer}/relay"

    def to_json(self) -> bytes:
        """Return the payload: members sorted, no whitespace, ASCII, so that it is reproducible."""
        scope = self.scope
        members = {
            "iss": self.issuer,
            "aud": self.audience,
            "client_id": self.merchant_id,
            "jti": self.jti,
            "iat": int(self.issued_at.timestamp()),
            "exp": int(scope.ends_at.timestamp()),
            "scope": " ".join(sorted(scope.purposes)),
            "channels": list(self.channels),
            "limits": {
                "max": scope.frequency_cap.limit,
                "days": scope.frequency_cap.window.days,
                "from": format_time_of_day(scope.send_window.opens),
                "to": format_time_of_day(scope.send_window.closes),
                "tz": scope.send_window.timezone_names,
            },
            "notice": encode(self.notice),
            "rcp": encode(self.sealed_number),
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_json(cls, payload: bytes) -> Self:
        """Return the claims in a payload. Raises TokenMalformedError for every kind of error."""
        try:
            members = _read_canonical(payload) or _read_strictly(payload)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise TokenMalformedError from error
        return cls.of_members(members)

    @classmethod
    def of_members(cls, members: Members) -> Self:
        """Return the claims that members make. Raises TokenMalformedError."""
        try:
            return cls._of(members)
        except (ValueError, KeyError, OverflowError) as error:
            raise TokenMalformedError from error

    @classmethod
    def _of(cls, members: Members) -> Self:
        claims = cls(
            issuer=members.iss,
            merchant_id=members.client_id,
            jti=members.jti,
            issued_at=_timestamp(members.iat),
            scope=_scope(members),
            channels=tuple(members.channels),
            notice=_bytes(members.notice, DIGEST_BYTES),
            sealed_number=_bytes(members.rcp, SEALED_NUMBER_BYTES),
        )
        if members.aud != claims.audience or SMS not in claims.channels:
            raise ValueError("not for this relay")
        return claims


def read_loosely(payload: bytes) -> Members | None:
    """Return the members of a payload, else None; of a member that occurs twice, the last."""
    try:
        return FAST_DECODER.decode(payload)
    except (ValueError, RecursionError):
        return None


def _read_canonical(payload: bytes) -> Members | None:
    """Return the members of a payload that is written as this service writes it, else None.

    In a third of the time: a member twice, another member, or a number written in another way are
    not what the members would be written as again.
    """
    members = read_loosely(payload)
    return members if members and FAST_ENCODER.encode(members) == payload else None


FAST_DECODER: Final = msgspec.json.Decoder(Members)
FAST_ENCODER: Final = msgspec.json.Encoder()


def _read_strictly(payload: bytes) -> Members:
    """Return the members of any payload. Raises ValueError, KeyError, TypeError, RecursionError."""
    members = DECODER.decode(payload.decode("utf-8"))
    if not isinstance(members, dict) or members.keys() != MEMBERS:
        raise ValueError("not the members of a consent token")
    limits = members["limits"]
    if not isinstance(limits, dict) or limits.keys() != LIMIT_MEMBERS:
        raise ValueError("not the limits of a consent token")
    return Members(
        aud=_text(members["aud"]),
        channels=[_text(channel) for channel in _list(members["channels"])],
        client_id=_text(members["client_id"]),
        exp=_whole(members["exp"]),
        iat=_whole(members["iat"]),
        iss=_text(members["iss"]),
        jti=_text(members["jti"]),
        limits=_Limits(
            days=_whole(limits["days"]),
            opens=_text(limits["from"]),
            max=_whole(limits["max"]),
            to=_text(limits["to"]),
            tz=_text(limits["tz"]),
        ),
        notice=_text(members["notice"]),
        rcp=_text(members["rcp"]),
        scope=_text(members["scope"]),
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # RFC 7519, 4: no member twice
        raise ValueError("a member occurs twice")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:  # isinstance would accept a bool
        raise TypeError("not a whole number")
    return value


def _timestamp(seconds: int) -> datetime:
    if not 0 <= seconds <= MAX_TIMESTAMP:
        raise ValueError("not a timestamp")
    return datetime.fromtimestamp(seconds, UTC)


def _bytes(text: str, size: int) -> bytes:
    data = decode(text)
    if len(data) != size:
        raise ValueError("not of that length")
    return data


def _scope(members: Members) -> Scope:
    limits = members.limits
    return Scope(
        purposes=purposes_of(members.scope),
        frequency_cap=frequency_cap_of(limits.max, limits.days),
        send_window=send_window_of(
            parse_time_of_day(limits.opens), parse_time_of_day(limits.to), limits.tz
        ),
        ends_at=_timestamp(members.exp),
    )
