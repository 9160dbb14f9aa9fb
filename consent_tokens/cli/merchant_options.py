"""Options that several commands on merchants take."""

from collections.abc import Callable

import click

from consent_tokens.cli.senders import CLASSES

of_classes = click.option(
    "--class", "classes", multiple=True, type=click.Choice(CLASSES),
    help="A class of purposes; may be given several times.",
)  # fmt: skip
IDENTITY_OPTIONS = (
    click.option("--legal-name", help="The company's name, as registered."),
    click.option("--registration", help="Its number in the register of companies."),
    click.option("--contact", help="Where consumers reach it: telephone, mail or address."),
    click.option("--website", help="Its site, http or https."),
)


def with_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who a merchant is."""
    for option in reversed(IDENTITY_OPTIONS):
        command = option(command)
    return command
