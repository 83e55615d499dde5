//! Made-up records that look like real ones, written to a folder.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::example_masks::pictured;
use super::*;
use crate::figure_name::FigureName;
use crate::finding::{Finding, FindingKind};
use crate::layer::Layer;
use crate::metric::MetricKind;
use crate::spec::{AttributionKind, GateSpec, PublishedSpec, Settled};
use crate::split_name::SplitName;

/// Twelve epochs of a network on ultrasound that overfits from the fifth.
pub(crate) fn overfitting(root: &Path) -> Record {
    busi(root, "busi-attention-unet", 0, 12, 40)
}

/// A run over `cases` test cases.
pub(crate) fn busi(root: &Path, experiment: &str, seed: u32, epochs: u32, cases: usize) -> Record {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(seed) + 1);
    let run_id = format!("{seed:02x}6b1f0c9a77d2e4");
    let run = RunDir::create(root, experiment, &run_id).unwrap();
    let split = busi_split(cases);
    let cases = busi_cases(&split, &mut random);
    let pictures = busi_pictures(&run, &cases, &mut random);
    let dice: Vec<f64> = test_dice(&cases);
    let mean = dice.iter().sum::<f64>() / dice.len() as f64;
    let made = provenance(&run_id, seed, experiment);
    let record = Record {
        path: run.path().to_path_buf(),
        readings: read_test_split(&run, &made, 1),
        status: Status { state: RunState::Finished, epoch: epochs, epochs, ..Default::default() },
        provenance: made,
        spec: busi_spec(experiment, seed),
        plan: format!("run-id = \"{run_id}\"\nimage-size = 256\n"),
        epochs: overfitting_epochs(epochs, seed),
        times: (1..=epochs)
            .map(|epoch| TimesRow {
                epoch,
                train_s: 8.4 + 0.1 * f64::from(epoch % 3),
                valid_s: 0.9,
            })
            .collect(),
        scores: Vec::new(),
        guide: Vec::new(),
        figures: vec![
            figure(SplitName::Test, "dice.mean", mean, cases.len() / 2),
            figure(SplitName::Test, "iou.mean", mean * 0.86, cases.len() / 2),
            figure(SplitName::Test, "hd95.mean", 31.7 + f64::from(seed), cases.len() / 2 - 9),
            figure(SplitName::Test, "accuracy.pooled", 0.957, cases.len() / 2),
            figure(SplitName::Valid, "dice.mean", mean + 0.02, cases.len() / 2),
            figure(SplitName::Valid, "loss", 0.498, cases.len() / 2),
        ],
        strata: Vec::new(),
        sweep: Sweep::default(),
        reliability: reliability(),
        froc: froc(),
        confusion: vec![Confusion {
            split: SplitName::Test,
            classes: vec!["background".into(), "lesion".into()],
            matrix: vec![vec![6_412_870, 120_331], vec![154_207, 517_424]],
        }],
        layers: layers(),
        summary: busi_summary(experiment),
        gates: vec![
            gate("test.dice.mean", Some(0.5), None, mean),
            gate("test.hd95.mean", None, Some(25.0), 31.7 + f64::from(seed)),
        ],
        gates_of_folds: Vec::new(),
        split: split.into(),
        cases: cases.into(),
        film: film(&pictures, epochs),
        data_pictures: data_pictures(&pictures),
        pictures,
    };
    write(&run, &record);
    record
}

/// Two samples, a case as two epochs see it, and two near-duplicates.
fn data_pictures(pictures: &[Picture]) -> Vec<DataPicture> {
    let kind = |kind| DataPicture { kind, ..DataPicture::default() };
    let duplicate = |split| DataPicture {
        cluster: Some(1),
        split: Some(split),
        ..kind(DataPictureKind::NearDuplicate)
    };
    let kinds = [
        kind(DataPictureKind::Sample),
        kind(DataPictureKind::Sample),
        kind(DataPictureKind::Plain),
        DataPicture { epoch: 1, ..kind(DataPictureKind::Augmented) },
        duplicate(SplitName::Train),
        duplicate(SplitName::Test),
    ];
    let of = |(picture, said): (&Picture, DataPicture)| DataPicture {
        case: picture.case.clone(),
        label: picture.label.clone(),
        image: picture.images.image.clone(),
        truth: picture.images.truth.clone().filter(|_| said.cluster.is_none()),
        ..said
    };
    pictures.iter().zip(kinds).map(of).collect()
}

