"""Merchants once they are there: identity, status, weights, and link domains."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.api_keys import add_new, new_api_key
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import link_domains, merchants, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantIdentity, MerchantStatus

MAX_NAME_LENGTH: Final = 60  # characters
MAX_IDENTITY_LENGTHS: Final = {  # characters
    "legal_name": 200,
    "registration": 60,
    "contact": 200,
    "website": 200,
    "checked_by": 100,
}


@dataclass(frozen=True, slots=True)
class AdmittedMerchant:
    """A new merchant and its first API key, which is shown only once."""

    merchant: Merchant
    api_key: str


def add_merchant(
    runtime: Runtime, name: str, identity: Mapping[str, str | None] | None = None
) -> AdmittedMerchant:
    """Admit a merchant with its first API key; `identity` as for `set_identity`.

    Raises InvalidError.
    """
    name = name.strip()
    if errors := check_name(name):
        raise InvalidError(errors)
    now = runtime.clock.now()
    merchant = Merchant(
        id=f"mer_{runtime.random.token_bytes(8).hex()}",
        partition=runtime.new_partition(),
        name=name,
        status=MerchantStatus.ACTIVE,
        admitted_at=now,
        identity=changed_identity(MerchantIdentity(), identity or {}, now),
    )
    key, text = new_api_key(runtime, merchant.id)

    def work(transaction: Transaction) -> AdmittedMerchant:
        merchants.add(transaction, merchant)
        record_event(runtime, transaction, merchant, EventKind.MERCHANT_ADMITTED)
        add_new(runtime, transaction, key)
        return AdmittedMerchant(merchant, text)

    return runtime.database.run(work)


def check_name(name: str) -> dict[str, list[str]]:
    """Return what is wrong with a merchant's name, by field."""
    if not name or len(name) > MAX_NAME_LENGTH or not is_displayable(name) or "\n" in name:
        return {"name": [f"must be one line of 1 to {MAX_NAME_LENGTH} characters"]}
    return {}


def set_identity(
    runtime: Runtime,
    merchant_id: str,
    changes: Mapping[str, str | None],
    actor_id: str | None = None,
) -> MerchantIdentity:
    """Save who a merchant is, and who checked it; return the whole identity.

    `changes` are texts by the names of MerchantIdentity; None leaves one as it is, an empty text
    removes it. With `checked_by` it counts as checked now. A change without it undoes an earlier
    check: what was checked is not what is shown any more. Raises InvalidError, NotFoundError.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> MerchantIdentity:
        merchant = get_merchant(transaction, merchant_id)
        identity = changed_identity(merchant.identity, changes, now)
        if merchant.is_demonstration and identity.checked_by:
            raise InvalidError({"checked_by": ["nobody checks a demonstration"]})
        merchants.set_identity(transaction, merchant_id, identity)
        record_event(
            runtime, transaction, merchant, EventKind.IDENTITY_SET, identity.checked_by, actor_id
        )
        return identity

    return runtime.database.run(work)


def changed_identity(
    before: MerchantIdentity, changes: Mapping[str, str | None], now: datetime
) -> MerchantIdentity:
    """Return an identity with changes, as for `set_identity`. Raises InvalidError."""
    given = {name: text.strip() for name, text in changes.items() if text is not None}
    errors = {
        name: [f"must be one line of at most {MAX_IDENTITY_LENGTHS[name]} characters"]
        for name, text in given.items()
        if len(text) > MAX_IDENTITY_LENGTHS[name] or not is_displayable(text) or "\n" in text
    }
    if (website := given.get("website")) and not _is_web_address(website):
        errors["website"] = ["must be an http or https address"]
    values: dict[str, Any] = {name: text or None for name, text in given.items()}
    after = replace(before, **values)
    if given.get("checked_by"):
        after = replace(after, checked_at=now)
        if not after.legal_name:
            errors["checked_by"] = ["what was checked is missing: give a legal name"]
    elif after != before:
        after = replace(after, checked_by=None, checked_at=None)
    if errors:
        raise InvalidError(errors)
    return after


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in text


def find_source(runtime: Runtime, merchant_id: str) -> str | None:
    """Return the number that a merchant's texts come from; None if it has no sender yet."""
    now = runtime.clock.now()
    found = runtime.database.read(lambda at: senders.of_merchant(at, merchant_id))
    return next((each.source for each in found if each.is_live_at(now)), None)


def first_merchant(runtime: Runtime) -> Merchant:
    """Return the merchant that was admitted first. Raises NotFoundError if there is none."""
    found = runtime.database.read(merchants.list_all)
    if not found:
        raise NotFoundError("no merchant is admitted")
    return found[0]


def read_link_domains(runtime: Runtime, merchant_id: str) -> list[str]:
    """Return the domains that a merchant's texts may link to; none means any."""
    return sorted(runtime.database.read(lambda at: link_domains.of_merchant(at, merchant_id)))


def read_weights(runtime: Runtime) -> Mapping[str, int]:
    """Return the merchants' weights that are not 1, by merchant id."""
    return runtime.database.read(merchants.weights)
