"""A file of messages, sent by the batch call: streaming, resumable, each batch exactly once.

Beside the file lie its progress (which batches are done) and its report (what was refused, and
why). A batch has an Idempotency-Key made of the file's own content, so one that was under way when
somebody pulled the plug is sent again and answered as it was the first time.
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
from msgspec.json import decode as from_json
from msgspec.json import encode as to_json

from consent_tokens.errors import ConsentTokensError, InvalidError, UnauthenticatedError

BATCH_SIZE: Final = 500
CONNECTIONS: Final = 3
MAX_BATCHES_AHEAD: Final = (
    2 * CONNECTIONS
)  # batches read and not yet concluded: all that memory holds
ANSWER_SECONDS: Final = 60.0
LONGEST_WAIT_SECONDS: Final = 60.0
FIELDS: Final = ("token", "purpose", "text", "reference", "send_at", "valid_for_minutes")
REPORT: Final = ("line", "reference", "code", "detail")
CHUNK: Final = 1 << 20
MAX_DIGITS: Final = 9  # of a number; what is longer is for the service to refuse
FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would carry out


class SendInterruptedError(ConsentTokensError):
    """Somebody stopped it; what was concluded is kept, and the same command goes on from there."""

    error_code = "interrupted"


class Line(Struct, frozen=True):
    """One line of the file: a message, or why it cannot be read as one."""

    line: int
    body: Mapping[str, Any]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that was not taken."""

    line: int
    reference: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class CompletedBatch:
    """A batch of which every line has its answer."""

    number: int
    accepted: int
    refusals: Sequence[Refusal]


@dataclass(slots=True)
class Summary:
    """What became of the whole file."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def read_lines(path: Path) -> Iterator[Line]:
    """Return the lines of a CSV file with a header, or of an NDJSON file, one after another."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from _of_json(file) if path.suffix in {".ndjson", ".jsonl"} else _of_csv(file)


def _of_csv(file: IO[str]) -> Iterator[Line]:
    reader = csv.reader(file)
    header = {name: place for place, name in enumerate(next(reader, []))}
    if not {"token", "purpose", "text"} <= set(header):
        raise InvalidError({"file": ["The first line must name token, purpose and text."]})
    places = [(name, header[name]) for name in FIELDS if name in header]
    while True:
        try:
            row = next(reader, None)
        except csv.Error as fault:
            yield Line(reader.line_num, {}, str(fault))
            continue
        if row is None:
            return
        if not row:
            continue
        body: dict[str, Any] = {
            name: row[place] for name, place in places if place < len(row) and row[place]
        }
        minutes = body.get("valid_for_minutes", "")
        if minutes.isascii() and minutes.isdigit() and len(minutes) <= MAX_DIGITS:
            body["valid_for_minutes"] = int(minutes)
        yield Line(reader.line_num, body)


def _of_json(file: IO[str]) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            body = from_json(line)
        except (ValueError, RecursionError):
            yield Line(number, {}, "not JSON")
            continue
        if isinstance(body, dict):
            yield Line(number, body)
        else:
            yield Line(number, {}, "not an object")


