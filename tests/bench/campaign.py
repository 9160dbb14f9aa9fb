"""A campaign file by `consent-tokens send`, with the batch call beside it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.bench.contexts import PHONES, PURPOSE, TEXT, Size, admit_merchant, bench_context
from tests.bench.load import BATCH, batches, load
from tests.bench.measures import Report
from tests.bench.serving import service_app, serving
from tests.fixtures import insert_grants

ROOT: Final = Path(__file__).parents[2]
BATCHED: Final = 15_000  # by the batch call before it, and after


def measure_campaign(report: Report, folder: Path, url: str, size: Size) -> None:
    """Measure what is accepted from a file, one text to each grant, with the batch call beside it.

    On the same service and database, just before and just after.
    """
    keys = folder / "campaign-keys"
    context = bench_context(url, keys)
    merchant_id, key = admit_merchant(context)
    tokens = insert_grants(context.runtime, merchant_id, size.lines + 2 * BATCHED, PHONES)
    context.close()
    parts = [batches(tokens[at : at + BATCHED], key) for at in (size.lines, size.lines + BATCHED)]
    file = folder / "campaign.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("token,purpose,text\n")
        out.writelines(f'{token},{PURPOSE},"{TEXT}"\n' for token in tokens[: size.lines])

    with serving(service_app(url, keys)) as port:
        before = load(port, parts[0], 3).a_second * BATCH
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "consent_tokens", "send", str(file), "--json"],
            cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "CONSENT_API_KEY": key,
                 "CONSENT_BASE_URL": f"http://127.0.0.1:{port}"},
        )  # fmt: skip
        lines = size.lines / (time.perf_counter() - begun)
        after = load(port, parts[1], 3).a_second * BATCH
    call = (before + after) / 2
    group, name = f"a campaign file of {size.lines:,} lines, on SQLite", "accepted"
    report.add(group, "the batch call, before and after", call)
    report.add(group, name, lines)
    report.add_ratio(group, name, "of the batch call", lines / call, 0.8)
