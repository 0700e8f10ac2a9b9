//! Gives the shared library its soname: programs ask the loader for the version whose interface they were compiled against.
//! Before 1.0 the interface may change with every minor version.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let (major, minor) = (of("CARGO_PKG_VERSION_MAJOR"), of("CARGO_PKG_VERSION_MINOR"));
    let abi = if major == "0" { format!("0.{minor}") } else { major };
    // Where the linker knows sonames.
    let systems = ["linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly"];
    if systems.contains(&of("CARGO_CFG_TARGET_OS").as_str()) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmediveil_c.so.{abi}");
    }
}
