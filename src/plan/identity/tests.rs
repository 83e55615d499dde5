use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::data::{Normalization, fingerprint};
use crate::device::Family;
use crate::plan::{Decisions, Depth, Survey, check};
use crate::record::Parent;
use crate::spec::{ClassifySpec, FuseSpec, TaskSpec, load};

const SPEC: &str = "name = 'a'\n[dataset]\nkind = 'phantom'\ncases = 40\nimage-size = 32\n\
    [model]\nkind = 'unet'\nencoder = { kind = 'plain', filters = [4, 8] }\n";

/// What an override changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    Weights,
    Figures,
    Nothing,
}
use Changes::{Figures, Nothing, Weights};

const OVERRIDES: [(&str, Changes); 51] = [
    ("schedule.epochs=7", Weights),
    ("schedule.batch-size=3", Weights),
    ("schedule.drop-last=true", Weights),
    ("schedule.sampler='shuffle'", Nothing),
    ("schedule.sampler='balanced'", Weights),
    ("schedule.precision='f32'", Nothing),
    ("schedule.optimizer={kind='sgd'}", Weights),
    ("schedule.learning-rate-schedule={kind='cosine'}", Weights),
    ("schedule.best.metric='train.loss'", Nothing),
    ("schedule.activation-checkpointing=true", Weights),
    ("model.encoder.dropout=0.2", Weights),
    ("loss={kind='dice'}", Weights),
    ("augment.horizontal-flip={probability=0.5}", Weights),
    ("dataset.image-size={height=32, width=32}", Nothing),
    ("dataset.image-size=64", Weights),
    ("dataset.channels='gray'", Weights),
    ("dataset.crop={foreground=0.5}", Weights),
    ("dataset.resize='stretch'", Nothing),
    ("dataset.resize='letterbox'", Weights),
    ("dataset.normalize={kind='imagenet'}", Weights),
    ("dataset.filters=[{kind='wiener'}]", Weights),
    ("dataset.cases=41", Weights),
    ("dataset.seed=1", Weights),
    ("dataset.split.seed=3", Weights),
    ("dataset.split.group='duplicates'", Weights),
    ("dataset.split.fractions={train=0.6, valid=0.2, test=0.2}", Weights),
    ("dataset.subset.train=0.5", Weights),
    ("evaluation.empty='skip'", Weights),
    ("evaluation.threshold={kind='fixed', value=0.4}", Figures),
    ("evaluation.metrics=['dice']", Figures),
    ("evaluation.resolution='network'", Figures),
    ("evaluation.splits=['valid']", Figures),
    ("evaluation.refine={kind='crf'}", Figures),
    ("evaluation.test-time-augmentation={horizontal-flip=true}", Figures),
    ("evaluation.calibration={kind='temperature'}", Figures),
    ("evaluation.post-process=[{kind='fill-holes'}]", Figures),
    ("evaluation.missed-distance='diagonal'", Figures),
    ("evaluation.by=[{column='label'}]", Figures),
    ("name='other'", Nothing),
    ("description='words'", Nothing),
    ("seeds=[0, 1]", Nothing),
    ("evaluation.ensemble=true", Nothing),
    ("report.best=2", Nothing),
    ("report.film.every=3", Nothing),
    ("gate={'valid.dice.lesion'={at-least=0.1}}", Nothing),
    ("gate={'valid.dice.lesion'={at-most=0.9}}", Nothing),
    ("run.workers=5", Nothing),
    ("run.checkpoint-every=5", Nothing),
    ("run.output='elsewhere'", Nothing),
    ("run.device='cpu'", Nothing),
    ("dataset.cache-mib=7", Nothing),
];

/// The decisions of the spec with some overrides; `None` where these do not go together.
fn decided(overrides: &[usize], seed: u32, device: Family) -> Option<Decisions> {
    let sets: Vec<&str> = overrides.iter().map(|&index| OVERRIDES[index].0).collect();
    decided_with(&sets, seed, device)
}

/// The same with keys that are set as by `--set`.
fn decided_with(sets: &[&str], seed: u32, device: Family) -> Option<Decisions> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, SPEC).unwrap();
    let sets: Vec<String> = sets.iter().map(|&set| set.into()).collect();
    let loaded = load(&path, &sets, std::iter::empty()).ok()?;
    let checked = check(loaded, Depth::Headers).ok()?;
    let survey = Survey {
        fingerprint: fingerprint(&checked.dataset).unwrap(),
        case_digests: Default::default(),
        balance: Vec::new(),
        class_pixels: vec![1, 1],
        normalization: Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] },
    };
    Some(checked.plan(&survey, seed, device).unwrap().decisions)
}