/// The first picture in some epochs, and another one in each.
fn film(pictures: &[Picture], epochs: u32) -> Vec<Frame> {
    let frame = |epoch: u32, picture: &Picture, fixed: bool| {
        let PictureImages { image, truth, probability: heat, prediction, .. } =
            picture.images.clone();
        let (case, label) = (picture.case.clone(), picture.label.clone());
        let images = FrameImages { image, truth, prediction, heat };
        Frame {
            epoch,
            fixed,
            case,
            label,
            method: AttributionKind::GradCam,
            layer: "gates.3".into(),
            predicted: String::new(),
            images,
        }
    };
    let shown = [1, epochs / 2, epochs].into_iter().zip(&pictures[1..]);
    shown
        .flat_map(|(epoch, other)| [frame(epoch, &pictures[0], true), frame(epoch, other, false)])
        .collect()
}

/// A run stopped by a person after its first epoch.
pub(crate) fn interrupted(root: &Path) -> Record {
    let run_id = "9fd0e1aa20b7c3";
    let run = RunDir::create(root, "busi-unet-interrupted", run_id).unwrap();
    let record = Record {
        path: run.path().to_path_buf(),
        status: Status {
            state: RunState::Interrupted,
            why: Some("stopped by Ctrl-C; --resume goes on from epoch 2".into()),
            epoch: 1,
            epochs: 30,
            ..Default::default()
        },
        provenance: Provenance { finished: None, ..provenance(run_id, 0, "busi-unet-interrupted") },
        spec: busi_spec("busi-unet-interrupted", 0).replace("attention-unet", "unet"),
        epochs: overfitting_epochs(1, 5),
        times: vec![TimesRow { epoch: 1, train_s: 7.9, valid_s: 0.8 }],
        split: busi_split(40).into(),
        summary: Summary { selection: None, ..busi_summary("busi-unet-interrupted") },
        layers: layers(),
        ..Default::default()
    };
    write(&run, &record);
    record
}

