"""Keys, hashes, ids and signatures: known answers, and what is refused."""

import hmac
import json
import os
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from altcha import v1
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from itsdangerous import URLSafeTimedSerializer

from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import decode, decode_all, decode_fast, encode, encode_all
from consent_tokens.crypto.keyed_hashes import (
    blind_index,
    code_hash,
    constant_time_equal,
    derived_digits,
    fingerprint,
    journal_tag,
    rate_limit_key,
)
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.crypto.keys import (
    DataKey,
    GrantKey,
    IdKey,
    IndexKey,
    JournalKey,
    SigningKey,
    TokenMacKey,
    WrappingKey,
    derive_key,
)
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.crypto.proof_of_work import create_challenge, verified_challenge
from consent_tokens.crypto.sealing import (
    open_envelope,
    open_sealed,
    seal,
    seal_envelope,
    seal_envelopes,
    unwrap,
    wrap,
)
from consent_tokens.crypto.signed_values import open_value, sign_value
from consent_tokens.errors import (
    KeyUnavailableError,
    SealBrokenError,
    TokenMalformedError,
    TokenSignatureError,
)
from consent_tokens.row_key import RowKey

SECRET = bytes(range(32))
INDEX = IndexKey(SECRET)
# RFC 8032, 7.1, test 1; its thumbprint is in RFC 8037, A.3
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
SIGNER = SigningKey.from_seed(SEED)
KEYS = {jws.header(SIGNER.kid): SIGNER.verifying}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def sub_key(label: str) -> bytes:
    return sub_key_of(SECRET, label)


def sub_key_of(secret: bytes, label: str) -> bytes:
    return hmac.digest(secret, label.encode() + b"\x01", "sha256")


