"""The issuer that the database's tokens name: it stays the same while a grant is live.

A token is verified against the issuer, and the number inside is sealed for it. Under another issuer
every token would be refused, so the service refuses to work instead, and says which one to set.
"""

from consent_tokens.errors import IssuerChangedError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, grants
from consent_tokens.store.database import Transaction


def ensure_issuer(runtime: Runtime) -> None:
    """Remember the issuer; raise IssuerChangedError if live grants have tokens of another."""
    issuer = runtime.service.issuer
    stored = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.ISSUER)
    )
    if stored != issuer:
        runtime.database.run(lambda transaction: _change(transaction, issuer))


def _change(transaction: Transaction, issuer: str) -> None:
    stored = checkpoints.find(transaction, checkpoints.ISSUER)
    if stored not in {None, issuer} and grants.has_live(transaction):
        raise IssuerChangedError(
            f"the tokens of live grants name the issuer {stored}, not {issuer}: "
            f"set CONSENT_ISSUER={stored}"
        )
    checkpoints.save(transaction, checkpoints.ISSUER, issuer)
