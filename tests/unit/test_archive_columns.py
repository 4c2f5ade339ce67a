"""What a plain type holds comes out as the text that PostgreSQL wrote, and a manifest as it was written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.upkeep.archive.columns import Stored, arrow_type, double_text, form_of, is_text_already, schema_of, texts
from sluice.upkeep.archive.groups import as_batch
from sluice.upkeep.archive.manifest import Manifest, Part, Unreadable

from tests.unit.csv_rows import csv_of


@pytest.mark.parametrize(
    ("type_", "form"),
    [
        ("bigint", "int64"),
        ("timestamp(3) with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
        ("numeric(12,2)", "decimal(12,2)"),
        ("numeric(38,6)", "decimal(38,6)"),
        ("numeric(38,7)", "string"),
        ("numeric(3,-2)", "string"),
        ("numeric(2,5)", "string"),
        ("numeric", "string"),
        ("bigint[]", "string"),
        ("app.mood", "string"),
        ("character varying(20)", "string"),
    ],
)
def test_the_form_of_a_type(type_: str, form: str):
    assert form_of(type_) == form


@pytest.mark.parametrize("type_", ["timestamp(3) with time zone", "numeric(12,2)", "character varying(20)", "jsonb"])
def test_what_copy_writes_is_the_text_of_most_types(type_: str):
    assert is_text_already(type_)


@pytest.mark.parametrize("type_", ["boolean", "character(4)", "inet", "xml", "name", '"char"', "app.mood", "text[]"])
def test_a_type_with_a_cast_of_its_own_is_cast(type_: str):
    assert not is_text_already(type_)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("bool", ["true", "false", None]),
        ("int64", ["-9223372036854775808", "0", None]),
        ("timestamptz", ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "2026-02-03 04:05:06.7+00", None]),
        ("timestamp", ["2026-02-03 04:05:10", "2026-02-03 04:05:06.01", None]),
        ("date32", ["0001-01-01", "9999-12-31", None]),
        ("decimal(12,6)", ["0.000000", "-0.000001", "123456.700000", None]),
        ("binary", ["\\x", "\\x00ff", None]),
        (
            "double",
            [
                "1e+15",
                "123456789012345",
                "0.0001",
                "1e-05",
                "-1.5e-300",
                "-0",
                "NaN",
                "6.067340000000001e+20",
                "-4.6755231154369856e+16",
                "1.7976931348623157e+308",
                "-Infinity",
                None,
            ],
        ),
        ("string", ["", "é", None]),
    ],
)
def test_texts_come_out_as_they_went_in(form: str, said: list[str | None]):
    column = Stored("said", "text", form)
    (array,) = as_batch(csv_of([[one] for one in said]), [column]).columns
    assert array.type == arrow_type(form)
    assert texts(array, form).to_pylist() == said
    assert texts(array[:0], form).to_pylist() == []


@given(st.floats())
def test_a_double_reads_back_the_same(value: float):
    back = float(double_text(value))
    assert (math.isnan(back) and math.isnan(value)) or (back, math.copysign(1, back)) == (
        value,
        math.copysign(1, value),
    )


def test_fields_tell_postgres_type_and_form():
    schema = schema_of([Stored("at", "timestamp with time zone", "string"), Stored("n", "bigint", "int64")])
    assert [field.metadata[b"form"] for field in schema] == [b"text", b"plain"]
    assert schema.field("at").metadata[b"postgres_type"] == b"timestamp with time zone"


def test_a_manifest_comes_back_and_another_version_is_refused():
    whole = Manifest(
        "shop", "app.t", ("p", "t_1"), "FOR VALUES", "at", (Stored("at", "date", "date32"),), ("at",), ("at date",), ("at",),
        1, "7", "2024-01-01", "2024-01-01", None, None, (Part("a/part-00000.parquet", 1, 10, "ab", None),),
    )  # fmt: skip
    assert Manifest.of(whole.body(), "a") == whole
    assert whole.body() == whole.body()
    with pytest.raises(Unreadable, match="no manifest of version 1"):
        Manifest.of(whole.body().replace(b'"version": 1', b'"version": 2', 1), "a")
    with pytest.raises(Unreadable, match="cannot be read"):
        Manifest.of(b"[]", "a")
