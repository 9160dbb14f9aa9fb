"""Examples of each operation and webhook, for /openapi.json. Tests hold them to their schemas."""

from typing import Any, Final

TOKEN: Final = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl"  # noqa: S105 - no secret
REQUEST_ID, GRANT_ID = "req_Zk3vGq0bTq2m9d1Xc7Yp5A", "q8mJ0y2Qx7nUeT4sVb1LhA"
MESSAGE_ID: Final = "msg_4tVb9Qm0xKc2yZ7nHs1LdA"
SCOPE: Final = {
    "purposes": ["marketing.promotions"],
    "channels": ["sms"],
    "max_messages": 4,
    "per_days": 30,
    "from": "09:00",
    "to": "21:00",
    "tz": "Asia/Shanghai",
    "expires_at": "2027-05-10T02:00:00+00:00",
}
PENDING: Final = {
    "id": REQUEST_ID,
    "status": "pending",
    "consent_url": "https://consent.example/c/9fXkQm2bTq0d1Xc7Yp5AZg",
    "qr_url": "https://consent.example/c/9fXkQm2bTq0d1Xc7Yp5AZg/qr.svg",
    "expires_at": "2026-11-18T02:00:00+00:00",
    "reference": "customer-8812",
}
GRANTED: Final = {**PENDING, "status": "granted", "grant": GRANT_ID, "scope": SCOPE}
GRANT: Final = {
    "id": GRANT_ID,
    "status": "live",
    "request": REQUEST_ID,
    "reference": "customer-8812",
    "scope": SCOPE,
    "granted_at": "2026-11-11T02:00:00+00:00",
    "remaining": 3,
    "next_at": "2026-11-11T02:00:00+00:00",
}
INTROSPECTION: Final = {
    "active": True,
    "iss": "https://consent.example",
    "aud": "https://consent.example/relay",
    "client_id": "m_3f9c2a7b1d4e8f60",
    "jti": GRANT_ID,
    "iat": 1794362400,
    "exp": 1809914400,
    "scope": "marketing.promotions",
    "token_type": "consent+jwt",
    "remaining": 3,
    "next_at": "2026-11-11T02:00:00+00:00",
}
SENDER: Final = {
    "id": "snd_4c1f0a9be2d73586",
    "status": "submitted",
    "port": "10690001",
    "extension": "12",
    "signature": "晨光书店",
    "classes": ["marketing", "transactional"],
    "carrier": "China Mobile",
    "valid_until": None,
    "since": "2026-11-11T02:00:00+00:00",
    "reason": None,
}
SENT: Final = {"token": TOKEN, "purpose": "marketing.promotions", "text": "双十一满200减50"}
OF_TEMPLATE: Final = {
    "token": TOKEN,
    "purpose": "orders.updates",
    "template": "tpl_5b0c2d9e7a41f386",
    "variables": {"order": "DD2026111100017", "day": "11月12日"},
    "event": {"type": "order", "id": "DD2026111100017", "step": "shipped"},
}
ACCEPTED: Final = {
    "id": MESSAGE_ID,
    "status": "queued",
    "send_after": "2026-11-11T02:00:00+00:00",
    "segments": 1,
    "characters_left": 9,
}
MESSAGE: Final = {
    "id": MESSAGE_ID,
    "grant": GRANT_ID,
    "status": "delivered",
    "purpose": "marketing.promotions",
    "reference": "spring",
    "accepted_at": "2026-11-11T02:00:00+00:00",
    "send_after": "2026-11-11T02:00:00+00:00",
    "valid_until": "2026-11-12T02:00:00+00:00",
    "changed_at": "2026-11-11T02:00:04+00:00",
    "segments": 1,
    "reason": None,
    "explain": None,
}
COMPLAINTS: Final = {
    "day": "2026-11-12",
    "purpose": "marketing.promotions",
    "reason": "too_often",
    "count": 3,
}
REFUSED: Final = {
    "status": "refused",
    "problem": {
        "type": "https://consent.example/docs#consent_revoked",
        "title": "Consent revoked",
        "status": 403,
        "detail": "The consent was revoked. That is final: delete the token.",
        "code": "consent_revoked",
        "explain": {
            "code": "consent_revoked",
            "words": "The consent was revoked. That is final: delete the token.",
        },
    },
}
ACCEPTED_RESULT: Final = {
    "status": "accepted",
    "id": MESSAGE_ID,
    "send_after": "2026-11-11T02:00:00+00:00",
    "segments": 1,
    "characters_left": 9,
}

TEMPLATE_ID: Final = "tpl_3f9c2a7b1d4e8f60"
TEMPLATE: Final = {
    "id": TEMPLATE_ID,
    "version": 1,
    "status": "submitted",
    "purpose": "orders.updates",
    "text": "订单{order}已发出",
    "variables": {"order": {"type": "order", "max_length": 32, "pattern": "", "choices": []}},
    "on_overflow": "refuse",
    "event_type": "order",
    "texts_per_event": 1,
    "essential": False,
    "approved_version": None,
    "reason": None,
    "submitted_at": "2026-11-11T02:00:00+00:00",
    "decided_at": None,
    "preview": {
        "text": "【晨光书店】订单88888888888888888888888888888888已发出",
        "coding": "ucs2",
        "segments": 1,
        "characters_left": 27,
        "max_segments": 1,
    },
    "marks": [],
    "rulings": [],
    "other_purpose": None,
    "pacing": None,
}
MOVED: Final = {
    "previous_purpose": "orders.updates",
    "purpose": "marketing.promotions",
    "status": "announced",
    "reason": "The text asks for a purchase.",
    "decided_at": "2026-11-10T02:00:00+00:00",
    "takes_effect_at": "2026-11-11T02:00:00+00:00",
    "appeal_status": "open",
}

