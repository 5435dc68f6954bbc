"""The files around the code say the same as the code."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from gateway.settings import Settings, load_settings

TOP = Path(__file__).resolve().parents[2]
NOT_SETTINGS = {"PORT", "WEB_CONCURRENCY"}
LAPTOP_ONLY = {"embedded.py", "postgres_files.py", "fake_redis.py", "servers.py", "supervisor.py", "processes.py"}


def _names() -> dict[str, str]:
    """The environment's name of every setting, by field."""
    return {
        field: str(getattr(info.validation_alias, "choices", [field.upper()])[0])
        for field, info in Settings.model_fields.items()
    }


@pytest.fixture
def example(tmp_path: Path) -> dict[str, str | None]:
    """.env.example with every default uncommented."""
    text = re.sub(r"^# (?=[A-Z0-9_]+=)", "", (TOP / ".env.example").read_text(), flags=re.MULTILINE)
    path = tmp_path / "env"
    path.write_text(text)
    return dotenv_values(path)


def test_the_example_names_every_setting_and_no_other(example: dict[str, str | None]) -> None:
    assert set(example) - NOT_SETTINGS == set(_names().values())


def test_the_example_gives_the_real_defaults(example: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _names().values():
        monkeypatch.delenv(name, raising=False)
    defaults = load_settings()
    for name, value in example.items():
        monkeypatch.setenv(name, value or "")
    assert load_settings() == defaults


def test_the_example_sets_nothing_when_copied_as_it_is() -> None:
    assert dotenv_values(TOP / ".env.example") == {}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
    return loaded


def test_compose_has_every_part_and_the_servers_versions(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"database", "redis", "init", "simulators", "web", "worker"}
    assert services["database"]["image"] == "postgres:16"
    assert services["redis"]["image"] == "redis:7"


def test_compose_waits_for_servers_and_tables(compose: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        waits = compose["services"][name]["depends_on"]
        assert waits["database"]["condition"] == "service_healthy"
        assert waits["init"]["condition"] == "service_completed_successfully"


def test_compose_keeps_its_data_in_named_volumes(compose: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for each in compose["services"].values() for volume in each.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_compose_works_with_nothing_set_and_is_refused_by_production(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {name: _default(value) for name, value in compose["services"]["web"]["environment"].items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().simulators_on
    monkeypatch.setenv("APP_ENV", "production")
    with pytest.raises(Exception, match="ENCRYPTION_KEY") as refused:
        load_settings()
    assert "CALLBACK_TOKEN" in str(refused.value)


def _default(value: str) -> str:
    """What compose makes of a value when nothing is set."""
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", value)


def test_compose_only_sets_what_the_gateway_reads(compose: dict[str, Any]) -> None:
    known = set(_names().values()) | {"PYTHONUNBUFFERED"}
    for name in ("init", "web", "worker", "simulators"):
        assert set(compose["services"][name]["environment"]) <= known


def _imports(folder: Path) -> dict[str, set[str]]:
    """Top-level names imported, by the files that import them."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path.name)
    return found


def _pinned(text: str) -> set[str]:
    return {_plain(line.split("==")[0]) for line in text.splitlines() if "==" in line}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("package", ["gateway", "integrations", "ussd_menus", "migrations"])
def test_everything_imported_is_pinned_and_the_image_lacks_only_what_a_laptop_needs(package: str) -> None:
    everything = (TOP / "requirements.txt").read_text()
    image = _pinned(everything.split("# only on a laptop")[0])
    ours = {"gateway", "integrations", "ussd_menus", "migrations", "tests", *sys.stdlib_module_names}
    where = packages_distributions()
    for name, files in _imports(TOP / package).items():
        if name in ours:
            continue
        known = {_plain(each) for each in where[name]}
        assert known & _pinned(everything), f"{name} ({files}) is not in requirements.txt"
        assert known & image or files <= LAPTOP_ONLY, f"{files} run in the image, which has no {name}"


def test_the_image_leaves_out_the_last_part_of_the_requirements() -> None:
    assert "'/^# only on a laptop/,$d'" in (TOP / "Dockerfile").read_text()
    assert re.search("^# only on a laptop", (TOP / "requirements.txt").read_text(), re.MULTILINE)


def test_every_requirement_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (TOP / name).read_text().splitlines():
            assert not line or line.startswith(("#", "-r ")) or re.fullmatch(r"[\w.-]+==[\w.]+", line), line
