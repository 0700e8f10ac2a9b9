//! Tests that go round the policy check: below it the mathematics must refuse as well.

use crate::access::{AccessTree, Gate};
use crate::attribute::{Attribute, Label};
use crate::comb::Comb;
use crate::kem::{self, Binding, Ciphertext, random_scalar};
use crate::lsss;
use crate::policy::Policy;
use crate::schema::Schema;
use crate::scheme::{self, Coins, Header, KeyParts, PowerTable, RowTables, Secret, Term};
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Gt, Scalar};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use mediveil_rng::SeededRng;
use std::sync::Arc;

const ID: [u8; 32] = [9; 32];
const NAMES: [&str; 3] = ["x:a", "x:b", "x:c"];

struct World {
    alpha: Secret,
    a: PowerTable,
    rng: SeededRng,
}

impl World {
    fn new() -> Self {
        let mut rng = SeededRng::from_u64(7);
        let alpha = Secret(random_scalar(&mut rng));
        let a = PowerTable::new(&scheme::public_key(&alpha));
        Self { alpha, a, rng }
    }

    fn tables(labels: &[Label]) -> RowTables {
        let points: Vec<_> = labels.iter().map(|l| scheme::hash(&ID, l.as_bytes()).into()).collect();
        let base = Comb::of(&[scheme::base(&ID).into()]).unwrap().remove(0);
        RowTables { base: Arc::new(base), hashes: Comb::of(&points).unwrap().into_iter().map(Arc::new).collect() }
    }

    fn key(&mut self, labels: &[Label]) -> KeyParts {
        let r = Secret(random_scalar(&mut self.rng));
        scheme::generate_key(&self.alpha, &Self::tables(labels), &r).unwrap()
    }

    fn coins(&mut self, tree: &AccessTree) -> Coins {
        let rng = &mut self.rng;
        let s1 = Secret(random_scalar(rng));
        let s_prime = (0..tree.occurrences).map(|_| Secret(random_scalar(rng))).collect();
        let mut shares = Vec::new();
        lsss::share(&tree.root, s1.0, &mut || random_scalar(rng), &mut |_, s| shares.push(Secret(s)));
        Coins { s1, s_prime, shares }
    }

    fn encapsulate(&mut self, tree: &AccessTree) -> (Header, Gt) {
        let coins = self.coins(tree);
        (scheme::encapsulate(&tables(tree), &tree.rows, &coins).unwrap(), self.a.power(&coins.s1))
    }
}

fn tables(tree: &AccessTree) -> RowTables {
    World::tables(&tree.rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>())
}

fn label(text: &str) -> Label {
    text.parse::<Attribute>().unwrap().label()
}

fn tree(policy: &str) -> AccessTree {
    AccessTree::build(&policy.parse().unwrap(), &Schema::new(), None).unwrap()
}

/// All policies of up to three leaves over three attributes, with every gate and nesting.
fn policies() -> Vec<String> {
    let mut all: Vec<String> = NAMES.map(str::to_owned).to_vec();
    for a in NAMES {
        for b in NAMES {
            for outer in ["and", "or"] {
                all.push(format!("{a} {outer} {b}"));
                for c in NAMES {
                    all.push(format!("{a} {outer} {b} {outer} {c}"));
                    let inner = if outer == "and" { "or" } else { "and" };
                    all.push(format!("{a} {outer} ({b} {inner} {c})"));
                    all.push(format!("({a} {inner} {b}) {outer} {c}"));
                }
            }
            all.extend(NAMES.map(|c| format!("2 of ({a}, {b}, {c})")));
        }
    }
    all
}

/// Larger policies: every gate over gates, and thresholds of every size.
fn larger() -> Vec<String> {
    let mut all = Vec::new();
    for k in 1..=5 {
        all.push(format!("{k} of (x:a, x:b, x:c, x:a and x:b, x:b or x:c)"));
        all.push(format!("{k} of (2 of (x:a, x:b, x:c), x:a, 2 of (x:b, x:c, x:b and x:a), x:c, x:a or x:b)"));
        all.push(format!("x:a and ({k} of (x:a, x:b, x:c, x:b, x:c))"));
        all.push(format!("({k} of (x:a, x:b, x:c, x:a, x:b)) or x:c and x:b"));
    }
    all
}

