"""The scopes that the operations of the merchant API need; one without a row here is not served."""

from collections.abc import Mapping
from typing import Final

from consent_tokens.relay.admission.api_access import ApiScope

CONSENTS: Final = (ApiScope.CONSENTS,)
SENDING: Final = (ApiScope.MESSAGES,)
READING: Final = (ApiScope.MESSAGES, ApiScope.MESSAGES_READ)
TOKENS: Final = (ApiScope.CONSENTS, ApiScope.MESSAGES)
TEMPLATES: Final = (ApiScope.TEMPLATES,)
SENDERS: Final = (ApiScope.SENDERS,)
API_KEYS: Final = (ApiScope.API_KEYS,)
WEBHOOKS: Final = (ApiScope.WEBHOOKS,)
PLANS: Final = (ApiScope.PLANS,)
COMPLAINTS: Final = (ApiScope.COMPLAINTS,)

# by operation id: a key needs one of these scopes
SCOPES: Final[Mapping[str, tuple[ApiScope, ...]]] = {
    "create_consent_request": CONSENTS,
    "list_consent_requests": CONSENTS,
    "get_consent_request": CONSENTS,
    "fetch_consent_token": CONSENTS,
    "answer_consent_request": CONSENTS,
    "list_grants": CONSENTS,
    "get_grant": CONSENTS,
    "introspect_token": TOKENS,
    "renew_token": TOKENS,
    "revoke_token": CONSENTS,
    "send_message": SENDING,
    "send_batch": SENDING,
    "get_message": READING,
    "list_messages": READING,
    "submit_template": TEMPLATES,
    "list_templates": TEMPLATES,
    "get_template": TEMPLATES,
    "appeal_template": TEMPLATES,
    "create_sender": SENDERS,
    "list_senders": SENDERS,
    "get_sender": SENDERS,
    "list_link_domains": SENDERS,
    "state_plan": PLANS,
    "list_plans": PLANS,
    "get_plan": PLANS,
    "change_plan": PLANS,
    "withdraw_plan": PLANS,
    "list_complaints": COMPLAINTS,
    "create_webhook": WEBHOOKS,
    "list_webhooks": WEBHOOKS,
    "get_webhook": WEBHOOKS,
    "rotate_webhook_secret": WEBHOOKS,
    "remove_webhook": WEBHOOKS,
    "create_api_key": API_KEYS,
    "list_api_keys": API_KEYS,
    "get_api_key": API_KEYS,
    "revoke_api_key": API_KEYS,
}
