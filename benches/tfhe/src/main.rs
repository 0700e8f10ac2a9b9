//! The peer of encrypted aggregates: "where two flags hold, the sum of a value" on `tfhe`'s integers, on all cores.
//!
//! As fast as its documentation shows: both flags and-ed, the value kept or replaced by zero, and all kept values added up
//! at once by `sum`, which carries far less often than `+` does. The sum has 64 bits, since a million values of 13 bits do
//! not fit 32. Prints milliseconds a row as the peer's value of `fhe.vs_tfhe`; then `models` prints both values of its figures.

mod models;

use std::error::Error;
use std::time::Instant;
use tfhe::prelude::*;
use tfhe::{ClientKey, ConfigBuilder, FheBool, FheUint16, FheUint64, ServerKey, set_server_key};

const ROWS: u16 = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let client = ClientKey::generate(ConfigBuilder::default().build());
    set_server_key(ServerKey::new(&client));
    let mut rows = Vec::new();
    let mut expected = 0_u64;
    for row in 0..ROWS {
        let (a, b, value) = (row % 3 != 0, row % 4 != 1, 8191 - 100 * row);
        expected += if a && b { u64::from(value) } else { 0 };
        rows.push((
            FheBool::try_encrypt(a, &client)?,
            FheBool::try_encrypt(b, &client)?,
            FheUint16::try_encrypt(value, &client)?,
        ));
    }
    let start = Instant::now();
    let kept = rows.iter().map(|(a, b, value)| -> FheUint64 { (a & b).if_then_zero(value).cast_into() });
    let sum: FheUint64 = kept.collect::<Vec<_>>().iter().sum();
    let millis = start.elapsed().as_secs_f64() * 1e3 / f64::from(ROWS);
    let opened: u64 = sum.decrypt(&client);
    if opened != expected {
        return Err("tfhe's sum is wrong".into());
    }
    println!(r#"{{"id": "fhe.vs_tfhe", "peer_value": {millis}}}"#);
    models::figures(&client)
}
