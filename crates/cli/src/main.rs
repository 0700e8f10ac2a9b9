//! The `mediveil` command.
//!
//! Exit codes, also in `mediveil --help`: 0 done; 1 failed (a file cannot be read or written); 2 the command line is
//! wrong; 3 refused (no key given opens it, or a rule forbids it); 4 the input is damaged, changed or not what it should
//! be; 5 a step of the tour failed.

mod commands;
mod failure;
mod files;
mod global;
mod text;
mod tour;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use global::Global;
use std::process::ExitCode;

/// Privacy-preserving cryptography for electronic health records.
#[derive(Debug, Parser)]
#[command(name = "mediveil", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed: a file cannot be read or written; 2 the command line is wrong; 3 refused: no key given \
opens it, or a rule forbids it; 4 the input is damaged, changed or not what it should be; 5 a step of the tour failed.

Nothing here has been audited. Keys are files: keep copies where you would keep the originals.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and show identities: the keys of one person, practice or service
    #[command(subcommand)]
    Identity(commands::identity::Identity),
    /// Attribute authorities: make one, and grant keys
    #[command(subcommand)]
    Authority(commands::authority::AuthorityCommand),
    /// Policies: what they mean and cost
    #[command(subcommand)]
    Policy(commands::policy::PolicyCommand),
    /// Seal a file for one reader or several
    Seal(commands::seal::Seal),
    /// Open a sealed file
    Open(commands::open::Open),
    /// Show what anybody can see of a sealed file
    Inspect(commands::inspect::Inspect),
    /// Key rings: versions, rotation and erasure
    #[command(subcommand)]
    Ring(commands::ring::RingCommand),
    /// Logs that cannot be rewritten unseen
    #[command(subcommand)]
    Log(commands::log::LogCommand),
    /// Privacy budgets of data sets, charged before any data is touched
    #[command(subcommand)]
    Budget(commands::budget::BudgetCommand),
    /// Add or drop doors of a sealed file, leaving its content untouched
    Rewrap(commands::rewrap::Rewrap),
    /// Proofs in zero knowledge: setups, credentials, requests, proving and verifying
    #[command(subcommand)]
    Zk(commands::zk::ZkCommand),
    /// Keys that several people hold together: make, renew and check them
    #[command(subcommand)]
    Committee(commands::committee::CommitteeCommand),
    /// Recovery: guardians open a file for a new identity, unless its owner objects
    #[command(subcommand)]
    Recover(commands::recover::RecoverCommand),
    /// Paper shares: a secret in words that some of several people bring back together
    #[command(subcommand)]
    Paper(commands::paper::PaperCommand),
    /// Models on encrypted values: a score that only the patient reads
    #[cfg(feature = "model")]
    #[command(subcommand)]
    Model(commands::model::ModelCommand),
    /// Make synthetic patients as FHIR R4 bundles
    Sample(commands::sample::Sample),
    /// Research on encrypted records: sites encrypt, a committee opens noisy answers
    #[command(subcommand)]
    Study(commands::study::StudyCommand),
    /// Federated sums and training: sites add up clipped vectors, a committee opens noisy sums
    #[command(subcommand)]
    Federate(commands::federate::FederateCommand),
    ///  Run the main job from end to end and report on it
    Tour(tour::Tour),
    /// Print the completions for a shell
    Completions(commands::shell::Completions),
    /// Write the man pages
    Man(commands::shell::Man),
}

/// The command line's own definition, for completions and man pages.
fn definition() -> clap::Command {
    Cli::command()
}

fn main() -> ExitCode {
    let cli = match definition().try_get_matches().and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap says which exit code is right.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let Cli { global, command } = cli;
    let outcome = match command {
        Command::Identity(c) => c.run(&global),
        Command::Authority(c) => c.run(&global),
        Command::Policy(c) => c.run(&global),
        Command::Seal(c) => c.run(&global),
        Command::Open(c) => c.run(&global),
        Command::Inspect(c) => c.run(&global),
        Command::Ring(c) => c.run(&global),
        Command::Log(c) => c.run(&global),
        Command::Budget(c) => c.run(&global),
        Command::Rewrap(c) => c.run(&global),
        Command::Zk(c) => c.run(&global),
        Command::Committee(c) => c.run(&global),
        Command::Recover(c) => c.run(&global),
        Command::Paper(c) => c.run(&global),
        #[cfg(feature = "model")]
        Command::Model(c) => c.run(&global),
        Command::Sample(c) => c.run(&global),
        Command::Study(c) => c.run(&global),
        Command::Federate(c) => c.run(&global),
        Command::Tour(c) => c.run(&global),
        Command::Completions(c) => c.run(),
        Command::Man(c) => c.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&global);
            ExitCode::from(failure.exit_code())
        }
    }
}
