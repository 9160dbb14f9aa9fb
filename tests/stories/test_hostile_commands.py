"""No command ends in a traceback, whatever it is given: one line says what is wrong."""

import errno
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from consent_tokens.cli import main
from tests.number_scan import WRITTEN
from tests.processes import ROOT

LONG = "x" * 100_000
HOSTILE = ("", " ", "\udcff", "'; DROP TABLE merchants; --", "-1", "\u202e", LONG, "..")
MERCHANT = "{merchant}"
COMMANDS = (
    ("merchant", "add", "?"),
    ("merchant", "show", "?"),
    ("merchant", "set-weight", "?", "1"),
    ("merchant", "set-weight", MERCHANT, "?"),
    ("merchant", "suspend", "?"),
    ("merchant", "activate", "?"),
    ("merchant", "approve", "?"),
    ("merchant", "refuse", "?", "--reason", "?"),
    ("merchant", "suspend", MERCHANT, "--reason", "?"),
    (
        "merchant",
        "apply",
        "--name",
        "?",
        "--legal-name",
        "?",
        "--registration",
        "?",
        "--contact",
        "?",
        "--country",
        "?",
        "--link-domain",
        "?",
    ),
    ("operator", "add", "?", "--role", "admin"),
    ("operator", "disable", "?"),
    ("group", "join", "?", MERCHANT, "--reason", "?"),
    ("sender", "revoke", "?", "--reason", "?"),
    ("sender", "approve", "?", "--by", "?"),
    ("api-key", "add", "?"),
    ("api-key", "list", "?"),
    ("api-key", "revoke", "?"),
    ("sender", "list", "?"),
    ("sender", "add", MERCHANT, "--port", "?", "--signature", "s"),
    ("sender", "add", MERCHANT, "--port", "1069", "--extension", "?", "--signature", "s"),
    ("sender", "add", MERCHANT, "--port", "1069", "--signature", "?"),
    ("webhook", "add", "?", "https://h.example"),
    ("webhook", "add", MERCHANT, "?"),
    ("webhook", "add", MERCHANT, "https://[?]"),
    ("webhook", "add", MERCHANT, "https://h.example:?"),
    ("webhook", "list", "--merchant", "?"),
    ("webhook", "remove", "?"),
    ("webhook", "replay", "?"),
    ("complaint", "show", "?"),
    ("complaint", "decide", "?", "upheld"),
    ("reassigned-numbers", "import", "?"),
    ("send", "?"),
    ("serve", "--bind", "?"),
    ("keys", "?"),
    ("journal", "?"),
    ("?",),
)


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    WRITTEN.append(tmp_path)
    return CliRunner(
        env={
            "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
            "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
            "CONSENT_API_KEY": "ctk_x",
        }
    )


