//! What a machine does to a run: a full, read-only or slow disk, a clock that jumps, too little memory, too few open files, folders
//! of many runs, and records of a later version. `.ci/faults` has the same at more moments, and what takes minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::{Record, RunState};

use super::support::{Bench, Said, json, said};

const CPU: [&str; 4] = ["run", "tiny.toml", "--device", "cpu"];
const FILES: [&str; 5] =
    ["model.safetensors", "figures.json", "epochs.parquet", "cases.parquet", "split.parquet"];
/// Bytes of a page of memory, in which a disk in memory counts.
const PAGE: u64 = 4096;

/// What a run decides.
fn bits(run: &Path) -> [Vec<u8>; 5] {
    FILES.map(|file| fs::read(run.join(file)).unwrap())
}

/// A bench with a spec that trains in a second, with more keys at its end.
fn small(more: &str) -> Bench {
    let bench = Bench::new();
    let text = fs::read_to_string(bench.tiny(more)).unwrap();
    bench.file(
        "tiny.toml",
        text.replace("cases = 40", "cases = 16").replace("epochs = 3", "epochs = 2"),
    );
    bench
}

/// A bench with that spec, and the bits of its run that nothing disturbs.
fn undisturbed() -> (Bench, [Vec<u8>; 5]) {
    let bench = small("");
    bench
        .oncospec(&[&CPU[..], &["--set", "run.output=whole", "-o", "whole/page.html"]].concat())
        .with(0);
    let bits = bits(&bench.only_run("whole", "tiny"));
    (bench, bits)
}

impl Said {
    /// The same, if it is a failure in words that has every one of these, whatever their case.
    #[track_caller]
    fn failing_in_words(self, parts: &[&str]) -> Self {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        let err = self.err.to_lowercase();
        assert!(err.contains("error: ") && !err.contains("panicked"), "{}", self.err);
        for part in parts {
            assert!(err.contains(&part.to_lowercase()), "no `{part}` in:\n{}", self.err);
        }
        self
    }
}

/// A small file system of its own, `disk`; unmounted when dropped.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// `None`, with the reason printed, where mounting is not allowed.
    fn new(bench: &Bench, options: &str) -> Option<Self> {
        let path = bench.path().join("disk");
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path);
        if !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: cannot mount a small disk here");
            return None;
        }
        Some(Self { path })
    }

    fn read_only(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,ro"]).arg(&self.path);
        assert!(mount.status().unwrap().success());
    }

    /// Fills it but for so many pages.
    fn fill(&self, free: u64) {
        let ballast = self.path.join("ballast");
        assert!(fs::write(&ballast, vec![1; 64 << 20]).is_err(), "it is larger");
        let all = fs::metadata(&ballast).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&ballast).unwrap();
        file.set_len(all.saturating_sub(free * PAGE)).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// All files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => files.extend(files_below(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}

/// The pages that files take.
fn pages(files: &[PathBuf]) -> u64 {
    files.iter().map(|file| fs::metadata(file).unwrap().len().div_ceil(PAGE)).sum()
}

#[test]
fn a_disk_that_fills_up_at_any_moment_fails_the_run_in_words_which_then_goes_on_to_the_same_bits() {
    let (bench, expected) = undisturbed();
    let all = pages(&files_below(&bench.path().join("whole")));
    let on_disk = ["--set", "run.output=disk/runs", "-o", "disk/page.html"];
    // While it begins, trains, evaluates, and writes its page.
    for hundredths in [3, 35, 60, 97] {
        let Some(disk) = Disk::new(&bench, &format!("size={}", 4 * all * PAGE)) else { return };
        disk.fill(all * hundredths / 100);
        bench.oncospec(&[&CPU[..], &on_disk].concat()).failing_in_words(&[
            "disk/",
            "no space left",
            "the disk is full",
        ]);
        let run = disk.path.join("runs/tiny");
        let begun = fs::read_dir(&run).into_iter().flatten().flatten().map(|entry| entry.path());
        for run in begun.filter(|path| path.join("checkpoints/last.json").is_file()) {
            assert!(!Record::read(&run).unwrap().epochs.is_empty(), "{hundredths}");
        }
        disk.make_room();
        bench.oncospec(&[&CPU[..], &on_disk, &["--resume"]].concat()).with(0);
        assert!(bits(&bench.only_run("disk/runs", "tiny")) == expected, "{hundredths}");
        assert!(disk.path.join("page.html").is_file());
    }
}

