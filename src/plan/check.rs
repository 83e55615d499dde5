//! Validation of a spec and its data before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::figures::{self, Deciding};
use super::opened::Opened;
use super::trials;
use crate::attribution::{Method, Settings};
use crate::baseline::Baseline;
use crate::data::{
    Crop, Dataset, Duplicates, Labels, Split, StainNormalization, augment_problems, folds,
    fused_column, group_key, lacking_stains, lacks_foreground, leaks, normalize_problems, open_for,
    percentile_window, sampler_problem, split_to_choose_on, stains_lacking, subset,
    telling_columns, unscored, unsearched,
};
use crate::device::{Request, choose};
use crate::error::{Error, Result};
use crate::evaluate::{
    Strata, epoch_figures, figure_names, image_figure_names, outputs, second_head_names, view_sides,
};
use crate::figure_name::{FigureName, MASK_DICE};
use crate::finding::{Finding, FindingKind, Findings};
use crate::loss::{self, Outputs};
use crate::metric::{OfClass, OfImages};
use crate::model;
use crate::record::{COST, GuideRow, Position, in_a_line};
use crate::spec::{
    Against, BestOnValidThreshold, Channels, ChosenOn, EvaluationSpec, GateSpec, GuideSpec,
    JudgedCases, KeepSpec, Loaded, Member, Origin, Problem, Problems, RefineSpec, Resize,
    ScheduleSpec, Spec, SplitSpec, SubsetSpec, SweepSpec, TaskSpec, ThresholdSpec, load,
};
use crate::split_name::SplitName;

/// The validated spec, its data set opened and split.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The spec and where its values come from.
    pub loaded: Loaded,
    /// The data set, without pixels.
    pub dataset: Arc<Dataset>,
    /// Its splits.
    pub split: Split,
    /// Which of the runs of the experiment and a seed is made of it.
    pub position: Position,
    /// Findings about the data and their split; none is an error.
    pub findings: Findings,
    /// Cases whose images are near-duplicates of one another; empty where they were not looked for.
    pub near_duplicates: Arc<Vec<Vec<usize>>>,
    /// How stains are normalised, where they are.
    pub stain: Option<StainNormalization>,
    /// The segmentation that predicts masks for it.
    pub guide: Option<Box<Checked>>,
    /// Which network predicted the mask of each case; empty until they are predicted.
    pub guide_rows: Vec<GuideRow>,
    /// The trials of its sweep; none without one.
    pub trials: Vec<Trial>,
}

/// One of the trials of a sweep.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its number, from 1.
    pub number: usize,
    /// The keys that it sets, with their values as TOML.
    pub keys: BTreeMap<String, String>,
    /// The spec with these keys.
    pub checked: Checked,
}

impl Trial {
    /// The same, evaluated on the validation split alone, without gates and without an average: what a trial is chosen by.
    ///
    /// # Errors
    /// If that cannot be said over the keys of the trial.
    pub fn on_validation(&self) -> Result<Checked, Problems> {
        let whole = &self.checked.loaded;
        let splits = toml::Value::from(vec![SplitName::Valid.as_str()]);
        let mut keys = vec![("evaluation.splits".to_string(), splits)];
        let gates = whole.spec.gate.keys();
        keys.extend(
            gates.map(|name| (format!("gate.{}", toml::Value::from(name.as_str())), false.into())),
        );
        if whole.spec.evaluation.ensemble {
            keys.push(("evaluation.ensemble".into(), false.into()));
        }
        let mut loaded =
            whole.with(&Member { name: whole.member().unwrap_or_default().into(), keys })?;
        loaded.spec.dataset.split = whole.spec.dataset.split.clone();
        let position = Position { trial: self.keys.clone(), ..self.checked.position.clone() };
        Ok(Checked { loaded, position, ..self.checked.clone() })
    }
}

/// How far [`check`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At folders and headers, and once at what images and masks hold, which is cached. Near-duplicates are not looked
    /// for: the split is the one that cases would get without them.
    Headers,
    /// At pixels too: near-duplicates are looked for, whether or not the split depends on them.
    Pixels,
}

/// Validates what the schema cannot: missing data, sizes that do not fit the network, figures that are not recorded.
///
/// ```
/// use std::path::Path;
///
/// use oncospec::plan::{Depth, check};
/// use oncospec::spec::load;
///
/// let loaded = load(Path::new("experiments/demo.toml"), &[], std::iter::empty())?;
/// let checked = check(loaded, Depth::Headers)?;
/// assert_eq!(checked.dataset.cases.len(), 90);
/// assert_eq!(checked.split.train.len(), 54);
/// # Ok::<(), oncospec::spec::Problems>(())
/// ```
///
/// # Errors
/// All mistakes together; of a sweep those of the spec itself, or else of its first trial with some.
pub fn check(loaded: Loaded, depth: Depth) -> Result<Checked, Problems> {
    check_on(loaded, depth, &mut Opened::default())
}

/// The same on data sets that were opened before, where it has one of them.
///
/// # Errors
/// As [`check`].
pub fn check_on(loaded: Loaded, depth: Depth, opened: &mut Opened) -> Result<Checked, Problems> {
    let mut checked = check_one(loaded, depth, opened)?;
    checked.trials = trials_of(&checked, depth, opened)?;
    Ok(checked)
}

/// Validates a trial of a spec's sweep, by its number, and neither the spec itself nor the other trials; `None` where the
/// sweep has no such trial.
///
/// # Errors
/// All mistakes together.
pub fn check_trial(
    loaded: &Loaded,
    number: usize,
    depth: Depth,
) -> Result<Option<Trial>, Problems> {
    let assignments = loaded.spec.sweep.as_ref().map(trials::assignments).unwrap_or_default();
    let assignment = number.checked_sub(1).and_then(|index| assignments.into_iter().nth(index));
    assignment.map(|keys| trial(loaded, number, keys, depth, &mut Opened::default())).transpose()
}

