"""Settings: where they come from, and what is said of a wrong one."""

from pathlib import Path

import pytest

from consent_tokens.cli.setting_warnings import warnings_of
from consent_tokens.errors import SettingError
from consent_tokens.settings import Settings

SMPP = "smpp://user:password@carrier.example:2775"


def read(**given: str) -> Settings:
    return Settings.from_environment({f"CONSENT_{name}": value for name, value in given.items()})


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("DATABSE_URL", "CONSENT_DATABASE_URL"),
        ("TRUSTED_PROXY", "CONSENT_TRUSTED_PROXIES"),
        ("GATEWAY_THROUHGPUT", "CONSENT_GATEWAY_THROUGHPUT"),
        ("CONFIG", "CONSENT_CONFIG_FILE"),
    ],
)
def test_a_name_that_is_none_is_an_error_that_says_which_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(SettingError, match=f"CONSENT_{wrong} is no setting: did you mean {meant}"):
        read(**{wrong: "1"})


def test_the_key_of_a_merchant_is_no_unknown_name() -> None:
    assert read(API_KEY="ctk_x") == read()


def test_settings_from_a_file_and_the_environment_before_it(tmp_path: Path) -> None:
    file = tmp_path / "consent.toml"
    file.write_text(
        'base_url = "https://sms.example"\ntrusted_proxies = 2\nopt_in_by_reply = true\n'
        f'otp_countries = ["CN", "HK"]\ngateway_url = ["{SMPP}", "{SMPP}?binds=2"]\n'
    )
    settings = read(CONFIG_FILE=str(file), TRUSTED_PROXIES="1")
    assert settings.service.base_url == "https://sms.example"
    assert settings.trusted_proxies == 1
    assert settings.consent.opt_in_by_reply
    assert settings.otp.countries == {"CN", "HK"}
    assert settings.gateway_url == f"{SMPP} {SMPP}?binds=2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'databse_url = "x"', "CONSENT_DATABSE_URL is no setting: did you mean"),
        (b"base_url = ", "is no TOML"),
        (b"base_url = 1.5", "base_url must be"),
        (b"[database]\nurl = 'x'", "database must be"),
        (b"max_segments = 0", "CONSENT_MAX_SEGMENTS must be"),
        ("base_url = '满'".encode("gb18030"), "is not UTF-8"),
        (b"x" * 70_000, "larger than"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "consent.toml"
    file.write_bytes(content)
    with pytest.raises(SettingError, match=said):
        read(CONFIG_FILE=str(file))


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway"
    file.write_text(f"{SMPP}\n")
    assert read(GATEWAY_URL_FILE=str(file)).gateway_url == SMPP
    config = tmp_path / "consent.toml"
    config.write_text(f'gateway_url_file = "{file}"\n')
    assert read(CONFIG_FILE=str(config)).gateway_url == SMPP
    assert read(CONFIG_FILE=str(config), GATEWAY_URL="simulator:").gateway_url == "simulator:"
    for given, said in (
        ({"GATEWAY_URL": SMPP, "GATEWAY_URL_FILE": str(file)}, "both set"),
        ({"GATEWAY_URL_FILE": str(tmp_path / "none")}, "CONSENT_GATEWAY_URL_FILE: .*No such file"),
        ({"GATEWAY_URL_FILE": str(tmp_path)}, "CONSENT_GATEWAY_URL_FILE"),
        ({"BASE_URL_FILE": str(file)}, "CONSENT_BASE_URL_FILE is no setting"),
    ):
        with pytest.raises(SettingError, match=said):
            read(**given)
    file.write_text("\n")
    with pytest.raises(SettingError, match="one line"):
        read(GATEWAY_URL_FILE=str(file))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_URL", "smpp://a:b@h:99999"),
        ("GATEWAY_URL", "smpp://[::1"),
        ("BASE_URL", "http://[x"),
        ("BASE_URL", "https://user:secret@h.example"),
        ("BASE_URL", "https://h.example:99999"),
        ("ISSUER", "nothing"),
        ("MAX_SEGMENTS", "9" * 5000),
        ("MAX_SEGMENTS", "٣"),
        ("DEFAULT_REGION", "XX"),
        ("DEFAULT_TIMEZONE", "../etc/passwd"),
        ("OTP_COUNTRIES", "China"),
        ("BIND", "127.0.0.1:0"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"CONSENT_{name}") as caught:
        read(**{name: value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "doubtful"),
    [
        ({}, []),
        ({"BASE_URL": "https://h.example"}, ["TRUSTED_PROXIES", "DATABASE_URL"]),
        ({"BASE_URL": "http://h.example", "GATEWAY_URL": SMPP}, ["BASE_URL"]),
        ({"GATEWAY_URL": SMPP}, ["BASE_URL"]),
        ({"METRICS_BIND": "0.0.0.0:9100"}, ["METRICS_BIND"]),
        ({"METRICS_BIND": "127.0.0.1:9100"}, []),
        ({"METRICS_BIND": "[::]:9100"}, ["METRICS_BIND"]),
    ],
)
def test_what_has_a_consequence_is_warned_of(given: dict[str, str], doubtful: list[str]) -> None:
    names = [name for name, _ in warnings_of(read(**given))]
    assert names == [f"CONSENT_{name}" for name in doubtful]
