"""What sending costs beside the bare SQL function, at any number of accounts; and deposits beside a single float row.

    python -m benchmarks.transfers 1000 1000000 [--clients 1,4] [--seconds 2] [--rounds 5]

Every variant runs in every round, in turns, each client a process of its own; the figures are medians. The
database is made on the server at DATABASE_URL (default: the one on the loopback port) and dropped at the end.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import psycopg2

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.models.parties import Party
from gateway.services.claims import Claims
from gateway.services.fees import Fees
from gateway.services.ledger import Ledger
from gateway.services.limits import Limits, Standing
from gateway.services.transfers import Quote, Transfers
from gateway.settings import Settings
from gateway.vault import Vault
from ussd_menus.texts import load_texts

ROOT = Path(__file__).resolve().parent.parent
SERVER = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
AMOUNT, FEE = Money.major(150), Money.major(5)
LIMIT = 10**12
EVERY_TIER = dict.fromkeys(("basic", "verified", "cooling"), LIMIT)

# Numbers are spread over the index by an odd factor, as random ones would be. Wallets get a floor so low that no
# opening balance has to be posted for each.
SEED = """
CREATE TEMP TABLE people AS
    SELECT 'ML-' || upper(lpad(to_hex(n * 2654435761 % 16777216), 6, '0')) AS number
    FROM generate_series(1::bigint, {0}) n;
INSERT INTO accounts (number, phone_index, phone_sealed, phone_last4, name, stellar_public_key, stellar_secret_sealed)
    SELECT number, sha256(number::bytea), repeat('x', 120), '5678', 'Jane Mwangi', md5(number), repeat('x', 160)
    FROM people;
INSERT INTO ledger_accounts (code, currency, class, tracked)
    SELECT 'wallet:' || number, 'KES', 'liability', true FROM people
    UNION ALL SELECT 'float:onerow', 'KES', 'asset', true;
INSERT INTO ledger_balances (account_id, floor)
    SELECT id, CASE WHEN class = 'liability' THEN -{1} END FROM ledger_accounts
    WHERE code LIKE 'wallet:%' OR code = 'float:onerow';
"""

# Plans are kept by session: those made while the tables are empty would be measured for the whole round.
PAST = """
DO $$
DECLARE
    people text[] := (SELECT array_agg(number) FROM (SELECT number FROM accounts LIMIT 1000) a);
BEGIN
    FOR i IN 1 .. 5000 LOOP
        PERFORM ledger_post_and_tell(
            'past', i::text, 'hash', 'send', 'PAST' || i, 'KES', ARRAY['wallet:' || people[1 + i % 500]],
            ARRAY['wallet:' || people[501 + i % 500]], ARRAY[100::bigint], ARRAY['wallet:' || people[1 + i % 500]],
            ARRAY['day'], ARRAY['past'], ARRAY[100::bigint], ARRAY[1000000::bigint], '{}',
            ARRAY[people[1 + i % 500]], ARRAY['sent'], ARRAY['told'], now());
    END LOOP;
