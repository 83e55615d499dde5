use std::fs;
use std::path::Path;

use super::last::Last;
use super::*;
use crate::error::Error;
use crate::spec::GateSpec;
use crate::split_name::SplitName;
use crate::testing::fixture;

fn open(root: &Path) -> RunDir {
    RunDir::create(root, "demo", "0a1b2c").unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn every_file_reads_back_as_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let written = examples::overfitting(root.path());
    let read = Record::read(&written.path).unwrap();
    let stamped = Status { updated: read.status.updated.clone(), ..written.status.clone() };
    assert!(humantime::parse_rfc3339(&read.status.updated).is_ok());
    assert_eq!(read, Record { status: stamped, ..written });
    assert!(!read.cases.is_empty() && !read.pictures.is_empty() && !read.layers.is_empty());
}

#[test]
fn names_with_unicode_spaces_and_markup_read_back() {
    let root = tempfile::tempdir().unwrap();
    let written = examples::multi_class(root.path());
    let read = Record::read(&written.path).unwrap();
    assert_eq!(read.split, written.split);
    assert!(read.cases.iter().any(|row| row.case.contains("<b>") && row.case.contains('é')));
}

#[test]
fn a_run_that_has_only_begun_reads_as_empty_tables() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    let record = Record::read(run.path()).unwrap();
    assert_eq!(record, Record { path: run.path().to_path_buf(), ..Default::default() });
}

#[test]
fn undefined_figures_stay_undefined() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    let nan = Figure {
        split: SplitName::Test,
        name: "hd95.mean".into(),
        value: f64::NAN,
        ..Default::default()
    };
    run.write(&vec![nan]).unwrap();
    run.write_status(&Status::default()).unwrap();
    let figures = [("loss".to_owned(), f64::NAN), ("dice.mean".to_owned(), 0.5)].into();
    let row = EpochRow { epoch: 1, split: SplitName::Train, learning_rate: 1e-3, figures };
    let other = EpochRow { figures: [("loss".to_owned(), 1.0)].into(), ..row.clone() };
    run.write(&vec![row, other]).unwrap();
    let record = Record::read(run.path()).unwrap();
    assert!(record.figures[0].value.is_nan());
    assert!(record.epochs[0].figures["loss"].is_nan());
    assert_eq!(record.epochs[1].figures.get("dice.mean"), None);
}

#[test]
fn equal_epochs_make_equal_bytes() {
    let root = tempfile::tempdir().unwrap();
    let record = examples::overfitting(root.path());
    let file = record.path.join("epochs.parquet");
    let first = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    RunDir::open_write(&record.path).unwrap().write(&record.epochs).unwrap();
    assert_eq!(fs::read(&file).unwrap(), first);
}

#[test]
fn a_second_writer_is_told_who_holds_the_run() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path());
    let error = RunDir::create(root.path(), "demo", "0a1b2c").unwrap_err();
    let process = format!("process {} is working on this run", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    assert_eq!(error.exit_code(), 2);
    assert!(Record::read(first.path()).is_ok(), "reading needs no lock");
    drop(first);
    assert!(RunDir::create(root.path(), "demo", "0a1b2c").is_ok());
}

#[test]
fn a_running_run_that_no_process_holds_was_interrupted() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    let status = Status { state: RunState::Running, epoch: 1, epochs: 3, ..Default::default() };
    run.write_status(&status).unwrap();
    assert_eq!(Record::read(run.path()).unwrap().status.state, RunState::Running);
    let path = run.path().to_path_buf();
    drop(run);
    let status = Record::read(path).unwrap().status;
    assert_eq!((status.state, status.epoch), (RunState::Interrupted, 1));
    assert!(status.why.unwrap().contains("without a word"));
}

