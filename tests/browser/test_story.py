"""The whole story on two phones of the page, with the whole gateway behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.handset import Handset
from tests.house import PIN, House

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(house: House) -> Iterator[None]:
    """Jobs and SMS are done as they come, in a thread: the browser holds the main one's event loop."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.2):
            house.work()

    working = threading.Thread(target=work, daemon=True)
    working.start()
    yield
    over.set()
    working.join()


@pytest.mark.usefixtures("worker")
def test_somebody_deposits_and_sends_to_a_friend_who_then_registers(
    house: House, numbers: Iterator[str], open_at: Callable[..., Page]
) -> None:
    page = open_at(house.url)
    jane, friend = Handset(page, "Phone 1").is_called(next(numbers)), Handset(page, "Phone 2").is_called(next(numbers))

    jane.dials().types("1", "1", "Jane Mwangi", PIN, PIN).sees("Welcome, Jane.").closes()
    jane.dials().types("2", "1000").sees("Enter your M-Pesa PIN when asked to pay KES 1,000").closes()
    expect(jane.prompt).to_contain_text("Pay KES 1,000 to MLANGO", timeout=15_000)
    jane.prompt.get_by_role("button", name="Accept").click()
    expect(jane.note).to_have_text("You paid by M-Pesa.")
    jane.hears("KES 1,000 from M-Pesa is in your wallet")
    jane.dials().sees("PAID: KES 1,000").types("1", friend.number, "500", PIN).sees("Sent KES 500").closes()

    expect(friend.root.locator(".badge")).to_have_text("1")
    friend.hears("J*** M sent you KES 500")
    friend.dials().types("1", "1", "John Otieno", "7416", "7416").sees("Welcome, John.", "Balance KES 500").closes()

    assert (house.balance(jane.number), house.balance(friend.number)) == (495, 500)
    assert house.books_are_right()
