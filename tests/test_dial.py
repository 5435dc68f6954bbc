"""The phone in the terminal, over the real menus and the real simulators."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from gateway.calls import HopRules
from gateway.dial import boxed, run_dial
from gateway.hop import Switchboard
from gateway.sessions import SessionStore
from gateway.vault import Vault
from gateway.web.ussd import Door
from integrations.simulators import Simulators, serve
from tests.conversations.conftest import Counted
from tests.fake_world import Town
from ussd_menus.engine import Engine
from ussd_menus.flows import all_screens
from ussd_menus.texts import load_texts

AMINA = "+254712345678"
CODE = "*384*123#"
Act = str | Callable[[], object]


@pytest.fixture
def simulators(redis_url: str, vault: Vault) -> Iterator[Simulators]:
    texts, town = load_texts(), Town()
    store = SessionStore(redis_url, 180, 600)
    switchboard = Switchboard(Engine(all_screens(), texts), store, vault, town.world, town, HopRules())
    door = Door(switchboard, lambda name: texts(name, "en"), Counted(), api_key="", token="", untokened=True)
    server = make_server("127.0.0.1", 0, door.before(Response("", 404)), threaded=True)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with serve(gateway_url=f"http://127.0.0.1:{server.server_port}") as running:
        yield running
    server.shutdown()
    server.server_close()
    switchboard.close()


class Person:
    """Types a script. ``sees`` in it waits until the terminal wrote something, as a person would."""

    def __init__(self, *script: Act) -> None:
        self._script = list(script)
        self.written: list[str] = []
        self.cues: list[str] = []

    @property
    def all_written(self) -> str:
        return "\n".join(self.written)

    def sees(self, words: str) -> Callable[[], None]:
        def wait() -> None:
            until = time.monotonic() + 10
            while words not in self.all_written:
                assert time.monotonic() < until, f"{words!r} was not written:\n{self.all_written}"
                time.sleep(0.05)

        return wait

    def read(self, cue: str) -> str:
        self.cues.append(cue)
        while self._script:
            act = self._script.pop(0)
            if isinstance(act, str):
                return act
            act()
        raise EOFError

    def uses(self, simulators_url: str, *script: Act, number: str = "0712345678") -> Person:
        self._script = list(script)
        run_dial(number, simulators_url, CODE, self.read, self.written.append)
        return self


@pytest.fixture
def person() -> Person:
    return Person()


def _calls_open(simulators: Simulators) -> list[bool]:
    return [call.open for call in simulators.network._calls.values()]


def test_pages_are_shown_in_a_box_with_the_septets_left(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, "1", "1")
    assert "| Welcome to Mlango                  |" in person.all_written
    assert "72 septets, 88 left" in person.all_written
    assert "Create account for" in person.all_written
    assert "Enter your name:" in person.all_written


def test_the_end_of_input_hangs_up(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, "1")
    assert _calls_open(simulators) == [False]
    assert person.written[-1] == "The call was dropped."


def test_after_the_last_page_enter_dials_again_and_a_long_code_goes_further(
    simulators: Simulators, person: Person
) -> None:
    person.uses(simulators.url, "0", "", "!drop", "*384*123*1#", "!quit", "never read")
    assert person.cues[:4] == ["answer> ", "Enter dials again> ", "answer> ", "Enter dials again> "]
    assert person.all_written.count("Welcome to Mlango") == 2
    assert "Create account for" in person.all_written
    assert _calls_open(simulators) == [False, False, False]


def test_the_last_hop_can_be_sent_twice(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, "1", "!twice", "1")
    assert person.all_written.count("Create account for") == 2
    assert "Enter your name:" in person.all_written


def test_the_network_can_be_made_slow(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, "!slow 1", "!slow x", "!what")
    assert simulators.network.options.delay_seconds == 1
    assert person.all_written.count("!slow 3") == 3


def test_an_sms_is_shown_when_it_comes_and_older_ones_are_not(simulators: Simulators, person: Person) -> None:
    _text(simulators, "An old one.")
    person.uses(simulators.url, lambda: _text(simulators, "Welcome, Amina."), person.sees("Welcome, Amina."))
    assert "SMS from Mlango" in person.all_written
    assert "An old one." not in person.all_written


@pytest.mark.parametrize(("typed", "code"), [("y", "0"), ("N", "1032"), ("", "1037")])
def test_an_mpesa_prompt_is_answered(simulators: Simulators, person: Person, typed: str, code: str) -> None:
    asked: list[str] = []
    person.uses(simulators.url, lambda: asked.append(_push(simulators)), person.sees("Pay KES 1,000"), typed)
    prompt = simulators.mpesa.prompts.find(asked[0])
    assert prompt
    assert prompt.code == code
    assert ("paid, receipt" in person.all_written) == (code == "0")


def test_an_answer_to_the_menu_does_not_answer_a_prompt(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, lambda: _push(simulators) and None, person.sees("Pay KES 1,000"), "1")
    assert "Create account for" in person.all_written
    assert len(simulators.mpesa.prompts.open(AMINA)) == 1


def test_a_wrong_number_or_code_gets_a_sentence(simulators: Simulators, person: Person) -> None:
    person.uses(simulators.url, "*100#", number="12345")
    assert "phone is not a Kenyan mobile number" in person.all_written
    assert "invalid MMI code" in person.all_written


def test_simulators_that_are_away_get_a_sentence(person: Person) -> None:
    person.uses("http://127.0.0.1:9", "1")
    assert "The simulators do not answer." in person.all_written


def test_a_page_that_is_too_long_says_so() -> None:
    assert "161 septets, 1 TOO MANY" in boxed("x" * 157)
    assert "is not in the GSM-7 alphabet" in boxed("\u4e2d")


def _text(simulators: Simulators, message: str) -> None:
    form = {"username": "mlango", "to": AMINA, "message": message, "from": "Mlango"}
    requests.post(simulators.url + "/at/version1/messaging", data=form, headers={"apiKey": "any"}, timeout=5)


def _push(simulators: Simulators) -> str:
    fields = {
        "Amount": 1000,
        "AccountReference": "ML7F3K9Q",
        "TransactionDesc": "Deposit",
        "CallBackURL": "http://127.0.0.1:9/",
        "BusinessShortCode": "174379",
    }
    return simulators.mpesa.prompts.show(AMINA, fields).checkout_id
