"""One inbound message, with what the database knows of its phone and of the sender it went to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.keywords import Intent, Interpretation
from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.localization import DEFAULT_LANGUAGE, supported_language
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.complaints import FiledComplaint
from consent_tokens.services.inbound.sender_lookup import address_forms, find_senders
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, invitations, merchants, recipients, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.senders import Sender

ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """An inbound message and its context, within one transaction."""

    runtime: Runtime
    policy: ConsentPolicy
    transaction: Transaction
    inbound: MobileOriginated
    interpretation: Interpretation
    partition: int | None  # of the recipient, if the service knows the number
    senders: Mapping[str, Sender]  # with the source address replied to, by merchant id
    merchants: Mapping[str, Merchant]
    grants: Sequence[Grant]  # of the recipient, of all merchants, not ended
    is_to_service: bool  # the message went to the service's own sender
    uncertain_port: str | None = None  # of senders of which none is certain
    filed: list[FiledComplaint] = field(default_factory=list)  # in this transaction

    @property
    def own_grants(self) -> list[Grant]:
        """Return the grants of the merchants of the sender that was replied to."""
        return [grant for grant in self.grants if grant.merchant_id in self.senders]

    @property
    def unmatched_reason(self) -> str | None:
        """Return why the message belongs to nobody; None if it does to somebody.

        START and HELP need no consent: they are answered to every phone.
        """
        if not self.senders and not self.is_to_service:
            return "sender_uncertain" if self.uncertain_port else "sender_unknown"
        is_for_everybody = self.interpretation.intent in {Intent.START, Intent.HELP}
        return "phone_unknown" if self.partition is None and not is_for_everybody else None

    @property
    def language(self) -> str:
        """Return the language to answer in: of a consent, or else of the keyword."""
        known = next((grant.language for grant in [*self.own_grants, *self.grants]), None)
        keyword = self.interpretation.language
        return known or supported_language(keyword) or ("en" if keyword else DEFAULT_LANGUAGE)

    @property
    def any_sender(self) -> Sender | None:
        """Return a sender to answer from; None for the service's own."""
        return next(iter(self.senders.values()), None)


def load_conversation(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    inbound: MobileOriginated,
    interpretation: Interpretation,
) -> Conversation:
    """Return an inbound message with its recipient, senders, merchants and grants."""
    partition = recipients.find(transaction, runtime.blind_index(inbound.number))
    now = runtime.clock.now()
    found = grants.of_recipient(transaction, partition) if partition is not None else []
    live = [grant for grant in found if grant.status_at(now) not in ENDED]
    forms = address_forms(inbound.source, inbound.number.country_code)
    replied_to = find_senders(transaction, forms, {grant.merchant_id for grant in live}, now)
    senders = {sender.merchant_id: sender for sender in replied_to.senders}
    merchant_ids = [*senders, *(grant.merchant_id for grant in live)]
    own_sender = runtime.service.sender
    return Conversation(
        runtime=runtime,
        policy=policy,
        transaction=transaction,
        inbound=inbound,
        interpretation=interpretation,
        partition=partition,
        senders=senders,
        merchants=merchants.find_many(transaction, merchant_ids),
        grants=live,
        is_to_service=own_sender in {inbound.source.strip(), *forms}
        or (not senders and any(form.startswith(own_sender) for form in forms)),
        uncertain_port=replied_to.port,
    )


def lock_open_invitations(conversation: Conversation) -> list[tuple[Invitation, ConsentRequest]]:
    """Return this sender's unanswered invitations of this phone, with their locked requests.

    The newest is first.
    """
    if conversation.partition is None:
        return []
    transaction, now = conversation.transaction, conversation.runtime.clock.now()
    found = invitations.resting_of(
        transaction, conversation.partition, list(conversation.senders), now
    )
    pairs = [(each, requests.lock(transaction, each.request_key)) for each in found if each.is_open]
    return [
        (each, request)
        for each, request in pairs
        if request is not None and request.status_at(now) is RequestStatus.PENDING
    ]
