//! Proofs in zero knowledge: our prover against arkworks' own under the same key, the statements' proofs, and a batch against
//! its proofs one by one.

#![allow(missing_docs, clippy::expect_used, reason = "a bench stops at the first failure")]

use ark_bn254::Bn254;
use ark_ff::UniformRand as _;
use ark_groth16::Groth16;
use ark_groth16::r1cs_to_qap::LibsnarkReduction;
use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_circuits::forms::NamedTable;
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{
    Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil_circuits::r1cs::{Builder, Num, R1cs};
use mediveil_circuits::record::{Claim, Providers, RecordAuthenticity, RecordPublic, RecordWitness, challenge, sign};
use mediveil_circuits::statistics::Statistics;
use mediveil_circuits::{Scope, Statement, StatementId};
use mediveil_record::{Date, Decimal, Limits, Record, RecordSecret};
use mediveil_rng::{Compat06, SeededRng};
use mediveil_zk::ceremony::{Ceremony, Ptau};
use mediveil_zk::forms::{StatisticsAnswer, StatisticsRequest};
use mediveil_zk::{Fr, development_setup};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::LazyLock;

/// A chain of 2^15 - 2 products of full-size numbers: with its two instance variables it fills the domain of 2^15.
#[derive(Debug)]
struct Chain;

impl Statement for Chain {
    type Public = Fr;
    type Witness = (Fr, Fr);
    const ID: StatementId = StatementId::new("mediveil/bench/chain/v1");
    const PUBLIC_INPUTS: usize = 1;
    fn inputs(public: &Fr) -> Vec<Fr> {
        vec![*public]
    }
    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&(Fr, Fr)>) {
        let (a, b) = witness.copied().unwrap_or_default();
        let (mut a, mut b) = (cs.witness(a), cs.witness(b));
        for _ in 0..(1 << 15) - 3 {
            let c = cs.mul(&a, &b);
            (a, b) = (b, c);
        }
        cs.equal(&b, inputs.first().unwrap_or(&Num::zero()));
    }
    fn r1cs() -> &'static R1cs {
        static ROWS: LazyLock<R1cs> = LazyLock::new(Chain::record);
        &ROWS
    }
}

fn chain(a: Fr, b: Fr) -> Fr {
    (0..(1 << 15) - 3).fold((a, b), |(a, b), _| (b, a * b)).1
}

fn date(text: &str) -> Date {
    Date::parse(text).expect("a date")
}

fn identity() -> (IdentityPublic, IdentityWitness) {
    let secret = HolderSecret::generate(&mut SeededRng::from_u64(1));
    let role = Role::new(3).expect("a role");
    let (birth, expiry) = (date("2004-02-29"), date("2027-01-31"));
    let credential = Credential { holder: secret.holder(), birth, role, expiry };
    let registry = Registry::new(std::slice::from_ref(&credential)).expect("room");
    let scope = Scope::new("bench");
    let public = IdentityPublic {
        registry: registry.root(),
        nullifier: secret.nullifier(scope),
        scope,
        message: message(b"challenge"),
        born_before: date("2008-11-21"),
        today: date("2026-11-21"),
        roles: RoleSet::new(&[role]).expect("roles"),
    };
    (public, IdentityWitness { secret, credential, path: registry.path(0).expect("a path") })
}

fn record() -> (RecordPublic, RecordWitness) {
    let mut rng = SeededRng::from_u64(2);
    let json = br#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":6.4,"unit":"%"}}"#;
    let record = Record::parse(json, &Limits::default()).expect("FHIR");
    let record = record.commit(&RecordSecret::generate(&mut rng)).expect("leaves").remove(0);
    let lab = SigningKey::generate(&mut rng);
    let providers = Providers::new(&[lab.public()]).expect("room");
    let secret = HolderSecret::generate(&mut rng);
    let scope = Scope::new("bench");
    let path = "valueQuantity.value";
    let bound = |text| Decimal::parse(text).expect("a decimal");
    let claim = Claim::number(path, bound("0.00"), bound("6.99")).expect("a range");
    let nullifier = secret.nullifier(scope);
    let public = RecordPublic::new(providers.root(), challenge(b"challenge"), scope, nullifier, vec![claim]);
    let commitment = record.commitment();
    let witness = RecordWitness {
        record: commitment,
        provider: lab.public(),
        provider_path: providers.path(0).expect("a path"),
        signature: sign(&lab, &commitment, secret.holder(), &mut rng),
        openings: vec![record.open(path).expect("a leaf")],
        secret,
    };
    (public.expect("claims"), witness)
}

