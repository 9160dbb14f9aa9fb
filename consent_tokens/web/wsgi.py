"""Types of WSGI apps (PEP 3333), for what wraps one."""

from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Fields = list[tuple[str, str]]  # the headers of an answer
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]
