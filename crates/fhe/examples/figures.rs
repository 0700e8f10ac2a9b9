//! Measures what the crate promises: run with `--release --features testing`, on a quiet machine.
//!
//! A filter over two conditions and a sum over 1,000,000 encrypted rows, read block by block from files; additions,
//! encryption and bytes a value; a committee's partial decryptions.

use mediveil_codec::Wire;
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, Request, combine};
use mediveil_fhe::{Bounds, Ciphertext, EncodedCiphertext, Evaluator, Need, Parameters, testing};
use std::error::Error;
use std::time::Instant;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Fallible<()> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |a| a.parse())?;
    sums()?;
    filter_sum(rows)?;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default());
    }
    Ok(())
}

/// Seconds of processor time this process has used, on Linux.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn describe(parameters: &Parameters) {
    let s = parameters.security();
    println!(
        "n {} log q {} of {} (quantum {}), {} primes, t {} bits, {} bytes a value",
        s.degree,
        s.log_q,
        s.classical_128,
        s.quantum_128,
        parameters.moduli().len(),
        64 - parameters.plaintext_modulus().leading_zeros(),
        2.0 * parameters.polynomial_bytes() as f64 / f64::from(s.degree),
    );
}

fn sums() -> Fallible<()> {
    let mut rng = mediveil_rng::SeededRng::from_u64(1);
    let mut need = Need::sums(1 << 24, 1 << 39, 9, 5);
    need.opened = 8192;
    let parameters = Parameters::for_need(&need)?;
    describe(&parameters);
    let start = Instant::now();
    let (key, members) = testing::committee(&parameters, 9, 5, &mut rng);
    println!("ceremony 5 of 9: {:?} for all nine", start.elapsed());
    let values: Vec<i64> = (0..8192).collect();
    let bounds = Bounds { min: 0, max: 8191 };
    let start = Instant::now();
    for _ in 0..100 {
        std::hint::black_box(key.encrypt(&values, bounds, &mut rng)?);
    }
    let each = start.elapsed() / 100;
    println!("encrypt: {each:?} a block, {:.2} M values/s", 8192.0 / each.as_secs_f64() / 1e6);
    let a = key.encrypt(&values, bounds, &mut rng)?;
    let encoded = a.to_encoded(&key).encode();
    println!("bytes a value: {:.2}", encoded.len() as f64 / 8192.0);
    let start = Instant::now();
    for _ in 0..50 {
        std::hint::black_box(key.load(&EncodedCiphertext::decode(&encoded)?)?);
    }
    println!("load: {:?} a block", start.elapsed() / 50);
    let server = Evaluator::new(&key)?;
    let mut sum = a.clone();
    let start = Instant::now();
    for _ in 0..2000 {
        server.add_assign(&mut sum, &a)?;
    }
    let each = start.elapsed() / 2000;
    println!("add: {each:?} a block, {:.0} M values/s", 8192.0 / each.as_secs_f64() / 1e6);
    let epoch = Epoch::new(&key, 1, &[1, 3, 5, 7, 9])?;
    for (purpose, opening) in [(1, Opening::Slots((0..8192).collect())), (2, Opening::SlotSum)] {
        let start = Instant::now();
        let one = key.encrypt(&values, bounds, &mut rng)?;
        let request = Request::new(&key, &epoch, [purpose; 32], vec![one], opening)?;
        let prepared = start.elapsed();
        let mut parts = Vec::new();
        for (member, identity) in members.iter().filter(|(m, _)| epoch.quorum().contains(&m.member())) {
            let start = Instant::now();
            parts.push(member.decrypt(&request, identity, |n| Ok(vec![1; n]), &mut MemoryStore::new(), &mut rng)?);
            println!("  member {}: {:?}", member.member(), start.elapsed());
        }
        let start = Instant::now();
        let opened = combine(&request, &parts)?;
        println!(
            "open {} numbers: request {prepared:?}, combine {:?}, first {:?}, {} spare bits",
            opened.len(),
            start.elapsed(),
            opened.first(),
            request.budget().spare_bits,
        );
    }
    Ok(())
}

fn filter_sum(rows: u64) -> Fallible<()> {
    let mut rng = mediveil_rng::SeededRng::from_u64(2);
    let parameters = Parameters::for_need(&Need::filtered_sums(1 << 24, 1 << 39, 9, 5))?;
    describe(&parameters);
    let start = Instant::now();
    let (key, members) = testing::committee(&parameters, 9, 5, &mut rng);
    println!("ceremony 5 of 9: {:?} for all nine", start.elapsed());
    let degree = u64::from(parameters.degree());
    let directory = std::env::temp_dir().join(format!("mediveil-fhe-figures-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let blocks = parameters.blocks(rows);
    let mut expected = 0;
    let start = Instant::now();
    for block in 0..blocks {
        let of_block: Vec<u64> = (block * degree..((block + 1) * degree).min(rows)).collect();
        let column = |f: &dyn Fn(u64) -> i64| -> Vec<i64> { of_block.iter().map(|r| f(*r)).collect() };
        let (first, second) = (column(&|r| i64::from(r % 3 == 0)), column(&|r| i64::from(r % 5 < 2)));
        let values = column(&|r| i64::try_from(r % 150).unwrap_or(0));
        expected += first.iter().zip(&second).zip(&values).map(|((a, b), c)| a * b * c).sum::<i64>();
        for (name, column) in [("a", &first), ("b", &second), ("c", &values)] {
            let ciphertext = key.encrypt(column, Bounds { min: 0, max: 149 }, &mut rng)?;
            std::fs::write(directory.join(format!("{block}.{name}")), ciphertext.to_encoded(&key).encode())?;
        }
    }
    println!("encrypt {blocks} blocks of 3 columns: {:?}", start.elapsed());
    let server = Evaluator::new(&key)?;
    let one = key.encrypt(&[1], Bounds::FLAG, &mut rng)?;
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        std::hint::black_box(server.multiply(&one, &one)?);
        fastest = fastest.min(start.elapsed());
    }
    println!("multiply and relinearise: {fastest:?}, the fastest of ten");
    let (start, used) = (Instant::now(), cpu());
    let total = server.sum_blocks(0..blocks, |block| -> Fallible<Vec<Ciphertext>> {
        let load = |name: &str| -> Fallible<Ciphertext> {
            let bytes = std::fs::read(directory.join(format!("{block}.{name}")))?;
            Ok(key.load(&EncodedCiphertext::decode(&bytes)?)?)
        };
        let filter = server.multiply(&load("a")?, &load("b")?)?;
        Ok(vec![server.multiply(&filter, &load("c")?)?])
    })?;
    let threads = std::thread::available_parallelism()?;
    println!("filter and sum over {rows} rows: {:?} on {threads} threads, {:.2} s CPU", start.elapsed(), cpu() - used);
    std::fs::remove_dir_all(&directory)?;
    let epoch = Epoch::new(&key, 1, &[1, 2, 3, 4, 5])?;
    let request = Request::new(&key, &epoch, [1; 32], total.unwrap_or_default(), Opening::SlotSum)?;
    let mut parts = Vec::new();
    for (member, identity) in members.iter().take(5) {
        parts.push(member.decrypt(&request, identity, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng)?);
    }
    println!(
        "opened {:?}, expected {expected}, {} spare bits",
        combine(&request, &parts)?,
        request.budget().spare_bits
    );
    Ok(())
}
