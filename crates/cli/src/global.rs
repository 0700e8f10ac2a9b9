//! What every command has in common.

use clap::Args;
use mediveil_codec::Timestamp;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Options that stand before or after any command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Report in JSON, one object, for other programs
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Take this as the present, such as 2027-01-31T08:00:00Z, instead of the system's clock
    #[arg(long, global = true, value_name = "TIME", hide_short_help = true)]
    now: Option<Timestamp>,
}

impl Global {
    /// The present, as the caller or the system's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether to draw progress: on a terminal, unless something else was asked for.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Says what was done: as text on stderr, or as JSON. `taken` says that stdout carries data, so that JSON goes to
    /// stderr as well.
    pub(crate) fn report(&self, taken: bool, json: &Value, text: &str) {
        // A closed pipe is the reader's choice; there is nobody left to tell.
        let _ = if self.json {
            if taken { writeln!(std::io::stderr(), "{json}") } else { writeln!(std::io::stdout(), "{json}") }
        } else if self.quiet || text.is_empty() {
            Ok(())
        } else {
            writeln!(std::io::stderr(), "{text}")
        };
    }

    /// Prints an answer: what the command was asked for, on stdout in either form.
    pub(crate) fn answer(&self, json: &Value, text: &str) {
        let _ = if self.json {
            writeln!(std::io::stdout(), "{json:#}")
        } else {
            writeln!(std::io::stdout(), "{}", text.trim_end())
        };
    }
}
