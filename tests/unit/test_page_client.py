"""The client of tests finds references of a page to what it does not have."""

import pytest
from flask import Flask

from tests.page_client import PageClient


@pytest.mark.parametrize(
    ("page", "is_whole"),
    [
        ('<label for="name">Name</label><input id="name">', True),
        ('<label for="name">Name</label><input>', False),
        ('<input aria-describedby="a b"><p id="a"></p>', False),
        ('<input aria-describedby="a b"><p id="a"></p><p id="b"></p>', True),
        ('<a href="#main">Main</a>', False),
        ('<p id="a"></p><p id="a"></p><a href="#a">Twice</a>', False),
    ],
)
def test_a_page_that_refers_to_what_it_does_not_have_fails(page: str, is_whole: bool) -> None:
    app = Flask(__name__)
    app.test_client_class = PageClient
    app.add_url_rule("/", view_func=lambda: page)
    if is_whole:
        assert app.test_client().get("/").text == page
    else:
        with pytest.raises(AssertionError):
            app.test_client().get("/")
