"""The menus, the hop and the door over a little town: everything of USSD but the money itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import redis as redis_library
from werkzeug.wrappers import Response

from gateway.calls import HopRules
from gateway.hop import Switchboard
from gateway.sessions import SessionStore
from gateway.vault import Vault
from gateway.web.ussd import Door
from tests.fake_world import Town
from tests.phone import OverWsgi, Phone
from ussd_menus.engine import Engine
from ussd_menus.flows import all_screens
from ussd_menus.texts import Texts, load_texts


class Counted:
    """Counts hops by outcome."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def hop(self, screen: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)


@pytest.fixture(scope="session")
def texts() -> Texts:
    return load_texts()


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def store(redis_url: str) -> SessionStore:
    return SessionStore(redis_url, 180, 600)


@pytest.fixture
def make_switchboard(
    texts: Texts, town: Town, vault: Vault, store: SessionStore
) -> Iterator[Callable[..., Switchboard]]:
    made: list[Switchboard] = []

    def make(**rules: object) -> Switchboard:
        engine = Engine(all_screens(), texts)
        made.append(Switchboard(engine, store, vault, town.world, town, HopRules(**rules)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for switchboard in made:
        switchboard.close()


@pytest.fixture
def make_door(make_switchboard: Callable[..., Switchboard], texts: Texts, counted: Counted) -> Callable[..., OverWsgi]:
    def make(*, api_key: str = "", token: str = "", untokened: bool = True, **rules: object) -> OverWsgi:
        door = Door(
            make_switchboard(**rules),
            lambda name: texts(name, "en"),
            counted,
            api_key=api_key,
            token=token,
            untokened=untokened,
        )
        return OverWsgi(door.before(Response("elsewhere", status=404)))

    return make


@pytest.fixture
def network(make_door: Callable[..., OverWsgi]) -> OverWsgi:
    return make_door()


@pytest.fixture
def phone(network: OverWsgi) -> Callable[[str], Phone]:
    return lambda number: Phone(network, number)


@pytest.fixture
def forget(redis_server: redis_library.Redis) -> Callable[[], None]:
    """Redis loses everything."""
    return redis_server.flushdb


@pytest.fixture
def at_once() -> Callable[..., list[object]]:
    """Run the same thing in many threads that start together; their results in any order."""

    def run(times: int, what: Callable[[], object]) -> list[object]:
        gate = threading.Barrier(times)
        results: list[object] = []

        def one() -> None:
            gate.wait()
            results.append(what())

        threads = [threading.Thread(target=one) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run
