"""Send a file of messages by the batch call: streaming, resumable, each batch exactly once.

Beside the file are its progress (which batches are done) and its report (which lines were refused,
and why). The Idempotency-Key of a batch is derived from the file's content, so a batch that was
interrupted is sent again and gets the answer of the first time.
"""

import csv
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import httpx
from msgspec import Struct
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from consent_tokens.errors import ConsentTokensError, InvalidError, UnauthenticatedError

BATCH_SIZE: Final = 500  # messages
CONNECTIONS: Final = 3
MAX_BATCHES_IN_FLIGHT: Final = 2 * CONNECTIONS  # bounds the memory
REQUEST_TIMEOUT_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 60.0
MAX_ERROR_LENGTH: Final = 500  # characters of an answer that is shown
FINGERPRINT_LENGTH: Final = 40  # hex digits in an Idempotency-Key
FIELDS: Final = ("token", "purpose", "text", "reference", "send_at", "valid_for_minutes")
REQUIRED_FIELDS: Final = frozenset({"token", "purpose", "text"})
REPORT_COLUMNS: Final = ("line", "reference", "code", "detail")
CHUNK_SIZE: Final = 1 << 20  # bytes
MAX_DIGITS: Final = 9  # of a number; the service refuses longer ones
FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r")  # that a spreadsheet would execute


class SendInterruptedError(ConsentTokensError):
    """The command was stopped; completed batches are kept, and the same command resumes."""

    error_code = "interrupted"


class Line(Struct, frozen=True):
    """One line of the file: a message, or why it cannot be read as one."""

    number: int
    body: Mapping[str, Any]
    error: str | None = None


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

    number: int
    accepted: int
    refused: Sequence[RefusedLine]


