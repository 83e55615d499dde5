//! The runs of one spec, one for each seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Output;
use super::several::Several;
use super::spec::Overrides;
use crate::device::Family;
use crate::error::{Error, Result};
use crate::plan::{Checked, Extent, Plan, Survey, survey};
use crate::progress;
use crate::record::{Record, RunDir, RunState};
use crate::report::{NotBegun, fallen};
use crate::run::{
    Due, Guided, Options, Outcome, Step, due, due_after, going_on, guided, plans_of_guide, run,
    trains,
};
use crate::spec::Loaded;
use crate::train::Stop;

/// The runs of a spec, one for each seed.
pub(super) struct Job {
    /// The spec, one fold or one trial of it.
    pub checked: Checked,
    /// How they are made.
    pub options: Options,
    /// The same with the epochs that are to be added.
    pub longer: Option<Loaded>,
    /// Their plans; `None` until they are known, which is late where other runs come first.
    pub plans: Option<Vec<Plan>>,
    /// What declares them.
    pub declared: Declared,
}

/// What declares the runs of a job, from which another process plans them again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Declared {
    pub overrides: Overrides,
    /// The spec file.
    pub spec: PathBuf,
    /// The fold, where the spec declares several.
    pub fold: Option<String>,
    /// The trial, where it has a sweep.
    pub trial: Option<DeclaredTrial>,
}

/// A trial of a sweep.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct DeclaredTrial {
    /// Its number, from 1.
    pub number: usize,
    /// Whether it is evaluated as the spec says, and not on the validation split alone.
    pub whole: bool,
}

impl Declared {
    /// The kind of the device that its overrides name; of one that they do not name, a CPU.
    ///
    /// # Errors
    /// If it is not known.
    pub(super) fn family(&self) -> Result<Family> {
        let named = self.overrides.device.clone();
        named.map_or(Ok(Family::Cpu), Family::try_from)
    }

    /// A spec as it is, or a fold of it.
    pub(super) fn new(checked: &Checked, overrides: &Overrides) -> Self {
        Self {
            overrides: overrides.clone(),
            spec: checked.loaded.path.clone(),
            fold: checked.loaded.member().map(String::from),
            trial: None,
        }
    }
}

impl Job {
    /// The job of a spec that is planned when its turn comes.
    pub(super) fn later(checked: Checked, options: Options, declared: Declared) -> Self {
        Self { checked, options, longer: None, plans: None, declared }
    }

    /// The same with its plans on a kind of device, if it depends on no other run; by what is known of the data, if they were
    /// read before.
    ///
    /// # Errors
    /// If a run cannot be planned.
    pub(super) fn planned(self, known: Option<&Survey>, device: Family) -> Result<Self> {
        if self.checked.guide.is_some() {
            return Ok(self);
        }
        let own = if known.is_none() { Some(survey(&self.checked, Extent::All)?) } else { None };
        let Some(survey) = known.or(own.as_ref()) else { return Ok(self) };
        let plans = plans_of(&self.checked, survey, self.longer.as_ref(), device)?;
        Ok(Self { plans: Some(plans), ..self })
    }

    /// What is still to be done for each seed, and for the networks that guide it. No id of a guided run is known until
    /// its guide is finished.
    ///
    /// # Errors
    /// As [`due`], and where the masks of a guide cannot be read.
    pub(super) fn dues(&self) -> Result<Vec<Due>> {
        if let Some(plans) = &self.plans {
            return plans.iter().chain(&average_of(plans)).map(due).collect();
        }
        let guides = plans_of_guide(&self.checked, self.options.device.kind.family())?;
        let mut dues: Vec<Due> = guides.iter().map(due).collect::<Result<_>>()?;
        let finished = |plan: &Plan| Outcome::read(plan.folder(), true);
        let ready = match dues.iter().all(|due| due.step == Step::Nothing) {
            true => guided(self.checked.clone(), &self.options.device, &finished)?,
            false => return Ok(self.after(dues)),
        };
        match ready {
            Guided::Ready(checked) => {
                let survey = survey(&checked, Extent::All)?;
                let device = self.options.device.kind.family();
                let plans = plans_of(&checked, &survey, self.longer.as_ref(), device)?;
                dues.extend(plans.iter().map(due).collect::<Result<Vec<_>>>()?);
                Ok(dues)
            }
            Guided::Unfinished(_) => Ok(self.after(dues)),
        }
    }

