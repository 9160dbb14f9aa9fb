"""A state machine draws lives of merchants and senders; whoever may send was admitted."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.relay.admission.sender_rules import REST, overlap
from consent_tokens.services.admission import applications
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.senders import add_sender, revoke_sender
from consent_tokens.services.admission.suspension import restore, suspend
from consent_tokens.store import merchants, senders
from consent_tokens.store.merchants import MerchantStatus, is_active
from consent_tokens.store.senders import Sender
from tests.number_scan import WRITTEN
from tests.service import ADMIN, PORT, REVIEWER, SECOND_ADMIN, Service, application

NAMES = ("晨光书店", "海港茶馆", "青山药房")
SHOPS, PEOPLE = st.integers(0, len(NAMES) - 1), st.sampled_from([ADMIN, SECOND_ADMIN])
EXTENSIONS = st.sampled_from(["5", "51", "512", "6", "61"])


class MerchantLifeCycle(RuleBasedStateMachine):
    """Three companies, the operators, and a model of who is admitted and who restores."""

    @initialize()
    def begin(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="merchants-"))
        WRITTEN.append(folder)
        self.service = Service.start(f"sqlite:///{folder}/consent.db", folder / "keys")
        self.runtime = self.service.runtime
        self.ids = [
            applications.apply(self.runtime, application(name, number=number)).id
            for number, name in enumerate(NAMES)
        ]
        self.expected = ["submitted"] * len(NAMES)
        self.restorers: list[set[str]] = [set() for _ in NAMES]

    def is_admitted(self, shop: int) -> bool:
        return self.expected[shop] in {"active", "suspended"}

    @rule(shop=SHOPS, decision=st.sampled_from(["active", "returned", "refused"]))
    def decide(self, shop: int, decision: str) -> None:
        try:
            if decision == "active":
                applications.approve(self.runtime, REVIEWER, self.ids[shop], checked_by="Harbour")
            elif decision == "returned":
                applications.return_application(self.runtime, REVIEWER, self.ids[shop], "mend it")
            else:
                applications.refuse(self.runtime, REVIEWER, self.ids[shop], "no")
        except ConflictError:
            assert self.expected[shop] != "submitted"
        else:
            assert self.expected[shop] == "submitted"
            self.expected[shop] = decision

    @rule(shop=SHOPS)
    def amend(self, shop: int) -> None:
        form = application(NAMES[shop], number=shop)
        try:
            applications.apply(self.runtime, form, amends=self.ids[shop])
        except ConflictError:
            assert self.expected[shop] != "returned"
        else:
            assert self.expected[shop] == "returned"
            self.expected[shop] = "submitted"

    @rule(shop=SHOPS, by=PEOPLE)
    def suspend(self, shop: int, by: Actor) -> None:
        try:
            suspend(self.runtime, by, self.ids[shop], "complaints")
        except ConflictError:
            assert not self.is_admitted(shop)
        else:
            assert self.is_admitted(shop)
            self.expected[shop] = "suspended"
            self.restorers[shop] = set()

    @rule(shop=SHOPS, by=PEOPLE)
    def restore(self, shop: int, by: Actor) -> None:
        try:
            restored = restore(self.runtime, by, self.ids[shop], "mended")
        except ConflictError:
            assert self.expected[shop] != "suspended"
            return
        assert self.expected[shop] == "suspended"
        self.restorers[shop].add(by.id)
        is_enough = len(self.restorers[shop]) > 1
        assert restored.needs_another is not is_enough
        if is_enough:
            self.expected[shop] = "active"

    def all_senders(self) -> list[Sender]:
        return self.runtime.database.read(senders.list_all)

    def blocks(self, other: Sender, shop: int, source: str) -> bool:
        """Whether a sender stands in the way of another one of a shop."""
        now = self.service.clock.now()
        if other.merchant_id == self.ids[shop]:
            return other.revoked_at is None and other.source == source
        is_resting = other.revoked_at is None or now < other.revoked_at + REST
        return is_resting and overlap(other.source, source)

    @rule(shop=SHOPS, extension=EXTENSIONS)
    def add_sender(self, shop: int, extension: str) -> None:
        is_free = not any(self.blocks(each, shop, PORT + extension) for each in self.all_senders())
        try:
            add_sender(
                self.runtime,
                self.ids[shop],
                port=PORT,
                extension=extension,
                signature=NAMES[shop],
                actor=REVIEWER,
            )
        except ConflictError:
            assert not self.is_admitted(shop)
        except InvalidError:
            assert not is_free
        else:
            assert is_free
            assert self.is_admitted(shop)

    @rule(place=st.integers(0, 20))
    def revoke_sender(self, place: int) -> None:
        live = [each for each in self.all_senders() if each.revoked_at is None]
        if live:
            revoke_sender(self.runtime, ADMIN, live[place % len(live)].id, "gone")

    @rule(days=st.sampled_from([1, 90, 181]))
    def time_passes(self, days: int) -> None:
        self.service.clock.advance(timedelta(days=days))

    @invariant()
    def who_may_send_was_admitted(self) -> None:
        if not hasattr(self, "service"):
            return
        for merchant_id, expected in zip(self.ids, self.expected, strict=True):
            found = self.runtime.database.read(lambda at: merchants.find(at, merchant_id))  # noqa: B023 - it is called here
            assert is_active(found, self.runtime.service) is (expected == "active")
            assert found is not None
            assert (found.status is MerchantStatus.REFUSED) is (expected == "refused")
            assert bool(found.usable_classes) is (expected in {"active", "suspended"})

    @invariant()
    def no_two_merchants_share_a_port(self) -> None:
        live = [
            each for each in getattr(self, "ids", []) and self.all_senders() if not each.revoked_at
        ]
        for one in live:
            for other in live:
                if one.merchant_id != other.merchant_id:
                    assert not overlap(one.source, other.source)

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.close()


MerchantLifeCycle.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLivesOfMerchants = MerchantLifeCycle.TestCase
