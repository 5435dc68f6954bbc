"""``flask dial 0712345678``: the simulators' phone in the terminal, with its SMS and M-Pesa prompts.

What is typed is an answer, except for ``!`` commands and, while an M-Pesa prompt is up, ``y``, ``n`` and a blank line.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.simulated import MOST_DELAY_SECONDS, ControlRefused, SimulatedWorld, SimulatorsAway
from ussd_menus.page import DEFAULT_SEPTETS, PREFIX, septets

Read = Callable[[str], str]
Write = Callable[[str], None]

HELP = f"!drop  !twice  !slow 3 (seconds, at most {MOST_DELAY_SECONDS})  !quit"
_COLUMNS = 34
_LOOK_SECONDS = 1.0
#: What a person says to a prompt, as the control call and its fields.
_ANSWERS = {"y": "prompt/accept", "n": "prompt/refuse", "": "prompt/ignore"}


def run_dial(
    number: str, simulators_url: str, service_code: str, read: Read, write: Write, rail: str = "mpesa"
) -> None:
    """Dial, then read and answer until ``!quit`` or the end of input. Raises nothing; trouble is written.

    ``number`` in any usual form; ``read`` takes the words before the cursor and raises ``EOFError`` at the end of
    input; ``write`` is also called by a second thread, when an SMS or a prompt of ``rail`` comes.
    """
    terminal = Terminal(SimulatedWorld(simulators_url, rail), number, service_code, read, write)
    with terminal.watching():
        terminal.converse()


class Terminal:
    """One phone. ``converse`` runs in the caller's thread, looking for news in another."""

    def __init__(self, world: SimulatedWorld, number: str, service_code: str, read: Read, write: Write) -> None:
        self._world = world
        self._number = number
        self._service_code = service_code
        self._read = read
        self._write = write
        self._session = ""
        self._open = False
        self._prompt = ""
        self._answered: set[str] = set()
        self._seen: set[str] = set()
        self._over = threading.Event()

    def converse(self) -> None:
        """Raises nothing: a keyboard interrupt and the end of input hang up."""
        self._write(HELP)
        self._try(lambda: self._dial(self._service_code))
        try:
            while (line := self._read(self._cue())).strip() != "!quit":
                self._try(lambda line=line: self._take(line))  # type: ignore[misc]
        except (EOFError, KeyboardInterrupt):
            self._write("")
        self._try(self._hang_up)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """News is written as it comes; messages from before are not news."""
        self._try(lambda: self._remember(self._news()))
        watcher = threading.Thread(target=self._watch, name="news", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _cue(self) -> str:
        return "answer> " if self._open else "Enter dials again> "

    def _take(self, line: str) -> None:
        if self._prompt and line.strip().lower() in _ANSWERS:
            return self._answer_prompt(_ANSWERS[line.strip().lower()])
        if line.startswith("!"):
            return self._command(line)
        if self._open:
            return self._show(self._world.do("at/answer", {"session_id": self._session, "input": line}))
        return self._dial(line.strip() or self._service_code)

    def _dial(self, dialled: str) -> None:
        self._show(self._world.dial(self._number, dialled, self._service_code))

    def _command(self, line: str) -> None:
        name, _, value = line[1:].partition(" ")
        if name == "drop":
            self._hang_up()
        elif name == "twice" and self._session:
            self._show(self._world.do("at/repeat", {"session_id": self._session}))
        elif name == "slow" and value.strip().isdigit():
            seconds = min(int(value), MOST_DELAY_SECONDS)
            self._world.do("at/network", {"delay_seconds": seconds})
            self._write(f"The network takes {seconds} s more.")
        else:
            self._write(HELP)

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            self._world.do("at/drop", {"session_id": self._session})
            self._write("The call was dropped.")

    def _answer_prompt(self, control: str) -> None:
        prompt, self._prompt = self._prompt, ""
        self._answered.add(prompt)
        receipt = self._world.do(control, {"id": prompt}).get("receipt")
        self._write(f"M-PESA: paid, receipt {receipt}." if receipt else "M-PESA: not paid.")

    def _show(self, screen: Mapping[str, Any]) -> None:
        self._session, self._open = str(screen["session_id"]), bool(screen["open"])
        self._write(boxed(str(screen["text"]), "" if self._open else "the call is over"))
        if screen.get("error"):
            self._write(str(screen["error"]))

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            # The person hears that the simulators are away when they next type, not every second.
            try:
                news = self._news()
            except (SimulatorsAway, ControlRefused):
                continue
            for message in self._remember(news):
                self._write(boxed(str(message["text"]), f"SMS from {message['sender']}", counted=False))
            self._ask(news["prompts"])

    def _ask(self, prompts: list[Mapping[str, Any]]) -> None:
        # A look that was on its way while the person answered must not ask again.
        newest = prompts[-1] if prompts and prompts[-1]["id"] not in self._answered else {}
        if newest and newest["id"] != self._prompt:
            asked = f"Pay KES {newest['amount']:,} to MLANGO account {newest['reference']}?"
            self._write(boxed(f"{asked}\ny accept, n refuse, blank ignore", "M-PESA", counted=False))
        self._prompt = str(newest.get("id", ""))

    def _news(self) -> dict[str, Any]:
        return self._world.news(self._number)

    def _remember(self, news: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The messages that were not there before."""
        fresh = [message for message in news["messages"] if message["id"] not in self._seen]
        self._seen |= {message["id"] for message in fresh}
        return fresh

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (SimulatorsAway, ControlRefused) as trouble:
            self._write(str(trouble))


def boxed(text: str, title: str = "", *, counted: bool = True) -> str:
    """``text`` as a small display shows it; ``counted`` adds the septets used and left of a page's 160."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, _COLUMNS) or [""]]
    body = [f"| {line:<{_COLUMNS}} |" for line in lines]
    return "\n".join([_edge(title), *body, _edge(_room(text) if counted else "")])


def _edge(words: str) -> str:
    return f"+{f' {words} ' if words else '':-^{_COLUMNS + 2}}+"


def _room(text: str) -> str:
    try:
        used = PREFIX + septets(text)
    except ValueError as strange:
        return str(strange)
    left = DEFAULT_SEPTETS - used
    return f"{used} septets, {left} left" if left >= 0 else f"{used} septets, {-left} TOO MANY"
