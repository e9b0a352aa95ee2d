"""The style sheet: readable in both schemes, and it loads nothing."""

import re

import pytest

from scripts.reporting.markup import STYLE

READ = ("ink", "quiet", "link", "contained", "escalated", "abandoned", "failed")
"""Colours of letters: contrast of 4.5 (WCAG 2.2, 1.4.3)."""
SEEN = (
    "caller", "agent", "silence", "value", "beyond", "mark", "endpointing", "model", "tools",
    "pacing", "own", "cut", "wait", "focus",
)  # fmt: skip
"""Colours of drawings: contrast of 3 (WCAG 2.2, 1.4.11)."""


def colours(scheme: str) -> dict[str, str]:
    roots = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light, dark, on_paper = (dict(re.findall(r"--(\w+): (#\w{6});", root)) for root in roots)
    return {"light": light, "dark": light | dark, "paper": dark | on_paper}[scheme]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "paper"])
def test_letters_and_drawings_stand_out(scheme: str):
    named = colours(scheme)

    for name in READ:
        assert contrast(named[name], named["card"]) >= 4.5, name
    for name in SEEN:
        assert contrast(named[name], named["card"]) >= 3, name
    assert contrast(named["quiet"], named["paper"]) >= 4.5


def test_nothing_is_loaded():
    assert not re.search(r"url\(|@import|@font-face|image-set", STYLE)
    assert "</" not in STYLE
