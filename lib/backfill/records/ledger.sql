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
