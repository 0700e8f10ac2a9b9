//! Sealed files: one for each patient, opened through every door, and refused to everybody else.

use crate::failure::Failure;
use crate::tour::{Figures, Step, World, broken, read, require, write};
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::{AtomicFile, OpenError, OpenReader, Opener, Passphrase, Rewrap, Sealer, open};
use std::path::Path;
use std::time::Instant;

const PASSPHRASE: &str = "seven quiet llamas hum at dawn";

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "seal records",
        claim: "each patient's bundle is sealed for the patient, a provider and a passphrase",
        run: seal_all,
    },
    Step { name: "open every door", claim: "each of the three readers gets back the very bytes", run: open_all },
    Step { name: "refuse a stranger", claim: "another identity and another passphrase open nothing", run: stranger },
    Step {
        name: "refuse changed files",
        claim: "flipped, cut, extended and rearranged files are refused and no output appears",
        run: changed,
    },
    Step {
        name: "change doors",
        claim: "a door is added and another dropped without touching the content",
        run: rewrap,
    },
];

fn seal_all(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let folder = world.out.join("sealed");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    let provider = world.provider.as_ref().ok_or_else(|| broken("no provider"))?;
    let provider_key = provider.ring.ring().recipient(world.now).map_err(|e| broken(e.to_string()))?;
    let passphrase = Passphrase::new(PASSPHRASE);
    let (mut plain, mut sealed) = (0u64, 0u64);
    for patient in &world.patients {
        let author = provider.ring.ring().identity(world.now).map_err(|e| broken(e.to_string()))?;
        let sealer = Sealer::new()
            .context(b"mediveil tour")?
            .author(author.signing_key())
            .to(patient.identity.public())
            .to(provider_key)
            .to(&passphrase);
        let mut file = AtomicFile::create(&patient.sealed).map_err(|e| Failure::from(e).at(&patient.sealed))?;
        let bytes = sealer.copy(&mut patient.bundle.as_slice(), &mut file, &mut mediveil_rng::system())?;
        file.commit()?;
        plain = plain.saturating_add(bytes);
        sealed = sealed.saturating_add(std::fs::metadata(&patient.sealed)?.len());
    }
    figures.set("files", world.patients.len());
    figures.set("plaintext_bytes", plain);
    figures.set("sealed_bytes", sealed);
    Ok(format!("{} files, {plain} -> {sealed} bytes, three doors each, signed", world.patients.len()))
}

