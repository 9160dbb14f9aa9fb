"""SMPP lines, each kept bound by one event loop in a thread of its own.

smpp34 aborts the interpreter if a session is still open when Python exits, so `close` is called on
every way out. The bridge between our threads and its event loop is in this module alone.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from queue import Empty, SimpleQueue
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import smpp34
import structlog
import uvloop

from consent_tokens.errors import SettingError
from consent_tokens.gateways.base import (
    Answer,
    Faulty,
    Heard,
    Outcome,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.smpp.pieces import Pieces
from consent_tokens.gateways.smpp.words import (
    VENDOR_TAGS,
    Manner,
    is_report,
    outcome_of,
    piece_in,
    report_in,
    submissions,
)

log = structlog.get_logger()

DEFAULT_PORT: Final = 2775
WINDOW: Final = 64  # submissions without an answer, at most, on one line
MOST_WINDOW: Final = 1000
MOST_BINDS: Final = 16
CONNECT_MILLISECONDS: Final = 5000
ANSWER_SECONDS: Final = 10.0  # a gateway that is silent for longer may or may not have taken it
UNBIND_SECONDS: Final = 2.0  # for a line that may not be there any more
BACK_OFF: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds between attempts to bind
SOON_AGAIN: Final = 2  # the step of the back-off for a line that lets us bind
STEADY_SECONDS: Final = 10.0  # a bind that lasted so long was a good one
JITTER: Final = 0.5  # of the back-off, so that many lines do not come back in step
GROUP_SECONDS: Final = 0.003  # at most between the answers of one group
PATIENCE_SECONDS: Final = 0.5  # before a later segment is tried again
MOST_HEARD: Final = 100_000  # waiting to be taken; the oldest give way
PIECES_EVERY_SECONDS: Final = 1.0
VARIABLE: Final = "CONSENT_GATEWAY_URL"
NO: Final = frozenset({"0", "no", "off", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where one bind goes, and in which manner: what one URL says."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    is_tls: bool
    is_pair: bool = False  # a transmitter and a receiver, instead of one transceiver
    system_type: str = ""
    window: int = WINDOW
    manner: Manner = field(default_factory=Manner)

    @classmethod
    def all_in(cls, url: str) -> list[Self]:
        """Return the lines of `smpp://user:password@host:port?binds=2&...`. Raises SettingError."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        line = cls._of(parts, options)
        binds = _whole(options, "binds", 1, MOST_BINDS)
        if options:
            raise SettingError(f"{VARIABLE}: no such option: {', '.join(sorted(options))}")
        return [line] * binds

    @classmethod
    def _of(cls, parts: SplitResult, options: dict[str, str]) -> Self:
        """Return the line, and take the options that it knows out of `options`."""
        bind = options.pop("bind", "trx")
        if bind not in {"trx", "pair"}:
            raise SettingError(f"{VARIABLE}: bind is trx or pair")
        vendor = [name for name in options if name.startswith("tlv.")]
        return cls(
            host=parts.hostname or "",
            port=parts.port or DEFAULT_PORT,
            system_id=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            is_tls=parts.scheme == "smpps",
            is_pair=bind == "pair",
            system_type=options.pop("system_type", ""),
            window=_whole(options, "window", WINDOW, MOST_WINDOW),
            manner=Manner(
                uses_payload=options.pop("payload", "0") not in NO,
                tells_validity=options.pop("validity", "1") not in NO,
                vendor_tlvs=tuple(_vendor_tlv(name, options.pop(name)) for name in vendor),
                gone=frozenset(filter(None, options.pop("gone", "").lower().split(","))),
            ),
        )

    def client(self, bind_type: str) -> smpp34.Client:
        """Return a session that is not yet connected."""
        return smpp34.Client(
            host=self.host,
            port=self.port,
            system_id=self.system_id,
            password=self.password,
            bind_type=bind_type,
            system_type=self.system_type,
            tls=self.is_tls,
            window_size=self.window,
            connect_timeout_ms=CONNECT_MILLISECONDS,
        )