/// A bench with data in files and a run of one epoch on them.
fn with_data() -> Bench {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "busi", "--cases", "30"]).with(0);
    bench.file("tiny.toml", ON_FILES);
    bench.oncospec(&CPU).with(0);
    bench
}

const ON_FILES: &str = r#"
name = "tiny"
[dataset]
kind = "busi"
root = "busi"
image-size = 32
[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }
[schedule]
epochs = 1
batch-size = 4
[report]
cases = 0
film.frames = 0
"#;

#[test]
fn what_does_not_fit_on_a_full_disk_is_named_and_never_taken_for_whole() {
    let bench = with_data();
    let Some(disk) = Disk::new(&bench, "size=2m") else { return };
    let image = "busi/benign/benign (1).png";
    let commands: [(&[&str], &str); 6] = [
        (&["report", "tiny", "-o", "disk/page.html"], "disk/page.html"),
        (&["ci", "tiny.toml", "--device", "cpu", "--summary", "disk/sum.md"], "disk/sum.md"),
        (&["ci", "tiny.toml", "--device", "cpu", "--junit", "disk/ci.xml"], "disk/ci.xml"),
        (&["predict", "tiny", image, "--out", "disk/seen"], "disk/seen/legend.json"),
        (&["export", "tiny", "--out", "disk/weights"], "disk/weights/model.safetensors"),
        (&["data", "synth", "--kind", "busi", "--cases", "3", "--out", "disk/data"], "disk/data/"),
    ];
    disk.fill(0);
    for (command, file) in commands {
        bench.oncospec(command).failing_in_words(&[file, "no space left"]);
        let written = files_below(&disk.path);
        let whole = written.iter().filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name != "ballast" && !name.starts_with(".oncospec")
        });
        let whole: Vec<_> = whole.filter(|path| fs::metadata(path).unwrap().len() > 0).collect();
        assert!(whole.is_empty(), "{command:?}: {whole:?}");
    }
    // A picture whose end does not fit.
    for free in 1..5 {
        disk.fill(free);
        bench.oncospec(commands[3].0).failing_in_words(&["no space left"]);
        for picture in files_below(&disk.path.join("seen")) {
            if picture.extension().is_some_and(|kind| kind == "png") {
                image::open(&picture)
                    .unwrap_or_else(|error| panic!("{}: {error}", picture.display()));
            }
        }
    }
    // What can be found out again is done without.
    disk.fill(0);
    let mut check = bench.command(&["run", "tiny.toml", "--device", "cpu", "--force"]);
    said(check.env("XDG_CACHE_HOME", &disk.path).output().unwrap()).with(0);
    disk.make_room();
    for (command, _) in &commands[..5] {
        bench.oncospec(command).with(0);
    }
}

#[test]
fn a_read_only_disk_is_said_before_any_training_and_hinders_no_reader() {
    let bench = with_data();
    let Some(disk) = Disk::new(&bench, "size=64m") else { return };
    let image = "disk/busi/benign/benign (1).png";
    assert!(
        Command::new("cp")
            .args(["-r", "busi", "runs", "disk"])
            .current_dir(bench.path())
            .status()
            .unwrap()
            .success()
    );
    disk.read_only();
    let read_only = |arguments: &[&str], file: &str| {
        let said = bench.oncospec(arguments).failing_in_words(&[file, "read-only"]);
        assert!(!said.err.contains("epoch 1/1"), "{}", said.err);
    };
    let on_disk = ["--set", "run.output=disk/other"];
    read_only(&[&CPU[..], &on_disk].concat(), "disk/other");
    read_only(&["report", "disk/runs/tiny", "-o", "disk/page.html"], "disk");
    read_only(&["ci", "tiny.toml", "--summary", "disk/sum.md"], "disk");
    read_only(&["predict", "disk/runs/tiny", image, "--out", "disk/seen"], "disk/seen");
    // A reading of the test split that cannot be counted is not made.
    read_only(&["evaluate", "disk/runs/tiny", "--split", "test"], "test-readings.jsonl");
    bench.oncospec(&["list", "disk/runs"]).with(0);
    bench.oncospec(&["report", "disk/runs/tiny", "-o", "page.html"]).with(0);
    bench.oncospec(&["evaluate", "disk/runs/tiny", "--split", "valid"]).with(0);
    bench.oncospec(&["predict", "disk/runs/tiny", image, "--out", "seen"]).with(0);
    // Data and what is known of them.
    let data = ["--set", "dataset.root=disk/busi", "--set", "run.output=again"];
    let mut run = bench.command(&[&CPU[..], &data].concat());
    said(run.env("XDG_CACHE_HOME", &disk.path).output().unwrap()).with(0);
    let (one, other) = (bench.only_run("runs", "tiny"), bench.only_run("again", "tiny"));
    assert!(bits(&one) == bits(&other));
}

