"""What a call of the library raises: one class for each status of codeanatomy/error.h."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """The status codes of the C API; they are frozen."""

    INVALID = 1
    IO = 2
    SYNTAX = 3
    CONTRACT = 4
    DRIFT = 5
    ENGINE = 6
    NOT_FOUND = 7
    CONFLICT = 8
    RESOURCES = 9
    CANCELED = 10
    REFUSED = 11
    WORKER = 12
    BUG = 13


class Error(Exception):
    """A call that failed. `code` is its status, and the text is the library's message, whole: what happened, in which
    dataset and contract, and what to do."""

    code: Status = Status.BUG

    @property
    def message(self) -> str:
        return str(self)


class InvalidError(Error):
    """An argument or option is wrong, or a session, dataset or result is used after its end."""

    code = Status.INVALID


class IoError(Error):
    """Reading, writing, permissions, disk full."""

    code = Status.IO


class ParseError(Error):
    """Text that does not parse (YAML, SQL); the message has line and column."""

    code = Status.SYNTAX


class ContractError(Error):
    """A contract is violated or inconsistent."""

    code = Status.CONTRACT


class DriftError(Error):
    """A schema differs from the one that was declared or applied."""

    code = Status.DRIFT


class EngineError(Error):
    """The engine refused or failed; its own words are in the message."""

    code = Status.ENGINE


class NotFoundError(Error):
    """No such dataset, file, run."""

    code = Status.NOT_FOUND


class ConflictError(Error):
    """Somebody else holds the store's lock or committed first."""

    code = Status.CONFLICT


class ResourcesError(Error):
    """A limit was reached; the message names it."""

    code = Status.RESOURCES


class CanceledError(Error):
    """Stopped on request."""

    code = Status.CANCELED


class RefusedError(Error):
    """Not allowed here: a session that only reads, an unsupported statement."""

    code = Status.REFUSED


class WorkerError(Error):
    """A worker process cannot be started."""

    code = Status.WORKER


class BugError(Error):
    """A promise of the library to itself is broken: report it."""

    code = Status.BUG


_CLASSES = {kind.code: kind for kind in Error.__subclasses__()}


def error_of(code: int, message: str) -> Error:
    """The error of a status; a number that a newer library may have is a bug of ours."""
    return _CLASSES.get(code, BugError)(message)  # type: ignore[call-overload]
