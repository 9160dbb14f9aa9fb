"""All threads of a process share one arena of malloc."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import need

THREADS = """
import ctypes, sys, threading
from consent_tokens.cli.process_memory import share_malloc_arena
share_malloc_arena()
together = threading.Barrier(4)
def allocate():
    kept = [bytes(2000) for _ in range(100)]
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.parametrize("shares", [True, False])
def test_threads_share_one_arena(tmp_path: Path, *, shares: bool) -> None:
    need(is_there=platform.libc_ver()[0] == "glibc", what="glibc")
    code = THREADS if shares else THREADS.replace("\nshare_malloc_arena()", "")
    told = tmp_path / "malloc.xml"
    subprocess.run([sys.executable, "-c", code, str(told)], check=True)
    assert (told.read_text().count("<heap nr=") == 1) == shares