/// Both under one key, with the assignment and the matrices at hand: neither's synthesis is counted.
fn prover(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(3);
    let key = development_setup::<Chain>(&mut rng).expect("a key");
    let (a, b) = (Fr::from(3), -Fr::from(5));
    let assignment = Chain::assign(&chain(a, b), &(a, b)).expect("satisfied");
    c.bench_function("zk.prover.vs_ark", |bench| {
        bench.iter(|| key.prove_assignment(black_box(&assignment), &mut rng).expect("a proof"));
    });
    let mut rng = Compat06(SeededRng::from_u64(4));
    let matrices = Chain::r1cs().matrices();
    c.bench_function("zk.prover.vs_ark/peer", |bench| {
        bench.iter(|| {
            let (r, s) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
            Groth16::<Bn254, LibsnarkReduction>::create_proof_with_reduction_and_matrices(
                key.ark(),
                r,
                s,
                black_box(&matrices),
                Chain::r1cs().instances(),
                Chain::r1cs().constraints(),
                assignment.values(),
            )
            .expect("a proof")
        });
    });
}

fn statements(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(5);
    let key = development_setup::<Identity>(&mut rng).expect("a key");
    let (public, witness) = identity();
    c.bench_function("zk.prove.identity", |bench| {
        bench.iter(|| key.prove(black_box(&public), &witness, &mut rng).expect("a proof"));
    });
    let proof = key.prove(&public, &witness, &mut rng).expect("a proof");
    c.bench_function("zk.verify", |bench| {
        bench.iter(|| key.verifying().verify(black_box(&public), &proof).expect("accepted"));
    });
    let batch: Vec<_> = (0..100).map(|_| (public.clone(), key.verifying().rerandomise(&proof, &mut rng))).collect();
    c.bench_function("zk.batch_verify.100", |bench| {
        bench.iter(|| key.verifying().verify_batch(black_box(&batch), &mut rng).expect("accepted"));
    });
    c.bench_function("zk.batch_verify.100/peer", |bench| {
        bench.iter(|| {
            for (public, proof) in &batch {
                key.verifying().verify(public, black_box(proof)).expect("accepted");
            }
        });
    });

    let key = development_setup::<RecordAuthenticity>(&mut rng).expect("a key");
    let (public, witness) = record();
    c.bench_function("zk.prove.record", |bench| {
        bench.iter(|| key.prove(black_box(&public), &witness, &mut rng).expect("a proof"));
    });
}

/// One chunk of rows, with its key of 2^16 rows; and what a party of a ceremony waits for. Not in a quick run.
fn statistics_and_ceremony(c: &mut Criterion) {
    if std::env::var_os("MEDIVEIL_BENCH_QUICK").is_some() {
        return;
    }
    let mut rng = SeededRng::from_u64(6);
    let rows: Vec<_> = (0..100).map(|n| [Some(19_400_101 + n * 10_000), Some(40 + n % 60), None, None]).collect();
    let columns = ["born", "hba1c_tenths"].map(str::to_owned).to_vec();
    let table = NamedTable::new(columns, &rows, &mut rng).expect("a table");
    let request = StatisticsRequest { column: "hba1c_tenths".into(), filter: BTreeMap::new() };
    let query = request.query(&table.commitment()).expect("a query");
    let key = development_setup::<Statistics>(&mut rng).expect("a key");
    c.bench_function("zk.prove.statistics.100", |bench| {
        bench.iter(|| {
            StatisticsAnswer::prove(&key, table.table(), black_box(&query), &mut rng, |_| {}).expect("an answer")
        });
    });
    let ptau = Ptau::generate_small(12, &mut rng);
    let ptau = Ptau::read(&ptau, &mut rng).expect("powers of tau");
    let ceremony = Ceremony::<Identity>::start(&ptau).expect("a ceremony");
    c.bench_function("zk.ceremony.contribute.identity", |bench| {
        bench.iter_batched(
            || ceremony.clone(),
            |mut ceremony| {
                ceremony.contribute("a party", &mut rng).expect("a contribution");
                ceremony
            },
            criterion::BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = prover, statements, statistics_and_ceremony
}
criterion_main!(benches);
