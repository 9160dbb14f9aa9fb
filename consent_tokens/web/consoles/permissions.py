"""Who may open what: one row for every route of both consoles.

A route without a row is refused to everybody, and a test fails until it has one. Reading is a route
of its own, apart from changing: the roles that only read have rows of GET routes alone. What cannot
be undone asks for a second factor of the last five minutes (`step_up`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

ADMIN, REVIEWER, ANALYST, AUDITOR = "admin", "reviewer", "analyst", "auditor"
OWNER, DEVELOPER, MARKETER, VIEWER = "owner", "developer", "marketer", "viewer"


@dataclass(frozen=True, slots=True)
class Permission:
    """The roles that may use a route; `is_public` is before the sign-in.

    `is_own` marks what everybody changes about themselves, the roles that only read too.
    """

    roles: frozenset[str] = frozenset()
    is_public: bool = False
    is_own: bool = False
    step_up: bool = False


def to(*roles: str, step_up: bool = False) -> Permission:
    """Return a permission of these roles."""
    return Permission(frozenset(roles), step_up=step_up)


PUBLIC: Final = Permission(is_public=True)
OPERATORS: Final = to(ADMIN, REVIEWER, ANALYST, AUDITOR)  # everybody reads
REVIEWERS: Final = to(ADMIN, REVIEWER)
REVIEWERS_AGAIN: Final = to(ADMIN, REVIEWER, step_up=True)
ADMINS: Final = to(ADMIN)
ADMINS_AGAIN: Final = to(ADMIN, step_up=True)
MERCHANT_PEOPLE: Final = to(OWNER, DEVELOPER, MARKETER, VIEWER)
DEVELOPERS: Final = to(OWNER, DEVELOPER)
DEVELOPERS_AGAIN: Final = to(OWNER, DEVELOPER, step_up=True)
MARKETERS: Final = to(OWNER, MARKETER)
MARKETERS_AGAIN: Final = to(OWNER, MARKETER, step_up=True)
OWNERS: Final = to(OWNER)
OWNERS_AGAIN: Final = to(OWNER, step_up=True)
EVERYBODY: Final = OPERATORS.roles | MERCHANT_PEOPLE.roles
OWN: Final = Permission(EVERYBODY, is_own=True)
OWN_AGAIN: Final = Permission(EVERYBODY, is_own=True, step_up=True)

# by name of the blueprint without its console: the same pages in both consoles
_SHARED: Final = {
    "sign_in.show": PUBLIC,
    "sign_in.sign_in": PUBLIC,
    "sign_in.show_code": PUBLIC,
    "sign_in.finish": PUBLIC,
    "sign_in.show_invitation": PUBLIC,
    "sign_in.accept": PUBLIC,
    "sign_in.show_demonstration": PUBLIC,
    "sign_in.enter_demonstration": PUBLIC,
    "sign_in.sign_out": OWN,
    "account.show": OWN,
    "account.change_password": OWN,
    "account.show_totp": OWN,
    "account.change_totp": OWN_AGAIN,
    "account.renew_recovery_codes": OWN_AGAIN,
    "account.show_passkey": OWN,
    "account.add_passkey": OWN_AGAIN,
    "account.delete_passkey": OWN_AGAIN,
    "account.end_session": OWN,
}

PERMISSIONS: Final[Mapping[str, Permission]] = MappingProxyType(
    {f"{console}_{name}": each for console in ("console", "merchant")
     for name, each in _SHARED.items()}
    | {
        # --- /console, by page ---
        "console_overview.show": OPERATORS,
        "console_overview.export": OPERATORS,
        "console_complaints.show": OPERATORS,
        "console_complaints.show_complaint": OPERATORS,
        "console_complaints.take": REVIEWERS,
        "console_complaints.release": REVIEWERS,
        "console_complaints.read_additions": REVIEWERS,
        "console_complaints.read_picture": REVIEWERS,
        "console_complaints.decide": REVIEWERS,
        "console_support.show": REVIEWERS,
        "console_support.ask": REVIEWERS,
        "console_support.show_request": REVIEWERS,
        "console_support.show_consents": REVIEWERS,
        "console_support.approve": REVIEWERS_AGAIN,
        "console_evidence.show": REVIEWERS,
        "console_evidence.propose": REVIEWERS,
        "console_evidence.download": REVIEWERS_AGAIN,
        "console_messages.show": OPERATORS,
        "console_rules.show": OPERATORS,
        "console_rules.try_out": REVIEWERS,
        "console_rules.compare": OPERATORS,
        "console_messages.show_message": OPERATORS,
        "console_proposals.show": OPERATORS,
        "console_proposals.approve": ADMINS_AGAIN,
        "console_proposals.reject": REVIEWERS,
        "console_retention.show": OPERATORS,
        "console_keys.show": OPERATORS,
        "console_keys.rotate": ADMINS_AGAIN,
        "console_keys.show_one": OPERATORS,
        "console_keys.withdraw": ADMINS_AGAIN,
        "console_gateways.show": OPERATORS,
        "console_gateways.pause": ADMINS,
        "console_gateways.resume": ADMINS,
        "console_plans.show": OPERATORS,
        "console_webhooks.show": OPERATORS,
        "console_webhooks.replay": REVIEWERS,
        "console_webhooks.replay_all": REVIEWERS,
        "console_people.show": OPERATORS,
        "console_people.invite": ADMINS_AGAIN,
        "console_people.show_person": OPERATORS,
        "console_people.change_role": ADMINS_AGAIN,
        "console_people.disable": ADMINS_AGAIN,
        "console_people.enable": ADMINS_AGAIN,
        "console_people.invite_again": ADMINS_AGAIN,
        "console_people.end_session": ADMINS,
        "console_reviews.show": OPERATORS,
        "console_applications.show": OPERATORS,
        "console_new_application.show_form": REVIEWERS,
        "console_new_application.submit": REVIEWERS,
        "console_applications.show_one": OPERATORS,
        "console_applications.download": REVIEWERS,
        "console_applications.approve": REVIEWERS_AGAIN,
        "console_applications.send_back": REVIEWERS,
        "console_applications.refuse": REVIEWERS_AGAIN,
        "console_sender_applications.show": OPERATORS,
        "console_sender_applications.show_one": OPERATORS,
        "console_sender_applications.approve": REVIEWERS,
        "console_sender_applications.refuse": REVIEWERS,
        "console_template_reviews.show": OPERATORS,
        "console_appeals.show": OPERATORS,
        "console_appeals.show_one": OPERATORS,
        "console_appeals.decide": REVIEWERS,
        "console_templates.show": OPERATORS,
        "console_templates.show_one": OPERATORS,
        "console_templates.approve": REVIEWERS,
        "console_templates.refuse": REVIEWERS,
        "console_templates.recategorise": REVIEWERS,
        "console_templates.hold": REVIEWERS,
        "console_templates.release": REVIEWERS,
        "console_templates.release_pacing": REVIEWERS,
        "console_templates.drop_pacing": REVIEWERS_AGAIN,
        "console_templates.withdraw": REVIEWERS_AGAIN,
        "console_templates.decide_appeal": REVIEWERS,
        "console_merchants.show": OPERATORS,
        "console_merchants.show_one": OPERATORS,
        "console_merchants.suspend": ADMINS_AGAIN,
        "console_merchants.lift": ADMINS_AGAIN,
        "console_merchants.approve_lifting": ADMINS_AGAIN,
        "console_merchants.reject_lifting": ADMINS,
        "console_merchants.set_identity": ADMINS_AGAIN,
        "console_merchants.set_daily_limits": REVIEWERS,
        "console_merchants.set_link_domains": REVIEWERS,
        "console_merchants.set_weight": REVIEWERS,
        "console_merchants.write_note": REVIEWERS,
        "console_merchants.join_group": REVIEWERS_AGAIN,
        "console_merchants.reject_twin": REVIEWERS,
        "console_merchants.invite_owner": ADMINS_AGAIN,
        "console_senders.show": OPERATORS,
        "console_senders.show_one": OPERATORS,
        "console_senders.export": OPERATORS,
        "console_senders.release_pacing": REVIEWERS,
        "console_senders.drop_pacing": REVIEWERS_AGAIN,
        "console_senders.revoke": REVIEWERS_AGAIN,
        # --- /merchant, by page ---
        "merchant_overview.show": MERCHANT_PEOPLE,
        "merchant_requests.show": MERCHANT_PEOPLE,
        "merchant_requests.show_one": MERCHANT_PEOPLE,
        "merchant_requests.show_form": MARKETERS,
        "merchant_requests.create": MARKETERS,
        "merchant_requests.show_card": MERCHANT_PEOPLE,
        "merchant_posters.show": MERCHANT_PEOPLE,
        "merchant_posters.show_one": MERCHANT_PEOPLE,
        "merchant_posters.show_form": MARKETERS,
        "merchant_posters.create": MARKETERS,
        "merchant_posters.end": MARKETERS,
        "merchant_objections.show": MERCHANT_PEOPLE,
        "merchant_objections.object_to": OWNERS,
        "merchant_campaigns.show": MERCHANT_PEOPLE,
        "merchant_campaigns.show_one": MERCHANT_PEOPLE,
        "merchant_campaigns.download": MERCHANT_PEOPLE,
        "merchant_campaigns.show_form": MARKETERS,
        "merchant_campaigns.upload": MARKETERS,
        "merchant_campaigns.start": MARKETERS_AGAIN,
        "merchant_campaigns.show_stop": MARKETERS,
        "merchant_campaigns.stop": MARKETERS,
        "merchant_plans.show": MERCHANT_PEOPLE,
        "merchant_plans.show_one": MERCHANT_PEOPLE,
        "merchant_plans.show_form": MARKETERS,
        "merchant_plans.create": MARKETERS,
        "merchant_plans.change": MARKETERS,
        "merchant_plans.withdraw": MARKETERS,
        "merchant_consents.show": MERCHANT_PEOPLE,
        "merchant_consents.show_one": MERCHANT_PEOPLE,
        "merchant_templates.show": MERCHANT_PEOPLE,
        "merchant_templates.show_form": MARKETERS,
        "merchant_templates.check": MARKETERS,
        "merchant_templates.submit": MARKETERS,
        "merchant_templates.show_one": MERCHANT_PEOPLE,
        "merchant_templates.appeal": MARKETERS,
        "merchant_senders.show": MERCHANT_PEOPLE,
        "merchant_senders.show_form": MARKETERS,
        "merchant_senders.apply": MARKETERS,
        "merchant_senders.show_one": MERCHANT_PEOPLE,
        "merchant_api_keys.show": MERCHANT_PEOPLE,
        "merchant_api_keys.show_form": DEVELOPERS,
        "merchant_api_keys.create": DEVELOPERS_AGAIN,
        "merchant_api_keys.show_one": MERCHANT_PEOPLE,
        "merchant_api_keys.revoke": DEVELOPERS_AGAIN,
        "merchant_webhooks.show": MERCHANT_PEOPLE,
        "merchant_webhooks.show_form": DEVELOPERS,
        "merchant_webhooks.create": DEVELOPERS_AGAIN,
        "merchant_webhooks.show_one": MERCHANT_PEOPLE,
        "merchant_webhooks.rotate_secret": DEVELOPERS_AGAIN,
        "merchant_webhooks.pause": DEVELOPERS,
        "merchant_webhooks.resume": DEVELOPERS,
        "merchant_webhooks.delete": DEVELOPERS_AGAIN,
        "merchant_webhooks.replay": DEVELOPERS,
        "merchant_webhooks.replay_failed": DEVELOPERS,
        "merchant_team.show": MERCHANT_PEOPLE,
        "merchant_team.invite": OWNERS_AGAIN,
        "merchant_team.show_person": MERCHANT_PEOPLE,
        "merchant_team.change_role": OWNERS_AGAIN,
        "merchant_team.disable": OWNERS_AGAIN,
        "merchant_team.enable": OWNERS_AGAIN,
        "merchant_team.invite_again": OWNERS_AGAIN,
        "merchant_team.end_session": OWNERS,
    }
)  # fmt: skip


def may(role: str, endpoint: str) -> bool:
    """Whether a role may use a route; False for a route without a row."""
    found = PERMISSIONS.get(endpoint)
    return found is not None and role in found.roles
