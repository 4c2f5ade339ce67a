-- The roles and databases of the sample estate. PostgreSQL's image runs this once, on an empty volume, with psql as the
-- superuser. It makes what plugins/sluice/local/databases.py makes for ./sluice; a test holds the two together.
-- Passwords come from the container's environment: a missing one is a syntax error, so the start fails.

\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv ledger_password LEDGER_PASSWORD
\getenv mover_password MOVER_PASSWORD
\getenv app_password CERTIFY_APP_PASSWORD
\getenv exporter_password EXPORTER_PASSWORD
\getenv dropper_password DROPPER_PASSWORD
\getenv backup_password BACKUP_PASSWORD

-- certify_owner owns tables and never logs in; the mover acts as it, and must see every row or it would move only some.
CREATE ROLE certify_owner NOLOGIN;
CREATE ROLE certify_app LOGIN PASSWORD :'app_password';
CREATE ROLE sluice_mover LOGIN BYPASSRLS PASSWORD :'mover_password' IN ROLE certify_owner, pg_monitor;
-- Of the archive: the exporter must see every row as well, the dropper none.
CREATE ROLE certify_exporter LOGIN BYPASSRLS PASSWORD :'exporter_password';
CREATE ROLE certify_dropper LOGIN PASSWORD :'dropper_password';
-- Who backs up replicates the server's files and its log, and counts every row.
CREATE ROLE certify_backup LOGIN REPLICATION BYPASSRLS PASSWORD :'backup_password' IN ROLE pg_read_all_data;
CREATE ROLE sluice_ledger LOGIN PASSWORD :'ledger_password';
-- Its backups are restored for a trial, each into a database made for that.
CREATE ROLE airflow LOGIN CREATEDB PASSWORD :'airflow_password';

CREATE DATABASE airflow OWNER airflow TEMPLATE template0;
CREATE DATABASE sluice OWNER sluice_ledger TEMPLATE template0;
CREATE DATABASE certify OWNER certify_owner TEMPLATE template0;
REVOKE ALL ON DATABASE airflow, sluice, certify FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE certify TO certify_app, sluice_mover, certify_exporter, certify_dropper, certify_backup;
GRANT CREATE ON DATABASE certify TO sluice_mover;

\connect certify
CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA app AUTHORIZATION certify_owner;
GRANT USAGE ON SCHEMA app TO certify_app;
-- For every table the owner will make: rows may change, the shape may not.
ALTER DEFAULT PRIVILEGES FOR ROLE certify_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO certify_app;
ALTER DEFAULT PRIVILEGES FOR ROLE certify_owner GRANT USAGE ON SEQUENCES TO certify_app;
