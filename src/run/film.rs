//! Pictures during training: the predictions and attributions of one case, and of a random one, in some epochs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use burn::tensor::Device;
use rand::Rng;

use super::pictures::{Album, class_by_second_head, class_with_probability};
use crate::attribution::{Method, Settings, attribute, heat_over};
use crate::data::{Dataset, Decoded, Preprocess, decode, random_stream};
use crate::error::Result;
use crate::evaluate::{Predictor, draw, jpeg, predicted_class, shown};
use crate::loss::Outputs;
use crate::model::{Model, save_weights, size_divisor};
use crate::plan::Plan;
use crate::record::{
    Checkpoints, Frame, FrameImages, Part, Progressed, Reading, RunDir, note_reading,
};
use crate::spec::{AttributionKind, Settled};
use crate::train::Keeper;

/// Keeps the results of training, and takes pictures of some epochs.
pub(super) struct Filmed {
    /// Keeps the rest.
    pub checkpoints: Checkpoints,
    /// The pictures.
    pub film: Film,
    /// The reading of the test split that an epoch is, where that chooses.
    pub readings: Option<EpochReadings>,
}

/// Notes a reading of the test split for each epoch.
pub(super) struct EpochReadings {
    reading: Reading,
    /// Whether one was noted that names the cases.
    named: AtomicBool,
}

impl EpochReadings {
    /// Each is this reading but for its time and epoch.
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading, named: AtomicBool::new(false) }
    }

    /// Notes that of an epoch. The first names all cases; the others name them by one digest, so that hundreds of epochs
    /// leave a short ledger.
    fn note(&self, run: &RunDir, epoch: u32) -> Result<()> {
        let mut reading = self.reading.of_epoch(epoch);
        if self.named.swap(true, Ordering::Relaxed) {
            (reading.case_digests, reading.case_pixels) = (Vec::new(), Vec::new());
        }
        note_reading(run.path(), &reading)
    }
}

/// Takes the pictures.
pub(super) struct Film {
    run: Arc<RunDir>,
    dataset: Arc<Dataset>,
    /// Cases of the split that chooses the epoch.
    cases: Vec<usize>,
    /// The one that every epoch shows.
    fixed: OnceLock<usize>,
    outputs: Outputs,
    image_classes: Vec<String>,
    preprocess: Preprocess,
    settled: Settled,
    size_divisor: usize,
    device: Device,
    kind: AttributionKind,
    method: Method,
    seed: u32,
    epochs: u32,
    frames: u32,
}

impl Film {
    /// A film of cases of a plan, of the split that chooses the epoch.
    ///
    /// # Errors
    /// If the network has no such layer or gate.
    pub(super) fn new(plan: &Plan, device: &Device, run: Arc<RunDir>) -> Result<Self> {
        let decisions = &plan.decisions;
        let spec = &decisions.spec;
        let settings = Settings { layer: spec.report.film.layer.clone(), ..Settings::default() };
        let (kind, size) = (spec.report.film.method, spec.dataset.image_size.shorter() as usize);
        Ok(Self {
            run,
            dataset: Arc::clone(&plan.dataset),
            cases: plan.split.part(spec.schedule.choose_on.split()).to_vec(),
            fixed: OnceLock::new(),
            outputs: decisions.outputs(),
            image_classes: decisions.image_classes.clone(),
            preprocess: decisions.preprocess(),
            settled: Settled { refine: spec.evaluation.refine.clone(), ..Settled::network() },
            size_divisor: size_divisor(&spec.model) as usize,
            device: device.clone(),
            kind,
            method: Method::new(kind, settings, &spec.model, size)?,
            seed: decisions.seed,
            epochs: spec.schedule.epochs,
            frames: spec.report.film.frames,
        })
    }

    /// Whether an epoch is shown: epochs at even distances, and the last one.
    fn shows(&self, epoch: u32) -> bool {
        let so_far = |epoch: u32| {
            let frames = u64::from(self.frames.min(self.epochs));
            u64::from(epoch) * frames / u64::from(self.epochs.max(1))
        };
        so_far(epoch) > so_far(epoch - 1)
    }

