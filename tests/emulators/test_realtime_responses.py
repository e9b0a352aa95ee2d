"""Responses: their order of events, concurrency, cancelling, tools, formats and usage."""

import asyncio
import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from scripts.emulators.brains import CallTool, EchoBrain, JsonItem, Reply, Speak
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_clips import ToneVoice
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import (
    audio_of,
    call,
    kinds,
    run,
    without_repeats,
)

BURST = Scenario(speed=math.inf, first_audio_delay_ms=0)
LOOKUP = {"type": "function", "name": "lookup", "parameters": {"type": "object"}}
OTHER = {"type": "function", "name": "other"}


class Says:
    """A brain with a fixed reply, which remembers what it was asked."""

    def __init__(self, *reply: Speak | CallTool) -> None:
        self._reply = list(reply)
        self.asked: list[tuple[list[JsonItem], list[JsonItem], str]] = []

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        self.asked.append((list(conversation), list(tools), instructions))
        if conversation and conversation[-1]["type"] == "function_call_output":
            return [Speak(f"It says {conversation[-1]['output']}")]
        return self._reply


def emulator(brain: Any = None, scenario: Scenario = BURST) -> RealtimeEmulator:
    return RealtimeEmulator(scenario=scenario, brain=brain or EchoBrain())


async def _respond(server: RealtimeEmulator, session: Any = None, **response: Any) -> Any:
    async with call(server, session=session or {}) as client:
        await client.send("response.create", response=response)
        return await client.until("rate_limits.updated")


def _user_text(text: str) -> Any:
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }


def _done(events: Any) -> Any:
    return next(e for e in events if e["type"] == "response.done")["response"]


def test_a_greeting_needs_no_caller_and_has_no_predecessor():
    events = run(_respond(emulator()))

    added = next(e for e in events if e["type"] == "conversation.item.added")
    assert added["previous_item_id"] is None
    assert added["item"]["status"] == "in_progress"
    assert added["item"]["content"] == []
    assert kinds(events)[-2:] == ["response.done", "rate_limits.updated"]


def test_what_is_sent_is_what_the_voice_said():
    events = run(_respond(emulator(Says(Speak("One two. Three four.")))))

    deltas = [e["delta"] for e in events if e["type"].endswith("audio_transcript.delta")]
    expected = ToneVoice().speak("One two.") + ToneVoice().speak("Three four.")
    assert audio_of(events) == expected
    assert "".join(deltas) == "One two. Three four."
    part = _done(events)["output"][0]["content"][0]
    assert part == {"type": "output_audio", "transcript": "One two. Three four."}


def test_no_delta_is_a_whole_number_of_packets():
    events = run(_respond(emulator(Says(Speak("word " * 60)))))

    sizes = [len(audio_of([e])) for e in events if e["type"] == "response.output_audio.delta"]
    assert len(sizes) > 10
    assert not [size for size in sizes[:-1] if size % 160 == 0]
    assert 90 * 8 < sizes[0] < 110 * 8


def test_content_parts_and_items_name_their_types_differently():
    events = run(_respond(emulator()))

    parts = {e["part"]["type"] for e in events if "content_part" in e["type"]}
    assert parts == {"audio"}
    assert _done(events)["output"][0]["content"][0]["type"] == "output_audio"


def test_audio_comes_at_the_multiple_of_real_time():
    scenario = Scenario(speed=4, first_audio_delay_ms=300)

    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), scenario)) as client:
            loop = asyncio.get_running_loop()
            start = loop.time()
            await client.send("response.create")
            events = await client.until("response.output_audio.delta")
            first = loop.time() - start
            events += await client.until("response.done")
            return first, loop.time() - start, len(audio_of(events)) / 8000

    first, whole, audio_s = run(scene())

    assert 0.29 < first < 0.35
    assert audio_s / 4 - 0.15 < whole - first < audio_s / 4 + 0.05


@pytest.mark.parametrize("invents", [False, True])
def test_a_function_that_was_not_offered_is_called_only_by_a_model_that_invents(invents):
    scenario = Scenario(speed=math.inf, first_audio_delay_ms=0, invents_tools=invents)

    events = run(_respond(emulator(Says(CallTool("wire_money")), scenario), {"tools": [LOOKUP]}))

    names = [item["name"] for item in _done(events)["output"]]
    assert names == (["wire_money"] if invents else [])


