//! Downloads a file of which a checksum is known. Only `oncospec weights get` does so; runs never use the network.
//!
//! What has come lies in `NAME.part` beside its place, so that another attempt, or another command, goes on where one was
//! cut. The file gets its name once its checksum is right.

mod archive;
mod client;
mod part;

pub use archive::unpack;
pub use client::{Client, MIB};

use std::path::Path;
use std::thread::sleep;

use self::client::Ended;
use self::part::PartialFile;
use crate::error::{Error, Result};

/// Attempts in a row that bring nothing, after which a download ends.
const MOST_IDLE_ATTEMPTS: usize = 3;

/// What a server may send above the size that was expected; published sizes are rounded.
const SIZE_TOLERANCE: f64 = 1.01;

/// A file to be downloaded.
#[derive(Clone, Copy, Debug)]
pub struct Download<'a> {
    /// Where it is: `https://` or `http://`. From `https` no redirect leads to `http`.
    pub url: &'a str,
    /// SHA-256, or what it begins with, in hexadecimal digits.
    pub sha256: &'a str,
    /// Its size in MiB, of which a server may send one percent more.
    pub mib: f64,
}

/// A file that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Its whole SHA-256.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Bytes that were there from a download that was cut.
    pub resumed_from: u64,
}

impl Download<'_> {
    /// Downloads into a file that is not there yet; its folder is made.
    ///
    /// # Errors
    /// The user's, where the file is there; [`Error::Busy`] where another process downloads it. Else where the server
    /// refuses, sends too much or another file, or three attempts in a row bring nothing: what has come stays for the
    /// next time, unless it is the wrong file.
    pub fn into_file(&self, path: &Path, client: &Client) -> Result<Downloaded> {
        if path.exists() {
            return Err(Error::user(format!("{}: is there already", path.display())));
        }
        let mut part = PartialFile::open(path)?;
        if let Err(error) = self.fetch(&mut part, client) {
            if part.length() == 0 {
                part.remove()?;
            }
            return Err(error);
        }
        let mut sha256 = part.sha256()?;
        if !self.is_meant(&sha256) && part.kept() > 0 {
            // What lay there may be the beginning of another file.
            part.cut(0)?;
            self.fetch(&mut part, client)?;
            sha256 = part.sha256()?;
        }
        let (bytes, resumed_from) = (part.length(), part.kept());
        if !self.is_meant(&sha256) {
            part.remove()?;
            return Err(Error::failed(format!(
                "{}: not the file that was meant: its SHA-256 is {sha256}, which must begin with {}; {bytes} bytes were \
                 downloaded and removed",
                self.url, self.sha256
            )));
        }
        part.name(path)?;
        Ok(Downloaded { sha256, bytes, resumed_from })
    }

    fn is_meant(&self, sha256: &str) -> bool {
        sha256.starts_with(&self.sha256.to_ascii_lowercase())
    }

    /// Fetches what is missing, again where the connection breaks.
    fn fetch(&self, part: &mut PartialFile, client: &Client) -> Result<()> {
        let limit = (self.mib * MIB * SIZE_TOLERANCE) as u64;
        let mut idle = 0;
        loop {
            let before = part.length();
            let why = match client.fetch(self.url, part, limit) {
                Ok(()) => return Ok(()),
                Err(Ended::Refused(why)) => {
                    return Err(Error::failed(format!("{}: {why}", self.url)));
                }
                Err(Ended::Disk(error)) => return Err(error),
                Err(Ended::Cut(why)) => why,
            };
            idle = if part.length() > before { 0 } else { idle + 1 };
            if idle == MOST_IDLE_ATTEMPTS {
                let kept = match part.length() {
                    0 => String::new(),
                    length => format!(
                        "; {length} bytes are kept in {}, and the same command goes on from there",
                        part.path().display()
                    ),
                };
                return Err(Error::failed(format!(
                    "{}: {why}, {MOST_IDLE_ATTEMPTS} times in a row{kept}",
                    self.url
                )));
            }
            sleep(client.pause.saturating_mul(idle as u32));
        }
    }
}