fn satisfied(gate: &Gate, held: &dyn Fn(usize) -> bool) -> bool {
    match gate {
        Gate::Leaf(row) => held(*row),
        Gate::Threshold { needed, children } => children.iter().filter(|c| satisfied(c, held)).count() >= *needed,
    }
}

/// The share-generating matrix: shares are linear, so its columns are the shares of unit vectors.
fn matrix(tree: &AccessTree) -> Vec<Vec<Scalar>> {
    let mut randomness = 0;
    lsss::share(
        &tree.root,
        Scalar::ZERO,
        &mut || {
            randomness += 1;
            Scalar::ZERO
        },
        &mut |_, _| (),
    );
    let mut rows = vec![Vec::new(); tree.rows.len()];
    for column in 0..=randomness {
        let mut drawn = 0;
        let mut next = || {
            drawn += 1;
            Scalar::from(u64::from(drawn == column))
        };
        let secret = Scalar::from(u64::from(column == 0));
        lsss::share(&tree.root, secret, &mut next, &mut |row, share| rows[row].push(share));
    }
    rows
}

/// Whether (1, 0, ..., 0) lies in the span of these rows, by Gaussian elimination of the columns behind the first.
fn spans_target(mut rows: Vec<Vec<Scalar>>) -> bool {
    let columns = rows.first().map_or(0, Vec::len);
    for column in 1..columns {
        if let Some(at) = rows.iter().position(|r| !bool::from(r[column].is_zero())) {
            let pivot = rows.swap_remove(at);
            let inverse = pivot[column].invert().unwrap();
            for row in &mut rows {
                let factor = row[column] * inverse;
                row.iter_mut().zip(&pivot).for_each(|(to, from)| *to -= *from * factor);
            }
        }
    }
    rows.iter().any(|r| !bool::from(r[0].is_zero()))
}

fn subsets() -> impl Iterator<Item = Vec<Label>> {
    (0..8).map(|bits| (0..3).filter(|i| bits >> i & 1 == 1).map(|i| label(NAMES[i])).collect())
}

#[test]
fn sharing_agrees_with_brute_force() {
    for policy in policies().into_iter().chain(larger()) {
        let tree = tree(&policy);
        let matrix = matrix(&tree);
        for set in subsets() {
            let held = |row: usize| set.contains(&tree.rows[row].label);
            let expected = satisfied(&tree.root, &held);
            let rows: Vec<_> = (0..tree.rows.len()).filter(|r| held(*r)).map(|r| matrix[r].clone()).collect();
            assert_eq!(spans_target(rows), expected, "{policy}: the span");
            let coefficients = lsss::reconstruct(&tree.root, &held);
            assert_eq!(coefficients.is_some(), expected, "{policy}: the search");
            // The coefficients give the target vector, from held rows only.
            for (gamma, column) in coefficients.iter().flat_map(|g| (0..matrix[0].len()).map(move |c| (g, c))) {
                let sum: Scalar = gamma.iter().map(|(row, g)| matrix[*row][column] * g).sum();
                assert_eq!(sum, Scalar::from(u64::from(column == 0)), "{policy}");
                assert!(gamma.iter().all(|(row, _)| held(*row)));
            }
        }
    }
}

/// Sets of rows, not of attributes: rows for one attribute are told apart here.
#[test]
fn sharing_agrees_with_brute_force_for_every_set_of_rows() {
    for policy in larger().into_iter().filter(|p| p.len() < 60) {
        let tree = tree(&policy);
        let (matrix, n) = (matrix(&tree), tree.rows.len());
        for bits in 0..1_usize << n {
            let held = |row: usize| bits >> row & 1 == 1;
            let rows: Vec<_> = (0..n).filter(|r| held(*r)).map(|r| matrix[r].clone()).collect();
            assert_eq!(spans_target(rows), satisfied(&tree.root, &held), "{policy} {bits:b}");
        }
    }
}

