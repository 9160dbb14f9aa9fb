"""What operators admitted, written straight into the tables: for tests of what the relay allows.

Merchants, senders and templates that come the way that an operator and a merchant go are in
tests/service.py.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import update

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.templates.fingerprint import fingerprint
from consent_tokens.relay.templates.template import (
    OnOverflow,
    Template,
    TemplateStatus,
    Variable,
    VariableType,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import admission_tables as tables
from consent_tokens.store import templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.purpose_classes import write_classes
from consent_tokens.store.templates import TemplateVersion
from tests.service import ORDERS, Merchant, Service

ORDER_TEXT = "您的订单{order}已发出，预计{day}送达"
ORDER_VARIABLES = {
    "order": Variable(VariableType.ORDER, 32),
    "day": Variable(VariableType.DATE, 20),
}


def set_classes(
    service: Service,
    merchant: Merchant,
    classes: Collection[PurposeClass],
    suspended: Collection[PurposeClass] = (),
) -> None:
    """Change the classes of purposes that a merchant is admitted for, and of those suspended."""
    statement = (
        update(tables.merchants)
        .where(tables.merchants.c.id == merchant.id)
        .values(
            classes=write_classes(classes),
            suspended_classes=write_classes(suspended),
        )
    )
    service.runtime.database.run(lambda transaction: transaction.execute(statement))


def set_sender(service: Service, merchant: Merchant, **values: object) -> None:
    """Change what the senders of a merchant are admitted for."""
    owned = tables.senders.c.merchant_id == merchant.id
    statement = update(tables.senders).where(owned).values(**values)
    service.runtime.database.run(lambda transaction: transaction.execute(statement))


def add_template(
    service: Service,
    merchant: Merchant,
    purpose: str = ORDERS,
    **members: Any,  # noqa: ANN401 - members of a template
) -> str:
    """Add a template of a merchant, as `insert_template` does; return its id."""
    return insert_template(service.runtime, merchant.id, purpose, **members)


def insert_template(
    runtime: Runtime,
    merchant_id: str,
    purpose: str,
    **members: Any,  # noqa: ANN401 - members of a template
) -> str:
    """Insert a template of one version, approved unless `members` say otherwise; return its id."""
    defaults: dict[str, Any] = {
        "text": ORDER_TEXT,
        "variables": ORDER_VARIABLES,
        "on_overflow": OnOverflow.REFUSE,
        "event_type": "order",
        "texts_per_event": 1,
        "is_essential": False,
        "status": TemplateStatus.APPROVED,
    }
    template = Template(
        id=templates.id_of(int.from_bytes(runtime.random.token_bytes(8))),
        version=1,
        merchant_id=merchant_id,
        purpose=purpose,
        **defaults | members,
    )
    version = TemplateVersion(
        template=template,
        fingerprint=fingerprint(template.text),
        findings=(),
        submitted_at=runtime.clock.now(),
    )

    def work(transaction: Transaction) -> None:
        templates.add(transaction, version)

    runtime.database.run(work)
    return template.id


def set_template(service: Service, template_id: str, status: TemplateStatus) -> None:
    """Change the status of a template."""

    def work(transaction: Transaction) -> None:
        versions = templates.lock(transaction, template_id)
        templates.set_status(transaction, versions, status, service.clock.now(), None)

    service.runtime.database.run(work)
