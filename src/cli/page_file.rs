//! A page that a command writes.

use std::path::{Component, Path, PathBuf};

use super::page_records::{Found, read_some};
use super::{command_line, say_error};
use crate::error::{Error, Result};
use crate::outputs::{OutputFile, Outputs, Planned, absolute};
use crate::record::Record;
use crate::report::{ReportOptions, Unreadable, check_templates, render, with_assets};
use crate::shell::shell;
use crate::spec::Literature;

/// What a page was written of.
pub(super) struct Written {
    /// The runs that could be read.
    pub records: Vec<Record>,
    /// Whether all of them could.
    pub whole: bool,
}

/// A page that is to be written.
#[derive(Debug)]
pub(super) struct PageFile {
    file: OutputFile,
    templates: Option<PathBuf>,
    shown: Shown,
}

/// What a page shows, and how.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Figures that are tested between runs.
    pub compare: Vec<String>,
    /// Published figures.
    pub literature: Vec<Literature>,
    /// Whether pictures and names of cases are left out.
    pub redact: bool,
    /// Seconds after which the page loads itself again.
    pub again_after: Option<u32>,
    /// Where its pictures lie, if not inside it.
    pub assets: Option<Assets>,
}

impl PageFile {
    /// Makes sure, before any work, that it can be rendered and written.
    ///
    /// # Errors
    /// If it cannot, or the templates are wrong.
    pub(super) fn new(path: &Path, templates: Option<PathBuf>, overwrite: bool) -> Result<Self> {
        if let Some(folder) = &templates {
            check_templates(folder)?;
        }
        let file = OutputFile::new(path, "a report", overwrite)?;
        Ok(Self { file, templates, shown: Shown::default() })
    }

    /// The same page, which shows something else.
    pub(super) fn with(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    /// Writes its bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn put(&self, html: &str) -> Result<()> {
        self.file.write(html.as_bytes()).map(|_| ())
    }

    /// Renders it over run directories and writes it; without a title it has the experiments' names. Those that could not
    /// be read are named on standard error and on the page.
    ///
    /// # Errors
    /// If none can be read, or it cannot be written.
    pub(super) fn write(&self, runs: &[PathBuf], title: String) -> Result<Written> {
        self.write_of(read_some(runs)?, title)
    }

    /// The same of records that have been read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write_of(&self, (records, errors): Found, title: String) -> Result<Written> {
        let options = self.options(title, &errors);
        let mut html = render(&records, &options)?;
        if let Some(Assets { folder, from_page, overwrite }) = &self.shown.assets {
            let (page, assets) = with_assets(&html, from_page)?;
            let planned = assets.keys().map(Planned::named).collect();
            let outputs = Outputs::folder(folder, "pictures of a report", planned, *overwrite)?;
            for (name, bytes) in &assets {
                outputs.write(name, bytes)?;
            }
            html = page;
        }
        self.put(&html)?;
        errors.iter().for_each(|(_, error)| say_error(error));
        Ok(Written { records, whole: errors.is_empty() })
    }

    /// How it is rendered, with runs that could not be read.
    pub(super) fn options(&self, title: String, errors: &[(PathBuf, Error)]) -> ReportOptions {
        let unreadable = errors.iter().map(|(path, error)| Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        });
        ReportOptions {
            title,
            command: shell(&command_line()),
            templates: self.templates.clone(),
            unreadable: unreadable.collect(),
            compare: self.shown.compare.clone(),
            literature: self.shown.literature.clone(),
            redact: self.shown.redact,
            again_after: self.shown.again_after,
        }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.file.path()
    }

    /// Whether it is the same file as another.
    pub(super) fn is(&self, other: &OutputFile) -> bool {
        self.file.is(other)
    }
}

/// A folder for the pictures of a page, with the path from the page to it.
#[derive(Debug)]
pub(super) struct Assets {
    folder: PathBuf,
    from_page: String,
    /// Whether files may be replaced that oncospec did not write.
    overwrite: bool,
}

/// The folder of the pictures of a page, which must lie below the folder of the page: only then can both be moved.
pub(super) fn beside(page: &Path, folder: PathBuf, overwrite: bool) -> Result<Assets> {
    let of_page = page.parent().filter(|parent| !parent.as_os_str().is_empty());
    let of_page = absolute(of_page.unwrap_or(Path::new(".")));
    let below = absolute(&folder).strip_prefix(&of_page).map(Path::to_path_buf);
    let is_below = |below: &PathBuf| {
        let mut parts = below.components().peekable();
        parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let below = below.ok().filter(is_below);
    let from_page = below.and_then(|below| below.to_str().map(str::to_owned));
    let plain = |path: &String| !path.contains(['"', '<', '>', '&', '%', '#', '?', '\\']);
    match from_page.filter(plain) {
        Some(from_page) => Ok(Assets { folder, from_page, overwrite }),
        None => Err(Error::user(format!(
            "--assets {}: name a folder below that of the page ({}), without `\"<>&%#?\\` in its name, so that both can be \
             moved together",
            folder.display(),
            of_page.display()
        ))),
    }
}
