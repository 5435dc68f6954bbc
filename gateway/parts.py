"""Every part of the gateway, made once and joined: the only place where they all meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis
from sqlalchemy import text

from gateway.callers import Desk as CallerDesk
from gateway.calls import HopRules, phone_tag
from gateway.db import Database
from gateway.domain.clock import Clock, utc_now
from gateway.domain.phone import Phone
from gateway.drafts import Drafts
from gateway.hop import Switchboard
from gateway.inbox import Inbox, source_of
from gateway.jobs import PostgresJobs, Work
from gateway.metrics import Metrics
from gateway.promises import Promises
from gateway.services.accounts import Accounts
from gateway.services.alarms import Alarms
from gateway.services.bookkeeping import Bookkeeping
from gateway.services.callbacks import Callbacks, Handler
from gateway.services.claims import Claims
from gateway.services.fees import Fees
from gateway.services.figures import Figures
from gateway.services.ledger import Ledger
from gateway.services.limits import Limits
from gateway.services.messages import Messages
from gateway.services.otps import Otps
from gateway.services.payment_callbacks import PaymentCallbacks
from gateway.services.payment_desk import Desk as PaymentDesk
from gateway.services.payment_purposes import CreditSales, Deposits, Purpose
from gateway.services.payments import Payments
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
from integrations.protocols import About, Rail
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
            inbox=self.callbacks,
            drain=self.messages.drain,
            return_claims=self.claims.settle_due,
            keep_promises=self.promises.keep,
            check_books=self.bookkeeping.check,
            checkpoint=self.bookkeeping.checkpoint,
            probe_rails=self.health.probe,
            reconcile=self.reconciliation.run_all,
            look_for_alarms=self.alarms.look,
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

    ledger, jobs = Ledger(), PostgresJobs(db.engine)
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
    stops, rail_health = Stops(db, clock), RailHealth(db, providers.rails, clock)
    figures = Figures(db, ledger, providers.rails)
    alarms = Alarms(db, figures, settings, metrics, clock)
    purposes: dict[str, Purpose] = {"deposit": Deposits(), "credits": CreditSales(settings.credit_packages)}
    desk = PaymentDesk(db, providers.rails, ledger, messages, texts, jobs, vault, settings, clock, purposes)
    payments = Payments(desk)
    inbox = Inbox(db, vault, jobs, clock)
    handlers: dict[str, Handler] = {
        **_channel_handlers(providers.rails, desk, payments),
        SMS_REPORT: ReportCallbacks(providers.sms.read_report, messages.delivery_report),
    }
    promises = Promises(client, db, vault, messages, transfers, payments, texts, shortcode=shortcode)
    drafts = Drafts(store, transfers)
    otps = Otps(client, db, vault, messages, texts, clock)
    caller_desk = CallerDesk(
        db, drafts, vault, texts, accounts, pins, otps, transfers, statements, payments, messages, shortcode
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
        inbox=inbox,
        callbacks=Callbacks(db, vault, inbox, jobs, clock, handlers),
        bookkeeping=Bookkeeping(db, ledger, metrics, stops, alarms),
        reconciliation=Reconciliation(db, ledger, providers.rails, jobs, clock, Hands(payments.result)),
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


def _channel_handlers(rails: Mapping[str, Rail], desk: PaymentDesk, payments: Payments) -> dict[str, Handler]:
    """Who handles what comes by each channel of each rail."""
    handlers: dict[str, Handler] = {}
    for rail in rails.values():
        for channel in rail.channels:
            if channel.about is About.PAYMENT:
                handlers[source_of(rail.name, channel)] = PaymentCallbacks(desk, payments, rail.name, channel)
    return handlers


def _unfinished(drafts: Drafts, vault: Vault) -> Callable[[Phone], PendingPayment | None]:
    """What a phone's dropped call was about, when it can be gone on with and nothing of it has happened."""

    def pending(phone: Phone) -> PendingPayment | None:
        session = drafts.left_by(phone_tag(vault, phone)).session
        if session is None or "amount_minor" not in session.facts:
            return None
        return PendingPayment(session.money("amount_minor"), session.language)

    return pending


def _pepper(db: Database) -> str:
    with db.reading() as connection:
        return str(connection.execute(text("SELECT sealed FROM vault WHERE name = 'pepper'")).scalar_one())
