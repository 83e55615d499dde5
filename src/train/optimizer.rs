//! From a spec to Burn's optimizer.

use burn::{
    module::ParamGroup,
    optim::{
        Adam, AdamConfig, AdamState, AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState,
        DynOptimizer, DynState, LearningRate, ModuleOptimizer, Optimizer, SgdConfig, StateSink,
        StateSource, decay::WeightDecayConfig, momentum::MomentumConfig,
    },
    tensor::{Device, Tensor, kind::BridgeTensor},
};

use crate::kernels::{self, AdamStep};
use crate::model::TensorPath;
use crate::spec::{AdamSpec, OptimizerSpec, ScheduleSpec};

/// The optimizer of a schedule, to train weights on `device`.
///
/// Steps are those of PyTorch's `Adam`, `AdamW` and `SGD`: Burn's defaults for epsilon (1e-5) and
/// for the damping of momentum (0.1) are not used. Each of the [`groups`] of parameters has an optimizer of its own.
pub(super) fn init(spec: &ScheduleSpec, groups: &[Group], device: &Device) -> ModuleOptimizer {
    match &spec.optimizer {
        OptimizerSpec::Adam(adam) => module_optimizer(groups, device, |decays| {
            let decay = if decays { adam.weight_decay } else { 0.0 };
            let config = AdamConfig::new()
                .with_beta_1(adam.betas[0] as f32)
                .with_beta_2(adam.betas[1] as f32)
                .with_epsilon(adam.epsilon as f32)
                .with_weight_decay(weight_decay(decay));
            OnePass::new(Standard::Adam(config.build()), adam, decay)
        }),
        OptimizerSpec::Adamw(adam) => module_optimizer(groups, device, |decays| {
            let decay = if decays { adam.weight_decay } else { 0.0 };
            let config = AdamWConfig::new()
                .with_beta_1(adam.betas[0] as f32)
                .with_beta_2(adam.betas[1] as f32)
                .with_epsilon(adam.epsilon as f32)
                .with_weight_decay(decay as f32);
            OnePass::new(Standard::Adamw(config.build()), adam, decay)
        }),
        OptimizerSpec::Sgd(sgd) => module_optimizer(groups, device, |decays| {
            let decay = if decays { sgd.weight_decay } else { 0.0 };
            let momentum = MomentumConfig::new()
                .with_momentum(sgd.momentum)
                .with_dampening(0.0)
                .with_nesterov(sgd.nesterov);
            SgdConfig::new()
                .with_momentum((sgd.momentum > 0.0).then_some(momentum))
                .with_weight_decay(weight_decay(decay))
                .build()
        }),
    }
}

/// Key and message of settings that an optimizer cannot step with.
pub(super) fn problems(spec: &ScheduleSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut report = |key: &str, message: &str| {
        found.push((format!("schedule.optimizer.{key}"), message.to_string()));
    };
    match &spec.optimizer {
        OptimizerSpec::Adam(adam) | OptimizerSpec::Adamw(adam) => {
            if adam.betas.iter().any(|&beta| beta >= 1.0) {
                report(
                    "betas",
                    "each must be below 1: a moment that keeps all of itself never moves",
                );
            }
            if adam.epsilon as f32 <= 0.0 {
                report("epsilon", "must be above 0: a weight without gradient is divided by it");
            }
        }
        OptimizerSpec::Sgd(sgd) => {
            if sgd.nesterov && sgd.momentum == 0.0 {
                report("nesterov", "is a variant of momentum, and momentum is 0");
            }
            if sgd.momentum >= 1.0 {
                report("momentum", "must be below 1: weights would never come to rest");
            }
        }
    }
    found
}

fn weight_decay(decay: f64) -> Option<WeightDecayConfig> {
    (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32))
}

/// From optimizers of groups, which differ in whether their parameters decay.
fn module_optimizer<O: Optimizer>(
    groups: &[Group],
    device: &Device,
    optimizer: impl Fn(bool) -> O,
) -> ModuleOptimizer {
    let everything = Group { parameters: ParamGroup::all(), factor: 1.0, decays: true };
    let groups = [&everything].into_iter().chain(groups);
    groups.fold(ModuleOptimizer::from(optimizer(true)), |all, group| {
        let (optimizer, device) = (optimizer(group.decays), device.clone().inner());
        let of_group = OnDevice { optimizer, factor: group.factor, device };
        all.with_group(group.parameters.clone(), of_group, None)
    })
}

