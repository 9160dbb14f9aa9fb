"""What a consumer adds to a complaint, all sealed: own words, a picture, and the text itself.

No operator sees a text that was reported, unless its consumer shows it: that one, to whoever
decides about this complaint.
"""

from dataclasses import dataclass

from consent_tokens.errors import InvalidError
from consent_tokens.evidence.complaints import MAX_STATEMENT_LENGTH, Complaint
from consent_tokens.evidence.events import EventKind, complaint_event
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.actors import Action, Actor, may
from consent_tokens.services.pictures import NotAPictureError, reencode
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import complaints, messages
from consent_tokens.store.database import Transaction

ORDERED, NOT_ORDERED, TEXT_SHOWN = "ordered", "not_ordered", "text_shown"  # reasons in events


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the consumer of a disputed text says of it, all of it optional."""

    has_ordered: bool | None = None  # from the merchant, as the text says
    shows_text: bool = False


def add_statement(runtime: Runtime, complaint: Complaint, statement: str, picture: bytes) -> None:
    """Add the consumer's statement and picture; neither can be replaced once it is there.

    A picture is encoded anew, without metadata.

    Raises InvalidError naming the form field.
    """
    statement = statement.strip()
    if len(statement) > MAX_STATEMENT_LENGTH:
        raise InvalidError({"said": ["too_long"]})
    try:
        picture = reencode(picture) if picture else b""
    except NotAPictureError:
        raise InvalidError({"picture": ["not_a_picture"]}) from None
    sealed_statement = _seal(runtime, complaint.key, statement.encode()) if statement else None
    sealed_picture = _seal(runtime, complaint.key, picture) if picture else None
    runtime.database.run(
        lambda transaction: complaints.add_statement(
            transaction,
            complaint.key,
            statement=None if complaint.statement else sealed_statement,
            picture=None if complaint.picture else sealed_picture,
        )
    )


def read_statement(runtime: Runtime, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's statement and picture, for the operator; empty if there is none."""
    associated_data = _associated_data(runtime, complaint.key)
    statement, picture = (
        runtime.open_envelope(each, associated_data) if each else b""
        for each in (complaint.statement, complaint.picture)
    )
    return statement.decode(), picture


def read_statement_as(runtime: Runtime, actor: Actor, complaint: Complaint) -> tuple[str, bytes]:
    """Return the consumer's statement and picture, and record who read them.

    Empty if there are none, or if the actor does not decide on complaints.
    """
    if not may(actor, Action.UPHOLD_DISPUTE):
        return "", b""
    statement, picture = read_statement(runtime, complaint)
    if statement:
        record_reading(runtime, actor, complaint, "statement")
    if picture:
        record_reading(runtime, actor, complaint, "picture")
    return statement, picture


def record_reading(
    runtime: Runtime, actor: Actor, complaint: Complaint, what: str | None = None
) -> None:
    """Record who read what of a complaint: `statement`, `picture`, or the text that was shown."""
    now = runtime.clock.now()
    event = complaint_event(complaint, EventKind.COMPLAINT_TEXT_READ, now, what, actor=actor.id)
    runtime.database.run(lambda transaction: runtime.record(transaction, event))


def has_text(runtime: Runtime, complaint: Complaint) -> bool:
    """Whether the text that a complaint is about is still stored, so that it can be shown."""
    found = runtime.database.read(lambda transaction: _message(transaction, complaint))
    return found is not None and found.text is not None


def answer(runtime: Runtime, complaint: Complaint, answers: Answers) -> bool:
    """Save what the consumer says of a disputed text; return whether anything was new.

    A text that is shown is kept, sealed, as long as the complaint. Nothing is replaced, and nothing
    is saved once the class was decided, or if the text is deleted already.
    """

    def work(transaction: Transaction) -> bool:
        found = complaints.find(transaction, complaint.key)
        if found is None or not found.may_show_text:
            return False
        has_ordered = answers.has_ordered if found.has_ordered is None else None
        shown = _sealed_text(runtime, transaction, found) if answers.shows_text else None
        if has_ordered is None and shown is None:
            return False
        complaints.add_answers(transaction, found.key, has_ordered=has_ordered, shown_text=shown)
        said = [] if has_ordered is None else [ORDERED if has_ordered else NOT_ORDERED]
        said += [TEXT_SHOWN] if shown else []
        now = runtime.clock.now()
        event = complaint_event(found, EventKind.COMPLAINT_ANSWERED, now, " ".join(said))
        runtime.record(transaction, event)
        return True

    return runtime.database.run(work)


def _sealed_text(runtime: Runtime, transaction: Transaction, complaint: Complaint) -> bytes | None:
    message = _message(transaction, complaint)
    if complaint.shown_text or message is None or message.text is None:
        return None
    return runtime.seal_envelope(message.text.encode(), _text_data(runtime, complaint.key))


def _message(transaction: Transaction, complaint: Complaint) -> Message | None:
    if complaint.message_id is None:
        return None
    return messages.find(transaction, RowKey(complaint.key.partition, complaint.message_id))


def read_shown_text(runtime: Runtime, actor: Actor, complaint: Complaint) -> str | None:
    """Return the text that a consumer showed, and record who read it.

    None if it was not shown, or if the actor does not decide on such complaints.
    """
    sealed = complaint.shown_text
    if sealed is None or not may(actor, Action.UPHOLD_DISPUTE):
        return None
    text = runtime.open_envelope(sealed, _text_data(runtime, complaint.key)).decode()
    record_reading(runtime, actor, complaint)
    return text


def _seal(runtime: Runtime, key: RowKey, plaintext: bytes) -> bytes:
    return runtime.seal_envelope(plaintext, _associated_data(runtime, key))


def _associated_data(runtime: Runtime, key: RowKey) -> bytes:
    return f"complaint statement\n{runtime.ids.complaint.encode(key)}".encode()


def _text_data(runtime: Runtime, key: RowKey) -> bytes:
    return f"complaint text\n{runtime.ids.complaint.encode(key)}".encode()
