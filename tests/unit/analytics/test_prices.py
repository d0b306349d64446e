"""What brokers write into prices, on its way into records."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.inbound.http.ads.counting import priced
from projections.media.statistics import Facts, Pricing


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("1E+999999", "EUR"), ("-1", "EUR"), ("10000.01", "EUR"), ("1", "12$"), ("1", "€UR"),
        ("1", "E R"), ("1", "EURO"), ("1", ""),
    ],
)  # fmt: skip
def test_a_price_that_no_record_can_hold_is_left_out(value: str, currency: str) -> None:
    assert priced(Decimal(value), currency, Pricing.CPM) == {}


@pytest.mark.parametrize(("value", "micros"), [("0", 0), ("12.5", 12_500_000), ("10000", 10**10)])
def test_any_other_fits(value: str, micros: int) -> None:
    facts = Facts.model_validate(priced(Decimal(value), "eur", Pricing.CPV))
    assert (facts.price_micros, facts.currency, facts.pricing) == (micros, "EUR", Pricing.CPV)
