"""Makes the hostile tokens: one fault a file, with the code that it is to be refused with.

`python -m tests.vectors.make` writes them anew. Keys, nonces and times are fixed, so the files only
change when the format does.
"""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import FrequencyCap, Scope, SendWindow
from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keys import SigningKey
from consent_tokens.tokens.claims import Claims

FOLDER = Path(__file__).parent / "tokens"
ISSUER = "https://consent.example"
KEY = SigningKey.from_seed(bytes(range(32)))
STRANGER = SigningKey.from_seed(bytes(32))
MALFORMED, SIGNATURE = "token_malformed", "token_signature_invalid"
ISSUED = datetime(2021, 11, 11, tzinfo=UTC)
CLAIMS = Claims(
    issuer=ISSUER,
    merchant_id="mer_0123456789abcdef",
    jti="AAAAAAAAAAAAAAAAAAAAAA",
    issued_at=ISSUED,
    scope=Scope(
        purposes=frozenset({Purpose.PROMOTIONS}),
        frequency_cap=FrequencyCap(4, timedelta(days=30)),
        send_window=SendWindow.parse("09:00", "21:00", ZoneInfo("Asia/Shanghai")),
        ends_at=ISSUED + timedelta(days=180),
    ),
    channels=("sms",),
    notice=bytes(32),
    sealed_number=bytes(44),
)
HEADER = {"alg": "EdDSA", "typ": "consent+jwt", "kid": KEY.kid}


def text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def with_header(header: object, key: SigningKey = KEY) -> str:
    """Return a token whose signature holds, over another header."""
    signed = f"{encode(text(header))}.{encode(CLAIMS.to_json())}"
    return f"{signed}.{encode(key.private.sign(signed.encode()))}"


def with_payload(payload: bytes) -> str:
    return jws.sign(payload, KEY)


def with_claims(**changes: Any) -> str:  # noqa: ANN401 - whatever JSON holds, and more
    members = json.loads(CLAIMS.to_json())
    for name, value in changes.items():
        if value is None:
            members.pop(name)
        else:
            members[name] = value
    return with_payload(text(members))


def with_limits(**changes: object) -> str:
    return with_claims(limits=json.loads(CLAIMS.to_json())["limits"] | changes)


