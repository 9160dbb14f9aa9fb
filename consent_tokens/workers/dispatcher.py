"""The dispatcher's loop around `flow.dispatch` and `flow.hear`: wait, do, and stop well."""

import threading
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.errors import ConsentTokensError
from consent_tokens.flow.dispatch import MOST_AT_ONCE, dispatch, recover
from consent_tokens.flow.hear import hear_reply, hear_report
from consent_tokens.flow.sweep import sweep
from consent_tokens.gateways.base import DeliveryReport, Heard, Inbound
from consent_tokens.world import World

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.2  # between looks at the outbox, unless something is known to be there
TROUBLE_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 30.0
REPORT_WAITS_SECONDS: Final = 30.0  # a report may come before the answer to its submission


@dataclass
class Dispatcher:
    """One dispatcher: a thread that goes on until it is told to stop."""

    world: World
    _stop: threading.Event = field(default_factory=threading.Event)
    _early: list[tuple[float, DeliveryReport]] = field(default_factory=list)
    _swept: float = float("-inf")
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the gateway and go on in a thread of its own."""
        self.world.gateway.open(self.world.something_to_do.set)
        self._thread = threading.Thread(target=self._go_on, name="dispatcher")
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand, take nothing new, and hang up."""
        self._stop.set()
        self.world.something_to_do.set()
        if self._thread:
            self._thread.join()
        self.world.close()

    def _go_on(self) -> None:
        while not self._stop.is_set():
            self.world.something_to_do.clear()
            try:
                is_busy = self.round()
            except ConsentTokensError as fault:
                # nothing was done, or it was done wholly: the next round finds out which
                log.warning("dispatch_failed", code=fault.code)
                self._stop.wait(TROUBLE_SECONDS)
                continue
            if not is_busy:
                self.world.something_to_do.wait(IDLE_SECONDS)

    def round(self) -> bool:
        """Do what there is to do once; whether there is likely to be more."""
        now = self.world.clock.elapsed()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            recover(self.world)
            sweep(self.world)
        taken = 0
        if self.world.gateway.is_up:
            taken = dispatch(self.world).taken
        heard = self.world.gateway.take()
        for each in heard:
            self._hear(each, now)
        self._hear_early(now)
        return taken == MOST_AT_ONCE or bool(heard)

    def _hear(self, heard: Heard, now: float) -> None:
        match heard:
            case Inbound():
                hear_reply(self.world, heard)
            case DeliveryReport():
                if not hear_report(self.world, heard):
                    self._early.append((now, heard))

    def _hear_early(self, now: float) -> None:
        """Hear again what came before its time; forget what belongs to nothing of ours."""
        waiting, self._early = self._early, []
        for since, report in waiting:
            if now - since > REPORT_WAITS_SECONDS:
                log.warning("report_unknown", gateway=self.world.gateway.name)
            elif since == now or not hear_report(self.world, report):
                self._early.append((since, report))
