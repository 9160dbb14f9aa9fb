"""The purposes that this database knows: none may go, or change its number or class.

Tokens and grants name purposes, and texts their numbers. A process whose catalogue says otherwise
would refuse what was agreed to, or stop another purpose than the one that the consumer meant.
"""

from consent_tokens.consent.purpose_catalogue import changes
from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import PurposesChangedError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import purposes


def ensure_purposes(runtime: Runtime) -> None:
    """Remember the purposes of this process's catalogue that are new.

    Raises PurposesChangedError if one that was in use is missing or changed.
    """
    catalogue = [each.definition for each in Purpose]
    known = runtime.database.read(purposes.known)
    if faults := changes(known, catalogue):
        raise PurposesChangedError(
            f"CONSENT_PURPOSES_FILE: {'; '.join(faults)}. Tokens and texts carry purposes: put "
            "them back as they were"
        )
    ids = {each_id for each_id, _, _ in known}
    if new := [each for each in catalogue if each.id not in ids]:
        now = runtime.clock.now()
        runtime.database.run(lambda transaction: purposes.remember(transaction, new, now))
