"""Contracts as values: generated with types of every kind, and read here a second time, apart from the product, as an
Arrow schema, as the words that people read, and as paths."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import capi
import pyarrow as pa
import xxhash
from hypothesis import strategies as st

# A contract file, or a part of one, as YAML reads it.
Node = dict[str, Any]

FORMATS = {
    "null": "n", "bool": "b", "int8": "c", "int16": "s", "int32": "i", "int64": "l",
    "uint8": "C", "uint16": "S", "uint32": "I", "uint64": "L", "float16": "e", "float32": "f", "float64": "g",
    "utf8": "u", "large_utf8": "U", "utf8_view": "vu", "binary": "z", "large_binary": "Z", "binary_view": "vz",
    "date32": "tdD", "date64": "tdm", "time32_s": "tts", "time32_ms": "ttm", "time64_us": "ttu", "time64_ns": "ttn",
    "duration_s": "tDs", "duration_ms": "tDm", "duration_us": "tDu", "duration_ns": "tDn",
    "interval_year_month": "tiM", "interval_day_time": "tiD", "interval_month_day_nano": "tin",
    "list": "+l", "large_list": "+L", "list_view": "+vl", "large_list_view": "+vL", "struct": "+s", "map": "+m",
}  # fmt: skip
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
TIMESTAMPS = {"timestamp_s": "tss:", "timestamp_ms": "tsm:", "timestamp_us": "tsu:", "timestamp_ns": "tsn:"}
DECIMALS = {"decimal32": (9, ",32"), "decimal64": (18, ",64"), "decimal128": (38, ""), "decimal256": (76, ",256")}
LISTS = ["list", "large_list", "list_view", "large_list_view", "fixed_size_list"]
NESTED = [*LISTS, "struct", "map"]
SCALARS = [n for n in FORMATS if n not in (*NESTED, "null")] + [*TIMESTAMPS, *DECIMALS, "fixed_size_binary"]

# What a Delta table cannot hold, as docs/contracts.md says; zones and negative scales apart.
NOT_IN_DELTA = {
    "null", "float16", "date64", "timestamp_ns", "decimal32", "decimal64", "decimal256",
    *(n for n in FORMATS if n.startswith(("time32", "time64", "duration", "interval"))),
}  # fmt: skip


# ---- what a contract means ------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """A field of an Arrow schema: all that the C data interface says of it."""

    name: str
    format: str
    nullable: bool
    metadata: dict[str, str]
    children: list[Shape]
    dictionary: str | None


def format_of(t: Node) -> str:
    name = t["type"]
    if name in DECIMALS:
        return f"d:{t['precision']},{t['scale']}{DECIMALS[name][1]}"
    if name in TIMESTAMPS:
        return TIMESTAMPS[name] + t.get("zone", "")
    if name == "fixed_size_binary":
        return f"w:{t['size']}"
    if name == "fixed_size_list":
        return f"+w:{t['size']}"
    return FORMATS[t["index"] if name == "dictionary" else name]


def parts_of(t: Node) -> list[tuple[str, Node]]:
    """What is inside, with how its path goes on."""
    if t["type"] in LISTS:
        return [("[]", t["item"])]
    if t["type"] == "struct":
        return [(f".{f['name']}", f) for f in t["fields"]]
    return [("{key}", t["key"]), ("{value}", t["value"])] if t["type"] == "map" else []


def shape_of(t: Node, name: str) -> Shape:
    """The Arrow field that docs/contracts.md promises."""
    names = {"[]": "item", "{key}": "key", "{value}": "value"}
    children = [shape_of(part, names.get(suffix, suffix[1:])) for suffix, part in parts_of(t)]
    if t["type"] == "map":
        children = [Shape("entries", "+s", False, {}, children, None)]
    dictionary = format_of(t["value"]) if t["type"] == "dictionary" else None
    return Shape(name, format_of(t), t.get("nullable", False), t.get("metadata", {}), children, dictionary)


def word_of(t: Node) -> str:
    """The type as registry.columns has it."""
    name = t["type"]
    if name in DECIMALS:
        return f"{name}({t['precision']}, {t['scale']})"
    if name in TIMESTAMPS:
        return f"{name}({t['zone']})" if "zone" in t else name
    if "size" in t:
        return f"{name}({t['size']})"
    return f"dictionary({t['index']}, {word_of(t['value'])})" if name == "dictionary" else name


def text_of(t: Node) -> str:
    """The same, nested in full."""

    def part(p: Node) -> str:
        return text_of(p) + ("" if p.get("nullable", False) else " not null")

    if t["type"] in LISTS:
        return f"{word_of(t)}<{part(t['item'])}>"
    if t["type"] == "struct":
        return "struct<" + ", ".join(f"{f['name']}: {part(f)}" for f in t["fields"]) + ">"
    return f"map<{text_of(t['key'])}, {part(t['value'])}>" if t["type"] == "map" else word_of(t)


def walk(t: Node, path: str, depth: int = 0) -> list[tuple[str, int, Node]]:
    """A column and all that is inside: path, depth, what is declared there."""
    below = [found for suffix, part in parts_of(t) for found in walk(part, path + suffix, depth + 1)]
    return [(path, depth, t), *below]


def is_in_delta(t: Node) -> bool:
    inner = t["value"] if t["type"] == "dictionary" else t
    own = inner["type"] not in NOT_IN_DELTA and inner.get("zone", "UTC") == "UTC" and inner.get("scale", 0) >= 0
    return own and all(is_in_delta(part) for _, part in parts_of(t))


# ---- fingerprints, as docs/fingerprints.md defines them -------------------------------------------------------------


def type_json(t: Node) -> Node:
    keys = [k for k in ("precision", "scale", "size", "index") if k in t]
    found = {k: t[k] for k in keys}
    return found | ({"zone": t.get("zone")} if t["type"] in TIMESTAMPS else {})


def field_json(t: Node, name: str) -> Node:
    names = {"[]": "item", "{key}": "key", "{value}": "value"}
    children = [field_json(part, names.get(suffix, suffix[1:])) for suffix, part in parts_of(t)]
    if t["type"] == "dictionary":
        children = [field_json(t["value"], "value")]
    is_nullable = t.get("nullable", False)
    return type_json(t) | {
        "name": name,
        "type": t["type"],
        "nullable": is_nullable,
        "default": t.get("default", "NULL" if is_nullable else None),
        "metadata": t.get("metadata", {}),
        "evolution": t.get("evolution", {}),
        "lossy_from": t.get("lossy_from", []),
        **({"children": children} if children else {}),
    }


CHANGES = ["add_nullable", "add_required", "widen", "rename", "drop", "reorder", "relax_null", "nested"]


def canonical_json(c: Node, stage: str) -> str:
    """Of a table; views and extractors are not read here."""
    rules = c["evolution"]
    storage: Node = {"location": None, "compression": None, "row_group_bytes": 0, "target_file_bytes": 0,
                     "statistics_columns": [], "properties": {}, "format": "delta"}  # fmt: skip
    scan = {key: str(value).lower() for key, value in c.get("scan", {}).items()}
    keys = c.get("keys", {})
    whole = {
        "columns": [field_json(column, column["name"]) for column in c["columns"]],
        "evolution": {change: rules.get(change, rules["default"]) for change in CHANGES},
        "primary": keys.get("primary", []),
        "unique": keys.get("unique", []),
        "join": keys.get("join", []),
        "storage": storage | c.get("storage", {}),
        "scan": scan,
        "stage": stage,
        "extract": None,
        "views": {},
        "file_local": c.get("file_local", False),
        "bucket_inputs": c.get("bucket_inputs", []),
        "engine": c.get("engine"),
        **{key: c[key] for key in ("dataset", "version", "kind")},
        **{key: c.get(key, []) for key in ("order", "partition_by")},
        **{key: c.get(key, {}) for key in ("checks", "metadata")},
    }
    return json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def schema_bytes(shape: Shape, name: str | None, *, is_dictionary: bool = False) -> bytes:
    def text(value: str | None) -> bytes:
        if value is None:
            return b"\xff" * 8
        encoded = value.encode()
        return len(encoded).to_bytes(8, "little") + encoded

    out = text(name) + text(shape.format) + bytes([is_dictionary or shape.nullable])
    out += b"-" if shape.dictionary is None else b"d"
    if shape.dictionary is not None:
        out += schema_bytes(Shape("", shape.dictionary, True, {}, [], None), None, is_dictionary=True)
    out += len(shape.children).to_bytes(4, "little")
    children = shape.children[0].children if shape.format == "+m" else shape.children
    return out + b"".join(schema_bytes(child, child.name if shape.format == "+s" else None) for child in children)


def fingerprint(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def contract_fingerprint(c: Node, stage: str) -> str:
    return fingerprint(canonical_json(c, stage).encode())


def schema_fingerprint(c: Node) -> str:
    return fingerprint(b"".join(schema_bytes(shape_of(column, ""), column["name"]) for column in c["columns"]))


# ---- what Arrow says ------------------------------------------------------------------------------------------------


def metadata_of(pointer: Any) -> dict[str, str]:
    """The C data interface: a count, then each key and value with its length in front, all int32."""
    if pointer == capi.ffi.NULL:
        return {}
    at = 0

    def number() -> int:
        nonlocal at
        value = int.from_bytes(capi.ffi.buffer(pointer + at, 4)[:], "little")
        at += 4
        return value

    def text() -> str:
        nonlocal at
        n = number()
        value = capi.ffi.buffer(pointer + at, n)[:].decode() if n else ""
        at += n
        return value

    return {text(): text() for _ in range(number())}


def read_shape(schema: Any) -> Shape:
    """Of a `struct ArrowSchema *`, without pyarrow in between."""
    name = "" if schema.name == capi.ffi.NULL else capi.ffi.string(schema.name).decode()
    children = [read_shape(schema.children[i]) for i in range(schema.n_children)]
    dictionary = None
    if schema.dictionary != capi.ffi.NULL:
        dictionary = capi.ffi.string(schema.dictionary.format).decode()
    nullable = bool(schema.flags & 2)
    return Shape(
        name, capi.ffi.string(schema.format).decode(), nullable, metadata_of(schema.metadata), children, dictionary
    )


def shapes_of(schema: pa.Schema) -> list[Shape]:
    pointer = capi.ffi.new("struct ArrowSchema *")
    schema._export_to_c(capi.address(pointer))
    found = read_shape(pointer).children
    pointer.release(pointer)
    return found


# ---- generated ------------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=5)
METADATA = st.dictionaries(NAMES, WORDS.filter(lambda text: text.strip() == text), max_size=2)


@st.composite
def scalars(draw: st.DrawFn, names: tuple[str, ...] = (*SCALARS, "dictionary")) -> Node:
    name = draw(st.sampled_from(names))
    node: Node = {"type": name}
    if name in DECIMALS:
        most = DECIMALS[name][0]
        node["precision"] = draw(st.integers(1, most))
        node["scale"] = draw(st.integers(-node["precision"], node["precision"]))
    elif name in TIMESTAMPS:
        zone = draw(st.sampled_from([None, "UTC", "Europe/Paris", "+05:30"]))
        node |= {"zone": zone} if zone else {}
    elif name == "fixed_size_binary":
        node["size"] = draw(st.integers(1, 64))
    elif name == "dictionary":
        node["index"] = draw(st.sampled_from(INTEGERS))
        node["value"] = draw(scalars(tuple(SCALARS)))
    return node


def nullable(draw: st.DrawFn, node: Node) -> Node:
    node["nullable"] = node["type"] == "null" or draw(st.booleans())
    if draw(st.integers(0, 4)) == 0:
        node["metadata"] = draw(METADATA)
    return node


@st.composite
def types(draw: st.DrawFn, depth: int) -> Node:
    """At most `depth` levels of lists, structs and maps around a scalar."""
    if depth == 0 or draw(st.integers(0, 9)) < 3:
        return {"type": "null"} if draw(st.integers(0, 30)) == 0 else draw(scalars())
    node: Node = {"type": draw(st.sampled_from(NESTED))}
    if node["type"] == "struct":
        names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        node["fields"] = [{"name": n, "doc": "d"} | nullable(draw, draw(types(depth - 1))) for n in names]
    elif node["type"] == "map":
        node["key"] = draw(scalars(tuple(SCALARS)))
        node["value"] = nullable(draw, draw(types(depth - 1)))
    else:
        node["item"] = nullable(draw, draw(types(depth - 1)))
    if node["type"] == "fixed_size_list":
        node["size"] = draw(st.integers(1, 9))
    return node


DEFAULTS = {"bool": "true", "utf8": "'it''s'", "float64": "1.5"} | dict.fromkeys(INTEGERS, "7")


@st.composite
def contracts(draw: st.DrawFn, dataset: str) -> Node:
    """A table of every storage format, with types to depth 5, keys, order, partitions, defaults and options."""
    columns = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        column = {"name": name, "doc": "d"} | nullable(draw, draw(types(5)))
        if column["type"] in DEFAULTS and draw(st.booleans()):
            column["default"] = DEFAULTS[column["type"]]
        columns.append(column)
    plain = [c["name"] for c in columns if c["type"] in ("utf8", *INTEGERS)]
    required = [c["name"] for c in columns if c["name"] in plain and not c["nullable"]]
    formats = ["memory", "parquet", "csv", "ndjson", "arrow", "avro", "stream"]
    formats += ["delta"] * 3 if all(is_in_delta(c) for c in columns) else []
    contract: Node = {
        "dataset": dataset,
        "version": 1,
        "kind": "table",
        "doc": "d",
        "columns": columns,
        "keys": {},
        "storage": {"format": draw(st.sampled_from(formats))},
        "evolution": {"default": "refuse"},
        "engine": draw(st.sampled_from(["54", "55", "55.2"])),
        "metadata": draw(METADATA),
    }
    is_file = contract["storage"]["format"] not in ("memory", "stream")
    if required and draw(st.booleans()):
        contract["keys"]["primary"] = draw(st.permutations(required))
    if plain and draw(st.booleans()):
        contract["keys"]["unique"] = [draw(st.permutations(plain))]
    if plain and draw(st.booleans()):
        contract["order"] = draw(st.permutations(plain))
    if is_file and len(plain) > 0 and len(columns) > 1 and draw(st.booleans()):
        contract["partition_by"] = [draw(st.sampled_from(plain))]
    if contract["storage"]["format"] == "csv" and draw(st.booleans()):
        contract["scan"] = {"unbounded": draw(st.booleans())}
    if contract["storage"]["format"] == "parquet" and draw(st.booleans()):
        contract["storage"] |= {"compression": "zstd", "target_file_bytes": 1000000}
    if contract["storage"]["format"] == "csv" and draw(st.booleans()):
        contract["storage"]["compression"] = "gzip"
    return contract
