"""Single values of providers: exact, or none at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import Money
from integrations.http import decode
from integrations.reading import epoch, identifier, in_major_units, major, minor, moment, web_address


@given(st.integers(0, 10**11), st.sampled_from(["KES", "NGN"]))
def test_an_amount_comes_back_as_it_went_out(cents: int, currency: str) -> None:
    sent = json.dumps({"amount": in_major_units(Money(cents, currency))}).encode()
    assert major(decode(sent)["amount"], currency.lower()) == Money(cents, currency)


@pytest.mark.parametrize("value", [None, "150", 1.5, True, -1, 10**20])
def test_minor_units_are_whole_numbers_only(value: Any) -> None:
    assert minor(value, "kes") is None
    assert minor(150, "usd") is None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2025-01-14T09:23:03.000Z", datetime(2025, 1, 14, 9, 23, 3, tzinfo=UTC)),
        ("2025-01-14T12:23:03+03:00", datetime(2025, 1, 14, 9, 23, 3, tzinfo=UTC)),
        ("2025-01-14T09:23:03", datetime(2025, 1, 14, 9, 23, 3, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("2" * 100, None),
        (1736846583, None),
        (None, None),
    ],
)
def test_a_time_is_aware_or_none(value: Any, read: datetime | None) -> None:
    assert moment(value) == read


@pytest.mark.parametrize(
    ("value", "read"), [(0, datetime(1970, 1, 1, tzinfo=UTC)), (-1, None), (10**11, None), (True, None), ("1", None)]
)
def test_seconds_are_a_time_or_none(value: Any, read: datetime | None) -> None:
    assert epoch(value) == read


@pytest.mark.parametrize("value", ["../x", "a/b", "a b", "", "ä", "x" * 200, None, True, [1], "a?b"])
def test_what_could_lead_to_another_address_is_no_id(value: Any) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize("value", ["javascript:alert(1)", "//x", "https://a b", "https://", "https://ä", None, 1])
def test_what_is_no_web_address(value: Any) -> None:
    assert web_address(value) is None
