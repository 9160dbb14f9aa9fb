"""The container files: linted, pinned, and with settings that the service takes."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consent_tokens.settings import Settings
from tests.conftest import need
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"\$\{(\w+):\?[^}]*\}")
PINNED = re.compile(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+")
ANSWERS = {
    "POSTGRES_PASSWORD": "secret", "CONSENT_BASE_URL": "https://consent.example",
    "CONSENT_GATEWAY_URL": "smpp://user:password@smsc.example:2775",
    "CONSENT_SERVICE_NAME": "短信许可", "CONSENT_SERVICE_SENDER": "10690000",
}  # fmt: skip


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


def checked(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile_passes_its_linter() -> None:
    checked(str(Path(sys.executable).parent / "hadolint"), str(DEPLOY / "Dockerfile"))


def test_the_image_is_pinned_runs_as_nobody_special_and_is_probed() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert bases
    assert [base for base in bases if not PINNED.fullmatch(base)] == []
    assert "USER 10001:10001" in lines
    assert any("/healthz" in line for line in lines)
    volumes = next(line for line in lines if line.startswith("VOLUME"))
    assert all(path in volumes for path in ("/keys", "/data", "/journal"))


def test_the_composition_follows_the_compose_specification() -> None:
    checked(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
        str(DEPLOY / "compose.yaml"),
    )  # fmt: skip


def test_the_composition_names_what_is_there() -> None:
    described = compose()
    services = described["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("networks", [])) <= set(described["networks"])
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in described["volumes"] or source in {"./nginx.conf", "./tls"}
        if "build" not in service:
            assert PINNED.fullmatch(service["image"]), service["image"]
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]


def test_the_composition_asks_for_variables_that_the_example_lists() -> None:
    asked = set(VARIABLE.findall((DEPLOY / "compose.yaml").read_text("utf-8")))
    listed = re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text("utf-8"), re.MULTILINE)
    assert asked == set(listed) == set(ANSWERS)


@pytest.mark.parametrize("name", ["schema", "web", "dispatch"])
def test_the_service_takes_the_settings_of_the_composition(name: str) -> None:
    given = compose()["services"][name]["environment"]
    environment = {
        key: VARIABLE.sub(lambda match: ANSWERS[match[1]], value) for key, value in given.items()
    }
    settings = Settings.from_environment(environment)
    assert settings.database_url == "postgresql://consent:secret@database:5432/consent"
    assert settings.trusted_proxies == 1
    assert settings.metrics_bind == ("0.0.0.0", 9464)  # noqa: S104 - in a network of its own


def self_signed_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "consent.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "fullchain.pem", folder / "privkey.pem"


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    need(is_there=nginx is not None, what="nginx")
    certificate, key = self_signed_certificate(tmp_path)
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for inside, here in (
        ("user nginx;", ""), ("server web:8000;", "server 127.0.0.1:8000;"),
        ("/etc/nginx/tls/fullchain.pem", str(certificate)),
        ("/etc/nginx/tls/privkey.pem", str(key)), ("/tmp/nginx", f"{tmp_path}/nginx"),  # noqa: S108 - replaced
    ):  # fmt: skip
        assert inside in text
        text = text.replace(inside, here)
    (tmp_path / "nginx.conf").write_text(text, "utf-8")
    checked(str(nginx), "-t", "-c", str(tmp_path / "nginx.conf"), "-e", "stderr")


def test_nginx_buffers_requests_and_replaces_what_clients_say_of_themselves() -> None:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for line in (
        "proxy_request_buffering on;", "proxy_set_header X-Forwarded-For $remote_addr;",
        "access_log off;", "proxy_next_upstream off;",
    ):  # fmt: skip
        assert line in text
