"""Compare the room `repo` with CPython (encodings, decoding, lines) and with git (which files are in).

    compare_encoding.py --driver build/dev/oracle/repo_dump [--stdlib DIR] [--seed N] [--repositories N]

CPython is the interpreter that runs this script, 3.11 or newer. Declared encodings are compared with
tokenize.detect_encoding where it and the compiler agree; where they do not (a line that is not UTF-8, a lone CR, a
cookie with non-ASCII letters), with the compiler itself. Prints one line a check, exits with 1 when any differs.
"""

from __future__ import annotations

import argparse
import ast
import codecs
import encodings
import encodings.aliases
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tokenize
from pathlib import Path
from typing import Any

TOKENIZE: Any = tokenize  # its rule for names of encodings is private


BOM = codecs.BOM_UTF8
AVAILABLE_NAMES = """
ascii latin_1 utf_8 utf_7 utf_16 utf_16_le utf_16_be utf_32 iso2022_jp iso2022_kr big5 cp932 cp949 cp950
euc_jp euc_kr gb18030 gb2312 gbk shift_jis johab koi8_r koi8_u koi8_t kz1048 ptcp154 hp_roman8 tis_620 mac_cyrillic
mac_roman mac_iceland mac_latin2 cp037 cp1026 cp1125 cp1140 cp273 cp424 cp437 cp500 cp737 cp775 cp850 cp852 cp855 cp856
cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875
"""
AVAILABLE = (
    AVAILABLE_NAMES.split()
    + [f"cp125{i}" for i in range(9)]
    + [f"iso8859_{i}" for i in (*range(2, 12), 13, 14, 15, 16)]
)
UNAVAILABLE_NAMES = """
big5hkscs charmap cp1006 cp720 euc_jis_2004 euc_jisx0213 hz idna iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3
iso2022_jp_ext mac_arabic mac_croatian mac_farsi mac_greek mac_romanian mac_turkish palmos punycode
raw_unicode_escape shift_jis_2004 shift_jisx0213 undefined unicode_escape
"""
UNAVAILABLE = UNAVAILABLE_NAMES.split()


class Check:
    def __init__(self) -> None:
        self.n_failed = 0

    def report(self, what: str, n_cases: int, differences: list[str]) -> None:
        print(f"{'ok' if not differences else 'DIFFERS'}: {what}: {n_cases} cases, {len(differences)} differences")
        for line in differences[:20]:
            print("   ", line[:400])
        self.n_failed += bool(differences)


def dump(driver: str, root: Path) -> dict[str, dict]:
    out = subprocess.run([driver, str(root)], check=True, stdout=subprocess.PIPE).stdout
    return {row["path"]: row for row in map(json.loads, out.decode().splitlines())}


# ---- what CPython says ------------------------------------------------------------------------------------------