    /// What is to be done of a guide, and each seed after it.
    fn after(&self, mut dues: Vec<Due>) -> Vec<Due> {
        let spec = &self.checked.loaded.spec;
        let guide = self.checked.guide.as_ref().map(|guide| guide.loaded.spec.name.as_str());
        let position = &self.checked.position;
        let after = |&seed: &u32| due_after(&spec.name, seed, position, guide.unwrap_or_default());
        dues.extend(spec.seeds.iter().map(after));
        dues
    }

    /// The plans of its runs, where all runs that it depends on are finished.
    ///
    /// # Errors
    /// If one of these is not finished, or a run cannot be planned.
    pub(super) fn ready(self) -> Result<Vec<Plan>> {
        let finished = |plan: &Plan| Outcome::read(plan.folder(), true);
        match guided(self.checked, &self.options.device, &finished)? {
            Guided::Ready(checked) => {
                let survey = survey(&checked, Extent::All)?;
                let device = self.options.device.kind.family();
                plans_of(&checked, &survey, self.longer.as_ref(), device)
            }
            Guided::Unfinished(outcome) => {
                let path = outcome.path.display();
                Err(Error::failed(format!("{path}, which guides it, is not finished")))
            }
        }
    }

    /// Makes the runs, one for each seed, after some that the command has made `before`. One that cannot begin is named, and
    /// the others are made.
    pub(super) fn make(&self, maker: &Maker, before: &[Outcome], done: &mut Done) {
        make_all(&[(self, self.options.clone())], maker, before, &mut |_, ended| done.add(ended));
    }

    /// The plan of the average of its runs, where they are planned and the spec asks for it.
    pub(super) fn plan_of_average(&self) -> Option<Plan> {
        average_of(self.plans.as_ref()?)
    }

    /// Makes the average of its runs, where the spec asks for it and all of them finished.
    fn average(&self, plans: &[Plan], options: &Options, maker: &Maker, done: &mut Done) {
        let Some(plan) = average_of(plans) else { return };
        let finished = |plan: &Plan| {
            let of_plan = |outcome: &&Outcome| outcome.path == plan.folder();
            done.outcomes.iter().find(of_plan).is_some_and(Outcome::finished)
        };
        if let Some(lacking) = plans.iter().find(|plan| !finished(plan)) {
            let (name, lacking) = (plan.name(), lacking.name());
            maker.output.say(format!("{name}: not made: {lacking} did not finish"));
            return;
        }
        let task = Task { plan: &plan, options, declared: &self.declared, guide: None };
        let made = match maker.several {
            Some(several) => several.here(&task, maker, || maker.here(&task)),
            None if maker.stop.asked() => None,
            None => Some(maker.here(&task)),
        };
        match made {
            Some(Ok(outcome)) => done.outcomes.push(outcome),
            Some(Err(error)) => done.fail(plan.name(), &error),
            None => {}
        }
    }
}

/// The plan of the average of the runs of some plans, where their spec asks for it.
fn average_of(plans: &[Plan]) -> Option<Plan> {
    let asked = plans.iter().all(|plan| plan.decisions.spec.evaluation.ensemble);
    if asked { Plan::average(plans.to_vec()) } else { None }
}

/// How runs are made.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub stop: &'a Stop,
    pub output: Output,
    /// Those that make several at once; `None` where they are made one after the other by this process.
    pub several: Option<&'a Several>,
    /// The place of what is made among all that the command makes: what comes first begins first.
    pub place: usize,
    /// Whether nothing is trained: what others have not finished is taken as it is.
    pub collects: bool,
}

impl Maker<'_> {
    /// Makes runs, and gives what came of each by its place among them; those that a stop comes before are left out.
    fn make(&self, tasks: &[Task], ended: &mut dyn FnMut(usize, Result<Outcome>)) {
        if let Some(several) = self.several {
            return several.make(tasks, self, ended);
        }
        for (index, task) in tasks.iter().enumerate() {
            if self.stop.asked() {
                break;
            }
            ended(index, self.here(task));
        }
    }

    /// Makes a run in this process and says how it ended.
    pub(super) fn here(&self, task: &Task) -> Result<Outcome> {
        if self.collects && trains(task.plan)? {
            return task.as_it_is();
        }
        self.output.say(task.begin());
        let outcome = run(task.plan, task.options, self.stop)?;
        self.output.say(task.end(&outcome)?);
        Ok(outcome)
    }
}

