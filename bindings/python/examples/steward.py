"""A data steward's rounds: records sealed for several readers, a policy, a key that rotates and one that is erased, and a log
that shows what happened."""

import datetime
import hashlib
import sys
import tempfile
from pathlib import Path

import mediveil as mv

home = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
patient, steward = mv.Identity.generate(), mv.Identity.generate(hybrid=False)
clinic = mv.Authority.create("clinic", integers={"clearance": 4})
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=7)
doctor = clinic.grant(["role:doctor", "clearance=3"], until=until)
clerk = clinic.grant(["role:clerk", "clearance=1"], until=until)

# One record, for the patient, for the clinic's ring, and for whoever satisfies a policy.
policy = mv.Policy("role:doctor and clearance >= 2")
record = mv.sample_bundle(0, seed=7).encode()
with mv.KeyRing.create(home / "clinic.ring", "provider", to=steward) as ring, mv.Log.create(home / "events.log") as log:
    sealed = mv.seal(record, to=[patient.public, ring, policy.door(clinic.parameters)], author=steward)
    digest = hashlib.sha256(sealed).digest()
    log.append_sealed(digest, 3, actor=steward.public)
    assert mv.open(sealed, keys=doctor, author=steward.public) == record
    log.append_accessed(digest, "policy", True, purpose="TREAT")

    try:
        mv.open(sealed, keys=clerk)
    except mv.NoKeyError as refusal:
        print(f"the clerk: {refusal}; missing: {policy.missing(['role:clerk', 'clearance=1'])[0]}")
        log.append_accessed(digest, "policy", False)

    # Rotation keeps old records readable; erasure ends that, with a receipt.
    ring.rotate()
    assert mv.open(sealed, keys=ring) == record
    receipt = ring.erase(1, "retention period over")
    print(f"version {ring.verify_receipt(receipt)} of the clinic's key is erased")
    try:
        mv.open(sealed, keys=ring)
    except mv.NoKeyError:
        print("the clinic's ring no longer opens it; the patient does:", mv.open(sealed, keys=patient) == record)

    # What the log says can be shown to others, one entry at a time.
    head = log.head(steward)
    index, entry = mv.verify_evidence(log.evidence(1, head), steward.public)
    print(f"entry {index}: {entry['event']}, opened: {entry['opened']}; the log of {log.verify()['size']} entries verifies")