def _whole(options: dict[str, str], name: str, default: int, most: int) -> int:
    text = options.pop(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise SettingError(f"{VARIABLE}: {name} is a whole number from 1 to {most}")
    return int(text)


def _vendor_tlv(name: str, text: str) -> tuple[int, bytes]:
    """Return tag and value of `tlv.0x1400=text`. Raises SettingError."""
    try:
        tag = int(name.removeprefix("tlv."), 16)
    except ValueError:
        tag = 0
    if tag not in VENDOR_TAGS:
        raise SettingError(f"{VARIABLE}: {name}: a vendor's tag is 0x1400 to 0x3fff")
    return tag, text.encode()


class _Bind:
    """One line, kept bound: a transceiver, or a transmitter with its receiver."""

    def __init__(self, line: Line, hear: Callable[[smpp34.DeliverSmEvent, Line], None]) -> None:
        self.line = line
        self._hear = hear
        self._smsc: smpp34.Smsc | None = None
        self._was_bound = False
        self._owed: dict[object, float] = {}  # since when, for each answer; the oldest first
        self._room = asyncio.Semaphore(line.window)

    @property
    def is_up(self) -> bool:
        return self._smsc is not None

    async def keep(self, stop: asyncio.Event, told: Callable[[], None], jitter: float) -> None:
        """Bind, again and again with back-off, until told to stop."""
        loop, failures = asyncio.get_running_loop(), 0
        while not stop.is_set():
            begun = loop.time()
            try:
                await self._once(stop, told)
            except (smpp34.SmppError, OSError) as fault:
                log.warning("gateway_away", gateway="smpp", fault=type(fault).__name__)
            if stop.is_set():
                return
            if loop.time() - begun > STEADY_SECONDS:
                failures = 0
            else:  # one that was bound, if not for long, is there: it is not left alone for long
                failures = min(failures + 1, SOON_AGAIN) if self._was_bound else failures + 1
            wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)] * (1 - JITTER * jitter)
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def _once(self, stop: asyncio.Event, told: Callable[[], None]) -> None:
        """Be bound once, until the session ends, falls silent, or we are told to stop."""
        kinds = ("TX", "RX") if self.line.is_pair else ("TRX",)
        clients = [self.line.client(kind) for kind in kinds]
        self._was_bound = False
        sessions: list[smpp34.Smsc] = []
        try:
            for client in clients:
                sessions.append(await client.connect())  # noqa: PERF401 - those before a fault count
            self._smsc, self._was_bound = sessions[0], True
            log.info("gateway_bound", gateway="smpp")
            told()
            silence = asyncio.create_task(self._silence())
            listening = [asyncio.create_task(self._listen(session)) for session in sessions]
            tasks = [asyncio.create_task(stop.wait()), silence, *listening]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._smsc = None
            if not stop.is_set():
                log.warning("gateway_left", gateway="smpp", mute=silence.done())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._smsc = None
            await _hang_up(sessions, clients)

    async def _listen(self, session: smpp34.Smsc) -> None:
        while not isinstance(event := await session.next(), smpp34.Disconnected):
            self._hear(event, self.line)

    async def _silence(self) -> None:
        """Return once an answer is owed for too long. Who hangs up then fails what is owed."""
        loop = asyncio.get_running_loop()
        while True:
            since = next(iter(self._owed.values()), loop.time())
            if (left := since + ANSWER_SECONDS - loop.time()) <= 0:
                return
            await asyncio.sleep(left)

    async def submit(self, submission: Submission) -> Outcome:
        """Submit every segment of one message; it is named by the id of its last."""
        outcome: Outcome = Unsent()
        try:
            parts = list(submissions(submission, self.line.manner))
        except (ValueError, OverflowError, TypeError) as fault:
            return Faulty(type(fault).__name__)
        for place, part in enumerate(parts):
            outcome = await self._submit_part(submission, part)
            while place and isinstance(outcome, Throttled):  # half of it is on the phone already
                await asyncio.sleep(PATIENCE_SECONDS)
                outcome = await self._submit_part(submission, part)
            if not isinstance(outcome, Submitted):
                # a first segment decides; a later one leaves half a message, which nobody recalls
                return Uncertain() if place else outcome
        return outcome

    async def _submit_part(self, submission: Submission, part: dict[str, object]) -> Outcome:
        """Submit one segment, if it is still ours to hand over once there is room for it."""
        async with self._room:
            smsc = self._smsc
            if smsc is None or not submission.may_go():
                return Unsent()
            return await self._answered(smsc, part)

    async def _answered(self, smsc: smpp34.Smsc, part: dict[str, object]) -> Outcome:
        this = object()
        self._owed[this] = asyncio.get_running_loop().time()
        try:
            answer = await smsc.submit_sm(**part)  # type: ignore[arg-type]  # its own names
        except (smpp34.SmppError, OSError):
            return Uncertain()
        except (ValueError, OverflowError, TypeError) as fault:
            return Faulty(type(fault).__name__)
        finally:
            del self._owed[this]
        return outcome_of(answer)


