"""The OpenAPI 3.1 document, made from the table of routes and the models themselves: nothing of it is kept by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.domain.errors import Refusal
from gateway.domain.scopes import ALLOWS
from gateway.web.api.problems import CONTENT_TYPE, OWN, STATUS, title_of
from gateway.web.api.route import PREFIX, Nothing, Route, Routes

_REF = "#/components/schemas/{model}"
_ABOUT = """Money is `amount_minor`, an integer of hundredths, with `currency`. People are named by account number or
phone, in addresses by account number only. Every write needs an `Idempotency-Key`: the same request under the same key
is done once and answered the same way (`Idempotent-Replay: true`), a refusal too; to try again, take another key. A 503
or no answer decides nothing: send the same request with the same key. The state `unknown` never means failed."""

_OWN_OF_ALL = ("unauthorised", "scope_missing", "invalid", "rate_limited", "unexpected")
_OWN_OF_WRITES = (
    "not_json",
    "not_json_type",
    "body_too_large",
    "idempotency_key_missing",
    "request_in_progress",
)


class ProblemShown(BaseModel):
    """RFC 9457 problem details. `code` never changes; `errors` lists every fault of a request."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Fault] | None = None


class Fault(BaseModel):
    """One thing that is not as it must be."""

    field: str
    detail: str


ProblemShown.model_rebuild()


def document(routes: Routes, public_url: str) -> dict[str, Any]:
    """The whole of it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(address(route), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mlango", "version": "1", "description": _ABOUT},
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {"schemas": _schemas(routes), "securitySchemes": {"key": _scheme()}},
    }


def address(route: Route[Any]) -> str:
    """As OpenAPI writes it: ``/api/v1/payments/{reference}``."""
    return PREFIX + re.sub(r"<(\w+)>", r"{\1}", route.path)


def codes(route: Route[Any]) -> list[str]:
    """Every problem that may be heard here, by its code."""
    missing = ("not_found",) if "<" in route.path else ()
    heard = (*_OWN_OF_ALL, *(_OWN_OF_WRITES if route.writes else ()), *missing)
    return [*heard, *(refusal.code for refusal in route.refusals)]


def every_problem(routes: Routes) -> dict[str, tuple[int, str]]:
    """Status and title of all problems of all routes, and of what no route has, by code."""
    own = {code: (status, title) for code, (status, title, _) in OWN.items()}
    return own | {kind.code: (STATUS[kind.code], title_of(kind)) for kind in _refusals(routes)}


def _refusals(routes: Routes) -> list[type[Refusal]]:
    return list(dict.fromkeys(kind for route in routes for kind in route.refusals))


def _scheme() -> dict[str, str]:
    scopes = "; ".join(f"`{scope}`: {allows}" for scope, allows in ALLOWS.items())
    return {"type": "http", "scheme": "bearer", "description": f"A key of `flask api-key create`. Scopes: {scopes}."}


def _operation(route: Route[Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "tags": [route.path.split("/")[1]],
        "security": [{"key": [str(route.scope)]}],
        "parameters": list(_parameters(route)),
        "responses": _responses(route),
    }
    if route.writes:
        content = {"application/json": {"schema": _ref(route.takes), "example": example(route.takes)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route[Any]) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(\w+)>", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if route.writes:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        yield {"name": "Idempotency-Key", "in": "header", "required": True, "schema": schema}
    elif route.takes is not Nothing:
        shape = route.takes.model_json_schema(ref_template=_REF)
        for name, schema in shape["properties"].items():
            yield {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": schema}


def _responses(route: Route[Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(route.gives), "example": example(route.gives)}}
    answers: dict[str, Any] = {str(route.status): {"description": route.summary, "content": content}}
    known = every_problem((route,))
    for status in sorted({known[code][0] for code in codes(route)}):
        here = {code: known[code][1] for code in codes(route) if known[code][0] == status}
        answers[str(status)] = _problem(status, here)
    return answers


def _problem(status: int, titles: Mapping[str, str]) -> dict[str, Any]:
    examples = {
        code: {"value": {"type": f"/docs#{code}", "title": title, "status": status, "detail": title, "code": code}}
        for code, title in titles.items()
    }
    said = "; ".join(f"`{code}`: {title}" for code, title in titles.items())
    return {"description": said, "content": {CONTENT_TYPE: {"schema": _ref(ProblemShown), "examples": examples}}}


def example(model: type[BaseModel]) -> Any:
    """The model's own example."""
    extra = model.model_config.get("json_schema_extra")
    return extra["examples"][0] if isinstance(extra, dict) else {}  # type: ignore[index]


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(routes: Routes) -> dict[str, Any]:
    bodies = [route.takes for route in routes if route.writes]
    models: list[type[BaseModel]] = [*bodies, *(route.gives for route in routes), ProblemShown]
    _, schema = models_json_schema([(model, "validation") for model in dict.fromkeys(models)], ref_template=_REF)
    schemas: dict[str, Any] = schema["$defs"]
    return schemas
