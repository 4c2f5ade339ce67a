-- What another version of Sluice has left is not read: what is there has no version yet, and everything is looked at anew within minutes.
DELETE FROM overview.seen;
ALTER TABLE overview.seen ADD COLUMN form int, ADD CHECK ((at IS NULL) = (form IS NULL));
COMMENT ON COLUMN overview.seen.form IS 'The version of what is kept: what another version of Sluice has left is not read.';
