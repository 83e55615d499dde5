//! One step: a batch through network and loss, and its statistics.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::softmax;
use burn::tensor::{ExecutionError, Tensor, TensorReadError};
use burn_train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

use super::batches::{EpochNumber, Input};
use super::inputs::Inputs;
use super::objective::Objective;
use crate::data::Batch;
use crate::evaluate::{
    EpochTally, ImageScore, count_binary, count_classes, likeliest, predicted_class,
};
use crate::loss::{Outputs, Sums};
use crate::metric::Counts;
use crate::model::{Model, ModelSpec, combined};

/// The statistics of a step.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Indices of the cases.
    pub cases: Vec<usize>,
    /// Loss of the batch.
    pub loss: f32,
    /// The sums that the loss of the epoch is made of.
    sums: Sums,
    /// The predictions.
    pub seen: Seen,
}

/// The predictions of a batch, at a threshold of 0.5.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Counts of each case and class, where pixels have classes.
    counts: Vec<Vec<Counts>>,
    /// The class of each image, where these have classes.
    images: Vec<ImageScore>,
}

impl Output {
    /// Adds it to the figures of an epoch.
    pub(super) fn tally(&self, tally: &mut EpochTally) {
        tally.add_loss(self.loss, &self.sums, &self.cases);
        tally.add_counts(&self.seen.counts);
        tally.add_images(&self.seen.images);
    }
}

/// The result of a step, or why the device did not give it.
#[derive(Clone, Debug)]
pub(super) struct Outcome(pub Result<Output, String>);

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
        Self { net, objective, of_splits, outputs, resting: None }
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

    /// The loss of a batch, still in the graph, and the output without the gradients.
    ///
    /// # Errors
    /// If the device does not give what it computed.
    fn run(
        &self,
        net: &Model,
        objective: &Objective,
        batch: Batch,
    ) -> Result<(Tensor<1>, Output), TensorReadError> {
        let device = net.devices()[0].clone();
        let Inputs { images, labels, classes } = Inputs::new(&batch, &device);
        let logits = net.heads(images);
        let pixels = combined(logits.pixels.iter().cloned().map(Tensor::inner).collect());
        let mut seen = self.seen(pixels, &batch)?;
        if let Some(images) = &logits.images {
            seen.images = scored(images.clone().inner(), &batch.classes)?;
        }
        let measured = objective.measure(logits, labels, classes);
        let (loss, sums) = measured.read()?;
        Ok((measured.value, Output { cases: batch.cases, loss, sums, seen }))
    }

    fn seen(&self, logits: Tensor<4>, batch: &Batch) -> Result<Seen, TensorReadError> {
        let plane = batch.label_size * batch.label_size;
        match self.outputs {
            Outputs::Binary | Outputs::Classes(_) => {
                let predicted = predictions(logits, self.outputs)?;
                let pairs = predicted.chunks(plane).zip(batch.labels.chunks(plane));
                let counts = pairs.map(|(predicted, labels)| match self.outputs {
                    Outputs::Binary => vec![count_binary(predicted, labels)],
                    Outputs::Classes(classes) | Outputs::Images(classes) => {
                        count_classes(predicted, labels, classes)
                    }
                });
                Ok(Seen { counts: counts.collect(), images: Vec::new() })
            }
            Outputs::Images(_) => {
                Ok(Seen { counts: Vec::new(), images: scored(logits, &batch.labels)? })
            }
        }
    }
}

/// The predictions of images, from their logits and classes.
fn scored(logits: Tensor<4>, classes: &[u8]) -> Result<Vec<ImageScore>, TensorReadError> {
    let width = logits.dims()[1];
    let probabilities = floats(softmax(logits, 1))?;
    let images = probabilities.chunks(width).zip(classes);
    let scored = images.map(|(probabilities, &truth)| ImageScore {
        truth: usize::from(truth),
        predicted: predicted_class(probabilities, 0.5),
        probabilities: probabilities.to_vec(),
        ..ImageScore::default()
    });
    Ok(scored.collect())
}

impl TrainStep for Trainable {
    type Input = Input;
    type Output = Outcome;

    fn step(&self, input: Input) -> TrainOutput<Outcome> {
        match self.run(&self.in_training(), &self.objective, input.batch) {
            Ok((loss, output)) => {
                let gradients = (loss * input.share).backward();
                TrainOutput::new(self, gradients, Outcome(Ok(output)))
            }
            Err(error) => {
                TrainOutput { grads: GradientsParams::new(), item: Outcome(Err(unread(&error))) }
            }
        }
    }
}

impl InferenceStep for Trainable {
    type Input = Input;
    type Output = Outcome;

    fn step(&self, input: Input) -> Outcome {
        let ran = self.run(&self.net, &self.of_splits, input.batch);
        Outcome(ran.map(|(_, output)| output).map_err(|error| unread(&error)))
    }
}

/// The label each pixel, or whole image, is given, `[batch * height * width]`: the likeliest class, or for binary
/// outputs 1 where the probability is at least 0.5.
///
/// # Shapes
/// - logits: `[batch, channels, height, width]`
fn predictions(logits: Tensor<4>, outputs: Outputs) -> Result<Vec<u8>, TensorReadError> {
    let [_, _, height, width] = logits.dims();
    let values = floats(logits)?;
    Ok(match outputs {
        Outputs::Binary => values.into_iter().map(|logit| u8::from(logit >= 0.0)).collect(),
        Outputs::Classes(classes) | Outputs::Images(classes) => {
            let images = values.chunks(classes * height * width);
            images.flat_map(|image| likeliest(image, classes)).collect()
        }
    })
}

/// The values of a tensor, row by row.
fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TensorReadError> {
    tensor.try_into_vec_as::<f32>()
}

/// The error that a failed reading ends training with.
fn unread(error: &TensorReadError) -> String {
    format!("cannot read what the network computed from the device: {error}")
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Device;

    use super::*;
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
                label_size: SIDE,
                channels: 1,
                size: SIDE,
            };
            let outcome = InferenceStep::step(&trainable, Input { batch, share: 1.0 });
            outcome.0.unwrap().tally(&mut tally);
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
    fn what_a_device_does_not_give_is_an_error_and_no_empty_prediction() {
        let logits = || unreadable([1, 2, 4, 4]);
        assert!(predictions(logits(), Outputs::Binary).is_err());
        assert!(predictions(logits(), Outputs::Classes(2)).is_err());
        assert!(floats(unreadable([8])).is_err());
        let error = floats(logits()).unwrap_err();
        assert!(unread(&error).starts_with("cannot read what the network computed"), "{error}");
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
                label_size: 32,
                channels: 1,
                size: 32,
            };
            let (loss, _) =
                trainable.run(&trainable.in_training(), &trainable.objective, batch).unwrap();
            GradientsParams::from_grads(loss.backward(), &trainable).len()
        };
        let all = trainable.net.net.parameters();
        assert_eq!(all.total, all.trainable);
        let [resting, awake] = [learning(1), learning(2)];
        // ResNet-18 has 20 convolutions without bias and as many norms of two tensors.
        assert_eq!(awake - resting, 60);
    }
}
