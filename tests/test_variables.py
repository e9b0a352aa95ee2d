from service.variables import WEB, Variables, is_url


def test_an_empty_variable_is_an_absent_one_and_blanks_do_not_count():
    read = Variables({"A": " ", "B": " x "})
    assert (read._text("A", "default"), read._text("B", "default")) == ("default", "x")


def test_every_problem_is_kept():
    read = Variables({"A": "x", "B": "maybe"})
    assert (read._integer("A", 3, 1, 9), read._flag("B")) == (3, False)
    assert read.problems == [
        "A: expected a whole number from 1 to 9, got 'x'",
        "B: expected 0 or 1, got 'maybe'",
    ]


def test_an_address_has_a_scheme_and_a_host():
    assert is_url("wss://host/v1", WEB)
    assert not any(is_url(text, WEB) for text in ("ftp://host", "https://", "http://[", "host"))
