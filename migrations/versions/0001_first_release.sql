-- Mlango's database as a text to read: every table, arrow and constraint, and the sentence why.
--
--   psql -v ON_ERROR_STOP=1 -f schema.sql          loads it into an empty database
--   flask --app wsgi init-db                       the same and the job queue's own tables, or what a database lacks
--   alembic upgrade head                           brings an older database to the same catalog
--
-- Money is bigint in minor units. Times are timestamptz. What identifies a person is sealed (*_sealed) or a
-- keyed digest (*_index); the last four digits of a phone are in clear for screens and support.


-- 1. People -------------------------------------------------------------------------------------------

-- The pepper of PINs and phone indexes, sealed under ENCRYPTION_KEY: a stolen database alone tests no PIN.
CREATE TABLE vault (
    name    text PRIMARY KEY,
    sealed  text NOT NULL
);

CREATE TABLE accounts (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number                 text NOT NULL UNIQUE CHECK (number ~ '^ML-[0-9A-HJKMNP-TV-Z]{6}$'),
    phone_index            bytea NOT NULL UNIQUE,       -- one account per phone, also when two requests race
    phone_sealed           text NOT NULL,
    phone_last4            text NOT NULL CHECK (length(phone_last4) = 4),
    name                   text NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    language               text NOT NULL DEFAULT 'en' CHECK (language ~ '^[a-z]{2}$'),
    tier                   text NOT NULL DEFAULT 'basic' CHECK (tier IN ('basic', 'verified')),
    frozen_at              timestamptz,                  -- money can come in, none goes out
    pin_hash               text,                         -- null: made for this phone by someone else, not claimed yet
    pin_changed_at         timestamptz,                  -- a changed PIN lowers limits for a day
    pin_failures           smallint NOT NULL DEFAULT 0,
    pin_locked_until       timestamptz,
    stellar_public_key     text NOT NULL UNIQUE,
    stellar_secret_sealed  text NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now()
);

-- Inviting is no way to annoy people: a number gets one invitation a day (UTC), whoever sends it.
CREATE TABLE invitations (
    phone_index  bytea NOT NULL,
    day          date NOT NULL,
    inviter_id   bigint NOT NULL REFERENCES accounts,
    PRIMARY KEY (phone_index, day)
);
CREATE INDEX invitations_by_inviter ON invitations (inviter_id, day);


-- 2. The books ----------------------------------------------------------------------------------------

-- Who can hold money: wallet:<account>, claim:<reference>, escrow:<order>, float:<rail>, clearing:<rail>,
-- suspense:<rail>, fees, bank (where the house keeps what is not on a rail). Money of a rail in another currency than
-- shillings has it behind the rail's name: float:flutterwave-NGN. Prepaid credits are counted here too, as a currency
-- of their own: credits:<account> against issued:credits (sold) and spent:credits; sales:<currency> is what they were
-- sold for. Only `frozen` ever changes.
CREATE TABLE ledger_accounts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z]+(:[A-Za-z0-9-]+)?$'),
    currency    text NOT NULL CHECK (currency ~ '^([A-Z]{3}|credits)$'),
    class       text NOT NULL CHECK (class IN ('asset', 'liability', 'income')),
    tracked     boolean NOT NULL,                        -- has a balance row; false: append-only, no row to queue on
    frozen      boolean NOT NULL DEFAULT false,          -- money can come in, none goes out
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, currency)                                -- what postings point at: no currency meets another
);

-- Running totals, apart from the account, so that foreign-key checks of postings never meet balance updates; half
-- of each page is left free, so that an update stays on its page and touches no index.
CREATE TABLE ledger_balances (
    account_id  bigint PRIMARY KEY REFERENCES ledger_accounts,
    debits      bigint NOT NULL DEFAULT 0 CHECK (debits >= 0),
    credits     bigint NOT NULL DEFAULT 0 CHECK (credits >= 0),
    floor       bigint,                                  -- null: may go anywhere
    CONSTRAINT ledger_balances_above_floor CHECK (credits - debits >= floor)
) WITH (fillfactor = 50);

-- Every decision about money, posted or refused, under the key of the request that asked for it. Append-only.
-- The sequence behind id must keep its cache of 1: checkpoints rely on ids being handed out in order.
CREATE TABLE ledger_transfers (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope          text NOT NULL,                        -- who asks: transfer:<account>, deposit:<rail>, ...
    key            text NOT NULL,                        -- which of their requests: one effect each, for ever
    request_hash   text NOT NULL,                        -- the same key with another request is an error
    kind           text NOT NULL,
    reference      text NOT NULL,                        -- what people read, quote and dial with
    reverses       bigint REFERENCES ledger_transfers,
    refusal        text,                                 -- null: posted; else why no money moved
    refusal_limit  bigint,                               -- the limit that refused, in minor units
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (scope, key)
);
CREATE UNIQUE INDEX ledger_transfers_reference ON ledger_transfers (reference) WHERE refusal IS NULL;
CREATE UNIQUE INDEX ledger_transfers_reversed_once ON ledger_transfers (reverses)
    WHERE reverses IS NOT NULL AND refusal IS NULL;

-- One row is one debit and one credit of one amount, so it cannot be unbalanced. Append-only.
CREATE TABLE ledger_postings (
    transfer_id     bigint NOT NULL REFERENCES ledger_transfers,
    seq             smallint NOT NULL,
    debit_account   bigint NOT NULL,
    credit_account  bigint NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    currency        text NOT NULL,
    PRIMARY KEY (transfer_id, seq),
    CHECK (debit_account <> credit_account),
    FOREIGN KEY (debit_account, currency) REFERENCES ledger_accounts (id, currency),
    FOREIGN KEY (credit_account, currency) REFERENCES ledger_accounts (id, currency)
);
CREATE INDEX ledger_postings_by_debit ON ledger_postings (debit_account, transfer_id);
CREATE INDEX ledger_postings_by_credit ON ledger_postings (credit_account, transfer_id);

-- Totals of an append-only account over all transfers up to and including up_to. Append-only.
CREATE TABLE ledger_checkpoints (
    account_id  bigint NOT NULL REFERENCES ledger_accounts,
    up_to       bigint NOT NULL,
    debits      bigint NOT NULL,
    credits     bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, up_to)
);

