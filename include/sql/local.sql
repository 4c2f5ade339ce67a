-- The machine underneath: databases and roles of the embedded cluster. Run by the superuser, once each.

-- name: role_exists
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)

-- name: database_exists
SELECT EXISTS (SELECT FROM pg_database WHERE datname = %(database)s)

-- name: create_owner
-- Owns tables, never logs in.
CREATE ROLE {role} NOLOGIN

-- name: create_login
-- The password is a SCRAM verifier made by the client: no password in clear reaches the server, its log or its statistics.
CREATE ROLE {role} LOGIN PASSWORD {password}

-- name: let_replicate
-- A backup of a server's files comes over a session of replication, as does its log.
ALTER ROLE {role} REPLICATION

-- name: let_bypass_row_security
-- The mover must see every row, or it would move only some; and so must the exporter, and who counts for a restore.
ALTER ROLE {role} BYPASSRLS

-- name: let_create_databases
ALTER ROLE {role} CREATEDB

-- name: join
GRANT {group} TO {role}

-- name: create_database
CREATE DATABASE {database} OWNER {owner} TEMPLATE template0

-- name: copy_database
-- By its files, where that can be said: a scratch server is not durable, and its log is not what is tested.
CREATE DATABASE {database} TEMPLATE {template} OWNER {owner} {strategy}

-- name: drop_database
DROP DATABASE IF EXISTS {database} WITH (FORCE)

-- name: close_to_others
REVOKE ALL ON DATABASE {database} FROM PUBLIC

-- name: let_connect
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}

-- name: let_create_schemas
GRANT CREATE ON DATABASE {database} TO {role}

-- name: add_statistics
CREATE EXTENSION IF NOT EXISTS pg_stat_statements

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}

-- name: let_use_schema
GRANT USAGE ON SCHEMA {schema} TO {role}

-- name: let_change_rows
-- For every table the owner will make: rows may change, the shape may not.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}

-- name: let_use_sequences
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SEQUENCES TO {role}
