"""Assess what a consumer reports: a recorded message, or a pasted text.

Pasted texts are matched by keyed fingerprint of number, sender and text.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.evidence.as_marketing import Findings
from consent_tokens.evidence.complaints import (
    ComplaintReason,
    ComplaintStatus,
    Verdict,
    comparable_sender,
    comparable_text,
)
from consent_tokens.relay.message import Message
from consent_tokens.services.class_disputes import (
    findings_when_filed,
    initial_status,
    verdict_on_class,
)
from consent_tokens.services.consents.sent_texts import verdict_on
from consent_tokens.services.outbox.sent_text_fingerprints import fingerprint_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    erased_texts,
    fingerprints,
    messages,
    recipients,
    retention,
    senders,
)
from consent_tokens.store.database import Transaction

MATCH_WINDOW: Final = timedelta(days=2)  # between the reported and the recorded time of a message
RECORDS_OF_SENDING: Final = ("sent_texts", "erased_texts")  # kinds that tell what was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedText:
    """A text message as the consumer's phone shows it."""

    sender: str  # as `comparable_sender` returns it
    text: str
    at: datetime  # as the consumer remembers it


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The verdict on a message or pasted text, and what the complaint's row takes from it."""

    verdict: Verdict
    merchant_id: str | None
    partition: int
    sent_at: datetime
    template_id: str | None = None
    status: ComplaintStatus = ComplaintStatus.RECEIVED
    as_marketing: Findings | None = None


def assess(
    transaction: Transaction, message: Message, reason: ComplaintReason, template_id: str | None
) -> Assessment:
    """Assess a recorded message; `template_id` is that of the template put in question."""
    by_records = verdict_on(transaction, message)
    verdict = verdict_on_class(transaction, by_records, message, reason)
    return Assessment(
        verdict=verdict,
        template_id=template_id,
        as_marketing=findings_when_filed(transaction, verdict, message),
        status=initial_status(transaction, verdict, template_id),
        merchant_id=message.merchant_id,
        partition=message.key.partition,
        sent_at=message.send_at,
    )


def assess_without_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Assessment:
    """Assess a pasted text whose message was erased or deleted, or never existed."""
    with_source = senders.with_source(transaction, pasted.sender)
    found = senders.latest_owners(with_source, runtime.clock.now())
    partition = recipients.find(transaction, runtime.blind_index(number))
    if found:
        verdict = _verdict_without_message(runtime, transaction, number, pasted)
    elif pasted.sender.casefold() == comparable_sender(runtime.service.sender).casefold():
        verdict = Verdict.OWN_SENDER
    else:
        verdict = Verdict.NOT_THROUGH_US
    return Assessment(
        verdict=verdict,
        merchant_id=found[0].merchant_id if found else None,
        partition=runtime.new_partition() if partition is None else partition,
        sent_at=pasted.at,
    )


def _verdict_without_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Verdict:
    """Return the verdict on a text of an admitted sender of which no message is recorded.

    That there was no consent is said only of a time whose records are all still there.
    """
    since, until = pasted.at - MATCH_WINDOW, pasted.at + MATCH_WINDOW
    fingerprint = _fingerprint(runtime, number, pasted)
    erased = erased_texts.find(
        transaction, fingerprint, since=start_of_day(since), until=start_of_day(until)
    )
    if erased:
        return min(erased, key=lambda each: abs(each.sent_on - pasted.at)).verdict
    if fingerprints.find(transaction, fingerprint, since=since, until=until):
        return Verdict.RECORDS_GONE  # the text was sent, but its message is deleted
    deleted = (retention.deleted_before(transaction, kind) for kind in RECORDS_OF_SENDING)
    if any(before is not None and since < before for before in deleted):
        return Verdict.RECORDS_GONE
    return Verdict.NO_CONSENT


def find_message(
    runtime: Runtime, transaction: Transaction, number: PhoneNumber, pasted: PastedText
) -> Message | None:
    """Return the recorded message that matches a pasted text; of several the nearest in time."""
    matches = fingerprints.find(
        transaction,
        _fingerprint(runtime, number, pasted),
        since=pasted.at - MATCH_WINDOW,
        until=pasted.at + MATCH_WINDOW,
    )
    if not matches:
        return None
    key, _sent_at = min(matches, key=lambda match: abs(match[1] - pasted.at))
    return messages.find(transaction, key)


def _fingerprint(runtime: Runtime, number: PhoneNumber, pasted: PastedText) -> bytes:
    return fingerprint_of(runtime, number, pasted.sender, comparable_text(pasted.text))