API_KEY: Final = {
    "id": "key_0f1e2d3c4b5a6978",
    "status": "active",
    "scopes": ["messages", "messages:read"],
    "test": False,
    "networks": ["192.0.2.0/24"],
    "expires_at": "2027-01-31T00:00:00+00:00",
    "rate": 600,
    "created_at": "2026-11-11T02:00:00+00:00",
    "created_by": "key_8f7e6d5c4b3a2910",
}
WEBHOOK: Final = {
    "id": "wh_Yk3Jt0qPzv8aWm2C",
    "url": "https://shop.example/hooks",
    "events": ["consent.revoked", "message.failed"],
    "created_at": "2026-11-11T02:00:00+00:00",
    "previous_secret_until": None,
}
SECRET: Final = "whsec_(44 characters)"  # noqa: S105 - the form of one
PLAN_TERMS: Final = {
    "starts_at": "2026-11-11T00:00:00+00:00",
    "ends_at": "2026-11-12T00:00:00+00:00",
    "messages": 50_000,
    "purpose": "marketing.promotions",
    "template": None,
    "sender": None,
    "reference": "double-11-first-wave",
}
PLAN: Final = {
    "id": "plan_5e0b7c41d29f8a63",
    "status": "upcoming",
    **PLAN_TERMS,
    "accepted": 0,
    "refused": 0,
    "created_at": "2026-11-01T02:00:00+00:00",
    "stated_at": "2026-11-01T02:00:00+00:00",
}
REQUESTS: Final[dict[str, Any]] = {  # by operation id
    "state_plan": PLAN_TERMS,
    "change_plan": {**PLAN_TERMS, "messages": 40_000},
    "create_consent_request": {
        "purposes": ["marketing.promotions"],
        "max_messages": 4,
        "per_days": 30,
        "from": "09:00",
        "to": "21:00",
        "expires_in_days": 180,
        "reference": "customer-8812",
        "return_url": "https://shop.example/thanks",
        "locale": "zh-CN",
    },
    "answer_consent_request": {"decision": "grant", "recipient": "delivered"},
    "introspect_token": {"token": TOKEN},
    "renew_token": {"token": TOKEN},
    "revoke_token": {"token": TOKEN},
    "create_webhook": {
        "url": "https://shop.example/hooks",
        "events": ["consent.revoked", "message.failed"],
    },
    "create_api_key": {
        "scopes": ["messages", "messages:read"],
        "networks": ["192.0.2.0/24"],
        "expires_at": "2027-01-31T00:00:00+00:00",
        "rate": 600,
    },
    "revoke_api_key": {"keep_created": False},
    "create_sender": {
        "port": "10690001",
        "extension": "12",
        "signature": "晨光书店",
        "source": "company",
        "classes": ["marketing", "transactional"],
        "carrier": "China Mobile",
    },
    "send_message": {**SENT, "reference": "spring", "valid_for_minutes": 720},
    "send_batch": {"messages": [{**SENT, "reference": "spring"}, OF_TEMPLATE]},
    "submit_template": {"purpose": "orders.updates", "text": "订单{order}已发出"},
    "appeal_template": {"reason": "It states when an order arrives."},
}
ANSWERS: Final[dict[str, Any]] = {  # by operation id
    "create_consent_request": PENDING,
    "list_consent_requests": {"items": [GRANTED], "next": None},
    "get_consent_request": GRANTED,
    "answer_consent_request": GRANTED,
    "fetch_consent_token": {"token": TOKEN, "grant": GRANT_ID},
    "list_grants": {"items": [GRANT], "next": None},
    "get_grant": GRANT,
    "introspect_token": INTROSPECTION,
    "renew_token": {"token": TOKEN, "grant": GRANT_ID},
    "revoke_token": {},
    "send_message": ACCEPTED,
    "send_batch": {"results": [ACCEPTED_RESULT, REFUSED]},
    "get_message": MESSAGE,
    "list_messages": {"items": [MESSAGE], "next": None},
    "submit_template": TEMPLATE,
    "list_templates": {"items": [TEMPLATE], "next": None},
    "get_template": TEMPLATE,
    "appeal_template": {**TEMPLATE, "other_purpose": MOVED},
    "create_sender": SENDER,
    "get_sender": SENDER,
    "list_senders": {"items": [SENDER], "next": None},
    "list_link_domains": {"domains": ["shop.example"]},
    "create_webhook": {**WEBHOOK, "secret": SECRET},
    "list_webhooks": {"items": [WEBHOOK], "next": None},
    "get_webhook": WEBHOOK,
    "rotate_webhook_secret": {
        **WEBHOOK,
        "previous_secret_until": "2026-11-12T02:00:00+00:00",
        "secret": SECRET,
    },
    "remove_webhook": WEBHOOK,
    "create_api_key": {**API_KEY, "api_key": "ctk_0f1e2d3c4b5a6978_(43 characters)"},
    "get_api_key": API_KEY,
    "list_api_keys": {"items": [API_KEY], "next": None},
    "revoke_api_key": {**API_KEY, "status": "revoked"},
    "state_plan": PLAN,
    "list_plans": {"items": [PLAN], "next": None},
    "get_plan": PLAN,
    "change_plan": {**PLAN, "messages": 40_000},
    "withdraw_plan": {**PLAN, "status": "withdrawn"},
    "list_complaints": {"items": [COMPLAINTS], "next": None},
}
