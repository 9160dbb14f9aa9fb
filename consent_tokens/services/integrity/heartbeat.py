"""The dispatchers' heartbeat: when one last ran, so that a web process can say that none does.

It is a warning, not a reason to be unready: messages are accepted and wait in the outbox, and pages
for revocations must go on answering.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints

ABSENT_AFTER: Final = timedelta(seconds=120)  # a dispatcher writes every 30 seconds
DISPATCHER_ABSENT: Final = "dispatcher_absent"
RULES_INVALID: Final = "rules_invalid"  # the rule packs changed, and the rules before are kept


def record_dispatcher(runtime: Runtime) -> None:
    """Store that a dispatcher runs now."""
    seconds = str(int(runtime.clock.now().timestamp()))
    runtime.database.run(
        lambda transaction: checkpoints.save(transaction, checkpoints.DISPATCHER, seconds)
    )


def readiness_warnings(runtime: Runtime) -> list[str]:
    """Return what does not stop messages, and needs somebody; raises what the database raises."""
    runtime.rules.current()
    invalid = [RULES_INVALID] if runtime.rules.fault else []
    return [*invalid, *_absent_dispatcher(runtime)]


def _absent_dispatcher(runtime: Runtime) -> list[str]:
    """Return `dispatcher_absent` if none has run lately.

    Nothing is said before this process has watched for so long: a dispatcher may start after it.
    """
    state, now = runtime.readiness, runtime.clock.monotonic()
    if state.watched_since is None:
        state.watched_since = now
    if now - state.watched_since < ABSENT_AFTER.total_seconds():
        return []
    stored = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.DISPATCHER)
    )
    seen = datetime.fromtimestamp(int(stored or 0), UTC)
    return [DISPATCHER_ABSENT] if runtime.clock.now() - seen > ABSENT_AFTER else []
