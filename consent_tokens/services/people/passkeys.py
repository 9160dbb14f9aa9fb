"""Passkeys (WebAuthn Level 3): registered by a person who is signed in, and signed in with.

A passkey verifies its user, so that it is two factors in one. Each challenge is answered once.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.policies import ServiceIdentity
from consent_tokens.services.people.person import Person, record
from consent_tokens.services.people.sessions import SignedIn
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_credentials, console_sessions
from consent_tokens.store.console_credentials import Passkey
from consent_tokens.store.database import Transaction

CHALLENGE_BYTES: Final = 32
CHALLENGE_USE: Final = "console-passkey"  # of a signed value
CHALLENGE_LIFETIME: Final = timedelta(minutes=10)
MAX_PASSKEYS: Final = 10  # of one person
MAX_RESPONSE_LENGTH: Final = 16_000  # characters of JSON
MAX_NAME_LENGTH: Final = 60
SIGN_IN: Final = "sign-in"  # the subject of a challenge that anybody may answer


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The service as authenticators know it: the host and origin of its base URL."""

    id: str
    origin: str

    @classmethod
    def of(cls, service: ServiceIdentity) -> "RelyingParty":
        """Return the relying party of a service."""
        parts = urlsplit(service.base_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")

    @property
    def takes_passkeys(self) -> bool:
        """Whether browsers take it: a host name, and no IP address (WebAuthn Level 3, 5.1.2)."""
        try:
            ip_address(self.id)
        except ValueError:
            return True
        return False


def registration_options(runtime: Runtime, person: Person) -> str:
    """Return the options with which a browser creates a passkey of a person, as JSON."""
    import webauthn  # noqa: PLC0415 - takes 0.2 s, which other processes do not need
    from webauthn.helpers import structs  # noqa: PLC0415 - likewise

    known = runtime.database.read(lambda at: console_credentials.passkeys_of(at, person.id))
    options = webauthn.generate_registration_options(
        rp_id=RelyingParty.of(runtime.service).id,
        rp_name=runtime.service.english_name,
        user_id=person.id.encode(),
        user_name=person.name,
        challenge=_new_challenge(runtime, person.id),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known
        ],
    )
    return webauthn.options_to_json(options)


