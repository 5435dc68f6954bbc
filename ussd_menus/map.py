"""The map of all screens: drawn for the docs, and checked before anybody dials.

``problems`` is what a release must not have: a target that does not exist, a screen nobody reaches, a sentence
missing in a language or with other blanks, a page over its network's limit at its longest, a journey that the
session's 180 seconds do not hold.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping

from ussd_menus.engine import BACK, ENDS_THE_CALL, HOME, MORE
from ussd_menus.page import DEFAULT_SEPTETS, PREFIX, paged, septets
from ussd_menus.screens import ROOT, Confirm, End, Listing, Menu, Prompt, Screen
from ussd_menus.texts import Texts

#: Where a call may begin.
ROOTS = ("welcome", "home", "resume")

#: The longest value of every blank on a screen. A blank that is not here is a problem.
LONGEST: Mapping[str, str] = {
    "name": "M" * 20,
    "number": "ML-MMMMMM",
    "shortcode": "*384*12345#",
    "reference": "MMMMMMMM",
    "amount": "KES 250,000.50",
    "fee": "KES 1,000.50",
    "balance": "KES 1,000,000.50",
    "least": "KES 1,000",
    "most": "KES 500,000",
    "to": "M*** M 0712***678",
    "phone": "0712***678",
    "tries_left": "2",
    "minutes": "60",
    "credits": "50 credits",
    "count": "100,000",
    "offers": "1 10 credits NGN 5,000\n2 25 credits NGN 12,500\n3 50 credits NGN 25,000",
    "price": "NGN 25,000",
    "since": "12/2026",
}

#: Other sentences a menu may show as its title, beside its own.
TITLES: Mapping[str, tuple[str, ...]] = {
    "home": (
        "home.frozen",
        "home.paid",
        "home.not_paid",
        "home.checking",
        "home.short",
        "home.sent",
        "home.withdrawing",
        "home.withdrawn",
        "home.returned",
    ),
    "resume": ("resume.no_amount", "resume.withdraw"),
}

#: Reasons that are the whole last page of a call.
STAND_ALONE = ENDS_THE_CALL | {"away", "away_unsure", "other_phone", "bad_request", "unauthorised"}
#: What any other reason may take, so that the question still fits below it.
REASON_SEPTETS = 68

SESSION_SECONDS = 180
_NETWORK_SECONDS = 3


def problems(screens: Iterable[Screen], texts: Texts, limit: int = DEFAULT_SEPTETS) -> list[str]:
    """Everything wrong with the menus, a sentence each; an empty list is a release."""
    known = {screen.id: screen for screen in screens}
    return [
        *_dangling(known),
        *_unreachable(known),
        *_untranslated(known, texts),
        *_too_long(known, texts, limit - PREFIX),
        *_too_slow(known),
    ]


def targets(screen: Screen) -> tuple[str, ...]:
    """Every screen that an answer on this one may lead to, Back and Home apart."""
    match screen:
        case Menu() | Listing():
            return tuple(option.to for option in screen.options)
        case Confirm():
            return (*screen.leads, *screen.returns.values())
        case Prompt():
            return screen.leads
        case End():
            return ()


def _backs(screen: Screen) -> tuple[str, ...]:
    if isinstance(screen, End):
        return ()
    return ("home", "welcome") if screen.back == ROOT else (screen.back or "bye",)


def _dangling(known: Mapping[str, Screen]) -> Iterator[str]:
    for screen in known.values():
        for target in (*targets(screen), *_backs(screen)):
            if target not in known:
                yield f"{screen.id} leads to {target}, which does not exist"


def _unreachable(known: Mapping[str, Screen]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        waiting += (*targets(known[name]), *_backs(known[name]))
    yield from (f"{name} cannot be reached" for name in known if name not in seen)


def _untranslated(known: Mapping[str, Screen], texts: Texts) -> Iterator[str]:
    first = texts.languages[0]
    for screen in known:
        if screen not in texts.names(first):
            yield f"{screen} has no sentence in {first}"
    for language in texts.languages[1:]:
        for name in sorted(texts.names(first) ^ texts.names(language)):
            yield f"{name} is not in every language"
        for name in sorted(texts.names(first) & texts.names(language)):
            if _blanks(texts.raw(name, first)) != _blanks(texts.raw(name, language)):
                yield f"{name} has other blanks in {language}"


def _blanks(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def _too_long(known: Mapping[str, Screen], texts: Texts, room: int) -> Iterator[str]:
    for language in texts.languages:
        worst = max((reason for _, reason in _reasons(texts, language)), key=septets)
        for code, reason in _reasons(texts, language):
            if septets(reason) > REASON_SEPTETS:
                yield f"no.{code} has {septets(reason)} septets in {language}, {REASON_SEPTETS} fit above a question"
        for screen in known.values():
            for title in (screen.id, *TITLES.get(screen.id, ())):
                for page in _pages(screen, title, texts, language, worst, room):
                    if septets(page) > room:
                        yield f"{title} has {septets(page)} septets in {language}, {room} fit"


def _reasons(texts: Texts, language: str) -> Iterator[tuple[str, str]]:
    """Every reason that may stand above a question, at its longest."""
    for name in sorted(texts.names(language)):
        code = name.removeprefix("no.")
        if name != code and code not in STAND_ALONE:
            yield code, longest(texts, name, language)


def _pages(screen: Screen, title: str, texts: Texts, language: str, reason: str, room: int) -> list[str]:
    """The screen at its longest: every option shown, the longest reason above a question."""
    said = longest(texts, title, language)

    def nav(key: str, word: str) -> str:
        return f"{key} {texts(f'nav.{word}', language)}"

    match screen:
        case Menu() | Listing():
            options = [f"{n} {texts(option.text, language)}" for n, option in enumerate(screen.options, 1)]
            tail = f"{nav(BACK, 'back')} {nav(HOME, 'home')}"
            short = longest(texts, "no.bad_option", language)
            return paged(f"{short}\n{said}", options, tail, f"{nav(MORE, 'more')} {tail}", room)
        case Prompt():
            return [f"{reason}\n{said}\n{nav(BACK, 'back')}"]
        case Confirm():
            return [f"{reason}\n{said}\n{nav(BACK, 'cancel')}"]
        case End():
            return [said]


def longest(texts: Texts, name: str, language: str) -> str:
    """A sentence with the longest values in its blanks; raises ``KeyError`` for a blank nobody measured."""
    return texts(name, language, **LONGEST)


def typing_seconds(screen: Screen) -> int:
    """How long a person plausibly takes to read this screen and answer it."""
    match screen:
        case Menu() | Listing():
            return 8
        case Confirm():
            return 15
        case Prompt(id=name) if name.endswith((".code", ".number", ".to", ".invite")):
            return 20
        case Prompt():
            return 12
        case End():
            return 0


def journeys(known: Mapping[str, Screen]) -> Iterator[tuple[str, ...]]:
    """The way from a root to every screen that ends something, the longest way that visits no screen twice."""
    longest_to: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[str, ...]] = [(root,) for root in ROOTS if root in known]
    while waiting:
        path = waiting.pop()
        here = path[-1]
        if isinstance(known[here], End):
            if _seconds(known, path) > _seconds(known, longest_to.get(here, ())):
                longest_to[here] = path
            continue
        waiting += [(*path, to) for to in targets(known[here]) if to in known and to not in path and to not in ROOTS]
    yield from longest_to.values()


def _seconds(known: Mapping[str, Screen], path: tuple[str, ...]) -> int:
    return sum(typing_seconds(known[name]) + _NETWORK_SECONDS for name in path)


def _too_slow(known: Mapping[str, Screen]) -> Iterator[str]:
    for path in journeys(known):
        seconds = _seconds(known, path)
        if seconds > SESSION_SECONDS:
            yield f"{' > '.join(path)} takes {seconds} s, a session has {SESSION_SECONDS}"


def mermaid(screens: Iterable[Screen], texts: Texts, language: str = "en") -> str:
    """The map as a Mermaid flowchart. Back and Home are left out: they are everywhere."""
    lines = ["flowchart LR"]
    known = list(screens)
    for screen in known:
        left, right = _SHAPES[type(screen)]
        lines.append(f'    {_node(screen.id)}{left}"{screen.id}<br/>{_label(texts.raw(screen.id, language))}"{right}')
    for screen in known:
        for target in dict.fromkeys(targets(screen)):
            lines.append(f"    {_node(screen.id)} --> {_node(target)}")
    return "\n".join(lines) + "\n"


def page(screens: Iterable[Screen], texts: Texts, language: str = "en") -> str:
    """The drawing as the page ``docs/menus.md``."""
    return f"{_HEAD}\n```mermaid\n{mermaid(screens, texts, language)}```\n"


_HEAD = """# The menus

Drawn by `flask --app wsgi menus`; a test holds it against the code. Back, Home and Exit are everywhere and not drawn.
"""


_SHAPES: Mapping[type, tuple[str, str]] = {
    Menu: ("[", "]"),
    Prompt: ("[/", "/]"),
    Confirm: ("{{", "}}"),
    Listing: ("[[", "]]"),
    End: ("([", "])"),
}


def _node(name: str) -> str:
    return name.replace(".", "_")


def _label(sentence: str) -> str:
    return sentence.replace('"', "'").replace("{", "").replace("}", "")
