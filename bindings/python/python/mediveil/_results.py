"""What comes back from a budget, as plain values."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of privacy loss: `epsilon` alone (pure), or `rho` with `delta` (zero-concentrated), as exact decimals.

    >>> from decimal import Decimal
    >>> Cost(epsilon=Decimal("0.4"))
    Cost(epsilon 0.4)
    """

    epsilon: Decimal | None = None
    rho: Decimal | None = None
    delta: Decimal | None = None

    @classmethod
    def _of(cls, epsilon: str | None, rho: str | None, delta: str | None) -> Cost:
        def number(text: str | None) -> Decimal | None:
            return None if text is None else Decimal(text)

        return cls(number(epsilon), number(rho), number(delta))

    def __str__(self) -> str:
        parts = [("epsilon", self.epsilon), ("rho", self.rho), ("delta", self.delta)]
        shown = [f"{name} {value:f}" for name, value in parts if value is not None and (value or name != "delta")]
        return ", ".join(shown)

    def __repr__(self) -> str:
        return f"Cost({self})"

    @property
    def main(self) -> Decimal:
        """The epsilon, or else the rho."""
        return self.epsilon if self.epsilon is not None else self.rho or Decimal(0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure: its group (empty for a single figure), the estimate, and the ends of its 95 % interval.

    >>> Estimate((), 6.1, 5.9, 6.3).high
    6.3
    """

    group: tuple[str, ...]
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A released answer: one estimate, or one for each cell or group. It is public: it may be pickled, shown and kept.

    `rank_error` is for quantiles: by how many rows the rank may be off.

    >>> answer = Answer((Estimate((), 6.1, 5.9, 6.3),))
    >>> answer.value, len(answer)
    (6.1, 1)
    """

    estimates: tuple[Estimate, ...]
    rank_error: float | None = None

    @classmethod
    def _of(cls, rows: Sequence[tuple[list[str], float, float, float]], rank_error: float | None) -> Answer:
        return cls(tuple(Estimate(tuple(group), value, low, high) for group, value, low, high in rows), rank_error)

    def _only(self) -> Estimate:
        if len(self.estimates) != 1:
            raise ValueError(f"the answer has {len(self.estimates)} figures: look at `estimates`")
        return self.estimates[0]

    @property
    def value(self) -> float:
        """The estimate, in the column's unit; ValueError if there are several."""
        return self._only().value

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval of the noise."""
        return self._only().low

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval of the noise."""
        return self._only().high

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns `group`, `value`, `low`, `high`, as DataFrames take them."""
        return {
            "group": [" × ".join(e.group) for e in self.estimates],
            "value": [e.value for e in self.estimates],
            "low": [e.low for e in self.estimates],
            "high": [e.high for e in self.estimates],
        }

    def to_pandas(self) -> Any:
        """A pandas DataFrame with columns `group`, `value`, `low` and `high`."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> Any:
        """A polars DataFrame with columns `group`, `value`, `low` and `high`."""
        import polars

        return polars.DataFrame(self.to_dict())

    def __len__(self) -> int:
        return len(self.estimates)

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.estimates)

    def _repr_html_(self) -> str:
        rows = [(" × ".join(e.group), f"{e.value:.6g}", f"{e.low:.6g} to {e.high:.6g}") for e in self.estimates]
        return _table(("group", "value", "95 % interval of the noise"), rows)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a plan would cost and bring. `cost` is nothing for a question that was paid for; `refusal` says why a reservation
    would be refused now; `errors` are for each mechanism the mean magnitude of the noise and the half-width of its 95 %
    interval, in steps of the column.

    >>> Preview(Cost(), None, None, [(1.0, 3)]).refusal is None
    True
    """

    cost: Cost
    remaining: Cost | None
    refusal: str | None
    errors: list[tuple[float, int]]

    def _repr_html_(self) -> str:
        rows = [("cost", str(self.cost)), ("left now", str(self.remaining or "")), ("refused", self.refusal or "no")]
        return _table(("", ""), rows) + plan_html(self.errors)


@dataclass(frozen=True, slots=True)
class Released:
    """A study's answer whose certificate was verified: the `answer`, whose groups end with the name of the figure; the `query`
    with its price; what it cost, and what all answers up to it cost; the members that opened it; and the places of its debit
    and of the question in the log with this name. Intervals cover the noise of all members with 95 %.

    >>> Released(Answer(()), None, Cost(), Cost(), (1, 3), 4, 5, "ab12").quorum
    (1, 3)
    """

    answer: Answer
    query: Any
    cost: Cost
    spent: Cost
    quorum: tuple[int, ...]
    debit_entry: int
    query_entry: int
    log: str

    def _repr_html_(self) -> str:
        rows = [
            ("question", self.query.to_json()),
            ("cost", f"{self.cost}, of {self.spent} spent in all"),
            ("opened by members", ", ".join(str(member) for member in self.quorum)),
            ("entries of the log", f"{self.debit_entry} and {self.query_entry}"),
        ]
        return self.answer._repr_html_() + _table(("", ""), rows)


@dataclass(frozen=True, slots=True)
class FederatedRelease:
    """The noisy sum of a round: public. `number` is the round's; `values` are the entries, an array of doubles; `deviation` is
    the standard deviation of the noise in each of them, of all `noises` members who added theirs; `sites` is how many sites it
    counts; `wrong` are members who showed something that does not fit what the others showed.

    >>> from array import array
    >>> release = FederatedRelease(1, array("d", [40.5, 280.25]), 2.0, 3, 2, ())
    >>> release.half_width, release.values[0]
    (3.92, 40.5)
    """

    number: int
    values: array[float]
    deviation: float
    sites: int
    noises: int
    wrong: tuple[int, ...]

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the noise around each value."""
        return 1.96 * self.deviation

    def to_numpy(self) -> Any:
        """The values as a numpy array of doubles, shape (entries,), without a copy."""
        import numpy

        return numpy.asarray(self.values)

    def _repr_html_(self) -> str:
        shown = [(str(n), f"{value:.6g}", f"± {self.half_width:.3g}") for n, value in enumerate(self.values[:20])]
        more = len(self.values) - len(shown)
        rest = [(f"{more} more", "", "")] if more else []
        rows = [(f"round {self.number}", f"{self.sites} sites", f"noise of {self.noises} members")]
        return _table(("", "", ""), rows) + _table(("entry", "value", "95 % interval of the noise"), shown + rest)