/// Parameters with the same settings.
#[derive(Clone, Debug)]
pub(super) struct Group {
    parameters: ParamGroup,
    /// The factor on the learning rate.
    factor: f64,
    /// Whether weight decay covers them.
    decays: bool,
}

/// The groups of a module's tensors that a schedule gives settings of their own; of several that a parameter is in, the
/// last counts. Norms and biases are the tensors of one axis.
pub(super) fn groups(spec: &ScheduleSpec, tensors: &[TensorPath]) -> Vec<Group> {
    let decay_norms = spec.optimizer.decays_norms();
    let group = |factor: f64, decays: bool, fits: &dyn Fn(&TensorPath) -> bool| {
        let fitting = tensors.iter().filter(|tensor| fits(tensor));
        let paths: Vec<&str> = fitting.map(|tensor| tensor.path.as_str()).collect();
        Group { parameters: ParamGroup::from_paths(paths), factor, decays }
    };
    let is_vector = |tensor: &TensorPath| tensor.rank < 2;
    let mut groups = Vec::new();
    if !decay_norms {
        groups.push(group(1.0, false, &is_vector));
    }
    for rate in &spec.layer_rates {
        groups.push(group(rate.factor, true, &|tensor| rate.fits(&tensor.name)));
        if !decay_norms {
            groups.push(group(rate.factor, false, &|tensor| {
                rate.fits(&tensor.name) && is_vector(tensor)
            }));
        }
    }
    groups
}

/// Adam or AdamW, on the CPU in one pass over the numbers of a parameter.
#[derive(Clone)]
struct OnePass {
    standard: Standard,
    betas: [f32; 2],
    epsilon: f32,
    weight_decay: f64,
}

/// Burn's own, for other devices.
#[derive(Clone)]
enum Standard {
    Adam(Adam),
    Adamw(AdamW),
}

impl OnePass {
    fn new(standard: Standard, spec: &AdamSpec, weight_decay: f64) -> Self {
        Self {
            standard,
            betas: spec.betas.map(|beta| beta as f32),
            epsilon: spec.epsilon as f32,
            weight_decay,
        }
    }

    fn step(&self, learning_rate: f64, time: usize) -> AdamStep {
        let (weight_decay, decoupled_decay) = match self.standard {
            Standard::Adam(_) => (self.weight_decay as f32, 0.0),
            Standard::Adamw(_) => (0.0, learning_rate * self.weight_decay),
        };
        let (betas, epsilon, time) = (self.betas, self.epsilon, time as u32);
        AdamStep { learning_rate, betas, epsilon, time, weight_decay, decoupled_decay }
    }
}

