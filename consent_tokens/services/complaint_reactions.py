"""Complaints as reactions to a text: pacing decides by them whether more of a template leaves."""

from consent_tokens.evidence.class_disputes import YOUNG
from consent_tokens.relay.message import COMPLAINED, Message
from consent_tokens.store import grants, paced_messages
from consent_tokens.store.database import Transaction


def count_complaint(transaction: Transaction, message: Message) -> None:
    """Count a complaint about a text of a template that is paced.

    Not under a consent that was younger than a day when the text was sent: such ones can be made to
    harm a rival.
    """
    if message.pacing is None or message.grant_key is None:
        return
    grant = grants.find(transaction, message.grant_key)
    if grant is not None and message.send_at - grant.granted_at >= YOUNG:
        paced_messages.add_reaction(transaction, message.key, COMPLAINED)
