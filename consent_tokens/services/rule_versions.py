"""The rules that decisions are made by: stored with their first decision, and found by version."""

from collections.abc import Collection, Mapping

from consent_tokens.errors import RulesInvalidError
from consent_tokens.rules.pack import RuleSet, rule_set
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import rule_versions
from consent_tokens.store.database import Transaction
from consent_tokens.store.rule_versions import RuleVersion


def rules_in_force(runtime: Runtime, transaction: Transaction) -> RuleSet:
    """Return the rules as they are now, stored with what is decided in this transaction.

    Call it before anything is locked. A process asks the database until it has seen its version
    there, committed; from then on this costs nothing.
    """
    rules = runtime.rules.current()
    if rules.version in runtime.stored_rules:
        return rules
    if rule_versions.is_known(transaction, rules.version):
        runtime.stored_rules.add(rules.version)
    else:
        version = RuleVersion(rules.version, runtime.clock.now(), rules.files)
        rule_versions.add(transaction, version)
    return rules


def stored_rules(
    transaction: Transaction, versions: Collection[str] | None = None
) -> Mapping[str, RuleSet]:
    """Return the rules of these stored versions, or all, that this version can read."""
    found: dict[str, RuleSet] = {}
    for each in rule_versions.find(transaction, versions):
        try:
            rules = rule_set(each.files)
        except RulesInvalidError:  # they have a member that is no longer known
            continue
        if rules.version == each.version:
            found[each.version] = rules
    return found
