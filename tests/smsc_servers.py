"""An SMSC by the npm package `smpp`, in a process of its own, and what it writes."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from tests.processes import Lines, free_port

SMSC = Path(__file__).parent / "interop" / "smsc"


def has_smsc() -> bool:
    return shutil.which("node") is not None and (SMSC / "node_modules" / "smpp").is_dir()


@dataclass
class Carrier:
    """The SMSC process, and the phones behind it."""

    started: "subprocess.Popen[str]"
    port: int
    lines: Lines = field(default_factory=Lines)

    @property
    def url(self) -> str:
        return f"smpp://esme:secret@127.0.0.1:{self.port}"

    def write(self, line: Mapping[str, Any]) -> None:
        assert self.started.stdin
        self.started.stdin.write(json.dumps(line) + "\n")
        self.started.stdin.flush()

    def behave(self, **mode: object) -> None:
        """Change how it answers, and see that it has."""
        before = len(self.lines.heard)
        self.write({"mode": mode})
        self.lines.wait_for_next(lambda line: "changed" in json.loads(line), before)

    def said(self, **members: object) -> dict[str, Any]:
        """Return the first line with these members, once it is there."""
        line = self.lines.wait_for(lambda line: members.items() <= json.loads(line).items())
        found: dict[str, Any] = json.loads(line)
        return found

    def wait(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        line = self.lines.wait_for(lambda line: is_it(json.loads(line)))
        found: dict[str, Any] = json.loads(line)
        return found

    def taken(self) -> list[dict[str, Any]]:
        said = [json.loads(line) for line in list(self.lines.heard)]
        return [line for line in said if "id" in line]


@contextmanager
def carrier(*options: str, port: int | None = None) -> Iterator[Carrier]:
    at = port or free_port()
    started = subprocess.Popen(
        ["node", str(SMSC / "server.js"), str(at), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    made = Carrier(started, at)
    listening = Thread(target=made.lines.listen, args=(started.stdout,), daemon=True)
    listening.start()
    try:
        made.lines.wait_for(lambda line: "ready" in line)
        yield made
    finally:
        assert started.stdin
        with suppress(BrokenPipeError):
            started.stdin.close()
        started.wait(10)
        listening.join(5)
        if started.stdout:
            started.stdout.close()
