//! The runs of a command as stages: what can be made at once, and what comes first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::job::{Declared, Job, Task};
use crate::cli::one_run::{Asked, Which};
use crate::cli::run::{RunArgs, Work};
use crate::cli::sweep::{SweepJob, SweepTable};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::record::{RunDir, RunState};
use crate::run::{Options, plans_of_guide};
use crate::spec::SlurmSpec;

/// All that a command asks for, in the order in which it can be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stages {
    pub stages: Vec<Stage>,
    /// What many runs share, which is long.
    shared: Vec<Asked>,
    /// The sweeps whose trials are among them.
    pub sweeps: Vec<SweepTable>,
    /// Runs that were finished before, and are made by none of them.
    pub finished: Vec<PathBuf>,
}

/// What can be made at once, each element by a process of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stage {
    /// What it makes, such as `guides of a`.
    pub name: String,
    /// The stages that come first.
    pub after: Vec<After>,
    /// What each element is given.
    pub resources: SlurmSpec,
    pub elements: Vec<Element>,
}

/// A stage that comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct After {
    /// Its place among all.
    pub stage: usize,
    /// Whether all of its elements must have succeeded.
    pub succeeded: bool,
}

/// Stages all of whose elements have ended, whatever came of them.
fn ended(stages: impl IntoIterator<Item = usize>) -> Vec<After> {
    stages.into_iter().map(|stage| After { stage, succeeded: false }).collect()
}

/// What one process makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Element {
    /// For a person, such as `a seed 0`.
    pub name: String,
    /// The run directories, as far as they are known.
    pub runs: Vec<PathBuf>,
    pub makes: Makes,
}

/// What an element makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Makes {
    /// Runs, one after the other: the second takes over the weights of the first.
    Runs(Vec<RunOf>),
    /// Runs of a trial, if it goes on after some of the first rungs.
    Trial { sweep: usize, number: usize, rungs: usize, runs: Vec<RunOf> },
    /// The masks of the networks that guide a classifier.
    Masks(RunOf),
    /// What follows from finished runs of a spec or fold: averages, the choice of a sweep.
    Rest { declared: Box<Declared>, extend_epochs: Option<u32> },
    /// The page.
    Page(Box<RunArgs>),
}

/// A run, by the place of what it shares with others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunOf {
    shared: usize,
    #[serde(flatten)]
    which: Which,
}

impl Stages {
    /// The run that is asked for; `None` if what it shares with others is not there.
    pub(super) fn asked(&self, run: &RunOf) -> Option<Asked> {
        Some(self.shared.get(run.shared)?.of(&run.which))
    }
}

/// Puts together the stages.
struct Builder {
    /// The places of what runs share, by its JSON.
    shared: BTreeMap<String, usize>,
    /// The epochs that are added to finished runs.
    extend_epochs: Option<u32>,
    all: Stages,
    /// The element of runs of a stage that have a training id.
    trained: BTreeMap<(usize, String), usize>,
    /// The stage of each network that guides others, by its run directory; `None` of a finished one.
    guides: BTreeMap<PathBuf, Option<usize>>,
}

/// The stages of works, at the end the page that a command asks for.
///
/// # Errors
/// If a network that guides others cannot be planned, or trials that are to be ended early depend on runs.
pub(super) fn stages(works: &[Work], page: &RunArgs) -> Result<Stages> {
    let (all, trained, guides) = (Stages::default(), BTreeMap::new(), BTreeMap::new());
    let (shared, extend_epochs) = (BTreeMap::new(), page.extend_epochs);
    let mut builder = Builder { shared, extend_epochs, all, trained, guides };
    for work in works {
        match work {
            Work::Runs(job) => builder.job(job)?,
            Work::Sweep(sweep) => builder.sweep(sweep)?,
        }
    }
    let mut stages = builder.all;
    let after = ended(0..stages.stages.len());
    let of_jobs = works.iter().flat_map(Work::jobs).map(resources);
    // The page may have to evaluate what is missing.
    let resources = of_jobs.max_by_key(|resources| resources.gpus).unwrap_or_default();
    let makes = Makes::Page(Box::new(page.clone()));
    let elements = vec![Element { name: "page".into(), runs: Vec::new(), makes }];
    stages.stages.push(Stage { name: "page".into(), after, resources, elements });
    Ok(stages)
}

