"""A consumer reports a message, and is told at once what the records say of it.

From the link in a message, or by pasting any text after a one-time code: then the message is found
by a keyed fingerprint of number, sender and text, which says nothing to whoever lacks the key.
What the consumer writes and shows lies enclosed: it may hold anything, a number too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import Cap
from consent_tokens.crypto.keyed_hashes import blind_index, limit_key, number_of
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import Address, new_home
from consent_tokens.crypto.sealing import disclose, enclose
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError, TooManyError
from consent_tokens.evidence.complaints import (
    FOLLOW_DIGITS,
    MOST_SAID,
    ComplaintState,
    Verdict,
    Why,
    essence,
    weigh,
)
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.relay.message import Message
from consent_tokens.services.number_verification import Secret, prove
from consent_tokens.services.outbox.fingerprints import print_of
from consent_tokens.services.rate_limits import hit
from consent_tokens.store import (
    complaints,
    events,
    fingerprints,
    grants,
    merchants,
    messages,
    recipients,
)
from consent_tokens.store.complaints import Complaint
from consent_tokens.store.database import Transaction

ABOUT: Final = "report"  # what a one-time code for a pasted text is for
NEAR: Final = timedelta(days=2)  # between the time that a consumer gives and the one we recorded
EACH_DAY: Final = Cap(10, timedelta(days=1))  # pasted texts that one number may report
MOST_PICTURE: Final = 1024 * 1024  # bytes
PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # PNG, JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """A text as the consumer's phone shows it."""

    sender: str  # digits
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Filed:
    """A complaint, and the number by which it is followed."""

    number: str
    complaint: Complaint


def complain_of(world: World, message: Message, why: Why) -> Filed:
    """File a complaint about the message behind a link; about one message it counts once."""
    _need_tables(world)

    def deed(transaction: Transaction) -> Filed:
        return _file(world, transaction, why, message=message, about=_about(transaction, message))

    return world.store.run(deed)


def complain_pasted(
    world: World, secret: Secret | None, code: str, pasted: Pasted, why: Why
) -> Filed | None:
    """File a complaint about a pasted text, once the code proves the number; None if it does not.

    Raises TooManyError when a number has reported too many today.
    """
    _need_tables(world)

    def deed(transaction: Transaction) -> Filed | None:
        number = prove(world, transaction, secret, about=ABOUT, code=code)
        if number is None:
            return None
        _count(world, transaction, number)
        message = _found(world, transaction, number, pasted)
        if message is not None:
            about = _about(transaction, message)
            return _file(world, transaction, why, message=message, about=about)
        senders = merchants.senders_at(transaction, pasted.sender)
        index = blind_index(number.reveal(), world.keyring.index)
        home = recipients.find(transaction, index)
        about = _About(
            verdict=Verdict.NO_CONSENT if senders else Verdict.NOT_THROUGH_US,
            merchant_id=senders[0].merchant_id if senders else None,
            home=new_home(world.chance.draw(8)) if home is None else home,
            sent=pasted.at,
        )
        return _file(world, transaction, why, message=None, about=about)

    return world.store.run(deed)


def follow(world: World, number: str) -> Complaint:
    """Return the complaint with that number. Raises NotFoundError."""
    digits = "".join(letter for letter in number if letter.isdigit())
    key = limit_key("complaint", digits, world.keyring.index)

    def question(transaction: Transaction) -> Complaint | None:
        return complaints.followed(transaction, key)

    is_one = len(digits) == FOLLOW_DIGITS and world.store.has_wishes
    found = world.store.read(question) if is_one else None
    if found is None:
        raise NotFoundError("no complaint of that number")
    return found


def say_more(world: World, complaint: Complaint, said: str, picture: bytes) -> None:
    """Add the consumer's own words and a picture, once each. Raises InvalidError."""
    said = said.strip()
    if len(said) > MOST_SAID:
        raise InvalidError({"said": ["too_long"]})
    if picture and (len(picture) > MOST_PICTURE or not picture.startswith(PICTURES)):
        raise InvalidError({"picture": ["not_a_picture"]})
    words = _enclosed(world, complaint.address, said.encode()) if said else None
    shown = _enclosed(world, complaint.address, picture) if picture else None
    world.store.run(
        lambda transaction: complaints.put_more(
            transaction,
            complaint.address,
            said=None if complaint.said else words,
            picture=None if complaint.picture else shown,
        )
    )


