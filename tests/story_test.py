"""One story runs everything: somebody deposits, sends to a friend who has never heard of us, the friend finds it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.house import PIN, House


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
    friend.types("1", "1", "John Otieno", "7416", "7416").sees("Welcome, John.", "Balance KES 500")
    house.hears(friend_number, "You received KES 500 from J*** M")
    house.hears(jane_number, "J*** O has received the KES 500 you sent")
    friend.dials().chooses("Balance and statement").types("7416").sees("Balance KES 500", "+500 J*** M")

    assert house.books_are_right()
    assert (house.balance(jane_number), house.balance(friend_number)) == (495, 500)
    books = house.simulators.mpesa.prompts.books
    assert books.organisation >= 1_000
