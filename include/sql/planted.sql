-- A verifier that cannot be shown to fail is void: known corruption, planted in scratch tables, must be found.

-- name: create_scratch
CREATE TEMP TABLE planted_left (id bigint PRIMARY KEY, a text, b text, n numeric, at timestamptz, j jsonb, bin bytea);
CREATE TEMP TABLE planted_right (LIKE planted_left INCLUDING INDEXES);
CREATE TEMP TABLE planted_twice (LIKE planted_left);

-- name: fill_scratch
INSERT INTO planted_left
SELECT g, 'ab', 'c', 1.10, '2025-03-30 01:30:00+00', '{{"deep": {{"er": {{"leaf": 1}}}}, "k": [1, 2]}}', '\x00ff00'::bytea
FROM generate_series(1, 40) g;
UPDATE planted_left SET a = '' WHERE id = 5;
UPDATE planted_left SET a = 'caf' || chr(233) WHERE id = 11;
INSERT INTO planted_right SELECT * FROM planted_left

-- name: plant
-- One fault a row. A fault that left the bytes alone would be no fault: each statement changes what it names.
DELETE FROM planted_right WHERE id = 1;
INSERT INTO planted_right VALUES (100, 'ab', 'c', 1.10, now(), '{{}}', '');
UPDATE planted_right SET at = at - interval '1 second' WHERE id = 3;
UPDATE planted_right SET a = NULL WHERE id = 5;
UPDATE planted_right SET a = 'ab ' WHERE id = 6;
UPDATE planted_right SET a = 'a', b = 'bc' WHERE id = 7;
UPDATE planted_right SET n = 1.1 WHERE id = 8;
UPDATE planted_right SET at = at + interval '1 hour' WHERE id = 9;
UPDATE planted_right SET at = at + interval '1 microsecond' WHERE id = 10;
UPDATE planted_right SET a = 'cafe' || chr(769) WHERE id = 11;
UPDATE planted_right SET j = '{{"deep": {{"er": {{"leaf": 2}}}}, "k": [1, 2]}}' WHERE id = 12;
UPDATE planted_right SET bin = set_bit(bin, 3, 1) WHERE id = 13;
UPDATE planted_right SET a = 'AB' WHERE id = 14

-- name: plant_harmless
-- The order of a JSON object's keys means nothing and must not be flagged.
UPDATE planted_right SET j = '{{"k": [1, 2], "deep": {{"er": {{"leaf": 1}}}}}}' WHERE id = 20

-- name: plant_duplicate
-- A pair of duplicates on one side only: an xor of hashes would not see it.
INSERT INTO planted_twice SELECT * FROM planted_left;
INSERT INTO planted_twice SELECT * FROM planted_left WHERE id = 2;
INSERT INTO planted_twice SELECT * FROM planted_left WHERE id = 2
