//! `mediveil completions` and `mediveil man`.

use crate::failure::Failure;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "every command returns the same type")]
    pub(crate) fn run(&self) -> Result<(), Failure> {
        clap_complete::generate(self.shell, &mut crate::definition(), "mediveil", &mut std::io::stdout());
        Ok(())
    }
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder for the pages
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out).map_err(|e| Failure::from(e).at(&self.out))?;
        Ok(clap_mangen::generate_to(crate::definition(), &self.out)?)
    }
}