-- How much of a limit is used. Written in the posting's own transaction, so two sends at once cannot both pass.
CREATE TABLE limit_counters (
    account_id  bigint NOT NULL REFERENCES ledger_accounts,
    counter     text NOT NULL,                           -- day: the refusal is then day_limit_reached
    period      text NOT NULL,                           -- 2026-01-31: the day in Nairobi
    used        bigint NOT NULL CHECK (used >= 0),
    most        bigint NOT NULL,                         -- as it was when last used: tiers change
    PRIMARY KEY (account_id, counter, period),
    CONSTRAINT limit_counters_under_limit CHECK (used <= most)
) WITH (fillfactor = 50);

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct it with a new transfer', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger_balances
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OF id, code, currency, class, tracked, created_at OR DELETE OR TRUNCATE
    ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Open an account, or find it open: class, floor and balance row follow from what its code begins with.
CREATE FUNCTION ledger_open(p_code text, p_currency text DEFAULT 'KES') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_kind   text := split_part(p_code, ':', 1);
    v_class  text := CASE WHEN v_kind IN ('float', 'bank', 'issued') THEN 'asset'
                          WHEN v_kind IN ('fees', 'sales', 'spent') THEN 'income' ELSE 'liability' END;
    v_id     bigint;
    v_found  text;
BEGIN
    IF v_kind NOT IN ('wallet', 'claim', 'escrow', 'credits', 'float', 'clearing', 'suspense', 'fees', 'bank', 'issued',
                      'sales', 'spent') THEN
        RAISE EXCEPTION 'no kind of account is called %', v_kind USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO ledger_accounts (code, currency, class, tracked)
    VALUES (p_code, p_currency, v_class, v_class = 'liability')
    ON CONFLICT (code) DO NOTHING RETURNING id INTO v_id;
    IF v_id IS NULL THEN
        SELECT id, currency INTO v_id, v_found FROM ledger_accounts WHERE code = p_code;
        IF v_found <> p_currency THEN
            RAISE EXCEPTION '% is open in %', p_code, v_found USING ERRCODE = 'invalid_parameter_value';
        END IF;
    ELSIF v_class = 'liability' THEN
        INSERT INTO ledger_balances (account_id, floor)
        VALUES (v_id, CASE WHEN v_kind IN ('wallet', 'claim', 'escrow', 'credits') THEN 0 END);
    END IF;
    RETURN v_id;
END $$;

CREATE TYPE ledger_answer AS (
    transfer_id    bigint,
    reference      text,
    replayed       boolean,
    refusal        text,
    refusal_limit  bigint,
    balance        bigint                                -- of the first leg's debit account, credits minus debits
);

-- What was decided under a key, without any money lock. Not remembered, because nothing was decided: key_reused
-- (another request came under this key) and reference_taken (ask again under another reference).
CREATE FUNCTION ledger_replay(p_scope text, p_key text, p_hash text, p_debit text)
RETURNS ledger_answer LANGUAGE plpgsql AS $$
DECLARE
    answer  ledger_answer;
    v_hash  text;
BEGIN
    SELECT t.id, t.reference, t.refusal, t.refusal_limit, t.request_hash
    INTO answer.transfer_id, answer.reference, answer.refusal, answer.refusal_limit, v_hash
    FROM ledger_transfers t WHERE t.scope = p_scope AND t.key = p_key;
    answer.replayed := FOUND;
    IF NOT FOUND THEN
        answer.refusal := 'reference_taken';
    ELSIF v_hash <> p_hash THEN
        answer := (NULL, NULL, true, 'key_reused', NULL, NULL)::ledger_answer;
    ELSE
        SELECT b.credits - b.debits INTO answer.balance
        FROM ledger_accounts a JOIN ledger_balances b ON b.account_id = a.id WHERE a.code = p_debit;
    END IF;
    RETURN answer;
END $$;

-- Post one entry, once. The one place where money moves: one round trip, READ COMMITTED, the caller commits.
-- A refusal is remembered under the key, so a repetition hears the same even if money has come in meanwhile.
-- Lock order here and everywhere: the key, balances by account id, limit counters, anything else.
CREATE FUNCTION ledger_post(
    p_scope text, p_key text, p_hash text, p_kind text, p_reference text, p_currency text,
    p_debits text[], p_credits text[], p_amounts bigint[],                       -- the legs
    p_cap_accounts text[] DEFAULT '{}', p_cap_counters text[] DEFAULT '{}',      -- limits this entry counts against
    p_cap_periods text[] DEFAULT '{}', p_cap_amounts bigint[] DEFAULT '{}', p_cap_mosts bigint[] DEFAULT '{}',
    p_opens text[] DEFAULT '{}',                                                 -- accounts this entry brings to life
    p_reverses bigint DEFAULT NULL,
    p_refusal text DEFAULT NULL, p_refusal_limit bigint DEFAULT NULL             -- the caller refuses: remember it
) RETURNS ledger_answer LANGUAGE plpgsql AS $$
DECLARE
    answer     ledger_answer;
    v_legs     int := cardinality(p_amounts);
    v_ids      bigint[];      -- the accounts of the entry, each once, and beside each:
    v_codes    text[];
    v_tracked  boolean[];
    v_out      bigint[];
    v_in       bigint[];
    v_debits   bigint[];      -- per leg
    v_credits  bigint[];
    v_account  ledger_accounts;
    v_mixed    boolean := false;
    v_frozen   boolean := false;
    v_code     text;
    v_id       bigint;
    v_at       int;
    v_from     int;
    v_to       int;
    v_cap      int;
    v_left     bigint;
    v_broken   text;
BEGIN
    LOOP
        v_ids := '{}'; v_codes := '{}'; v_tracked := '{}'; v_out := '{}'; v_in := '{}';
        BEGIN
            -- 1. Claim the key. A concurrent duplicate waits here until the first is decided.
            INSERT INTO ledger_transfers (scope, key, request_hash, kind, reference, reverses)
            VALUES (p_scope, p_key, p_hash, p_kind, p_reference, p_reverses)
            ON CONFLICT DO NOTHING RETURNING id INTO answer.transfer_id;
            IF answer.transfer_id IS NULL THEN
                answer := ledger_replay(p_scope, p_key, p_hash, p_debits[1]);
                IF answer.refusal = 'reference_taken' AND EXISTS (
                    SELECT FROM ledger_transfers t WHERE t.reverses = p_reverses AND t.refusal IS NULL) THEN
                    RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'already_reversed';
                END IF;
                RETURN answer;
            END IF;

            -- 2. Refuse by name, before anything changes.
            IF p_refusal IS NOT NULL THEN
                answer.refusal_limit := p_refusal_limit;
                RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = p_refusal;
            END IF;
            IF v_legs IS NULL OR v_legs = 0 OR cardinality(p_debits) IS DISTINCT FROM v_legs
                OR cardinality(p_credits) IS DISTINCT FROM v_legs OR array_position(p_amounts, NULL) IS NOT NULL
                OR 0 >= ANY (p_amounts) THEN
                RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'malformed_entry';
            END IF;
            FOR i IN 1 .. cardinality(p_opens) LOOP
                PERFORM ledger_open(p_opens[i], p_currency);
            END LOOP;
            -- One look-up by key per account: all in one statement would be planned anew on every call.
            FOR i IN 1 .. v_legs LOOP
                FOREACH v_code IN ARRAY ARRAY[p_debits[i], p_credits[i]] LOOP
                    CONTINUE WHEN v_code = ANY (v_codes);
                    SELECT * INTO v_account FROM ledger_accounts a WHERE a.code = v_code;
                    IF NOT FOUND THEN
                        RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'account_not_found';
                    END IF;
                    v_ids := v_ids || v_account.id;
                    v_codes := v_codes || v_code;
                    v_tracked := v_tracked || v_account.tracked;
                    v_out := v_out || 0::bigint;
                    v_in := v_in || 0::bigint;
                    v_mixed := v_mixed OR v_account.currency <> p_currency;
                    v_frozen := v_frozen OR (v_account.frozen AND v_code = ANY (p_debits));
                END LOOP;
                v_from := array_position(v_codes, p_debits[i]);
                v_to := array_position(v_codes, p_credits[i]);
                IF v_from = v_to THEN
                    RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'malformed_entry';
                END IF;
                v_debits[i] := v_ids[v_from];
                v_credits[i] := v_ids[v_to];
                v_out[v_from] := v_out[v_from] + p_amounts[i];
                v_in[v_to] := v_in[v_to] + p_amounts[i];
            END LOOP;
            IF v_mixed THEN
                RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'mixed_currencies';
            ELSIF v_frozen THEN
                RAISE EXCEPTION USING ERRCODE = 'ML001', MESSAGE = 'account_frozen';
            END IF;

            -- 3. Balances in account order, by adding: the update is the lock, the floor is the table's own check.
            FOREACH v_id IN ARRAY (SELECT array_agg(id ORDER BY id) FROM unnest(v_ids) AS id) LOOP
                v_at := array_position(v_ids, v_id);
                CONTINUE WHEN NOT v_tracked[v_at];
                UPDATE ledger_balances b SET debits = b.debits + v_out[v_at], credits = b.credits + v_in[v_at]
                WHERE b.account_id = v_id RETURNING b.credits - b.debits INTO STRICT v_left;
                IF v_id = v_debits[1] THEN
                    answer.balance := v_left;
                END IF;
            END LOOP;

            -- 4. Limits: their accounts' balances are locked, so counters cannot deadlock.
            FOR i IN 1 .. cardinality(p_cap_counters) LOOP
                v_cap := i;
                INSERT INTO limit_counters AS l (account_id, counter, period, used, most)
                VALUES (v_ids[array_position(v_codes, p_cap_accounts[i])], p_cap_counters[i], p_cap_periods[i],
                        p_cap_amounts[i], p_cap_mosts[i])
                ON CONFLICT (account_id, counter, period)
                DO UPDATE SET used = l.used + excluded.used, most = excluded.most;
            END LOOP;

            -- 5. After this point the entry must succeed, or the whole transaction fails.
            INSERT INTO ledger_postings (transfer_id, seq, debit_account, credit_account, amount, currency)
            SELECT answer.transfer_id, leg.seq, leg.debit, leg.credit, leg.amount, p_currency
            FROM unnest(v_debits, v_credits, p_amounts) WITH ORDINALITY AS leg (debit, credit, amount, seq);
            answer.reference := p_reference;
            answer.replayed := false;
            RETURN answer;
        EXCEPTION
            WHEN SQLSTATE 'ML001' THEN
                answer.refusal := SQLERRM;
            WHEN check_violation THEN
                GET STACKED DIAGNOSTICS v_broken = CONSTRAINT_NAME;
                IF v_broken = 'ledger_balances_above_floor' THEN
                    answer.refusal := 'not_enough_money';
                ELSIF v_broken = 'limit_counters_under_limit' THEN
                    answer.refusal := p_cap_counters[v_cap] || '_limit_reached';
                    answer.refusal_limit := p_cap_mosts[v_cap];
                ELSE
                    RAISE;
                END IF;
        END;

        -- Everything above is undone, the claim of the key too; what stays is the refusal.
        INSERT INTO ledger_transfers (scope, key, request_hash, kind, reference, reverses, refusal, refusal_limit)
        VALUES (p_scope, p_key, p_hash, p_kind, p_reference, p_reverses, answer.refusal, answer.refusal_limit)
        ON CONFLICT DO NOTHING RETURNING id INTO answer.transfer_id;
        IF FOUND THEN
            RETURN (answer.transfer_id, p_reference, false, answer.refusal, answer.refusal_limit, NULL)::ledger_answer;
        END IF;
        -- A duplicate took the key between the two: hear what became of it.
        answer := NULL;
    END LOOP;
END $$;

-- The same, and when it posted now (not on a replay, not on a refusal) the SMS that tell the people: one round trip,
-- one commit for the money and the words about it.
CREATE FUNCTION ledger_post_and_tell(
    p_scope text, p_key text, p_hash text, p_kind text, p_reference text, p_currency text,
    p_debits text[], p_credits text[], p_amounts bigint[],
    p_cap_accounts text[], p_cap_counters text[], p_cap_periods text[], p_cap_amounts bigint[], p_cap_mosts bigint[],
    p_opens text[], p_tell_numbers text[], p_tell_kinds text[], p_tell_bodies text[], p_tell_at timestamptz
) RETURNS ledger_answer LANGUAGE plpgsql AS $$
DECLARE
    answer ledger_answer;
BEGIN
    answer := ledger_post(p_scope, p_key, p_hash, p_kind, p_reference, p_currency, p_debits, p_credits, p_amounts,
                          p_cap_accounts, p_cap_counters, p_cap_periods, p_cap_amounts, p_cap_mosts, p_opens);
    IF NOT answer.replayed AND answer.refusal IS NULL THEN
        FOR i IN 1 .. cardinality(p_tell_numbers) LOOP  -- one by one: a join would be planned anew on every call
            INSERT INTO messages (account_id, phone_sealed, phone_last4, kind, reference, body, created_at, next_attempt_at)
            SELECT a.id, a.phone_sealed, a.phone_last4, p_tell_kinds[i], answer.reference, p_tell_bodies[i],
                   p_tell_at, p_tell_at
            FROM accounts a WHERE a.number = p_tell_numbers[i];
        END LOOP;
    END IF;
    RETURN answer;
END $$;

-- Totals of any account: its balance row, or for an append-only one the last checkpoint and the postings after it.
CREATE FUNCTION ledger_totals(p_account bigint, OUT debits bigint, OUT credits bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_up_to bigint;
BEGIN
    SELECT b.debits, b.credits INTO debits, credits FROM ledger_balances b WHERE b.account_id = p_account;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT c.up_to, c.debits, c.credits INTO v_up_to, debits, credits
    FROM ledger_checkpoints c WHERE c.account_id = p_account ORDER BY c.up_to DESC LIMIT 1;
    v_up_to := coalesce(v_up_to, 0);
    debits := coalesce(debits, 0) + (SELECT coalesce(sum(p.amount), 0) FROM ledger_postings p
                                     WHERE p.debit_account = p_account AND p.transfer_id > v_up_to);
    credits := coalesce(credits, 0) + (SELECT coalesce(sum(p.amount), 0) FROM ledger_postings p
                                       WHERE p.credit_account = p_account AND p.transfer_id > v_up_to);
END $$;

-- Checkpoint every append-only account; call it outside a transaction.
-- "Up to the highest id" alone would be wrong: a transfer with a lower id may still be in flight and its postings
-- would never be counted. Whoever holds an id has inserted into ledger_transfers and keeps its ROW EXCLUSIVE lock
-- until the end, and SHARE waits for exactly those; ids handed out later are higher. So under the lock everything up
-- to the highest id is decided for ever. The lock is given back before the sums are made: it lasts one index look-up.
-- It gives up after a quarter of a second rather than keep payers waiting behind it.
CREATE PROCEDURE ledger_checkpoint() LANGUAGE plpgsql AS $$
DECLARE
    v_up_to bigint;
BEGIN
    SET LOCAL lock_timeout = '250ms';
    LOCK TABLE ledger_transfers IN SHARE MODE;
    SELECT max(id) INTO v_up_to FROM ledger_transfers;
    COMMIT;
    INSERT INTO ledger_checkpoints (account_id, up_to, debits, credits)
    SELECT a.id, v_up_to, coalesce(c.debits, 0) + d.amount, coalesce(c.credits, 0) + k.amount
    FROM ledger_accounts a
    LEFT JOIN LATERAL (SELECT * FROM ledger_checkpoints c WHERE c.account_id = a.id AND c.up_to <= v_up_to
                       ORDER BY c.up_to DESC LIMIT 1) c ON true
    CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0)::bigint AS amount FROM ledger_postings p
                        WHERE p.debit_account = a.id AND p.transfer_id > coalesce(c.up_to, 0)
                        AND p.transfer_id <= v_up_to) d
    CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0)::bigint AS amount FROM ledger_postings p
                        WHERE p.credit_account = a.id AND p.transfer_id > coalesce(c.up_to, 0)
                        AND p.transfer_id <= v_up_to) k
    WHERE NOT a.tracked AND v_up_to IS NOT NULL
    ON CONFLICT DO NOTHING;
END $$;

-- Only zeros while the books are right. Anything else: stop paying out, keep taking in, call somebody.
CREATE VIEW ledger_check AS
WITH moved AS (
    SELECT account_id, sum(debit)::bigint AS debits, sum(credit)::bigint AS credits
    FROM (SELECT debit_account AS account_id, amount AS debit, 0 AS credit FROM ledger_postings
          UNION ALL SELECT credit_account, 0, amount FROM ledger_postings) p
    GROUP BY account_id
), kept AS (
    SELECT a.id, a.currency, a.tracked, coalesce(m.debits, 0) AS moved_debits, coalesce(m.credits, 0) AS moved_credits,
           CASE WHEN a.tracked THEN b.debits ELSE coalesce(m.debits, 0) END AS debits,
           CASE WHEN a.tracked THEN b.credits ELSE coalesce(m.credits, 0) END AS credits,
           b.account_id IS NOT NULL AS has_row, b.floor
    FROM ledger_accounts a LEFT JOIN ledger_balances b ON b.account_id = a.id LEFT JOIN moved m ON m.account_id = a.id
)
SELECT
    (SELECT coalesce(sum(abs(difference)), 0)::bigint FROM (
        SELECT sum(debits) - sum(credits) AS difference FROM kept GROUP BY currency) c) AS debits_unlike_credits,
    (SELECT count(*) FROM kept WHERE tracked IS DISTINCT FROM has_row OR (debits, credits)
        IS DISTINCT FROM (moved_debits, moved_credits)) AS balances_unlike_postings,
    (SELECT count(*) FROM kept WHERE credits - debits < floor) AS accounts_under_floor,
    (SELECT count(*) FROM ledger_postings p JOIN ledger_accounts d ON d.id = p.debit_account
        JOIN ledger_accounts c ON c.id = p.credit_account
        WHERE d.currency <> p.currency OR c.currency <> p.currency) AS postings_across_currencies,
    (SELECT count(*) FROM ledger_checkpoints c
        WHERE c.debits <> (SELECT coalesce(sum(p.amount), 0) FROM ledger_postings p
                           WHERE p.debit_account = c.account_id AND p.transfer_id <= c.up_to)
        OR c.credits <> (SELECT coalesce(sum(p.amount), 0) FROM ledger_postings p
                         WHERE p.credit_account = c.account_id AND p.transfer_id <= c.up_to))
        AS checkpoints_unlike_postings,
    (SELECT count(*) FROM ledger_transfers t WHERE (t.refusal IS NULL) IS DISTINCT FROM EXISTS (
        SELECT FROM ledger_postings p WHERE p.transfer_id = t.id)) AS transfers_unlike_postings;

-- The house's own accounts.
SELECT ledger_open(code) FROM unnest(ARRAY['fees', 'bank']) AS code;
SELECT ledger_open(kind || ':' || rail)
FROM unnest(ARRAY['float', 'clearing', 'suspense']) AS kind,
     unnest(ARRAY['mpesa', 'payhero', 'flutterwave', 'stripe']) AS rail;
SELECT ledger_open(kind || ':flutterwave-NGN', 'NGN') FROM unnest(ARRAY['float', 'clearing', 'suspense']) AS kind;
SELECT ledger_open('sales:NGN', 'NGN');
SELECT ledger_open(kind || ':credits', 'credits') FROM unnest(ARRAY['issued', 'spent']) AS kind;


-- 3. Money to people who are not here yet ---------------------------------------------------------------

-- A transfer to a number without an account waits in its own ledger account claim:<reference> (floor 0, so
-- it can be claimed or returned, never both) until the number registers or expires_at passes.
CREATE TABLE claims (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference            text NOT NULL UNIQUE,
    sender_id            bigint NOT NULL REFERENCES accounts,
    recipient_index      bytea NOT NULL,
    recipient_sealed     text NOT NULL,
    recipient_last4      text NOT NULL,
    amount_minor         bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor            bigint NOT NULL CHECK (fee_minor >= 0),   -- earned when claimed, returned otherwise
    currency             text NOT NULL,
    state                text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'returned')),
    claimed_by           bigint REFERENCES accounts,
    expires_at           timestamptz NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'claimed') = (claimed_by IS NOT NULL))
);
CREATE INDEX claims_waiting_by_recipient ON claims (recipient_index) WHERE state = 'waiting';
CREATE INDEX claims_waiting_by_expiry ON claims (expires_at) WHERE state = 'waiting';


-- 4. Money in -----------------------------------------------------------------------------------------

-- One row per request to a payer, by prompt on the phone or by a link to a page, committed before the rail is called.
CREATE TABLE payments (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference         text NOT NULL UNIQUE,              -- what people see and quote
    account_id        bigint NOT NULL REFERENCES accounts,
    idempotency_key   text NOT NULL UNIQUE,              -- one row per confirmation on a screen
    purpose           text NOT NULL DEFAULT 'deposit' CHECK (purpose IN ('deposit', 'credits')),
    package           text CHECK ((package IS NOT NULL) = (purpose = 'credits')),  -- which package of credits
    way               text NOT NULL DEFAULT 'prompt' CHECK (way IN ('prompt', 'link')),
    link              text,                              -- the page on which it is paid, once the rail has made it
    rail              text NOT NULL,
    amount_minor      bigint NOT NULL CHECK (amount_minor > 0),
    currency          text NOT NULL,
    payer_index       bytea NOT NULL,
    payer_sealed      text NOT NULL,
    state             text NOT NULL DEFAULT 'requested'
                      CHECK (state IN ('requested', 'prompted', 'unknown', 'confirmed', 'failed', 'expired', 'refunded')),
    token             text NOT NULL UNIQUE,              -- in the callback's address: matches whatever comes first
    provider_id       text,                              -- Daraja: CheckoutRequestID (holds the phone: mask it in logs)
    request_id        text,                              -- Daraja: MerchantRequestID
    receipt           text,
    result_code       text,                              -- text: M-Pesa also sends codes such as SFC_IC0003
    reason            text,
    received_minor    bigint CHECK (received_minor > 0), -- what really came; null until money came
    waiting_minor     bigint NOT NULL DEFAULT 0          -- of that, what waits in suspense for the payer's choice
                      CHECK (waiting_minor >= 0 AND (waiting_minor = 0 OR state IN ('failed', 'expired'))),
    needs_review      boolean NOT NULL DEFAULT false,
    pushes            integer NOT NULL DEFAULT 0,        -- how often the rail was called to prompt
    checks            integer NOT NULL DEFAULT 0,        -- how often the rail was asked
    due_at            timestamptz,                       -- when the next push or question is due; a sweeper repeats lost ones
    created_at        timestamptz NOT NULL DEFAULT now(),
    prompted_at       timestamptz,
    resolved_at       timestamptz
);
CREATE UNIQUE INDEX payments_provider_id ON payments (rail, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX payments_by_account ON payments (account_id, id DESC);
-- A second prompt while one is open could charge twice: the database refuses it too.
CREATE UNIQUE INDEX payments_one_open ON payments (account_id)
    WHERE way = 'prompt' AND state IN ('requested', 'prompted', 'unknown');
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
-- What alarms and reconciliation look at every minute and hour, so that neither reads the history.
CREATE INDEX payments_by_time ON payments (created_at);
CREATE INDEX payments_open ON payments (created_at) WHERE state IN ('requested', 'prompted', 'unknown');
CREATE INDEX payments_waiting ON payments (created_at) WHERE waiting_minor > 0;
CREATE INDEX payments_for_review ON payments (id) WHERE needs_review;

-- Every change of a payment's state, and why. Append-only.
CREATE TABLE payment_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments,
    from_state  text,
    to_state    text NOT NULL,
    because     text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payment_events_by_payment ON payment_events (payment_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A receipt is unique across the channels of a rail: an STK callback and a C2B confirmation of the same money
-- credit once.
CREATE TABLE receipts (
    rail        text NOT NULL,
    receipt     text NOT NULL,
    payment_id  bigint REFERENCES payments,              -- null: money that came without being asked for, or went out
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rail, receipt)
);
CREATE INDEX receipts_by_time ON receipts (created_at);

-- Money that came without being asked for (paybill): credited to whom the payer named, kept in suspense when that is
-- nobody, asked about at the rail before either when its message proves nothing.
CREATE TABLE arrivals (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rail          text NOT NULL,
    receipt       text NOT NULL,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL,
    typed_sealed  text NOT NULL,                         -- what the payer typed as the account: often a phone number
    payer_sealed  text,                                  -- the number in clear, or whatever the rail told instead
    tokened       boolean NOT NULL DEFAULT false,        -- it came to the address that only the rail was told
    token         text NOT NULL UNIQUE,                  -- in the address of the rail's answer to our question
    state         text NOT NULL DEFAULT 'asking'
                  CHECK (state IN ('asking', 'credited', 'suspended', 'disbelieved', 'returned')),
    account_id    bigint REFERENCES accounts,            -- who was credited
    payment_id    bigint REFERENCES payments,            -- or which payment it settled
    because       text,
    checks        integer NOT NULL DEFAULT 0,
    due_at        timestamptz,                           -- when the rail is asked (again)
    occurred_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at   timestamptz,
    UNIQUE (rail, receipt)
);
CREATE INDEX arrivals_due ON arrivals (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX arrivals_suspended ON arrivals (created_at) WHERE state = 'suspended';
CREATE INDEX arrivals_by_time ON arrivals (created_at);


-- Every body a provider sent, once, before it is acted on. The body is sealed: it holds phone numbers.
CREATE TABLE inbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,                          -- which rail's channel: mpesa.stk
    token        text,                                   -- from the address; null: an untokened one, only a hint
    digest       bytea NOT NULL,                         -- keyed digest of source, token and body: the same body twice is one row
    body_sealed  text NOT NULL,                          -- JSON: the body and the headers that are no credentials
    match_index  bytea,                                  -- keyed digest of the provider's id, once read
    state        text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'handled', 'unmatched', 'unreadable')),
    note         text,
    attempts     integer NOT NULL DEFAULT 0,
    received_at  timestamptz NOT NULL DEFAULT now(),
    due_at       timestamptz NOT NULL DEFAULT now(),     -- when it is looked at again while it is not settled
    handled_at   timestamptz,
    UNIQUE (digest)
);
CREATE INDEX inbox_due ON inbox (due_at) WHERE state IN ('received', 'unmatched');
CREATE INDEX inbox_unmatched ON inbox (match_index) WHERE state = 'unmatched';


-- 5. Money out ------------------------------------------------------------------------------------------

-- One row per payout: money that left its account for clearing:<rail> and is on its way to a phone, or back to its payer.
CREATE TABLE payouts (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference        text NOT NULL UNIQUE,               -- what people see and quote; the hold's reference too
    account_id       bigint REFERENCES accounts,         -- whom it is about; null: somebody without an account
    idempotency_key  text NOT NULL UNIQUE,
    purpose          text NOT NULL CHECK (purpose IN ('withdraw', 'refund')),
    way              text NOT NULL CHECK (way IN ('send', 'reverse')),   -- to a phone, or by undoing what came
    rail             text NOT NULL,
    held_from        text NOT NULL,                      -- ledger account; what is not paid goes back there
    amount_minor     bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor        bigint NOT NULL DEFAULT 0 CHECK (fee_minor >= 0),   -- earned when paid, returned otherwise
    currency         text NOT NULL,
    payee_sealed     text,                               -- the phone it goes to
    payment_id       bigint REFERENCES payments,         -- refund: of which payment
    arrival_id       bigint REFERENCES arrivals,         -- refund: of which arrival
    undone_receipt   text,                               -- refund: the receipt that came
    ends_payment     boolean NOT NULL DEFAULT false,     -- refund: of the whole payment, which is refunded when this is paid
    state            text NOT NULL DEFAULT 'held'
                     CHECK (state IN ('held', 'submitted', 'unknown', 'paid', 'returned')),
    receipt          text,
    result_code      text,
    reason           text,
    needs_review     boolean NOT NULL DEFAULT false,
    attempts         integer NOT NULL DEFAULT 0,
    checks           integer NOT NULL DEFAULT 0,         -- how often the rail was asked about the current attempt
    due_at           timestamptz,                        -- when the next call or question is due; a sweeper repeats lost ones
    created_at       timestamptz NOT NULL DEFAULT now(),
    submitted_at     timestamptz,
    resolved_at      timestamptz,
    CHECK ((way = 'send') = (payee_sealed IS NOT NULL)),
    CHECK (way = 'send' OR undone_receipt IS NOT NULL)
);
CREATE INDEX payouts_by_account ON payouts (account_id, id DESC);
CREATE INDEX payouts_due ON payouts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payouts_by_time ON payouts (created_at);
CREATE INDEX payouts_open ON payouts (created_at) WHERE state IN ('held', 'submitted', 'unknown');
CREATE INDEX payouts_for_review ON payouts (id) WHERE needs_review;
CREATE INDEX payouts_by_receipt ON payouts (rail, receipt) WHERE receipt IS NOT NULL;
-- What came is given back at most once.
CREATE UNIQUE INDEX payouts_undone_once ON payouts (rail, undone_receipt)
    WHERE undone_receipt IS NOT NULL AND state <> 'returned';

-- A payout has attempts, one after the other. The next one, under a new id, only after the last one failed for sure; a
-- late result of any of them is found by its ids.
CREATE TABLE payout_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id    bigint NOT NULL REFERENCES payouts,
    number       smallint NOT NULL,
    own_id       text NOT NULL UNIQUE,                   -- committed before the call; Daraja: OriginatorConversationID
    token        text NOT NULL UNIQUE,                   -- in the addresses of its results
    question_token text UNIQUE,                          -- in the addresses of answers to our questions; null: never asked
    provider_id  text,                                   -- Daraja: ConversationID
    calls        integer NOT NULL DEFAULT 0,             -- under this id; another one only when nothing was started
    state        text NOT NULL DEFAULT 'calling' CHECK (state IN ('calling', 'taken', 'failed', 'paid')),
    receipt      text,
    code         text,
    called_at    timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    UNIQUE (payout_id, number)
);
CREATE UNIQUE INDEX payout_attempts_one_open ON payout_attempts (payout_id) WHERE state IN ('calling', 'taken');
CREATE INDEX payout_attempts_provider_id ON payout_attempts (provider_id) WHERE provider_id IS NOT NULL;

-- A receipt of money that went out is taken once too.
ALTER TABLE receipts ADD COLUMN payout_id bigint REFERENCES payouts;

-- Every change of a payout's state, and why. Append-only.
CREATE TABLE payout_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id   bigint NOT NULL REFERENCES payouts,
    from_state  text,
    to_state    text NOT NULL,
    because     text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payout_events_by_payout ON payout_events (payout_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();


-- 6. The rails, seen from here ----------------------------------------------------------------------------

-- Whether a rail answers: callers are told before they type an amount, and payouts wait.
CREATE TABLE rails (
    name        text PRIMARY KEY,
    silences    integer NOT NULL DEFAULT 0,              -- calls in a row that nobody answered
    down_since  timestamptz,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- What an operator or the clock asked a rail: what became of a receipt, what our accounts there hold. The answer comes
-- to an address with the question's own token; what is kept of it names no person.
CREATE TABLE rail_questions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rail         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('balance', 'receipt')),
    subject      text CHECK ((subject IS NOT NULL) = (kind = 'receipt')),  -- the receipt
    token        text NOT NULL UNIQUE,
    outcome      text CHECK (outcome IN ('accepted', 'rejected', 'unknown')),  -- null: it is being asked
    answer       jsonb,
    asked_at     timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz
);
CREATE INDEX rail_questions_balances ON rail_questions (rail, answered_at)
    WHERE kind = 'balance' AND answered_at IS NOT NULL;

-- What an operator, or an alarm, has stopped. A row that is here is a stop.
CREATE TABLE stops (
    name        text PRIMARY KEY CHECK (name IN ('payouts')),
    because     text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- What a rail's own statement says and our rows do not, or the other way round. One row per difference, however often
-- it is seen; it settles by itself when it is gone, and by a person who says why.
CREATE TABLE differences (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rail           text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('missing_here', 'missing_there', 'amount_differs', 'unknown_payment',
                                                 'unknown_payout', 'paid_twice', 'float_differs')),
    subject        text NOT NULL,                        -- receipt, our own reference, or ledger account: never a phone
    ours_minor     bigint,                               -- negative: went out; null: we have nothing
    theirs_minor   bigint,                               -- likewise, of the rail
    currency       text NOT NULL,
    action         text NOT NULL,                        -- what to do about it: one word, its sentence is with the command
    payment_id     bigint REFERENCES payments,           -- what it is about, when that is known
    payout_id      bigint REFERENCES payouts,
    named          text,                                 -- a payment's reference, or the id of a payout that the line has
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled')),
    because        text,                                 -- what a person said who closed it; null: it settled by itself
    occurred_at    timestamptz NOT NULL,                 -- when the money moved, or should have
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    settled_at     timestamptz,
    UNIQUE (rail, kind, subject),
    CHECK ((state = 'settled') = (settled_at IS NOT NULL))
);
CREATE INDEX differences_open ON differences (rail, id) WHERE state = 'open';

-- What is wrong at this moment. A row that is here is an alarm; each is logged once when it comes and once when it goes.
CREATE TABLE alarms (
    name     text NOT NULL,
    subject  text NOT NULL,                              -- which rail, or which kind of thing; empty: the whole house
    detail   text NOT NULL,
    since    timestamptz NOT NULL,
    PRIMARY KEY (name, subject)
);


-- 7. Words to people ------------------------------------------------------------------------------------

-- SMS out: a row written in the transaction of the decision it tells, drained in batches by the worker.
CREATE TABLE messages (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id       bigint REFERENCES accounts,
    phone_sealed     text NOT NULL,
    phone_last4      text NOT NULL,
    kind             text NOT NULL,                      -- which text: otp, welcome, sent, received, ...
    reference        text,                               -- of the money it tells about
    body             text,                               -- in clear when it carries no code
    body_sealed      text,                               -- while it carries a code; wiped when delivered or given up
    state            text NOT NULL DEFAULT 'queued'
                     CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown')),
    attempts         integer NOT NULL DEFAULT 0,         -- also the fence: an answer counts for the attempt it belongs to
    silences         smallint NOT NULL DEFAULT 0,        -- attempts whose answer we never heard
    next_attempt_at  timestamptz NOT NULL DEFAULT now(),
    expires_at       timestamptz,                        -- a code that is too old is not sent any more
    provider_id      text UNIQUE,
    failure          text,
    cost_micros      bigint,                             -- millionths of cost_currency, as the provider said
    cost_currency    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    sent_at          timestamptz,
    delivered_at     timestamptz
);
CREATE INDEX messages_due ON messages (next_attempt_at) WHERE state IN ('queued', 'sending');
CREATE INDEX messages_by_reference ON messages (reference) WHERE reference IS NOT NULL;
CREATE INDEX messages_to_wipe ON messages (expires_at) WHERE body_sealed IS NOT NULL;


-- 8. What callers did -------------------------------------------------------------------------------------

-- One row per ended session, from the provider's end-of-session notification. Never what was typed.
CREATE TABLE ussd_sessions (
    session_id    text PRIMARY KEY,
    service_code  text NOT NULL,
    network_code  text NOT NULL,
    account_id    bigint REFERENCES accounts,
    status        text NOT NULL,                         -- Success, Incomplete, Failed
    screens       text[] NOT NULL DEFAULT '{}',          -- the names of the screens, from the hop metadata
    last_screen   text,
    language      text,
    hops          integer NOT NULL,
    duration_ms   integer NOT NULL,
    cost_micros   bigint NOT NULL,
    error         text,
    reminded_at   timestamptz,                           -- when we sent the SMS that says how to finish
    ended_at      timestamptz NOT NULL
);
CREATE INDEX ussd_sessions_by_end ON ussd_sessions (ended_at);
CREATE INDEX ussd_sessions_reminded ON ussd_sessions (account_id, reminded_at) WHERE reminded_at IS NOT NULL;


-- 9. Programs -------------------------------------------------------------------------------------------

-- Keys of the REST API. A key is shown once and kept nowhere; it is found by its keyed digest.
CREATE TABLE api_keys (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),   -- whose; two of one name while they change over
    prefix        text NOT NULL UNIQUE,                  -- the key's first part, by which people name it
    digest        bytea NOT NULL UNIQUE,
    scopes        text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz,
    last_used_at  timestamptz                            -- to the minute
);

-- What was answered to a request under its Idempotency-Key. The business call has the same key for itself, so a row
-- that is lost, or was left behind half-done, costs nothing: the request is run again and has no second effect.
CREATE TABLE api_requests (
    key_id           bigint NOT NULL REFERENCES api_keys,
    idempotency_key  text NOT NULL,
    request_hash     bytea NOT NULL,                     -- keyed digest: a body may hold a phone number
    status           smallint,                           -- null: it is running, or its process died
    answer           text,                               -- as it was sent; no full phone number is in it
    leased_until     timestamptz NOT NULL,               -- until then nobody else runs it
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, idempotency_key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX api_requests_by_age ON api_requests (created_at);



-- Procrastinate Schema

DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;
EXCEPTION
    WHEN OTHERS THEN
        -- On managed PostgreSQL services (e.g. Azure Database for PostgreSQL, Amazon RDS,
        -- Google Cloud SQL), CREATE EXTENSION may fail with various error codes:
        -- insufficient_privilege, feature_not_supported, or provider-specific errors.
        -- Before ignoring, verify the extension actually exists — if it does not exist
        -- and cannot be created, re-raise so the failure is explicit.
        IF EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'plpgsql') THEN
            RAISE NOTICE 'plpgsql extension already exists, skipping creation.';
        ELSE
            RAISE;
        END IF;
END;
$$;

-- Enums

CREATE TYPE procrastinate_job_status AS ENUM (
    'todo',  -- The job is queued
    'doing',  -- The job has been fetched by a worker
    'succeeded',  -- The job ended successfully
    'failed',  -- The job ended with an error
    'cancelled', -- The job was cancelled
    'aborting',  -- legacy, not used anymore since v3.0.0
    'aborted'  -- The job was aborted
);

CREATE TYPE procrastinate_job_event_type AS ENUM (
    'deferred',  -- Job created, in todo
    'started',  -- todo -> doing
    'deferred_for_retry',  -- doing -> todo
    'failed',  -- doing -> failed
    'succeeded',  -- doing -> succeeded
    'cancelled', -- todo -> cancelled
    'abort_requested', -- not a state transition, but set in a separate field
    'aborted', -- doing -> aborted (only allowed when abort_requested field is set)
    'scheduled', -- not a state transition, but recording when a task is scheduled for
    'retried' -- Manually retried failed job
);

-- Composite Types

CREATE TYPE procrastinate_job_to_defer_v1 AS (
    queue_name character varying,
    task_name character varying,
    priority integer,
    lock text,
    queueing_lock text,
    args jsonb,
    scheduled_at timestamp with time zone
);

-- Tables

CREATE TABLE procrastinate_workers(
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    last_heartbeat timestamp with time zone NOT NULL DEFAULT NOW()
);

CREATE TABLE procrastinate_jobs (
    id bigserial PRIMARY KEY,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}' NOT NULL,
    status procrastinate_job_status DEFAULT 'todo'::procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone NULL,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint REFERENCES procrastinate_workers(id) ON DELETE SET NULL,
    CONSTRAINT check_not_todo_abort_requested CHECK (NOT (status = 'todo' AND abort_requested = true))
);

CREATE TABLE procrastinate_periodic_defers (
    id bigserial PRIMARY KEY,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint REFERENCES procrastinate_jobs(id) NULL,
    periodic_id character varying(128) NOT NULL DEFAULT '',
    CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp)
);

CREATE TABLE procrastinate_events (
    id bigserial PRIMARY KEY,
    job_id bigint NOT NULL REFERENCES procrastinate_jobs ON DELETE CASCADE,
    type procrastinate_job_event_type,
    at timestamp with time zone DEFAULT NOW() NULL
);

-- Constraints & Indices

-- this prevents from having several jobs with the same queueing lock in the "todo" state
CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON procrastinate_jobs (queueing_lock) WHERE status = 'todo';
-- this prevents from having several jobs with the same lock in the "doing" state
CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON procrastinate_jobs (lock) WHERE status = 'doing';

-- Index for select_stalled_jobs_by_heartbeat query
CREATE INDEX idx_procrastinate_jobs_worker_not_null ON procrastinate_jobs(worker_id) WHERE worker_id IS NOT NULL AND status = 'doing'::procrastinate_job_status;

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON procrastinate_jobs(queue_name);
CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON procrastinate_jobs (id, lock) WHERE status = ANY (ARRAY['todo'::procrastinate_job_status, 'doing'::procrastinate_job_status]);
CREATE INDEX procrastinate_jobs_priority_idx_v1 ON procrastinate_jobs(priority desc, id asc) WHERE (status = 'todo'::procrastinate_job_status);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON procrastinate_events(job_id);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON procrastinate_periodic_defers(job_id);

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON procrastinate_workers(last_heartbeat);

-- Functions
CREATE FUNCTION procrastinate_defer_jobs_v1(
    jobs procrastinate_job_to_defer_v1[]
)
    RETURNS bigint[]
    LANGUAGE plpgsql
AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

CREATE FUNCTION procrastinate_defer_periodic_job_v2(
    _queue_name character varying,
    _lock character varying,
    _queueing_lock character varying,
    _task_name character varying,
    _priority integer,
    _periodic_id character varying,
    _defer_timestamp bigint,
    _args jsonb
)
    RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

CREATE FUNCTION procrastinate_fetch_job_v2(
    target_queue_names character varying[],
    p_worker_id bigint
)
    RETURNS procrastinate_jobs
    LANGUAGE plpgsql
AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

CREATE FUNCTION procrastinate_finish_job_v1(job_id bigint, end_status procrastinate_job_status, delete_job boolean)
    RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean)
    RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

CREATE FUNCTION procrastinate_retry_job_v1(
    job_id bigint,
    retry_at timestamp with time zone,
    new_priority integer,
    new_queue_name character varying,
    new_lock character varying
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION procrastinate_retry_job_v2(
    job_id bigint,
    retry_at timestamp with time zone,
    new_priority integer,
    new_queue_name character varying,
    new_lock character varying
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

CREATE FUNCTION procrastinate_notify_queue_job_inserted_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_notify_queue_abort_job_v1()
RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_trigger_function_status_events_insert_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_trigger_function_status_events_update_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_trigger_function_scheduled_events_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_trigger_abort_requested_events_procedure_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

CREATE FUNCTION procrastinate_unlink_periodic_defers_v1()
    RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

CREATE FUNCTION procrastinate_register_worker_v1()
    RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION procrastinate_unregister_worker_v1(worker_id bigint)
    RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

CREATE FUNCTION procrastinate_update_heartbeat_v1(worker_id bigint)
    RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

CREATE FUNCTION procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat float)
    RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

-- Triggers

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1
    AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN ((new.status = 'todo'::procrastinate_job_status))
    EXECUTE PROCEDURE procrastinate_notify_queue_job_inserted_v1();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1
    AFTER UPDATE OF abort_requested ON procrastinate_jobs
    FOR EACH ROW WHEN ((old.abort_requested = false AND new.abort_requested = true AND new.status = 'doing'::procrastinate_job_status))
    EXECUTE PROCEDURE procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_trigger_status_events_update_v1
    AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW
    EXECUTE PROCEDURE procrastinate_trigger_function_status_events_update_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1
    AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN ((new.status = 'todo'::procrastinate_job_status))
    EXECUTE PROCEDURE procrastinate_trigger_function_status_events_insert_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1
    AFTER UPDATE OR INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN ((new.scheduled_at IS NOT NULL AND new.status = 'todo'::procrastinate_job_status))
    EXECUTE PROCEDURE procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1
    AFTER UPDATE OF abort_requested ON procrastinate_jobs
    FOR EACH ROW WHEN ((new.abort_requested = true))
    EXECUTE PROCEDURE procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1
    BEFORE DELETE ON procrastinate_jobs
    FOR EACH ROW EXECUTE PROCEDURE procrastinate_unlink_periodic_defers_v1();


ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;