@dataclass(frozen=True, slots=True)
class FederatedFit:
    """What came of training together: the last `model` (None for sums), the `releases` of all its rounds, and what all of
    them cost and what is left. `scores` are those of the released models on the table that was given to try them on: they
    tell of that table's patients, and nothing has released them.

    >>> fit = FederatedFit(None, (), (), Cost(), None)
    >>> fit.to_dict()["round"]
    []
    """

    model: Any
    releases: tuple[FederatedRelease, ...]
    scores: tuple[dict[str, float], ...]
    cost: Cost
    remaining: Cost | None

    def to_dict(self) -> dict[str, list[Any]]:
        """One row a round, as DataFrames take them: `round`, `sites`, `noises`, `deviation`; with scores, `score` and `loss`."""
        rows: dict[str, list[Any]] = {"round": [release.number for release in self.releases]}
        for name in ("sites", "noises", "deviation"):
            rows[name] = [getattr(release, name) for release in self.releases]
        for name in ("score", "loss") if self.scores else ():
            rows[name] = [score[name] for score in self.scores]
        return rows

    def to_pandas(self) -> Any:
        """The rounds as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        rounds = self.to_dict()
        shown = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in zip(*rounds.values())]
        costs = [("cost", str(self.cost)), ("left", str(self.remaining or ""))]
        model = self.model._repr_html_() if self.model is not None else ""
        return f"{model}{_table(('', ''), costs)}{_table(list(rounds), shown)}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A proof that holds: of which statement, and who made it as far as a scope tells. The same nullifier (32 bytes) in the
    same scope is the same person; whoever wants to see each once remembers nullifiers.

    >>> Verified("identity", "vote/2026", bytes(32)).scope
    'vote/2026'
    """

    statement: str
    scope: str
    nullifier: bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """What the rows of a table add up to, proved: how many passed, their sum and the sum of their squares, exactly.

    >>> totals = Totals(2, 135, 9137)
    >>> totals.mean, totals.variance
    (67.5, 12.25)
    """

    count: int
    sum: int
    squares: int

    @property
    def mean(self) -> float | None:
        """The mean; None if no row passed."""
        return self.sum / self.count if self.count else None

    @property
    def variance(self) -> float | None:
        """The variance of the rows that passed, as a population; None if none did."""
        return (self.squares * self.count - self.sum**2) / self.count**2 if self.count else None


