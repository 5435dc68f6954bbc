"""Every word a person may hear exists in every language, says the same, and fits."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.app  # noqa: F401  (all refusals are known once everything is imported)
from gateway.domain.errors import Refusal
from gateway.domain.money import Money
from ussd_menus.page import septets
from ussd_menus.texts import Texts, load_texts

ROOT = Path(__file__).resolve().parents[2]
TEXTS = load_texts()
SMS = sorted(name.removeprefix("sms.") for name in TEXTS.names("en") if name.startswith("sms."))
ONE_PART, TWO_PARTS = 160, 306

#: The longest a person can have. A balance in the millions is the house's, not a wallet's.
LONGEST = {
    "amount": Money(24_999_999),
    "received": Money(24_999_999),
    "fee": Money.major(60),
    "balance": Money(99_999_999),
    "reference": "7F3K9QAB",
    "receipt": "SFF6XYREWQ",
    "typed": "W" * 20,
    "number": "ML-7F3K9Q",
    "shortcode": "*384*123#",
    "name": "W" * 40,
    "to": "0712***678",
    "sender": "W*** W",
    "days": 7,
    "minutes": 60,
    "code": "123456",
    "lines": "\n".join(["KES -249,999.99 W*** W"] * 6),
    "link": "https://checkout.flutterwave.com/v3/hosted/pay/flwlnk-01j8h3m1v0m5q8c9s2t4w6x8y0",
    "title": "50 credits",
    "outcome": "The most in one day is KES 140,000. Nothing was sent.",
}
#: Two parts, with a reason: everything else is one.
TWO = {"statement": "six movements"}


#: What SMS about payments begin with: ``Payment.told_as``.
PAYMENTS = ("deposit", "card", "credits")


def _every_refusal() -> list[type[Refusal]]:
    found, waiting = [], [Refusal]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        found += [kind for kind in kinds if kind.__module__.startswith(("gateway", "ussd_menus"))]
        waiting += kinds
    return found


def _blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_the_same_sentences_with_the_same_blanks() -> None:
    for language in TEXTS.languages:
        assert TEXTS.names(language) == TEXTS.names("en")
        for name in TEXTS.names("en"):
            assert _blanks(TEXTS.raw(name, language)) == _blanks(TEXTS.raw(name, "en")), name


@pytest.mark.parametrize("kind", _every_refusal(), ids=lambda kind: kind.code)
def test_every_refusal_has_a_sentence(kind: type[Refusal]) -> None:
    names = [f"no.{kind.code}"]
    wanted = set(getattr(kind.__init__, "__annotations__", {})) - {"return"}
    if "tries_left" in wanted:
        names.append(f"no.{kind.code}.last")
    for language in TEXTS.languages:
        for name in names:
            assert name in TEXTS.names(language), f"{kind.__name__} has no sentence in {language}"
            assert _blanks(TEXTS.raw(name, language)) <= wanted


def test_every_sms_that_is_sent_has_a_text_and_every_text_is_sent() -> None:
    assert set(_sms_in_the_code()) == set(SMS)


def _sms_in_the_code() -> Iterator[str]:
    for path in (ROOT / "gateway").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        source = ast.unparse(tree)
        yield from re.findall(r"words\('sms\.(\w+)'", source)
        told = re.findall(r"\b(?:_tell|tell)\(session, \w+, '(\w+)'", source)
        yield from _of_payments(told) if path.name.startswith("payment") else told
        yield from re.findall(r"_told\(sender, claim, '(\w+)'", source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign) and ast.unparse(node).startswith(("_TOLD", "kind = ")):
                words = _words_in(node)
                yield from _of_payments(words[1::2] if "_TOLD" in ast.unparse(node) else words)
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "kind":
                yield from (f"finish_{word}" for word in _words_in(node.annotation))


def _of_payments(kinds: list[str]) -> list[str]:
    """Each is told in the words of what the payment is for; there is no link to a prompt on a phone."""
    return [f"{what}_{kind}" for kind in kinds for what in PAYMENTS if (what, kind) != ("deposit", "link")]


def _words_in(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_every_kind_of_entry_that_a_wallet_sees_has_a_word() -> None:
    kinds = set(_entry_kinds())
    assert {"send", "deposit", "deposit_added", "claim", "claim_return"} <= kinds
    kinds -= {
        "deposit_short",
        "deposit_less",
        "float_moved",
        "credits_sale",
        "credits_bought",
        "payout_paid",
        "payout_again",
        "credits_spent",
        "credits_returned",
    }  # no wallet of money, so no statement, ever sees it
    for language in TEXTS.languages:
        assert {f"kind.{kind}" for kind in (*kinds, "fee")} <= TEXTS.names(language)


def _entry_kinds() -> Iterator[str]:
    for path in (ROOT / "gateway/services").glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            ast.unparse(node.targets[0]): node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            said = ast.unparse(call.func)
            given = [k.value for k in call.keywords if k.arg == "kind"] + call.args[2:3]
            if said == "Entry" or said.endswith("_settle"):
                for kind in given:
                    name = kind.value if isinstance(kind, ast.Constant) else constants.get(ast.unparse(kind))
                    if isinstance(name, str):
                        yield name


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("name", SMS)
def test_an_sms_at_its_longest_is_one_part_or_listed(name: str, language: str) -> None:
    length = septets(TEXTS(f"sms.{name}", language, **LONGEST))
    assert length <= (TWO_PARTS if name in TWO else ONE_PART), f"{length} septets: {TEXTS.raw(f'sms.{name}', language)}"


@pytest.mark.parametrize("name", sorted(TWO))
def test_what_is_listed_for_two_parts_needs_them(name: str) -> None:
    assert max(septets(TEXTS(f"sms.{name}", language, **LONGEST)) for language in TEXTS.languages) > ONE_PART


@pytest.mark.parametrize("language", TEXTS.languages)
def test_every_text_is_in_the_alphabet_of_a_phone(language: str) -> None:
    for name in TEXTS.names(language):
        septets(re.sub(r"[{}]", "", TEXTS.raw(name, language)))


def test_the_alphabet_test_would_notice() -> None:
    with pytest.raises(ValueError, match="GSM-7"):
        septets(Texts({"en": {"a": "Pesa \u2013 zako"}}).raw("a", "en"))


def test_a_code_never_shares_an_sms_with_what_it_is_for() -> None:
    for language in TEXTS.languages:
        with_code = [name for name in SMS if "code" in _blanks(TEXTS.raw(f"sms.{name}", language))]
        assert with_code == ["otp"]
        assert not _blanks(TEXTS.raw("sms.otp", language)) & {"amount", "to", "name", "sender", "number"}


@pytest.mark.parametrize("language", TEXTS.languages)
def test_no_sms_asks_for_a_pin_by_sms(language: str) -> None:
    """Whoever gets used to an SMS that says *Enter PIN* will answer the next one, which is not ours."""
    for name in SMS:
        said = TEXTS.raw(f"sms.{name}", language)
        if re.search(r"enter your PIN|uweke PIN", said):
            assert "{shortcode}" in said, said
