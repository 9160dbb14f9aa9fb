"""Verifies tokens: form, signature and issuer."""

from collections.abc import Mapping

from consent_tokens.crypto import jws
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.errors import TokenMalformedError
from consent_tokens.tokens.claims import Claims


def verify(token: str, keys: Mapping[str, VerifyingKey], *, issuer: str) -> Claims:
    """Return the claims of a token that `issuer` signed, expired or not.

    Checks the form, then the signature, and only then parses the claims (RFC 8725, 3.3). Whether
    the token may be used now, and by which merchant, is decided by `relay.decision`. Raises
    TokenMalformedError or TokenSignatureError.
    """
    claims = Claims.from_json(jws.verify(token, keys))
    if claims.issuer != issuer:  # RFC 8725, 3.8; the audience follows from the issuer
        raise TokenMalformedError
    return claims
