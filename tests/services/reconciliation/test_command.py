"""``flask reconcile`` as an operator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gateway.commands.reconcile import DO, reconcile
from gateway.domain.money import Money
from gateway.services.reconciliation import Reconciliation
from gateway.services.reconciliation_values import Action
from integrations.protocols import Rail, StatementLine
from tests.services.reconciliation.world import Reconciled


@dataclass
class Providers:
    rails: dict[str, Rail]


@dataclass
class Parts:
    """What the command takes of all parts."""

    providers: Providers
    reconciliation: Reconciliation


def command_of(world: Reconciled, **rail: Any) -> click.Command:
    rails = {name: replace(each, **rail) for name, each in world.desk.rails.items()}
    return reconcile(Parts(Providers(rails), world.reconciliation))  # type: ignore[arg-type]


def say(world: Reconciled, *arguments: str, **rail: Any) -> tuple[int, str]:
    result = CliRunner().invoke(command_of(world, **rail), arguments)
    return result.exit_code, result.output


def test_every_action_has_a_sentence() -> None:
    assert set(DO) == set(Action)


def test_when_both_sides_agree_it_says_so_and_exits_with_nought(world: Reconciled) -> None:
    world.deposit()
    world.later()
    assert say(world) == (0, "Our rows and the rails agree.\n")


def test_what_differs_is_a_line_with_one_thing_to_do_and_exits_with_one(world: Reconciled) -> None:
    _, line = world.unheard(500)
    world.later()
    code, said = say(world)
    assert code == 1
    assert f"{line.receipt}" in said
    assert "here nothing" in said
    assert "there KES 500" in said
    assert DO[Action.APPLY_TO_PAYMENT] in said
    assert said.endswith("1 open.\n")


def test_applying_settles_what_the_statement_proves(world: Reconciled) -> None:
    _, line = world.unheard(500)
    world.later()
    code, said = say(world, "--apply")
    assert code == 0
    assert f"{line.receipt} confirmed" in said
    assert world.wallet == Money.major(500)


def test_closing_takes_a_reason_and_an_open_difference(world: Reconciled) -> None:
    world.line(-40)
    world.later()
    say(world)
    number = str(world.found()[0].id)
    assert say(world, "close", number)[0] == 2
    assert say(world, "close", number, "--because", "a charge") == (0, "")
    assert say(world) == (0, "Our rows and the rails agree.\n")
    code, said = say(world, "close", number, "--because", "again")
    assert (code, "Nothing was changed" in said) == (1, True)


def test_a_file_is_read_by_the_rail_whose_statement_it_is(world: Reconciled, tmp_path: Path) -> None:
    payment_id = world.prompted(500)
    reference, at = world.row(payment_id).reference, world.clock()
    world.later()
    file = tmp_path / "statement.csv"
    file.write_bytes(b"RECEIPT1,500")

    def read(data: bytes) -> Sequence[StatementLine]:
        receipt, amount = data.decode().split(",")
        return [StatementLine(receipt, Money.major(int(amount)), reference, "", True, at)]

    code, said = say(world, "--csv", str(file), "--apply", reads_csv=read)
    assert (code, "RECEIPT1 confirmed" in said) == (0, True)
    assert world.row(payment_id).receipt == "RECEIPT1"
    code, said = say(world, "--csv", str(file))
    assert (code, "Say with --rail" in said) == (1, True)


def test_a_file_that_is_no_statement_is_refused_and_nothing_is_compared(world: Reconciled, tmp_path: Path) -> None:
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\x89PNG")

    def read(_: bytes) -> Sequence[StatementLine]:
        raise ValueError("no column Receipt No.")

    code, said = say(world, "--csv", str(file), reads_csv=read)
    assert (code, "no column Receipt No." in said) == (1, True)


@pytest.mark.parametrize("day", ["2026-01-31", "2026-01-31T08:00"])
def test_a_period_may_be_said(world: Reconciled, day: str) -> None:
    assert say(world, "--since", day, "--until", "2026-02-28")[0] == 0
