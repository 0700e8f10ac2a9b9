//! Policies: each patient's bundle for its care team and for emergencies, and who does not get in.

use crate::failure::Failure;
use crate::tour::{Figures, Patient, Step, World, broken, read, require};
use mediveil_abe::{Attribute, AttributeKey, AttributeSet, Authority, AuthorityError, Granularity};
use mediveil_abe::{Policy, PolicyRecipient, Schema};
use mediveil_codec::{Timestamp, Wire};
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::{AtomicFile, OpenError, Opener, RefusalReason, Sealer, open};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const POLICY: &str = "(role:cardiologist and site:A) or role:emergency";
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// A hospital, and the keys it granted.
pub(crate) struct Hospital {
    authority: Authority,
    cardiologist: AttributeKey,
    emergency: AttributeKey,
    expired: AttributeKey,
    insurer: AttributeKey,
    researcher: AttributeKey,
    /// A cardiologist of another site, and a nurse of this one: together they have what the policy asks for.
    elsewhere: AttributeKey,
    nurse: AttributeKey,
    /// When the files are sealed.
    sealing: Timestamp,
}

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "grant attributes",
        claim: "an authority grants keys for attributes; a key for emergencies lives at most 24 hours",
        run: grant,
    },
    Step {
        name: "seal under a policy",
        claim: "each bundle is sealed for its patient and under (role:cardiologist and site:A) or role:emergency",
        run: seal_all,
    },
    Step {
        name: "open by attributes",
        claim: "a cardiologist of site A, an emergency key of today and the patient get back the very bytes",
        run: open_all,
    },
    Step {
        name: "refuse by attributes",
        claim: "an insurer, a researcher and an emergency key that expired before the sealing open nothing",
        run: refuse,
    },
    Step {
        name: "refuse pooled keys",
        claim: "two keys that have together what the policy asks for do not combine",
        run: pooled,
    },
];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn hospital(world: &World) -> Result<&Hospital, Failure> {
    world.hospital.as_ref().ok_or_else(|| broken("no authority"))
}

fn path(out: &Path, patient: &Patient) -> PathBuf {
    out.join("care").join(format!("{}.sealed", patient.name))
}