def sign_in_options(runtime: Runtime) -> str:
    """Return the options with which a browser signs in by any passkey of this service, as JSON."""
    import webauthn  # noqa: PLC0415 - takes 0.2 s, which other processes do not need
    from webauthn.helpers import structs  # noqa: PLC0415 - likewise

    options = webauthn.generate_authentication_options(
        rp_id=RelyingParty.of(runtime.service).id,
        challenge=_new_challenge(runtime, SIGN_IN),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def add_passkey(runtime: Runtime, person: Person, name: str, response: str) -> None:
    """Store the passkey that a browser created. Raises InvalidError, ConflictError."""
    import webauthn  # noqa: PLC0415 - takes 0.2 s, which other processes do not need
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - likewise

    challenge = _challenge_in(response)
    party = RelyingParty.of(runtime.service)
    try:
        verified = webauthn.verify_registration_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        raise InvalidError({"passkey": ["not_verified"]}) from error
    passkey = Passkey(
        id=sha256(verified.credential_id).digest(),
        person_id=person.id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=name.strip()[:MAX_NAME_LENGTH] or "Passkey",
        added_at=runtime.clock.now(),
    )
    runtime.database.run(lambda transaction: _add(runtime, transaction, person, passkey, challenge))


def _add(
    runtime: Runtime, transaction: Transaction, person: Person, passkey: Passkey, challenge: bytes
) -> None:
    if not _take_challenge(runtime, transaction, person.id, challenge):
        raise InvalidError({"passkey": ["expired"]})
    if len(console_credentials.passkeys_of(transaction, person.id)) >= MAX_PASSKEYS:
        raise ConflictError(f"at most {MAX_PASSKEYS} passkeys")
    if not console_credentials.add_passkey(transaction, passkey):
        raise ConflictError("this passkey is known")
    record(runtime, transaction, person, EventKind.SECOND_FACTOR_ADDED, reason="passkey")


def list_passkeys(runtime: Runtime, person: Person) -> list[Passkey]:
    """Return the passkeys of a person, oldest first."""
    return runtime.database.read(lambda at: console_credentials.passkeys_of(at, person.id))


def delete_passkey(runtime: Runtime, who: SignedIn, passkey_id: str) -> None:
    """Delete a passkey of a person, by its id in hexadecimal, and end their other sessions.

    Raises NotFoundError.
    """
    person = who.person

    def work(transaction: Transaction) -> None:
        if not console_credentials.delete_passkey(transaction, person.id, _from_hex(passkey_id)):
            raise NotFoundError("no passkey of that id")
        console_sessions.end_all(transaction, person.id, but=who.session.id)
        record(runtime, transaction, person, EventKind.SECOND_FACTOR_REMOVED, reason="passkey")

    runtime.database.run(work)


def use_passkey(runtime: Runtime, transaction: Transaction, response: str) -> str | None:
    """Verify what a browser signed, once; return whose passkey it was, None if it is not valid."""
    import webauthn  # noqa: PLC0415 - takes 0.2 s, which other processes do not need
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - likewise

    try:
        challenge, credential_id = _challenge_in(response), _credential_id_in(response)
    except InvalidError:
        return None
    passkey = console_credentials.find_passkey(transaction, sha256(credential_id).digest())
    if not _take_challenge(runtime, transaction, SIGN_IN, challenge) or passkey is None:
        return None
    party = RelyingParty.of(runtime.service)
    try:
        verified = webauthn.verify_authentication_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except WebAuthnException:
        return None
    now = runtime.clock.now()
    console_credentials.use_passkey(transaction, passkey.id, verified.new_sign_count, now)
    return passkey.person_id


def _new_challenge(runtime: Runtime, subject: str) -> bytes:
    """Return a challenge that says by itself what it is for: showing a page stores nothing."""
    nonce = encode(runtime.random.token_bytes(CHALLENGE_BYTES))
    return runtime.sign_value(CHALLENGE_USE, f"{subject}\n{nonce}").encode("ascii")


def _take_challenge(
    runtime: Runtime, transaction: Transaction, subject: str, challenge: bytes
) -> bool:
    """Whether a challenge was for this, not too long ago, and is answered for the first time."""
    lifetime = CHALLENGE_LIFETIME
    value = runtime.open_value(
        CHALLENGE_USE,
        challenge.decode("ascii", "replace"),
        max_age_seconds=int(lifetime.total_seconds()),
    )
    if value is None or value.partition("\n")[0] != subject:
        return False
    expires_at = runtime.clock.now() + 2 * lifetime
    return console_sessions.use_challenge(transaction, sha256(challenge).digest(), expires_at)


def _challenge_in(response: str) -> bytes:
    """Return the challenge that a browser says it answered; whether it is one is checked later."""
    client_data = _member(_parsed(response).get("response"), "clientDataJSON")
    try:
        return decode(str(json.loads(decode(client_data))["challenge"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidError({"passkey": ["malformed"]}) from error


def _credential_id_in(response: str) -> bytes:
    try:
        return decode(_member(_parsed(response), "id"))
    except ValueError as error:
        raise InvalidError({"passkey": ["malformed"]}) from error


def _parsed(response: str) -> dict[str, Any]:
    try:
        found = json.loads(response[:MAX_RESPONSE_LENGTH])
    except (ValueError, RecursionError) as error:
        raise InvalidError({"passkey": ["malformed"]}) from error
    return found if isinstance(found, dict) else {}


def _member(found: object, name: str) -> str:
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise NotFoundError("no passkey of that id") from error