END $$
"""

# The first change of a page after a checkpoint writes the whole page to the log. Between two checkpoints of a busy
# day every page has had that; in two seconds none has, and the more pages there are the worse it looks.
WARM = (
    "UPDATE ledger_balances SET floor = floor",
    "SELECT count(*) FROM (SELECT FROM ledger_accounts FOR KEY SHARE) a",
    "SELECT count(*) FROM (SELECT FROM accounts FOR KEY SHARE) a",
)

BARE = """
SELECT * FROM ledger_post(%s, %s, %s, 'send', %s, 'KES', %s, %s, %s, %s, %s, %s, %s, %s)
"""
DEPOSIT = "SELECT * FROM ledger_post('deposit', %s, 'hash', 'deposit', %s, 'KES', %s, %s, %s)"


def number_of(n: int) -> str:
    return f"ML-{n * 2654435761 % 16777216:06X}"


@contextmanager
def seeded(accounts: int) -> Iterator[str]:
    """A database with that many people in it; yields its address."""
    name = f"mlango_bench_{secrets.token_hex(4)}"
    run(SERVER, f'CREATE DATABASE "{name}"')
    url = f"{SERVER.rsplit('/', 1)[0]}/{name}"
    try:
        began = time.monotonic()
        run(url, (ROOT / "schema.sql").read_text(), SEED.format(accounts, LIMIT))
        run(url, PAST, "VACUUM ANALYZE", "CHECKPOINT", *WARM)
        print(f"\n{accounts:,} accounts (seeded in {time.monotonic() - began:.0f} s)")
        yield url
    finally:
        run(SERVER, f'DROP DATABASE "{name}" WITH (FORCE)')


def run(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


Client = Callable[[], None]


def bare(url: str, accounts: int, chance: random.Random) -> Client:
    """The posting function alone: key, hash, reference, two legs and one limit, as a transfer has them."""
    cursor = autocommit(url)

    def transfer() -> None:
        a, b = (f"wallet:{number_of(n)}" for n in chance.sample(range(1, accounts + 1), 2))
        key = secrets.token_hex(8)
        cap = ([a], ["day"], ["2026-01-31"], [AMOUNT.minor], [LIMIT])
        legs = ([a, a], [b, "fees"], [AMOUNT.minor, FEE.minor])
        cursor.execute(BARE, (f"transfer:{a}", key, key, new_reference(), *legs, *cap))
        assert cursor.fetchone()[3] is None

    return transfer


def service(url: str, accounts: int, chance: random.Random) -> Client:
    """``Transfers.send``: the same, and both people are told."""
    settings = Settings(_env_file=None, limit_per_day=EVERY_TIER, limit_per_transfer=EVERY_TIER)
    db, ledger, words = Database(url, pool_size=1), Ledger(), load_texts()
    vault = Vault("a key for benchmarks", Vault.new_pepper("a key for benchmarks"))

    def clock() -> datetime:
        return datetime.now(UTC)

    claims = Claims(db, ledger, vault, words, clock, shortcode="*384*123#", days=7)
    transfers = Transfers(
        db,
        ledger,
        claims,
        Fees(settings.transfer_fees),
        Limits(settings, clock),
        vault,
        words,
        clock,
        shortcode="*384*123#",
    )

    def transfer() -> None:
        a, b = (Party(number_of(n), "Jane Mwangi", "en") for n in chance.sample(range(1, accounts + 1), 2))
        quote = Quote(AMOUNT, FEE, Phone("+254712345678"), b, b.number.encode())
        transfers.send(secrets.token_hex(8), a, Standing("basic"), quote)

    return transfer


def deposits(source: str) -> Callable[[str, int, random.Random], Client]:
    """Money in from a float: ``float:mpesa`` is append-only, ``float:onerow`` keeps its balance in a row."""

    def client(url: str, accounts: int, chance: random.Random) -> Client:
        cursor = autocommit(url)

        def deposit() -> None:
            wallet = f"wallet:{number_of(chance.randint(1, accounts))}"
            cursor.execute(DEPOSIT, (secrets.token_hex(8), new_reference(), [source], [wallet], [AMOUNT.minor]))

        return deposit

    return client


def autocommit(url: str) -> psycopg2.extensions.cursor:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection.cursor()


def rate(
    make: Callable[[str, int, random.Random], Client], url: str, accounts: int, clients: int, seconds: float
) -> float:
    """Calls a second of all clients together."""
    context = get_context("fork")
    line, counts = context.Barrier(clients), context.Queue()

    def work(seed: int) -> None:
        call = make(url, accounts, random.Random(seed))
        for _ in range(20):
            call()
        line.wait()
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            call()
            done += 1
        counts.put(done / (time.perf_counter() - began))

    processes = [context.Process(target=work, args=(secrets.randbits(32),)) for _ in range(clients)]
    for process in processes:
        process.start()
    total = sum(counts.get(timeout=60 + seconds) for _ in processes)
    for process in processes:
        process.join()
    return float(total)


def compare(
    title: str, variants: dict[str, Callable[[str, int, random.Random], Client]], url: str, accounts: int,
    clients: int, options: argparse.Namespace,
) -> dict[str, float]:  # fmt: skip
    """Medians by variant; the second one's ratio to the first is printed."""
    rounds = [{name: rate(make, url, accounts, clients, options.seconds) for name, make in variants.items()}
              for _ in range(options.rounds)]  # fmt: skip
    medians = {name: statistics.median(each[name] for each in rounds) for name in variants}
    (first, base), (second, other) = medians.items()
    print(f"  {title}, {clients} clients: {first} {base:,.0f}/s, {second} {other:,.0f}/s, ratio {other / base:.2f}")
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("accounts", nargs="*", type=int, default=[1_000, 1_000_000])
    parser.add_argument("--clients", default="1,4", help="numbers of client processes, e.g. 1,4")
    parser.add_argument("--deposit-clients", type=int, default=32, help="0: no deposits")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    costs: dict[int, list[float]] = {}
    for accounts in options.accounts:
        with seeded(accounts) as url:
            for clients in map(int, options.clients.split(",")):
                sent = compare("transfers", {"bare": bare, "service": service}, url, accounts, clients, options)
                costs.setdefault(clients, []).append(1 / sent["service"])
            if not options.deposit_clients:
                continue
            floats = {"one row": deposits("float:onerow"), "append-only": deposits("float:mpesa")}
            compare("deposits", floats, url, accounts, options.deposit_clients, options)
    print()
    few, many = options.accounts[0], options.accounts[-1]
    for clients, cost in costs.items():
        if len(cost) > 1:
            print(
                f"a transfer at {many:,} accounts costs {cost[-1] / cost[0]:.2f} of one at {few:,} ({clients} clients)"
            )


if __name__ == "__main__":
    main()