impl Builder {
    /// The place of the stage of that name, of the same resources, after the same others.
    fn stage(&mut self, name: &str, resources: &SlurmSpec, after: &[After]) -> usize {
        let is_it = |stage: &Stage| {
            stage.name == name && stage.resources == *resources && stage.after == after
        };
        let stages = &mut self.all.stages;
        stages.iter().position(is_it).unwrap_or_else(|| {
            let (name, resources) = (name.into(), resources.clone());
            stages.push(Stage { name, after: after.to_vec(), resources, elements: Vec::new() });
            stages.len() - 1
        })
    }

    /// A run, whose shared part is kept once.
    fn run_of(&mut self, asked: Asked) -> RunOf {
        let (which, rest) = asked.parted();
        let known = serde_json::to_string(&rest).unwrap_or_default();
        let all = &mut self.all.shared;
        let shared = *self.shared.entry(known).or_insert_with(|| {
            all.push(rest);
            all.len() - 1
        });
        RunOf { shared, which }
    }

    /// Adds a run, to the element that trains the same weights if there is one.
    fn add_run(&mut self, stage: usize, task: &Task) {
        let (folder, asked) = (task.plan.folder(), self.run_of(Asked::new(task)));
        let id = (stage, task.plan.decisions.training_id.clone());
        let elements = &mut self.all.stages[stage].elements;
        if let Some(element) = self.trained.get(&id).and_then(|&place| elements.get_mut(place)) {
            if let Makes::Runs(runs) | Makes::Trial { runs, .. } = &mut element.makes
                && !element.runs.contains(&folder)
            {
                runs.push(asked);
                element.runs.push(folder);
            }
            return;
        }
        self.trained.insert(id, elements.len());
        let makes = Makes::Runs(vec![asked]);
        elements.push(Element { name: task.plan.name(), runs: vec![folder], makes });
    }

    /// Adds an element that is no run.
    fn add(&mut self, stage: usize, name: String, runs: Vec<PathBuf>, makes: Makes) {
        self.all.stages[stage].elements.push(Element { name, runs, makes });
    }

    /// What follows from the finished runs of a spec or fold.
    fn rest(&self, declared: Declared) -> Makes {
        Makes::Rest { declared: Box::new(declared), extend_epochs: self.extend_epochs }
    }

    /// Adds the runs of a spec or a fold of it, and their average.
    fn job(&mut self, job: &Job) -> Result<()> {
        let resources = resources(job);
        let before = self.guides(job, &resources)?;
        let made = match &job.plans {
            Some(plans) => self.runs("runs", job, plans, &job.options, &resources),
            None => Some(self.guided(job, &before, &resources)),
        };
        let Some(average) = job.plan_of_average() else { return Ok(()) };
        if is_finished(&average) {
            self.all.finished.push(average.folder());
        } else {
            let stage = self.stage("averages", &resources, &ended(made));
            let rest = self.rest(job.declared.clone());
            self.add(stage, average.name(), vec![average.folder()], rest);
        }
        Ok(())
    }

    /// Adds runs that depend on no others; the stage of those that are not finished.
    fn runs(
        &mut self,
        name: &str,
        job: &Job,
        plans: &[Plan],
        options: &Options,
        resources: &SlurmSpec,
    ) -> Option<usize> {
        let (finished, left): (Vec<&Plan>, Vec<&Plan>) =
            plans.iter().partition(|plan| is_finished(plan));
        self.all.finished.extend(finished.into_iter().map(Plan::folder));
        if left.is_empty() {
            return None;
        }
        let stage = self.stage(name, resources, &[]);
        for plan in left {
            let declared = &job.declared;
            self.add_run(stage, &Task { plan, options, declared, guide: None });
        }
        Some(stage)
    }

    /// Adds the networks that guide a job, and gives the stages that they are in.
    fn guides(&mut self, job: &Job, resources: &SlurmSpec) -> Result<Vec<After>> {
        let (declared, options) = (&job.declared, &job.options);
        let plans = plans_of_guide(&job.checked, declared.family()?)?;
        let name = format!("guides of {}", name(job));
        let mut after: Vec<After> = Vec::new();
        for (fold, plan) in plans.iter().enumerate() {
            let stage = match self.guides.get(&plan.folder()) {
                Some(known) => *known,
                None if is_finished(plan) => None,
                None => {
                    let stage = self.stage(&name, resources, &[]);
                    self.add_run(stage, &Task { plan, options, declared, guide: Some(fold) });
                    Some(stage)
                }
            };
            self.guides.insert(plan.folder(), stage);
            let one = stage.map(|stage| After { stage, succeeded: true });
            after.extend(one.filter(|one| !after.contains(one)));
        }
        Ok(after)
    }

