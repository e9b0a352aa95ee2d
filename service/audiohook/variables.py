"""Flow variables: the inputs that Architect hands to the bot, the outputs that it gets back.

Both are maps of text to text on the wire (sections 4.3 and 8.3). Which inputs a bot takes is
not decided here; an input never overrides a setting.
"""

from collections.abc import Mapping

import msgspec

from service.audiohook.fields import Warn

MAX_INPUTS = 100
MAX_INPUT_NAME_CHARS = 128
MAX_INPUT_CHARS = 10_000
"""Room for a prompt; together the inputs stay below the 65,535 characters of one message."""

MAX_OUTPUT_CHARS = 4_000
MAX_OUTPUTS_BYTES = 60_000
"""Of all outputs as JSON, so that the whole `disconnect` stays below 65,535 characters."""


def read_input_variables(value: object, warn: Warn) -> dict[str, str]:
    """The inputs as text, names trimmed; what is no scalar or goes beyond the caps is left out.

    Names arrive with stray blanks (trap 29). Source: section 17 row 53.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        warn("input_variables")
        return {}
    inputs: dict[str, str] = {}
    for key, raw in value.items():
        name, text = key.strip(), _scalar_text(raw)
        if text is None or not 0 < len(name) <= MAX_INPUT_NAME_CHARS or len(inputs) >= MAX_INPUTS:
            warn("input_variable_dropped")
            continue
        if len(text) > MAX_INPUT_CHARS:
            warn("input_variable_cut")
        inputs[name] = text[:MAX_INPUT_CHARS]
    return inputs


def write_output_variables(values: Mapping[str, object]) -> dict[str, str]:
    """The outputs as Architect takes them: every value text, none left out, all cut to fit.

    Names stay as they are, because a flow matches them exactly. True becomes `true`, None the
    empty text, lists and objects their JSON.
    """
    texts = {_encodable(name): _encodable(_output_text(value)) for name, value in values.items()}
    max_chars = MAX_OUTPUT_CHARS
    outputs = {name: text[:max_chars] for name, text in texts.items()}
    # Measured as JSON, because a quote costs two characters there and a control character six.
    while max_chars and len(msgspec.json.encode(outputs)) > MAX_OUTPUTS_BYTES:
        max_chars //= 2
        outputs = {name: text[:max_chars] for name, text in texts.items()}
    return outputs


def _scalar_text(value: object) -> str | None:
    """The JSON scalar as text; None for null, lists and objects."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return None


def _output_text(value: object) -> str:
    if value is None:
        return ""
    text = _scalar_text(value)
    return text if text is not None else msgspec.json.encode(value, enc_hook=str).decode()


def _encodable(text: str) -> str:
    """The text without lone surrogates, which have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode()
