"""A queue in memory that fails as it is told."""

from collections.abc import Callable

import msgspec

from service.call_events import CallEvent, to_json
from service.outbox.letter import Letter
from service.outbox.port import Answer, PublishError
from tests.contracts.event_examples import SESSION, TURN


class Queue:
    """Keeps what it takes.

    Attributes:
        taken: ids in the order in which they were taken.
        batches: number of letters of each request that arrived.
        fate: of each letter.
        down: the code with which whole requests fail, or none.
    """

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.batches: list[int] = []
        self.down = ""
        self.confused_by: set[str] = set()
        self.fate: Callable[[Letter], Answer] = lambda _: Answer("taken")

    def size_of(self, letter: Letter) -> int:
        return len(letter.body)

    def publish(self, letters: list[Letter]) -> list[Answer]:
        if self.down:
            raise PublishError(self.down)
        if self.confused_by & {letter.event_id for letter in letters}:
            raise PublishError("InvalidMessageContents", is_about_content=True)
        self.batches.append(len(letters))
        answers = [self.fate(letter) for letter in letters]
        for letter, answer in zip(letters, answers, strict=True):
            if answer.fate == "taken":
                self.taken.append(letter.event_id)
        return answers


def turn(number: int, call: str = SESSION) -> CallEvent:
    return msgspec.structs.replace(TURN, id=f"{call}/turn/{number}", sessionid=call)


def body(number: int, call: str = SESSION) -> bytes:
    return to_json(turn(number, call))


def ids(*numbers: int, call: str = SESSION) -> list[str]:
    return [f"{call}/turn/{number}" for number in numbers]