async def _hang_up(sessions: Sequence[smpp34.Smsc], clients: Sequence[smpp34.Client]) -> None:
    """Say so and leave, also on a line that is silent: many an SMSC takes one bind of a name."""
    for session in sessions:
        with suppress(TimeoutError, smpp34.SmppError, OSError):
            async with asyncio.timeout(UNBIND_SECONDS):
                await session.unbind()
    for client in clients:
        await client.stop()


class _HandedOver:
    """What was handed over together, and the answers to it, passed on in groups."""

    def __init__(self, count: int, worth: int) -> None:
        self.groups: SimpleQueue[list[Answer]] = SimpleQueue()
        self.unsettled = 0  # answered, or about to be passed on, and not yet written down
        self.is_abandoned = False  # nobody wants to know the rest
        self._unanswered = count
        self._worth = worth  # how many answers are worth a transaction
        self._group: list[Answer] = []
        self._timer: asyncio.TimerHandle | None = None

    def answer(self, answer: Answer) -> None:
        """Pass an answer on, with others if they come at once."""
        self.unsettled += 1
        self._unanswered -= 1
        self._group.append(answer)
        if len(self._group) >= self._worth or not self._unanswered:
            self._pass_on()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GROUP_SECONDS, self._pass_on)

    def _pass_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._group = self._group, []
        self.groups.put(group)


