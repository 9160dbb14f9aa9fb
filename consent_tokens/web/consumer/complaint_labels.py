"""Reasons, verdicts, findings and statuses of complaints, in the language of the page."""

from flask_babel import gettext as _

from consent_tokens.evidence.as_marketing import Finding
from consent_tokens.evidence.complaints import (
    ComplaintReason,
    ComplaintStatus,
    Ground,
    Verdict,
)


def complaint_reason_label(reason: ComplaintReason) -> str:
    """Return the reason of a complaint, as its consumer says it."""
    labels: dict[ComplaintReason, str] = {
        ComplaintReason.ADVERT: _("This was an advert"),
        ComplaintReason.TOO_OFTEN: _("They write too often"),
        ComplaintReason.NEVER_AGREED: _("I never agreed to this"),
        ComplaintReason.AFTER_REFUSAL: _("It came after I said stop"),
        ComplaintReason.AT_NIGHT: _("It came at night"),
        ComplaintReason.NO_SUCH_ORDER: _("I have no such order"),
        ComplaintReason.FRAUD: _("It looks like fraud"),
        ComplaintReason.OTHER: _("Something else"),
    }
    return labels[reason]


def verdict_label(result: Verdict) -> str:
    """Return what the records say of a message that was reported."""
    labels: dict[Verdict, str] = {
        Verdict.UNDER_CONSENT: _("Our records say: it was sent under a consent of yours."),
        Verdict.OUTSIDE_SCOPE: _("Our records say: it went beyond what you agreed to."),
        Verdict.AFTER_END: _("Our records say: it was sent after your consent had ended."),
        Verdict.INVITATION: _(
            "Our records say: it was an invitation. It asks for a consent, and needs none of its "
            "own; you agreed to nothing by it."
        ),
        Verdict.FORMER_OWNER: _(
            "Our records say: it was sent under a consent of whoever had this number before."
        ),
        Verdict.NO_CONSENT: _(
            "Our records say: the sender is one of ours, but no consent stands behind this text: "
            "we have no record of sending it to you."
        ),
        Verdict.OWN_SENDER: _(
            "It came from our own sender, or claims to. Of our codes and answers we do not keep "
            "the words, so we cannot tell."
        ),
        Verdict.RECORDS_GONE: _(
            "Our records of that time are deleted, so we cannot tell whether you had agreed."
        ),
        Verdict.NOT_THROUGH_US: _("Our records say: this text was not sent through us."),
        Verdict.CLASS_DISPUTED: _(
            "It was sent as a text about an order or account of yours. Whether it was an advert, a "
            "person decides first."
        ),
        Verdict.WRONG_CLASS: _(
            "A person decided: it was an advert, sent as a text about an order or account. It "
            "counts as one of the adverts that the shop may send you, and texts of its kind "
            "may not be sent again."
        ),
        Verdict.RIGHT_CLASS: _(
            "A person decided: it was no advert. It was about an order or account of yours, and "
            "sent under a consent of yours."
        ),
    }
    return labels[result]


def finding_label(finding: Finding) -> str:
    """Return what an advert that was sent as transactional broke."""
    labels: dict[Finding, str] = {
        Finding.NOT_AGREED: _("You had not agreed to adverts of this shop."),
        Finding.OUTSIDE_HOURS: _("It came outside the hours that you agreed to for adverts."),
        Finding.OVER_CAP: _("It was more than the number of adverts that you agreed to."),
        Finding.QUIET_PERIOD: _("It came in a time for which you wanted no offers."),
        Finding.QUIET_UNKNOWN: _(
            "Whether you wanted no offers at that time we do not know any more."
        ),
    }
    return labels[finding]


def complaint_status_label(status: ComplaintStatus) -> str:
    """Return the status of a complaint."""
    labels: dict[ComplaintStatus, str] = {
        ComplaintStatus.RECEIVED: _("We have it. A person will look at it."),
        ComplaintStatus.IN_REVIEW: _("A person is looking at it."),
        ComplaintStatus.UPHELD: _("You were right; the shop was told to put it right."),
        ComplaintStatus.NOT_UPHELD: _("We looked, and found nothing against the rules."),
        ComplaintStatus.REFERRED: _("We have handed it on to the regulator."),
    }
    return labels[status]


def ground_label(ground: Ground) -> str:
    """Return why a complaint was decided as it was, for its consumer."""
    labels: dict[Ground, str] = {
        Ground.NO_CONSENT: _("You had not agreed to this text."),
        Ground.AFTER_STOP: _("The text came after you had said stop."),
        Ground.OUTSIDE_TERMS: _("The text went beyond what you agreed to."),
        Ground.ADVERT: _("The text was an advert."),
        Ground.AS_AGREED: _("The text was sent as you had agreed."),
        Ground.NO_ADVERT: _("The text was about an order or account of yours."),
        Ground.NOT_THROUGH_US: _("The text was not sent through us."),
        Ground.CANNOT_TELL: _("Our records do not say what happened."),
        Ground.FOR_REGULATOR: _("The regulator decides on this, not we."),
    }
    return labels[ground]
