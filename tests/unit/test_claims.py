"""The claims of a token: what is written, and everything that is refused."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import FrequencyCap, Scope, SendWindow
from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keys import GrantKey, SigningKey
from consent_tokens.errors import SealBrokenError, TokenMalformedError
from consent_tokens.row_key import RowKey
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.mint import (
    Binding,
    mint,
    open_number,
    pad_number,
    seal_number,
    unpad_number,
)
from consent_tokens.tokens.verify import members_of, verify

ISSUER = "https://consent.example"
ISSUED, ENDS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
SCOPE = Scope(
    purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
    frequency_cap=FrequencyCap(4, timedelta(days=30)),
    send_window=SendWindow.parse("09:00", "21:30", ZoneInfo("Asia/Shanghai")),
    ends_at=ENDS,
)
CLAIMS = Claims(
    issuer=ISSUER, merchant_id="m", jti="g", issued_at=ISSUED, scope=SCOPE, channels=("sms",),
    notice=bytes(32), sealed_number=bytes(44),
)  # fmt: skip
MEMBERS: dict[str, Any] = {
    "aud": "https://consent.example/relay",
    "channels": ["sms"],
    "client_id": "m",
    "exp": int(ENDS.timestamp()),
    "iat": int(ISSUED.timestamp()),
    "iss": "https://consent.example",
    "jti": "g",
    "limits": {"days": 30, "from": "09:00", "max": 4, "to": "21:30", "tz": "Asia/Shanghai"},
    "notice": "A" * 43,
    "rcp": "A" * 59,
    "scope": "marketing.promotions orders.updates",
}
LAST_SECOND = 253402300799  # of the year 9999
NUMBER = PhoneNumber.parse("+8613912345678")
KEY = GrantKey(bytes(range(32)))
BINDING = Binding(ISSUER, "g", "m")
SIGNER = SigningKey.from_seed(bytes(32))
KEYS = {jws.header(SIGNER.kid): SIGNER.verifying}


def payload(**changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({**MEMBERS, **changes}).encode()


def limits(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"limits": {**MEMBERS["limits"], **changes}}


def text_of(size: int) -> str:
    return urlsafe_b64encode(bytes(size)).rstrip(b"=").decode()


def test_the_payload_is_sorted_and_without_blanks() -> None:
    expected = json.dumps(MEMBERS, sort_keys=True, separators=(",", ":")).encode()
    assert CLAIMS.to_json() == expected
    assert Claims.from_json(expected) == CLAIMS
    assert CLAIMS.audience == "https://consent.example/relay"


@pytest.mark.parametrize("seconds", [0, LAST_SECOND])
def test_a_moment_may_be_any_of_the_calendar(seconds: int) -> None:
    assert int(Claims.from_json(payload(iat=seconds)).issued_at.timestamp()) == seconds
    assert int(Claims.from_json(payload(exp=seconds)).scope.ends_at.timestamp()) == seconds


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": -1}, {"exp": -1}, {"iat": LAST_SECOND + 1}, {"exp": LAST_SECOND + 1},
        {"iat": True}, {"iat": 1.0}, {"exp": "1"}, {"exp": None},
        {"notice": text_of(31)}, {"notice": text_of(33)}, {"notice": 1},
        {"rcp": text_of(43)}, {"rcp": text_of(45)}, {"rcp": "*" * 59}, {"rcp": None},
        {"channels": []}, {"channels": ["email"]}, {"channels": "sms"}, {"channels": [1, "sms"]},
        {"channels": {"sms": 1}}, {"aud": "https://consent.example"}, {"aud": ["x"]},
        {"iss": "https://other.example"}, {"iss": 1}, {"client_id": None}, {"jti": 1},
        {"scope": ""}, {"scope": "marketing.unknown"}, {"scope": 1},
        {"scope": "orders.updates  marketing.promotions"}, {"extra": 1}, {"limits": None},
        limits(max=0), limits(max=1001), limits(max=True), limits(max="4"), limits(days=0),
        limits(days=366), limits(days=1.0), limits(tz="Nowhere/Else"), limits(tz=1),
        limits(to="09:00"), limits(to="24:01"), limits(**{"from": 9}), limits(to=None),
        limits(extra=1), {"limits": {"max": 4, "days": 30, "from": "09:00", "to": "21:30"}},
        {"limits": [1]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_claim_that_is_wrong_is_refused(changes: dict[str, Any]) -> None:
    assert Claims.from_json(payload()) == CLAIMS
    with pytest.raises(TokenMalformedError):
        Claims.from_json(payload(**changes))


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_every_claim_is_required(name: str) -> None:
    members = {each: value for each, value in MEMBERS.items() if each != name}
    with pytest.raises(TokenMalformedError):
        Claims.from_json(json.dumps(members).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"null", b"\xff", b"{", b"[" * 100_000,
        payload()[:-1] + b',"jti":"g"}',
        payload(iat=0).replace(b'"iat": 0', b'"iat": NaN'),
        payload(iat=0).replace(b'"iat": 0', b'"iat": Infinity'),
        payload(iat=0).replace(b'"iat": 0', b'"iat": 1e400'),
    ],
)  # fmt: skip
def test_what_is_no_json_object_of_claims_is_refused(text: bytes) -> None:
    with pytest.raises(TokenMalformedError):
        Claims.from_json(text)


def test_other_channels_may_stand_beside_sms() -> None:
    assert Claims.from_json(payload(channels=["rcs", "sms"])).channels == ("rcs", "sms")


def test_a_grant_is_minted_as_it_is_and_verified() -> None:
    grant = Grant(
        key=RowKey(1, 2), merchant_id="m", scope=SCOPE, language="en", granted_at=ISSUED,
        status=GrantStatus.LIVE, status_since=ISSUED,
    )  # fmt: skip
    token = mint(grant, BINDING, sealed_number=bytes(44), notice=bytes(32), now=ISSUED, key=SIGNER)
    assert verify(token, KEYS, issuer=ISSUER) == CLAIMS
    with pytest.raises(TokenMalformedError):
        verify(token, KEYS, issuer="https://other.example")


@given(
    st.sets(st.sampled_from(tuple(Purpose)), min_size=1),
    st.integers(1, 1000), st.integers(1, 365), st.integers(0, 1439), st.integers(0, LAST_SECOND),
    st.binary(min_size=44, max_size=44),
)  # fmt: skip
def test_a_token_reads_the_same_for_its_mac_as_for_its_signature(
    purposes: set[Purpose], limit: int, days: int, opens: int, seconds: int, sealed: bytes
) -> None:
    claims = Claims(
        issuer=ISSUER, merchant_id="m", jti="g", channels=("sms",), notice=sealed[:32],
        sealed_number=sealed, issued_at=datetime.fromtimestamp(seconds, UTC),
        scope=Scope(
            purposes=frozenset(purposes), frequency_cap=FrequencyCap(limit, timedelta(days=days)),
            send_window=SendWindow(opens, 1440, ZoneInfo("Asia/Shanghai")),
            ends_at=datetime.fromtimestamp(LAST_SECOND - seconds, UTC),
        ),
    )  # fmt: skip
    token = jws.sign(claims.to_json(), SIGNER)
    members = members_of(token, KEYS)
    assert members
    assert Claims.of_members(members) == claims == verify(token, KEYS, issuer=ISSUER)


def test_a_token_under_another_header_or_too_long_is_read_strictly_alone() -> None:
    token = jws.sign(CLAIMS.to_json(), SIGNER)
    head, body, signature = token.split(".")
    assert members_of(token, KEYS)
    for other in (
        f"{head[:-1]}.{body}.{signature}", f"{head}.{body}.{signature[:-1]}À", head, f"{head}.",
        f"{head}.{body[:-1]}.{signature}", f"{head}.{encode(b'{}')}.{signature}", "",
        f"{token}{'A' * 4096}", f"{head}.{encode(b'[' * 2000)}.{signature}",
    ):  # fmt: skip
        assert members_of(other, KEYS) is None


def test_a_number_is_padded_to_one_length() -> None:
    assert pad_number(NUMBER) == b"+8613912345678  "
    assert unpad_number(b"+8613912345678  ") == NUMBER
    assert BINDING.to_bytes() == b"https://consent.example\ng\nm"


def test_a_sealed_number_opens_for_its_issuer_grant_and_merchant_only() -> None:
    sealed = seal_number(NUMBER, KEY, BINDING, nonce=bytes(12))
    assert len(sealed) == 44
    assert open_number(sealed, KEY, BINDING) == NUMBER
    for other in (
        replace(BINDING, issuer="i"), replace(BINDING, jti="h"), replace(BINDING, merchant_id="n"),
    ):  # fmt: skip
        with pytest.raises(SealBrokenError):
            open_number(sealed, KEY, other)
