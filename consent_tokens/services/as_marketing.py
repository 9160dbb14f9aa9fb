"""Judge a disputed text as marketing, by what is known of the time when it was sent.

Preferences are overwritten: whether it was a quiet period is found when the complaint is filed.
Consents have a history: hours and cap are found when the class is decided.
"""

from consent_tokens.evidence.as_marketing import Finding, Findings, judge_by_consent
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.message import Message, Priority
from consent_tokens.store import events, grants, messages, preferences, retention
from consent_tokens.store.database import Transaction


def find_quiet(transaction: Transaction, message: Message) -> Findings:
    """Return whether a text came in a quiet period of its recipient, or that nobody knows.

    A quiet period never begins before it is set, so one that covers the text was there; one that
    was ended or is over is deleted.
    """
    partition, sent_at = message.key.partition, message.send_at
    if preferences.find(transaction, partition).is_quiet_at(sent_at):
        return (Finding.QUIET_PERIOD,)
    changed_at = events.last_of_kind(transaction, partition, EventKind.PREFERENCES_CHANGED)
    if changed_at is None:
        return ()
    deleted_before = retention.deleted_before(transaction, "quiet_periods")
    is_unknown = changed_at >= sent_at or (deleted_before is not None and deleted_before > sent_at)
    return (Finding.QUIET_UNKNOWN,) if is_unknown else ()


def judge(transaction: Transaction, message: Message, quiet: Findings) -> Findings | None:
    """Return what a text broke as marketing, after what is known of quiet periods.

    None if its consent is not recorded any more.
    """
    grant = grants.find(transaction, message.grant_key) if message.grant_key else None
    if grant is None:
        return None
    scope = grants.scope_at(transaction, grant, message.send_at)
    since = message.send_at - scope.frequency_cap.window
    sends = messages.counted_sends(transaction, [grant.key], since)().get(grant.key, [])
    place = message.send_at, message.key.id
    earlier = [
        each.send_at
        for each in sends
        if each.priority is Priority.MARKETING
        and each.is_submitted
        and (each.send_at, each.message_id) < place
    ]
    return (*judge_by_consent(scope, message.send_at, earlier), *quiet)
