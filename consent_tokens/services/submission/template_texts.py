"""The texts of submitted messages: free, or of a template; and how many each event had."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from consent_tokens.crypto.keyed_hashes import event_hash
from consent_tokens.crypto.keys import IndexKey
from consent_tokens.relay.case import EventUse, TemplateUse
from consent_tokens.relay.templates.fill import FilledText, fill
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.store import messages, templates
from consent_tokens.store.database import Transaction


class TemplateCall(Struct, frozen=True):
    """The template that a message names, and the values of its variables."""

    id: str
    variables: Mapping[str, str]


class MessageEvent(Struct, frozen=True):
    """What happened, for which a message is sent: an order, a parcel, a booking.

    `step` says which step of it, for the merchant; it makes no other event of it.
    """

    type: str
    id: str
    step: str | None = None


class PreparedText(Struct, frozen=True):
    """The text of a message, with what the decision needs to know of template and event."""

    text: str
    use: TemplateUse | None = None
    event: EventUse | None = None
    event_hash: int | None = None  # stored only for a text of a template
    filled: FilledText | None = None


@dataclass(slots=True)
class TemplateTexts:
    """The templates that the messages of one transaction name, and the texts of their events."""

    templates: Mapping[str, Template]
    events: Mapping[tuple[RowKey, MessageEvent], RowKey]  # by grant: partition and event hash
    texts: Counter[tuple[RowKey, str]]  # by (partition and event hash, template id)

    @classmethod
    def load(
        cls,
        transaction: Transaction,
        key: IndexKey,
        named: Sequence[tuple[TemplateCall, MessageEvent | None, RowKey | None]],
    ) -> "TemplateTexts":
        """Read templates and counts for messages that name a template, with event and grant.

        One statement each; none if no message names any. The caller holds the grants' locks.
        """
        if not named:
            return cls({}, {}, Counter())
        events = {
            (grant, event): RowKey(grant.partition, event_hash(grant, event.type, event.id, key))
            for _, event, grant in named
            if event and grant
        }
        return cls(
            templates.for_relay(transaction, {call.id for call, _, _ in named}),
            events,
            Counter(messages.texts_of_events(transaction, set(events.values()))),
        )

    def prepare(
        self,
        merchant_id: str,
        call: TemplateCall,
        event: MessageEvent | None,
        *,
        grant: RowKey | None,
        link_domains: frozenset[str],
    ) -> PreparedText:
        """Fill in the template of a message; the text is empty where that cannot be done."""
        template = self.templates.get(call.id)
        if template is None or template.merchant_id != merchant_id:
            return PreparedText("", TemplateUse(None))
        event_id = event.id if event else None
        filled = fill(template, call.variables, link_domains=link_domains, event_id=event_id)
        hashed, use_of_event = None, None
        if event and grant:
            key = self.events[grant, event]
            hashed, use_of_event = key.id, EventUse(event.type, self.texts[key, template.id])
        if isinstance(filled, FilledText):
            use = TemplateUse(template)
            return PreparedText(filled.text, use, use_of_event, hashed, filled)
        return PreparedText("", TemplateUse(template, filled), use_of_event, hashed)

    def count(self, grant: RowKey, prepared: PreparedText) -> None:
        """Count an accepted text for its event."""
        template = prepared.use.template if prepared.use else None
        if template is not None and prepared.event_hash is not None:
            self.texts[RowKey(grant.partition, prepared.event_hash), template.id] += 1
