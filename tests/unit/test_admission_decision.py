"""Class by sender by template by purpose: what a merchant is admitted for, and nothing else.

The expected decision of each combination is written here as rules of their own, from the text of
promise 14, not from the checks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import SMS
from consent_tokens.relay.case import Case, EventUse, TemplateUse
from consent_tokens.relay.checks import decide, decide_invitation
from consent_tokens.relay.decision import Accepted, FieldFault, Reason, Refused
from consent_tokens.relay.message import INVITATION_PURPOSE
from consent_tokens.relay.templates.fill import VariableFault
from consent_tokens.relay.templates.template import TemplateStatus
from tests.unit.test_relay_decision import CLAIMS, GRANT, NOON, SCOPE, TEMPLATE, a_case

MARKETING, FINANCE, TRANSACTIONAL = PurposeClass
CLASS_OF = {  # written out, so that a purpose that changes its class is noticed
    "marketing.promotions": MARKETING,
    "marketing.recommendations": MARKETING,
    "marketing.events": MARKETING,
    "marketing.surveys": MARKETING,
    "finance.loans": FINANCE,
    "finance.credit": FINANCE,
    "finance.insurance": FINANCE,
    "finance.collection": FINANCE,
    "orders.updates": TRANSACTIONAL,
    "orders.deliveries": TRANSACTIONAL,
    "service.appointments": TRANSACTIONAL,
    "service.notices": TRANSACTIONAL,
    "account.code": TRANSACTIONAL,
}
CLASS_SETS = [frozenset(chosen) for size in range(4) for chosen in combinations(PurposeClass, size)]
UNKNOWN, NOT_OURS, OTHER_PURPOSE = "unknown", "not ours", "of another purpose"
BAD_VALUES, ESSENTIAL = "with bad values", "essential"
TEMPLATES = [None, UNKNOWN, NOT_OURS, OTHER_PURPOSE, BAD_VALUES, ESSENTIAL, *TemplateStatus]
EVENTS = [None, EventUse("order", 0), EventUse("order", 1), EventUse("cart", 0)]
ALL_PURPOSES = SCOPE.purposes | frozenset(Purpose)
WIDE = replace(SCOPE, purposes=ALL_PURPOSES)


@dataclass(frozen=True, slots=True)
class Admission:
    """What was admitted, and the message."""

    is_demonstration: bool
    merchant: frozenset[PurposeClass]
    sender: frozenset[PurposeClass]
    template: str | None
    purpose: str
    event: EventUse | None


def admissions() -> Iterator[Admission]:
    """Yield every combination: 13 purposes, 8 times 8 sets of classes, 11 templates, 4 events."""
    yield from (
        Admission(*each)
        for each in product(
            [False, True], CLASS_SETS, CLASS_SETS, TEMPLATES, list(CLASS_OF), EVENTS
        )
    )


def template_use(admission: Admission) -> TemplateUse | None:
    if admission.template is None:
        return None
    template = replace(TEMPLATE, purpose=admission.purpose, texts_per_event=1)
    other = "orders.updates" if admission.purpose != "orders.updates" else "account.code"
    if isinstance(admission.template, TemplateStatus):
        return TemplateUse(replace(template, status=admission.template))
    return {
        UNKNOWN: TemplateUse(None),
        NOT_OURS: TemplateUse(replace(template, merchant_id="other")),
        OTHER_PURPOSE: TemplateUse(replace(template, purpose=other)),
        BAD_VALUES: TemplateUse(template, VariableFault("order", "not_of_its_type")),
        ESSENTIAL: TemplateUse(replace(template, is_essential=True, event_type=None)),
    }[admission.template]


def case_of(admission: Admission, **more: object) -> Case:
    return a_case(
        classes=admission.merchant,
        has_sender=CLASS_OF[admission.purpose] in admission.sender,
        is_demonstration=admission.is_demonstration,
        template=template_use(admission),
        event=admission.event,
        purpose=admission.purpose,
        grant=replace(GRANT, scope=WIDE),
        token=replace(CLAIMS, scope=WIDE),
        **more,
    )


def expected(admission: Admission) -> Reason | None:
    """Return why a message is refused, by the rules as docs/refusals.md states them."""
    wanted = CLASS_OF[admission.purpose]
    if wanted not in admission.sender:
        return Reason.SENDER_NOT_ADMITTED
    needs_more = admission.purpose == "finance.collection" and not admission.is_demonstration
    if wanted not in admission.merchant or needs_more:
        return Reason.CLASS_NOT_ADMITTED
    if admission.template is None:
        is_free = admission.is_demonstration or wanted in {MARKETING, FINANCE}
        return None if is_free else Reason.TEMPLATE_REQUIRED
    if admission.template == ESSENTIAL:
        return None
    if admission.template in {TemplateStatus.APPROVED, TemplateStatus.HELD}:
        is_held = admission.template is TemplateStatus.HELD
        return expected_of_event(admission) or (Reason.HELD_BACK if is_held else None)
    return Reason.TEMPLATE_REJECTED


def expected_of_event(admission: Admission) -> Reason | None:
    """Return why the event is refused: the template wants an order, and has one text for each."""
    if admission.event is None:
        return None if admission.is_demonstration else Reason.EVENT_REQUIRED
    if admission.event.type != "order":
        return Reason.EVENT_REQUIRED
    return Reason.EVENT_USED if admission.event.texts else None


def test_the_catalogue_is_the_one_of_this_table() -> None:
    assert {each.value: each.purpose_class for each in Purpose} == CLASS_OF


def test_every_combination_is_decided_as_the_rules_say() -> None:
    wrong: list[tuple[Admission, object]] = []
    accepted = 0
    for admission in admissions():
        decision = decide(case_of(admission))
        reason = decision.reason if isinstance(decision, Refused) else None
        accepted += reason is None
        if reason is not expected(admission):
            wrong.append((admission, decision))
    assert not wrong, wrong[:5]
    assert accepted, "nothing was accepted: the table proves nothing"


def test_what_is_not_named_is_refused() -> None:
    """A purpose outside the catalogue is marketing; a class that is nobody's is not admitted."""
    unknown = a_case(purpose="something.else")
    assert decide(unknown) == Refused(Reason.PURPOSE_NOT_GRANTED)
    for purpose, purpose_class in CLASS_OF.items():
        nothing = Admission(False, frozenset(), frozenset(PurposeClass), None, purpose, None)
        assert decide(case_of(nothing)) == Refused(Reason.CLASS_NOT_ADMITTED)
        others = frozenset(PurposeClass) - {purpose_class}
        assert decide(case_of(replace_classes(nothing, others))) == Refused(
            Reason.CLASS_NOT_ADMITTED
        )


