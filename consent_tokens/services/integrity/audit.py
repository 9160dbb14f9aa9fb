"""Audit: whether what is stored proves what it should. Reads, changes nothing.

Each receipt is checked against its signature and the ids it names; each grant against its key, its
receipts and its events. Events themselves are not chained or signed: whoever can write to the
database can remove one of them, and the audit sees it only where a grant lacks it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import decode
from consent_tokens.crypto.keys import GrantKey, VerifyingKey
from consent_tokens.errors import KeyUnavailableError, SealBrokenError, TokenSignatureError
from consent_tokens.evidence.events import EventKind
from consent_tokens.evidence.receipts import Receipt, ReceiptKind
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import audit as queries
from consent_tokens.store.audit import AuditedGrant

ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


class Finding(NamedTuple):
    """Something that is stored and does not prove what it should."""

    kind: str  # receipt or grant
    id: str  # public
    finding: str


class Audit:
    """One run over all receipts and grants, in pages; counts what it has read."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._keys = {
            jws.header(key.kid, jws.RECEIPT_TYPE): key for key in runtime.keyring.verifying.values()
        }
        self.receipts = self.grants = 0

    def findings(self) -> Iterator[Finding]:
        """Yield everything that is wrong. Raises what the database raises."""
        for receipt in self._receipts():
            self.receipts += 1
            if what := _receipt_fault(self._runtime, receipt, self._keys):
                yield Finding("receipt", self._runtime.ids.receipt.encode(receipt.key), what)
        for grant in self._grants():
            self.grants += 1
            for what in _grant_faults(self._runtime, grant):
                yield Finding("grant", self._runtime.ids.grant.encode(grant.key), what)

    def _receipts(self) -> Iterator[Receipt]:
        after: RowKey | None = None
        while page := self._runtime.database.read(
            lambda transaction, after=after: queries.receipts_after(transaction, after)  # type: ignore[misc]  # a default keeps the value
        ):
            yield from page
            after = page[-1].key

    def _grants(self) -> Iterator[AuditedGrant]:
        after: RowKey | None = None
        while page := self._runtime.database.read(
            lambda transaction, after=after: queries.grants_after(transaction, after)  # type: ignore[misc]  # a default keeps the value
        ):
            yield from page
            after = page[-1].key


def _receipt_fault(
    runtime: Runtime, receipt: Receipt, keys: Mapping[str, VerifyingKey]
) -> str | None:
    signed, _, signature = receipt.jws.rpartition(".")
    head, _, body = signed.partition(".")
    if head not in keys:
        return "signed with a key that is not there"
    try:
        jws.check_signature(decode(signature), signed.encode("ascii"), keys[head])
        members = json.loads(decode(body))
    except (TokenSignatureError, ValueError):
        return "the signature does not fit"
    grant = RowKey(receipt.key.partition, receipt.grant_id)
    named = (members.get("jti"), members.get("record_id"), members.get("receipt_kind"))
    stored = (runtime.ids.receipt.encode(receipt.key), runtime.ids.grant.encode(grant))
    return None if named == (*stored, receipt.kind) else "it is of another receipt or grant"


def _grant_faults(runtime: Runtime, grant: AuditedGrant) -> Iterator[str]:
    """Yield what is wrong with a grant. Receipts are deleted when a recipient is erased."""
    if EventKind.GRANT_CREATED not in grant.event_kinds:
        yield "no event of its creation"
    if grant.status in ENDED:
        if grant.wrapped_key is not None:
            yield "it has ended, and its key is still there"
        if grant.receipt_kinds and ReceiptKind.WITHDRAWAL not in grant.receipt_kinds:
            yield "it has ended without a receipt of that"
        return
    if ReceiptKind.CONSENT not in grant.receipt_kinds:
        yield "no receipt of the consent"
    if grant.wrapped_key is None:
        yield "it is live, and its key is gone"
        return
    try:
        runtime.unwrap(grant.wrapped_key, GrantKey)
    except (KeyUnavailableError, SealBrokenError):
        yield "its key cannot be unwrapped with the keys that are there"
