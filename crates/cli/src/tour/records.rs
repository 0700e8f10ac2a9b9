//! Records: read, made canonical, committed, and opened one value at a time.

use crate::failure::{Failure, Kind};
use crate::files::bundles;
use crate::tour::{Figures, Patient, Step, World, broken, read, require};
use mediveil_record::{LeafOpening, Limits, Record, RecordSecret};
use mediveil_sample::Generator;
use mediveil_seal::identity::{Identity, IdentityKind};
use std::path::Path;

/// Patients that are generated when no folder is given.
const GENERATED: u32 = 24;
const GENERATED_QUICK: u32 = 6;

pub(crate) const STEPS: &[Step] = &[
    Step { name: "read records", claim: "FHIR R4 bundles are read strictly, within limits", run: load },
    Step { name: "commit records", claim: "every resource gets a digest and a salted commitment", run: commit },
    Step {
        name: "open one value",
        claim: "one value is shown with a path to its commitment; a changed value is refused",
        run: open_leaf,
    },
];

fn load(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let bundles = match &world.fhir {
        Some(folder) => from_folder(folder)?,
        None => generated(world.seed, if world.quick { GENERATED_QUICK } else { GENERATED }),
    };
    let mut bytes = 0usize;
    let mut resources = 0usize;
    for (name, bundle) in bundles {
        let record = Record::parse(&bundle, &Limits::default())
            .map_err(|e| Failure::new(Kind::Damaged, format!("{name}: {e}")))?;
        bytes = bytes.saturating_add(bundle.len());
        resources = resources.saturating_add(record.resources().len());
        let identity = Identity::generate(IdentityKind::Hybrid, &mut mediveil_rng::system())?;
        let sealed = world.out.join("sealed").join(format!("{name}.sealed"));
        world.patients.push(Patient { name, bundle, record, committed: Vec::new(), identity, sealed });
    }
    let patients = world.patients.len();
    figures.set("patients", patients);
    figures.set("resources", resources);
    figures.set("bytes", bytes);
    Ok(format!("{patients} patients, {resources} resources, {bytes} bytes"))
}

/// The bundles of a folder, in the order of their names.
fn from_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    bundles(folder)?
        .into_iter()
        .map(|path| {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            Ok((name, read(&path)?))
        })
        .collect()
}

fn generated(seed: u64, count: u32) -> Vec<(String, Vec<u8>)> {
    let patients = Generator::new(seed).patients(count);
    patients.map(|p| (p.id().to_owned(), p.bundle_json().into_bytes())).collect()
}

fn commit(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let (mut resources, mut leaves) = (0usize, 0usize);
    for patient in &mut world.patients {
        let secret = RecordSecret::generate(&mut mediveil_rng::system());
        patient.committed = patient.record.commit(&secret).map_err(|e| broken(format!("{}: {e}", patient.name)))?;
        require(patient.committed.len() == patient.record.resources().len(), "a resource has no commitment")?;
        resources = resources.saturating_add(patient.committed.len());
        leaves = patient.committed.iter().fold(leaves, |n, c| n.saturating_add(c.leaves().len()));
    }
    figures.set("resources", resources);
    figures.set("leaves", leaves);
    Ok(format!("{resources} resources under Poseidon roots over {leaves} salted leaves"))
}

fn open_leaf(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    use mediveil_codec::Wire;
    const PATH: &str = "valueQuantity.value";
    let (patient, committed) = world
        .patients
        .iter()
        .find_map(|p| p.committed.iter().find(|c| c.index_of(PATH).is_some()).map(|c| (p, c)))
        .ok_or_else(|| broken("no patient has an observation with a quantity"))?;
    let opening = committed.open(PATH).ok_or_else(|| broken("the leaf does not open"))?;
    let bytes = opening.encode();
    let received = LeafOpening::decode(&bytes)?;
    let commitment = committed.commitment();
    commitment.verify(&received).map_err(|_| broken("a true opening is refused"))?;
    // Another resource's commitment, and every changed byte that still decodes.
    for other in patient.committed.iter().map(|c| c.commitment()).filter(|c| *c != commitment) {
        require(other.verify(&received).is_err(), "an opening verifies under another resource's commitment")?;
    }
    let mut changed = bytes.clone();
    let mut refused = 0u32;
    for at in 0..changed.len() {
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        let holds = LeafOpening::decode(&changed).is_ok_and(|o| commitment.verify(&o).is_ok());
        require(!holds, "a changed opening is accepted")?;
        refused = refused.saturating_add(1);
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
    }
    figures.set("opening_bytes", bytes.len());
    figures.set("changes_refused", refused);
    Ok(format!("{PATH} of one observation, {} bytes; {refused} altered openings refused", bytes.len()))
}