def load_verifying_key(data: bytes) -> Any:
    """A verifying key from a pickle."""
    from ._native import VerifyingKey

    return VerifyingKey.from_bytes(data, allow_development=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    heading = line(head, "th") if any(head) else ""
    return "<table>" + heading + "".join(line(row, "td") for row in rows) + "</table>"


def plan_html(errors: Sequence[tuple[float, int]]) -> str:
    """A plan's noise as a table."""
    rows = [(str(n + 1), f"{mean:.3g}", str(half)) for n, (mean, half) in enumerate(errors)]
    return _table(("mechanism", "mean noise (steps)", "95 % within (steps)"), rows)


def study_plan_html(query: str, cost: Cost, figures: dict[str, Any]) -> str:
    """A study's plan as a table."""
    rows = [("question", query), ("costs", str(cost)), ("releases", f"{figures['numbers']} numbers")]
    for moment in figures["moments"]:
        noise = f"scale {moment['scale']:.4g} each member, 95 % within {moment['half_width']:.4g} steps"
        rows.append(("noise", f"one patient changes {moment['sensitivity']}; {noise}"))
    bits = f"{figures['largest_bits']} of {figures['plaintext_bits']} bits; {figures['spare_bits']} bits to spare"
    rows.append(("proved", f"{figures['depth']} deep; largest number {bits}"))
    rows.append(("work", f"at most {figures['blocks']} blocks, about {figures['seconds']:.1f} s of one core"))
    return _table(("", ""), rows)


def study_html(title: str, name: str, sites: int, members: int, needed: int, cap: str) -> str:
    """A study as a table."""
    rows = [("study", title), ("id", name), ("sites", str(sites)), ("committee", f"{needed} of {members} open")]
    return _table(("", ""), [*rows, ("budget", cap)])


def certificate_html(query: str, numbers: int) -> str:
    """A certificate that nobody has verified yet."""
    return _table(("", ""), [("question", query), ("numbers", str(numbers)), ("verified", "not here: call verify")])


def policy_html(canonical: str) -> str:
    """A policy as it is understood, every operator on a line of its own."""
    return "<code>" + escape(canonical).replace(" and ", "<br>and ").replace(" or ", "<br>or ") + "</code>"


def budget_html(cap: Cost, spent: Cost | None, remaining: Cost | None) -> str:
    """A budget as a table with a bar."""
    rows = [("cap", str(cap)), ("spent", str(spent or "")), ("left", str(remaining or ""))]
    bar = ""
    if spent is not None and cap.main:
        bar = f'<progress max="1" value="{float(spent.main / cap.main):.4f}"></progress>'
    return _table(("", ""), rows) + bar


for _class in (Cost, Estimate, Answer, Preview, Released, FederatedRelease, FederatedFit, Verified, Totals):
    _class.__module__ = "mediveil"
