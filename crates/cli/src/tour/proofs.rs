//! Proofs: who somebody is and what a record says, shown without showing it, and the proofs that are none.

use crate::commands::zk::seen;
use crate::failure::Failure;
use crate::tour::{Figures, Patient, Step, World, broken, require};
use mediveil_circuits::forms::{FormError, IssuerRegister, NamedTable, NewSecret, ProviderRegistry, SignedRecord};
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Role, message};
use mediveil_circuits::r1cs::Builder;
use mediveil_circuits::record::{RecordAuthenticity, RecordPublic, RecordWitness};
use mediveil_circuits::statistics::{Row, Statistics};
use mediveil_circuits::{Scope, Statement};
use mediveil_codec::Wire;
use mediveil_record::{CommittedResource, Date, LeafValue};
use mediveil_zk::ceremony::{Beacon, Ceremony, Ptau};
use mediveil_zk::forms::{ClaimRequest, IdentityRequest, RecordRequest, StatisticsAnswer, StatisticsRequest};
use mediveil_zk::{Fr, Origin, Proof, ProveError, ProvingKey, Trust, VerifyingKey, development_setup};
use std::collections::BTreeMap;
use std::time::Instant;

/// The identity statement has 2^12 rows with its inputs.
const POWER: u32 = 12;
const VALUE: &str = "valueQuantity.value";
const CODE: &str = "code.coding[0].code";
const HBA1C: &str = "4548-4";

/// Keys, credentials, and the proof that later steps try to misuse.
pub(crate) struct Proofs {
    identity: ProvingKey<Identity>,
    record: ProvingKey<RecordAuthenticity>,
    register: Option<IssuerRegister>,
    holders: Vec<(HolderSecret, Credential)>,
    shown: Option<(IdentityPublic, IdentityWitness, Proof<Identity>)>,
}

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "set up proofs",
        claim: "two parties and a public beacon make the key of identity proofs; an altered transcript is refused",
        run: set_up,
    },
    Step {
        name: "issue credentials",
        claim: "every patient is in the issuer's registry once, and comes back only with the same secret",
        run: issue,
    },
    Step {
        name: "prove age and role",
        claim: "an adult of the registry proves age and role; the verifier learns a nullifier and nothing else",
        run: prove_identity,
    },
    Step {
        name: "prove a lab value",
        claim: "a holder proves a value of a real Observation that an accredited lab signed; what is not so has no proof",
        run: prove_record,
    },
    Step { name: "prove a mean", claim: "the mean of a cohort is proved over committed rows", run: prove_mean },
    Step {
        name: "refuse false proofs",
        claim: "forged, altered, replayed and wrongly scoped proofs are refused",
        run: refuse,
    },
];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn proofs(world: &World) -> Result<&Proofs, Failure> {
    world.proofs.as_ref().ok_or_else(|| broken("no keys for proofs"))
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn today(world: &World) -> Result<Date, Failure> {
    let now = world.now.to_string();
    now.get(..10).and_then(Date::parse).ok_or_else(|| broken("the present lies outside the calendar"))
}

fn set_up(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let start = Instant::now();
    let (identity, line) = if world.quick {
        let key = development_setup::<Identity>(&mut rng).map_err(say)?;
        (key, "--quick: development keys for all statements, and no ceremony".to_owned())
    } else {
        (ceremony()?, "identity: 2 parties and a beacon over powers of tau made here; record: a development key".into())
    };
    let record = development_setup::<RecordAuthenticity>(&mut rng).map_err(say)?;
    // Whoever made a development key could forge: verifiers do not take it unasked.
    let file = record.verifying().encode_wire();
    let refused = VerifyingKey::<RecordAuthenticity>::decode_wire(&file, Trust::CeremonyOnly).is_err();
    require(refused, "a development key is taken without being asked for")?;
    let other = VerifyingKey::<Identity>::decode_wire(&file, Trust::Development).is_err();
    require(other, "the key of one statement is taken for another's")?;
    figures.set("setup_ms", ms(start));
    figures.set("identity_constraints", Identity::r1cs().constraints());
    figures.set("record_constraints", RecordAuthenticity::r1cs().constraints());
    world.proofs = Some(Proofs { identity, record, register: None, holders: Vec::new(), shown: None });
    Ok(line)
}

/// A ministry and a patients' union make the key; the transcript goes between them as a file.
fn ceremony() -> Result<ProvingKey<Identity>, Failure> {
    let mut rng = mediveil_rng::system();
    let ptau = Ptau::read(&Ptau::generate_small(POWER, &mut rng), &mut rng).map_err(say)?;
    let mut ceremony = Ceremony::<Identity>::start(&ptau).map_err(say)?;
    ceremony.contribute("ministry", &mut rng).map_err(say)?;
    let early = ceremony.clone();
    ceremony.contribute("patients' union", &mut rng).map_err(say)?;
    let beacon = Beacon { value: [0x26; 32], rounds_log2: 10 };
    ceremony.finalise(beacon.clone()).map_err(say)?;
    let other = Beacon { value: [0x27; 32], rounds_log2: 10 };
    require(ceremony.clone().into_key(&other, &mut rng).is_err(), "another beacon than announced is taken")?;
    require(early.into_key(&beacon, &mut rng).is_err(), "an unfinished ceremony gives a key")?;
    let transcript = ceremony.transcript();
    let key = ceremony.into_key(&beacon, &mut rng).map_err(say)?;
    require(key.verifying().origin() == Origin::Ceremony(transcript), "the key does not name its ceremony")?;
    Ok(key)
}

/// The value of a leaf.
fn value<'r>(resource: &'r CommittedResource, path: &str) -> Option<&'r LeafValue> {
    resource.leaves().iter().find(|leaf| leaf.path == path).map(|leaf| &leaf.value)
}

