"""A state machine draws life cycles of a grant; the promises hold whatever happens."""

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.amendments import narrow, pause, resume
from consent_tokens.services.preferences.update import update_preferences
from consent_tokens.tokens.verify import verify
from tests.number_scan import WRITTEN
from tests.service import BASE, ORDERS, PROMOTIONS, Merchant, Service

CAP, DAYS = 2, 7


class GrantLifeCycle(RuleBasedStateMachine):
    """One consumer, one merchant, and a model of what may arrive."""

    @initialize()
    def begin(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="life-"))
        WRITTEN.append(folder)
        self.service = Service.start(f"sqlite:///{folder}/consent.db", folder / "keys")
        self.merchant: Merchant = self.service.merchant()
        self.consumer = self.service.consumer()
        self.token: str | None = None
        self.is_over = False
        self.ends: datetime = self.service.clock.now()
        self.arrived: list[datetime] = []
        self.seen = 0
        self.is_paused = False
        self.quiet_until: datetime = self.service.clock.now()

    def settle(self) -> None:
        """Let messages leave, and note which marketing texts arrived, and when."""
        self.service.work()
        count = sum("优惠" in text for text in self.consumer.texts())
        new = count - self.seen
        assert new >= 0
        self.arrived += [self.service.clock.now()] * new
        self.seen = count
        if self.is_quiet():
            assert new == 0, "it arrived in a pause or a quiet period"
        if new:
            assert not self.is_over, "a text arrived after the consent had ended"
            assert self.service.clock.now() < self.ends

    @rule(days=st.integers(1, 60))
    def agree(self, days: int) -> None:
        self.settle()
        if self.token is None or self.is_over:
            self.token = self.service.obtain_token(
                self.merchant, self.consumer, PROMOTIONS, ORDERS,
                max_messages=CAP, per_days=DAYS, expires_in_days=days,
                **{"from": "09:00", "to": "21:00"},
            )  # fmt: skip
            self.is_over, self.arrived, self.is_paused = False, [], False
            self.ends = self.service.clock.now() + timedelta(days=days)
            self.settle()

    @precondition(lambda self: self.token)
    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        draft = {"token": self.token, "purpose": PROMOTIONS, "text": "优惠"}
        answer = self.merchant.post("/v1/messages/batch", {"messages": [draft] * count})
        statuses = [result["status"] for result in answer.json["results"]]
        if self.is_over or self.service.clock.now() >= self.ends:
            assert set(statuses) == {"refused"}

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours: int) -> None:
        self.settle()
        self.service.clock.advance(timedelta(hours=hours))
        self.settle()

    @precondition(lambda self: self.token)
    @rule(word=st.sampled_from(["R", "退订", "hello", "不要退订"]))
    def reply(self, word: str) -> None:
        self.settle()
        self.service.reply(self.consumer.number, "106900011", word)
        if word in {"R", "退订"}:
            self.is_over = True
        self.settle()

    def is_quiet(self) -> bool:
        return self.is_paused or self.service.clock.now() < self.quiet_until

    def is_live(self) -> bool:
        return not self.is_over and self.service.clock.now() < self.ends

    def grant_key(self) -> RowKey:
        claims = verify(self.token or "", self.service.runtime.keyring.verifying, issuer=BASE)
        found = self.service.runtime.keyring.ids.grant.decode(claims.jti)
        assert found
        return found

    @precondition(lambda self: self.token)
    @rule(wants_quiet=st.booleans())
    def consumer_pauses_or_resumes(self, wants_quiet: bool) -> None:
        self.settle()
        act = pause if wants_quiet else resume
        try:
            act(self.service.runtime, self.grant_key())
        except ConflictError:
            assert not self.is_live()
        else:
            assert self.is_live()
            self.is_paused = wants_quiet
        self.settle()

    @precondition(lambda self: self.token)
    @rule(days=st.integers(1, 10))
    def consumer_sets_a_quiet_period(self, days: int) -> None:
        self.settle()
        now = self.service.clock.now()
        self.quiet_until = now + timedelta(days=days)
        quiet_period = QuietPeriod(now, self.quiet_until)
        update_preferences(
            self.service.runtime,
            self.grant_key().partition,
            "quiet_period",
            lambda before, _timezones: replace(before, quiet_periods=(quiet_period,)),
            default_timezone=self.service.context.consent.default_timezone,
        )
        self.settle()

    @precondition(lambda self: self.token)
    @rule(most=st.sampled_from([1, 2, 3]))
    def consumer_agrees_to_less(self, most: int) -> None:
        self.settle()
        try:
            narrow(self.service.runtime, self.grant_key(), ScopeReduction(max_messages=most))
        except ConflictError:
            assert not self.is_live()
        except InvalidError:
            assert self.is_live()
        self.settle()

    @precondition(lambda self: self.token)
    @rule()
    def merchant_revokes(self) -> None:
        self.merchant.post("/v1/tokens/revoke", {"token": self.token})
        self.is_over = True
        self.settle()

    @precondition(lambda self: self.token)
    @rule()
    def renew(self) -> None:
        answer = self.merchant.post("/v1/tokens/renew", {"token": self.token})
        is_live = not self.is_over and self.service.clock.now() < self.ends
        assert (answer.status_code == 200) == is_live
        if is_live:
            self.token = answer.json["token"]

    @invariant()
    def no_window_holds_more_than_the_cap(self) -> None:
        within = timedelta(days=DAYS)
        for first in getattr(self, "arrived", []):
            assert sum(first <= other < first + within for other in self.arrived) <= CAP

    @invariant()
    def nothing_arrives_at_night(self) -> None:
        for moment in getattr(self, "arrived", []):
            assert 9 <= (moment + timedelta(hours=8)).hour < 21

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.close()


GrantLifeCycle.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLifeOfAGrant = GrantLifeCycle.TestCase
