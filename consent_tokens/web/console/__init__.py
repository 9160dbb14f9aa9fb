"""The operator's console: `/console`. Each page is a module with a blueprint of its own."""

from typing import Final

from flask import Blueprint

from consent_tokens.web.console import (
    applications,
    complaints,
    evidence,
    gateways,
    keys,
    merchant_limits,
    messages,
    new_application,
    objections,
    overview,
    plans,
    proposals,
    retention,
    reviews,
    rules,
    sender_applications,
    senders,
    support,
    templates,
    webhooks,
)
from consent_tokens.web.consoles import account, people, sign_in
from consent_tokens.web.consoles.site import OPERATOR

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    sign_in.blueprint(OPERATOR),
    account.blueprint(OPERATOR),
    people.blueprint(people.OPERATORS),
    overview.bp,
    plans.bp,
    complaints.bp,
    messages.bp,
    rules.bp,
    support.bp,
    evidence.bp,
    reviews.BLUEPRINTS["reviews"],
    applications.bp,
    new_application.bp,
    sender_applications.bp,
    reviews.BLUEPRINTS["template_reviews"],
    objections.bp,
    merchant_limits.bp,
    senders.bp,
    templates.bp,
    gateways.bp,
    keys.bp,
    webhooks.bp,
    proposals.bp,
    retention.bp,
)