def run(runner: CliRunner, *arguments: str, **environment: str) -> Result:
    """Run a command; fail if it ends by anything but an exit."""
    result = runner.invoke(
        main, arguments, env={f"CONSENT_{name}": value for name, value in environment.items()}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0 or result.output.strip(), "it failed and said nothing"
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_hostile_arguments(runner: CliRunner, command: tuple[str, ...]) -> None:
    merchant = run(runner, "merchant", "add", "店", "--json").output.split('"')[3]
    for value in HOSTILE:
        given = [each.replace("?", value).replace(MERCHANT, merchant) for each in command]
        run(runner, *given)


COMMANDS_THAT_NEED_IT = (
    ("merchant", "list"), ("webhook", "list"), ("complaint", "list"), ("db", "upgrade"),
    ("journal", "replay"), ("doctor",), ("serve",), ("api-key", "list", "mer_x"),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_THAT_NEED_IT, ids=" ".join)
def test_a_database_that_cannot_be_used(
    runner: CliRunner, tmp_path: Path, command: tuple[str, ...]
) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(os.urandom(4096))
    file = tmp_path / "file"
    file.touch()
    for url, cause in (
        (f"sqlite:///{noise}", "no SQLite database"),
        (f"sqlite:///{file}/consent.db", "Not a directory|File exists"),
        (f"sqlite:///{tmp_path}", "cannot be opened"),
        ("postgresql://a:b@127.0.0.1:1/x", "refused"),
        ("postgresql://a:b@none.invalid/x", "host name"),
    ):
        result = run(runner, *command, DATABASE_URL=url)
        assert result.exit_code == 1, url
        assert any(each in result.output for each in cause.split("|")), result.output


def test_what_postgresql_refuses_is_named(runner: CliRunner, postgres_url: str) -> None:
    for url, cause in (
        (postgres_url.replace("/postgres?", "/none_such?"), "no such database"),
        (postgres_url.replace("postgres:", "nobody:"), "the user"),
    ):
        result = run(runner, "merchant", "list", DATABASE_URL=url)
        assert result.exit_code == 1
        assert cause in result.output


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS_THAT_NEED_IT if each != ("db", "upgrade")], ids=" ".join
)
def test_keys_that_cannot_be_made(
    runner: CliRunner, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    result = run(runner, *command, KEYS_DIR=str(tmp_path / "file" / "keys"))
    assert result.exit_code == 1


def test_files_that_cannot_be_read_or_written(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes("+8613900000000，2026-11-25".encode("gb18030"))
    for file in ("wrong", "none", "."):
        assert run(runner, "reassigned-numbers", "import", str(tmp_path / file)).exit_code != 0
        assert run(runner, "send", str(tmp_path / file)).exit_code != 0


@pytest.mark.processes
def test_whoever_reads_the_output_may_leave(runner: CliRunner) -> None:
    run(runner, "merchant", "add", "店")
    environment = {**os.environ, **{k: v for k, v in runner.env.items() if v}}
    for target, code in (("/dev/full", 1), (None, 1)):
        reading, writing = os.pipe()
        os.close(reading)
        with open(target or os.devnull, "w") as sink:  # noqa: PTH123 - a device
            done = subprocess.run(
                [sys.executable, "-m", "consent_tokens", "merchant", "list"],
                cwd=ROOT, env=environment, check=False, stderr=subprocess.PIPE,
                stdout=sink if target else writing,
            )  # fmt: skip
        os.close(writing)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr, done.stderr


def test_an_error_of_the_system_that_is_of_no_file_is_no_fault_of_one(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command
    def sleeps() -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr("consent_tokens.cli.doctor.doctor", sleeps)
    result = runner.invoke(main, ["doctor"])
    assert isinstance(result.exception, OSError)
    assert "file_unusable" not in result.output


# --- What doctor says of a gateway ----------------------------------------------------------------


@contextmanager
def smsc(status: int) -> Iterator[str]:
    """Run an SMSC that answers every bind with a status; yield the URL of the gateway."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while header := connection.recv(16):
                    length, command, _, sequence = struct.unpack(">IIII", header)
                    connection.recv(length - 16)
                    body = b"smsc\0" if command != 6 else b""
                    connection.sendall(
                        struct.pack(">IIII", 16 + len(body), command | 1 << 31, status, sequence)
                        + body
                    )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"smpp://user:secret@127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (0x00, 0, "accepts the bind"),
        (0x05, 0, "ESME_RALYBND"),
        (0x0D, 1, "ESME_RBINDFAIL"),
        (0x0E, 1, "ESME_RINVPASWD"),
        (0x0F, 1, "ESME_RINVSYSID"),
        (0x499, 1, "0x499"),
    ],
)
def test_doctor_dials_an_smsc_and_says_what_it_answers(
    runner: CliRunner, status: int, code: int, said: str
) -> None:
    run(runner, "merchant", "list")
    with smsc(status) as url:
        result = run(runner, "doctor", GATEWAY_URL=url)
    assert said in result.output
    assert "secret" not in result.output
    assert result.exit_code == code


def test_doctor_says_that_nothing_listens(runner: CliRunner) -> None:
    run(runner, "merchant", "list")
    result = run(runner, "doctor", GATEWAY_URL="smpp://user:secret@127.0.0.1:1")
    assert (result.exit_code, "refused" in result.output) == (1, True)


def test_doctor_names_a_misspelt_setting(runner: CliRunner) -> None:
    result = run(runner, "doctor", BASE_ULR="https://h.example")
    assert result.exit_code == 1
    assert "did you mean CONSENT_BASE_URL" in result.output
