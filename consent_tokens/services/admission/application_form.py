"""What a merchant tells when it applies, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.relay.admission.registration import check_registration, normal_registration
from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.text_form import normal_domain
from consent_tokens.services.admission.documents import DocumentFile, check_documents
from consent_tokens.services.admission.merchant_options import MAX_LINK_DOMAINS
from consent_tokens.services.merchants import changed_identity, check_name
from consent_tokens.store.merchants import MerchantIdentity

# finance is asked for by name: most merchants have no business with it
DEFAULT_CLASSES: Final = frozenset({PurposeClass.MARKETING, PurposeClass.TRANSACTIONAL})
MAX_LENGTHS: Final = {"legal_person": 100, "licences": 400, "wanted_use": 1000}  # characters
COUNTRY_LENGTH: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationForm:
    """What a merchant tells when it applies."""

    name: str  # that consumers know it by
    legal_name: str
    registration: str
    contact: str  # for consumers, and for the operator
    country: str = "CN"  # where it is registered, ISO 3166-1 alpha-2
    classes: frozenset[PurposeClass] = DEFAULT_CLASSES
    legal_person: str | None = None
    website: str | None = None
    licences: str | None = None
    wanted_use: str | None = None  # what it wants to send, and to whom
    link_domains: Sequence[str] = ()
    documents: list[DocumentFile] = field(default_factory=list)


def checked_identity(form: ApplicationForm, now: datetime) -> MerchantIdentity:
    """Return the identity of a form. Raises InvalidError, with everything that is wrong."""
    errors = check_name(form.name.strip()) | check_documents(form.documents)
    country = form.country.upper()
    registration = normal_registration(form.registration, country)
    if len(country) != COUNTRY_LENGTH or not (country.isascii() and country.isalpha()):
        errors["country"] = ["must be two letters (ISO 3166-1)"]
    elif fault := check_registration(registration, country):
        errors["registration"] = [fault]
    errors |= {
        name: ["is missing"]
        for name in ("legal_name", "contact")
        if not getattr(form, name).strip()
    }
    errors |= {
        name: [f"must be at most {limit} characters"]
        for name, limit in MAX_LENGTHS.items()
        if len(text := getattr(form, name) or "") > limit or not is_displayable(text)
    }
    if not form.classes:
        errors["class"] = ["must be one or more"]
    if wrong := [each for each in form.link_domains if normal_domain(each) is None]:
        errors["link_domain"] = [f"not a domain: {each}" for each in wrong]
    if len(form.link_domains) > MAX_LINK_DOMAINS:
        errors["link_domain"] = [f"at most {MAX_LINK_DOMAINS}"]
    given = {
        "legal_name": form.legal_name,
        "registration": registration,
        "contact": form.contact,
        "website": form.website,
    }
    try:
        identity = changed_identity(MerchantIdentity(), given, now)
    except InvalidError as error:
        raise InvalidError(error.fields | errors) from None
    if errors:
        raise InvalidError(errors)
    return identity
