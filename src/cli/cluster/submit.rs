//! `oncospec run --on slurm`: the runs of a command as arrays of jobs that depend on each other.

use std::fs;
use std::path::PathBuf;

use super::job_script::job_script;
use super::queue;
use super::stages::{Stage, Stages, stages};
use super::submission::{Array, Files, Submission, write};
use crate::cli::page_file::PageFile;
use crate::cli::run::{Place, RunArgs, Wish, default_report, prepare};
use crate::cli::{Output, command_line, pretty, print};
use crate::error::{Error, Result};
use crate::plan::{Checked, Depth};
use crate::record::now;
use crate::shell::shell;
use crate::spec::{SlurmSpec, Spec, Suite, suite};

/// The runs of a command, ready to be given to a cluster.
pub(super) struct Prepared {
    pub checked: Vec<Checked>,
    pub suite: Option<Suite>,
    pub stages: Stages,
}

/// Checks and plans all runs of a command, so that every mistake is found before anything is given to a cluster.
///
/// # Errors
/// All that stands against making them.
pub(super) fn prepared(args: RunArgs, output: Output) -> Result<Prepared> {
    let checked = args.specs.check(Depth::Pixels, output)?;
    let suite = match args.specs.paths.as_slice() {
        [only] => suite(only)?,
        _ => None,
    };
    let page = args.output.clone().unwrap_or_else(|| default_report(&checked, suite.as_ref()));
    PageFile::new(&page, args.templates.clone(), args.overwrite.overwrite)?;
    let place = Place::Nodes;
    let extend_epochs = args.extend_epochs;
    let wish = Wish { force: false, resume: true, wait: true, extend_epochs, place };
    let works = prepare(&checked, &args.specs.overrides, wish, args.resume, output)?;
    let of_page = RunArgs { output: Some(page), resume: false, on: None, ..args };
    let stages = stages(&works, &of_page)?;
    Ok(Prepared { checked, suite, stages })
}

/// Submits the runs of a command that are not finished, and the page after them.
pub(in crate::cli) fn submit(args: RunArgs, output: Output) -> Result<u8> {
    queue::is_there()?;
    let most = queue::most_of_array();
    let Prepared { checked, suite, stages } = prepared(args, output)?;
    let specs: Vec<&Spec> = checked.iter().map(|one| &one.loaded.spec).collect();
    let files = Files::of(&specs, suite.as_ref())?;
    let name = files.job_name();
    let active = queue::queued(&name)?.iter().filter(|job| job.is_active()).count();
    if active > 0 {
        return Err(Error::user(format!(
            "{}: {active} jobs of it are in the queue: `oncospec slurm status` says how far they are, `oncospec slurm cancel` ends \
             them, and then it can be submitted again",
            files.submission().display()
        )));
    }
    let mut submission = Submission {
        name: name.clone(),
        command: shell(&command_line()),
        folder: std::env::current_dir().map_err(Error::io(".", "cannot find"))?,
        submitted: now(),
        arrays: Vec::new(),
    };
    begin(&files, &stages, &submission)?;
    for (place, stage) in stages.stages.iter().enumerate() {
        let submitted = submit_stage(&files, (place, stage), most, &mut submission);
        if let Err(error) = submitted {
            // Jobs without those that follow them would end in no page.
            let _ = queue::cancel(&name);
            return Err(error);
        }
        output.say(line(stage, place, &submission));
    }
    output.say(format!("submitted: {}", files.submission().display()));
    if output.json {
        print(&pretty(&submission)?)?;
    }
    Ok(0)
}

/// Writes the files of a submission of which nothing is in the queue yet.
fn begin(files: &Files, stages: &Stages, submission: &Submission) -> Result<()> {
    let notes = files.notes();
    if notes.is_dir() {
        fs::remove_dir_all(&notes).map_err(Error::io(&notes, "cannot remove"))?;
    }
    for folder in [notes, files.logs()] {
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
    }
    write(&files.stages(), stages)?;
    write(&files.submission(), submission)
}