    /// Takes the pictures of an epoch.
    fn take(&self, epoch: u32, net: &Model) -> Result<()> {
        if self.cases.is_empty() || !self.shows(epoch) {
            return Ok(());
        }
        let predictor = Predictor {
            model: net.clone(),
            outputs: self.outputs,
            preprocess: self.preprocess.clone(),
            settled: self.settled.clone(),
            others: Vec::new(),
            size_divisor: self.size_divisor,
            windows: None,
            batch_size: 1,
            device: self.device.clone(),
        };
        let fixed = *self.fixed.get_or_init(|| self.first_with_foreground());
        let mut frames: Vec<Frame> = self.run.read()?;
        frames.retain(|frame| frame.epoch < epoch);
        for (case, is_fixed) in [(fixed, true), (self.drawn(epoch), false)] {
            frames.push(self.frame(epoch, case, is_fixed, &predictor)?);
        }
        self.run.write(&frames)
    }

    fn decode(&self, case: usize) -> Result<Decoded> {
        decode(&self.dataset, &self.dataset.cases[case])
    }

    /// The first case with foreground or, of classified images, of the last class; else the first case.
    fn first_with_foreground(&self) -> usize {
        let last = self.outputs.channels() as u8 - 1;
        let has = |case: &&usize| {
            if let (Outputs::Images(_), Some(class)) = (self.outputs, self.dataset.class_of(**case))
            {
                return class == last;
            }
            let labels = self.decode(**case).ok().and_then(|decoded| decoded.labels);
            labels.is_some_and(|labels| labels.iter().any(|&label| (1..255).contains(&label)))
        };
        *self.cases.iter().find(has).unwrap_or(&self.cases[0])
    }

    fn drawn(&self, epoch: u32) -> usize {
        let mut stream = random_stream(self.seed, b"film    ");
        let number = (0..epoch).map(|_| stream.next_u32()).last().unwrap_or(0);
        let index = (u64::from(number) * self.cases.len() as u64) >> 32;
        self.cases[index as usize]
    }

    fn frame(&self, epoch: u32, case: usize, fixed: bool, predictor: &Predictor) -> Result<Frame> {
        let whole = self.decode(case)?;
        let decoded = match &self.preprocess.sampling.crop {
            Some(crop) => crop.richest(&whole)?,
            None => whole,
        };
        let case = &self.dataset.cases[case];
        let probabilities = predictor.predict(&[&decoded])?.remove(0);
        let heat = attribute(predictor, &decoded, None, &self.method)?;
        let heat = jpeg(&heat_over(&shown(&decoded.image), &heat)?)?;
        let kind = if fixed { "fixed" } else { "drawn" };
        let album = Album {
            run: &self.run,
            prefix: format!("film-{epoch:05}-{kind}"),
            of: format!("{} in epoch {epoch}", case.id),
        };
        let mut images = FrameImages {
            heat: album.save("heat.jpg", self.kind.title(), heat)?,
            ..FrameImages::default()
        };
        let predicted;
        if let Outputs::Images(_) = predictor.outputs {
            let (values, classes) = (&probabilities.values, self.dataset.labels.names());
            predicted = class_with_probability(values, predicted_class(values, 0.5), &classes);
            images.image = album.save("image.jpg", "image", jpeg(&shown(&decoded.image))?)?;
        } else {
            predicted = class_by_second_head(&probabilities.of_image, &self.image_classes);
            let drawn = draw(&decoded, &probabilities, predictor.outputs, &predictor.settled)?;
            images.image = album.save("image.jpg", "image", drawn.image)?;
            images.prediction = album.save("prediction.png", "predicted mask", drawn.prediction)?;
            images.truth = album.save("truth.png", "true mask", drawn.truth)?;
        }
        Ok(Frame {
            epoch,
            fixed,
            case: case.id.clone(),
            label: case.label.clone(),
            method: self.kind,
            layer: self.method.layer().unwrap_or_default().to_string(),
            predicted,
            images,
        })
    }
}

impl Keeper for Filmed {
    fn save_part(&self, epoch: u32, part: Part, bytes: &[u8]) -> Result<()> {
        self.checkpoints.save_part(epoch, part, bytes)
    }

    fn load_part(&self, epoch: u32, part: Part) -> Result<Vec<u8>> {
        self.checkpoints.load_part(epoch, part)
    }

    fn keep_best(&self, net: &Model) -> Result<()> {
        self.checkpoints.keep_best(|path| save_weights(net, path))
    }

    fn note_test_reading(&self, epoch: u32) -> Result<()> {
        match &self.readings {
            Some(readings) => readings.note(&self.film.run, epoch),
            None => Ok(()),
        }
    }

    fn see(&self, epoch: u32, net: &Model) -> Result<()> {
        self.film.take(epoch, net)
    }

    fn commit(&self, progress: &Progressed) -> Result<()> {
        self.checkpoints.commit(progress)
    }
}
