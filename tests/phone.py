"""A phone for tests: it dials, types, reads its screen and its SMS, and can drop the call.

phone.dials().sees("Welcome to Mlango").types("1").sees("this number")
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Protocol
from urllib.parse import urlencode

from ussd_menus.page import septets

SAFARICOM = "63902"


class Answers(Protocol):
    """What a phone talks to: something that takes a form at a path and answers (status, text, headers)."""

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]: ...


class OverWsgi:
    """Any WSGI application, called directly."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        from werkzeug.test import Client

        answer = Client(self._application).post(
            path, data=body, headers=headers, content_type="application/x-www-form-urlencoded"
        )
        return answer.status_code, answer.get_data(as_text=True), dict(answer.headers)


class Phone:
    """One handset. Every step returns the phone, so that a call reads as a conversation."""

    def __init__(self, network: Answers, number: str, *, network_code: str = SAFARICOM, limit: int = 160) -> None:
        self._network = network
        self.number = number
        self._network_code = network_code
        self._limit = limit
        self.session = ""
        self.text = ""
        self.page = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    def dials(self, text: str = "") -> Phone:
        """A new session; ``text`` is what a long code like ``*384*123*1*2#`` brings along."""
        self.session = f"ATUid_{secrets.token_hex(16)}"
        self.text = text
        return self._hop()

    def types(self, *answers: str) -> Phone:
        for answer in answers:
            assert self.goes_on, f"the call is over: {self.page}"
            self.text = f"{self.text}*{answer}" if self.text else answer
            self._hop()
        return self

    def chooses(self, label: str) -> Phone:
        """Type the number that stands before ``label``."""
        found = re.search(rf"^(\d+) {re.escape(label)}", self.page, re.MULTILINE)
        assert found, f"{label!r} is not on the page:\n{self.page}"
        return self.types(found[1])

    def again(self) -> Phone:
        """The network delivers the last hop once more."""
        return self._hop()

    def sees(self, *words: str) -> Phone:
        for word in words:
            assert word in self.page, f"{word!r} is not on the page:\n{self.page}"
        return self

    def does_not_see(self, *words: str) -> Phone:
        for word in words:
            assert word not in self.page, f"{word!r} is on the page:\n{self.page}"
        return self

    def hears_goodbye(self) -> Phone:
        assert self.page.startswith("END "), self.page
        return self

    @property
    def goes_on(self) -> bool:
        return self.page.startswith("CON ")

    def _hop(self) -> Phone:
        form = {
            "sessionId": self.session,
            "phoneNumber": self.number,
            "networkCode": self._network_code,
            "serviceCode": "*384*123#",
            "text": self.text,
        }
        self.status, self.page, self.headers = self._network.post("/ussd", urlencode(form), {})
        assert self.status == 200, self.page
        assert self.page.startswith(("CON ", "END ")), self.page
        assert septets(self.page) <= self._limit, f"{septets(self.page)} septets:\n{self.page}"
        return self
