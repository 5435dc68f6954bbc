"""What people type, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import InvalidAmount, InvalidName, InvalidPhone
from gateway.domain.money import Money
from gateway.domain.names import clean_name, masked
from gateway.domain.phone import parse_phone
from ussd_menus.page import cut, paged, plain, septets
from ussd_menus.typed import read_amount, read_digits


@pytest.mark.parametrize(
    ("typed", "minor"),
    [
        ("1500", 150_000),
        ("1,500", 150_000),
        ("1500/-", 150_000),
        ("1,500/-", 150_000),
        ("1500/=", 150_000),
        ("1 500", 150_000),
        ("KES 1,500.50", 150_050),
        ("Ksh.1500", 150_000),
        ("sh 20", 2_000),
        ("500bob", 50_000),
        (" 7 ", 700),
        ("0.5", 50),
        ("12,345,678", 1_234_567_800),
    ],
)
def test_amounts_in_every_usual_form(typed: str, minor: int) -> None:
    assert read_amount(typed) == Money(minor)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "inf",
        "nan",
        "1e3",
        "1abc",
        "-5",
        "+5",
        "0",
        "0.00",
        "1.234",
        "1,50",
        "1,5000",
        "1..5",
        "0x10",
        "١٢",
        "1/2",
        "9" * 10,
    ],
)
def test_what_is_not_an_amount(typed: str) -> None:
    with pytest.raises(InvalidAmount):
        read_amount(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "0712345678",
        "0712 345 678",
        "0712-345-678",
        "712345678",
        "254712345678",
        "+254712345678",
        "+254 (0) 712 345678",
        "2540712345678",
        "00254712345678",
        "000254712345678",
    ],
)
def test_phone_numbers_in_every_usual_form(typed: str) -> None:
    assert parse_phone(typed).e164 == "+254712345678"


@pytest.mark.parametrize(
    "typed",
    [
        *("", "071234567", "07123456789", "0201234567", "0109123456", "0800123456", "*334#", "0712345678x"),
        *("+256772123456", "0712345678 ext 5", "0712345678#", "0712345678/0712345679", "256772123456", "0" * 50),
        "0712345678\n0712345679",
    ],
)
def test_what_is_not_a_kenyan_mobile(typed: str) -> None:
    with pytest.raises(InvalidPhone):
        parse_phone(typed)


def test_a_phone_never_shows_itself() -> None:
    phone = parse_phone("0712345678")
    assert "712345" not in f"{phone} {phone!r} {phone.masked}"
    assert (phone.msisdn, phone.national, phone.last4) == ("254712345678", "0712345678", "5678")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("jane mwangi", "Jane Mwangi"),
        ("JANE", "Jane"),
        ("  Ann   wa Kamau ", "Ann wa Kamau"),
        ("Ng\u2019ang'a", "Ng'ang'a"),
        ("Zoë", "Zoe"),
        ("Désiré Ünal", "Désiré Ünal"),
        ("J. Otieno-Were", "J. Otieno-Were"),
        ("Shop 24 & Sons", "Shop 24 & Sons"),
        ("McOdongo", "McOdongo"),
    ],
)
def test_names_are_kept_tidy(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "1234",
        "J" * 41,
        "win at bit.ly",
        "a/b",
        "x@y",
        "tel:1",
        "a_b",
        "Jane\x00",
        "Jane; DROP",
        "😀",
        "{name}",
    ],
)
def test_what_is_not_a_name(typed: str) -> None:
    with pytest.raises(InvalidName):
        clean_name(typed)


def test_names_are_shown_masked() -> None:
    assert masked("Jane Wambui Mwangi") == "J*** M"
    assert masked("Jane") == "J***"


def test_codes_survive_blanks_and_dashes() -> None:
    assert read_digits(" 123-456 ") == read_digits("123 456") == "123456"


def test_septets_count_what_the_network_counts() -> None:
    assert septets("a" * 160) == 160
    assert septets("\u20ac" * 150) == 300
    assert septets("{}[]~\\|^") == 16
    with pytest.raises(ValueError, match="GSM-7"):
        septets("`")


@given(st.text(max_size=80))
def test_any_text_becomes_one_the_network_carries(text: str) -> None:
    septets(plain(text))


@given(st.lists(st.text("abc Ω", min_size=1, max_size=60), max_size=12), st.integers(60, 180))
def test_pages_fit_and_lose_nothing(items: list[str], room: int) -> None:
    numbered = [f"{number}{item}" for number, item in enumerate(items)]
    pages = paged("Head", numbered, "0 Back", "9 More 0 Back", room)
    assert all(septets(page) <= room for page in pages)
    lines = [line for page in pages for line in page.split("\n")]
    for item in numbered:
        assert item in lines or cut(item, room - 14) in lines
