//! Before noise, results equal plaintext evaluation exactly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, Request, combine};
use mediveil_fhe::{
    Bounds, Ciphertext, CiphertextError, CommitteeKey, EncodedCiphertext, EncryptError, EvaluateError, Evaluator,
    MemberKey, Need, ParameterError, Parameters, testing,
};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::Identity;
use proptest::prelude::*;
use std::sync::LazyLock;

struct Committee {
    key: CommitteeKey,
    members: Vec<(MemberKey, Identity)>,
    server: Evaluator,
}

/// One committee for all cases: two of three, 64 slots, t of 40 bits, room for depth 2.
static COMMITTEE: LazyLock<Committee> = LazyLock::new(|| {
    let parameters = Parameters::insecure_for_tests(64, 40, 6).unwrap();
    let (key, members) = testing::committee(&parameters, 3, 2, &mut SeededRng::from_u64(1));
    let server = Evaluator::new(&key).unwrap();
    Committee { key, members, server }
});

impl Committee {
    fn open(&self, ciphertexts: Vec<Ciphertext>, opening: Opening) -> Vec<i64> {
        let mut rng = SeededRng::from_u64(2);
        let epoch = Epoch::new(&self.key, 1, &[1, 3]).unwrap();
        let request = Request::new(&self.key, &epoch, [1; 32], ciphertexts, opening).unwrap();
        let parts: Vec<_> = [0, 2]
            .map(|i| &self.members[i])
            .iter()
            .map(|(m, id)| m.decrypt(&request, id, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng).unwrap())
            .collect();
        combine(&request, &parts).unwrap()
    }

    fn sum(&self, ciphertext: Ciphertext) -> i64 {
        self.open(vec![ciphertext], Opening::SlotSum)[0]
    }
}