@dataclass(slots=True)
class Summary:
    """The result of the whole file: how many lines were accepted, and refused by reason."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a CSV file with a header, or of an NDJSON file. Raises InvalidError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from _read_json(file) if path.suffix in {".ndjson", ".jsonl"} else _read_csv(file)


def _read_csv(file: IO[str]) -> Iterator[Line]:
    reader = csv.reader(file)
    header = {name: index for index, name in enumerate(next(reader, []))}
    if not header.keys() >= REQUIRED_FIELDS:
        raise InvalidError({"file": ["The first line must name token, purpose and text."]})
    columns = [(name, header[name]) for name in FIELDS if name in header]
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield Line(reader.line_num, {}, str(error))
            continue
        if row is None:
            return
        if row:
            yield Line(reader.line_num, _body_of_row(row, columns))


def _body_of_row(row: Sequence[str], columns: Sequence[tuple[str, int]]) -> dict[str, Any]:
    body: dict[str, Any] = {
        name: row[index] for name, index in columns if index < len(row) and row[index]
    }
    minutes = body.get("valid_for_minutes", "")
    if minutes.isascii() and minutes.isdigit() and len(minutes) <= MAX_DIGITS:
        body["valid_for_minutes"] = int(minutes)
    return body


def _read_json(file: IO[str]) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            body = decode_json(line)
        except (ValueError, RecursionError):
            yield Line(number, {}, "not JSON")
            continue
        if isinstance(body, dict):
            yield Line(number, body)
        else:
            yield Line(number, {}, "not an object")


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            digest.update(chunk)
    return digest.hexdigest()


class Progress:
    """The progress and the report of one file, on disk beside it; consistent after any stop."""

    def __init__(self, path: Path, file_fingerprint: str) -> None:
        """Resume from the progress on disk. Raises InvalidError if the file has changed."""
        self.completed: set[int] = set()  # numbers of batches
        self.summary = Summary()
        self.report_path = path.with_name(f"{path.name}.refused.csv")
        progress_path = path.with_name(f"{path.name}.progress")
        header = {"file": file_fingerprint, "batch_size": BATCH_SIZE}
        report_bytes = self._load(progress_path, header)
        self._progress = progress_path.open("a", encoding="utf-8")
        self._report = self.report_path.open("a", encoding="utf-8", newline="")
        self._report.truncate(report_bytes)  # the rest is of a batch that was not completed
        self._writer = csv.writer(self._report)
        if not report_bytes:
            self._writer.writerow(REPORT_COLUMNS)
        if not self.completed:
            self._append(header)

    def _load(self, path: Path, header: Mapping[str, Any]) -> int:
        """Read the completed batches; return the size of the report after them, in bytes."""
        report_bytes = 0
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # cut short: that batch was not completed
            if "file" not in entry:
                self.completed.add(entry["batch"])
                self.summary.accepted += entry["accepted"]
                self.summary.refused.update(entry["refused"])
                report_bytes = entry["report_bytes"]
            elif entry != header:
                raise InvalidError(
                    {"file": [f"It has changed since sending began; remove {path.name}."]}
                )
        return report_bytes

    def record(self, batch: CompletedBatch) -> None:
        """Record a batch: first its refused lines, then that it is completed."""
        self._writer.writerows(
            [each.number, _cell(each.reference), each.reason, _cell(each.detail)]
            for each in batch.refused
        )
        self._report.flush()
        refused = Counter(each.reason for each in batch.refused)
        self.summary.accepted += batch.accepted
        self.summary.refused.update(refused)
        self._append(
            {
                "batch": batch.number,
                "accepted": batch.accepted,
                "refused": refused,
                "report_bytes": self._report.tell(),
            }
        )

    def close(self) -> None:
        """Close both files."""
        self._progress.close()
        self._report.close()

    def _append(self, entry: Mapping[str, Any]) -> None:
        self._progress.write(json.dumps(entry) + "\n")
        self._progress.flush()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


@dataclass(slots=True)
class BulkSender:
    """Send one file, several batches at a time."""

    client: httpx.Client
    file_fingerprint: str
    stop: threading.Event
    on_progress: Callable[[int], None]  # called with the number of lines newly completed

    def send(self, path: Path, progress: Progress) -> None:
        """Send every batch of the file that is not completed.

        Raises InvalidError, UnauthenticatedError, SendInterruptedError.
        """
        lines = read_lines(path)
        batches = iter(lambda: list(islice(lines, BATCH_SIZE)), [])
        in_flight: set[Future[CompletedBatch]] = set()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for number, batch in enumerate(batches):
                    if number in progress.completed:
                        self.on_progress(len(batch))
                        continue
                    in_flight.add(pool.submit(self._send_batch, number, batch))
                    if len(in_flight) >= MAX_BATCHES_IN_FLIGHT:
                        in_flight = self._record_finished(in_flight, progress)
                while in_flight:
                    in_flight = self._record_finished(in_flight, progress)
            except BaseException:
                self.stop.set()
                raise

    def _record_finished(
        self, in_flight: set[Future[CompletedBatch]], progress: Progress
    ) -> set[Future[CompletedBatch]]:
        """Wait for a batch, record those that are completed, and return the others."""
        finished, rest = wait(in_flight, return_when=FIRST_COMPLETED)
        for each in finished:
            batch = each.result()
            progress.record(batch)
            self.on_progress(batch.accepted + len(batch.refused))
        return rest

    def _send_batch(self, number: int, batch: Sequence[Line]) -> CompletedBatch:
        """Send one batch until each of its lines has a final answer."""
        refused = [
            RefusedLine(each.number, "", "unreadable", each.error) for each in batch if each.error
        ]
        pending = [each for each in batch if not each.error]
        accepted, attempt = 0, 0
        while pending:
            key = f"{self.file_fingerprint[:FINGERPRINT_LENGTH]}-{number}-{attempt}"
            retry: list[Line] = []
            for line, result in zip(pending, self._post(pending, key), strict=True):
                if result["status"] == "accepted":
                    accepted += 1
                elif result["problem"]["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
                    retry.append(line)
                else:
                    refused.append(_refused_line(line, result["problem"]))
            if retry:
                self._wait(MAX_RETRY_SECONDS)
            pending, attempt = retry, attempt + 1
        return CompletedBatch(number, accepted, sorted(refused, key=lambda each: each.number))

    def _post(self, batch: Sequence[Line], idempotency_key: str) -> list[dict[str, Any]]:
        """Return the results of a batch; retry with back-off until there are some."""
        body = encode_json({"messages": [each.body for each in batch]})
        seconds = FIRST_RETRY_SECONDS
        while True:
            response = self._try_post(body, idempotency_key)
            retry_after = ""
            if response is not None:
                if response.status_code == HTTPStatus.OK:
                    results: list[dict[str, Any]] = decode_json(response.content)["results"]
                    return results
                _require_retriable(response)
                retry_after = response.headers.get("Retry-After", "")
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
    """Return if the same request may succeed later. Raises UnauthenticatedError, InvalidError."""
    status = response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        raise UnauthenticatedError("the service does not know this API key")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.CONFLICT,
    }:
        raise InvalidError({"batch": [response.text[:MAX_ERROR_LENGTH]]})


def _refused_line(line: Line, problem: Mapping[str, Any]) -> RefusedLine:
    errors = problem.get("errors")
    detail = json.dumps(errors, ensure_ascii=False) if errors else str(problem.get("detail", ""))
    return RefusedLine(line.number, str(line.body.get("reference", "")), problem["code"], detail)
