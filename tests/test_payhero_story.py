"""The same deposits with PayHero in M-Pesa's place, by its present API and by the older contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.domain.money import Money
from gateway.schema_command import prepare_database
from gateway.services.payment_results import Source
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.payhero.asked import Options as PayHeroOptions
from integrations.payhero.client import PayHero
from integrations.payhero.magic import Magic
from integrations.payhero.older import OlderPayHero
from integrations.payhero.prompts import Prompts
from integrations.protocols import PaymentResult, PaymentVerdict
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY
from tests.house import House, eventually

V2, OLDER = "v2", "older"


@pytest.fixture(scope="module", params=[V2, OLDER])
def house(request: pytest.FixtureRequest, settings: Settings, make_database: Callable[[], str]) -> Iterator[House]:
    """A gateway that collects by PayHero, with books of its own."""
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    payhero = PayHeroOptions(answer_seconds=0, hang_seconds=12)
    with serve(options=Options(sms=SmsOptions(report_seconds=0), rails={"payhero": payhero})) as simulators:
        chosen = {"database_url": url, "collect_rail": "payhero"}
        if request.param == OLDER:
            chosen |= {"payhero_api_key": "key", "payhero_base_url": f"{simulators.url}/payhero"}
        gateway = House(settings.model_copy(update=chosen), simulators)
        yield gateway
        gateway.close()


@pytest.fixture
def prompts(house: House) -> Prompts:
    found: Prompts = house.simulators.rails["payhero"].prompts
    return found


def books_agree(house: House, prompts: Prompts) -> bool:
    """What the rail holds of ours is what our books say that it holds, to the cent."""
    with house.parts.db.hot() as cursor:
        held = house.parts.ledger.balance(cursor, "float:payhero").minor
    return house.books_are_right() and abs(held) == prompts.books.organisation * 100


def is_settled(house: House) -> bool:
    """Whether nobody's payment is open, once all that has come was handled."""
    house.work()
    with house.parts.db.reading() as connection:
        open_ones = "SELECT count(*) FROM payments WHERE state IN ('requested', 'prompted', 'unknown')"
        return connection.exec_driver_sql(open_ones).scalar_one() == 0


def asks_to_deposit(house: House, number: str, shillings: int) -> None:
    phone = house.member(number)
    phone.dials().chooses("Deposit").types(str(shillings)).sees("M-Pesa PIN").hears_goodbye()
    house.work()


def test_a_deposit_from_the_dial_to_the_wallet(house: House, prompts: Prompts, numbers: Iterator[str]) -> None:
    number = next(numbers)
    asks_to_deposit(house, number, 1_000)
    assert isinstance(house.parts.providers.rails["payhero"].collects, (PayHero, OlderPayHero))
    prompt = house.pays(number)
    assert (prompt.amount, prompt.phone[-8:]) == (1_000, number[-8:])
    house.hears(number, "Confirmed. KES 1,000", prompts.books.receipts[-1].receipt)
    house.phone(number).dials().sees("PAID: KES 1,000 from M-Pesa")
    assert house.balance(number) == 1_000
    assert books_agree(house, prompts)


def test_each_contract_is_the_one_that_is_spoken(
    house: House, prompts: Prompts, numbers: Iterator[str], request: pytest.FixtureRequest
) -> None:
    spoken = request.node.callspec.params["house"]
    number = next(numbers)
    asks_to_deposit(house, number, 50)
    assert house.prompt(number).contract == spoken
    house.pays(number)
    assert (prompts.books.receipts[-1].receipt.startswith("PH-")) is (spoken == OLDER)
    assert house.balance(number) == 50


def test_who_refuses_the_prompt_is_told_and_may_ask_again(
    house: House, prompts: Prompts, numbers: Iterator[str]
) -> None:
    number = next(numbers)
    asks_to_deposit(house, number, 300)
    house.pays(number, "1032")
    house.hears(number, "cancelled")
    assert house.balance(number) == 0
    house.phone(number).dials().chooses("Deposit").types("300").hears_goodbye()
    house.pays(number)
    assert house.balance(number) == 300
    assert books_agree(house, prompts)


@pytest.mark.parametrize(
    ("magic", "shillings"),
    [
        (Magic.PAYS, 500),
        (Magic.CALLBACK_EARLY, 500),
        (Magic.CALLBACK_TWICE, 500),
        (Magic.TEXT_AMOUNT, 500),
        (Magic.PAYS_MORE, 510),
        (Magic.PAYS_LESS, 0),
        (Magic.HTTP_HANGS, 500),
        (Magic.CANCELS, 0),
        (Magic.HAS_NO_MONEY, 0),
        (Magic.REFUSED, 0),
    ],
)
def test_whatever_a_payer_does_the_books_agree(
    house: House, prompts: Prompts, magic: Magic, shillings: int, request: pytest.FixtureRequest
) -> None:
    prompts.options.hang_seconds = 0
    asks_to_deposit(house, magic.e164, 500)
    if request.node.callspec.params["house"] == OLDER and magic in (Magic.PAYS_MORE, Magic.PAYS_LESS):
        # Another amount than was asked for is believed of the rail only, and this contract cannot be asked.
        eventually(lambda: prompts.books.balance(magic.e164) != 10_000)
        assert not is_settled(house)
        settle_by_statement(house, prompts)
    eventually(lambda: is_settled(house))
    assert house.balance(magic.e164) == shillings
    assert books_agree(house, prompts)


def settle_by_statement(house: House, prompts: Prompts) -> None:
    """What an operator does with the rail's statement: the newest receipt is the newest payment's."""
    newest = prompts.books.receipts[-1]
    with house.parts.db.reading() as connection:
        payment_id = connection.exec_driver_sql("SELECT max(id) FROM payments").scalar_one()
    paid = PaymentResult(PaymentVerdict.PAID, receipt=newest.receipt, amount=Money.major(newest.amount))
    house.parts.payments.result(payment_id, paid, Source.STATEMENT)


def test_a_lost_callback_is_asked_about_where_the_rail_can_be_asked(
    house: House, prompts: Prompts, request: pytest.FixtureRequest
) -> None:
    """The older contract has no such call: its payment stays unknown, never failed, until a person looks."""
    asks_to_deposit(house, Magic.CALLBACK_LOST.e164, 500)
    eventually(lambda: prompts.books.balance(Magic.CALLBACK_LOST.e164) == 9_500)
    with house.parts.db.reading() as connection:
        payment = connection.exec_driver_sql("SELECT max(id) FROM payments").scalar_one()
    house.parts.payments.ask(payment, 0)
    if request.node.callspec.params["house"] == OLDER:
        assert (house.balance(Magic.CALLBACK_LOST.e164), is_settled(house)) == (0, False)
    else:
        house.hears(Magic.CALLBACK_LOST.e164, "Confirmed. KES 500", prompts.books.receipts[-1].receipt)
        assert (house.balance(Magic.CALLBACK_LOST.e164), books_agree(house, prompts)) == (500, True)