/// Five tissue classes; names that try to break the page.
pub(crate) fn multi_class(root: &Path) -> Record {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let run_id = "c41d55e0b9a2f7";
    let classes =
        ["tumor", "stroma", "inflammatory", "necrosis", "other <b>&amp;"].map(String::from);
    let run = RunDir::create(root, "bcss-unet-resnet34", run_id).unwrap();
    let mut split = Vec::new();
    let mut cases = Vec::new();
    for index in 0..30usize {
        let part = [
            SplitName::Train,
            SplitName::Train,
            SplitName::Valid,
            SplitName::Test,
            SplitName::Test,
        ][index % 5];
        let group =
            format!("TCGA-{}-A{:03}", ["OL", "E2", "A7", "D8", "S3"][index % 5], index / 10);
        let case = format!("{group} café <b>bold</b> \"q\" [{index}, 0]");
        split.push(SplitRow {
            case: case.clone(),
            group: group.clone(),
            label: String::new(),
            split: part,
            fold: Some((index % 5) as u32),
            metadata: Default::default(),
        });
        if part == SplitName::Train {
            continue;
        }
        for (number, class) in classes.iter().enumerate() {
            let truth: u64 =
                if (index + number) % 4 == 3 { 0 } else { random.random_range(200..20_000) };
            let found = random.random_range(0.3..0.95) - 0.12 * number as f64;
            cases.push(scored(CaseRow {
                split: part,
                resolution: "original".into(),
                case: case.clone(),
                group: group.clone(),
                class: class.clone(),
                tp: (truth as f64 * found.max(0.0)) as u64,
                fp: random.random_range(0..3_000),
                fn_: truth - (truth as f64 * found.max(0.0)) as u64,
                tn: 30_000,
                ..Default::default()
            }));
        }
    }
    let shown =
        cases.iter().find(|case| case.split == SplitName::Test).expect("a test case").clone();
    let pictures = vec![Picture {
        split: SplitName::Test,
        case: shown.case.clone(),
        score: shown.dice,
        images: draw(&run, 0, &shown, &mut random),
        ..Default::default()
    }];
    let matrix = (0..5u64)
        .map(|truth| {
            (0..5)
                .map(|predicted| match (truth, predicted) {
                    (_, 3) => 0,
                    (truth, predicted) if truth == predicted => 181_000 - 30_000 * truth,
                    (truth, predicted) => 9_000 + 1_700 * predicted + 900 * truth,
                })
                .collect()
        })
        .collect();
    let made = provenance(run_id, 42, "bcss-unet-resnet34");
    let record = Record {
        path: run.path().to_path_buf(),
        readings: read_test_split(&run, &made, 3),
        status: Status { state: RunState::Finished, epoch: 10, epochs: 10, ..Default::default() },
        provenance: made,
        spec: "name = \"bcss-unet-resnet34\" # experiments/bcss_unet_resnet34.toml\ndescription = \"<script>alert(1)</script>\"\nseeds = [42]\n\n[dataset]\nkind = \"bcss\"\nimage-size = 224\n\n[model]\nkind = \"unet\"\n".into(),
        epochs: overfitting_epochs(10, 3),
        figures: vec![
            figure(SplitName::Test, "dice.mean", 0.611, 12),
            figure(SplitName::Test, "iou.mean", 0.502, 12),
            figure(SplitName::Test, "accuracy.pooled", 0.764, 12),
            Figure { interval: None, ..figure(SplitName::Test, "hd95.mean", f64::NAN, 0) },
        ],
        confusion: vec![Confusion { split: SplitName::Test, classes: classes.to_vec(), matrix }],
        summary: Summary {
            experiment: "bcss-unet-resnet34".into(),
            description: "U-Net with a frozen ResNet-34 encoder <script>alert(1)</script>".into(),
            dataset: "BCSS, whole regions in tiles of 224 px".into(),
            model: "unet, resnet34 encoder".into(),
            input: vec![64, 3, 224, 224],
            classes: classes.to_vec(),
            parameters: 24_439_269,
            trainable: 3_154_597,
            multiply_adds: 392_200_000_000,
            weights_bytes: 97_757_076,
            class_balance: SplitName::ALL
                .into_iter()
                .flat_map(|split| {
                    classes.iter().enumerate().map(move |(number, class)| ClassShare {
                        split,
                        class: class.clone(),
                        cases: 12 - 2 * number as u64,
                        pixels: 900_000 / (1 + number as u64).pow(2),
                    })
                })
                .collect(),
            threshold: None,
            selection: Some(Selection { epoch: 4, metric: named("valid.loss"), value: 0.52 }),
            group_key: "slide".into(),
            headline: ["test.dice.mean", "test.accuracy.pooled", "test.hd95.mean"].map(named).into(),
            findings: vec![Finding::note(
                FindingKind::CodeSet,
                "masks hold the 22 codes; code 0 (outside the region) is ignored: 4.1 % of all pixels",
            )],
            ..busi_summary("bcss-unet-resnet34")
        },
        split: split.into(),
        cases: cases.into(),
        pictures,
        ..Default::default()
    };
    write(&run, &record);
    record
}

/// Readings of the test split in the ledger of an experiment.
fn read_test_split(run: &RunDir, provenance: &Provenance, times: usize) -> Option<Vec<Reading>> {
    let reading = Reading {
        when: "2026-11-22T03:42:00Z".into(),
        run_id: provenance.run_id.clone(),
        seed: provenance.seed,
        command: provenance.command.join(" "),
        data: provenance.data_fingerprint.clone(),
        cases: 40,
        cases_sha256: "9a".into(),
        ..Reading::default()
    };
    (0..times).for_each(|_| note_reading(run.path(), &reading).unwrap());
    Some(vec![reading; times])
}