fn column(bounds: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = Vec<Option<i64>>> {
    proptest::collection::vec(proptest::option::weighted(0.8, bounds), 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Random tables over several blocks with missing values: count, sum, sum of products, filter with and, or and not.
    #[test]
    fn queries_equal_plaintext_evaluation(
        flags in column(0..=1),
        other in column(0..=1),
        values in column(-1000..=1000),
    ) {
        let c = &*COMMITTEE;
        let rows = flags.len().min(other.len()).min(values.len());
        let mut rng = SeededRng::from_u64(3);
        let mut totals: Option<Vec<Ciphertext>> = None;
        for start in (0..rows).step_by(64) {
            let range = start..rows.min(start + 64);
            let f = c.key.encrypt_block(&flags[range.clone()], Bounds::FLAG, &mut rng).unwrap();
            let o = c.key.encrypt_block(&other[range.clone()], Bounds::FLAG, &mut rng).unwrap();
            let v = c.key.encrypt_block(&values[range], Bounds { min: -1000, max: 1000 }, &mut rng).unwrap();
            let s = &c.server;
            let not_f = s.not(&f.values, &f.validity).unwrap();
            let and = s.multiply(&f.values, &o.values).unwrap();
            let cells = vec![
                v.validity.clone(),
                v.values.clone(),
                s.multiply(&v.values, &v.values).unwrap(),
                not_f.clone(),
                s.multiply(&s.multiply(&not_f, &o.values).unwrap(), &v.values).unwrap(),
                s.multiply(&s.or(&f.values, &o.values).unwrap(), &v.values).unwrap(),
                s.sub(&v.values, &s.scale(&and, -3).unwrap()).unwrap(),
            ];
            totals = Some(match totals {
                None => cells,
                Some(t) => s.merge(t, &cells).unwrap(),
            });
        }
        let mut expected = [0i64; 7];
        for row in 0..rows {
            let (f, o, v) = (flags[row], other[row], values[row]);
            let (fv, ov, vv) = (f.unwrap_or(0), o.unwrap_or(0), v.unwrap_or(0));
            let not_f = i64::from(f == Some(0));
            expected[0] += i64::from(v.is_some());
            expected[1] += vv;
            expected[2] += vv * vv;
            expected[3] += not_f;
            expected[4] += not_f * ov * vv;
            expected[5] += (fv | ov) * vv;
            expected[6] += vv + 3 * fv * ov;
        }
        if let Some(totals) = totals {
            prop_assert_eq!(c.open(totals, Opening::SlotSum), expected);
        }
    }

    /// Chosen slots come out, in order, and nothing else does.
    #[test]
    fn slots_hold_what_was_put_in(values in proptest::collection::vec(-500_000i64..500_000, 64), open in proptest::collection::btree_set(0u32..64, 1..20)) {
        let c = &*COMMITTEE;
        let bounds = Bounds { min: -500_000, max: 500_000 };
        let block = c.key.encrypt(&values, bounds, &mut SeededRng::from_u64(4)).unwrap();
        let expected: Vec<i64> = open.iter().map(|s| values[*s as usize]).collect();
        prop_assert_eq!(c.open(vec![block], Opening::Slots(open.into_iter().collect())), expected);
    }
}

/// Sums at the declared maxima, at both ends, up to the last value before the modulus would wrap.
#[test]
fn sums_at_the_maxima_are_exact() {
    let c = &*COMMITTEE;
    let mut rng = SeededRng::from_u64(5);
    let limit = i64::try_from(c.key.parameters().max_abs()).unwrap();
    let bounds = Bounds { min: -limit, max: limit };
    for extreme in [limit, -limit] {
        let one = c.key.encrypt(&[extreme], bounds, &mut rng).unwrap();
        assert_eq!(c.sum(one), extreme);
        let spread = c.key.encrypt(&[extreme / 64; 64], bounds, &mut rng).unwrap();
        assert_eq!(c.sum(spread), extreme / 64 * 64);
    }
    let (a, b) = (1 << 19, (1 << 19) - 1);
    let product = c
        .server
        .multiply(&c.key.encrypt(&[a], bounds, &mut rng).unwrap(), &c.key.encrypt(&[-b], bounds, &mut rng).unwrap());
    assert_eq!(c.sum(product.unwrap()), -a * b);
}

#[test]
fn values_outside_of_the_bounds_are_refused_at_encryption() {
    let c = &*COMMITTEE;
    let mut rng = SeededRng::from_u64(6);
    let bounds = Bounds { min: 4, max: 14 };
    let refused = |rows: &[Option<i64>], rng: &mut SeededRng| c.key.encrypt_block(rows, bounds, rng).unwrap_err();
    assert_eq!(refused(&[Some(4), None, Some(15)], &mut rng), EncryptError::OutOfBounds { row: 2 });
    assert_eq!(refused(&[Some(3)], &mut rng), EncryptError::OutOfBounds { row: 0 });
    assert_eq!(refused(&[None; 65], &mut rng), EncryptError::TooManyRows { rows: 65, limit: 64 });
    assert!(c.key.encrypt_block(&[Some(4), Some(14), None], bounds, &mut rng).is_ok());
    let limit = c.key.parameters().max_abs();
    for wrong in [Bounds { min: 0, max: i64::MAX }, Bounds { min: i64::MIN, max: 0 }, Bounds { min: 2, max: 1 }] {
        assert_eq!(c.key.encrypt(&[], wrong, &mut rng).unwrap_err(), EncryptError::Bounds { limit });
    }
    let text = EncryptError::OutOfBounds { row: 2 }.to_string();
    assert!(!text.contains("15"), "the value is not shown");
}

/// Any order, any number of threads, any sharding: the same bytes.
#[test]
fn evaluation_is_deterministic() {
    let c = &*COMMITTEE;
    let mut rng = SeededRng::from_u64(7);
    let blocks: Vec<Ciphertext> =
        (0..9).map(|i| c.key.encrypt(&[i, 1, 2], Bounds { min: 0, max: 9 }, &mut rng).unwrap()).collect();
    let cells = |i: u64| -> Result<Vec<Ciphertext>, EvaluateError> {
        let block = &blocks[usize::try_from(i).unwrap()];
        Ok(vec![block.clone(), c.server.multiply(block, block)?])
    };
    let bytes = |v: &[Ciphertext]| -> Vec<Vec<u8>> { v.iter().map(|x| x.to_encoded(&c.key).encode()).collect() };
    let whole = c.server.sum_blocks(0..9, cells).unwrap().unwrap();
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(bytes(&whole), bytes(&single.install(|| c.server.sum_blocks(0..9, cells)).unwrap().unwrap()));
    let first = c.server.sum_blocks(5..9, cells).unwrap().unwrap();
    let second = c.server.sum_blocks(0..5, cells).unwrap().unwrap();
    // Through bytes, as between two machines.
    let second: Vec<_> =
        bytes(&second).iter().map(|b| c.key.load(&EncodedCiphertext::decode(b).unwrap()).unwrap()).collect();
    let merged = c.server.merge(first, &second).unwrap();
    assert_eq!(bytes(&whole), bytes(&merged));
    assert_eq!(c.open(merged, Opening::SlotSum), [36 + 27, 204 + 9 + 36]);
    assert!(c.server.sum_blocks(0..0, cells).unwrap().is_none());
    assert!(c.server.merge(whole, &[]).is_err());
}

/// Another committee's ciphertext fits the ring and is refused by name, decoded or not.
#[test]
fn a_ciphertext_of_another_key_is_refused() {
    let c = &*COMMITTEE;
    let mut rng = SeededRng::from_u64(8);
    let (other, _) = testing::committee(c.key.parameters(), 2, 2, &mut rng);
    let mine = c.key.encrypt(&[1], Bounds::FLAG, &mut rng).unwrap();
    let theirs = other.encrypt(&[1], Bounds::FLAG, &mut rng).unwrap();
    let refused = CiphertextError::Key { expected: c.key.id(), found: other.id() };
    assert_eq!(c.key.load(&theirs.to_encoded(&other)).unwrap_err(), refused);
    let refused = EvaluateError::Ciphertext(refused);
    assert_eq!(c.server.add(&mine, &theirs).unwrap_err(), refused);
    assert_eq!(c.server.multiply(&theirs, &mine).unwrap_err(), refused);
    assert_eq!(c.server.mask(&theirs, &[0]).unwrap_err(), refused);
    assert!(matches!(c.server.scale(&mine, i64::MIN), Err(EvaluateError::Range(_))));
    assert!(matches!(c.server.mask(&mine, &[64]), Err(EvaluateError::Range(_))));
}

/// A claimed noise bound below that of a fresh ciphertext is not believed.
#[test]
fn noise_is_never_below_fresh() {
    let c = &*COMMITTEE;
    let fresh = c.key.encrypt(&[1], Bounds::FLAG, &mut SeededRng::from_u64(9)).unwrap();
    let mut bytes = fresh.to_encoded(&c.key).encode();
    // The bound follows the frame, the array's head and the key: lower its first byte as far as it goes.
    let at = 12 + 1 + 34 + 1;
    assert!(bytes[at] > 1);
    bytes[at] = 1;
    let lowered = c.key.load(&EncodedCiphertext::decode(&bytes).unwrap()).unwrap();
    assert_eq!(lowered.noise(), fresh.noise());
}

/// The sets for the usual needs: secure by the tables, no larger than necessary, and refusals that carry the figure.
#[test]
fn parameters_follow_the_need() {
    let sums = Parameters::for_need(&Need::sums(1 << 24, 1 << 39, 9, 5)).unwrap();
    assert_eq!(sums.degree(), 8192);
    let filtered = Parameters::for_need(&Need::filtered_sums(1 << 24, 1 << 39, 9, 5)).unwrap();
    assert_eq!(filtered.degree(), 16384);
    let wide = Parameters::for_need(&Need::filtered_sums(1 << 24, Need::MAX_ABS, 9, 5)).unwrap();
    assert_eq!((wide.degree(), 64 - wide.plaintext_modulus().leading_zeros()), (16384, 60));
    for set in [&sums, &filtered, &wide] {
        let security = set.security();
        assert!(security.holds_classical(), "{security:?}");
        let product: f64 = set.moduli().iter().map(|q| (*q as f64).log2()).sum();
        assert!(f64::from(security.log_q) >= product && f64::from(security.log_q) < product + 1.01);
        assert_eq!(Parameters::decode(&set.encode()).unwrap(), *set);
    }
    assert!(sums.max_abs() >= 1 << 39 && wide.max_abs() >= Need::MAX_ABS);
    let Err(ParameterError::Range(_)) = Parameters::for_need(&Need::sums(1, Need::MAX_ABS + 1, 2, 2)) else {
        panic!("61 bits are too many");
    };
    let mut deep = Need::filtered_sums(1 << 24, Need::MAX_ABS, 9, 5);
    deep.depth = 8;
    let Err(ParameterError::Need(missing)) = Parameters::for_need(&deep) else { panic!("depth 8 does not fit") };
    assert!(missing.needed > missing.available);
    // 8192 allows 215 bits: four of these primes are too many.
    let four: Vec<u64> = filtered.moduli()[..4].to_vec();
    assert!(matches!(
        Parameters::new(8192, sums.plaintext_modulus(), &four),
        Err(ParameterError::Insecure { degree: 8192, limit: 215, .. })
    ));
    let two = &sums.moduli()[..2];
    for (plaintext, moduli) in [
        (sums.plaintext_modulus() + 2, two),
        (sums.plaintext_modulus(), &[two[0], two[0]][..]),
        (sums.plaintext_modulus(), &[two[0], two[1] - 2 * 8192][..]),
        (two[0], two),
    ] {
        assert_eq!(Parameters::new(8192, plaintext, moduli).unwrap_err(), ParameterError::Moduli);
    }
    assert_eq!(Parameters::new(4096, 65537, two).unwrap_err(), ParameterError::Degree(4096));
}