#[test]
fn single_leaf_and_shares_tell_nothing() {
    for policy in ["x:a and x:b", "x:a and x:b and x:c", "x:a and (x:b or x:c)", "(x:a or x:b) and x:c and x:a"] {
        let matrix = matrix(&tree(policy));
        for row in matrix {
            // A row with nothing but randomness, or with fresh randomness added, and never a multiple of the secret.
            assert!(row[1..].iter().any(|c| !bool::from(c.is_zero())), "{policy}");
        }
    }
}

/// Every non-satisfying key, forced through the decryption algebra with the coefficients of every set that would satisfy
/// the policy: missing components are left out, with and without their rows, or replaced by a component that it has.
#[test]
fn keys_that_do_not_satisfy_do_not_yield_the_secret() {
    let mut world = World::new();
    let keys: Vec<(Vec<Label>, KeyParts)> =
        subsets().filter(|s| !s.is_empty()).map(|s| (s.clone(), world.key(&s))).collect();
    let (mut opened, mut refused) = (0, 0);
    for policy in policies() {
        let tree = tree(&policy);
        let (header, secret) = world.encapsulate(&tree);
        for (set, key) in &keys {
            let component = |row: usize| set.iter().position(|l| *l == tree.rows[row].label);
            let term = |row: usize, component: usize, gamma: Scalar| Term {
                row,
                component,
                occurrence: tree.rows[row].occurrence,
                gamma,
            };
            if let Some(gammas) = lsss::reconstruct(&tree.root, &|r| component(r).is_some()) {
                let terms: Vec<_> = gammas.iter().map(|(r, g)| term(*r, component(*r).unwrap(), *g)).collect();
                assert_eq!(scheme::decapsulate(&header, key, &terms), Some(secret), "{policy}");
                opened += 1;
                continue;
            }
            for more in subsets().filter(|more| set.iter().all(|l| more.contains(l))) {
                let Some(gammas) = lsss::reconstruct(&tree.root, &|r| more.contains(&tree.rows[r].label)) else {
                    continue;
                };
                let replaced: Vec<_> = gammas.iter().map(|(r, g)| term(*r, component(*r).unwrap_or(0), *g)).collect();
                let left_out: Vec<_> = gammas.iter().filter_map(|(r, g)| Some(term(*r, component(*r)?, *g))).collect();
                let mut without = key.clone();
                without.sk.push(G1Affine::default());
                let rows_only: Vec<_> =
                    gammas.iter().map(|(r, g)| term(*r, component(*r).unwrap_or(set.len()), *g)).collect();
                assert_ne!(scheme::decapsulate(&header, key, &replaced), Some(secret), "{policy}");
                assert_ne!(scheme::decapsulate(&header, key, &left_out), Some(secret), "{policy}");
                assert_ne!(scheme::decapsulate(&header, &without, &rows_only), Some(secret), "{policy}");
                refused += 1;
            }
        }
    }
    assert!(opened > 500 && refused > 500, "{opened} opened, {refused} refused");
}

/// `(X or A) and (X or B)` with a key for A alone: with one s' for both rows of X, the second row of X divided by the first
/// gives away the difference of their shares. It does so here when the sender makes that mistake, and not otherwise.
#[test]
fn reuse_of_an_attribute_is_sound() {
    let mut world = World::new();
    let tree = tree("(x:x or x:a) and (x:x or x:b)");
    let key = world.key(&[label("x:a")]);
    for (mistake, opens) in [(true, true), (false, false)] {
        let mut coins = world.coins(&tree);
        if mistake {
            coins.s_prime[1] = coins.s_prime[0].clone();
        }
        let header = scheme::encapsulate(&tables(&tree), &tree.rows, &coins).unwrap();
        let g1 = |p: G1Affine| G1Projective::from(p);
        // Rows: X, A, X, B. Twice A, and the second X over the first.
        let rows = g1(header.rows[1]).double() + header.rows[2] - g1(header.rows[0]);
        let found = blstrs::pairing(&key.sk0, &header.c2)
            + blstrs::pairing(&g1(key.sk[0]).double().to_affine(), &header.c3[0])
            - blstrs::pairing(&rows.to_affine(), &key.sk2);
        assert_eq!(found == world.a.power(&coins.s1), opens);
    }
}

