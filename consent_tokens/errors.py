"""What can go wrong, as a small tree. Each leaf has a `code` that never changes.

A refusal is not here: the relay's no is an answer, not an accident. The web turns these into
RFC 9457 problems in one place (`web.problems`); nothing below knows about HTTP.
"""

from datetime import datetime
from typing import ClassVar


class ConsentTokensError(Exception):
    """Base of all. Never raised itself."""

    code: ClassVar[str] = "internal"


class TokenError(ConsentTokensError):
    """Base of what can be wrong with a token in our hands."""


class TokenMalformedError(TokenError):
    """Not a token that this service could have issued: form, header, encoding or claims."""

    code = "token_malformed"


class TokenSignatureError(TokenError):
    """Well formed, but not signed by a key that we hold."""

    code = "token_signature_invalid"


class SealBrokenError(ConsentTokensError):
    """The box does not open: wrong key, wrong owner, or touched. Never says which."""

    code = "seal_broken"


class KeyUnavailableError(ConsentTokensError):
    """A key is missing, unreadable, or readable by others. Nothing leaves until it is mended."""

    code = "key_unavailable"


class SettingError(ConsentTokensError):
    """A setting is missing or makes no sense; the message names it."""

    code = "setting_invalid"


class StoreBusyError(ConsentTokensError):
    """The database kept refusing to serialise; the caller may try again."""

    code = "store_busy"


class StoreUnavailableError(ConsentTokensError):
    """The database is away, full, or not of this version; nothing was done."""

    code = "store_unavailable"


class StoreUncertainError(ConsentTokensError):
    """The database went away while it committed: it may have been done, or not."""

    code = "store_uncertain"


class UntrustedError(ConsentTokensError):
    """Base of what keeps everything back: if we are not sure that it is safe, nothing leaves."""


class JournalUnavailableError(UntrustedError):
    """The revocation journal is missing, cannot be written, or is not the one we know."""

    code = "journal_unavailable"


class RevocationsBehindError(UntrustedError):
    """The journal holds revocations that this database has not seen: it is an old copy."""

    code = "revocations_behind"


class ClockInDoubtError(UntrustedError):
    """The clock jumped, or stands before a time at which we were already."""

    code = "clock_in_doubt"


class OutboxFullError(ConsentTokensError):
    """So much marketing waits that no more is taken for now; `retry_after` is in seconds."""

    code = "outbox_full"
    retry_after = 30


class NotAloneError(ConsentTokensError):
    """Another dispatcher works on this database, which takes one at a time."""

    code = "dispatcher_running"


class NotFoundError(ConsentTokensError):
    """There is no such thing, or it is not yours: the two look the same."""

    code = "not_found"


class ConflictError(ConsentTokensError):
    """The thing is not in a state that allows this."""

    code = "conflict"


class GoneError(ConsentTokensError):
    """It was there, and is no more."""

    code = "gone"


class UnauthenticatedError(ConsentTokensError):
    """No API key, or none that opens."""

    code = "unauthenticated"


class ForbiddenError(ConsentTokensError):
    """We know who asks, and the answer is no."""

    code = "forbidden"


class InvitationRefusedError(ForbiddenError):
    """Whom this invites has said no, or nothing, or that nobody shall invite them (promise 12).

    `again` is when the merchant may ask again, where it knows by itself what it asked before.
    """

    code = "invitation_refused"

    def __init__(self, again: datetime | None = None) -> None:
        super().__init__("this invitation is not sent")
        self.again = again


class IdempotencyKeyReusedError(ConsentTokensError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"


class InvalidError(ConsentTokensError):
    """The input makes no sense; `fields` says where and why."""

    code = "invalid"

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid input")
        self.fields = fields


class TooManyError(ConsentTokensError):
    """Asked too often; `retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after
