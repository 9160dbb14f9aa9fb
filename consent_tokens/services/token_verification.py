"""Verify the tokens that merchants present: by the grant's MAC of its newest token, or signature.

A MAC is read without a lock, before any transaction that writes. It stands for the signature and
for nothing else: what the claims say is checked after either, and whoever acts on the grant reads
it again, locked (docs/decisions/, number 34).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from consent_tokens.crypto.keyring import Keyring
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.crypto.token_macs import TokenMac
from consent_tokens.errors import TokenError, TokenMalformedError
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import token_macs
from consent_tokens.store.token_macs import GrantOfMerchant, MacChange
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import UnverifiedToken, read


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
    """Return what each token proves, in order. The MACs are read with one statement.

    A token under a signing key that is not held is malformed, even if its MAC matches: that key may
    have been withdrawn. Raises what the database raises.
    """
    tokens = _read_all(presented, runtime.keyring.verifying)
    if any(isinstance(token, TokenError) for token in tokens):
        held = runtime.keyring
        if (latest := runtime.keys.latest()) is not held:  # another process may use a new key
            tokens = _read_all(presented, latest.verifying)
    return _verify_all(runtime, presented, tokens)


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
    return _verify_all(runtime, [presented], tokens)[0]


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
) -> list[VerifiedToken]:
    named = _named_grants(runtime, presented, tokens)
    wanted = [each for each in named if each is not None]
    stored = (
        runtime.database.read(
            lambda transaction: token_macs.of_grants(transaction, wanted), is_one_statement=True
        )
        if wanted
        else {}
    )
    macs = {grant: TokenMac.parse(each) if each else None for grant, each in stored.items()}
    keyring = runtime.keyring
    if any(mac and mac.kid not in keyring.token_macs for mac in macs.values()):
        keyring = runtime.keys.latest()
    check = _Check(keyring, keyring.token_mac.kid, runtime.service.issuer, stored, macs)
    return [check.verify(token, grant) for token, grant in zip(tokens, named, strict=True)]


def _named_grants(
    runtime: Runtime,
    presented: Sequence[PresentedToken],
    tokens: Sequence[UnverifiedToken | TokenError],
) -> list[GrantOfMerchant | None]:
    """Return which grant each token says it is of, if it says that it is the presenter's."""
    claims = [
        token.claims
        if isinstance(token, UnverifiedToken)
        and token.claims is not None
        and token.claims.merchant_id == each.merchant_id
        else None
        for each, token in zip(presented, tokens, strict=True)
    ]
    keys = runtime.ids.grant.decode_all({each.jti for each in claims if each is not None})
    return [
        GrantOfMerchant(key, each.merchant_id)
        if each is not None and (key := keys.get(each.jti)) is not None
        else None
        for each in claims
    ]


class _Check(Struct, frozen=True):
    """The keys, and the MACs that are stored with the grants that tokens name."""

    keyring: Keyring
    mac_kid: bytes  # of the current key of MACs; derived once
    issuer: str
    stored: Mapping[GrantOfMerchant, bytes | None]
    macs: Mapping[GrantOfMerchant, TokenMac | None]

    def verify(
        self, token: UnverifiedToken | TokenError, grant: GrantOfMerchant | None
    ) -> VerifiedToken:
        """Return what a token proves, of the grant that it names."""
        if isinstance(token, TokenError):
            return VerifiedToken(token)
        mac = self.macs.get(grant) if grant else None
        try:
            if grant and mac and mac.matches(token.compact, grant.key, self.keyring.token_macs):
                claims = token.claims_once_proven(self.issuer)
                is_due = mac.kid != self.mac_kid
            else:
                claims = token.verify(self.keyring.verifying, self.issuer)
                is_due = self._may_be_newest(token, mac)
        except TokenError as error:
            return VerifiedToken(error)
        key = grant.key if grant else None
        if not is_due or grant is None or grant not in self.stored:
            return VerifiedToken(claims, None, key)
        return VerifiedToken(claims, self._change(token, grant), key)

    def _may_be_newest(self, token: UnverifiedToken, mac: TokenMac | None) -> bool:
        """Whether a token that its signature proves is the one that the MAC was of.

        Where there is none, as with a grant of before, it is taken for that. A MAC under a key that
        is held is of a newer token, if it is not of this one.
        """
        return mac is None or (mac.kid not in self.keyring.token_macs and mac.names(token.compact))

    def _change(self, token: UnverifiedToken, grant: GrantOfMerchant) -> MacChange:
        mac = TokenMac.of(token.compact, grant.key, self.keyring.token_mac)
        return MacChange(grant.key, self.stored[grant], mac.to_bytes())
