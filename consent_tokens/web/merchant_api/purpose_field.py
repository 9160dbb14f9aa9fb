"""The field of bodies and answers that holds a purpose."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from consent_tokens.consent.purposes import Purpose


class _IsPurpose(validate.Validator):
    """Checks that a purpose is in the catalogue; `choices` get into the OpenAPI description."""

    @property
    def choices(self) -> list[str]:
        """Return the ids of the catalogue, as it is when they are asked for."""
        return [each.value for each in Purpose]

    def __call__(self, value: str) -> str:
        """Return the purpose. Raises ValidationError for what is none."""
        if not isinstance(value, Purpose):
            raise ValidationError(f"Must be one of: {', '.join(self.choices)}.")
        return value


class PurposeField(fields.String):
    """A purpose by its id."""

    def __init__(self, **members: Any) -> None:  # noqa: ANN401 - marshmallow's own members
        """Create the field, which loads purposes of the catalogue only."""
        super().__init__(validate=_IsPurpose(), **members)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401 - as marshmallow's fields
        attr: str | None,
        data: Mapping[str, Any] | None,
        **members: Any,  # noqa: ANN401 - as marshmallow's fields
    ) -> str:
        """Return the purpose, or the text if it is none: validators refuse that."""
        text = super()._deserialize(value, attr, data, **members) or ""
        return Purpose(text) if text in Purpose else text
