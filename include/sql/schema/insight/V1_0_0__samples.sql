-- What was measured of every store, and when. In the ledger's database: it must outlive a store that is down.
CREATE SCHEMA IF NOT EXISTS insight;

CREATE TABLE insight.series (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store    text NOT NULL,
    metric   text NOT NULL,
    subject  text NOT NULL DEFAULT '',
    UNIQUE (store, metric, subject)
);
COMMENT ON TABLE insight.series IS 'One line of numbers: a metric of a store, and of what in it (a table, a replica); the store itself is ''''.';

CREATE TABLE insight.sample (
    series  integer NOT NULL REFERENCES insight.series,
    at      timestamptz NOT NULL,
    value   double precision NOT NULL,
    PRIMARY KEY (series, at)
) PARTITION BY RANGE (at);
COMMENT ON TABLE insight.sample IS 'Each number as it was taken, for some days: a partition a day, in UTC, dropped when it is old.';

CREATE TABLE insight.counter (
    series  integer PRIMARY KEY REFERENCES insight.series,
    at      timestamptz NOT NULL,
    value   double precision NOT NULL
);
COMMENT ON TABLE insight.counter IS 'Where a counter of a server stood when it was last read: a rate is the difference.';

CREATE TABLE insight.hour (
    series   integer NOT NULL REFERENCES insight.series,
    at       timestamptz NOT NULL,
    lowest   double precision NOT NULL,
    highest  double precision NOT NULL,
    mean     double precision NOT NULL,
    last     double precision NOT NULL,
    points   integer NOT NULL,
    PRIMARY KEY (series, at)
);
COMMENT ON TABLE insight.hour IS 'Each hour of each series, for some months.';

CREATE TABLE insight.day (LIKE insight.hour INCLUDING ALL);
ALTER TABLE insight.day ADD FOREIGN KEY (series) REFERENCES insight.series;
COMMENT ON TABLE insight.day IS 'Each day of each series, in UTC, for years. A day without a row was not measured.';

CREATE VIEW insight.latest AS
SELECT s.store, s.metric, s.subject, l.at, l.value
FROM insight.series AS s
JOIN LATERAL (SELECT at, value FROM insight.sample WHERE series = s.id ORDER BY at DESC LIMIT 1) AS l ON true;
COMMENT ON VIEW insight.latest IS 'The last number of each series, for psql: SELECT * FROM insight.latest WHERE store = ''…'';';
