import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.reporting.markup import STYLE, Markup, el, escape, join, page
from tests.reporting.reader import read

ATTACKS = (
    "<script>alert(1)</script>",
    "</title></style></svg><img src=x onerror=alert(1)>",
    "\"'><b onmouseover=alert(1)>",
    "<!-- ",
    "]]>",
    "&lt;already&amp;",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_stays_text_in_an_element_in_an_attribute_and_in_the_title(attack: str):
    reader = read(page(attack, el("p", attack, title=attack), el("svg", el("title", attack))))

    assert {tag for tag, _ in reader.tags} == {
        "html", "head", "meta", "title", "style", "body", "p", "svg",
    }  # fmt: skip
    assert reader.of("p") == [{"title": attack}]
    assert reader.text.count(attack) == 3


@given(st.text())
def test_any_text_comes_back_as_it_was_but_for_what_html_forbids(text: str):
    document = page("title", el("p", text))

    read(document)
    document.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]", document)


def test_markup_is_escaped_once():
    assert join(el("b", "a & b"), " < ", None, 3) == "<b>a &amp; b</b> &lt; 3"
    assert isinstance(escape("x"), Markup)
    assert el("a", class_="x", aria_label="y", href=None) == '<a class="x" aria-label="y"></a>'


def test_policy_allows_our_style_and_sound_beside_the_page_and_nothing_else():
    [policy] = [
        meta["content"]
        for meta in read(page("title")).of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "media-src": "'self' file:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_page_says_its_language_and_fits_a_telephone():
    reader = read(page("title"))

    assert reader.of("html") == [{"lang": "en"}]
    assert "width=device-width, initial-scale=1" in reader.values("content")
