//! One step: a batch through network and loss, and its statistics.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, ExecutionError, Tensor, TensorData, Transaction};
use burn_train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

use super::batches::{EpochNumber, Input};
use super::inputs::Inputs;
use super::objective::Objective;
use crate::data::Batch;
use crate::evaluate::{EpochTally, ImageScore, predicted_class};
use crate::kernels::{ClassCounts, class_counts, with_convolutions};
use crate::loss::{Measured, Outputs, Sums};
use crate::metric::Counts;
use crate::model::{Model, ModelSpec, combined};
use crate::spec::Precision;

/// The statistics of a step, on the device.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    /// Indices of the cases.
    cases: Vec<usize>,
    /// Without gradients.
    loss: Measured,
    /// The predictions of pixels, at a threshold of 0.5, where these have classes.
    counts: Option<ClassCounts>,
    /// The probabilities of images, `[batch, classes, 1, 1]`, and their true classes, where these have some.
    images: Option<(Tensor<4>, Vec<u8>)>,
}

/// The statistics of a step.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Indices of the cases.
    pub cases: Vec<usize>,
    /// Loss of the batch.
    pub loss: f32,
    /// The sums that the loss of the epoch is made of.
    sums: Sums,
    /// Counts of each case and class, where pixels have classes.
    counts: Vec<Vec<Counts>>,
    /// The class of each image, where these have classes.
    images: Vec<ImageScore>,
}

/// Reads the statistics of steps, those of a device all at once.
///
/// # Errors
/// What a device says that does not give what it computed.
pub(super) fn read(steps: Vec<Unread>) -> Result<Vec<Output>, String> {
    let mut outputs: Vec<Option<Output>> = steps.iter().map(|_| None).collect();
    let mut left: Vec<(usize, Unread)> = steps.into_iter().enumerate().collect();
    while let Some((_, first)) = left.first() {
        let device = first.device();
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, step)| step.device() == device);
        left = elsewhere;
        let register = |all, (_, step): &(usize, Unread)| step.register(all);
        let transaction = here.iter().fold(Transaction::default(), register);
        let data = transaction.try_execute().map_err(|error| error.to_string())?;
        let mut numbers = data.into_iter().map(TensorData::try_into_vec::<f32>);
        for (index, step) in here {
            outputs[index] = Some(step.output(&mut numbers).map_err(|error| error.to_string())?);
        }
    }
    Ok(outputs.into_iter().flatten().collect())
}

impl Unread {
    /// Where it is.
    fn device(&self) -> Device {
        self.loss.value.device()
    }

    /// Adds its tensors to those that are to be read.
    fn register(&self, transaction: Transaction) -> Transaction {
        let of_loss = |all: Transaction, part: &Tensor<1>| all.register(part.clone());
        let mut transaction = self.loss.tensors().fold(transaction, of_loss);
        if let Some(ClassCounts { both, predicted, truth, labelled }) = &self.counts {
            for counts in [both, predicted, truth, labelled] {
                transaction = transaction.register(counts.clone());
            }
        }
        match &self.images {
            Some((probabilities, _)) => transaction.register(probabilities.clone()),
            None => transaction,
        }
    }

    /// What it is, from the numbers of its tensors.
    fn output<E>(
        self,
        numbers: &mut impl Iterator<Item = Result<Vec<f32>, E>>,
    ) -> Result<Output, E> {
        let mut next = || numbers.next().expect("each tensor was read");
        let of_loss: Result<Vec<_>, E> = self.loss.tensors().map(|_| next()).collect();
        let (loss, sums) = self.loss.of_numbers(of_loss?.into_iter().flatten());
        let mut counts = Vec::new();
        if self.counts.is_some() {
            counts = counts_of([next()?, next()?, next()?, next()?]);
        }
        let mut images = Vec::new();
        if let Some((_, truth)) = &self.images {
            images = scored(&next()?, truth);
        }
        Ok(Output { cases: self.cases, loss, sums, counts, images })
    }
}

