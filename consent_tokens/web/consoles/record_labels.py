"""Words for operators about complaints, messages and consents."""

from collections.abc import Callable
from typing import Final

from flask_babel import gettext as _

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.purposes import Purpose
from consent_tokens.evidence.as_marketing import Finding
from consent_tokens.evidence.complaints import ComplaintStatus, Ground, Verdict
from consent_tokens.relay.explanation import Outcome
from consent_tokens.relay.message import MessageStatus
from consent_tokens.services.supervision.pauses import PausedKind
from consent_tokens.web.consumer.locale import language


def purpose_or_code(purpose: str) -> str:
    """Return the name of a purpose of the catalogue, else its code."""
    return Purpose(purpose).words(language()).name if purpose in Purpose else purpose


def message_status_name(status: MessageStatus) -> str:
    """Return the status of a message."""
    labels: dict[MessageStatus, str] = {
        MessageStatus.QUEUED: _("Queued"),
        MessageStatus.DEFERRED: _("Deferred"),
        MessageStatus.SENDING: _("Being sent"),
        MessageStatus.SENT: _("Sent"),
        MessageStatus.DELIVERED: _("Delivered"),
        MessageStatus.UNDELIVERABLE: _("Undeliverable"),
        MessageStatus.REFUSED: _("Refused"),
        MessageStatus.EXPIRED: _("Expired"),
        MessageStatus.UNKNOWN: _("May have been sent"),
    }
    return str(labels[status])


def step_outcome(outcome: Outcome) -> str:
    """Return what came of one check of a decision."""
    labels: dict[Outcome, str] = {
        Outcome.PASSED: _("Passed"),
        Outcome.REFUSED: _("Refused"),
        Outcome.NOT_REACHED: _("Not reached"),
    }
    return str(labels[outcome])


def consent_status_name(status: GrantStatus) -> str:
    """Return the status of a consent."""
    labels: dict[GrantStatus, str] = {
        GrantStatus.LIVE: _("Live"),
        GrantStatus.PAUSED: _("Paused"),
        GrantStatus.REVOKED: _("Revoked"),
        GrantStatus.EXPIRED: _("Expired"),
    }
    return str(labels[status])


def verdict_name(verdict: Verdict) -> str:
    """Return what the records say of a reported text, in a few words."""
    labels: dict[Verdict, str] = {
        Verdict.UNDER_CONSENT: _("Sent under a consent"),
        Verdict.OUTSIDE_SCOPE: _("Beyond what was agreed to"),
        Verdict.AFTER_END: _("After the consent had ended"),
        Verdict.INVITATION: _("An invitation"),
        Verdict.FORMER_OWNER: _("Under a consent of the number’s former owner"),
        Verdict.NO_CONSENT: _("No consent is recorded"),
        Verdict.OWN_SENDER: _("From our own sender, whose texts are not recorded"),
        Verdict.RECORDS_GONE: _("The records are deleted"),
        Verdict.NOT_THROUGH_US: _("Not sent through this service"),
        Verdict.CLASS_DISPUTED: _("Advert or not: to be decided"),
        Verdict.WRONG_CLASS: _("Decided: an advert"),
        Verdict.RIGHT_CLASS: _("Decided: no advert"),
    }
    return str(labels[verdict])


def complaint_status_name(status: ComplaintStatus) -> str:
    """Return the status of a complaint in a word or two."""
    labels: dict[ComplaintStatus, str] = {
        ComplaintStatus.RECEIVED: _("New"),
        ComplaintStatus.IN_REVIEW: _("In review"),
        ComplaintStatus.UPHELD: _("Upheld"),
        ComplaintStatus.NOT_UPHELD: _("Not upheld"),
        ComplaintStatus.REFERRED: _("Referred"),
    }
    return str(labels[status])


def ground_option(ground: Ground) -> str:
    """Return a ground with the outcome that it leads to, for the form that decides."""
    return f"{complaint_status_name(ground.status)}: {ground_name(ground)}"


def ground_name(ground: Ground) -> str:
    """Return why a complaint was decided as it was."""
    labels: dict[Ground, str] = {
        Ground.NO_CONSENT: _("no consent stands behind the text"),
        Ground.AFTER_STOP: _("the text came after the consumer had said stop"),
        Ground.OUTSIDE_TERMS: _("the text went beyond what the consumer agreed to"),
        Ground.ADVERT: _("the text was an advert"),
        Ground.AS_AGREED: _("the text was sent as the consumer agreed"),
        Ground.NO_ADVERT: _("the text was about an order or account"),
        Ground.NOT_THROUGH_US: _("the text was not sent through this service"),
        Ground.CANNOT_TELL: _("the records do not say"),
        Ground.FOR_REGULATOR: _("it is for the regulator to decide"),
    }
    return str(labels[ground])


def finding_name(finding: Finding) -> str:
    """Return what an advert that was sent as transactional broke."""
    labels: dict[Finding, str] = {
        Finding.NOT_AGREED: _("The consent covers no adverts."),
        Finding.OUTSIDE_HOURS: _("It came outside the hours for adverts."),
        Finding.OVER_CAP: _("It was more than the number of adverts that was agreed to."),
        Finding.QUIET_PERIOD: _("It came in a quiet period of the consumer."),
        Finding.QUIET_UNKNOWN: _("Whether it was a quiet period is no longer known."),
    }
    return str(labels[finding])


def webhook_answer(response: str) -> str:
    """Return what a webhook answered to the last attempt, or why there was no answer."""
    if response.startswith("status_"):
        return f"HTTP {response.removeprefix('status_')}"
    labels = {
        "timeout": _("No answer in time"),
        "name_unknown": _("Host name not found"),
        "address_forbidden": _("Address that may not be called"),
    }
    return str(labels.get(response, _("Connection failed (%(code)s)", code=response)))


def paused_label(kind: PausedKind) -> str:
    """Return what is paused."""
    labels = {
        PausedKind.ALL: _("All dispatch is paused"),
        PausedKind.MERCHANT: _("A merchant is paused"),
        PausedKind.SENDER: _("A sender is paused"),
        PausedKind.WORKER: _("A dispatcher is drained"),
    }
    return str(labels[kind])


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "purpose_or_code": purpose_or_code,
    "message_status_name": message_status_name,
    "consent_status_name": consent_status_name,
    "step_outcome": step_outcome,
    "verdict_name": verdict_name,
    "complaint_status_name": complaint_status_name,
    "ground_name": ground_name,
    "finding_name": finding_name,
    "webhook_answer": webhook_answer,
    "paused_label": paused_label,
}
