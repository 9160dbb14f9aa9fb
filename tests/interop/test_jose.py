"""Two other JOSE libraries verify our tokens from the published key set."""

from typing import Any

import jwt
import pytest
from joserfc import jwt as jose
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.service import BASE, PROMOTIONS, Service


@pytest.fixture
def issued(small: Service) -> tuple[str, dict[str, Any], str]:
    merchant = small.merchant()
    token = small.obtain_token(merchant, small.consumer())
    published = small.app.test_client().get("/.well-known/jwks.json")
    assert published.content_type == "application/jwk-set+json"
    return token, published.get_json(), merchant.id


def test_pyjwt(issued: tuple[str, dict[str, Any], str]) -> None:
    token, published, merchant_id = issued
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "consent+jwt"
    key = jwt.PyJWKSet.from_dict(published)[header["kid"]]
    options: Any = {"require": ["iss", "aud", "exp", "iat", "jti"], "verify_exp": False}
    claims = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=f"{BASE}/relay", issuer=BASE, options=options
    )
    assert claims["client_id"] == merchant_id
    assert claims["scope"] == PROMOTIONS
    assert claims["channels"] == ["sms"]
    assert claims["limits"].keys() == {"max", "days", "from", "to", "tz"}
    touched = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(touched, key, algorithms=["EdDSA"], audience=f"{BASE}/relay", options=options)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")  # the token format fixes it
def test_joserfc(issued: tuple[str, dict[str, Any], str]) -> None:
    token, published, merchant_id = issued
    keys = KeySet.import_key_set(published)  # type: ignore[arg-type]  # JSON as it came
    verified = jose.decode(token, keys, algorithms=["EdDSA"])
    assert verified.header["alg"] == "EdDSA"
    assert verified.claims["client_id"] == merchant_id
    with pytest.raises(JoseError):
        jose.decode(token[:-2] + ("AA" if token[-2:] != "AA" else "BA"), keys, algorithms=["EdDSA"])


def test_the_configuration_leads_there(small: Service) -> None:
    found = small.app.test_client().get("/.well-known/consent-configuration").json
    assert found["issuer"] == BASE
    assert found["jwks_uri"] == f"{BASE}/.well-known/jwks.json"
    assert found["signing_alg_values_supported"] == ["EdDSA"]
