"""The libcst layer against CPython: names, attributes, calls, definitions, parameters, imports, scopes.

    compare_cst.py --root DIR --facts FACTS --python PYTHON [--only PART,..] [--limit N] [--share S]

FACTS holds rows of libcst_files_v1 (or any superset of its columns) as an Arrow stream or file, Parquet, or NDJSON:
what dump_cst writes, or what `codeanatomy sql --format arrow|parquet|ndjson` answers. PYTHON is the interpreter whose
ast, symtable and code objects are compared; python_facts.py runs in it. Exit status 1 when more than the share S (0
unless said) of any part differs.

What CPython does not say is not compared: places inside f-strings up to 3.11 (names and counts are), annotations under
`from __future__ import annotations` in symtable, code objects of branches that the compiler removes.
"""

# A process that was opened with pipes has them; what is parsed here has the shape that was written.
# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

import argparse
import ast
import collections
import json
import pathlib
import re
import subprocess
import sys

import pyarrow
import pyarrow.ipc
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
INLINED = re.compile(r"<(?:list|set|dict)comp>\.")
# Files that are not compared, by the end of the path, and why. Each is a limit of the grammar, not of the scan.
EXCEPTIONS = {
    "test/test_compile.py": "the grammar's scanner ends a block at a line inside brackets that is indented less than"
    " the block, where no closing bracket may stand: `(bar.` newline `baz)`",
}
# Names that the compiler brings in: the first iterable of a comprehension, and the class of a method, which `nonlocal`
# may name although no scope of the source binds it.
IMPLICIT = {".0", "__class__"}
PARTS = ["refs", "calls", "defs", "imports", "params", "bases", "code", "scopes"]