fn write(run: &RunDir, record: &Record) {
    run.write_status(&record.status).unwrap();
    write_files(run, record);
}

/// Writes what most runs have.
pub(crate) fn write_files(run: &RunDir, record: &Record) {
    run.write(&record.provenance).unwrap();
    run.write_spec(&record.spec).unwrap();
    run.write_plan(&record.plan).unwrap();
    run.write(&record.split).unwrap();
    run.write(&record.epochs).unwrap();
    run.write(&record.times).unwrap();
    run.write(&record.cases).unwrap();
    run.write(&pictured(&record.cases, 64)).unwrap();
    run.write(&record.figures).unwrap();
    run.write(&record.confusion).unwrap();
    run.write(&record.reliability).unwrap();
    run.write(&record.froc).unwrap();
    run.write(&record.layers).unwrap();
    run.write(&record.summary).unwrap();
    run.write(&record.gates).unwrap();
    run.write(&record.pictures).unwrap();
    run.write(&record.film).unwrap();
    run.write(&record.data_pictures).unwrap();
}

fn provenance(run_id: &str, seed: u32, experiment: &str) -> Provenance {
    let spec_path = format!("experiments/{}.toml", experiment.replace('-', "_"));
    Provenance {
        run_id: run_id.into(),
        seed,
        command: ["oncospec", "run", &spec_path, "--set", "dataset.root=data/BUSI images (2020)"]
            .map(String::from)
            .to_vec(),
        spec_path,
        git: Some(Git {
            commit: "3f2a9c1be07d54e8a6610b2c9d8e7f6051423344".into(),
            dirty: seed == 1,
        }),
        host: Host { cpu: "AMD EPYC 9B14".into(), cores: 2, os: "linux x86_64".into() },
        device: "CPU (flex)".into(),
        versions: Versions {
            oncospec: "0.1.0".into(),
            burn: "0.22.1".into(),
            rustc: "1.95.0".into(),
        },
        started: "2026-11-22T03:40:00Z".into(),
        finished: Some("2026-11-22T03:42:11Z".into()),
        data_fingerprint: "sha256:7d1f0a4be2c93355a1e0f6f2c8b5d4e7a90112233445566778899aabbccddeef"
            .into(),
        ..Default::default()
    }
}

fn busi_spec(experiment: &str, seed: u32) -> String {
    format!(
        "name = \"{experiment}\" # experiments/busi.toml\nseeds = [{seed}] # --set seeds=[{seed}]\n\n[dataset]\nkind = \"busi\" # experiments/base/busi.toml\nroot = \"data/BUSI images (2020)\" # --set\nimage-size = 256 # default\n\n[model]\nkind = \"attention-unet\" # experiments/busi.toml\nfilters = [32, 64, 128, 256] # default\n\n[schedule]\nepochs = 12 # experiments/busi.toml\nbatch-size = 8 # default\n\n[evaluation]\nempty = \"one\" # default\nresolution = \"original\" # default\n"
    )
}

