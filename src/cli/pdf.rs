//! A PDF of a page, printed by a Chromium that is on the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::outputs::{OutputFile, absolute};

/// A PDF of a page.
pub(super) struct Pdf {
    /// Where it lies.
    pub file: OutputFile,
    chromium: String,
}

impl Pdf {
    /// Makes sure, before any work, that it can be printed.
    ///
    /// # Errors
    /// The user's, if there is no Chromium, or the file cannot be written.
    pub(super) fn new(file: &Path, overwrite: bool) -> Result<Self> {
        Ok(Self { chromium: chromium()?, file: OutputFile::new(file, "a PDF", overwrite)? })
    }

    /// Prints the page.
    ///
    /// # Errors
    /// If Chromium ends with an error, or the file cannot be written.
    pub(super) fn print(&self, page: &Path) -> Result<()> {
        self.file.write_with(|printed| print(&self.chromium, page, printed)).map(|_| ())
    }
}

/// Names under which it may be installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The command of a Chromium: the environment variable `CHROMIUM`, or else one of its usual names.
///
/// # Errors
/// The user's, if there is none.
fn chromium() -> Result<String> {
    let own = std::env::var("CHROMIUM").ok().filter(|own| !own.is_empty());
    let names = own.into_iter().chain(NAMES.map(String::from));
    let runs = |name: &String| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    names.into_iter().find(runs).ok_or_else(|| {
        Error::user(format!(
            "no Chromium to print with: none of {} runs; install one, or name it in the environment variable CHROMIUM",
            NAMES.join(", ")
        ))
    })
}

/// Whether this process is root's.
#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Elsewhere nobody is.
#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Prints a page to a PDF file.
///
/// # Errors
/// If Chromium ends with an error, takes longer than 5 minutes, or writes nothing.
fn print(chromium: &str, page: &Path, pdf: &Path) -> Result<()> {
    let profile = tempfile::tempdir().map_err(Error::io("temporary folder", "cannot create"))?;
    let mut command = Command::new(chromium);
    command
        .args(["--headless=new", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--print-to-pdf={}", absolute(pdf).display()));
    // Chromium has no sandbox for root; the page loads nothing and its policy allows its own scripts alone.
    if is_root() {
        command.arg("--no-sandbox");
    }
    // A path, of which Chromium makes an address: in one of our own `#`, `?` and `%` would have a meaning.
    command.arg(absolute(page));
    let failed = |why: String| Error::failed(format!("{chromium}: {why}"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| failed(format!("cannot be run: {error}")))?;
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() && pdf.is_file() => return Ok(()),
            Ok(Some(status)) => {
                return Err(failed(format!("ended with {status} and wrote no PDF")));
            }
            Ok(None) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(100))
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("took longer than {} s", PATIENCE.as_secs())));
            }
            Err(error) => return Err(failed(format!("cannot be waited for: {error}"))),
        }
    }
}
