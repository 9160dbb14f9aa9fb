"""The two consoles: where each is, its cookies, and its navigation."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from consent_tokens.localization import N_
from consent_tokens.services.people.person import Console


@dataclass(frozen=True, slots=True)
class Item:
    """A link of the navigation; `waiting` names the count of what waits for a person, if any."""

    endpoint: str
    label: str  # a msgid
    waiting: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Links of the navigation under one heading; without one they stand first."""

    label: str  # a msgid, or empty
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One console: `name` is in front of its blueprints, `path` in front of its pages."""

    console: Console
    name: str
    path: str
    title: str  # a msgid
    cookie: str
    navigation: tuple[Group, ...]

    @property
    def home(self) -> str:
        """Return the endpoint that a sign-in leads to."""
        return f"{self.name}_overview.show"

    def endpoint(self, shared: str) -> str:
        """Return the endpoint of a page that both consoles have, such as `account.show`."""
        return f"{self.name}_{shared}"


OPERATOR: Final = Site(
    console=Console.OPERATOR,
    name="console",
    path="/console",
    title=N_("Operator console"),
    cookie="console",
    navigation=(
        Group("", (Item("console_overview.show", N_("Overview")),)),
        Group(
            N_("Needs a person"),
            (
                Item("console_reviews.show", N_("All reviews")),
                Item("console_applications.show", N_("Applications"), "applications"),
                Item("console_sender_applications.show", N_("New senders"), "senders"),
                Item("console_template_reviews.show", N_("Template reviews"), "templates"),
                Item("console_complaints.show", N_("Complaints"), waiting="complaints"),
                Item("console_appeals.show", N_("Appeals"), "appeals"),
            ),
        ),
        Group(
            N_("Supervise"),
            (
                Item("console_merchants.show", N_("Merchants")),
                Item("console_senders.show", N_("Senders")),
                Item("console_templates.show", N_("Templates")),
                Item("console_plans.show", N_("Plans")),
                Item("console_messages.show", N_("Messages")),
                Item("console_evidence.show", N_("Evidence")),
                Item("console_rules.show", N_("Rules")),
                Item("console_support.show", N_("Help a consumer")),
            ),
        ),
        Group(
            N_("Operate"),
            (
                Item("console_proposals.show", N_("Proposals"), "proposals"),
                Item("console_gateways.show", N_("Gateways and workers")),
                Item("console_webhooks.show", N_("Webhooks")),
                Item("console_keys.show", N_("Keys")),
                Item("console_retention.show", N_("Retention")),
                Item("console_people.show", N_("People")),
            ),
        ),
    ),
)
MERCHANT: Final = Site(
    console=Console.MERCHANT,
    name="merchant",
    path="/merchant",
    title=N_("Merchant console"),
    cookie="merchant-console",
    navigation=(
        Group("", (Item("merchant_overview.show", N_("Overview")),)),
        Group(
            N_("Consents"),
            (
                Item("merchant_requests.show", N_("Requests")),
                Item("merchant_posters.show", N_("Posters")),
                Item("merchant_consents.show", N_("Consents")),
            ),
        ),
        Group(
            N_("Send"),
            (
                Item("merchant_campaigns.show", N_("Campaigns")),
                Item("merchant_plans.show", N_("Plans")),
                Item("merchant_templates.show", N_("Templates")),
                Item("merchant_senders.show", N_("Senders")),
                Item("merchant_objections.show", N_("Objections")),
            ),
        ),
        Group(
            N_("Develop"),
            (
                Item("merchant_api_keys.show", N_("API keys")),
                Item("merchant_webhooks.show", N_("Webhooks")),
                Item("merchant_team.show", N_("Team")),
            ),
        ),
    ),
)
SITES: Final[Mapping[Console, Site]] = MappingProxyType(
    {each.console: each for each in (OPERATOR, MERCHANT)}
)
