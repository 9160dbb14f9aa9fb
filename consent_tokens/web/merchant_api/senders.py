"""`/v1/senders`: the merchant applies for senders, and sees how its senders stand."""

from typing import Any

from consent_tokens.services.admission import sender_applications, sender_standings
from consent_tokens.services.admission.sender_standings import SenderStanding
from consent_tokens.services.admission.senders import SenderDetails, new_sender
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import PageQuery, RequestedPage
from consent_tokens.web.merchant_api.sender_schemas import SenderAnswer, SenderIn, SenderPage
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("senders", "Ports, extensions and signatures that the merchant's texts have.")


@bp.post("/senders")
@bp.body(SenderIn())
@bp.answer_once(201, SenderAnswer())
@bp.problems(403, 409)
def create_sender(
    merchant_id: str, body: tuple[str, str, str, SenderDetails], answer: Answer
) -> ApiResponse:
    """Apply for a sender; texts leave from it once the operator has admitted it."""
    port, extension, signature, details = body
    sender = new_sender(
        runtime(),
        merchant_id,
        port=port,
        extension=extension,
        signature=signature,
        details=details,
    )
    return answer.once(
        lambda transaction: sender_standings.of_application(
            sender_applications.submit(runtime(), transaction, merchant_id, sender, details)
        )
    )


@bp.get("/senders")
@bp.query(PageQuery())
@bp.answer(200, SenderPage())
def list_senders(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List the merchant's senders, the oldest first; texts leave from the first of their class."""
    return list_page(
        merchant_id,
        "senders",
        query,
        lambda wanted: sender_standings.list_standings(runtime(), merchant_id, wanted),
        sender_standings.position_of,
    )


@bp.get("/senders/<sender_id>")
@bp.answer(200, SenderAnswer())
@bp.problems(404)
def get_sender(merchant_id: str, sender_id: str) -> SenderStanding:
    """Return a sender: whether it was admitted, for which classes, and until when."""
    return sender_standings.read_standing(runtime(), merchant_id, sender_id)
