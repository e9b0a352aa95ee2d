"""HTML and SVG that cannot be broken by what it shows: every text goes through `el` or `page`.

Transcripts are what strangers said. A text that is not `Markup` is escaped, whatever it holds.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")

_VOID = frozenset({"meta", "br", "link"})
# What HTML forbids, and what turns the direction of the text around it.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already; made by `el`, `join` and `page` alone."""

    __slots__ = ()


Child = str | int | None
Attribute = str | int | float | None


def escape(text: str) -> Markup:
    """Return the text as HTML that shows it; characters that HTML forbids become U+FFFD."""
    return Markup(html.escape(_UNFIT.sub("\ufffd", text)))


def el(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: text is escaped, `Markup` is not, None is left out.
        attributes: `class_` is `class`, other underscores are hyphens; None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Return the children one after the other, without an element around them."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(str(child))
            for child in children
            if child is not None
        )
    )


def page(title: str, *body: Child) -> str:
    """Return a whole document that loads nothing, runs nothing and sends nothing.

    The policy allows our style sheet by its hash, and sound files beside the page.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; media-src 'self' file:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        # A style sheet is no text: what is escaped in it would not be undone.
        Markup(f"<style>{STYLE}</style>"),
    )
    return f"<!doctype html>\n{el('html', head, el('body', *body), lang='en')}\n"


def _number(value: str | float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
