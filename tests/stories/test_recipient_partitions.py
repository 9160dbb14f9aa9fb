"""No two recipients share a partition, though no constraint of the database says so."""

import pytest

from consent_tokens.row_key import MAX_PARTITION
from consent_tokens.store import recipients
from tests.service import Service


@pytest.mark.parametrize("taken", [5, MAX_PARTITION])
def test_a_partition_that_is_taken_is_not_given_to_another(service: Service, taken: int) -> None:
    drawn = taken.to_bytes(8, "big", signed=True)
    run = service.runtime.database.run
    first = run(lambda transaction: recipients.get_or_create(transaction, b"1" * 32, drawn))
    second = run(lambda transaction: recipients.get_or_create(transaction, b"2" * 32, drawn))
    again = run(lambda transaction: recipients.get_or_create(transaction, b"1" * 32, b"\0" * 8))
    assert (first, again) == (taken, taken)
    assert second != taken