#[test]
fn a_finished_run_is_there_whenever_the_one_that_replaces_it_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let experiment = root.path().join("runs/demo");
    let old = experiment.join("0a1b2c");
    let finished = |path: &Path, notes: &str| {
        let run = RunDir::open_write(path).unwrap();
        run.write_spec(notes).unwrap();
        let status =
            Status { state: RunState::Finished, epoch: 3, epochs: 3, ..Default::default() };
        run.write_status(&status).unwrap();
        run
    };
    drop(finished(&old, "the old one"));
    let new = finished(&RunDir::again(&old), "the new one");
    let copies = root.path().join("copies");
    let place = old.clone();
    let count = files::steps::moments(&experiment, &copies, move || new.replace(&place).unwrap());
    assert!(count > 6, "{count}");
    let mut seen = Vec::new();
    for moment in 0..count {
        let runs = list_experiment(&copies.join(moment.to_string())).unwrap();
        assert_eq!(runs.len(), 1, "{runs:?}");
        let record = Record::read(&runs[0].path).unwrap();
        assert_eq!((runs[0].run_id.as_str(), record.status.state), ("0a1b2c", RunState::Finished));
        seen.push(record.spec);
    }
    seen.dedup();
    assert_eq!(seen, ["the old one", "the new one"]);
    assert_eq!(Record::read(&old).unwrap().spec, "the new one");
    assert_eq!(fs::read_dir(&experiment).unwrap().count(), 1, "the old one is gone");
    let swept = copies.join((count - 1).to_string());
    drop(RunDir::open_write(swept.join("0a1b2c")).unwrap());
    assert_eq!(fs::read_dir(&swept).unwrap().count(), 1, "what a kill left is swept away");
}

#[test]
fn another_format_version_is_refused_by_name_for_reading_and_writing() {
    let root = tempfile::tempdir().unwrap();
    let path = open(root.path()).path().to_path_buf();
    fs::write(path.join("format.json"), r#"{"format": "oncospec-run", "version": 7}"#).unwrap();
    for text in [message(Record::read(&path)), message(RunDir::open_write(&path))] {
        assert!(text.contains("format version 7") && text.contains("version 1"), "{text}");
    }
    fs::write(path.join("format.json"), r#"{"format": "sacred", "version": 1}"#).unwrap();
    assert!(message(Record::read(&path)).contains("`sacred`"));
}

#[test]
fn a_folder_that_is_no_run_is_named() {
    let root = tempfile::tempdir().unwrap();
    assert!(message(Record::read(root.path())).contains("it has no format.json"));
    let nowhere = root.path().join("nowhere");
    let text = message(Record::read(&nowhere));
    assert!(text.contains("nowhere") && text.contains("no such folder"), "{text}");
}

#[test]
fn a_damaged_file_is_named_whichever_it_is() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    for name in [
        "spec.toml",
        "plan.toml",
        "provenance.json",
        "status.json",
        "split.parquet",
        "epochs.parquet",
        "times.parquet",
        "cases.parquet",
        "figures.json",
        "confusion.json",
        "reliability.json",
        "froc.json",
        "layers.json",
        "summary.json",
        "gates.json",
        "pictures/pictures.json",
        "pictures/film.json",
    ] {
        let file = path.join(name);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        for byte in &mut flipped[whole.len() / 4..] {
            *byte ^= 0xff;
        }
        for damage in [&b""[..], &b"\xff\xfe\x00"[..], &whole[..whole.len() / 2], &flipped] {
            fs::write(&file, damage).unwrap();
            let text = message(Record::read(&path));
            let file_name = file.file_name().unwrap().to_str().unwrap();
            assert!(text.contains(file_name) && text.contains("damaged"), "{name}: {text}");
        }
        fs::write(&file, whole).unwrap();
    }
    assert!(Record::read(&path).is_ok());
}

/// The names of what a finished run is made of that a reader reads.
fn made_of(run: &Path) -> Vec<String> {
    let own = contents::own_files(run, &contents::Own::by_name()).unwrap().into_iter();
    own.filter(|name| contents::content(name) == Some(contents::Content::Record)).collect()
}

#[test]
fn a_file_that_a_finished_run_has_lost_is_missed_whichever_it_is() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    let names = made_of(&path);
    assert!(names.len() >= 14, "{names:?}");
    for name in names.iter().map(String::as_str).chain(["status.json"]) {
        let file = path.join(name);
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let told = format!("{}: this file of the run is missing: put it back", file.display());
        let text = message(Record::read(&path));
        assert!(text.contains(&told) && text.contains("--force"), "{name}: {text}");
        let listed = list_runs(root.path()).unwrap().remove(0).problem;
        assert!(listed.is_some_and(|problem| problem.contains(&told)), "{name}");
        fs::write(&file, whole).unwrap();
    }
    assert!(Record::read(&path).is_ok());
}

#[test]
fn a_figure_that_was_changed_by_hand_is_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    let file = path.join("figures.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("0.", "0.9")).unwrap();
    let told = message(Record::read(&path));
    assert!(told.contains("figures.json") && told.contains("its SHA-256 is"), "{told}");
    let listed = list_runs(root.path()).unwrap().remove(0);
    assert!(listed.problem.unwrap().contains("figures.json") && listed.headline.is_empty());
}

