"""Send a campaign file by the batch call: streaming, resumable, no line twice.

Beside the file are its progress (`campaign_progress`) and its report: which lines were refused in
the last run, and why.
"""

import csv
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from consent_tokens.cli.campaign_progress import Batch, Message, Progress
from consent_tokens.errors import ApiKeyRefusedError, ConsentTokensError, InvalidError
from consent_tokens.services.campaigns.campaign_file import Line

BATCH_SIZE: Final = 500  # messages
CONNECTIONS: Final = 3
MAX_BATCHES_IN_FLIGHT: Final = 2 * CONNECTIONS  # bounds the memory
REQUEST_TIMEOUT_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 60.0
MAX_ERROR_LENGTH: Final = 500  # characters of an answer that is shown
REPORT_COLUMNS: Final = ("line", "reference", "code", "detail")
FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r")  # that a spreadsheet would execute


class SendInterruptedError(ConsentTokensError):
    """The command was stopped; what was accepted is kept, and the same command resumes."""

    error_code = "interrupted"


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """One line that was not accepted, with the reason code of the refusal."""

    number: int
    reference: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class CompletedBatch:
    """A batch of which every line has its answer."""

    batch: Batch
    accepted: Sequence[Message]
    refused: Sequence[RefusedLine]


@dataclass(slots=True)
class Summary:
    """The result of the whole file: how many lines were accepted, and refused by reason."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Report:
    """The report of one run: the lines that were refused, as CSV."""

    def __init__(self, path: Path) -> None:
        """Create the file, or empty it."""
        self.path = path
        self.summary = Summary()
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(REPORT_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, *refused: RefusedLine) -> None:
        """Write refused lines, and count them."""
        self._writer.writerows(
            [each.number, _cell(each.reference), each.reason, _cell(each.detail)]
            for each in refused
        )
        self.summary.refused.update(each.reason for each in refused)


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


@dataclass(slots=True)
class BulkSender:
    """Send one file, several batches at a time."""

    client: httpx.Client
    progress: Progress
    report: Report
    stop: threading.Event
    new_id: Callable[[], str]  # of a batch
    now: Callable[[], int]  # seconds since 1970
    on_progress: Callable[[int], None]  # called with the number of lines newly completed
    on_wait: Callable[[str], None]  # called with why a request is repeated

    def send(self, lines: Iterator[Line]) -> None:
        """Send what has not been accepted, and first the batches that have no answer yet.

        Raises InvalidError, ApiKeyRefusedError, SendInterruptedError.
        """
        in_flight: set[Future[CompletedBatch]] = set()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for batch in self.progress.pending(self.now()):
                    self._record(self._send_batch(batch), is_counted=False)
                for batch in self._batches(lines):
                    self.progress.begin(batch, self.now())
                    in_flight.add(pool.submit(self._send_batch, batch))
                    if len(in_flight) >= MAX_BATCHES_IN_FLIGHT:
                        in_flight = self._record_finished(in_flight)
                while in_flight:
                    in_flight = self._record_finished(in_flight)
            except BaseException:
                self.stop.set()
                raise

    def _batches(self, lines: Iterator[Line]) -> Iterator[Batch]:
        """Yield what is to be sent; report the lines that cannot be, count those that were."""
        waiting: list[Message] = []
        for line in lines:
            if self.stop.is_set():
                self._wait(0)
            if message := self._to_send(line):
                waiting.append(message)
            else:
                self.on_progress(1)
            if len(waiting) == BATCH_SIZE:
                yield Batch(self.new_id(), waiting)
                waiting = []
        if waiting:
            yield Batch(self.new_id(), waiting)

    def _to_send(self, line: Line) -> Message | None:
        """Return a line as a message; None if it is not sent in this run."""
        if line.error:
            self.report.add(RefusedLine(line.number, "", "unreadable", str(line.error)))
            return None
        message = self.progress.identify(line)
        match self.progress.state_of(message):
            case "accepted":
                self.report.summary.accepted += 1
                return None
            case int(since):
                self.report.add(_uncertain_line(line, since))
                return None
            case _:
                return message

    def _record_finished(
        self, in_flight: set[Future[CompletedBatch]]
    ) -> set[Future[CompletedBatch]]:
        """Wait for a batch, record those that are completed, and return the others."""
        finished, rest = wait(in_flight, return_when=FIRST_COMPLETED)
        for each in finished:
            self._record(each.result(), is_counted=True)
        return rest

    def _record(self, completed: CompletedBatch, *, is_counted: bool) -> None:
        """Record a batch. Of an earlier run nothing is counted: its lines are met in the file."""
        self.progress.complete(completed.batch, completed.accepted)
        if is_counted:
            self.report.add(*completed.refused)
            self.report.summary.accepted += len(completed.accepted)
            self.on_progress(len(completed.batch.messages))

    def _send_batch(self, batch: Batch) -> CompletedBatch:
        """Send one batch until each of its messages has a final answer."""
        accepted: list[Message] = []
        refused: list[RefusedLine] = []
        pending, attempt = list(batch.messages), 0
        while pending:
            retry: list[Message] = []
            results = self._post(pending, f"{batch.id}-{attempt}")
            for message, result in zip(pending, results, strict=True):
                if result["status"] == "accepted":
                    accepted.append(message)
                elif result["problem"]["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
                    retry.append(message)
                else:
                    refused.append(_refused_line(message.line, result["problem"]))
            if retry:
                self.on_wait("the service takes no more just now")
                self._wait(MAX_RETRY_SECONDS)
            pending, attempt = retry, attempt + 1
        return CompletedBatch(batch, accepted, refused)

    def _post(self, messages: Sequence[Message], idempotency_key: str) -> list[dict[str, Any]]:
        """Return the results of a batch; retry with back-off until there are some."""
        body = encode_json({"messages": [each.line.body for each in messages]})
        seconds = FIRST_RETRY_SECONDS
        while True:
            response = self._try_post(body, idempotency_key)
            retry_after = ""
            if response is not None:
                if response.status_code == HTTPStatus.OK:
                    return _results(response, len(messages))
                _require_retriable(response)
                retry_after = response.headers.get("Retry-After", "")
                self.on_wait(f"the service answers {response.status_code}")
            else:
                self.on_wait(f"{self.client.base_url} does not answer")
            self._wait(float(retry_after) if retry_after.isdigit() else seconds)
            seconds = min(MAX_RETRY_SECONDS, seconds * 2)

    def _try_post(self, body: bytes, idempotency_key: str) -> httpx.Response | None:
        """Return the response; None if the service could not be reached."""
        try:
            return self.client.post(
                "/v1/messages/batch",
                content=body,
                headers={"Content-Type": "application/json", "Idempotency-Key": idempotency_key},
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
        except httpx.TransportError:
            return None

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(min(seconds, MAX_RETRY_SECONDS)):
            raise SendInterruptedError("stopped; run the same command again to resume")


def _require_retriable(response: httpx.Response) -> None:
    """Return if the same request may succeed later. Raises ApiKeyRefusedError, InvalidError."""
    status = response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        raise ApiKeyRefusedError("the service does not know this API key")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.CONFLICT,
    }:
        raise InvalidError({"batch": [response.text[:MAX_ERROR_LENGTH]]})


def _results(response: httpx.Response, count: int) -> list[dict[str, Any]]:
    """Return the results in the answer to a batch. Raises InvalidError if it is another's."""
    try:
        results: list[dict[str, Any]] = decode_json(response.content)["results"]
        is_ours = len(results) == count and all(
            each["status"] == "accepted" or each["problem"]["code"] for each in results
        )
    except (ValueError, KeyError, TypeError):
        is_ours, results = False, []
    if not is_ours:
        raise InvalidError({"url": ["What answers there is not this service."]})
    return results


def _uncertain_line(line: Line, since: int) -> RefusedLine:
    at = datetime.fromtimestamp(since, UTC).isoformat()
    detail = f"sent at {at} without an answer: look it up before you send it again"
    return RefusedLine(line.number, str(line.body.get("reference", "")), "uncertain", detail)


def _refused_line(line: Line, problem: Mapping[str, Any]) -> RefusedLine:
    errors = problem.get("errors")
    detail = json.dumps(errors, ensure_ascii=False) if errors else str(problem.get("detail", ""))
    return RefusedLine(line.number, str(line.body.get("reference", "")), problem["code"], detail)