fn is_text(resource: &CommittedResource, path: &str, text: &str) -> bool {
    matches!(value(resource, path), Some(LeafValue::String(found)) if found == text)
}

fn birth_date(patient: &Patient) -> Option<Date> {
    let person = patient.committed.iter().find(|r| is_text(r, "resourceType", "Patient"))?;
    if let Some(LeafValue::Date(day)) = value(person, "birthDate") { Some(*day) } else { None }
}

fn issue(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let today = today(world)?;
    let expiry = Date::from_days(today.days().saturating_add(365)).ok_or_else(|| broken("the calendar ends"))?;
    let roles = ["patient", "physician"].map(str::to_owned).to_vec();
    let mut register = IssuerRegister::new("the tour's issuer", roles).map_err(say)?;
    let mut holders = Vec::new();
    let mut without = 0_usize;
    for patient in &world.patients {
        let birth = birth_date(patient).or_else(|| Date::from_ymd(1970, 1, 1));
        let birth = birth.ok_or_else(|| broken("the calendar ends"))?;
        without = without.saturating_add(usize::from(birth_date(patient).is_none()));
        let secret = HolderSecret::generate(&mut rng);
        let (credential, _) =
            register.issue(&patient.name, secret.holder(), birth, "patient", expiry, NewSecret::Refuse).map_err(say)?;
        // The same person with a second secret would have a second nullifier.
        let second = HolderSecret::generate(&mut rng).holder();
        let again = register.issue(&patient.name, second, birth, "patient", expiry, NewSecret::Refuse);
        require(again == Err(FormError::OtherSecret), "a person gets a second credential under another secret")?;
        holders.push((secret, credential));
    }
    let published = register.publish().map_err(say)?;
    figures.set("credentials", published.credentials());
    figures.set("registry_bytes", published.encode().len());
    let mut line = format!("{} credentials in a tree of 2^20 places; one secret a person", published.credentials());
    if without > 0 {
        line.push_str(&format!("; {without} records lack a birth date, and 1970-01-01 is taken"));
    }
    let proofs = world.proofs.as_mut().ok_or_else(|| broken("no keys for proofs"))?;
    (proofs.register, proofs.holders) = (Some(register), holders);
    Ok(line)
}

