"""The table of routes, served: gate, reading, the one call, its answer remembered."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, request

from gateway.domain.errors import Refusal, TryLater
from gateway.services.api_requests import Answered, ApiRequests, Ticket
from gateway.vault import Vault
from gateway.web.api import gate
from gateway.web.api.gate import Gate
from gateway.web.api.problems import CONTENT_TYPE, Problems
from gateway.web.api.route import PREFIX, Ask, Given, Route, Routes


class Api:
    """Serves routes. What it answers to a write it answers again, word for word, to the same write."""

    def __init__(self, gate: Gate, requests: ApiRequests, problems: Problems, vault: Vault) -> None:
        self._gate = gate
        self._requests = requests
        self._problems = problems
        self._vault = vault

    def blueprint(self, routes: Routes) -> Blueprint:
        """Everything under ``/api/v1`` that is in the table."""
        blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
        for route in routes:
            blueprint.add_url_rule(route.path, endpoint_of(route), self._serve(route), methods=[route.method])
        blueprint.register_error_handler(Exception, self.problem)
        return blueprint

    def problem(self, error: Exception) -> Response:
        """What went wrong, as a problem; also for addresses and methods that no route has."""
        return self._problems.of(error).response()

    def _serve(self, route: Route[Any]) -> Callable[..., Response]:
        def read(**named: str) -> Response:
            holder = self._gate.admit(route.scope, writes=False)
            sent = gate.read(gate.query(), route.takes)
            return _json(route.status, _text(route.do(Ask(holder, sent, gate.named_value(named)))))

        def write(**named: str) -> Response:
            holder = self._gate.admit(route.scope, writes=True)
            key, body = gate.idempotency_key(), gate.body()
            sent = gate.read(body, route.takes)
            asked = self._vault.digest("api request", gate.canonical(route.method, request.path, body))
            ticket = Ticket(holder.id, key, asked)
            return self._once(route, ticket, Ask(holder, sent, gate.named_value(named), f"api:{holder.id}:{key}"))

        return write if route.writes else read

    def _once(self, route: Route[Any], ticket: Ticket, ask: Ask[Any]) -> Response:
        earlier = self._requests.begin(ticket)
        if earlier is not None:
            return _json(earlier.status, earlier.body, replayed=True)
        try:
            answer = self._answer(route, ask)
        except BaseException:
            with suppress(TryLater):  # else the lease ends by itself
                self._requests.release(ticket)
            raise
        self._requests.finish(ticket, answer)
        return _json(answer.status, answer.body)

    def _answer(self, route: Route[Any], ask: Ask[Any]) -> Answered:
        """Done, or refused for good. What may be otherwise in a minute is raised, and decides nothing."""
        try:
            return Answered(route.status, _text(route.do(ask)))
        except Refusal as refusal:
            problem = self._problems.refused(refusal)
            if problem.headers:
                raise
            return Answered(problem.status, problem.body)


def endpoint_of(route: Route[Any]) -> str:
    return re.sub(r"\W+", "_", f"{route.method}{route.path}").strip("_").lower()


def _text(given: Given) -> str:
    return given.model_dump_json()


def _json(status: int, body: str, *, replayed: bool = False) -> Response:
    content_type = "application/json" if status < 400 else CONTENT_TYPE
    headers = {"Cache-Control": "no-store"} | ({"Idempotent-Replay": "true"} if replayed else {})
    return Response(body, status, headers, content_type=content_type)
