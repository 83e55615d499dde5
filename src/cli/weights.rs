//! `oncospec weights`: the only command that uses the network.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Output, pretty, print};
use crate::digest::sha256_of_file;
use crate::download::{Client, Download, MIB, unpack};
use crate::error::{Error, Result};
use crate::model::{CatalogueEntry, WeightsName, fetched_weights};
use crate::spec::RunSpec;

/// How long to wait after an attempt that brought nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// Arguments of `weights`.
#[derive(Debug, Args)]
pub(super) struct WeightsArgs {
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Debug, Subcommand)]
enum WeightsCommand {
    /// List published weights by the names that specs give them: size, licence, checksum, URL, and where the file is.
    List,
    /// Download published weights and verify them. A download that was cut goes on where it ended.
    Get(GetArgs),
}

/// Arguments of `weights get`.
#[derive(Debug, Args)]
struct GetArgs {
    /// A name of `oncospec weights list`.
    #[arg(value_name = "NAME", hide_possible_values = true)]
    name: WeightsName,
    /// Folder for the file, such as that of `run.weights`; by default `oncospec/weights` in the user's cache folder, where
    /// runs look too.
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Download URL/FILE in place of the publisher's; it is verified in the same way.
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Seconds without a byte after which the connection counts as broken.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// Published weights, and where their file is.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    file: &'static str,
    mib: f64,
    licence: &'static str,
    /// The whole SHA-256, or the digits that its publisher states.
    sha256: &'static str,
    url: &'static str,
    path: Option<PathBuf>,
}

/// Weights that are on disk and have their checksum.
#[derive(Debug, Serialize)]
struct Got {
    name: String,
    path: PathBuf,
    /// The whole SHA-256 of the file.
    sha256: String,
    /// The digits of it that its publisher states, and which were compared.
    verified: &'static str,
    bytes: u64,
    /// Bytes that came now; none where the file was there.
    downloaded_bytes: u64,
}

/// Lists or downloads published weights.
pub(super) fn execute(args: WeightsArgs, output: Output) -> Result<u8> {
    match args.command {
        WeightsCommand::List => list(output),
        WeightsCommand::Get(args) => {
            let got = get(&args, output)?;
            if output.json { print(&pretty(&got)?) } else { Ok(0) }
        }
    }
}

fn list(output: Output) -> Result<u8> {
    let folder = RunSpec::default().weights;
    let listed = WeightsName::all().iter().map(|name| {
        let CatalogueEntry { file, sha256, licence, url, mib, .. } = name.entry();
        let path = Some(name.entry().found(Path::new(&folder))).filter(|path| path.is_file());
        Listed { name: name.name(), file, mib, licence, sha256, url, path }
    });
    let listed: Vec<Listed> = listed.collect();
    if output.json {
        return print(&pretty(&listed)?);
    }
    let mut text = String::new();
    for Listed { name, mib, licence, sha256, url, path, .. } in &listed {
        let place = path.as_ref().map_or("not here".into(), |path| path.display().to_string());
        let _ = writeln!(text, "{name:28} {mib:6.1} MiB  {licence:24}  {place}");
        let _ = writeln!(text, "    {url}\n    SHA-256 {}", digits(sha256));
    }
    print(&text)
}

/// A checksum, or the digits of it that are known.
fn digits(sha256: &str) -> String {
    match sha256.len() {
        64 => sha256.to_string(),
        known => format!("{sha256}.. ({known} digits, all that its publisher states)"),
    }
}

fn get(args: &GetArgs, output: Output) -> Result<Got> {
    let (name, entry) = (args.name.name(), args.name.entry());
    let folder = args.out.clone().or_else(fetched_weights).ok_or_else(|| {
        Error::user(
            "neither XDG_CACHE_HOME nor HOME names a folder: say with --out where the file belongs",
        )
    })?;
    let path = folder.join(entry.file);
    if path.exists() {
        let got = there(name, &entry, path)?;
        output.say(format!(
            "{}: is there already; its SHA-256 is {}",
            got.path.display(),
            got.sha256
        ));
        return Ok(got);
    }
    let url = match &args.mirror {
        None => entry.url.to_string(),
        Some(mirror) => mirrored(mirror, entry.url)?,
    };
    output.say(format!(
        "{name}: {url}\n  {:.1} MiB; {}; SHA-256 {}\n  to {}",
        entry.mib,
        entry.licence,
        digits(entry.sha256),
        path.display()
    ));
    let client = Client { patience: Duration::from_secs(args.timeout), pause: PAUSE };
    let got = fetch(name, &entry, &url, path, &client)?;
    output.say(format!("{}: SHA-256 {}, as it must be", got.path.display(), got.sha256));
    Ok(got)
}

/// A file that lies where it would be downloaded to.
fn there(name: String, entry: &CatalogueEntry, path: PathBuf) -> Result<Got> {
    let sha256 = sha256_of_file(&path)?;
    if !sha256.starts_with(entry.sha256) {
        return Err(Error::user(format!(
            "{}: is there and is another file: its SHA-256 is {sha256}, which must begin with {}: remove it, or name \
             another folder with --out",
            path.display(),
            entry.sha256
        )));
    }
    let bytes = path.metadata().map_err(Error::io(&path, "cannot read"))?.len();
    Ok(Got { name, path, sha256, verified: entry.sha256, bytes, downloaded_bytes: 0 })
}

/// URL of the same file on another server.
fn mirrored(mirror: &str, url: &str) -> Result<String> {
    if !mirror.starts_with("http://") && !mirror.starts_with("https://") {
        return Err(Error::user(format!("--mirror {mirror}: must begin with https:// or http://")));
    }
    let file = url.rsplit('/').next().unwrap_or_default();
    Ok(format!("{}/{file}", mirror.trim_end_matches('/')))
}

fn fetch(
    name: String,
    entry: &CatalogueEntry,
    url: &str,
    path: PathBuf,
    client: &Client,
) -> Result<Got> {
    let download = |sha256| Download { url, sha256, mib: entry.mib };
    let verified = entry.sha256;
    let Some(archive) = entry.archive else {
        let done = download(entry.sha256).into_file(&path, client)?;
        let downloaded_bytes = done.bytes - done.resumed_from;
        let sha256 = done.sha256;
        return Ok(Got { name, path, sha256, verified, bytes: done.bytes, downloaded_bytes });
    };
    // Beside the file, and gone once that is taken out of it; a killed command may have left it.
    let packed = path.with_extension("archive");
    let downloaded_bytes = match packed.exists() {
        true => 0,
        false => {
            let done = download(archive.sha256).into_file(&packed, client)?;
            done.bytes - done.resumed_from
        }
    };
    // Numbers of weights are hardly shorter when they are compressed.
    let limit = (2.0 * entry.mib * MIB) as u64;
    let unpacked = unpack(&packed, archive.member, (entry.sha256, limit), &path);
    std::fs::remove_file(&packed).map_err(Error::io(&packed, "cannot remove"))?;
    let (sha256, bytes) = unpacked?;
    Ok(Got { name, path, sha256, verified, bytes, downloaded_bytes })
}
