//! Key rings: rotation when it is due, and erasure that holds against an older copy of the ring.

use crate::failure::Failure;
use crate::tour::{Figures, Step, World, broken, read, require, write};
use mediveil_seal::identity::IdentityKind;
use mediveil_seal::ring::{Due, OwnerRole, Ring, RingFile, WhenActive};
use mediveil_seal::{OpenError, Passphrase, Sealer, open};
use std::path::PathBuf;
use std::time::Duration;

/// The provider of the tour: a key ring on the disk, bound to a wrapping file elsewhere.
pub(crate) struct Provider {
    pub(crate) ring: RingFile,
    pub(crate) path: PathBuf,
    pub(crate) wrapping: PathBuf,
}

/// Before anything is sealed.
pub(crate) const FIRST: &[Step] = &[Step {
    name: "make a key ring",
    claim: "a provider's ring is sealed at rest and bound to a wrapping key kept elsewhere",
    run: create,
}];

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "rotate a key",
        claim: "after 90 days the provider's key is due; the old one opens old files, the new one seals",
        run: rotate,
    },
    Step {
        name: "erase a key",
        claim: "what only the destroyed key opened is gone, with a signed receipt, even for an older copy of the ring",
        run: erase,
    },
];

fn lock() -> Passphrase {
    Passphrase::new("the provider's own passphrase")
}

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn create(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let (path, wrapping) = (world.out.join("provider.ring"), world.out.join("elsewhere").join("provider.wrap"));
    for old in [&path, &wrapping] {
        // A tour may be taken twice in one place.
        if old.exists() {
            std::fs::remove_file(old).map_err(|e| Failure::from(e).at(old))?;
        }
    }
    if let Some(folder) = wrapping.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::from(e).at(folder))?;
    }
    let ring = Ring::new(OwnerRole::Provider, IdentityKind::Hybrid, world.now, &mut rng).map_err(say)?;
    let ring = RingFile::create(&path, ring, &[&lock()], Some(&wrapping), &mut rng).map_err(say)?;
    figures.set("ring_bytes", read(&path)?.len());
    figures.set("wrapping_bytes", read(&wrapping)?.len());
    world.provider = Some(Provider { ring, path, wrapping });
    Ok("a provider's ring with its first key".into())
}

fn rotate(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let later = world.now.plus(Duration::from_secs(90 * 86_400));
    let before = world.now.plus(Duration::from_secs(90 * 86_400 - 1));
    let provider = world.provider.as_mut().ok_or_else(|| broken("no provider"))?;
    require(provider.ring.ring().due(before).is_empty(), "the key is due too early")?;
    require(
        matches!(provider.ring.ring().due(later)[..], [Due::Rotate { version: 1, .. }]),
        "the key is not due after 90 days",
    )?;
    let number = provider.ring.rotate(later, &mut rng).map_err(say)?;
    require(provider.ring.ring().due(later).is_empty(), "the new key is due at once")?;
    let patient = world.patients.first().ok_or_else(|| broken("no patient"))?;
    let opener = provider.ring.ring().opener(later);
    require(*open(&read(&patient.sealed)?, &[&opener])?.plaintext == patient.bundle, "an old file no longer opens")?;
    world.now = later;
    figures.set("version", number);
    Ok(format!("version {number} seals from now on; version 1 opens what it could open"))
}

fn erase(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let provider = world.provider.take().ok_or_else(|| broken("no provider"))?;
    let Provider { mut ring, path, wrapping } = provider;
    let first = ring.ring().version(1).map_err(say)?.public().clone();
    let sealed = Sealer::new().to(&first).seal(b"for version 1 alone", &mut rng)?;
    require(open(&sealed, &[&ring.ring().opener(world.now)]).is_ok(), "the old version does not open yet")?;
    let copy = world.out.join("provider.ring.old");
    write(&copy, &read(&path)?)?;

    let custodian = ring.ring().custodian();
    let receipt = ring.erase(1, "the tour shows erasure", WhenActive::Refuse, world.now, &mut rng).map_err(say)?;
    receipt.verify(&custodian)?;
    let refused = |ring: &Ring| matches!(open(&sealed, &[&ring.opener(world.now)]), Err(OpenError::NoDoor { .. }));
    require(refused(ring.ring()), "the destroyed version still opens its file")?;
    drop(ring);
    // From the disk, as after a restart.
    let ring = RingFile::open(&path, &[&lock()], Some(&wrapping)).map_err(say)?;
    require(refused(ring.ring()), "the destroyed version came back with a restart")?;
    require(
        RingFile::read(&copy, &[&lock()], Some(&wrapping)).is_err(),
        "an older copy of the ring opens with the new wrapping key",
    )?;
    figures.set("receipt_bytes", mediveil_codec::Wire::encode(&receipt).len());
    world.provider = Some(Provider { ring, path, wrapping });
    Ok("version 1 destroyed, receipt verified; its file and an older copy of the ring stay shut".into())
}
