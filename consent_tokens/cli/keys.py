"""`keys`: the keys of this installation."""

import click

from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.settings import Settings


@click.group()
def keys() -> None:
    """List the keys of this installation."""


@keys.command("list")
@as_json
def list_keys(*, as_json: bool) -> None:
    """List signing, wrapping and journal keys by id, and which are in use. No secret is shown."""
    keyring = Keyring.load_or_create(
        Settings.from_environment().keys_dir, SystemRandomSource().token_bytes
    )
    signing = [
        {"kind": "signing", "kid": key.kid, "in_use": key.kid == keyring.signing.kid}
        for key in keyring.verifying.values()
    ]
    wrapping = [
        {"kind": "wrapping", "kid": kid.hex(), "in_use": kid == keyring.wrapping.kid}
        for kid in keyring.unwrapping
    ]
    journal = {"kind": "journal", "kid": keyring.journal.kid, "in_use": True}
    print_rows([*signing, *wrapping, journal], in_json=as_json)
