"""A phone of the page as a person uses it; every step returns it, so that a test reads as a story."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


class Handset:
    def __init__(self, page: Page, name: str) -> None:
        self._page = page
        self.root = page.get_by_role("region", name=name)
        self.screen = self.root.locator(".page__text")
        self.line = self.root.locator(".typed__line")
        self.prompt = self.root.get_by_role("alertdialog")
        self.note = self.root.locator(".note")
        self.septets = self.root.locator(".septets")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def number(self) -> str:
        return self.root.locator(".owner__number").input_value()

    def is_called(self, number: str) -> Handset:
        """Put another number into the phone."""
        field = self.root.locator(".owner__number")
        field.fill(number)
        field.press("Tab")
        return self

    def closes(self) -> Handset:
        """Put the last message away."""
        self.is_at("ended").button("OK").click()
        return self

    def dials(self, code: str = "") -> Handset:
        self.line.fill(code)
        self.button("Call").click()
        return self

    def types(self, *answers: str) -> Handset:
        """Each answer is sent when its page is open."""
        for answer in answers:
            self.is_at("open")
            self.line.fill(answer)
            self.button("Send").click()
            self.is_not_waiting()
        return self

    def presses(self, keys: str) -> Handset:
        for key in keys:
            self.button({"*": "Star", "#": "Hash"}.get(key, key)).click()
        return self

    def sees(self, *words: str) -> Handset:
        for word in words:
            expect(self.screen).to_contain_text(word)
        return self

    def is_at(self, state: str) -> Handset:
        expect(self.root).to_have_attribute("data-state", state)
        return self

    def is_not_waiting(self) -> Handset:
        expect(self.root).not_to_have_attribute("data-state", "waiting")
        return self

    def looks_for_news(self) -> Handset:
        """The first look is over: what comes from now on is new."""
        expect(self.root.locator(".owner__money")).to_contain_text("KES")
        return self

    def opens_network(self) -> Handset:
        self.root.locator("summary").click()
        return self

    def hears(self, words: str) -> Handset:
        """An SMS with these words comes; it is read, and the messages are put away."""
        self.opens_messages()
        expect(self.root.locator(".inbox li").first).to_contain_text(words, timeout=15_000)
        self.root.get_by_role("tab", name="Screen").click()
        return self

    def opens_messages(self) -> Handset:
        self.root.get_by_role("tab", name="Messages").click()
        return self
