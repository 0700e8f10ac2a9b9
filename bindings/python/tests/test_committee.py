"""Keys that a committee holds, and recovery through guardians."""

from __future__ import annotations

import datetime
import io
import os
import pickle
from typing import Any

import pytest

import mediveil as mv

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime(2027, 3, 1, tzinfo=datetime.timezone.utc)


class World:
    """Three guardians, of whom two are needed."""

    def __init__(self) -> None:
        self.people = [mv.Identity.generate(hybrid=False) for _ in range(4)]
        self.members = [p.public for p in self.people[:3]]
        self.committee = mv.Committee("recovery", needed=2, members=self.members, convenor=self.people[0].public)
        self.guardians = [mv.Guardian(p) for p in self.people[:3]]
        self.keys = mv.hold_together(mv.KeyPlan.generate(self.committee), self.guardians, convenor=self.people[0])
        self.patient, self.new = (mv.Identity.generate(hybrid=False) for _ in range(2))
        door = self.keys.key.door(owner=self.patient.public, delay=DAY)
        self.sealed = mv.seal(b"record", to=[self.patient, door])

    def ask(self, reader: mv.Identity | None = None) -> mv.Recovery:
        request = self.keys.key.request_recovery(self.sealed, reader or self.new, now=NOW)
        return mv.Recovery(self.keys, request)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def kept() -> World:
    return World()


def test_a_key_is_made_by_messages_and_held_by_nobody(kept: World) -> None:
    assert [g.member for g in kept.guardians] == [1, 2, 3]
    assert all(g.key_set == kept.keys and g.accusations == [] for g in kept.guardians)
    assert [kept.keys.has_share(n) for n in range(5)] == [False, True, True, True, False]
    ciphertext, secret = kept.keys.key.encapsulate(b"query 7")
    shares = [g.decrypt(ciphertext, b"query 7") for g in kept.guardians]
    for chosen in (shares[:2], shares[1:], [shares[2], shares[0]]):
        assert kept.keys.combine(ciphertext, b"query 7", chosen) == secret
    for wrong in (shares[:1], shares, [shares[0], shares[0]], []):
        with pytest.raises(mv.InvalidError):
            kept.keys.combine(ciphertext, b"query 7", wrong)
    with pytest.raises(mv.DamagedError):
        kept.keys.combine(ciphertext, b"query 8", shares[:2])
    with pytest.raises(mv.DamagedError):
        kept.guardians[0].decrypt(ciphertext, b"query 8")
    other, _ = kept.keys.key.encapsulate(b"query 7")
    with pytest.raises(mv.UnverifiedError, match="2"):
        kept.keys.combine(ciphertext, b"query 7", [shares[0], kept.guardians[1].decrypt(other, b"query 7")])


def test_public_halves_go_through_files_and_pickles(kept: World, tmp_path: Any) -> None:
    for n, item in enumerate((kept.committee, mv.KeyPlan.generate(kept.committee), kept.keys, kept.keys.key)):
        item.save(tmp_path / str(n))  # type: ignore[attr-defined]
        assert type(item).load(tmp_path / str(n)) == item == pickle.loads(pickle.dumps(item))  # type: ignore[attr-defined]
        with pytest.raises(mv.DamagedError):
            type(item).from_bytes(b"something else")  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(kept.guardians[0])


def test_a_silent_member_is_left_out_and_garbage_is_passed_over(world: World) -> None:
    plan = mv.KeyPlan.generate(world.committee)
    here = world.guardians[:2]
    first = [g.join(plan) for g in here]
    board: list[Any] = [b"", b"garbage", os.urandom(500), *first]
    closed = plan.close(0, board, world.people[0])
    second = [g.deal(closed, board) for g in here]
    board = [*first, *second]  # yesterday's messages as well
    closed = plan.close(1, board, world.people[0])
    third = [g.check(closed, board) for g in here]
    closed = plan.close(2, third, world.people[0])
    sets = [g.finish(closed, third) for g in here]
    assert sets[0] == sets[1] and [sets[0].has_share(n) for n in (1, 2, 3)] == [True, True, False]


def test_rounds_in_another_order_or_by_another_convenor(world: World) -> None:
    plan = mv.KeyPlan.generate(world.committee)
    guardian = mv.Guardian(world.people[0])
    with pytest.raises(mv.RefusedError):
        plan.close(0, [], world.people[1])
    closed = plan.close(0, [g.join(plan) for g in world.guardians], world.people[0])
    for step in (guardian.deal, guardian.check, guardian.finish):
        with pytest.raises(mv.StateError, match="join comes first"):
            step(closed, [])
    guardian.join(plan)
    with pytest.raises(mv.StateError, match="deal comes first"):
        guardian.check(closed, [])
    with pytest.raises(mv.NotFoundError):
        guardian.deal(closed, [])
    with pytest.raises(mv.DamagedError):
        guardian.deal(b"no cut-off", [])
    with pytest.raises(mv.RefusedError):
        mv.Guardian(world.people[3]).join(plan)
    with pytest.raises(mv.InvalidError):
        plan.close(3, [], world.people[0])
    with pytest.raises(TypeError):
        plan.close(0, b"one message", world.people[0])
    with pytest.raises(mv.StateError):
        mv.hold_together(plan, world.guardians[:1], convenor=world.people[0])
    with pytest.raises(mv.InvalidError):
        mv.hold_together(plan, [], convenor=world.people[0])
    # A run that failed took nothing away.
    assert world.guardians[0].key_set == world.keys


def test_committees_that_cannot_be(kept: World) -> None:
    for needed, members, purpose in ((1, kept.members, "x"), (3, kept.members, "x"), (2, kept.members, ""),
                                     (2, [*kept.members, kept.members[0]], "x"), (2, [], "x")):
        with pytest.raises(mv.InvalidError):
            mv.Committee(purpose, needed=needed, members=members, convenor=kept.members[0])
    for wrong in (-1, 2**16):
        with pytest.raises(OverflowError):
            mv.Committee("x", needed=wrong, members=kept.members, convenor=kept.members[0])
    with pytest.raises(TypeError):
        mv.Committee("x", needed=2, members=[1, 2, 3], convenor=kept.members[0])  # type: ignore[list-item]


def test_refresh_and_passing_on(world: World) -> None:
    old = mv.Guardian.restore(world.people[0], world.keys, world.guardians[0].seal_share())
    second = mv.hold_together(mv.KeyPlan.refresh(world.keys), world.guardians, convenor=world.people[0])
    assert (second.epoch, second.key) == (1, world.keys.key)
    ciphertext, secret = second.key.encapsulate(b"x")
    new = [g.decrypt(ciphertext, b"x") for g in world.guardians]
    assert second.combine(ciphertext, b"x", new[:2]) == secret
    with pytest.raises(mv.UnverifiedError):
        second.combine(ciphertext, b"x", [old.decrypt(ciphertext, b"x"), new[1]])
    # To a committee with another member: who leaves deals and keeps nothing.
    people = [world.people[n] for n in (0, 1, 3)]
    members = [p.public for p in people]
    committee = mv.Committee("recovery", needed=2, members=members, convenor=people[0].public)
    plan = mv.KeyPlan.reshare(second, committee, old_needed=2)
    comer = mv.Guardian(people[2])
    third = mv.hold_together(plan, [*world.guardians, comer], convenor=people[0])
    assert (third.key, comer.member, world.guardians[2].member) == (world.keys.key, 3, None)
    shares = [comer.decrypt(ciphertext, b"x"), world.guardians[0].decrypt(ciphertext, b"x")]
    assert third.combine(ciphertext, b"x", shares) == secret
    with pytest.raises(mv.StateError, match="holds no share"):
        world.guardians[2].seal_share()
    with pytest.raises(mv.InvalidError):
        mv.KeyPlan.reshare(third, committee, old_needed=3)
    other = mv.Committee("something else", needed=2, members=members, convenor=people[0].public)
    with pytest.raises(mv.InvalidError):
        mv.KeyPlan.reshare(third, other, old_needed=2)


