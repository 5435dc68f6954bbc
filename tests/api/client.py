"""A merchant's program, as it sees the API: a key, JSON, and an Idempotency-Key for each write."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask
from werkzeug.test import Client, TestResponse


class Program:
    """Posts and gets like a program would. ``key`` is its API key."""

    def __init__(self, app: Flask, key: str) -> None:
        self._client = Client(app)
        self.key = key

    def posts(self, path: str, body: Any, *, once: str | None = None, **headers: str) -> TestResponse:
        """A write under the Idempotency-Key ``once``, by default a new one."""
        headers = {"Idempotency-Key": once or secrets.token_hex(8), **headers}
        return self._client.post(f"/api/v1{path}", json=body, headers=self._signed(headers))

    def gets(self, path: str, **query: Any) -> TestResponse:
        return self._client.get(f"/api/v1{path}", query_string=query, headers=self._signed({}))

    def sends(self, method: str, path: str, **how: Any) -> TestResponse:
        """Anything at all, with the key."""
        headers = self._signed(how.pop("headers", {}))
        return self._client.open(path, method=method, headers=headers, **how)

    def _signed(self, headers: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", **headers}


def is_problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Checks the form of RFC 9457; gives the members."""
    problem: dict[str, Any] = answer.get_json()
    assert answer.content_type == "application/problem+json", answer.text
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["type"] == f"/docs#{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem
