"""The price list of this installation, read when it is first needed."""

import functools
import logging
from pathlib import Path

from service.prices import PRICES, PricesError, PriceTable

_log = logging.getLogger(__name__)


@functools.cache
def prices_of(path: Path = PRICES) -> PriceTable:
    """Return the price list of a file, which is read once.

    Without a list that can be used every model is unpriced: no call is lost for its price.
    """
    try:
        return PriceTable.load(path)
    except PricesError as error:
        _log.warning("the price list cannot be used", extra={"problem": str(error)})
        return PriceTable()
