"""The exceptions of the service. Each has a stable `error_code`.

A refusal of the relay is a value (`relay.decision`), not an exception. `web.problems` converts
these exceptions to RFC 9457 problems; nothing here knows about HTTP.
"""

from datetime import datetime
from typing import ClassVar


class ConsentTokensError(Exception):
    """Base class; not raised itself."""

    error_code: ClassVar[str] = "internal"


class TokenError(ConsentTokensError):
    """Base class of the errors of a token."""


class TokenMalformedError(TokenError):
    """The form, header, encoding or claims are not those of a token of this service."""

    error_code = "token_malformed"


class TokenSignatureError(TokenError):
    """The token is well formed, but not signed with a key of this service."""

    error_code = "token_signature_invalid"


class SealBrokenError(ConsentTokensError):
    """A sealed value does not open: wrong key, wrong binding, or altered. Does not say which."""

    error_code = "seal_broken"


class KeyUnavailableError(ConsentTokensError):
    """A key is missing, unreadable, or readable by others; nothing is sent without it."""

    error_code = "key_unavailable"


class SettingError(ConsentTokensError):
    """A setting is missing or invalid; the message names it."""

    error_code = "setting_invalid"


class DatabaseBusyError(ConsentTokensError):
    """Every attempt of a transaction failed to serialize; the caller may retry."""

    error_code = "store_busy"


class DatabaseUnavailableError(ConsentTokensError):
    """The database is unreachable, full, or has another schema version; nothing was changed."""

    error_code = "store_unavailable"


class CommitUncertainError(ConsentTokensError):
    """The connection broke during the commit: it may have been committed or not."""

    error_code = "store_uncertain"


class NotReadyError(ConsentTokensError):
    """Base class of the errors of readiness, under which no message is sent."""


class JournalUnavailableError(NotReadyError):
    """The revocation journal is missing, not writable, or not that of this database."""

    error_code = "journal_unavailable"


class RevocationsBehindError(NotReadyError):
    """The journal has entries that this database has not: it was restored from a backup."""

    error_code = "revocations_behind"


class ClockInDoubtError(NotReadyError):
    """The clock jumped, or is behind a time that was already recorded."""

    error_code = "clock_in_doubt"


class IssuerChangedError(NotReadyError):
    """Live grants have tokens of another issuer than this service's (`CONSENT_ISSUER`)."""

    error_code = "issuer_changed"


class PurposesChangedError(NotReadyError):
    """A purpose that was in use is missing or changed in this process's catalogue."""

    error_code = "purposes_changed"


class KeysChangedError(NotReadyError):
    """The keys of this process are those of another database (`CONSENT_KEYS_DIR`)."""

    error_code = "keys_changed"


class KeyMissingError(NotReadyError):
    """A key that rows of this database may need is not there, or its folder cannot be read."""

    error_code = "key_unavailable"


class KeyWithdrawnError(NotReadyError):
    """A key that was withdrawn is back, as from a backup of the key files."""

    error_code = "key_withdrawn"


class GatewayUnreachableError(ConsentTokensError):
    """The gateway does not answer, or refuses these credentials; the message says which."""

    error_code = "gateway_unreachable"


class OutboxFullError(ConsentTokensError):
    """Backpressure: the outbox is full of marketing and finance; `retry_after` is in seconds."""

    error_code = "outbox_full"
    retry_after = 30


class DispatcherRunningError(ConsentTokensError):
    """Another dispatcher is running on this SQLite database, which allows one."""

    error_code = "dispatcher_running"


class NotFoundError(ConsentTokensError):
    """The resource does not exist or belongs to another; the two are indistinguishable."""

    error_code = "not_found"


class ConflictError(ConsentTokensError):
    """The status of the resource does not allow this."""

    error_code = "conflict"


class TooManyOpenError(ConflictError):
    """As many are open or undecided already as there may be; the message says of what."""


class GoneError(ConsentTokensError):
    """The resource existed and was deleted."""

    error_code = "gone"


class ApiKeyRefusedError(ConsentTokensError):
    """A command was given no API key, or one that the service refuses; the message says which."""

    error_code = "unauthenticated"


class UnauthenticatedError(ConsentTokensError):
    """There is no API key, or it is invalid.

    For the log: `reason` is `missing`, `malformed`, `unknown`, `wrong`, `revoked`, `expired`,
    `network` or `test`; `key_id` is that of a key which exists. The answer reveals neither.
    """

    error_code = "unauthenticated"

    def __init__(self, reason: str = "missing", key_id: str | None = None) -> None:
        super().__init__("not authenticated")
        self.reason = reason
        self.key_id = key_id


class ForbiddenError(ConsentTokensError):
    """The caller is authenticated, but not allowed to do this."""

    error_code = "forbidden"


class InsufficientScopeError(ForbiddenError):
    """The API key has none of the scopes that the operation needs (RFC 6750, 3.1)."""

    error_code = "insufficient_scope"

    def __init__(self, needed: tuple[str, ...], key_id: str) -> None:
        super().__init__("the API key lacks the scope")
        self.needed = needed
        self.key_id = key_id


class InvitationRefusedError(ForbiddenError):
    """The recipient declined, did not answer, or blocks invitations (promise 12).

    `next_at` is when the merchant may invite again, where only its own invitations determine that.
    """

    error_code = "invitation_refused"

    def __init__(self, next_at: datetime | None = None) -> None:
        super().__init__("this invitation is not sent")
        self.next_at = next_at


class IdempotencyKeyReusedError(ConsentTokensError):
    """The Idempotency-Key was used with another request."""

    error_code = "idempotency_key_reused"


class InvalidError(ConsentTokensError):
    """The input is invalid; `fields` has the error codes by field."""

    error_code = "invalid"

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid input")
        self.fields = fields


class RuleForbidsError(ConsentTokensError):
    """More is asked for than rules allow; names the fields at fault, and the rules.

    `fields` has the ids of rules by field. `rules` has `id`, `words`, `source` and `article`.
    """

    error_code = "rule_forbids"

    def __init__(self, fields: dict[str, list[str]], rules: list[dict[str, str]]) -> None:
        super().__init__("more than the rules allow")
        self.fields = fields
        self.rules = rules


class MalformedJsonError(ConsentTokensError):
    """The body is not JSON as it is read here; says why, and at which pointer or byte offset."""

    error_code = "json_malformed"

    def __init__(self, why: str, *, pointer: str | None = None, offset: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.pointer = pointer  # RFC 6901
        self.offset = offset


class TooManyRequestsError(ConsentTokensError):
    """A rate limit is exceeded; `retry_after` is in seconds."""

    error_code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


class RulesInvalidError(ConsentTokensError):
    """A rule pack is invalid; the message names file, rule and member."""

    error_code = "rules_invalid"
