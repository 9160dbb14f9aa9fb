"""What merchants object to."""

from enum import StrEnum


class ObjectionKind(StrEnum):
    """What a merchant objects to."""

    TEMPLATE = "template"  # a version that was refused
    SENDER = "sender"  # that was not admitted
    SUSPENSION = "suspension"  # of the merchant, or of one of its classes