/// The overrides that change something of a kind.
fn of(changes: &[Changes], overrides: &BTreeSet<usize>) -> BTreeSet<usize> {
    overrides.iter().copied().filter(|&index| changes.contains(&OVERRIDES[index].1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn ids_are_equal_where_what_they_name_was_asked_for_alike_and_nowhere_else(
        one in prop::collection::btree_set(0..OVERRIDES.len(), 0..4),
        other in prop::collection::btree_set(0..OVERRIDES.len(), 0..4),
        shared in any::<bool>(),
    ) {
        // Half of the pairs differ in little.
        let other = if shared { one.iter().copied().chain(other.into_iter().take(1)).collect() } else { other };
        let list = |set: &BTreeSet<usize>| set.iter().copied().collect::<Vec<_>>();
        let (Some(a), Some(b)) = (decided(&list(&one), 0, Family::Cpu), decided(&list(&other), 0, Family::Cpu)) else {
            return Ok(());
        };
        prop_assert_eq!(a.training_id == b.training_id, of(&[Weights], &one) == of(&[Weights], &other));
        let scored = [Weights, Figures];
        prop_assert_eq!(a.run_id == b.run_id, of(&scored, &one) == of(&scored, &other));
    }
}

#[test]
fn each_override_alone_changes_what_it_should() {
    let plain = decided(&[], 0, Family::Cpu).unwrap();
    assert_eq!(plain.run_id.len(), TRAINING_DIGITS + 1 + EVALUATION_DIGITS);
    assert!(plain.run_id.starts_with(&prefix(&plain.training_id)));
    for (index, (text, changes)) in OVERRIDES.iter().enumerate() {
        let Some(changed) = decided(&[index], 0, Family::Cpu) else {
            assert_eq!(*changes, Nothing, "{text} is refused");
            continue;
        };
        let found = (changed.training_id != plain.training_id, changed.run_id != plain.run_id);
        let expected = (*changes == Weights, *changes != Nothing);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn seed_device_engines_data_and_parent_are_of_the_ids() {
    let plain = decided(&[], 0, Family::Cpu).unwrap();
    assert_ne!(decided(&[], 1, Family::Cpu).unwrap().training_id, plain.training_id);
    assert_ne!(decided(&[], 0, Family::Cuda(1)).unwrap().training_id, plain.training_id);
    let gpus = |count| decided(&[], 0, Family::Cuda(count)).unwrap().training_id;
    assert_ne!(gpus(1), gpus(2));
    let (dataset, split) = divided();
    let again = ids(&plain, &dataset, &split).unwrap();
    assert_eq!(again.run(), plain.run_id);
    let changed = |change: &dyn Fn(&mut Decisions)| {
        let mut decisions = plain.clone();
        change(&mut decisions);
        ids(&decisions, &dataset, &split).unwrap()
    };
    assert_ne!(changed(&|d| d.engine.push('0')).training, again.training);
    let part = |d: &mut Decisions| d.engine_parts.insert("loss/dice".into(), "0".into());
    assert_ne!(changed(&|d| assert!(part(d).is_some())).training, again.training);
    assert_ne!(changed(&|d| d.data_fingerprint.push('0')).training, again.training);
    assert_ne!(changed(&|d| d.weights_sha256.push("0".into())).training, again.training);
    let parent = Parent { training_id: "0".into(), epochs: 3 };
    assert_ne!(changed(&|d| d.parent = Some(parent.clone())).training, again.training);
    let scored = changed(&|d| d.evaluation_engine.push('0'));
    assert_eq!(scored.training, again.training);
    assert_ne!(scored.evaluation, again.evaluation);
}

#[test]
fn stains_are_of_the_training_id_and_their_absence_leaves_it_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(
        &path,
        SPEC.replace("cases = 40", "cases = 12\nmodality = 'histology'")
            + "[loss]\nkind = 'cross-entropy'",
    )
    .unwrap();
    let decisions = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&set| set.into()).collect();
        let loaded = load(&path, &sets, std::iter::empty()).unwrap();
        let checked = check(loaded, Depth::Headers).unwrap();
        let survey = Survey {
            case_digests: Default::default(),
            fingerprint: String::new(),
            balance: Vec::new(),
            class_pixels: vec![1; 5],
            normalization: Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] },
        };
        let ids = |decisions: &Decisions| ids(decisions, &checked.dataset, &checked.split).unwrap();
        let decisions = checked.plan(&survey, 0, Family::Cpu).unwrap().decisions;
        let of_numbers = |change: &dyn Fn(&mut crate::data::StainNormalization)| {
            let mut other = decisions.clone();
            other.stain.iter_mut().for_each(change);
            ids(&other).training
        };
        let others = [
            of_numbers(&|stain| stain.eosin[0] += 1e-9),
            of_numbers(&|stain| stain.image_sha256 = Some("0".into())),
        ];
        (decisions, others)
    };
    let (plain, _) = decisions(&[]);
    assert_eq!(plain.stain, None);
    assert!(!serde_json::to_string(&plain).unwrap().contains("stain"), "nothing of it is hashed");
    let (normalised, others) = decisions(&["dataset.stain={kind='macenko'}"]);
    assert_ne!(normalised.training_id, plain.training_id);
    assert!(others.iter().all(|other| *other != normalised.training_id), "{others:?}");
    let (finer, _) = decisions(&["dataset.stain={kind='macenko', percentile=2}"]);
    assert_ne!(finer.training_id, normalised.training_id);
    let (augmented, _) = decisions(&["augment.stain={probability=0.5}"]);
    assert_ne!(augmented.training_id, plain.training_id);
    assert_eq!(Decisions::from_toml(&normalised.to_toml().unwrap()).unwrap(), normalised);
}

