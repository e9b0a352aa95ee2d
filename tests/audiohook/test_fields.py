import pytest

from service.audiohook.fields import is_uuid, read_duration_s, read_language, read_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0.0),
        ("PT0.0S", 0.0),
        ("PT12.345S", 12.345),
        ("PT.5S", 0.5),
        ("PT0.005183183S", 0.005183183),
        ("PT1M30S", 90.0),
        ("PT1M2.5S", 62.5),
        ("PT2H", 7200.0),
        ("PT1H1M1S", 3661.0),
        ("PT24H", 86400.0),
    ],
)
def test_a_duration_of_hours_minutes_and_seconds_is_read(text: str, seconds: float) -> None:
    assert read_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "PT",
        "PT-1S",
        "PT1e3S",
        "PT1.5M",
        "PT1.S",
        "P1D",
        "1S",
        "PT1S ",
        "PT1S\n",
        "PT٣S",
        "PT24H0.1S",
        "PT" + "1" * 100 + "S",
        ["PT1S"],
    ],
)
def test_what_is_no_duration_is_unknown(value: object) -> None:
    assert read_duration_s(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "30B0E395-84D3-4570-AC13-9A62D8F514C0",
        "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_every_uuid_form_is_a_uuid(value: str) -> None:
    assert is_uuid(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "30b0e39584d34570ac139a62d8f514c0",
        "30b0e395-84d3-4570-ac13-9a62d8f514cg",
        "30b0e395-84d3-4570-ac13-9a62d8f514c0\n",
        "{30b0e395-84d3-4570-ac13-9a62d8f514c0}",
    ],
)
def test_anything_else_is_no_uuid(value: object) -> None:
    assert not is_uuid(value)


@pytest.mark.parametrize("tag", ["en", "en-US", "es-419", "zh-Hans-CN", "de-DE-1996"])
def test_language_tags_are_kept(tag: str) -> None:
    warnings: list[str] = []

    assert read_language(tag, warnings.append) == tag

    assert warnings == []


@pytest.mark.parametrize("value", ["", "e", "en_US", "en-US\n", "en " * 3, "en" + "-a" * 40, 7, []])
def test_what_is_no_language_keeps_the_default(value: object) -> None:
    warnings: list[str] = []

    assert read_language(value, warnings.append) is None

    assert warnings == ["language"]


def test_a_missing_language_is_nothing_odd() -> None:
    warnings: list[str] = []

    assert read_language(None, warnings.append) is None

    assert warnings == []


def test_text_is_cut_and_other_values_are_empty() -> None:
    assert read_text("abcdef", max_chars=3) == "abc"
    assert read_text(5, max_chars=3) == ""
