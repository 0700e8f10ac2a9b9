//! Aggregates over encrypted columns: bytes of a value, and a filter with a sum over a million encrypted rows.
//!
//! The query: where two flags hold, the sum of a value; two multiplications for a block of 16,384 rows, each block read from
//! its bytes.

use crate::print;
use mediveil_codec::Wire;
use mediveil_fhe::{Bounds, EncodedCiphertext, Evaluator, Need, Parameters, testing};
use mediveil_rng::SeededRng;
use std::error::Error;
use std::time::Instant;

const ROWS: u64 = 1_000_000;

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    bytes_per_value()?;
    let seconds = filter_sum()?;
    print("fhe.filter_sum.1m", seconds, None);
    // The peer is a program outside of the workspace, in benches/tfhe.
    print("fhe.vs_tfhe", seconds / ROWS as f64 * 1e3, None);
    Ok(())
}

fn bytes_per_value() -> Result<(), Box<dyn Error>> {
    let mut rng = SeededRng::from_u64(1);
    let parameters = Parameters::for_need(&Need::sums(1 << 24, 1 << 39, 9, 5))?;
    let (key, _) = testing::committee(&parameters, 2, 2, &mut rng);
    let values: Vec<i64> = (0..8192).collect();
    let block = key.encrypt(&values, Bounds { min: 0, max: 8191 }, &mut rng)?;
    print("fhe.bytes_per_value", block.to_encoded(&key).encode().len() as f64 / values.len() as f64, None);
    Ok(())
}

/// Seconds for the query, from encoded blocks to one ciphertext.
fn filter_sum() -> Result<f64, Box<dyn Error>> {
    let mut rng = SeededRng::from_u64(2);
    let parameters = Parameters::for_need(&Need::filtered_sums(1 << 24, 1 << 39, 2, 2))?;
    let (key, _) = testing::committee(&parameters, 2, 2, &mut rng);
    let server = Evaluator::new(&key)?;
    let slots = parameters.degree() as usize;
    let flags = vec![1; slots];
    let values: Vec<i64> = (0_i64..8192).cycle().take(slots).collect();
    let mut encoded = |column: &[i64], bounds| -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(key.encrypt(column, bounds, &mut rng)?.to_encoded(&key).encode())
    };
    let columns = [
        encoded(&flags, Bounds::FLAG)?,
        encoded(&flags, Bounds::FLAG)?,
        encoded(&values, Bounds { min: 0, max: 8191 })?,
    ];
    let start = Instant::now();
    let sum = server.sum_blocks(0..parameters.blocks(ROWS), |_| -> Result<_, Box<dyn Error + Send + Sync>> {
        let mut loaded = Vec::with_capacity(3);
        for column in &columns {
            loaded.push(key.load(&EncodedCiphertext::decode(column)?)?);
        }
        let [a, b, value] = loaded.as_slice() else { return Err("three columns".into()) };
        Ok(vec![server.multiply(&server.multiply(a, b)?, value)?])
    });
    let sum = sum.map_err(|e| e.to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    if sum.is_none_or(|cells| cells.len() != 1) {
        return Err("no sum".into());
    }
    Ok(seconds)
}
