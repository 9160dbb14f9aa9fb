"""Verifies tokens: form, signature or MAC, and issuer.

A token is read before anything proves it, to find the MAC that may. Until then its claims serve for
nothing else, and an error in them is raised only once signature or MAC have been checked.
"""

from collections.abc import Container, Mapping

from msgspec import Struct

from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import decode_fast
from consent_tokens.crypto.jws import MAX_TOKEN_LENGTH, UnverifiedJws
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.errors import TokenMalformedError
from consent_tokens.tokens.claims import Claims, Members, read_loosely


class UnverifiedToken(Struct, frozen=True):
    """A token of the right form, which nothing proves yet."""

    compact: str
    jws: UnverifiedJws
    claims: Claims | None  # None: they do not parse

    def claims_once_proven(self, issuer: str) -> Claims:
        """Return the claims, to be called once the MAC has matched or the signature was verified.

        Raises TokenMalformedError if they do not parse, or name another issuer (RFC 8725, 3.8; the
        audience follows from the issuer).
        """
        if self.claims is None or self.claims.issuer != issuer:
            raise TokenMalformedError
        return self.claims

    def verify(self, keys: Mapping[str, VerifyingKey], issuer: str) -> Claims:
        """Return the claims if one of `keys`, a mapping from headers, signed them.

        Raises TokenMalformedError or TokenSignatureError.
        """
        key = keys.get(self.jws.header)
        if key is None:
            raise TokenMalformedError
        self.jws.verify(key)
        return self.claims_once_proven(issuer)


def read(compact: str, headers: Container[str] | None = None) -> UnverifiedToken:
    """Return a token, not verified; with `headers`, its header must be one of them.

    Raises TokenMalformedError if it is not of the right form.
    """
    found = jws.parse(compact)
    if headers is not None and found.header not in headers:
        raise TokenMalformedError
    try:
        claims = Claims.from_json(found.payload)
    except TokenMalformedError:
        return UnverifiedToken(compact, found, None)
    return UnverifiedToken(compact, found, claims)


def members_of(compact: str, headers: Container[str]) -> Members | None:
    """Return the members of a token that its MAC may prove, in a quarter of the time of `read`.

    Its header must be one of `headers`; nothing else of its form is checked. They find the MAC, and
    count once that matches: the token is then, byte for byte, one that was minted here or verified
    before. None for a token that has to be read strictly.
    """
    if len(compact) > MAX_TOKEN_LENGTH or not compact.isascii():
        return None
    head, _, rest = compact.partition(".")
    if head not in headers:
        return None
    try:
        return read_loosely(decode_fast(rest.partition(".")[0]))
    except ValueError:
        return None


def verify(token: str, keys: Mapping[str, VerifyingKey], *, issuer: str) -> Claims:
    """Return the claims of a token that `issuer` signed, expired or not.

    Checks the form, then the signature, and only then what the claims say (RFC 8725, 3.3). Whether
    the token may be used now, and by which merchant, is decided by `relay.decision`. Raises
    TokenMalformedError or TokenSignatureError.
    """
    return read(token, keys).verify(keys, issuer)