def vectors() -> dict[str, tuple[str, str]]:
    """Return each hostile token with the code it is refused with."""
    good = jws.sign(CLAIMS.to_json(), KEY)
    head, body, signature = good.split(".")
    public = decode(KEY.verifying.x)
    hs_head = encode(text({**HEADER, "alg": "HS256"}))
    hs_mac = encode(hmac.digest(public, f"{hs_head}.{body}".encode(), "sha256"))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": STRANGER.verifying.x}
    twice = CLAIMS.to_json().replace(b'{"aud"', b'{"client_id":"mer_x","aud"')
    found: dict[str, tuple[str, str]] = {
        "alg-none": (f"{encode(text({**HEADER, 'alg': 'none'}))}.{body}.", MALFORMED),
        "alg-none-signed": (with_header({**HEADER, "alg": "none"}), MALFORMED),
        "alg-hs256-with-public-key": (f"{hs_head}.{body}.{hs_mac}", MALFORMED),
        "alg-ed25519-name": (with_header({**HEADER, "alg": "Ed25519"}), MALFORMED),
        "alg-lower-case": (with_header({**HEADER, "alg": "eddsa"}), MALFORMED),
        "typ-jwt": (with_header({**HEADER, "typ": "JWT"}), MALFORMED),
        "typ-missing": (with_header({"alg": "EdDSA", "kid": KEY.kid}), MALFORMED),
        "typ-with-application": (
            with_header({**HEADER, "typ": "application/consent+jwt"}),
            MALFORMED,
        ),
        "kid-of-a-stranger": (with_header({**HEADER, "kid": STRANGER.kid}, STRANGER), MALFORMED),
        "kid-is-a-path": (with_header({**HEADER, "kid": "../../dev/null"}), MALFORMED),
        "kid-missing": (with_header({"alg": "EdDSA", "typ": "consent+jwt"}), MALFORMED),
        "header-other-order": (with_header(dict(sorted(HEADER.items()))), MALFORMED),
        "jwk-embedded": (with_header({**HEADER, "jwk": jwk}, STRANGER), MALFORMED),
        "jku": (with_header({**HEADER, "jku": "https://evil.example/jwks"}, STRANGER), MALFORMED),
        "x5u": (with_header({**HEADER, "x5u": "https://evil.example/x"}), MALFORMED),
        "crit-unknown": (with_header({**HEADER, "crit": ["exp"]}), MALFORMED),
        "b64-false": (with_header({**HEADER, "b64": False, "crit": ["b64"]}), MALFORMED),
        "zip": (with_header({**HEADER, "zip": "DEF"}), MALFORMED),
        "header-not-json": (f"{encode(b'not json')}.{body}.{signature}", MALFORMED),
        "signed-by-a-stranger-under-our-kid": (with_header(HEADER, STRANGER), SIGNATURE),
        "signature-of-other-body": (
            f"{head}.{encode(CLAIMS.to_json() + b' ')}.{signature}",
            SIGNATURE,
        ),
        "signature-zero": (f"{head}.{body}.{encode(bytes(64))}", SIGNATURE),
        "signature-padded": (f"{good}==", MALFORMED),
        "signature-short": (good[:-1], MALFORMED),
        "signature-long": (f"{good}A", MALFORMED),
        "signature-empty": (f"{head}.{body}.", MALFORMED),
        "signature-not-canonical": (good[:-1] + _next(good[-1]), MALFORMED),
        "body-not-canonical": (_signed_not_canonical(), MALFORMED),
        "body-padded": (f"{head}.{body}=.{signature}", MALFORMED),
        "base64-standard-alphabet": (f"{head}.{'+/' + body[2:]}.{signature}", MALFORMED),
        "whitespace-before": (f" {good}", MALFORMED),
        "newline-after": (f"{good}\n", MALFORMED),
        "two-parts": (f"{head}.{body}", MALFORMED),
        "four-parts": (f"{good}.x", MALFORMED),
        "json-serialization": (
            json.dumps({"protected": head, "payload": body, "signature": signature}),
            MALFORMED,
        ),
        "encrypted-five-parts": (f"{head}.{body}.{signature}.{body}.{signature}", MALFORMED),
        "empty": ("", MALFORMED),
        "dots": ("." * 1000, MALFORMED),
        "not-ascii": (f"{head}.{body}.{'é' * 86}", MALFORMED),
        "full-width": (good.replace("A", "\uff21", 1), MALFORMED),
        "huge": (f"{head}.{'A' * 5000}.{signature}", MALFORMED),
        "over-4-kib": (with_claims(client_id="m" * 3000), MALFORMED),
        "member-twice": (with_payload(twice), MALFORMED),
        "limits-member-twice": (
            with_payload(CLAIMS.to_json().replace(b'"days":30', b'"days":30,"days":30')),
            MALFORMED,
        ),
        "utf-16": (with_payload(CLAIMS.to_json().decode().encode("utf-16-le")), MALFORMED),
        "utf-8-bom": (with_payload(b"\xef\xbb\xbf" + CLAIMS.to_json()), MALFORMED),
        "utf-8-broken": (with_payload(CLAIMS.to_json().replace(b"mer_", b"\xc3\x28r_")), MALFORMED),
        "nested": (with_payload(b"[" * 1300 + b"]" * 1300), MALFORMED),
        "payload-a-list": (with_payload(b"[]"), MALFORMED),
        "payload-null": (with_payload(b"null"), MALFORMED),
        "payload-not-json": (with_payload(b"{"), MALFORMED),
        "payload-two-values": (with_payload(CLAIMS.to_json() + b"{}"), MALFORMED),
        "exp-missing": (with_claims(exp=None), MALFORMED),
        "exp-text": (with_claims(exp="1652227200"), MALFORMED),
        "exp-fraction": (with_claims(exp=1652227200.5), MALFORMED),
        "exp-float": (with_claims(exp=1652227200.0), MALFORMED),
        "exp-bool": (with_claims(exp=True), MALFORMED),
        "exp-beyond-all-years": (with_claims(exp=10**18), MALFORMED),
        "exp-negative": (with_claims(exp=-1), MALFORMED),
        "exp-infinite": (
            with_payload(CLAIMS.to_json().replace(b'"exp":1652140800', b'"exp":Infinity')),
            MALFORMED,
        ),
        "exp-huge-exponent": (
            with_payload(CLAIMS.to_json().replace(b'"exp":1652140800', b'"exp":1e999')),
            MALFORMED,
        ),
        "iat-missing": (with_claims(iat=None), MALFORMED),
        "issuer-other": (with_claims(iss="https://evil.example"), MALFORMED),
        "issuer-slash": (with_claims(iss=ISSUER + "/"), MALFORMED),
        "audience-other": (with_claims(aud="https://other.example/relay"), MALFORMED),
        "audience-a-list": (with_claims(aud=[f"{ISSUER}/relay"]), MALFORMED),
        "audience-missing": (with_claims(aud=None), MALFORMED),
        "unknown-member": (with_claims(admin=True), MALFORMED),
        "jti-a-number": (with_claims(jti=1), MALFORMED),
        "scope-unknown": (with_claims(scope="marketing.everything"), MALFORMED),
        "scope-empty": (with_claims(scope=""), MALFORMED),
        "scope-a-list": (with_claims(scope=["marketing.promotions"]), MALFORMED),
        "channels-without-sms": (with_claims(channels=["email"]), MALFORMED),
        "channels-a-text": (with_claims(channels="sms"), MALFORMED),
        "cap-zero": (with_limits(max=0), MALFORMED),
        "cap-beyond": (with_limits(max=1001), MALFORMED),
        "cap-text": (with_limits(max="4"), MALFORMED),
        "days-beyond": (with_limits(days=366), MALFORMED),
        "hours-backwards": (with_limits(to="08:00"), MALFORMED),
        "hours-beyond": (with_limits(to="24:01"), MALFORMED),
        "zone-unknown": (with_limits(tz="Mars/Olympus"), MALFORMED),
        "zone-a-path": (with_limits(tz="../../etc/passwd"), MALFORMED),
        "limits-extra": (with_limits(more=1), MALFORMED),
        "notice-short": (with_claims(notice=encode(bytes(31))), MALFORMED),
        "box-short": (with_claims(rcp=encode(bytes(43))), MALFORMED),
        "box-padded": (with_claims(rcp=base64.urlsafe_b64encode(bytes(44)).decode()), MALFORMED),
    }  # fmt: skip
    return found


def _next(letter: str) -> str:
    """Return the letter that differs in the bits that base64 throws away at the end."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


def _signed_not_canonical() -> str:
    """Return a token whose signature holds over a body with stray bits at its end."""
    payload = CLAIMS.to_json()
    while len(payload) % 3 != 1:
        payload += b" "
    body = encode(payload)
    signed = f"{jws.header(KEY.kid)}.{body[:-1] + _next(body[-1])}"
    return f"{signed}.{encode(KEY.private.sign(signed.encode()))}"


def write() -> None:
    """Write one file a vector: what is expected, why, and the token."""
    FOLDER.mkdir(exist_ok=True)
    for name, (token, expected) in vectors().items():
        body = json.dumps({"expect": expected, "token": token}, indent=1)
        (FOLDER / f"{name}.json").write_text(body + "\n")


if __name__ == "__main__":
    write()