fn open_all(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let provider = world.provider.as_ref().ok_or_else(|| broken("no provider"))?;
    let ring = provider.ring.ring();
    let author = *ring.identity(world.now).map_err(|e| broken(e.to_string()))?.public().verifying_key();
    let passphrase = Passphrase::new(PASSPHRASE);
    let opener = ring.opener(world.now);
    let mut seconds = [0f64; 3];
    for patient in &world.patients {
        let sealed = read(&patient.sealed)?;
        let readers: [&dyn Opener; 3] = [&patient.identity, &opener, &passphrase];
        for (reader, seconds) in readers.into_iter().zip(&mut seconds) {
            let start = Instant::now();
            let opened = open(&sealed, &[reader])?;
            *seconds += start.elapsed().as_secs_f64();
            require(*opened.plaintext == patient.bundle, "the opened bundle is not the one that was sealed")?;
            require(opened.author == Some(author), "the author is not the one who signed")?;
        }
    }
    let count = world.patients.len();
    let [patient, provider, phrase] = seconds.map(|s| s * 1e3 / f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    figures.set("patient_ms", patient);
    figures.set("provider_ms", provider);
    figures.set("passphrase_ms", phrase);
    Ok(format!("{count} files by patient ({patient:.1} ms), provider ({provider:.1} ms), passphrase ({phrase:.0} ms)"))
}

fn stranger(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let stranger = Identity::generate(IdentityKind::Hybrid, &mut mediveil_rng::system())?;
    let phrase = Passphrase::new("seven quiet llamas hum at dusk");
    let mut refused = 0u32;
    for (i, patient) in world.patients.iter().enumerate() {
        let sealed = read(&patient.sealed)?;
        let neighbour = world.patients.get(i.saturating_add(1)).map(|p| &p.identity as &dyn Opener);
        let mut others: Vec<&dyn Opener> = vec![&stranger];
        others.extend(neighbour);
        // A passphrase costs a tenth of a second by design; once is enough to show it.
        if i == 0 {
            others.push(&phrase);
        }
        for other in others {
            require(
                matches!(open(&sealed, &[other]), Err(OpenError::NoDoor { .. })),
                "somebody opened a file that was not sealed for them",
            )?;
            refused = refused.saturating_add(1);
        }
    }
    figures.set("attempts_refused", refused);
    Ok(format!("{refused} attempts by a stranger, by other patients and by a wrong passphrase"))
}

/// Opens `sealed` to a file as the command does; reports whether it was refused and left no file.
fn refused_cleanly(sealed: &[u8], key: &dyn Opener, out: &Path) -> Result<bool, Failure> {
    let run = || -> Result<(), OpenError> {
        let mut file = AtomicFile::create(out).map_err(OpenError::Io)?;
        OpenReader::new(sealed, &[key])?.copy_to(&mut file)?;
        file.commit().map_err(OpenError::Io)
    };
    let refused = matches!(run(), Err(OpenError::Tampered | OpenError::Malformed(_) | OpenError::NoDoor { .. }));
    Ok(refused && !out.exists())
}

fn changed(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let patient = world.patients.first().ok_or_else(|| broken("no patient"))?;
    let sealed = read(&patient.sealed)?;
    let out = world.out.join("must-not-appear");
    let head = mediveil_seal::inspect(&mut std::io::Cursor::new(&sealed))?.head_len;
    let head = usize::try_from(head).unwrap_or(usize::MAX);
    let mut attempts = 0u32;
    let mut attempt = |bytes: &[u8], what: &str| {
        attempts = attempts.saturating_add(1);
        match refused_cleanly(bytes, &patient.identity, &out)? {
            true => Ok(()),
            false => Err(broken(format!("{what} was not refused cleanly"))),
        }
    };
    // Every byte of core header and doors would take minutes here; the tests do all of them. A spread is shown.
    let spread = (0..head).step_by(head.div_ceil(40).max(1)).chain([head, sealed.len().saturating_sub(1)]);
    for at in spread {
        let mut bad = sealed.clone();
        if let Some(byte) = bad.get_mut(at) {
            *byte ^= 1;
        }
        attempt(&bad, &format!("a file with byte {at} changed"))?;
    }
    for len in [0, 1, head, head.saturating_add(100), sealed.len().saturating_sub(1)] {
        attempt(sealed.get(..len.min(sealed.len())).unwrap_or_default(), &format!("a file cut to {len} bytes"))?;
    }
    attempt(&[sealed.as_slice(), &[0]].concat(), "a file with a byte more")?;
    const SEGMENT: usize = mediveil_seal::SEGMENT_LEN + 16;
    if let (Some(start), Some(body)) = (sealed.get(..head), sealed.get(head..))
        && let (Some(a), Some(b), Some(rest)) =
            (body.get(..SEGMENT), body.get(SEGMENT..2 * SEGMENT), body.get(2 * SEGMENT..))
    {
        attempt(&[start, b, a, rest].concat(), "a file with two segments swapped")?;
        attempt(&[start, b, rest].concat(), "a file with a segment dropped")?;
        attempt(&[start, a, a, b, rest].concat(), "a file with a segment repeated")?;
    }
    figures.set("changes_refused", attempts);
    Ok(format!("{attempts} changes refused, no output left behind"))
}

fn rewrap(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let patient = world.patients.first().ok_or_else(|| broken("no patient"))?;
    let second = Identity::generate(IdentityKind::P256, &mut mediveil_rng::system())?;
    let sealed = read(&patient.sealed)?;
    let mut shared = Vec::new();
    let doors = Rewrap::new().to(second.public()).drop_kind(mediveil_seal::DoorKind::PASSPHRASE).run(
        &mut sealed.as_slice(),
        &mut shared,
        &[&patient.identity],
        &mut mediveil_rng::system(),
    )?;
    require(*open(&shared, &[&second])?.plaintext == patient.bundle, "the new reader does not get the bundle")?;
    require(
        matches!(open(&shared, &[&Passphrase::new(PASSPHRASE)]), Err(OpenError::NoDoor { .. })),
        "the dropped passphrase still opens",
    )?;
    let content = |file: &[u8]| -> Result<Vec<u8>, Failure> {
        let head = mediveil_seal::inspect(&mut std::io::Cursor::new(file))?.head_len;
        Ok(file.get(usize::try_from(head).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec())
    };
    require(content(&sealed)? == content(&shared)?, "the content changed")?;
    write(&world.out.join("sealed").join("second-opinion.sealed"), &shared)?;
    figures.set("doors", doors);
    Ok(format!("a second provider added, the passphrase dropped: {doors} doors, content untouched"))
}
