"""docs/templates.md says what the data says."""

from pathlib import Path

from consent_tokens.relay.templates.grammar import MAX_LENGTHS
from consent_tokens.relay.templates.marks import rulings

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text("utf-8")


def test_each_ruling_is_on_the_page() -> None:
    for each in rulings():
        line = f"| `{each.id}` | {each.purpose_class.value} | {each.about} | {each.why} |"
        assert line in PAGE, line


def test_each_type_is_on_the_page() -> None:
    for each in MAX_LENGTHS:
        assert f"`{each.value}`" in PAGE, each
