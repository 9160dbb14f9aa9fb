"""A browser of tests, without a screen: a page that it gets has to have what it refers to."""

import re
from typing import Any, Final

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

# each attribute of HTML and ARIA that names elements of the same page, and the ids themselves
ID: Final = re.compile(r'\sid="([^"]+)"')
REFERENCES: Final = re.compile(
    r'\s(?:for|form|list|headers|aria-(?:describedby|labelledby|controls|owns|details))="([^"]+)"'
    r'|\shref="#([^"]+)"'
)


class PageClient(FlaskClient):
    """Asks an app as a browser does."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401 - as werkzeug has it
        """Return an answer. Fails if a page refers to an element that it does not have."""
        answer = super().open(*args, **kwargs)
        if answer.mimetype == "text/html":
            assert not (dangling := dangling_references(answer.text)), (
                answer.request.path,
                dangling,
            )
        return answer


def dangling_references(page: str) -> list[str]:
    """Return the ids that a page refers to and that none, or more than one, of its elements has."""
    ids = ID.findall(page)
    references = {
        each for both in REFERENCES.findall(page) for named in both for each in named.split()
    }
    return sorted(each for each in references if ids.count(each) != 1)
