"""The `template` commands, as an operator types them."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.commands import run_command
from tests.number_scan import WRITTEN


def run(folder: Path, *arguments: str) -> CompletedProcess[str]:
    settings = {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
    }
    return run_command(settings, *arguments)


def answer(folder: Path, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_template_is_added_approved_shown_and_withdrawn(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    merchant_id = answer(tmp_path, "merchant", "add", "晨光书店")["id"]

    added = answer(
        tmp_path, "template", "add", merchant_id, "--purpose", "orders.updates",
        "--text", "订单{order}已发出",
    )  # fmt: skip
    assert added.keys() == {"id"}
    waiting = answer(tmp_path, "template", "list", "--status", "submitted")
    assert [each["id"] for each in waiting] == [added["id"]]

    approved = answer(tmp_path, "template", "approve", added["id"], "--texts-per-event", "3")
    assert approved["status"] == "approved"
    shown = answer(tmp_path, "template", "show", added["id"])
    assert (shown["texts_per_event"], shown["segments"]) == (3, 1)
    assert [each["action"] for each in shown["reviews"]] == ["approve"]
    assert shown["reviews"][0]["by"].startswith("os:")
    assert "order=order:32" in run(tmp_path, "template", "show", added["id"]).stdout

    for act, status in (("hold", "held"), ("release", "approved"), ("withdraw", "withdrawn")):
        done = answer(tmp_path, "template", act, added["id"], "--reason", "有人举报")
        assert done["status"] == status
    again = run(
        tmp_path, "template", "add", merchant_id, "--purpose", "orders.updates",
        "--text", "訂單{order}，已發出",
    )  # fmt: skip
    assert again.returncode == 1
    assert "text_withdrawn" in again.stderr


def test_variables_are_declared_where_their_name_does_not_say_the_type(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    merchant_id = answer(tmp_path, "merchant", "add", "晨光书店")["id"]
    base = ("template", "add", merchant_id, "--purpose", "orders.updates", "--text")

    wrong = run(tmp_path, *base, "您的包裹已到{where}请领取")
    assert "undeclared: where" in wrong.stderr
    malformed = run(tmp_path, *base, "您的包裹已到{where}请领取", "--variable", "where=street")
    assert "declaration_malformed: where=street" in malformed.stderr
    added = answer(
        tmp_path, *base, "您的包裹已到{where}，由{by}送达，请领取", "--variable", "where=place:8",
        "--variable", "by=choice:顺丰|中通",
    )  # fmt: skip
    shown = answer(tmp_path, "template", "show", added["id"])
    assert shown["variables"] == "where=place:8, by=choice:顺丰|中通"
    unknown = run(tmp_path, *base[:-2], "no.purpose", "--text", "订单{order}已发出")
    assert "purpose: must be a purpose of the catalogue" in unknown.stderr
    refused = answer(tmp_path, "template", "refuse", added["id"], "--reason", "不清楚", "--abuse")
    assert (refused["status"], refused["reason"]) == ("refused", "不清楚")


def test_rulings_are_public(tmp_path: Path) -> None:
    rows = answer(tmp_path, "template", "rulings")
    assert {"abandoned_basket": "marketing", "balance_due": "transactional"}.items() <= {
        each["id"]: each["class"] for each in rows
    }.items()
