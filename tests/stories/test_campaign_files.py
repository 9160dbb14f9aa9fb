"""`consent-tokens send`: a campaign from a file, over real HTTP, stopped and gone on with."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from consent_tokens.app_context import AppContext
from consent_tokens.cli.campaign_progress import KEY_LIFETIME_SECONDS, Batch, Progress
from consent_tokens.cli.send import SOME_REFUSED
from consent_tokens.clock import SystemClock
from consent_tokens.services.campaigns.campaign_file import CampaignFile
from consent_tokens.settings import Settings
from tests.commands import run_command
from tests.fixtures import insert_grants
from tests.number_scan import WRITTEN, files, found_in
from tests.processes import ROOT, Running, service
from tests.service import ORDERS, PROMOTIONS

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service, at which each test has a merchant of its own."""
    folder = tmp_path_factory.mktemp("campaigns")
    with service(folder) as started:
        yield started
    no_number_in(folder)


@pytest.fixture(autouse=True)
def nothing_told(tmp_path: Path) -> Iterator[None]:
    """What a campaign writes beside its file holds no number."""
    yield
    no_number_in(tmp_path)


def no_number_in(folder: Path) -> None:
    WRITTEN.append(folder)
    for path in files([folder]):
        assert not found_in(path.read_bytes()), path


class Shop(NamedTuple):
    """A merchant, and tokens of its consumers."""

    id: str
    key: str
    tokens: list[str]


def shop(running: Running, count: int) -> Shop:
    """Admit a merchant with so many consumers."""
    admitted = running.command("merchant", "add", "shop")
    running.command(
        "sender", "add", admitted["id"],
        "--port", "1069", "--extension", str(next(running.extensions)), "--signature", "店",
    )  # fmt: skip
    context = AppContext.from_settings(Settings.from_environment(running.environment))
    tokens = insert_grants(context.runtime, admitted["id"], count)
    context.close()
    return Shop(admitted["id"], admitted["api_key"], tokens)


def arguments(running: Running, file: Path, key: str) -> dict[str, Any]:
    return {
        "args": [sys.executable, "-m", "consent_tokens", "send", str(file), "--json"],
        "cwd": ROOT,
        "env": {**os.environ, **running.environment, "CONSENT_API_KEY": key},
        "text": True,
    }


def send(running: Running, file: Path, key: str, *options: str) -> dict[str, Any]:
    """Send a file; the exit status says whether a line was refused."""
    done = send_command(running, file, key, *options)
    assert done.returncode in {0, SOME_REFUSED}, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == SOME_REFUSED) == bool(summary["refused"])
    return summary


def send_command(
    running: Running, file: Path, key: str, *options: str
) -> subprocess.CompletedProcess[str]:
    environment = {**running.environment, "CONSENT_API_KEY": key}
    return run_command(environment, "send", str(file), "--json", *options)


def refusal(running: Running, file: Path, key: str) -> str:
    """Send a file that is refused as a whole; return what is said."""
    done = send_command(running, file, key)
    assert done.returncode == 1
    return done.stderr


def messages(running: Running, merchant_id: str) -> int:
    """Return how many messages the service has accepted of a merchant."""
    statement = "SELECT count(*) FROM messages WHERE merchant_id = ?"
    context = AppContext.from_settings(Settings.from_environment(running.environment))
    try:
        with context.runtime.database.engine.connect() as connection:
            count: int = connection.exec_driver_sql(statement, (merchant_id,)).scalar_one()
    finally:
        context.close()
    return count


def write(
    file: Path, rows: Iterable[Sequence[str]], encoding: str = "utf-8", separator: str = ","
) -> Path:
    with file.open("w", encoding=encoding, newline="") as opened:
        writer = csv.writer(opened, delimiter=separator)
        writer.writerow(["token", "purpose", "text", "reference", "valid_for_minutes"])
        writer.writerows(rows)
    return file


def report(file: Path) -> list[list[str]]:
    with file.with_name(f"{file.name}.refused.csv").open(newline="") as opened:
        return list(csv.reader(opened))


def test_what_was_refused_is_told_by_line_and_why(running: Running, tmp_path: Path) -> None:
    _, key, tokens = shop(running, 1200)
    rows = [[token, PROMOTIONS, f"第 {n} 条", f"r{n}", "60"] for n, token in enumerate(tokens)]
    rows[3][0] = "nonsense"
    rows[700][1] = "orders.deliveries"
    rows[1100][4] = "soon"
    rows[1101][3] = "=cmd()"
    rows[1101][2] = ""
    file = write(tmp_path / "campaign.csv", rows)
    summary = send(running, file, key)
    assert summary["accepted"] == 1196
    assert summary["refused"] == {"token_malformed": 1, "purpose_not_granted": 1, "invalid": 2}
    told = {int(line): (reference, code) for line, reference, code, _ in report(file)[1:]}
    assert told == {
        5: ("r3", "token_malformed"), 702: ("r700", "purpose_not_granted"),
        1102: ("r1100", "invalid"), 1103: ("'=cmd()", "invalid"),
    }  # fmt: skip
    again = send(running, file, key)
    assert again == summary, "run again, it has nothing to do and says the same"
    assert len(report(file)) == 5


