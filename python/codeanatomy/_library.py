"""The shared library: where it is, whether it is the right one, and its functions as ctypes sees them.

Structs and signatures repeat those of include/codeanatomy; tests/product/test_python_process.py holds them against the
headers. ctypes lets other threads run while it is in the library.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from ctypes import POINTER, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from types import ModuleType
from typing import Any

from . import __version__

SONAME = "libcodeanatomy.so.0"

TextFn = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
LogFn = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)
Texts = POINTER(c_char_p)
_ReleaseFn = ctypes.CFUNCTYPE(None, c_void_p)


class _Owned(ctypes.Structure):
    """An Arrow object that the library fills in: released unless it was moved away, so that KeyboardInterrupt may come
    at any place."""

    release: int | None

    def __del__(self) -> None:
        if self.release:
            _ReleaseFn(self.release)(ctypes.addressof(self))


class ArrowSchema(_Owned):
    _fields_ = [
        ("format", c_char_p),
        ("name", c_char_p),
        ("metadata", c_void_p),
        ("flags", c_int64),
        ("n_children", c_int64),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ArrowArrayStream(_Owned):
    _fields_ = [
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ca_error(ctypes.Structure):
    _fields_ = [("code", c_int), ("message", c_char * 4096)]


class ca_session_options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("store", c_char_p),
        ("datasets", c_char_p),
        ("run", c_char_p),
        ("profile", c_char_p),
        ("preset", c_char_p),
        ("read_only", c_int),
        ("settings", Texts),
        ("n_settings", c_size_t),
        ("repository", c_char_p),
        ("user_file", c_char_p),
        ("environment", Texts),
        ("n_environment", c_size_t),
        ("as_of", c_char_p),
        ("pins", Texts),
        ("n_pins", c_size_t),
        ("locations", Texts),
        ("n_locations", c_size_t),
    ]


class ca_params(ctypes.Structure):
    _fields_ = [("schema", c_void_p), ("array", c_void_p)]


class ca_dataset_fingerprints(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("contract", c_char * 33), ("schema", c_char * 33), ("ddl", c_char * 33)]


class ca_scan_options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("columns", Texts),
        ("n_columns", c_size_t),
        ("filter", c_char_p),
        ("limit", c_int64),
    ]


class ca_progress(ctypes.Structure):
    _fields_ = [
        ("stage", c_char_p),
        ("n_done", c_int64),
        ("n_total", c_int64),
        ("n_rows", c_int64),
        ("elapsed_ns", c_int64),
    ]


ProgressFn = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ca_progress))


class ca_param_table(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("rows", c_void_p)]


class ca_build_options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("repository", c_char_p),
        ("store", c_char_p),
        ("name", c_char_p),
        ("python", c_char_p),
        ("n_workers", c_uint),
        ("source_roots", Texts),
        ("n_source_roots", c_size_t),
        ("include", Texts),
        ("n_include", c_size_t),
        ("exclude", Texts),
        ("n_exclude", c_size_t),
        ("layers", Texts),
        ("n_layers", c_size_t),
        ("datasets", c_char_p),
        ("profile", c_char_p),
        ("preset", c_char_p),
        ("settings", Texts),
        ("n_settings", c_size_t),
        ("progress", ProgressFn),
        ("progress_data", c_void_p),
        ("cancel", c_void_p),
        ("user_file", c_char_p),
        ("environment", Texts),
        ("n_environment", c_size_t),
        ("param_tables", POINTER(ca_param_table)),
        ("n_param_tables", c_size_t),
    ]


class ca_build_result(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("run_id", c_char * 64),
        ("store", c_char * 4096),
        ("n_files", c_int64),
        ("n_failed_layers", c_int64),
        ("n_rows", c_int64),
        ("n_bytes", c_int64),
        ("elapsed_ns", c_int64),
        ("is_reproducible", c_int),
    ]


class ca_contract_finding(ctypes.Structure):
    _fields_ = [("file", c_char_p), ("line", c_int), ("column", c_int), ("path", c_char_p), ("message", c_char_p)]


class ca_contract_file(ctypes.Structure):
    _fields_ = [
        ("file", c_char_p),
        ("dataset", c_char_p),
        ("version", c_int64),
        ("fingerprint", c_char_p),
        ("schema_fingerprint", c_char_p),
        ("findings", POINTER(ca_contract_finding)),
        ("n_findings", c_size_t),
    ]


FindingFn = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ca_contract_finding))
FileFn = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ca_contract_file))

STRUCTS: tuple[type[ctypes.Structure], ...] = (
    ArrowSchema,
    ArrowArrayStream,
    ca_error,
    ca_session_options,
    ca_params,
    ca_dataset_fingerprints,
    ca_scan_options,
    ca_progress,
    ca_param_table,
    ca_build_options,
    ca_build_result,
    ca_contract_finding,
    ca_contract_file,
)

# Of functions that return a status and take a `struct ca_error *` last, which is not named here. A stream that is taken
# is an address: an object of ctypes over it would own what is another's.
_STREAM = POINTER(ArrowArrayStream)
_SCHEMA = POINTER(ArrowSchema)
FALLIBLE: dict[str, list[Any]] = {
    "ca_session_open": [POINTER(ca_session_options), POINTER(c_void_p)],
    "ca_session_refresh": [c_void_p],
    "ca_query": [c_void_p, c_char_p, POINTER(ca_params), c_void_p, _STREAM],
    "ca_set_params": [c_void_p, c_char_p, c_void_p],
    "ca_resolve_schema": [c_void_p, c_char_p, _SCHEMA],
    "ca_tables": [c_void_p, _STREAM],
    "ca_columns": [c_void_p, c_char_p, _STREAM],
    "ca_views": [c_void_p, _STREAM],
    "ca_routines": [c_void_p, _STREAM],
    "ca_settings": [c_void_p, _STREAM],
    "ca_profiles": [c_void_p, _STREAM],
    "ca_describe": [c_void_p, c_char_p, _STREAM],
    "ca_ddl": [c_void_p, c_char_p, TextFn, c_void_p],
    "ca_verify": [c_void_p, Texts, c_size_t, c_void_p, _STREAM, POINTER(c_size_t)],
    "ca_manifest": [c_void_p, TextFn, c_void_p],
    "ca_dataset_open": [c_void_p, c_char_p, POINTER(c_void_p)],
    "ca_dataset_register": [c_void_p, Texts, c_size_t, TextFn, c_void_p],
    "ca_dataset_schema": [c_void_p, _SCHEMA],
    "ca_dataset_ddl": [c_void_p, TextFn, c_void_p],
    "ca_dataset_fingerprint": [c_void_p, POINTER(ca_dataset_fingerprints)],
    "ca_dataset_metadata": [c_void_p, TextFn, c_void_p],
    "ca_dataset_views": [c_void_p, _STREAM],
    "ca_dataset_scan": [c_void_p, POINTER(ca_scan_options), c_void_p, _STREAM],
    "ca_dataset_write": [c_void_p, c_void_p, c_int, c_void_p, POINTER(c_int64)],
    "ca_dataset_history": [c_void_p, c_int64, _STREAM],
    "ca_build": [POINTER(ca_build_options), POINTER(ca_build_result)],
    "ca_store_path": [c_char_p, TextFn, c_void_p],
    "ca_drift": [c_char_p, c_char_p, c_char_p, TextFn, c_void_p, POINTER(c_int64)],
    "ca_doctor": [c_char_p, POINTER(ca_build_options), TextFn, c_void_p],
    "ca_contract_check": [Texts, c_size_t, FileFn, c_void_p],
    "ca_contract_import": [c_char_p, Texts, c_size_t, c_char_p, TextFn, FindingFn, c_void_p],
    "ca_contract_export": [c_char_p, Texts, c_size_t, TextFn, FindingFn, c_void_p],
}
OTHERS: dict[str, tuple[Any, list[Any]]] = {
    "ca_version": (c_char_p, []),
    "ca_versions": (c_int, [TextFn, c_void_p]),
    "ca_log_set": (None, [LogFn, c_void_p, c_int]),
    "ca_session_close": (None, [c_void_p]),
    "ca_dataset_close": (None, [c_void_p]),
}


class _DlInfo(ctypes.Structure):
    _fields_ = [
        ("dli_fname", c_char_p),
        ("dli_fbase", c_void_p),
        ("dli_sname", c_char_p),
        ("dli_saddr", c_void_p),
    ]


def _open() -> ctypes.CDLL:
    """CODEANATOMY_LIBRARY says which; else the one under Python's own prefix, else the one that the loader finds."""
    said = os.environ.get("CODEANATOMY_LIBRARY")
    own = Path(sys.prefix) / "lib" / SONAME
    name = said or (str(own) if own.exists() else SONAME)
    try:
        return ctypes.CDLL(name)
    except OSError as failure:
        what = "CODEANATOMY_LIBRARY names no library" if said else f"there is no {SONAME}"
        raise ImportError(
            f"codeanatomy: {what} that can be loaded ({failure}): install it (`make install PREFIX=DIR`) under "
            f"'{sys.prefix}' or where the loader looks, or set CODEANATOMY_LIBRARY to the path of {SONAME}"
        ) from None


