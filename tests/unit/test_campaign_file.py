"""Campaign files: encodings, separators, quotes and times, without a service."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from consent_tokens.errors import InvalidError
from consent_tokens.services.campaigns.campaign_file import CampaignFile
from consent_tokens.services.campaigns.file_times import with_offset

SHANGHAI = ZoneInfo("Asia/Shanghai")
SIMPLIFIED = "满减活动今晚八点开始，全场五折，退订回R。"
TRADITIONAL = "滿減活動今晚八點開始，全場五折，退訂回R。"


def texts(folder: Path, content: bytes, encoding: str | None = None) -> list[str]:
    file = folder / "campaign.csv"
    file.write_bytes(content)
    lines = CampaignFile.open(file, SHANGHAI, encoding).lines()
    return [str(line.error or line.body["text"]) for line in lines]


def refused(folder: Path, content: bytes, encoding: str | None = None) -> str:
    with pytest.raises(InvalidError) as caught:
        texts(folder, content, encoding)
    return str(caught.value.fields)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", SIMPLIFIED), ("utf-8-sig", SIMPLIFIED), ("utf-16", SIMPLIFIED),
        ("utf-16-le", SIMPLIFIED), ("utf-16-be", SIMPLIFIED), ("gb18030", SIMPLIFIED),
        ("gbk", TRADITIONAL), ("big5", TRADITIONAL), ("gb2312", "联通"), ("gbk", "朱镕基喆"),
        ("gbk", "50％ off！"), ("gb18030", "今晚😀"), ("gbk", "满200减50 A区B座 VIP客户专享"),
    ],
)  # fmt: skip
def test_an_encoding_is_found(tmp_path: Path, encoding: str, text: str) -> None:
    assert texts(tmp_path, f"token,purpose,text\nt,p,{text}\n".encode(encoding)) == [text]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "été à Paris"), ("cp1252", "PROMOÇÃO"), ("cp1252", "Grüße aus Köln"),
        ("cp1252", "El Niño"), ("cp1251", "Скидка сегодня"), ("shift_jis", "本日限定セール"),
    ],
)  # fmt: skip
def test_what_is_not_chinese_is_not_read_as_chinese(
    tmp_path: Path, encoding: str, text: str
) -> None:
    content = f"token;purpose;text\nt;p;{text}\n".encode(encoding)
    assert "name its encoding" in refused(tmp_path, content)
    assert texts(tmp_path, content, encoding) == [text]


def test_an_encoding_that_is_named_wrongly_is_refused(tmp_path: Path) -> None:
    content = "token,purpose,text\nt,p,é\n".encode("cp1252")
    assert "No such encoding" in refused(tmp_path, content, "nonsense")
    assert "Line 2 is not UTF-8" in refused(tmp_path, content, "utf-8")


@pytest.mark.parametrize(
    "named",
    [
        "bz2", "zlib", "zip", "hex", "base64", "uu", "quopri", "rot13", "undefined", "punycode",
        "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-32", "hz", "iso2022_jp",
        "charmap", "mbcs", "../x", "x" * 200, "\0", "é",
    ],
)  # fmt: skip
def test_only_an_encoding_of_texts_may_be_named(tmp_path: Path, named: str) -> None:
    assert "No such encoding" in refused(tmp_path, b"token,purpose,text\nt,p,x\n", named)


@pytest.mark.parametrize(
    "named",
    [
        "utf-8", "UTF8", "utf-8-sig", "gb18030", "GBK", "gb2312", "big5", "big5-hkscs", "cp950",
        "cp1250", "windows-1252", "Windows 1258", "iso-8859-1", "ISO_8859-15", "latin1", "latin-1",
        "shift_jis", "Shift-JIS", "cp932", "euc-kr", "EUC-JP", "cp949", "koi8-r", "us-ascii",
    ],
)  # fmt: skip
def test_the_usual_names_of_encodings_are_known(tmp_path: Path, named: str) -> None:
    assert texts(tmp_path, b"token,purpose,text\nt,p,x\n", named) == ["x"]


def test_utf_16_without_a_mark_has_to_be_named_with_its_order(tmp_path: Path) -> None:
    content = "token,purpose,text\nt,p,x\n".encode("utf-16-le")
    assert "UTF-16" in refused(tmp_path, content, "utf-16")
    assert texts(tmp_path, content, "utf-16-le") == ["x"]


@pytest.mark.parametrize(
    "content",
    [
        "token;purpose;text\nt;p;x\n", "token\tpurpose\ttext\nt\tp\tx\n",
        "\ufeffTOKEN, Purpose ,Text\nt,p,x",
        "token，purpose，text\nt，p，x\n", "sep=|\r\ntoken|purpose|text\r\nt|p|x\r\n",
        "token,purpose,text\rt,p,x\r", '"token","purpose","text"\n"t","p","x"\n',
        "token,purpose,text,,\nt,p,x,,\n,,,,\n\n  ",
        '{"token": "t", "purpose": "p", "text": "x"}\n',
    ],
)  # fmt: skip
def test_every_dress_of_the_same_line(tmp_path: Path, content: str) -> None:
    assert texts(tmp_path, content.encode()) == ["x"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026/11/25 9:30", "2026-11-25T09:30:00+08:00"),
        ("2026-11-25T10:00", "2026-11-25T10:00:00+08:00"),
        ("2026年11月25日 9时30分", "2026-11-25T09:30:00+08:00"),
        ("46351.4166666667", "2026-11-25T10:00:00+08:00"),
        ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
        ("25/11/2026 10:00", "25/11/2026 10:00"),
        ("2026-13-01 10:00", "2026-13-01 10:00"),
    ],
)
def test_times_of_spreadsheets(given: str, read: str) -> None:
    assert with_offset(given, SHANGHAI) == read


def test_more_cells_than_columns_are_refused_and_no_half_text_is_sent(tmp_path: Path) -> None:
    (error,) = texts(tmp_path, b"token,purpose,text\nt,p,tonight, at eight\n")
    assert "4 cells" in error


def test_a_quote_that_swallows_another_token_is_refused(tmp_path: Path) -> None:
    token = f"eyJ{'a' * 50}.{'b' * 50}.{'c' * 86}"
    content = f'token,purpose,text\n{token},p,"open\n{token},p,closed"\n{token},p,x\n'
    assert texts(tmp_path, content.encode())[1:] == ["x"]
    assert "token" in texts(tmp_path, content.encode())[0]


def test_many_quotes_that_are_not_closed_are_parsed_in_linear_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = 0
    reader = csv.reader

    def counting(lines: list[str], **options: Any) -> Iterator[list[str]]:  # noqa: ANN401 - its own
        nonlocal parsed
        parsed += sum(map(len, lines))
        return reader(lines, **options)

    monkeypatch.setattr(csv, "reader", counting)
    content = "token,purpose,text\n" + 't,p,"open\n' * 300
    found = texts(tmp_path, content.encode())
    assert len(found) == 300
    assert all("not closed" in each for each in found[:-1])
    assert parsed < 4 * len(content)


def test_columns_of_a_template_become_the_members_of_a_message(tmp_path: Path) -> None:
    file = tmp_path / "campaign.csv"
    file.write_text(
        "token,purpose,template,Variables.Order,variables.day,event.type,event.id,Variables.\n"
        "t,orders.updates,tpl_1, DD1 ,11月12日,order,DD1,\n"
        "t,orders.updates,tpl_2,,,,,\n",
        "utf-8",
    )
    campaign = CampaignFile.open(file, SHANGHAI)
    first, second = campaign.lines()
    assert first.body == {
        "token": "t", "purpose": "orders.updates", "template": "tpl_1",
        "variables": {"order": "DD1", "day": "11月12日"}, "event": {"type": "order", "id": "DD1"},
    }  # fmt: skip
    assert second.body == {"token": "t", "purpose": "orders.updates", "template": "tpl_2"}
    assert campaign.ignored == ["variables."]
    assert "missing: text" in refused(tmp_path, b"token,purpose,variables.order\nt,p,x\n")
