//! Figures that are not times, one JSON object a line: `{"id": ..., "value": ..., "peer_value": ...}`.
//!
//! `figures AREA...` prints those of the areas named.

mod abe;
mod dp;
mod federate;
mod fhe;
mod ledger;
mod seal;
mod zk;

/// One figure on its line.
fn print(id: &str, value: f64, peer: Option<f64>) {
    println!("{}", serde_json::json!({ "id": id, "value": value, "peer_value": peer }));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for area in std::env::args().skip(1) {
        match area.as_str() {
            "abe" => abe::figures()?,
            "dp" => dp::figures()?,
            "federate" => federate::figures()?,
            "fhe" => fhe::figures()?,
            "ledger" => ledger::figures()?,
            "seal" => seal::figures()?,
            "zk" => zk::figures()?,
            _ => {}
        }
    }
    Ok(())
}
