"""What a payer typed as the account is said back by SMS, and may be somebody else's number."""

from __future__ import annotations

import pytest

from gateway.domain.typed import echoed


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("school fees", "school fees"),
        ("ML-7F3K9Q", "ML-7F3K9Q"),
        ("12345678", "12345678"),
        ("0712345678", "0712***678"),
        ("+254 712-345-678", "254 7***678"),
        ("0712 345 678 Jane", "0712***678 Jane"),
        ("pay http://x.io/a", "pay http //x io/a"),
        ("712345678901234567890123", "7123***789"),
    ],
)
def test_no_full_number_and_no_link_is_said_back(typed: str, said: str) -> None:
    assert echoed(typed) == said
