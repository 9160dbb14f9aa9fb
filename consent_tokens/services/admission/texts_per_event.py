"""Once a day: alarm on merchants with more texts for each order or event than is usual."""

from datetime import date, timedelta

import structlog

from consent_tokens import metrics
from consent_tokens.clock import start_of_day
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.relay.texts_per_event import EventTexts, Outlier, outliers
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, event_texts
from consent_tokens.store.database import Transaction

log = structlog.get_logger()


def watch_texts_per_event(runtime: Runtime) -> list[Outlier]:
    """Compare merchants by the last day of UTC that is over, once; return who stands out.

    Each is an event of the merchant, a line in the log, and counted.
    """
    until = start_of_day(runtime.clock.now())
    today = until.date().isoformat()
    if runtime.database.read(_last_done) == today:
        return []
    counted = runtime.database.read(
        lambda at: event_texts.count(at, until - timedelta(days=1), until)
    )
    found = outliers([each for each in counted if not is_sandbox(each.merchant_id)])

    def work(transaction: Transaction) -> bool:
        if checkpoints.lock(transaction, checkpoints.EVENT_TEXTS) == today:
            return False  # another process was faster
        checkpoints.save(transaction, checkpoints.EVENT_TEXTS, today)
        for each in found:
            merchant = get_merchant(transaction, each.counted.merchant_id)
            record_event(runtime, transaction, merchant, EventKind.MANY_TEXTS_PER_EVENT)
        return True

    if not runtime.database.run(work):
        return []
    for each in found:
        _alarm(each.counted, each.median, until.date() - timedelta(days=1))
    return found


def _last_done(transaction: Transaction) -> str | None:
    return checkpoints.find(transaction, checkpoints.EVENT_TEXTS)


def _alarm(counted: EventTexts, usual: float, day: date) -> None:
    metrics.MANY_TEXTS_PER_EVENT.inc()
    log.critical(
        "many_texts_per_event",
        merchant=counted.merchant_id,
        day=day.isoformat(),
        texts=counted.texts,
        events=counted.events,
        median=round(usual, 2),
    )