/// Counts of each case and class, from the numbers of [`ClassCounts`].
fn counts_of([both, predicted, truth, labelled]: [Vec<f32>; 4]) -> Vec<Vec<Counts>> {
    let classes = both.len() / labelled.len().max(1);
    let of_case = |case: usize| {
        let of_class = |class: usize| {
            let at = case * classes + class;
            let [both, predicted, truth, labelled] =
                [both[at], predicted[at], truth[at], labelled[case]].map(|count| count as u64);
            Counts {
                tp: both,
                fp: predicted - both,
                fn_: truth - both,
                tn: labelled + both - predicted - truth,
            }
        };
        (0..classes).map(of_class).collect()
    };
    (0..labelled.len()).map(of_case).collect()
}

/// The predictions of images, from their probabilities and classes.
fn scored(probabilities: &[f32], classes: &[u8]) -> Vec<ImageScore> {
    let width = probabilities.len() / classes.len().max(1);
    let images = probabilities.chunks(width.max(1)).zip(classes);
    let scored = images.map(|(probabilities, &truth)| ImageScore {
        truth: usize::from(truth),
        predicted: predicted_class(probabilities, 0.5),
        probabilities: probabilities.to_vec(),
        ..ImageScore::default()
    });
    scored.collect()
}

impl Output {
    /// Adds it to the figures of an epoch.
    pub(super) fn tally(&self, tally: &mut EpochTally) {
        tally.add_loss(self.loss, &self.sums, &self.cases);
        tally.add_counts(&self.counts);
        tally.add_images(&self.images);
    }
}

/// What a step gives burn-train: its statistics, which the loop takes out.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome(pub Option<Unread>);

impl ItemLazy for Outcome {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

/// A network that is trained to give every pixel, or every image, its class.
#[derive(Module, Debug)]
pub(super) struct Trainable {
    /// The network.
    pub net: Model,
    #[module(skip)]
    objective: Objective,
    /// The objective as validation takes it.
    #[module(skip)]
    of_splits: Objective,
    #[module(skip)]
    outputs: Outputs,
    /// Whether convolutions of training are in bfloat16.
    #[module(skip)]
    bfloat16: bool,
    #[module(skip)]
    resting: Option<(Resting, EpochNumber)>,
}

/// Layers that are frozen until an epoch.
#[derive(Clone, Debug)]
pub struct Resting {
    /// The model, which says which layers.
    pub model: ModelSpec,
    /// The first epoch in which they are trained.
    pub until: u32,
}

impl Trainable {
    /// A network with its objective.
    pub(super) fn new(net: Model, objective: Objective, outputs: Outputs) -> Self {
        let of_splits = objective.for_splits();
        Self { net, objective, of_splits, outputs, bfloat16: false, resting: None }
    }

    /// With products in training of a number format.
    pub(super) fn precision(self, precision: Option<Precision>) -> Self {
        Self { bfloat16: precision == Some(Precision::Bf16), ..self }
    }

    /// With layers that are frozen until an epoch.
    pub(super) fn resting(self, resting: Resting, epoch: EpochNumber) -> Self {
        Self { resting: Some((resting, epoch)), ..self }
    }

    /// The same with another network.
    pub(super) fn with_net(&self, net: Model) -> Self {
        Self { net, ..self.clone() }
    }

    /// The network as the current epoch trains it: a copy that shares all weights, with the resting layers frozen.
    fn in_training(&self) -> Model {
        match &self.resting {
            Some((resting, epoch)) if epoch.get() < resting.until => {
                self.net.clone().freeze(&resting.model)
            }
            Some(_) | None => self.net.clone(),
        }
    }