def keyring(**changes: list[bytes]) -> Keyring:
    lists = {"signing": [SEED], "wrapping": [SECRET], "session": [b"1" * 32], "token_mac": [SECRET],
             **changes}  # fmt: skip
    return Keyring.from_secrets(id_key=SECRET, index=SECRET, journal=SECRET, **lists)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\x00", "AA"),
        (b"\x00\x00", "AAA"),
        (b"\xfb\xff\xfe", "-__-"),
        (b"abcd", "YWJjZA"),
    ],
)
def test_base64url_has_one_form(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == data


@pytest.mark.parametrize(
    "text",
    ["A", "AB", "AAB", "AAC", "AA==", "AAA=", "+AAA", "/AAA", "AA A", "AAAA\n", "AAAÀ", "AA\n"],
)  # fmt: skip
def test_what_is_not_canonical_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        decode(text)


def test_the_last_letter_has_no_bits_to_spare() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for start, canonical in (("A", letters[::16]), ("AA", letters[::4]), ("AAA", letters)):
        for letter in letters:
            if letter in canonical:
                assert encode(decode(start + letter)) == start + letter
            else:
                with pytest.raises(ValueError, match="base64url"):
                    decode(start + letter)


@pytest.mark.parametrize("size", [1, 2, 3, 16, 32, 44])
def test_many_texts_of_one_length_are_as_one_by_one(size: int) -> None:
    values = [bytes((each * place) % 256 for place in range(size)) for each in range(1, 40)]
    texts = encode_all(values, size)
    assert texts == [encode(value) for value in values]
    assert decode_all(texts, size) == values
    assert encode_all([], size) == []
    assert decode_all([], size) == []


@pytest.mark.parametrize("size", [16, 32, 44])
@pytest.mark.parametrize("spoil", ["shorter", "longer", "spare bits", "letter", "moved"])
def test_one_text_that_is_not_canonical_is_refused_among_many(size: int, spoil: str) -> None:
    one, two, three = encode_all([bytes(size)] * 3, size)
    spoiled = {
        "shorter": [one, two[:-1], three],
        "longer": [one, f"{two}A", three],
        "spare bits": [one, f"{two[:-1]}B", three],
        "letter": [one, f"{two[:-1]}*", three],
        "moved": [one, f"{two}A", three[1:]],
    }
    with pytest.raises(ValueError, match=r"base64url|length"):
        decode_all(spoiled[spoil], size)


def test_text_without_special_letters_is_decoded_fast() -> None:
    for data in (b"", b"a", b"ab", b"abc", b'{"jti":"x"}'):
        assert decode_fast(encode(data)) == data
    for text in ("A", "A_AA", "A-AA", "A.AA", "AAAÀ", "A A="):
        with pytest.raises(ValueError, match="base64"):
            decode_fast(text)


def test_each_hash_has_a_key_of_its_own() -> None:
    number = "+8613912345678"
    assert blind_index(number, INDEX) == hmac.digest(SECRET, number.encode(), "sha256")
    assert rate_limit_key("ip", "x", INDEX) == hmac.digest(sub_key("limits"), b"ip\nx", "sha256")
    assert fingerprint(number, "s", "t", INDEX) == hmac.digest(
        sub_key("fingerprints"), f"{number}\ns\nt".encode(), "sha256"
    )
    assert code_hash("123456", b"id", INDEX) == hmac.digest(sub_key("codes"), b"id123456", "sha256")
    digest = hmac.digest(sub_key("numbers"), b"shop", "sha256")
    assert derived_digits("shop", 4, INDEX) == f"{int.from_bytes(digest, 'big') % 10_000:04}"
    tag = hmac.digest(SECRET, blind_index(number, INDEX), "sha256")[:16]
    assert journal_tag(blind_index(number, INDEX), JournalKey(SECRET)) == encode(tag)
    padded = [derived_digits(str(each), 2, INDEX) for each in range(200)]
    assert {len(each) for each in padded} == {2}
    assert derive_key(SECRET, "limits") == sub_key("limits")


def test_digests_are_compared_whole() -> None:
    assert constant_time_equal(b"ab", b"ab")
    assert not constant_time_equal(b"ab", b"ac")


def test_a_key_has_32_bytes_and_prints_none() -> None:
    for kind in (DataKey, GrantKey, IdKey, IndexKey, JournalKey, WrappingKey):
        assert kind(SECRET).secret == SECRET
        assert "secret" not in repr(kind(SECRET))
        for size in (31, 33):
            with pytest.raises(ValueError, match="32 bytes"):
                kind(bytes(size))
    assert repr(SIGNER) == f"SigningKey(kid={SIGNER.kid!r})"
    assert repr(SIGNER.verifying) == f"VerifyingKey(kid={SIGNER.kid!r})"


def test_a_signing_key_is_named_by_its_thumbprint() -> None:
    assert SIGNER.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert SIGNER.verifying.kid == SIGNER.kid
    assert SIGNER.verifying.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_a_signature_is_that_of_the_standard() -> None:
    header = b'{"alg":"EdDSA","typ":"consent+jwt","kid":"%s"}' % SIGNER.kid.encode()
    signed = f"{urlsafe_b64encode(header).rstrip(b'=').decode()}.YWJj"
    signature = encode(SIGNER.private.sign(signed.encode()))
    assert jws.sign(b"abc", SIGNER) == f"{signed}.{signature}"
    assert jws.verify(f"{signed}.{signature}", KEYS) == b"abc"
    assert jws.payload_of(f"{signed}.{signature}") == b"abc"
    receipt = json.loads(decode(jws.header("k", jws.RECEIPT_TYPE)))
    assert receipt == {"alg": "EdDSA", "typ": "consent-receipt+jwt", "kid": "k"}


def test_a_token_may_have_4096_characters_of_which_3700_are_the_claims() -> None:
    header = jws.header(SIGNER.kid)
    keys = {header: SIGNER.verifying, "h" * 256: SIGNER.verifying, "h" * 308: SIGNER.verifying}

    def token(head: str, size: int) -> str:
        signed = f"{head}.{'A' * size}"
        return f"{signed}.{encode(SIGNER.private.sign(signed.encode()))}"

    assert jws.verify(token(header, 3700), keys) == bytes(2775)
    with pytest.raises(TokenMalformedError):
        jws.verify(token(header, 3704), keys)
    assert len(token("h" * 256, 3700)) <= 4096
    assert jws.verify(token("h" * 256, 3700), keys) == bytes(2775)
    with pytest.raises(TokenMalformedError):
        jws.verify(token("h" * 308, 4), keys)


@pytest.mark.parametrize("spoil", ["head", "body", "signature", "tail", "missing"])
def test_a_token_that_was_touched_is_refused(spoil: str) -> None:
    head, body, signature = jws.sign(b"abc", SIGNER).split(".")
    tokens = {
        "head": (f"{head[:-1]}.{body}.{signature}", TokenMalformedError),
        "body": (f"{head}.YWJk.{signature}", TokenSignatureError),
        "signature": (f"{head}.{body}.{'A' * 86}", TokenSignatureError),
        "tail": (f"{head}.{body}.{signature[:-1]}B", TokenMalformedError),  # not canonical
        "missing": (f"{head}.{body}", TokenMalformedError),
    }
    token, fault = tokens[spoil]
    with pytest.raises(fault):
        jws.verify(token, KEYS)


def test_a_sealed_value_opens_with_its_key_and_its_associated_data() -> None:
    sealed = seal(b"text", DataKey(SECRET), associated_data=b"a", nonce=b"n" * 12)
    assert sealed.startswith(b"n" * 12)
    assert len(sealed) == 12 + 4 + 16
    assert open_sealed(sealed, DataKey(SECRET), associated_data=b"a") == b"text"
    for broken in (sealed[:-1], b"", b"n" * 12, b"m" + sealed[1:]):
        with pytest.raises(SealBrokenError):
            open_sealed(broken, DataKey(SECRET), associated_data=b"a")
    with pytest.raises(SealBrokenError):
        open_sealed(sealed, DataKey(SECRET), associated_data=b"b")


def test_an_envelope_holds_its_own_wrapped_key() -> None:
    under = WrappingKey(SECRET)
    drawn: list[int] = []

    def draw(count: int) -> bytes:
        drawn.append(count)
        return b"r" * count

    envelope = seal_envelope(b"text", under, associated_data=b"a", token_bytes=draw)
    assert drawn == [32, 12]
    assert under.kid == sub_key("kid")[:8]
    assert envelope.startswith(under.kid)
    assert envelope[:48] == wrap(DataKey(b"r" * 32), under)
    keys = {under.kid: under}
    assert open_envelope(envelope, keys, associated_data=b"a") == b"text"
    assert type(unwrap(envelope[:48], keys, GrantKey)) is GrantKey
    with pytest.raises(KeyUnavailableError):
        open_envelope(envelope, {}, associated_data=b"a")
    with pytest.raises(SealBrokenError):
        unwrap(envelope[:47] + b"\x00", keys, DataKey)
    with pytest.raises(SealBrokenError):
        unwrap(envelope[:47], keys, DataKey)


def test_envelopes_of_one_key_have_nonces_and_bindings_of_their_own() -> None:
    under = WrappingKey(SECRET)
    first, second = seal_envelopes([(b"text", b"a"), (b"text", b"b")], under, os.urandom)
    keys = {under.kid: under}
    assert first[:48] == second[:48]
    assert first[48:60] != second[48:60]
    assert open_envelope(first, keys, associated_data=b"a") == b"text"
    assert open_envelope(second, keys, associated_data=b"b") == b"text"
    with pytest.raises(SealBrokenError):
        open_envelope(first, keys, associated_data=b"b")


def test_an_opaque_id_is_one_block_of_aes_under_a_key_of_its_kind() -> None:
    ids = OpaqueIds.from_key(IdKey(SECRET))
    key = RowKey(-5, 2**62)
    kinds = {
        "grant": (SECRET, ""), "message": (sub_key("id message"), "msg_"),
        "request": (sub_key("id request"), "req_"), "message_link": (sub_key("id link"), ""),
        "consent_page": (sub_key("id code"), ""),
        "webhook_event": (sub_key("id event"), "evt_"),
        "receipt": (sub_key("id receipt"), ""),
        "complaint": (sub_key("id complaint"), "cmp_"),
    }  # fmt: skip
    block = key.partition.to_bytes(8, "big", signed=True) + key.id.to_bytes(8, "big", signed=True)
    for name, (secret, prefix) in kinds.items():
        codec = getattr(ids, name)
        encryptor = Cipher(algorithms.AES256(secret), modes.ECB()).encryptor()  # noqa: S305 - one block
        expected = prefix + urlsafe_b64encode(encryptor.update(block)).rstrip(b"=").decode()
        assert codec.encode(key) == expected, name
        assert codec.decode(expected) == key
        assert "cipher" not in repr(codec)


def test_many_opaque_ids_are_as_one_by_one() -> None:
    codec = OpaqueIds.from_key(IdKey(SECRET)).message
    keys = [RowKey(each, -each) for each in range(1, 40)]
    public = codec.encode_all(keys)
    assert public == [codec.encode(key) for key in keys]
    assert codec.encode_all([]) == []
    assert codec.decode_all(public) == dict(zip(public, keys, strict=True))
    mixed = [public[0], "msg_", public[1] + "A", public[2]]
    assert codec.decode_all(mixed) == {public[0]: keys[0], public[2]: keys[2]}
    text = public[0]
    for wrong in (
        "", "msg_", text[:-1], text + "A", text.removeprefix("msg_"), "msg_" + text,
        "evt_" + text[4:], text[:-1] + "B", text[:-1] + "*",
    ):  # fmt: skip
        assert codec.decode(wrong) is None, wrong


def test_a_signed_value_is_good_for_its_use_and_for_a_time() -> None:
    ring = keyring()
    text = sign_value(ring, "login", "value")
    assert open_value(ring, "login", text, max_age_seconds=60) == "value"
    assert open_value(ring, "login", text, max_age_seconds=-1) is None
    assert open_value(ring, "other", text, max_age_seconds=60) is None
    assert open_value(ring, "login", text + "x", max_age_seconds=60) is None
    rotated = keyring(session=[b"1" * 32, b"2" * 32])
    assert open_value(rotated, "login", text, max_age_seconds=60) == "value"
    assert open_value(ring, "login", sign_value(rotated, "login", "v"), max_age_seconds=60) is None
    same = URLSafeTimedSerializer(
        list(ring.session), salt="consent-tokens login",
        signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"},
    )  # fmt: skip
    assert same.loads(text) == "value"
    number = same.dumps(5)
    assert open_value(ring, "login", str(number), max_age_seconds=60) is None, "not a text"


def test_the_newest_of_several_keys_is_used_and_the_others_still_verify() -> None:
    ring = keyring(signing=[SEED, b"2" * 32], wrapping=[SECRET, b"3" * 32], session=[b"4" * 32])
    assert ring.signing.kid == SigningKey.from_seed(b"2" * 32).kid
    assert set(ring.verifying) == {jws.header(SIGNER.kid), jws.header(ring.signing.kid)}
    assert ring.wrapping == WrappingKey(b"3" * 32)
    assert ring.unwrapping[WrappingKey(SECRET).kid] == WrappingKey(SECRET)
    assert len(ring.unwrapping) == 2
    assert ring.session == (encode(b"4" * 32),)
    assert ring.index == INDEX


def a_folder(tmp_path: Path) -> tuple[Path, Keyring]:
    count = iter(range(1, 9))
    folder = tmp_path / "keys"
    return folder, Keyring.load_or_create(folder, lambda size: bytes([next(count)]) * size)


def test_a_new_installation_makes_its_seven_keys_for_the_owner_alone(tmp_path: Path) -> None:
    folder, ring = a_folder(tmp_path)
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.key")}
    assert set(paths) == {
        "signing/0001.key", "wrapping/0001.key", "id.key", "index.key", "session.key",
        "journal.key", "token_mac.key",
    }  # fmt: skip
    for path in paths.values():
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(path.read_text()) == 44
        assert path.read_text().endswith("\n")
    for each in (folder, folder / "signing", folder / "wrapping"):
        assert each.stat().st_mode & 0o077 == 0 or each == folder
    assert ring.signing.kid == SigningKey.from_seed(b"\x01" * 32).kid
    assert ring.wrapping == WrappingKey(b"\x02" * 32)
    assert ring.ids.grant.encode(RowKey(1, 1)) == OpaqueIds.from_key(
        IdKey(b"\x03" * 32)
    ).grant.encode(RowKey(1, 1))
    assert ring.index == IndexKey(b"\x04" * 32)
    assert ring.session == (encode(b"\x05" * 32),)
    assert ring.journal == JournalKey(b"\x06" * 32)
    assert ring.journal.kid == sub_key_of(b"\x06" * 32, "kid")[:8].hex()
    assert ring.token_mac == TokenMacKey(b"\x07" * 32)
    assert len(list(folder.iterdir())) == 7, "nothing temporary is left"

    def no_draw(_size: int) -> bytes:
        raise AssertionError("keys that are there are not made again")

    again = Keyring.load_or_create(folder, no_draw)
    assert again.session == ring.session
    assert again.signing.kid == ring.signing.kid


def test_an_installation_that_had_no_journal_key_gets_one(tmp_path: Path) -> None:
    folder, ring = a_folder(tmp_path)
    (folder / "journal.key").unlink()
    again = Keyring.load_or_create(folder, lambda size: b"J" * size)
    assert again.journal == JournalKey(b"J" * 32)
    assert again.index == ring.index
    assert Keyring.load_or_create(folder, bytes).journal == again.journal


def test_an_installation_that_had_no_key_of_token_macs_gets_one_once(tmp_path: Path) -> None:
    folder, ring = a_folder(tmp_path)
    (folder / "token_mac.key").unlink()
    again = Keyring.load_or_create(folder, lambda size: b"M" * size)
    assert again.token_mac == TokenMacKey(b"M" * 32)
    assert again.fingerprint == ring.fingerprint
    later = folder / "token_mac" / "0002.key"
    later.parent.mkdir(0o700)
    (folder / "token_mac.key").rename(later)  # the first one was withdrawn
    assert Keyring.load_or_create(folder, bytes).token_mac == again.token_mac


def test_keys_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder, _ring = a_folder(tmp_path)
    newer = folder / "signing" / "0002.key"
    newer.touch(0o600)
    newer.write_text(encode(b"9" * 32))
    ring = Keyring.load_or_create(folder, bytes)
    assert ring.signing.kid == SigningKey.from_seed(b"9" * 32).kid
    assert len(ring.verifying) == 2


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_a_key_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    folder, _ring = a_folder(tmp_path)
    (folder / "index.key").chmod(mode)
    with pytest.raises(KeyUnavailableError, match=r"index\.key can be read by others"):
        Keyring.load_or_create(folder, bytes)


@pytest.mark.parametrize("content", ["", "not a key", encode(bytes(31)), encode(bytes(33)), "é"])
def test_a_file_that_is_no_key_is_refused_by_name(content: str, tmp_path: Path) -> None:
    folder, _ring = a_folder(tmp_path)
    (folder / "id.key").write_text(content)
    with pytest.raises(KeyUnavailableError, match=r"id\.key is not a key"):
        Keyring.load_or_create(folder, bytes)


@pytest.mark.parametrize("name", ["signing/0001", "wrapping/0001", "id", "index", "session"])
def test_a_key_that_is_missing_among_others_is_not_made_again(name: str, tmp_path: Path) -> None:
    folder, _ring = a_folder(tmp_path)
    (folder / f"{name}.key").unlink()
    with pytest.raises(KeyUnavailableError, match="cannot be used"):
        Keyring.load_or_create(folder, bytes)


def solution(number: int = 7, **changes: object) -> str:
    made = create_challenge(INDEX, random_bytes=b"s" * 12, number=7, expires=NOW + MINUTE)
    members = {
        "algorithm": "SHA-256", "challenge": made.challenge, "number": number, "salt": made.salt,
        "signature": made.signature, **changes,
    }  # fmt: skip
    return b64encode(json.dumps(members).encode()).decode()


def test_a_challenge_is_solved_by_its_number_in_time() -> None:
    made = create_challenge(INDEX, random_bytes=b"s" * 12, number=7, expires=NOW + MINUTE)
    assert made.max_number == 200_000
    assert made.salt.startswith((b"s" * 12).hex())
    assert made.challenge == sha256(f"{made.salt}7".encode()).hexdigest()
    secret = encode(sub_key("work"))
    expected = hmac.new(secret.encode(), made.challenge.encode(), "sha256").hexdigest()
    assert made.signature == expected
    assert verified_challenge(INDEX, solution(), NOW) == made.challenge
    assert verified_challenge(INDEX, solution(took=5), NOW) == made.challenge
    almost = NOW + MINUTE - timedelta(seconds=1)
    assert verified_challenge(INDEX, solution(), almost) == made.challenge
    assert verified_challenge(INDEX, solution(), NOW + MINUTE) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 8}, {"number": "7"}, {"number": True}, {"algorithm": "SHA-1"}, {"salt": "x"},
        {"algorithm": "SHA-512"}, {"signature": "0" * 64}, {"signature": "é"},
        {"challenge": "0" * 64}, {"challenge": None}, {"extra": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_a_solution_that_is_wrong_is_none(changes: dict[str, Any]) -> None:
    assert verified_challenge(INDEX, solution(**changes), NOW) is None


@pytest.mark.parametrize("text", ["", "*", "é", "AAAA", b64encode(b"[]").decode(), "e30="])
def test_what_is_no_solution_is_none(text: str) -> None:
    assert verified_challenge(INDEX, text, NOW) is None


def padded(length: int) -> str:
    blanks = b64encode(b" " * 3).decode()
    text = solution() if not solution().endswith("=") else solution(took=12)
    return blanks * ((length - len(text)) // 4) + text


def test_a_solution_has_at_most_a_thousand_characters() -> None:
    assert len(padded(1000)) == 1000
    assert verified_challenge(INDEX, padded(1000), NOW)
    assert verified_challenge(INDEX, padded(1000) + "\n", NOW) is None
    assert verified_challenge(INDEX, padded(1004), NOW) is None


@pytest.mark.parametrize("expires", ["", "soon", "-1", "²"])
def test_a_challenge_without_an_end_is_none(expires: str) -> None:
    """Signed by the right key, but not one that this service makes."""
    secret = encode(sub_key("work"))
    salt = f"{'ab' * 12}?expires={expires}&"
    made = v1.create_challenge(
        algorithm="SHA-256", hmac_key=secret, salt=salt, number=7, max_number=10, salt_length=12,
        expires=None, params=None,
    )  # fmt: skip
    text = solution(challenge=made.challenge, salt=made.salt, signature=made.signature)
    assert verified_challenge(INDEX, text, NOW) is None
