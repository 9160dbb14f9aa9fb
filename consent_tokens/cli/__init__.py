"""The commands. Each parses, calls a service, and prints a table, or JSON with `--json`."""

import errno
import gc
import sqlite3
import sys
from collections.abc import Mapping
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final, NoReturn

import click

from consent_tokens import logging_setup
from consent_tokens.errors import ConsentTokensError, InvalidError

# each is a function of that name in a module of this package; in the order of `--help`
COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "web": "serve",
    "dispatch": "serve",
    "db": "database",
    "journal": "database",
    "keys": "keys",
    "operator": "operators",
    "merchant": "merchants",
    "group": "groups",
    "api-key": "api_keys",
    "sender": "senders",
    "template": "template",
    "pacing": "pacing",
    "plan": "plans",
    "webhook": "webhook",
    "queue": "queue",
    "workers": "workers",
    "complaint": "complaint",
    "reassigned-numbers": "reassigned_numbers",
    "retention": "retention",
    "rollups": "rollups",
    "rules": "rules",
    "explain": "decisions",
    "replay": "decisions",
    "send": "send",
    "demo": "demo",
    "doctor": "doctor",
    "audit": "audit",
}

# Modules create hundreds of thousands of objects that stay: looking through them for garbage takes
# a quarter of a second of a start. As usual again once a command's module is there.
USUAL_THRESHOLDS: Final = gc.get_threshold()
gc.set_threshold(50_000, 20, 50)

WRITE_FAILURES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Group(click.Group):
    """Print errors of the service, of files and of text in one line, and exit with 1.

    A command's module is imported when it is called: a merchant's `send` needs no database and no
    web.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"consent_tokens.cli.{COMMANDS[cmd_name]}")
        gc.set_threshold(*USUAL_THRESHOLDS)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        try:
            return super().invoke(ctx)
        except InvalidError as error:
            for name, errors in error.fields.items():
                click.echo(f"{name}: {'; '.join(errors)}", err=True)
            sys.exit(1)
        except ConsentTokensError as error:
            fail(error.error_code, str(error))
        except OSError as error:
            if not _is_of_a_file(error):
                raise  # click ends silently at a BrokenPipeError: whoever read the output has gone
            where = f"{error.filename}: " if error.filename else ""
            fail("file_unusable", f"{where}{error.strerror or error}")
        except sqlite3.Error as error:  # of a file of the command itself
            fail("file_unusable", str(error))
        except UnicodeError:
            fail("invalid", "what was given is not valid Unicode text")


def _is_of_a_file(error: OSError) -> bool:
    """Whether an error is of a file: the system names the file, unless a write to it failed."""
    return bool(error.filename) or error.errno in WRITE_FAILURES


def fail(error_code: str, detail: str) -> NoReturn:
    """Print an error in one line, and exit with 1."""
    click.echo(f"{error_code}: {detail}" if detail else error_code, err=True)
    sys.exit(1)


@click.group(cls=_Group)
@click.version_option(package_name="consent-tokens")
def main() -> None:
    """Run and operate a consent token service. Settings come from CONSENT_* variables."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, TextIOWrapper
        ):  # a terminal that lacks a character gets a sign for it
            stream.reconfigure(errors="backslashreplace")
    logging_setup.configure()