def replace_classes(admission: Admission, merchant: frozenset[PurposeClass]) -> Admission:
    return Admission(
        admission.is_demonstration,
        merchant,
        admission.sender,
        admission.template,
        admission.purpose,
        admission.event,
    )


@pytest.mark.parametrize("is_at_dispatch", [False, True])
def test_a_difference_in_kind_is_named(is_at_dispatch: bool) -> None:
    use = TemplateUse(replace(TEMPLATE, purpose="orders.updates"))
    case = a_case(template=use, token=None if is_at_dispatch else CLAIMS)
    named = "The template is for orders.updates, the message for marketing.promotions."
    fault = FieldFault("purpose", "not_of_the_template", named)
    assert decide(case) == Refused(Reason.TEMPLATE_REJECTED, field_fault=fault)


def test_a_faulty_variable_is_named() -> None:
    use = TemplateUse(TEMPLATE, VariableFault("order", "not_of_its_type"))
    words = "order: The value is not of the type of its variable."
    fault = FieldFault("variables.order", "not_of_its_type", words)
    assert decide(a_case(template=use)) == Refused(Reason.TEMPLATE_REJECTED, field_fault=fault)


def test_a_queued_text_needs_no_second_event_but_a_usable_template() -> None:
    """The event was counted when the message was accepted; the template may be withdrawn since."""
    queued = {"token": None, "template": TemplateUse(TEMPLATE)}
    assert decide(a_case(**queued)) == Accepted(NOON)
    for status in (TemplateStatus.WITHDRAWN, TemplateStatus.REFUSED, TemplateStatus.SUBMITTED):
        queued["template"] = TemplateUse(replace(TEMPLATE, status=status))
        decision = decide(a_case(**queued))
        assert isinstance(decision, Refused)
        assert decision.reason is Reason.TEMPLATE_REJECTED
    queued["template"] = TemplateUse(replace(TEMPLATE, status=TemplateStatus.HELD))
    assert decide(a_case(**queued)) == Refused(Reason.HELD_BACK)


