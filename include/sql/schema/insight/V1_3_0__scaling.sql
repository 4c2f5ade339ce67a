-- What was proposed to be scaled, and what was: rules rest after it, reports tell of it.
CREATE TABLE insight.scaling (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store        text NOT NULL,
    run          text NOT NULL,
    step         integer NOT NULL,
    seal         text NOT NULL,
    rule         text NOT NULL CHECK (rule IN ('cpu', 'memory', 'storage', 'units')),
    way          text NOT NULL CHECK (way IN ('up', 'down')),
    action       text NOT NULL,
    subject      text NOT NULL,
    before       text NOT NULL,
    after        text NOT NULL,
    why          text NOT NULL,
    begun_at     timestamptz NOT NULL DEFAULT now(),
    verified_at  timestamptz,
    UNIQUE (store, run, seal, step)
);
CREATE INDEX ON insight.scaling (store, rule, begun_at DESC);
COMMENT ON TABLE insight.scaling IS 'Each change that somebody agreed to: written before it is asked for, verified when it stands.';

CREATE TABLE insight.scaling_plan (
    store  text PRIMARY KEY,
    at     timestamptz NOT NULL,
    plan   jsonb NOT NULL
);
COMMENT ON TABLE insight.scaling_plan IS 'The last plan of each store: what is proposed, and what is held back, with the reasons.';
