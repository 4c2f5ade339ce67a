"""Our engine's Scan looks at a part of its table: it answers, to the byte, what the engine's own answers by looking at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sluice.local import ministack_scan
from sluice.local.ministack import ENGINE

from tests.documents import Documents

COMPARE = """
import importlib, importlib.util, random, sys
spec = importlib.util.spec_from_file_location("ministack_scan", sys.argv[1])
mend = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mend)
engine = importlib.import_module("ministack.services.dynamodb")
names = ("PK", "SK")
keys = [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]
texts = [{"AttributeName": name, "AttributeType": "S"} for name in names]
made = {"TableName": "things", "KeySchema": keys, "AttributeDefinitions": texts, "BillingMode": "PAY_PER_REQUEST"}
assert engine._create_table(made)[0] == 200
table = engine._tables.get("things")

def put(pk, sk):
    item = {"PK": {"S": pk}, "SK": {"S": sk}, "x": {"S": "y" * random.randrange(1500)}}
    engine._put_item({"TableName": "things", "Item": item})

def drop(pk, sk):
    engine._delete_item({"TableName": "things", "Key": {"PK": {"S": pk}, "SK": {"S": sk}}})

def key():
    number = random.randrange(4000)
    return f"U{number // 4:07}", f"A{number:07}"

for number in range(3000):
    put(*key())
part, segments = mend.mended(engine), [{}]
segments += [{"Segment": n, "TotalSegments": of} for of in (1, 2, 5) for n in range(of)]
wrong = [{"TotalSegments": 2, "Segment": 2}, {"Limit": 0}, {"ExclusiveStartKey": {"PK": {"S": "x"}}}, {"TableName": "no-such"}]
for _ in range(400):
    asked = {"TableName": "things", **random.choice(segments)}
    asked |= random.choice([{}, {}, {"Limit": random.choice((1, 7, 500, 5000))}])
    asked |= random.choice([{}, {"ExclusiveStartKey": {name: {"S": text} for name, text in zip(names, key())}}])
    asked |= random.choice(wrong) if random.random() < 0.05 else {}
    random.choice([put, drop])(*key())
    one, other = engine._scan(dict(asked)), part(dict(asked))
    assert one[0] == other[0] and one[2] == other[2], asked
print("the same", len(table["items"]))
"""


def test_a_page_out_of_a_part_of_the_table_is_the_page_out_of_all(documents: Documents) -> None:
    if documents.store is None:
        pytest.skip("this is about our own engine")
    command = [str(ENGINE / "bin/python"), "-P", "-c", COMPARE, str(Path(ministack_scan.__file__))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("the same")
