"""Money in and out on every rail with marked numbers and keys, for the canary to search after."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from click.testing import Result

from gateway.domain.phone import parse_phone
from integrations.mpesa.fields import EAT
from tests.api.client import Program
from tests.canary import MEMBER, MOTHER, PIN, SENDER, STRANGER, UNPAYABLE, Recorder, printed
from tests.house import House, eventually
from tests.phone import Phone

_CARD = "4242424242424242"
_HEAD = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,"
    "Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No.\n"
)


class MoneyWalk:
    """Each method is one way of money; every answer that anybody gets is in ``answers``."""

    def __init__(self, house: House, answers: list[str]) -> None:
        self.house = house
        self.answers = answers
        self.key = house.parts.api_keys.create("till").secret
        self._program = Program(house.app, self.key)

    @property
    def credential(self) -> str:
        """What M-Pesa is shown in place of the initiator's password."""
        return str(self.house.parts.providers.rails["mpesa"].pays_out._initiator.credential)  # type: ignore[union-attr]

    def walk(self, folder: Path) -> None:
        for number, name in ((SENDER, "Jane Mwangi"), (UNPAYABLE, "Juma Ali")):
            self._phone(number).dials().types("1", "1", name, PIN, PIN).hears_goodbye()
            self._phone(number).dials().types("2", "3000").hears_goodbye()
            self.house.pays(number)
        assert "has our addresses" in self.runs("rails", "register")
        self.withdrawals()
        self.paybill()
        self.paid_twice()
        self.credits()
        self.programs()
        self.reconciliation(folder)
        self.operators()

    def withdrawals(self) -> None:
        """One that is paid, one that comes back."""
        for number in (SENDER, UNPAYABLE):
            self._phone(number).dials().types("3", "500", PIN).sees("on its way").hears_goodbye()
        self._until(lambda: {"paid", "returned"} <= self._states("payouts"))

    def paybill(self) -> None:
        """For a member and for nobody: what is typed as the account is a phone, in every form of the payer's own."""
        for form, account in (("clear", SENDER), ("masked", "0719 283 746"), ("hash", "+254719283746")):
            self._pays_unasked(MOTHER, 150, account, form)
        self._control("settings", validates=False)
        self._pays_unasked(STRANGER, 700, STRANGER, "clear")
        self._pays_unasked(STRANGER, 40_000, "254" + MEMBER[1:], "clear")
        self._until(lambda: self._count("arrivals WHERE state = 'suspended'") == 2)
        listed = self.runs("arrivals", "list")
        assert listed.count("suspended") == 2
        receipt = listed.split()[0]
        self.runs("arrivals", "assign", receipt, self._number_of(SENDER), "--because", "the payer called")

    def paid_twice(self) -> None:
        """A second payment under the reference of one that is settled goes back."""
        with self.house.parts.db.reading() as connection:
            settled = "SELECT reference FROM payments WHERE state = 'confirmed' ORDER BY id LIMIT 1"
            reference = connection.exec_driver_sql(settled).scalar_one()
        self._pays_unasked(MOTHER, 3_000, reference, "clear")
        self._until(lambda: self._count("payouts WHERE purpose = 'refund' AND state = 'paid'") == 1)
        self.runs("payments", "refund", reference, "--because", "paid by mistake")

    def credits(self) -> None:
        """Bought on the phone, paid by card; then spent on looking at a number."""
        self._phone(SENDER).dials().chooses("My account").chooses("Credits").types("1", "1").hears_goodbye()
        self._push_now()
        link = re.search(r"http://\S+/pay/\S+", self.house.hears(SENDER, "/pay/"))
        assert link
        self.answers.append(requests.get(link[0], timeout=5).text)
        paid = requests.post(link[0], data={"card": _CARD, "do": "pay"}, timeout=5, allow_redirects=False)
        back = self.house.app.test_client().get(paid.headers["location"].removeprefix(self.house.url))
        self.answers.append(back.text)
        self._until(lambda: self._count("payments WHERE purpose = 'credits' AND state = 'confirmed'") == 1)
        check = self._phone(SENDER).dials().chooses("My account").chooses("Credits").chooses("Check a number")
        check.types(UNPAYABLE, PIN).sees("with Mlango since")

    def programs(self) -> None:
        """Payouts, payments and lists by the REST API; what is refused too."""
        for to in (MEMBER, UNPAYABLE, f"{MEMBER}x"):
            asked = {"from": SENDER, "phone": to, "amount_minor": 20_000, "currency": "KES"}
            answer = self._program.posts("/payouts", asked)
            self.answers += [answer.text, self.runs("payouts", "show", answer.get_json().get("reference", "none"))]
        self._until(lambda: self._count("payouts WHERE state IN ('held', 'unknown', 'submitted')") == 0)
        for path in ("payouts", "payments"):
            self.answers.append(self._program.gets(f"/{path}", account=self._number_of(SENDER)).text)
        self.answers.append(self._program.posts("/payments", {"to": SENDER, "phone": f"{MEMBER}1"}).text)

    def reconciliation(self, folder: Path) -> None:
        """A file of the portal in which everything may be a phone, and the rails' own statements."""
        statement = folder / "statement.csv"
        statement.write_text(_HEAD + "".join(self._portal_lines()))
        for more in ((), ("--apply",)):
            told = self.runs("reconcile", "--rail", "mpesa", "--csv", str(statement), *more)
            assert "TKL0000001" in told
        self.runs("reconcile")
        self.runs("reconcile", "close", "1", "--because", "looked at")

    def operators(self) -> None:
        """Every command that shows money or people."""
        with self.house.parts.db.reading() as connection:
            payouts = connection.exec_driver_sql("SELECT reference FROM payouts").scalars().all()
            receipt = connection.exec_driver_sql("SELECT receipt FROM payments WHERE rail = 'mpesa'").scalars().first()
        assert len(payouts) >= 5
        for reference in payouts:
            assert reference in self.runs("payouts", "show", reference)
        assert "Utility" in self._answered("rails", "balance")
        assert "Completed" in self._answered("rails", "status", str(receipt))
        assert all(rail.is_up() for rail in self.house.parts.providers.rails.values())
        for channel in ("flutterwave", "stripe"):
            Recorder(self.house.app, self.answers).post(f"/hooks/0123456789abcdef/{channel}", f"phone={SENDER}", {})
        self.house.parts.alarms.look()
        for command in ("payouts review", "payments review", "figures", "alarms", "books", "replay --since 2020-01-01"):
            self.runs(*command.split())
        self.house.work()

    def runs(self, *arguments: str) -> str:
        """What a command shows; a person's mistake is shown, a bug is not forgiven."""
        done: Result = self.house.app.test_cli_runner().invoke(args=list(arguments))
        self.answers.append(printed(done))
        assert done.exit_code in (0, 1), self.answers[-1]
        assert done.exception is None or isinstance(done.exception, SystemExit), self.answers[-1]
        return done.output

    def _answered(self, *arguments: str) -> str:
        """The same for a command that waits for the worker."""
        shown: list[str] = []
        asking = threading.Thread(target=lambda: shown.append(self.runs(*arguments)))
        asking.start()
        while asking.is_alive():
            self.house.work()
        return shown[0]

    def _portal_lines(self) -> list[str]:
        at = (datetime.now(UTC) - timedelta(hours=2)).astimezone(EAT).strftime("%d-%m-%Y %H:%M:%S")
        msisdn = parse_phone(STRANGER).msisdn
        came = f"Pay Bill from {msisdn} - JOHN DOE Acc. {STRANGER},Completed,90.00,,1.00,true,Pay Utility,{msisdn},"
        went = f"Business Payment to {msisdn} - JOHN DOE,Completed,,-80.00,1.00,true,Business Payment,{msisdn},"
        with self.house.parts.db.reading() as connection:
            id_of_ours = (
                connection.exec_driver_sql(
                    "SELECT provider_id FROM payments WHERE rail = 'mpesa' AND state = 'confirmed'"
                )
                .scalars()
                .first()
            )
        return [
            f"TKL0000001,{at},{at},{came},{STRANGER}\n",
            f"TKL0000002,{at},{at},{came},{id_of_ours}\n",
            f"TKL0000003,{at},{at},{went},\n",
        ]

    def _pays_unasked(self, payer: str, amount: int, account: str, form: str) -> None:
        before = self._count("inbox")
        self._control("balance", phone=payer, balance=amount)
        paid = self._control("paybill", phone=payer, amount=amount, account=account, msisdn_form=form)
        assert paid["receipt"], paid
        self._until(lambda: self._count("inbox") > before)

    def _control(self, name: str, **values: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.house.simulators.url}/control/mpesa/{name}", json=values, timeout=10)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def _until(self, done: Callable[[], bool]) -> None:
        def worked() -> bool:
            self.house.work()
            return done()

        eventually(worked)

    def _push_now(self) -> None:
        """A link goes out by SMS only when nobody has fetched it meanwhile."""
        with self.house.parts.db.transaction() as session:
            session.connection().exec_driver_sql(
                "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND task_name LIKE '%%push%%'"
            )

    def _states(self, table: str) -> set[str]:
        with self.house.parts.db.reading() as connection:
            return set(connection.exec_driver_sql(f"SELECT state FROM {table}").scalars())

    def _count(self, rows: str) -> int:
        with self.house.parts.db.reading() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {rows}").scalar_one())

    def _number_of(self, phone: str) -> str:
        member = self.house.parts.accounts.by_phone(parse_phone(phone))
        assert member is not None
        return member.number

    def _phone(self, number: str) -> Phone:
        return Phone(Recorder(self.house.app, self.answers), parse_phone(number).e164)
