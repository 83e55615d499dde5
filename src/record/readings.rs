//! `test-readings.json` and the ledger: how often predictions on a test split were scored.
//!
//! `runs/<experiment>/test-readings.jsonl` has a line for each reading, appended before the split is read. It lies
//! beside the run directories, so that it outlives runs that are made again, killed or removed. Each run keeps a copy,
//! `test-readings.json`, which moves with it; the readings of both count.
//!
//! So that a run among many need not read what all others keep, who writes a copy brings into the ledger what it and those
//! beside it have, and notes in `test-readings.seen` that they were seen. A copy that changes, or comes from elsewhere, is
//! read. The file may be removed at any time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::artefact::{Artefact, find, json_file};
use super::files;
use super::status::now;
use crate::digest::{Hasher, sha256};
use crate::error::{Error, Result};

/// Name of the ledger in the folder of an experiment.
const LEDGER: &str = "test-readings.jsonl";
/// Name of the file beside it that says which copies have nothing that the ledger has not.
const SEEN: &str = "test-readings.seen";
/// How often a line is appended that is not there afterwards.
const APPENDS: usize = 10;

/// One scoring of predictions on a test split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Reading {
    /// When, RFC 3339.
    pub when: String,
    /// Id of the run whose weights predicted.
    pub run_id: String,
    /// Its seed.
    pub seed: u32,
    /// The command line.
    pub command: String,
    /// Fingerprint of the data.
    pub data: String,
    /// How many cases were read.
    pub cases: usize,
    /// SHA-256 of their names.
    pub cases_sha256: String,
    /// Twelve digits of the SHA-256 of each name; a reading of an earlier version has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_digests: Vec<String>,
    /// Twelve digits of the SHA-256 of the pixels of each, which tell a case in other data; empty where they were not read
    /// and in earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_pixels: Vec<String>,
    /// Tells it from others of the same second; empty in earlier versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The experiment; empty in earlier versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub experiment: String,
    /// Seed of the division into folds, where the spec asks for several divisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division: Option<u32>,
    /// The epoch after which it was made, where test chooses the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Whether it is of the average of the runs of several seeds, of which `seed` is the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub average: bool,
}

/// Whose readings are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ReadingKey<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// Id of the run.
    pub run_id: &'a str,
    /// Fingerprint of its data.
    pub data: &'a str,
}

json_file!(Vec<Reading>, "test-readings.json");

impl Reading {
    /// A reading of these cases, made now.
    pub fn new(run: (&str, u32), command: String, data: &str, cases: &[&str]) -> Self {
        Self {
            when: now(),
            run_id: run.0.into(),
            seed: run.1,
            command,
            data: data.into(),
            cases: cases.len(),
            cases_sha256: names_digest(cases),
            case_digests: cases.iter().map(|name| sha256(name)[..12].to_string()).collect(),
            case_pixels: Vec::new(),
            id: unique(),
            experiment: String::new(),
            division: None,
            epoch: None,
            average: false,
        }
    }

    /// The same reading, made now after an epoch.
    pub fn of_epoch(&self, epoch: u32) -> Self {
        Self { when: now(), id: unique(), epoch: Some(epoch), ..self.clone() }
    }

    /// The same, by a run of an experiment, of cases with these SHA-256 of pixels.
    pub fn in_experiment(self, experiment: &str, pixels: &[String]) -> Self {
        let case_pixels = pixels.iter().map(|digest| digest.chars().take(12).collect()).collect();
        Self { experiment: experiment.into(), case_pixels, ..self }
    }

    /// What tells it from others: one of an earlier version is told by all that it says.
    fn identity(&self) -> String {
        match self.id.as_str() {
            "" => serde_json::to_string(self).unwrap_or_default(),
            id => id.into(),
        }
    }

    /// Whether the ledger of any folder can hold it: a reading of an earlier version is of the experiment of its folder, and
    /// one that two processes add at once would count twice.
    fn is_of_any_folder(&self) -> bool {
        !self.id.is_empty() && !self.experiment.is_empty()
    }

    /// Whose reading it is.
    pub(super) fn key(&self) -> ReadingKey<'_> {
        ReadingKey { experiment: &self.experiment, run_id: &self.run_id, data: &self.data }
    }
}

/// Twelve digits that no other reading has, by this process or another.
fn unique() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    sha256(format!("{} {since} {made}", std::process::id()))[..12].to_string()
}

