-- Seven days of cooling are as long in every session: in one of a zone that changes its clocks meanwhile, they are an hour more or less.
ALTER FUNCTION sluice_archive.drop_month SET "TimeZone" = 'UTC';
