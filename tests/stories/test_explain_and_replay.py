"""Decisions are explained and decided again, by the rules of their time."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from consent_tokens.errors import NotFoundError
from consent_tokens.relay.explanation import Outcome
from consent_tokens.rules_source import RulesSource
from consent_tokens.services.decisions import replay as replays
from consent_tokens.services.decisions.explain import ExplainedDecision, explain
from consent_tokens.services.decisions.past import Missing
from consent_tokens.services.erasure import erase_recipient
from tests.commands import run_command
from tests.number_scan import NUMBERS
from tests.service import Merchant, Service
from tests.unit.test_rule_limits import rules_of

BEGINNING = timedelta(days=400)


def under(service: Service, merchant: Merchant, *rules: str) -> Service:
    """Return the service, under these rules from now on."""
    changed = service.with_runtime(rules=RulesSource(rules_of(*rules)))
    merchant.service = changed
    return changed


def one(service: Service, public_id: str) -> ExplainedDecision:
    (found,) = explain(service.runtime, public_id)
    return found


def replayed(service: Service, **rules: Any) -> replays.Replay:  # noqa: ANN401 - of replay
    return replays.replay(service.runtime, service.clock.now() - BEGINNING, **rules)


def test_past_decisions_are_explained_and_come_out_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PAGE_SIZE", 2)
    merchant = service.legal_merchant()
    service = under(service, merchant, "cap = { max_messages = 1, per_days = 3 }")
    token = service.obtain_token(merchant, service.consumer(), max_messages=10)

    accepted = merchant.send(token)
    refused = merchant.send(token)
    assert refused.json["code"] == "rule_forbids"
    found = one(service, refused.json["decision"])
    assert found.decision.startswith("refused: rule_forbids, allowed at ")
    assert [rule.id for rule in found.rules] == ["cn.r0"]
    assert found.rules[0].source == "its own choice"
    assert found.steps[-4].check == "rules"
    assert found.steps[-4].compared["cn.r0"] == "1 of 1 in 3 days"
    assert [step.outcome for step in found.steps[-3:]] == [Outcome.NOT_REACHED] * 3
    assert (found.is_same, found.is_of_dispatch) == (True, False)

    wide = under(service, merchant, "cap = { max_messages = 9, per_days = 3 }")
    planned = merchant.send(token)
    assert planned.status_code == 202
    strict = under(service, merchant, "forbidden = true")
    strict.work()
    decisions = explain(strict.runtime, planned.json["id"])
    assert [each.decision for each in decisions] == ["accepted", "refused: rule_forbids"]
    assert [each.is_of_dispatch for each in decisions] == [False, True]
    assert len({each.rules_version for each in decisions}) == 2
    assert all(each.is_same for each in decisions)
    assert explain(strict.runtime, accepted.json["id"])[0].decision == "accepted"
    for unknown in ("msg_" + "A" * 22, "dec_" + "A" * 22, "nonsense", ""):
        with pytest.raises(NotFoundError):
            explain(strict.runtime, unknown)

    found_again = replayed(strict)
    assert (found_again.decisions, found_again.differing, found_again.skipped) == (5, 0, {})
    by_others = replayed(strict, rules=wide.runtime.rules.current())
    assert (by_others.decisions, by_others.differing) == (5, 3)
    assert {each.now for each in by_others.differences} == {"accepted"}
    by_strictest = replayed(strict, rules=strict.runtime.rules.current())
    assert [each.now for each in by_strictest.differences] == ["refused: rule_forbids"] * 3
    assert {each.rules for each in by_strictest.differences} == {("cn.r0",)}


def test_inputs_name_nobody_and_end_with_the_data(service: Service) -> None:
    merchant, consumer = service.legal_merchant(), service.consumer()
    other = service.consumer(NUMBERS[1])
    kept = merchant.send(service.obtain_token(merchant, other))
    sent = merchant.send(service.obtain_token(merchant, consumer))
    key = service.runtime.ids.message.decode(sent.json["id"])
    assert key
    query = sql("SELECT partition, inputs, merchant_id FROM events WHERE inputs IS NOT NULL")
    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(query).all()
    first, second = (bytes(row.inputs) for row in rows)
    assert first == second, "nothing in it tells two consumers apart"
    assert rows[0].merchant_id.encode() not in first
    erase_recipient(service.runtime, key.partition)
    with service.runtime.database.engine.connect() as connection:
        assert [row.partition != key.partition for row in connection.execute(query)] == [True]
    found, refused = explain(service.runtime, sent.json["id"])
    assert (found.decision, found.missing, found.steps) == ("accepted", Missing.INPUTS, ())
    assert (refused.decision, refused.rules_version) == ("refused: consent_revoked", None)
    assert one(service, kept.json["id"]).is_same


def test_the_commands_show_it(small: Service) -> None:
    merchant = small.legal_merchant()
    service = under(small, merchant, "cap = { max_messages = 1, per_days = 3 }")
    token = service.obtain_token(merchant, service.consumer(), max_messages=10)
    sent, refused = merchant.send(token), merchant.send(token)
    keys = service.runtime.revocation_journal.path.parent
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{keys.parent}/consent.db",
        "CONSENT_KEYS_DIR": str(keys),
    }

    shown = run_command(environment, "explain", refused.json["decision"])
    assert "rule cn.r0: one (its own choice)" in shown.stdout
    assert "decided_again: the same" in shown.stdout
    assert "1 of 1 in 3 days" in shown.stdout
    (explained,) = json.loads(run_command(environment, "explain", sent.json["id"], "--json").stdout)
    assert (explained["stage"], explained["decision"]) == ("acceptance", "accepted")
    assert {step["outcome"] for step in explained["steps"]} == {"passed"}
    assert run_command(environment, "explain", "msg_x").returncode == 1

    done = run_command(environment, "replay")
    assert (done.returncode, done.stdout) == (0, "decisions: 2\ndiffering: 0\n")
    by_current = json.loads(
        run_command(environment, "replay", "--with-current-rules", "--json").stdout
    )
    assert by_current["differing"] == 1, "they allow it at another time"
    assert by_current["shown"][0]["id"] == refused.json["decision"]
    service.runtime.database.run(
        lambda transaction: transaction.execute(sql("UPDATE events SET rules = 'gone cn.r0'"))
    )
    assert "skipped_rules_not_kept: 2" in run_command(environment, "replay").stdout
