"""Hostile tokens, one fault a file: each is refused with its code, by every call."""

import json
from pathlib import Path

import pytest

from consent_tokens.crypto import jws
from consent_tokens.errors import TokenError
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import members_of, read, verify
from tests.service import PROMOTIONS, Service
from tests.vectors.make import CLAIMS, FOLDER, ISSUER, KEY, vectors

FILES = sorted(FOLDER.glob("*.json"))
KEYS = {jws.header(KEY.kid): KEY.verifying}


def test_the_good_one_is_taken() -> None:
    """Else all the others would be refused for nothing."""
    assert verify(jws.sign(CLAIMS.to_json(), KEY), KEYS, issuer=ISSUER) == CLAIMS


def test_the_files_are_those_that_the_maker_makes() -> None:
    kept = {path.stem: json.loads(path.read_text()) for path in FILES}
    made = {
        name: {"expect": expected, "token": token} for name, (token, expected) in vectors().items()
    }
    assert kept == made, "run: python -m tests.vectors.make"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_refused_with_its_code(path: Path) -> None:
    vector = json.loads(path.read_text())
    with pytest.raises(TokenError) as fault:
        verify(vector["token"], KEYS, issuer=ISSUER)
    assert fault.value.error_code == vector["expect"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_claims_are_none_or_those_that_were_signed(path: Path) -> None:
    """What finds the MAC of a token crashes on none, and reads nothing else out of one."""
    token = json.loads(path.read_text())["token"]
    members = members_of(token, KEYS)
    try:
        signed = read(token, KEYS).claims
    except TokenError:
        signed = None
    if members and signed:
        assert Claims.of_members(members) == signed


def test_every_call_refuses_each_and_crashes_on_none(small: Service) -> None:
    merchant = small.merchant()
    for path in FILES:
        token = json.loads(path.read_text())["token"]
        if not token:
            continue  # an empty text is no input at all: 422 by field
        answer = merchant.send(token)
        assert answer.json["code"].startswith("token_"), path.stem
        assert answer.status_code in {403, 422}
        introspected = merchant.post("/v1/tokens/introspect", {"token": token})
        assert introspected.json == {"active": False}, path.stem
        assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200
        assert merchant.post("/v1/tokens/renew", {"token": token}).status_code in {403, 404}
    batch = [
        {"token": json.loads(path.read_text())["token"], "purpose": PROMOTIONS, "text": "x"}
        for path in FILES
    ]
    results = merchant.post("/v1/messages/batch", {"messages": batch}).json["results"]
    assert {result["status"] for result in results} == {"refused"}