    /// Adds the masks that runs are guided by, and these runs; the stage of the runs.
    fn guided(&mut self, job: &Job, guides: &[After], resources: &SlurmSpec) -> usize {
        let name = name(job);
        let asked = |seed| Asked::unplanned(&job.declared, &job.options, seed);
        let masks = self.stage(&format!("masks of {name}"), resources, guides);
        let spec = &job.checked.loaded.spec;
        let makes = Makes::Masks(self.run_of(asked(spec.seeds[0])));
        self.add(masks, format!("{name}, masks"), Vec::new(), makes);
        let after = [After { stage: masks, succeeded: true }];
        let stage = self.stage(&format!("runs of {name}"), resources, &after);
        for &seed in &spec.seeds {
            let run = job.checked.position.name(&spec.name, seed);
            let makes = Makes::Runs(vec![self.run_of(asked(seed))]);
            self.add(stage, run, Vec::new(), makes);
        }
        stage
    }

    /// Adds the trials of a sweep, in as many stages as it has rungs, and the choice among them.
    fn sweep(&mut self, sweep: &SweepJob) -> Result<()> {
        let table = sweep.table();
        let place = self.all.sweeps.len();
        let mut last: Vec<usize> = Vec::new();
        if table.rungs.is_empty() {
            for (job, _) in sweep.numbered() {
                let resources = resources(job);
                let before = self.guides(job, &resources)?;
                last.extend(match &job.plans {
                    Some(plans) => self.runs("trials", job, plans, &job.options, &resources),
                    None => Some(self.guided(job, &before, &resources)),
                });
            }
        }
        let rungs = table.rungs.iter().map(|&rung| Some(rung)).chain([None]);
        for (index, rung) in rungs.enumerate().filter(|_| !table.rungs.is_empty()) {
            let after = ended(last.drain(..));
            let name = match rung {
                Some(epoch) => format!("trials of {} to epoch {epoch}", sweep.name),
                None => format!("trials of {} to the end", sweep.name),
            };
            for (job, number) in sweep.numbered() {
                let Some(plans) = &job.plans else {
                    return Err(Error::user(format!(
                        "{}: `sweep.halving` ends trials by their records, and those of guided trials are not known before: \
                         leave out `sweep.halving`, or leave out --on",
                        sweep.name
                    )));
                };
                let resources = resources(job);
                let stage = self.stage(&name, &resources, &after);
                let options = &Options { pause_after: rung, ..job.options.clone() };
                let declared = &job.declared;
                for plan in plans {
                    let asked = Asked::new(&Task { plan, options, declared, guide: None });
                    let (rungs, runs) = (index, vec![self.run_of(asked)]);
                    let makes = Makes::Trial { sweep: place, number, rungs, runs };
                    self.add(stage, plan.name(), vec![plan.folder()], makes);
                }
                last.push(stage);
            }
            last.dedup();
        }
        last.sort_unstable();
        last.dedup();
        let Some((first, _)) = sweep.numbered().next() else { return Ok(()) };
        let declared = Declared { trial: None, ..first.declared.clone() };
        let stage = self.stage("choices", &resources(first), &ended(last));
        let rest = self.rest(declared);
        self.add(stage, format!("{}, choice", sweep.name), Vec::new(), rest);
        self.all.sweeps.push(table);
        Ok(())
    }
}

/// What the runs of a job are given.
fn resources(job: &Job) -> SlurmSpec {
    job.checked.loaded.spec.run.slurm.clone().unwrap_or_default()
}

/// The spec of a job, and its fold.
fn name(job: &Job) -> String {
    let fold = job.checked.loaded.member().map(|fold| format!(" {fold}")).unwrap_or_default();
    format!("{}{fold}", job.checked.loaded.spec.name)
}

/// Whether the run of a plan is finished.
fn is_finished(plan: &Plan) -> bool {
    finished(&plan.folder())
}

/// Whether a run directory holds a finished run.
pub(super) fn finished(folder: &Path) -> bool {
    let status = RunDir::open_read(folder).and_then(|run| run.status());
    status.is_ok_and(|status| status.state == RunState::Finished)
}
