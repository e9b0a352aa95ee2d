"""What one call may cost: near the limit the model is told to be brief, at the limit it ends.

Or the call goes on with a cheaper model, and ends at twice the limit.

Pure. A model without a price cannot be limited by it; the receipt says so.
"""

import math
from collections.abc import Callable
from typing import Literal

from service.prices import PriceTable
from service.receipt import Receipt

WARN_AT = 0.8
"""Of the budget: what is left pays for a few short answers more."""
WARNING = (
    "This call must come to its end soon. From now on answer in one short sentence, bring the "
    "caller's matter to a close, and begin nothing new. Do not speak of the reason."
)
UNPRICED = "budget_unpriced"


Verdict = Literal["cheaper", "warn", "over"]


class Budget:
    """Follows the cost of one call by list prices."""

    def __init__(
        self, limit_usd: float, prices: Callable[[], PriceTable], cheaper_model: str = ""
    ) -> None:
        """Limit a call to `limit_usd`, 0 for any cost; `prices` is asked when money is spent.

        With a `cheaper_model` the call goes on with it at the limit, and ends at twice the limit.
        """
        self.cheaper_model = cheaper_model
        self._limit_usd = limit_usd or math.inf
        self._prices = prices
        self._reports = 0
        self._was_warned = self._is_unpriced = self._is_cheaper = False

    def review(self, receipt: Receipt) -> Verdict | None:
        """Return what is to be done now; `cheaper` and `warn` once each."""
        if self._limit_usd == math.inf or receipt.usage_reports == self._reports:
            return None
        self._reports = receipt.usage_reports
        spent_usd = receipt.cost(self._prices()).total
        if spent_usd is None:
            if not self._is_unpriced:
                self._is_unpriced = True
                receipt.add_error(UNPRICED)
            return None
        return self._judge(spent_usd)

    def _judge(self, spent_usd: float) -> Verdict | None:
        ends_at_usd = self._limit_usd * (2 if self.cheaper_model else 1)
        if spent_usd >= ends_at_usd:
            return "over"
        if self.cheaper_model and not self._is_cheaper and spent_usd >= self._limit_usd:
            self._is_cheaper = True
            return "cheaper"
        if spent_usd >= ends_at_usd - (1 - WARN_AT) * self._limit_usd and not self._was_warned:
            self._was_warned = True
            return "warn"
        return None
