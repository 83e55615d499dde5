//! `oncospec report`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::browser::{chromium, print};
use super::run::stop_on_signal;
use super::{Output, OverwriteArgs, command_line};
use crate::error::{Error, Result};
use crate::inference::find_runs;
use crate::outputs::{OutputFile, Outputs, Planned, absolute, canonical};
use crate::record::{Record, RunDir, RunState};
use crate::report::{
    ReportOptions, Unreadable, check_templates, index, is_at_work, render, with_assets,
};
use crate::shell::shell;
use crate::spec::{Literature, literature};
use crate::text;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run directories, experiment folders, run ids or names of experiments.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// The page.
    #[arg(long, short, value_name = "FILE", default_value = "reports/report.html")]
    output: PathBuf,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
    /// Folder whose files replace the built-in templates of the same name.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Figures that are tested between runs, such as `dice.lesion,hd95.mean`; p is corrected for all of them. Without, the
    /// first headline figure.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    compare: Vec<String>,
    /// File of published figures, such as `experiments/literature/busi.toml`, that are shown beside the runs and ranked with
    /// those that share their protocol; may be repeated.
    #[arg(long, value_name = "FILE")]
    literature: Vec<PathBuf>,
    /// Write an index over all runs instead, with a page for each experiment beside it.
    #[arg(long, conflicts_with_all = ["assets", "pdf", "watch"])]
    index: bool,
    /// Leave out pictures and the names of cases and groups, which become numbers.
    #[arg(long)]
    redact: bool,
    /// Folder beside the page for its pictures, which are inside the page otherwise; both belong together.
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// Print the page to this file too, by a Chromium that is on the machine.
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// Write the page again whenever a run has got further, until all are finished; an open page loads itself again.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Seconds between two looks at runs that are watched.
const LOOK: u32 = 5;

/// Renders a report over any runs; 1 if one of them could not be read.
pub(super) fn execute(args: ReportArgs, output: Output) -> Result<u8> {
    let runs = find_runs(&args.runs, &args.root)?;
    let literature = args.literature.iter().map(|file| literature(file)).collect::<Result<_>>()?;
    let page = PageFile::new(&args.output, args.templates, args.overwrite.overwrite)?;
    let overwrite = args.overwrite.overwrite;
    let assets = args.assets.map(|folder| beside(&args.output, folder, overwrite)).transpose()?;
    let again_after = args.watch.then_some(LOOK);
    let (compare, redact) = (args.compare, args.redact);
    let page = PageFile { compare, literature, redact, assets, again_after, ..page };
    if args.index {
        let (whole, pages) = write_index(&page, &args.output, &runs, overwrite)?;
        output.say(format!("index: {}, with {pages} pages beside it", args.output.display()));
        return Ok(if whole { 0 } else { 1 });
    }
    let pdf = args.pdf.as_deref().map(|file| Pdf::new(file, overwrite)).transpose()?;
    let mut written = page.write(&runs, String::new())?;
    output.say(format!("report: {}", args.output.display()));
    if args.watch {
        written = watch(&page, &args.runs, &args.root, written)?;
    }
    if let Some(pdf) = pdf {
        pdf.print(&page.path())?;
        output.say(format!("printed: {}", pdf.file.path().display()));
    }
    Ok(if written.whole { 0 } else { 1 })
}

/// Writes an index over runs and a page for each experiment beside it; whether all could be read, and how many pages.
fn write_index(
    index_page: &PageFile,
    path: &Path,
    runs: &[PathBuf],
    overwrite: bool,
) -> Result<(bool, usize)> {
    let (records, errors) = read(runs);
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
    index_page.file.write(index(&records, &pages, &options)?.as_bytes())?;
    for (_, error) in &errors {
        crate::progress::print(&format!("error: {}", text::lines(&error.to_string())));
    }
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

/// A PDF of a page.
struct Pdf {
    file: OutputFile,
    chromium: String,
}

impl Pdf {
    /// Makes sure, before any work, that it can be printed.
    fn new(file: &Path, overwrite: bool) -> Result<Self> {
        Ok(Self { chromium: chromium()?, file: OutputFile::new(file, "a PDF", overwrite)? })
    }

    fn print(&self, page: &Path) -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io("temporary folder", "cannot create"))?;
        let printed = folder.path().join("page.pdf");
        print(&self.chromium, page, &printed)?;
        let bytes = crate::file::read(&printed).map_err(Error::io(&printed, "cannot read"))?;
        self.file.write(&bytes).map(|_| ())
    }
}

