-- The tool's own state. Rules that the database can hold are constraints here. Running it again
-- brings the tables of an earlier version up to date.
CREATE SCHEMA IF NOT EXISTS backfill;

CREATE TABLE IF NOT EXISTS backfill.run (
    run_id text PRIMARY KEY,
    job text NOT NULL,
    scope jsonb NOT NULL,
    plan_id text NOT NULL,
    plan_rows bigint NOT NULL CHECK (plan_rows >= 0),
    status text NOT NULL CHECK (status IN ('planned', 'running', 'paused', 'interrupted',
        'cancelled', 'failed', 'succeeded', 'reverted')),
    settings jsonb NOT NULL,
    target jsonb NOT NULL,
    settings_fingerprint text NOT NULL,
    database_fingerprint text NOT NULL,
    tzdata_version text NOT NULL,
    reverts text REFERENCES backfill.run (run_id),
    lease_token bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    lease_holder text,
    cancel_requested boolean NOT NULL DEFAULT false,
    pause_requested boolean NOT NULL DEFAULT false,
    message text NOT NULL DEFAULT '',
    summary jsonb,
    sums_sha256 text,
    created_by text NOT NULL DEFAULT current_user,
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz,
    CHECK (status <> 'running' OR lease_expires_at IS NOT NULL)
);

CREATE TABLE IF NOT EXISTS backfill.checkpoint (
    run_id text NOT NULL REFERENCES backfill.run (run_id),
    chunk_no bigint NOT NULL CHECK (chunk_no > 0),
    key_low text NOT NULL,
    key_high text NOT NULL,
    scanned bigint NOT NULL CHECK (scanned > 0),
    updated bigint NOT NULL CHECK (updated >= 0),
    unchanged bigint NOT NULL CHECK (unchanged >= 0),
    drifted bigint NOT NULL CHECK (drifted >= 0),
    skipped bigint NOT NULL CHECK (skipped >= 0),
    elapsed_ms bigint NOT NULL,
    chain_hash text NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, chunk_no),
    CHECK (scanned = updated + unchanged + drifted + skipped)
);

CREATE TABLE IF NOT EXISTS backfill.chunk_image (
    run_id text NOT NULL,
    chunk_no bigint NOT NULL,
    rows bigint NOT NULL,
    sha256 text NOT NULL,
    image bytea NOT NULL,
    PRIMARY KEY (run_id, chunk_no),
    FOREIGN KEY (run_id, chunk_no) REFERENCES backfill.checkpoint DEFERRABLE INITIALLY DEFERRED
);
-- The blob is compressed already.
ALTER TABLE backfill.chunk_image ALTER COLUMN image SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS backfill.skip (
    run_id text NOT NULL REFERENCES backfill.run (run_id),
    chunk_no bigint NOT NULL,
    key text NOT NULL,
    scope text NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (run_id, key, column_name)
);

-- What one approval covers: the rows of the plan that its selection chooses and no earlier part has.
CREATE TABLE IF NOT EXISTS backfill.part (
    run_id text NOT NULL REFERENCES backfill.run (run_id),
    part_no bigint NOT NULL CHECK (part_no > 0),
    selection jsonb NOT NULL,
    rows bigint NOT NULL CHECK (rows >= 0),
    positions_sha256 text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, part_no)
);

-- Consecutive rows of a part that one applier writes: row_low is its first, row_high the one behind
-- its last, counted from 0 within the part. Its token fences off an applier that lost it.
CREATE TABLE IF NOT EXISTS backfill.range (
    run_id text NOT NULL,
    range_no bigint NOT NULL CHECK (range_no > 0),
    part_no bigint NOT NULL,
    row_low bigint NOT NULL CHECK (row_low >= 0),
    row_high bigint NOT NULL,
    first_chunk_no bigint NOT NULL CHECK (first_chunk_no > 0),
    lease_token bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    lease_holder text,
    ended_at timestamptz,
    PRIMARY KEY (run_id, range_no),
    FOREIGN KEY (run_id, part_no) REFERENCES backfill.part,
    CHECK (row_low < row_high)
);

