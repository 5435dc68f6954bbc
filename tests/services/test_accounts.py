"""Accounts: one per phone, whoever asks and however often."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from gateway.domain.errors import AccountNotFound, InvalidName, TooManyInvitations, TryLater, WeakPin
from gateway.domain.person_name import read_name
from gateway.models.accounts import account_by_index, account_by_number
from gateway.services.accounts import INVITATIONS_A_DAY
from tests.services.people_kit import SHORTCODE, Kit, new_phone, together


@pytest.fixture
def kit(db, vault, clock):
    return Kit(db, vault, clock)


def test_a_new_account_has_a_number_a_wallet_and_sealed_secrets(kit):
    phone = new_phone()
    member = kit.accounts.create_account(phone, " Jane   Wanjiru ", pin="8305")
    assert member.number.startswith("ML-")
    assert (member.name, member.language, member.tier) == ("Jane Wanjiru", "en", "basic")
    assert (member.frozen, member.has_pin, member.pin_changed_at) == (False, True, None)
    assert kit.wallets.opened == [f"wallet:{member.number}"]
    row = kit.one("SELECT * FROM accounts WHERE number = :n", n=member.number)
    assert kit.vault.open(row.phone_sealed) == phone.e164
    assert kit.vault.open(row.stellar_secret_sealed) == "S" + row.stellar_public_key[1:]
    assert phone.e164[4:] not in str(row)
    assert "8305" not in str(row.pin_hash)


def test_the_welcome_sms_says_name_number_and_what_to_dial(kit):
    phone = new_phone()
    member = kit.accounts.create_account(phone, "Jane", language="sw")
    kit.messages.drain()
    (welcome,) = kit.sms.texts_to(phone)
    assert "Karibu" in welcome
    assert all(part in welcome for part in ("Jane", member.number, SHORTCODE))


def test_no_welcome_when_the_caller_does_not_want_one(kit):
    member = kit.accounts.create_account(new_phone(), "Jane", send_sms=False)
    assert kit.told(member.number) == []


def test_the_same_phone_again_is_the_same_account_unchanged(kit):
    phone = new_phone()
    first = kit.accounts.create_account(phone, "Jane", pin="8305")
    second = kit.accounts.create_account(phone, "Thief", language="sw", pin="7416")
    assert second == first
    kit.pins.check(first.number, "8305")
    assert kit.told(first.number) == ["welcome"]


def test_many_requests_at_once_make_one_account_and_one_welcome(kit):
    phone = new_phone()
    members = together(8, lambda: kit.accounts.create_account(phone, "Jane", pin="8305"))
    assert len(set(members)) == 1
    assert kit.one("SELECT count(*) AS n FROM accounts WHERE phone_index = :i", i=kit.vault.phone_index(phone)).n == 1
    assert kit.told(members[0].number) == ["welcome"]
    assert kit.wallets.opened == [members[0].wallet]
    assert kit.active == [members[0].number]


def test_a_number_that_is_taken_is_drawn_again(kit, db, vault, clock):
    taken = kit.accounts.create_account(new_phone(), "Jane").number
    free = kit.accounts.create_account(new_phone(), "Joan").number[:-1]
    free += next(c for c in "23456789ABC" if kit.accounts.by_number(free + c) is None)
    draws = iter([taken, free])
    other = Kit(db, vault, clock, new_number=lambda: next(draws))
    member = other.accounts.create_account(new_phone(), "Otieno", pin="8305")
    assert member.number == free
    other.pins.check(free, "8305")


def test_endless_collisions_end_politely(kit, db, vault, clock):
    taken = kit.accounts.create_account(new_phone(), "Jane").number
    with pytest.raises(TryLater):
        Kit(db, vault, clock, new_number=lambda: taken).accounts.create_account(new_phone(), "Otieno")


def test_nothing_is_left_when_the_wallet_cannot_be_opened(kit):
    class Broken(RuntimeError):
        pass

    def fails(*_: object) -> None:
        raise Broken

    phone = new_phone()
    kit.wallets.open_account = fails
    with pytest.raises(Broken):
        kit.accounts.create_account(phone, "Jane")
    assert kit.accounts.by_phone(phone) is None


def test_an_account_made_by_others_waits_for_its_owner(kit):
    phone = new_phone()
    member = kit.accounts.create_account(phone, "Jane")
    assert (member.has_pin, kit.active) == (False, [])
    assert kit.accounts.activate(member.number, "8305").has_pin
    assert kit.active == [member.number]
    assert kit.accounts.by_phone(phone).pin_changed_at is None


def test_only_the_first_pin_is_set_by_activating(kit):
    member = kit.accounts.create_account(new_phone(), "Jane")
    together(4, lambda: kit.accounts.activate(member.number, "8305"))
    kit.accounts.activate(member.number, "7416")
    kit.pins.check(member.number, "8305")
    assert kit.active == [member.number]


def test_waiting_money_and_the_first_pin_come_together_or_not_at_all(db, vault, clock):
    class Broken(RuntimeError):
        pass

    def fails(session: Session, account: object) -> None:
        raise Broken

    kit = Kit(db, vault, clock, on_active=fails)
    phone = new_phone()
    with pytest.raises(Broken):
        kit.accounts.create_account(phone, "Jane", pin="8305")
    assert kit.accounts.by_phone(phone) is None
    member = kit.accounts.create_account(phone, "Jane")
    with pytest.raises(Broken):
        kit.accounts.activate(member.number, "8305")
    assert not kit.accounts.by_phone(phone).has_pin


def test_weak_pins_and_odd_names_make_no_account(kit):
    phone = new_phone()
    with pytest.raises(WeakPin):
        kit.accounts.create_account(phone, "Jane", pin="1234")
    with pytest.raises(InvalidName):
        kit.accounts.create_account(phone, "123", pin="8305")
    with pytest.raises(ValueError, match="xx"):
        kit.accounts.create_account(phone, "Jane", language="xx")
    assert kit.accounts.by_phone(phone) is None


def test_an_account_is_found_by_phone_number_and_row(kit, db):
    phone = new_phone()
    member = kit.accounts.create_account(phone, "Jane")
    assert kit.accounts.by_phone(phone) == member
    assert kit.accounts.by_number(f" {member.number.lower()} ") == member
    assert kit.accounts.by_phone(new_phone()) is None
    with db.transaction() as session:
        row = account_by_number(session, member.number)
        assert account_by_index(session, kit.vault.phone_index(phone)) is row
        assert row.recipient == member.recipient


def test_what_is_printed_of_a_member_has_no_phone(kit):
    member = kit.accounts.create_account(new_phone(), "Jane")
    assert member.phone_sealed not in repr(member) + repr(member.recipient)


def test_the_language_can_be_changed(kit):
    member = kit.accounts.create_account(new_phone(), "Jane")
    assert kit.accounts.set_language(member.number, "sw").language == "sw"
    with pytest.raises(ValueError, match="xx"):
        kit.accounts.set_language(member.number, "xx")
    with pytest.raises(AccountNotFound):
        kit.accounts.set_language("ML-ZZZZZZ", "sw")


def test_freezing_closes_the_wallet_and_tells_the_owner_once(kit):
    member = kit.accounts.create_account(new_phone(), "Jane", send_sms=False)
    frozen = together(4, lambda: kit.accounts.freeze(member.number))
    assert all(each.frozen for each in frozen)
    assert kit.wallets.frozen == [member.wallet]
    assert not kit.accounts.unfreeze(member.number).frozen
    assert not kit.accounts.unfreeze(member.number).frozen
    assert kit.wallets.frozen == []
    assert kit.told(member.number) == ["frozen", "unfrozen"]


def test_an_invitation_says_who_and_what_to_dial(kit):
    member, friend = kit.accounts.create_account(new_phone(), "Jane", send_sms=False), new_phone()
    assert kit.accounts.invite(member, friend)
    kit.messages.drain()
    (invitation,) = kit.sms.texts_to(friend)
    assert "Jane" in invitation
    assert SHORTCODE in invitation


def test_a_number_gets_one_invitation_a_day_whoever_sends_it(kit, clock):
    inviters = [kit.accounts.create_account(new_phone(), "Jane", send_sms=False) for _ in range(2)]
    friend = new_phone()
    assert kit.accounts.invite(inviters[0], friend)
    assert not kit.accounts.invite(inviters[0], friend)
    assert not kit.accounts.invite(inviters[1], friend)
    clock.move(days=1)
    assert kit.accounts.invite(inviters[1], friend)


def test_people_who_are_here_are_not_invited(kit):
    member = kit.accounts.create_account(new_phone(), "Jane", send_sms=False)
    here = new_phone()
    kit.accounts.create_account(here, "Otieno", send_sms=False)
    assert not kit.accounts.invite(member, here)
    assert kit.all("SELECT 1 FROM messages") == []


def test_five_invitations_a_day_also_when_sent_at_once(kit, clock):
    member = kit.accounts.create_account(new_phone(), "Jane", send_sms=False)
    answers = together(8, lambda: kit.accounts.invite(member, new_phone()))
    assert answers.count(True) == INVITATIONS_A_DAY
    assert sum(isinstance(answer, TooManyInvitations) for answer in answers) == 3
    assert len(kit.all("SELECT 1 FROM messages WHERE reference = :n", n=member.number)) == INVITATIONS_A_DAY
    clock.move(days=1)
    assert kit.accounts.invite(member, new_phone())


@pytest.mark.parametrize(
    "name", ["Jane", "Ng'ang'a", "J. Otieno-Were", "Shop 24 & Sons", "Zoë", "O\u2019Brien", "J" * 40]
)
def test_names_people_have(name):
    assert read_name(name) == name.replace("\u2019", "'")


@pytest.mark.parametrize(
    "name", ["", "  ", "1234", "J" * 41, "win at bit.ly", "a/b", "x@y", "tel:1", "a_b", "Jane\x00"]
)
def test_names_that_are_none_or_carry_something_else(name):
    with pytest.raises(InvalidName):
        read_name(name)
