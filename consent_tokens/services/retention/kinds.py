"""The kinds of data that the database holds: how long each is kept, from when on, and why.

This is the one table of retention. What deletes (`sweep`), what reports (`report`), the page
`/privacy` and the table in docs/data-model.md are made from it; a test fails if it leaves out a
table of the database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.consent.one_time_code import CODE_LIFETIME
from consent_tokens.consent.request import TOKEN_RETRIEVAL_PERIOD
from consent_tokens.localization import N_
from consent_tokens.policies import ConsentPolicy
from consent_tokens.relay.message import MAX_VALIDITY
from consent_tokens.services.consumer_sessions import SESSION_LIFETIME
from consent_tokens.services.idempotency import RESPONSE_TTL
from consent_tokens.services.webhooks import RETENTION as WEBHOOK_RETENTION

SHORTEST: Final = "PIPL 19"  # no longer than the purpose needs
PROOF: Final = "PIPL 14, 17; Civil Code 188"  # consent can be proved until claims are barred
SENDING: Final = "MIIT Order 74"  # records of sending and refusing: at least six months
SENDING_AFTER_ERASURE: Final = f"{SENDING}; PIPL 47"  # and only stored, where it must be
CHOICE: Final = "PIPL 15, 44"  # a no, or a limit, has to be remembered to be honoured

LOCK_RETENTION: Final = timedelta(days=1)  # a lock is held for milliseconds
VALUE_COUNT_RETENTION: Final = timedelta(days=90)  # a value that is abused is repeated sooner
SEGMENT_RETENTION: Final = MAX_VALIDITY * 2  # no report comes that late

ROLLUP_RETENTION: Final = timedelta(days=400)  # so that a day can be compared with last year's

Period = Callable[[ConsentPolicy], timedelta]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of data.

    `period` is None for what another row holds in place, or its consumer or operator deletes.
    `what` and `since` are msgids where the page shows them; `is_own_time` says that the row itself
    holds when it is due. `after_erasure` is a msgid of what is left after an erasure of a
    recipient's data; empty where nothing is.
    """

    name: str
    tables: tuple[str, ...]
    what: str
    since: str
    basis: str
    period: Period | None = None
    is_own_time: bool = False
    is_on_page: bool = True  # on /privacy: it is about a consumer
    after_erasure: str = ""

    def kept_for(self, policy: ConsentPolicy) -> timedelta | None:
        """Return how long this kind is kept after `since`; None if no fixed time ends it."""
        return self.period(policy) if self.period else None


def _texts(policy: ConsentPolicy) -> timedelta:
    return policy.retention.texts


def _records(policy: ConsentPolicy) -> timedelta:
    return policy.retention.records


def _proof(policy: ConsentPolicy) -> timedelta:
    return policy.retention.proof


def _cooldown(policy: ConsentPolicy) -> timedelta:
    return policy.invitation_cooldown


