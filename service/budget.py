"""What one call may cost: near the limit the model is told to be brief, at the limit it ends.

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


class Budget:
    """Follows the cost of one call by list prices."""

    def __init__(self, limit_usd: float, prices: Callable[[], PriceTable]) -> None:
        """Limit a call to `limit_usd`, 0 for any cost; `prices` is asked when money is spent."""
        self._limit_usd = limit_usd or math.inf
        self._prices = prices
        self._reports = 0
        self._was_warned = self._is_unpriced = False

    def review(self, receipt: Receipt) -> Literal["warn", "over"] | None:
        """Return what is to be done now; `warn` once."""
        if self._limit_usd == math.inf or receipt.usage_reports == self._reports:
            return None
        self._reports = receipt.usage_reports
        spent_usd = receipt.cost(self._prices()).total
        if spent_usd is None:
            if not self._is_unpriced:
                self._is_unpriced = True
                receipt.add_error(UNPRICED)
            return None
        if spent_usd >= self._limit_usd:
            return "over"
        if spent_usd >= WARN_AT * self._limit_usd and not self._was_warned:
            self._was_warned = True
            return "warn"
        return None
