"""The commands, run within this process: a process of its own takes more than a second to start."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from click.testing import CliRunner

from consent_tokens.cli import main


@contextmanager
def logging_kept() -> Iterator[None]:
    """Undo what commands and `app.py` configure in this process, so that tests can capture logs."""
    before = structlog.get_config()
    yield
    if structlog.get_config()["processors"] is before["processors"]:
        return
    structlog.configure(**before)
    for name, module in list(sys.modules.items()):
        if name.startswith("consent_tokens") and hasattr(module, "log"):
            vars(module.log).pop("bind", None)  # a logger keeps the configuration of its first use


def run_command(
    environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run `consent-tokens` with arguments; what would be a traceback fails the test."""
    with logging_kept():
        result = CliRunner(env=dict(environment)).invoke(
            main, arguments, prog_name="consent-tokens"
        )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(
        arguments, result.exit_code, stdout=result.stdout, stderr=result.stderr
    )
