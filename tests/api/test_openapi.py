"""The document says what is served: every route, its scope, its problems, and examples that are true."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import Client

from gateway.domain.scopes import ALLOWS, Scope
from gateway.web.api.openapi import codes
from gateway.web.api.problems import OWN
from gateway.web.api.route import Nothing, Route, Routes
from gateway.web.api.table import api_routes
from tests.api.conftest import Shop


@pytest.fixture
def routes(shop: Shop) -> Routes:
    return api_routes(shop.parts)


@pytest.fixture
def document(shop: Shop) -> dict[str, Any]:
    answer = Client(shop.app).get("/openapi.json")
    assert answer.mimetype == "application/json"
    described: dict[str, Any] = answer.get_json()
    return described


def _operation(document: dict[str, Any], route: Route[Any]) -> dict[str, Any]:
    path = re.sub(r"<(\w+)>", r"{\1}", f"/api/v1{route.path}")
    found: dict[str, Any] = document["paths"][path][route.method.lower()]
    return found


def test_every_route_that_is_served_is_in_the_document(shop: Shop, document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in shop.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.")
    }
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert served == described
    assert document["openapi"] == "3.1.0"


def test_every_route_says_its_scope_and_all_its_problems(document: dict[str, Any], routes: Routes) -> None:
    for route in routes:
        operation = _operation(document, route)
        assert operation["security"] == [{"key": [str(route.scope)]}]
        told = [
            example["value"]
            for answer in operation["responses"].values()
            for example in answer["content"].get("application/problem+json", {}).get("examples", {}).values()
        ]
        assert {problem["code"] for problem in told} == set(codes(route))
        assert str(route.status) in operation["responses"]
        for problem in told:
            assert problem["code"] in operation["responses"][str(problem["status"])]["description"]


def test_every_example_is_one_that_the_route_takes_and_gives(document: dict[str, Any], routes: Routes) -> None:
    for route in routes:
        operation = _operation(document, route)
        given = operation["responses"][str(route.status)]["content"]["application/json"]["example"]
        assert set(given) == set(route.gives.model_fields)
        route.gives.model_validate(given)
        if route.writes:
            route.takes.model_validate(operation["requestBody"]["content"]["application/json"]["example"])


def test_every_parameter_is_named(document: dict[str, Any], routes: Routes) -> None:
    for route in routes:
        named = {(each["name"], each["in"]) for each in _operation(document, route)["parameters"]}
        wanted = {(name, "path") for name in re.findall(r"<(\w+)>", route.path)}
        wanted |= {("Idempotency-Key", "header")} if route.writes else set()
        if not route.writes and route.takes is not Nothing:
            wanted |= {(name, "query") for name in route.takes.model_fields}
        assert named == wanted


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    named = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert named
    assert named <= set(schemas)


def test_amounts_are_integers_in_the_document(document: dict[str, Any]) -> None:
    amounts = [
        shape
        for schema in document["components"]["schemas"].values()
        for name, shape in schema["properties"].items()
        if name.endswith("_minor")
    ]
    assert len(amounts) > 3
    assert all("number" not in str(shape) and "integer" in str(shape) for shape in amounts)


def test_every_scope_is_explained_and_every_own_problem_is_used(routes: Routes) -> None:
    assert set(ALLOWS) == set(Scope)
    used = {code for route in routes for code in codes(route)}
    assert set(OWN) - used == {"method_not_allowed"}


def test_the_page_for_people_fetches_nothing_and_shows_every_route(shop: Shop, routes: Routes) -> None:
    answer = Client(shop.app).get("/docs")
    page = answer.text
    assert [route.path for route in routes if route.path.replace("<", "{").replace(">", "}") not in page] == []
    assert re.findall(r"(?:src|@import|url\()|href=\"(?!#|/openapi)", page) == []
    assert "<script" not in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