/// A run that is to be made.
pub(super) struct Task<'a> {
    pub plan: &'a Plan,
    pub options: &'a Options,
    pub declared: &'a Declared,
    /// Of a network that guides the job's classifier, its fold.
    pub guide: Option<usize>,
}

impl Task<'_> {
    /// That the run begins.
    pub(super) fn begin(&self) -> String {
        format!(
            "{}: {} ({} parameters) on {}",
            self.plan.name(),
            self.plan.folder().display(),
            self.plan.decisions.parameters,
            self.options.device.kind
        )
    }

    /// The run as far as others have made it.
    ///
    /// # Errors
    /// If it has not begun.
    fn as_it_is(&self) -> Result<Outcome> {
        let folder = self.plan.folder();
        match RunDir::is_begun(&folder) {
            true => Outcome::read(folder, true),
            false => Err(Error::failed(format!("{}: it has not begun", self.plan.name()))),
        }
    }

    /// How the run ended.
    ///
    /// # Errors
    /// If a gate fell and its record cannot be read.
    pub(super) fn end(&self, outcome: &Outcome) -> Result<String> {
        let state =
            if outcome.reused { "was finished before".into() } else { outcome.state.to_string() };
        let why = outcome.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let mut lines = vec![format!("{}: {state}{why}", self.plan.name())];
        lines.extend(outcome.notes.iter().map(|note| format!("  note: {note}")));
        for (name, value) in &outcome.figures {
            let left_out = match outcome.left_out.get(&name.to_string()) {
                Some(cases) => format!(", {cases} left out"),
                None => String::new(),
            };
            lines.push(format!("  {name:24} {value:.4}{left_out}"));
        }
        if outcome.gates.iter().any(|gate| !gate.held) {
            let record = Record::read(&outcome.path)?;
            let fell = record.gates.iter().filter(|gate| !gate.held);
            lines.extend(fell.map(|gate| format!("  gate fell: {}", fallen(gate, &record))));
        }
        Ok(lines.join("\n"))
    }
}

/// Makes the runs of jobs, each by options of its own, after some that the command has made `before`; gives what came of each
/// job by its place among them.
pub(super) fn make_all(
    jobs: &[(&Job, Options)],
    maker: &Maker,
    before: &[Outcome],
    ended: &mut dyn FnMut(usize, Done),
) {
    let (mut all, mut planned): (Vec<Done>, Vec<Vec<Plan>>) = (Vec::new(), Vec::new());
    for (job, options) in jobs {
        let mut done = Done::default();
        let plans = match &job.plans {
            Some(plans) => plans.clone(),
            None => plans(job, options, maker, before, &mut done).unwrap_or_else(|error| {
                done.fail(job.checked.loaded.spec.name.clone(), &error);
                Vec::new()
            }),
        };
        all.push(done);
        planned.push(plans);
    }
    let tasks: Vec<(usize, Task)> = jobs
        .iter()
        .zip(&planned)
        .enumerate()
        .flat_map(|(index, ((job, options), plans))| {
            let declared = &job.declared;
            plans.iter().map(move |plan| (index, Task { plan, options, declared, guide: None }))
        })
        .collect();
    let (of_job, tasks): (Vec<usize>, Vec<Task>) = tasks.into_iter().unzip();
    let mut results: Vec<Option<Result<Outcome>>> = tasks.iter().map(|_| None).collect();
    let mut left: Vec<usize> = planned.iter().map(Vec::len).collect();
    let mut whole = |job: usize, results: &mut [Option<Result<Outcome>>], all: &mut [Done]| {
        let mut done = std::mem::take(&mut all[job]);
        let of_this = of_job.iter().zip(&tasks).zip(results).filter(|((of, _), _)| **of == job);
        for ((_, task), result) in of_this {
            match result.take() {
                Some(Ok(outcome)) => done.outcomes.push(outcome),
                Some(Err(error)) => done.fail(task.plan.name(), &error),
                None => {}
            }
        }
        let (of_job, options) = &jobs[job];
        of_job.average(&planned[job], options, maker, &mut done);
        ended(job, done);
    };
    for job in (0..jobs.len()).filter(|&job| planned[job].is_empty()) {
        whole(job, &mut results, &mut all);
    }
    maker.make(&tasks, &mut |index, result| {
        let job = of_job[index];
        results[index] = Some(result);
        left[job] -= 1;
        if left[job] == 0 {
            whole(job, &mut results, &mut all);
        }
    });
    // Those that someone asked to stop.
    for job in (0..jobs.len()).filter(|&job| left[job] > 0) {
        whole(job, &mut results, &mut all);
    }
}