def test_ndjson_does_as_well_and_bad_lines_are_told(running: Running, tmp_path: Path) -> None:
    _, key, tokens = shop(running, 3)
    lines = [json.dumps({"token": t, "purpose": PROMOTIONS, "text": "x"}) for t in tokens]
    file = tmp_path / "campaign.ndjson"
    file.write_text("\n".join([lines[0], "{", "", "[]", lines[1], "[" * 5000, lines[2]]))
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (3, {"unreadable": 3})


def test_killed_half_way_it_goes_on_and_nothing_is_sent_twice(
    running: Running, tmp_path: Path
) -> None:
    merchant_id, key, tokens = shop(running, 6000)
    rows = [[token, PROMOTIONS, f"x{n}", f"r{n}", ""] for n, token in enumerate(tokens)]
    file = write(tmp_path / "campaign.csv", rows)
    for _ in range(3):
        before = messages(running, merchant_id)
        sending = subprocess.Popen(
            **arguments(running, file, key), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while sending.poll() is None:
            if messages(running, merchant_id) > before:
                sending.send_signal(signal.SIGKILL)
                break
        sending.wait()
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (6000, {})
    assert messages(running, merchant_id) == 6000, "each line is one message"


def test_a_file_that_is_mended_sends_no_line_twice(running: Running, tmp_path: Path) -> None:
    """Mended, sorted, in another encoding, with another separator: what was accepted stays sent."""
    merchant_id, key, tokens = shop(running, 520)
    good = [[token, PROMOTIONS, f"满减 {n}", f"r{n}", "60"] for n, token in enumerate(tokens)]
    wrong = [[token, "none", *rest] for token, _, *rest in good[500:]]
    file = write(tmp_path / "campaign.csv", [*good[:500], *wrong])
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (500, {"purpose_not_granted": 20})
    for encoding, separator, rows in (
        ("gb18030", ";", good), ("utf-16", "\t", good[::-1]), ("utf-8-sig", ",", good),
    ):  # fmt: skip
        write(file, rows, encoding, separator)
        assert send(running, file, key)["accepted"] == 520
        assert messages(running, merchant_id) == 520
    write(file, [*good, *good[:2], good[0]])
    assert send(running, file, key)["accepted"] == 523, "a copy of a line is a message of its own"
    other = write(tmp_path / "fixed.csv", good)
    assert send(running, other, key, "--campaign", "campaign.csv")["accepted"] == 520
    assert messages(running, merchant_id) == 523


def test_a_batch_whose_answer_was_lost_long_ago_is_not_sent_again(
    running: Running, tmp_path: Path
) -> None:
    merchant_id, key, tokens = shop(running, 3)
    rows = [[token, PROMOTIONS, "x", f"r{n}", "60"] for n, token in enumerate(tokens)]
    file = write(tmp_path / "campaign.csv", rows)
    lines = list(CampaignFile.open(file, ZoneInfo("Asia/Shanghai")).lines())
    progress = Progress(tmp_path / "campaign.csv.progress")
    old, new = [progress.identify(line) for line in lines[:1]], [progress.identify(lines[1])]
    now = int(SystemClock().now().timestamp())
    progress.begin(Batch("old", old), now - KEY_LIFETIME_SECONDS)
    progress.begin(Batch("new", new), now - KEY_LIFETIME_SECONDS + 600)
    progress.close()
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (2, {"uncertain": 1})
    assert [line[:3] for line in report(file)[1:]] == [["2", "r0", "uncertain"]]
    assert messages(running, merchant_id) == 2


def test_a_key_that_is_none_and_a_file_that_is_none_are_told(
    running: Running, tmp_path: Path
) -> None:
    file = tmp_path / "campaign.csv"
    file.write_text("token,purpose,text\nx,y,z\n")
    done = send_command(running, file, "wrong")
    assert (done.returncode, "API key" in done.stderr) == (1, True), done.stderr
    other = tmp_path / "other.csv"
    other.write_text("name\nx\n")
    done = send_command(running, other, "wrong")
    assert (done.returncode, "token, purpose and text" in done.stderr) == (1, True)


def test_every_way_in_which_spreadsheets_save_a_file(running: Running, tmp_path: Path) -> None:
    merchant_id, key, tokens = shop(running, 1)
    planned = (SystemClock().now() + timedelta(days=2)).astimezone(ZoneInfo("Asia/Shanghai"))
    ways = (
        ("gb18030", "gb18030", "token,purpose,text\n{},{},满减\n"),
        ("bom", "utf-8-sig", "token,purpose,text\r\n{},{},满减1\r\n\r\n,,\r\n"),
        ("semicolons", "utf-8", "token;purpose;text;reference\n{};{};a, b;r\n"),
        ("capitals", "utf-8", 'Token, Purpose, "Text", Reference\n{}, {}, "a, ""b""", r\n'),
        ("tabs", "utf-16", "token\tpurpose\ttext\n{}\t{}\t满减2\n"),
        ("be", "utf-16-be", "token,purpose,text\n{},{},满减3\n"),
        ("big5", "big5", "token,purpose,text\n{},{},您好，滿減\n"),
        ("sep", "utf-8", "sep=;\ntoken;purpose;text\n{};{};x\n"),
        ("time", "utf-8", f"token,purpose,text,send_at\n{{}},{{}},y,{planned:%Y/%m/%d %H:%M}\n"),
    )
    for sent, (name, encoding, content) in enumerate(ways, start=1):
        file = tmp_path / f"{name}.csv"
        purpose = ORDERS if name != "time" else PROMOTIONS
        file.write_bytes(content.format(tokens[0], purpose).encode(encoding))
        assert send(running, file, key)["accepted"] == 1, name
        assert messages(running, merchant_id) == sent, "an empty line is nothing"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04...", "Excel workbook"),
        (b"", "empty"),
        (b"name;phone\n1;2\n", "“;”"),
        (("token,purpose,text\nx,y,满减\n").encode() + "x,y,满减\n".encode("gb18030"), "line 3"),
        ("token,purpose,text\nx,y,café\n".encode("latin-1"), "Line 2"),
        (b"token,purpose,text,text\nx,y,z,z\n", "Two columns"),
        (b"\x89PNG\r\n\0\1\2" * 9, "no text|not UTF"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_is_sent(
    running: Running, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "campaign.csv"
    file.write_bytes(content)
    told = refusal(running, file, "ctk_x")
    assert any(each in told for each in said.split("|")), told


def test_a_quote_that_is_not_closed_spoils_its_own_line(running: Running, tmp_path: Path) -> None:
    _, key, tokens = shop(running, 1)
    file = tmp_path / "campaign.csv"
    start = f"{tokens[0]},{ORDERS}"
    file.write_text(
        f'token,purpose,text\n{start},"open\n{start},plain\n{start},"closed"\n{start},"two\nlines"\n'
        f'{start},5" screen\n{start},one, two\n{start},"open again\n{start},last"\n'
    )
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (4, {"unreadable": 3})
    assert [line[0] for line in report(file)[1:]] == ["2", "8", "9"]


def test_one_run_of_a_campaign_at_a_time(running: Running, tmp_path: Path) -> None:
    file = write(tmp_path / "campaign.csv", [["x", "y", "z", "", ""]])
    progress = Progress(tmp_path / "campaign.csv.progress")
    assert "another run" in refusal(running, file, "ctk_x")
    progress.close()


def test_what_answers_is_not_this_service(running: Running, tmp_path: Path) -> None:
    file = write(tmp_path / "campaign.csv", [["x", "y", "z", "", ""]])
    for url, said in (("ftp://h.example", "url: must be"), ("http://[", "url: must be")):
        elsewhere = replace(running, environment={**running.environment, "CONSENT_BASE_URL": url})
        assert said in refusal(elsewhere, file, "ctk_x")


def test_a_large_file_needs_no_more_memory_than_a_small_one(
    running: Running, tmp_path: Path
) -> None:
    _, key, _ = shop(running, 1)
    peaks = []
    for name, count in (("small.csv", 1_000), ("large.csv", 30_000)):
        file = write(
            tmp_path / name, [["x", PROMOTIONS, "长" * 180, f"r{n}", ""] for n in range(count)]
        )
        measured = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments(running, file, key)["args"][1:]],
            cwd=ROOT, env=arguments(running, file, key)["env"], text=True, check=True,
            capture_output=True, timeout=240,
        )  # fmt: skip
        peaks.append(int(measured.stdout.strip().splitlines()[-1]))
    print(f"\npeak of memory: {peaks[0]} kB for a thousand lines, {peaks[1]} kB for 30 thousand")
    assert peaks[1] < peaks[0] * 1.3


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=False, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