fn busi_summary(experiment: &str) -> Summary {
    let shares = [(SplitName::Train, 0.91), (SplitName::Valid, 0.92), (SplitName::Test, 0.905)];
    Summary {
        experiment: experiment.into(),
        members: Vec::new(),
        position: None,
        task: Task::Segment,
        description: "Attention U-Net on BUSI, normal images included.".into(),
        dataset: "BUSI, several masks of an image united".into(),
        model: "attention-unet".into(),
        input: vec![8, 3, 256, 256],
        classes: vec!["lesion".into()],
        image_classes: Vec::new(),
        parameters: 10_199_141,
        trainable: 10_199_141,
        multiply_adds: 53_210_000_000,
        weights_bytes: 40_796_564,
        class_balance: shares
            .iter()
            .flat_map(|(split, background)| {
                let share = |class: &str, part: f64| ClassShare {
                    split: *split,
                    class: class.into(),
                    cases: 40,
                    pixels: (part * 2_600_000.0) as u64,
                };
                [share("background", *background), share("lesion", 1.0 - background)]
            })
            .collect(),
        threshold: Some(Threshold { value: 0.5, chosen: "fixed in the spec".into() }),
        settled: Some(Settled::network()),
        tried: Vec::new(),
        semantics: Semantics {
            reduction: "Per case, then the mean over cases; figures named pooled count the pixels of all cases together.".into(),
            empty: "A class absent from truth and prediction alike scores 1.".into(),
            resolution: "Probabilities are resized to the original image before they are thresholded.".into(),
            interval: "95 %, bootstrap over groups of cases, 2000 draws.".into(),
            loss: "Of a split, over all its labelled pixels.".into(),
        },
        selection: Some(Selection { epoch: 5, metric: named("valid.loss"), value: 0.4981 }),
        group_key: "duplicates".into(),
        headline: ["test.dice.mean", "test.iou.mean", "test.hd95.mean", "valid.dice.mean"].map(named).into(),
        findings: vec![
            Finding::warning(FindingKind::ConflictingLabels, "near-duplicates under several labels")
                .naming("malignant (145), benign (433)"),
            Finding::note(FindingKind::SeveralMasks, "images with several masks, which are united")
                .naming_all((1..=17).map(|number| format!("benign ({number})"))),
        ],
        notes: Vec::new(),
        published: vec![PublishedSpec {
            system: "U-Net++ <with> EfficientNet-B0".into(),
            source: "a notebook".into(),
            protocol: "not given".into(),
            compares: "no: neither split nor metric is known".into(),
            figures: [("Dice".to_string(), 0.89), ("accuracy".to_string(), 0.84)].into(),
        }],
        overrides: vec!["schedule.epochs = 12".into()],
        undrawn: Vec::new(),
    }
}

fn busi_split(test_cases: usize) -> Vec<SplitRow> {
    let labels = ["benign", "benign", "malignant", "normal"];
    (0..test_cases * 5)
        .map(|index| {
            let label = labels[index % 4];
            SplitRow {
                case: format!("{label} ({})", index + 1),
                group: format!("cluster {}", index / 5 + index % 5 * 10_000),
                label: label.into(),
                split: [
                    SplitName::Train,
                    SplitName::Train,
                    SplitName::Train,
                    SplitName::Valid,
                    SplitName::Test,
                ][index % 5],
                fold: None,
                metadata: Default::default(),
            }
        })
        .collect()
}

fn busi_cases(split: &[SplitRow], random: &mut ChaCha8Rng) -> Vec<CaseRow> {
    split
        .iter()
        .filter(|row| row.split != SplitName::Train)
        .enumerate()
        .map(|(index, row)| {
            // The same in every run.
            let truth = if row.label == "normal" { 0 } else { 900 + index as u64 * 7919 % 39_100 };
            let mut recall: f64 = random.random_range(0.35..0.98);
            if random.random_range(0..9) == 0 {
                recall = 0.0;
            }
            let tp = (truth as f64 * recall) as u64;
            let false_alarm = row.label != "normal" || random.random_range(0..3) == 0;
            let fp = if false_alarm { random.random_range(0..9_000) } else { 0 };
            let mut measured = BTreeMap::new();
            if tp > 0 {
                measured.insert(MetricKind::Hd95, random.random_range(2.0..90.0));
                measured.insert(MetricKind::Assd, random.random_range(0.8..30.0));
            }
            if truth > 0 {
                measured.insert(MetricKind::Auc, random.random_range(0.8..0.999));
            }
            scored(CaseRow {
                split: row.split,
                resolution: "original".into(),
                case: row.case.clone(),
                group: row.group.clone(),
                label: row.label.clone(),
                class: "lesion".into(),
                tp,
                fp,
                fn_: truth - tp,
                tn: 250_000,
                measured,
                ..Default::default()
            })
        })
        .collect()
}

