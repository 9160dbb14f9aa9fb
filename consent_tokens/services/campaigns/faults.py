"""What is wrong with a campaign file or a line of it: English for commands, a msgid for pages."""

from collections.abc import Mapping

from msgspec import Struct

from consent_tokens.errors import InvalidError


class Fault(Struct, frozen=True):
    """What is wrong: a msgid, and the values that it is filled in with by `%`."""

    text: str
    values: Mapping[str, str | int] = {}

    def __str__(self) -> str:
        return self.text % self.values


class CampaignFileError(InvalidError):
    """A file cannot be read as a campaign."""

    def __init__(self, text: str, **values: str | int) -> None:
        self.fault = Fault(text, values)
        super().__init__({"file": [str(self.fault)]})
