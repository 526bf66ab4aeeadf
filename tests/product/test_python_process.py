"""F3: the Python package as a part of a process: the library's header and its place, pyarrow that is not there, what is
left at the end, memory, messages."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import capi
import codeanatomy
import pytest
from codeanatomy import _library
from conftest import ROOT, Answer, Program


def run_python(code: str, *args: object, env: dict[str, str] | None = None) -> Answer:
    """In a process of its own, with the package of this checkout."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **(env or {})},
        capture_output=True,
        text=True,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


# ---- the header ------------------------------------------------------------------------------------------------------

# What the package has no use for: text for a terminal, and schemas for editors.
LEFT = {
    "ca_query_write", "ca_stream_write", "ca_sql_split", "ca_status_name", "ca_contract_schema", "ca_location_schema",
    "ca_cancel_new", "ca_cancel_fire", "ca_cancel_free",
}  # fmt: skip
INTEGERS = {"int": 4, "enum ca_write_mode": 4, "unsigned int": 4, "int64_t": 8, "size_t": 8}


def test_structs_are_those_of_the_headers() -> None:
    for struct in _library.STRUCTS:
        declared = capi.ffi.typeof(f"struct {struct.__name__}")
        assert capi.ffi.sizeof(declared) == _library.ctypes.sizeof(struct), struct
        fields = [(name, field.offset) for name, field in declared.fields]
        assert fields == [(name, getattr(struct, name).offset) for name, *_ in struct._fields_], struct


def test_functions_are_those_of_the_headers() -> None:
    """Each function of the headers has its place, with so many arguments of such kinds."""
    declared = {name for name in dir(capi.lib) if callable(getattr(capi.lib, name))}
    assert declared - LEFT == {*_library.FALLIBLE, *_library.OTHERS}
    for name in declared - LEFT:
        function = capi.ffi.typeof(getattr(capi.lib, name))
        arguments = _library.FALLIBLE.get(name)
        if arguments is None:
            arguments = _library.OTHERS[name][1]
        else:
            assert function.result.cname == "int" and function.args[-1].cname == "struct ca_error *", name
            arguments = [*arguments, _library.c_void_p]
        assert len(arguments) == len(function.args), name
        for given, wanted in zip(arguments, function.args, strict=True):
            size = INTEGERS.get(wanted.cname)
            assert (given not in (_library.c_int, _library.c_int64, _library.c_size_t)) == (size is None), name
            assert _library.ctypes.sizeof(given) == (size or 8), name


def test_status_has_a_class_each() -> None:
    declared = {name.removeprefix("CA_ERR_"): n for n, name in capi.ffi.typeof("enum ca_status").elements.items() if n}
    assert {status.name: status.value for status in codeanatomy.Status} == declared
    assert {kind.code for kind in codeanatomy.Error.__subclasses__()} == set(codeanatomy.Status)


def test_versions(program: Program) -> None:
    assert codeanatomy.version() == codeanatomy.__version__
    assert program.run("--version").out.split()[1] == codeanatomy.__version__
    assert codeanatomy.versions()["datafusion"].startswith("55.")


# ---- finding the library ---------------------------------------------------------------------------------------------


def test_library_is_not_there(tmp_path: Path) -> None:
    """Design decision 22: a plain error that says what to do, and nothing of a wrong library is called."""
    answer = run_python("import codeanatomy", env={"CODEANATOMY_LIBRARY": str(tmp_path / "none.so")})
    assert answer.code == 1
    last = answer.err.splitlines()[-1]
    assert last.startswith("ImportError: codeanatomy: CODEANATOMY_LIBRARY names no library that can be loaded (")
    assert "make install PREFIX=DIR" in last
    answer = run_python("import codeanatomy", env={"CODEANATOMY_LIBRARY": "libc.so.6"})
    assert "ImportError: codeanatomy: 'libc.so.6' is no library of codeanatomy" in answer.err


def test_library_of_another_version(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "python" / "codeanatomy", tmp_path / "codeanatomy")
    init = tmp_path / "codeanatomy" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "0.1.0"', '__version__ = "0.99.0"'))
    answer = run_python("import codeanatomy", env={"PYTHONPATH": str(tmp_path)})
    assert answer.code == 1
    assert "this package is of version 0.99.0, and the library " in answer.err.splitlines()[-1]


