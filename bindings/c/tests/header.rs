//! The header is the one that the sources make. `MEDIVEIL_BLESS=1` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;

#[test]
fn the_header_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    // In this order: what others use first.
    for name in ["status", "identity", "abe", "threshold", "doors", "seal", "log", "budget", "proofs"] {
        builder = builder.with_src(here.join("src").join(format!("{name}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = here.join("include/mediveil.h");
    if std::env::var_os("MEDIVEIL_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == made,
        "include/mediveil.h is not what the sources make: run this test with MEDIVEIL_BLESS=1"
    );
}
