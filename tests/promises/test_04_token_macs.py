"""Promise 4: the MAC of a grant's newest token proves that token, and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.crypto.key_source import KeySource
from consent_tokens.crypto.keys import SigningKey, TokenMacKey
from consent_tokens.crypto.token_macs import KnownTokens, TokenMac
from consent_tokens.row_key import RowKey
from consent_tokens.services.integrity.key_rotation import (
    KeyState,
    KeyStatus,
    list_keys,
    rotate,
)
from consent_tokens.services.submission.accept import verify_requests
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import grants as queries
from consent_tokens.store.tables import grants
from tests.backups import Backup
from tests.fixtures import withdraw_key
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Merchant, Page, Service

STRANGER = SigningKey.from_seed(b"s" * 32)


def elsewhere(service: Service, merchant: Merchant) -> Merchant:
    """Return the merchant's program, calling another process."""
    return Merchant(service, merchant.id, merchant.api_key)


def without_signatures(service: Service) -> Service:
    """Return a process to which every signature is wrong: what it accepts, a MAC has proven."""
    held = service.runtime.keys.latest()
    verifying = dict.fromkeys(held.verifying, STRANGER.verifying)
    return service.with_runtime(keys=KeySource(replace(held, verifying=verifying)))


def without_macs(service: Service) -> Service:
    """Return a process that knows no MAC: what it accepts, a signature has proven."""
    held = service.runtime.keys.latest()
    others = dict.fromkeys(held.token_macs, TokenMacKey(b"m" * 32))
    return service.with_runtime(keys=KeySource(replace(held, token_macs=others)))


def by_mac(service: Service, merchant: Merchant, token: str) -> bool:
    """Whether a MAC proves the token."""
    answer = elsewhere(without_signatures(service), merchant).send(token, ORDERS)
    if answer.status_code == 202:
        return True
    assert code(answer) == "token_signature_invalid"
    return False


def code(answer: Page) -> str:
    return str(answer.json["code"])


def renewed(merchant: Merchant, token: str) -> str:
    answer = merchant.post("/v1/tokens/renew", {"token": token})
    assert answer.status_code == 200, answer.text
    return str(answer.json["token"])


def altered(token: str, **changes: object) -> str:
    """Return a token with other claims, and the signature and MAC of before."""
    head, body, signature = token.split(".")
    members = json.loads(decode(body)) | changes
    payload = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return f"{head}.{encode(payload)}.{signature}"


def stored(service: Service) -> dict[RowKey, bytes | None]:
    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(select(grants.c.partition, grants.c.id, grants.c.token_mac))
        return {RowKey(row.partition, row.id): row.token_mac for row in rows}


def store(service: Service, key: RowKey, mac: bytes | None) -> None:
    """Write to the database as whoever has stolen the power to."""
    with service.runtime.database.engine.begin() as connection:
        connection.execute(
            update(grants)
            .where(grants.c.partition == key.partition, grants.c.id == key.id)
            .values(token_mac=mac)
        )


def claim(token: str, name: str) -> str:
    return str(json.loads(decode(token.split(".")[1]))[name])


def key_of(service: Service, token: str) -> RowKey:
    found = service.runtime.ids.grant.decode(claim(token, "jti"))
    assert found
    return found


def delete_older(service: Service, kind: KeyKind) -> None:
    kid = next(
        each.kid
        for each in list_keys(service.runtime)
        if (each.kind, each.status) == (kind, KeyStatus.OLDER)
    )
    withdraw_key(service.runtime, kid)
    service.runtime.keys.latest()


def rotated(service: Service, kind: KeyKind) -> None:
    service.clock.advance(timedelta(seconds=1))
    rotate(service.runtime, kind, by="operator", at_once=True)
    service.runtime.keys.latest()


def test_the_newest_token_is_proven_by_its_mac_and_an_older_one_by_its_signature(
    service: Service,
) -> None:
    merchant = service.merchant()
    first = service.obtain_token(merchant, service.consumer(), ORDERS)
    assert by_mac(service, merchant, first)
    second = renewed(merchant, first)
    assert by_mac(service, merchant, second)
    assert not by_mac(service, merchant, first)
    assert merchant.send(first, ORDERS).status_code == 202
    assert by_mac(service, merchant, second), "an older token takes its place"
    assert merchant.post("/v1/tokens/revoke", {"token": first}).status_code == 200
    assert set(stored(service).values()) == {None}
    assert code(merchant.send(second, ORDERS)) == "consent_revoked"


