//! The `oncospec` command.

use std::process::ExitCode;

use clap::Parser;
use oncospec::cli::{Cli, execute};
use oncospec::text;

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", text::lines(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}
