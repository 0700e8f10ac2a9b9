//! Does an operation's time depend on its secret? Welch's t-test over two classes of inputs, after Reparaz, Balasch and Verbauwhede,
//! *dude, is my code constant time?* (DATE 2017).
//!
//! `timing SECONDS` measures each operation so long, its two classes in random order, and prints one JSON object a line with the largest
//! |t| over several crops of the slow tail. Below 4.5 nothing was found at this number of samples; that is not a proof. The first
//! operation is a control: a comparison that stops at the first difference, which must be found.

use mediveil_codec::Wire as _;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{EcdhKey, Identity, IdentityKind, SigningKey};
use mediveil_seal::{Passphrase, Sealer, open};
use mediveil_threshold::tdh2::Ciphertext;
use mediveil_threshold::{KeyShare, PublicKeySet};
use rand_core::Rng as _;
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// An operation that leaks if its two classes differ in time: it is given the class, and a counter to choose inputs by.
struct Subject {
    name: &'static str,
    classes: &'static str,
    leaks: bool,
    run: Box<dyn FnMut(bool, usize)>,
}

const POOL: usize = 64;

/// The inputs of a class, each in its turn.
struct Pool<T> {
    items: Vec<T>,
}

impl<T> Pool<T> {
    fn at(&self, turn: usize) -> Option<&T> {
        self.items.get(turn % POOL)
    }
}

/// A copy with one bit of one byte changed.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes.iter().enumerate().map(|(i, b)| if i == at { b ^ 1 } else { *b }).collect()
}

/// A secret, and one guess that differs from it in its first or in its last byte: one buffer, both bytes written each time, so
/// that nothing but the contents differs between the classes.
struct Guess {
    secret: Vec<u8>,
    guess: Vec<u8>,
}

impl Guess {
    fn new() -> Self {
        Self { secret: vec![7; 4096], guess: vec![7; 4096] }
    }

    fn set(&mut self, early: bool) {
        if let [first, .., last] = self.guess.as_mut_slice() {
            (*first, *last) = (7 ^ u8::from(early), 7 ^ u8::from(!early));
        }
    }
}

fn control() -> Subject {
    let mut guess = Guess::new();
    let run = move |class: bool, _| {
        guess.set(class);
        black_box(guess.secret.iter().zip(&guess.guess).all(|(a, b)| black_box(a) == b));
    };
    Subject {
        name: "control: stops early",
        classes: "first byte differs, last differs",
        leaks: true,
        run: Box::new(run),
    }
}

fn comparison() -> Subject {
    let mut guess = Guess::new();
    let run = move |class: bool, _| {
        guess.set(class);
        black_box(bool::from(subtle::ConstantTimeEq::ct_eq(&guess.secret[..], &guess.guess[..])));
    };
    Subject {
        name: "subtle's comparison",
        classes: "first byte differs, last differs",
        leaks: false,
        run: Box::new(run),
    }
}

fn segment_tag(rng: &mut SeededRng) -> Result<Subject> {
    let reader = Identity::generate(IdentityKind::P256, rng)?;
    let file = Sealer::new().to(reader.public()).seal(&[7; 64], rng)?;
    let (early, late) = (flipped(&file, file.len() - 16), flipped(&file, file.len() - 1));
    let run = move |class: bool, _| {
        black_box(open(black_box(if class { &early } else { &late }), &[&reader]).is_err());
    };
    Ok(Subject { name: "segment's tag", classes: "first byte wrong, last wrong", leaks: false, run: Box::new(run) })
}

fn commitment(rng: &mut SeededRng) -> Result<Subject> {
    let reader = Identity::generate(IdentityKind::P256, rng)?;
    let file = Sealer::new().to(reader.public()).seal(&[7; 64], rng)?;
    // Frame, array, salt, and then the commitment to the content key: 12, 1, 34 and 34 bytes.
    let (early, late) = (flipped(&file, 49), flipped(&file, 80));
    let run = move |class: bool, _| {
        black_box(open(black_box(if class { &early } else { &late }), &[&reader]).is_err());
    };
    Ok(Subject { name: "key commitment", classes: "first byte wrong, last wrong", leaks: false, run: Box::new(run) })
}

fn door_mac(rng: &mut SeededRng) -> Result<Subject> {
    let reader = Identity::generate(IdentityKind::P256, rng)?;
    let file = Sealer::new().to(reader.public()).seal(&[7; 64], rng)?;
    // The list of doors ends with its MAC; 64 bytes of ciphertext and a tag follow it.
    let end = file.len() - 80;
    let (early, late) = (flipped(&file, end - 32), flipped(&file, end - 1));
    let run = move |class: bool, _| {
        black_box(open(black_box(if class { &early } else { &late }), &[&reader]).is_err());
    };
    Ok(Subject { name: "MAC of the doors", classes: "first byte wrong, last wrong", leaks: false, run: Box::new(run) })
}

fn passphrase(rng: &mut SeededRng) -> Result<Subject> {
    let right = Passphrase::new("seven llamas hum at dawn").with_iterations(Passphrase::MIN_ITERATIONS)?;
    let file = Sealer::new().to(&right).seal(&[7; 64], rng)?;
    let (near, far) = (Passphrase::new("seven llamas hum at dusk"), Passphrase::new("eight camels sang by noon"));
    let run = move |class: bool, _| {
        black_box(open(black_box(&file), &[if class { &near } else { &far }]).is_err());
    };
    Ok(Subject { name: "passphrase", classes: "nearly right, quite wrong", leaks: false, run: Box::new(run) })
}