#[test]
fn two_keys_never_combine() {
    let mut world = World::new();
    let tree = tree("x:a and x:b");
    let (header, secret) = world.encapsulate(&tree);
    let (first, second) = (world.key(&[label("x:a")]), world.key(&[label("x:b")]));
    let terms = [0, 1].map(|row| Term { row, component: row, occurrence: 0, gamma: Scalar::ONE });
    let pooled = vec![first.sk[0], second.sk[0]];
    let average =
        |a: G1Affine, b: G1Affine| ((G1Projective::from(a) + b) * Scalar::from(2).invert().unwrap()).to_affine();
    let mean = (average(first.sk0, second.sk0), {
        let sum = G2Projective::from(first.sk2) + second.sk2;
        G2Affine::from(sum * Scalar::from(2).invert().unwrap())
    });
    for sk0 in [first.sk0, second.sk0, mean.0] {
        for sk2 in [first.sk2, second.sk2, mean.1] {
            let key = KeyParts { sk0, sk2, sk: pooled.clone() };
            assert_ne!(scheme::decapsulate(&header, &key, &terms), Some(secret));
        }
    }
    let both = world.key(&[label("x:a"), label("x:b")]);
    assert_eq!(scheme::decapsulate(&header, &both, &terms), Some(secret));
    // Nor do keys of two authorities, even with every component of one and the master part of the other.
    let other = World::new().key(&[label("x:a"), label("x:b")]);
    let mut mixed = both.clone();
    mixed.sk0 = other.sk0;
    assert_ne!(scheme::decapsulate(&header, &mixed, &terms), Some(secret));
}

#[test]
fn genuine_keys_pass_and_changed_ones_do_not() {
    let mut world = World::new();
    let labels = [label("x:a"), label("x:b")];
    let (a, tables) = (scheme::public_key(&world.alpha), World::tables(&labels));
    let key = world.key(&labels);
    let weights = [[3; 16], [5; 16]];
    let genuine = |key: &KeyParts| scheme::verify_key(&a, &tables, key, &weights);
    assert!(genuine(&key));
    let other = world.key(&labels);
    let mut changed = [key.clone(), key.clone(), key.clone(), key.clone()];
    changed[0].sk0 = other.sk0;
    changed[1].sk2 = other.sk2;
    changed[2].sk[1] = other.sk[1];
    changed[3].sk.swap(0, 1);
    assert!(!changed.iter().any(genuine));
}

