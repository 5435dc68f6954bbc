"""Whatever is sent, by a program that has every scope: never a 5xx, always JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.web.api.route import Routes
from gateway.web.api.table import api_routes
from tests.api.client import Program
from tests.api.conftest import Shop

WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["ML-7F3K9Q", "0712345678", "+254712345678", "KES", "NGN", "prompt", "link", "pkg_10_credits", "\x00"]
    ),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = ["to", "from", "account", "amount_minor", "currency", "way", "phone", "package_id", "credits", "because"]
BODIES = st.one_of(ANYTHING, st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=8))
NAMES = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=40)


@pytest.fixture(scope="package")
def table(shop: Shop) -> Routes:
    return api_routes(shop.parts)


@pytest.fixture(scope="package")
def sender(shop: Shop) -> Program:
    return shop.program()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_breaks_anything(table: Routes, sender: Program, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from([route for route in table if route.writes]))
    answer = sender.posts(route.path, data.draw(BODIES))
    assert answer.status_code < 500, answer.text
    assert "json" in answer.mimetype


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), key=st.binary(max_size=40))
def test_no_bytes_break_anything(sender: Program, raw: bytes, key: bytes) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": _header(key)}
    answer = sender.sends("POST", "/api/v1/payments", data=raw, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(named=NAMES, query=st.dictionaries(st.sampled_from(["account", "limit", "cursor", "x"]), NAMES, max_size=4))
def test_no_address_breaks_anything(table: Routes, sender: Program, named: str, query: dict[str, Any]) -> None:
    for route in table:
        if not route.writes:
            written = quote(named, safe="")
            path = route.path.replace("<reference>", written).replace("<account>", written)
            assert sender.gets(path, **query).status_code < 500, path


def _header(raw: bytes) -> str:
    """What can stand in a header at all: no line ends."""
    return raw.replace(b"\r", b"").replace(b"\n", b"").decode("latin-1")