def _path(library: ctypes.CDLL) -> Path:
    """Where the loader found it; the program itself knows dladdr."""
    info = _DlInfo()
    ctypes.CDLL(None).dladdr(ctypes.cast(library.ca_version, c_void_p), ctypes.byref(info))
    return Path(os.path.abspath(os.fsdecode(info.dli_fname)))


def _load() -> ctypes.CDLL:
    """ImportError where the library is another version's: nothing of it but its version was called then."""
    library = _open()
    try:
        library.ca_version.restype = c_char_p
        found = library.ca_version().decode()
    except AttributeError:
        raise ImportError(f"codeanatomy: '{library._name}' is no library of codeanatomy") from None
    if found.split(".")[:2] != __version__.split(".")[:2]:
        raise ImportError(
            f"codeanatomy: this package is of version {__version__}, and the library '{_path(library)}' of {found}: "
            "install both from one checkout"
        )
    for name, arguments in FALLIBLE.items():
        function = getattr(library, name)
        function.restype = c_int
        function.argtypes = [*arguments, POINTER(ca_error)]
    for name, (result, arguments) in OTHERS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _load_capsule(library: ctypes.CDLL) -> ModuleType:
    """The module of python/native, which is installed with the library."""
    path = _path(library).parent / "codeanatomy" / "codeanatomy_capsule.abi3.so"
    loader = importlib.machinery.ExtensionFileLoader("codeanatomy_capsule", str(path))
    spec = importlib.util.spec_from_file_location("codeanatomy_capsule", path, loader=loader)
    assert spec is not None
    try:
        module = importlib.util.module_from_spec(spec)
    except ImportError as failure:
        raise ImportError(f"codeanatomy: the library has no module beside it: {failure}") from None
    loader.exec_module(module)
    return module


lib = _load()
capsule: Any = _load_capsule(lib)
