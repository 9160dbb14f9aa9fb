"""`rollups`: the counts of each day that the consoles show."""

import click

from consent_tokens.cli.context import open_context
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.rollups.rebuild import rebuild as rebuild_days


@click.group()
def rollups() -> None:
    """Count anew what the consoles show of each day."""


@rollups.command("rebuild")
@click.option("--days", default=28, show_default=True, help="How many days, with today.")
def rebuild(days: int) -> None:
    """Count the last days anew from messages, events, consents and complaints.

    Needed after the tables of the counts were lost, and for the day of an upgrade from a version
    that counted nothing. Reads every message of these days: run it at a quiet time. Stops and
    refusals at submission count for the merchant only, not for its senders and templates.
    """
    with open_context() as context:
        rebuild_days(context.runtime, with_rules(context.runtime, context.consent).retention, days)
    click.echo(f"counted {days} days")
