"""What the code may not do, read from the code itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for folder in ("gateway", "ussd_menus", "integrations") for p in (ROOT / folder).rglob("*.py"))

#: Where shillings are counted, compared, read or written.
MONEY = [
    ROOT / name
    for name in (
        "gateway/domain/money.py",
        "gateway/models/ledger.py",
        "gateway/models/claims.py",
        "gateway/models/payments.py",
        "gateway/models/payouts.py",
        "gateway/models/payout_attempts.py",
        "gateway/callers.py",
        "ussd_menus/typed.py",
        "ussd_menus/session.py",
        "ussd_menus/flows/send.py",
        "ussd_menus/flows/deposit.py",
        "ussd_menus/flows/withdraw.py",
        "integrations/mpesa/callbacks.py",
        "integrations/mpesa/fields.py",
        "integrations/mpesa/payouts.py",
        "integrations/mpesa/payout_results.py",
        "integrations/mpesa/lookup_results.py",
        "integrations/mpesa/paybill.py",
        "integrations/mpesa/portal.py",
        "integrations/mpesa/portal_file.py",
        "integrations/mpesa/ledger.py",
        "integrations/payhero/ledger.py",
        "integrations/payhero/values.py",
        "integrations/reading.py",
        "integrations/flutterwave/callbacks.py",
        "integrations/flutterwave/bodies.py",
        "integrations/flutterwave/ledger.py",
        "integrations/stripe/callbacks.py",
        "integrations/stripe/ledger.py",
    )
] + sorted((ROOT / "gateway/services").glob("*.py"))

#: Seconds between two tries of a posting.
WAITS = {0.02, 0.5}

PROVIDERS = re.compile(
    r"m-?pesa|pay ?hero|daraja|safaricom|africa'?s? ?talking|stellar_sdk|flutterwave|stripe", re.IGNORECASE
)
#: The inbox's name for one kind of body: it stands in rows, and names no code of a provider.
NAMED_ON_PURPOSE = {"mpesa.stk"}


def _trees(paths: list[Path]) -> Iterator[tuple[str, ast.AST]]:
    for path in paths:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"[6-9] kept, 0 broken", done.stdout), done.stdout[-500:]


@pytest.mark.parametrize("path", MONEY, ids=lambda path: path.name)
def test_money_meets_no_float(path: Path) -> None:
    wrong = [
        f"{path.name}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if _is_float(node)
    ]
    assert wrong == []


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) and node.value not in WAITS
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div) and not _is_time(node)
    return isinstance(node, ast.Name) and node.id == "float"


def _is_time(node: ast.AST) -> bool:
    """Minutes out of seconds, or a path, are no money."""
    return any(word in ast.unparse(node).lower() for word in ("second", "minute", "path"))


def test_the_schema_counts_money_in_whole_numbers() -> None:
    schema = (ROOT / "schema.sql").read_text()
    assert re.findall(r"^\s+\w+\s+(?:real|double precision|float\d?|money|numeric)\b", schema, re.MULTILINE) == []
    amounts = re.findall(
        r"^\s+(\w*(?:amount|_minor|debits|credits))\s+(bigint|int\w*|small\w*|text|real|numeric)", schema, re.MULTILINE
    )
    assert len(amounts) > 10
    columns = {(name, kind) for name, kind in amounts if not name.startswith("p_")}
    assert {(name, kind) for name, kind in columns if kind != "bigint"} == set()


def test_nothing_prints() -> None:
    assert [
        f"{name}:{call.lineno}" for name, tree in _trees(SOURCES) for call, said in _calls(tree) if said == "print"
    ] == []


def test_no_time_is_without_its_zone() -> None:
    wrong = []
    for name, tree in _trees(SOURCES):
        for call, said in _calls(tree):
            naive = said.endswith(("datetime.now", "datetime.fromtimestamp")) and not (call.args[-1:] or call.keywords)
            if naive or said.endswith(("datetime.utcnow", "utcfromtimestamp", "date.today", "datetime.today")):
                wrong.append(f"{name}:{call.lineno} {said}")
    assert wrong == []


def test_services_name_no_provider() -> None:
    wrong = []
    for name, tree in _trees(sorted((ROOT / "gateway/services").glob("*.py"))):
        documented = _docstrings(tree)
        for node in ast.walk(tree):
            said = _word(node)
            if said and node not in documented and PROVIDERS.search(said) and said not in NAMED_ON_PURPOSE:
                wrong.append(f"{name}:{getattr(node, 'lineno', 0)} {said!r}")
    assert wrong == []


def _word(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(said)):
            return said
        case ast.Name(id=said) | ast.Attribute(attr=said) | ast.alias(name=said) | ast.arg(arg=said):
            return said
        case ast.FunctionDef(name=said) | ast.ClassDef(name=said):
            return said
        case ast.ImportFrom(module=str(said)):
            return said
        case _:
            return ""


def _docstrings(tree: ast.AST) -> set[ast.AST]:
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_only_the_books_touch_the_ledgers_tables() -> None:
    """Reading which accounts are due is everybody's; writing balances, transfers and postings is the function's."""
    writes = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM)\s+(?:ledger_\w+|limit_counters)", re.IGNORECASE)
    found = {name for name, tree in _trees(SOURCES) for node in ast.walk(tree) if writes.search(_word(node))}
    assert found == {"gateway/models/ledger.py"}