/// The trials of a spec's sweep, each validated as the spec is.
fn trials_of(checked: &Checked, depth: Depth, opened: &mut Opened) -> Result<Vec<Trial>, Problems> {
    let Some(sweep) = &checked.loaded.spec.sweep else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (index, assignment) in trials::assignments(sweep).into_iter().enumerate() {
        let trial = trial(&checked.loaded, index + 1, assignment, depth, opened)?;
        if names_of(&trial.checked, SplitName::Valid) != names_of(checked, SplitName::Valid)
            || names_of(&trial.checked, SplitName::Test) != names_of(checked, SplitName::Test)
        {
            let message = format!(
                "trials are compared on the same cases, and {} gives other validation or test cases",
                in_a_line(&trial.keys)
            );
            let problem = checked.loaded.problem_at("sweep.over", message, None);
            return Err(Problems::new(checked.loaded.path.clone(), vec![problem]));
        }
        all.push(trial);
    }
    Ok(all)
}

/// The trial that sets some keys.
fn trial(
    loaded: &Loaded,
    number: usize,
    assignment: trials::Assignment,
    depth: Depth,
    opened: &mut Opened,
) -> Result<Trial, Problems> {
    let keys = assignment.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    let of = loaded.member().map(|fold| format!("{fold}, ")).unwrap_or_default();
    let member =
        Member { name: format!("{of}trial {number}"), keys: assignment.into_iter().collect() };
    Ok(Trial { number, keys, checked: check_one(loaded.with(&member)?, depth, opened)? })
}

/// The names of the cases of a split.
fn names_of(checked: &Checked, split: SplitName) -> BTreeSet<&str> {
    let cases = checked.split.part(split).iter();
    cases.map(|&case| checked.dataset.cases[case].id.as_str()).collect()
}

fn check_one(mut loaded: Loaded, depth: Depth, opened: &mut Opened) -> Result<Checked, Problems> {
    let spec = &loaded.spec;
    let mut found = Mistakes { loaded: &loaded, list: Vec::new() };
    found.settings();
    let mut dataset = match opened.dataset(&spec.dataset, &spec.task) {
        Ok(dataset) => Some(dataset),
        Err((key, error)) => {
            found.add(key, error.to_string());
            None
        }
    };
    let (mut divided, mut stain) = (None, None);
    if let Some(dataset) = &mut dataset {
        found.on(dataset);
        found.gates(dataset);
        found.sweep(dataset);
        let duplicates = match depth {
            Depth::Headers => Ok(unsearched(dataset)),
            Depth::Pixels => opened
                .duplicates(&spec.dataset, &spec.task, dataset)
                .map_err(|error| ("dataset.root", error)),
        };
        let division = duplicates.and_then(|duplicates| {
            let chooses = spec.schedule.choose_on.split();
            let split = split_to_choose_on(chooses, &spec.dataset.split, dataset, &duplicates);
            let split = split.map_err(|error| ("dataset.split", error))?;
            Ok((subset(&spec.dataset.subset, dataset, split), duplicates))
        });
        match division {
            Ok((split, duplicates)) => {
                found.splits(&split);
                found.labelled(dataset, &split);
                found.sampler(dataset, &split);
                found.scored(dataset, &split);
                found.fused(dataset, &split);
                if let Err(error) = decide_window(spec, dataset, &split) {
                    found.add("dataset.intensity", error.to_string());
                }
                match decide_stain(spec, dataset, &split) {
                    Ok(decided) => stain = decided,
                    Err((key, error)) => found.add(&key, error.to_string()),
                }
                divided = Some((split, duplicates));
            }
            Err((key, error)) => found.add(key, error.to_string()),
        }
    }
    let guide = match &divided {
        Some((split, duplicates)) => found.guide(split, duplicates),
        None => None,
    };
    let list = found.list;
    match (dataset, divided) {
        (Some(dataset), Some((split, duplicates))) if list.is_empty() => {
            let mut findings = dataset.findings.clone();
            findings.extend(of_division(&dataset, &split, &duplicates));
            findings.extend(chosen_on_test(&loaded.spec.schedule, split.test.len()));
            let fuse = loaded.spec.task.fuse();
            findings.extend(fuse.and_then(|fuse| telling_columns(&fuse.columns, &dataset)));
            let key = group_key(&loaded.spec.dataset.split, &dataset);
            loaded.spec.dataset.split.group_mut().into_iter().for_each(|group| *group = key);
            let (dataset, guide_rows) = (Arc::new(dataset), Vec::new());
            Ok(Checked {
                position: position(&loaded.spec, &split),
                loaded,
                dataset,
                split,
                findings,
                near_duplicates: Arc::new(duplicates.clusters()),
                stain,
                guide,
                guide_rows,
                trials: Vec::new(),
            })
        }
        _ => Err(Problems::new(loaded.path, list)),
    }
}

/// Which of the runs of an experiment the spec and the split are of.
fn position(spec: &Spec, split: &Split) -> Position {
    Position { fold: split.fold, division: spec.dataset.split.division(), ..Position::default() }
}

/// Findings about a split: near-duplicates, cases in no split, and what is in several.
fn of_division(dataset: &Dataset, split: &Split, duplicates: &Duplicates) -> Vec<Finding> {
    let mut findings = duplicates.findings(dataset);
    if !split.left_out.is_empty() {
        let what = format!("cases in no split; {}", split.left_out_why);
        let names = split.left_out.iter().map(|&case| dataset.cases[case].id.clone());
        findings.push(Finding::note(FindingKind::LeftOut, what).naming_all(names));
    }
    findings.extend(unscored(dataset, split));
    findings.extend(leaks(dataset, split, duplicates));
    findings
}

/// That the epoch is chosen on the images that are reported.
fn chosen_on_test(schedule: &ScheduleSpec, cases: usize) -> Option<Finding> {
    (schedule.choose_on == ChosenOn::Test).then(|| {
        let what = format!(
            "the epoch is chosen on the {cases} test images that are reported (`schedule.choose-on`): figures of test are \
             too good, and each epoch counts as a reading"
        );
        Finding::warning(FindingKind::ChosenOnTest, what)
            .remedy("for figures of unseen images choose on validation")
    })
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The key of a guiding segmentation.
const GUIDE: &str = "task.guide.experiment";

/// The problems found, each at its key.
struct Mistakes<'a> {
    loaded: &'a Loaded,
    list: Vec<Problem>,
}

