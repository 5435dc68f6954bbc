"""The whole gateway in one process, on simulators: real database, real Redis, real HTTP to the stand-ins."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from flask import Flask
from werkzeug.serving import make_server

from gateway.app import create_app
from gateway.domain.clock import Clock, utc_now
from gateway.domain.phone import parse_phone
from gateway.jobs import QUEUE, worker_app
from gateway.laptop.children import free_port
from gateway.parts import Parts
from gateway.settings import Settings
from integrations.mpesa.prompts import Prompt, Prompts
from integrations.simulators import Simulators
from tests.phone import OverWsgi, Phone

T = TypeVar("T")
PIN = "8305"


class House:
    """One gateway. ``phone`` gives a handset, ``work`` does what the worker would, ``sms`` reads an inbox."""

    def __init__(self, settings: Settings, simulators: Simulators, clock: Clock = utc_now) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.simulators = simulators
        simulators.gateway.url = self.url
        self.app: Flask = create_app(
            settings.model_copy(update={"simulators_url": simulators.url, "public_url": self.url}), clock=clock
        )
        self.parts: Parts = self.app.extensions["mlango"]
        self._server = make_server("127.0.0.1", port, self.app, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self.parts.close()

    def phone(self, number: str) -> Phone:
        return Phone(OverWsgi(self.app), parse_phone(number).e164)

    def member(self, number: str, name: str = "Jane Mwangi", *, shillings: int = 0, language: str = "en") -> Phone:
        """Somebody with an account, made by dialling, and money, put in by M-Pesa."""
        phone = self.phone(number).dials()
        if language != "en":
            phone.chooses("Lugha/Language").chooses("Kiswahili")
        phone.types("1", "1", name, PIN, PIN).hears_goodbye()
        if shillings:
            phone.dials().types("2", str(shillings)).hears_goodbye()
            self.pays(number)
        return phone

    def pays(self, number: str, code: str = "0") -> Prompt:
        """The prompt on a phone is answered, and the result arrives."""
        prompt = self.prompt(number)
        handled = len(self._inbox_items())
        self.prompts.answer(prompt.checkout_id, code)
        eventually(lambda: len(self._inbox_items()) > handled)
        self.work()
        return prompt

    def prompt(self, number: str) -> Prompt:
        """The prompt that is open on a phone."""
        self.work()
        return eventually(lambda: self.prompts.open(parse_phone(number).e164))[0]

    @property
    def prompts(self) -> Prompts:
        """All prompts of the rail that collects; every rail's are alike."""
        found: Prompts = self.simulators.rails[self.parts.settings.collect_rail].prompts
        return found

    def hears(self, number: str, *words: str) -> str:
        """The newest SMS on a phone that has all these words; waits for it."""
        phone = parse_phone(number).e164

        def newest() -> str | None:
            texts = [message.text for message in self.simulators.sms.inbox(phone)]
            return next((text for text in reversed(texts) if all(word in text for word in words)), None)

        self.work()
        return eventually(newest)

    def texts(self, number: str) -> list[str]:
        """Every SMS that was sent to a phone, oldest first."""
        self.work()
        phone = parse_phone(number).e164
        return [message.text for message in self.simulators.sms.messages if message.phone == phone]

    def work(self) -> None:
        """All jobs and SMS that are due, until there are none."""
        asyncio.run(self._jobs())
        while self.parts.messages.drain():
            continue

    def balance(self, number: str) -> int:
        """Shillings in somebody's wallet."""
        member = self.parts.accounts.by_phone(parse_phone(number))
        assert member is not None
        return self.parts.statements.balance(member.number).whole_units

    def books_are_right(self) -> bool:
        with self.parts.db.hot() as cursor:
            return not any(self.parts.ledger.check(cursor).values())

    async def _jobs(self) -> None:
        app = worker_app(self.parts.settings.database_url, self.parts.work)
        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE], wait=False, listen_notify=False, install_signal_handlers=False, delete_jobs="never"
            )

    def _inbox_items(self) -> list[int]:
        with self.parts.db.reading() as connection:
            return [row[0] for row in connection.exec_driver_sql("SELECT id FROM inbox")]


def eventually(what: Callable[[], T], seconds: float = 10) -> T:
    """The first truthy answer; fails when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
    return answer
