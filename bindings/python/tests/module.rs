//! The native module is a library that Python can import.
//!
//! Being a test of the workspace also builds the module with the features that everything else is built with, so that the
//! tests from Python (`cargo xtask test`) compile nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[test]
fn it_exports_what_python_looks_for() {
    // This binary is in target/debug/deps, and so is the library.
    let here = std::env::current_exe().unwrap();
    let name = format!("{}mediveil_native{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = here.with_file_name(name);
    let bytes = std::fs::read(&library).unwrap_or_else(|e| panic!("{}: {e}", library.display()));
    assert!(bytes.windows(15).any(|w| w == b"PyInit__native\0"));
}
