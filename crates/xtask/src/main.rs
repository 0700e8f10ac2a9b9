//! `cargo xtask`: the tasks of this workspace, each one command that installs what it needs.

mod bench;
mod bindings;
mod check;
mod figures;
mod fuzz;
mod guide;
mod instructions;
mod plot;
mod programs;
mod python;
mod report;
mod review;
mod shell;
mod soak;
mod supply;
mod test;
mod timing;

use std::process::ExitCode;

const HELP: &str = "\
The tasks of this workspace.

Usage: cargo xtask <TASK>

Tasks:
  test  [--quick]                     format, clippy, rustdoc, unit, property and doc tests, both bindings;
                                      --quick: unit and property tests of what is already built, for daily work
  check [PACKAGE...]                  each crate by itself, without features, and with each feature alone
  bench [--quick] [--report] [--json FILE] [AREA...]
                                      measure against the peers and print figures, ratios and targets;
                                      --quick ends five minutes after the build; an AREA is seal, record, abe, ...;
                                      without either, or with --report, it writes benches/REPORT.md and its plots
  fuzz  [--seconds N] [TARGET...]     run the fuzz targets (needs cargo-fuzz; without it, replay the corpora)
  review                              what a security reviewer sees first: the strongest claims by their tests, published
                                      vectors, the tamper matrix, versions and licences, on one page
  instructions [--bless]              instructions of operations by callgrind, against the committed baseline
  timing [--seconds N]                whether time depends on secrets, by Welch's t-test
  soak [--minutes N]                  the quick tour again and again in one process, whose memory must stay flat
  sbom                                a CycloneDX bill of materials for each package, into target/sbom
  deny                                licences, bans and sources by cargo-deny
  wheel                               the Python wheel, optimised, into target/wheels
  help                                this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args.split_first().map_or(("help", &[][..]), |(task, rest)| (task.as_str(), rest));
    let outcome = match task {
        "test" => test::run(rest),
        "check" => check::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "review" => review::run(rest),
        "instructions" => instructions::run(rest),
        "timing" => timing::run(rest),
        "soak" => soak::run(rest),
        "sbom" => supply::sbom(rest),
        "deny" => supply::deny(rest),
        "wheel" => bindings::wheel(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no task `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
