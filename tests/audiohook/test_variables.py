import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.variables import (
    MAX_INPUT_CHARS,
    MAX_INPUT_NAME_CHARS,
    MAX_INPUTS,
    MAX_OUTPUT_CHARS,
    MAX_OUTPUTS_BYTES,
    read_input_variables,
    write_output_variables,
)


def test_inputs_become_texts_with_trimmed_names() -> None:
    warnings: list[str] = []

    inputs = read_input_variables({" TIER ": "gold", "n": 5, "f": 0.8, "b": False}, warnings.append)

    assert inputs == {"TIER": "gold", "n": "5", "f": "0.8", "b": "false"}
    assert warnings == []


@pytest.mark.parametrize(
    "inputs",
    [
        {"a": None},
        {"a": [1]},
        {"a": {"b": 1}},
        {"": "x"},
        {"  ": "x"},
        {"n" * (MAX_INPUT_NAME_CHARS + 1): "x"},
    ],
)
def test_what_is_no_scalar_or_has_no_name_is_dropped_and_counted(inputs: dict[str, object]) -> None:
    warnings: list[str] = []

    assert read_input_variables(inputs, warnings.append) == {}

    assert warnings == ["input_variable_dropped"]


def test_inputs_are_capped_in_number_and_size() -> None:
    warnings: list[str] = []
    many: dict[str, object] = {f"k{n}": "" for n in range(MAX_INPUTS - 1)}

    inputs = read_input_variables(
        {**many, "long": "x" * (MAX_INPUT_CHARS + 1), "late": "x"}, warnings.append
    )

    assert len(inputs) == MAX_INPUTS
    assert inputs["long"] == "x" * MAX_INPUT_CHARS
    assert warnings == ["input_variable_cut", "input_variable_dropped"]


def test_outputs_become_texts_and_none_is_left_out() -> None:
    values = {
        "INTENT": "billing",
        "DONE": True,
        "SCORE": 0.9,
        "COUNT": 3,
        "NOTHING": None,
        "ITEMS": [1, {"a": "b"}],
        " exact name ": "",
    }

    assert write_output_variables(values) == {
        "INTENT": "billing",
        "DONE": "true",
        "SCORE": "0.9",
        "COUNT": "3",
        "NOTHING": "",
        "ITEMS": '[1,{"a":"b"}]',
        " exact name ": "",
    }


def test_an_output_is_cut_to_4000_characters() -> None:
    assert write_output_variables({"a": "x" * 5_000}) == {"a": "x" * MAX_OUTPUT_CHARS}


def test_a_lone_surrogate_does_not_stop_the_outputs() -> None:
    assert write_output_variables({"a": "x\ud800y"}) == {"a": "x?y"}


def test_a_value_without_json_form_becomes_its_text() -> None:
    assert write_output_variables({"a": [object]}) == {"a": "[\"<class 'object'>\"]"}


@settings(derandomize=True, deadline=None, database=None, max_examples=50)
@given(
    count=st.integers(0, 400),
    text=st.sampled_from(["x", '"', "\n", "\x00", "\u20ac", "\U0001f600"]),
    chars=st.integers(0, 5_000),
)
def test_outputs_always_fit_one_message_with_every_name(count: int, text: str, chars: int) -> None:
    outputs = write_output_variables({f"NAME_{n}": text * chars for n in range(count)})

    assert len(outputs) == count
    assert len(msgspec.json.encode(outputs)) <= MAX_OUTPUTS_BYTES
    assert json.loads(msgspec.json.encode(outputs)) == outputs