fn scored(case: CaseRow) -> CaseRow {
    let denominator = 2 * case.tp + case.fp + case.fn_;
    let dice = if denominator == 0 { 1.0 } else { 2.0 * case.tp as f64 / denominator as f64 };
    CaseRow { dice: Some(dice), ..case }
}

fn test_dice(cases: &[CaseRow]) -> Vec<f64> {
    cases.iter().filter(|case| case.split == SplitName::Test).filter_map(|case| case.dice).collect()
}

/// Lesions of 40 images.
fn froc() -> Vec<Froc> {
    let point = |step: u64| FrocPoint {
        threshold: step as f64 / 20.0,
        found: 44 - step * step / 20,
        false_lesions: 60 / step,
    };
    let points = (1..20).map(point).collect();
    vec![Froc { split: SplitName::Test, images: 40, lesions: 48, points }]
}

/// Pixels of a network that is too sure of lesions.
fn reliability() -> Vec<PixelReliability> {
    let bins = (0..10_u64).map(|bin| {
        let pixels = 4_000_000 / (bin + 1).pow(3);
        let middle = (bin as f64 + 0.5) / 10.0;
        ReliabilityBin {
            pixels,
            probability: (pixels as f64 * middle).round(),
            of_class: (pixels as f64 * middle.powf(1.4)) as u64,
        }
    });
    let bins: Vec<ReliabilityBin> = bins.collect();
    vec![PixelReliability {
        split: SplitName::Test,
        pixels: bins.iter().map(|bin| bin.pixels).sum(),
        brier: 0.0312,
        classes: vec![ClassReliability { class: "lesion".into(), bins }],
    }]
}

/// A figure by its full name.
pub(crate) fn named(name: &str) -> FigureName {
    name.parse().unwrap()
}

fn figure(split: SplitName, name: &str, value: f64, n: usize) -> Figure {
    Figure {
        split,
        name: name.into(),
        value,
        n: n as u64,
        left_out: u64::from(name.starts_with("hd95")) * 9,
        penalised: 0,
        groups: n as u64,
        interval: Some(Interval { low: value * 0.93, high: value * 1.06 }),
        interval_note: String::new(),
    }
}

fn gate(figure: &str, at_least: Option<f64>, at_most: Option<f64>, value: f64) -> Gate {
    let FigureName { split, figure: name } = named(figure);
    let bound = GateSpec { at_least, at_most, ..GateSpec::default() };
    Gate::judged(named(figure), &bound, None, &[self::figure(split, &name, value, 1)])
}

/// Training loss falls throughout; validation loss turns at the fifth epoch.
fn overfitting_epochs(epochs: u32, shift: u32) -> Vec<EpochRow> {
    let mut rows = Vec::new();
    for epoch in 1..=epochs {
        let time = f64::from(epoch);
        let offset = 0.02 * f64::from(shift);
        let train = 0.25 + 0.9 * (-0.25 * time).exp() + offset;
        let valid =
            0.42 + 0.5 * (-0.5 * time).exp() + 0.014 * (time - 4.0).max(0.0).powf(1.4) + offset;
        for (split, loss) in [(SplitName::Train, train), (SplitName::Valid, valid)] {
            let dice = 0.9 - 0.75 * loss;
            let figures: BTreeMap<String, f64> = [
                ("loss", loss),
                ("accuracy.pooled", 0.99 - 0.08 * loss),
                ("dice.mean", dice),
                ("dice.lesion", dice - 0.05),
                ("dice.pooled", dice + 0.04),
                ("iou.mean", dice * 0.82),
                ("iou.lesion", dice * 0.78),
                ("iou.pooled", dice * 0.84),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            rows.push(EpochRow { epoch, split, learning_rate: 1e-3 * 0.95f64.powf(time), figures });
        }
    }
    rows
}

fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    let (mut channels, mut side) = (3, 256);
    for (level, filters) in [32, 64, 128, 256, 512].into_iter().enumerate() {
        for (number, input) in [(1, channels), (2, filters)] {
            let parameters = (input * filters * 9 + filters) as u64;
            layers.push(Layer {
                name: format!("encoder{}.conv{number}", level + 1),
                kind: "Conv2d".into(),
                input: vec![8, input, side, side],
                output: vec![8, filters, side, side],
                parameters,
                trainable: level > 0,
                multiply_adds: 8 * parameters * (side * side) as u64,
            });
        }
        channels = filters;
        side /= 2;
    }
    layers
}

