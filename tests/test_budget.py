import asyncio

import pytest

from service.budget import UNPRICED, WARNING, Budget
from service.call_events import Connection
from service.prices import PriceTable
from service.receipt import Receipt
from service.speech import port as speech
from tests.agent_scene import Scene, play
from tests.plain_bot import PLAIN_BOT

MODEL = "gpt-realtime-2.1"
PRICES = PriceTable.load()
USD_PER_TOKEN = float(PRICES.speech[MODEL].audio_out or 0) / 1e6


def spoken(tokens: int) -> dict[str, float]:
    return {
        "response.output_tokens": tokens,
        "response.output_token_details.audio_tokens": tokens,
    }


def reviews(limit_usd: float, *reports_usd: float, model: str = MODEL) -> list[str | None]:
    """What a budget says after each report of something spoken."""
    budget, receipt = Budget(limit_usd, lambda: PRICES), Receipt(model=model)
    said: list[str | None] = []
    for usd in reports_usd:
        receipt.add_usage(spoken(round(usd / USD_PER_TOKEN)))
        said.append(budget.review(receipt))
        assert budget.review(receipt) is None  # nothing new was spent
    return said


def test_the_price_of_the_test_is_real():
    assert USD_PER_TOKEN > 0


def test_a_call_is_warned_once_and_then_over():
    assert reviews(1.0, 0.5, 0.25, 0.1, 0.05, 0.2, 0.1) == [
        None,
        None,
        "warn",
        None,
        "over",
        "over",
    ]


def test_a_dear_answer_needs_no_warning():
    assert reviews(1.0, 1.5) == ["over"]


def test_without_a_budget_a_call_may_cost_anything():
    assert reviews(0.0, 1_000.0) == [None]


def test_a_model_without_a_price_is_not_limited_and_the_receipt_says_so():
    budget, receipt = Budget(0.01, lambda: PRICES), Receipt(model="nobody-knows")
    for _ in range(3):
        receipt.add_usage(spoken(1_000_000))
        assert budget.review(receipt) is None

    assert receipt.errors == [UNPRICED]


def told(scene: Scene) -> list[str]:
    return [text for _, text, _ in scene.session.notes]


async def spend(scene: Scene, usd: float) -> None:
    scene.turns.receipt.model = MODEL
    scene.turns.take(speech.Usage(spoken(round(usd / USD_PER_TOKEN))), scene.clock())
    scene.wake.ring()
    await asyncio.sleep(0.1)


def test_the_agent_is_told_to_be_brief_without_being_made_to_speak():
    async def script(scene: Scene) -> None:
        await spend(scene, 0.85)

    scene = play(script, budget_usd=1.0)

    assert ("system", WARNING, False) in scene.session.notes
    assert not scene.ending.is_under_way


def test_a_call_over_its_budget_is_handed_over():
    async def script(scene: Scene) -> None:
        await spend(scene, 1.05)

    scene = play(script, budget_usd=1.0)

    assert scene.ending.farewell
    assert scene.ending.farewell.reason == "budget"
    assert scene.agent.outputs.for_flow("budget")["TRANSFER_REASON"] == "budget"
    assert scene.agent.outputs.for_flow("budget")["BOT_STATUS"] == "budget"


@pytest.mark.parametrize("usd", [0.1, 0.79])
def test_a_cheap_call_hears_nothing_of_its_budget(usd: float):
    async def script(scene: Scene) -> None:
        await spend(scene, usd)

    scene = play(script, PLAIN_BOT, budget_usd=1.0)

    assert WARNING not in told(scene)
    assert not scene.ending.is_under_way


def test_a_cheaper_model_goes_on_and_the_call_ends_at_twice_the_limit():
    budget, receipt = Budget(1.0, lambda: PRICES, "mini"), Receipt(model=MODEL)
    said = []
    for usd in (0.9, 0.2, 0.3, 0.5, 0.2):
        receipt.add_usage(spoken(round(usd / USD_PER_TOKEN)))
        said.append(budget.review(receipt))
    assert said == [None, "cheaper", None, "warn", "over"]


def test_each_model_is_paid_for_what_it_said():
    receipt = Receipt(model=MODEL)
    receipt.add_usage(spoken(round(1.0 / USD_PER_TOKEN)))
    receipt.connected(Connection(provider="openai", model="gpt-realtime-2.1-mini", ready_ms=9))
    receipt.add_usage(spoken(round(1.0 / USD_PER_TOKEN)))
    mini = float(PRICES.speech["gpt-realtime-2.1-mini"].audio_out or 0) / 1e6 / USD_PER_TOKEN
    cost = receipt.cost(PRICES)
    assert cost.total == pytest.approx(1.0 + mini, abs=1e-4)
    assert cost.parts.output_audio == cost.total
    receipt.connected(Connection(provider="cascade", model="cascade/x", ready_ms=9))
    receipt.add_usage({"cascade.llm.output_tokens": 5})
    assert receipt.cost(PRICES).total is None
    assert receipt.cost(PRICES).unpriced == ("cascade/x",)


def test_the_conversation_is_told_to_go_on_with_the_cheaper_model():
    async def script(scene: Scene) -> None:
        scene.budget.cheaper_model = "mini"
        await spend(scene, 1.2)

    scene = play(script, budget_usd=1.0)

    assert "use mini" in scene.session.deeds
    assert not scene.ending.is_under_way
