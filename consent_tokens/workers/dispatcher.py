"""The dispatcher's loop around `flow.dispatch` and `flow.hear`: wait, do, and stop well."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens import metrics as meters
from consent_tokens.app_context import AppContext
from consent_tokens.errors import ConsentTokensError, NotReadyError
from consent_tokens.gateways.base import DeliveryReport, InboundEvent, MobileOriginated
from consent_tokens.relay.throughput import ThroughputLimiter
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.dispatch.outcomes import recover_expired_leases
from consent_tokens.services.dispatch.round import BATCH_SIZE, Round, RoundResult, start_round
from consent_tokens.services.inbound.delivery_reports import record_reports
from consent_tokens.services.inbound.keywords import handle_inbound
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.retention import apply_retention
from consent_tokens.store import merchant_weights as shares
from consent_tokens.store.dispatcher_lock import DispatcherLock, acquire_dispatcher_lock
from consent_tokens.workers.webhook_worker import WebhookWorker

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.2  # between looks at the outbox, unless something is known to be there
ERROR_PAUSE_SECONDS: Final = 1.0
MAINTENANCE_SECONDS: Final = 30.0
QUICK_ROUND_SECONDS: Final = (
    1.0  # a line that is done with a round in so long has another one ready
)
EARLY_REPORT_SECONDS: Final = 30.0  # a report may come before the answer to its submission
EVENT_BATCH_SIZE: Final = 1000


@dataclass
class Dispatcher:
    """One dispatcher: a thread that goes on until it is told to stop."""

    world: AppContext
    _stop: threading.Event = field(default_factory=threading.Event)
    _events: list[InboundEvent] = field(default_factory=list)  # not yet written down
    _early_reports: list[tuple[float, DeliveryReport]] = field(default_factory=list)
    _maintained_at: float = float("-inf")
    _turn: int = 0
    _round_in_flight: Round | None = None  # with the line, and not yet written down
    _is_gateway_quick: bool = False  # the line was, when it was last seen
    _weights: Mapping[str, int] = field(default_factory=dict)
    _throughput: ThroughputLimiter = field(init=False)
    _sender_throughputs: dict[str, ThroughputLimiter] = field(
        default_factory=dict
    )  # of each merchant's sender
    _lock: DispatcherLock = field(default_factory=DispatcherLock)
    _webhook_worker: WebhookWorker | None = None
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._throughput = ThroughputLimiter(
            self.world.gateway_throughput, self.world.clock.monotonic()
        )

    def start(self) -> None:
        """Open the gateway and go on in a thread of its own.

        Raises NotAloneError if another one works on this SQLite database.
        """
        self._lock = acquire_dispatcher_lock(self.world.database)
        self.world.gateway.open(self.world.wake_dispatcher.set, self._lock.descriptors)
        self._thread = threading.Thread(target=self._run, name="dispatcher")
        self._thread.start()
        self._webhook_worker = WebhookWorker(self.world)
        self._webhook_worker.start()

    def stop(self) -> None:
        """Finish what is in hand, take nothing new, and hang up."""
        self._stop.set()
        self.world.wake_dispatcher.set()
        if self._thread:
            self._thread.join()
        if self._webhook_worker:
            self._webhook_worker.stop()
        self.world.close()
        self._lock.release()

    def _run(self) -> None:
        is_first = True
        while not self._stop.is_set():
            self.world.wake_dispatcher.clear()
            try:
                if is_first and self.world.database.is_sqlite:
                    recover_expired_leases(self.world, is_alone=True)
                is_first = False
                is_busy = self.round()
            except ConsentTokensError as fault:
                # nothing was done, or it was done wholly: the next round finds out which
                log.warning("dispatch_failed", code=fault.error_code)
                self._stop.wait(ERROR_PAUSE_SECONDS)
                continue
            except Exception as fault:  # noqa: BLE001 - tells of it, and goes on with the others
                log.critical("dispatch_faulty", fault=type(fault).__name__)
                self._stop.wait(ERROR_PAUSE_SECONDS)
                continue
            if not is_busy:
                self.world.wake_dispatcher.wait(IDLE_SECONDS)
        self._finish_last_round()

    def _finish_last_round(self) -> None:
        """Write down what was still with the line."""
        try:
            self._finish_round()
        except ConsentTokensError as fault:
            log.warning("dispatch_failed", code=fault.error_code)

    def round(self) -> bool:
        """Do what there is to do once; whether there is likely to be more."""
        now = self.world.clock.monotonic()
        # reports are written down after the messages that they are about
        self._events += self.world.gateway.poll()
        if any(map(_may_revoke, self._events)):
            self._finish_round()  # that waits for all hands, and these are ours
            self._handle_events()
        if now - self._maintained_at >= MAINTENANCE_SECONDS:
            self._finish_round()
            self._maintain()
            self._maintained_at = now
        is_busy = False
        if self.world.gateway.is_up:
            is_busy = self._dispatch(now)
        else:
            self._finish_round()
        if self._round_in_flight is None:
            self._events += self.world.gateway.poll()
        self._handle_events()
        self._retry_early_reports(now)
        return is_busy or bool(self._events)

    def _maintain(self) -> None:
        """Put away what is over, and settle what was left lying."""
        try:
            save_checkpoints(self.world)
            recover_expired_leases(self.world)
        except NotReadyError as fault:
            log.critical("dispatch_withheld", code=fault.error_code, why=str(fault))
        apply_retention(self.world)
        if self.world.database.has_journal:
            self._weights = self.world.database.read(shares.weights)

    def _dispatch(self, now: float) -> bool:
        """Dispatch as much as may leave now; whether there is likely to be more.

        The next round is taken up while the line is busy with this one, if the line is quick: who
        revokes waits for both. Where a rate binds it is not, since that counts what left.
        """
        most = min(BATCH_SIZE, self._throughput.allowance(now))
        if most:
            before, self._round_in_flight = self._round_in_flight, None
            try:
                begun = self._round_in_flight = self._start_round(self._quota(most, now))
            finally:
                if before:
                    self._account(before.finish())
            self._turn += 1
            if begun.leased == most and self._may_run_ahead and not begun.has_quarantined:
                return True
            self._finish_round()
            if begun.leased < most:
                return False
        if wait := self._throughput.seconds_until_allowed():
            self._stop.wait(min(wait, IDLE_SECONDS))
        return True

    @property
    def _may_run_ahead(self) -> bool:
        """Whether the line is quick, and no rate has to be kept."""
        is_bound = (
            self._throughput.rate or self._throughput.is_slowed or self.world.sender_throughput
        )
        return self._is_gateway_quick and not is_bound

    def _start_round(self, room: LeaseQuota) -> Round:
        try:
            return start_round(self.world, room)
        except NotReadyError as fault:
            meters.DISPATCH_WITHHELD.labels(fault.error_code).inc()
            raise

    def _finish_round(self) -> None:
        """Write down what became of the round that is with the line, if one is."""
        under_way, self._round_in_flight = self._round_in_flight, None
        if under_way:
            self._account(under_way.finish())

    def _quota(self, most: int, now: float) -> LeaseQuota:
        rate = self.world.sender_throughput
        allowed = (
            {name: pace.allowance(now) for name, pace in self._sender_throughputs.items()}
            if rate
            else {}
        )
        return LeaseQuota(limit=most, turn=self._turn, weights=self._weights, allowed=allowed)

    def _account(self, done: RoundResult) -> None:
        """Count what left against the rates, and slow down if the gateway asks for it."""
        self._is_gateway_quick = done.seconds <= QUICK_ROUND_SECONDS
        segments = sum(done.submitted.values())
        self._throughput.record(segments)
        now = self.world.clock.monotonic()
        if done.throttled:
            self._throughput.back_off(now, segments / max(done.seconds, 0.001))
            log.info(
                "gateway_throttled", messages=done.throttled, rate=int(self._throughput.current)
            )
        if rate := self.world.sender_throughput:
            for merchant_id, count in done.submitted.items():
                if merchant_id is not None:
                    pace = self._sender_throughputs.setdefault(
                        merchant_id, ThroughputLimiter(rate, now)
                    )
                    pace.record(count)

    def _handle_events(self) -> None:
        """Write down what came in; what cannot be written down now is kept for the next time."""
        while self._events:
            reports = [
                each for each in self._events[:EVENT_BATCH_SIZE] if isinstance(each, DeliveryReport)
            ]
            early = record_reports(self.world, reports)
            now = self.world.clock.monotonic()
            self._early_reports += [(now, report) for report in early]
            meters.GATEWAY_EVENTS.labels("report").inc(len(reports))
            part, rest = self._events[:EVENT_BATCH_SIZE], self._events[EVENT_BATCH_SIZE:]
            self._events = [*(each for each in part if isinstance(each, MobileOriginated)), *rest]
            while self._events and isinstance(self._events[0], MobileOriginated):
                handle_inbound(self.world, self._events[0])
                meters.GATEWAY_EVENTS.labels("inbound").inc()
                del self._events[0]

    def _retry_early_reports(self, now: float) -> None:
        """Hear again what came before its time; forget what belongs to nothing of ours."""
        waiting = [report for _, report in self._early_reports]
        unknown = set(record_reports(self.world, waiting))
        kept = [each for each in self._early_reports if each[1] in unknown]
        self._early_reports = [each for each in kept if now - each[0] <= EARLY_REPORT_SECONDS]
        if len(self._early_reports) < len(kept):
            log.warning(
                "report_unknown",
                gateway=self.world.gateway.name,
                count=len(kept) - len(self._early_reports),
            )


def _may_revoke(heard: InboundEvent) -> bool:
    """Whether to hear this is to wait until no message under some consent is in anybody's hands."""
    return isinstance(heard, MobileOriginated) or heard.is_deactivated
