"""The exceptions: one tree, filled by one table in Rust."""

__all__ = [
    "BudgetError",
    "BusyError",
    "DamagedError",
    "Error",
    "ExistsError",
    "InvalidError",
    "NoKeyError",
    "NotFoundError",
    "PolicyError",
    "RefusedError",
    "StateError",
    "StorageError",
    "UnverifiedError",
]


class Error(Exception):
    """Anything the library refuses or cannot do. No message holds a secret or a patient's data."""


class InvalidError(Error, ValueError):
    """An argument cannot be: out of range, ill-formed, or one that the rest of the call excludes."""


class PolicyError(InvalidError):
    """A policy, an attribute or an authority's schema cannot be read or does not fit."""


class RefusedError(Error):
    """Understood, and not allowed: an expired key, an emergency key for too long, a key too costly to try."""


class NoKeyError(RefusedError):
    """None of the keys or passphrases given opens this."""


class BudgetError(RefusedError):
    """The privacy budget or a quota does not reach. Nothing was spent."""


class DamagedError(Error):
    """The bytes are not what they should be: changed, cut short, or something else altogether."""


class UnverifiedError(Error):
    """A signature, a proof or a head does not verify, or comes from somebody else."""


class StorageError(Error, OSError):
    """The file system or the database failed."""


class NotFoundError(Error, LookupError):
    """What was named is not there."""


class ExistsError(Error):
    """What was to be made is there already."""


class BusyError(Error):
    """Another process or thread holds it. Try again."""


class StateError(Error):
    """It is in a state in which this cannot be done: closed, forked, or a clock that runs backwards."""


for _name in __all__:
    globals()[_name].__module__ = "mediveil"
