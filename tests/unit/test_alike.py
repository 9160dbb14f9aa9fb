"""A decision on one of several cases that are alike is the decision on that case alone."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.scope import FrequencyCap, SendWindow
from consent_tokens.relay.alike import AlikeCases, terms_of, with_filled_text
from consent_tokens.relay.case import Case, EventUse, limits_of
from consent_tokens.relay.case_recorder import encode_case
from consent_tokens.relay.checks import decide
from consent_tokens.relay.composition import compose
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.plan import Plan
from consent_tokens.relay.templates.fill import VariableFault
from consent_tokens.relay.templates.grammar import ValueFault
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.rules_source import packaged_rules
from tests.unit.test_case_record import changed
from tests.unit.test_relay_decision import CLAIMS, FAULTS, GOOD, GRANT, NOON, SCOPE, SHANGHAI, using

FILLED = {"text", "composed", "template", "event"}
LATER = NOON + timedelta(days=9)
# mostly good, so that the later checks are asked too
ENDS = st.sampled_from((LATER, LATER, LATER, NOON, NOON + timedelta(hours=12)))
SENDS = st.builds(
    lambda past, planned: [NOON - timedelta(hours=1)] * past + [LATER] * planned,
    st.sampled_from((0, 0, 1, 2, 3, 4)), st.sampled_from((0, 0, 0, 1)),
)  # fmt: skip
PLAN = Plan(
    id="plan_1", merchant_id="m_1", starts_at=NOON, ends_at=NOON + timedelta(days=2), messages=9,
    stated_at=NOON - timedelta(days=9), created_at=NOON,
)  # fmt: skip
RULES = [packaged_rules(), changed(1), changed(2)]  # of all texts to a person, and of plans
SELDOM = st.sampled_from((False,) * 5 + (True,))
TEMPLATES = (None, using(), using(event_type=None), using(status=TemplateStatus.HELD))
WINDOW = SendWindow.parse("10:00", "20:00", SHANGHAI)


@st.composite
def shared_members(draw: st.DrawFn) -> dict[str, Any]:
    """Return the members that cases share, in a fifth of them with something wrong."""
    members: dict[str, Any] = GOOD | {
        "purpose": draw(st.sampled_from(("marketing.promotions",) * 3 + ("orders.updates",))),
        "not_before": NOON + timedelta(hours=draw(st.sampled_from((0, 0, -1, 9, 30)))),
        "is_demonstration": draw(st.booleans()),
    }
    members["valid_until"] = members["not_before"] + timedelta(
        hours=draw(st.sampled_from((1, 24, 72)))
    )
    if draw(st.integers(0, 4)) == 0:
        fault = FAULTS[draw(st.sampled_from(list(Reason)))]
        members |= {name: value for name, value in fault.items() if name in members}
    if not isinstance(members["token"], type(CLAIMS)) or members["grant"] is None:
        members |= {"token": CLAIMS, "grant": GRANT}
    if draw(SELDOM):
        members["token"] = None  # as when it is decided again, at dispatch
    members["template"] = draw(st.sampled_from(TEMPLATES))
    members["limits"] = limits_of(
        draw(st.sampled_from(RULES)), members["purpose"], members["grant"], NOON,
        is_demonstration=members["is_demonstration"],
    )  # fmt: skip
    return members


@st.composite
def own_members(draw: st.DrawFn, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the members that one of these cases has of its own."""
    token, grant, use = shared["token"], shared["grant"], shared["template"]
    own: dict[str, Any] = {
        "token": token and replace(token, scope=replace(token.scope, ends_at=draw(ENDS))),
        "grant": replace(grant, scope=replace(grant.scope, ends_at=draw(ENDS))),
        "counted_sends": draw(SENDS),
        "marketing_sends": draw(SENDS),
        "is_held_back": draw(st.booleans()),
        "is_dropped": draw(SELDOM),
        "plans": draw(st.sampled_from(((), (PLAN,), (replace(PLAN, accepted=9),)))),
    }
    if use is not None:
        text = draw(st.sampled_from(("hello", "hello", "满200减50", "a\u202eb", "x" * 5000)))
        fault = VariableFault("order", ValueFault.EMPTY) if draw(SELDOM) else None
        event = draw(st.sampled_from((EventUse("order", 0), EventUse("other", 9), None)))
        own |= {
            "text": text, "composed": compose(text), "template": replace(use, fault=fault),
            "event": event,
        }  # fmt: skip
    return own