fn signing(rng: &mut SeededRng) -> Result<Subject> {
    let one = SigningKey::generate(rng).to_bytes();
    let fixed = Pool { items: (0..POOL).map(|_| SigningKey::from_bytes(&one)).collect::<std::result::Result<_, _>>()? };
    let random = Pool { items: (0..POOL).map(|_| SigningKey::generate(rng)).collect() };
    let run = move |class: bool, turn| {
        black_box(if class { &fixed } else { &random }.at(turn).map(|key| key.sign("timing/v1", b"message")));
    };
    Ok(Subject { name: "P-256 signature", classes: "one key, random keys", leaks: false, run: Box::new(run) })
}

fn agreement(rng: &mut SeededRng) -> Result<Subject> {
    let peer = EcdhKey::generate(rng).public();
    let one = EcdhKey::generate(rng).to_bytes();
    let fixed = Pool { items: (0..POOL).map(|_| EcdhKey::from_bytes(&one)).collect::<std::result::Result<_, _>>()? };
    let random = Pool { items: (0..POOL).map(|_| EcdhKey::generate(rng)).collect() };
    let run = move |class: bool, turn| {
        black_box(if class { &fixed } else { &random }.at(turn).map(|key| key.agree(&peer)));
    };
    Ok(Subject { name: "P-256 agreement", classes: "one key, random keys", leaks: false, run: Box::new(run) })
}

/// Scalars with hardly a bit set: what skips zeros is fast here.
fn small_scalars(rng: &mut SeededRng) -> Result<Subject> {
    let peer = EcdhKey::generate(rng).public();
    let tiny = |n: usize| -> Result<EcdhKey> {
        let mut bytes = [0; 32];
        bytes[31] = u8::try_from(n + 1)?;
        Ok(EcdhKey::from_bytes(&bytes)?)
    };
    let small = Pool { items: (0..POOL).map(tiny).collect::<Result<_>>()? };
    let random = Pool { items: (0..POOL).map(|_| EcdhKey::generate(rng)).collect() };
    let run = move |class: bool, turn| {
        black_box(if class { &small } else { &random }.at(turn).map(|key| key.agree(&peer)));
    };
    Ok(Subject { name: "P-256 agreement", classes: "keys below 65, random keys", leaks: false, run: Box::new(run) })
}

fn share(rng: &mut SeededRng) -> Result<Subject> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors/committee.json");
    let v: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let bytes = |at: &str| -> Result<Vec<u8>> {
        Ok(hex::decode(v.pointer(at).and_then(Value::as_str).ok_or("no hexadecimal text")?)?)
    };
    let set = PublicKeySet::decode(&bytes("/set")?)?;
    let ciphertext = Ciphertext::decode(&bytes("/ciphertext")?)?.check(set.key(), &bytes("/associated")?)?;
    let (one, other) = (KeyShare::decode(&bytes("/key_shares/0")?)?, KeyShare::decode(&bytes("/key_shares/1")?)?);
    let mut rng = SeededRng::from_u64(rng.next_u64());
    let run = move |class: bool, _| {
        black_box(if class { &one } else { &other }.decrypt(&set, &ciphertext, &mut rng).is_ok());
    };
    Ok(Subject {
        name: "share of a decryption",
        classes: "one member's share, another's",
        leaks: false,
        run: Box::new(run),
    })
}

/// Mean and variance, updated one by one (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let delta = x - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (x - self.mean);
    }

    fn t(a: &Self, b: &Self) -> f64 {
        let variance = |m: &Self| m.squares / (m.count - 1.0) / m.count;
        (a.mean - b.mean) / (variance(a) + variance(b)).sqrt()
    }
}

/// Largest |t| over the whole sample and over the fastest 95, 80 and 50 in a hundred.
fn test(samples: &mut [(bool, f64)]) -> f64 {
    samples.sort_by(|a, b| a.1.total_cmp(&b.1));
    let crop = |percent: usize| {
        let (mut ones, mut zeros) = (Moments::default(), Moments::default());
        for (class, time) in samples.iter().take(samples.len() * percent / 100) {
            if *class { &mut ones } else { &mut zeros }.add(*time);
        }
        let t = Moments::t(&ones, &zeros).abs();
        if t.is_finite() { t } else { 0.0 }
    };
    [100, 95, 80, 50].into_iter().map(crop).fold(0.0, f64::max)
}

fn main() -> Result<()> {
    let seconds: f64 = std::env::args().nth(1).ok_or("timing SECONDS")?.parse()?;
    let rng = &mut SeededRng::from_u64(1);
    let subjects = [
        control(),
        comparison(),
        segment_tag(rng)?,
        commitment(rng)?,
        door_mac(rng)?,
        passphrase(rng)?,
        signing(rng)?,
        agreement(rng)?,
        small_scalars(rng)?,
        share(rng)?,
    ];
    for mut subject in subjects {
        let (start, mut samples, mut turn) = (Instant::now(), Vec::new(), 0);
        while start.elapsed() < Duration::from_secs_f64(seconds) || samples.len() < 100 {
            let class = rng.next_u32() & 1 == 1;
            let before = Instant::now();
            (subject.run)(class, turn);
            samples.push((class, before.elapsed().as_nanos() as f64));
            turn += 1;
        }
        // The first tenth warms up.
        let mut samples = samples.split_off(samples.len() / 10);
        let t = test(&mut samples);
        println!(
            "{}",
            json!({ "operation": subject.name, "classes": subject.classes, "samples": samples.len(), "t": t,
                "leaks": subject.leaks })
        );
    }
    Ok(())
}