impl Mistakes<'_> {
    fn add(&mut self, key: &str, message: String) {
        self.list.push(self.loaded.problem_at(key, message, None));
    }

    fn all(&mut self, problems: Vec<(String, String)>) {
        for (key, message) in problems {
            self.add(&key, message);
        }
    }

    /// Problems that do not depend on the data.
    fn settings(&mut self) {
        let spec = &self.loaded.spec;
        self.all(model::problems(&spec.model, spec.dataset.frame().sides()));
        self.all(augment_problems(&spec.augment));
        self.all(normalize_problems(&spec.dataset));
        self.all(crate::train::problems(&spec.schedule));
        self.task();
        self.geometry();
        self.stains();
        self.film();
        self.unfreezing();
        self.deciding();
    }

    /// Problems that depend on the classes of a data set.
    fn on(&mut self, dataset: &Dataset) {
        self.all(loss::problems(&self.loaded.spec.loss, outputs(&dataset.labels)));
        self.second_head(dataset);
        self.threshold(&dataset.labels);
        self.post_process(&dataset.labels);
        self.normal_images(&dataset.labels);
        self.layer_rates(dataset);
        self.weights(dataset);
        self.strata(dataset);
    }

    /// Files of weights must have the names and shapes of the network's tensors.
    fn weights(&mut self, dataset: &Dataset) {
        let spec = &self.loaded.spec;
        let files = super::weights(&spec.model);
        if files.is_empty() || !self.list.is_empty() {
            return;
        }
        let Ok(cpu) = choose(Request::Cpu) else { return };
        let channels = [spec.input_channels(), dataset.labels.channels()];
        let head = super::second_head(spec, dataset.image_classes.len());
        let model = model::Model::outline(&spec.model, channels, head, &cpu.device);
        let mut wrong = Vec::new();
        for (file, part) in files {
            let key = match part {
                model::Part::Encoder => "model.encoder.weights.path",
                model::Part::Backbone | model::Part::Whole => "model.weights.path",
            };
            wrong.extend(model::weights_misfit(&model, file, part).map(|why| (key.into(), why)));
        }
        self.all(wrong);
    }

    /// Network and metrics must be of what is predicted.
    fn task(&mut self) {
        let spec = &self.loaded.spec;
        let classifies = spec.task.classifies();
        if classifies != spec.model.classifies() {
            let (does, others) = if classifies {
                ("gives each pixel its class", "resnet18, efficientnet-b0, densenet169")
            } else {
                ("gives whole images their class", "unet, attention-unet, unet-plus-plus")
            };
            let message = format!(
                "this network {does}, and `task.kind` is `{}`: use one of {others}, .. or set the \
                 other task",
                spec.task.kind()
            );
            self.add("model.kind", message);
        }
        for &metric in &spec.evaluation.metrics {
            let row = metric.row();
            let (of_pixels, of_images) = (row.of_pixels.is_some(), row.of_images.is_some());
            let fits = if classifies { of_images } else { of_pixels };
            if !fits {
                let [of, about] = match classifies {
                    true => ["pixels", "whole images"],
                    false => ["whole images", "pixels"],
                };
                let name = metric.name();
                let message =
                    format!("`{name}` is a metric of {of}, and this task is about {about}");
                self.add("evaluation.metrics", message);
            }
        }
        if let ThresholdSpec::BestOnValid(by) = &spec.evaluation.threshold {
            self.decides_on_valid("evaluation.threshold.metric", by);
        }
        if classifies && spec.evaluation.refine != RefineSpec::default() {
            let message = "it refines the probabilities of pixels, and this task is about whole \
                           images: set it to { kind = \"none\" }";
            self.add("evaluation.refine", message.into());
        }
        let overlaps = spec.evaluation.window_overlap != EvaluationSpec::default().window_overlap;
        let cut =
            spec.dataset.crop.is_some() || spec.dataset.source.source().tile_scale().is_some();
        if overlaps && !cut {
            let message = "images are predicted by windows where `dataset.layout` cuts them into tiles or `dataset.crop` \
                           into crops, and this data set is not cut: leave it out";
            self.add("evaluation.window-overlap", message.into());
        }
        self.steps();
        self.ensemble();
        self.inputs();
    }

    /// An average is of the runs of several seeds, which have the same inputs.
    fn ensemble(&mut self) {
        let spec = &self.loaded.spec;
        let message = match (spec.evaluation.ensemble, spec.seeds.len(), spec.task.guide()) {
            (false, ..) | (true, 2.., None) => return,
            (true, _, None) => {
                "it averages the runs of several seeds, and `seeds` has one: name more, or leave it out"
            }
            (true, _, Some(_)) => {
                "networks that are given masks are not averaged: leave it out, or leave out `task.guide`"
            }
        };
        self.add("evaluation.ensemble", message.into());
    }

    /// A metric by which validation cases decide must change with what is predicted of them.
    fn decides_on_valid(&mut self, key: &'static str, by: &BestOnValidThreshold) {
        let Some(metric) = by.metric else { return };
        let row = metric.row();
        let ranks =
            matches!(row.of_images, Some(OfImages::Classes { value: OfClass::Ranking(_), .. }));
        let classifies = self.loaded.spec.task.classifies();
        let fits = match classifies {
            true => row.of_images.is_some() && !ranks,
            false => metric.is_of_counts(),
        };
        if !fits {
            let message = format!(
                "`{}` does not change with the threshold of this task as one number of each case or of all images: \
                 take {}",
                metric.name(),
                if classifies {
                    "accuracy, balanced-accuracy, f1, mcc, .."
                } else {
                    "dice, iou, f1, mcc, .."
                }
            );
            self.add(key, message);
        }
    }

    /// Steps after the network must fit its input and what is predicted.
    fn steps(&mut self) {
        let spec = &self.loaded.spec;
        let evaluation = &spec.evaluation;
        let [height, width] = spec.dataset.frame().sides();
        if evaluation.test_time_augmentation.rotate90 && height != width {
            let message = format!(
                "images of {width}x{height} pixels do not fit the network when turned: leave it out, or set \
                 `dataset.image-size` to one number"
            );
            self.add("evaluation.test-time-augmentation.rotate90", message);
        }
        let divisor = model::size_divisor(&spec.model) as usize;
        let own = [height, width];
        for [height, width] in view_sides(&evaluation.test_time_augmentation, own, divisor) {
            let sides = [height, width];
            if sides == own {
                continue;
            }
            // What is wrong with the network at its own size is said there.
            let known = model::problems(&spec.model, own);
            let mut scaled = model::problems(&spec.model, sides).into_iter();
            if let Some((_, why)) = scaled.find(|problem| !known.contains(problem)) {
                let message = format!("an input of {width}x{height} pixels: {why}");
                self.add("evaluation.test-time-augmentation.scales", message);
            }
        }
        if let KeepSpec::IfBetterOnValid(by) = &evaluation.keep {
            self.decides_on_valid("evaluation.keep.metric", by);
            let steps = !evaluation.test_time_augmentation.is_none()
                || evaluation.refine != RefineSpec::default()
                || !evaluation.post_process.is_empty();
            if !steps {
                let message = "there is nothing to decide about: name a step in `evaluation.test-time-augmentation`, \
                               `evaluation.refine` or `evaluation.post-process`, or leave it out";
                self.add("evaluation.keep", message.into());
            }
        }
        let cut =
            spec.dataset.crop.is_some() || spec.dataset.source.source().tile_scale().is_some();
        let message = match (evaluation.post_process.is_empty(), spec.task.classifies(), cut) {
            (true, ..) | (false, false, false) => return,
            (false, true, _) => {
                "it changes masks, and this task is about whole images: leave it out"
            }
            (false, false, true) => {
                "it needs the whole mask of an image, and images that `dataset.layout` cuts into tiles or `dataset.crop` \
                 into crops are predicted row by row: leave it out"
            }
        };
        self.add("evaluation.post-process", message.into());
    }

    /// Images without a lesion are those without the one foreground.
    fn normal_images(&mut self, labels: &Labels) {
        let Labels::Classes { names } = labels else { return };
        for &metric in &self.loaded.spec.evaluation.metrics {
            if metric.is_of_normal_images() {
                let message = format!(
                    "`{}` is a metric of one foreground, and there are {} classes: {}",
                    metric.name(),
                    names.len(),
                    names.join(", ")
                );
                self.add("evaluation.metrics", message);
            }
        }
    }

    /// Post-processing is of the mask of one foreground.
    fn post_process(&mut self, labels: &Labels) {
        if let Labels::Classes { names } = labels
            && !self.loaded.spec.evaluation.post_process.is_empty()
        {
            let message = format!(
                "it changes the mask of one foreground, and there are {} classes: {}; leave it out",
                names.len(),
                names.join(", ")
            );
            self.add("evaluation.post-process", message);
        }
    }

    /// What the network sees must fit how cases are made.
    fn geometry(&mut self) {
        let Spec { dataset, augment, .. } = &self.loaded.spec;
        let source = dataset.source.source();
        let square = dataset.image_size.is_square();
        if !square && (source.is_of_tiles() || source.tile_scale().is_some()) {
            let message = "tiles are square: write one number";
            self.add("dataset.image-size", message.into());
        }
        let mut wrong = Vec::new();
        if dataset.crop.is_some() {
            if !matches!(self.loaded.spec.task, TaskSpec::Segment(_)) {
                wrong.push((
                    "dataset.crop",
                    "a part of an image need not show what gives the whole its class: leave it out",
                ));
            }
            if source.is_of_tiles() || source.tile_scale().is_some() {
                wrong.push((
                    "dataset.crop",
                    "`dataset.layout` has tiles, which are such parts: leave it out",
                ));
            } else if !square {
                wrong.push((
                    "dataset.image-size",
                    "crops are square: write one number, or leave out `dataset.crop`",
                ));
            }
            if dataset.resize == Resize::Letterbox {
                wrong.push((
                    "dataset.resize",
                    "crops have the network's size, so that there is nothing to pad: leave it out",
                ));
            }
        }
        if !square {
            let message = "quarter turns exchange height and width, which `dataset.image-size` has apart: leave it out, or \
                           write one number there";
            let parts = augment.parts().into_iter();
            let turns = parts.filter(|(_, part)| part.rotate90.is_some());
            let keys: Vec<String> = turns.map(|(path, _)| format!("{path}.rotate90")).collect();
            keys.iter().for_each(|key| self.add(key, message.into()));
        }
        if dataset.resize == Resize::Letterbox && source.tile_scale().is_some() {
            let message = "`dataset.layout` cuts tiles of the network's size, so that there is nothing to pad: leave it out";
            self.add("dataset.resize", message.into());
        }
        for (key, message) in wrong {
            self.add(key, message.into());
        }
    }

    /// Stains are colours.
    fn stains(&mut self) {
        let spec = &self.loaded.spec;
        if spec.dataset.channels != Channels::Gray {
            return;
        }
        let normalised = spec.dataset.stain.is_some().then(|| "dataset.stain".to_owned());
        let asked: Vec<String> = normalised.into_iter().chain(stain_jitter(spec)).collect();
        for key in asked {
            let message = "stains are colours, and `dataset.channels` is \"gray\": leave it out, or set that to \"rgb\"";
            self.add(&key, message.into());
        }
    }

    /// Inputs that are made from masks need a guide, and a guide needs them.
    fn inputs(&mut self) {
        let spec = &self.loaded.spec;
        let inputs = spec.task.inputs();
        if !inputs.is_empty() && spec.dataset.channels != Channels::Gray {
            let message = "`task.inputs` are made from gray images: set it to \"gray\"";
            self.add("dataset.channels", message.into());
        }
        let read = inputs.iter().any(|input| input.reads_mask());
        match (read, spec.task.guide().is_some()) {
            (true, false) => self.add(
                "task.inputs",
                "`lesion`, `mask` and `crop` are made from masks: name the segmentation that makes \
                 them in `task.guide`"
                    .into(),
            ),
            (false, true) => self.add(
                "task.guide",
                "no input is made from its masks: add `lesion`, `mask` or `crop` to `task.inputs`"
                    .into(),
            ),
            (true, true) | (false, false) => {}
        }
    }

    /// The guiding segmentation, checked on the data and the split of the classifier.
    fn guide(&mut self, split: &Split, duplicates: &Duplicates) -> Option<Box<Checked>> {
        let spec = &self.loaded.spec;
        let guide = spec.task.guide()?;
        if !self.list.is_empty() {
            return None;
        }
        let loaded = self.guiding(guide)?;
        let path = Path::new(&guide.experiment);
        let opened = open_for(&loaded.spec).and_then(|mut dataset| {
            decide_window(&loaded.spec, &mut dataset, split)?;
            let stain = decide_stain(&loaded.spec, &mut dataset, split);
            let stain = stain.map_err(|(key, error)| Error::user(format!("{key}: {error}")))?;
            Ok((dataset, stain))
        });
        let (dataset, stain) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.add(GUIDE, format!("{}: {error}", path.display()));
                return None;
            }
        };
        if !matches!(dataset.labels, Labels::Binary { .. }) {
            let message = "masks of one foreground, a lesion, are needed to guide".into();
            self.add(GUIDE, message);
            return None;
        }
        let mut of_guide = Mistakes { loaded: &loaded, list: Vec::new() };
        of_guide.settings();
        of_guide.on(&dataset);
        of_guide.sampler(&dataset, split);
        for problem in of_guide.list {
            let help = problem.help.map(|help| format!("; {help}")).unwrap_or_default();
            let (key, message) = (problem.key, problem.message);
            self.add(GUIDE, format!("{}: {key}: {message}{help}", path.display()));
        }
        self.guide_folds(guide.folds as usize, &dataset, split);
        let mut findings = dataset.findings.clone();
        findings.extend(of_division(&dataset, split, duplicates));
        Some(Box::new(Checked {
            position: position(&loaded.spec, split),
            loaded,
            dataset: Arc::new(dataset),
            split: split.clone(),
            findings,
            near_duplicates: Arc::new(duplicates.clusters()),
            stain,
            guide: None,
            guide_rows: Vec::new(),
            trials: Vec::new(),
        }))
    }

    /// The spec of the guiding segmentation, with the data and the split of the classifier.
    fn guiding(&mut self, guide: &GuideSpec) -> Option<Loaded> {
        let spec = &self.loaded.spec;
        let path = Path::new(&guide.experiment);
        if same_file(path, &self.loaded.path) {
            self.add(GUIDE, "an experiment cannot guide itself".into());
            return None;
        }
        let mut loaded = match load(path, &guide.overrides, std::iter::empty()) {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.add(GUIDE, format!("{} is wrong:\n{problems}", path.display()));
                return None;
            }
        };
        if loaded.spec.task.classifies() {
            let message = format!(
                "{} gives images their class; what makes masks must be a segmentation, which cannot \
                 be guided in turn",
                path.display()
            );
            self.add(GUIDE, message);
            return None;
        }
        if loaded.spec.sweep.is_some() {
            let message = format!(
                "{}: sweep: a guide is one setting, and a sweep has several: add \"sweep=false\" to `task.guide.overrides`",
                path.display()
            );
            self.add(GUIDE, message);
        }
        if loaded.spec.dataset.subset != SubsetSpec::default() {
            let message = format!(
                "{}: dataset.subset: a guide has the cases of the spec that it guides: set \
                 `dataset.subset` of that one",
                path.display()
            );
            self.add(GUIDE, message);
        }
        if loaded.spec.schedule.choose_on == ChosenOn::Test {
            let message = format!(
                "{}: schedule.choose-on: a guide chooses its epoch among the training cases of the spec that it guides: add \
                 \"schedule.choose-on='valid'\" to `task.guide.overrides`",
                path.display()
            );
            self.add(GUIDE, message);
        }
        loaded.spec.dataset.source = spec.dataset.source.clone();
        loaded.spec.dataset.intensity = spec.dataset.intensity.clone();
        loaded.spec.dataset.split = spec.dataset.split.clone();
        loaded.spec.dataset.subset = spec.dataset.subset.clone();
        loaded.spec.run = spec.run.clone();
        Some(loaded)
    }

    /// Each fold of the training cases needs a case.
    fn guide_folds(&mut self, count: usize, dataset: &Dataset, split: &Split) {
        let dealt = folds(dataset, &split.groups, &split.train, count);
        if (0..count).any(|fold| !dealt.contains(&fold)) {
            let groups: BTreeSet<&String> =
                split.train.iter().map(|&case| &split.groups[case]).collect();
            let message = format!(
                "{} training cases in {} groups are too few for {count} folds, each of which needs \
                 a case",
                split.train.len(),
                groups.len()
            );
            self.add("task.guide.folds", message);
        }
    }

    /// A threshold is for one foreground, or for the second of two classes of images.
    fn threshold(&mut self, labels: &Labels) {
        let (names, what) = match labels {
            Labels::Binary { .. } => return,
            Labels::Images { names } if names.len() == 2 => return,
            Labels::Images { names } => (names, "an image"),
            Labels::Classes { names } => (names, "a pixel"),
        };
        if self.loaded.spec.evaluation.threshold != ThresholdSpec::default() {
            let message = format!(
                "a threshold is for one foreground, or for two classes of images, and there are {}: \
                 {}; {what} gets the likeliest",
                names.len(),
                names.join(", ")
            );
            self.add("evaluation.threshold", message);
        }
    }

    /// Columns that the network is given must go with the cases and hold numbers.
    fn fused(&mut self, dataset: &Dataset, split: &Split) {
        let spec = &self.loaded.spec;
        let Some(fuse) = spec.task.fuse() else { return };
        let carried = spec.dataset.source.source().metadata();
        let mut wrong = Vec::new();
        for (index, column) in fuse.columns.iter().enumerate() {
            let message = if fuse.columns[..index].contains(column) {
                Some(format!("`{column}` is named twice"))
            } else if carried.contains(column) {
                fused_column(column, dataset, &split.train).err()
            } else {
                let there = match carried {
                    [] => "nothing: a `table` names columns there".to_string(),
                    carried => carried.join(", "),
                };
                Some(format!(
                    "no column `{column}` goes with the cases; `dataset.metadata` names {there}"
                ))
            };
            wrong.extend(message.map(|message| (format!("task.fuse.columns[{index}]"), message)));
        }
        self.all(wrong);
    }

    /// Figures by a column need cases that have values of it.
    fn strata(&mut self, dataset: &Dataset) {
        let spec = &self.loaded.spec;
        let (carried, by) = (spec.dataset.source.source().metadata(), &spec.evaluation.by);
        let mut wrong = Vec::new();
        for (index, strata) in by.iter().enumerate() {
            if by[..index].iter().any(|other| other.column == strata.column) {
                let key = format!("evaluation.by[{index}].column");
                wrong.push((key, format!("`{}` is named twice", strata.column)));
            } else if let Err(unfit) = Strata::new(strata, dataset, carried) {
                wrong.push((format!("evaluation.by[{index}].{}", unfit.key), unfit.message));
            }
        }
        self.all(wrong);
    }

    /// The loss of a second head must fit the classes of images.
    fn second_head(&mut self, dataset: &Dataset) {
        if let Some(head) = self.loaded.spec.task.second_head() {
            let loss = &head.classification_loss;
            self.all(loss::multi_task::problems(loss, dataset.image_classes.len()));
        }
    }

    /// Figures that decide during training must be recorded each epoch, the best epoch's on the split that chooses;
    /// directions, if given, must be theirs.
    fn deciding(&mut self) {
        let spec = &self.loaded.spec;
        // Names do not depend on how many classes there are.
        let outputs = if spec.task.classifies() { Outputs::Images(2) } else { Outputs::Binary };
        let names = epoch_figures(outputs, spec.task.second_head().is_some());
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        let chooses = spec.schedule.choose_on.split();
        let chosen_on = if chooses == SplitName::Test { "test" } else { "validation" };
        let mut found = Vec::new();
        for Deciding { table, metric, goal } in figures::deciding(&spec.schedule) {
            let splits = match table {
                "schedule.best" => vec![chooses],
                _ => vec![SplitName::Train, chooses],
            };
            let recorded = figures::with_splits(&splits, &names);
            if !recorded.iter().any(|known| known == metric) {
                let of = metric.parse().ok().map(|name: FigureName| name.split);
                let why = match (of, chooses) {
                    (Some(SplitName::Train), _) if splits == [chooses] => {
                        format!("is of the training split; the best epoch is chosen on {chosen_on}")
                    }
                    (Some(SplitName::Test), SplitName::Valid) => {
                        "is of the test split, which takes no part in choices unless `schedule.choose-on` is \"test\"".into()
                    }
                    (Some(SplitName::Valid), SplitName::Test) => {
                        "is of the validation split, and `schedule.choose-on` is \"test\"".into()
                    }
                    _ => "is not recorded during training".into(),
                };
                found.push((
                    format!("{table}.metric"),
                    format!("figure `{metric}` {why}"),
                    figures::help(metric, &recorded),
                ));
            } else if let Some(message) = figures::wrong_goal(metric, goal) {
                found.push((format!("{table}.goal"), message, None));
            }
        }
        for (key, message, help) in found {
            self.list.push(self.loaded.problem_at(&key, message, help));
        }
    }

    /// The film must look at a layer or gate that the network has, if at any.
    fn film(&mut self) {
        let spec = &self.loaded.spec;
        if !self.list.is_empty() {
            return;
        }
        let film = &spec.report.film;
        let settings = Settings { layer: film.layer.clone(), ..Settings::default() };
        let size = spec.dataset.image_size.shorter() as usize;
        if let Err(unfit) = Method::new(film.method, settings, &spec.model, size) {
            let key = format!("report.film.{}", unfit.key);
            self.list.push(self.loaded.problem_at(&key, unfit.message, Some(unfit.help)));
        }
    }

    /// Layers that are unfrozen must have been frozen, and be trained before the end.
    fn unfreezing(&mut self) {
        let spec = &self.loaded.spec;
        let Some(epoch) = spec.schedule.unfreeze_epoch else { return };
        let message = if !spec.model.freezes() {
            "nothing is frozen: set `frozen` or `frozen-stages` of the model".to_string()
        } else if epoch > spec.schedule.epochs {
            format!("there are {} epochs, so it would never come", spec.schedule.epochs)
        } else {
            return;
        };
        self.add("schedule.unfreeze-epoch", message);
    }

    /// Rates must be for layers that the network has and trains.
    fn layer_rates(&mut self, dataset: &Dataset) {
        let spec = &self.loaded.spec;
        if spec.schedule.layer_rates.is_empty() || !self.list.is_empty() {
            return;
        }
        let columns = spec.task.fuse().map_or(0, |fuse| fuse.columns.len());
        let layers = super::layers(spec, dataset, columns, 1);
        let trained: Vec<&str> = layers
            .iter()
            .filter(|layer| layer.parameters > 0)
            .filter(|layer| layer.trainable || spec.schedule.unfreeze_epoch.is_some())
            .map(|layer| layer.name.as_str())
            .collect();
        let mut wrong = Vec::new();
        for (index, rate) in spec.schedule.layer_rates.iter().enumerate() {
            if trained.iter().any(|name| rate.fits(name)) {
                continue;
            }
            let frozen = layers.iter().any(|layer| rate.fits(&layer.name));
            let why = if frozen { "are frozen or have no parameters" } else { "are not there" };
            let first = |name: &&str| name.split('.').next().unwrap_or_default().to_string();
            let mut above: Vec<String> = trained.iter().map(first).collect();
            above.dedup();
            let help = format!("the network trains {}; `plan` lists all layers", above.join(", "));
            wrong.push((
                format!("schedule.layer-rates[{index}].layers"),
                format!("layers `{}` {why}", rate.layers),
                help,
            ));
        }
        for (key, message, help) in wrong {
            self.list.push(self.loaded.problem_at(&key, message, Some(help)));
        }
    }

    /// Gates must name figures that the evaluation will record.
    fn gates(&mut self, dataset: &Dataset) {
        let recorded = self.recorded(dataset, &self.loaded.spec.evaluation.splits);
        let gates: Vec<(String, GateSpec)> =
            self.loaded.spec.gate.iter().map(|(name, gate)| (name.clone(), gate.clone())).collect();
        let compares = |(_, gate): &(String, GateSpec)| {
            gate.worse_at_most.is_some() && gate.against.unwrap_or_default() == Against::Baseline
        };
        if gates.iter().any(compares)
            && let Err(error) = Baseline::read(Path::new(&self.loaded.spec.run.baseline))
        {
            self.add("run.baseline", error.to_string());
        }
        for (name, gate) in gates {
            let key = format!("gate.\"{name}\"");
            if let Some((below, message)) = self.of_folds(&name, &gate) {
                self.add(&format!("{key}.{below}"), message);
            }
            let of_cost = COST.contains(&name.as_str());
            if !recorded.contains(&name) && !of_cost {
                let message = format!("figure `{name}` is not recorded by [evaluation]");
                let help = figures::help(&name, &recorded);
                self.list.push(self.loaded.problem_at(&key, message, help));
            } else if of_cost && !gate.on.is_value() {
                let message = format!("`{name}` has no interval: leave `on` out");
                self.add(&format!("{key}.on"), message);
            } else if let Some(message) = figures::wrong_bound(&name, &gate) {
                self.add(&key, message);
            }
        }
    }

    /// What stands against a gate of all folds, or against one of each of them; with the key of the gate.
    fn of_folds(&self, name: &str, gate: &GateSpec) -> Option<(&'static str, String)> {
        let of_baseline =
            gate.worse_at_most.is_some() && gate.against.unwrap_or_default() == Against::Baseline;
        // Where the spec names its fold, the author wrote it, and a baseline keeps that one run.
        let declared = matches!(self.loaded.origins.of("dataset.split.fold"), Origin::Member(_));
        match gate.of {
            JudgedCases::EachRun if of_baseline && declared => Some((
                "worse-at-most",
                "a baseline has one figure for all folds, and none for each: add `of = \"all-folds\"`, or give `at-least` or \
                 `at-most`"
                    .into(),
            )),
            JudgedCases::EachRun => None,
            JudgedCases::AllFolds => {
                let of_test = name.parse().is_ok_and(|name: FigureName| name.split == SplitName::Test);
                if !matches!(self.loaded.spec.dataset.split, SplitSpec::Kfold(_)) {
                    let message = "the cases are not divided into folds: set `dataset.split.kind` to \"kfold\", or leave `of` out";
                    Some(("of", message.into()))
                } else if !of_test {
                    let message = format!("figures over all folds are of test cases, and `{name}` is not: leave `of` out");
                    Some(("of", message))
                } else if gate.against == Some(Against::LastRun) {
                    let message = "figures over all folds are compared with the baseline: set `against` to \"baseline\"";
                    Some(("against", message.into()))
                } else {
                    None
                }
            }
        }
    }

    /// A sweep must have values to try, and choose by a figure that the evaluation records of the validation split.
    fn sweep(&mut self, dataset: &Dataset) {
        let Some(sweep) = &self.loaded.spec.sweep else { return };
        self.all(trials::problems(sweep));
        if self.loaded.spec.schedule.choose_on == ChosenOn::Test {
            let message = "trials are compared on validation and must not see test, on which each would choose its epoch: \
                           leave it out, or `sweep`";
            self.add("schedule.choose-on", message.into());
        }
        self.halving(sweep);
        let recorded = self.recorded(dataset, &[SplitName::Valid]);
        if !recorded.contains(&sweep.metric) {
            let message = format!(
                "figure `{}` is not one that [evaluation] records of the validation split",
                sweep.metric
            );
            let help = figures::help(&sweep.metric, &recorded);
            self.list.push(self.loaded.problem_at("sweep.metric", message, help));
        }
    }

    /// Trials are ended by a figure of epochs, before their last one.
    fn halving(&mut self, sweep: &SweepSpec) {
        let spec = &self.loaded.spec;
        let Some(halving) = &sweep.halving else { return };
        let outputs = if spec.task.classifies() { Outputs::Images(2) } else { Outputs::Binary };
        let names = epoch_figures(outputs, spec.task.second_head().is_some());
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        let recorded = figures::with_splits(&[SplitName::Valid], &names);
        let mut wrong = Vec::new();
        if !recorded.contains(&sweep.metric) {
            let message = format!(
                "`sweep.halving` ends trials while they train, and `{}` is no figure of epochs",
                sweep.metric
            );
            wrong.push(("sweep.metric", message, figures::help(&sweep.metric, &recorded)));
        }
        if halving.rungs(spec.schedule.epochs).is_empty() {
            let message = format!(
                "there are {} epochs, so that no trial would be ended",
                spec.schedule.epochs
            );
            wrong.push(("sweep.halving.epochs", message, None));
        }
        if sweep.over.contains_key("schedule.epochs") {
            let message = "trials are ended after the same epochs: leave `schedule.epochs` out of `sweep.over`";
            wrong.push(("sweep.halving", message.into(), None));
        }
        for (key, message, help) in wrong {
            self.list.push(self.loaded.problem_at(key, message, help));
        }
    }

    /// The full names of the figures that the evaluation records of some splits.
    fn recorded(&self, dataset: &Dataset, splits: &[SplitName]) -> Vec<String> {
        let evaluation = &self.loaded.spec.evaluation;
        let labels: BTreeSet<String> =
            dataset.cases.iter().map(|case| case.label.clone()).collect();
        let labels: Vec<String> = labels.into_iter().collect();
        let classes = dataset.labels.names();
        let names = match dataset.labels {
            Labels::Binary { .. } | Labels::Classes { .. } => {
                let mut names = figure_names(&evaluation.metrics, &classes, &labels);
                names.extend(second_head_names(&dataset.image_classes));
                names
            }
            Labels::Images { .. } => {
                let mut names = image_figure_names(&evaluation.metrics, &classes);
                names.extend(self.loaded.spec.task.guide().map(|_| MASK_DICE.to_string()));
                names
            }
        };
        figures::with_splits(splits, &names)
    }

    /// A split must have a pixel that takes part.
    fn labelled(&mut self, dataset: &Dataset, split: &Split) {
        for part in SplitName::ALL {
            let cases = split.part(part);
            if !cases.is_empty() && cases.iter().all(|case| dataset.ignored.contains(case)) {
                let names = cases.iter().map(|&case| dataset.cases[case].id.clone());
                let what = format!("the {part} split has not one labelled pixel");
                let finding = Finding::error(FindingKind::UnlabelledSplit, what).naming_all(names);
                let help = "all codes of its masks are ignored: look at the masks and at `dataset.classes`";
                let problem =
                    self.loaded.problem_at("dataset.split", finding.line(), Some(help.into()));
                self.list.push(problem);
            }
        }
    }

    /// Labels can be balanced where training cases have several.
    fn sampler(&mut self, dataset: &Dataset, split: &Split) {
        let sampler = self.loaded.spec.schedule.sampler;
        if let Some(message) = sampler_problem(sampler, dataset, &split.train) {
            self.add("schedule.sampler", message);
        }
    }

    /// A figure of the foreground that decides while training needs a pixel of it.
    fn scored(&mut self, dataset: &Dataset, split: &Split) {
        let Labels::Binary { foreground } = &dataset.labels else { return };
        let schedule = &self.loaded.spec.schedule;
        let mut wrong = Vec::new();
        for Deciding { table, metric, .. } in figures::deciding(schedule) {
            let of = |part: &SplitName| metric.starts_with(&format!("{part}."));
            let part = SplitName::ALL.into_iter().find(of);
            let of_foreground = metric.ends_with(&format!(".{foreground}"));
            let lacking =
                part.and_then(|part| Some((part, lacks_foreground(dataset, split, part)?)));
            let Some((part, lack)) = lacking.filter(|_| of_foreground) else { continue };
            let message = format!(
                "`{metric}` decides, and the {part} split has not one pixel of {foreground}{} in its {} cases, so that \
                 it would never have a value",
                lack.place(),
                split.part(part).len()
            );
            wrong.push((format!("{table}.metric"), message, lack.remedy()));
        }
        for (key, message, help) in wrong {
            self.list.push(self.loaded.problem_at(&key, message, Some(help.into())));
        }
    }

    /// Splits that are evaluated must have cases.
    fn splits(&mut self, split: &Split) {
        let evaluation = &self.loaded.spec.evaluation;
        let empty = evaluation.splits.contains(&SplitName::Test) && split.test.is_empty();
        if empty {
            let message = "the test split is to be evaluated, but the division gives it no case";
            let help =
                Some("set evaluation.splits = [\"valid\"], or give the test split cases".into());
            self.list.push(self.loaded.problem_at("evaluation.splits", message.into(), help));
        }
        if !split.valid.is_empty() {
            return;
        }
        let best_on_valid = matches!(evaluation.threshold, ThresholdSpec::BestOnValid(_));
        if evaluation.splits.contains(&SplitName::Valid) {
            let message =
                "the validation split is to be evaluated, but the division gives it no case";
            let help = Some("set evaluation.splits = [\"test\"]".into());
            self.list.push(self.loaded.problem_at("evaluation.splits", message.into(), help));
        }
        if best_on_valid {
            let message =
                "the threshold is to be the best on validation, but the division gives it no case";
            self.add("evaluation.threshold", message.into());
        }
    }
}

