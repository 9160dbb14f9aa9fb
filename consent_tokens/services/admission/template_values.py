"""The repeat counter: holds a template of which one value is in too many texts.

An advert that is written into a name or a place with letters alone has the form of one. It is found
because it stands in many texts. Words are not read: what is counted are keyed hashes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from consent_tokens import metrics
from consent_tokens.crypto.keyed_hashes import VALUE_HASH_BYTES
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.templates.template import Template, TemplateStatus, counted_names
from consent_tokens.services.admission.actors import Action
from consent_tokens.services.admission.template_decisions import TemplateDecision, decide
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import template_values, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.template_values import (
    TEXTS,
    CountedValue,
    Repetition,
    UncountedText,
)

log = structlog.get_logger()

BATCH_SIZE: Final = 500  # texts that one transaction counts
MIN_TEXTS: Final = 200  # of a template, before a value of it can be repeated too often
SHARE: Final = 50  # one value in more than one in 50 texts (2 %) holds the template
MAX_TEXTS: Final = 10_000  # of a template, that are counted with full weight


def count_values(runtime: Runtime) -> int:
    """Count the values of up to BATCH_SIZE accepted texts; return how many were counted.

    A template of which a value is repeated too often is held in the same transaction.
    """
    now = runtime.clock.now()
    if not runtime.database.read(template_values.has_uncounted):
        return 0

    def work(transaction: Transaction) -> tuple[int, list[Repetition]]:
        texts = template_values.take_uncounted(transaction, BATCH_SIZE)
        if not texts:
            return 0, []
        ids = sorted({each.template_id for each in texts})
        counts = _counts(texts, templates.all_versions(transaction, ids))
        template_values.add_counts(transaction, counts, now)
        found = template_values.repetitions(transaction, ids, min_texts=MIN_TEXTS, share=SHARE)
        held = [each for each in _one_each(found) if _hold(runtime, transaction, each)]
        template_values.halve_counts(transaction, ids, MAX_TEXTS)
        return len(texts), held

    counted, held = runtime.database.run(work)
    for each in held:
        metrics.TEMPLATES_HELD.inc()
        log.critical(
            "template_held",
            template=each.template_id,
            variable=each.variable,
            repeated=each.repeated,
            texts=each.texts,
        )
    return counted


def _counts(
    texts: Sequence[UncountedText], versions: Mapping[tuple[str, int], Template]
) -> Counter[CountedValue]:
    counts: Counter[CountedValue] = Counter()
    for text in texts:
        template = versions.get((text.template_id, text.version))
        names = counted_names(template) if template else ()
        counts[CountedValue(text.template_id, *TEXTS)] += 1
        for place, name in enumerate(names):
            start = place * VALUE_HASH_BYTES
            value = text.value_hashes[start : start + VALUE_HASH_BYTES]
            number = int.from_bytes(value, "big", signed=True)
            counts[CountedValue(text.template_id, name, number)] += 1
    return counts


def _one_each(found: Sequence[Repetition]) -> list[Repetition]:
    """Return of each template the value that is repeated most."""
    most: dict[str, Repetition] = {}
    for each in found:
        most.setdefault(each.template_id, each)
    return list(most.values())


def _hold(runtime: Runtime, transaction: Transaction, repetition: Repetition) -> bool:
    """Hold the approved versions of a template; return whether there were any."""
    versions = [
        each
        for each in templates.lock(transaction, repetition.template_id)
        if each.template.status is TemplateStatus.APPROVED
    ]
    if not versions:
        return False
    reason = (
        f"one value of {repetition.variable} is in {repetition.repeated} of "
        f"{repetition.texts} texts"
    )
    decision = TemplateDecision(EventKind.TEMPLATE_HELD, Action.HOLD, TemplateStatus.HELD, reason)
    decide(runtime, transaction, None, decision, versions)
    return True


def accept_repeated_values(transaction: Transaction, template_id: str, now: datetime) -> None:
    """Accept the values of a template that are repeated now: a reviewer has released it."""
    template_values.accept_repeated(transaction, template_id, now, min_texts=MIN_TEXTS, share=SHARE)