@pytest.mark.parametrize("has_sender", [False, True])
@pytest.mark.parametrize("classes", CLASS_SETS)
def test_an_invitation_is_of_class_marketing(
    has_sender: bool, classes: frozenset[PurposeClass]
) -> None:
    case = a_case(purpose=INVITATION_PURPOSE, classes=classes, has_sender=has_sender, token=None)
    is_admitted = has_sender and MARKETING in classes
    assert isinstance(decide_invitation(case), Accepted) == is_admitted


# --- properties -----------------------------------------------------------------------------------
ADMISSIONS = st.builds(
    Admission,
    st.booleans(),
    st.sampled_from(CLASS_SETS),
    st.sampled_from(CLASS_SETS),
    st.sampled_from(TEMPLATES),
    st.sampled_from(list(CLASS_OF)),
    st.sampled_from(EVENTS),
)
SENDS = st.lists(st.integers(-40, 0).map(lambda days: NOON + timedelta(days=days)), max_size=6)


def restricted(admission: Admission, draw: st.DataObject) -> Admission:
    """Return an admission of which less is admitted: fewer classes, another status, no event."""
    merchant = draw.draw(st.sets(st.sampled_from(sorted(admission.merchant))) if admission.merchant
                         else st.just(set()))  # fmt: skip
    sender = draw.draw(st.sets(st.sampled_from(sorted(admission.sender))) if admission.sender
                       else st.just(set()))  # fmt: skip
    template = admission.template
    if template is TemplateStatus.APPROVED:
        worse = [each for each in TEMPLATES if each not in {None, ESSENTIAL}]
        template = draw.draw(st.sampled_from([template, *worse]))
    event = admission.event
    if event is not None:
        event = EventUse(event.type, event.texts + draw.draw(st.integers(0, 2)))
    is_demonstration = admission.is_demonstration and draw.draw(st.booleans())
    return Admission(
        is_demonstration,
        frozenset(merchant),
        frozenset(sender),
        template,
        admission.purpose,
        event,
    )


@given(ADMISSIONS, SENDS, st.data())
def test_more_restrictions_never_allow_more(
    admission: Admission, sends: list[datetime], draw: st.DataObject
) -> None:
    counted = tuple(sorted(sends))
    fewer = restricted(admission, draw)
    before = decide(case_of(admission, counted_sends=counted))
    after = decide(case_of(fewer, counted_sends=counted))
    if isinstance(before, Refused):
        assert isinstance(after, Refused)
        assert list(Reason).index(after.reason) <= list(Reason).index(before.reason)
    elif not isinstance(after, Refused):
        assert after == before


@given(ADMISSIONS)
def test_what_leaves_was_admitted_in_every_respect(admission: Admission) -> None:
    decision = decide(case_of(admission))
    if not isinstance(decision, Refused):
        wanted = CLASS_OF[admission.purpose]
        assert wanted in admission.merchant & admission.sender
        assert SMS in CLAIMS.channels
        if wanted is TRANSACTIONAL and not admission.is_demonstration:
            assert admission.template in {TemplateStatus.APPROVED, ESSENTIAL}
            assert admission.event or admission.template == ESSENTIAL