/// The KEM: every part of a ciphertext replaced by a valid part of another, rows that the key does not use included, and
/// changes to two rows that cancel in the sum that is decrypted.
#[test]
fn every_component_mauled_is_rejected() {
    let mut world = World::new();
    let tree = tree("(x:a and x:b) or (x:a and x:c)");
    let labels = [label("x:a"), label("x:b")];
    let key = world.key(&labels);
    let gammas = lsss::reconstruct(&tree.root, &|r| labels.contains(&tree.rows[r].label)).unwrap();
    let terms: Vec<_> = gammas
        .into_iter()
        .map(|(row, gamma)| {
            let component = labels.iter().position(|l| *l == tree.rows[row].label).unwrap();
            Term { row, component, occurrence: tree.rows[row].occurrence, gamma }
        })
        .collect();
    let tables = tables(&tree);
    let binding = Binding::new(&ID, "p", Some(4), b"context");
    let mut seal = || kem::encapsulate(&world.a, &tables, &tree, &binding, &mut world.rng).unwrap();
    let ((good, secret), (other, _)) = (seal(), seal());
    let open = |c: &Ciphertext, b: &Binding| kem::decapsulate(c, &key, &terms, &tables, &tree, b);
    assert_eq!(open(&good, &binding), Ok(secret));

    let mut bad = Vec::new();
    let mut maul = |change: &dyn Fn(&mut Ciphertext)| {
        let mut ciphertext = good.clone();
        change(&mut ciphertext);
        assert_ne!(ciphertext, good);
        bad.push(ciphertext);
    };
    maul(&|c| c.masked[0] ^= 1);
    maul(&|c| c.masked[31] ^= 0x80);
    maul(&|c| c.masked = other.masked);
    maul(&|c| c.header.c2 = other.header.c2);
    maul(&|c| c.header.c2 = -c.header.c2);
    maul(&|c| c.header.c3.swap(0, 1));
    maul(&|c| c.header.c3.truncate(1));
    for j in 0..2 {
        maul(&|c| c.header.c3[j] = other.header.c3[j]);
    }
    maul(&|c| c.header = other.header.clone());
    maul(&|c| c.header.rows.truncate(3));
    let generator = G1Projective::generator();
    let plus = |p: G1Affine, d: G1Projective| (G1Projective::from(p) + d).to_affine();
    // Points of order 3, the smallest outside the subgroup: (0, 2) and (0, -2). Here they replace nothing that the coins do
    // not give, even where three of them cancel in the sum that is decrypted.
    let one = G1Affine::generator().x() * G1Affine::generator().x().invert().unwrap();
    let small = G1Projective::from(G1Affine::from_raw_unchecked(one - one, one.double(), false));
    assert!(bool::from(small.is_on_curve()) && bool::from((small.double() + small).is_identity()));
    maul(&|c| (0..3).for_each(|i| c.header.rows[i] = plus(c.header.rows[i], small)));
    maul(&|c| {
        c.header.rows[0] = plus(c.header.rows[0], small);
        c.header.rows[1] = plus(c.header.rows[1], -small);
    });
    for i in 0..4 {
        maul(&|c| c.header.rows[i] = other.header.rows[i]);
        maul(&|c| c.header.rows[i] = plus(c.header.rows[i], generator));
        maul(&|c| c.header.rows[i] = plus(c.header.rows[i], small));
        for j in 0..i {
            maul(&|c| c.header.rows.swap(i, j));
            maul(&|c| {
                c.header.rows[i] = plus(c.header.rows[i], generator);
                c.header.rows[j] = plus(c.header.rows[j], -generator);
            });
        }
    }
    for (i, ciphertext) in bad.iter().enumerate() {
        assert!(open(ciphertext, &binding).is_err(), "change {i}");
    }
    // The binding: authority, policy, epoch, context, and nothing moved from one into the other.
    for binding in [
        Binding::new(&[8; 32], "p", Some(4), b"context"),
        Binding::new(&ID, "q", Some(4), b"context"),
        Binding::new(&ID, "p", Some(5), b"context"),
        Binding::new(&ID, "p", None, b"context"),
        Binding::new(&ID, "p", Some(4), b"Context"),
        Binding::new(&ID, "p\0\0\0\x04", None, b"context"),
    ] {
        assert!(open(&good, &binding).is_err());
    }
}

/// Shares of a master secret issue partial keys that combine by interpolation: the algebra is linear in alpha.
#[test]
fn keys_are_linear_in_the_master_secret() {
    let mut world = World::new();
    let labels = [label("x:a")];
    let (slope, two) = (random_scalar(&mut world.rng), Scalar::from(2));
    let alpha = world.alpha.0;
    let mut share = |x: Scalar| {
        world.alpha = Secret(alpha + slope * x);
        world.key(&labels)
    };
    let (one, other) = (share(Scalar::ONE), share(two));
    // Lagrange at 0 from the points 1 and 2: 2 and -1.
    let g1 = |a: G1Affine, b: G1Affine| (G1Projective::from(a).double() - b).to_affine();
    let key = KeyParts {
        sk0: g1(one.sk0, other.sk0),
        sk2: (G2Projective::from(one.sk2).double() - other.sk2).to_affine(),
        sk: vec![g1(one.sk[0], other.sk[0])],
    };
    let tree = tree("x:a");
    let (header, secret) = world.encapsulate(&tree);
    let terms = [Term { row: 0, component: 0, occurrence: 0, gamma: Scalar::ONE }];
    assert_eq!(scheme::decapsulate(&header, &key, &terms), Some(secret));
    assert_ne!(scheme::decapsulate(&header, &one, &terms), Some(secret));
}

#[test]
fn policies_and_labels_of_the_tests_are_what_they_seem() {
    assert_eq!(policies().len(), 3 + 9 * (2 + 18 + 3));
    assert!(policies().iter().all(|p| p.parse::<Policy>().is_ok()));
}
