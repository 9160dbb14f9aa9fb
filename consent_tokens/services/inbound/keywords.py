"""What a consumer's phone sends back: stop, narrow, help, start, yes. What it says is not kept.

A reply only ever takes back, but for two cases in which the consumer comes by themselves: START
asks for the question, and Y agrees to it, where the operator allows that. Each answer is one text,
with no marketing in it, and no answer begs for another: what is unclear is asked back once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.keywords import Intent, Interpretation
from consent_tokens.consent.notice import purpose_label, supported_language
from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.consent.scope import FrequencyCap, ScopeReduction
from consent_tokens.crypto.keyed_hashes import blind_index, rate_limit_key
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.relay.composition import with_signature_and_opt_out
from consent_tokens.services.consents import invitations as invite
from consent_tokens.services.consents.amendments import narrow_within, resume_within
from consent_tokens.services.consents.decisions import create_grant
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.integrity.journal_outbox import flush_journal
from consent_tokens.services.number_verification import compose_service_message
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.store import (
    events,
    grants,
    invitations,
    merchants,
    messages,
    recipients,
    requests,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant, Sender, is_active

CONFIRMATION_PURPOSE: Final = "service.confirmation"
CLARIFICATION_LIMIT: Final = FrequencyCap(
    1, timedelta(days=1)
)  # what is unclear is asked back once a day, no more
REPLY_LIMIT: Final = FrequencyCap(
    6, timedelta(days=1)
)  # help and questions that one phone gets from a sender

# one confirmation, with nothing else in it (47 CFR 64.1200(a)(12))
WORDS: Final[dict[str, dict[str, str]]] = {
    "zh-CN": {
        "stopped": "已停止。{merchant}不会再给您发短信。",
        "stopped_all": "已全部停止。{count} 家商家都不会再给您发短信。",
        "narrowed": "好的，不再发：{gone}。还会发：{left}。全部停止请回 R。",
        "help": (
            "{merchant}可以给您发：{list}。全部停止请回 R，只停一种请回“退订”加数字，"
            "如“退订 1”。您的全部同意：{url}"
        ),
        "help_nobody": "没有商家可以从这个号码给您发短信。您的全部同意：{url}",
        "unclear": "要{merchant}停止发短信吗？要停请回 R，不停不用回。",
        "agreed": "好的，{merchant}可以给您发短信了。随时回 R 就停。",
        "live": "{merchant}本来就可以给您发短信。要停请回 R。",
    },
    "zh-TW": {
        "stopped": "已停止。{merchant}不會再傳簡訊給您。",
        "stopped_all": "已全部停止。{count} 家商家都不會再傳簡訊給您。",
        "narrowed": "好的，不再傳：{gone}。還會傳：{left}。全部停止請回 R。",
        "help": (
            "{merchant}可以傳給您：{list}。全部停止請回 R，只停一種請回「退訂」加數字，"
            "如「退訂 1」。您的全部同意：{url}"
        ),
        "help_nobody": "沒有商家可以從這個號碼傳簡訊給您。您的全部同意：{url}",
        "unclear": "要{merchant}停止傳簡訊嗎？要停請回 R，不停不用回。",
        "agreed": "好的，{merchant}可以傳簡訊給您了。隨時回 R 就停。",
        "live": "{merchant}本來就可以傳簡訊給您。要停請回 R。",
    },
    "en": {
        "stopped": "Stopped. {merchant} will not text you any more.",
        "stopped_all": "All stopped. None of {count} merchants will text you any more.",
        "narrowed": "Done. No more: {gone}. Still: {left}. Reply STOP to stop it all.",
        "help": (
            "{merchant} may text you: {list}. Reply STOP to stop it all, or STOP and a number, "
            "as in STOP 1. All your consents: {url}"
        ),
        "help_nobody": "No merchant may text you from this number. All your consents: {url}",
        "unclear": "Shall {merchant} stop texting you? Reply STOP to stop; else do nothing.",
        "agreed": "Thank you. {merchant} may text you now. Reply STOP at any time to stop.",
        "live": "{merchant} may text you already. Reply STOP to stop.",
    },
}


def handle_inbound(world: AppContext, inbound: MobileOriginated) -> list[Grant]:
    """Act on what a phone replied; return the grants that it ended.

    What means nothing to us changes nothing, and no reply is kept.
    """
    reply = world.keyword_matcher.interpret(inbound.text)
    if reply.intent is Intent.OTHER:
        return []
    ended = world.database.run(
        lambda transaction: _Desk.opened(world, transaction, inbound, reply).act()
    )
    if ended:
        flush_journal(world)
        world.database.truncate_wal()
    world.wake_dispatcher.set()
    return ended


@dataclass(slots=True)
class _Desk:
    """All that is needed to act on one reply."""

    world: AppContext
    transaction: Transaction
    inbound: MobileOriginated
    reply: Interpretation
    home: int | None
    senders: Mapping[str, Sender]  # by merchant: who writes from where the phone replied to
    merchants: Mapping[str, Merchant]
    grants: Sequence[Grant]  # of the recipient, not over
    is_service: bool  # the reply was sent to the service's own sender

    @classmethod
    def opened(
        cls,
        world: AppContext,
        transaction: Transaction,
        inbound: MobileOriginated,
        reply: Interpretation,
    ) -> "_Desk":
        index = blind_index(inbound.number.reveal(), world.keyring.index)
        home = recipients.find(transaction, index)
        senders = {
            sender.merchant_id: sender
            for sender in merchants.senders_with_source(transaction, inbound.source)
        }
        now = world.clock.now()
        over = {GrantStatus.REVOKED, GrantStatus.EXPIRED}
        found = grants.of_recipient(transaction, home) if home is not None else []
        live = [grant for grant in found if grant.status_at(now) not in over]
        return cls(
            world=world,
            transaction=transaction,
            inbound=inbound,
            reply=reply,
            home=home,
            senders=senders,
            merchants=merchants.find_many(
                transaction, [*senders, *(grant.merchant_id for grant in live)]
            ),
            grants=live,
            is_service=inbound.source == world.service_sender,
        )

    @property
    def own(self) -> list[Grant]:
        """Return the grants under which the sender that was replied to may write."""
        return [grant for grant in self.grants if grant.merchant_id in self.senders]

    @property
    def language(self) -> str:
        """Return the language of the answer: of the consents, else of the word that was sent."""
        known = next((grant.language for grant in [*self.own, *self.grants]), None)
        return (
            known
            or supported_language(self.reply.language)
            or ("en" if self.reply.language else "zh-CN")
        )

    def act(self) -> list[Grant]:
        """Do what the reply wants, and answer it."""
        if not self.senders and not self.is_service:
            return []
        acts: Mapping[Intent, Callable[[], list[Grant] | None]] = {
            Intent.STOP: self._narrow if self.reply.purposes else self._stop,
            Intent.STOP_ALL: self._stop_all,
            Intent.NO: self._decline,
            Intent.YES: self._agree,
            Intent.START: self._start,
            Intent.HELP: self._help,
            Intent.UNCLEAR: self._ask_back,
        }
        return acts[self.reply.intent]() or []

    # --- less -----------------------------------------------------------------------------------

    def _stop(self) -> list[Grant]:
        """End all that the sender may write, with one confirmation a merchant."""
        ended = self._ended(self.own)
        self._decline()
        for merchant_id, language in {g.merchant_id: g.language for g in ended}.items():
            merchant = self.merchants[merchant_id]
            self._answer(language, "stopped", self.senders[merchant_id], merchant=merchant.name)
        if not ended and self.is_service:
            self._help()
        return ended

    def _stop_all(self) -> list[Grant]:
        """End all that anybody may write, with one confirmation."""
        language = self.language
        ended = self._ended(self.grants)
        self._decline()
        if ended:
            count = len({grant.merchant_id for grant in ended})
            self._answer(language, "stopped_all", self._any_sender, count=count)
        return ended

    def _ended(self, of: Sequence[Grant]) -> list[Grant]:
        return [
            grant
            for grant in of
            if revoke_within(
                self.world, self.transaction, RowKey(grant.home, grant.number), EndReason.REPLY
            )
        ]

    def _narrow(self) -> list[Grant]:
        """Stop some purposes only; where none would be left, that is the end of it."""
        if not self.world.database.has_wishes:
            return self._stop()
        touched = [g for g in self.own if g.scope.purposes & self.reply.purposes]
        if not touched:
            self._help()
            return []
        ended: list[Grant] = []
        for grant in touched:
            left = grant.scope.purposes - self.reply.purposes
            merchant = self.merchants[grant.merchant_id]
            sender = self.senders[grant.merchant_id]
            if not left:
                ended += self._ended([grant])
                self._answer(grant.language, "stopped", sender, merchant=merchant.name)
                continue
            address = RowKey(grant.home, grant.number)
            narrow_within(self.world, self.transaction, address, ScopeReduction(purposes=left))
            self._answer(
                grant.language,
                "narrowed",
                sender,
                gone=_purpose_list(grant.scope.purposes & self.reply.purposes, grant.language),
                left=_purpose_list(left, grant.language),
            )
        return ended

    def _decline(self) -> None:
        """Say no to every question that is open from this sender."""
        for invitation, request in self._open_questions():
            requests.record_decision(self.transaction, request.declined(self.world.clock.now()))
            invite.record_refusal(self.world, self.transaction, invitation)

    # --- more, by the consumer's own will -------------------------------------------------------

    def _agree(self) -> None:
        """Agree to the newest open question from this sender, if the operator allows that."""
        if not self.world.opt_in_by_reply:
            return
        for invitation, request in self._open_questions()[:1]:
            merchant = self.merchants[invitation.merchant_id]
            if not is_active(merchant):
                return
            language = supported_language(request.terms.locale) or self.language
            notice = invite.invitation_notice(self.world, request, merchant, language)
            less = ScopeReduction(purposes=request.terms.purposes)
            create_grant(self.world, self.transaction, request, self.inbound.number, notice, less)
            sender = self.senders[invitation.merchant_id]
            self._answer(language, "agreed", sender, merchant=merchant.name)

    def _start(self) -> None:
        """Ask, since the consumer came; or go on after a pause."""
        for merchant_id, sender in self.senders.items():
            merchant = self.merchants[merchant_id]
            own = [grant for grant in self.own if grant.merchant_id == merchant_id]
            if own:
                for grant in own:
                    if grant.status is GrantStatus.PAUSED and self.world.database.has_wishes:
                        resume_within(
                            self.world, self.transaction, RowKey(grant.home, grant.number)
                        )
                if self._may_answer(REPLY_LIMIT):
                    self._answer(own[0].language, "live", sender, merchant=merchant.name)
            elif is_active(merchant) and self.world.database.has_wishes:
                self._ask(merchant, sender)

    def _ask(self, merchant: Merchant, sender: Sender) -> None:
        """Send the question; who texted START is asked once, whatever was answered before."""
        now = self.world.clock.now()
        index = blind_index(self.inbound.number.reveal(), self.world.keyring.index)
        home = recipients.get_or_create(self.transaction, index, self.world.random.token_bytes(8))
        question = invite.terms_for_start(self.transaction, merchant, home)
        if question is None or not self._may_answer(REPLY_LIMIT):
            return
        address = RowKey.new(merchant.partition, self.world.random.token_bytes(8))
        request = ConsentRequest(
            home=address.partition,
            number=address.id,
            merchant_id=merchant.id,
            terms=question,
            created_at=now,
            expires_at=now + self.world.request_ttl,
        )
        requests.add(self.transaction, request)
        invite.record_invitation(self.world, self.transaction, request, home)
        language = supported_language(question.locale) or self.language
        text = invite.invitation_text(self.world, request, merchant, language)
        self._send(language, text, sender)

    def _open_questions(self) -> list[tuple[Invitation, ConsentRequest]]:
        """Return what this sender's merchants asked this phone and still wait to hear."""
        if self.home is None or not self.world.database.has_wishes:
            return []
        now = self.world.clock.now()
        found = invitations.resting_of(self.transaction, self.home, list(self.senders), now)
        pairs = [
            (each, requests.lock(self.transaction, each.request_key))
            for each in found
            if each.is_open
        ]
        return [
            (each, request)
            for each, request in pairs
            if request is not None and request.status_at(now) is RequestStatus.PENDING
        ]

    # --- words ----------------------------------------------------------------------------------

    def _help(self) -> None:
        if not self._may_answer(REPLY_LIMIT):
            return
        url = f"{self.world.base_url}/my"
        for grant in self.own:
            self._answer(
                grant.language,
                "help",
                self.senders[grant.merchant_id],
                merchant=self.merchants[grant.merchant_id].name,
                list=_numbered_purpose_list(grant.scope.purposes, grant.language),
                url=url,
            )
        if not self.own:
            self._answer(self.language, "help_nobody", self._any_sender, url=url)

    def _ask_back(self) -> None:
        """Ask once what was meant, if there is anything to stop."""
        if self.own and self._may_answer(CLARIFICATION_LIMIT, "asked"):
            first = self.own[0]
            merchant = self.merchants[first.merchant_id]
            sender = self.senders[first.merchant_id]
            self._answer(first.language, "unclear", sender, merchant=merchant.name)

    @property
    def _any_sender(self) -> Sender | None:
        return next(iter(self.senders.values()), None)

    def _may_answer(self, cap: FrequencyCap, what: str = "reply") -> bool:
        """Count one more answer to this phone from this sender; whether it may be sent."""
        now = self.world.clock.now()
        asked = f"{self.inbound.source}\n{self.inbound.number.reveal()}"
        key = rate_limit_key(what, asked, self.world.keyring.index)
        return try_acquire(self.transaction, key, [cap], now) == now

    def _answer(self, language: str, what: str, sender: Sender | None, **members: object) -> None:
        self._send(language, WORDS[language][what].format(**members), sender)

    def _send(self, language: str, text: str, sender: Sender | None) -> None:
        signature = sender.signature if sender else self.world.service_name
        message = compose_service_message(
            self.world,
            self.inbound.number,
            with_signature_and_opt_out(text, signature=signature, language=language, link=None),
            purpose=CONFIRMATION_PURPOSE,
            sender_id=sender.id if sender else None,
        )
        messages.enqueue(self.transaction, [message])
        line = Event(
            partition=message.key.partition,
            at=self.world.clock.now(),
            kind=EventKind.REPLY_ANSWERED,
            message_id=message.key.id,
            reason=self.reply.intent.value,
        )
        events.record(self.transaction, [line], self.world.random.token_bytes)


def _purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    names = [purpose_label(purpose, language)[0] for purpose in in_catalogue_order(purposes)]
    return (", " if language == "en" else "、").join(names)


def _numbered_purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return purposes with their places in the catalogue: the numbers of `STOP 1`."""
    places = {purpose: place for place, purpose in enumerate(Purpose, start=1)}
    names = [
        f"{places[purpose]} {purpose_label(purpose, language)[0]}"
        for purpose in in_catalogue_order(purposes)
    ]
    return (", " if language == "en" else "、").join(names)