def fingerprint(path: Path) -> str:
    """Return what tells this file from any other: SHA-256 of all of it."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class Progress:
    """Progress and report, on disk beside the file, so that both say the same after any stop."""

    def __init__(self, path: Path, mark: str) -> None:
        """Go on where the file was left. Raises InvalidError if it is another file by now."""
        self.done: dict[int, CompletedBatch] = {}
        self.summary = Summary()
        self.report_path = path.with_name(f"{path.name}.refused.csv")
        progress = path.with_name(f"{path.name}.progress")
        size = self._load(progress, mark)
        self._progress = progress.open("a", encoding="utf-8")
        self._report = self.report_path.open("a", encoding="utf-8", newline="")
        self._report.truncate(size)  # what a batch that was not concluded wrote is written again
        self._rows = csv.writer(self._report)
        if not size:
            self._rows.writerow(REPORT)
        if not self.done:
            self._append({"file": mark, "batch": BATCH_SIZE})

    def _load(self, progress: Path, mark: str) -> int:
        """Read what was done; return how long the report was then."""
        size = 0
        lines = progress.read_text("utf-8").splitlines() if progress.exists() else []
        for place, line in enumerate(lines):
            try:
                said = json.loads(line)
            except ValueError:
                continue  # cut short: that batch was not concluded
            if place == 0:
                if said != {"file": mark, "batch": BATCH_SIZE}:
                    raise InvalidError(
                        {"file": [f"It has changed since it was begun; remove {progress.name}."]}
                    )
                continue
            self.done[said["done"]] = CompletedBatch(said["done"], said["accepted"], ())
            self.summary.accepted += said["accepted"]
            self.summary.refused.update(said["refused"])
            size = said["report"]
        return size

    def record(self, batch: CompletedBatch) -> None:
        """Write down a batch: its refusals, then that it is done."""
        self._rows.writerows(
            [each.line, _cell(each.reference), each.code, _cell(each.detail)]
            for each in batch.refusals
        )
        self._report.flush()
        refused = Counter(each.code for each in batch.refusals)
        self.summary.accepted += batch.accepted
        self.summary.refused.update(refused)
        self._append(
            {
                "done": batch.number,
                "accepted": batch.accepted,
                "refused": refused,
                "report": self._report.tell(),
            }
        )

    def close(self) -> None:
        """Close both."""
        self._progress.close()
        self._report.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        self._progress.write(json.dumps(line) + "\n")
        self._progress.flush()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


@dataclass(slots=True)
class BulkSender:
    """One campaign on its way."""

    client: httpx.Client
    file_fingerprint: str
    stop: threading.Event
    on_progress: Callable[[int], None]  # how many lines more are concluded

    def send(self, path: Path, books: Progress) -> None:
        """Send the whole file, but for the batches that were done before.

        Raises UnauthenticatedError, InterruptedCampaignError.
        """
        lines = read_lines(path)
        batches = iter(lambda: list(islice(lines, BATCH_SIZE)), [])
        under_way: set[Future[CompletedBatch]] = set()
        with ThreadPoolExecutor(CONNECTIONS) as hands:
            try:
                for number, batch in enumerate(batches):
                    if number in books.done:
                        self.on_progress(len(batch))
                        continue
                    under_way.add(hands.submit(self._batch, number, batch))
                    if len(under_way) >= MAX_BATCHES_AHEAD:
                        under_way = self._record_finished(under_way, books)
                while under_way:
                    under_way = self._record_finished(under_way, books)
            except BaseException:
                self.stop.set()
                raise

    def _record_finished(
        self, under_way: set[Future[CompletedBatch]], books: Progress
    ) -> set[Future[CompletedBatch]]:
        finished, rest = wait(under_way, return_when=FIRST_COMPLETED)
        for each in finished:
            batch = each.result()
            books.record(batch)
            self.on_progress(batch.accepted + len(batch.refusals))
        return rest

    def _batch(self, number: int, batch: Sequence[Line]) -> CompletedBatch:
        """Send one batch until each of its lines has a final answer."""
        refusals = [
            Refusal(each.line, "", "unreadable", each.fault) for each in batch if each.fault
        ]
        rest = [each for each in batch if not each.fault]
        accepted, attempt = 0, 0
        while rest:
            results = self._results(rest, f"{self.file_fingerprint[:40]}-{number}-{attempt}")
            later: list[Line] = []
            for item, result in zip(rest, results, strict=True):
                if result["status"] == "accepted":
                    accepted += 1
                elif result["problem"]["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
                    later.append(item)
                else:
                    refusals.append(_refusal(item, result["problem"]))
            if later:
                self._wait(LONGEST_WAIT_SECONDS)
            rest, attempt = later, attempt + 1
        return CompletedBatch(number, accepted, sorted(refusals, key=lambda each: each.line))

    def _results(self, batch: Sequence[Line], key: str) -> list[dict[str, Any]]:
        """Return the answer to a batch, however often it takes to get one."""
        body = to_json({"messages": [each.body for each in batch]})
        seconds = 1.0
        while True:
            try:
                answer = self.client.post(
                    "/v1/messages/batch",
                    content=body,
                    headers={"Content-Type": "application/json", "Idempotency-Key": key},
                    timeout=ANSWER_SECONDS,
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == HTTPStatus.OK:
                results: list[dict[str, Any]] = from_json(answer.content)["results"]
                return results
            if answer is not None and answer.status_code == HTTPStatus.UNAUTHORIZED:
                raise UnauthenticatedError("the service does not know this API key")
            if answer is not None and not _is_retriable(answer.status_code):
                raise InvalidError({"batch": [answer.text[:500]]})
            after = answer.headers.get("Retry-After", "") if answer is not None else ""
            self._wait(float(after) if after.isdigit() else seconds)
            seconds = min(LONGEST_WAIT_SECONDS, seconds * 2)

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(min(seconds, LONGEST_WAIT_SECONDS)):
            raise SendInterruptedError("stopped; run it again to go on")


def _is_retriable(status: int) -> bool:
    """Whether the same request may be answered otherwise later."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.CONFLICT,
    }


def _refusal(item: Line, problem: Mapping[str, Any]) -> Refusal:
    faults = problem.get("errors")
    detail = json.dumps(faults, ensure_ascii=False) if faults else str(problem.get("detail", ""))
    return Refusal(item.line, str(item.body.get("reference", "")), problem["code"], detail)