def _requests(policy: ConsentPolicy) -> timedelta:
    """Return how long a request is kept: a no bars the next one during the cooldown."""
    return max(policy.retention.records, policy.invitation_cooldown)


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="one_time_codes",
        tables=("challenges",),
        what=N_("A one-time code, as a keyed hash; your number, sealed by a key in your browser"),
        since=N_("after the code was sent"),
        basis=SHORTEST,
        period=lambda _policy: CODE_LIFETIME,
    ),
    Kind(
        name="rate_limits",
        tables=("rate_limits",),
        what=N_("Counters against misuse, under a keyed hash of your number or internet address"),
        since=N_("until they no longer count"),
        basis=SHORTEST,
        is_own_time=True,
    ),
    Kind(
        name="sessions",
        tables=("consumer_sessions",),
        what=N_("That you are signed in"),
        since=N_("after your last visit"),
        basis=SHORTEST,
        period=lambda _policy: SESSION_LIFETIME,
    ),
    Kind(
        name="message_texts",
        tables=("messages",),
        what=N_("What a text said"),
        since=N_("after it was sent"),
        basis=SHORTEST,
        period=_texts,
    ),
    Kind(
        name="campaigns",
        tables=("campaigns", "campaign_parts"),
        what=N_("A file of texts that a shop wants to send, sealed; each text only until it is "
                "handed over"),
        since=N_("after the file was last used"),
        basis=SHORTEST,
        period=_texts,
    ),
    Kind(
        name="messages",
        tables=("messages", "events"),
        what=N_("That a shop's text was sent to you or refused, and when"),
        since=N_("after it was sent or refused; while you have reported it, as long as the report"),
        basis=SENDING,
        period=_records,
        after_erasure=N_(
            "That texts were sent or refused, and when, without their words"
        ),
    ),
    Kind(
        name="sent_texts",
        tables=("fingerprints",),
        what=N_("A keyed hash of number, sender and words, to recognise a text that you report"),
        since=N_("after it was sent"),
        basis=SENDING,
        period=_records,
    ),
    Kind(
        name="message_links",
        tables=("message_links",),
        what=N_("A keyed hash of the link in a text, to find the text when you open the link"),
        since=N_("until the link ends, 180 days after the text was accepted"),
        basis=SHORTEST,
        is_own_time=True,
    ),
    Kind(
        name="erased_texts",
        tables=("erased_texts",),
        what=N_(
            "The same hash after “Delete my data”: it answers who shows us that text, and leads to "
            "nothing else"
        ),
        since=N_("after it was sent"),
        basis=SENDING_AFTER_ERASURE,
        period=_records,
        after_erasure=N_(
            "A keyed hash of each text, to recognise it if it is reported"
        ),
    ),
    Kind(
        name="complaints",
        tables=("complaints",),
        what=N_("Your reports, with what you added: your words, a picture, the text itself"),
        since=N_("after the last change"),
        basis=SENDING,
        period=_records,
        after_erasure=N_(
            "That a text was reported and why, without words and picture"
        ),
    ),
    Kind(
        name="events",
        tables=("events",),
        what=N_(
            "That other things happened: a code was sent, a setting was changed, a text refused"
        ),
        since=N_("after it happened"),
        basis=SENDING,
        period=_records,
        after_erasure=N_(
            "That other things happened, such as that a code was sent"
        ),
    ),
    Kind(
        name="consents",
        tables=("grants", "notices", "grant_changes", "pauses", "receipts", "consent_requests",
                "events"),
        what=N_("Your consents: the words that you agreed to, every change, and the receipts"),
        since=N_("after the consent ended"),
        basis=PROOF,
        period=_proof,
        after_erasure=N_(
            "That there were consents, what they said, and when they ended"
        ),
    ),
    Kind(
        name="tokens",
        tables=("consent_requests",),
        what=N_("The proof of your yes, sealed, until the shop fetches it"),
        since=N_("after your yes"),
        basis=SHORTEST,
        period=lambda _policy: TOKEN_RETRIEVAL_PERIOD,
    ),
    Kind(
        name="requests",
        tables=("consent_requests",),
        what=N_("Questions of shops that nobody said yes to"),
        since=N_("after the question closed"),
        basis=CHOICE,
        period=_requests,
    ),
    Kind(
        name="invitations",
        tables=("invitations",),
        what=N_("That a shop invited you by text, so that it does not do so again"),
        since=N_("after the invitation, or after your no"),
        basis=CHOICE,
        period=_cooldown,
        is_own_time=True,
    ),
    Kind(
        name="stops",
        tables=("merchant_consents",),
        what=N_("That you stopped a shop, so that it does not invite you again"),
        since=N_("after you stopped it"),
        basis=CHOICE,
        period=_cooldown,
    ),
    Kind(
        name="quiet_periods",
        tables=("preferences",),
        what=N_("Your quiet periods"),
        since=N_("until it is over"),
        basis=CHOICE,
        is_own_time=True,
    ),
    Kind(
        name="journal",
        tables=("journal_entries", "waiting_entries", "journal_outbox"),
        what=N_(
            "What you took back, in a file outside the database, so that an old copy of the "
            "database brings nothing back; under a keyed hash of your number"
        ),
        since=N_("after you took it back"),
        basis=CHOICE,
        period=lambda policy: policy.retention.backups,
        is_own_time=True,
        after_erasure=N_(
            "That everything was deleted, so that an old copy of the database brings nothing back"
        ),
    ),
    Kind(
        name="preferences",
        tables=("preferences",),
        what=N_("Your other settings: limits, quiet hours, no invitations"),
        since=N_("until you change them, or “Delete my data”"),
        basis=CHOICE,
    ),
    Kind(
        name="recipients",
        tables=("recipients",),
        what=N_("A keyed hash of your number, by which you find all this again"),
        since=N_("as long as anything above is kept of you; until “Delete my data”"),
        basis="PIPL 45",
    ),
    Kind(
        name="posters",
        tables=("posters",),
        what="What merchants ask of everybody who scans a code",
        since="after it ended",
        basis=SENDING,
        period=_records,
        is_on_page=False,
    ),
    Kind(
        name="plans",
        tables=("plans",),
        what="What merchants planned to send in a time, and how much of it was accepted",
        since="after it ended",
        basis="",
        period=lambda _policy: ROLLUP_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="message_segments",
        tables=("message_segments",),
        what="What the carrier reported of each segment of a long message",
        since="after it was sent",
        basis=SHORTEST,
        period=lambda _policy: SEGMENT_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="recipient_locks",
        tables=("recipient_locks",),
        what="When the texts of all merchants to a recipient were last counted",
        since="after that",
        basis=SHORTEST,
        period=lambda _policy: LOCK_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="api_responses",
        tables=("idempotency_responses",),
        what="Answers to merchants' requests, sealed, in case they are sent again",
        since="after the answer",
        basis=SHORTEST,
        period=lambda _policy: RESPONSE_TTL,
        is_on_page=False,
    ),
    Kind(
        name="webhook_events",
        tables=("webhook_events",),
        what="Notifications to merchants, delivered or not",
        since="after the event",
        basis=SHORTEST,
        period=lambda _policy: WEBHOOK_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="template_values",
        tables=("template_value_counts",),
        what="How often a value of a template's variable was sent, under a keyed hash",
        since="after it was last sent",
        basis=SHORTEST,
        period=lambda _policy: VALUE_COUNT_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="rollups",
        tables=("daily_rollups",),
        what="How many texts, stops, complaints and consents a day had, by merchant, sender, "
        "template and purpose; about no recipient",
        since="after the day",
        basis="",
        period=lambda _policy: ROLLUP_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="rollup_reasons",
        tables=("daily_reasons",),
        what="Why texts were refused and consents ended, as such counts",
        since="after the day",
        basis="",
        period=lambda _policy: ROLLUP_RETENTION,
        is_on_page=False,
    ),
    Kind(
        name="merchants",
        tables=("merchants", "api_keys", "api_rates", "daily_counts", "senders",
                "merchant_weights", "link_domains",
                "webhooks", "merchant_applications", "merchant_documents", "sender_applications",
                "operators", "reviews",
                "control_group_proposals", "signatures", "templates", "template_moves",
                "objections",
                "pacings", "unproven_texts", "events",
                "merchant_people", "proposed_actions"),
        what="Merchants, with their senders, templates, keys, webhooks and admission",
        since="as long as the service runs",
        basis="MIIT Order 74",
        is_on_page=False,
    ),
    Kind(
        name="console_credentials",
        tables=("console_credentials", "passkeys", "recovery_codes"),
        what="What people of the consoles sign in with: hashes, sealed secrets and public keys",
        since="until it is replaced",
        basis=SHORTEST,
        is_on_page=False,
    ),
    Kind(
        name="console_sessions",
        tables=("console_sessions", "console_links", "console_challenges", "sign_in_waits"),
        what="Sessions, invitations and failed sign-ins of the consoles",
        since="until the next sign-in after they expired",
        basis=SHORTEST,
        is_on_page=False,
    ),
    Kind(
        name="operation",
        tables=("workers", "dispatch_pauses"),
        what="The workers that run, and what they do not send for now",
        since="until a worker ends; until dispatch is resumed",
        basis="",
        is_on_page=False,
    ),
    Kind(
        name="bookkeeping",
        tables=("checkpoints", "retention_runs", "key_records", "token_mac_keys", "purposes",
                "rule_versions", "rollup_increments"),
        what="Bookkeeping of the service, about nobody",
        since="as long as the service runs",
        basis="",
        is_on_page=False,
    ),
)  # fmt: skip
