"""The commands. Each parses, calls `flow`, and prints: a table for people, JSON with `--json`."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from consent_tokens import logging_setup as logs
from consent_tokens.errors import ConsentTokensError, InvalidError

# each is a function of that name in a module of this package; in the order of `--help`
COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "web": "serve",
    "dispatch": "serve",
    "init-db": "database",
    "upgrade-db": "database",
    "keys": "database",
    "replay-revocations": "database",
    "merchant": "merchants",
    "api-key": "merchants",
    "sender": "merchants",
    "webhook": "webhook",
    "complaint": "complaint",
    "number": "complaint",
    "send": "send",
    "demo": "demo",
    "doctor": "doctor",
}


class _Group(click.Group):
    """Tells a fault of ours in one line, and exits with 1.

    A command is imported when it is called for: a merchant's `send` needs no database and no web.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"consent_tokens.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        try:
            return super().invoke(ctx)
        except InvalidError as fault:
            for name, faults in fault.fields.items():
                click.echo(f"{name}: {'; '.join(faults)}", err=True)
            sys.exit(1)
        except ConsentTokensError as fault:
            click.echo(f"{fault.error_code}: {fault}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(package_name="consent-tokens")
def main() -> None:
    """Run and operate a consent token service. Settings come from CONSENT_* variables."""
    logs.configure()
