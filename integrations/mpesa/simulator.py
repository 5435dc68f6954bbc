"""A stand-in for Daraja: its addresses and error codes, put together over phones, payouts, a paybill and books."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from integrations.mpesa.ledger import Books
from integrations.mpesa.magic import Magic
from integrations.mpesa.options import Options
from integrations.mpesa.payees import Payee, Plays
from integrations.mpesa.portal_file import portal_csv
from integrations.mpesa.prompts import Prompts
from integrations.mpesa.simulated_door import Door
from integrations.mpesa.simulated_paybill import SimulatedPaybill, address_of
from integrations.mpesa.simulated_payouts import SimulatedPayouts
from integrations.mpesa.simulated_pushes import Pushes
from integrations.mpesa.simulated_questions import SimulatedQuestions
from integrations.mpesa.simulated_requests import Requests
from integrations.mpesa.tokens import PATH
from integrations.phones import Phones
from integrations.rails import Bench
from integrations.simulation import Gateway, Handler, Reply, Request, json_reply, set_options


class MpesaSimulator:
    """All of Daraja that we call. Control: ``integrations.simulators`` tells."""

    name = "mpesa"

    def __init__(self, bench: Bench) -> None:
        self.options: Options = bench.options or Options()
        self._clock = bench.clock
        environ = bench.environ
        self._door, plays = Door(bench.clock), Plays(self.options)
        self.books = Books(self.options)
        requests = Requests(bench.later, self.options, bench.clock)
        self.paybill = SimulatedPaybill(self._door, requests, self.books, plays, _unregistered(bench.gateway, environ))
        self.prompts = Prompts(bench.later, self.options, self.books, bench.clock, self.paybill.confirm_push)
        self.pushes = Pushes(self._door, self.prompts, plays, environ.get("MPESA_PASSKEY", ""))
        self.payouts = SimulatedPayouts(self._door, requests, self.books, plays)
        questions = SimulatedQuestions(self._door, requests, self.books, plays, self.payouts)
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("GET", PATH): self._door.token,
            **self.pushes.routes,
            **self.payouts.routes,
            **questions.routes,
            **self.paybill.routes,
        }
        self.controls: Mapping[tuple[str, str], Handler] = {
            **Phones(self.prompts, lambda: self.options.prompt_seconds, bench.clock).controls,
            ("GET", "/portal.csv"): self._portal,
            ("POST", "/settings"): self._set_options,
            ("POST", "/expire-tokens"): self._expire_tokens,
            **self.paybill.controls,
        }

    def magic(self) -> list[dict[str, str]]:
        return [{"name": each.name, "phone": each.e164, "meaning": each.meaning} for each in (*Magic, *Payee)]

    def _portal(self, _: Request) -> Reply:
        return Reply(body=portal_csv(self.books, self._clock()), content_type="text/csv; charset=utf-8")

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply({"ok": True})

    def _expire_tokens(self, _: Request) -> Reply:
        self._door.expire()
        return json_reply({"ok": True})


def _unregistered(gateway: Gateway, environ: Mapping[str, str]) -> Callable[[], str]:
    """The gateway's address may change while the simulators run, so it is asked for each time."""
    return lambda: address_of(gateway.url, environ.get("CALLBACK_TOKEN", ""))
