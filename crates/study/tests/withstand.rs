//! What a study must withstand, each by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod common;

use common::{SCHEMA, World, nothing, now, rng, table};
use mediveil_codec::Wire;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Epsilon, Mechanism, Refused, Sensitivity};
use mediveil_fhe::opening::{DirectoryStore, MemoryStore, OpenError, PartialDecryption};
use mediveil_study::*;

const MEAN: &str = r#"{"statistic": {"mean": {"column": "hba1c"}}, "by": ["sex"],
    "filter": {"and": [{"flag": "diabetes"}, {"at_least": {"column": "age", "value": "65"}}]}, "epsilon": "2"}"#;
const COUNT: &str = r#"{"statistic": "count", "epsilon": "1"}"#;

#[test]
fn values_outside_the_bounds_are_refused_at_encryption() {
    let schema = Schema::from_json(SCHEMA).unwrap();
    let read = |row: &str| {
        let csv = format!("id,hba1c,age,sex,diabetes,smoker\n{row}\n");
        Table::from_csv(csv.as_bytes(), &schema)
    };
    assert!(read("a,20,120,male,1,0").is_ok());
    assert!(read("a,3,0,,,0").is_ok());
    for row in [
        "a,20.1,50,male,1,0",
        "a,2.9,50,male,1,0",
        "a,99999999999999999999999,50,male,1,0",
        "a,7,121,male,1,0",
        "a,7,-1,male,1,0",
        "a,NaN,50,male,1,0",
        "a,7,50,other,1,0",
        "a,7,50,male,2,0",
        "a,7,,male,1,0",
        "a,7,50,male,1,",
    ] {
        let Err(TableError::Value { row: 1, .. }) = read(row) else { panic!("{row}") };
    }
    // Below the table: the ciphertext itself is refused.
    let w = World::new(1);
    let bounds = mediveil_fhe::Bounds { min: -85, max: 85 };
    assert!(w.study.key().encrypt(&[86], bounds, &mut rng(1)).is_err());
    // One row too many of one patient; one row too many in all.
    assert!(matches!(
        Table::from_csv("id,hba1c,age,sex,diabetes,smoker\na,7,50,male,1,0\na,7,50,male,1,0\n".as_bytes(), &schema),
        Err(TableError::TooManyOfOne { row: 2, limit: 1 })
    ));
}

#[test]
fn sites_with_different_schemas_are_refused() {
    let w = World::new(2);
    let without = "id,hba1c,age,sex,diabetes\na,7,50,male,1\n";
    let Err(TableError::NoColumn(name)) = Table::from_csv(without.as_bytes(), w.study.schema()) else { panic!() };
    assert_eq!(name, "smoker");
    let other = Schema::from_json(&SCHEMA.replace("\"20\"", "\"21\"")).unwrap();
    let mut out = Vec::new();
    let refused =
        w.study.encrypt(&table(&other, 0, 3), &w.sites[0], &mut out, &mut rng(1), &mut |_, _| ()).unwrap_err();
    assert!(matches!(refused, UploadError::Schema) && out.is_empty());
    // Round that check: a study under the other schema is another study, and its uploads are foreign here.
    let theirs = World::with(2, &SCHEMA.replace("\"20\"", "\"21\""), 2, 5, 3, 3, w.study.terms().cap);
    let upload = theirs.upload(0, &table(theirs.study.schema(), 0, 3), 1);
    assert!(matches!(upload.manifest().check(&w.study), Err(UploadError::Foreign { site: 0 })));
    let commitment = Commitment::new(upload.manifest(), &theirs.sites[0]);
    assert!(matches!(w.study.commit(&w.log, &commitment, now()), Err(UploadError::Foreign { site: 0 })));
    let stranger = w.study.encrypt(&table(w.study.schema(), 0, 3), &w.operator, &mut out, &mut rng(1), &mut |_, _| ());
    assert!(matches!(stranger, Err(UploadError::NotASite)));
}

