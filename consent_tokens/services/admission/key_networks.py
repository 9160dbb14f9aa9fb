"""New API keys: the networks that they are narrowed to may show who is under one control."""

from consent_tokens.relay.admission.api_access import ApiAccess, ApiKey
from consent_tokens.services.admission.control_groups import propose_twins
from consent_tokens.services.api_keys import FULL_ACCESS, add_new, new_api_key
from consent_tokens.services.own_api_keys import create_as_person, create_narrower
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction


def add_api_key(
    runtime: Runtime, merchant_id: str, access: ApiAccess = FULL_ACCESS
) -> tuple[ApiKey, str]:
    """Add an API key as the operator; return it with its text, which is shown only once.

    Raises NotFoundError.
    """
    key, text = new_api_key(runtime, merchant_id, access)

    def work(transaction: Transaction) -> tuple[ApiKey, str]:
        add_new(runtime, transaction, key)
        _propose_twins(runtime, transaction, key)
        return key, text

    return runtime.database.run(work)


def create_own_key(
    runtime: Runtime, transaction: Transaction, caller: ApiKey, new: ApiKey
) -> ApiKey:
    """Add an API key as the merchant, with another of its keys. Raises as `create_narrower`."""
    created = create_narrower(runtime, transaction, caller, new)
    _propose_twins(runtime, transaction, created)
    return created


def create_team_key(
    runtime: Runtime, merchant_id: str, actor_id: str, access: ApiAccess
) -> tuple[ApiKey, str]:
    """Add an API key as a person of the merchant; return it with its text, shown only once.

    Raises ConflictError if the merchant has MAX_LIVE_KEYS.
    """
    key, text = new_api_key(runtime, merchant_id, access)

    def work(transaction: Transaction) -> tuple[ApiKey, str]:
        created = create_as_person(runtime, transaction, merchant_id, actor_id, key)
        _propose_twins(runtime, transaction, created)
        return created, text

    return runtime.database.run(work)


def _propose_twins(runtime: Runtime, transaction: Transaction, key: ApiKey) -> None:
    if key.access.networks:
        propose_twins(runtime, transaction, key.merchant_id)
