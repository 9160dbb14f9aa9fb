"""The key of a row: its partition, and an id within it. Both are random 64-bit numbers.

Everything of one recipient is in one partition, so that no statement on the way of a message asks
more than one. Merchants have partitions of their own.
"""

import struct
from typing import Final, NamedTuple, Self

ID_BYTES: Final = 8  # of a partition or an id
MAX_PARTITION: Final = 2**63 - 1


class RowKey(NamedTuple):
    """The key of a row."""

    partition: int
    id: int

    @classmethod
    def new(cls, partition: int, random_bytes: bytes) -> Self:
        """Return a new key in a partition, from 8 random bytes."""
        return cls(partition, _signed(random_bytes))


def new_ids(random_bytes: bytes) -> tuple[int, ...]:
    """Return new ids, from 8 random bytes each."""
    return struct.unpack(f">{len(random_bytes) // ID_BYTES}q", random_bytes)


def new_partition(random_bytes: bytes) -> int:
    """Return a new partition, from 8 random bytes."""
    return _signed(random_bytes)


def next_partition(partition: int) -> int:
    """Return the partition after one that is taken."""
    return partition + 1 if partition < MAX_PARTITION else -MAX_PARTITION - 1


def _signed(random_bytes: bytes) -> int:
    return int.from_bytes(random_bytes, "big", signed=True)  # as databases keep 64 bits