/// What came of some jobs.
#[derive(Default)]
pub(super) struct Done {
    /// How the runs ended that were begun.
    pub outcomes: Vec<Outcome>,
    /// The exit code of the first run that could not begin, or of a trial that failed.
    pub failed: Option<u8>,
    /// The runs that could not begin.
    pub not_begun: Vec<NotBegun>,
    /// Whether runs that a spec depends on kept it from being run.
    pub left_out: bool,
}

impl Done {
    /// The run directories.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.outcomes.iter().map(|outcome| outcome.path.clone()).collect()
    }

    /// Takes what came of other jobs.
    pub(super) fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.failed = self.failed.or(other.failed);
        self.not_begun.extend(other.not_begun);
        self.left_out |= other.left_out;
    }

    /// Names what kept a run from beginning.
    pub(super) fn fail(&mut self, name: String, error: &Error) {
        let why = error.to_string();
        progress::say(&format!("error: {why}"));
        self.not_begun.push(NotBegun { name, why });
        self.failed.get_or_insert(error.exit_code());
    }
}

/// A plan for each seed of a spec that depends on no run; with a longer spec, of that, going on from the runs of the
/// other.
fn plans_of(
    checked: &Checked,
    survey: &Survey,
    longer: Option<&Loaded>,
    device: Family,
) -> Result<Vec<Plan>> {
    let longer = longer.map(|loaded| Checked { loaded: loaded.clone(), ..checked.clone() });
    let of_seed = |&seed: &u32| {
        let plan = checked.plan(survey, seed, device)?;
        match &longer {
            Some(longer) => going_on(longer.plan(survey, seed, device)?, &plan),
            None => Ok(plan),
        }
    };
    checked.loaded.spec.seeds.iter().map(of_seed).collect()
}

/// A plan for each seed, once the runs that it depends on are made; none if one of these did not finish, which is then among
/// the outcomes.
fn plans(
    job: &Job,
    options: &Options,
    maker: &Maker,
    before: &[Outcome],
    done: &mut Done,
) -> Result<Vec<Plan>> {
    let checked = &job.checked;
    // What failed for one spec is not tried again for another.
    let failed = |plan: &Plan| {
        let of_plan = |outcome: &&Outcome| {
            outcome.run_id == plan.decisions.run_id
                && outcome.experiment == plan.decisions.spec.name
        };
        let found = before.iter().find(of_plan)?;
        (found.state != RunState::Finished).then(|| found.clone())
    };
    let guides = plans_of_guide(checked, options.device.kind.family())?;
    let declared = &job.declared;
    let made = RefCell::new(BTreeMap::new());
    if maker.several.is_some() {
        let new = guides.iter().enumerate().filter(|(_, plan)| failed(plan).is_none());
        let task = |(fold, plan)| Task { plan, options, declared, guide: Some(fold) };
        let tasks: Vec<Task> = new.map(task).collect();
        maker.make(&tasks, &mut |index, outcome| {
            made.borrow_mut().insert(tasks[index].plan.folder(), outcome);
        });
        if maker.stop.asked() {
            done.left_out = true;
            return Ok(Vec::new());
        }
    }
    let run = |plan: &Plan| match (failed(plan), made.borrow_mut().remove(&plan.folder())) {
        (Some(outcome), _) => Ok(outcome),
        (None, Some(outcome)) => outcome,
        (None, None) => maker.here(&Task { plan, options, declared, guide: None }),
    };
    let checked = match guided(checked.clone(), &options.device, &run)? {
        Guided::Ready(checked) => checked,
        Guided::Unfinished(outcome) => {
            let (name, path) = (&checked.loaded.spec.name, outcome.path.display());
            maker.output.say(format!("{name}: not run: {path}, which guides it, did not finish"));
            if before.iter().all(|other| other.path != outcome.path) {
                done.outcomes.push(*outcome);
            }
            done.left_out = true;
            return Ok(Vec::new());
        }
    };
    let device = options.device.kind.family();
    plans_of(&checked, &survey(&checked, Extent::All)?, job.longer.as_ref(), device)
}
