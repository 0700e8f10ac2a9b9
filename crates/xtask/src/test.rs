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
    // The light face by itself, and the command without the parts that stand behind patent terms and servers; `check` does
    // this for every crate and feature.
    for lean in [&["mediveil"][..], &["mediveil-cli", "--no-default-features"]] {
        let title = format!("{} by itself", lean.join(" "));
        step(&title, cargo(&["check", "--quiet", "--locked", "--package"]).args(lean))?;
    }
    crate::bindings::check_c()?;
    crate::bindings::test()
}
