"""What becomes of the messages of a sandbox: as their test number says, without a gateway."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from consent_tokens.consent.grant import Grant
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.errors import KeyUnavailableError, SealBrokenError
from consent_tokens.relay.message import Message, MessageOutcome, MessageStatus
from consent_tokens.relay.sandbox import DEFERRED_FOR, SandboxRecipient, recipient_of
from consent_tokens.services.dispatch.outcomes import RETRY_DELAY, deferred, final_outcome
from consent_tokens.services.runtime import Runtime
from consent_tokens.tokens.mint import Binding, open_number

log = structlog.get_logger()

REASON: Final = "test_recipient"
STATUSES: Final = {
    SandboxRecipient.DELIVERED: MessageStatus.DELIVERED,
    SandboxRecipient.UNDELIVERABLE: MessageStatus.UNDELIVERABLE,
    SandboxRecipient.REFUSED: MessageStatus.REFUSED,
    SandboxRecipient.UNKNOWN: MessageStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class SandboxOutcomes:
    """The outcomes of messages of sandboxes at one time."""

    runtime: Runtime
    now: datetime

    def of(self, message: Message, grant: Grant, wrapped_key: bytes) -> MessageOutcome:
        """Return the outcome of a message that may be sent now."""
        try:
            recipient = self._recipient(message, grant, wrapped_key)
        except KeyUnavailableError:  # until the operator restores the key
            return deferred(message, self.now + RETRY_DELAY)
        except (SealBrokenError, ValueError) as error:
            log.critical("sandbox_number_unreadable", fault=type(error).__name__)
            return final_outcome(message, MessageStatus.UNDELIVERABLE, self.now, reason=REASON)
        if recipient is SandboxRecipient.DEFERRED:
            return deferred(message, self.now + DEFERRED_FOR, REASON)
        status = STATUSES[recipient]
        reason = None if status is MessageStatus.DELIVERED else REASON
        return final_outcome(message, status, self.now, reason=reason)

    def _recipient(self, message: Message, grant: Grant, wrapped_key: bytes) -> SandboxRecipient:
        """Return whom a message is to.

        Raises SealBrokenError, KeyUnavailableError, ValueError if the number is no test number.
        """
        grant_key = self.runtime.unwrap(wrapped_key, GrantKey)
        grant_id = self.runtime.ids.grant.encode(grant.key)
        binding = Binding(self.runtime.service.issuer, grant_id, grant.merchant_id)
        return recipient_of(open_number(message.sealed_number or b"", grant_key, binding))
