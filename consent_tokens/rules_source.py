"""The rules of a running process: read at start, and again when their files change.

A change that is not valid keeps the rules as they were: messages go on, and `fault`, the log and a
metric say why. Only a process that starts without valid rules does not start.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Self

import structlog

from consent_tokens.clock import Clock
from consent_tokens.errors import RulesInvalidError
from consent_tokens.metrics import RULES_RELOADS
from consent_tokens.rules.pack import RuleSet, rule_set

log = structlog.get_logger()

CHECK_SECONDS: Final = 5.0  # between looks at the folder: a few system calls
MAX_PACK_BYTES: Final = 500_000
MAX_PACKS: Final = 300
SUFFIX: Final = ".toml"

FolderState = frozenset[tuple[str, int, int, int]]  # name, inode, ctime, size


@dataclass(slots=True)
class RulesSource:
    """The rules as last read, from a folder that is watched; without a folder they are fixed."""

    rule_set: RuleSet
    folder: Path | None = None
    clock: Clock | None = None
    fault: str = ""  # of the last reading; empty if that is in use
    _seen: FolderState = frozenset()
    _checked_at: float = float("-inf")  # monotonic seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path | None, clock: Clock) -> Self:
        """Read the rules in a folder; None: those of this version of the program.

        Raises RulesInvalidError, which names file, rule and member.
        """
        if folder is None:
            return cls(packaged_rules())
        seen = _state_of(folder)
        return cls(read_rules(folder), folder, clock, _seen=seen, _checked_at=clock.monotonic())

    def current(self) -> RuleSet:
        """Return the rules; look at the folder first if that was not done for a while."""
        if (
            self.clock is not None
            and self.clock.monotonic() - self._checked_at >= CHECK_SECONDS
            and self._lock.acquire(blocking=False)  # one thread looks, the others go on
        ):
            try:
                self._check(self.clock)
            finally:
                self._lock.release()
        return self.rule_set

    def _check(self, clock: Clock) -> None:
        if self.folder is None:
            return
        self._checked_at = clock.monotonic()
        try:
            state = _state_of(self.folder)
            if state == self._seen:
                return
            found = read_rules(self.folder)
        except RulesInvalidError as error:
            self._fail(str(error))
            return
        if found.version != self.rule_set.version:
            log.info("rules_reread", version=found.version, before=self.rule_set.version)
            RULES_RELOADS.labels("read").inc()
            self.rule_set = found
        self._seen, self.fault = state, ""

    def _fail(self, fault: str) -> None:
        if fault != self.fault:
            log.critical("rules_invalid", fault=fault, kept=self.rule_set.version)
            RULES_RELOADS.labels("invalid").inc()
        self.fault, self._seen = fault, frozenset()


def packaged_rules() -> RuleSet:
    """Return the rules of this version of the program. Raises RulesInvalidError."""
    return rule_set(_read_all(files("consent_tokens.rules") / "packs"))


def read_rules(folder: Path) -> RuleSet:
    """Return the rules in the `.toml` files of a folder. Raises RulesInvalidError."""
    return rule_set(_read_all(folder))


def _read_all(folder: Traversable) -> Mapping[str, str]:
    try:
        found = [each for each in folder.iterdir() if each.name.endswith(SUFFIX)]
        if len(found) > MAX_PACKS:
            raise RulesInvalidError(f"{folder} has more than {MAX_PACKS} files")
        return {each.name: read_pack_file(each) for each in found}
    except OSError as error:
        raise RulesInvalidError(f"{error.filename or folder}: {error.strerror}") from None


def read_pack_file(file: Traversable) -> str:
    """Return the text of a file. Raises RulesInvalidError, OSError."""
    with file.open("rb") as stream:
        content = stream.read(MAX_PACK_BYTES + 1)
    if len(content) > MAX_PACK_BYTES:
        raise RulesInvalidError(f"{file.name}: larger than {MAX_PACK_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RulesInvalidError(f"{file.name}: not UTF-8") from None


def _state_of(folder: Path) -> FolderState:
    """Return what tells whether files have changed. Raises RulesInvalidError."""
    try:
        found = [(each.name, each.stat()) for each in folder.glob(f"*{SUFFIX}")]
    except OSError as error:
        raise RulesInvalidError(f"{folder}: {error.strerror}") from None
    return frozenset((name, stat.st_ino, stat.st_ctime_ns, stat.st_size) for name, stat in found)
