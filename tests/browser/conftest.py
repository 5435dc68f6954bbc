"""Two phones in a real Chromium over the real menus, the real simulators and a little town without money."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from redis import Redis
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from gateway.calls import HopRules
from gateway.hop import Switchboard
from gateway.sessions import SessionStore
from gateway.vault import Vault
from gateway.web.simulator import simulator
from gateway.web.ussd import Door
from integrations.simulators import Simulators, serve
from tests.browser.handset import Handset
from tests.conversations.conftest import Counted
from tests.fake_world import Town
from ussd_menus.engine import Engine
from ussd_menus.flows import all_screens
from ussd_menus.session import Session
from ussd_menus.texts import load_texts

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: It must ask nobody but us: whatever else it would fetch by itself is switched off.
_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHORTCODE = "*384*123#"


class Drafts(dict[str, Session]):
    """What a dropped call was about, as the real desk finds it."""

    def __init__(self, store: SessionStore) -> None:
        super().__init__()
        self._store = store

    def get(self, tag: str, _: object = None) -> Session | None:  # type: ignore[override]
        draft = self._store.draft(tag)
        return Session.from_json(draft) if draft else None


class Scripted:
    """Pages said by a test instead of the menus; what is queued here goes first."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.texts: list[str] = []

    def before(self, inner: Callable[..., object]) -> Callable[..., object]:
        def application(environ: dict[str, object], start_response: object) -> object:
            if environ.get("PATH_INFO") == "/ussd" and self.pages:
                self.texts.append(Request(environ).form["text"])  # type: ignore[arg-type]
                return Response(self.pages.pop(0), mimetype="text/plain")(environ, start_response)  # type: ignore[arg-type]
            return inner(environ, start_response)

        return application


@dataclass(frozen=True)
class Service:
    """Everything behind the page."""

    url: str
    simulators: Simulators
    town: Town
    scripted: Scripted

    def texts_sms(self, phone: str, message: str) -> None:
        """The gateway sends an SMS through the provider."""
        form = {"username": "mlango", "to": phone, "message": message, "from": "Mlango"}
        answer = requests.post(
            self.simulators.url + "/at/version1/messaging", data=form, headers={"apiKey": "any"}, timeout=5
        )
        assert answer.status_code == 201

    def asks_mpesa(self, phone: str, shillings: int, reference: str = "ML7F3K9Q") -> str:
        """The gateway pushes a prompt; returns its id."""
        fields = {
            "Amount": shillings,
            "AccountReference": reference,
            "TransactionDesc": "Deposit",
            "CallBackURL": self.url + "/hooks/none",
            "BusinessShortCode": "174379",
        }
        return self.simulators.mpesa.prompts.show(phone, fields).checkout_id

    def result_of(self, prompt_id: str) -> str | None:
        prompt = self.simulators.mpesa.prompts.find(prompt_id)
        assert prompt
        return prompt.code


@pytest.fixture
def service(redis_url: str, redis_server: Redis, vault: Vault) -> Iterator[Service]:
    redis_server.flushdb()
    scripted, texts, store = Scripted(), load_texts(), SessionStore(redis_url, 180, 600)
    town = Town(drafts=Drafts(store))
    switchboard = Switchboard(Engine(all_screens(), texts), store, vault, town.world, town, HopRules())
    door = Door(switchboard, lambda name: texts(name, "en"), Counted(), api_key="", token="", untokened=True)
    with serve() as simulators:
        gateway = Flask("gateway_for_the_browser")
        gateway.register_blueprint(simulator(simulators.url, SHORTCODE))
        server = make_server("127.0.0.1", 0, scripted.before(door.before(gateway)), threaded=True)  # type: ignore[arg-type]
        simulators.gateway.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Service(simulators.gateway.url, simulators, town, scripted)
        server.shutdown()
        server.server_close()
    switchboard.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real Chromium; without one the tests are skipped and say why.

    Not for the whole session: while it is up the main thread has a running event loop, and ``asyncio.run`` fails.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH: install the package `chromium` to run the browser tests")
    # Chromium refuses its sandbox to root
    arguments = _QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


def _is_wrong(said: ConsoleMessage) -> bool:
    return said.type in ("error", "warning") and "status of 400" not in said.text


@pytest.fixture
def open_at(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a gateway's simulator. At the end: nothing went wrong on the console, nothing left the origin.

    What the gateway refuses (HTTP 400) is on the console too, said by the browser itself, and is not counted.
    """
    wrong: list[str] = []
    pages: list[Page] = []

    def make(url: str, width: int = 1280, height: int = 960) -> Page:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(8_000)
        page.on("console", lambda said: _is_wrong(said) and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(url + "/simulator") or wrong.append(asked.url))
        page.goto(url + "/simulator")
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()
    assert wrong == []


@pytest.fixture
def open_page(service: Service, open_at: Callable[..., Page]) -> Callable[..., Page]:
    return lambda *size: open_at(service.url, *size)


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


@pytest.fixture
def one(page: Page) -> Handset:
    return Handset(page, "Phone 1")


@pytest.fixture
def two(page: Page) -> Handset:
    return Handset(page, "Phone 2")
