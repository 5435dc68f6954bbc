"""Whole stories about money that went astray: each is told once, and all books agree at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from gateway.schema_command import prepare_database
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.options import Options as MpesaOptions
from integrations.mpesa.payees import Payee
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY, Clock
from tests.house import PIN, House, eventually

#: The waits of calls and questions, one after the other.
SCHEDULE_SECONDS = (5, 25, 60, 120, 300, 600, 3600, 3600)
#: What a rail plans for later than this is a prompt's time limit, and no answer.
_SOON_SECONDS = 3


@dataclass
class Town:
    """A house whose clock, and whose rail's, can be moved."""

    house: House
    clock: Clock

    def settles(self) -> None:
        """All that is due is done, and all that the rail had to say about it as well."""
        later = self.house.simulators.later
        for _ in range(2):
            self.house.work()
            eventually(lambda: not later._running and all(_is_far(due) for due, *_ in list(later._waiting)))
        self.house.work()

    def waits(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)
        with self.house.parts.db.transaction() as session:
            session.connection().exec_driver_sql(
                "UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - make_interval(secs => %s) "
                "WHERE status = 'todo'",
                (seconds,),
            )
        self.settles()

    def withdraws(self, number: str, shillings: int = 200) -> None:
        self.house.phone(number).dials().chooses("Withdraw").types(str(shillings), PIN).hears_goodbye()

    def news(self, number: str) -> list[str]:
        """All SMS but those of registering and depositing."""
        return [text for text in self.house.texts(number) if "Welcome" not in text and "from M-Pesa is in" not in text]

    def runs(self, *command: str) -> tuple[int, str]:
        done = self.house.app.test_cli_runner().invoke(args=list(command))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    def books_agree(self) -> bool:
        with self.house.parts.db.hot() as cursor:
            held = self.house.parts.ledger.balance(cursor, "float:mpesa").minor
        theirs = self.house.simulators.mpesa.books.organisation * 100
        return self.house.books_are_right() and held == theirs and self.runs("books")[0] == 0


def _is_far(due: float) -> bool:
    return due > time.monotonic() + _SOON_SECONDS


@pytest.fixture
def town(settings: Settings, make_database: Callable[[], str]) -> Iterator[Town]:
    url, clock = make_database(), Clock()
    prepare_database(url, ENCRYPTION_KEY)
    mpesa = MpesaOptions(answer_seconds=0, late_seconds=0.2, hang_seconds=0)
    options = Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": mpesa})
    with serve(options=options, clock=clock) as simulators:
        house = House(settings.model_copy(update={"database_url": url}), simulators, clock)
        yield Town(house, clock)
        house.close()


UNPAID = (
    Payee.NOT_REGISTERED,
    Payee.FULL,
    Payee.QUEUE_NEVER_PAID,
    Payee.NO_FLOAT,
    Payee.STRING_CODE,
    Payee.REFUSED,
)
DELAYED = (Payee.NO_FLOAT, Payee.NO_FLOAT_ONCE)


@pytest.mark.slow
def test_whatever_becomes_of_a_withdrawal_its_owner_has_the_money_once_and_is_told_once(town: Town) -> None:
    house, books = town.house, town.house.simulators.mpesa.books
    for payee in Payee:
        house.member(payee.e164, shillings=1_000)
        town.withdraws(payee.e164)
    town.settles()
    for seconds in SCHEDULE_SECONDS:
        town.waits(seconds)
    for payee in Payee:
        wallet, mpesa = (1_000, 9_000) if payee in UNPAID else (785, 9_200)
        assert (house.balance(payee.e164), books.balance(payee.e164)) == (wallet, mpesa), payee
        said = ["takes longer than usual"] * (payee in DELAYED)
        said += ["back in your wallet" if payee in UNPAID else "Confirmed. KES 200 is in your M-Pesa"]
        news = town.news(payee.e164)
        assert len(news) == len(said), news
        assert all(words in text for words, text in zip(said, news, strict=True)), news
    assert town.books_agree()


def test_what_the_rail_never_told_is_found_on_its_statement_and_applied_once(
    town: Town, numbers: Iterator[str], tmp_path: Path
) -> None:
    house, rail = town.house, town.house.simulators.mpesa
    refunded, paid, unpaid = (next(numbers) for _ in range(3))
    for number in (refunded, paid, unpaid):
        house.member(number, shillings=1_000)
    silence = {"payout": "RESULT_LOST", "status": "RESULT_LOST", "reversal": "RESULT_LOST", "arrival": "RESULT_LOST"}
    rail.options.fate, rail.options.validates = silence.get, False

    with house.parts.db.reading() as connection:
        asked = "SELECT reference FROM payments ORDER BY id LIMIT 1"
        reference = connection.exec_driver_sql(asked).scalar_one()
    assert town.runs("payments", "refund", reference, "--because", "asked by the payer")[0] == 0
    town.withdraws(paid)
    control = f"{house.simulators.url}/control/mpesa"
    paybill = {"phone": paid, "amount": 72, "account": paid}
    requests.post(f"{control}/paybill", json=paybill, timeout=10).raise_for_status()
    town.settles()
    silence["payout"] = "QUEUE_NEVER_PAID"
    town.withdraws(unpaid)
    for seconds in (30, 120, 600, 3600):
        town.waits(seconds)
    assert not town.books_agree()

    file = tmp_path / "portal.csv"
    file.write_bytes(requests.get(f"{control}/portal.csv", timeout=10).content)
    by_file = ("reconcile", "--rail", "mpesa", "--csv", str(file))
    found, told = town.runs(*by_file)
    assert (found, Counter(word for word in told.split() if "_" in word)) == (
        1,
        {"unknown_payout": 2, "missing_here": 1},
    )
    assert "Our rows and the rails agree." in town.runs(*by_file, "--apply")[1]
    town.waits(25 * 3600)
    assert "the rail never made it" in town.runs("reconcile", "--rail", "mpesa")[1]
    town.runs("reconcile", "--rail", "mpesa", "--apply")
    assert town.runs("reconcile", "--rail", "mpesa") == (0, "Our rows and the rails agree.\n")
    town.runs("replay", "--since", "2020-01-01")
    town.runs("replay", "--since", "2020-01-01")
    town.settles()

    assert [house.balance(number) for number in (refunded, paid, unpaid)] == [0, 785, 1_000]
    assert "has been sent back to you" in town.news(refunded)[-1]
    assert [("longer" in text, "Confirmed" in text) for text in town.news(paid)] == [(True, False), (False, True)]
    assert "back in your wallet" in town.news(unpaid)[-1]
    assert town.runs("payouts", "review")[1] == ""
    assert town.books_agree()