/// The three best, worst and random test cases, drawn.
fn busi_pictures(run: &RunDir, cases: &[CaseRow], random: &mut ChaCha8Rng) -> Vec<Picture> {
    let mut test: Vec<&CaseRow> =
        cases.iter().filter(|case| case.split == SplitName::Test).collect();
    test.sort_by(|a, b| b.dice.partial_cmp(&a.dice).unwrap());
    let kinds = [
        (PictureKind::Best, test[..3].to_vec()),
        (PictureKind::Worst, test[test.len() - 3..].to_vec()),
        (PictureKind::Random, vec![test[5], test[9], test[14]]),
    ];
    let mut pictures = Vec::new();
    for (kind, cases) in kinds {
        for case in cases {
            let number = pictures.len();
            pictures.push(Picture {
                split: SplitName::Test,
                case: case.case.clone(),
                label: case.label.clone(),
                kind,
                score: case.dice,
                predicted: String::new(),
                images: draw(run, number, case, random),
            });
        }
    }
    pictures
}

/// Speckle with a dark ellipse, its mask, and a prediction that is off by some pixels.
fn draw(run: &RunDir, number: usize, case: &CaseRow, random: &mut ChaCha8Rng) -> PictureImages {
    const SIDE: u32 = 128;
    let lesion = case.label != "normal";
    let (x, y) = (random.random_range(40.0..90.0), random.random_range(45.0..85.0));
    let (width, height) = (random.random_range(14.0..34.0), random.random_range(10.0..24.0));
    let shift = 16.0 * (1.0 - case.dice.unwrap_or(0.0));
    let inside = |px: u32, py: u32, dx: f64| {
        let (a, b) = ((f64::from(px) - x - dx) / width, (f64::from(py) - y) / height);
        a * a + b * b
    };
    let mut speckle = || random.random_range(0.5..1.0);
    let paint = |name: &str, pixel: &mut dyn FnMut(u32, u32) -> [u8; 3]| {
        let image = image::RgbImage::from_fn(SIDE, SIDE, |px, py| image::Rgb(pixel(px, py)));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let file = format!("test_{number:03}_{name}.png");
        run.write_picture(&file, bytes.get_ref()).unwrap();
        Some(PictureFile { file, alt: format!("{name} of {}", case.case) })
    };
    let gray = |value: f64| [(value.clamp(0.0, 1.0) * 255.0) as u8; 3];
    PictureImages {
        image: paint("image", &mut |px, py| {
            let base = 0.75 - 0.4 * f64::from(py) / f64::from(SIDE);
            gray(speckle() * if lesion && inside(px, py, 0.0) < 1.0 { base * 0.4 } else { base })
        }),
        truth: paint("truth", &mut |px, py| {
            gray(f64::from(u8::from(lesion && inside(px, py, 0.0) < 1.0)))
        }),
        probability: paint("probability", &mut |px, py| {
            gray((1.6 - inside(px, py, shift)).clamp(0.0, 1.0))
        }),
        prediction: paint("prediction", &mut |px, py| {
            gray(f64::from(u8::from(inside(px, py, shift) < 1.1)))
        }),
        error: paint("error", &mut |px, py| match (
            lesion && inside(px, py, 0.0) < 1.0,
            inside(px, py, shift) < 1.1,
        ) {
            (true, true) => [0x00, 0x9e, 0x73],
            (false, true) => [0xe6, 0x9f, 0x00],
            (true, false) => [0xd5, 0x40, 0x8c],
            (false, false) => [0x18, 0x1c, 0x22],
        }),
        heat: None,
    }
}