@settings(max_examples=400)
@given(st.data())
def test_cases_that_are_alike_are_decided_and_recorded_as_each_alone(data: st.DataObject) -> None:
    shared = data.draw(shared_members())
    all_own = data.draw(st.lists(own_members(shared), min_size=2, max_size=4))
    alike = AlikeCases.of(Case(**shared | all_own[0]))
    for own in all_own:
        alone = Case(**shared | own)
        consent = {name: value for name, value in own.items() if name not in FILLED}
        case = alike.case_of(consent.pop("token"), consent.pop("grant"), **consent)
        if shared["template"] is not None:
            case = with_filled_text(
                case, own["text"], own["composed"], own["template"], own["event"]
            )
        assert case == alone
        decision = alike.decide(case)
        assert decision == decide(alone)
        assert encode_case(case, decision, alike) == encode_case(alone, decision)


def test_every_member_of_a_case_is_its_own_or_the_same_in_cases_that_are_alike() -> None:
    own = {
        "token", "claims", "grant", "ends_at", "counted_sends", "marketing_sends", "is_held_back",
        "is_dropped", "plans",
    }  # fmt: skip
    # a new member of a case is added here once it is part of what is compared, or the same in all
    # of a transaction: services.submission.cases, services.dispatch.cases
    shared = {
        "merchant_id", "is_merchant_active", "classes", "named_purposes", "is_demonstration",
        "has_sender", "purpose", "link_domains", "max_segments", "limits", "transactional_cap",
        "not_before", "valid_until", "now", "preferences", "more_windows", "text_fault",
        "purpose_class", "is_limited", "frequency_caps", "send_windows", "send_at",
    }  # fmt: skip
    assert {each.name for each in fields(Case)} == own | FILLED | shared


def test_terms_are_all_of_token_and_grant_but_what_no_check_compares() -> None:
    scopes = [
        replace(SCOPE, purposes=frozenset()),
        replace(SCOPE, frequency_cap=FrequencyCap(1, timedelta(days=30))),
        replace(SCOPE, send_window=WINDOW),
    ]
    others = [
        *((replace(CLAIMS, scope=each), GRANT) for each in scopes),
        *((CLAIMS, replace(GRANT, scope=each)) for each in scopes),
        (replace(CLAIMS, merchant_id="other"), GRANT),
        (replace(CLAIMS, channels=("email",)), GRANT),
        (CLAIMS, replace(GRANT, merchant_id="other")),
        (CLAIMS, replace(GRANT, status=GrantStatus.PAUSED)),
        (CLAIMS, replace(GRANT, language="zh-CN")),
    ]
    terms = [terms_of(*parties) for parties in ((CLAIMS, GRANT), *others)]
    assert len(set(terms)) == len(terms)
    # a new member of these is compared with, or is added here because no check looks at it
    assert {each.name for each in fields(SCOPE)} == {
        "purposes", "frequency_cap", "send_window", "ends_at",
    }  # fmt: skip
    assert {each.name for each in fields(CLAIMS)} == {
        "merchant_id", "channels", "scope", "issuer", "jti", "issued_at", "notice", "sealed_number",
    }  # fmt: skip
    assert {each.name for each in fields(GRANT)} == {
        "merchant_id", "status", "language", "scope", "key", "granted_at", "status_since",
    }  # fmt: skip
