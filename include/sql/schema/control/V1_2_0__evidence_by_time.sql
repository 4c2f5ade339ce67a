-- Evidence is shown by day: of years of it, only the last weeks are read.
CREATE INDEX evidence_at ON control.evidence (at);