def what_was_said(world: World, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's own words and picture, for the operator."""
    bound = _binding(world, complaint.address)
    said, picture = (
        disclose(each, world.keyring.unwrapping, bound_to=bound) if each else b""
        for each in (complaint.said, complaint.picture)
    )
    return said.decode(), picture


def decide_complaint(world: World, handle: str, state: ComplaintState) -> Complaint:
    """Record the operator's decision. Raises NotFoundError, ConflictError if it was decided."""
    address = world.keyring.handles.complaint.find(handle)
    now = world.clock.now()

    def deed(transaction: Transaction) -> Complaint:
        found = complaints.find(transaction, address) if address else None
        if found is None:
            raise NotFoundError("no complaint of that id")
        if found.state not in {ComplaintState.RECEIVED, ComplaintState.IN_REVIEW}:
            raise ConflictError("this complaint was decided")
        complaints.put_state(transaction, found.address, state, now)
        line = Event(
            home=found.address.home,
            at=now,
            kind=Kind.COMPLAINT_DECIDED,
            merchant_id=found.merchant_id,
            grant=found.grant_number,
            message=found.message_number,
            code=state.value,
        )
        events.record(transaction, [line], world.chance.draw)
        return replace(found, state=state, changed=now)

    return world.store.run(deed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a complaint is about, as far as the records know."""

    verdict: Verdict
    merchant_id: str | None
    home: int
    sent: datetime


def _about(transaction: Transaction, message: Message) -> _About:
    grant = grants.find(transaction, message.grant) if message.grant else None
    verdict = Verdict.NO_CONSENT
    if grant is not None:
        verdict = weigh(message, grants.scope_at(transaction, grant, message.leaves))
    return _About(
        verdict=verdict,
        merchant_id=message.merchant_id,
        home=message.address.home,
        sent=message.leaves,
    )


def _file(
    world: World,
    transaction: Transaction,
    why: Why,
    *,
    message: Message | None,
    about: _About,
) -> Filed:
    if message and (before := complaints.about(transaction, message.address)):
        return Filed(_number(world, before.address), before)
    now = world.clock.now()
    address = Address.at(about.home, world.chance.draw(8))
    number = _number(world, address)
    complaint = Complaint(
        address=address,
        follow=limit_key("complaint", number, world.keyring.index),
        merchant_id=about.merchant_id,
        grant_number=message.grant_number if message else None,
        message_number=message.address.number if message else None,
        purpose=message.purpose if message else None,
        sent=about.sent,
        why=why,
        verdict=about.verdict,
        state=ComplaintState.RECEIVED,
        at=now,
        changed=now,
    )
    complaints.add(transaction, complaint)
    line = Event(
        home=address.home,
        at=now,
        kind=Kind.COMPLAINT_FILED,
        merchant_id=about.merchant_id,
        grant=complaint.grant_number,
        message=complaint.message_number,
        code=why.value,
    )
    events.record(transaction, [line], world.chance.draw)
    return Filed(number, complaint)


def _found(
    world: World, transaction: Transaction, number: PhoneNumber, pasted: Pasted
) -> Message | None:
    """Return the message that the pasted text was, of several the one nearest in time."""
    digest = print_of(world, number, pasted.sender, essence(pasted.text))
    left = fingerprints.find(transaction, digest, since=pasted.at - NEAR, until=pasted.at + NEAR)
    if not left:
        return None
    address, _ = min(left, key=lambda each: abs(each[1] - pasted.at))
    return messages.find(transaction, address)


def _count(world: World, transaction: Transaction, number: PhoneNumber) -> None:
    now = world.clock.now()
    key = limit_key("reports", number.reveal(), world.keyring.index)
    again = hit(transaction, key, [EACH_DAY], now)
    if again != now:
        raise TooManyError(int((again - now).total_seconds()))


def _number(world: World, address: Address) -> str:
    """Return the number by which a complaint is followed: computed, so it need not be kept."""
    return number_of(f"{address.home} {address.number}", FOLLOW_DIGITS, world.keyring.index)


def _enclosed(world: World, address: Address, plaintext: bytes) -> bytes:
    return enclose(
        plaintext,
        GrantKey(world.chance.draw(32)),
        world.keyring.wrapping,
        bound_to=_binding(world, address),
        nonce=world.chance.draw(12),
    )


def _binding(world: World, address: Address) -> bytes:
    return f"complaint\n{world.keyring.handles.complaint.hide(address)}".encode()


def _need_tables(world: World) -> None:
    if not world.store.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