def test_shares_restore_for_their_owner_and_set_alone(kept: World) -> None:
    sealed = kept.guardians[1].seal_share()
    again = mv.Guardian.restore(kept.people[1], kept.keys, sealed)
    assert again.rehearse(kept.keys.call())
    with pytest.raises(mv.NoKeyError):
        mv.Guardian.restore(kept.people[0], kept.keys, sealed)
    with pytest.raises(mv.StateError):
        mv.Guardian.restore(kept.people[1], World().keys, sealed)
    stolen = mv.seal(mv.open(sealed, keys=kept.people[1]), to=kept.people[0])
    with pytest.raises(mv.StateError):
        mv.Guardian.restore(kept.people[0], kept.keys, stolen)
    with pytest.raises(mv.DamagedError):
        mv.Guardian.restore(kept.people[1], kept.keys, mv.seal(b"no share", to=kept.people[1]))


def test_rehearsal(kept: World) -> None:
    call = kept.keys.call(now=NOW)
    answers = [g.rehearse(call) for g in kept.guardians]
    found = kept.keys.conclude(call, [b"garbage", *answers])
    assert (found["working"], found["wrong"]) == ([1, 2, 3], [])
    assert kept.keys.key.verify_rehearsal(found["proof"]) == NOW
    with pytest.raises(mv.StateError):
        kept.keys.conclude(call, answers[:1])
    later = kept.keys.call(now=NOW + DAY)
    with pytest.raises(mv.StateError):
        kept.keys.conclude(later, answers)
    with pytest.raises(mv.UnverifiedError):
        World().keys.key.verify_rehearsal(found["proof"])


def test_recovery_waits_and_opens_for_the_one_who_asked(kept: World) -> None:
    case = kept.ask()
    assert (case.reader, case.delay, case.has_owner) == (kept.new.public, DAY, True)
    notices = [g.notice(case, now=NOW) for g in kept.guardians]
    assert case.until(notices[0]) == NOW + DAY
    with pytest.raises(mv.RefusedError, match="can veto until"):
        kept.guardians[0].approve(case, notices[0], vetoes=[], now=NOW + DAY / 2)
    later = NOW + DAY
    approvals = [g.approve(case, n, vetoes=[], now=later) for g, n in zip(kept.guardians[:2], notices)]
    with pytest.raises(mv.UnverifiedError):
        kept.guardians[2].approve(case, notices[0], vetoes=[], now=later)
    with pytest.raises(mv.RefusedError):
        case.finish(approvals[:1], kept.new)
    with pytest.raises(mv.RefusedError):
        case.finish([approvals[0], approvals[0]], kept.new)
    with pytest.raises(mv.RefusedError):
        case.finish(approvals, kept.people[3])
    key = case.finish([b"garbage", *approvals], kept.new)
    assert mv.open(kept.sealed, keys=key) == b"record"
    shared = io.BytesIO()
    mv.rewrap_file(io.BytesIO(kept.sealed), shared, keys=key, to=kept.new)
    assert mv.open(shared.getvalue(), keys=kept.new) == b"record"
    # It opens this file and no other of the committee.
    other = mv.seal(b"another", to=kept.keys.key.door())
    with pytest.raises(mv.NoKeyError):
        mv.open(other, keys=key)
    done = case.complete(approvals, kept.new, now=later)
    found = case.verdict(notices=notices, vetoes=[], approvals=approvals, completion=done)
    assert found == {"state": "completed", "approved": [1, 2], "early": [], "against_veto": [], "vetoed_at": None,
                     "completed_at": later}
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
    assert pickle.loads(pickle.dumps(case)).id == case.id


def test_the_owners_veto_ends_it(kept: World) -> None:
    case = kept.ask(kept.people[3])
    notice = kept.guardians[0].notice(case, now=NOW)
    with pytest.raises(mv.RefusedError):
        case.veto(kept.new)
    veto = case.veto(kept.patient, now=NOW)
    with pytest.raises(mv.RefusedError, match="veto"):
        kept.guardians[0].approve(case, notice, vetoes=[b"garbage", veto], now=NOW + DAY)
    # A veto of another request is none of this one.
    other = kept.ask()
    notice = kept.guardians[0].notice(other, now=NOW)
    assert kept.guardians[0].approve(other, notice, vetoes=[veto], now=NOW + DAY)
    assert case.verdict(notices=[], vetoes=[veto], approvals=[])["state"] == "vetoed"


