"""From a string that anyone may have sent to claims that we once signed."""

from collections.abc import Mapping

from consent_tokens.crypto import jws
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.errors import TokenMalformedError
from consent_tokens.tokens.claims import Claims


def verify(token: str, keys: Mapping[str, VerifyingKey], *, issuer: str) -> Claims:
    """Return the claims of a token that `issuer` signed, whether or not it has ended.

    Form first, then the signature, and only then the claims (RFC 8725, 3.3; Tink). Raises
    TokenMalformedError or TokenSignatureError. Whether it may be used now, and by whom, is not
    asked here: that is `relay.decision`.
    """
    claims = Claims.from_json(jws.verify(token, keys))
    if claims.issuer != issuer:  # RFC 8725, 3.8; the audience follows from the issuer
        raise TokenMalformedError
    return claims
