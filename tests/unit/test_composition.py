"""What the consumer reads, in octets and back."""

from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.relay.composition import (
    GSM_ENCODING,
    GSM_SEGMENT,
    UCS2_SEGMENT,
    Coding,
    compose,
    decode,
    with_signature_and_opt_out,
)

GSM_TEXT = st.text(alphabet=sorted(GSM_ENCODING))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(GSM_TEXT)
def test_what_gsm_holds_is_carried_in_gsm_and_comes_back(text: str) -> None:
    composed = compose(text)
    assert composed.coding is Coding.GSM7
    assert decode(composed) == text


@given(ANY_TEXT)
def test_any_text_comes_back(text: str) -> None:
    assert decode(compose(text)) == text


@given(ANY_TEXT)
def test_no_segment_is_too_long_and_none_cuts_a_letter(text: str) -> None:
    composed = compose(text * 20)
    most = GSM_SEGMENT if composed.coding is Coding.GSM7 else UCS2_SEGMENT
    if len(composed.segments) > 1:
        assert all(len(segment) <= most for segment in composed.segments)
    for segment in composed.segments:
        if composed.coding is Coding.UCS2:
            segment.decode("utf-16-be")  # a lone half of a pair would raise
        else:
            assert not segment.endswith(b"\x1b")


def test_the_boundaries() -> None:
    counts = {
        ("a", 160): 1, ("a", 161): 2, ("a", 306): 2, ("a", 307): 3,
        ("€", 80): 1, ("€", 81): 2,
        ("好", 70): 1, ("好", 71): 2, ("好", 134): 2, ("好", 135): 3,
        ("😀", 35): 1, ("😀", 36): 2,
    }  # fmt: skip
    for (letter, count), segments in counts.items():
        assert len(compose(letter * count).segments) == segments, (letter, count)


def test_the_way_to_refuse_is_at_the_end_in_the_language_of_the_consent() -> None:
    link = "https://c.example/m/x"
    assert (
        with_signature_and_opt_out("好", signature="店", language="zh-CN", link=link)
        == f"【店】好 拒收请回复R {link}"
    )
    assert with_signature_and_opt_out("hi", signature="Shop", language="en", link=link) == (
        f"[Shop] hi Reply STOP to refuse: {link}"
    )
    assert (
        with_signature_and_opt_out("hi", signature="Shop", language="en", link=None) == "[Shop] hi"
    )