/// Milliseconds for each of `count`.
fn each_ms(seconds: f64, count: usize) -> f64 {
    seconds * 1e3 / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn grant(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let schema = Schema::new().emergency(Attribute::new("role", "emergency").map_err(say)?).map_err(say)?;
    let authority = Authority::create("the tour's hospital", Granularity::Hours, schema, &mut rng).map_err(say)?;
    // The hospital is two days old when it seals: time enough for a key for emergencies to expire.
    let (founded, sealing) = (world.now, world.now.plus(DAY).plus(DAY));
    let set = |attributes: &[&str]| AttributeSet::parse(attributes.iter().copied()).map_err(say);
    let emergency = set(&["role:emergency"])?;
    require(
        matches!(
            authority.grant(&emergency, founded.plus(DAY).plus(Duration::from_secs(1)), founded, &mut rng),
            Err(AuthorityError::EmergencyTooLong(_))
        ),
        "a key for emergencies lives longer than 24 hours",
    )?;
    let start = Instant::now();
    let mut staff =
        |attributes: &[&str]| authority.grant(&set(attributes)?, founded.plus(YEAR), founded, &mut rng).map_err(say);
    let cardiologist = staff(&["role:cardiologist", "site:A"])?;
    let insurer = staff(&["role:insurer", "site:A"])?;
    let researcher = staff(&["role:researcher", "site:A", "study:heart"])?;
    let elsewhere = staff(&["role:cardiologist", "site:B"])?;
    let nurse = staff(&["role:nurse", "site:A"])?;
    let expired = authority.grant_emergency(&emergency, founded, &mut rng).map_err(say)?;
    let emergency = authority.grant_emergency(&emergency, sealing, &mut rng).map_err(say)?;
    let grant_ms = each_ms(start.elapsed().as_secs_f64(), 7);
    require(expired.expires().is_some_and(|e| e <= founded.plus(DAY)), "a key for emergencies lives too long")?;
    require(cardiologist.is_genuine(authority.parameters(), &mut rng), "a key is not what it says")?;
    let key_bytes = cardiologist.encode().len();
    figures.set("keys", 7);
    figures.set("grant_ms", grant_ms);
    figures.set("key_bytes", key_bytes);
    figures.set("parameters_bytes", authority.parameters().encode().len());
    world.hospital =
        Some(Hospital { authority, cardiologist, emergency, expired, insurer, researcher, elsewhere, nurse, sealing });
    Ok(format!("7 keys ({grant_ms:.1} ms each), the cardiologist's of {key_bytes} bytes"))
}

fn seal_all(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let folder = world.out.join("care");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    let hospital = hospital(world)?;
    let policy = Policy::parse(POLICY).map_err(say)?;
    let care = PolicyRecipient::new(policy, hospital.authority.parameters(), hospital.sealing).map_err(say)?;
    let mut door_bytes = 0;
    let start = Instant::now();
    for patient in &world.patients {
        let path = path(&world.out, patient);
        let sealer = Sealer::new().context(b"mediveil tour")?.to(patient.identity.public()).to(&care);
        let mut file = AtomicFile::create(&path).map_err(|e| Failure::from(e).at(&path))?;
        sealer.copy(&mut patient.bundle.as_slice(), &mut file, &mut mediveil_rng::system())?;
        file.commit()?;
        let seen = mediveil_seal::inspect(&mut std::fs::File::open(&path)?)?;
        let doors: Vec<&str> = seen.doors.iter().map(|d| d.kind.as_str()).collect();
        require(doors.len() == 2 && doors.contains(&"policy"), "a file has other doors than the two")?;
        door_bytes = seen.doors.iter().filter(|d| d.kind.as_str() == "policy").map(|d| d.len).sum();
    }
    let count = world.patients.len();
    let seal_ms = each_ms(start.elapsed().as_secs_f64(), count);
    figures.set("files", count);
    figures.set("seal_ms", seal_ms);
    figures.set("door_bytes", door_bytes);
    Ok(format!("{count} files ({seal_ms:.1} ms each), a policy door of {door_bytes} bytes"))
}

fn open_all(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let hospital = hospital(world)?;
    let mut seconds = [0f64; 3];
    for patient in &world.patients {
        let sealed = read(&path(&world.out, patient))?;
        let readers: [&dyn Opener; 3] = [&hospital.cardiologist, &hospital.emergency, &patient.identity];
        for (reader, seconds) in readers.into_iter().zip(&mut seconds) {
            let start = Instant::now();
            let opened = open(&sealed, &[reader])?;
            *seconds += start.elapsed().as_secs_f64();
            require(*opened.plaintext == patient.bundle, "the opened bundle is not the one that was sealed")?;
        }
    }
    let count = world.patients.len();
    let [cardiologist, emergency, patient] = seconds.map(|s| each_ms(s, count));
    figures.set("cardiologist_ms", cardiologist);
    figures.set("emergency_ms", emergency);
    figures.set("patient_ms", patient);
    Ok(format!(
        "{count} files by cardiologist ({cardiologist:.1} ms), emergency key ({emergency:.1} ms), patient ({patient:.1} ms)"
    ))
}

/// The reasons with which a file is refused to these keys; none if it opened.
fn reasons(sealed: &[u8], keys: &[&dyn Opener]) -> Result<Vec<(RefusalReason, String)>, Failure> {
    match open(sealed, keys) {
        Ok(_) => Ok(Vec::new()),
        Err(OpenError::NoDoor { refusals, .. }) => {
            Ok(refusals.into_iter().map(|r| (r.reason, r.explanation)).collect())
        }
        Err(other) => Err(other.into()),
    }
}

fn refuse(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let hospital = hospital(world)?;
    let mut refused = 0u32;
    for patient in &world.patients {
        let sealed = read(&path(&world.out, patient))?;
        for (who, key, reason) in [
            ("the insurer", &hospital.insurer, RefusalReason::PolicyUnsatisfied),
            ("the researcher", &hospital.researcher, RefusalReason::PolicyUnsatisfied),
            ("the expired emergency key", &hospital.expired, RefusalReason::KeyExpired),
        ] {
            let found = reasons(&sealed, &[key])?;
            let [(found, why)] = found.as_slice() else {
                return Err(broken(format!("{who} is not refused")));
            };
            require(*found == reason, &format!("{who} is refused for another reason: {why}"))?;
            refused = refused.saturating_add(1);
        }
    }
    // What the expired key cannot do is a matter of the time of sealing alone.
    let earlier = PolicyRecipient::new(Policy::parse(POLICY).map_err(say)?, hospital.authority.parameters(), world.now)
        .map_err(say)?;
    let older = Sealer::new().to(&earlier).seal(b"sealed before it expired", &mut mediveil_rng::system())?;
    require(open(&older, &[&hospital.expired]).is_ok(), "an expired key does not open an older file")?;
    figures.set("attempts_refused", refused);
    Ok(format!("{refused} attempts refused and explained; the expired key still opens what is older"))
}

fn pooled(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let hospital = hospital(world)?;
    let stranger = Identity::generate(IdentityKind::P256, &mut mediveil_rng::system())?;
    for patient in &world.patients {
        let sealed = read(&path(&world.out, patient))?;
        let pool: [&dyn Opener; 3] = [&hospital.elsewhere, &hospital.nurse, &stranger];
        let found = reasons(&sealed, &pool)?;
        let unsatisfied = found.iter().filter(|(reason, _)| *reason == RefusalReason::PolicyUnsatisfied).count();
        require(unsatisfied == 2, "two keys combine, or are refused for another reason")?;
    }
    figures.set("attempts_refused", world.patients.len());
    Ok(format!("{} files stay shut to a cardiologist of site B with a nurse of site A", world.patients.len()))
}