    /// The loss of a batch, still in the graph, and its statistics.
    fn run(&self, net: &Model, objective: &Objective, batch: Batch) -> (Tensor<1>, Unread) {
        let device = net.devices()[0].clone();
        let cases = batch.cases.clone();
        let truth = match self.outputs {
            Outputs::Binary | Outputs::Classes(_) => batch.classes.clone(),
            Outputs::Images(_) => batch.labels.clone(),
        };
        let Inputs { images, labels, classes, numbers } = Inputs::new(batch, &device);
        let logits = net.heads(images, numbers);
        let of_pixels = combined(logits.pixels.iter().cloned().map(Tensor::inner).collect());
        let of_images = logits.images.clone().map(Tensor::inner);
        let (counts, of_images) = match self.outputs {
            Outputs::Binary | Outputs::Classes(_) => {
                (Some(class_counts(of_pixels, labels.clone().inner())), of_images)
            }
            Outputs::Images(_) => (None, Some(of_pixels)),
        };
        let measured = objective.measure(logits, labels, classes);
        let loss = measured.clone().inner();
        let images = of_images.map(|logits| (softmax(logits, 1), truth));
        (measured.value, Unread { cases, loss, counts, images })
    }
}

impl TrainStep for Trainable {
    type Input = Input;
    type Output = Outcome;

    fn step(&self, input: Input) -> TrainOutput<Outcome> {
        let run = || self.run(&self.in_training(), &self.objective, input.batch);
        let (loss, statistics) = with_convolutions(self.bfloat16, run);
        let gradients = (loss * input.share).backward();
        TrainOutput::new(self, gradients, Outcome(Some(statistics)))
    }
}

impl InferenceStep for Trainable {
    type Input = Input;
    type Output = Outcome;

