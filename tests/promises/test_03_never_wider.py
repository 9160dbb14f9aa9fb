"""Promise 3, as a law: whatever was done, and whenever the backup was taken, a restore and a replay
leave no consumer with more than before.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.preferences import NO_PREFERENCES, Preferences, stricter_of
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ConsentTokensError, RevocationsBehindError
from consent_tokens.services.consents.amendments import Amended, extend, narrow, pause, resume
from consent_tokens.services.consents.decisions import decline, find_open_request
from consent_tokens.services.consents.recipients import find_recipient
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.consents.undo import change_ids, undo
from consent_tokens.services.erasure import erase_recipient
from consent_tokens.services.integrity.readiness import ensure_ready, save_checkpoints
from consent_tokens.services.journal_replay import replay
from consent_tokens.services.preferences.update import update_preferences
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, invitations, preferences
from tests.backups import Backup
from tests.number_scan import NUMBERS, WRITTEN
from tests.service import ORDERS, PROMOTIONS, Merchant, Service, otp_policy

WIDE = otp_policy("number=1000/hour;client_ip=1000/hour;total=100000/hour")
PEOPLE = NUMBERS[:2]


@dataclass(frozen=True)
class Standing:
    """All that a number allows: live grants with their pauses, preferences, barred merchants."""

    live: dict[int, tuple[Grant, bool]]
    preferences: Preferences
    barred: frozenset[str]


def standing(runtime: Runtime, number: str, merchant: Merchant) -> Standing:
    now = runtime.clock.now()

    def query(transaction: object) -> Standing:
        partition = find_recipient(runtime, transaction, PhoneNumber(number))  # type: ignore[arg-type]  # the transaction of `run`
        if partition is None:
            return Standing({}, NO_PREFERENCES, frozenset())
        live = {
            grant.key.id: (grant, grant.status.value == "paused")
            for grant in grants.of_recipient(transaction, partition)  # type: ignore[arg-type]  # see above
            if grant.status_at(now).value in {"live", "paused"}
        }
        resting = invitations.resting_of(transaction, partition, [merchant.id], now)  # type: ignore[arg-type]  # see above
        return Standing(
            live,
            preferences.find(transaction, partition),  # type: ignore[arg-type]  # see above
            frozenset(each.merchant_id for each in resting),
        )

    return runtime.database.run(query)


def assert_not_wider(after: Standing, before: Standing) -> None:
    assert set(after.live) <= set(before.live), "no consent comes back"
    for key, (grant, is_paused) in after.live.items():
        known, was_paused = before.live[key]
        assert is_paused >= was_paused
        assert grant.scope.purposes <= known.scope.purposes
        assert grant.scope.frequency_cap.limit <= known.scope.frequency_cap.limit
        assert grant.scope.send_window.opens >= known.scope.send_window.opens
        assert grant.scope.send_window.closes <= known.scope.send_window.closes
        assert grant.scope.ends_at <= known.scope.ends_at
    assert stricter_of(after.preferences, before.preferences) == after.preferences
    if after.live:  # a merchant without a consent cannot invite
        assert after.barred >= before.barred


@dataclass
class Acts:
    """What one consumer, or the merchant, can do; nothing happens where it is not possible."""

    service: Service
    merchant: Merchant
    number: str
    tokens: list[str]
    offered: list[str] = field(default_factory=list)  # public ids of changes to undo

    @property
    def runtime(self) -> Runtime:
        return self.service.runtime

    def agree(self) -> None:
        consumer = self.service.consumer(self.number)
        self.tokens.append(
            self.service.obtain_token(self.merchant, consumer, PROMOTIONS, ORDERS, max_messages=9)
        )

    def newest(self) -> Grant | None:
        live = standing(self.runtime, self.number, self.merchant).live
        return max((grant for grant, _ in live.values()), key=lambda g: g.granted_at, default=None)

    def on_newest(self, act: Callable[[Grant], object]) -> None:
        grant = self.newest()
        if grant is not None:
            try:
                act(grant)
            except ConsentTokensError as error:
                if error.error_code not in {"invalid", "conflict"}:
                    raise

    def pause(self) -> None:
        self.on_newest(lambda grant: pause(self.runtime, grant.key))

    def pause_for_a_day(self) -> None:
        until = self.runtime.clock.now() + timedelta(days=1)
        self.on_newest(lambda grant: pause(self.runtime, grant.key, until))

    def resume(self) -> None:
        self.on_newest(lambda grant: resume(self.runtime, grant.key))

    def narrow_purposes(self) -> None:
        fewer = ScopeReduction(purposes=frozenset({Purpose(ORDERS)}))
        self.on_newest(lambda grant: self.offer(narrow(self.runtime, grant.key, fewer)))

    def narrow_limit(self) -> None:
        self.on_newest(
            lambda grant: self.offer(
                narrow(
                    self.runtime,
                    grant.key,
                    ScopeReduction(
                        max_messages=max(1, grant.scope.frequency_cap.limit - 1),
                        opens=grant.scope.send_window.opens + 60,
                    ),
                )
            )
        )

    def offer(self, amended: Amended) -> None:
        self.offered = change_ids(self.runtime, [amended])

    def undo(self) -> None:
        self.on_newest(lambda grant: undo(self.runtime, grant.key.partition, self.offered))

    def extend(self) -> None:
        self.on_newest(lambda grant: extend(self.runtime, grant.key, timedelta(days=30)))

    def revoke(self) -> None:
        self.on_newest(lambda grant: revoke(self.runtime, grant.key, EndReason.CONSUMER))

    def erase(self) -> None:
        self.on_newest(lambda grant: erase_recipient(self.runtime, grant.key.partition))

    def prefer(self, change: Callable[[Preferences], Preferences]) -> None:
        self.on_newest(
            lambda grant: update_preferences(
                self.runtime,
                grant.key.partition,
                "test",
                lambda before, _timezones: change(before),
                default_timezone=self.service.context.consent.default_timezone,
            )
        )

    def limit(self) -> None:
        self.prefer(lambda before: replace(before, daily_limit=1, weekly_limit=2))

    def lift_limit(self) -> None:
        self.prefer(lambda before: replace(before, daily_limit=5, weekly_limit=None))

    def be_quiet(self) -> None:
        now = self.runtime.clock.now()
        period = QuietPeriod(now, now + timedelta(days=9))
        self.prefer(lambda before: replace(before, quiet_periods=(period,)))

    def end_quiet(self) -> None:
        self.prefer(lambda before: replace(before, quiet_periods=()))

    def block_invitations(self) -> None:
        self.prefer(lambda before: replace(before, no_invitations=True))

    def allow_invitations(self) -> None:
        self.prefer(lambda before: replace(before, no_invitations=False))

    def invite(self) -> None:
        if self.tokens:
            asked = {"purposes": ["marketing.events"], "token": self.tokens[-1]}
            self.merchant.post("/v1/consent-requests", asked)

    def invite_and_decline(self) -> None:
        if not self.tokens:
            return
        asked = {"purposes": ["marketing.events"], "token": self.tokens[-1]}
        answer = self.merchant.post("/v1/consent-requests", asked)
        if answer.status_code == 201:
            page_id = answer.json["consent_url"].rpartition("/")[2]
            request = find_open_request(self.runtime, self.service.context.consent, page_id)
            decline(self.runtime, self.service.context.consent, request)


ACTS = [name for name in vars(Acts) if not name.startswith("_")]
ACTS = [name for name in ACTS if name not in {"runtime", "newest", "on_newest", "prefer", "offer"}]
STEPS = st.tuples(st.sampled_from(range(len(PEOPLE))), st.sampled_from(ACTS))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    first=st.lists(STEPS, max_size=4),
    before=st.lists(STEPS, max_size=4),
    after=st.lists(STEPS, min_size=1, max_size=8),
)
def test_no_consumer_has_more_after_a_restore_than_before(
    first: list[tuple[int, str]], before: list[tuple[int, str]], after: list[tuple[int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        WRITTEN.append(Path(folder))
        keys = Path(folder) / "keys"
        service = Service.start(f"sqlite:///{folder}/consent.db", keys).with_context(otp=WIDE)
        merchant = service.merchant()
        people = [Acts(service, merchant, number, []) for number in PEOPLE]
        people[0].agree()
        for who, act in first:
            getattr(people[who], act)()
        save_checkpoints(service.runtime)
        for who, act in before:  # after the checkpoint, before the backup
            getattr(people[who], act)()
        backup = Backup.take(service)
        for who, act in after:
            getattr(people[who], act)()
            service.clock.advance(timedelta(seconds=1))
        save_checkpoints(service.runtime)
        was = [standing(service.runtime, number, merchant) for number in PEOPLE]
        again = backup.restore(service)
        try:
            ensure_ready(again.runtime)
        except RevocationsBehindError:
            again.clock.advance(timedelta(seconds=2))
        replay(again.runtime)
        ensure_ready(again.runtime)
        assert replay(again.runtime).total == 0
        for number, known in zip(PEOPLE, was, strict=True):
            assert_not_wider(standing(again.runtime, number, merchant), known)
        again.close()