def test_text_modality_writes():
    events = run(_respond(emulator(Says(Speak("One two."))), output_modalities=["text"]))

    assert without_repeats(kinds(events)) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert _done(events)["output"][0]["content"] == [{"type": "output_text", "text": "One two."}]


@pytest.mark.parametrize(("audio_format", "factor"), [("audio/pcm", 6), ("audio/pcma", 1)])
def test_a_response_may_have_its_own_format_voice_and_metadata(audio_format, factor):
    output = {"format": {"type": audio_format}, "voice": "marin"}

    events = run(
        _respond(emulator(Says(Speak("One."))), audio={"output": output}, metadata={"a": "b"})
    )

    response = _done(events)
    assert len(audio_of(events)) == factor * len(ToneVoice().speak("One."))
    assert response["audio"]["output"]["voice"] == "marin"
    assert response["audio"]["output"]["format"]["type"] == audio_format
    assert response["metadata"] == {"a": "b"}


def test_a_custom_voice_is_echoed_as_the_object_that_the_sdk_cannot_read():
    async def scene() -> Any:
        async with call(emulator(), is_strict=False) as client:
            output = {"voice": {"id": "voice_1"}}
            await client.send("response.create", response={"audio": {"output": output}})
            return await client.until("response.done")

    assert _done(run(scene()))["audio"]["output"]["voice"] == {"id": "voice_1"}


def test_two_spoken_parts_are_two_items_of_one_response():
    events = run(_respond(emulator(Says(Speak("One."), Speak("Two.")))))

    added = [e for e in events if e["type"] == "response.output_item.added"]
    assert [e["output_index"] for e in added] == [0, 1]
    assert [item["id"] for item in _done(events)["output"]] == [e["item"]["id"] for e in added]
    done = [e for e in events if e["type"] == "conversation.item.done"]
    assert done[1]["previous_item_id"] == added[0]["item"]["id"]


def test_multi_item_mode_puts_a_preamble_before_the_answer():
    scenario = Scenario(speed=math.inf, multi_item=True)

    events = run(_respond(emulator(Says(Speak("Answer.")), scenario)))

    texts = [item["content"][0]["transcript"] for item in _done(events)["output"]]
    assert texts == ["Let me see.", "Answer."]


def test_azure_items_have_a_phase():
    scenario = Scenario(speed=math.inf, is_azure=True)

    events = run(_respond(emulator(Says(Speak("One."), Speak("Two.")), scenario)))

    assert [i["phase"] for i in _done(events)["output"]] == ["commentary", "final_answer"]


def test_a_second_response_is_refused_while_one_runs():
    async def scene() -> Any:
        async with call(emulator(scenario=Scenario())) as client:
            created = await client.ask("response.created", "response.create")
            await client.send("response.create", event_id="second")
            error = await client.one("error")
            names = kinds(await client.until("rate_limits.updated"))
            return created["response"]["id"], error["error"], names

    response_id, error, names = run(scene())

    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    assert response_id in error["message"]
    assert "response.created" not in names


def test_a_cancel_ends_the_response_and_frees_the_conversation():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), Scenario())) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.send("response.cancel")
            done = await client.one("response.done")
            await client.ask("response.created", "response.create")
            return done["response"]

    response = run(scene())

    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert response["output"][0]["status"] == "incomplete"
    assert 0 < len(response["output"][0]["content"][0]["transcript"]) < len("word " * 40)
    assert response["usage"]["output_token_details"]["audio_tokens"] > 0


def test_a_create_right_after_a_cancel_is_too_early():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), Scenario())) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.send("response.cancel")
            await client.send("response.create")
            return await client.one("error")

    assert run(scene())["error"]["code"] == "conversation_already_has_active_response"


def test_a_cancel_before_any_output_ends_with_none():
    async def scene() -> Any:
        scenario = Scenario(cancel_delay_ms=0, first_audio_delay_ms=5000)
        async with call(emulator(scenario=scenario)) as client:
            await client.send("response.create")
            await client.send("response.cancel")
            return await client.until("response.done")

    assert _done(run(scene()))["status"] == "cancelled"


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_unknown"}])
def test_a_cancel_of_nothing_is_refused(fields):
    async def scene() -> Any:
        async with call(emulator()) as client:
            return await client.error("response.cancel", **fields)

    error = run(scene())

    assert error["code"] == "response_cancel_not_active"
    assert error["message"] == "Cancellation failed: no active response found"


