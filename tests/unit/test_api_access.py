"""What an API key may do: a narrower key never reaches more."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.relay.admission.api_access import ApiAccess, ApiScope, parse_address
from consent_tokens.web.merchant_api.operation_scopes import SCOPES

NOW = datetime(2026, 11, 27, tzinfo=UTC)
NETWORKS = [
    ip_network(text)
    for text in (
        "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "192.0.2.0/25",
        "::/0", "2001:db8::/32", "2001:db8:1::/48",
    )
]  # fmt: skip
CLIENTS = ["10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "192.0.2.200", "2001:db8:1::1",
           "2001:db8:2::1", "::ffff:10.1.2.3", "unknown"]  # fmt: skip
TIMES = [NOW + timedelta(hours=hours) for hours in range(4)]
accesses = st.builds(
    ApiAccess,
    scopes=st.frozensets(st.sampled_from(ApiScope)),
    networks=st.none() | st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple),
    expires_at=st.none() | st.sampled_from(TIMES),
    rate=st.none() | st.integers(1, 3),
    is_test=st.booleans(),
)


def reach(access: ApiAccess) -> set[tuple[str, str, datetime]]:
    """Return which operations the key reaches, from where, and when."""
    return {
        (operation, client, at)
        for operation, scopes in SCOPES.items()
        for client in CLIENTS
        for at in TIMES
        if access.has_any(scopes) and access.allows_client(client) and not access.is_expired_at(at)
    }


@given(accesses, accesses)
def test_a_narrower_key_never_reaches_more(one: ApiAccess, other: ApiAccess) -> None:
    if not one.excess_over(other):
        assert reach(one) <= reach(other)
        assert other.rate is None or (one.rate is not None and one.rate <= other.rate)
        assert one.is_test or not other.is_test


@given(accesses, accesses, accesses)
def test_narrower_is_an_order(one: ApiAccess, other: ApiAccess, third: ApiAccess) -> None:
    assert one.excess_over(one) == []
    assert one.excess_over(ApiAccess()) == []
    if not one.excess_over(other) and not other.excess_over(third):
        assert one.excess_over(third) == []


def test_an_ipv4_mapped_address_is_that_of_ipv4() -> None:
    assert parse_address("::ffff:10.1.2.3") == ip_address("10.1.2.3")
    assert not ApiAccess(networks=()).allows_client("10.1.2.3")
