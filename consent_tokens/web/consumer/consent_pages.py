"""The pages of a consent request: the question, the step of the code, and the decision."""

from typing import Any, Final

from flask import Response, session
from flask_babel import gettext as _

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.phone import MAX_TYPED_LENGTH
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.consent.timezones import parse_timezones
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.decisions import (
    OpenRequest,
    find_given,
)
from consent_tokens.services.consents.views import live_to_merchant
from consent_tokens.services.merchants import find_source
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer import (
    page,
    signed_in_recipient,
)
from consent_tokens.web.consumer.consent_question import (
    ConsentQuestion,
    NarrowerChoices,
    requested_window,
)
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.otp_forms import (
    code_page,
    take_code_errors,
    waiting_for,
)
from consent_tokens.web.request_context import app_context, runtime

PENDING: Final = "pending_choice"  # key of the cookie session: the choice until its code is entered
NOTICE_CHANGED: Final = "notice_changed"  # key of the cookie session: since it was shown


def question_page(
    open_request: OpenRequest,
    status: int = 200,
    chosen: ScopeReduction | None = None,
    **errors: str,
) -> Response:
    """Return the page of a request, with the form as the consumer left it."""
    chosen = chosen or ScopeReduction()
    policy = with_rules(runtime(), app_context().consent)
    terms = open_request.request.terms
    window = requested_window(terms, policy)
    now = runtime().clock.now()
    return page(
        "question.html",
        status,
        page_id=open_request.page_id,
        merchant=open_request.merchant,
        source=find_source(runtime(), open_request.merchant.id),
        entered=form.text("phone", MAX_TYPED_LENGTH),
        question=ConsentQuestion.compose(
            open_request, chosen, policy, notice_language(open_request), now
        ),
        choices=NarrowerChoices.of(terms, window),
        chosen=chosen,
        terms=terms,
        window=window,
        timezone=policy.default_timezone,
        agreed=_agreed_already(open_request),
        cut_by=[rule.words[notice_language(open_request)] for rule in open_request.cut_by],
        errors=errors,
    )


def expired_page(open_request: OpenRequest) -> Response:
    """Return the question, with what the form had ticked, where its session is gone."""
    try:
        chosen = form.scope_reduction()
    except InvalidError:
        chosen = ScopeReduction()
    error = _("Your session has expired, and nothing was sent. Please send the form again.")
    return question_page(open_request, 403, chosen, session=error)


def _agreed_already(open_request: OpenRequest) -> list[Grant]:
    """Return what the consumer who is signed in with this browser agreed to with this merchant."""
    partition = signed_in_recipient()
    if partition is None:
        return []
    return live_to_merchant(runtime(), partition, open_request.merchant.id)


def confirmation_page(open_request: OpenRequest) -> Response:
    """Return the page with the notice that a yes agrees to, and the field for the code.

    A number that may be in several time zones has a choice of them; it has to be made where the
    hours are never open in all of them at once.
    """
    pending, errors = session[PENDING], take_code_errors()
    timezones = parse_timezones(pending["timezones"])
    try:
        notice = pending_notice(open_request, pending)
    except ValueError:
        return page("timezone.html", open_request=open_request, timezones=timezones)
    if session.pop(NOTICE_CHANGED, False):
        errors["notice"] = _("The words have changed since you read them. Please read them again.")
    headline, *lines = notice.text.splitlines()
    return code_page(
        "confirmation.html",
        open_request=open_request,
        headline=headline,
        lines=lines,
        digest=notice.digest.hex(),
        waiting=waiting_for(pending["challenge"]),
        choice=_choice_fields(pending),
        timezones=timezones if len(timezones) > 1 and _has_hours(pending) else (),
        chosen=pending["timezone"],
        errors=errors,
    )


def _choice_fields(pending: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a choice as hidden fields, which survive the session that it is read from."""
    numbers = {
        "max_messages": pending["max_messages"],
        "from": pending["opens"],
        "to": pending["closes"],
        "expires_in_days": pending["days"],
    }
    return [("purposes", name) for name in pending["purposes"]] + [
        (name, str(value)) for name, value in numbers.items() if value is not None
    ]


def _has_hours(pending: dict[str, Any]) -> bool:
    """Whether the send window binds anything that was ticked."""
    return any(Purpose(name).is_limited for name in pending["purposes"])


def decided_page(open_request: OpenRequest, decision: dict[str, Any]) -> Response:
    """Return the page of a decision: what was agreed to, as it is now, and how to stop it."""
    given = find_given(runtime(), open_request) if decision["answer"] == "granted" else None
    grant, notice = given or (None, None)
    return page(
        "decided.html",
        open_request=open_request,
        decision=decision,
        grant=grant,
        notice=notice,
        is_live=grant is not None and grant.is_live_at(runtime().clock.now()),
    )


def pending_choice(page_id: str) -> dict[str, Any]:
    """Return the choice on a request that waits for its code in this browser; empty if none."""
    pending: dict[str, Any] = session.get(PENDING, {})
    return pending if pending.get("page_id") == page_id else {}


def choice_members(reduction: ScopeReduction) -> dict[str, Any]:
    """Return a choice as the session keeps it; `pending_reduction` reads it."""
    return {
        "purposes": sorted(reduction.purposes or ()),
        "max_messages": reduction.max_messages,
        "opens": reduction.opens,
        "closes": reduction.closes,
        "days": reduction.days,
    }


def pending_reduction(pending: dict[str, Any]) -> ScopeReduction:
    """Return the choice that the session keeps; what nobody chose is no choice."""
    if not pending:
        return ScopeReduction()
    return ScopeReduction(
        purposes=frozenset(Purpose(name) for name in pending["purposes"]),
        max_messages=pending["max_messages"],
        opens=pending["opens"],
        closes=pending["closes"],
        days=pending["days"],
    )


def pending_notice(open_request: OpenRequest, pending: dict[str, Any]) -> Notice:
    """Return the notice of the choice that is pending in this browser."""
    return open_request.notice(
        pending_reduction(pending),
        parse_timezones(pending["timezone"] or pending["timezones"]),
        notice_language(open_request),
        with_rules(runtime(), app_context().consent).retention,
        runtime().clock.now(),
    )


def notice_language(open_request: OpenRequest) -> str:
    """Return the language of the page, which is that of the notice."""
    return language(open_request.request.terms.locale)
