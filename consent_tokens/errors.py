"""What can go wrong, as a small tree. Each leaf has a `code` that never changes.

A refusal is not here: the relay's no is an answer, not an accident. The web turns these into
RFC 9457 problems in one place (`web.problems`); nothing below knows about HTTP.
"""

from datetime import datetime
from typing import ClassVar


class ConsentTokensError(Exception):
    """Base of all. Never raised itself."""

    error_code: ClassVar[str] = "internal"


class TokenError(ConsentTokensError):
    """Base of what can be wrong with a token in our hands."""


class TokenMalformedError(TokenError):
    """Not a token that this service could have issued: form, header, encoding or claims."""

    error_code = "token_malformed"


class TokenSignatureError(TokenError):
    """Well formed, but not signed by a key that we hold."""

    error_code = "token_signature_invalid"


class SealBrokenError(ConsentTokensError):
    """The box does not open: wrong key, wrong owner, or touched. Never says which."""

    error_code = "seal_broken"


class KeyUnavailableError(ConsentTokensError):
    """A key is missing, unreadable, or readable by others. Nothing leaves until it is mended."""

    error_code = "key_unavailable"


class SettingError(ConsentTokensError):
    """A setting is missing or makes no sense; the message names it."""

    error_code = "setting_invalid"


class DatabaseBusyError(ConsentTokensError):
    """The database kept refusing to serialise; the caller may try again."""

    error_code = "store_busy"


class DatabaseUnavailableError(ConsentTokensError):
    """The database is away, full, or not of this version; nothing was done."""

    error_code = "store_unavailable"


class CommitUncertainError(ConsentTokensError):
    """The database went away while it committed: it may have been done, or not."""

    error_code = "store_uncertain"


class NotReadyError(ConsentTokensError):
    """Base of what keeps everything back: if we are not sure that it is safe, nothing leaves."""


class JournalUnavailableError(NotReadyError):
    """The revocation journal is missing, cannot be written, or is not the one we know."""

    error_code = "journal_unavailable"


class RevocationsBehindError(NotReadyError):
    """The journal holds revocations that this database has not seen: it is an old copy."""

    error_code = "revocations_behind"


class ClockInDoubtError(NotReadyError):
    """The clock jumped, or stands before a time at which we were already."""

    error_code = "clock_in_doubt"


class OutboxFullError(ConsentTokensError):
    """So much marketing waits that no more is taken for now; `retry_after` is in seconds."""

    error_code = "outbox_full"
    retry_after = 30


class DispatcherRunningError(ConsentTokensError):
    """Another dispatcher works on this database, which takes one at a time."""

    error_code = "dispatcher_running"


class NotFoundError(ConsentTokensError):
    """There is no such thing, or it is not yours: the two look the same."""

    error_code = "not_found"


class ConflictError(ConsentTokensError):
    """The thing is not in a state that allows this."""

    error_code = "conflict"


class GoneError(ConsentTokensError):
    """It was there, and is no more."""

    error_code = "gone"


class UnauthenticatedError(ConsentTokensError):
    """No API key, or none that opens."""

    error_code = "unauthenticated"


class ForbiddenError(ConsentTokensError):
    """We know who asks, and the answer is no."""

    error_code = "forbidden"


class InvitationRefusedError(ForbiddenError):
    """Whom this invites has said no, or nothing, or that nobody shall invite them (promise 12).

    `again` is when the merchant may ask again, where it knows by itself what it asked before.
    """

    error_code = "invitation_refused"

    def __init__(self, next_at: datetime | None = None) -> None:
        super().__init__("this invitation is not sent")
        self.next_at = next_at


class IdempotencyKeyReusedError(ConsentTokensError):
    """The same Idempotency-Key came with another request."""

    error_code = "idempotency_key_reused"


class InvalidError(ConsentTokensError):
    """The input makes no sense; `fields` says where and why."""

    error_code = "invalid"

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid input")
        self.fields = fields


class TooManyRequestsError(ConsentTokensError):
    """Asked too often; `retry_after` is in seconds."""

    error_code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after
