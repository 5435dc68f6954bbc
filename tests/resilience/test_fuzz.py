"""Two thousand broken requests over real HTTP: always an answer, never a trace, never a shilling without proof."""

from __future__ import annotations

import http.client
import io
import json
import random
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes, urlsplit

import pytest

from gateway.domain.phone import parse_phone
from tests.house import House

SEED, TIMES = 20_261_120, 2_000
#: 503 is documented: not stored, send again. It may only be heard while something is away, and nothing is.
WRONG = range(500, 600)
TRACES = (b"Traceback", b"psycopg2", b"sqlalchemy", b'File "', b"gateway/", b"Werkzeug")


class Fuzz:
    """Requests made of good ones: cut, doubled, filled with what no phone types."""

    def __init__(self, house: House, number: str, seed: int) -> None:
        self._chance = random.Random(seed)
        self._number = parse_phone(number).e164.encode()
        self._token = house.parts.settings.callback_token

    def one(self) -> tuple[str, str, bytes, dict[str, str]]:
        make = self._chance.choice([self._ussd, self._ussd, self._event, self._stk, self._report, self._elsewhere])
        method, path, body, kind = make()
        headers = {"Content-Type": self._chance.choice([kind, kind, "application/json", "text/plain", "x" * 300])}
        if self._chance.random() < 0.1:
            headers["Authorization"] = self._chance.choice(["Bearer", "Bearer \xe9\xff", "Basic !!", "x" * 5_000])
        if self._chance.random() < 0.1:
            headers["at-ussd-hop-metadata"] = "home;en"
        return method, path, body, headers

    def _ussd(self) -> tuple[str, str, bytes, str]:
        path = self._chance.choice(["/ussd", "/ussd", f"/ussd/{self._token}", "/ussd/", "/ussd/%00", "/ussd/x/y"])
        method = self._chance.choice(["POST"] * 9 + ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
        fields = [
            (b"sessionId", self._chance.choice([b"ATUid_%d" % self._chance.randrange(60), b"", self._junk()])),
            (b"phoneNumber", self._chance.choice([self._number, self._number, b"254", self._junk(), b"+2547\xd9\xa1"])),
            (b"networkCode", self._chance.choice([b"63902", b"", self._junk()])),
            (b"serviceCode", self._chance.choice([b"*384*123#", b"", b"*", self._junk()])),
            (b"text", self._text()),
        ]
        return method, path, self._form(fields), "application/x-www-form-urlencoded"

    def _event(self) -> tuple[str, str, bytes, str]:
        names = (b"date", b"sessionId", b"status", b"cost", b"durationInMillis", b"hopsCount", b"hopsMetadata")
        values = [
            b"Incomplete",
            b"Success",
            b"KES 0.8",
            b"1e999999",
            b"-1",
            b"9" * 30,
            b"NaN",
            b"home;en|;|\0;x",
            self._junk(),
        ]
        fields = [(name, self._chance.choice(values)) for name in (*names, b"errorMessage", b"input")]
        return (
            "POST",
            "/ussd/events",
            self._form([*fields, (b"phoneNumber", self._number)]),
            "application/x-www-form-urlencoded",
        )

    def _stk(self) -> tuple[str, str, bytes, str]:
        token = self._chance.choice(["0" * 32, self._token, "x", "%00%ff", "a" * 2_000, "..%2f..", "f" * 64])
        value = self._chance.choice([500, "500", 1e308, -5, None, True, {}, [], "\0", 10**30, "9" * 5_000, 0.1])
        item = [
            {"Name": "Amount", "Value": value},
            {"Name": "MpesaReceiptNumber", "Value": self._chance.choice(["X", 1, None])},
        ]
        item.append({"Name": "PhoneNumber", "Value": self._chance.choice([int(self._number[1:]), "x", None, 7.5])})
        told: dict[str, object] = {
            "MerchantRequestID": self._chance.choice(["1-2-3", None, 5, "\0"]),
            "CheckoutRequestID": self._chance.choice(["ws_CO_1", None, [], "\0", "x" * 9_000]),
            "ResultCode": self._chance.choice([0, 0, "0", 1032, None, True, 0.0, "SFC"]),
            "ResultDesc": self._chance.choice(["ok", None, 3]),
            "CallbackMetadata": self._chance.choice([{"Item": item}, {"Item": None}, None, [], {"Item": [None, 3]}]),
        }
        body = json.dumps({"Body": {"stkCallback": self._chance.choice([told, told, told, None, [], 3])}}).encode()
        return "POST", f"/hooks/{token}/stk", self._broken(body), "application/json"

    def _report(self) -> tuple[str, str, bytes, str]:
        path = self._chance.choice(
            ["/sms/delivery", f"/sms/delivery/{self._token}", "/sms/delivery/%ff", "/sms/delivery/"]
        )
        fields = [
            (b"id", self._chance.choice([b"ATXid_1", b"", b"\0", self._junk()])),
            (b"status", self._chance.choice([b"Success", b"Failed", b"Rejected", b"", b"\0", self._junk()])),
            (b"phoneNumber", self._number),
            (b"networkCode", b"63902"),
            (b"failureReason", self._junk()),
            (b"retryCount", self._chance.choice([b"1", b"x", b"-1"])),
        ]
        return "POST", path, self._form(fields), "application/x-www-form-urlencoded"

    def _elsewhere(self) -> tuple[str, str, bytes, str]:
        paths = [
            "/health",
            "/ready",
            "/metrics",
            "/",
            "/nothing",
            "/hooks",
            "/hooks/x",
            "/ussdx",
            "/%2e%2e/etc/passwd",
            "/static/x",
        ]
        method = self._chance.choice(["GET", "GET", "POST", "PUT", "DELETE", "TRACE", "PROPFIND", "HEAD"])
        return (
            method,
            self._chance.choice(paths) + self._chance.choice(["", "?a=%00", "?" + "b" * 2_000]),
            b"",
            "text/plain",
        )

    def _text(self) -> bytes:
        walks = [
            b"",
            b"1",
            b"1*1",
            b"1*1*Jane",
            b"1*1*Jane*8305*8305",
            b"1*1*J\0ne*8305*8305",
            b"2*5",
            b"3*8305",
            b"1*0719000001*50*8305",
        ]
        extra = [b"", b"*", b"*\0", b"*\xff\xfe", b"*" + "\u202e\U0001f600".encode(), b"*" + b"9" * 4_000, b"*1" * 500]
        return self._chance.choice(walks) + self._chance.choice(extra)

    def _form(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        if self._chance.random() < 0.2:
            fields.append(self._chance.choice(fields))
        if self._chance.random() < 0.2:
            fields.remove(self._chance.choice(fields))
        if self._chance.random() < 0.05:
            fields += [(b"f%d" % n, b"x") for n in range(200)]
        body = b"&".join(name + b"=" + quote_from_bytes(value).encode() for name, value in fields)
        return self._broken(body)

    def _broken(self, body: bytes) -> bytes:
        match self._chance.randrange(12):
            case 0:
                return body[: self._chance.randrange(len(body) + 1)]
            case 1:
                at = self._chance.randrange(len(body) + 1)
                return body[:at] + self._junk() + body[at:]
            case 2:
                return body + b"&z=" + b"A" * self._chance.choice([20_000, 200_000])
            case 3:
                return body.replace(b"%", b"%u", 3)
            case _:
                return body

    def _junk(self) -> bytes:
        return self._chance.choice(
            [
                b"\x00",
                b"\xff\xfe\xfd",
                b"'; DROP TABLE accounts; --",
                b"{{7*7}}",
                b"\r\nX-Evil: 1",
                b"\xed\xa0\x80",
                b"A" * 3000,
                bytes(self._chance.randrange(256) for _ in range(self._chance.randrange(40))),
            ]
        )


def _sends(house: House) -> Callable[[str, str, bytes, dict[str, str]], tuple[int, bytes]]:
    address = urlsplit(house.url)

    def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        wire = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        try:
            wire.request(method, path, body, headers)
            answer = wire.getresponse()
            return answer.status, answer.read()
        finally:
            wire.close()

    return send


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_thousand_broken_requests_are_answered_and_credit_nobody(house: House, numbers: Iterator[str]) -> None:
    number = next(numbers)
    house.member(number)
    with house.parts.db.reading() as connection:
        before = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM procrastinate_jobs").scalar_one()
    fuzz, send = Fuzz(house, number, SEED), _sends(house)
    refused: list[str] = []
    for _ in range(TIMES):
        method, path, body, headers = fuzz.one()
        status, said = send(method, path, body, headers)
        if (status in WRONG and not path.startswith("/ready")) or any(trace in said for trace in TRACES):
            refused.append(f"{status} {method} {path[:60]} {body[:200]!r} {headers} -> {said[:200]!r}")
    house.work()
    assert refused == []
    assert house.balance(number) == 0
    assert house.books_are_right()
    with house.parts.db.reading() as connection:
        stuck = connection.exec_driver_sql(
            "SELECT task_name, count(*) FROM procrastinate_jobs WHERE id > %s AND (attempts > 1 OR status = 'failed') "
            "GROUP BY 1",
            (before,),
        ).all()
    assert stuck == [], "what is broken is kept as unreadable, and breaks no job"


@pytest.mark.parametrize("length", ["-1", "1e3", "\u00b2", "x", ""])
def test_a_length_that_is_none_is_refused(house: House, length: str) -> None:
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/ussd",
        "CONTENT_LENGTH": length,
        "wsgi.input": None,
    }
    if not length:
        environ["wsgi.input"] = io.BytesIO(b"")
    body = b"".join(house.app.wsgi_app(environ, lambda status, headers: statuses.append(status)))  # type: ignore[arg-type]
    assert statuses[0].startswith("400")
    assert body.startswith(b"END ")
