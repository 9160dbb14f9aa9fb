"""Options that several commands on merchants take."""

from collections.abc import Callable, Sequence

import click

from consent_tokens.cli.senders import CLASSES
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.store.merchants import read_limits

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


daily_limits = click.option(
    "--daily-limit", "daily_limits", multiple=True, metavar="CLASS=MESSAGES",
    help="How many messages of a class are accepted in a day; may be given several times.",
)  # fmt: skip


def with_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who a merchant is."""
    for option in reversed(IDENTITY_OPTIONS):
        command = option(command)
    return command


def parse_daily_limits(texts: Sequence[str]) -> dict[PurposeClass, int]:
    """Return limits from texts such as `marketing=500`. Raises InvalidError."""
    try:
        return read_limits(" ".join(texts))
    except ValueError:
        wanted = f"must be such as marketing=500, of {', '.join(CLASSES)}"
        raise InvalidError({"daily_limit": [wanted]}) from None
