"""The script in each README works as it is printed there, pasted into a shell beside a service."""

import html
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import ROOT, Lines, Running, code_in, fill, looks, service
from tests.service import PROMOTIONS, found

pytestmark = pytest.mark.processes

READMES = {  # the phone that agrees, and what is sent to it
    "README.md": (NUMBERS[0], "50 off 200"),
    "README.zh.md": (NUMBERS[1], "满 200 减 50"),
}
SCRIPT = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSENT_PATH = re.compile(r"(/c/[A-Za-z0-9_-]{22})")
ARTICLE = re.compile(r"<article.*?</article>", re.DOTALL)
SCRIPT_SECONDS = 60


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("readme")
    WRITTEN.append(folder)
    with service(folder) as started:
        yield started


def texts_on_phone(browser: httpx.Client, phone: str, phrase: str) -> str:
    """Return what a simulated phone shows, once a text with this phrase is on it."""
    for _ in looks():
        page = browser.get("/demo/phones").text
        shown = next((each for each in ARTICLE.findall(page) if phone in each), "")
        if phrase in shown:
            return html.unescape(shown)
    pytest.fail(f"no text with {phrase} arrived")


def agree(browser: httpx.Client, path: str, phone: str) -> None:
    """Do what the script asks its reader to do by hand."""
    confirmation = fill(browser, path, purposes=PROMOTIONS, phone=phone, decision="grant").text
    code = code_in(texts_on_phone(browser, phone, "5 "))
    assert fill(browser, path, confirmation, code=code, decision="grant").status_code == 200


@pytest.mark.parametrize("name", READMES)
def test_the_script_of_the_readme_works_when_it_is_pasted(
    running: Running, name: str, tmp_path: Path
) -> None:
    WRITTEN.append(tmp_path)
    phone, text = READMES[name]
    (tmp_path / ".venv").symlink_to(sys.prefix)  # as in the folder in which `make run` ran
    script = found(SCRIPT, (ROOT / name).read_text("utf-8"))
    lines = Lines()
    with subprocess.Popen(
        ["bash"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        env={**running.environment, "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    ) as shell:  # fmt: skip
        assert shell.stdin
        assert shell.stdout
        reading = threading.Thread(target=lines.listen, args=(shell.stdout,), daemon=True)
        reading.start()
        shell.stdin.write(script)
        shell.stdin.close()
        try:
            shown = lines.wait_for(lambda line: "/c/" in line)
            agree(running.browser(), found(CONSENT_PATH, shown), phone)
            assert shell.wait(SCRIPT_SECONDS) == 0, "".join(lines.heard)
        finally:
            shell.kill()
            reading.join(5)
    sent, message = (
        json.loads(answer) for line in lines.heard for answer in re.findall(r"\{.*?\}$", line)
    )
    assert sent["status"] == "queued"
    assert message["id"] == sent["id"]
    assert message["status"] in {"queued", "sending", "sent", "delivered"}
    assert text in texts_on_phone(running.browser(), phone, text)