/// Writes a page again whenever a run has got further, until no run may still change, or someone asks to stop.
fn watch(page: &PageFile, names: &[String], root: &Path, mut written: Written) -> Result<Written> {
    let stop = stop_on_signal()?;
    let mut seen = progress(&written.records);
    while written.records.iter().any(is_at_work) && !stop.asked() {
        for _ in 0..10 * LOOK {
            std::thread::sleep(Duration::from_millis(100));
            if stop.asked() {
                return Ok(written);
            }
        }
        let runs = find_runs(names, root)?;
        let (records, _) = read(&runs);
        if progress(&records) != seen {
            written = page.write(&runs, String::new())?;
            seen = progress(&written.records);
        }
    }
    Ok(written)
}

/// How far runs came.
fn progress(records: &[Record]) -> Vec<(PathBuf, RunState, usize)> {
    let of = |record: &Record| (record.path.clone(), record.status.state, record.epochs.len());
    records.iter().map(of).collect()
}

/// A folder for the pictures of a page, with the path from the page to it.
#[derive(Debug)]
struct Assets {
    folder: PathBuf,
    from_page: String,
    /// Whether files may be replaced that oncospec did not write.
    overwrite: bool,
}

/// The folder of the pictures of a page, which must lie below the folder of the page: only then can both be moved.
fn beside(page: &Path, folder: PathBuf, overwrite: bool) -> Result<Assets> {
    let of_page = page.parent().filter(|parent| !parent.as_os_str().is_empty());
    let of_page = absolute(of_page.unwrap_or(Path::new(".")));
    let below = absolute(&folder).strip_prefix(&of_page).map(Path::to_path_buf);
    let below = below.ok().filter(|below| !below.as_os_str().is_empty());
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
    /// Figures that are tested between runs.
    compare: Vec<String>,
    /// Published figures.
    literature: Vec<Literature>,
    /// Whether pictures and names of cases are left out.
    redact: bool,
    /// Seconds after which the page loads itself again.
    again_after: Option<u32>,
    /// Where its pictures lie, if not inside it.
    assets: Option<Assets>,
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
        Ok(Self {
            file,
            templates,
            compare: Vec::new(),
            literature: Vec::new(),
            redact: false,
            again_after: None,
            assets: None,
        })
    }

    /// Renders it over run directories and writes it; without a title it has the experiments' names. Those that could not
    /// be read are named on standard error and on the page.
    ///
    /// # Errors
    /// If none can be read, or it cannot be written.
    pub(super) fn write(&self, runs: &[PathBuf], title: String) -> Result<Written> {
        let (records, mut errors) = read(runs);
        if records.is_empty() && !errors.is_empty() {
            return Err(errors.remove(0).1);
        }
        let options = self.options(title, &errors);
        let mut html = render(&records, &options)?;
        if let Some(Assets { folder, from_page, overwrite }) = &self.assets {
            let (page, assets) = with_assets(&html, from_page)?;
            let planned = assets.keys().map(Planned::named).collect();
            let outputs = Outputs::folder(folder, "pictures of a report", planned, *overwrite)?;
            for (name, bytes) in &assets {
                outputs.write(name, bytes)?;
            }
            html = page;
        }
        self.file.write(html.as_bytes())?;
        for (_, error) in &errors {
            crate::progress::print(&format!("error: {}", text::lines(&error.to_string())));
        }
        Ok(Written { records, whole: errors.is_empty() })
    }

    /// How it is rendered, with runs that could not be read.
    fn options(&self, title: String, errors: &[(PathBuf, Error)]) -> ReportOptions {
        let unreadable = errors.iter().map(|(path, error)| Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        });
        ReportOptions {
            title,
            command: shell(&command_line()),
            templates: self.templates.clone(),
            unreadable: unreadable.collect(),
            compare: self.compare.clone(),
            literature: self.literature.clone(),
            redact: self.redact,
            again_after: self.again_after,
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

/// The records of run directories, each run once, and those that cannot be read.
///
/// A copy of a run is no second run: the one in a folder of its own id is shown, with the readings of the test split that
/// its copies know of. Standard error names the others; the record of the one says where their words or bounds differ.
fn read(runs: &[PathBuf]) -> (Vec<Record>, Vec<(PathBuf, Error)>) {
    let (mut records, mut errors): (Vec<Record>, _) = (Vec::new(), Vec::new());
    for run in runs {
        match Record::read(run) {
            Ok(record) => match records.iter_mut().find(|other| is_copy(other, &record)) {
                Some(other) => leave_out_copy(other, record),
                None => records.push(record),
            },
            Err(error) => errors.push((run.clone(), error)),
        }
    }
    (records, errors)
}

/// Whether two run directories hold one run: an experiment's, of one id, with one set of weights.
fn is_copy(one: &Record, other: &Record) -> bool {
    let id =
        |record: &Record| (record.provenance.run_id.clone(), record.summary.experiment.clone());
    !one.provenance.run_id.is_empty() && id(one) == id(other) && weights(one) == weights(other)
}

/// SHA-256 of a run's best weights: as recorded when it finished, or those that it has so far.
fn weights(record: &Record) -> Option<String> {
    record.provenance.weights_sha256.clone().or_else(|| {
        let weights = RunDir::open_read(&record.path).and_then(|run| run.best_weights());
        weights.ok().map(|weights| weights.sha256)
    })
}

/// Keeps one of two copies of a run.
fn leave_out_copy(shown: &mut Record, mut copy: Record) {
    let has_own_name = |record: &Record| {
        let folder = canonical(&record.path);
        folder.file_name() == Some(record.provenance.run_id.as_ref())
    };
    if has_own_name(&copy) && !has_own_name(shown) {
        std::mem::swap(shown, &mut copy);
    }
    if canonical(&shown.path) == canonical(&copy.path) {
        return;
    }
    shown.add_readings(&copy);
    let said = format!(
        "{} is a copy of {}; it is left out",
        text::path(&copy.path),
        text::path(&shown.path)
    );
    let differs = (&copy.gates, &copy.spec, &copy.status.state)
        != (&shown.gates, &shown.spec, &shown.status.state);
    if differs {
        let fallen = copy.gates.iter().filter(|gate| !gate.held).count();
        let said =
            format!("{said}, and its spec, bounds or state are others ({fallen} gates fall there)");
        crate::progress::print(&format!("warning: {said}"));
        shown.summary.notes.push(said);
    } else {
        crate::progress::print(&format!("note: {said}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Gate, Reading, examples};
    use crate::spec::GateSpec;

    fn copy_folder(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy_folder(&entry.path(), &to),
                false => std::fs::copy(entry.path(), to).map(|_| ()).unwrap(),
            }
        }
    }

    /// Copies a run directory, with another bound.
    fn copy(run: &Record, to: &Path, at_least: f64) -> PathBuf {
        copy_folder(&run.path, to);
        let figure = &run.figures[0];
        let bound = GateSpec { at_least: Some(at_least), ..GateSpec::default() };
        let gate = Gate::judged(figure.full_name(), &bound, None, &run.figures);
        RunDir::open_write(to).unwrap().write(&vec![gate]).unwrap();
        to.to_path_buf()
    }

    #[test]
    fn of_copies_the_one_in_the_folder_of_its_id_is_shown_and_other_bounds_are_said() {
        let root = tempfile::tempdir().unwrap();
        let run = examples::busi(root.path(), "t", 0, 3, 40);
        let id = run.provenance.run_id.clone();
        let own = copy(&run, &root.path().join("own").join(&id), 1e9);
        let stale = copy(&run, &root.path().join("own/0backup"), -1e9);
        for order in [[&stale, &own], [&own, &stale]] {
            let (records, errors) = read(&order.map(PathBuf::clone));
            assert!(errors.is_empty() && records.len() == 1);
            assert_eq!(records[0].path, own);
            assert!(!records[0].gates[0].held);
            assert!(records[0].summary.notes.iter().any(|note| note.contains("0backup")));
        }
    }

    #[test]
    fn runs_of_one_id_are_two_where_the_experiment_or_the_weights_differ() {
        let root = tempfile::tempdir().unwrap();
        let one = examples::busi(root.path(), "t", 0, 3, 40);
        let change = |change: &dyn Fn(&mut Record)| {
            let mut other = one.clone();
            change(&mut other);
            is_copy(&one, &other)
        };
        assert!(change(&|other| other.path = "elsewhere".into()));
        assert!(!change(&|other| other.summary.experiment = "u".into()));
        assert!(!change(&|other| other.provenance.weights_sha256 = Some("other".into())));
        assert!(!change(&|other| other.provenance.run_id = "other".into()));
    }

    #[test]
    fn copies_of_an_unfinished_run_are_one() {
        let root = tempfile::tempdir().unwrap();
        let mut one = examples::interrupted(root.path());
        one.provenance.weights_sha256 = None;
        let other = Record { path: root.path().join("copy"), ..one.clone() };
        assert!(is_copy(&one, &other));
    }

    #[test]
    fn readings_that_a_copy_knows_of_count() {
        let root = tempfile::tempdir().unwrap();
        let run = examples::busi(root.path(), "t", 0, 3, 40);
        let elsewhere = copy(&run, &root.path().join("else").join(&run.provenance.run_id), 0.0);
        let made = &run.provenance;
        let reading =
            Reading::new((&made.run_id, 0), "again".into(), &made.data_fingerprint, &["a"]);
        RunDir::note_reading(&elsewhere, &reading).unwrap();
        let count = |order: [&PathBuf; 2]| {
            read(&order.map(PathBuf::clone)).0[0].readings.as_ref().map(Vec::len)
        };
        assert_eq!(count([&run.path, &elsewhere]), Some(2));
        assert_eq!(count([&elsewhere, &run.path]), Some(2));
    }
}
