//! `oncospec doctor --determinism`: the same steps several times, by processes of their own.

use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

use super::doctor::DoctorArgs;
use super::several::THREADS;
use super::{Output, pretty, print};
use crate::error::{Error, Result};
use crate::plan::{Depth, Extent, survey};
use crate::record::{Determinism, now};
use crate::run::{TensorHashes, determinism_key, hashes_after, keep_determinism};
use crate::text;

/// Names of tensors that a line shows.
const SHOWN: usize = 3;

/// What one process found.
#[derive(Debug, Serialize, Deserialize)]
struct Hashes {
    experiment: String,
    device: String,
    steps: usize,
    /// Under which it is kept for the records of runs.
    key: String,
    tensors: TensorHashes,
}

/// A comparison of two processes.
#[derive(Debug, Serialize)]
struct Compared {
    /// The threads of the one and of the other.
    threads: [usize; 2],
    /// The tensors that differ.
    differing: Vec<String>,
}

/// Makes the first steps of the first seed of a spec twice with one thread and twice with all, and says which tensors
/// differ: 1 if any does.
pub(super) fn execute(args: &DoctorArgs, output: Output) -> Result<u8> {
    if args.hashes {
        return print(&pretty(&hashes(args, output)?)?);
    }
    let all = available_parallelism().map_or(1, |threads| threads.get());
    let once = |threads: usize| process(threads);
    let (one, one_again) = (once(1)?, once(1)?);
    let (many, many_again) = (once(all)?, once(all)?);
    let compared = [
        compare([1, 1], &one, &one_again),
        compare([all, all], &many, &many_again),
        compare([1, all], &one, &many),
    ];
    let same = compared.iter().all(|pair| pair.differing.is_empty());
    let code = if same { 0 } else { 1 };
    let (experiment, steps) = (one.experiment.clone(), one.steps);
    let found = Determinism { same, experiment, steps, threads: all, tried: now() };
    keep_determinism(&one.key, &found)?;
    if output.json {
        print(&pretty(&serde_json::json!({
            "experiment": one.experiment,
            "device": one.device,
            "steps": one.steps,
            "same": same,
            "compared": compared,
            "tensors": one.tensors,
        }))?)?;
        return Ok(code);
    }
    let Hashes { experiment, device, steps, tensors, .. } = &one;
    let mut lines = format!("{experiment}: weights after {steps} steps on {device}, twice each\n");
    for Compared { threads: [a, b], differing } in &compared {
        let of = match a == b {
            true => format!("{a} thread(s), twice"),
            false => format!("{a} and {b} threads"),
        };
        let found = match differing.len() {
            0 => format!("the same bit for bit in all {} tensors", tensors.len()),
            count => {
                let shown: Vec<_> =
                    differing.iter().take(SHOWN).map(|name| text::name(name)).collect();
                format!("{count} of {} tensors differ: {}, ..", tensors.len(), shown.join(", "))
            }
        };
        lines += &format!("  {of:24} {found}\n");
    }
    print(&lines)?;
    Ok(code)
}

/// The steps, made by this process.
fn hashes(args: &DoctorArgs, output: Output) -> Result<Hashes> {
    let Some(spec) = &args.determinism else {
        return Err(Error::user("--hashes: --determinism names no spec"));
    };
    let quiet = Output { quiet: true, ..output };
    let checked = args.overrides.check(spec, Depth::Headers, quiet)?.remove(0);
    let spec = &checked.loaded.spec;
    if checked.guide.is_some() {
        return Err(Error::user(format!(
            "{}: it is trained on masks of its guide, which are not there: name the spec of the guide",
            spec.name
        )));
    }
    let chosen = args.overrides.device(spec, output)?;
    let survey = survey(&checked, Extent::Training)?;
    let plan = checked.plan(&survey, spec.seeds[0], chosen.kind.family())?;
    let (tensors, steps) = hashes_after(&plan, &chosen, args.steps)?;
    let key = determinism_key(&plan, &chosen.kind);
    let (experiment, device) = (spec.name.clone(), chosen.kind.to_string());
    Ok(Hashes { experiment, device, steps, key, tensors })
}

/// The steps, made by another process with the same arguments and so many threads.
fn process(threads: usize) -> Result<Hashes> {
    let cannot = |error: std::io::Error| Error::failed(format!("cannot start a process: {error}"));
    let output = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(std::env::args_os().skip(1))
        .arg("--hashes")
        .env(THREADS, threads.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(cannot)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ").to_string();
        return Err(match output.status.code() {
            Some(2) => Error::user(said),
            _ => Error::failed(said),
        });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::failed(format!("a process said what cannot be read: {error}")))
}

fn compare(threads: [usize; 2], one: &Hashes, other: &Hashes) -> Compared {
    let differs = |name: &&String| one.tensors.get(*name) != other.tensors.get(*name);
    let differing = one.tensors.keys().filter(differs).cloned().collect();
    Compared { threads, differing }
}
