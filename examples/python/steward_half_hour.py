# %% [markdown]
# # A data steward's half hour
#
# One clinic, one record. It is sealed for several readers; a policy says which staff may read it; the key rotates and an
# old version is erased; a patient who lost every key gets back in through guardians; and a pharmacy learns what it must
# know about a patient, and nothing else. Nobody here exists, and nothing here has been audited.
#
# Everything lies in a new folder. The clock of the recovery is set by hand, so that 72 hours pass at once.

# %%
import datetime
import hashlib
import tempfile
from pathlib import Path

import mediveil as mv

home = Path(tempfile.mkdtemp())
now = datetime.datetime.now(datetime.timezone.utc)
patient, steward = mv.Identity.generate(), mv.Identity.generate(hybrid=False)
record = mv.sample_bundle(0, seed=7).encode()
print(f"{len(record):,} bytes of {len(mv.Record(record))} FHIR resources")

# %% [markdown]
# ## Guardians
#
# Three people generate a key together of which nobody ever holds the whole: two of them open, one alone does not. On
# machines of their own they would exchange the messages of three rounds; `hold_together` does it within one process.

# %%
people = [mv.Identity.generate(hybrid=False) for _ in range(3)]
members = [person.public for person in people]
board = mv.Committee("recovery of records", needed=2, members=members, convenor=steward.public)
guardians = [mv.Guardian(person) for person in people]
keys = mv.hold_together(mv.KeyPlan.generate(board), guardians, convenor=steward)
print(keys)

# %% [markdown]
# ## Sealing
#
# The record is sealed once, for four doors: the patient, the clinic's key ring, whoever satisfies a policy, and the
# guardians, who wait three days for the patient's veto. The steward signs.

# %%
clinic = mv.Authority.create("clinic", integers={"clearance": 4})
policy = mv.Policy("role:doctor and clearance >= 2")
ring = mv.KeyRing.create(home / "clinic.ring", "provider", to=steward)
staff = policy.door(clinic.parameters)
board_door = keys.key.door(owner=patient.public, delay=datetime.timedelta(hours=72))
sealed = mv.seal(record, to=[patient.public, ring, staff, board_door], author=steward, context=b"ward 7")
doors = mv.inspect(sealed)["doors"]
print(doors, f"{len(sealed) - len(record):,} bytes more")

# %%
log = mv.Log.create(home / "events.log")
digest = hashlib.sha256(sealed).digest()
log.append_sealed(digest, len(doors), actor=steward.public)

# %% [markdown]
# ## Policies
#
# The authority gives keys for attributes. A doctor's key opens, a clerk's does not, and the policy says what is missing.

# %%
week = now + datetime.timedelta(days=7)
doctor = clinic.grant(["role:doctor", "clearance=3"], until=week)
clerk = clinic.grant(["role:clerk", "clearance=1"], until=week)
opened = mv.open(sealed, keys=doctor, author=steward.public)
log.append_accessed(digest, "policy", True, purpose="TREAT")
print("the doctor reads it:", opened == record)
try:
    mv.open(sealed, keys=clerk)
except mv.NoKeyError as refusal:
    log.append_accessed(digest, "policy", False)
    print("the clerk:", refusal)
print("missing:", policy.missing(["role:clerk", "clearance=1"]))

# %% [markdown]
# ## Rotation and erasure
#
# A rotated ring still opens what was sealed before. An erased version does not, and there is a receipt. The other doors
# stay as they are.

# %%
ring.rotate()
print("after rotation:", mv.open(sealed, keys=ring) == record)
receipt = ring.erase(1, "retention period over")
print("erased version", ring.verify_receipt(receipt))
try:
    mv.open(sealed, keys=ring)
except mv.NoKeyError as refusal:
    print("the ring:", refusal)
ring.close()

# %% [markdown]
# ## Recovery
#
# The patient lost every key, and asks under a new identity. Guardians compare its fingerprint over the telephone, note
# when they saw the request, and approve after the delay, unless the old identity objects.

# %%
new = mv.Identity.generate()
case = mv.Recovery(keys, keys.key.request_recovery(sealed, new, now=now))
notices = [guardian.notice(case, now=now) for guardian in guardians[:2]]
try:
    guardians[0].approve(case, notices[0], vetoes=[], now=now)
except mv.RefusedError as refusal:
    print("at once:", refusal)

# %%
later = now + datetime.timedelta(hours=72)
approvals = [g.approve(case, n, vetoes=[], now=later) for g, n in zip(guardians, notices)]
print("back again:", mv.open(sealed, keys=case.finish(approvals, new)) == record)
done = case.complete(approvals, new, now=later)
verdict = case.verdict(notices=notices, vetoes=[], approvals=approvals, completion=done)
print(verdict["state"], "by guardians", verdict["approved"])

# %% [markdown]
# A thief asks as well. The patient's veto ends it: honest guardians who see it never approve.

# %%
thief = mv.Identity.generate()
theft = mv.Recovery(keys, keys.key.request_recovery(sealed, thief, now=now))
veto = theft.veto(patient, now=now)
seen = guardians[0].notice(theft, now=now)
try:
    guardians[0].approve(theft, seen, vetoes=[veto], now=later)
except mv.RefusedError as refusal:
    print("the thief:", refusal)

# %% [markdown]
# Do the shares still work? A rehearsal shows it and opens nothing. And a key can lie on paper, in words.

# %%
call = keys.call()
found = keys.conclude(call, [guardian.rehearse(call) for guardian in guardians])
print("working:", found["working"], "- proved at", keys.key.verify_rehearsal(found["proof"]).date())
words = mv.paper_split(bytes(range(32)), groups=[(2, 3)])[0]
print(words[0].split()[:4], "... and 29 words more; two of three give the key back:")
print(mv.paper_join(words[1:]) == bytes(range(32)))

# %% [markdown]
# ## Proofs
#
# An issuer registers the patient. A pharmacy asks for an adult of any role: it learns that this is so, and a nullifier, by
# which the same person is known again at this counter today and nowhere else. The key is a development key, made here in a
# moment: verifiers refuse such keys unless they are asked to take them.

# %%
register = mv.IssuerRegister("St. Anna", roles=["patient", "physician"])
me = mv.HolderSecret.generate()
credential = register.issue("P-1", me.holder, born="1980-02-29", role="patient", expires="2099-12-31")
registry = register.publish()
key = mv.ProvingKey.development("identity")
checks = key.verifying(allow_development=True)

request = mv.IdentityRequest(scope="pharmacy/today", min_age=18)
proof = mv.prove(request, key=key, secret=me, credential=credential, registry=registry)
learnt = mv.verify(proof, key=checks, request=request, registry=registry)
print(len(proof.to_bytes()), "bytes;", "nullifier", learnt.nullifier.hex()[:16])

# %%
tomorrow = mv.IdentityRequest(scope="pharmacy/tomorrow", min_age=18)
try:
    mv.verify(proof, key=checks, request=tomorrow, registry=registry)
except mv.UnverifiedError as refusal:
    print("shown again tomorrow:", refusal)
try:
    young = mv.IdentityRequest(scope="pharmacy/today", born_before="1970-01-01")
    mv.prove(young, key=key, secret=me, credential=credential, registry=registry)
except mv.RefusedError as refusal:
    print("what is not so:", refusal)

# %% [markdown]
# ## What is left behind
#
# The log says what happened, and a signed head lets anyone check one entry of it without the rest.

# %%
head = log.head(steward)
index, entry = mv.verify_evidence(log.evidence(1, head), steward.public)
print(f"entry {index}: {entry['event']}, opened: {entry['opened']}; {log.verify()['size']} entries verify")
log.close()