fn prove_identity(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let today = today(world)?;
    let adult = IdentityRequest::day_of_age(today, 18).ok_or_else(|| broken("the calendar ends"))?;
    let proofs = proofs(world)?;
    let registry = proofs.register.as_ref().ok_or_else(|| broken("no register"))?.publish().map_err(say)?;
    let request = IdentityRequest {
        scope: "pharmacy/tour".into(),
        challenge: "drawn by the pharmacy".into(),
        born_before: adult.to_string(),
        today: today.to_string(),
        roles: vec!["patient".into()],
    };
    let mut minors = 0_usize;
    let mut shown = None;
    for (secret, credential) in &proofs.holders {
        let public = request.public(&registry, secret.nullifier(request.scope())).map_err(say)?;
        let path = registry.path_of(credential).ok_or_else(|| broken("a credential is not in the registry"))?;
        let witness = IdentityWitness { secret: secret.clone(), credential: credential.clone(), path };
        if credential.birth >= adult {
            require(Identity::assign(&public, &witness).is_err(), "a minor could prove to be of age")?;
            minors = minors.saturating_add(1);
        } else if shown.is_none() {
            let start = Instant::now();
            let proof = proofs.identity.prove(&public, &witness, &mut rng).map_err(say)?;
            figures.set("prove_ms", ms(start));
            let start = Instant::now();
            proofs.identity.verifying().verify(&public, &proof).map_err(say)?;
            figures.set("verify_ms", ms(start));
            seen_once(world, &public)?;
            shown = Some((public, witness, proof));
        }
    }
    let shown = shown.ok_or_else(|| broken("no patient is of age"))?;
    let bytes = shown.2.to_bytes().len();
    figures.set("proof_bytes", bytes);
    figures.set("minors_refused", minors);
    let proofs = world.proofs.as_mut().ok_or_else(|| broken("no keys for proofs"))?;
    proofs.shown = Some(shown);
    Ok(format!("born before {adult} and a patient of the registry, in {bytes} bytes; {minors} minors have no proof"))
}

/// Records a nullifier that is new.
fn seen_once(world: &World, public: &IdentityPublic) -> Result<(), Failure> {
    let path = world.out.join("nullifiers");
    // A tour before this one had other secrets, so its nullifiers are none of these.
    seen::record(&path, &public.scope, &public.nullifier)
}

/// A number as mantissa and scale.
fn number(value: &LeafValue) -> Option<(i64, u8)> {
    match value {
        LeafValue::Decimal(d) => Some((d.mantissa(), d.scale())),
        LeafValue::Integer(n) => Some((*n, 0)),
        _ => None,
    }
}

/// In tenths, rounded down.
fn tenths((mantissa, scale): (i64, u8)) -> Option<i64> {
    let power = 10_i128.checked_pow(scale.into())?;
    i64::try_from(i128::from(mantissa).checked_mul(10)?.checked_div_euclid(power)?).ok()
}

/// An Observation for the lab to sign, its patient's place, and what is to be proved: `HbA1c` below 7.0 if there is one.
fn observation(world: &World) -> Option<(usize, &CommittedResource, Vec<ClaimRequest>)> {
    let quantities = || {
        world.patients.iter().enumerate().flat_map(|(index, patient)| {
            patient.committed.iter().filter_map(move |r| number(value(r, VALUE)?).map(|n| (index, r, n)))
        })
    };
    let claims = |code: Option<&str>, bound: &str, scale: u8| -> Option<Vec<ClaimRequest>> {
        let places = if scale > 7 { format!(" places {scale}") } else { String::new() };
        let bound = ClaimRequest::from_words(&format!("{VALUE} < {bound}{places}")).ok()?;
        let code = code.map(|code| ClaimRequest::from_words(&format!("{CODE} = {code}"))).transpose().ok()?;
        Some(code.into_iter().chain([bound]).collect())
    };
    let hba1c = quantities().find(|(_, r, n)| is_text(r, CODE, HBA1C) && tenths(*n).is_some_and(|t| t < 70));
    if let Some((index, resource, (_, scale))) = hba1c {
        return Some((index, resource, claims(Some(HBA1C), "7.0", scale)?));
    }
    // Records without one: another quantity, below the next whole number.
    quantities().find_map(|(index, resource, n)| {
        let code = if let Some(LeafValue::String(code)) = value(resource, CODE) { Some(code.as_str()) } else { None };
        let above = tenths(n)?.div_euclid(10).checked_add(1)?;
        Some((index, resource, claims(code, &format!("{above}.0"), n.1)?))
    })
}

