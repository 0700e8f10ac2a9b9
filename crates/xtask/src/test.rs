//! `cargo xtask test`: everything that must hold before a change lands.

mod postgres;

use crate::shell::{cargo, packages, step};

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
    step("unit, property, integration and doc tests", &mut cargo(&["test", "--workspace", "--locked"]))?;
    postgres::stores()?;
    crate::python::accounting()?;
    // Feature unification in the workspace can hide a missing feature: each crate must build by itself as well.
    for package in packages()? {
        step(&format!("{package} alone"), &mut cargo(&["check", "--quiet", "--locked", "--package", &package]))?;
    }
    // The parts that stand behind patent terms and servers can be left out.
    let lean = ["check", "--quiet", "--locked", "--package", "mediveil-cli", "--no-default-features"];
    step("mediveil-cli without its features", &mut cargo(&lean))?;
    crate::bindings::check_c()?;
    crate::bindings::test()
}
