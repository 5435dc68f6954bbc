"""The documents are held against what they describe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.domain.states import CLAIM, MACHINES, PAYMENT, Machine

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
_TEST = re.compile(r"`(test_\w+)`")
_PYTHON = re.compile(r"`((?:gateway|integrations|ussd_menus|migrations|tests)/[\w/]+\.py)`")
_SECTIONS = ("Context", "Decision", "Consequences", "What would change our mind")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: str(machine.name))
def test_the_states_are_drawn_as_they_are(machine: Machine) -> None:
    drawn = (ROOT / "docs" / "states.md").read_text()
    assert f"```mermaid\n{machine.mermaid()}```" in drawn, (
        "put what `flask --app wsgi states` draws into docs/states.md"
    )


def test_every_state_is_explained() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    unexplained = [state for machine in (PAYMENT, CLAIM) for state in machine.states if f"| `{state}` |" not in page]
    assert unexplained == []


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
