"""What the usage of a call costs, by the list prices in `prices.toml`.

Exact: sums are decimals, and only the results are rounded. A model without a price is named, and
never guessed at. Pure, but for `PriceTable.load`, which reads the file.

Source: Realtime specification, 3.1, 3.3 (prices) and 13 (cached tokens are a part of the input).
"""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from service.call_events import Cost, CostParts
from service.usage import CASCADE, MODALITIES, SpeechUse, TranscriptionUse, Usage

PRICES = Path(__file__).with_name("prices.toml")
MAX_PRICE = Decimal(10_000)
"""USD per million tokens or per minute; a dearer one is a slip of the pen."""

_MILLION = 1_000_000
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Date = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?\Z")]


class PricesError(Exception):
    """The price list cannot be used; the text says what was expected."""


class SpeechPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of a speech model, in USD per million tokens; without images both are None."""

    text_in: Decimal
    text_cached: Decimal
    text_out: Decimal
    audio_in: Decimal
    audio_cached: Decimal
    audio_out: Decimal
    image_in: Decimal | None = None
    image_cached: Decimal | None = None
    source: _Text
    date: _Date

    def __post_init__(self) -> None:
        _check_prices(self)
        if (self.image_in is None) != (self.image_cached is None):
            raise ValueError("expected image_in and image_cached together")
        for modality in MODALITIES:
            fresh, cached = self.of_input(modality)
            if fresh is not None and cached is not None and cached > fresh:
                raise ValueError(f"expected {modality}_cached of at most {modality}_in")

    def of_input(self, modality: str) -> tuple[Decimal | None, Decimal | None]:
        """Return the prices of fresh and of cached input."""
        return getattr(self, f"{modality}_in"), getattr(self, f"{modality}_cached")


class TranscriptionPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of a transcription model, in USD: by the minute, by a million tokens, or both.

    `audio_tokens_per_minute` turns a report in tokens into minutes.
    """

    per_minute: Decimal | None = None
    audio_tokens_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = None
    audio_in: Decimal | None = None
    text_in: Decimal | None = None
    text_out: Decimal | None = None
    source: _Text
    date: _Date

    def __post_init__(self) -> None:
        _check_prices(self)
        by_token = {self.audio_in is None, self.text_in is None, self.text_out is None}
        if len(by_token) > 1:
            raise ValueError("expected audio_in, text_in and text_out together")
        if self.per_minute is None and self.audio_in is None:
            raise ValueError("expected per_minute, or audio_in, text_in and text_out")

    def cost_of(self, heard: TranscriptionUse) -> Decimal | None:
        """Return USD; None when there is no price for the way in which the use was reported."""
        by_tokens, seconds = Decimal(0), heard.seconds
        if self.audio_in is not None and self.text_in is not None and self.text_out is not None:
            by_tokens += heard.audio * self.audio_in + heard.text * self.text_in
            by_tokens += heard.text_out * self.text_out
        elif self.audio_tokens_per_minute:
            seconds += Decimal(heard.audio * 60) / self.audio_tokens_per_minute
        elif heard.has_tokens:
            return None
        if self.per_minute is None:
            return None if seconds else by_tokens / _MILLION
        return by_tokens / _MILLION + seconds * self.per_minute / 60


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices by the exact name of the model. An empty table prices nothing."""

    speech: dict[str, SpeechPrice] = {}
    transcription: dict[str, TranscriptionPrice] = {}

    @classmethod
    def load(cls, path: Path = PRICES) -> "PriceTable":
        """Return the table of a file.

        Raises:
            PricesError: it cannot be read, or a price in it cannot be right.
        """
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
            return msgspec.convert(raw, cls)  # floats by their shortest form: 0.4 is four tenths
        except (OSError, ValueError, msgspec.ValidationError) as error:
            raise PricesError(f"{path.name}: expected a price list, got: {error}") from error

    def cost_of(
        self, model: str, usage: Usage, *, transcription_models: Sequence[str] = ()
    ) -> Cost:
        """Return what the usage costs.

        Args:
            model: of the speech.
            usage: sums over the call.
            transcription_models: that wrote the caller's words down. The reports do not name their
                model, so with several of them the transcription has no price.
        """
        price = self.speech.get(model)
        parts = _speech_parts(price, SpeechUse.read(usage))
        # A cascade is three services whose prices are no matter of this list.
        is_unpriced = None in parts.values() or any(name.startswith(CASCADE) for name in usage)
        only = self.transcription.get(transcription_models[0]) if transcription_models else None
        only = only if len(transcription_models) == 1 else None
        heard = _transcription_part(only, TranscriptionUse.read(usage))
        known = [part for part in (*parts.values(), heard) if part is not None]
        return Cost(
            total=None if is_unpriced else _usd(sum(known, Decimal(0))),
            parts=CostParts(
                **{name: _usd(part) for name, part in parts.items()}, transcription=_usd(heard)
            ),
            unpriced=(
                *((model,) if is_unpriced else ()),
                *(transcription_models if heard is None else ()),
            ),
            price_date=min((found.date for found in (price, only) if found), default=None),
        )

    def cost_of_all(
        self, usages: Mapping[str, Usage], *, transcription_models: Sequence[str] = ()
    ) -> Cost:
        """Return what a call costs that had several speech models; `usages` by model, one at least.

        Sums are those of `cost_of`: null where one of the models has no price for a part.
        """
        costs = [
            self.cost_of(model, usage, transcription_models=transcription_models)
            for model, usage in usages.items()
        ]
        if len(costs) == 1:
            return costs[0]
        names = [name for name in CostParts.__struct_fields__ if name != "input_image"]
        images = [cost.parts.input_image for cost in costs]
        told = [image for image in images if image is not msgspec.UNSET]
        return Cost(
            total=_sum([cost.total for cost in costs]),
            parts=CostParts(
                **{name: _sum([getattr(cost.parts, name) for cost in costs]) for name in names},
                input_image=_sum(told) if told else msgspec.UNSET,
            ),
            unpriced=tuple(dict.fromkeys(name for cost in costs for name in cost.unpriced)),
            price_date=min((cost.price_date for cost in costs if cost.price_date), default=None),
        )


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return round(sum(known), 6) if len(known) == len(amounts) else None


def _speech_parts(price: SpeechPrice | None, used: SpeechUse) -> dict[str, Decimal | None]:
    """Return USD by the names of `CostParts`; None where there is no price, no images no part."""
    parts: dict[str, Decimal | None] = {}
    cached = []
    for modality in MODALITIES:
        fresh_price, cached_price = price.of_input(modality) if price else (None, None)
        if modality != "image" or used.fresh[modality]:
            parts[f"input_{modality}"] = _tokens_at(fresh_price, used.fresh[modality])
        cached.append(_tokens_at(cached_price, used.cached[modality]))
    known = [part for part in cached if part is not None]
    parts["input_cached"] = sum(known, Decimal(0)) if len(known) == len(cached) else None
    parts["output_text"] = _tokens_at(price.text_out if price else None, used.text_out)
    parts["output_audio"] = _tokens_at(price.audio_out if price else None, used.audio_out)
    return parts


def _transcription_part(
    price: TranscriptionPrice | None, heard: TranscriptionUse
) -> Decimal | None:
    if not heard.seconds and not heard.has_tokens:
        return Decimal(0)
    return price.cost_of(heard) if price else None


def _tokens_at(price: Decimal | None, tokens: int) -> Decimal | None:
    """Return USD; tokens that were not used cost nothing, whatever their price."""
    if not tokens:
        return Decimal(0)
    return None if price is None else tokens * price / _MILLION


def _usd(amount: Decimal | None) -> float | None:
    """Return USD rounded to the micro-dollar."""
    return None if amount is None else float(round(amount, 6))


def _check_prices(entry: msgspec.Struct) -> None:
    for name, value in msgspec.structs.asdict(entry).items():
        if isinstance(value, Decimal) and not (value.is_finite() and 0 <= value <= MAX_PRICE):
            raise ValueError(f"expected {name} from 0 to {MAX_PRICE}")
