"""The rules of a running process: read at start, and again when their files change.

A change that is not valid keeps the rules as they were: messages go on, and `fault`, the log and a
metric say why. Only a process that starts without valid rules does not start.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Self

import structlog

from consent_tokens.clock import Clock
from consent_tokens.errors import RulesInvalidError
from consent_tokens.folder_watch import FolderWatch
from consent_tokens.metrics import RULES_RELOADS
from consent_tokens.rules.pack import RuleSet, rule_set

log = structlog.get_logger()

MAX_PACK_BYTES: Final = 500_000
MAX_PACKS: Final = 300
SUFFIX: Final = ".toml"

FolderState = frozenset[tuple[str, int, int, int]]  # name, inode, ctime, size


@dataclass(slots=True)
class RulesSource:
    """The rules as last read, from a folder that is watched; without a folder they are fixed."""

    rule_set: RuleSet
    _watch: FolderWatch[FolderState] | None = None

    @classmethod
    def open(cls, folder: Path | None, clock: Clock) -> Self:
        """Read the rules in a folder; None: those of this version of the program.

        Raises RulesInvalidError, which names file, rule and member.
        """
        if folder is None:
            return cls(packaged_rules())
        seen = _state_of(folder)
        source = cls(read_rules(folder))
        source._watch = FolderWatch(
            read_state=lambda: _state_of(folder),
            reread=lambda: source._take(read_rules(folder)),
            monotonic=clock.monotonic,
            errors=(RulesInvalidError,),
            on_fault=source._report,
            seen=seen,
            looked_at=clock.monotonic(),
        )
        return source

    @property
    def fault(self) -> str:
        """Return what is wrong with the files as last read; empty if they are in use."""
        return self._watch.fault if self._watch else ""

    def current(self) -> RuleSet:
        """Return the rules; look at the folder first if that was not done for a while."""
        if self._watch:
            self._watch.look_if_due()
        return self.rule_set

    def _take(self, found: RuleSet) -> None:
        if found.version != self.rule_set.version:
            log.info("rules_reread", version=found.version, before=self.rule_set.version)
            RULES_RELOADS.labels("read").inc()
            self.rule_set = found

    def _report(self, fault: str) -> None:
        log.critical("rules_invalid", fault=fault, kept=self.rule_set.version)
        RULES_RELOADS.labels("invalid").inc()


def packaged_rules() -> RuleSet:
    """Return the rules of this version of the program. Raises RulesInvalidError."""
    return rule_set(_read_all(files("consent_tokens.rules") / "packs"))


def touch(folder: Path) -> None:
    """Mark the files of a folder as changed, so that processes read them. Raises OSError."""
    for file in folder.glob(f"*{SUFFIX}"):
        os.utime(file)


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
