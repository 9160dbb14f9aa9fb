"""Verify the tokens that merchants present: by the grant's MAC of its newest token, or signature.

A MAC is read without a lock, before any transaction that writes. It stands for the signature and
for nothing else: what the claims say is checked after either, and whoever acts on the grant reads
it again, locked (docs/decisions/, number 34). A token whose MAC matches is one that this service
has read strictly before, or minted: it is read once more in less than half of the time
(docs/decisions/, number 68).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from consent_tokens.crypto.keyring import Keyring
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.crypto.token_macs import KnownTokens, TokenMac
from consent_tokens.errors import TokenError, TokenMalformedError
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import token_macs
from consent_tokens.store.token_macs import GrantMac, MacChange
from consent_tokens.tokens.claims import Claims, Members
from consent_tokens.tokens.verify import UnverifiedToken, members_of, read

Macs = dict[RowKey, GrantMac | None]  # that were read; None: of no live grant


class PresentedToken(NamedTuple):
    """A token, and the merchant whose API key it came with."""

    merchant_id: str
    token: str


class VerifiedToken(Struct, frozen=True):
    """The claims of a token, or why it is invalid; and a MAC to store, if the grant is live."""

    claims: Claims | TokenError
    change: MacChange | None = None
    grant: RowKey | None = None  # that the claims name, if they name the presenter


def verify_tokens(runtime: Runtime, presented: Sequence[PresentedToken]) -> list[VerifiedToken]:
    """Return what each token proves, in order. The MACs are read with one statement or two.

    A token under a signing key that is not held is malformed, even if its MAC matches: that key may
    have been withdrawn. Raises what the database raises.
    """
    macs: Macs = {}
    known = _verify_known(runtime, presented, macs)
    others = [each for each, found in zip(presented, known, strict=True) if found is None]
    verified = iter(_verify_others(runtime, others, macs) if others else [])
    return [found or next(verified) for found in known]


def verify_token(runtime: Runtime, presented: PresentedToken) -> VerifiedToken:
    """Return what one token proves, as `verify_tokens`."""
    return verify_tokens(runtime, [presented])[0]


def verify_to_renew(runtime: Runtime, presented: PresentedToken) -> VerifiedToken:
    """Return what a token proves, for its merchant to renew it.

    As `verify_tokens`; but where the MAC matches, its signing key may have been withdrawn, because
    who stole that key cannot make the MAC. Raises what the database raises.
    """
    tokens = _read_all([presented], None)
    found = tokens[0]
    if isinstance(found, UnverifiedToken) and found.jws.header not in runtime.keyring.verifying:
        runtime.keys.latest()  # another process may use a new key
    return _verify_all(runtime, [presented], tokens, {})[0]


# --- Tokens that are known by their MACs: nearly all ----------------------------------------------


def _verify_known(
    runtime: Runtime, presented: Sequence[PresentedToken], macs: Macs
) -> list[VerifiedToken | None]:
    """Return what tokens prove whose MAC is under the key in use; None for all others.

    Nothing is refused here. Adds to `macs` what is read.
    """
    keyring = runtime.keyring
    members = [members_of(each.token, keyring.verifying) for each in presented]
    ids = [
        found.jti if found and found.client_id == each.merchant_id else ""
        for each, found in zip(presented, members, strict=True)
    ]
    grants = _named_grants(runtime, ids, macs)
    check = _KnownCheck(KnownTokens(keyring.token_mac), runtime.service.issuer, macs)
    return [
        check.verify(each, found, grant) if found and grant else None
        for each, found, grant in zip(presented, members, grants, strict=True)
    ]


class _KnownCheck(Struct, frozen=True):
    """The key of MACs in use, and the MACs that are stored with the grants that tokens name."""

    known: KnownTokens
    issuer: str
    macs: Macs

    def verify(
        self, presented: PresentedToken, members: Members, grant: RowKey
    ) -> VerifiedToken | None:
        """Return what a token proves; None if it is not known, or not valid."""
        mac = _mac_of(self.macs, presented, grant)
        if not mac or not mac.stored or not self.known.has(presented.token, grant, mac.stored):
            return None
        try:
            claims = Claims.of_members(members)
        except TokenMalformedError:
            return None
        return VerifiedToken(claims, None, grant) if claims.issuer == self.issuer else None


# --- All others, read strictly --------------------------------------------------------------------


def _verify_others(
    runtime: Runtime, presented: Sequence[PresentedToken], macs: Macs
) -> list[VerifiedToken]:
    tokens = _read_all(presented, runtime.keyring.verifying)
    if any(isinstance(token, TokenError) for token in tokens):
        held = runtime.keyring
        if (latest := runtime.keys.latest()) is not held:  # another process may use a new key
            tokens = _read_all(presented, latest.verifying)
    return _verify_all(runtime, presented, tokens, macs)


def _read_all(
    presented: Sequence[PresentedToken], keys: Mapping[str, VerifyingKey] | None
) -> list[UnverifiedToken | TokenError]:
    return [_read(each.token, keys) for each in presented]


def _read(token: str, keys: Mapping[str, VerifyingKey] | None) -> UnverifiedToken | TokenError:
    try:
        return read(token, keys)
    except TokenMalformedError as error:
        return error


def _verify_all(
    runtime: Runtime,
    presented: Sequence[PresentedToken],
    tokens: Sequence[UnverifiedToken | TokenError],
    macs: Macs,
) -> list[VerifiedToken]:
    ids = [_id_of(each, token) for each, token in zip(presented, tokens, strict=True)]
    grants = _named_grants(runtime, ids, macs)
    found = [
        _mac_of(macs, each, grant) if grant else None
        for each, grant in zip(presented, grants, strict=True)
    ]
    stored = [TokenMac.parse(each.stored) if each and each.stored else None for each in found]
    keyring = runtime.keyring
    if any(mac and mac.kid not in keyring.token_macs for mac in stored):
        keyring = runtime.keys.latest()
    check = _Check(keyring, keyring.token_mac.kid, runtime.service.issuer)
    return [
        check.verify(token, grant, mac, parsed)
        for token, grant, mac, parsed in zip(tokens, grants, found, stored, strict=True)
    ]


def _id_of(presented: PresentedToken, token: UnverifiedToken | TokenError) -> str:
    """Return the id of the grant that a token says it is of, if it says it is the presenter's."""
    claims = token.claims if isinstance(token, UnverifiedToken) else None
    return claims.jti if claims and claims.merchant_id == presented.merchant_id else ""


