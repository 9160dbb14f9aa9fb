"""Values: how a template's move to another purpose stands, and an appeal against it."""

from enum import StrEnum


class MoveStatus(StrEnum):
    """The status of a move."""

    ANNOUNCED = "announced"
    IN_EFFECT = "in_effect"
    REVERSED = "reversed"  # an appeal was upheld
    DROPPED = "dropped"  # before it took effect: by another move, or with the template


class AppealStatus(StrEnum):
    """The status of an appeal against a move."""

    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"