/// Submits a stage: one array, or several where it has more elements than Slurm allows.
fn submit_stage(
    files: &Files,
    (place, stage): (usize, &Stage),
    most: usize,
    submission: &mut Submission,
) -> Result<()> {
    let places = (files.stages(), files.notes());
    let program = program(&stage.resources)?;
    let script = job_script(&stage.resources, &program, (&places.0, &places.1), place);
    let path = files.script(place);
    crate::record::write_file(&path, script.as_bytes())?;
    let mut first = 0;
    while first < stage.elements.len() {
        let count = (stage.elements.len() - first).min(most);
        let mut arguments = arguments(files, stage, count, submission);
        arguments.extend([path.display().to_string(), first.to_string()]);
        let job = queue::submit(&arguments)?;
        submission.arrays.push(Array { stage: place, first, count, job });
        write(&files.submission(), submission)?;
        first += count;
    }
    Ok(())
}

/// The program on the nodes.
fn program(resources: &SlurmSpec) -> Result<String> {
    if let Some(program) = &resources.program {
        return Ok(program.clone());
    }
    if resources.container.is_some() {
        return Ok("oncospec".into());
    }
    let path: PathBuf = std::env::current_exe()
        .map_err(|error| Error::failed(format!("the path of oncospec is not known: {error}")))?;
    Ok(path.display().to_string())
}

/// The arguments of `sbatch` for an array of a stage.
fn arguments(files: &Files, stage: &Stage, count: usize, submission: &Submission) -> Vec<String> {
    let resources = &stage.resources;
    let at_once = resources.at_once.map(|most| format!("%{most}")).unwrap_or_default();
    let mut all = vec![
        "--parsable".into(),
        format!("--job-name={}", submission.name),
        format!("--comment={}", stage.name),
        format!("--chdir={}", submission.folder.display()),
        format!("--output={}", files.logs().join("%A_%a.log").display()),
        "--open-mode=append".into(),
        "--requeue".into(),
        "--export=ALL".into(),
        format!("--array=0-{}{at_once}", count - 1),
        "--ntasks=1".into(),
        format!("--cpus-per-task={}", resources.cpus),
        // To the step; Slurm may send it up to a minute earlier.
        format!("--signal=USR1@{}", resources.notice),
    ];
    if let Some(after) = dependency(stage, submission) {
        all.push(format!("--dependency={after}"));
        all.push("--kill-on-invalid-dep=yes".into());
    }
    if resources.gpus > 0 {
        let of_type = resources.gpu_type.as_ref().map(|of| format!("{of}:")).unwrap_or_default();
        all.push(format!("--gres=gpu:{of_type}{}", resources.gpus));
    }
    let options = [
        ("partition", &resources.partition),
        ("account", &resources.account),
        ("qos", &resources.qos),
        ("constraint", &resources.constraint),
        ("mem", &resources.memory),
        ("time", &resources.time),
    ];
    let said =
        |(name, value): (&str, &Option<String>)| Some(format!("--{name}={}", value.as_ref()?));
    all.extend(options.into_iter().filter_map(said));
    all
}

/// What comes before a stage, as `sbatch --dependency` has it.
fn dependency(stage: &Stage, submission: &Submission) -> Option<String> {
    let of = |succeeded: bool| {
        let stages = stage.after.iter().filter(move |after| after.succeeded == succeeded);
        let arrays = stages
            .flat_map(|after| submission.arrays.iter().filter(|array| array.stage == after.stage));
        let jobs: Vec<&str> = arrays.map(|array| array.job.as_str()).collect();
        let how = if succeeded { "afterok" } else { "afterany" };
        (!jobs.is_empty()).then(|| format!("{how}:{}", jobs.join(":")))
    };
    let all: Vec<String> = [of(true), of(false)].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// A stage for a person: how many jobs it has, and their arrays.
fn line(stage: &Stage, place: usize, submission: &Submission) -> String {
    let arrays = submission.arrays.iter().filter(|array| array.stage == place);
    let jobs: Vec<&str> = arrays.map(|array| array.job.as_str()).collect();
    let after = dependency(stage, submission).map(|after| format!(", {after}")).unwrap_or_default();
    let count = stage.elements.len();
    let of = if count == 1 { "job" } else { "jobs" };
    format!("{}: {count} {of}, array {}{after}", stage.name, jobs.join(", "))
}
