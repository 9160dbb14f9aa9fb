"""Each code of a fault has words."""

import ast
import inspect
from types import ModuleType

import pytest

from consent_tokens.relay.templates import check, links
from consent_tokens.relay.templates.fault_texts import FAULT_TEXTS
from consent_tokens.relay.templates.grammar import ValueFault
from consent_tokens.relay.text_form import TextFault
from consent_tokens.services.admission import templates


@pytest.mark.parametrize("module", [check, links, templates])
def test_each_fault_has_words(module: ModuleType) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TemplateFault"
    ]
    codes = {
        each.args[1].value
        for each in calls
        if isinstance(each.args[1], ast.Constant)
    }  # fmt: skip
    returned = {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(links)))
        if isinstance(node, ast.Constant) and str(node.value).startswith("link_")
    }
    assert (codes | returned | set(ValueFault) | set(TextFault)) - {""} <= FAULT_TEXTS.keys()
