//! The `oncospec` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use oncospec::cli::{Cli, execute};
use oncospec::text;

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Where nobody reads it, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {}", text::lines(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}