/// Decides how images of 16 bits are read: by those of the training split, where the spec says so.
fn decide_window(spec: &Spec, dataset: &mut Dataset, split: &Split) -> Result<()> {
    let window = percentile_window(&spec.dataset.intensity, dataset, &split.train)?;
    dataset.decide_levels(window)
}

/// The keys that ask for random stains.
fn stain_jitter(spec: &Spec) -> Vec<String> {
    let parts = spec.augment.parts().into_iter().filter(|(_, part)| part.stain.is_some());
    parts.map(|(path, _)| format!("{path}.stain")).collect()
}

/// Decides how stains are normalised, and finds the images that have none to be normalised or augmented.
fn decide_stain(
    spec: &Spec,
    dataset: &mut Dataset,
    split: &Split,
) -> Result<Option<StainNormalization>, (String, Error)> {
    let normalised = spec.dataset.stain.is_some().then(|| "dataset.stain".to_owned());
    let asked = normalised.into_iter().chain(stain_jitter(spec)).next();
    let Some(key) = asked.filter(|_| spec.dataset.channels != Channels::Gray) else {
        return Ok(None);
    };
    let decide = |stain| StainNormalization::of(stain, dataset.levels);
    let stain = spec.dataset.stain.as_ref().map(decide).transpose();
    let stain = stain.map_err(|error| ("dataset.stain.reference".to_owned(), error))?;
    // Augmentation sees training images alone.
    let parts = if stain.is_some() { &SplitName::ALL[..] } else { &[SplitName::Train] };
    let cases: Vec<usize> = parts.iter().flat_map(|&part| split.part(part)).copied().collect();
    let lacking =
        lacking_stains(dataset, &cases, stain.as_ref(), Crop::new(&spec.dataset).as_ref())
            .map_err(|error| (key.clone(), error))?;
    let Some(finding) = stains_lacking(dataset, &lacking) else { return Ok(stain) };
    let has_stains = |case: &usize| lacking.iter().all(|(lacks, _)| lacks != case);
    if !split.train.is_empty() && !split.train.iter().any(has_stains) {
        let why = "no training image has two stains, so that it would change nothing: leave it out";
        return Err((key, Error::user(format!("{why}; {}", finding.line()))));
    }
    dataset.findings.push(finding);
    Ok(stain)
}
