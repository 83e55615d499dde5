//! Exponential moving average of the weights.

use std::{any::Any, collections::VecDeque};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::spec::ScheduleSpec;

/// Key and message of an average that never moves.
pub(super) fn problems(spec: &ScheduleSpec) -> Vec<(String, String)> {
    match &spec.ema {
        Some(ema) if ema.decay >= 1.0 => vec![(
            "schedule.ema.decay".into(),
            "must be below 1: an average that keeps all of itself never learns".into(),
        )],
        Some(_) | None => Vec::new(),
    }
}

/// Exponential moving average of a model's weights (Polyak and Juditsky 1992; as
/// `torch.optim.swa_utils.get_ema_multi_avg_fn`).
///
/// After each optimizer step
///
/// ```text
/// average = decay * average + (1 - decay) * weight
/// ```
///
/// starting from the weights as they are at first, so that no correction of a bias towards 0 is
/// needed and the decay is constant. Parameters that require no gradient, such as those of a
/// frozen encoder, and the running statistics of batch normalisation are copied.
///
/// The average is a module of its own, without autodiff, that shares nothing with the model. To
/// save it, take the record of [`model`](Ema::model); to go on, load that into a model and give it
/// to [`Ema::new`].
#[derive(Clone, Debug)]
pub(super) struct Ema<M> {
    decay: f64,
    average: M,
}

impl<M: Module> Ema<M> {
    /// Starts from the weights of `model`.
    pub(super) fn new(decay: f64, model: &M) -> Self {
        // `valid` also makes running statistics independent: a plain clone shares them.
        Self { decay, average: model.valid() }
    }

    /// Adds the weights after an optimizer step. `model` is the one trained, on autodiff, with
    /// the same structure as the one given at first.
    pub(super) fn update(&mut self, model: &M) {
        // Running statistics are brought up to date by `valid` only.
        let current = model.valid();
        let mut weights = Weights::default();
        model.visit(&mut Trainable(&mut weights));
        current.visit(&mut weights);
        let mut step = Step { weights, decay: self.decay };
        self.average = self.average.clone().map(&mut step);
    }

    /// The averaged model, without autodiff.
    pub(super) fn model(&self) -> M {
        self.average.valid()
    }
}

/// Parameters in the order in which a module visits them.
#[derive(Default)]
struct Weights {
    /// Whether each is averaged rather than copied.
    trainable: VecDeque<bool>,
    /// Each one's `Tensor<D>`.
    values: VecDeque<Box<dyn Any>>,
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push_back(Box::new(param.val().inner()));
    }
}

struct Trainable<'a>(&'a mut Weights);

impl ModuleVisitor for Trainable<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.trainable.push_back(param.val().is_require_grad());
    }
}

struct Step {
    weights: Weights,
    decay: f64,
}

impl ModuleMapper for Step {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        const SAME: &str = "the average has the parameters of the network";
        let trainable = self.weights.trainable.pop_front().expect(SAME);
        let value = self.weights.values.pop_front().expect(SAME);
        let value = value.downcast::<Tensor<D>>().expect(SAME);
        param.map(|average| {
            if trainable { average * self.decay + *value * (1.0 - self.decay) } else { *value }
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig},
        tensor::{Device, TensorData},
    };

    use super::*;

    #[derive(Module, Debug)]
    struct Model {
        linear: Linear,
        norm: BatchNorm,
        frozen: Param<Tensor<1>>,
    }

    fn model() -> Model {
        let device = Device::flex().autodiff();
        let mut model = Model {
            linear: LinearConfig::new(2, 1).with_bias(false).init(&device),
            norm: BatchNormConfig::new(1).init(&device),
            frozen: Param::from_tensor(Tensor::from_floats([1.0], &device)).set_require_grad(false),
        };
        set(&mut model, [1.0, 2.0]);
        model
    }

    fn set(model: &mut Model, weight: [f32; 2]) {
        let device = Device::flex().autodiff();
        model.linear.weight =
            Param::from_tensor(Tensor::from_floats([[weight[0]], [weight[1]]], &device));
    }

    fn weight(model: &Model) -> Vec<f32> {
        model.linear.weight.val().into_data().iter::<f32>().collect()
    }

    fn running_mean(model: &Model) -> f32 {
        model.norm.running_mean.value_sync().into_scalar()
    }

    /// Batch normalisation of 10 and 20 in training: the running mean goes from 0 to 1.5.
    fn normalise(model: &Model) {
        let x = TensorData::from([[[10.0f32, 20.0]]]);
        model.norm.forward(Tensor::<3>::from_data(x, &Device::flex().autodiff()));
    }

    #[test]
    fn each_update_keeps_decay_of_the_average() {
        let mut trained = model();
        let mut ema = Ema::new(0.75, &trained);
        set(&mut trained, [5.0, 2.0]);
        ema.update(&trained);
        assert_eq!(weight(&ema.model()), [2.0, 2.0]);
        ema.update(&trained);
        assert_eq!(weight(&ema.model()), [2.75, 2.0]);
        assert_eq!(weight(&trained), [5.0, 2.0]);
    }

    #[test]
    fn running_statistics_and_frozen_weights_are_copied_not_averaged_nor_shared() {
        let mut trained = model();
        let mut ema = Ema::new(0.75, &trained);
        normalise(&trained);
        assert_eq!(running_mean(&ema.model()), 0.0);
        trained.frozen = trained.frozen.map(|frozen| frozen * 3.0);
        ema.update(&trained);
        assert!((running_mean(&ema.model()) - 1.5).abs() < 1e-6);
        assert!((running_mean(&trained) - 1.5).abs() < 1e-6);
        let frozen: f32 = ema.model().frozen.val().into_scalar();
        assert_eq!(frozen, 3.0);
        normalise(&trained);
        assert!((running_mean(&ema.model()) - 1.5).abs() < 1e-6);
    }

    #[test]
    fn an_average_saved_and_loaded_goes_on_as_before() {
        let mut trained = model();
        let mut ema = Ema::new(0.75, &trained);
        set(&mut trained, [5.0, -2.0]);
        normalise(&trained);
        ema.update(&trained);
        let bytes = ema.model().into_record().into_bytes().unwrap();
        let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
        let mut resumed = Ema::new(0.75, &model().load_record(record));
        set(&mut trained, [0.5, 0.25]);
        ema.update(&trained);
        resumed.update(&trained);
        assert_eq!(weight(&resumed.model()), weight(&ema.model()));
        assert_eq!(running_mean(&resumed.model()), running_mean(&ema.model()));
    }

    #[test]
    fn a_decay_of_1_is_a_problem() {
        let spec = |decay: f64| -> ScheduleSpec {
            toml::from_str(&format!("ema = {{ decay = {decay:?} }}")).unwrap()
        };
        assert_eq!(problems(&spec(1.0))[0].0, "schedule.ema.decay");
        assert_eq!(problems(&spec(0.999)), []);
    }

    #[test]
    fn the_average_has_no_gradient() {
        let ema = Ema::new(0.9, &model());
        assert!(!ema.model().linear.weight.val().is_autodiff());
    }
}