class SmppGateway:
    """One or several lines, to one carrier or to several that stand in for each other."""

    def __init__(self, lines: Sequence[Line], jitter: Callable[[], float] = lambda: 0.0) -> None:
        self._jitter = jitter
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="smpp", daemon=True)
        self._stop = asyncio.Event()
        self._heard: deque[Heard] = deque(maxlen=MOST_HEARD)
        self._pieces = Pieces()
        self._tell: Callable[[], None] = lambda: None
        self._binds = [_Bind(line, self._hear) for line in lines]
        # each submission begins with another line, and goes on with the others
        places = range(len(lines))
        self._turns = cycle([(*self._binds[at:], *self._binds[:at]) for at in places])
        window = sum(line.window for line in lines)
        self._worth = max(1, window // 4)
        # of the event loop's thread alone
        self._free = window  # how many more may be on their way, or answered and not settled
        self._waiting: deque[tuple[_HandedOver, int, Submission]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def at(cls, urls: str, jitter: Callable[[], float] = lambda: 0.0) -> Self:
        """Return the gateway that one or several URLs (by blanks) name, not yet connected.

        `jitter` gives a number from 0 to 1. Raises SettingError naming the variable.
        """
        return cls([line for url in urls.split() for line in Line.all_in(url)], jitter)

    @property
    def name(self) -> str:
        """Return which kind it is."""
        return "smpp"

    @property
    def is_up(self) -> bool:
        """Whether any line is bound."""
        return any(bind.is_up for bind in self._binds)

    def open(self, heard: Callable[[], None]) -> None:
        """Start to bind, in the background."""
        self._tell = heard
        self._loop = uvloop.new_event_loop()
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[Answer]]:
        """Submit side by side, over all lines that are up, as many at once as they hold.

        Begins at once, behind what was handed over before; what is settled makes room for the next.
        """
        if self._loop is None:
            return iter([[(place, Unsent()) for place in range(len(submissions))]])
        answers = self._answers(self._loop, submissions)
        next(answers)  # from here on it goes by itself, and its end is seen to, however it comes
        return answers

    def _answers(
        self, loop: asyncio.AbstractEventLoop, submissions: Sequence[Submission]
    ) -> Iterator[list[Answer]]:
        """Hand over, and return the answers: first none, then all that have come meanwhile."""
        handed, rest = _HandedOver(len(submissions), self._worth), len(submissions)
        loop.call_soon_threadsafe(self._hand_over, handed, submissions)
        try:
            yield []
            while rest:
                group = handed.groups.get()
                with suppress(Empty):
                    while True:
                        group += handed.groups.get_nowait()
                yield group
                rest -= len(group)
                loop.call_soon_threadsafe(self._settle, handed, len(group))
        finally:
            if rest and not loop.is_closed():  # what nobody wants to know is in nobody's way
                loop.call_soon_threadsafe(self._abandon, handed)

    def take(self) -> list[Heard]:
        """Return the reports and inbound messages since the last call."""
        heard: list[Heard] = []
        while self._heard:
            heard.append(self._heard.popleft())
        return heard

    def close(self) -> None:
        """Unbind, and wait until the sessions are closed."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        if self._loop is not None:
            self._loop.close()

    def _run(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._keep_all())

    async def _keep_all(self) -> None:
        """Keep every line bound until told to stop."""
        keeping = [bind.keep(self._stop, self._tell, self._jitter()) for bind in self._binds]
        await asyncio.gather(self._tidy(), *keeping)

    async def _tidy(self) -> None:
        """Pass on what came in pieces of which the rest is not coming."""
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), PIECES_EVERY_SECONDS)
            except TimeoutError:
                if overdue := self._pieces.overdue(asyncio.get_running_loop().time()):
                    self._heard.extend(overdue)
                    self._tell()

    def _hand_over(self, handed: _HandedOver, submissions: Sequence[Submission]) -> None:
        self._waiting.extend((handed, place, each) for place, each in enumerate(submissions))
        self._go_on()

    def _go_on(self) -> None:
        """Submit what waits, as long as there is room for it."""
        while self._free and self._waiting:
            handed, place, submission = self._waiting.popleft()
            if handed.is_abandoned:
                continue
            self._free -= 1
            task = asyncio.create_task(self._submit_one(handed, place, submission))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _settle(self, handed: _HandedOver, count: int) -> None:
        handed.unsettled -= count
        self._free += count
        self._go_on()

    def _abandon(self, handed: _HandedOver) -> None:
        handed.is_abandoned = True
        self._settle(handed, handed.unsettled)

    async def _submit_one(self, handed: _HandedOver, place: int, submission: Submission) -> None:
        """Submit over one line; what it could not send goes to the others, once each."""
        outcome: Outcome = Unsent()
        try:
            for bind in next(self._turns):
                if isinstance(outcome, Unsent) and bind.is_up:
                    outcome = await bind.submit(submission)
        except Exception as fault:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            log.critical("submission_faulty", fault=type(fault).__name__)
            outcome = Uncertain()
        handed.answer((place, outcome))
        if handed.is_abandoned:
            self._settle(handed, 1)

    def _hear(self, event: smpp34.DeliverSmEvent, line: Line) -> None:
        heard: Heard | None
        if is_report(event):
            heard = report_in(event, line.manner)
        else:
            piece = piece_in(event)
            now = asyncio.get_running_loop().time()
            heard = self._pieces.put(piece, now) if piece else None
        if heard:
            self._heard.append(heard)
            self._tell()