#[test]
fn a_slow_disk_changes_no_bit_and_loses_no_hold() {
    let (bench, expected) = undisturbed();
    let Some(library) = bench.machine() else { return };
    let mut run = bench.command(&CPU);
    run.env("LD_PRELOAD", &library).env("MACHINE_DELAY", "6000").env("ONCOSPEC_LEASE_SECONDS", "1");
    let said = said(run.output().unwrap()).with(0);
    assert!(!said.err.contains("sign of life"), "{}", said.err);
    assert!(bits(&bench.only_run("runs", "tiny")) == expected);
}

#[test]
fn a_clock_that_jumps_by_hours_changes_no_bit_takes_no_time_and_loses_no_lease() {
    let (bench, expected) = undisturbed();
    let Some(library) = bench.machine() else { return };
    let start = |machine: &str, more: &[&str]| {
        let folder = bench.path().join(machine);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("hostname"), machine).unwrap();
        fs::write(folder.join("boot_id"), format!("boot-of-{machine}")).unwrap();
        let mut run =
            bench.command(&[&CPU[..], &["--set", "seeds=[0, 1]", "--json"], more].concat());
        run.env("LD_PRELOAD", &library).env("MACHINE", folder).env("MACHINE_CLOCK", "7200");
        run.env("ONCOSPEC_LEASE_SECONDS", "2").stdout(Stdio::piped()).stderr(Stdio::piped());
        run.spawn().unwrap()
    };
    let mut first = start("n1", &[]);
    let begun = Instant::now();
    while files_below(&bench.path().join("runs")).iter().all(|file| !file.ends_with("lock")) {
        assert!(first.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
    let second = said(start("n2", &["--resume"]).wait_with_output().unwrap());
    second.with(2).telling(&["on n1 is working on this run"]);
    let first = said(first.wait_with_output().unwrap()).with(0);
    let outcomes: serde_json::Value = serde_json::from_str(&first.out).unwrap();
    for outcome in outcomes.as_array().unwrap() {
        let record = Record::read(bench.path().join(outcome["path"].as_str().unwrap())).unwrap();
        assert_eq!(record.status.state, RunState::Finished);
        let most = begun.elapsed().as_secs_f64();
        let times = record.times.iter().flat_map(|row| [row.train_s, row.valid_s]);
        assert!(
            times.into_iter().all(|seconds| (0.0..most).contains(&seconds)),
            "{:?}",
            record.times
        );
    }
    let path = |at: usize| bench.path().join(outcomes[at]["path"].as_str().unwrap());
    assert!(bits(&path(0)) == expected);
    let listed = bench.oncospec(&["list", "--json"]).with(0).out;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    let rows =
        listed.iter().map(|run| (run["seed"].as_u64().unwrap(), run["status"]["state"].clone()));
    assert_eq!(rows.collect::<Vec<_>>(), [(0, "finished".into()), (1, "finished".into())]);
}

/// What a command says under a limit that a shell sets, with no file open but its input and outputs.
fn limited(bench: &Bench, limit: &str, arguments: &[&str]) -> Said {
    let inherited = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
    let script = format!("{inherited}; {limit} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.current_dir(bench.path()).args(["-c", &script, env!("CARGO_BIN_EXE_oncospec")]);
    said(shell.args(arguments).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn too_few_open_files_are_said_before_any_work_and_those_that_are_asked_for_suffice() {
    let bench = small("");
    for few in [4, 63] {
        let said = limited(&bench, &format!("ulimit -n {few}"), &CPU);
        said.failing_in_words(&[
            &format!("may have {few} files open at once"),
            "needs 64",
            "ulimit -n",
        ]);
        assert!(!bench.path().join("runs").exists());
    }
    limited(&bench, "ulimit -n 64", &CPU).with(0);
    limited(&bench, "ulimit -n 64", &["report", "tiny", "-o", "page.html"]).with(0);
}

/// Memory that a control group of its own allows, where one can be made.
struct Group {
    path: PathBuf,
}

impl Group {
    /// `None`, with the reason printed, where no group with a limit can be made.
    fn new(bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let made = groups.lines().find_map(|line| {
            let (controller, path) = line.split_once(':')?.1.split_once(':')?;
            let (root, limit) = match controller {
                "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                "" => ("/sys/fs/cgroup", "memory.max"),
                _ => return None,
            };
            let name = format!("oncospec-test-{}", std::process::id());
            let group = Path::new(root).join(path.trim_start_matches('/')).join(name);
            fs::create_dir(&group).ok()?;
            let group = Self { path: group };
            // Files of control groups are there before anything is written to them, and never made.
            let limited = fs::OpenOptions::new().write(true).open(group.path.join(limit));
            std::io::Write::write_all(&mut limited.ok()?, bytes.to_string().as_bytes()).ok()?;
            Some(group)
        });
        if made.is_none() {
            eprintln!("skipped: no control group with a limit of memory can be made here");
        }
        made
    }

    fn enter(&self) -> String {
        format!("echo $$ > {}/cgroup.procs", self.path.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

#[test]
fn memory_that_does_not_suffice_ends_a_run_that_then_goes_on_to_the_same_bits() {
    let (bench, expected) = undisturbed();
    // In KiB of addresses: from too few to load the program, by too few to begin and to train, to enough.
    let mut in_words = 0;
    for limit in (60_000..2_000_000).step_by(20_000) {
        let resumed = [&CPU[..], &["--resume"]].concat();
        let said = limited(&bench, &format!("ulimit -v {limit}"), &resumed);
        let words = ["error: ", "memory allocation of "];
        in_words += usize::from(words.iter().any(|word| said.err.contains(word)));
        assert!(!said.err.contains("panicked"), "{limit}: {}", said.err);
        if said.code == Some(0) {
            break;
        }
    }
    assert!(in_words > 0);
    assert!(bits(&bench.only_run("runs", "tiny")) == expected);
}

#[test]
fn what_memory_a_control_group_leaves_is_what_there_is() {
    let bench = small("");
    const MIB: u64 = 1 << 20;
    let Some(group) = Group::new(600 * MIB) else { return };
    let doctor = limited(&bench, &group.enter(), &["doctor", "--json"]).with(0);
    let doctor: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(doctor["memory-mib"], 600);
    let plan = ["plan", "tiny.toml", "--device", "cpu"];
    let jobs = |said: &Said| {
        let line = said.out.lines().find(|line| line.starts_with("jobs")).unwrap();
        line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap()
    };
    let (all, of_group) =
        (bench.oncospec(&plan).with(0), limited(&bench, &group.enter(), &plan).with(0));
    assert!(jobs(&of_group) < jobs(&all), "{} of {}", jobs(&of_group), jobs(&all));
    // Ended by the kernel or by an error, and nothing lost.
    drop(group);
    let Some(group) = Group::new(40 * MIB) else { return };
    let said = limited(&bench, &group.enter(), &CPU);
    assert_ne!(said.code, Some(0), "{said:?}");
    bench.oncospec(&[&CPU[..], &["--resume"]].concat()).with(0);
}

/// Copies a run directory under other ids, as links to the same files where that is possible.
fn copied(run: &Path, ids: impl Iterator<Item = usize>) {
    let mut files = files_below(run);
    // What is written over in place is not shared.
    files.retain(|file| !file.ends_with("lock") && file.file_stem() != Some("lease".as_ref()));
    for id in ids {
        let copy = run.with_file_name(format!("{id:012}-copied"));
        for file in &files {
            let to = copy.join(file.strip_prefix(run).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if fs::hard_link(file, &to).is_err() {
                fs::copy(file, &to).unwrap();
            }
        }
    }
}

#[test]
fn among_a_thousand_runs_a_command_reads_those_that_it_needs() {
    const RUNS: usize = 1000;
    let bench = small("[report]\ncases = 0\nfilm.frames = 0\n");
    let Some(library) = bench.machine() else { return };
    let opened = |arguments: &[&str]| {
        let count = bench.path().join("opened");
        let _ = fs::remove_file(&count);
        let mut command = bench.command(arguments);
        command.env("LD_PRELOAD", &library).env("MACHINE_OPENED", &count);
        said(command.output().unwrap()).with(0);
        let counts = fs::read_to_string(&count).unwrap();
        counts.lines().map(|line| line.parse::<usize>().unwrap()).max().unwrap()
    };
    let run = |epochs: &'static str| [&CPU[..], &["--set", epochs]].concat();
    let alone = opened(&run("schedule.epochs=1"));
    let one = bench.only_run("runs", "tiny");
    let id = one.file_name().unwrap().to_str().unwrap();
    let reports: [&[&str]; 2] =
        [&["report", one.to_str().unwrap(), "-o", "page.html"], &["report", id, "-o", "page.html"]];
    let report_alone = reports.map(opened);
    copied(&one, 0..RUNS);
    // Copies that no ledger knows are read once by whoever writes first.
    opened(&run("schedule.epochs=2"));
    let among = opened(&run("schedule.epochs=3"));
    assert!(among < alone + 100, "{among} among {RUNS}, {alone} alone");
    for (report, alone) in reports.iter().zip(report_alone) {
        let among = opened(report);
        assert!(among < alone + 20, "{report:?}: {among} among {RUNS}, {alone} alone");
    }
    assert!(opened(&["list"]) < 20 * RUNS);
    let ci = ["ci", "tiny.toml", "--device", "cpu", "--set", "schedule.epochs=4"];
    assert!(opened(&ci) < 10 * RUNS);
}

#[test]
fn a_record_of_a_later_version_is_refused_by_every_command_and_left_as_it_is() {
    let bench = with_data();
    let later = bench.only_run("runs", "tiny");
    bench.oncospec(&[&CPU[..], &["--set", "seeds=[1]"]].concat()).with(0);
    let format = fs::read_to_string(later.join("format.json")).unwrap();
    fs::write(later.join("format.json"), format.replace("\"version\": 1", "\"version\": 99"))
        .unwrap();
    let contents = || {
        let files = files_below(&later).into_iter();
        files.map(|file| (fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    let before = contents();
    let run = later.to_str().unwrap();
    let image = "busi/benign/benign (1).png";
    let refused: [&[&str]; 10] = [
        &CPU,
        &["run", "tiny.toml", "--device", "cpu", "--resume"],
        &["ci", "tiny.toml", "--device", "cpu"],
        &["report", run, "-o", "page.html"],
        &["report", run, "--index", "-o", "index.html"],
        &["evaluate", run],
        &["predict", run, image, "--out", "seen"],
        &["cam", run, image, "--out", "seen"],
        &["export", run, "--out", "weights"],
        &["compare", run, "tiny"],
    ];
    for command in refused {
        let said =
            bench.oncospec(command).failing_in_words(&["format version 99", "reads version 1"]);
        assert_eq!(said.code, Some(2), "{command:?}: {said:?}");
    }
    // Beside others it is named, and they are shown.
    let listed = bench.oncospec(&["list"]).with(0).out;
    assert!(listed.contains("format version 99") && listed.contains("finished"), "{listed}");
    for command in [
        &["report", "tiny", "-o", "page.html"][..],
        &["report", "runs", "--index", "-o", "index.html"],
    ] {
        bench.oncospec(command).with(1).telling(&["format version 99"]);
    }
    let page = fs::read_to_string(bench.path().join("page.html")).unwrap();
    assert!(page.contains("format version 99") && page.contains("finished"));
    bench.oncospec(&["ci", "tiny.toml", "--device", "cpu", "--set", "seeds=[1]"]).with(0);
    assert!(contents() == before);
    assert_eq!(json(&later.join("format.json"))["version"], 99);
}
