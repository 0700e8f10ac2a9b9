//! Running the command in a folder of its own.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The command in `folder`, without the caller's passphrase and without a terminal.
pub(crate) fn mediveil(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mediveil"));
    command.args(args).current_dir(folder).env_remove("MEDIVEIL_PASSPHRASE").stdin(Stdio::null());
    command
}

/// Runs it and returns what it printed; any exit code but the expected one fails the test.
pub(crate) fn run(folder: &Path, args: &[&str], expected: i32) -> Output {
    let output = mediveil(folder, args).output().expect("the command starts");
    assert_eq!(
        output.status.code(),
        Some(expected),
        "mediveil {}\n{}{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs it and returns stderr as text.
pub(crate) fn says(folder: &Path, args: &[&str], expected: i32) -> String {
    String::from_utf8(run(folder, args, expected).stderr).expect("text")
}
