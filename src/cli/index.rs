//! An index over runs, and the pages beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::page_file::PageFile;
use super::page_records::read_some;
use super::say_error;
use crate::error::Result;
use crate::outputs::{Outputs, Planned};
use crate::record::Record;
use crate::report::{ReportOptions, index, render};

/// Writes an index over runs and a page for each experiment beside it; whether all could be read, and how many pages.
pub(super) fn write_index(
    index_page: &PageFile,
    path: &Path,
    runs: &[PathBuf],
    overwrite: bool,
) -> Result<(bool, usize)> {
    let (records, errors) = read_some(runs)?;
    let mut experiments: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
    for record in &records {
        experiments.entry(&record.summary.experiment).or_default().push(record.clone());
    }
    let stem = file_name(&path.file_stem().unwrap_or_default().to_string_lossy());
    let folder = path.with_file_name(format!("{stem}-pages"));
    let name = |experiment: &str| format!("{}.html", file_name(experiment));
    let planned = experiments.keys().map(|experiment| Planned::named(name(experiment))).collect();
    let outputs = Outputs::folder(&folder, "pages of an index", planned, overwrite)?;
    let mut pages = BTreeMap::new();
    for (experiment, records) in &experiments {
        let options = index_page.options(String::new(), &[]);
        // A figure that is compared need not be one of each experiment.
        let options = ReportOptions { compare: Vec::new(), ..options };
        outputs.write(&name(experiment), render(records, &options)?.as_bytes())?;
        pages.insert(experiment.to_string(), format!("{stem}-pages/{}", name(experiment)));
    }
    let options = index_page.options(String::new(), &errors);
    index_page.put(&index(&records, &pages, &options)?)?;
    errors.iter().for_each(|(_, error)| say_error(error));
    Ok((errors.is_empty(), pages.len()))
}

/// A name as that of a file and a link: other than letters, digits, `-` and `_` become their bytes.
fn file_name(experiment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let written = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!(".{byte:02x}"),
    };
    experiment.bytes().map(written).collect()
}
