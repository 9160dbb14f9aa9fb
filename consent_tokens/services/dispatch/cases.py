"""The cases of leased messages: each is decided again, with grant and merchant as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from consent_tokens.consent.preferences import NO_PREFERENCES
from consent_tokens.consent.scope import SendWindow, invitation_window
from consent_tokens.policies import RelayPolicy, ServiceIdentity
from consent_tokens.relay.alike import AlikeCases, terms_of
from consent_tokens.relay.case import Case, TemplateUse, limits_of
from consent_tokens.relay.checks import decide, decide_invitation
from consent_tokens.relay.composition import Coding, ComposedText
from consent_tokens.relay.decision import Decision, class_of
from consent_tokens.relay.message import INVITATION_PURPOSE, Message, Priority
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant, is_active
from consent_tokens.store.senders import Sender

NO_TEXT: Final = ComposedText(Coding.GSM7, (b"",))  # the text was checked at acceptance


class DecidedCase(NamedTuple):
    """A case, the decision on it, and the cases of the round that are like it."""

    case: Case
    decision: Decision
    alike: AlikeCases | None = None


@dataclass(slots=True, kw_only=True)
class LeasedCases:
    """What the cases of one round are made of."""

    service: ServiceIdentity
    policy: RelayPolicy
    rule_set: RuleSet
    merchants: Mapping[str, Merchant]
    templates: Mapping[tuple[str, int], Template]  # by id and version
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    preferences: PreferenceSnapshot
    now: datetime
    _alike: dict[tuple[object, ...], AlikeCases] = field(default_factory=dict)

    def decide(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> DecidedCase:
        """Return the case of a message, as those before it count, and the decision on it."""
        if message.purpose == INVITATION_PURPOSE:
            case = self._new(message, key, locked, sender)
            return DecidedCase(case, decide_invitation(case))
        if locked is None or self.preferences.preferences_of(key) is not NO_PREFERENCES:
            case = self._new(message, key, locked, sender)
            return DecidedCase(case, decide(case))
        likeness = _likeness(message, locked, sender)
        alike = self._alike.get(likeness)
        if alike is None:
            case = self._new(message, key, locked, sender)
            alike = self._alike[likeness] = AlikeCases.of(case)
        else:
            case = alike.case_of(
                None,
                locked.grant,
                counted_sends=self.counted_sends[key, message.priority],
                marketing_sends=self.preferences.marketing_sends_of(key),
                is_held_back=False,
                is_dropped=False,
                plans=(),
            )
        return DecidedCase(case, alike.decide(case), alike)

    def count(self, message: Message, key: RowKey) -> None:
        """Count a message that leaves now."""
        self.counted_sends[key, message.priority].append(self.now)
        self.preferences.count(key, message.priority, self.now)

    def _new(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> Case:
        merchant_id = message.merchant_id or ""
        merchant = self.merchants.get(merchant_id)
        purpose_class = class_of(message.purpose)
        return Case(
            merchant_id=merchant_id,
            is_merchant_active=is_active(merchant, self.service),
            classes=merchant.usable_classes if merchant else frozenset(),
            named_purposes=merchant.purposes if merchant else frozenset(),
            has_sender=sender is not None and sender.is_usable(purpose_class, self.now),
            is_demonstration=merchant is not None and merchant.is_demonstration,
            template=self._template_use(message),
            token=None,  # verified when the message was accepted
            grant=locked.grant if locked else None,
            purpose=message.purpose,
            text="",  # checked when the message was accepted
            composed=NO_TEXT,
            max_segments=self.policy.max_segments,
            counted_sends=self.counted_sends[key, message.priority],
            transactional_cap=self.policy.transactional_frequency_cap,
            not_before=self.now,
            valid_until=message.valid_until,
            now=self.now,
            preferences=self.preferences.preferences_of(key),
            marketing_sends=self.preferences.marketing_sends_of(key),
            more_windows=_invitation_windows(message, locked),
            limits=limits_of(
                self.rule_set,
                message.purpose,
                locked.grant if locked else None,
                self.now,
                is_demonstration=merchant is not None and merchant.is_demonstration,
            ),
        )

    def _template_use(self, message: Message) -> TemplateUse | None:
        """Return the version of the template that the text was made of, as it is now."""
        if message.template_id is None:
            return None
        version = message.template_id, message.template_version or 0
        return TemplateUse(self.templates.get(version))


def _likeness(message: Message, locked: LockedGrant, sender: Sender | None) -> tuple[object, ...]:
    """Return what is the same of messages whose cases are alike."""
    return (
        message.merchant_id,
        message.purpose,
        sender.id if sender else None,
        message.template_id,
        message.template_version,
        message.valid_until,
        *terms_of(None, locked.grant),
    )


def _invitation_windows(message: Message, locked: LockedGrant | None) -> tuple[SendWindow, ...]:
    """Return the hours of invitations; they were found to overlap when it was accepted."""
    if message.purpose != INVITATION_PURPOSE or locked is None:
        return ()
    return (invitation_window(locked.grant.scope.send_window),)