fn prove_record(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let proofs = proofs(world)?;
    let (index, resource, claims) =
        observation(world).ok_or_else(|| broken("no patient has an observation with a quantity"))?;
    let (secret, _) = proofs.holders.get(index).ok_or_else(|| broken("a patient has no credential"))?;
    let [lab, second, third] = [(); 3].map(|()| SigningKey::generate(&mut rng));
    let members = [("lab", &lab), ("hospital", &second), ("practice", &third)];
    let providers =
        ProviderRegistry::new(members.map(|(name, key)| (name.to_owned(), key.public())).to_vec()).map_err(say)?;
    let tree = providers.tree().map_err(say)?;
    let signed = SignedRecord::sign(&lab, resource.commitment(), secret.holder(), &mut rng);
    let words: Vec<String> = claims.iter().map(ToString::to_string).collect();
    let request = RecordRequest { scope: "insurer/tour".into(), challenge: "drawn by the insurer".into(), claims };
    let public = request.public(&providers, secret.nullifier(request.scope())).map_err(say)?;
    let witness = |public: &RecordPublic, signed: &SignedRecord, secret: &HolderSecret| -> Option<RecordWitness> {
        Some(RecordWitness {
            secret: secret.clone(),
            record: signed.commitment(),
            provider: *signed.provider(),
            // Somebody who is not in the registry has no path of their own and takes another's.
            provider_path: tree.path(providers.index_of(signed.provider()).unwrap_or(0))?,
            signature: *signed.signature(),
            openings: public.claims().iter().map(|c| resource.open(c.path())).collect::<Option<_>>()?,
        })
    };
    let missing = || broken("a claimed value does not open");
    let start = Instant::now();
    let honest = witness(&public, &signed, secret).ok_or_else(missing)?;
    let proof = proofs.record.prove(&public, &honest, &mut rng).map_err(say)?;
    figures.set("prove_ms", ms(start));
    let start = Instant::now();
    proofs.record.verifying().verify(&public, &proof).map_err(say)?;
    figures.set("verify_ms", ms(start));
    // A claim that is not so, a lab that is not accredited, and somebody else's record.
    let refuses = |public: &RecordPublic, signed: &SignedRecord, secret: &HolderSecret| -> Result<bool, Failure> {
        let witness = witness(public, signed, secret).ok_or_else(missing)?;
        Ok(matches!(
            proofs.record.prove(public, &witness, &mut mediveil_rng::system()),
            Err(ProveError::Unsatisfied(_))
        ))
    };
    let mut false_claim = request.clone();
    for claim in false_claim.claims.iter_mut().filter(|c| c.path == VALUE) {
        claim.at_least = claim.below.take();
    }
    let false_public = false_claim.public(&providers, secret.nullifier(request.scope())).map_err(say)?;
    require(refuses(&false_public, &signed, secret)?, "a claim that is not so is proved")?;
    let stranger = SigningKey::generate(&mut rng);
    let unaccredited = SignedRecord::sign(&stranger, resource.commitment(), secret.holder(), &mut rng);
    require(refuses(&public, &unaccredited, secret)?, "a lab that is not accredited is believed")?;
    let thief = HolderSecret::generate(&mut rng);
    let stolen = request.public(&providers, thief.nullifier(request.scope())).map_err(say)?;
    require(refuses(&stolen, &signed, &thief)?, "somebody else's record is proved as one's own")?;
    Ok(format!("{}; signed by one of 3 providers, for this holder; 3 untruths have no proof", words.join(" and ")))
}

/// The last `HbA1c` of a patient in tenths of a percent, by date where there is one.
fn last_hba1c(patient: &Patient) -> Option<u32> {
    let of_one = |r: &CommittedResource| {
        let at = if let Some(LeafValue::DateTime(t)) = value(r, "effectiveDateTime") { t.millis() } else { 0 };
        let tenths = u32::try_from(tenths(number(value(r, VALUE)?)?)?).ok()?;
        Some((at, tenths))
    };
    patient.committed.iter().filter(|r| is_text(r, CODE, HBA1C)).filter_map(of_one).max().map(|(_, t)| t)
}

fn prove_mean(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    if world.quick {
        return Ok("--quick: left out, since its key has 2^16 rows".into());
    }
    let mut rng = mediveil_rng::system();
    let rows: Vec<Row> =
        world.patients.iter().map(|p| [birth_date(p).map(|d| d.ymd().0), last_hba1c(p), None, None]).collect();
    let columns = ["born", "hba1c_tenths"].map(str::to_owned).to_vec();
    let rows = rows.get(..rows.len().min(4096)).unwrap_or_default();
    let table = NamedTable::new(columns, rows, &mut rng).map_err(say)?;
    let published = table.commitment();
    let filter = BTreeMap::from([("born".to_owned(), [1900, 1990])]);
    let request = StatisticsRequest { column: "hba1c_tenths".into(), filter };
    let query = request.query(&published).map_err(say)?;
    let start = Instant::now();
    let key = development_setup::<Statistics>(&mut rng).map_err(say)?;
    figures.set("setup_ms", ms(start));
    let start = Instant::now();
    let answer = StatisticsAnswer::prove(&key, table.table(), &query, &mut rng, |_| {}).map_err(say)?;
    figures.set("prove_ms", ms(start));
    let totals = *answer.verify(key.verifying(), &published, &query, &mut rng).map_err(say)?;
    // The same in the clear.
    let counted: Vec<u32> = rows
        .iter()
        .filter(|[born, ..]| born.is_some_and(|b| (1900..=1990).contains(&b)))
        .filter_map(|[_, hba1c, ..]| *hba1c)
        .collect();
    let sum: u128 = counted.iter().map(|v| u128::from(*v)).sum();
    require(totals.count == counted.len() as u64 && totals.sum == sum, "the proved totals are not the rows'")?;
    let mut altered = totals;
    altered.sum = altered.sum.saturating_add(1);
    let altered = StatisticsAnswer::from_parts(altered, answer.chunks().to_vec());
    let altered = altered.ok_or_else(|| broken("an answer without chunks"))?;
    let refused = altered.verify(key.verifying(), &published, &query, &mut rng).is_err();
    require(refused, "altered totals are accepted")?;
    let mean = sum.checked_mul(100).and_then(|s| s.checked_div(totals.count.into())).unwrap_or(0);
    figures.set("rows", rows.len());
    figures.set("count", totals.count);
    Ok(format!(
        "HbA1c of {} patients born up to 1990: mean {}.{:03} %, over {} committed rows; under a development key",
        totals.count,
        mean / 1000,
        mean % 1000,
        rows.len()
    ))
}