#[test]
fn a_duplicate_or_copied_upload_is_refused() {
    let w = World::new(3);
    let [a, b] = [0, 1].map(|s| w.upload(s, &table(w.study.schema(), s as u64, 20), s as u64));
    // Nothing is shown before all have committed.
    assert!(matches!(w.study.admit(&w.log, a.manifest()), Err(UploadError::Uncommitted { sites }) if sites == [0, 1]));
    w.commit(0, &a);
    w.commit(0, &a);
    assert!(matches!(w.study.admit(&w.log, a.manifest()), Err(UploadError::Uncommitted { sites }) if sites == [1]));
    let again = w.upload(0, &table(w.study.schema(), 0, 21), 9);
    let second = Commitment::new(again.manifest(), &w.sites[0]);
    assert!(matches!(w.study.commit(&w.log, &second, now()), Err(UploadError::Duplicate { site: 0 })));
    // A copy of what the first site has: not under its name, which it did not sign for ...
    let stolen = Commitment::new(a.manifest(), &w.sites[1]);
    assert!(matches!(w.study.commit(&w.log, &stolen, now()), Err(UploadError::Signature { site: 0 })));
    w.commit(1, &b);
    assert!(matches!(w.study.admit(&w.log, again.manifest()), Err(UploadError::OtherUpload { site: 0 })));
    assert!(matches!(w.study.accept(&w.log, vec![a.clone(), a.clone()]), Err(UploadError::Incomplete)));
    assert!(matches!(w.study.accept(&w.log, vec![a.clone()]), Err(UploadError::Incomplete)));
    assert!(matches!(w.study.accept(&w.log, vec![a.clone(), again.clone()]), Err(UploadError::OtherUpload { .. })));
    let uploads = w.study.accept(&w.log, vec![b, a]).unwrap();
    assert_eq!(uploads.blocks(), 2);
    // ... nor under the copier's, even if it could see the bytes in time: the same generator gives the same ciphertexts.
    let w = World::new(3);
    let (first, copy) =
        (w.upload(0, &table(w.study.schema(), 0, 20), 7), w.upload(1, &table(w.study.schema(), 0, 20), 7));
    w.commit(0, &first);
    w.commit(1, &copy);
    assert!(matches!(w.study.accept(&w.log, vec![first, copy]), Err(UploadError::Copied { first: 0, second: 1 })));
}

#[test]
fn a_damaged_or_exchanged_block_is_found_when_it_is_read() {
    let w = World::new(4);
    let mut blocks = Vec::new();
    let t = table(w.study.schema(), 0, 70);
    let manifest = w.study.encrypt(&t, &w.sites[0], &mut blocks, &mut rng(1), &mut |_, _| ()).unwrap();
    let second = w.upload(1, &table(w.study.schema(), 1, 5), 2);
    let length = blocks.len();
    w.commit(0, &Upload::in_memory(manifest.clone(), Vec::new()));
    w.commit(1, &second);
    let plan = w.plan(COUNT);
    let evaluate = |blocks: Vec<u8>| {
        let uploads =
            w.study.accept(&w.log, vec![Upload::in_memory(manifest.clone(), blocks), second.clone()]).unwrap();
        w.study.evaluate(&plan, &uploads, nothing())
    };
    let damaged = |blocks| matches!(evaluate(blocks), Err(AnswerError::Upload(UploadError::Damaged { site: 0, .. })));
    assert!(evaluate(blocks.clone()).is_ok());
    let mut flipped = blocks.clone();
    flipped[200] ^= 1;
    assert!(damaged(flipped));
    assert!(damaged(blocks[..length - length / 2 - 1].to_vec()));
    // Two blocks exchanged: the row lane of one for that of the other.
    blocks.rotate_left(length / 2);
    assert!(damaged(blocks));
}

