//! The runs of one spec, one for each seed.

use std::path::PathBuf;

use super::Output;
use crate::error::{Error, Result};
use crate::plan::{Checked, Extent, Plan, Survey, survey};
use crate::record::{Record, RunState};
use crate::report::{NotBegun, fallen};
use crate::run::{
    Due, Guided, Options, Outcome, Step, due, due_after, going_on, guided, plans_of_guide, run,
};
use crate::spec::Loaded;
use crate::text;
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
}

impl Job {
    /// The job of a spec that is planned when its turn comes.
    pub(super) fn later(checked: Checked, options: Options) -> Self {
        Self { checked, options, longer: None, plans: None }
    }

    /// The same with its plans, if it depends on no other run; by what is known of the data, if they were read before.
    ///
    /// # Errors
    /// If a run cannot be planned.
    pub(super) fn planned(self, known: Option<&Survey>) -> Result<Self> {
        if self.checked.guide.is_some() {
            return Ok(self);
        }
        let own = if known.is_none() { Some(survey(&self.checked, Extent::All)?) } else { None };
        let Some(survey) = known.or(own.as_ref()) else { return Ok(self) };
        let plans = plans_of(&self.checked, survey, self.longer.as_ref(), &self.options)?;
        Ok(Self { plans: Some(plans), ..self })
    }

    /// What is still to be done for each seed, and for the networks that guide it. No id of a guided run is known until
    /// its guide is finished.
    ///
    /// # Errors
    /// As [`due`], and where the masks of a guide cannot be read.
    pub(super) fn dues(&self) -> Result<Vec<Due>> {
        if let Some(plans) = &self.plans {
            return plans.iter().map(due).collect();
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
                let plans = plans_of(&checked, &survey, self.longer.as_ref(), &self.options)?;
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

    /// Makes the runs, one for each seed. One that cannot begin is named, and the others are made.
    pub(super) fn make(&self, stop: &Stop, output: Output, done: &mut Done) {
        self.make_by(&self.options, stop, output, done);
    }

    /// The same with options of the moment.
    pub(super) fn make_by(&self, options: &Options, stop: &Stop, output: Output, done: &mut Done) {
        let plans = match &self.plans {
            Some(plans) => plans.clone(),
            None => match plans(self, stop, output, &mut done.outcomes) {
                Ok(plans) => plans,
                Err(error) => return done.fail(self.checked.loaded.spec.name.clone(), &error),
            },
        };
        done.left_out |= plans.is_empty();
        for plan in plans {
            if stop.asked() {
                break;
            }
            match run_one(&plan, options, stop, output) {
                Ok(outcome) => done.outcomes.push(outcome),
                Err(error) => done.fail(plan.name(), &error),
            }
        }
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

    /// Names what kept a run from beginning.
    pub(super) fn fail(&mut self, name: String, error: &Error) {
        let why = error.to_string();
        eprintln!("error: {}", text::lines(&why));
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
    options: &Options,
) -> Result<Vec<Plan>> {
    let device = options.device.kind.family();
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

/// A plan for each seed, once the runs that it depends on are made; none if one of these did not finish, which then
/// goes to `outcomes`.
fn plans(
    Job { checked, options, longer, .. }: &Job,
    stop: &Stop,
    output: Output,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<Plan>> {
    // What failed for one spec is not tried again for another.
    let failed = |plan: &Plan| {
        let of_plan = |outcome: &&Outcome| {
            outcome.run_id == plan.decisions.run_id
                && outcome.experiment == plan.decisions.spec.name
        };
        let found = outcomes.iter().find(of_plan)?;
        (found.state != RunState::Finished).then(|| found.clone())
    };
    let run = |plan: &Plan| match failed(plan) {
        Some(outcome) => Ok(outcome),
        None => run_one(plan, options, stop, output),
    };
    let checked = match guided(checked.clone(), &options.device, &run)? {
        Guided::Ready(checked) => checked,
        Guided::Unfinished(outcome) => {
            let (name, path) = (&checked.loaded.spec.name, outcome.path.display());
            output.say(format!("{name}: not run: {path}, which guides it, did not finish"));
            if outcomes.iter().all(|other| other.path != outcome.path) {
                outcomes.push(outcome);
            }
            return Ok(Vec::new());
        }
    };
    plans_of(&checked, &survey(&checked, Extent::All)?, longer.as_ref(), options)
}

/// Makes one run and says how it ended.
fn run_one(plan: &Plan, options: &Options, stop: &Stop, output: Output) -> Result<Outcome> {
    let decisions = &plan.decisions;
    output.say(format!(
        "{}: {} ({} parameters) on {}",
        plan.name(),
        plan.folder().display(),
        decisions.parameters,
        options.device.kind
    ));
    let outcome = run(plan, options, stop)?;
    let state =
        if outcome.reused { "was finished before".into() } else { outcome.state.to_string() };
    let why = outcome.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    output.say(format!("{}: {state}{why}", plan.name()));
    for note in &outcome.notes {
        output.say(format!("  note: {note}"));
    }
    for (name, value) in &outcome.figures {
        let left_out = match outcome.left_out.get(&name.to_string()) {
            Some(cases) => format!(", {cases} left out"),
            None => String::new(),
        };
        output.say(format!("  {name:24} {value:.4}{left_out}"));
    }
    if outcome.gates.iter().any(|gate| !gate.held) {
        let record = Record::read(&outcome.path)?;
        for gate in record.gates.iter().filter(|gate| !gate.held) {
            output.say(format!("  gate fell: {}", fallen(gate, &record)));
        }
    }
    Ok(outcome)
}