def test_requests_that_are_not_genuine(kept: World) -> None:
    request = kept.keys.key.request_recovery(io.BytesIO(kept.sealed), kept.new)
    for at in range(12, len(request), 31):
        bad = bytearray(request)
        bad[at] ^= 1
        with pytest.raises((mv.DamagedError, mv.UnverifiedError)):
            mv.Recovery(kept.keys, bad)
    with pytest.raises(mv.UnverifiedError):
        mv.Recovery(World().keys, request)
    with pytest.raises(mv.NotFoundError):
        kept.keys.key.request_recovery(mv.seal(b"", to=kept.patient), kept.new)
    with pytest.raises(mv.DamagedError):
        kept.keys.key.request_recovery(b"no sealed file", kept.new)
    with pytest.raises(mv.RefusedError):
        mv.Guardian(kept.people[3]).notice(kept.ask())


def test_doors_that_cannot_be(kept: World) -> None:
    owner = kept.patient.public
    for delay in (datetime.timedelta(milliseconds=1), datetime.timedelta(days=60_000)):
        with pytest.raises(mv.InvalidError):
            kept.keys.key.door(owner=owner, delay=delay)
    with pytest.raises(mv.InvalidError, match="name the owner"):
        kept.keys.key.door(delay=DAY)
    with pytest.raises((ValueError, OverflowError)):
        kept.keys.key.door(owner=owner, delay=-DAY)
    with pytest.raises(TypeError):
        kept.keys.key.door(owner=owner, delay=5)  # type: ignore[arg-type]


def test_paper() -> None:
    secret = os.urandom(32)
    family, friends = mv.paper_split(secret, groups=[(2, 3), (3, 5)], groups_needed=1, passphrase="x", iteration_exponent=0)
    assert mv.paper_join([family[2], family[0]], passphrase="x") == secret
    assert mv.paper_join([family[0], *friends], passphrase="x") == secret
    assert mv.paper_join([words.upper() for words in friends[2:]], passphrase="x") == secret
    assert mv.paper_join(family, passphrase="y") != secret
    for few in ([], family[:1], [family[0], *friends[:2]]):
        with pytest.raises(mv.RefusedError):
            mv.paper_join(few, passphrase="x")
    typo = family[0].split()
    typo[5] = "academic" if typo[5] != "academic" else "acid"
    for bad in (" ".join(typo), "one two three", "", family[0] + " acid"):
        with pytest.raises(mv.DamagedError):
            mv.paper_join([bad, family[1]], passphrase="x")
    other, = mv.paper_split(secret, groups=[(2, 3)], iteration_exponent=0)
    with pytest.raises(mv.InvalidError):
        mv.paper_join([family[0], other[1]], passphrase="x")
    slow, = mv.paper_split(secret, groups=[(1, 1)], iteration_exponent=5)
    with pytest.raises(mv.InvalidError, match="iterations"):
        mv.paper_join(slow)
    wrongs: list[dict[str, Any]] = [
        {"groups": []},
        {"groups": [(3, 2)]},
        {"groups": [(2, 17)]},
        {"groups": [(2, 3)], "groups_needed": 2},
        {"groups": [(2, 3)], "passphrase": "ü"},
        {"groups": [(2, 3)], "iteration_exponent": 16},
    ]
    for wrong in wrongs:
        with pytest.raises(mv.InvalidError):
            mv.paper_split(secret, **wrong)
    for length in (0, 14, 33, 66):
        with pytest.raises(mv.InvalidError):
            mv.paper_split(bytes(length), groups=[(2, 3)])
    for number in (-1, 256):
        with pytest.raises(OverflowError):
            mv.paper_split(secret, groups=[(2, number)])
