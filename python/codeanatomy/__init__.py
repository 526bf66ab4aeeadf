"""codeanatomy — a Python repository as tables and a property graph, asked in SQL; here over its shared library.

    import codeanatomy, pyarrow

    codeanatomy.build("repo")
    with codeanatomy.connect(codeanatomy.store_path("repo")) as session:
        rows = session.sql("SELECT path FROM callers WHERE callee_qualified_name = $1", ["json.loads"])
        table = pyarrow.table(rows)

Rows come and go as Arrow streams (`__arrow_c_stream__`), without a copy; pyarrow is needed for Python values alone:
parameters, `Result.to_arrow`, `to_pylist`. Errors are `codeanatomy.Error` and its subclasses. The library is the one
that CODEANATOMY_LIBRARY names, else libcodeanatomy.so.0 under Python's prefix, else where the loader finds it; an
ImportError says what to do when it is not there or another version's.
"""

__version__ = "0.1.0"

from ._arrow import ArrowArray, ArrowStream, Schema
from ._build import BuildResult, Difference, Finding, Progress, build, doctor, drift, store_path
from ._call import Cancel
from ._contracts import ContractFile, ContractFinding, check_contracts, export_contracts, import_contracts
from ._dataset import Dataset, Fingerprints
from ._errors import (
    BugError,
    CanceledError,
    ConflictError,
    ContractError,
    DriftError,
    EngineError,
    Error,
    InvalidError,
    IoError,
    NotFoundError,
    ParseError,
    RefusedError,
    ResourcesError,
    Status,
    WorkerError,
)
from ._process import log_to, version, versions
from ._result import Result
from ._session import Session, Verification, connect

__all__ = [
    "ArrowArray",
    "ArrowStream",
    "BugError",
    "BuildResult",
    "Cancel",
    "CanceledError",
    "ConflictError",
    "ContractError",
    "ContractFile",
    "ContractFinding",
    "Dataset",
    "Difference",
    "DriftError",
    "EngineError",
    "Error",
    "Finding",
    "Fingerprints",
    "InvalidError",
    "IoError",
    "NotFoundError",
    "ParseError",
    "Progress",
    "RefusedError",
    "ResourcesError",
    "Result",
    "Schema",
    "Session",
    "Status",
    "Verification",
    "WorkerError",
    "__version__",
    "build",
    "check_contracts",
    "connect",
    "doctor",
    "drift",
    "export_contracts",
    "import_contracts",
    "log_to",
    "store_path",
    "version",
    "versions",
]
