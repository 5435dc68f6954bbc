"""What docs/adding-a-rail.md asks of a rail, held against every rail there is."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

import integrations
from gateway.db import Database
from gateway.inbox import source_of
from gateway.settings import _NEEDED, Settings
from integrations.protocols import About, Channel, Rail
from integrations.rails import Bench, Kind
from integrations.registry import RAILS, build_providers
from integrations.simulation import Gateway, Later, Request
from integrations.simulators import Simulators
from integrations.statements import read_line
from tests.house import House

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "adding-a-rail.md").read_text()
FILES = ("client.py", "callbacks.py", "simulator.py")
#: Daraja refuses an address that contains one of these, in any case; every rail's channels share our addresses.
FORBIDDEN = re.compile(r"m-?pesa|safaricom|exec?|cmd|sql|query", re.IGNORECASE)

#: Every folder that hands in a rail, whether the registry knows it or not.
FOLDERS = {
    module.name: package.KIND
    for module in pkgutil.iter_modules(integrations.__path__)
    if module.ispkg and hasattr(package := importlib.import_module(f"integrations.{module.name}"), "KIND")
}
EVERY = pytest.mark.parametrize("kind", RAILS, ids=lambda kind: kind.name)


def built() -> dict[str, Rail]:
    """Every rail on its simulator's address."""
    return dict(build_providers(Settings(app_env="test", simulators_url="http://simulators")).rails)


def channels() -> list[tuple[str, Channel]]:
    return [(rail.name, channel) for rail in built().values() for channel in rail.channels]


def test_every_folder_with_a_rail_is_a_line_of_the_registry() -> None:
    assert [kind.name for kind in RAILS] != []
    assert sorted(FOLDERS) == sorted(kind.name for kind in RAILS)
    assert {name: kind.name for name, kind in FOLDERS.items()} == {name: name for name in FOLDERS}
    assert set(map(id, FOLDERS.values())) == set(map(id, RAILS))


@EVERY
def test_a_rail_has_the_files_the_guide_names(kind: Kind) -> None:
    folder = ROOT / "integrations" / kind.name
    assert [name for name in FILES if not (folder / name).exists()] == []
    assert [name for name in FILES if f"`{name}`" not in GUIDE] == []


@EVERY
def test_a_rail_is_built_under_its_own_name_with_what_it_can_do(kind: Kind) -> None:
    rail = built()[kind.name]
    assert rail.name == kind.name
    parts = (rail.collects, rail.links, rail.pays_out, rail.gives_back, rail.looks_up, rail.tells_balance)
    does = [part for part in parts if part]
    assert does, "a rail moves money"
    assert {part.name for part in does} == {kind.name}
    assert rail.channels, "a rail calls back"


def test_no_two_channels_share_a_name() -> None:
    assert [name for name, count in Counter(channel.name for _, channel in channels()).items() if count > 1] == []


@pytest.mark.parametrize("named", channels(), ids=lambda named: f"{named[0]}.{named[1].name}")
def test_a_channels_name_may_stand_in_an_address(named: tuple[str, Channel]) -> None:
    _, channel = named
    assert re.fullmatch(r"[a-z][a-z0-9_-]{1,30}", channel.name), "lower case, as it stands in an address"
    assert not FORBIDDEN.search(channel.name), "Daraja refuses the whole address"
    assert channel.about in About


@pytest.mark.parametrize("named", channels(), ids=lambda named: f"{named[0]}.{named[1].name}")
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"<html>", b"a=1&b=2", b'{"a": {"b": [1]}}'])
def test_a_channel_reads_anything_and_raises_nothing(named: tuple[str, Channel], body: bytes) -> None:
    _, channel = named
    if not channel.name.endswith("-late"):  # a queue that timed out says nothing else, in words nobody has documented
        assert channel.read(body) is None
    if channel.signed:
        assert channel.signed({}, body) is False


def test_every_channel_has_a_handler(house: House) -> None:
    rails = house.parts.providers.rails.values()
    sources = {source_of(rail.name, channel) for rail in rails for channel in rail.channels}
    assert sources - set(house.parts.callbacks._handlers) == set()


@EVERY
def test_a_rails_accounts_are_in_the_books_from_the_beginning(kind: Kind, db: Database) -> None:
    wanted = {f"{what}:{kind.name}" for what in ("float", "clearing", "suspense")}
    with db.reading() as connection:
        query = text("SELECT code FROM ledger_accounts WHERE code = ANY(:codes)")
        assert set(connection.execute(query, {"codes": list(wanted)}).scalars()) == wanted


@EVERY
def test_a_simulator_keeps_a_statement_that_can_be_read(kind: Kind) -> None:
    later = Later()
    try:
        simulator = kind.simulator(Bench(later, Gateway()))
        reply = simulator.controls["GET", "/statement"](Request("GET", "/statement"))
    finally:
        later.close()
    assert reply.status == 200
    lines = Request("GET", "/", body=reply.body).json["lines"]
    assert [read_line(line) for line in lines] == []
    assert built()[kind.name].keeps_statement is not None


@EVERY
def test_a_simulator_says_which_numbers_have_a_fate_of_their_own(kind: Kind, house: House) -> None:
    simulators: Simulators = house.simulators
    fates = simulators.rails[kind.name].magic()
    assert fates
    assert all({"name", "meaning"} <= set(fate) and ("phone" in fate or "card" in fate) for fate in fates)


def test_no_phone_has_a_fate_at_two_rails(house: House) -> None:
    fates = [fate for rail in house.simulators.rails.values() for fate in rail.magic()]
    phones = Counter(fate["phone"] for fate in fates if "phone" in fate)
    assert [phone for phone, count in phones.items() if count > 1] == []


@EVERY
def test_a_rails_settings_are_known_and_shown(kind: Kind) -> None:
    example = (ROOT / ".env.example").read_text()
    assert f"# {kind.name.upper()}_BASE_URL=" in example
    address = {f"{kind.name}_base_url": "http://rail.example"}
    assert Settings(app_env="test", **address).rail_configured(kind.name), "an address alone makes it real"
    assert not Settings(app_env="test").rail_configured(kind.name)
    assert kind.name in _NEEDED, "production says what is missing"


@EVERY
def test_the_import_contracts_know_the_rail(kind: Kind) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    module = f"integrations.{kind.name}"
    services = next(one for one in contracts if one["name"].startswith("Services do not know"))
    apart = next(one for one in contracts if one["name"].startswith("Providers do not know"))
    assert module in services["forbidden_modules"]
    assert module in apart["modules"]


@EVERY
def test_a_rail_has_tests_of_its_own(kind: Kind) -> None:
    tests = {path.name for path in (ROOT / "tests" / "integrations").glob("test_*.py") if kind.name in path.name}
    assert len(tests) >= 2, f"its client and its callbacks at least: {tests}"