#[test]
fn a_ciphertext_of_another_study_query_or_mask_is_not_opened() {
    let w = World::new(5);
    let uploads = w.usual();
    let (plan, other) = (w.plan(COUNT), w.plan(r#"{"statistic": "count", "epsilon": "3"}"#));
    w.register(&plan, &uploads, &[1, 2, 3]);
    let right = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let wrong = w.study.evaluate(&other, &uploads, nothing()).unwrap();
    // The same sum, asked at another price, is another ciphertext.
    assert_eq!(w.exact(&right), w.exact(&wrong));
    let shown = |answer: &EncryptedAnswer| {
        w.approve_in(1, &plan, &uploads, Some(answer), &mut MemoryStore::new(), 1).map(|_| ())
    };
    let refused = |e| matches!(e, Err(ReleaseError::Answer(AnswerError::OtherAnswer)));
    assert!(shown(&right).is_ok());
    assert!(refused(shown(&wrong)));
    // The bytes of the right answer with the ciphertext of the other query in it, and one times a mask.
    let swap = |cell: Vec<u8>| {
        let mut bytes = right.encode();
        let at = bytes.len() - 1 - cell.len();
        let end = at + cell.len();
        bytes[at..end].copy_from_slice(&cell);
        EncryptedAnswer::decode(&bytes).unwrap()
    };
    let cell = |answer: &EncryptedAnswer| answer.ciphertexts(&w.study).unwrap().remove(0);
    let key = w.study.key();
    assert!(swap(cell(&right).to_encoded(key).encode()).is_same(&right));
    assert!(refused(shown(&swap(cell(&wrong).to_encoded(key).encode()))));
    let server = mediveil_fhe::Evaluator::new(key).unwrap();
    let masked = server.mask(&cell(&right), &[3]).unwrap();
    // With the honest noise bound in front, so that only the polynomials differ.
    let mut bytes = cell(&right).to_encoded(key).encode();
    let tail = masked.to_encoded(key).encode();
    let parts = 2 * key.parameters().polynomial_bytes();
    let at = bytes.len() - parts;
    bytes[at..].copy_from_slice(&tail[tail.len() - parts..]);
    assert!(refused(shown(&swap(bytes))));
    // Another study's answer to the same question.
    let theirs = World::new(6);
    let their_uploads = theirs.usual();
    let their_plan = theirs.plan(COUNT);
    let foreign = theirs.study.evaluate(&their_plan, &their_uploads, nothing()).unwrap();
    assert!(refused(shown(&foreign)));
    assert!(matches!(w.study.evaluate(&their_plan, &uploads, nothing()), Err(AnswerError::OtherStudy)));
}

#[test]
fn a_named_evaluator_may_replace_an_own_evaluation_and_nobody_else() {
    let w = World::new(7);
    let uploads = w.usual();
    let plan = w.plan(COUNT);
    w.register(&plan, &uploads, &[1, 2, 3]);
    let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let trust = |answer: &EncryptedAnswer| {
        let (share, identity) = &w.members[0];
        let store = &mut MemoryStore::new();
        let how = Evaluation::Trusted(answer);
        w.study.approve(&w.budget, &plan, &uploads, how, share, identity, store, &mut rng(1)).map(|p| *p.request())
    };
    let refused = |r| matches!(r, Err(ReleaseError::Answer(AnswerError::Evaluator)));
    assert!(refused(trust(&answer)));
    assert!(matches!(answer.clone().sign(&w.study, &w.operator), Err(AnswerError::Evaluator)));
    let signed = answer.clone().sign(&w.study, &w.evaluator).unwrap();
    let through_bytes = EncryptedAnswer::decode(&signed.encode()).unwrap();
    // The same request as after an own evaluation.
    assert_eq!(trust(&through_bytes).unwrap(), *w.approve(1, &plan, &uploads).request());
    // Signed for another query of the same form.
    let other = w.plan(r#"{"statistic": "count", "epsilon": "3"}"#);
    let other = w.study.evaluate(&other, &uploads, nothing()).unwrap().sign(&w.study, &w.evaluator).unwrap();
    assert!(matches!(trust(&other), Err(ReleaseError::Answer(AnswerError::OtherAnswer))));
    // Changed after it was signed.
    let mut bytes = signed.encode();
    bytes[200] ^= 1;
    if let Ok(changed) = EncryptedAnswer::decode(&bytes) {
        assert!(refused(trust(&changed)));
    }
}

#[test]
fn a_query_that_is_not_in_the_log_is_not_opened() {
    let w = World::new(8);
    let uploads = w.usual();
    let plan = w.plan(COUNT);
    let approve = |plan: &Plan| w.approve_in(1, plan, &uploads, None, &mut MemoryStore::new(), 1).map(|_| ());
    assert!(matches!(approve(&plan), Err(ReleaseError::NotPaid)));
    // Paid for, and without a quorum.
    let _ = w.budget.reserve(plan.charge(), now()).unwrap();
    assert!(matches!(approve(&plan), Err(ReleaseError::NotRegistered)));
    w.register(&plan, &uploads, &[1, 2, 3]);
    assert!(approve(&plan).is_ok());
    // The same question at another price, and another question.
    for query in [r#"{"statistic": "count", "epsilon": "0.9"}"#, MEAN] {
        assert!(matches!(approve(&w.plan(query)), Err(ReleaseError::NotPaid)));
    }
    // The budget of another study in its own log.
    let theirs = World::new(9);
    let (share, identity) = &w.members[0];
    let own = Evaluation::Own { shown: None, progress: nothing() };
    let store = &mut MemoryStore::new();
    let refused = w.study.approve(&theirs.budget, &plan, &uploads, own, share, identity, store, &mut rng(1));
    assert!(matches!(refused, Err(ReleaseError::OtherBudget)));
}

#[test]
fn a_query_over_the_budget_is_refused_with_the_figure_and_spends_nothing() {
    let w = World::with(10, SCHEMA, 2, 5, 3, 3, Cost::Pure("2.5".parse().unwrap()));
    let uploads = w.usual();
    w.answer(MEAN, &uploads, &[1, 2, 3]);
    let spent = w.budget.spent().unwrap();
    let size = w.log.size().unwrap();
    let refused = w.study.register(&w.budget, &w.plan(COUNT), &uploads, &[1, 2, 3], now()).unwrap_err();
    let ReleaseError::Budget(Refused::OverBudget { remaining, .. }) = refused else { panic!("{refused}") };
    assert!(remaining.to_string().starts_with("epsilon 0.5"), "{remaining}");
    assert_eq!((w.budget.spent().unwrap(), w.log.size().unwrap()), (spent, size));
    // The half that is left can be spent.
    w.answer(r#"{"statistic": "count", "epsilon": "0.5"}"#, &uploads, &[1, 2, 3]);
    assert!(w.budget.audit().unwrap().findings.is_empty());
}

#[test]
fn a_permit_is_used_once() {
    let w = World::new(11);
    let uploads = w.usual();
    let first = w.answer(COUNT, &uploads, &[1, 2, 3]);
    let spent = w.budget.spent().unwrap();
    // Again: the stored certificate, for nothing, whoever is named as quorum.
    let plan = w.plan(COUNT);
    for quorum in [[1, 2, 3], [2, 3, 4]] {
        let Asked::Answered(again) = w.study.register(&w.budget, &plan, &uploads, &quorum, now()).unwrap() else {
            panic!("opened twice")
        };
        assert_eq!(*again, first);
    }
    assert_eq!(w.budget.spent().unwrap(), spent);
    // A member that is asked once more opens nothing.
    let refused = w.approve_in(4, &plan, &uploads, None, &mut MemoryStore::new(), 1).unwrap_err();
    assert!(matches!(refused, ReleaseError::Answered));
    // The operator's release is found again after a crash between answer and entry.
    let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let again = w.study.release(&w.budget, &plan, &uploads, &answer, &[], &w.operator, now()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn a_retried_decryption_gives_the_same_bytes() {
    let w = World::new(12);
    let uploads = w.usual();
    let plan = w.plan(MEAN);
    w.register(&plan, &uploads, &[1, 2, 3]);
    let store = w.folder.path().join("member-1");
    let approve = |seed| {
        let mut store = DirectoryStore::open(&store).unwrap();
        w.approve_in(1, &plan, &uploads, None, &mut store, seed).unwrap().encode()
    };
    let first = approve(1);
    assert_eq!(approve(2), first);
    // Without its store it would have been another part: noise and smudging are fresh.
    assert_ne!(w.approve(1, &plan, &uploads).encode(), first);
}

/// A member that stops between claim and record sends nothing, and goes on with the same query only.
#[test]
fn a_member_restarted_mid_way_goes_on() {
    use mediveil_fhe::opening::PartialStore;
    struct Cut(DirectoryStore, bool);
    impl PartialStore for Cut {
        fn claim(&mut self, name: &[u8; 32], owner: &[u8; 32]) -> std::io::Result<[u8; 32]> {
            self.0.claim(name, owner)
        }
        fn load(&self, request: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
            self.0.load(request)
        }
        fn save(&mut self, request: &[u8; 32], record: &[u8]) -> std::io::Result<Vec<u8>> {
            if self.1 { Err(std::io::Error::other("cut")) } else { self.0.save(request, record) }
        }
    }
    let w = World::new(13);
    let uploads = w.usual();
    let plan = w.plan(COUNT);
    w.register(&plan, &uploads, &[1, 2, 3]);
    let path = w.folder.path().join("member-1");
    let mut cut = Cut(DirectoryStore::open(&path).unwrap(), true);
    let stopped = w.approve_in(1, &plan, &uploads, None, &mut cut, 1);
    assert!(matches!(stopped, Err(ReleaseError::Open(OpenError::Store(_)))));
    let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let mut store = DirectoryStore::open(&path).unwrap();
    let part = w.approve_in(1, &plan, &uploads, None, &mut store, 2).unwrap();
    let parts = [part, w.approve(2, &plan, &uploads), w.approve(3, &plan, &uploads)];
    let certificate = w.study.release(&w.budget, &plan, &uploads, &answer, &parts, &w.operator, now()).unwrap();
    certificate.verify(&w.study).unwrap();
}

#[test]
fn fewer_than_a_quorum_open_nothing_and_nobody_stands_in() {
    let w = World::new(14);
    let uploads = w.usual();
    let plan = w.plan(COUNT);
    // No quorum of two.
    let two = w.study.register(&w.budget, &plan, &uploads, &[1, 2], now());
    assert!(matches!(two, Err(ReleaseError::Open(OpenError::Request(_)))));
    assert!(w.budget.find(plan.charge()).unwrap().is_none(), "nothing was spent");
    w.register(&plan, &uploads, &[1, 2, 3]);
    let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let release =
        |parts: &[PartialDecryption]| w.study.release(&w.budget, &plan, &uploads, &answer, parts, &w.operator, now());
    let parts = [1, 2].map(|m| w.approve(m, &plan, &uploads));
    let Err(ReleaseError::Open(OpenError::Missing { members })) = release(&parts) else { panic!("two opened it") };
    assert_eq!(members, [3]);
    // A fourth cannot stand in: it refuses, and the log keeps the quorum.
    let outside = w.approve_in(4, &plan, &uploads, None, &mut MemoryStore::new(), 1);
    assert!(matches!(outside, Err(ReleaseError::Open(OpenError::NotInQuorum))));
    let other = w.study.register(&w.budget, &plan, &uploads, &[1, 2, 4], now());
    assert!(matches!(other, Err(ReleaseError::OtherQuorum)));
    // The debit is spent for good; the members that answered answer for nothing else under this query.
    assert_ne!(w.budget.spent().unwrap(), Some(Cost::zero(w.budget.terms().cap.regime())));
    assert!(release(&[parts[0].clone(), parts[1].clone(), parts[0].clone()]).is_err());
    let complete = [parts[0].clone(), parts[1].clone(), w.approve(3, &plan, &uploads)];
    assert!(matches!(
        w.study.release(&w.budget, &plan, &uploads, &answer, &complete, &w.evaluator, now()),
        Err(ReleaseError::NotOperator)
    ));
    assert!(release(&complete).is_ok());
}

/// A part holds one residue a prime for each released number, whatever else the ciphertext's slots hold.
#[test]
fn slots_beside_the_opened_number_are_in_no_message() {
    let w = World::new(15);
    let uploads = w.usual();
    let plan = w.plan(MEAN);
    w.register(&plan, &uploads, &[1, 2, 3]);
    let part = w.approve(1, &plan, &uploads).encode();
    let primes = w.study.key().parameters().moduli().len();
    let numbers = plan.figures().numbers;
    assert!(part.len() < 130 + numbers * (8 * primes + 3), "{} bytes for {numbers} numbers", part.len());
}

/// Noise alone, over many releases of a sum that is known: three members' draws are a sum of three discrete Laplace
/// variables, and one member's draw alone has the scale that the promised epsilon asks for.
#[test]
fn released_noise_is_the_convolution_and_one_share_meets_epsilon() {
    // A hundred cells a release, all of them zero: categories that no row has.
    let values: Vec<String> = (0..100).map(|i| format!("\"v{i}\"")).collect();
    let schema = format!(
        r#"{{"patient": "id", "max_rows": 60, "columns": [{{"kind": "category", "name": "c", "values": [{}]}}]}}"#,
        values.join(",")
    );
    let w = World::with(16, &schema, 1, 3, 3, 1, Cost::Pure("1000".parse().unwrap()));
    let uploads = w.uploads(&[Table::new(w.study.schema())]);
    let epsilon = |i: u32| format!("0.{}", 2500 + i);
    let mut released = Vec::new();
    for i in 0..24 {
        let plan = w.plan(&format!(r#"{{"statistic": "count", "by": ["c"], "epsilon": "{}"}}"#, epsilon(i)));
        w.register(&plan, &uploads, &[1, 2, 3]);
        let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap().sign(&w.study, &w.evaluator).unwrap();
        let part = |(share, identity): &(mediveil_fhe::MemberKey, mediveil_seal::identity::Identity)| {
            let (how, store) = (Evaluation::Trusted(&answer), &mut MemoryStore::new());
            w.study.approve(&w.budget, &plan, &uploads, how, share, identity, store, &mut rng(1)).unwrap()
        };
        let parts: Vec<_> = w.members.iter().map(part).collect();
        let certificate = w.study.release(&w.budget, &plan, &uploads, &answer, &parts, &w.operator, now()).unwrap();
        released.extend_from_slice(certificate.numbers());
    }
    // The scale of one share is the least that meets epsilon at sensitivity one: 1 / epsilon.
    let q: f64 = (-0.25f64).exp();
    let one: Vec<f64> = (-200i32..=200).map(|k| (1.0 - q) / (1.0 + q) * q.powi(k.abs())).collect();
    let convolve = |a: &[f64], b: &[f64]| {
        let mut out = vec![0.0; a.len() + b.len() - 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                out[i + j] += x * y;
            }
        }
        out
    };
    let two = convolve(&one, &one);
    let three = convolve(&two, &one);
    let n = released.len() as f64;
    let chi = |law: &[f64]| {
        let middle = (law.len() / 2) as i64;
        let edges = [-12i64, -8, -5, -3, -1, 0, 1, 3, 5, 8, 12];
        let bin = |v: i64| edges.iter().filter(|e| v >= **e).count();
        let mut expected = [0.0; 12];
        law.iter().enumerate().for_each(|(i, p)| expected[bin(i as i64 - middle)] += p * n);
        let mut found = [0.0; 12];
        released.iter().for_each(|v| found[bin(*v)] += 1.0);
        expected.iter().zip(found).map(|(e, f)| (f - e) * (f - e) / e).sum::<f64>()
    };
    // Eleven degrees of freedom: above 45 with probability 5e-6; the wrong laws lie five deviations above that.
    assert!(chi(&three) < 45.0, "{}", chi(&three));
    assert!(chi(&two) > 45.0 && chi(&one) > 45.0, "the test can tell: {} {}", chi(&two), chi(&one));
    // One share alone: its mechanism, at the whole price and the whole sensitivity of the plan.
    let plan = w.plan(&format!(r#"{{"statistic": "count", "by": ["c"], "epsilon": "{}"}}"#, epsilon(0)));
    let price: Epsilon = epsilon(0).parse().unwrap();
    let alone = Mechanism::laplace(Sensitivity::cells(w.study.terms().unit(), Some(100)).unwrap(), price).unwrap();
    assert_eq!(plan.charge().mechanisms(), [alone]);
    assert!((plan.figures().moments[0].scale - 4.0).abs() < 1e-6);
}

#[test]
fn a_certificate_verifies_from_its_bytes_and_nothing_else_in_it_may_change() {
    let w = World::new(17);
    let uploads = w.usual();
    let certificate = w.answer(MEAN, &uploads, &[2, 3, 5]);
    let bytes = certificate.encode();
    // Terms and key through their bytes too: nothing of the running study is needed.
    let terms = Terms::decode(&w.study.terms().encode()).unwrap();
    let key = mediveil_fhe::CommitteeKey::decode(&w.study.key().encode()).unwrap();
    let study = Study::new(terms, key).unwrap();
    let verified = Certificate::decode(&bytes).unwrap().verify(&study).unwrap();
    assert_eq!(verified.quorum, [2, 3, 5]);
    assert_eq!(verified.estimates.len(), 4);
    for estimate in &verified.estimates {
        assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{estimate:?}");
    }
    for at in (0..bytes.len()).step_by(41) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let holds = Certificate::decode(&changed).is_ok_and(|c| c.verify(&study).is_ok());
        assert!(!holds, "byte {at} of {}", bytes.len());
    }
    // Another study's certificate.
    let theirs = World::new(18);
    assert!(certificate.verify(&theirs.study).is_err());
}

#[test]
fn the_key_counts_only_when_all_members_have_confirmed_it() {
    let w = World::new(19);
    assert!(matches!(w.study.check_key(&w.log), Err(ConfirmError::Missing { members }) if members.len() == 5));
    for (_, identity) in &w.members[..4] {
        w.study.confirm(&w.log, identity, now()).unwrap();
    }
    assert!(matches!(w.study.check_key(&w.log), Err(ConfirmError::Missing { members }) if members == [5]));
    w.study.confirm(&w.log, &w.members[4].1, now()).unwrap();
    w.study.confirm(&w.log, &w.members[4].1, now()).unwrap();
    w.study.check_key(&w.log).unwrap();
    assert!(matches!(w.study.confirm(&w.log, &w.operator, now()), Err(ConfirmError::NotAMember)));
    // A key of the same terms from a second ceremony is another key.
    let identities: Vec<_> =
        w.members.iter().map(|(_, i)| mediveil_seal::identity::Identity::decode(&i.encode_secret()).unwrap()).collect();
    let (key, _) = mediveil_fhe::testing::ceremony(&w.study.terms().committee().unwrap(), identities, &mut rng(77));
    let twin = Study::new(w.study.terms().clone(), key).unwrap();
    assert!(matches!(twin.check_key(&w.log), Err(ConfirmError::OtherKey { member: 1 })));
    assert!(matches!(twin.confirm(&w.log, &w.members[0].1, now()), Err(ConfirmError::OtherKey { member: 1 })));
}
