"""A text whose form misleads is refused, and the problem says what it is."""

from consent_tokens.services.admission.merchant_options import set_link_domains
from tests.service import ADMIN, ORDERS, Page, Service


def faults(answer: Page) -> list[str]:
    assert (answer.status_code, answer.json["code"]) == (422, "content_rejected"), answer.text
    return [each.partition(":")[0] for each in answer.json["errors"]["text"]]


def test_a_refused_form_is_named_and_leaves_nothing(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    for text, fault in (
        ("【工商银行】您的账户", "signature_in_text"),
        ("见 https://a@evil.example", "link_with_user"),
        ("见 https://t.cn/x", "link_shortener"),
        ("a\u202eb", "invisible_characters"),
    ):
        assert faults(merchant.send(token, ORDERS, text)) == [fault]
        item = {"token": token, "purpose": ORDERS, "text": text}
        (result,) = merchant.post("/v1/messages/batch", {"messages": [item]}).json["results"]
        assert result["problem"]["errors"]["text"][0].startswith(fault)
    assert merchant.get("/v1/messages").json["items"] == []


def test_registered_domains_bind_from_the_next_message_on(service: Service) -> None:
    merchant, other = service.merchant(), service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    elsewhere, shortened = "见 https://example.com/x", "见 t.cn/x"
    accepted = merchant.send(token, ORDERS, elsewhere).json["id"]
    set_link_domains(service.runtime, ADMIN, other.id, ["other.example"])
    set_link_domains(service.runtime, ADMIN, merchant.id, ["Shop.Example", "t.cn"])
    assert merchant.get("/v1/link-domains").json == {"domains": ["shop.example", "t.cn"]}
    assert faults(merchant.send(token, ORDERS, elsewhere)) == ["link_domain_not_registered"]
    sent = [accepted] + [
        merchant.send(token, ORDERS, text).json["id"]
        for text in ("见 m.shop.example/x", shortened, "没有链接")
    ]
    service.work()
    assert {merchant.get(f"/v1/messages/{each}").json["status"] for each in sent} == {"delivered"}
    set_link_domains(service.runtime, ADMIN, merchant.id, [])
    assert faults(merchant.send(token, ORDERS, shortened)) == ["link_shortener"]
    assert merchant.send(token, ORDERS, elsewhere).status_code == 202