def test_a_token_is_introspected_and_revoked_by_its_mac_and_an_older_one_by_its_signature(
    small: Service,
) -> None:
    merchant = small.merchant()
    first = small.obtain_token(merchant, small.consumer(), ORDERS)
    second = renewed(merchant, first)
    by_macs = elsewhere(without_signatures(small), merchant)

    def is_active(caller: Merchant, token: str) -> bool:
        answer = caller.post("/v1/tokens/introspect", {"token": token})
        return answer.status_code == 200 and bool(answer.json["active"])

    assert is_active(by_macs, second)
    assert not is_active(by_macs, first)
    assert is_active(merchant, first)
    assert not is_active(elsewhere(small, small.merchant()), second), "another's"
    assert by_macs.post("/v1/tokens/revoke", {"token": first}).status_code == 200
    assert is_active(merchant, second), "a token that nothing proves revokes nothing"
    assert by_macs.post("/v1/tokens/revoke", {"token": second}).status_code == 200
    assert not is_active(merchant, second)


CHANGES: dict[str, Callable[[str, str], str]] = {
    "purposes": lambda token, _: altered(token, scope=f"{ORDERS} {PROMOTIONS}"),
    "end": lambda token, _: altered(token, exp=253402300799),
    "merchant": lambda token, _: altered(token, client_id="mer_another"),
    "issuer": lambda token, _: altered(token, iss="https://another", aud="https://another/relay"),
    "grant": lambda token, other: altered(token, jti=claim(other, "jti")),
    "number": lambda token, other: altered(token, rcp=claim(other, "rcp")),
    "no claims": lambda token, _: ".".join(
        [token.split(".")[0], encode(b"{}"), token.split(".")[2]]
    ),
    "signature": lambda token, other: f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_token_has_a_bad_signature_whatever_else_is_wrong_with_it(
    small: Service, change: str
) -> None:
    merchant = small.merchant()
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    other = small.obtain_token(merchant, small.consumer(NUMBERS[1]), ORDERS)
    changed = CHANGES[change](token, other)
    macs = stored(small)
    for process in (small, without_signatures(small), without_macs(small)):
        assert code(elsewhere(process, merchant).send(changed, ORDERS)) == "token_signature_invalid"
        renewal = elsewhere(process, merchant).post("/v1/tokens/renew", {"token": changed})
        assert code(renewal) == "token_signature_invalid"
    assert stored(small) == macs


def test_what_the_claims_say_is_checked_after_a_mac_as_after_a_signature(small: Service) -> None:
    merchant = small.merchant()
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    for process in (without_signatures(small), without_macs(small)):
        identity = replace(process.runtime.service, issuer="https://another")
        moved = process.with_runtime(service=identity)
        claims = verify_requests(
            moved.runtime, [(merchant.id, MessageRequest(token=token, purpose=ORDERS, text="x"))]
        )[0].claims
        assert claims == "token_malformed"
        assert code(elsewhere(process, merchant).send(token, PROMOTIONS)) == "purpose_not_granted"
    small.clock.advance(timedelta(days=400))
    for process in (without_signatures(small), without_macs(small)):
        assert code(elsewhere(process, merchant).send(token, ORDERS)) == "token_expired"


def test_a_token_of_another_merchant_is_always_proven_by_its_signature(small: Service) -> None:
    merchant, other = small.merchant(), small.merchant("B")
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    assert code(other.send(token, ORDERS)) == "token_not_yours"
    blind = elsewhere(without_signatures(small), other)
    assert code(blind.send(token, ORDERS)) == "token_signature_invalid"
    assert code(other.send(altered(token, exp=1), ORDERS)) == "token_signature_invalid"


def test_a_mac_that_is_moved_to_another_grant_proves_nothing(service: Service) -> None:
    merchant = service.merchant()
    one = service.obtain_token(merchant, service.consumer(), ORDERS)
    two = service.obtain_token(merchant, service.consumer(NUMBERS[1]), ORDERS)
    macs = stored(service)
    here, there = key_of(service, one), key_of(service, two)
    store(service, here, macs[there])
    store(service, there, macs[here])
    for token in (one, two):
        assert not by_mac(service, merchant, token)
        assert merchant.send(token, ORDERS).status_code == 202
    for broken in (b"", b"x", bytes(56), (macs[here] or b"")[:-1]):
        store(service, here, broken)
        assert not by_mac(service, merchant, one)


def test_a_mac_is_compared_alike_for_one_token_and_for_many() -> None:
    key, other = TokenMacKey(b"k" * 32), TokenMacKey(b"o" * 32)
    grant = RowKey(-1, 2)
    mac = TokenMac.of("a.b.c", grant, key)
    stored = mac.to_bytes()
    known = KnownTokens(key)
    assert mac.matches("a.b.c", grant, {key.kid: key})
    assert known.has("a.b.c", grant, stored)
    assert known.has("a.b.c", grant, stored), "a second time"
    for token, row, under in (
        ("a.b.d", grant, stored), ("a.b.c", RowKey(-1, 3), stored), ("a.b.c", grant, b""),
        ("a.b.c", grant, stored[:-1]), ("a.b.c", grant, stored[:-1] + b"\0"),
        ("a.b.c", grant, TokenMac.of("a.b.c", grant, other).to_bytes()),
    ):  # fmt: skip
        assert not known.has(token, row, under)


def test_a_mac_that_is_put_back_gives_nothing_back(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    key = key_of(service, token)
    mac = stored(service)[key]
    merchant.post("/v1/tokens/revoke", {"token": token})
    store(service, key, mac)
    assert code(merchant.send(token, ORDERS)) == "consent_revoked"
    assert merchant.post("/v1/tokens/renew", {"token": token}).status_code == 409


def test_a_restored_backup_knows_the_token_of_its_day_and_verifies_the_later_one(
    service: Service,
) -> None:
    merchant = service.merchant()
    first = service.obtain_token(merchant, service.consumer(), ORDERS)
    backup = Backup.take(service)
    second = renewed(merchant, first)
    restored = backup.restore(service)
    for token in (second, first):
        assert elsewhere(restored, merchant).send(token, ORDERS).status_code == 202
    assert by_mac(restored, merchant, first)
    assert not by_mac(restored, merchant, second)
    third = renewed(elsewhere(restored, merchant), second)
    assert by_mac(restored, merchant, third)


def test_a_grant_of_before_gets_its_mac_when_its_token_is_used(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    store(service, key_of(service, token), None)
    assert not by_mac(service, merchant, token)
    drafts = [{"token": token, "purpose": ORDERS, "text": str(place)} for place in range(2)]
    batch = merchant.post("/v1/messages/batch", {"messages": drafts}).json["results"]
    assert [each["status"] for each in batch] == ["accepted", "accepted"]
    assert by_mac(service, merchant, token)


def test_a_mac_is_renewed_under_the_newest_key_when_its_token_is_used(service: Service) -> None:
    merchant = service.merchant()
    old = service.obtain_token(merchant, service.consumer(), ORDERS)
    token = renewed(merchant, old)
    rotated(service, KeyKind.TOKEN_MAC)
    assert merchant.send(old, ORDERS).status_code == 202
    before = stored(service)
    assert merchant.send(token, ORDERS).status_code == 202
    assert stored(service) != before
    assert {each.status: each.needed_by for each in macs_keys(service)} == {
        KeyStatus.OLDER: 0, KeyStatus.IN_USE: 1,
    }  # fmt: skip
    delete_older(service, KeyKind.TOKEN_MAC)
    assert by_mac(service, merchant, token)


def macs_keys(service: Service) -> list[KeyState]:
    return [each for each in list_keys(service.runtime) if each.kind is KeyKind.TOKEN_MAC]


def test_without_its_key_a_mac_is_renewed_by_its_own_token_alone(service: Service) -> None:
    merchant = service.merchant()
    old = service.obtain_token(merchant, service.consumer(), ORDERS)
    token = renewed(merchant, old)
    rotated(service, KeyKind.TOKEN_MAC)
    delete_older(service, KeyKind.TOKEN_MAC)
    before = stored(service)
    assert merchant.send(old, ORDERS).status_code == 202
    assert stored(service) == before, "an older token takes the place of the newest"
    assert not by_mac(service, merchant, token)
    assert merchant.send(token, ORDERS).status_code == 202
    assert by_mac(service, merchant, token)
    assert not by_mac(service, merchant, old)


def test_a_token_under_a_withdrawn_signing_key_can_be_renewed_and_not_used(
    service: Service,
) -> None:
    merchant, other = service.merchant(), service.merchant("B")
    old = service.obtain_token(merchant, service.consumer(), ORDERS)
    token = renewed(merchant, old)
    rotated(service, KeyKind.SIGNING)
    delete_older(service, KeyKind.SIGNING)
    for each in (token, old):
        assert code(merchant.send(each, ORDERS)) == "token_malformed"
        assert merchant.post("/v1/tokens/introspect", {"token": each}).json == {"active": False}
    for caller, each in ((merchant, old), (other, token), (merchant, altered(token, exp=1))):
        refused = caller.post("/v1/tokens/renew", {"token": each})
        assert code(refused) == "token_malformed"
    fresh = renewed(merchant, token)
    assert merchant.send(fresh, ORDERS).status_code == 202
    assert by_mac(service, merchant, fresh)
    refused = merchant.post("/v1/tokens/renew", {"token": token})
    assert code(refused) == "token_malformed", "it is the newest token no more"


def test_tokens_are_proven_while_others_write_and_lock(service: Service) -> None:
    """A thousand bad tokens hold no writer, and a good one waits for none."""
    merchant, runtime = service.merchant(), service.runtime
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    tokens = [altered(token, exp=place) for place in range(1000)] + [token]
    requests = [
        (merchant.id, MessageRequest(token=each, purpose=ORDERS, text="x")) for each in tokens
    ]
    key = key_of(service, token)

    def while_locked(transaction: object) -> list[object]:
        assert queries.lock_one(transaction, key)  # type: ignore[arg-type]  # of the store
        return [each.claims for each in verify_requests(runtime, requests)]

    *bad, good = runtime.database.run(while_locked)
    assert set(bad) == {"token_signature_invalid"}
    assert good not in bad
