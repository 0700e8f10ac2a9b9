//! `cargo xtask test`: everything that must hold before a change lands.

mod postgres;

use crate::shell::{cargo, step};

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let quick = match args {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => return Err("test takes --quick or nothing".into()),
    };
    if quick {
        return step("unit, property and integration tests", &mut cargo(&["test", "--workspace", "--lib", "--tests"]));
    }
    std::thread::scope(|scope| {
        // Fetched while the compiler works. If it fails, whoever needs an environment tries again and says why.
        scope.spawn(|| {
            let _ = crate::bindings::tester();
            let _ = crate::python::accountant();
        });
        step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
        step(
            "clippy, warnings denied",
            &mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
        )?;
        step(
            "rustdoc, warnings denied",
            cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    step("build of all tests", &mut cargo(&["test", "--workspace", "--locked", "--no-run"]))?;
    // The bindings' checks beside the others: valgrind takes one core for minutes, and so do many tests.
    std::thread::scope(|scope| {
        let bindings = scope.spawn(|| crate::bindings::check_c().and(crate::bindings::check_python()));
        let rust = rust();
        bindings.join().unwrap_or_else(|_| Err("the checks of the bindings stopped".into())).and(rust)
    })
}

/// What has been built, run; each crate and feature by itself is what `check` is for: it compiles much of this again.
fn rust() -> Result<(), String> {
    step(
        "unit, property, integration and doc tests",
        &mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]),
    )?;
    postgres::stores()?;
    crate::python::accounting()
}
