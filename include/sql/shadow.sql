-- The shadow read: the application's own reads, run on both tables. Whatever is made here is rolled back.

-- name: find_extension
SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'

-- name: try_extension
-- Fails where the library is not in shared_preload_libraries.
SELECT FROM {statements} LIMIT 1

-- name: list_statements
-- What others than ourselves say here and what may name the table, most called first; `role` says it most often.
SELECT s.query, sum(s.calls)::bigint AS calls, ((array_agg(s.userid ORDER BY s.calls DESC))[1])::bigint AS role
FROM {statements} s
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND s.userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND strpos(lower(s.query), lower(%(name)s)) > 0 AND strpos(s.query, 'sluice.') = 0
GROUP BY s.query ORDER BY calls DESC, s.query

-- name: find_path
-- Where a role's session looks for names, unless it said something else by itself.
SELECT replace(replace(coalesce(
           (SELECT substr(kept, 1 + strpos(kept, '=')) FROM pg_db_role_setting d CROSS JOIN unnest(d.setconfig) AS kept
            WHERE kept LIKE 'search_path=%%' AND d.setrole IN (r.oid, 0)
              AND d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            ORDER BY d.setrole DESC, d.setdatabase DESC LIMIT 1), '"$user", public'),
       '"$user"', quote_ident(r.rolname)), '$user', quote_ident(r.rolname)) AS path
FROM pg_roles r WHERE r.oid = %(role)s::oid

-- name: look_within
SELECT set_config('search_path', %(path)s, true)

-- name: stand_still
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: forbid_writes
SET TRANSACTION READ ONLY

-- name: limit_read
SELECT set_config('statement_timeout', %(milliseconds)s::text, true)

-- name: create_schema
CREATE SCHEMA {schema}

-- name: stand_in
-- A plain view: the planner sees through it, so that partitions are pruned as they will be.
CREATE VIEW {view} AS SELECT {values} FROM {table} AS t

-- name: prepare_read
PREPARE sluice_shadow AS {text}

-- name: list_parameters
SELECT format_type(t.type, NULL) AS type
FROM pg_prepared_statements p CROSS JOIN unnest(p.parameter_types) WITH ORDINALITY AS t(type, place)
WHERE p.name = 'sluice_shadow' ORDER BY t.place

-- name: forget_read
DEALLOCATE sluice_shadow

-- name: create_probe
-- PostgreSQL notes what a function of this sort stands on: every table, view, function, operator and type that is not built in.
CREATE FUNCTION {probe} ({types}) RETURNS SETOF record LANGUAGE sql BEGIN ATOMIC {text}
; END

-- name: look_at_probe
-- `strangers` belong to somebody whom our role is no member of: run by us, their code would have our rights.
WITH needed AS (
    SELECT DISTINCT d.refclassid AS class, d.refobjid AS object
    FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE d.classid = 'pg_proc'::regclass AND n.nspname = %(schema)s AND p.proname = %(probe)s AND d.refclassid <> 'pg_namespace'::regclass
), functions AS (
    SELECT object AS oid FROM needed WHERE class = 'pg_proc'::regclass
    UNION SELECT o.oprcode FROM needed JOIN pg_operator o ON o.oid = object WHERE class = 'pg_operator'::regclass
), owned AS (
    SELECT p.oid::regprocedure::text AS what, p.proowner AS owner FROM functions f JOIN pg_proc p ON p.oid = f.oid
    UNION ALL SELECT c.oid::regclass::text, c.relowner FROM needed JOIN pg_class c ON c.oid = object
    WHERE class = 'pg_class'::regclass AND c.relkind IN ('v', 'm', 'f')
    UNION ALL SELECT t.oid::regtype::text, t.typowner FROM needed JOIN pg_type t ON t.oid = object WHERE class = 'pg_type'::regclass
)
SELECT EXISTS (SELECT FROM needed WHERE class = 'pg_class'::regclass AND object = %(table)s::oid) AS reads,
       ARRAY(SELECT p.oid::regprocedure::text FROM functions f JOIN pg_proc p ON p.oid = f.oid
             WHERE p.provolatile = 'v' ORDER BY 1) AS volatile,
       ARRAY(SELECT o.what FROM owned o JOIN pg_roles r ON r.oid = o.owner
             WHERE NOT r.rolsuper AND NOT pg_has_role(current_user, o.owner, 'MEMBER') ORDER BY 1) AS strangers

-- name: list_volatile
SELECT DISTINCT p.proname AS name FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.provolatile = 'v' AND p.proname = ANY (%(names)s) ORDER BY 1

-- name: sample_page
-- The first rows of a range of pages: of one row (another one for each place) what is compared alone, of all of them the ends
-- of a range. Rows without NULL come first.
SELECT count(*) AS rows, {values}
FROM (SELECT {columns}, num_nulls({columns}) = 0 AS sluice_whole FROM (
    SELECT {columns} FROM {source} WHERE ctid >= %(lo)s::tid AND ctid < %(hi)s::tid LIMIT 40
) AS page ORDER BY num_nulls({columns}) OFFSET 0) AS s

-- name: value_of_row
(array_agg({column}))[1 + (%(place)s %% greatest(1, count(*) FILTER (WHERE sluice_whole)))::int]

-- name: value_lowest
(array_agg({column} ORDER BY {column}))[1]

-- name: value_highest
(array_agg({column} ORDER BY {column} DESC NULLS LAST))[1]

-- name: value_as
CAST({value} AS {type})::text

-- name: list_leaves
SELECT n.nspname AS schema, c.relname AS name
FROM pg_partition_tree(%(oid)s::oid::regclass) t JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf

-- name: digest_answer
-- Text tells 1.0 from 1.00, and every type has one. The sum is free of order and counts what is there twice.
SELECT count(*) AS rows, coalesce(sum(hashtextextended(sluice_answer::text, 0)), 0)::text AS hash FROM ({text}
) AS sluice_answer

-- name: explain_read
-- Timed on the server: the plan and its run, not the network; the clock is not looked at for each row.
EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, BUFFERS OFF, SUMMARY ON, FORMAT JSON) {text}
