"""Every part of the gateway, made once and joined: the only place where they all meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import redis
from sqlalchemy import text

from gateway.callers import Desk as CallerDesk
from gateway.calls import HopRules, phone_tag
from gateway.channels import MakesHandler, channel_handlers
from gateway.db import Database
from gateway.domain.clock import Clock, utc_now
from gateway.domain.phone import Phone
from gateway.drafts import Drafts
from gateway.hop import Switchboard
from gateway.inbox import Inbox
from gateway.jobs import PostgresJobs, Work
from gateway.metrics import Metrics
from gateway.promises import Promises
from gateway.services.accounts import Accounts
from gateway.services.alarms import Alarms
from gateway.services.api_keys import ApiKeys
from gateway.services.api_requests import ApiRequests
from gateway.services.arrival_callbacks import ArrivalCallbacks, Gate
from gateway.services.arrivals import Arrivals
from gateway.services.bookkeeping import Bookkeeping
from gateway.services.callbacks import Callbacks, Handler
from gateway.services.claims import Claims
from gateway.services.credits import Credits
from gateway.services.fees import Fees
from gateway.services.figures import Figures
from gateway.services.house_money import HouseMoney
from gateway.services.ledger import Ledger
from gateway.services.limits import Limits
from gateway.services.lookup_callbacks import LookupCallbacks
from gateway.services.lookups import Lookups
from gateway.services.messages import Messages
from gateway.services.money_views import MoneyViews
from gateway.services.otps import Otps
from gateway.services.payment_callbacks import PaymentCallbacks
from gateway.services.payment_desk import Desk as PaymentDesk
from gateway.services.payment_purposes import CreditSales, Deposits, Purpose
from gateway.services.payment_refunds import PaymentRefunds
from gateway.services.payments import Payments
from gateway.services.payout_callbacks import PayoutCallbacks
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payouts import Payouts
from gateway.services.pins import Pins
from gateway.services.rail_health import RailHealth
from gateway.services.reconciliation import Reconciliation
from gateway.services.reconciliation_hands import Hands
from gateway.services.report_callbacks import SMS_REPORT, ReportCallbacks
from gateway.services.session_events import PendingPayment, SessionEvents
from gateway.services.statements import Statements
from gateway.services.stops import Stops
from gateway.services.transfers import Transfers
from gateway.sessions import SessionStore
from gateway.settings import Settings
from gateway.token_cache import SealedTokenCache
from gateway.vault import Vault
from integrations.protocols import About
from integrations.registry import Providers, build_providers
from integrations.stellar.keypairs import StellarKeypairs
from ussd_menus.engine import Engine
from ussd_menus.flows import all_screens
from ussd_menus.texts import Texts, load_texts


@dataclass(frozen=True, slots=True)
class Parts:
    """What blueprints and commands take what they use from."""

    settings: Settings
    clock: Clock
    db: Database
    vault: Vault
    metrics: Metrics
    texts: Texts
    providers: Providers
    store: SessionStore
    ledger: Ledger
    accounts: Accounts
    messages: Messages
    transfers: Transfers
    statements: Statements
    claims: Claims
    payments: Payments
    payouts: Payouts
    credits: Credits
    views: MoneyViews
    api_keys: ApiKeys
    api_requests: ApiRequests
    payment_refunds: PaymentRefunds
    arrivals: Arrivals
    gate: Gate
    lookups: Lookups
    house_money: HouseMoney
    inbox: Inbox
    callbacks: Callbacks
    bookkeeping: Bookkeeping
    reconciliation: Reconciliation
    figures: Figures
    alarms: Alarms
    session_events: SessionEvents
    stops: Stops
    health: RailHealth
    promises: Promises
    engine: Engine
    switchboard: Switchboard

    @property
    def work(self) -> Work:
        """All that the worker does."""
        return Work(
            payments=self.payments,
            payouts=self.payouts,
            inbox=self.callbacks,
            arrivals=self.arrivals,
            drain=self.messages.drain,
            return_claims=self.claims.settle_due,
            keep_promises=self.promises.keep,
            check_books=self.bookkeeping.check,
            checkpoint=self.bookkeeping.checkpoint,
            probe_rails=self.health.probe,
            reconcile=self.reconciliation.run_all,
            look_for_alarms=self.alarms.look,
            forget_requests=self.api_requests.forget_old,
            ask_balances=self.lookups.ask_balances,
            metrics=self.metrics,
        )

    def close(self) -> None:
        self.switchboard.close()
        self.db.close()


def build(settings: Settings, providers: Providers | None = None, clock: Clock = utc_now) -> Parts:
    """Join everything. Raises ``Unreadable`` when the key is not the database's, ``NoProvider`` when one is missing."""
    db = Database(settings.database_url, settings.database_pool_size)
    vault = Vault(settings.encryption_key, _pepper(db))
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1.5, socket_connect_timeout=1.0)
    store = SessionStore(settings.redis_url, settings.ussd_session_ttl, settings.ussd_resume_seconds)
    metrics, texts, shortcode = Metrics(), load_texts(), settings.shortcode
    if providers is None:
        tokens = SealedTokenCache(client, vault)
        providers = build_providers(settings, clock=clock, tokens=tokens, observer=metrics.provider_call)

    ledger, jobs, rails = Ledger(), PostgresJobs(db.engine), providers.rails
    messages = Messages(db, vault, providers.sms, clock)
    pins = Pins(db, vault, messages, texts, clock, shortcode=shortcode)
    claims = Claims(db, ledger, vault, texts, clock, shortcode=shortcode, days=settings.claim_days)
    accounts = Accounts(
        db,
        vault,
        pins,
        messages,
        ledger,
        StellarKeypairs(),
        texts,
        clock,
        shortcode=shortcode,
        languages=texts.languages,
        on_active=claims.claim_all,
    )
    fees, limits = Fees(settings.transfer_fees), Limits(settings, clock)
    transfers = Transfers(db, ledger, claims, fees, limits, vault, texts, clock, shortcode=shortcode)
    statements = Statements(db, ledger)

    stops, rail_health = Stops(db, clock), RailHealth(db, rails, clock)
    withdraw_fees = Fees(settings.withdraw_fees)
    tools = (db, rails, ledger, messages, texts, jobs, vault, settings, clock)
    payout_desk = PayoutDesk(*tools, rail_health, stops, withdraw_fees, limits)
    payouts = Payouts(payout_desk)
    purposes: dict[str, Purpose] = {"deposit": Deposits(), "credits": CreditSales(settings.credit_packages)}
    payment_desk = PaymentDesk(*tools, purposes, rail_health, payouts)
    payments = Payments(payment_desk)
    sold = Credits(db, ledger, vault, payments, settings.credit_packages)
    arrivals = Arrivals(payment_desk, payments, jobs)
    lookups = Lookups(db, rails, arrivals, clock, settings.public_url)
    figures = Figures(db, ledger, rails)
    alarms = Alarms(db, figures, settings, metrics, clock)
    hands = Hands(
        payment=payments.result,
        payout=payouts.stated,
        arrival=arrivals.stated,
        ask_payout=lambda session, payout: jobs.defer_ask_payout(session, payout.id, payout.checks, 0),
        balance=lookups.latest_balance,
    )

    inbox = Inbox(db, vault, jobs, clock)
    by_about: dict[About, MakesHandler] = {
        About.PAYMENT: lambda rail, channel: PaymentCallbacks(payment_desk, payments, rail, channel),
        About.PAYOUT: lambda rail, channel: PayoutCallbacks(payout_desk, payouts, rail, channel),
        About.ARRIVAL: lambda rail, channel: ArrivalCallbacks(arrivals, settings.callback_token, rail, channel),
        About.LOOKUP: lambda _rail, channel: LookupCallbacks(lookups, channel),
        About.BALANCE: lambda _rail, channel: LookupCallbacks(lookups, channel),
    }
    handlers: dict[str, Handler] = {
        **channel_handlers(rails, by_about),
        SMS_REPORT: ReportCallbacks(providers.sms.read_report, messages.delivery_report),
    }
    promises = Promises(
        client,
        db,
        vault,
        messages,
        transfers,
        payments,
        payouts,
        sold,
        texts,
        shortcode=shortcode,
        now=lambda: clock().timestamp(),
    )
    drafts = Drafts(store, transfers, payouts)
    otps = Otps(client, db, vault, messages, texts, clock)
    caller_desk = CallerDesk(
        db,
        drafts,
        vault,
        texts,
        accounts,
        pins,
        otps,
        transfers,
        statements,
        payments,
        sold,
        messages,
        shortcode,
        payouts,
        rail_health,
        settings.collect_rail,
    )
    rules = HopRules(settings.ussd_budget_seconds, settings.ussd_latest_input_only, settings.ussd_page_septets)
    engine = Engine(all_screens(), texts)
    return Parts(
        settings=settings,
        clock=clock,
        db=db,
        vault=vault,
        metrics=metrics,
        texts=texts,
        providers=providers,
        store=store,
        ledger=ledger,
        accounts=accounts,
        messages=messages,
        transfers=transfers,
        statements=statements,
        claims=claims,
        payments=payments,
        payouts=payouts,
        credits=sold,
        views=MoneyViews(db, vault),
        api_keys=ApiKeys(db, vault, clock),
        api_requests=ApiRequests(db, clock),
        payment_refunds=PaymentRefunds(payment_desk),
        arrivals=arrivals,
        gate=Gate(payment_desk),
        lookups=lookups,
        house_money=HouseMoney(db, ledger),
        inbox=inbox,
        callbacks=Callbacks(db, vault, inbox, jobs, clock, handlers),
        bookkeeping=Bookkeeping(db, ledger, metrics, stops, alarms),
        reconciliation=Reconciliation(db, ledger, rails, jobs, clock, hands),
        figures=figures,
        alarms=alarms,
        session_events=SessionEvents(db, vault, messages, texts, shortcode, clock, _unfinished(drafts, vault)),
        stops=stops,
        health=rail_health,
        promises=promises,
        engine=engine,
        switchboard=Switchboard(
            engine, store, vault, caller_desk.world, promises, rules, threads=2 * settings.database_pool_size
        ),
    )


def _unfinished(drafts: Drafts, vault: Vault) -> Callable[[Phone], PendingPayment | None]:
    """What a phone's dropped call was about, when it can be gone on with and nothing of it has happened."""

    def pending(phone: Phone) -> PendingPayment | None:
        session = drafts.left_by(phone_tag(vault, phone)).session
        if session is None or "amount_minor" not in session.facts:
            return None
        kind: Literal["payment", "withdrawal"] = "withdrawal" if session.screen.startswith("withdraw.") else "payment"
        return PendingPayment(session.money("amount_minor"), session.language, kind)

    return pending


def _pepper(db: Database) -> str:
    with db.reading() as connection:
        return str(connection.execute(text("SELECT sealed FROM vault WHERE name = 'pepper'")).scalar_one())
