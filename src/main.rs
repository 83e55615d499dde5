//! The `oncospec` command.

use std::process::ExitCode;

use clap::Parser;
use oncospec::cli::{Cli, execute, say_error};

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
