"""Words that callers of every company use, and what follows from the tools that steer a call."""

from collections.abc import Mapping

from scripts.emulators.dialogue import CallTool, Speak, ToolAnswer

PERSON = (
    "person", "human", "agent", "representative", "operator", "colleague", "somebody", "someone",
    "speak people", "real people",
)  # fmt: skip
GOODBYE = (
    "goodbye", "good bye", "bye", "that's all", "that is all", "that's it", "no thanks",
    "nothing else", "no thank you",
)  # fmt: skip
STOP = ("stop", "wait", "just moment", "hold on", "another question")
THANKS = ("thanks", "thank you")
HELLO = ("hello", "hi", "good morning", "good afternoon")

END_CALL = CallTool("end_call", {"reason": "caller_done"})


def transfer(target: str) -> CallTool:
    """The call that asks for a person of that queue."""
    summary = "The caller asks for a person and said: {words}"
    arguments = {"reason": "caller_request", "summary": summary, "target": target}
    return CallTool("transfer_to_agent", arguments)


NOTED: Mapping[str, tuple[ToolAnswer, ...]] = {
    "end_call": (ToolAnswer((Speak("Thank you for calling. Goodbye!"),)),),
    "transfer_to_agent": (ToolAnswer((Speak("I will connect you now. One moment, please."),)),),
    "switch_bot": (ToolAnswer((Speak("{greeting}"),)),),
    "set_output_variable": (ToolAnswer(()),),
}
"""What is said after tools that steer the call, where the service does not say it."""
