"""What a newcomer does with the two phones of ``/simulator``, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Service
from tests.browser.handset import Handset
from ussd_menus.page import septets

pytestmark = pytest.mark.slow

AMINA, BARAKA = "+254712345678", "+254722000111"
SIZES = [(320, 568), (375, 812), (768, 1024), (1280, 800)]


def test_a_newcomer_is_told_what_to_do_and_the_green_key_dials(one: Handset) -> None:
    one.sees("Press the green key to dial *384*123#").dials().sees("Welcome to Mlango", "1 Create account")


def test_a_number_typed_on_the_keypad_is_sent(one: Handset) -> None:
    one.dials().is_at("open")
    one.presses("12").button("Clear the last character").click()
    expect(one.line).to_have_value("1")
    one.button("Call").click()
    one.sees("Create account for")


def test_an_account_is_made_by_typing_and_the_last_page_is_put_away_with_ok(one: Handset, service: Service) -> None:
    one.dials().types("1", "1", "Amina Otieno", "2580", "2580").is_at("ended").sees("Welcome, Amina")
    assert service.town.people[AMINA].caller.name == "Amina Otieno"
    expect(one.button("OK")).to_be_focused()
    one.button("OK").click()
    one.is_at("idle").sees("Press the green key")


def test_a_long_code_walks_the_first_screens_by_itself(one: Handset) -> None:
    one.presses("*384*123*1#").button("Call").click()
    one.sees("Create account for")


def test_another_services_code_is_refused_by_the_network(one: Handset) -> None:
    one.dials("*100#").is_at("ended").sees("invalid MMI code")


def test_the_counter_counts_septets_with_the_prefix(one: Handset, service: Service) -> None:
    said = "Pay {500}? \u20ac5"
    service.scripted.pages = ["CON " + said, "CON " + "x" * 157, "CON It\u2019s here"]
    one.dials().is_at("open")
    used = septets("CON " + said)
    expect(one.septets).to_have_text(f"{used} of 160{160 - used} left")
    expect(one.septets).not_to_have_class(re.compile("septets--over"))
    one.types("1")
    expect(one.septets).to_have_text("161 of 1601 too many")
    expect(one.septets).to_have_class(re.compile("septets--over"))
    one.types("1")
    expect(one.septets).to_contain_text("not GSM-7: \u2019")


def test_the_page_counts_every_character_as_the_menus_do(page: Page) -> None:
    characters = [chr(code) for code in range(1, 0x2100) if not 0xD800 <= code < 0xE000]
    count = """async (all) => {
        const { septets } = await import("/simulator/static/gsm7.js");
        return all.map((char) => { const { used, strange } = septets(char); return strange.length ? null : used; });
    }"""
    assert page.evaluate(count, characters) == [_septets_or_none(char) for char in characters]


def _septets_or_none(char: str) -> int | None:
    try:
        return septets(char)
    except ValueError:
        return None


def test_text_from_the_server_is_never_markup(one: Handset, service: Service) -> None:
    service.scripted.pages = ["END <img src=x onerror=alert(1)> <b>bold</b>"]
    service.texts_sms(AMINA, "<script>alert(1)</script>")
    one.dials().sees("<img src=x onerror=alert(1)> <b>bold</b>")
    expect(one.screen.locator("img, b")).to_have_count(0)
    one.opens_messages()
    expect(one.root.locator(".inbox")).to_contain_text("<script>alert(1)</script>")


def test_an_sms_raises_the_badge_and_the_newest_stands_first(one: Handset, service: Service) -> None:
    badge, items = one.root.locator(".badge"), one.root.locator(".inbox li")
    one.looks_for_news()
    expect(badge).to_be_hidden()
    service.texts_sms(AMINA, "Welcome, Amina.")
    expect(badge).to_have_text("1")
    service.texts_sms(AMINA, "You received KES 500.")
    expect(badge).to_have_text("2")
    one.opens_messages()
    expect(badge).to_be_hidden()
    expect(items.first).to_contain_text("You received KES 500.")
    expect(items.last).to_contain_text("Welcome, Amina.")
    expect(items.first.locator("time")).to_have_text(re.compile(r"\d\d:\d\d"))


@pytest.mark.parametrize(
    ("button", "code", "balance"),
    [
        ("Accept", "0", "9,000"),
        ("Refuse", "1032", "10,000"),
        ("Wrong PIN", "2001", "10,000"),
        ("Ignore", "1037", "10,000"),
    ],
)
def test_an_mpesa_prompt_is_answered(one: Handset, service: Service, button: str, code: str, balance: str) -> None:
    prompt_id = service.asks_mpesa(AMINA, 1000)
    expect(one.prompt).to_contain_text("Pay KES 1,000 to MLANGO account ML7F3K9Q? Enter PIN")
    expect(one.prompt).to_contain_text("Balance KES 10,000")
    one.prompt.get_by_role("button", name=button).click()
    expect(one.prompt).to_be_hidden()
    expect(one.note).to_have_text(re.compile("^You "))
    expect(one.root.locator(".owner__money")).to_have_text(f"M-Pesa KES {balance}")
    assert service.result_of(prompt_id) == code


def test_a_prompt_is_put_on_its_own_phone_only_and_stops_that_ones_keys(
    one: Handset, two: Handset, service: Service
) -> None:
    service.asks_mpesa(BARAKA, 50)
    expect(two.prompt).to_be_visible()
    expect(two.root.locator(".keypad")).to_have_attribute("inert", "")
    expect(one.prompt).to_be_hidden()
    one.dials().sees("Welcome to Mlango")


def test_a_dropped_call_is_gone_on_with_after_a_redial(one: Handset, service: Service) -> None:
    service.town.moves_in(AMINA, "Amina Otieno", shillings=2_000)
    service.town.moves_in(BARAKA, "Baraka Mwangi")
    one.dials().types("1", "0722000111", "500").opens_network()
    one.button("Drop the call").click()
    one.is_at("idle")
    expect(one.note).to_have_text("The network dropped the call.")
    one.dials().sees("You were sending KES 500", "1 Continue")


def test_the_red_key_hangs_up_and_the_network_is_told(one: Handset, service: Service) -> None:
    one.dials().is_at("open").button("End the call").click()
    one.is_at("idle")
    (call,) = service.simulators.network._calls.values()
    _until(one, lambda: not call.open)


def test_the_last_hop_sent_twice_shows_the_same_page(one: Handset, service: Service) -> None:
    one.dials().types("1").sees("Create account for").opens_network()
    one.button("Send last hop twice").click()
    expect(one.note).to_have_text("Delivered twice: the same page came back.")
    one.sees("Create account for")
    service.scripted.pages = ["CON Something else"]
    one.button("Send last hop twice").click()
    expect(one.note).to_have_text("Delivered twice: another page came!")


def test_two_phones_call_at_once_without_hearing_each_other(one: Handset, two: Handset) -> None:
    one.dials().types("1").sees("Create account for")
    two.dials().sees("Welcome to Mlango").types("3").sees("Choose language")
    one.sees("Create account for").types("2").sees("Enter the phone number")
    two.sees("Choose language")


def test_a_slow_network_is_waited_for_and_a_page_that_comes_after_hanging_up_is_not_shown(
    page: Page, one: Handset, service: Service
) -> None:
    page.get_by_label("Slow network").fill("1")
    page.get_by_label("Slow network").press("Enter")
    _until(one, lambda: service.simulators.network.options.delay_seconds == 1)
    one.dials().is_at("waiting").sees("USSD code running...")
    one.button("End the call").click()
    one.is_at("idle")
    _until(one, lambda: [call.open for call in service.simulators.network._calls.values()] == [False])
    one.is_at("idle").dials().is_at("waiting").sees("Welcome to Mlango")


def test_the_chosen_operator_is_the_one_the_call_comes_from(one: Handset, service: Service) -> None:
    one.opens_network().root.get_by_label("Operator").select_option("Airtel 63903")
    one.dials().is_at("open")
    (call,) = service.simulators.network._calls.values()
    assert call.network_code == "63903"


def test_a_gateway_that_breaks_the_call_is_explained(one: Handset, service: Service) -> None:
    service.scripted.pages = ["Oops"]
    one.dials().is_at("ended").sees("Connection problem or invalid MMI code.")
    expect(one.note).to_have_text("The answer does not start with CON or END")


def test_a_number_that_is_none_is_marked(one: Handset) -> None:
    number = one.root.get_by_label("Phone 1")
    number.fill("12345")
    number.press("Tab")
    expect(one.root.get_by_role("alert")).to_have_text("This is not a Kenyan mobile number.")
    expect(number).to_have_attribute("aria-invalid", "true")


def test_the_keyboard_alone_is_enough(page: Page, one: Handset, service: Service) -> None:
    expect(one.line).to_be_focused()
    page.keyboard.press("Enter")
    one.sees("Welcome to Mlango")
    for typed in ("1", "1", "Amina"):
        one.is_at("open")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        one.is_not_waiting()
    one.sees("Choose a PIN")
    page.keyboard.press("Escape")
    one.is_at("idle")
    service.asks_mpesa(AMINA, 100)
    expect(one.prompt).to_be_focused()
    page.keyboard.press("Tab")
    expect(one.prompt.get_by_role("button", name="Accept")).to_be_focused()
    page.keyboard.press("Enter")
    expect(one.note).to_have_text("You paid by M-Pesa.")
    expect(one.line).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(one.root.get_by_role("tab", name="Messages")).to_be_focused()
    expect(one.root.get_by_text("No messages yet.")).to_be_visible()


def test_a_prompt_does_not_take_the_focus_from_the_other_phone(one: Handset, two: Handset, service: Service) -> None:
    one.line.focus()
    service.asks_mpesa(BARAKA, 100)
    expect(two.prompt).to_be_visible()
    expect(one.line).to_be_focused()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_window(open_page: Callable[..., Page], width: int, height: int) -> None:
    page = open_page(width, height)
    one = Handset(page, "Phone 1")
    one.dials().is_at("open").opens_network()
    inside = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    clipped = page.evaluate(
        """[...document.querySelectorAll("button, .page, .septets")].filter(
            (part) => part.offsetParent && part.scrollWidth > part.clientWidth + 1).map((part) => part.className)"""
    )
    assert (inside, clipped) == (True, [])


def test_a_narrow_window_shows_one_phone_at_a_time(open_page: Callable[..., Page]) -> None:
    page = open_page(320, 640)
    one, two = Handset(page, "Phone 1"), Handset(page, "Phone 2")
    expect(one.root).to_be_visible()
    expect(two.root).to_be_hidden()
    page.get_by_role("button", name="Phone 2").click()
    expect(two.root).to_be_visible()
    expect(one.root).to_be_hidden()
    two.dials().sees("Welcome to Mlango")


def test_every_control_has_a_name(page: Page, one: Handset) -> None:
    one.opens_network()
    for role in ("button", "textbox", "combobox", "tab", "spinbutton"):
        for control in page.get_by_role(role).all():  # type: ignore[arg-type]
            expect(control).to_have_accessible_name(re.compile(r"\S"))


def _until(phone: Handset, is_so: Callable[[], bool]) -> None:
    for _ in range(80):
        if is_so():
            return
        phone.root.page.wait_for_timeout(50)
    pytest.fail("it did not come to that")
