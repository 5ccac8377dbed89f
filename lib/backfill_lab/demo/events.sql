CREATE TABLE public.household (
    id text PRIMARY KEY,
    name text NOT NULL,
    tz text
);

CREATE TABLE public.events (
    id text PRIMARY KEY,
    household_id text NOT NULL,
    title text,
    start_at {wall_type},
    end_at {wall_type},
    tz text,
    start_at_utc {instant_type},
    end_at_utc {instant_type},
    rrule text,
    exdates text,
    reminder bigint,
    created_at bigint,
    updated_at bigint,
    deleted_at bigint
);

CREATE INDEX events_household_id ON public.events (household_id);
