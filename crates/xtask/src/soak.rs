//! `cargo xtask soak`: the quick tour again and again in one process.

use crate::shell::{cargo, step, target_dir};

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let minutes = match args {
        [] => "10",
        [flag, number] if flag == "--minutes" && number.parse::<u32>().is_ok() => number.as_str(),
        _ => return Err("soak takes --minutes N or nothing".into()),
    };
    let out = target_dir().join("soak");
    let mut command = cargo(&["run", "--quiet", "--release", "--locked", "--package", "mediveil-cli", "--", "tour"]);
    command.args(["--quick", "--json", "--soak", minutes, "--out"]).arg(out).stdout(std::process::Stdio::null());
    step(&format!("the quick tour for {minutes} minutes"), &mut command)
}