#[test]
fn carried_columns_are_of_the_evaluation_id_alone_and_nothing_where_there_are_none() {
    let plain = decided(&[], 0, Family::Cpu).unwrap();
    let (mut dataset, split) = divided();
    let before = ids(&plain, &dataset, &split).unwrap();
    assert_eq!(before.run(), plain.run_id);
    let mut with = |age: Option<&str>| {
        let age = age.map(String::from);
        dataset.cases[0].metadata = [("age".to_string(), age)].into();
        ids(&plain, &dataset, &split).unwrap()
    };
    let (one, other, missing) = (with(Some("41")), with(Some("42")), with(None));
    assert!([&one, &other, &missing].iter().all(|ids| ids.training == before.training));
    let mut all = vec![before.evaluation, one.evaluation, other.evaluation, missing.evaluation];
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4);
}

#[test]
fn fused_columns_are_of_the_training_id() {
    let mut fused = decided(&[], 0, Family::Cpu).unwrap();
    let columns = vec!["age".to_string()];
    let fuse = FuseSpec { columns, hidden: 4 };
    fused.spec.task =
        TaskSpec::Classify(ClassifySpec { fuse: Some(fuse), ..ClassifySpec::default() });
    let (mut dataset, split) = divided();
    let mut with = |age: &str, bmi: &str| {
        let carried = [("age", age), ("bmi", bmi)];
        dataset.cases[split.train[0]].metadata =
            carried.map(|(name, value)| (name.to_string(), Some(value.to_string()))).into();
        ids(&fused, &dataset, &split).unwrap().training
    };
    let one = with("41", "20");
    assert_eq!(one, with("41", "30"), "another column");
    assert_ne!(one, with("42", "20"));
    let TaskSpec::Classify(spec) = &mut fused.spec.task else { unreachable!() };
    spec.fuse.as_mut().unwrap().hidden = 5;
    let wider = ids(&fused, &dataset, &split).unwrap().training;
    assert_ne!(one, wider);
}

fn divided() -> (crate::data::Dataset, crate::data::Split) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, SPEC).unwrap();
    let checked = check(load(&path, &[], std::iter::empty()).unwrap(), Depth::Headers).unwrap();
    (crate::data::Dataset::clone(&checked.dataset), checked.split)
}

#[test]
fn what_recipes_may_say_is_of_the_training_id_where_it_is_said_and_nowhere_else() {
    let decisions = |sets: &[&str]| decided_with(sets, 0, Family::Cpu).unwrap();
    let plain = decisions(&[]);
    let text = serde_json::to_string(&plain.spec).unwrap();
    for key in ["one-of", "choose-on", "batches", "given"] {
        assert!(!text.contains(&format!("\"{key}\"")), "{key} is hashed");
    }
    let one_of = "augment.one-of=[{probability=0.5, members=[{horizontal-flip={probability=1}}]}]";
    let of_training: [&[&str]; 4] = [
        &[one_of],
        &["augment.horizontal-flip={probability=0.5}"],
        &["schedule.choose-on='test'", "schedule.best.metric='test.loss'"],
        &["dataset.normalize={kind='given', mean=[0.5], std=[0.5]}"],
    ];
    let mut ids: Vec<String> = of_training.iter().map(|sets| decisions(sets).training_id).collect();
    ids.push(plain.training_id.clone());
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "each trains other weights");
    let batches = decisions(&["evaluation.batches={size=3, order='split'}"]);
    assert_eq!(batches.run_id, plain.run_id);
}