def test_without_pyarrow(shop_store: Path) -> None:
    """Rows stream, to a library that needs no pyarrow either; what needs it says so."""
    code = """
import sys
sys.modules["pyarrow"] = None
import codeanatomy, polars
with codeanatomy.connect(sys.argv[1]) as s:
    print(polars.DataFrame(s.sql("SELECT name FROM classes ORDER BY name"))["name"].to_list())
    print(repr(s.schema("classes").__arrow_c_schema__())[:31])
    for f in (lambda: s.sql("SELECT $1", [1]), lambda: s.sql("SELECT 1").to_arrow(), lambda:
    s.schema("classes").to_arrow()):
        try:
            f()
        except ImportError as e:
            print(e)
"""
    answer = run_python(code, shop_store)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "['Gift', 'Item', 'Named']",
        '<capsule object "arrow_schema" ',
        "codeanatomy: a parameter of a Python value needs pyarrow: pip install pyarrow",
        "codeanatomy: Result.to_arrow needs pyarrow: pip install pyarrow",
        "codeanatomy: Schema.to_arrow needs pyarrow: pip install pyarrow",
    ]


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_dropped_in_any_order(shop_store: Path) -> None:
    """Results and capsules unread or half read, datasets after their session, in an exception's frames, at the end of
    Python: the process ends well."""
    code = """
import sys, codeanatomy, pyarrow as pa
s = codeanatomy.connect(sys.argv[1])
many = "SELECT value FROM generate_series(1, 1000000)"
s.sql(many)
s.sql(many).__arrow_c_stream__()
s.schema("functions").__arrow_c_schema__()
half = pa.RecordBatchReader.from_stream(s.sql(many))
half.read_next_batch()
del half
def failing():
    capsule = s.sql(many).__arrow_c_stream__()
    raise ValueError(pa.RecordBatchReader.from_stream(capsule))
try:
    failing()
except Exception as e:
    print(type(e).__name__)
d = s.dataset("functions")
d2 = s.dataset("functions")
del d2
print(s.sql("SELECT 1 AS a").to_pylist())
left = s.sql(many).batches()
next(left)
unread = s.sql(many).__arrow_c_stream__()
"""
    answer = run_python(code, shop_store)
    assert (answer.code, answer.out.splitlines()[-1], answer.err) == (0, "[{'a': 1}]", "")


def test_memory_stays(shop_store: Path) -> None:
    """Some 2,000 queries of every kind, read, half read and dropped, and handles: the process does not grow by them."""
    code = """
import sys, codeanatomy, pyarrow as pa
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096
with codeanatomy.connect(sys.argv[1]) as s:
    def some(n):
        for i in range(n):
            s.sql("SELECT $1 AS a, $2 AS b", [i, "x" * 100]).to_pylist()
            s.sql("SELECT value FROM generate_series(1, 20000)")
            next(s.sql("SELECT value FROM generate_series(1, 20000)").batches())
            s.sql("SELECT name FROM functions").__arrow_c_stream__()
            s.schema("functions").__arrow_c_schema__()
            s.dataset("functions").schema
            try:
                s.sql("SELECT nothing")
            except codeanatomy.Error:
                pass
    some(400)
    before = rss()
    some(400)
    print((rss() - before) // 1024)
"""
    answer = run_python(code, shop_store)
    assert (answer.code, answer.err) == (0, "")
    assert int(answer.out) < 16 * 1024, f"{answer.out} KiB"


# ---- the process -----------------------------------------------------------------------------------------------------


def test_messages_go_to_a_logger(shop_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.codeanatomy")
    with caplog.at_level(logging.DEBUG, "tests.codeanatomy"):
        codeanatomy.log_to(logger)
        try:
            with codeanatomy.connect(shop_store) as s:
                s.sql("SELECT count(*) FROM functions").to_arrow()
        finally:
            codeanatomy.log_to(None)
        n_records = len(caplog.records)
        assert n_records > 0
        assert all(record.name == "tests.codeanatomy" and "room" in vars(record)["fields"] for record in caplog.records)
        codeanatomy.connect(shop_store).close()
        assert len(caplog.records) == n_records