#[test]
fn a_picture_that_is_not_the_one_that_was_drawn_is_not_shown() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    run.write_picture("000-image.jpg", b"drawn").unwrap();
    run.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
    let record = Record::read(run.path()).unwrap();
    let picture = PictureFile { file: "000-image.jpg".into(), alt: String::new() };
    assert_eq!(record.picture_bytes(&picture).unwrap(), b"drawn");
    fs::write(run.pictures().join("000-image.jpg"), "another").unwrap();
    assert!(message(record.picture_bytes(&picture)).contains("its SHA-256 is"));
}

#[test]
fn a_run_of_an_earlier_version_has_no_sums_and_is_read() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    let file = path.join("status.json");
    let mut status: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    status.as_object_mut().unwrap().remove("files").unwrap();
    fs::write(&file, status.to_string()).unwrap();
    fs::remove_file(path.join("layers.json")).unwrap();
    let run = RunDir::open_write(&path).unwrap();
    run.write(&Vec::<Gate>::new()).unwrap();
    let record = Record::read(&path).unwrap();
    assert!(record.layers.is_empty() && record.gates.is_empty() && !record.figures.is_empty());
}

/// `tests/fixtures/record` is of oncospec 0.1.0 (2026-11-28): a segmentation, with the scores of a classifier and the
/// masks of a guide.
#[test]
fn a_directory_written_before_is_read_and_its_files_are_written_alike() {
    let before = fixture("record");
    let record = Record::read(&before).unwrap();
    assert_eq!((record.status.state, record.status.epoch), (RunState::Finished, 2));
    assert_eq!((record.split.len(), record.cases.len(), record.epochs.len()), (24, 20, 4));
    assert_eq!((record.scores.len(), record.guide.len(), record.times.len()), (8, 60, 2));
    assert_eq!(record.figure(&"test.dice.lesion".parse().unwrap()).unwrap().n, 3);
    assert!(record.gates[0].held && record.figures.iter().any(|figure| figure.interval.is_none()));
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    examples::write_files(&run, &record);
    run.write(&record.guide).unwrap();
    run.write(&record.readings.unwrap()).unwrap();
    run.write(&artefact::find::<Scores>(&before).unwrap().unwrap()).unwrap();
    run.write(&artefact::find::<last::Last>(&before).unwrap().unwrap()).unwrap();
    for name in made_of(&before) {
        let [before, now] = [&before, run.path()].map(|run| fs::read(run.join(&name)).unwrap());
        assert!(before == now, "{name}");
    }
}

#[test]
fn what_a_later_spec_says_of_a_finished_run_is_there_as_a_whole_whenever_the_process_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let old = examples::overfitting(root.path());
    let path = old.path.clone();
    let words = |name: &str, at_least: f64| Words {
        spec: format!("name = '{name}'"),
        plan: format!("# {name}"),
        summary: Summary { description: name.into(), ..old.summary.clone() },
        gates: vec![Gate::judged(
            "test.dice.mean".parse().unwrap(),
            &GateSpec { at_least: Some(at_least), ..GateSpec::default() },
            None,
            &[],
        )],
        again: vec![name.into()],
    };
    let said = |record: Record| {
        let Record { spec, plan, summary, provenance, .. } = record;
        (spec, plan, summary.description, record.gates[0].at_least, provenance.again)
    };
    let expected = |words: &Words| {
        let Words { spec, plan, summary, gates, again } = words.clone();
        (spec, plan, summary.description, gates[0].at_least, again)
    };
    let run = RunDir::open_write(&path).unwrap();
    let mut before = said(Record::read(&path).unwrap());
    for (name, at_least) in [("first", 0.9), ("second", 0.8)] {
        let words = words(name, at_least);
        let copies = root.path().join(name);
        let count = files::steps::moments(&path, &copies, || run.write(&words).unwrap());
        assert!(count >= 6, "{count}");
        let read = |moment: u32| said(Record::read(copies.join(moment.to_string())).unwrap());
        let mut seen: Vec<_> = (0..count).map(read).collect();
        seen.dedup();
        assert_eq!(seen, [before, expected(&words)]);
        before = expected(&words);
    }
}

#[test]
fn a_file_that_was_added_to_a_finished_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    for name in ["scores.parquet", "guide.parquet", "words.json", "masks.json"] {
        fs::write(path.join(name), "of another run").unwrap();
        let text = message(Record::read(&path));
        assert!(text.contains(name) && text.contains("move it away"), "{text}");
        assert!(list_experiment(path.parent().unwrap()).unwrap()[0].problem.is_some());
        fs::remove_file(path.join(name)).unwrap();
    }
    fs::write(path.join("notes.json"), "a person's").unwrap();
    Record::read(&path).unwrap();
}

