"""Whoever posts to our doors: knows every id, every body and some tokens, and sends anything but the rails' own word.

What is never sent is what the design believes: a result that was not the rail's, at the secret address of its very row
(or under a signature that proves). Rows in ``leaky`` are the exception: their addresses got out, and failures are
forged there; they may be told of a failure, and their true money must still win.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random

from gateway.domain.phone import Phone
from integrations.protocols import ArrivalNotice, Channel, LookupResult, PaymentResult, PaymentVerdict, PayoutResult
from integrations.stripe.callbacks import SIGNATURE_HEADER, signature
from tests.resilience.fuzz.letters import Letter
from tests.resilience.fuzz.noise import Noise
from tests.resilience.fuzz.street import Row, Street

TRACES = (b"Traceback", b"psycopg2", b"sqlalchemy", b'File "', b"gateway/", b"Werkzeug", b"site-packages")
SECONDS = 3.0
METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND")
KINDS = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "x" * 300,
    "",
    "\xe9",
)
EVENT = (
    b"date=2026-11-20+10%3A00%3A00&sessionId=ATUid_1&serviceCode=%2A384%2A123%23&networkCode=63902&phoneNumber=%2B2547"
    b"21300001&status=Incomplete&cost=KES+0.8&durationInMillis=12000&hopsCount=3&input=1%2A2&hopsMetadata=home%3Ben"
    b"%7Csend.amount%3Ben&lastAppResponse=CON+Welcome&errorMessage="
)
Told = PaymentResult | PayoutResult | ArrivalNotice | LookupResult
#: States of rows about which somebody may still lie with an effect.
OPEN = ("prompted", "submitted", "unknown")
_DECIDED = (PaymentVerdict.PAID, PaymentVerdict.FAILED)


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Stranger:
    """``counts``: how many requests by address; ``wrong``: answers that should not be."""

    def __init__(self, street: Street, seed: int) -> None:
        self._street = street
        self._chance = Random(seed)
        self.leaky: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.kept_back: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.looks_around()

    def looks_around(self) -> None:
        """Learns of everything that there is by now."""
        self._rows = self._street.money()
        self._letters = list(self._street.office.letters)
        self._by_door: dict[str, list[Letter]] = defaultdict(list)
        for letter in self._letters:
            self._by_door[letter.door].append(letter)
        self._noise = Noise(self._chance, [*self._names(), *self._street.members, *self._street.phones])
        self._true = {(each.path, repr(self._read(each.door, each.body))) for each in self._letters}
        self._open = [row for row in self._rows if row.state in OPEN]
        self._fresh = {token for row in self._open for token in row.tokens}
        self.leaky |= {row.reference for row in self._open[::5]}

    def posts(self) -> None:
        """One more request, and a look at its answer."""
        sent = self._one()
        began = time.monotonic()
        answer = self._street.client.open(sent.path, method=sent.method, headers=list(sent.headers), data=sent.body)
        took, said = time.monotonic() - began, answer.get_data()
        if answer.status_code >= 500 or took > SECONDS or any(trace in said for trace in TRACES):
            self.wrong.append(
                f"{answer.status_code} {took:.1f} s {sent.method} {sent.path} {sent.body[:300]!r}: {said[:200]!r}"
            )

    def _one(self) -> Sent:
        draw = self._chance.random()
        if draw < 0.6:
            return self._hook()
        if draw < 0.74:
            return self._form("/ussd/events", EVENT)
        if draw < 0.87:
            report = self._chance.choice(self._by_door["/sms/delivery"]).body
            return self._form(self._chance.choice(["/sms/delivery", f"/sms/delivery/{self._any_token()}"]), report)
        return self._check()

    def _hook(self) -> Sent:
        while True:
            rail, channel = self._chance.choice(self._street.channels)
            letter = self._base(channel.name)
            token, body = self._token(letter), self._noise.of(letter.body)
            headers = self._headers(channel, letter, body)
            if self._is_own_word(rail.name, channel, token, headers, body):
                self.kept_back[channel.name] += 1
                continue
            return self._sent(f"hooks/*/{channel.name}", f"/hooks/{token}/{channel.name}", headers, body)

    def _check(self) -> Sent:
        letter = self._chance.choice(self._by_door["paybill"])
        token = self._chance.choice([letter.token, self._any_token()])
        headers = (("Content-Type", self._chance.choice(KINDS)),)
        return self._sent(
            "hooks/*/paybill-check", f"/hooks/{token}/paybill-check", headers, self._noise.of(letter.body)
        )

    def _form(self, path: str, body: bytes) -> Sent:
        name = "/sms/delivery/*" if path.count("/") == 3 else path
        kinds = ("application/x-www-form-urlencoded",) * 4 + KINDS
        return self._sent(name, path, (("Content-Type", self._chance.choice(kinds)),), self._noise.of(body))

    def _sent(self, name: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Sent:
        self.counts[name] += 1
        method = "POST" if self._chance.random() < 0.96 else self._chance.choice(METHODS)
        return Sent(method, path, headers, body)

    def _base(self, channel: str) -> Letter:
        """Mostly a true letter of this very channel, else of any other."""
        own = self._by_door.get(channel, [])
        fresh = [letter for letter in own if letter.token in self._fresh]
        if fresh and self._chance.random() < 0.5:
            return self._chance.choice(fresh)
        return self._chance.choice(own if own and self._chance.random() < 0.75 else self._letters)

    def _token(self, letter: Letter) -> str:
        draw = self._chance.random()
        return letter.token if draw < 0.45 and letter.token else self._any_token()

    def _any_token(self) -> str:
        row = self._chance.choice(self._chance.choice((self._rows, self._open)) or self._rows)
        known = [
            *sorted(row.tokens),
            self._street.parts.settings.callback_token,
            self._chance.choice(self._letters).token,
        ]
        junk = ["0" * 32, "f" * 64, "x", "%00", "%ff%fe", "..%2f..", "a" * 2_000, "\u0661" * 16]
        return self._chance.choice([*known, *known, self._chance.choice(junk)]) or "0" * 32

    def _headers(self, channel: Channel, letter: Letter, body: bytes) -> tuple[tuple[str, str], ...]:
        """Those of the letter, those of another, none, odd ones, or the right signature over this very body."""
        others = self._chance.choice(self._by_door.get(channel.name, self._letters)).headers
        if channel.proves and self._chance.random() < 0.4:
            secret = self._street.simulators.rails["stripe"]._secret
            signed = signature(body, secret, int(self._street.clock().timestamp()))
            return (("Content-Type", "application/json"), (SIGNATURE_HEADER, signed))
        odd = tuple(
            (name, self._chance.choice(["", "x", "\xe9\xff", "t=1,v1=0", "t=,v1", "9" * 4_000])) for name, _ in others
        )
        return self._chance.choice([letter.headers, others, others, others, (), odd])

    def _read(self, door: str, body: bytes) -> object | None:
        """What the rail's own reader makes of a body at a door, by whichever channel it is handed on to."""
        names = {channel.name: channel for _, channel in self._street.channels}
        channel = names.get(door)
        while channel is not None:
            told = channel.read(body)
            if told is not None:
                return told
            channel = names.get(channel.passes_to)
        return None

    def _is_own_word(
        self, rail: str, channel: Channel, token: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> bool:
        """Whether the gateway must take this for the rail's own word, which it is not."""
        told = self._read(channel.name, body)
        if not isinstance(told, Told) or (f"/hooks/{token}/{channel.name}", repr(told)) in self._true:
            return False
        if isinstance(told, ArrivalNotice):
            known = self._street.told_arrivals.get(told.receipt)
            return (
                token == self._street.parts.settings.callback_token
                and known is not None
                and known[1] == told.amount.minor
            )
        if told.verdict not in _DECIDED:
            return False
        if isinstance(told, LookupResult):
            return any(letter.token == token for letter in self._by_door["receipt-state"])
        lowered = {name.lower(): value for name, value in headers}
        if channel.proves and channel.signed and channel.signed(lowered, body):
            return True
        row = self._meant(rail, token, told)
        return row is not None and token in row.tokens and self._would_count(row, told)

    def _meant(self, rail: str, token: str, told: PaymentResult | PayoutResult) -> Row | None:
        """The row that a result is for: the one it names, else the one at whose address it came."""
        named = told.reference if isinstance(told, PaymentResult) else told.own_id
        here = [row for row in self._rows if row.rail == rail and row.what == _what(told)]
        for name in (told.provider_id, named):
            for row in here if name else ():
                if name in row.named:
                    return row
        return next((row for row in here if token in row.tokens), None)

    def _would_count(self, row: Row, told: PaymentResult | PayoutResult) -> bool:
        if told.verdict is PaymentVerdict.FAILED:
            return row.reference not in self.leaky
        payer: Phone | None = getattr(told, "payer", None)
        another = payer is not None and payer.e164 != row.phone
        return not another or row.what == "payout"

    def _names(self) -> list[str]:
        """Every id, reference and receipt that there is."""
        receipts = [line.receipt for rail in self._street.rails for line in self._street.moved(rail)]
        return sorted({name for row in self._rows for name in row.named} | set(receipts))


def _what(told: PaymentResult | PayoutResult) -> str:
    return "payment" if isinstance(told, PaymentResult) else "payout"
