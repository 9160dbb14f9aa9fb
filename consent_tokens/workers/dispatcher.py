"""The dispatcher's loop around `flow.dispatch` and `flow.hear`: wait, do, and stop well."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens import metrics as meters
from consent_tokens.app_context import World
from consent_tokens.errors import ConsentTokensError, UntrustedError
from consent_tokens.gateways.base import DeliveryReport, Heard, Inbound
from consent_tokens.relay.throughput import Pace
from consent_tokens.services.dispatch.lease import Room
from consent_tokens.services.dispatch.outcomes import recover
from consent_tokens.services.dispatch.round import MOST_AT_ONCE, Dispatched, Round, begin
from consent_tokens.services.inbound.delivery_reports import hear_reports
from consent_tokens.services.inbound.keywords import hear_reply
from consent_tokens.services.integrity.readiness import keep
from consent_tokens.services.retention import sweep
from consent_tokens.store import merchant_weights as shares
from consent_tokens.store.dispatcher_lock import Alone, alone
from consent_tokens.workers.webhook_worker import Notifier

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.2  # between looks at the outbox, unless something is known to be there
TROUBLE_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 30.0
QUICK_SECONDS: Final = 1.0  # a line that is done with a round in so long has another one ready
REPORT_WAITS_SECONDS: Final = 30.0  # a report may come before the answer to its submission
MOST_HEARD_AT_ONCE: Final = 1000


@dataclass
class Dispatcher:
    """One dispatcher: a thread that goes on until it is told to stop."""

    world: World
    _stop: threading.Event = field(default_factory=threading.Event)
    _heard: list[Heard] = field(default_factory=list)  # not yet written down
    _early: list[tuple[float, DeliveryReport]] = field(default_factory=list)
    _swept: float = float("-inf")
    _turn: int = 0
    _under_way: Round | None = None  # with the line, and not yet written down
    _is_quick: bool = False  # the line was, when it was last seen
    _weights: Mapping[str, int] = field(default_factory=dict)
    _pace: Pace = field(init=False)
    _paces: dict[str, Pace] = field(default_factory=dict)  # of each merchant's sender
    _alone: Alone = field(default_factory=Alone)
    _notifier: Notifier | None = None
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._pace = Pace(self.world.gateway_rate, self.world.clock.elapsed())

    def start(self) -> None:
        """Open the gateway and go on in a thread of its own.

        Raises NotAloneError if another one works on this SQLite database.
        """
        self._alone = alone(self.world.store)
        self.world.gateway.open(self.world.something_to_do.set, self._alone.descriptors)
        self._thread = threading.Thread(target=self._go_on, name="dispatcher")
        self._thread.start()
        self._notifier = Notifier(self.world)
        self._notifier.start()

    def stop(self) -> None:
        """Finish what is in hand, take nothing new, and hang up."""
        self._stop.set()
        self.world.something_to_do.set()
        if self._thread:
            self._thread.join()
        if self._notifier:
            self._notifier.stop()
        self.world.close()
        self._alone.let_go()

    def _go_on(self) -> None:
        is_first = True
        while not self._stop.is_set():
            self.world.something_to_do.clear()
            try:
                if is_first and self.world.store.is_sqlite:
                    recover(self.world, is_alone=True)
                is_first = False
                is_busy = self.round()
            except ConsentTokensError as fault:
                # nothing was done, or it was done wholly: the next round finds out which
                log.warning("dispatch_failed", code=fault.code)
                self._stop.wait(TROUBLE_SECONDS)
                continue
            except Exception as fault:  # noqa: BLE001 - tells of it, and goes on with the others
                log.critical("dispatch_faulty", fault=type(fault).__name__)
                self._stop.wait(TROUBLE_SECONDS)
                continue
            if not is_busy:
                self.world.something_to_do.wait(IDLE_SECONDS)
        self._last()

    def _last(self) -> None:
        """Write down what was still with the line."""
        try:
            self._settle()
        except ConsentTokensError as fault:
            log.warning("dispatch_failed", code=fault.code)

    def round(self) -> bool:
        """Do what there is to do once; whether there is likely to be more."""
        now = self.world.clock.elapsed()
        # reports are written down after the messages that they are about
        self._heard += self.world.gateway.take()
        if any(map(_may_end_a_consent, self._heard)):
            self._settle()  # that waits for all hands, and these are ours
            self._hear()
        if now - self._swept >= SWEEP_SECONDS:
            self._settle()
            self._tidy()
            self._swept = now
        is_busy = False
        if self.world.gateway.is_up:
            is_busy = self._dispatch(now)
        else:
            self._settle()
        if self._under_way is None:
            self._heard += self.world.gateway.take()
        self._hear()
        self._hear_early(now)
        return is_busy or bool(self._heard)

    def _tidy(self) -> None:
        """Put away what is over, and settle what was left lying."""
        try:
            keep(self.world)
            recover(self.world)
        except UntrustedError as fault:
            log.critical("dispatch_withheld", code=fault.code, why=str(fault))
        sweep(self.world)
        if self.world.store.has_journal:
            self._weights = self.world.store.read(shares.weights)

    def _dispatch(self, now: float) -> bool:
        """Dispatch as much as may leave now; whether there is likely to be more.

        The next round is taken up while the line is busy with this one, if the line is quick: who
        revokes waits for both. Where a rate binds it is not, since that counts what left.
        """
        most = min(MOST_AT_ONCE, self._pace.allows(now))
        if most:
            before, self._under_way = self._under_way, None
            try:
                begun = self._under_way = self._begin(self._room(most, now))
            finally:
                if before:
                    self._count(before.settle())
            self._turn += 1
            if begun.taken == most and self._may_run_ahead and not begun.has_suspects:
                return True
            self._settle()
            if begun.taken < most:
                return False
        if wait := self._pace.wait():
            self._stop.wait(min(wait, IDLE_SECONDS))
        return True

    @property
    def _may_run_ahead(self) -> bool:
        """Whether the line is quick, and no rate has to be kept."""
        is_bound = self._pace.rate or self._pace.is_slowed or self.world.sender_rate
        return self._is_quick and not is_bound

    def _begin(self, room: Room) -> Round:
        try:
            return begin(self.world, room)
        except UntrustedError as fault:
            meters.WITHHELD.labels(fault.code).inc()
            raise

    def _settle(self) -> None:
        """Write down what became of the round that is with the line, if one is."""
        under_way, self._under_way = self._under_way, None
        if under_way:
            self._count(under_way.settle())

    def _room(self, most: int, now: float) -> Room:
        rate = self.world.sender_rate
        allowed = {name: pace.allows(now) for name, pace in self._paces.items()} if rate else {}
        return Room(most=most, turn=self._turn, weights=self._weights, allowed=allowed)

    def _count(self, done: Dispatched) -> None:
        """Count what left against the rates, and slow down if the gateway asks for it."""
        self._is_quick = done.seconds <= QUICK_SECONDS
        segments = sum(done.submitted.values())
        self._pace.spend(segments)
        now = self.world.clock.elapsed()
        if done.throttled:
            self._pace.throttled(now, segments / max(done.seconds, 0.001))
            log.info("gateway_throttled", messages=done.throttled, rate=int(self._pace.current))
        if rate := self.world.sender_rate:
            for merchant_id, count in done.submitted.items():
                if merchant_id is not None:
                    pace = self._paces.setdefault(merchant_id, Pace(rate, now))
                    pace.spend(count)

    def _hear(self) -> None:
        """Write down what came in; what cannot be written down now is kept for the next time."""
        while self._heard:
            reports = [
                each
                for each in self._heard[:MOST_HEARD_AT_ONCE]
                if isinstance(each, DeliveryReport)
            ]
            early = hear_reports(self.world, reports)
            now = self.world.clock.elapsed()
            self._early += [(now, report) for report in early]
            meters.HEARD.labels("report").inc(len(reports))
            part, rest = self._heard[:MOST_HEARD_AT_ONCE], self._heard[MOST_HEARD_AT_ONCE:]
            self._heard = [*(each for each in part if isinstance(each, Inbound)), *rest]
            while self._heard and isinstance(self._heard[0], Inbound):
                hear_reply(self.world, self._heard[0])
                meters.HEARD.labels("inbound").inc()
                del self._heard[0]

    def _hear_early(self, now: float) -> None:
        """Hear again what came before its time; forget what belongs to nothing of ours."""
        waiting = [report for _, report in self._early]
        unknown = set(hear_reports(self.world, waiting))
        kept = [each for each in self._early if each[1] in unknown]
        self._early = [each for each in kept if now - each[0] <= REPORT_WAITS_SECONDS]
        if len(self._early) < len(kept):
            log.warning(
                "report_unknown",
                gateway=self.world.gateway.name,
                count=len(kept) - len(self._early),
            )


def _may_end_a_consent(heard: Heard) -> bool:
    """Whether to hear this is to wait until no message under some consent is in anybody's hands."""
    return isinstance(heard, Inbound) or heard.is_gone