#[test]
fn weights_that_a_finished_run_has_lost_are_missed_where_runs_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("demo/0a1b2c");
    let run = RunDir::open_write(&path).unwrap();
    let last = Last { epoch: 2, best: Some(1), best_sha256: None, parts: Vec::new() };
    run.write(&last).unwrap();
    fs::write(run.model(), "weights").unwrap();
    run.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
    Record::read(&path).unwrap();
    fs::remove_file(run.model()).unwrap();
    let problem = list_experiment(path.parent().unwrap()).unwrap()[0].problem.clone().unwrap();
    assert!(problem.contains("model.safetensors") && problem.contains("missing"), "{problem}");
    Record::read(&path).expect("a page needs no weights");
}

#[test]
fn files_of_a_person_that_look_like_a_runs_stay_when_a_finished_run_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("demo/0a1b2c");
    let write = |name: &str, text: &str| {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    let finish = |path: &Path| {
        let run = RunDir::open_write(path).unwrap();
        run.write_picture("000-truth.png", b"drawn").unwrap();
        run.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
        run
    };
    drop(finish(&path));
    let persons = [
        "pictures/100-truth.png",
        "masks/hand.png",
        "checkpoints/best.png",
        "checkpoints/epoch-77/model.burnpack",
        ".tmp-mine.txt",
    ];
    persons.iter().for_each(|name| write(name, "mine"));
    write("scores.parquet", "of another run");
    let notes = root.path().join("demo/.tmp-notes");
    fs::create_dir(&notes).unwrap();
    finish(&RunDir::again(&path)).replace(&path).unwrap();
    for name in persons {
        assert_eq!(fs::read_to_string(path.join(name)).unwrap(), "mine", "{name}");
    }
    assert_eq!(fs::read(path.join("scores.parquet.1")).unwrap(), b"of another run");
    assert!(notes.exists());
    Record::read(&path).unwrap();
}

#[test]
fn a_checkpoint_leaves_what_a_person_put_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("demo/0a1b2c");
    let run = std::sync::Arc::new(RunDir::open_write(&path).unwrap());
    let checkpoints = Checkpoints::new(run, 9);
    let commit = |epoch: u32| {
        checkpoints.save_part(epoch, Part::Model, b"weights").unwrap();
        checkpoints.commit(&Progressed { epoch, ..Progressed::default() }).unwrap();
    };
    commit(1);
    for name in ["keep/model.burnpack", "epoch-1/notes.txt", "epoch-0001/mine.txt"] {
        let file = path.join("checkpoints").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "mine").unwrap();
    }
    commit(2);
    commit(3);
    for name in ["keep/model.burnpack", "epoch-1/notes.txt", "epoch-0001/mine.txt"] {
        assert!(path.join("checkpoints").join(name).exists(), "{name}");
    }
    assert!(!path.join("checkpoints/epoch-1/model.burnpack").exists());
    assert!(!path.join("checkpoints/epoch-2").exists());
}

#[test]
fn what_a_person_put_into_a_run_directory_stays_when_the_run_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let path = examples::overfitting(root.path()).path;
    fs::write(path.join("notes.txt"), "mine").unwrap();
    fs::create_dir_all(path.join("annot")).unwrap();
    fs::write(path.join("annot/x.csv"), "a").unwrap();
    fs::write(path.join("pictures/mine.png"), "p").unwrap();
    let theirs = || {
        ["notes.txt", "annot/x.csv", "pictures/mine.png"]
            .map(|name| fs::read_to_string(path.join(name)).unwrap())
    };
    let again = RunDir::open_write(RunDir::again(&path)).unwrap();
    again.write_spec("the new one").unwrap();
    again.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
    again.replace(&path).unwrap();
    assert_eq!(Record::read(&path).unwrap().spec, "the new one");
    assert_eq!(theirs(), ["mine", "a", "p"]);
    assert!(!path.join("figures.json").exists() && !RunDir::again(&path).exists());
    let run = RunDir::open_write(&path).unwrap();
    run.clear().unwrap();
    assert_eq!(theirs(), ["mine", "a", "p"]);
    assert_eq!(
        contents::own_files(&path, &contents::Own::by_name()).unwrap(),
        ["format.json", "lease.1", "lock"]
    );
}

