"""The libcst layer against LibCST's own metadata on a sample: call spans, definitions, qualified names, name spans.

    compare_libcst.py --root DIR --facts FACTS [--every N]

FACTS as for compare_cst.py. LibCST is no authority (reference/positions.md lists where it is wrong), so this is a
second opinion from another parser with another scope analysis, not a proof. Exit status 1 when anything differs.
"""

# LibCST types its metadata by class, which pyright cannot follow through get_metadata.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import argparse
import collections
import pathlib
import sys

import libcst
from facts import read_rows
from libcst.metadata import (
    ByteSpanPositionProvider,
    ExpressionContextProvider,
    MetadataWrapper,
    QualifiedNameProvider,
    QualifiedNameSource,
    Scope,
    ScopeProvider,
)


class Collect(libcst.CSTVisitor):
    METADATA_DEPENDENCIES = (
        ByteSpanPositionProvider,
        ExpressionContextProvider,
        QualifiedNameProvider,
        ScopeProvider,
    )

    def __init__(self, bom):
        self.bom = bom
        self.calls, self.defs, self.names = [], [], []

    def span(self, node):
        span = self.get_metadata(ByteSpanPositionProvider, node)
        return self.bom + span.start, self.bom + span.start + span.length

    def visit_Call(self, node):
        self.calls.append((*self.span(node), *self.span(node.func)))

    def definition(self, node):
        names = self.get_metadata(QualifiedNameProvider, node)
        local = sorted(n.name for n in names if n.source is QualifiedNameSource.LOCAL)
        self.defs.append((self.span(node)[0], *self.span(node.name), local[0] if len(local) == 1 else None))

    visit_FunctionDef = definition
    visit_ClassDef = definition

    def visit_Name(self, node):
        scope = self.get_metadata(ScopeProvider, node, None)
        # LibCST gives a scope and a context to uses, targets, and names of definitions and parameters.
        context = self.get_metadata(ExpressionContextProvider, node, None)
        if isinstance(scope, Scope) and context is not None and node.value not in ("None", "True", "False"):
            self.names.append(self.span(node))


def compare_file(row, raw, counts, differing):
    visitor = Collect(3 if raw.startswith(b"\xef\xbb\xbf") else 0)
    MetadataWrapper(libcst.parse_module(raw), unsafe_skip_copy=True).visit(visitor)
    keys = ("start_byte", "end_byte", "callee_start_byte", "callee_end_byte")
    ours = {
        "calls": [tuple(c[k] for k in keys) for c in row["callsites"]],
        "defs": [(d["start_byte"], d["name_start_byte"], d["name_end_byte"], d["qualname"]) for d in row["defs"]],
        "names": list({(r["start_byte"], r["end_byte"]) for r in row["refs"] + row["binding_sites"]}),
    }
    theirs = {"calls": visitor.calls, "defs": visitor.defs, "names": visitor.names}
    for part, rows in theirs.items():
        counts[part] += len(rows)
        missing = collections.Counter(rows) - collections.Counter(ours[part])
        extra = collections.Counter(ours[part]) - collections.Counter(rows) if part != "names" else {}
        for sign, difference in (("only LibCST", missing), ("only ours", extra)):
            for key in difference:
                differing[part] += 1
                if differing[part] <= 20:
                    text = raw[key[0] : key[1]].decode(errors="replace") if part != "defs" else ""
                    print(f"{row['path']}: {part}: {sign}: {key} {text}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--facts", required=True)
    parser.add_argument("--every", type=int, default=20)
    options = parser.parse_args()
    counts, differing = collections.Counter(), collections.Counter()
    for i, row in enumerate(read_rows(options.facts)):
        if i % options.every != 0:
            continue
        raw = (pathlib.Path(options.root) / row["path"]).read_bytes()
        try:
            compare_file(row, raw, counts, differing)
        except (libcst.ParserSyntaxError, SyntaxError, UnicodeDecodeError) as error:
            print(f"{row['path']}: not compared: {type(error).__name__}")
        else:
            counts["files"] += 1
    for part, n in sorted(counts.items()):
        print(f"  {part}: {n} compared, {differing[part]} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