def read_facts(path):
    """Yield one dict a file."""
    if path.endswith(".parquet"):
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=16)
    elif path.endswith((".ndjson", ".jsonl", ".json")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
        return
    else:
        source = pyarrow.memory_map(path)
        try:
            batches = pyarrow.ipc.open_stream(source)
        except pyarrow.ArrowInvalid:
            reader = pyarrow.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    for batch in batches:
        for i in range(batch.num_rows):
            yield batch.slice(i, 1).to_pylist()[0]


class Report:
    def __init__(self, limit):
        self.limit = limit
        self.compared = collections.Counter()
        self.differing = collections.Counter()

    def compare(self, part, path, ours, theirs):
        """Both are iterables of hashable rows; order does not matter, repetition does."""
        ours, theirs = collections.Counter(ours), collections.Counter(theirs)
        self.compared[part] += sum(theirs.values())
        if ours == theirs:
            return
        for sign, rows in (("only ours", ours - theirs), ("only CPython", theirs - ours)):
            for row in rows:
                self.differing[part] += rows[row]
                if self.differing[part] <= self.limit:
                    print(f"{path}: {part}: {sign}: {row}")


def expression(text, is_annotation=False):
    """ast of a slice of source, as python_facts.py dumps it in this very version; None stays None."""
    if text is None:
        return None
    if is_annotation and text.lstrip().startswith("*"):
        tree = ast.parse(f"x[{text}]", mode="eval").body.slice
        return ast.dump(tree.elts[0] if isinstance(tree, ast.Tuple) else tree)
    return ast.dump(ast.parse(f"(\n{text}\n)", mode="eval").body)


def mangled(name, class_name):
    if not class_name or not name.startswith("__") or name.endswith("__") or not class_name.strip("_"):
        return name
    return f"_{class_name.lstrip('_')}{name}"


def private_classes(row):
    """Name of the class that private names of each scope belong to."""
    classes = []
    for scope in row["scopes"]:
        if scope["kind"] == "class":
            classes.append(row["defs"][scope["def"]]["name"])
        else:
            classes.append(None if scope["parent"] is None else classes[scope["parent"]])
    return classes


def is_read_early(row, ref, name, bound):
    """In the body of a class a read before the name's second site may mean what is outside; CPython has one
    word for all reads of a block."""
    if name not in bound or ref["context"] != "load" or row["scopes"][ref["scope"]]["kind"] != "class":
        return False
    sites = [s for s in row["binding_sites"] if row["bindings"][s["binding"]]["scope"] == ref["scope"]]
    earlier = [
        s for s in sites if row["bindings"][s["binding"]]["name"] == ref["name"] and s["start_byte"] < ref["start_byte"]
    ]
    return len(earlier) <= 1


def our_scopes(row):
    """path of every scope as python_facts.py names it, names it binds, and the class of each name it uses."""
    names = {"comprehension": None, "lambda": "lambda", "module": "top"}
    comprehension = {"<listcomp>": "listcomp", "<setcomp>": "setcomp", "<dictcomp>": "dictcomp", "<genexpr>": "genexpr"}
    privacy = private_classes(row)
    paths, bound, used = [], [], []
    for scope in row["scopes"]:
        bound.append(set())
        used.append(collections.defaultdict(set))
        if scope["kind"] == "module":
            paths.append(())
            continue
        name = names.get(scope["kind"])
        if scope["kind"] in ("class", "function"):
            name = row["defs"][scope["def"]]["name"]
        elif name is None:
            name = comprehension[scope["qualname"].rsplit(".", 1)[-1]]
        kind = "class" if scope["kind"] == "class" else "function"
        paths.append((*paths[scope["parent"]], f"{kind}:{name}:{scope['start_line']}"))
    for binding in row["bindings"]:
        bound[binding["scope"]].add(mangled(binding["name"], privacy[binding["scope"]]))
    for ref in row["refs"]:
        if ref["kind"] != "name":
            continue
        scope = ref["scope"]
        owner = None if ref["binding"] is None else row["bindings"][ref["binding"]]["scope"]
        meaning = "global" if owner in (None, 0) else "local" if owner == scope else "free"
        name = mangled(ref["name"], privacy[scope])
        used[scope][name].add("local" if owner == scope or is_read_early(row, ref, name, bound[scope]) else meaning)
    return paths, bound, used


def compare_scopes(report, path, row, theirs):
    paths, bound, used = our_scopes(row)
    global_bound = {name for scope in theirs["scopes"] for name in scope[3]}
    ours = []
    for i, own in enumerate(paths):
        ours.append((own, tuple(sorted(bound[i] - IMPLICIT))))
    expected = []
    meanings = collections.defaultdict(list)
    for own, bound_names, classes, _, mentioned in theirs["scopes"]:
        names = set(bound_names)
        if not own:
            names |= global_bound
        expected.append((tuple(own), tuple(sorted(names - IMPLICIT))))
        meanings[tuple(own)].append((classes, set(mentioned)))
    report.compare("scopes", path, ours, expected)

    # Blocks of the same path (two lambdas of a line) are told apart by what they bind; where even that is equal, any
    # may fit.
    for i, own in enumerate(paths):
        candidates = meanings.get(own, [])
        report.compared["meanings"] += len(used[i])
        problems = [
            wrong_meanings(used[i], classes, theirs["has_future_annotations"], is_module=not own)
            for classes, _ in candidates
        ]
        if problems and min(map(len, problems)) > 0:
            report.differing["meanings"] += 1
            if report.differing["meanings"] <= report.limit:
                print(f"{path}: meanings: {own}: {min(problems, key=len)}")
    if not theirs["has_future_annotations"]:
        uses = collections.defaultdict(set)
        for i, own in enumerate(paths):
            uses[own] |= set(used[i])
        for own, candidates in meanings.items():
            missing = set().union(*(mentioned for _, mentioned in candidates)) - uses[own] - IMPLICIT
            if missing:
                report.differing["meanings"] += 1
                print(f"{path}: meanings: {own}: CPython alone uses {sorted(missing)}")


def wrong_meanings(used, classes, has_future_annotations, is_module):
    wrong = []
    for name, meanings in used.items():
        expected = classes.get(name)
        if expected is None:
            if not has_future_annotations:
                wrong.append((name, sorted(meanings), "not in the block"))
            continue
        if name == "__class__" and expected == "free":
            continue
        if is_module and expected == "global":  # `global x` at module level says nothing
            expected = "local" if "local" in meanings else "global"
        if meanings != {expected}:
            wrong.append((name, sorted(meanings), expected))
    return wrong


def compare_code(report, path, row, theirs, version):
    ours = collections.Counter()
    for scope in row["scopes"]:
        if scope["kind"] in ("function", "class", "lambda", "comprehension"):
            line = scope["start_line"]
            if scope["def"] is not None:
                line = row["lines"][scope["def"]]
            ours[line, scope["qualname"]] += 1
    if version >= (3, 12):
        # PEP 709: these comprehensions have no code object, and no part in the names of what is inside.
        ours = collections.Counter(
            {
                (line, INLINED.sub("", qualname)): n
                for (line, qualname), n in ours.items()
                if not qualname.endswith(("<listcomp>", "<setcomp>", "<dictcomp>"))
            }
        )
    expected = collections.Counter(tuple(r) for r in theirs["code"])
    report.compared["code"] += sum(expected.values())
    for key in expected - ours:
        report.differing["code"] += 1
        print(f"{path}: code: only CPython: {key}")
    report.compared["code of removed branches"] += sum((ours - expected).values())


def compare_file(report, row, theirs, parts, version, raw):
    path = row["path"]
    starts = [0]
    for i, byte in enumerate(raw):
        if byte == 10 or (byte == 13 and raw[i + 1 : i + 2] != b"\n"):
            starts.append(i + 1)
    if "refs" in parts:
        lossy = theirs["refs_lossy"]
        ours = [(r["start_byte"], r["end_byte"], r["kind"], r["name"], r["context"]) for r in row["refs"]]
        expected = [tuple(r) for r in theirs["refs"]]
        if lossy:
            report.compare(
                "refs in f-strings",
                path,
                (r[2:] for r in ours),
                (r[2:] for r in expected + [(0, 0, *row) for row in lossy]),
            )
            ours = list((collections.Counter(ours) & collections.Counter(expected)).elements())
        report.compare("refs", path, ours, expected)
        starts_of_refs = [r["start_byte"] for r in row["refs"]]
        if starts_of_refs != sorted(starts_of_refs):
            report.differing["refs"] += 1
            print(f"{path}: refs are not in source order")
    if "calls" in parts:
        lossy = theirs["calls_lossy"]
        ours = [
            (
                *(c["start_byte"], c["end_byte"], c["callee_start_byte"], c["callee_end_byte"]),
                *(c["callee_shape"], c["callee_name"], c["callee_dotted"], c["n_args"], c["n_keywords"]),
            )
            for c in row["callsites"]
        ]
        expected = [tuple(c) for c in theirs["calls"]]
        if lossy:
            rows = expected + [(0, 0, 0, 0, *row) for row in lossy]
            report.compare("calls in f-strings", path, (c[4:] for c in ours), (c[4:] for c in rows))
            ours = list((collections.Counter(ours) & collections.Counter(expected)).elements())
        report.compare("calls", path, ours, expected)
    if "defs" in parts:
        ours = [
            (
                *(d["start_byte"], d["end_byte"], d["full_start_byte"], d["kind"], d["name"], d["is_async"]),
                *(d["n_decorators"], d["name_start_byte"], d["name_end_byte"]),
                *(d["docstring_start_byte"], d["docstring_end_byte"], d["start_line"], d["end_line"]),
            )
            for d in row["defs"]
        ]
        report.compare("defs", path, ours, map(tuple, theirs["defs"]))
    if "imports" in parts and version >= (3, 10):
        ours = [
            (
                *(i["start_byte"], i["end_byte"], i["kind"], i["module"], i["name"], i["asname"], i["level"]),
                *(i["statement_start_byte"], i["statement_end_byte"]),
            )
            for i in row["imports"]
        ]
        report.compare("imports", path, ours, map(tuple, theirs["imports"]))
    if "params" in parts:
        is_same_version = version == sys.version_info[:2]
        ours, expected = [], []
        for p in row["params"]:
            ours.append(
                (
                    *(p["name_start_byte"], p["name_end_byte"], p["name"], p["kind"], p["position"]),
                    expression(p["annotation"], True) if is_same_version else p["annotation"] is not None,
                    expression(p["default_text"]) if is_same_version else p["default_text"] is not None,
                )
            )
        for p in theirs["params"]:
            texts = p[5:] if is_same_version else [t is not None for t in p[5:]]
            expected.append((*p[:5], *texts))
        if theirs["refs_lossy"]:
            ours = list((collections.Counter(ours) & collections.Counter(expected)).elements())
        report.compare("params", path, ours, expected)
    if "bases" in parts:
        ours = [(b["start_byte"], b["end_byte"], b["position"]) for b in row["bases"]]
        report.compare("bases", path, ours, map(tuple, theirs["bases"]))
    if "code" in parts and theirs["code"] is not None:
        lines = []
        for d in row["defs"]:
            lines.append(raw.count(b"\n", 0, d["full_start_byte"]) + 1)
        row["lines"] = lines
        if b"\r" not in raw.replace(b"\r\n", b""):
            compare_code(report, path, row, theirs, version)
    if "scopes" in parts and version < (3, 12):
        compare_scopes(report, path, row, theirs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--facts", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.0, help="of each part, this much may differ (0: nothing)")
    options = parser.parse_args()
    parts = set(options.only.split(","))
    report = Report(options.limit)
    unparsable = 0
    with subprocess.Popen(
        [options.python, "-I", str(HERE / "python_facts.py"), options.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as oracle:
        version = tuple(json.loads(oracle.stdout.readline())["version"])
        for row in read_facts(options.facts):
            oracle.stdin.write(row["path"] + "\n")
            oracle.stdin.flush()
            theirs = json.loads(oracle.stdout.readline())
            assert theirs["path"] == row["path"]
            report.compared["files"] += 1
            if "error" in theirs:
                unparsable += 1
                print(f"{row['path']}: not compared: CPython: {theirs['error']}")
                continue
            exception = next((why for end, why in EXCEPTIONS.items() if ("/" + row["path"]).endswith("/" + end)), None)
            if exception is not None and row["errors"]:
                print(f"{row['path']}: not compared: {exception}")
                continue
            if row["errors"]:
                report.differing["errors"] += 1
                print(f"{row['path']}: errors in a file that CPython reads: {row['errors'][:3]}")
            raw = (pathlib.Path(options.root) / row["path"]).read_bytes()
            compare_file(report, row, theirs, parts, version, raw)
        oracle.stdin.close()
    print(f"CPython {version[0]}.{version[1]}: {unparsable} files that it does not read")
    for part, n in sorted(report.compared.items()):
        print(f"  {part}: {n} compared, {report.differing[part]} differ")
    for part in sorted(set(report.differing) - set(report.compared)):
        print(f"  {part}: {report.differing[part]} differ")
    return 1 if any(n > options.share * max(report.compared[part], 1000) for part, n in report.differing.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
