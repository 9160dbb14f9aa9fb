"""`consent-tokens send`: a campaign from a file, over real HTTP, stopped and gone on with."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from consent_tokens.app_context import AppContext
from consent_tokens.settings import Settings
from tests.fixtures import insert_grants
from tests.number_scan import WRITTEN, files, found_in
from tests.processes import ROOT, Running, service
from tests.service import PROMOTIONS

pytestmark = pytest.mark.processes


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    WRITTEN.append(tmp_path)
    with service(tmp_path) as started:
        yield started
    for path in files([tmp_path]):
        assert not found_in(path.read_bytes()), path


def shop(running: Running, count: int) -> tuple[str, list[str]]:
    """Admit a merchant; return its API key, and tokens of so many consumers."""
    admitted = running.command("merchant", "add", "shop")
    running.command(
        "sender", "add", admitted["id"], "--port", "1069", "--extension", "1", "--signature", "店",
    )  # fmt: skip
    context = AppContext.from_settings(Settings.from_environment(running.environment))
    tokens = insert_grants(context.runtime, admitted["id"], count)
    context.close()
    return admitted["api_key"], tokens


def arguments(running: Running, file: Path, key: str) -> dict[str, Any]:
    return {
        "args": [sys.executable, "-m", "consent_tokens", "send", str(file), "--json"],
        "cwd": ROOT,
        "env": {**os.environ, **running.environment, "CONSENT_API_KEY": key},
        "text": True,
    }


def send(running: Running, file: Path, key: str) -> dict[str, Any]:
    done = subprocess.run(
        **arguments(running, file, key), check=False, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def write(file: Path, rows: Sequence[Sequence[str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["token", "purpose", "text", "reference", "valid_for_minutes"])
        writer.writerows(rows)
    return file


def report(file: Path) -> list[list[str]]:
    with file.with_name(f"{file.name}.refused.csv").open(newline="") as opened:
        return list(csv.reader(opened))


def test_what_was_refused_is_told_by_line_and_why(running: Running, tmp_path: Path) -> None:
    key, tokens = shop(running, 1200)
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
    key, tokens = shop(running, 3)
    lines = [json.dumps({"token": t, "purpose": PROMOTIONS, "text": "x"}) for t in tokens]
    file = tmp_path / "campaign.ndjson"
    file.write_text("\n".join([lines[0], "{", "", "[]", lines[1], "[" * 5000, lines[2]]))
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (3, {"unreadable": 3})


def test_killed_half_way_it_goes_on_and_nothing_is_sent_twice(
    running: Running, tmp_path: Path
) -> None:
    key, tokens = shop(running, 6000)
    rows = [[token, PROMOTIONS, f"x{n}", f"r{n}", ""] for n, token in enumerate(tokens)]
    file = write(tmp_path / "campaign.csv", rows)
    progress = tmp_path / "campaign.csv.progress"
    for _ in range(3):
        sending = subprocess.Popen(
            **arguments(running, file, key), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = len(progress.read_text().splitlines()) if progress.exists() else 0
        while sending.poll() is None:
            if progress.exists() and len(progress.read_text().splitlines()) > before + 1:
                sending.send_signal(signal.SIGKILL)
                break
        sending.wait()
    summary = send(running, file, key)
    assert (summary["accepted"], summary["refused"]) == (6000, {})
    context = AppContext.from_settings(Settings.from_environment(running.environment))
    with context.runtime.database.engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one()
    context.close()
    assert count == 6000, "each line is one message"


def test_a_file_that_changed_meanwhile_is_not_gone_on_with(
    running: Running, tmp_path: Path
) -> None:
    key, tokens = shop(running, 2)
    file = write(tmp_path / "campaign.csv", [[tokens[0], PROMOTIONS, "x", "", ""]])
    send(running, file, key)
    write(file, [[tokens[1], PROMOTIONS, "y", "", ""]])
    done = subprocess.run(**arguments(running, file, key), check=False, capture_output=True)
    assert done.returncode == 1
    assert "has changed" in done.stderr


def test_a_key_that_is_none_and_a_file_that_is_none_are_told(
    running: Running, tmp_path: Path
) -> None:
    file = tmp_path / "campaign.csv"
    file.write_text("token,purpose,text\nx,y,z\n")
    done = subprocess.run(**arguments(running, file, "wrong"), check=False, capture_output=True)
    assert (done.returncode, "API key" in done.stderr) == (1, True)
    other = tmp_path / "other.csv"
    other.write_text("name\nx\n")
    done = subprocess.run(**arguments(running, other, "wrong"), check=False, capture_output=True)
    assert (done.returncode, "token, purpose and text" in done.stderr) == (1, True)


def test_a_large_file_needs_no_more_memory_than_a_small_one(
    running: Running, tmp_path: Path
) -> None:
    key, _ = shop(running, 1)
    peaks = []
    for name, count in (("small.csv", 1_000), ("large.csv", 60_000)):
        file = write(
            tmp_path / name, [["x", PROMOTIONS, "长" * 60, f"r{n}", ""] for n in range(count)]
        )
        measured = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments(running, file, key)["args"][1:]],
            cwd=ROOT, env=arguments(running, file, key)["env"], text=True, check=True,
            capture_output=True, timeout=240,
        )  # fmt: skip
        peaks.append(int(measured.stdout.strip().splitlines()[-1]))
    print(f"\npeak of memory: {peaks[0]} kB for a thousand lines, {peaks[1]} kB for 60 thousand")
    assert peaks[1] < peaks[0] * 1.3


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
