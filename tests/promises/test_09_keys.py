"""Promise 9: keys rotate and are withdrawn while it runs, and others than the database's refuse."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from consent_tokens.clock import ManualClock
from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.errors import ConflictError, KeysChangedError, NotFoundError
from consent_tokens.services.admission.applications import apply
from consent_tokens.services.admission.documents import DocumentFile, read_document
from consent_tokens.services.admission.review_file import read_review_file
from consent_tokens.services.integrity.key_rotation import (
    KeyState,
    KeyStatus,
    delete_withdrawn,
    find_withdrawable,
    list_keys,
    rotate,
)
from consent_tokens.services.integrity.key_set import ensure_own_database
from consent_tokens.services.integrity.readiness import unready_reasons
from consent_tokens.services.integrity.rewrapping import Rewrapper
from consent_tokens.store.tables import grants
from consent_tokens.store.wrapped_keys import LASTING, page_under_others, replace_values
from tests.fixtures import withdraw_key
from tests.number_scan import WRITTEN
from tests.service import REVIEWER, SECOND_ADMIN, Service, application

BY = "operator"
A_MINUTE, TEN_MINUTES = timedelta(minutes=1), timedelta(minutes=10)
Start = Callable[..., Service]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Return what starts one more process, on the same database, and by default on its keys."""
    WRITTEN.append(tmp_path)
    clock, started = ManualClock(), []

    def start_one(url: str = database_url, keys: str = "keys") -> Service:
        started.append(Service.start(url, tmp_path / keys, clock=clock))
        return started[-1]

    yield start_one
    for each in started:
        each.close()


def new_key(service: Service, kind: KeyKind, *, at_once: bool = True) -> KeyState:
    return rotate(service.runtime, kind, by=BY, at_once=at_once)


def of_status(service: Service, kind: KeyKind, status: KeyStatus) -> list[KeyState]:
    found = list_keys(service.runtime)
    return [each for each in found if (each.kind, each.status) == (kind, status)]


def older(service: Service, kind: KeyKind) -> KeyState:
    return of_status(service, kind, KeyStatus.OLDER)[0]


def published(service: Service) -> set[str]:
    page = service.app.test_client().get("/.well-known/jwks.json")
    return {key["kid"] for key in page.json["keys"]}


def delete_key(service: Service, state: KeyState) -> None:
    withdraw_key(service.runtime, state.kid)


def rewrap(service: Service) -> int:
    """Let the dispatcher maintain until the data keys are under the newest key."""
    rewrapper, count = Rewrapper(service.runtime), 0
    for _ in range(5):
        count += rewrapper.run()
        service.clock.advance(timedelta(seconds=30))
    return count


def test_a_new_signing_key_is_published_before_it_signs(start: Start) -> None:
    service = start()
    merchant, consumer = service.merchant(), service.consumer()
    first = service.runtime.keyring.signing.kid
    created = new_key(service, KeyKind.SIGNING, at_once=False)
    assert created.status is KeyStatus.PENDING
    service.clock.advance(timedelta(seconds=5))
    assert published(service) == {first, created.kid}
    assert service.runtime.keyring.signing.kid == first
    service.clock.advance(TEN_MINUTES)
    assert service.runtime.keyring.signing.kid == created.kid
    assert older(service, KeyKind.SIGNING).kid == first
    assert merchant.send(service.obtain_token(merchant, consumer)).status_code == 202


def test_a_process_rereads_the_folder_for_a_token_under_a_key_that_it_does_not_hold(
    start: Start,
) -> None:
    service, other = start(), start()
    merchant, consumer = service.merchant(), service.consumer()
    other.runtime.keys.current()
    service.clock.advance(timedelta(seconds=5))
    held = other.runtime.keyring
    new_key(service, KeyKind.SIGNING)
    service.runtime.keys.latest()
    token = service.obtain_token(merchant, consumer)
    assert other.runtime.keyring is held
    answer = type(merchant)(other, merchant.id, merchant.api_key).send(token)
    assert answer.status_code == 202, answer.text
    assert other.runtime.keyring is not held
    new_key(service, KeyKind.SIGNING)
    service.runtime.keys.latest()
    first = merchant.post("/v1/tokens/renew", {"token": token}).json["token"]
    second = merchant.post("/v1/tokens/renew", {"token": first}).json["token"]
    assert second != first  # which has no MAC any more
    elsewhere = type(merchant)(other, merchant.id, merchant.api_key)
    assert elsewhere.post("/v1/tokens/renew", {"token": first}).status_code == 200


def test_an_older_signing_key_verifies_until_it_is_withdrawn(start: Start) -> None:
    service, other = start(), start()
    merchant = service.merchant()
    elsewhere = type(merchant)(other, merchant.id, merchant.api_key)
    token = service.obtain_token(merchant, service.consumer())
    new_key(service, KeyKind.SIGNING)
    service.clock.advance(timedelta(seconds=5))
    assert elsewhere.send(token).status_code == 202
    renewed = merchant.post("/v1/tokens/renew", {"token": token}).json["token"]
    old = older(service, KeyKind.SIGNING)
    assert old.needed_by == 1
    delete_key(service, old)
    service.clock.advance(timedelta(seconds=5))
    for each in (merchant, elsewhere):
        refused = each.send(token)
        assert (refused.status_code, refused.json["code"]) == (422, "token_malformed")
        assert each.send(renewed).status_code == 202
    assert old.kid not in published(other)
    assert unready_reasons(other.runtime) == []


