-- What a store has for its restores to be measured by.
CREATE SCHEMA IF NOT EXISTS sluice_safety;

CREATE TABLE sluice_safety.heartbeat (
    beat bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
