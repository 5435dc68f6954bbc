"""One app's line to Daraja: every request with a token, and a clear word for what provably was not looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.http import Answer, Http, NoAnswer, NotSent, Observer, Patience
from integrations.mpesa.answers import token_refused
from integrations.mpesa.tokens import MemoryTokenCache, NoToken, Tokens
from integrations.rails import TokenCache

NAME = "mpesa"
BASE_URLS = {"sandbox": "https://sandbox.safaricom.co.ke", "production": "https://api.safaricom.co.ke"}


class NotAsked(Exception):
    """The request provably was not looked at: nothing has begun, and it may be repeated."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class Daraja:
    """Requests with a token. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        consumer_key: str,
        consumer_secret: str,
        *,
        clock: Clock = utc_now,
        tokens: TokenCache | None = None,
        patience: Patience | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.http = Http(NAME, base_url, patience, observer)
        self._tokens = Tokens(self.http, consumer_key, consumer_secret, tokens or MemoryTokenCache(clock))

    def send(self, path: str, request: Mapping[str, Any]) -> Answer:
        """Once, for what must not happen twice; raises ``NotAsked`` or ``NoAnswer``."""
        if self.http.is_shut:
            raise NotAsked("breaker_open", "busy")
        return self._with_token(self.http.send, path, request)

    def ask(self, path: str, request: Mapping[str, Any]) -> Answer:
        """For what changes nothing, repeated in silence; raises ``NotAsked`` or ``NoAnswer``."""
        return self._with_token(self.http.ask, path, request)

    def is_up(self) -> bool:
        """Whether a token is to be had: the cheapest thing Daraja does."""
        try:
            self._tokens.current()
        except (NoToken, NotSent, NoAnswer):
            return False
        return True

    def close(self) -> None:
        self.http.close()

    def _with_token(self, call: Callable[..., Answer], path: str, request: Mapping[str, Any]) -> Answer:
        token = self._token()
        answer = self._post(call, path, request, token)
        if not token_refused(answer):
            return answer
        return self._post(call, path, request, self._token(refused=token))

    def _post(self, call: Callable[..., Answer], path: str, request: Mapping[str, Any], token: str) -> Answer:
        try:
            return call("POST", path, json=request, auth=_Bearer(token))
        except NotSent:
            raise NotAsked("not_sent", "busy") from None

    def _token(self, *, refused: str | None = None) -> str:
        """Whatever happens to the token says nothing of the request: that was not sent, or it was refused."""
        try:
            return self._tokens.current(refused=refused)
        except NoToken as none:
            raise NotAsked(none.code, "config") from none
        except NotSent:
            raise NotAsked("not_sent", "busy") from None
        except NoAnswer:
            raise NotAsked("no_token", "busy") from None


class _Bearer:
    """Authorization for ``requests``; as ``auth`` it also wins over a ``.netrc`` of the machine."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
