"""Who runs a command: the operator that `--by` names, else the user of the operating system."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from consent_tokens.cli.context import open_context
from consent_tokens.services.admission.actors import Actor, find_actor
from consent_tokens.services.runtime import Runtime

MAX_USER_LENGTH: Final = 64  # characters

by_operator = click.option(
    "--by", metavar="OPERATOR", help="The operator who decides, by name; else the system's user."
)


@contextmanager
def deciding(by: str | None) -> Iterator[tuple[Runtime, Actor]]:
    """Open the service for who decides. Raises ForbiddenError for a name that no operator has."""
    with open_context() as context:
        yield context.runtime, find_actor(context.runtime, by=by, os_user=operating_system_user())


def operating_system_user() -> str:
    """Return the user of the operating system, and who logged in if that was another."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container
        name = f"uid {os.getuid()}"
    try:
        login = os.getlogin()
    except OSError:  # no terminal
        login = name
    return name[:MAX_USER_LENGTH] if login == name else f"{login} as {name}"[:MAX_USER_LENGTH]