-- Processes that apply a run, from when they claim or join it until they leave. The lease of one that
-- died runs out; of one that left there is none.
CREATE TABLE IF NOT EXISTS backfill.applier (
    run_id text NOT NULL REFERENCES backfill.run (run_id),
    holder text NOT NULL,
    lease_expires_at timestamptz,
    PRIMARY KEY (run_id, holder)
);

-- Runs of earlier versions had one range.
ALTER TABLE backfill.checkpoint ADD COLUMN IF NOT EXISTS range_no bigint NOT NULL DEFAULT 1;

CREATE INDEX IF NOT EXISTS run_by_job ON backfill.run (job, planned_at);

-- What later versions added: tables that an earlier one made get it as well.
ALTER TABLE backfill.run ADD COLUMN IF NOT EXISTS waiting text;
ALTER TABLE backfill.run ADD COLUMN IF NOT EXISTS waiting_since timestamptz;
ALTER TABLE backfill.run ADD COLUMN IF NOT EXISTS paused_ms jsonb NOT NULL DEFAULT '{}';
-- How it is written, as was said last; the plan has what was said of it when it was made.
ALTER TABLE backfill.run ADD COLUMN IF NOT EXISTS kept jsonb NOT NULL DEFAULT '{}';
-- Places in the plan of rows that others held a lock on: stretches [first, behind the last].
ALTER TABLE backfill.range ADD COLUMN IF NOT EXISTS locked jsonb NOT NULL DEFAULT '[]';

-- A plan is registered as planned: who registers it need not, and may not, say more.
ALTER TABLE backfill.run ALTER COLUMN status SET DEFAULT 'planned';

-- Who claims rows, and who comes to a run or leaves it, take turns by these rows: locking one needs
-- an applier's rights, as an advisory lock would not.
CREATE TABLE IF NOT EXISTS backfill.gate (
    name text PRIMARY KEY
);
INSERT INTO backfill.gate (name) VALUES ('claim'), ('door') ON CONFLICT DO NOTHING;

-- What roles without the right to update `run` may do to it, and nothing else of it. Both run with
-- the rights of who made them, find names in one place only, and ask who is calling.

-- Vouch for the folder of a plan of one's own that nobody has begun.
CREATE OR REPLACE FUNCTION backfill.record_plan_sums(of_run text, digest text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    WITH recorded AS (
        UPDATE backfill.run SET sums_sha256 = digest
        WHERE run_id = of_run AND status = 'planned' AND started_at IS NULL
            AND digest ~ '^[0-9a-f]{64}$'
            AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = created_by
                AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER'))
        RETURNING 1)
    SELECT EXISTS (SELECT FROM recorded)
$body$;
REVOKE ALL ON FUNCTION backfill.record_plan_sums(text, text) FROM PUBLIC;

-- Pause or cancel: a running run after its chunk, one that nobody writes at once. Returns the
-- status that it had, NULL without such a run.
CREATE OR REPLACE FUNCTION backfill.request_stop(of_run text, what text) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    WITH found AS (
        SELECT run_id, status FROM backfill.run WHERE run_id = of_run FOR NO KEY UPDATE),
    asked AS (
        UPDATE backfill.run AS r SET
            cancel_requested = r.cancel_requested OR what = 'cancel',
            pause_requested = r.pause_requested OR what = 'pause'
        FROM found WHERE r.run_id = found.run_id AND found.status = 'running'
            AND what IN ('cancel', 'pause')),
    ended AS (
        UPDATE backfill.run AS r SET status = 'cancelled', message = 'cancelled by request'
        FROM found WHERE r.run_id = found.run_id AND what = 'cancel'
            AND found.status IN ('planned', 'paused', 'interrupted'))
    SELECT status FROM found
$body$;
REVOKE ALL ON FUNCTION backfill.request_stop(text, text) FROM PUBLIC;
