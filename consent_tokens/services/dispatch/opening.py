"""Opens leased messages: decrypts the number, in memory only, and composes the text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import structlog

from consent_tokens.crypto.keys import DataKey, GrantKey, WrappingKey
from consent_tokens.crypto.sealing import Key, unwrap
from consent_tokens.errors import KeyUnavailableError, SealBrokenError
from consent_tokens.evidence.complaints import comparable_text
from consent_tokens.gateways.base import (
    Deadline,
    Faulty,
    Rejected,
    Submission,
    SubmitOutcome,
    Unsent,
)
from consent_tokens.relay.composition import compose, with_signature_and_opt_out
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import Priority
from consent_tokens.services.dispatch.lease import LeasedMessage
from consent_tokens.services.outbox.service_messages import open_service_message
from consent_tokens.services.runtime import Runtime
from consent_tokens.tokens.mint import Binding, open_number

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opener:
    """What the messages of one round are opened with."""

    runtime: Runtime
    deadline: Deadline
    unwrapping: Mapping[bytes, WrappingKey]  # as the round begins

    @classmethod
    def of(cls, runtime: Runtime, deadline: Deadline) -> Self:
        """Look at the keys once for a round."""
        return cls(runtime, deadline, runtime.keyring.unwrapping)

    def open_or_fail(
        self, leased: LeasedMessage, link_id: str, grant_id: str
    ) -> Submission | SubmitOutcome:
        """Return a submission with the decrypted number, or the outcome if it stays closed.

        `link_id` is empty if the text has no link of its own; `grant_id` is the grant's public id.
        """
        try:
            return self._open(leased, link_id, grant_id)
        except SealBrokenError as error:
            return Rejected(error.error_code)
        except KeyUnavailableError:
            return Unsent()  # until the operator restores the key, or the message expires
        except Exception as error:  # noqa: BLE001 - one message's error must not delay the others
            log.critical("message_faulty", fault=type(error).__name__)
            return Faulty(type(error).__name__)

    def _open(self, leased: LeasedMessage, link_id: str, grant_id: str) -> Submission:
        runtime = self.runtime
        message, sender, grant = leased.message, leased.sender, leased.grant
        comparable = ""
        if grant is None:
            data_key = self._unwrap(leased.wrapped_key, DataKey)
            number, text = open_service_message(runtime, message, data_key)
        else:
            grant_key = self._unwrap(leased.wrapped_key, GrantKey)
            binding = Binding(runtime.service.issuer, grant_id, grant.merchant_id)
            number = open_number(message.sealed_number or b"", grant_key, binding)
            if number.is_test:  # of a sandbox, whose messages were completed when leased
                raise KeyUnavailableError("a test number")
            signature = sender.signature if sender else ""
            comparable = comparable_text(f"{signature}\n{message.text}")
            text = with_signature_and_opt_out(
                message.text or "",
                signature=signature,
                language=grant.language,
                link=runtime.service.opt_out_link(class_of(message.purpose), link_id, leased.links),
                is_limited=message.priority is Priority.MARKETING,
            )
        return Submission(
            number=number,
            source=sender.source if sender else runtime.service.sender,
            composed=compose(text),
            tag=message.key.id & 0xFF,
            valid_until=message.valid_until,
            deadline=self.deadline,
            comparable_text=comparable,
        )

    def _unwrap(self, wrapped: bytes, kind: type[Key]) -> Key:
        try:
            return unwrap(wrapped, self.unwrapping, kind)
        except KeyUnavailableError:
            return self.runtime.unwrap(wrapped, kind)  # it looks for keys that are new