    fn step(&self, input: Input) -> Outcome {
        Outcome(Some(self.run(&self.net, &self.of_splits, input.batch).1))
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Device;

    use super::*;
    use crate::device::on_device;
    use crate::loss::{LossSpec, init};
    use crate::model::{self, Net};
    use crate::testing::unreadable;

    /// Figures of validation over cases of 8 pixels square, some of whose pixels, or all, are ignored.
    fn validated(net: &Net, loss: &str, filled: &[u8], batch: usize) -> Vec<f64> {
        const SIDE: usize = 8;
        let loss = init(&toml::from_str(loss).unwrap(), Outputs::Binary, &[]).unwrap();
        let trainable = Trainable::new(
            net.clone().into(),
            Objective { loss, multi_task: None },
            Outputs::Binary,
        );
        let mut tally = EpochTally::new(Outputs::Binary, 0, crate::spec::EmptyRule::One);
        let label = |case: usize, pixel: usize| {
            let labelled = pixel < usize::from(filled[case]);
            if labelled { u8::from((pixel * 7 + case) % 5 < 2) } else { crate::data::IGNORE }
        };
        let cases: Vec<usize> = (0..filled.len()).collect();
        for cases in cases.chunks(batch) {
            let pixels = || cases.iter().flat_map(|&case| (0..SIDE * SIDE).map(move |p| (case, p)));
            let batch = Batch {
                cases: cases.to_vec(),
                images: pixels()
                    .map(|(case, p)| ((case * 31 + p * 17) % 23) as f32 / 10.0)
                    .collect(),
                labels: pixels().map(|(case, p)| label(case, p)).collect(),
                classes: Vec::new(),
                numbers: Vec::new(),
                label_sides: [SIDE; 2],
                channels: 1,
                sides: [SIDE; 2],
            };
            let outcome = InferenceStep::step(&trainable, Input { batch, share: 1.0 });
            read(outcome.0.into_iter().collect()).unwrap()[0].tally(&mut tally);
        }
        tally.figures().into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn figures_of_validation_do_not_depend_on_the_batch_size() {
        let filled = [64, 0, 64, 3, 0, 40, 0];
        let spec: ModelSpec =
            toml::from_str("kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }")
                .unwrap();
        // One network for all: tests beside this one draw from the same random numbers.
        let net = model::init(&spec, 1, 1, &Device::flex());
        for loss in [
            "kind = 'bce'",
            "kind = 'dice'",
            "kind = 'lovasz'",
            "kind = 'sum'\nterms = [{ kind = 'focal' }, { kind = 'jaccard', pool = 'image' }]",
        ] {
            let one = validated(&net, loss, &filled, 1);
            assert!(one.iter().all(|value| value.is_finite()), "{one:?}");
            for batch in 2..=filled.len() {
                let found = validated(&net, loss, &filled, batch);
                for (found, one) in found.iter().zip(&one) {
                    assert!((found - one).abs() < 1e-4, "{loss} by {batch}: {found}, not {one}");
                }
            }
        }
        let nothing = validated(&net, "kind = 'bce'", &[0, 0], 1);
        assert!(nothing.iter().all(|value| value.is_nan()), "{nothing:?}");
    }

    #[test]
    fn the_statistics_of_steps_are_read_in_their_order() {
        let one = || Tensor::<1>::ones([1], &Device::flex());
        let step = |case: usize, probability: f32| Unread {
            cases: vec![case],
            loss: Measured::mean(one() * case as f32, one()),
            counts: None,
            images: Some((
                Tensor::from_data([[[[1.0 - probability]], [[probability]]]], &Device::flex()),
                vec![1],
            )),
        };
        let outputs = read(vec![step(3, 0.75), step(1, 0.25)]).unwrap();
        let found: Vec<_> = outputs
            .iter()
            .map(|output| (output.cases[0], output.loss, output.images[0].probabilities[1]))
            .collect();
        assert_eq!(found, [(3, 3.0, 0.75), (1, 1.0, 0.25)]);
    }

    #[test]
    fn what_a_device_does_not_give_is_an_error_and_no_empty_prediction() {
        let lost = Unread {
            cases: vec![0],
            loss: Measured::mean(
                Tensor::ones([1], &Device::flex()),
                Tensor::ones([1], &Device::flex()),
            ),
            counts: None,
            images: Some((unreadable([1, 2, 1, 1]), vec![1])),
        };
        let read = on_device(|| "training".into(), || read(vec![lost]));
        let error = read.unwrap_err().to_string();
        assert!(error.starts_with("the device failed while training: "), "{error}");
    }

    #[test]
    fn what_rests_learns_from_its_epoch_on() {
        let spec: ModelSpec = toml::from_str(
            "kind = 'unet'\nencoder = { kind = 'resnet18', frozen = true, \
             decoder-filters = [8, 8, 8, 8, 8] }",
        )
        .unwrap();
        let device = Device::flex().autodiff();
        let net = model::init(&spec, 1, 1, &device);
        let loss = init(&LossSpec::default(), Outputs::Binary, &[]).unwrap();
        let epoch = EpochNumber::default();
        let resting = Resting { model: spec, until: 2 };
        let objective = Objective { loss, multi_task: None };
        let trainable =
            Trainable::new(net.into(), objective, Outputs::Binary).resting(resting, epoch.clone());
        let learning = |number| {
            epoch.set(number);
            let batch = Batch {
                cases: vec![0, 1],
                images: (0..2 * 32 * 32).map(|pixel| (pixel % 7) as f32).collect(),
                labels: (0..2 * 32 * 32).map(|pixel| (pixel % 2) as u8).collect(),
                classes: Vec::new(),
                numbers: Vec::new(),
                label_sides: [32; 2],
                channels: 1,
                sides: [32; 2],
            };
            let (loss, _) = trainable.run(&trainable.in_training(), &trainable.objective, batch);
            GradientsParams::from_grads(loss.backward(), &trainable).len()
        };
        let all = trainable.net.net.parameters();
        assert_eq!(all.total, all.trainable);
        let [resting, awake] = [learning(1), learning(2)];
        // ResNet-18 has 20 convolutions without bias and as many norms of two tensors.
        assert_eq!(awake - resting, 60);
    }
}
