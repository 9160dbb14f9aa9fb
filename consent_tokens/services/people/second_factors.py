"""Second factors that are typed: TOTP codes (RFC 6238), and recovery codes for when it is lost."""

from base64 import b32encode
from typing import Final

import pyotp

from consent_tokens.crypto.keyed_hashes import constant_time_equal
from consent_tokens.services.people.person import Person
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_credentials
from consent_tokens.store.console_credentials import Credentials
from consent_tokens.store.database import Transaction

TOTP_SECRET_BYTES: Final = 20  # RFC 4226, 4: 160 bits
TOTP_DIGITS: Final = 6
TOTP_STEP_SECONDS: Final = 30
TOTP_DRIFT: Final = (0, -1, 1)  # steps that a clock may be off
RECOVERY_CODES: Final = 10
RECOVERY_CODE_BYTES: Final = 10  # 80 bits, 16 letters
GROUP: Final = 4  # letters between two hyphens
MAX_CODE_LENGTH: Final = 40  # characters that are looked at


def new_totp_secret(runtime: Runtime) -> str:
    """Return a new secret in base32, as authenticator apps take it."""
    return b32encode(runtime.random.token_bytes(TOTP_SECRET_BYTES)).decode("ascii")


def totp_uri(secret: str, account: str, issuer: str) -> str:
    """Return the otpauth URI that an authenticator app reads from a QR code."""
    return str(pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer))


def matching_step(secret: str, code: str, timestamp: float) -> int | None:
    """Return the time step of a code, one step early or late too; None if it is wrong."""
    step = int(timestamp) // TOTP_STEP_SECONDS
    totp = pyotp.TOTP(secret, digits=TOTP_DIGITS, interval=TOTP_STEP_SECONDS)
    matching = [
        step + drift
        for drift in TOTP_DRIFT
        if constant_time_equal(totp.at((step + drift) * TOTP_STEP_SECONDS).encode(), code.encode())
    ]
    return matching[0] if matching else None


def seal_totp_secret(runtime: Runtime, person_id: str, secret: str) -> bytes:
    """Return the envelope in which a secret is stored."""
    return runtime.seal_envelope(secret.encode("ascii"), _associated_data(person_id))


def use_code(
    runtime: Runtime, transaction: Transaction, credentials: Credentials, entered: str
) -> str | None:
    """Use a TOTP code or a recovery code; return which it was, None if it is wrong or was used."""
    code = typed_code(entered)
    if len(code) == TOTP_DIGITS and code.isdigit():
        return "totp" if _use_totp(runtime, transaction, credentials, code) else None
    code_id = recovery_code_id(runtime, credentials.person_id, code)
    is_used = console_credentials.use_recovery_code(transaction, credentials.person_id, code_id)
    return "recovery_code" if is_used else None


def typed_code(entered: str) -> str:
    """Return a code without what people type between its parts."""
    kept = [letter for letter in entered[:MAX_CODE_LENGTH].upper() if letter.isalnum()]
    return "".join(kept) if "".join(kept).isascii() else ""


def new_recovery_codes(runtime: Runtime, transaction: Transaction, person: Person) -> list[str]:
    """Store new recovery codes in place of those before; return them, to be shown once."""
    codes = [
        b32encode(runtime.random.token_bytes(RECOVERY_CODE_BYTES)).decode("ascii")
        for _ in range(RECOVERY_CODES)
    ]
    ids = [recovery_code_id(runtime, person.id, each) for each in codes]
    console_credentials.replace_recovery_codes(transaction, person.id, ids)
    return ["-".join(each[at : at + GROUP] for at in range(0, len(each), GROUP)) for each in codes]


def recovery_code_id(runtime: Runtime, person_id: str, code: str) -> bytes:
    """Return the keyed hash under which a recovery code is stored."""
    return runtime.rate_limit_key("recovery_code", f"{person_id}\n{code}")


def _use_totp(
    runtime: Runtime, transaction: Transaction, credentials: Credentials, code: str
) -> bool:
    if credentials.totp_secret is None:
        return False
    data = _associated_data(credentials.person_id)
    secret = runtime.open_envelope(credentials.totp_secret, data).decode("ascii")
    step = matching_step(secret, code, runtime.clock.now().timestamp())
    return step is not None and console_credentials.use_step(
        transaction, credentials.person_id, step
    )


def _associated_data(person_id: str) -> bytes:
    return f"totp secret {person_id}".encode()
