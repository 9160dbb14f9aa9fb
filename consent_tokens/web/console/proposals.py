"""`/console/proposals`: what one operator proposed and another decides about."""

from flask import Response
from flask_babel import gettext as _

from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.people import proposals
from consent_tokens.services.people.proposals import ProposedKind, details_of
from consent_tokens.services.supervision import carrying_out
from consent_tokens.services.supervision.keys import can_change_keys
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.request_context import runtime

bp = console_blueprint("proposals", OPERATOR)


@bp.get("/proposals")
def show() -> Response:
    """List the proposals that wait, the oldest first."""
    return page(
        "console/proposals.html",
        proposals=[(each, details_of(each)) for each in proposals.list_open(runtime())],
        by_command=[] if can_change_keys(runtime()) else [ProposedKind.WITHDRAW_KEY],
        names=operator_names(runtime()),
        carried_out=carrying_out.HANDLINGS,
        may_reject=carrying_out.may_reject,
        kind_name=kind_name,
    )


def kind_name(kind: str) -> str:
    """Return what a proposal is about, in words."""
    labels = {
        ProposedKind.LIFT_SUSPENSION: _("Lift a suspension"),
        ProposedKind.EXPORT_EVIDENCE: _("Export evidence"),
        ProposedKind.HELP_CONSUMER: _("Help a consumer"),
        ProposedKind.WITHDRAW_KEY: _("Withdraw a key"),
    }
    return str(labels.get(ProposedKind(kind), kind))


@bp.post("/proposals/<proposal_id>/approve")
def approve(proposal_id: str) -> Response:
    """Approve what another operator proposed: it is done at once."""
    carrying_out.approve_and_carry_out(runtime(), person().actor, proposal_id)
    set_done(_("The proposal was approved and carried out."))
    return redirect_to("console_proposals.show")


@bp.post("/proposals/<proposal_id>/reject")
def reject(proposal_id: str) -> Response:
    """Reject a proposal, or withdraw one's own: nothing is changed."""
    carrying_out.reject(runtime(), person().actor, proposal_id)
    set_done(_("The proposal was rejected. Nothing was changed."))
    return redirect_to("console_proposals.show")
