"""Where settings come from: the environment, a TOML file, and files that hold one secret each.

The environment counts before the file, so that one process can differ from what all share.
"""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from consent_tokens.errors import SettingError

PREFIX: Final = "CONSENT_"
CONFIG_FILE: Final = "CONSENT_CONFIG_FILE"
SECRETS: Final = ("CONSENT_DATABASE_URL", "CONSENT_GATEWAY_URL")  # each may come from NAME_FILE
CLIENT_SETTINGS: Final = frozenset({"CONSENT_API_KEY", "CONSENT_API_KEY_FILE"})  # of `send`
MAX_FILE_BYTES: Final = 65_536
SEPARATORS: Final = {"CONSENT_GATEWAY_URL": " "}  # of a list in the TOML file; otherwise a comma


def read_sources(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings by name. Raises SettingError naming the setting or file at fault."""
    found = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    path = found.pop(CONFIG_FILE, "").strip()
    for name, value in _read_config(path).items() if path else ():
        if _plain_name(name) not in {_plain_name(each) for each in found if each in environment}:
            found[name] = value
    for name in SECRETS:
        file = found.pop(f"{name}_FILE", "").strip()
        if file and name in found:
            raise SettingError(f"{name} and {name}_FILE are both set: remove one")
        if file:
            found[name] = read_secret(file, f"{name}_FILE")
    return found


def _plain_name(name: str) -> str:
    """Return the name of a setting, also where it is given by a file."""
    plain = name.removesuffix("_FILE")
    return plain if plain in SECRETS else name


def read_secret(path: str, name: str) -> str:
    """Return the one line in a file. Raises SettingError naming the setting `name`."""
    text = _read_text(path, name).strip()
    if not text or "\n" in text:
        raise SettingError(f"{name}: {path} must hold one line")
    return text


def reject_unknown(given: Mapping[str, str], known: frozenset[str]) -> None:
    """Raise SettingError for a name that is none, with the one that was probably meant."""
    for name in sorted(given.keys() - known - CLIENT_SETTINGS):
        close = get_close_matches(name, sorted(known | {CONFIG_FILE}), 1)
        meant = f": did you mean {close[0]}?" if close else ""
        raise SettingError(f"{name} is no setting{meant}")


def _read_config(path: str) -> dict[str, str]:
    """Return the settings of a TOML file: `base_url = "https://..."` is CONSENT_BASE_URL."""
    try:
        table = tomllib.loads(_read_text(path, CONFIG_FILE))
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{CONFIG_FILE}: {path} is no TOML: {error}") from None
    settings = {}
    for key, value in table.items():
        name = PREFIX + key.upper()
        settings[name] = _as_text(value, name, f"{CONFIG_FILE}: {path}: {key}")
    return settings


def _as_text(value: object, name: str, where: str) -> str:
    """Return a TOML value as the environment would hold it."""
    match value:
        case bool():
            return str(int(value))
        case int() | str():
            return str(value)
        case list() if all(isinstance(each, str) for each in value):
            return SEPARATORS.get(name, ",").join(value)
    raise SettingError(
        f"{where} must be a string, a whole number, true, false or a list of strings"
    )


def _read_text(path: str, name: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SettingError(f"{name}: {path} is larger than {MAX_FILE_BYTES} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingError(f"{name}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{name}: {path} is not UTF-8") from None
