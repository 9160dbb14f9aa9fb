"""Invitations that wait, and that a no to another merchant of the control group came before."""

from collections.abc import Sequence
from datetime import datetime

from consent_tokens.policies import RelayPolicy
from consent_tokens.relay.message import INVITATION_PURPOSE, Message
from consent_tokens.row_key import RowKey
from consent_tokens.store import control_groups, invitations, merchant_consents
from consent_tokens.store.database import Transaction


def barred_invitations(
    transaction: Transaction, due: Sequence[Message], policy: RelayPolicy, now: datetime
) -> frozenset[RowKey]:
    """Return the invitations that may not leave any more (promise 12).

    The recipient has stopped or declined a merchant that is under one control with theirs, within
    the cooldown: since they were accepted, or before and the two were joined since. No statement if
    none is due.
    """
    stops_since = now - policy.invitation_cooldown
    invited = [each for each in due if each.purpose == INVITATION_PURPOSE]
    sisters = {
        merchant_id: set(control_groups.members(transaction, merchant_id)) - {merchant_id}
        for merchant_id in {each.merchant_id or "" for each in invited}
    }
    return frozenset(
        each.key
        for each in invited
        if _is_barred(transaction, each, sisters[each.merchant_id or ""], stops_since, now)
    )


def _is_barred(
    transaction: Transaction,
    message: Message,
    sisters: set[str],
    stops_since: datetime,
    now: datetime,
) -> bool:
    partition = message.key.partition
    if not sisters:
        return False
    stopped_at = merchant_consents.last_stop(transaction, partition, sisters)
    if stopped_at is not None and stopped_at > stops_since:
        return True
    return any(
        not each.is_open or each.invited_at < message.accepted_at
        for each in invitations.resting_of(transaction, partition, sisters, now)
    )