def _named_grants(runtime: Runtime, ids: Sequence[str], macs: Macs) -> list[RowKey | None]:
    """Return the grants of these ids; None for what is no id. Reads the MACs that are missing."""
    keys = runtime.ids.grant.decode_all(frozenset(ids))
    missing = frozenset(keys.values()) - macs.keys()
    if missing:
        macs |= dict.fromkeys(missing)  # of no live grant, unless it is found
        macs |= runtime.database.read(
            lambda transaction: token_macs.of_grants(transaction, missing), is_one_statement=True
        )
    return [keys.get(each) for each in ids]


def _mac_of(macs: Macs, presented: PresentedToken, grant: RowKey) -> GrantMac | None:
    """Return the MAC of a grant, if it is live and the presenter's."""
    mac = macs.get(grant)
    return mac if mac and mac.merchant_id == presented.merchant_id else None


class _Check(Struct, frozen=True):
    """The keys, and what is the same for all tokens."""

    keyring: Keyring
    mac_kid: bytes  # of the current key of MACs; derived once
    issuer: str

    def verify(
        self,
        token: UnverifiedToken | TokenError,
        grant: RowKey | None,
        found: GrantMac | None,
        mac: TokenMac | None,
    ) -> VerifiedToken:
        """Return what a token proves, of the grant that it names, with the MAC found there."""
        if isinstance(token, TokenError):
            return VerifiedToken(token)
        try:
            if grant and mac and mac.matches(token.compact, grant, self.keyring.token_macs):
                claims = token.claims_once_proven(self.issuer)
                is_due = mac.kid != self.mac_kid
            else:
                claims = token.verify(self.keyring.verifying, self.issuer)
                is_due = self._may_be_newest(token, mac)
        except TokenError as error:
            return VerifiedToken(error)
        if not is_due or grant is None or found is None:
            return VerifiedToken(claims, None, grant)
        mac = TokenMac.of(token.compact, grant, self.keyring.token_mac)
        return VerifiedToken(claims, MacChange(grant, found.stored, mac.to_bytes()), grant)

    def _may_be_newest(self, token: UnverifiedToken, mac: TokenMac | None) -> bool:
        """Whether a token that its signature proves is the one that the MAC was of.

        Where there is none, as with a grant of before, it is taken for that. A MAC under a key that
        is held is of a newer token, if it is not of this one.
        """
        return mac is None or (mac.kid not in self.keyring.token_macs and mac.names(token.compact))
