"""What a call tells the world: its three kinds of event, each emitted as soon as it is known."""

from typing import Literal

import msgspec

from service.audiohook.counters import Counters
from service.audiohook.messages import Open
from service.audiohook.upgrade import CallIdentity
from service.bots.port import Bot
from service.call_events import (
    AnswerLatency,
    CallEndedData,
    Caller,
    CallEvent,
    CallStartedData,
    EndReason,
    TurnData,
)
from service.call_services import CallServices
from service.logs import log_call
from service.price_list import prices_of
from service.private_words import PrivateWords
from service.receipt import Receipt
from service.transcript import Turn

EventType = Literal["call.started.v1", "call.turn.v1", "call.ended.v1"]


class CallRecord:
    """Emits the events of one call: `started` first, then turns, `ended` last and once."""

    def __init__(
        self,
        session_id: str,
        identity: CallIdentity,
        opening: Open,
        services: CallServices,
    ) -> None:
        self._session_id = session_id
        self._identity = identity
        self._opening = opening
        self._sink = services.events
        self._wall_clock = services.wall_clock
        self._started_at = self._wall_clock()
        self._words = PrivateWords()
        self._traceparent = services.begin_trace() if services.begin_trace else msgspec.UNSET

    def follow(self, bot: Bot) -> None:
        """Keep of the words no more than this bot allows, and no more than those before it."""
        self._words.follow(bot.privacy)

    def started(self, bot: Bot, *, setup_ms: int) -> None:
        """Emit `call.started`; `bot` answers the call."""
        self.follow(bot)
        opening = self._opening
        data = CallStartedData(
            session_id=self._session_id,
            conversation_id=opening.conversation_id,
            org_id=opening.organization_id,
            participant_id=opening.participant_id,
            correlation_id=self._identity.correlation_id,
            bot_id=bot.bot_id,
            caller=Caller(dnis=opening.dnis, language=opening.language),
            setup_ms=setup_ms,
        )
        self._emit("started", "call.started.v1", data)

    def turn(self, turn: Turn, latency: AnswerLatency | None) -> None:
        """Emit `call.turn` for a finished turn; `latency` of one that began an answer."""
        heard, generated = self._words.of_turn(turn)
        data = TurnData(
            turn_id=f"{self._session_id}/turn/{turn.number}",
            seq=turn.number,
            speaker=turn.speaker,
            start_ms=turn.start_ms,
            end_ms=turn.end_ms,
            text=heard,
            text_generated=msgspec.UNSET if turn.text == turn.heard else generated,
            heard_ms=turn.heard_ms,
            interrupted=turn.was_interrupted,
            recognised=turn.is_recognised,
            item_id=turn.item_id,
            latency=latency or msgspec.UNSET,
        )
        self._emit(f"turn/{turn.number}", "call.turn.v1", data)

    def ended(
        self,
        receipt: Receipt,
        *,
        end_reason: EndReason,
        duration_ms: int,
        turns: list[Turn],
        counters: Counters,
        output_variables: dict[str, str],
    ) -> CallEndedData:
        """Emit `call.ended`, write the call's line into the log, and return the data."""
        opening = self._opening
        data = receipt.ended(
            ids=(self._session_id, opening.conversation_id, opening.organization_id),
            started_at=self._started_at,
            duration_ms=duration_ms,
            end_reason=end_reason,
            turns=turns,
            counters=counters,
            output_variables=self._words.of_outputs(output_variables),
            prices=prices_of(),
        )
        data = msgspec.structs.replace(data, privacy=self._words.told)
        self._emit("ended", "call.ended.v1", data)
        log_call(data)
        return data

    def _emit(
        self, kind: str, event_type: EventType, data: CallStartedData | TurnData | CallEndedData
    ) -> None:
        self._sink.emit(
            CallEvent(
                id=f"{self._session_id}/{kind}",
                type=event_type,
                subject=self._opening.conversation_id,
                time=self._wall_clock(),
                sessionid=self._session_id,
                orgid=self._opening.organization_id,
                traceparent=self._traceparent,
                data=data,
            )
        )
