-- The tables of the system that the OCR job serves, for tests and the demo only.
-- schedule_ingest is put in as an identifier by demo/sessions.py.

CREATE SCHEMA schedule_ingest;

CREATE TYPE schedule_ingest.capture_session_state AS ENUM
    ('open', 'closed', 'processing', 'done', 'failed');

CREATE TABLE schedule_ingest.capture_session (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id bigint NOT NULL,
    state schedule_ingest.capture_session_state NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    error text,
    locked_at timestamptz,
    locked_by text,
    CONSTRAINT capture_session_closed_at_check CHECK ((closed_at IS NULL) = (state = 'open')),
    CONSTRAINT capture_session_error_check CHECK ((error IS NOT NULL) = (state = 'failed'))
);

CREATE UNIQUE INDEX capture_session_one_open_per_user
    ON schedule_ingest.capture_session (user_id)
    WHERE state = 'open';

CREATE FUNCTION schedule_ingest.check_capture_session_step() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.state = OLD.state
        OR (OLD.state = 'open' AND NEW.state IN ('closed', 'failed'))
        OR (OLD.state = 'closed' AND NEW.state IN ('processing', 'failed'))
        OR (OLD.state = 'processing' AND NEW.state IN ('done', 'failed'))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'capture_session %: state % cannot become %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END
$body$;

CREATE TRIGGER capture_session_step
    BEFORE UPDATE ON schedule_ingest.capture_session
    FOR EACH ROW EXECUTE FUNCTION schedule_ingest.check_capture_session_step();

CREATE TABLE schedule_ingest.capture_image (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id uuid NOT NULL REFERENCES schedule_ingest.capture_session (id) ON DELETE CASCADE,
    sequence integer NOT NULL CHECK (sequence > 0),
    r2_key text NOT NULL UNIQUE,
    telegram_message_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (session_id, sequence)
);

CREATE FUNCTION schedule_ingest.check_capture_image_session() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
    session_state schedule_ingest.capture_session_state;
BEGIN
    SELECT state
    INTO session_state
    FROM schedule_ingest.capture_session
    WHERE id = NEW.session_id
    FOR SHARE;
    -- A session that does not exist is the foreign key's to refuse.
    IF session_state IS NOT NULL AND session_state <> 'open' THEN
        RAISE EXCEPTION 'capture_session % is %, not open: it takes no image',
            NEW.session_id, session_state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$body$;

CREATE TRIGGER capture_image_session_open
    BEFORE INSERT ON schedule_ingest.capture_image
    FOR EACH ROW EXECUTE FUNCTION schedule_ingest.check_capture_image_session();

CREATE TABLE schedule_ingest.day_snapshot (
    user_id bigint NOT NULL,
    schedule_date date NOT NULL,
    snapshot_payload jsonb NOT NULL CHECK (jsonb_typeof(snapshot_payload) = 'array'),
    source_session_id uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, schedule_date)
);

CREATE TABLE schedule_ingest.schedule_event (
    event_id uuid PRIMARY KEY,
    user_id bigint NOT NULL,
    schedule_date date NOT NULL,
    event_type text NOT NULL CHECK (event_type IN (
        'shift_added', 'shift_removed', 'shift_time_changed',
        'shift_relocated', 'shift_retitled', 'shift_reclassified'
    )),
    location_fingerprint text NOT NULL,
    customer_fingerprint text NOT NULL,
    old_value_hash text NOT NULL,
    new_value_hash text NOT NULL,
    old_value jsonb,
    new_value jsonb,
    detected_at timestamptz NOT NULL,
    source_session_id uuid NOT NULL,
    UNIQUE (
        user_id, schedule_date, location_fingerprint, event_type, old_value_hash, new_value_hash
    )
);

CREATE TABLE schedule_ingest.schedule_notification (
    notification_id text PRIMARY KEY,
    user_id bigint NOT NULL,
    schedule_date date NOT NULL,
    source_session_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'failed')),
    notification_type text NOT NULL CHECK (notification_type IN ('event', 'summary')),
    message text NOT NULL,
    event_ids jsonb NOT NULL CHECK (jsonb_typeof(event_ids) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
