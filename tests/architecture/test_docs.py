"""The documents are held against what they describe."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask

from gateway.domain.states import MACHINES, Machine
from gateway.services.alarms import ALARMS
from tests.house import House

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
_TEST = re.compile(r"`(test_\w+)`")
_PYTHON = re.compile(r"`((?:gateway|integrations|ussd_menus|migrations|tests)/[\w/]+\.py)`")
#: What is said of the business: a noun, a dot, what became of it.
_EVENT = re.compile(r"""log(?:\.\w+)?\(\s*"([a-z_]+\.[a-z_]+)\"""")
_SECTIONS = ("Context", "Decision", "Consequences", "What would change our mind")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: str(machine.name))
def test_the_states_are_drawn_as_they_are(machine: Machine) -> None:
    drawn = (ROOT / "docs" / "states.md").read_text()
    assert f"```mermaid\n{machine.mermaid()}```" in drawn, (
        "put what `flask --app wsgi states` draws into docs/states.md"
    )


def test_every_state_is_explained() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    unexplained = [state for machine in MACHINES for state in machine.states if f"| `{state}` |" not in page]
    assert unexplained == []


def test_every_command_is_in_the_readme(house: House) -> None:
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    first = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    known = set(re.findall(r"`([a-z][a-z-]*(?: [a-z][a-z-]*)?)", first))
    assert sorted(_spelled(house.app) - known) == []
    assert sorted(known - _spelled(house.app)) == [], "no such command"


def test_every_alarm_and_log_event_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sources = [path.read_text() for folder in ("gateway", "integrations") for path in (ROOT / folder).rglob("*.py")]
    events = {event for source in sources for event in _EVENT.findall(source)}
    assert len(events) > 30
    assert sorted(word for word in events | ALARMS if f"`{word}`" not in runbook) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_every_test_and_file_named_in_the_documents_exists() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    known = set(re.findall(r"def (test_\w+)", tests)) | {path.stem for path in (ROOT / "tests").rglob("*.py")}
    pages = "\n".join(page.read_text() for page in PAGES)
    assert sorted(set(_TEST.findall(pages)) - known) == []
    assert sorted(name for name in set(_PYTHON.findall(pages)) if not (ROOT / name).exists()) == []


def test_every_decision_has_its_parts_and_is_in_the_index() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    assert [path.name for path in DECISIONS if f"]({path.name})" not in index] == []
    for path in DECISIONS:
        assert [part for part in _SECTIONS if f"\n## {part}\n" not in path.read_text()] == [], path.name


def _spelled(app: Flask) -> set[str]:
    """Every command as people type it; of a group with commands each of them, and the group when it acts alone."""
    ours = {name: command for name, command in app.cli.commands.items() if name not in ("run", "shell", "routes")}
    words: set[str] = set()
    for name, command in ours.items():
        below = command.commands if isinstance(command, click.Group) else {}
        words |= {f"{name} {one}" for one in below}
        words |= {name} if not below or getattr(command, "invoke_without_command", False) else set()
    return words
