"""Privacy-preserving cryptography for electronic health records.

Records sealed for many readers (`seal`, `open`), keys (`Identity`, `KeyRing`), access by attributes (`Authority`, `Policy`),
a log that cannot be rewritten unseen (`Log`), FHIR records and commitments to them (`Record`), and statistics under a privacy
budget (`Schema`, `Table`, `Query`, `Budget`).

Conventions:

* bytes in: anything bytes-like; `bytes` are used in place, other buffers are copied once. Bytes out: `bytes`.
* times in: an aware `datetime`, a `date`, or RFC 3339 text; None for now. Times out: `datetime` in UTC.
* amounts of privacy in: `str`, `Decimal`, `int`, or `float` by its shortest form. Out: `Decimal`.
* long calls release the interpreter's lock. Ctrl-C stops the streaming calls and following a log; other calls finish first.
* what is secret or open is not pickled; what is public is.
* every error of the library is an `Error`; wrong types are `TypeError`, integers out of range `OverflowError`.

Nothing here has been audited.
"""

from ._errors import (
    BudgetError,
    BusyError,
    DamagedError,
    Error,
    ExistsError,
    InvalidError,
    NoKeyError,
    NotFoundError,
    PolicyError,
    RefusedError,
    StateError,
    StorageError,
    UnverifiedError,
)
from ._native import (
    AttributeKey,
    Authority,
    AuthorityParameters,
    Budget,
    Identity,
    KeyRing,
    Log,
    LogFollower,
    Passphrase,
    Plan,
    Policy,
    PolicyDoor,
    PublicIdentity,
    Query,
    Record,
    Resource,
    Schema,
    SignedHead,
    Table,
    check_opening,
    inspect,
    open,
    open_file,
    rewrap_file,
    sample_bundle,
    sample_cohort,
    seal,
    seal_file,
    verify_consistency,
    verify_evidence,
)
from ._results import Answer, Cost, Estimate, Preview

__all__ = [
    "Answer",
    "AttributeKey",
    "Authority",
    "AuthorityParameters",
    "Budget",
    "BudgetError",
    "BusyError",
    "Cost",
    "DamagedError",
    "Error",
    "Estimate",
    "ExistsError",
    "Identity",
    "InvalidError",
    "KeyRing",
    "Log",
    "LogFollower",
    "NoKeyError",
    "NotFoundError",
    "Passphrase",
    "Plan",
    "Policy",
    "PolicyDoor",
    "PolicyError",
    "Preview",
    "PublicIdentity",
    "Query",
    "Record",
    "RefusedError",
    "Resource",
    "Schema",
    "SignedHead",
    "StateError",
    "StorageError",
    "Table",
    "UnverifiedError",
    "check_opening",
    "inspect",
    "open",
    "open_file",
    "rewrap_file",
    "sample_bundle",
    "sample_cohort",
    "seal",
    "seal_file",
    "verify_consistency",
    "verify_evidence",
]