def test_max_output_tokens_cuts_the_audio():
    server = emulator(Says(Speak("word " * 40)))

    events = run(_respond(server, max_output_tokens=100))

    response = _done(events)
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert 80 < response["usage"]["output_tokens"] <= 100


def test_a_function_call_loop():
    brain = Says(Speak("One moment."), CallTool("lookup", {"id": "42"}))

    async def scene() -> Any:
        async with call(emulator(brain), session={"tools": [LOOKUP]}) as client:
            await client.send("response.create")
            events = await client.until("rate_limits.updated")
            item = {
                "type": "function_call_output",
                "call_id": _done(events)["output"][1]["call_id"],
                "output": "shipped",
            }
            await client.ask("conversation.item.done", "conversation.item.create", item=item)
            await client.send("response.create")
            return events, await client.until("rate_limits.updated")

    events, answer = run(scene())

    names = without_repeats(kinds(events))
    assert names[-7:] == [
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    deltas = [e["delta"] for e in events if e["type"].endswith("arguments.delta")]
    assert len(deltas) >= 2
    assert json.loads("".join(deltas)) == {"id": "42"}
    message, function_call = _done(events)["output"]
    assert (message["type"], function_call["type"]) == ("message", "function_call")
    assert function_call["arguments"] == "".join(deltas)
    assert _done(answer)["output"][0]["content"][0]["transcript"] == "It says shipped"


def test_a_call_cut_by_a_cancel_is_incomplete():
    async def scene() -> Any:
        brain = Says(CallTool("lookup", {"text": "x" * 400}))
        scenario = Scenario(speed=1)
        async with call(emulator(brain, scenario), session={"tools": [LOOKUP]}) as client:
            await client.send("response.create")
            await client.one("response.function_call_arguments.delta")
            await client.send("response.cancel")
            return await client.until("response.done")

    [item] = _done(run(scene()))["output"]

    assert item["status"] == "incomplete"
    with pytest.raises(json.JSONDecodeError):
        json.loads(item["arguments"])


@pytest.mark.parametrize(
    ("tool_choice", "called"),
    [
        ("auto", ["lookup"]),
        ("none", []),
        ("required", ["lookup"]),
        ({"type": "function", "name": "other"}, ["other"]),
    ],
)
def test_tool_choice_decides_what_may_be_called(tool_choice, called):
    server = emulator(Says(CallTool("lookup")))

    events = run(_respond(server, {"tools": [LOOKUP, OTHER], "tool_choice": tool_choice}))

    assert [item["name"] for item in _done(events)["output"]] == called


def test_a_tool_that_is_not_offered_is_never_called():
    assert not _done(run(_respond(emulator(Says(CallTool("lookup"))))))["output"]


def test_an_out_of_band_response_runs_beside_and_leaves_no_trace():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), Scenario())) as client:
            created = await client.ask("response.created", "response.create")
            side = {"conversation": "none", "output_modalities": ["text"], "input": []}
            await client.send("response.create", response=side)
            events = await client.until("response.done", 2)
            return created["response"]["id"], events

    main_id, events = run(scene())

    first, second = [e["response"] for e in events if e["type"] == "response.done"]
    side = first if first["id"] != main_id else second
    assert side["conversation_id"] is None
    side_item = side["output"][0]["id"]
    traces = [e for e in events if e["type"].startswith("conversation.item.")]
    assert side_item not in [e["item"]["id"] for e in traces]


def test_a_cancel_without_id_leaves_out_of_band_responses_alone():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), Scenario())) as client:
            side = {"conversation": "none"}
            created = await client.ask("response.created", "response.create", response=side)
            await client.send("response.cancel", event_id="bare")
            error = await client.one("error")
            response_id = created["response"]["id"]
            await client.send("response.cancel", response_id=response_id)
            return error["error"], (await client.one("response.done"))["response"]

    error, response = run(scene())

    assert error["code"] == "response_cancel_not_active"
    assert response["status"] == "cancelled"


def test_input_replaces_the_conversation_and_may_refer_to_it():
    brain = Says(Speak("Yes."))

    async def scene() -> Any:
        async with call(emulator(brain)) as client:
            for item_id in ("first", "second"):
                item = {"id": item_id, **_user_text(item_id)}
                await client.ask("conversation.item.done", "conversation.item.create", item=item)
            reference = {"type": "item_reference", "id": "first"}
            response = {"conversation": "none", "input": [reference, _user_text("third")]}
            await client.ask("response.done", "response.create", response=response)

    run(scene())

    [(conversation, _, _)] = brain.asked
    assert [item["content"][0]["text"] for item in conversation] == ["first", "third"]


