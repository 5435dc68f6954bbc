"""One story runs everything: a friend who had never heard of us, every way in and out, and books that agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import requests

from gateway.domain.money import Money
from gateway.schema_command import prepare_database
from gateway.services.reconciliation_statement import by_currency
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.options import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY
from tests.house import PIN, House, eventually

FRIENDS_PIN = "7416"
CARD = "4242424242424242"


@pytest.fixture
def house(settings: Settings, make_database: Callable[[], str]) -> Iterator[House]:
    """A gateway of its own, so that all books can be compared to the cent."""
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    options = Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": MpesaOptions(answer_seconds=0)})
    with serve(options=options) as simulators:
        gateway = House(settings.model_copy(update={"database_url": url}), simulators)
        yield gateway
        gateway.close()


def pays_the_paybill(house: House, number: str, shillings: int, account: str) -> str:
    """Somebody pays from the phone's own menu; the receipt."""
    paid = {"phone": number, "amount": shillings, "account": account}
    answer = requests.post(f"{house.simulators.url}/control/mpesa/paybill", json=paid, timeout=10).json()
    assert answer["code"] == "0"
    return str(answer["receipt"])


def links_are_due(house: House) -> None:
    """The time in which a program could have asked for a page is over: its link goes out by SMS."""
    with house.parts.db.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND task_name = 'push_payment'"
        )


def hears_later(house: House, number: str, *words: str) -> None:
    """An SMS that comes once a rail has called back, however often the worker has to look."""

    def heard() -> bool:
        return any(all(word in text for word in words) for text in house.texts(number))

    eventually(heard)


def agrees(house: House, rail: str, currency: str, account: str) -> bool:
    """What a rail says that it holds for us is what our books say, to the cent."""
    keeps = house.parts.providers.rails[rail].keeps_statement
    assert keeps is not None
    lines = keeps.statement(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)) or ()
    theirs = by_currency(line.amount for line in lines if line.done).get(currency, 0)
    with house.parts.db.hot() as cursor:
        return house.parts.ledger.balance(cursor, account) == Money(theirs, currency)


def test_from_the_first_dial_to_the_friends_claim(house: House, numbers: Iterator[str]) -> None:
    jane_number, friend_number = next(numbers), next(numbers)

    jane = house.phone(jane_number).dials().sees("Welcome to Mlango", "Create account", "Sign in", "Exit")
    jane.chooses("Create account").chooses("This number").types("jane mwangi", PIN, PIN)
    jane.sees("Welcome, Jane. Account ML-").hears_goodbye()
    house.hears(jane_number, "Welcome to Mlango, Jane Mwangi")

    jane.dials().sees("Mlango: Jane").chooses("Deposit").types("1,000/-")
    jane.sees("Enter your M-Pesa PIN when asked to pay KES 1,000").hears_goodbye()
    jane.dials().sees("CHECKING: KES 1,000 from M-Pesa. Do not pay again.").types("0")
    assert house.pays(jane_number).amount == 1_000
    house.hears(jane_number, "Confirmed. KES 1,000 from M-Pesa is in your wallet", "M-Pesa receipt")
    jane.dials().sees("PAID: KES 1,000 from M-Pesa")

    jane.chooses("Send money").types(friend_number).types("500")
    jane.sees("Send KES 500 to", "(fee KES 5)", "Enter PIN").types(PIN)
    jane.sees("Sent KES 500", "Fee KES 5", "Balance KES 495").hears_goodbye()
    reference = jane.page.split("Ref ")[1].split(".")[0]
    house.hears(jane_number, reference, "You sent KES 500", "no account yet", "7 days")
    house.hears(friend_number, reference, "J*** M sent you KES 500", "create an account")

    friend = house.phone(friend_number).dials().sees("Welcome to Mlango")
    friend.types("1", "1", "John Otieno", FRIENDS_PIN, FRIENDS_PIN).sees("Welcome, John.", "Balance KES 500")
    house.hears(friend_number, "You received KES 500 from J*** M")
    house.hears(jane_number, "J*** O has received the KES 500 you sent")
    friend.dials().chooses("Balance and statement").types(FRIENDS_PIN).sees("Balance KES 500", "+500 J*** M")

    friend.dials().chooses("Withdraw").types("200").sees("Withdraw KES 200", "fee KES 15", "PIN:").types(FRIENDS_PIN)
    friend.sees("KES 200 is on its way to your M-Pesa").hears_goodbye()
    house.hears(friend_number, "Confirmed. KES 200 is in your M-Pesa", "Fee KES 15", "Balance KES 285")
    friend.dials().sees("PAID: KES 200 to your M-Pesa")

    assert house.app.test_cli_runner().invoke(args=["rails", "register"]).exit_code == 0
    receipt = pays_the_paybill(house, next(numbers), 300, friend_number)
    hears_later(house, friend_number, "KES 300 from M-Pesa paybill is in your wallet", receipt)

    jane.dials().chooses("Deposit").types("400").hears_goodbye()
    prompt = house.prompt(jane_number)
    pays_the_paybill(house, jane_number, 400, prompt.reference)
    hears_later(house, jane_number, "Confirmed. KES 400 from M-Pesa is in your wallet")
    house.prompts.answer(prompt.checkout_id, "0")
    hears_later(house, jane_number, "You paid KES 400 twice. The second payment has been sent back to you.")

    jane.dials().chooses("My account").chooses("Credits").chooses("Buy credits").types("1")
    jane.sees("You will get an SMS with a link to pay NGN 5,000 for 10 credits").hears_goodbye()
    links_are_due(house)
    link = re.search(r"http\S+", house.hears(jane_number, "Pay NGN 5,000 for 10 credits here"))
    assert link
    back = requests.post(link[0], data={"card": CARD, "do": "pay"}, timeout=10, allow_redirects=False)
    hears_later(house, jane_number, "You paid NGN 5,000 and have 10 credits more")
    assert "NGN 5,000: paid." in requests.get(back.headers["Location"], timeout=10).text
    jane.dials().chooses("My account").chooses("Credits").sees("Credits left: 10.")

    assert house.books_are_right()
    assert (house.balance(jane_number), house.balance(friend_number)) == (895, 585)
    assert agrees(house, "mpesa", "KES", "float:mpesa")
    assert agrees(house, "flutterwave", "NGN", "float:flutterwave-NGN")
    assert house.simulators.mpesa.books.organisation == 1_000 - 200 + 300 + 400