def test_data_keys_are_wrapped_again_and_the_older_key_can_go(start: Start) -> None:
    service = start()
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.post("/v1/webhooks", {"url": "https://127.0.0.1/x", "events": ["consent.revoked"]})
    service.work()
    new_key(service, KeyKind.WRAPPING)
    service.clock.advance(A_MINUTE)
    needed = older(service, KeyKind.WRAPPING)
    assert needed.needed_by >= 2  # the grant, and the token that waits for a day
    with pytest.raises(ConflictError):
        find_withdrawable(service.runtime, needed.kid)
    assert rewrap(service) == needed.needed_by
    assert older(service, KeyKind.WRAPPING).needed_by == 0
    delete_key(service, needed)
    service.clock.advance(A_MINUTE)
    before = consumer.texts()
    assert merchant.send(token).status_code == 202
    service.work()
    assert len(consumer.texts()) == len(before) + 1
    assert Rewrapper(service.runtime).run() == 0


def test_documents_of_an_application_outlive_the_key_that_they_were_sealed_under(
    start: Start,
) -> None:
    service = start()
    scan = DocumentFile("licence.pdf", b"%PDF-1.7 a scan")
    applied = apply(service.runtime, application(documents=[scan]))
    new_key(service, KeyKind.WRAPPING)
    assert rewrap(service) >= 1
    delete_key(service, older(service, KeyKind.WRAPPING))
    service = start()
    (document,) = read_review_file(service.runtime, applied.id).documents
    assert read_document(service.runtime, REVIEWER, document.id).content == scan.content


def test_wrapping_again_gives_no_key_back_to_a_grant_that_ends_meanwhile(start: Start) -> None:
    service = start()
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer())
    new_key(service, KeyKind.WRAPPING)
    service.clock.advance(A_MINUTE)
    database, kid = service.runtime.database, service.runtime.keyring.wrapping.kid
    page = database.read(lambda transaction: page_under_others(transaction, LASTING[0], kid, None))
    assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200
    replaced = [(key, old, old) for key, old in page.values.items()]
    assert replaced
    database.run(lambda transaction: replace_values(transaction, LASTING[0], replaced))
    with database.engine.begin() as transaction:
        assert transaction.execute(grants.select()).one().wrapped_key is None


def test_a_session_outlives_a_rotation_and_ends_with_its_key(start: Start) -> None:
    service, other = start(), start()
    consumer = service.consumer()
    service.obtain_token(service.merchant(), consumer)
    consumer.log_in()
    new_key(service, KeyKind.SESSION)
    service.clock.advance(timedelta(seconds=5))
    assert 'name="phone"' not in consumer.get("/my").text
    fresh = other.consumer(consumer.number)
    assert 'name="phone"' in fresh.get("/my").text
    delete_key(service, older(service, KeyKind.SESSION))
    service.clock.advance(timedelta(seconds=5))
    assert 'name="phone"' in consumer.get("/my").text


def test_a_key_in_use_is_not_withdrawn(start: Start) -> None:
    service = start()
    for kind in KeyKind:
        with pytest.raises(ConflictError):
            find_withdrawable(service.runtime, of_status(service, kind, KeyStatus.IN_USE)[0].kid)
    with pytest.raises(NotFoundError):
        find_withdrawable(service.runtime, "")


def test_who_created_and_withdrew_a_key_is_recorded(start: Start) -> None:
    service = start()
    created = new_key(service, KeyKind.SIGNING)
    old = older(service, KeyKind.SIGNING)
    delete_key(service, old)
    records = {each.kid: each.record for each in list_keys(service.runtime)}
    assert records[created.kid].created_by == BY
    gone = records[old.kid]
    assert (gone.withdrawn_by, gone.withdrawn_at) == (SECOND_ADMIN.id, service.clock.now())
    with pytest.raises(ConflictError):
        find_withdrawable(service.runtime, old.kid)


def test_a_withdrawn_key_is_overwritten_before_its_file_is_deleted(
    start: Start, tmp_path: Path
) -> None:
    service = start()
    path = tmp_path / "keys" / "signing" / "0001.key"
    second_name = tmp_path / "second-name"
    second_name.hardlink_to(path)
    new_key(service, KeyKind.SIGNING)
    delete_key(service, older(service, KeyKind.SIGNING))
    assert not path.exists()
    assert set(second_name.read_bytes()) == {0}


