//! `oncospec explain`.

use clap::Args;

use super::print;
use crate::error::Result;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Key of a spec, such as `schedule.optimizer`; by default all keys.
    #[arg(default_value = "", hide_default_value = true)]
    key: String,
    /// Print all keys with types, defaults and documentation as one page in Markdown.
    #[arg(long, conflicts_with = "key")]
    markdown: bool,
}

/// Explains a key.
pub(super) fn execute(args: ExplainArgs) -> Result<u8> {
    if args.markdown {
        return print(&crate::spec::reference());
    }
    print(&crate::spec::explain(&args.key)?)
}
