"""The merchants' console: `/merchant`. Each page is a module with a blueprint of its own."""

from typing import Final

from flask import Blueprint

from consent_tokens.web.consoles import account, people, sign_in
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.merchant_console import (
    api_keys,
    campaigns,
    consents,
    objections,
    overview,
    plans,
    posters,
    requests,
    senders,
    templates,
    webhooks,
)

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    sign_in.blueprint(MERCHANT),
    account.blueprint(MERCHANT),
    people.blueprint(people.TEAM),
    overview.bp,
    requests.bp,
    posters.bp,
    consents.bp,
    templates.bp,
    senders.bp,
    api_keys.bp,
    campaigns.bp,
    plans.bp,
    objections.bp,
    webhooks.bp,
)