@pytest.mark.parametrize("kind", [KeyKind.SIGNING, KeyKind.WRAPPING, KeyKind.TOKEN_MAC])
def test_readiness_misses_an_older_key_whose_file_is_gone(
    start: Start, tmp_path: Path, kind: KeyKind
) -> None:
    service = start()
    service.obtain_token(service.merchant(), service.consumer())
    assert unready_reasons(service.runtime) == []
    new_key(service, kind)
    service.clock.advance(A_MINUTE)
    assert unready_reasons(service.runtime) == []
    lost = (
        tmp_path / "keys" / ("token_mac.key" if kind is KeyKind.TOKEN_MAC else f"{kind}/0001.key")
    )
    lost.rename(tmp_path / "lost")
    service.clock.advance(A_MINUTE)
    assert unready_reasons(service.runtime) == ["key_unavailable"]
    (tmp_path / "lost").rename(lost)
    service.clock.advance(A_MINUTE)
    assert unready_reasons(service.runtime) == []
    lost.unlink()
    missing = of_status(service, kind, KeyStatus.MISSING)[0]
    delete_key(service, missing)  # the operator accepts the loss
    service.clock.advance(A_MINUTE)
    assert unready_reasons(service.runtime) == []


def test_a_withdrawn_key_that_a_backup_brings_back_stops_it(start: Start, tmp_path: Path) -> None:
    service = start()
    path = tmp_path / "keys" / "signing" / "0001.key"
    backup = shutil.copy2(path, tmp_path / "backup")
    new_key(service, KeyKind.SIGNING)
    delete_key(service, older(service, KeyKind.SIGNING))
    shutil.copy2(backup, path)
    service.clock.advance(timedelta(minutes=2))
    assert unready_reasons(service.runtime) == ["key_withdrawn"]
    delete_withdrawn(of_status(service, KeyKind.SIGNING, KeyStatus.WITHDRAWN)[0])
    service.clock.advance(timedelta(minutes=2))
    assert unready_reasons(service.runtime) == []


def test_of_machines_that_were_upgraded_apart_one_goes_on_and_the_others_name_the_file_they_lack(
    start: Start, tmp_path: Path
) -> None:
    first = start()
    merchant = first.merchant()
    token = first.obtain_token(merchant, first.consumer())
    assert unready_reasons(first.runtime) == []
    shutil.copytree(tmp_path / "keys", tmp_path / "copy")
    (tmp_path / "copy" / "token_mac.key").unlink()  # as the version before left it
    second = start(keys="copy")
    for _ in range(2):
        assert unready_reasons(second.runtime) == ["key_unavailable"]
        assert unready_reasons(first.runtime) == []
        first.clock.advance(A_MINUTE)
    shutil.copy2(tmp_path / "keys" / "token_mac.key", tmp_path / "copy" / "token_mac.key")
    first.clock.advance(A_MINUTE)
    assert unready_reasons(second.runtime) == []
    assert type(merchant)(second, merchant.id, merchant.api_key).send(token).status_code == 202


@pytest.mark.parametrize("name", ["id.key", "index.key"])
def test_a_process_with_the_keys_of_another_database_refuses_to_work(
    start: Start, tmp_path: Path, name: str
) -> None:
    service = start()
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer())
    assert merchant.send(token).status_code == 202
    for kind in KeyKind:  # rotation does not change what the database knows its keys by
        new_key(service, kind)
    service.clock.advance(A_MINUTE)
    assert unready_reasons(service.runtime) == []
    others = tmp_path / "others"
    start(f"sqlite:///{tmp_path}/other.db", "others")
    changed = tmp_path / "changed"
    shutil.copytree(tmp_path / "keys", changed)
    (changed / name).write_bytes((others / name).read_bytes())
    stranger = start(keys="changed")
    ready = stranger.app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["why"]) == (503, ["keys_changed"])
    refused = type(merchant)(stranger, merchant.id, merchant.api_key).send(token)
    assert (refused.status_code, refused.json["code"]) == (503, "keys_changed")
    # as if it had started while the database was away
    assert stranger.consumer().browser.post("/my", data={"phone": "x"}).status_code == 503
    with pytest.raises(KeysChangedError):
        stranger.work()  # reads no reply either: under this index key nobody would be found
    with pytest.raises(KeysChangedError):
        ensure_own_database(stranger.runtime)


def test_a_process_whose_key_files_change_to_those_of_another_goes_on_with_its_own_and_is_unready(
    start: Start, tmp_path: Path
) -> None:
    service = start()
    service.runtime.keys.current()
    held = service.runtime.keyring.fingerprint
    others = tmp_path / "others"
    start(f"sqlite:///{tmp_path}/other.db", "others")
    shutil.copytree(others, tmp_path / "keys", dirs_exist_ok=True)
    service.clock.advance(A_MINUTE)
    assert service.runtime.keyring.fingerprint == held
    assert unready_reasons(service.runtime) == ["key_unavailable"]


def test_a_database_from_before_is_not_taken_over_with_other_keys(start: Start) -> None:
    service = start()
    service.obtain_token(service.merchant(), service.consumer())
    with service.runtime.database.engine.begin() as transaction:
        transaction.exec_driver_sql("DELETE FROM checkpoints WHERE name = 'keys'")
    stranger = start(keys="others")
    assert unready_reasons(stranger.runtime) == ["keys_changed"]