#[test]
fn a_parquet_file_without_an_expected_column_names_the_column() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    run.write(&vec![TimesRow::default()]).unwrap();
    fs::copy(run.file("times.parquet"), run.file("split.parquet")).unwrap();
    assert!(message(Record::read(run.path())).contains("`case`"));
}

#[test]
fn half_written_files_are_swept_away_by_the_next_writer() {
    let root = tempfile::tempdir().unwrap();
    let path = open(root.path()).path().to_path_buf();
    let torn = path.join(".tmp-1-torn");
    fs::write(&torn, "half").unwrap();
    open(root.path());
    assert!(!torn.exists());
}

#[test]
fn a_saver_that_fails_leaves_the_old_file_and_no_rest() {
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    run.put("model.safetensors", b"old").unwrap();
    let failed = files::write_with(&run.model(), |path| {
        fs::write(path, b"half").map_err(Error::io(path, "cannot write"))?;
        Err(Error::failed("the device is gone"))
    });
    assert!(message(failed).contains("the device is gone"));
    assert_eq!(fs::read(run.model()).unwrap(), b"old");
    files::write_with(&run.model(), |path| {
        fs::write(path, b"new").map_err(Error::io(path, "cannot write"))
    })
    .unwrap();
    assert_eq!(fs::read(run.model()).unwrap(), b"new");
    let names: Vec<_> = fs::read_dir(run.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".tmp-")), "{names:?}");
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_others_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    let plain = root.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&run.file("format.json")), mode(&plain));
}

#[test]
fn an_output_that_is_a_file_says_so() {
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("runs");
    fs::write(&output, "not a folder").unwrap();
    let text = message(RunDir::create(&output, "demo", "0a1b2c"));
    assert!(text.contains("runs") && text.contains("cannot write"), "{text}");
}

#[test]
fn read_only_and_full_disks_are_explained() {
    use std::io::ErrorKind;
    let path = Path::new("runs/demo/x/epochs.parquet");
    let full = files::cannot_write(path, ErrorKind::StorageFull.into()).to_string();
    assert!(full.contains("epochs.parquet") && full.contains("disk is full"), "{full}");
    let locked = files::cannot_write(path, ErrorKind::ReadOnlyFilesystem.into()).to_string();
    assert!(locked.contains("read-only") && locked.contains("run.output"), "{locked}");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_refused_with_advice_and_nothing_is_lost() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let run = open(root.path());
    run.write_spec("name = 'kept'").unwrap();
    let permissions = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(run.path(), permissions(0o555)).unwrap();
    let refused = run.write_spec("name = 'lost'");
    fs::set_permissions(run.path(), permissions(0o755)).unwrap();
    match refused {
        Ok(()) => eprintln!("skipped: this user may write read-only folders"),
        Err(error) => {
            assert!(error.to_string().contains("read-only"), "{error}");
            assert_eq!(Record::read(run.path()).unwrap().spec, "name = 'kept'");
        }
    }
}

#[test]
fn runs_are_listed_in_order_with_the_damaged_ones_marked() {
    let root = tempfile::tempdir().unwrap();
    assert!(message(list_runs(&root.path().join("nowhere"))).contains("nowhere: no such folder"));
    let finished = examples::overfitting(root.path());
    let interrupted = examples::interrupted(root.path());
    fs::create_dir_all(root.path().join("stray/folder")).unwrap();
    let broken = open(root.path()).path().to_path_buf();
    fs::write(broken.join("status.json"), "{").unwrap();
    let runs = list_runs(root.path()).unwrap();
    let mut paths = vec![broken.clone(), finished.path.clone(), interrupted.path.clone()];
    paths.sort();
    assert_eq!(runs.iter().map(|run| run.path.clone()).collect::<Vec<_>>(), paths);
    let of = |path: &Path| runs.iter().find(|run| run.path == path).unwrap();
    assert_eq!(of(&finished.path).status.state, RunState::Finished);
    assert_eq!(of(&finished.path).headline[0].full_name().to_string(), "test.dice.mean");
    assert_eq!(of(&interrupted.path).status.epoch, 1);
    assert!(of(&broken).problem.as_ref().unwrap().contains("status.json"));
}

#[test]
fn a_picture_name_that_leads_out_of_its_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let record = examples::overfitting(root.path());
    let file = |name: &str| PictureFile { file: name.into(), alt: String::new() };
    for name in ["../spec.toml", "/etc/hostname", "..", ""] {
        assert!(message(record.picture_bytes(&file(name))).contains("plain file name"), "{name}");
    }
    assert!(message(record.picture_bytes(&file("gone.png"))).contains("gone.png"));
}
