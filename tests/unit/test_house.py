"""House rules that a machine can hold: where SQL lives, who needs Airflow, what is pinned, what is unsaid."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
KNOW_AIRFLOW = {"flow", "console", "local"}

# How a statement begins. Its verb has one case: "Drop table x by hand" is prose, "drop table x" is SQL.
BEGINS = re.compile(
    r"\s*(select\s.*\sfrom\s|select\s+[\w.]+\(|insert\s+into\s|delete\s+from\s|update\s+\S+\s+set\s|merge\s+into\s"
    r"|(create|alter|drop)\s+(unique\s+)?(table|index|schema|role|database|extension|trigger|function|view|type)\s"
    r"|with\s+\w+\s+as\s*\(|lock\s+table\s|truncate\s|set\s+(local|session)\s|copy\s+\S+\s+(from|to)\s"
    r"|(grant|revoke)\s.*\s(to|from)\s)",
    re.DOTALL,
)


def is_sql(text: str) -> bool:
    """Tell whether a string is a statement rather than prose, such as the advice "GRANT CREATE ON … to it."."""
    verb = text.split(maxsplit=1)[0] if text.strip() else ""
    spoken = verb in {verb.upper(), verb.lower()} and not text.rstrip().endswith(".")
    return spoken and bool(BEGINS.match(text.lower() + " "))


def code(*folders: str) -> list[Path]:
    """Give every Python file below the folders."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def strings(file: Path) -> Iterator[tuple[int, str]]:
    """Give line and text of every string that is not a docstring; what an f-string fills in reads `…`."""
    tree = ast.parse(file.read_text())
    seen = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            seen.update(id(part) for part in node.values)
            yield node.lineno, "".join(text_of(part) or "…" for part in node.values)
        elif id(node) not in seen and (text := text_of(node)):
            yield getattr(node, "lineno", 0), text


def text_of(node: ast.AST) -> str | None:
    """Give the text of a literal string."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def sql_in(files: list[Path]) -> list[str]:
    """Name every place where SQL is written in Python."""
    return [f"{file.name}:{line} {text!r}" for file in files for line, text in strings(file) if is_sql(text)]


def named_statements() -> list[str]:
    """Give the name, `domain.verb_object`, of every statement of include/sql."""
    texts = {file.stem: file.read_text() for file in (ROOT / "include/sql").glob("*.sql")}
    return [f"{domain}.{name}" for domain in texts for name in re.findall(r"(?m)^-- name: (\w+)", texts[domain])]


def asked_statements(files: list[Path]) -> set[str]:
    """Give every string that names a statement of a domain that has a file: `copy.fill_chunk`, `copy.fill_…`."""
    domains = "|".join(file.stem for file in (ROOT / "include/sql").glob("*.sql"))
    name = re.compile(rf"({domains})\.[\w…]+")
    said = {text for file in files for _, text in strings(file) if name.fullmatch(text)}
    return {text for text in said if not text.endswith(".json")}  # the demo's report is a file


def unheard(named: set[str], asked: set[str]) -> list[str]:
    """Give the names that nobody asks for."""
    asking = re.compile("|".join(re.escape(text).replace("…", r"\w+") for text in asked))
    return sorted(name for name in named if not asking.fullmatch(name))


def unknown(named: set[str], asked: set[str]) -> list[str]:
    """Give what is asked for and is in no file."""
    return sorted(text for text in asked if len(unheard(named, {text})) == len(named))


def test_sql_lives_in_its_files() -> None:
    assert sql_in(code("plugins", "dags")) == []


SQL = ["SELECT 1 FROM t", "select now()", "DROP TABLE x", "with a as (select 1)", "\n  UPDATE t SET a = 1"]
PROSE = ["Drop table x by hand", "with a as small a lock", "update the window", "GRANT ALL ON x TO you.", ""]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_python_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(f'"""drop table docstring"""\nrun({text!r})\nrun(f"alter role {{role}} login")\n')
    assert len(sql_in([tmp_path / "a.py"])) == 2


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_not_sql(text: str) -> None:
    assert not is_sql(text)


def test_every_statement_has_a_name_of_its_own_and_a_reader() -> None:
    named = named_statements()
    assert len(named) == len(set(named))
    asked = asked_statements(code("plugins", "dags", "benchmarks"))
    assert unheard(set(named), asked) == [], "nobody runs these: remove them"
    assert unknown(set(named), asked) == [], "these are asked for and are in no file"


def test_a_statement_without_a_reader_or_without_a_file_is_found() -> None:
    named, asked = {"a.make_x", "a.make_y", "b.drop"}, {"a.make_…", "b.dropp"}
    assert unheard(named, asked) == ["b.drop"]
    assert unknown(named, asked) == ["b.dropp"]


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, with plugins/ on its path."""
    variables = {**os.environ, "PYTHONPATH": str(PLUGINS), **environment}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables)