fn refuse(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let proofs = proofs(world)?;
    let (public, witness, proof) = proofs.shown.as_ref().ok_or_else(|| broken("no proof was shown"))?;
    let key = proofs.identity.verifying();
    let accepts = |public: &IdentityPublic, proof: &Proof<Identity>| key.verify(public, proof).is_ok();

    // Forged: a credential that no issuer gave, pressed through the prover without its checks.
    let secret = HolderSecret::generate(&mut rng);
    let role = Role::new(0).map_err(say)?;
    let credential = Credential { holder: secret.holder(), role, ..witness.credential.clone() };
    let forged_public = IdentityPublic { nullifier: secret.nullifier(public.scope), ..public.clone() };
    let forged_witness = IdentityWitness { secret, credential, path: witness.path.clone() };
    let own_prover = proofs.identity.prove(&forged_public, &forged_witness, &mut rng);
    require(matches!(own_prover, Err(ProveError::Unsatisfied(_))), "a made-up credential is proved")?;
    let (mut cs, inputs) = Builder::assign(&Identity::inputs(&forged_public));
    Identity::synthesize(&mut cs, &inputs, Some(&forged_witness));
    let forged = proofs.identity.prove_assignment(&cs.into_unchecked_assignment(), &mut rng).map_err(say)?;
    require(!accepts(&forged_public, &forged), "a forged proof is accepted")?;

    // Altered: every public input, every byte.
    let mut altered = 0_u32;
    let inputs = Identity::inputs(public);
    for place in 0..inputs.len() {
        let mut changed = inputs.clone();
        if let Some(input) = changed.get_mut(place) {
            *input += Fr::from(1_u64);
        }
        require(key.verify_inputs(&changed, proof).is_err(), "an altered public input is accepted")?;
        altered = altered.saturating_add(1);
    }
    let mut bytes = proof.to_bytes();
    for at in 0..bytes.len() {
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        let taken = Proof::from_bytes(&bytes).is_some_and(|proof| accepts(public, &proof));
        require(!taken, "an altered proof is accepted")?;
        altered = altered.saturating_add(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
    }
    // Replayed: anybody can make a proof look new. The nullifier stays, and so does the challenge.
    let renewed = key.rerandomise(proof, &mut rng);
    require(renewed.to_bytes() != proof.to_bytes() && accepts(public, &renewed), "a proof cannot be re-randomised")?;
    let again = seen_once(world, public).map_err(|failure| failure.exit_code());
    require(again == Err(3), "a nullifier counts twice")?;
    let challenged = IdentityPublic { message: message(b"the next challenge"), ..public.clone() };
    require(!accepts(&challenged, proof), "a proof answers another challenge")?;
    // Wrongly scoped.
    let elsewhere = Scope::new("another pharmacy");
    let scoped = IdentityPublic { scope: elsewhere, ..public.clone() };
    require(!accepts(&scoped, proof), "a proof counts in another scope")?;
    let nullifier = witness.secret.nullifier(elsewhere);
    require(nullifier != public.nullifier, "a nullifier is the same in two scopes")?;
    require(!accepts(&IdentityPublic { nullifier, ..scoped }, proof), "a proof counts in another scope")?;
    figures.set("altered_refused", altered);
    Ok(format!("a forged one, {altered} altered ones, a replayed and a wrongly scoped one are refused"))
}