def compiler_cookie(raw: bytes) -> str | None:
    """The cookie as the compiler's tokenizer reads it, from bytes."""
    body = raw.removeprefix(BOM)
    for line in re.split(rb"\r\n|\r|\n", body, maxsplit=2)[:2]:
        found = re.match(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", line, re.ASCII | re.DOTALL)
        if found:
            return found[1].decode()
        if not re.match(rb"[ \t\f]*(#|$)", line):
            return None
    return None


def module_name(encoding: str) -> str:
    normal = encodings.normalize_encoding(encoding.lower())
    return encodings.aliases.aliases.get(normal, normal)


def shown(name: str) -> str:
    return name if len(name) <= 80 else name[:80] + "..."


def expected_encoding(raw: bytes) -> tuple[str | None, str | None]:
    """(name, error) of the declaration."""
    lines = raw.removeprefix(BOM).split(b"\n", 2)[:2]
    is_disputed = any(b"\r" in line.removesuffix(b"\r") for line in lines)
    try:
        "".join(line.decode("utf-8") for line in lines).encode("ascii")
    except UnicodeError:
        is_disputed = True
    if is_disputed:
        name = compiler_cookie(raw)
        name = "utf-8" if name is None else TOKENIZE._get_normal_name(name)
        if raw.startswith(BOM) and name != "utf-8":
            return None, f"encoding problem: {shown(name)} with BOM"
        try:
            codecs.lookup(name)
        except LookupError:
            return None, f"unknown encoding: {shown(name)}"
        return name, None
    try:
        name, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    except SyntaxError as e:
        message = str(e.msg)
        if message == "encoding problem: utf-8":  # the compiler names the cookie instead
            name = TOKENIZE._get_normal_name(compiler_cookie(raw))
            message = f"encoding problem: {shown(name)} with BOM"
        elif raw.startswith(BOM) and message.startswith("unknown encoding: "):  # it looks at the BOM first
            message = f"encoding problem: {shown(message.removeprefix('unknown encoding: '))} with BOM"
        elif message.startswith("unknown encoding: "):
            message = f"unknown encoding: {shown(message.removeprefix('unknown encoding: '))}"
        return None, message
    return ("utf-8" if name == "utf-8-sig" else name), None


def python_lines(text: str) -> list[str]:
    lines = re.split("\r\n|\r|\n", text)
    return lines[:-1] if lines[-1] == "" else lines


def newline_style(text: str) -> str:
    breaks = {{"\n": "lf", "\r\n": "crlf", "\r": "cr"}[b] for b in re.findall("\r\n|\r|\n", text)}
    return "none" if not breaks else "mixed" if len(breaks) > 1 else breaks.pop()


def position_digest(text: str) -> str:
    digest = hashlib.sha256()
    utf8 = line = column = 0
    for i, c in enumerate(text):
        digest.update(b"%d %d %d\n" % (utf8, line, column))
        utf8 += len(c.encode())
        column += 1
        if c == "\n" or (c == "\r" and text[i + 1 : i + 2] != "\n"):
            line, column = line + 1, 0
    return digest.hexdigest()


def compare_file(path: str, raw: bytes, got: dict) -> list[str]:
    differences: list[str] = []

    def same(key: str, want: object) -> None:
        if got[key] != want:
            differences.append(f"{path}: {key} is {got[key]!r}, want {want!r}")

    encoding, error = expected_encoding(raw)
    same("encoding", encoding)
    same("encoding_error", error)
    same("has_bom", raw.startswith(BOM))
    body = raw.removeprefix(BOM)
    text: str | None = None
    if encoding is not None and module_name(encoding) in UNAVAILABLE:
        same("decode_error", f"the encoding '{encoding}' is not available, though CPython has it")
    elif encoding is not None and codecs.lookup(encoding)._is_text_encoding:
        n_bom = len(raw) - len(body)
        try:
            text = body.decode("utf-16-le" if encoding.lower().replace("_", "-") == "utf-16" else encoding)
            text.encode("utf-8")
        except UnicodeEncodeError:
            text = None
        except UnicodeDecodeError as e:
            same("error_byte", e.start + n_bom)
        except UnicodeError:
            pass
    if text is not None:
        same("decode_error", None)
        same("text_sha256", hashlib.sha256(text.encode()).hexdigest())
        if len(text) < 2000 or not text.isascii() or len(text) % 20 == 0:  # slow here: a sample of the long ASCII files
            same("map_sha256", position_digest(text))
        same("n_lines", len(python_lines(text)))
        same("map_n_lines", len(python_lines(text)))
        same("newline", newline_style(text))
    elif encoding is not None and got["decode_error"] is None:
        differences.append(f"{path}: decoded, CPython does not")
    else:
        same("n_lines", len(python_lines(body.decode("latin-1"))))
    if not got["failure"] and got["has_git"]:
        same("git_blob", hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest())
    return differences


def compare_tree(check: Check, driver: str, what: str, root: Path) -> None:
    differences: list[str] = []
    rows = dump(driver, root)
    on_disk = {
        str(Path(d, n).relative_to(root))
        for d, _, names in os.walk(root)
        for n in names
        if n.endswith((".py", ".pyw", ".pyi")) and "__pycache__" not in d
    }
    differences += [f"{p}: in one listing only" for p in sorted(on_disk ^ set(rows))]
    for path, got in rows.items():
        if got["failure"] is None:
            differences += compare_file(path, (root / path).read_bytes(), got)
    check.report(what, len(rows), differences)


# ---- generated sources ------------------------------------------------------------------------------------------


def cookie_cases(rng: random.Random) -> list[bytes]:
    names = [
        "utf-8",
        "UTF_8",
        "utf-8-unix",
        "utf8",
        "Latin_1",
        "latin-1-dos",
        "iso-8859-1",
        "iso_8859_1:1987",
        "iso-8859-15",
    ]
    names += [
        "cp1252",
        "windows-1252",
        "cp.1252",
        "ascii",
        "US-ASCII",
        "ansi_x3.4-1968",
        "646",
        "foo",
        "-",
        ".",
        "_",
        "rot13",
    ]
    names += [
        "hex",
        "utf-8-sig",
        "utf-16",
        "L1",
        "u8",
        "cp65001",
        "iso8859.1",
        "euc_jp",
        "shift-jis",
        "x" * 200,
        "latin1é",
    ]
    names += list(encodings.aliases.aliases)
    forms = [
        "# coding: {}",
        "#coding={}",
        "# -*- coding: {} -*-",
        "# vim: set fileencoding={} :",
        "#coding :{}",
        "#coding:\t {}",
    ]
    forms += [
        " \t\f# coding={}",
        "# xcoding={}",
        "x=1 # coding: {}",
        "# codingcoding: {}",
        "# coding: {} coding: latin-1",
    ]
    forms += [
        "\v# coding: {}",
        "#coding:={}",
        "# coding\n: {}",
        "'# coding: {}'",
        "# coding:\u00a0{}",
        "# é coding: {}",
    ]
    before = [
        "",
        "\n",
        "#!/usr/bin/python\n",
        "\r\n",
        "\r",
        " \t\f\n",
        "\n\n",
        "x = 1\n",
        "# é\n",
        "\\\n",
        '"""\n',
        "#\x00\n",
    ]
    cases = []
    for name in names:
        for form in forms:
            chosen = before if name in names[:31] else [rng.choice(before)]
            for prefix in chosen:
                text = prefix + form.format(name) + rng.choice(["", "\n", "\r\n", "\r"]) + "y = 'z'\n"
                cases.append(rng.choice([b"", b"", BOM]) + text.encode(rng.choice(["utf-8", "latin-1"]), "replace"))
    return cases


def decode_cases(rng: random.Random) -> list[bytes]:
    cases: list[bytes] = [
        b"",
        BOM,
        b"\n",
        b"\r",
        b"\r\n",
        b"x",
        b"\x00",
        b"x\r",
        b"a\rb\r\nc\nd",
        b"\xff",
        BOM + b"\xff",
    ]
    for name in AVAILABLE:
        # EBCDIC has no ASCII cookie that reads as one, but the cookie is read from bytes before anything is decoded.
        head = f"# coding: {name}\n".encode()
        cases += [head + bytes([i]) for i in range(256)]
        cases += [head + bytes([i]) + b"x\r\n" for i in range(0x20, 256, 7)]
        wide = name in (
            "big5",
            "cp932",
            "cp949",
            "cp950",
            "euc_jp",
            "euc_kr",
            "gb18030",
            "gb2312",
            "gbk",
            "shift_jis",
            "johab",
        )
        if wide:  # all valid pairs in one file, and the invalid ones in files of their own, sampled
            pairs = [bytes([a, b]) for a in range(0x80, 256) for b in range(0x21, 256)]
            valid, invalid = [], []
            for p in pairs:
                try:
                    p.decode(name)
                    valid.append(p)
                except UnicodeDecodeError:
                    invalid.append(p)
            cases += [head + b"".join(valid), head + b"\n".join(valid)]
            cases += [head + p for p in rng.sample(invalid, min(len(invalid), 400))]
        alphabet = []
        for lo, hi in (
            (0x20, 0x7F),
            (0xA0, 0x250),
            (0x370, 0x530),
            (0x3040, 0x3100),
            (0x4E00, 0x5200),
            (0xAC00, 0xAD00),
            (0x1F600, 0x1F640),
        ):
            for cp in range(lo, hi):
                try:
                    encoded = chr(cp).encode(name)
                    # EUC-KR spells rare syllables in eight bytes, which iconv does not know: they are undecodable.
                    if encoded.decode(name) == chr(cp) and not (name == "euc_kr" and len(encoded) == 8):
                        alphabet.append(chr(cp))
                except UnicodeError:
                    pass
        for _ in range(30):
            text = "".join(
                rng.choice([*rng.choices(alphabet, k=12), "\n", "a", "\r\n"]) for _ in range(rng.randint(1, 60))
            )
            if name.startswith("utf_16") or name.startswith("utf_32"):
                data = (
                    head * (1 + len(head) % 2 * 3)
                    + b"  "[: len(head) % 2]
                    + text.encode(name.removesuffix("_le") + "_le" if "be" not in name else name)
                )
            else:
                data = (
                    (head.decode() + text).encode(name)
                    if head.decode().encode(name) == head
                    else head + text.encode(name)
                )
            cases.append(data)
            broken = bytearray(data)
            at = rng.randrange(len(head), len(broken)) if len(broken) > len(head) else None
            if at is not None and name not in ("iso2022_jp", "iso2022_kr"):
                broken[at] = rng.randrange(256)
                cases.append(bytes(broken))
    for _ in range(400):  # UTF-8, broken in every way
        data = bytearray("x = 'é€😀'\n# \ud7ff\ue000\n".encode())
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice(
                [0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF, 0x0D, 0]
            )
        cases.append(rng.choice([b"", BOM]) + bytes(data[: rng.randint(1, len(data))]))
    return cases


def compare_generated(check: Check, driver: str, what: str, cases: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        for i, raw in enumerate(cases):
            (root / f"c{i}.py").write_bytes(raw)
        rows = dump(driver, root)
        differences: list[str] = []
        for i, raw in enumerate(cases):
            found = compare_file(f"{raw[:60]!r}", raw, rows[f"c{i}.py"])
            differences += found
        check.report(what, len(cases), differences)


def compare_compiler(check: Check, driver: str, cases: list[bytes]) -> None:
    """The declaration's verdict is the compiler's: it accepts exactly the sources whose declaration we accept."""
    differences = []
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        cases = [c for c in cases if b"\0" not in c]
        for i, raw in enumerate(cases):
            (root / f"c{i}.py").write_bytes(raw)
        rows = dump(driver, root)
        for i, raw in enumerate(cases):
            try:
                ast.parse(raw)
                message = None
            except SyntaxError as e:
                message = e.msg
            except UnicodeDecodeError:  # says the compiler of some bytes, not of a declaration
                message = None
            got = rows[f"c{i}.py"]["encoding_error"]
            refused = message is not None and message.startswith(("unknown encoding", "encoding problem"))
            if refused != (got is not None) or (refused and len(got) < 80 and message != got):
                differences.append(f"{raw[:60]!r}: we say {got!r}, the compiler {message!r}")
    check.report("declarations against the compiler", len(cases), differences)


def compare_unavailable(check: Check, driver: str) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        for name in UNAVAILABLE:
            Path(tmp, f"{name}.py").write_bytes(f"# coding: {name}\n".encode())
        rows = dump(driver, Path(tmp))
        wrong = [
            p
            for p, row in rows.items()
            if not (row["decode_error"] or "").endswith("is not available, though CPython has it")
        ]
    check.report("codecs that are not available say so", len(UNAVAILABLE), wrong)


# ---- git --------------------------------------------------------------------------------------------------------


def git(root: Path, *args: str) -> str:
    env = {
        **os.environ,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *args],
        cwd=root,
        env=env,
        check=True,
        capture_output=True,
    )
    return done.stdout.decode(errors="surrogateescape")


def git_files(root: Path, prefix: str = "") -> set[str]:
    """Tracked and untracked-not-ignored Python files, those of submodules by their own rules."""
    files = set()
    for name in git(root, "ls-files", "-z", "-co", "--exclude-standard").split("\0"):
        path = root / name
        if name and path.is_dir() and (path / ".git").exists():
            files |= git_files(path, f"{prefix}{name.rstrip('/')}/")
        elif name.endswith((".py", ".pyw", ".pyi")) and os.path.lexists(path) and "__pycache__/" not in f"/{name}":
            files.add(prefix + name)
    return files


PATTERNS = (
    """
*.py
!keep.py
/a
/a/
a/
a/b
a/*
!a/b
!a/b/
**/b
b/**
a/**/c
**/gen*.py
!**/genkeep.py
/*
!/src
!/src/
src/*
!src/*.py
[a-c].py
[!a].py
[]x]*.py
[[:digit:]]*.py
?.py
x\\*.py
\\!bang.py
\\#hash.py
#comment
 space.py
trail.py\x20\x20
trail\\ .py
*
!*/
!*.pyi
b
c/
keep.py
a/b/c/keep.py
/**/keep.py
a/**
**
**/
foo//bar
[
a[
a\\
*.p[y
[a-
!
/
a**b
*a*b*.py
""".lstrip("\n")
    .rstrip("\n")
    .split("\n")
)
DIRS = ["a", "b", "c", "src", "a/b", "a/b/c", "src/a", "src/b/a", "b/c"]
NAMES = [
    "keep.py",
    "x.py",
    "a.py",
    "b.py",
    "gen1.py",
    "genkeep.py",
    "1.py",
    "x*.py",
    "!bang.py",
    "#hash.py",
    " space.py",
    "trail.py",
    "trail .py",
    "k.pyi",
    "ab.py",
    "].py",
]


def make_tree(rng: random.Random, root: Path) -> None:
    for d in ["", *DIRS]:
        (root / d).mkdir(parents=True, exist_ok=True)
        for n in rng.sample(NAMES, 9):
            (root / d / n).write_text("x = 1\n")
    for d in ["", *rng.sample(DIRS, rng.randint(0, 5))]:
        lines = rng.choices(PATTERNS, k=rng.randint(1, 5))
        (root / d / ".gitignore").write_text(rng.choice(["\n", "\r\n"]).join(lines) + rng.choice(["", "\n"]))


def compare_ignore_rules(check: Check, driver: str, rng: random.Random, n_repositories: int) -> None:
    differences: list[str] = []
    n_files = 0
    for i in range(n_repositories):
        with tempfile.TemporaryDirectory() as tmp:
            root = Path(tmp, "r")
            make_tree(rng, root)
            git(root, "init", "-q", ".")
            if rng.random() < 0.5:
                (root / ".git/info/exclude").write_text("\n".join(rng.choices(PATTERNS, k=2)) + "\n")
            if rng.random() < 0.5:
                Path(tmp, "global").write_text("\n".join(rng.choices(PATTERNS, k=2)) + "\n")
                git(root, "config", "core.excludesFile", str(Path(tmp, "global")))
            if rng.random() < 0.2:
                git(root, "config", "core.ignorecase", "true")
            if rng.random() < 0.6:  # some files are tracked, ignored or not
                for path in rng.sample(sorted(root.rglob("*.py")), 6):
                    if ".git" not in path.parts:
                        git(root, "add", "-f", "--", f":(literal){path.relative_to(root)}")
            want = git_files(root)
            got = {p.replace("\\\\", "\\") for p in dump(driver, root)}
            n_files += len(want)
            if want != got:
                rules = {
                    str(p.relative_to(root)): p.read_text().split("\n")
                    for p in [*root.rglob(".gitignore"), root / ".git/info/exclude"]
                }
                differences.append(
                    f"repository {i}: only git {sorted(want - got)[:5]}, only we {sorted(got - want)[:5]}, {rules}"
                )
    check.report(f"ignore rules in generated repositories ({n_files} files in)", n_repositories, differences)


def compare_layouts(check: Check, driver: str, rng: random.Random) -> None:
    differences: list[str] = []
    with tempfile.TemporaryDirectory() as tmp:
        base = Path(tmp)
        inner, outer = base / "inner", base / "outer"
        for root, rule in ((inner, "gen*.py\n"), (outer, "x.py\nsub/\n")):
            make_tree(rng, root)
            for p in root.rglob(".gitignore"):
                p.unlink()
            (root / ".gitignore").write_text(rule)
            git(root, "init", "-q", ".")
            git(root, "add", "-A")
            git(root, "commit", "-q", "-m", "first")
        git(outer, "submodule", "add", "-q", "-f", str(inner), "sub")
        git(outer, "commit", "-q", "-m", "sub")
        (outer / "sub" / "untracked.py").write_text("")
        (outer / "sub" / "gen_untracked.py").write_text("")
        git(outer, "worktree", "add", "-q", str(base / "tree"))
        (base / "tree" / "x.py").write_text("")
        (outer / ".git/info/exclude").write_text("excluded.py\n")
        (base / "tree" / "excluded.py").write_text("")
        (base / "tree" / "fresh.py").write_text("")
        for name in ("outer", "tree"):
            want, got = git_files(base / name), set(dump(driver, base / name))
            if want != got:
                differences.append(f"{name}: only git {sorted(want - got)}, only we {sorted(got - want)}")
        want = {p.removeprefix("a/") for p in git_files(outer) if p.startswith("a/")}
        got = set(dump(driver, outer / "a"))
        if want != got:
            differences.append(f"outer/a: only git {sorted(want - got)}, only we {sorted(got - want)}")
    check.report("submodule, worktree, root below the work tree", 3, differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", required=True, help="the program repo_dump")
    parser.add_argument("--stdlib", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repositories", type=int, default=150)
    options = parser.parse_args()
    driver = shutil.which(options.driver) or str(Path(options.driver).resolve())
    rng = random.Random(options.seed)
    print(f"seed {options.seed}, CPython {sys.version.split()[0]}, {git(Path('.'), 'version').strip()}")

    check = Check()
    compare_tree(check, driver, f"the standard library in {options.stdlib}", options.stdlib)
    cookies = cookie_cases(rng)
    compare_generated(check, driver, "cookies", cookies)
    compare_compiler(check, driver, cookies)
    compare_generated(check, driver, "decoding", decode_cases(rng))
    compare_unavailable(check, driver)
    compare_ignore_rules(check, driver, rng, options.repositories)
    compare_layouts(check, driver, rng)
    return 1 if check.n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