def test_the_library_works_without_airflow() -> None:
    files = [file.relative_to(PLUGINS) for file in sorted((PLUGINS / "sluice").rglob("*.py"))]
    modules = [".".join(file.with_suffix("").parts) for file in files if file.parts[1] not in KNOW_AIRFLOW]
    imports = "\n".join(f"import {module.removesuffix('.__init__')}" for module in modules)
    done = python(f"import sys\nsys.modules['airflow'] = None\n{imports}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ignored", [True, False])
def test_airflow_loads_plugins_but_not_the_library(tmp_path: Path, ignored: bool) -> None:
    """Without the ignore file each module of the library would land in sys.modules, by its bare name."""
    (tmp_path / "plugins/sluice").mkdir(parents=True)
    (tmp_path / "plugins/sluice/probe_inside.py").touch()
    (tmp_path / "plugins/probe_beside.py").touch()
    if ignored:
        (tmp_path / "plugins/.airflowignore").write_bytes((PLUGINS / ".airflowignore").read_bytes())
    done = python(
        "import sys; from airflow import plugins_manager; plugins_manager.ensure_plugins_loaded()\n"
        "print(*sorted(name for name in sys.modules if name.startswith('probe_')))",
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(tmp_path / "plugins"),
    )
    loaded = done.stdout.splitlines()[-1].split()  # above it, Airflow may have something to log
    assert loaded == (["probe_beside"] if ignored else ["probe_beside", "probe_inside"]), done.stderr


def requirements(file: str) -> list[Requirement]:
    """Read a requirements file, without its comments."""
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def test_the_lock_holds_everything_that_is_asked_for() -> None:
    lock: dict[str, list[str]] = {}
    for pin in requirements("requirements.txt"):
        (exact,) = pin.specifier
        assert exact.operator == "==", f"{pin} is not pinned"
        lock.setdefault(pin.name, []).append(exact.version)
    assert "airflow-provider-great-expectations" not in lock, "see docs/decisions/001"
    for asked in requirements("requirements.in"):
        assert asked.name in lock, f"{asked.name} is not locked: make requirements.txt again"
        assert all(asked.specifier.contains(version) for version in lock[asked.name]), asked


# In halves, so that this file is not the first to break its own rule.
NEVER = [
    *("".join(halves) for halves in [("sub", "agent"), ("sub-", "agent"), ("anth", "ropic"), ("chat", "gpt")]),
    r"(?<![\w.])/" + r"(work|root)/\w",
    r"\bpython" + r"hosted\.org|\bpypi\.org|\bregistry\." + r"npmjs|\bdocker\.io/",
    r"\b(issue|ticket|fixes|closes)" + r" #\d",
]


def texts() -> Iterator[tuple[str, str]]:
    """Give name and text of every file that is, or would be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data:
            yield name, data.decode()


def test_nothing_tells_where_it_was_made() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git here to say which files are the project's")
    never = re.compile("|".join(NEVER), re.IGNORECASE)
    found = [f"{name}: {said[0]}" for name, text in texts() for said in never.finditer(text)]
    assert found == []
    assert "tests/unit/test_house.py" in dict(texts())


def test_every_file_of_tests_has_some() -> None:
    """An emptied one would be missed by nobody: the ring is green without it."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if "zoo" not in file.parts]
    empty = [
        str(file.relative_to(ROOT))
        for file in files
        if not re.search(r"(?m)^(    )?def test_|TestCase$", file.read_text())
    ]
    assert empty == []
