-- What stands in the stores and in the vault, as it was last seen: so that a page asks the ledger alone, and asks no store.
CREATE SCHEMA IF NOT EXISTS overview;

CREATE TABLE overview.seen (
    kind      text NOT NULL,
    subject   text NOT NULL,
    at        timestamptz,
    found     jsonb,
    tried_at  timestamptz NOT NULL,
    failed    text,
    PRIMARY KEY (kind, subject),
    CHECK ((at IS NULL) = (found IS NULL))
);
COMMENT ON TABLE overview.seen IS 'How each thing stood when it was last looked at: the progress of a migration, the months of a table, the backups of a store.';
COMMENT ON COLUMN overview.seen.at IS 'When it stood so. A look that failed since leaves it, and says why in failed.';
COMMENT ON COLUMN overview.seen.failed IS 'Why the last look, at tried_at, found nothing; null where it did.';
