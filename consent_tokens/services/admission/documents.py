"""Documents of an application, such as a business licence: sealed, for reviewers to read."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import applications
from consent_tokens.store.applications import Document
from consent_tokens.store.database import Transaction

MAX_DOCUMENT_BYTES: Final = 5 * 1024 * 1024  # a scan of a page or two
MAX_DOCUMENTS: Final = 10  # of one merchant
MAX_NAME_LENGTH: Final = 200  # characters
# what a content begins with, so that a name cannot say something else
CONTENT_TYPES: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A file as it is given."""

    name: str
    content: bytes


def check_documents(files: list[DocumentFile]) -> dict[str, list[str]]:
    """Return what is wrong with files, by field."""
    errors: list[str] = []
    for each in files:
        if len(each.name) > MAX_NAME_LENGTH or not is_displayable(each.name):
            errors.append(f"the name of a file has at most {MAX_NAME_LENGTH} characters")
        if len(each.content) > MAX_DOCUMENT_BYTES:
            errors.append(f"{each.name}: at most {MAX_DOCUMENT_BYTES // 1024**2} MB")
        elif content_type(each.content) is None:
            errors.append(f"{each.name}: must be a PDF, PNG or JPEG")
    return {"document": errors} if errors else {}


def content_type(content: bytes) -> str | None:
    """Return the type of a content by its first bytes; None if it is none that is taken."""
    return next((kind for start, kind in CONTENT_TYPES.items() if content.startswith(start)), None)


def add_documents(
    runtime: Runtime, transaction: Transaction, merchant_id: str, files: list[DocumentFile]
) -> None:
    """Seal and store files that were checked. Raises InvalidError if they are too many."""
    if applications.count_documents(transaction, merchant_id) + len(files) > MAX_DOCUMENTS:
        raise InvalidError({"document": [f"at most {MAX_DOCUMENTS} of one merchant"]})
    for each in files:
        document_id = f"doc_{runtime.random.token_bytes(8).hex()}"
        document = Document(
            id=document_id,
            merchant_id=merchant_id,
            name=each.name,
            content_type=content_type(each.content) or "",
            digest=sha256(each.content).digest(),
            content=runtime.seal_envelope(each.content, _associated_data(document_id)),
            added_at=runtime.clock.now(),
        )
        applications.add_document(transaction, document)


def read_document(runtime: Runtime, actor: Actor, document_id: str) -> DocumentFile:
    """Return a document. Raises ForbiddenError for whoever decides nothing, NotFoundError."""
    require_right(actor, Action.APPROVE)
    found = runtime.database.read(lambda at: applications.find_document(at, document_id))
    if found is None:
        raise NotFoundError("no document of that id")
    content = runtime.open_envelope(found.content, _associated_data(document_id))
    return DocumentFile(found.name, content)


def _associated_data(document_id: str) -> bytes:
    return f"merchant document {document_id}".encode()
