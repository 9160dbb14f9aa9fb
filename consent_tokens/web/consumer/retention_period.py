"""For how long a kind of data is kept, in words."""

from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.consent.scope import MINUTES_PER_DAY
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.retention.kinds import Kind


def how_long(kind: Kind, policy: ConsentPolicy) -> str:
    """Return for how long a kind is kept: days, hours or minutes, and from when on."""
    period = kind.kept_for(policy)
    if period is None:
        return str(_(kind.since))
    minutes = int(period.total_seconds()) // 60
    if minutes % MINUTES_PER_DAY == 0:
        length = ngettext("%(n)s day", "%(n)s days", period.days, n=period.days)
    elif minutes % 60 == 0:
        length = ngettext("%(n)s hour", "%(n)s hours", minutes // 60, n=minutes // 60)
    else:
        length = ngettext("%(n)s minute", "%(n)s minutes", minutes, n=minutes)
    return str(_("%(length)s %(since)s", length=length, since=_(kind.since)))