impl Optimizer for OnePass {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !kernels::supports(&tensor) {
            return match &self.standard {
                Standard::Adam(adam) => adam.step(rate, tensor, gradient, state),
                Standard::Adamw(adam) => {
                    let state = state.map(|state| AdamWState::new(state.momentum));
                    let (tensor, state) = adam.step(rate, tensor, gradient, state);
                    (tensor, state.map(|state| AdamState::new(state.momentum)))
                }
            };
        }
        let (time, moments) = match state {
            Some(AdamState { momentum }) => {
                (momentum.time + 1, [momentum.moment_1, momentum.moment_2])
            }
            None => (1, [tensor.zeros_like(), tensor.zeros_like()]),
        };
        let step = self.step(rate, time);
        let (tensor, [first, second]) = kernels::adam_step(tensor, gradient, moments, step);
        (tensor, Some(AdamState::new(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        Adam::to_device(state, device)
    }
}

/// An optimizer with a factor on its learning rate, whose saved state is read back on a given device. Burn reads it on
/// its default device, which is CUDA wherever it is compiled in, with a GPU or without, and moves it only at the next step.
struct OnDevice<O> {
    optimizer: O,
    factor: f64,
    device: Device,
}

impl<O: Optimizer> DynOptimizer for OnDevice<O> {
    fn step_dyn(
        &self,
        rank: usize,
        rate: LearningRate,
        tensor: BridgeTensor,
        gradient: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        self.optimizer.step_dyn(rank, rate * self.factor, tensor, gradient, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.optimizer.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.optimizer.state_flatten(prefix, state, out);
    }

    fn state_unflatten(
        &self,
        rank: usize,
        prefix: &str,
        source: &mut StateSource,
        _default: &Device,
    ) -> Option<DynState> {
        self.optimizer.state_unflatten(rank, prefix, source, &self.device)
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{Module, Param},
        optim::GradientsParams,
        tensor::{Tensor, TensorData},
    };
    use serde::Deserialize;

    use super::*;
    use crate::model::tensor_paths;
    use crate::spec::LayerRateSpec;
    use crate::testing::fixture;
    use crate::train::clip::clip;

    #[derive(Module, Debug)]
    struct Weights {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    impl Weights {
        fn new(a: [[f32; 2]; 2], b: [f32; 2]) -> Self {
            let device = Device::flex().autodiff();
            Self {
                a: Param::from_tensor(Tensor::from_floats(a, &device)),
                b: Param::from_tensor(Tensor::from_floats(b, &device)),
            }
        }

        /// Sum of (x a + b)^4: gradients of very different sizes.
        fn loss(&self, x: Tensor<2>) -> Tensor<1> {
            (x.matmul(self.a.val()) + self.b.val().unsqueeze()).powf_scalar(4.0).sum()
        }

        fn values(&self) -> Vec<f64> {
            let a = self.a.val().into_data();
            let b = self.b.val().into_data();
            a.iter::<f64>().chain(b.iter::<f64>()).collect()
        }
    }

    fn gradients(weights: &Weights) -> GradientsParams {
        let x = Tensor::from_floats(X, &Device::flex().autodiff());
        GradientsParams::from_grads(weights.loss(x).backward(), weights)
    }

    fn step(optimizer: &mut ModuleOptimizer, rate: f64, weights: Weights) -> Weights {
        let gradients = gradients(&weights);
        optimizer.step(rate, weights, gradients)
    }

    const X: [[f32; 2]; 3] = [[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]];
    const A: [[f32; 2]; 2] = [[0.5, -0.25], [0.125, 1.0]];
    const B: [f32; 2] = [0.0625, -0.5];

    #[derive(Deserialize)]
    struct Case {
        name: String,
        schedule: ScheduleSpec,
        /// Weights after each step.
        steps: Vec<Vec<f64>>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        optimizers: Vec<Case>,
    }

    #[test]
    fn weights_move_as_with_torch() {
        let file = std::fs::read_to_string(fixture("schedules.json")).unwrap();
        let cases = serde_json::from_str::<Fixture>(&file).unwrap().optimizers;
        assert!(cases.len() >= 18);
        for case in cases {
            let mut weights = Weights::new(A, B);
            let own = groups(&case.schedule, &tensor_paths(&weights));
            let mut optimizer = init(&case.schedule, &own, &Device::flex());
            let rate = case.schedule.optimizer.learning_rate();
            for (index, expected) in case.steps.iter().enumerate() {
                let mut gradients = gradients(&weights);
                if let Some(spec) = &case.schedule.clip {
                    gradients = clip(spec, &weights, gradients);
                }
                weights = optimizer.step(rate, weights, gradients);
                for (found, expected) in weights.values().iter().zip(expected) {
                    let error = (found - expected).abs() / expected.abs().max(0.1);
                    let name = &case.name;
                    assert!(error < 1e-5, "{name}, step {index}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn an_optimizer_read_back_goes_on_as_if_it_had_not_stopped() {
        for optimizer in ["adam", "adamw", "sgd"] {
            let toml = format!("optimizer = {{ kind = '{optimizer}', learning-rate = 0.01 }}");
            let spec: ScheduleSpec = toml::from_str(&toml).unwrap();
            let mut weights = Weights::new(A, B);
            let half = LayerRateSpec { layers: "b".into(), factor: 0.5 };
            let spec = ScheduleSpec { layer_rates: vec![half], ..spec };
            let own = groups(&spec, &tensor_paths(&weights));
            let mut original = init(&spec, &own, &Device::flex());
            for _ in 0..2 {
                weights = step(&mut original, 0.01, weights);
            }
            let bytes = original.into_bytes().unwrap();
            let mut resumed = init(&spec, &own, &Device::flex()).from_bytes(bytes).unwrap();
            let expected = step(&mut original, 0.01, weights.clone()).values();
            assert_eq!(step(&mut resumed, 0.01, weights).values(), expected, "{optimizer}");
        }
    }

    #[test]
    fn layers_with_a_rate_of_their_own_move_as_at_that_rate() {
        for optimizer in ["adam", "adamw", "sgd"] {
            let toml = format!(
                "optimizer = {{ kind = '{optimizer}', learning-rate = 0.01, weight-decay = 0.1 }}
                 layer-rates = [{{ layers = 'a', factor = 7.0 }}, {{ layers = 'a', factor = 0.5 }}]"
            );
            let spec: ScheduleSpec = toml::from_str(&toml).unwrap();
            let start = Weights::new(A, B);
            let own = groups(&spec, &tensor_paths(&start));
            let device = Device::flex();
            let moved = step(&mut init(&spec, &own, &device), 0.01, start.clone()).values();
            let slow = step(&mut init(&spec, &[], &device), 0.005, start.clone()).values();
            let usual = step(&mut init(&spec, &[], &device), 0.01, start).values();
            assert_eq!(moved[..4], slow[..4], "{optimizer}");
            assert_eq!(moved[4..], usual[4..], "{optimizer}");
            assert_ne!(slow[..4], usual[..4], "{optimizer}");
        }
    }

    #[test]
    fn norms_and_biases_decay_by_default_at_a_rate_of_their_own_too() {
        for optimizer in ["adam", "adamw", "sgd"] {
            let after = |more: &str, decay: f64| {
                let toml = format!(
                    "optimizer = {{ kind = '{optimizer}', weight-decay = {decay:?}{more} }}
                     layer-rates = [{{ layers = 'b', factor = 0.5 }}]"
                );
                let spec: ScheduleSpec = toml::from_str(&toml).unwrap();
                let weights = Weights::new(A, B);
                let own = groups(&spec, &tensor_paths(&weights));
                let mut optimizer = init(&spec, &own, &Device::flex());
                // Adam's first step knows signs alone.
                let weights = step(&mut optimizer, 0.01, weights);
                step(&mut optimizer, 0.01, weights).values()
            };
            let (all, none) = (after("", 0.5), after("", 0.0));
            assert_eq!(after(", decay-norms = true", 0.5), all, "{optimizer}");
            let matrices = after(", decay-norms = false", 0.5);
            assert_ne!(all[4..], none[4..], "{optimizer}");
            assert_ne!(matrices[..4], none[..4], "{optimizer}");
            assert_ne!(matrices[4..], all[4..], "{optimizer}");
        }
    }

    #[test]
    fn a_rate_is_for_whole_names() {
        let rate = LayerRateSpec { layers: "encoder.layer1".into(), factor: 0.1 };
        assert!(rate.fits("encoder.layer1.0.conv1.weight") && rate.fits("encoder.layer1"));
        assert!(!rate.fits("encoder.layer10.0") && !rate.fits("encoder"));
    }

    #[test]
    fn settings_that_lead_nowhere_are_problems() {
        for (optimizer, key) in [
            ("kind = 'adam', betas = [0.9, 1.0]", "schedule.optimizer.betas"),
            ("kind = 'adamw', epsilon = 0.0", "schedule.optimizer.epsilon"),
            ("kind = 'sgd', nesterov = true, momentum = 0.0", "schedule.optimizer.nesterov"),
            ("kind = 'sgd', momentum = 1.0", "schedule.optimizer.momentum"),
        ] {
            let spec = toml::from_str(&format!("optimizer = {{ {optimizer} }}")).unwrap();
            let keys: Vec<String> = problems(&spec).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, [key]);
        }
        assert_eq!(problems(&ScheduleSpec::default()), []);
    }

    #[test]
    fn a_parameter_that_needs_no_gradient_does_not_move() {
        let mut weights = Weights::new(A, B);
        weights.b = weights.b.set_require_grad(false);
        let spec: ScheduleSpec =
            toml::from_str("optimizer = { kind = 'adamw', weight-decay = 0.1 }").unwrap();
        let moved = step(&mut init(&spec, &[], &Device::flex()), 0.1, weights);
        assert_eq!(moved.b.val().into_data(), TensorData::from(B));
        assert_ne!(moved.a.val().into_data(), TensorData::from(A));
    }
}
