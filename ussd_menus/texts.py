"""A sentence by name and language, its blanks filled. The words live in ``locale/<language>.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LOCALE = Path(__file__).parent / "locale"


class Texts:
    """All sentences of all languages, by dotted name: ``texts("send.amount", "sw")``."""

    def __init__(self, catalogues: Mapping[str, Mapping[str, str]]) -> None:
        self._catalogues = catalogues

    @property
    def languages(self) -> tuple[str, ...]:
        """English first: it is the fallback of nothing, only the default of a new caller."""
        return tuple(sorted(self._catalogues, key=lambda code: (code != "en", code)))

    def names(self, language: str) -> frozenset[str]:
        return frozenset(self._catalogues[language])

    def raw(self, name: str, language: str) -> str:
        return self._catalogues[language][name]

    def __call__(self, name: str, language: str, /, **blanks: object) -> str:
        """Raises ``KeyError`` for an unknown name, language or blank: a test walks all of them."""
        sentence = self._catalogues[language][name]
        return sentence.format_map(blanks) if "{" in sentence else sentence


def load_texts(folder: Path = _LOCALE) -> Texts:
    """Every ``*.toml`` beside this file is a language."""
    return Texts({file.stem: dict(_flat(tomllib.loads(file.read_text("utf-8")))) for file in folder.glob("*.toml")})


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs
