-- Mlango's database as a text to read: every table, arrow and constraint, and the sentence why.
--
--   psql -v ON_ERROR_STOP=1 -f schema.sql          loads it into an empty database
--   flask init-db                                  the same, and the job queue's own tables beside it
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

-- One row per request to a payer's phone, committed before the rail is called.
CREATE TABLE payments (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference         text NOT NULL UNIQUE,              -- what people see and quote
    account_id        bigint NOT NULL REFERENCES accounts,
    idempotency_key   text NOT NULL UNIQUE,              -- one row per confirmation on a screen
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
CREATE UNIQUE INDEX payments_one_open ON payments (account_id) WHERE state IN ('requested', 'prompted', 'unknown');
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

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

-- A receipt is unique across the channels of a rail: an STK callback and a C2B confirmation of the same money
-- credit once.
CREATE TABLE receipts (
    rail        text NOT NULL,
    receipt     text NOT NULL,
    payment_id  bigint REFERENCES payments,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rail, receipt)
);

-- Every body a provider sent, once, before it is acted on. The body is sealed: it holds phone numbers.
CREATE TABLE inbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,                          -- which reader: mpesa.stk
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


-- 5. Words to people ------------------------------------------------------------------------------------

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


-- 6. What callers did -------------------------------------------------------------------------------------

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