/// A digest of the names of cases, in any order.
fn names_digest(cases: &[&str]) -> String {
    let mut names = cases.to_vec();
    names.sort_unstable();
    let mut digest = Hasher::new(b"");
    names.into_iter().for_each(|name| digest.text(name));
    digest.finish()
}

fn ledger(run: &Path) -> PathBuf {
    experiment_of(run).join(LEDGER)
}

/// The folder of a run's experiment. A run directory that is a link belongs where the link is.
fn experiment_of(run: &Path) -> PathBuf {
    let named = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
    // A path such as `..` does not name the folder above it.
    let named = match named.components().next_back() {
        Some(Component::Normal(_)) => named,
        _ => named.canonicalize().unwrap_or(named),
    };
    let folder = named.parent().unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

/// Notes a reading of the test split by a run, by its directory, before it is made.
///
/// # Errors
/// If the ledger cannot be written; the split must not be read then.
pub fn note_reading(run: &Path, reading: &Reading) -> Result<()> {
    add_to_ledger(&ledger(run), std::slice::from_ref(&reading))
}

/// Appends a line for each reading to a ledger, all at once.
fn add_to_ledger(path: &Path, readings: &[&Reading]) -> Result<()> {
    let lines = readings.iter().map(serde_json::to_string);
    let lines = lines.collect::<serde_json::Result<Vec<String>>>();
    let text =
        lines.map_err(|error| Error::failed(format!("{}: {error}", path.display())))?.join("\n");
    // Lines of processes of one machine do not mix, as each is one write to a file opened to append. On NFS that of another
    // machine may have taken its place.
    for _ in 0..APPENDS {
        let before = append(path, &text).map_err(|error| files::cannot_write(path, error))?;
        if tail(path, before).is_ok_and(|added| added.contains(&format!("{text}\n"))) {
            return Ok(());
        }
    }
    Err(Error::failed(format!(
        "{}: a line that was written is not there: other machines write the file at the same moment; run again with --resume",
        path.display()
    )))
}

/// Appends lines to a file and gives its length before; a line that a killed process left half written ends before them.
fn append(path: &Path, lines: &str) -> std::io::Result<u64> {
    let mut file = crate::file::open_in_place(path, OpenOptions::new().append(true).read(true))?;
    let before = file.metadata()?.len();
    let mut last = [b'\n'];
    if before > 0 {
        file.seek(SeekFrom::Start(before - 1))?;
        file.read_exact(&mut last)?;
    }
    let lines = format!("{}{lines}\n", if last == [b'\n'] { "" } else { "\n" });
    file.write_all(lines.as_bytes())?;
    file.sync_data()?;
    Ok(before)
}

/// What a file holds from a place on.
fn tail(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = crate::file::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The readings of the test split of a run by any run of its experiment: those in the ledger, and those that it and the
/// runs beside it have kept; `None` where nothing was counted.
///
/// A line that cannot be read counts as a reading of these data.
///
/// # Errors
/// If the ledger or the run's copy is there and cannot be read.
pub(super) fn readings(run: &Path, key: &ReadingKey) -> Result<Option<Vec<Reading>>> {
    let there = There::read(run)?;
    let counted = there.are_counted();
    let found = there.of_run(key);
    Ok((counted || !found.is_empty()).then_some(found))
}

/// Brings the readings that a run and those beside it have kept into the ledger, and gives those of the run to `write`, with
/// what it has kept before; nothing where none was counted.
///
/// # Errors
/// As [`readings`], and if the ledger or the copy cannot be written.
pub(super) fn keep(
    run: &Path,
    key: &ReadingKey,
    write: impl FnOnce(&Vec<Reading>) -> Result<()>,
) -> Result<()> {
    let there = There::read(run)?;
    let mut inside: HashSet<String> = there.ledger.iter().map(Reading::identity).collect();
    let copies = there.beside.iter().map(|copy| &copy.readings).chain(&there.kept);
    let new = copies.flatten().filter(|one| one.is_of_any_folder());
    let new: Vec<&Reading> = new.filter(|one| inside.insert(one.identity())).collect();
    if !new.is_empty() {
        add_to_ledger(&ledger(run), &new)?;
    }
    let is_inside = |copy: &[Reading]| copy.iter().all(|one| inside.contains(&one.identity()));
    let beside = there.beside.iter().filter(|copy| is_inside(&copy.readings));
    let mut seen: Vec<String> = beside.map(|copy| copy.state.clone()).collect();
    let (counted, kept) = (there.are_counted(), there.kept.clone().unwrap_or_default());
    let of_run = there.of_run(key);
    if counted || !of_run.is_empty() {
        let copy = united([kept, of_run]);
        write(&copy)?;
        seen.extend(state_of(run).filter(|_| is_inside(&copy)));
    }
    // What is not noted is read again.
    let _ = note_seen(run, &seen);
    Ok(())
}

/// What a run finds of readings: the ledger, its own copy, and the copies beside it that the ledger is not known to hold.
struct There {
    experiment: PathBuf,
    /// All lines of the ledger; none where there is no ledger.
    ledger: Vec<Reading>,
    kept: Option<Vec<Reading>>,
    beside: Vec<Copied>,
}

/// What a run beside has kept.
struct Copied {
    /// Of the file, before it was read.
    state: String,
    readings: Vec<Reading>,
}

impl There {
    /// Copies that are damaged are left out, and named where their run is read.
    ///
    /// # Errors
    /// If the ledger or the run's copy is there and cannot be read.
    fn read(run: &Path) -> Result<Self> {
        let experiment = experiment_of(run);
        let bytes = files::read(&experiment.join(LEDGER))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let ledger = lines.map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
        let seen = seen(&experiment, &beginning(&text), bytes.len() as u64);
        let kept = find::<Vec<Reading>>(run)?;
        let mut beside = Vec::new();
        for entry in fs::read_dir(&experiment).into_iter().flatten().flatten() {
            let other = entry.path();
            if Some(entry.file_name().as_os_str()) == run.file_name() {
                continue;
            }
            let Some(state) = state_of(&other).filter(|state| !seen.contains(state)) else {
                continue;
            };
            let file = other.join(Vec::<Reading>::FILE);
            let Ok(Some(bytes)) = files::read(&file) else { continue };
            if let Ok(readings) = Vec::<Reading>::from_bytes(bytes, &file) {
                beside.push(Copied { state, readings });
            }
        }
        Ok(Self { experiment, ledger, kept, beside })
    }

    fn are_counted(&self) -> bool {
        !self.ledger.is_empty() || self.kept.is_some()
    }

    /// All of them that are of a run.
    fn of_run(self, key: &ReadingKey) -> Vec<Reading> {
        // A reading of an earlier version has no experiment but the folder's.
        let is_named = self.experiment.file_name() == Some(key.experiment.as_ref());
        let beside = self.beside.into_iter().map(|mut copy| {
            copy.readings.retain(|reading| is_named || !reading.experiment.is_empty());
            copy.readings
        });
        let own = [self.ledger, self.kept.unwrap_or_default()];
        of_run(united(own.into_iter().chain(beside)), key)
    }
}

/// Twelve digits of the SHA-256 of the first line of a ledger, which tell it from one that took its place.
fn beginning(ledger: &str) -> String {
    sha256(ledger.lines().next().unwrap_or_default())[..12].into()
}

/// The states of the copies that have nothing which a ledger of this beginning and length has not.
fn seen(experiment: &Path, beginning: &str, length: u64) -> HashSet<String> {
    let text = crate::file::read_to_string(experiment.join(SEEN)).unwrap_or_default();
    let of_this = |line: &str| {
        let (of, rest) = line.split_once(' ')?;
        let (least, state) = rest.split_once(' ')?;
        let is_of_this = of == beginning && least.parse::<u64>().ok()? <= length;
        is_of_this.then(|| state.to_string())
    };
    text.lines().filter_map(of_this).collect()
}

/// Notes that the ledger of a run's experiment holds all that copies of these states have.
fn note_seen(run: &Path, states: &[String]) -> std::io::Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    let mut first = String::new();
    let ledger = crate::file::open(ledger(run))?;
    let length = ledger.metadata()?.len();
    BufReader::new(ledger).read_line(&mut first)?;
    let beginning = beginning(&first);
    let lines = states.iter().map(|state| format!("{beginning} {length} {state}"));
    let lines: Vec<String> = lines.collect();
    append(&experiment_of(run).join(SEEN), &lines.join("\n")).map(|_| ())
}

/// What tells the copy of a run from what it was before and will be later: its length, its time and the name of the run;
/// `None` where there is none. A name of several lines is that of no run.
fn state_of(run: &Path) -> Option<String> {
    let found = fs::metadata(run.join(Vec::<Reading>::FILE)).ok()?;
    let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = run.file_name()?.to_string_lossy();
    Some(format!("{} {} {name}", found.len(), changed.as_nanos()))
}

/// Readings by the experiment of a run, of its data or of images that it read itself; readings of unknown data count.
pub(super) fn of_run(all: Vec<Reading>, key: &ReadingKey) -> Vec<Reading> {
    let own = all.iter().filter(|reading| reading.run_id == key.run_id);
    let own: BTreeSet<String> = own.flat_map(|reading| reading.case_pixels.clone()).collect();
    let is_of_run = |reading: &Reading| {
        let same_data = reading.data.is_empty() || reading.data == key.data;
        let same_images = reading.case_pixels.iter().any(|pixels| own.contains(pixels));
        let same_experiment = reading.experiment.is_empty() || reading.experiment == key.experiment;
        same_experiment && (same_data || same_images)
    };
    all.into_iter().filter(is_of_run).collect()
}

/// The union of lists: a reading in several counts once, one of an earlier version that a list has twice was made twice.
pub(super) fn united(lists: impl IntoIterator<Item = Vec<Reading>>) -> Vec<Reading> {
    let mut all = Vec::new();
    let mut counted: HashMap<String, usize> = HashMap::new();
    for list in lists {
        let mut in_list: HashMap<String, usize> = HashMap::new();
        for reading in list {
            let identity = reading.identity();
            let again = in_list.entry(identity.clone()).or_default();
            *again += usize::from(*again == 0 || reading.id.is_empty());
            let before = counted.entry(identity).or_default();
            if *again > *before {
                *before = *again;
                all.push(reading);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::RunDir;
    use super::*;

    const KEY: ReadingKey = ReadingKey { experiment: "m", run_id: "0123", data: "x" };

    fn reading(run: &str, data: &str) -> Reading {
        Reading::new((run, 3), "oncospec run a.toml".into(), data, &["b", "a"])
    }

    #[test]
    fn readings_are_added_and_those_of_other_data_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a/0123");
        fs::create_dir_all(&run).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap(), None);
        for (id, data) in [("0123", "x"), ("4567", "y"), ("89ab", "x")] {
            note_reading(&run, &reading(id, data)).unwrap();
        }
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!(
            found.iter().map(|one| one.run_id.as_str()).collect::<Vec<_>>(),
            ["0123", "89ab"]
        );
        assert_eq!((found[0].cases, found[0].seed), (2, 3));
        assert_eq!(found[0].cases_sha256, names_digest(&["a", "b"]));
        // The run is removed; its readings stay.
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap(), found);
    }

    #[test]
    fn a_run_that_is_moved_takes_its_readings_along_and_those_of_its_new_place_are_added() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("m/0123"), root.path().join("else/0123"));
        let count = |run: &Path| readings(run, &KEY).unwrap().map(|found| found.len());
        let run = RunDir::open_write(&old).unwrap();
        note_reading(&old, &reading("0123", "x")).unwrap();
        run.write_readings(&KEY).unwrap();
        drop(run);
        for _ in 0..2 {
            RunDir::note_reading(&old, &reading("0123", "x")).unwrap();
        }
        assert_eq!(count(&old), Some(3));
        fs::create_dir_all(root.path().join("else")).unwrap();
        fs::rename(&old, &new).unwrap();
        assert_eq!(count(&new), Some(3));
        // A ledger of other data lies in the new place.
        note_reading(&new, &reading("4567", "y")).unwrap();
        assert_eq!(count(&new), Some(3));
        RunDir::note_reading(&new, &reading("0123", "x")).unwrap();
        assert_eq!(count(&new), Some(4));
        // What replaces the run has them too.
        let again = RunDir::open_write(RunDir::again(&new)).unwrap();
        fs::remove_file(root.path().join("else").join(LEDGER)).unwrap();
        again.replace(&new).unwrap();
        assert_eq!(count(&new), Some(4));
    }

    #[test]
    fn a_line_cut_short_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("0123");
        fs::write(folder.path().join(LEDGER), "{\"when\": \"20").unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 1);
        note_reading(&run, &reading("4567", "x")).unwrap();
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!((found.len(), found[1].run_id.as_str()), (2, "4567"));
    }

    #[test]
    fn readings_of_many_at_once_are_all_counted() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("0123");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope
                    .spawn(|| (0..5).for_each(|_| note_reading(&run, &reading("0", "x")).unwrap()));
            }
        });
        let found = readings(&run, &KEY).unwrap().unwrap();
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|one| one.run_id == "0"));
    }

    fn of(experiment: &str, run: &str, data: &str, pixels: &[&str]) -> Reading {
        let pixels: Vec<String> = pixels.iter().map(|one| (*one).to_string()).collect();
        reading(run, data).in_experiment(experiment, &pixels)
    }

    #[test]
    fn readings_of_other_experiments_do_not_count_and_those_of_the_same_images_do() {
        let all = [
            of("m", "0123", "x", &["p", "q"]),
            of("m", "4567", "one image more", &["q", "r"]),
            of("m", "89ab", "others", &["r"]),
            of("u", "cdef", "x", &["p"]),
            reading("of an earlier version", "x"),
        ];
        let found = of_run(all.to_vec(), &KEY);
        assert_eq!(found, [0, 1, 4].map(|index: usize| all[index].clone()));
    }

    #[test]
    fn what_runs_beside_have_kept_counts_where_the_ledger_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let [run, other] = ["0123", "4567"].map(|id| root.path().join("m").join(id));
        for (path, id) in [(&run, "0123"), (&other, "4567")] {
            drop(RunDir::open_write(path).unwrap());
            RunDir::note_reading(path, &of("m", id, "x", &[])).unwrap();
        }
        fs::remove_file(root.path().join("m").join(LEDGER)).unwrap();
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 2);
        // In a folder of several experiments those of others do not count.
        fs::rename(root.path().join("m"), root.path().join("else")).unwrap();
        RunDir::note_reading(&root.path().join("else/4567"), &of("u", "4567", "x", &[])).unwrap();
        assert_eq!(readings(&root.path().join("else/0123"), &KEY).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn a_reading_that_another_process_has_kept_already_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("m/0123");
        drop(RunDir::open_write(&run).unwrap());
        // Two are noted before either is kept.
        note_reading(&run, &of("m", "0123", "x", &["p"])).unwrap();
        RunDir::note_reading(&run, &of("m", "0123", "x", &["q"])).unwrap();
        for _ in 0..2 {
            RunDir::note_reading(&run, &of("m", "0123", "x", &["r"])).unwrap();
        }
        assert_eq!(readings(&run, &KEY).unwrap().unwrap().len(), 4);
        assert_eq!(find::<Vec<Reading>>(&run).unwrap().unwrap().len(), 4);
    }

    #[test]
    fn copies_that_the_ledger_holds_are_not_read_again_until_they_change_or_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let [run, other] = ["0123", "4567"].map(|id| root.path().join("m").join(id));
        let elsewhere = root.path().join("else/4567");
        let score = |path: &Path, id: &str| {
            drop(RunDir::open_write(path).unwrap());
            RunDir::note_reading(path, &of("m", id, "x", &[])).unwrap();
        };
        let beside = || There::read(&run).unwrap().beside.len();
        let count = || readings(&run, &KEY).unwrap().unwrap().len();
        score(&run, "0123");
        score(&other, "4567");
        assert_eq!((beside(), count()), (0, 2));
        // Moved away, scored there, and moved back.
        fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
        fs::rename(&other, &elsewhere).unwrap();
        score(&elsewhere, "4567");
        fs::rename(&elsewhere, &other).unwrap();
        assert_eq!((beside(), count()), (1, 3));
        // Whoever writes next brings it into the ledger, which outlives the run.
        RunDir::open_write(&run).unwrap().write_readings(&KEY).unwrap();
        assert_eq!((beside(), count()), (0, 3));
        fs::remove_dir_all(&other).unwrap();
        assert_eq!(count(), 3);
        score(&other, "4567");
        fs::remove_file(root.path().join("m").join(LEDGER)).unwrap();
        assert_eq!((beside(), count()), (1, 4));
    }

    #[test]
    #[cfg(unix)]
    fn a_run_directory_that_is_a_link_belongs_to_the_experiment_that_links_it() {
        let root = tempfile::tempdir().unwrap();
        let (big, link) = (root.path().join("big/0123"), root.path().join("m/0123"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        drop(RunDir::open_write(&big).unwrap());
        std::os::unix::fs::symlink(&big, &link).unwrap();
        RunDir::note_reading(&link, &of("m", "0123", "x", &[])).unwrap();
        assert!(root.path().join("m").join(LEDGER).exists());
        assert!(!root.path().join("big").join(LEDGER).exists());
    }
}
