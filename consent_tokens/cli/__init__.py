"""The commands. Each parses, calls `flow`, and prints: a table for people, JSON with `--json`."""

import sys
from typing import Any

import click

from consent_tokens import logs
from consent_tokens.cli import (
    admission,
    complaint,
    database,
    demo,
    doctor,
    send,
    serve,
    webhook,
)
from consent_tokens.errors import ConsentTokensError, InvalidError


class _Group(click.Group):
    """Tells a fault of ours in one line, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        try:
            return super().invoke(ctx)
        except InvalidError as fault:
            for name, faults in fault.fields.items():
                click.echo(f"{name}: {'; '.join(faults)}", err=True)
            sys.exit(1)
        except ConsentTokensError as fault:
            click.echo(f"{fault.code}: {fault}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(package_name="consent-tokens")
def main() -> None:
    """Run and operate a consent token service. Settings come from CONSENT_* variables."""
    logs.configure()


for command in (
    serve.serve,
    serve.web,
    serve.dispatch,
    database.init_db,
    database.upgrade_db,
    database.keys,
    database.replay_revocations,
    admission.merchant,
    admission.api_key,
    admission.sender,
    webhook.webhook,
    complaint.complaint,
    complaint.number,
    send.send,
    demo.demo,
    doctor.doctor,
):
    main.add_command(command)
