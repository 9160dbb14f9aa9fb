"""The dispatcher's loop around `services.dispatch` and `services.inbound`."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from consent_tokens import metrics
from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant
from consent_tokens.errors import ConsentTokensError, NotReadyError
from consent_tokens.gateways.base import (
    DeliveryReport,
    InboundEvent,
    MobileOriginated,
    UnreadableInbound,
)
from consent_tokens.relay.throughput import ThroughputLimiter
from consent_tokens.services.complaints import enqueue_complaint_groups
from consent_tokens.services.dispatch.dispatcher_lock import DispatcherLock, acquire_dispatcher_lock
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.dispatch.outcomes import recover_expired_leases
from consent_tokens.services.dispatch.pauses import expire_paused
from consent_tokens.services.dispatch.round import BATCH_SIZE, Round, RoundResult, start_round
from consent_tokens.services.inbound.delivery_reports import record_reports, settle_partly_reported
from consent_tokens.services.inbound.keywords import (
    finish_inbound,
    handle_inbound,
    record_unmatched,
)
from consent_tokens.services.integrity.heartbeat import record_dispatcher
from consent_tokens.services.integrity.journal_outbox import compact_journal
from consent_tokens.services.integrity.key_set import ensure_compared
from consent_tokens.services.integrity.readiness import save_checkpoints
from consent_tokens.services.integrity.rewrapping import Rewrapper
from consent_tokens.services.merchants import read_weights
from consent_tokens.services.retention.sweep import apply_retention
from consent_tokens.services.supervision.workers import (
    Heartbeat,
    Rate,
    WorkerKind,
    WorkerState,
    forget_workers,
)
from consent_tokens.workers.campaign_worker import CampaignWorker
from consent_tokens.workers.pacing_worker import PacingWorker
from consent_tokens.workers.polling_worker import PollingWorker
from consent_tokens.workers.rollup_worker import RollupWorker
from consent_tokens.workers.rounds_in_flight import RoundsInFlight
from consent_tokens.workers.template_counter import TemplateCounter
from consent_tokens.workers.webhook_worker import WebhookWorker

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.2  # between polls of the outbox, unless something is known to be due
ERROR_PAUSE_SECONDS: Final = 1.0
MAINTENANCE_SECONDS: Final = 30.0
QUICK_ROUND_SECONDS: Final = 1.0  # a gateway that is done in less gets the next round in advance
EARLY_REPORT_SECONDS: Final = 30.0  # a report may come before the answer to its submission
SETTLE_SECONDS: Final = 2.0  # between looks for messages of which only some segments are reported
EVENT_BATCH_SIZE: Final = 1000
MAX_INBOUND_ATTEMPTS: Final = 5  # on an inbound message that fails by itself
NOT_HANDLED: Final = "not_handled"  # the reason under which it is counted then
COMPACTION_SLACK: Final = timedelta(days=7)  # so the journal is rewritten once a week at most
MIN_ROUND_SECONDS: Final = 0.001  # of a round whose throughput is measured


@dataclass
class Dispatcher:
    """Dispatch messages and handle gateway events in a thread, until it is stopped."""

    context: AppContext
    _stop: threading.Event = field(default_factory=threading.Event)
    _polled: list[InboundEvent] = field(default_factory=list)  # in this round
    _events: list[InboundEvent] = field(default_factory=list)  # before that, and not yet recorded
    _inbound_failures: int = 0  # of the first inbound message in `_events`
    _acted: list[Grant] | None = None  # what that message ended, once it was acted on
    _early_reports: list[tuple[float, DeliveryReport]] = field(default_factory=list)
    _maintained_at: float = float("-inf")  # monotonic seconds
    _settled_at: float = float("-inf")  # monotonic seconds
    _turn: int = 0
    _in_flight: RoundsInFlight = field(init=False)
    _is_gateway_quick: bool = False  # in the last round
    _weights: Mapping[str, int] = field(default_factory=dict)  # by merchant id
    _throughput: ThroughputLimiter = field(init=False)
    _sender_throughputs: dict[str, ThroughputLimiter] = field(default_factory=dict)  # by merchant
    _rewrapper: Rewrapper = field(init=False)
    _heartbeat: Heartbeat = field(init=False)
    _rate: Rate = field(default_factory=Rate)  # segments that the gateway accepted
    _lock: DispatcherLock = field(default_factory=DispatcherLock)
    _workers: list[PollingWorker] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._throughput = ThroughputLimiter(
            self.context.dispatch.gateway_throughput, self._monotonic()
        )
        database = self.context.runtime.database
        self._in_flight = RoundsInFlight(database.is_sqlite, self._account)
        self._rewrapper = Rewrapper(self.context.runtime)
        self._heartbeat = Heartbeat(self.context.runtime, WorkerKind.DISPATCHER)

    def start(self) -> None:
        """Open the gateway, and start the threads of all workers.

        Raises DispatcherRunningError if another one works on this SQLite database.
        """
        runtime = self.context.runtime
        self._lock = acquire_dispatcher_lock(runtime.database)
        self.context.gateway.open(runtime.wake_dispatcher.set, self._lock.descriptors)
        self._thread = threading.Thread(target=self._run, name="dispatcher")
        self._thread.start()
        context, kinds = self.context, WorkerKind
        self._workers = [
            WebhookWorker(context, heartbeat=Heartbeat(runtime, kinds.WEBHOOKS)),
            TemplateCounter(runtime, heartbeat=Heartbeat(runtime, kinds.TEMPLATES)),
            PacingWorker(runtime, context.relay.pacing, heartbeat=Heartbeat(runtime, kinds.PACING)),
            RollupWorker(runtime, heartbeat=Heartbeat(runtime, kinds.ROLLUPS)),
            CampaignWorker(
                runtime, context.submitter, heartbeat=Heartbeat(runtime, kinds.CAMPAIGNS)
            ),
        ]
        for each in self._workers:
            each.start()

    def stop(self) -> None:
        """Finish the rounds in flight, start no other, and close the gateway and the database."""
        self._stop.set()
        self.context.runtime.wake_dispatcher.set()
        if self._thread:
            self._thread.join()
        self._in_flight.close()
        for each in self._workers:
            each.stop()
        self._heartbeat.end()
        self.context.close()
        self._lock.release()

    def _run(self) -> None:
        runtime = self.context.runtime
        is_first = True
        while not self._stop.is_set():
            runtime.wake_dispatcher.clear()
            try:
                if is_first and runtime.database.is_sqlite:
                    recover_expired_leases(runtime, is_only_dispatcher=True)
                is_first = False
                is_busy = self.round()
            except ConsentTokensError as error:
                # each transaction was committed or rolled back: the next round reads the result
                log.warning("dispatch_failed", reason=error.error_code)
                self._heartbeat.failed(error.error_code)
                self._stop.wait(ERROR_PAUSE_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - logged; the next round tries again
                log.critical("dispatch_faulty", fault=type(error).__name__)
                self._heartbeat.failed(type(error).__name__)
                self._stop.wait(ERROR_PAUSE_SECONDS)
                continue
            if not is_busy:
                runtime.wake_dispatcher.wait(IDLE_SECONDS)
        self._finish_last_rounds()

    def _finish_last_rounds(self) -> None:
        """Record what is in flight, and what came in, when the dispatcher stops.

        The carrier does not send again what the gateway took.
        """
        try:
            self._in_flight.finish()
            self._handle_all_events()
        except ConsentTokensError as error:
            log.warning("dispatch_failed", reason=error.error_code)

    def round(self) -> bool:
        """Handle events, maintain and dispatch once; whether there is likely to be more."""
        now = self._monotonic()
        ensure_compared(self.context.runtime)  # the gateway keeps what comes in until then
        # reports are recorded after the messages that they are about, which may be in flight
        self._events, self._polled = self._events + self._polled, self.context.gateway.poll()
        if any(map(_may_revoke, (*self._events, *self._polled))):
            self._in_flight.finish()  # a revocation waits until no message is in flight: ours too
            self._handle_all_events()
        if now - self._maintained_at >= MAINTENANCE_SECONDS:
            self._in_flight.finish()
            self._maintain()
            self._maintained_at = now
        self._beat()
        is_busy = False
        if self.context.gateway.is_up:
            is_busy = self._dispatch(now)
        else:
            self._in_flight.finish()
        if self._in_flight.messages:
            self._handle_events()
        else:
            self._handle_all_events()
        self._retry_early_reports(now)
        if now - self._settled_at >= SETTLE_SECONDS:
            settle_partly_reported(self.context.runtime)
            self._settled_at = now
        return is_busy or bool(self._events)

    def _beat(self) -> None:
        """Write every few seconds that this dispatcher runs, and what it does."""
        if not self._heartbeat.is_due:
            return
        gateway = self.context.gateway
        sessions = gateway.sessions
        state = WorkerState(
            gateway=gateway.name,
            sessions=sessions.bound,
            max_sessions=sessions.configured,
            gateway_fault=sessions.fault,
            segments_per_minute=self._rate.per_minute(self._monotonic()),
            in_flight=self._in_flight.messages,
        )
        self._heartbeat.beat(state)

    def _maintain(self) -> None:
        """Save checkpoints, recover leases, apply retention, report complaints, reload weights."""
        runtime = self.context.runtime
        record_dispatcher(runtime)
        try:
            save_checkpoints(runtime)
            compact_journal(runtime, self.context.consent.retention.backups, slack=COMPACTION_SLACK)
            recover_expired_leases(runtime)
        except NotReadyError as error:
            log.critical("dispatch_withheld", reason=error.error_code, detail=str(error))
        self._attempt("retention", lambda: apply_retention(runtime, self.context.consent))
        self._attempt("complaint_groups", lambda: enqueue_complaint_groups(runtime))
        self._attempt("rewrapping", self._rewrapper.run)
        self._attempt("paused", lambda: expire_paused(runtime, self._heartbeat.id))
        self._attempt("workers", lambda: forget_workers(runtime))
        self._weights = read_weights(runtime)

    def _attempt(self, name: str, work: Callable[[], object]) -> None:
        """Do what is done a little at each maintenance; a failure is logged, and stops no message.

        The next maintenance tries again.
        """
        try:
            work()
        except ConsentTokensError as error:
            log.warning("maintenance_failed", part=name, reason=error.error_code)
        except Exception as error:  # noqa: BLE001 - logged; the next maintenance tries again
            log.critical("maintenance_faulty", part=name, fault=type(error).__name__)

    def _dispatch(self, now: float) -> bool:
        """Dispatch as much as the throughput allows; whether there is likely to be more.

        With a quick gateway the next round is leased before this one is recorded; a revocation
        waits for both. With a throughput limit it is not, because the limit counts sent segments.
        """
        limit = min(BATCH_SIZE, self._throughput.allowance(now))
        if limit:
            quota = self._quota(limit, now)
            started = self._in_flight.start(partial(self._start_round, quota))
            self._turn += 1
            if started.leased == limit and self._may_run_ahead and not started.has_quarantined:
                return True
            self._in_flight.finish()
            if started.leased < limit:
                return False
        if seconds := self._throughput.seconds_until_allowed():
            self._stop.wait(min(seconds, IDLE_SECONDS))
        return True

    @property
    def _may_run_ahead(self) -> bool:
        """Whether the gateway is quick, and no throughput limit applies."""
        is_limited = (
            self._throughput.rate
            or self._throughput.is_slowed
            or self.context.dispatch.sender_throughput
        )
        return self._is_gateway_quick and not is_limited

    def _start_round(self, quota: LeaseQuota, previous: Round | None) -> Round:
        context = self.context
        try:
            return start_round(context.runtime, context.gateway, context.relay, quota, previous)
        except NotReadyError as error:
            metrics.DISPATCH_WITHHELD.labels(error.error_code).inc()
            raise

    def _quota(self, limit: int, now: float) -> LeaseQuota:
        allowed = (
            {
                merchant_id: throughput.allowance(now)
                for merchant_id, throughput in self._sender_throughputs.items()
            }
            if self.context.dispatch.sender_throughput
            else {}
        )
        return LeaseQuota(
            limit=limit,
            worker_id=self._heartbeat.id,
            turn=self._turn,
            weights=self._weights,
            allowed=allowed,
        )

    def _account(self, result: RoundResult) -> None:
        """Count what was sent against the throughput limits; back off if the gateway throttles."""
        self._is_gateway_quick = result.seconds <= QUICK_ROUND_SECONDS
        segments = sum(result.submitted.values())
        self._throughput.record(segments)
        self._rate.count(segments)
        now = self._monotonic()
        if result.throttled:
            self._throughput.back_off(now, segments / max(result.seconds, MIN_ROUND_SECONDS))
            log.info(
                "gateway_throttled", messages=result.throttled, rate=int(self._throughput.current)
            )
        if rate := self.context.dispatch.sender_throughput:
            for merchant_id, count in result.submitted.items():
                if merchant_id is not None:
                    throughput = self._sender_throughputs.setdefault(
                        merchant_id, ThroughputLimiter(rate, now)
                    )
                    throughput.record(count)

    def _handle_all_events(self) -> None:
        """Handle the events up to now: no message is in flight."""
        self._events += self._polled + self.context.gateway.poll()
        self._polled = []
        self._handle_events()

    def _handle_events(self) -> None:
        """Record delivery reports and act on inbound messages; keep what fails for next time."""
        while self._events:
            batch, rest = self._events[:EVENT_BATCH_SIZE], self._events[EVENT_BATCH_SIZE:]
            reports = [event for event in batch if isinstance(event, DeliveryReport)]
            early = record_reports(self.context.runtime, reports)
            now = self._monotonic()
            self._early_reports += [(now, report) for report in early]
            metrics.GATEWAY_EVENTS.labels("report").inc(len(reports))
            self._events = [
                *(each for each in batch if not isinstance(each, DeliveryReport)),
                *rest,
            ]
            while self._events and not isinstance(self._events[0], DeliveryReport):
                self._handle_or_set_aside(self._events[0])
                del self._events[0]
                self._inbound_failures = 0

    def _handle_or_set_aside(self, inbound: MobileOriginated | UnreadableInbound) -> None:
        """Act on an inbound message; one that fails by itself is tried again, and then set aside.

        It may be an opt-out, so nothing leaves while it is tried; and it may not stop the
        dispatcher for good. Errors of the database and the journal are not its own.
        """
        try:
            self._handle_inbound(inbound)
        except ConsentTokensError:
            raise
        except Exception as error:
            self._inbound_failures += 1
            if self._inbound_failures < MAX_INBOUND_ATTEMPTS:
                raise
            log.critical("inbound_set_aside", fault=type(error).__name__)
            record_unmatched(NOT_HANDLED)

    def _handle_inbound(self, inbound: MobileOriginated | UnreadableInbound) -> None:
        context = self.context
        match inbound:
            case UnreadableInbound(reason):
                record_unmatched(reason)
            case MobileOriginated():
                if self._acted is None:
                    self._acted = handle_inbound(
                        context.runtime, context.consent, context.keyword_matcher, inbound
                    )
                finish_inbound(context.runtime, self._acted)
                self._acted = None
                metrics.GATEWAY_EVENTS.labels("inbound").inc()

    def _retry_early_reports(self, now: float) -> None:
        """Record reports that came before their message was recorded; drop those never matched."""
        waiting = [report for _, report in self._early_reports]
        unknown = set(record_reports(self.context.runtime, waiting))
        unmatched = [early for early in self._early_reports if early[1] in unknown]
        self._early_reports = [
            early for early in unmatched if now - early[0] <= EARLY_REPORT_SECONDS
        ]
        if len(self._early_reports) < len(unmatched):
            log.warning(
                "report_unknown",
                gateway=self.context.gateway.name,
                count=len(unmatched) - len(self._early_reports),
            )

    def _monotonic(self) -> float:
        return self.context.runtime.clock.monotonic()


def _may_revoke(event: InboundEvent) -> bool:
    """Whether handling this may revoke a grant, which waits until none of it is in flight."""
    match event:
        case DeliveryReport():
            return event.is_deactivated
        case MobileOriginated():
            return True
        case UnreadableInbound():
            return False
