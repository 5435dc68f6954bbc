"""Where callbacks come from: a body from outside its rail's networks is kept, and is only a hint."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from flask import Flask, request
from structlog.testing import capture_logs

from gateway.db import Database
from gateway.domain.money import Money
from gateway.inbox import Inbox
from gateway.models.inbox import InboxItem
from gateway.services.callbacks import Callbacks
from gateway.services.payment_callbacks import PaymentCallbacks
from gateway.vault import Vault
from gateway.web.callbacks import callbacks_blueprint
from gateway.web.source import Networks, behind_proxies
from integrations.protocols import PaymentVerdict
from tests.conftest import Clock
from tests.services.payments.test_callbacks import CHANNEL
from tests.services.payments.world import World, new_receipt

LISTED = ["196.201.212.0/24", "196.201.214.200", "2001:db8:7::/48"]


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("196.201.212.69", True),
        ("196.201.214.200", True),
        ("196.201.214.201", False),
        ("196.201.213.69", False),
        ("::ffff:196.201.212.69", True),
        ("::ffff:10.0.0.1", False),
        ("2001:db8:7:1::5", True),
        ("2001:0db8:0007:0001:0000:0000:0000:0005", True),
        ("2001:db8:8::5", False),
        ("196.201.212.69:51000", True),
        ("[2001:db8:7:1::5]:51000", True),
        ("[2001:db8:8::5]:51000", False),
        (" 196.201.212.69 ", True),
        ("196.201.212.69, 10.0.0.1", False),
        ("196.201.212.069", False),
        ("196.201.212", False),
        ("localhost", False),
        ("unknown", False),
        ("", False),
        (None, False),
    ],
)
def test_only_addresses_of_the_list_are_the_rails(address: str | None, known: bool) -> None:
    assert Networks({"mpesa": LISTED}).has("mpesa", address) is known


@pytest.mark.parametrize("listed", [{}, {"mpesa": []}, {"payhero": ["10.0.0.0/8"]}])
def test_a_rail_without_a_list_may_call_from_anywhere(listed: dict[str, list[str]]) -> None:
    assert Networks(listed).has("mpesa", "203.0.113.9")
    assert Networks(listed).has("mpesa", None)


FORGED = "196.201.212.69"


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "seen"),
    [
        (0, "203.0.113.9", "", "203.0.113.9"),
        (0, "203.0.113.9", FORGED, "203.0.113.9"),
        (1, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1", f"{FORGED}, 203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1", f"{FORGED},{FORGED}, 203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (2, "10.0.0.2", f"{FORGED}, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "10.0.0.2", FORGED, "10.0.0.2"),
        (1, "10.0.0.1", "2001:db8:7::5", "2001:db8:7::5"),
        (1, "::1", f"{FORGED}, not an address", "not an address"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(proxies: int, peer: str, forwarded: str, seen: str) -> None:
    app, addresses = Flask(__name__), []

    @app.post("/")
    def _() -> str:
        addresses.append(request.remote_addr)
        return ""

    app.wsgi_app = behind_proxies(app.wsgi_app, proxies)  # type: ignore[method-assign]
    headers = {"X-Forwarded-For": forwarded, "X-Real-Ip": FORGED, "Forwarded": f"for={FORGED}"}
    app.test_client().post("/", headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert addresses == [seen]


def test_no_other_header_of_a_proxy_is_believed() -> None:
    """Else whoever calls could choose the host, or the scheme, of what we answer."""
    app, seen = Flask(__name__), []

    @app.get("/")
    def _() -> str:
        seen.append((request.scheme, request.host, request.root_path))
        return ""

    app.wsgi_app = behind_proxies(app.wsgi_app, 1)  # type: ignore[method-assign]
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/x"}
    app.test_client().get("/", headers=claims | {"X-Forwarded-For": "203.0.113.9"})
    assert seen == [("http", "localhost", "")]


@dataclass
class Counted:
    strangers: list[str] = field(default_factory=list)

    def from_elsewhere(self, rail: str) -> None:
        self.strangers.append(rail)


class Guarded:
    """A rail with a list, its address, and the worker behind it."""

    def __init__(self, world: World) -> None:
        self.world, self.counted = world, Counted()
        rail = replace(world.rail.as_rail, channels=(CHANNEL,))
        self.inbox = Inbox(world.db, world.vault, world.jobs, world.clock)
        handlers = {"mpesa.stk": PaymentCallbacks(world.desk, world.payments, rail.name, CHANNEL)}
        self.callbacks = Callbacks(world.db, world.vault, self.inbox, world.jobs, world.clock, handlers)
        app = Flask(__name__)
        networks = Networks({"mpesa": LISTED})
        app.register_blueprint(callbacks_blueprint(self.inbox, {rail.name: rail}, networks, self.counted))
        self.client = app.test_client()

    def post(self, payment_id: int, address: str) -> int:
        """The rail's body about a paid payment, from somewhere; the jobs it made are run."""
        row = self.world.row(payment_id)
        told = {"verdict": "paid", "id": row.provider_id, "receipt": new_receipt(), "amount": row.amount.whole_units}
        headers = {"Remote-Addr": "196.201.212.69", "X-Forwarded-For": "196.201.212.69"}
        answer = self.client.post(
            f"/hooks/{row.token}/stk", data=json.dumps(told), headers=headers, environ_base={"REMOTE_ADDR": address}
        )
        for _, item_id in [job for job in self.world.jobs.waiting if job[0] == "inbox"]:
            self.callbacks.handle(item_id)
        return answer.status_code

    def newest(self) -> InboxItem:
        with self.world.db.transaction() as session:
            return session.query(InboxItem).order_by(InboxItem.id.desc()).limit(1).one()


@pytest.fixture
def guarded(db: Database, vault: Vault, clock: Clock) -> Guarded:
    return Guarded(World(db, vault, clock))


def test_a_body_from_the_rails_own_network_counts_by_itself(guarded: Guarded) -> None:
    payment_id = guarded.world.prompted(500)
    assert guarded.post(payment_id, "196.201.212.69") == 200
    assert guarded.world.wallet == Money.major(500)
    assert guarded.counted.strangers == []
    assert guarded.inbox.address(guarded.newest()) == "196.201.212.69"


def test_a_body_from_elsewhere_is_kept_and_believed_only_when_the_rail_says_so(guarded: Guarded) -> None:
    world = guarded.world
    payment_id = world.prompted(500)
    with capture_logs() as said:
        assert guarded.post(payment_id, "203.0.113.9") == 200, "never refused: the list may be wrong"
    assert world.wallet == Money(0)
    assert len(world.rail.asked) == 1, "the rail was asked, and says that nobody has paid yet"
    assert guarded.newest().token is None
    assert guarded.inbox.address(guarded.newest()) == "203.0.113.9"
    assert guarded.counted.strangers == ["mpesa"]
    assert [one["address"] for one in said if one["event"] == "callback.from_elsewhere"] == ["203.0.113.9"]
    world.rail_says(payment_id, PaymentVerdict.PAID)
    guarded.callbacks.handle(guarded.newest().id)
    assert world.wallet == Money.major(500)


def test_a_forged_body_does_not_take_the_place_of_the_real_one(guarded: Guarded) -> None:
    payment_id = guarded.world.prompted(500)
    guarded.post(payment_id, "203.0.113.9")
    guarded.post(payment_id, "196.201.214.200")
    assert guarded.world.wallet == Money.major(500)
