"""Queries on the domains that merchants' texts may link to."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert

from consent_tokens.store.admission_tables import link_domains as table
from consent_tokens.store.bulk import find_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.round_trips import Asked


def ask_of_merchants(
    transaction: Transaction, merchant_ids: Collection[str]
) -> Asked[Mapping[str, frozenset[str]]]:
    """Ask for the domains of merchants that have registered some, by merchant id."""
    wanted = [(merchant_id,) for merchant_id in sorted(merchant_ids)]
    key = {"merchant_id": "text"}
    rows = find_rows(transaction, "link_domains", key, wanted, columns=("domain",))
    return lambda: _by_merchant(rows())


def of_merchants(
    transaction: Transaction, merchant_ids: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """Return the domains of merchants that have registered some, by merchant id."""
    return ask_of_merchants(transaction, merchant_ids)()


def _by_merchant(rows: Sequence[Any]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.merchant_id].add(row.domain)
    return {merchant_id: frozenset(domains) for merchant_id, domains in found.items()}


def of_merchant(transaction: Transaction, merchant_id: str) -> frozenset[str]:
    """Return the domains of one merchant; none if it has registered none."""
    return of_merchants(transaction, [merchant_id]).get(merchant_id, frozenset())


def replace_all(transaction: Transaction, merchant_id: str, domains: Collection[str]) -> None:
    """Replace the domains of a merchant."""
    transaction.execute(delete(table).where(table.c.merchant_id == merchant_id))
    if domains:
        rows = [{"merchant_id": merchant_id, "domain": domain} for domain in sorted(domains)]
        transaction.execute(insert(table), rows)
