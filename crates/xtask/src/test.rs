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
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step(
        "clippy, warnings denied",
        &mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    step(
        "rustdoc, warnings denied",
        cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    step(
        "unit, property, integration and doc tests",
        &mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]),
    )?;
    postgres::stores()?;
    crate::python::accounting()?;
    // Each crate and feature alone is what `check` is for: it compiles much of this again.
    // Side by side: valgrind takes one core for minutes.
    std::thread::scope(|scope| {
        let c = scope.spawn(crate::bindings::check_c);
        let python = crate::bindings::test();
        c.join().unwrap_or_else(|_| Err("the checks of the C library stopped".into())).and(python)
    })
}
