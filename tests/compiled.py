"""What SQLAlchemy, Jinja and Werkzeug compile: once for all services of a test process, or late."""

from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing.rules import Rule


class CompiledStatements(dict[Any, Any]):
    """SQL statements, compiled once for all engines of one kind of database.

    SQLAlchemy's keys begin with the dialect, an object that each engine has of its own.
    """

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - as its base class
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, compiled: Any) -> None:  # noqa: ANN401 - as its base class
        super().__setitem__(key[1:], compiled)


class CompiledTemplates(BytecodeCache):
    """The templates, compiled once for all apps of this process."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code
        self._compiled[bucket.key, bucket.checksum] = bucket.code


STATEMENTS = {"sqlite": CompiledStatements(), "postgresql": CompiledStatements()}
TEMPLATES = CompiledTemplates()

compile_now = Rule._compile_builder


def compile_late(self: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT002 - as what it replaces
    """Compile what builds a URL of a rule when the first is built: of most rules, none is."""
    builder = cache(lambda: compile_now(self, append_unknown))

    def build(*args: Any, **values: Any) -> tuple[str, str]:  # noqa: ANN401 - as Werkzeug's
        return builder()(*args, **values)

    return build


Rule._compile_builder = compile_late  # type: ignore[method-assign]  # that is the point