def test_a_reference_to_nothing_is_refused():
    async def scene() -> Any:
        async with call(emulator()) as client:
            entry = {"type": "item_reference", "id": "none"}
            return await client.error("response.create", response={"input": [entry]})

    assert run(scene())["param"] == "response.input[0].id"


def test_instructions_of_a_response_reach_the_brain_over_those_of_the_session():
    brain = Says(Speak("Yes."))

    run(_respond(emulator(brain), {"instructions": "Session."}, instructions="Say exactly: 'Hi.'"))

    [(conversation, _, instructions)] = brain.asked
    assert instructions == "Say exactly: 'Hi.'"
    assert conversation[-1]["content"][0]["text"] == "Say exactly: 'Hi.'"


def test_say_exactly_is_taken_literally():
    events = run(_respond(emulator(), instructions="Greet now. Say exactly: 'It's us, hello!'"))

    [item] = _done(events)["output"]
    assert item["content"][0]["transcript"] == "It's us, hello!"


def test_the_voice_cannot_change_from_the_first_audio_on():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 40)), Scenario())) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            session = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
            await client.send("session.update", session=session)
            return await client.one("error")

    assert run(scene())["error"]["code"] == "cannot_update_voice"


def test_usage_adds_up_and_the_unchanged_prefix_is_cached():
    async def scene() -> Any:
        async with call(emulator(), session={"instructions": "x" * 800}) as client:
            usages = []
            for _ in range(2):
                await client.send("response.create")
                usages.append((await client.one("response.done"))["response"]["usage"])
            await client.configure(instructions="y" * 800)
            await client.send("response.create")
            return [*usages, (await client.one("response.done"))["response"]["usage"]]

    first, second, changed = run(scene())

    for usage in (first, second, changed):
        details, out = usage["input_token_details"], usage["output_token_details"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert details["text_tokens"] + details["audio_tokens"] == usage["input_tokens"]
        assert out["text_tokens"] + out["audio_tokens"] == usage["output_tokens"]
        cached = details["cached_tokens_details"]
        assert cached["text_tokens"] + cached["audio_tokens"] == details["cached_tokens"]
        assert details["cached_tokens"] <= usage["input_tokens"]
    assert first["input_token_details"]["cached_tokens"] == 0
    assert second["input_token_details"]["cached_tokens"] == 192  # 200 rounded down to 64s
    assert changed["input_token_details"]["cached_tokens"] == 0
    assert (
        second["input_token_details"]["audio_tokens"]
        == (first["output_token_details"]["audio_tokens"])
    )


def test_what_was_said_can_be_retrieved_in_its_format_and_truncated():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("One two.")))) as client:
            await client.send("response.create")
            item_id = (await client.one("response.done"))["response"]["output"][0]["id"]
            whole = await client.ask(
                "conversation.item.retrieved", "conversation.item.retrieve", item_id=item_id
            )
            await client.ask(
                "conversation.item.truncated",
                "conversation.item.truncate",
                item_id=item_id,
                content_index=0,
                audio_end_ms=100,
            )
            cut = await client.ask(
                "conversation.item.retrieved", "conversation.item.retrieve", item_id=item_id
            )
            return whole["item"]["content"][0], cut["item"]["content"][0]

    whole, cut = run(scene())

    spoken = ToneVoice().speak("One two.")
    assert base64.b64decode(whole["audio"]) == spoken
    assert whole["transcript"] == "One two."
    assert base64.b64decode(cut["audio"]) == spoken[:800]
    assert cut["transcript"] is None


def test_a_truncation_while_the_item_is_made_keeps_it_short():
    async def scene() -> Any:
        async with call(emulator(Says(Speak("word " * 20)), Scenario())) as client:
            await client.send("response.create")
            delta = await client.one("response.output_audio.delta")
            await client.send(
                "conversation.item.truncate",
                item_id=delta["item_id"],
                content_index=0,
                audio_end_ms=50,
            )
            await client.one("response.done")
            retrieved = await client.ask(
                "conversation.item.retrieved",
                "conversation.item.retrieve",
                item_id=delta["item_id"],
            )
            return retrieved["item"]

    item = run(scene())

    assert len(base64.b64decode(item["content"][0]["audio"])) == 400
    assert item["status"] == "completed"
