"""What the business may refuse, as nouns a person understands.

Every refusal has a stable ``code``. The menus have one table from code to sentence, REST has
one table from code to HTTP status; nobody switches on a message text.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from gateway.domain.money import Money


class Refusal(Exception):
    """A rule of the business says no. No money has moved."""

    code: ClassVar[str] = "refused"

    @property
    def sentence(self) -> str:
        """The catalogue's name of what the person is told, without its ``no.``."""
        return self.code

    def blanks(self) -> dict[str, object]:
        """Values for the sentence that tells the person, by blank name."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}


class InvalidPhone(Refusal):
    """What was typed is not a Kenyan mobile number."""

    code = "invalid_phone"


class InvalidAmount(Refusal):
    """What was typed is not an amount of money."""

    code = "invalid_amount"


class AmountTooSmall(Refusal):
    """Less than the least that can be moved this way."""

    code = "amount_too_small"

    def __init__(self, least: Money) -> None:
        super().__init__(self.code)
        self.least = least


class AmountTooLarge(Refusal):
    """More than can be moved at once by this account."""

    code = "amount_too_large"

    def __init__(self, most: Money) -> None:
        super().__init__(self.code)
        self.most = most


class WholeShillingsOnly(Refusal):
    """M-Pesa moves no cents."""

    code = "whole_shillings_only"


class NotEnoughMoney(Refusal):
    """The wallet holds less than amount and fee together."""

    code = "not_enough_money"


class DayLimitReached(Refusal):
    """The account's daily limit would be passed."""

    code = "day_limit_reached"

    def __init__(self, most: Money) -> None:
        super().__init__(self.code)
        self.most = most


class SamePerson(Refusal):
    """Sender and recipient are one account."""

    code = "same_person"


class AccountNotFound(Refusal):
    """No account has that phone or number."""

    code = "account_not_found"


class AccountFrozen(Refusal):
    """The owner or an operator froze the account; money can come in, none goes out."""

    code = "account_frozen"


class InvalidName(Refusal):
    """A name needs a letter and fits 40 characters."""

    code = "invalid_name"


class WeakPin(Refusal):
    """Four to six digits, not all alike, no run, no year of birth, no part of the phone number."""

    code = "weak_pin"


class WrongPin(Refusal):
    """The PIN does not match; ``tries_left`` remain before the lock."""

    code = "wrong_pin"

    def __init__(self, tries_left: int) -> None:
        super().__init__(self.code)
        self.tries_left = tries_left

    @property
    def sentence(self) -> str:
        return _last_try(self.code, self.tries_left)


class PinLocked(Refusal):
    """Too many wrong PINs; locked until ``until`` (aware UTC)."""

    code = "pin_locked"

    def __init__(self, until: datetime, minutes: int) -> None:
        super().__init__(self.code)
        self.until = until
        self.minutes = minutes


class PinNotSet(Refusal):
    """The account was made for this phone by someone else and has no PIN yet."""

    code = "pin_not_set"


class WrongOtp(Refusal):
    """The one-time code does not match; ``tries_left`` remain."""

    code = "wrong_otp"

    def __init__(self, tries_left: int) -> None:
        super().__init__(self.code)
        self.tries_left = tries_left

    @property
    def sentence(self) -> str:
        return _last_try(self.code, self.tries_left)


class OtpExpired(Refusal):
    """The one-time code is too old, used, or was never sent."""

    code = "otp_expired"


class OtpLocked(Refusal):
    """Too many wrong one-time codes for this number."""

    code = "otp_locked"

    def __init__(self, minutes: int) -> None:
        super().__init__(self.code)
        self.minutes = minutes


class TooManyOtps(Refusal):
    """Codes were asked for too often; ``minutes`` until the next may be sent."""

    code = "too_many_otps"

    def __init__(self, minutes: int) -> None:
        super().__init__(self.code)
        self.minutes = minutes


class TooManyInvitations(Refusal):
    """This person has invited as many people as one may in a day."""

    code = "too_many_invitations"


class PaymentInProgress(Refusal):
    """An earlier prompt is not resolved yet; a second one could charge twice."""

    code = "payment_in_progress"

    def __init__(self, amount: Money) -> None:
        super().__init__(self.code)
        self.amount = amount


class KeyReused(Refusal):
    """An idempotency key came again with another request."""

    code = "key_reused"


class ClaimsLimitReached(Refusal):
    """Enough was sent today to numbers without an account: each costs the house SMS, and comes back for nothing."""

    code = "claims_limit_reached"


class TooLate(Refusal):
    """Nothing was done in time, and nothing will be done under this confirmation any more."""

    code = "too_late"


class TryLater(Refusal):
    """The database, Redis or a rail is away; nothing was started."""

    code = "try_later"


class RailDown(Refusal):
    """The rail has not answered for a while; nothing was started."""

    code = "rail_down"


class CardsClosed(Refusal):
    """Nobody can be asked to pay this by card: no rail takes it, or the one that does has not answered for a while."""

    code = "cards_closed"


class PayoutsPaused(Refusal):
    """An operator, or the books' own alarm, has stopped money from going out for now."""

    code = "payouts_paused"


class CannotGiveBack(Refusal):
    """The rail by which the money came has no way back for it, or it is on its way back already."""

    code = "cannot_give_back"


class NothingWaiting(Refusal):
    """That payment has no money waiting for a choice, or is settled already."""

    code = "nothing_waiting"


class NotEnoughCredits(Refusal):
    """The account has fewer credits than this costs."""

    code = "not_enough_credits"


class UnknownPackage(Refusal):
    """No package of credits is called that."""

    code = "unknown_package"


def _last_try(code: str, tries_left: int) -> str:
    return f"{code}.last" if tries_left == 1 else code
