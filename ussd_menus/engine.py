"""One line of input in, one reply out: the only interpreter of screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.domain.errors import OtpLocked, PinLocked, Refusal, TooManyOtps, TryLater
from ussd_menus.page import cut, paged, plain, septets
from ussd_menus.ports import World
from ussd_menus.screens import ROOT, Confirm, End, Listing, Menu, Option, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.texts import Texts

MORE, BACK, HOME = "9", "0", "99"

#: After these nothing typed in this call can help: the reason is the last page.
ENDS_THE_CALL = frozenset({PinLocked.code, OtpLocked.code, TooManyOtps.code, TryLater.code})


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop brings: the world as this caller sees it, a way to mint a key, and the room on the page."""

    world: World
    mint: Callable[[], str]
    room: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The page to show, whether the call goes on, and what to remember.

    ``told`` says that the outcome on this page also goes out by SMS of its own accord; ``unsure`` that it is not
    known whether money moved, and an SMS was promised. ``reason`` is why the question stands again, without it.
    """

    page: str
    goes_on: bool
    session: Session
    told: bool = False
    unsure: bool = False
    reason: str = ""


class BadOption(Refusal):
    """What was typed is not on the list."""

    code = "bad_option"


class Engine:
    """Walks screens. Holds no state: everything about a caller is in the ``Session``."""

    def __init__(self, screens: Iterable[Screen], texts: Texts) -> None:
        self.screens: Mapping[str, Screen] = {screen.id: screen for screen in screens}
        self.texts = texts

    def dial(self, hop: Hop, language: str = "en", *, resume: bool = True) -> Turn:
        """The first page of a call. Without ``resume`` what was left unfinished is not offered."""
        arrival = hop.world.arrive()
        caller = arrival.caller
        if caller is None or not caller.has_pin:
            return self._show(Session("welcome", caller.language if caller else language), hop)
        session = Session("home", caller.language, caller)
        if resume and arrival.unfinished is not None:
            return self._show(replace(session.go("resume"), draft=arrival.unfinished.to_json()), hop)
        if notice := arrival.notice:
            session = session.go("home", notice=notice.text, notice_minor=notice.amount.minor, about=notice.reference)
        return self._show(session, hop)

    def answer(self, session: Session, typed: str, hop: Hop) -> Turn:
        """What ``typed`` leads to from where the caller is. Refusals ask again with a reason."""
        screen = self.screens.get(session.screen)
        if screen is None or isinstance(screen, End):
            return self.dial(hop, session.language)
        try:
            moved = self._move(screen, session, typed.strip(), hop)
            return self._show(_leave(screen, session, moved), hop)
        except Refusal as refusal:
            return self._refused(screen, session, refusal, hop)

    def guards(self, session: Session) -> bool:
        """Whether the next answer is a secret or moves money: never to be walked through from a transcript."""
        screen = self.screens.get(session.screen)
        return screen is not None and (screen.secret or screen.acts)

    def takes_secret(self, session: Session) -> bool:
        """Whether the next answer is a PIN or a code."""
        screen = self.screens.get(session.screen)
        return screen is not None and screen.secret

    def acts(self, session: Session) -> bool:
        """Whether the next answer may move money, under the key the session holds."""
        screen = self.screens.get(session.screen)
        return screen is not None and screen.acts

    def asks_the_world(self, session: Session, typed: str) -> bool:
        """Whether this answer may need more than the menus know: a database, a code, a payment."""
        screen = self.screens.get(session.screen)
        if not isinstance(screen, Menu):
            return True
        option = _picked(screen, session, typed.strip())
        return option is not None and (option.do is not None or isinstance(self.screens.get(option.to), Listing))

    def resumes(self, session: Session) -> bool:
        """Whether a call dropped here is worth going on with."""
        screen = self.screens.get(session.screen)
        return isinstance(screen, Prompt | Confirm) and screen.resumes

    def _move(self, screen: Screen, session: Session, typed: str, hop: Hop) -> Session:
        match screen:
            case Menu() | Listing():
                return self._pick(screen, session, typed, hop)
            case Prompt() | Confirm() if typed == BACK:
                return _back(screen.back, session)
            case Prompt():
                return screen.answer(hop.world, session, typed)
            case Confirm():
                return screen.do(hop.world, session, typed)
            case _:
                raise BadOption

    def _pick(self, screen: Menu | Listing, session: Session, typed: str, hop: Hop) -> Session:
        if typed == BACK:
            return _back(screen.back, session) if session.page == 0 else replace(session, page=session.page - 1)
        if typed == HOME:
            return _root(session)
        if typed == MORE and (isinstance(screen, Listing) or session.page + 1 < len(self._pages(screen, session, hop))):
            return replace(session, page=session.page + 1)
        option = _picked(screen, session, typed)
        if option is None:
            raise BadOption
        return option.do(hop.world, session) if option.do else session.go(option.to)

    def _refused(self, screen: Screen, session: Session, refusal: Refusal, hop: Hop) -> Turn:
        if refusal.code in ENDS_THE_CALL:
            return self._last_word(screen, session, refusal, hop)
        if isinstance(screen, Confirm) and refusal.code in screen.returns:
            session = _leave(screen, session, session.go(screen.returns[refusal.code]))
        try:
            return self._show(session, hop, refusal)
        except TryLater as away:
            return self._last_word(screen, session, away, hop)

    def unsure(self, session: Session, room: int) -> Turn:
        """End the call when money may be under way: the outcome comes by SMS."""
        return Turn(plain(cut(self.texts("late", session.language), room)), False, session.go("bye"), unsure=True)

    def _last_word(self, screen: Screen, session: Session, refusal: Refusal, hop: Hop) -> Turn:
        """End the call with the reason. When money may be under way, say so instead of *try again*."""
        if screen.acts and isinstance(refusal, TryLater):
            return self.unsure(session, hop.room)
        page = self.reason(refusal, session.language)
        return Turn(plain(cut(page, hop.room)), False, session.go("bye"))

    def _show(self, session: Session, hop: Hop, refusal: Refusal | None = None) -> Turn:
        screen = self.screens[session.screen]
        if screen.acts and "key" not in session.facts:
            session = session.go(session.screen, key=hop.mint())
        reason = self.reason(refusal, session.language) if refusal else ""
        pages = self._pages(screen, session, hop, reason)
        session = replace(session, page=min(session.page, len(pages) - 1))
        told = isinstance(screen, End) and screen.told
        return Turn(pages[session.page], not isinstance(screen, End), session, told, reason=reason)

    def reason(self, refusal: Refusal, language: str) -> str:
        """The sentence for a refusal."""
        return self.texts(f"no.{refusal.sentence}", language, **refusal.blanks())

    def _pages(self, screen: Screen, session: Session, hop: Hop, reason: str = "") -> list[str]:
        say = self._say(session)
        match screen:
            case Menu():
                name = screen.title(session) if screen.title else screen.id
                head = _lines(reason, say(name, **screen.blanks(session)))
                items, tail = self._options(screen.options, session), f"0 {say(screen.zero)}"
            case Listing():
                sheet = screen.read(hop.world, session)
                head = _lines(reason, say(screen.id, **sheet.blanks))
                items = [screen.row(line, say) for line in sheet.lines] + self._options(screen.options, session)
                tail = f"0 {say('nav.back')} 99 {say('nav.home')}"
            case End():
                return [_fit(say(screen.id, **screen.blanks(session)), hop.room)]
            case Prompt() | Confirm():
                back = f"0 {say('nav.back' if isinstance(screen, Prompt) else 'nav.cancel')}"
                return [_fit(_lines(reason, say(screen.id, **screen.blanks(session)), back), hop.room)]
        more = f"9 {say('nav.more')} {tail}"
        return paged(plain(head), [plain(item) for item in items], tail, more, hop.room)

    def _options(self, options: tuple[Option, ...], session: Session) -> list[str]:
        shown = (option for option in options if option.when(session))
        return [f"{number} {self.texts(o.text, session.language)}" for number, o in enumerate(shown, 1)]

    def _say(self, session: Session) -> Callable[..., str]:
        def say(name: str, /, **blanks: object) -> str:
            return self.texts(name, session.language, **blanks)

        return say


def _picked(screen: Menu | Listing, session: Session, typed: str) -> Option | None:
    """The option behind the number that was typed, ``None`` when it is not on the list."""
    shown = [option for option in screen.options if option.when(session)]
    if not (typed.isascii() and typed.isdigit() and len(typed) < 3 and 1 <= int(typed) <= len(shown)):
        return None
    return shown[int(typed) - 1]


def _back(to: str, session: Session) -> Session:
    """Where ``0`` leads: a screen, the ``root`` of this caller, or out."""
    return _root(session) if to == ROOT else session.go(to or "bye")


def _root(session: Session) -> Session:
    return session.forget().go("home" if session.caller else "welcome")


def _leave(screen: Screen, before: Session, after: Session) -> Session:
    """A key belongs to one entry of one screen: going elsewhere drops it, so that coming back mints another."""
    if not screen.acts or after.screen == before.screen or "key" not in after.facts:
        return after
    return replace(after, facts={name: fact for name, fact in after.facts.items() if name != "key"})


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _fit(text: str, room: int) -> str:
    page = plain(text)
    return page if septets(page) <= room else cut(page, room)
