"""The key protocol among guardians of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._errors import InvalidError
from ._native import Guardian, Identity, KeyPlan, KeySet

if TYPE_CHECKING:
    from ._native import _Time


def hold_together(
    plan: KeyPlan, guardians: Sequence[Guardian], *, convenor: Identity, now: _Time | None = None
) -> KeySet:
    """Runs the key protocol among guardians in this process: for trials, tests and services that run their guardians on one
    machine. Guardians on machines of their own make the same calls and exchange the messages over a board that all see.

    >>> people = [Identity.generate(hybrid=False) for _ in range(3)]
    >>> board = Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
    >>> guardians = [Guardian(p) for p in people]
    >>> first = hold_together(KeyPlan.generate(board), guardians, convenor=people[0])
    >>> second = hold_together(KeyPlan.refresh(first), guardians, convenor=people[0])
    >>> (first.epoch, second.epoch), first.key == second.key
    ((0, 1), True)

    Raises StateError if too few take part, InvalidError without a guardian.
    """
    if not guardians:
        raise InvalidError("nobody takes part")
    enrolments = [message for guardian in guardians if (message := guardian.join(plan)) is not None]
    closed = plan.close(0, enrolments, convenor, now=now)
    dealings = [m for guardian in guardians if (m := guardian.deal(closed, enrolments)) is not None]
    closed = plan.close(1, dealings, convenor, now=now)
    complaints = [m for guardian in guardians if (m := guardian.check(closed, dealings)) is not None]
    closed = plan.close(2, complaints, convenor, now=now)
    return [guardian.finish(closed, complaints) for guardian in guardians][0]


hold_together.__module__ = "mediveil"
