//! Gradient clipping.

use burn::grad_clipping::GradientClipping;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::kernels::sum_of_squares;
use crate::spec::ClipSpec;

/// PyTorch's `clip_grad_norm_` adds this to the norm before it divides.
const SMALLEST_NORM: f64 = 1e-6;

/// The gradients of a module's parameters, clipped as a schedule says. Norms are summed in an order that threads do
/// not change.
///
/// A gradient that is not a number stays so, and with a global norm makes all of them so, as PyTorch does.
pub(super) fn clip<M: Module>(
    spec: &ClipSpec,
    module: &M,
    gradients: GradientsParams,
) -> GradientsParams {
    let together;
    let way = match spec {
        ClipSpec::Value(clip) => Way::Each(clip.limit as f32),
        ClipSpec::Norm(clip) => Way::Norm(clip.limit),
        ClipSpec::GlobalNorm(clip) => {
            let mut squares = Squares { gradients: &gradients, sum: None };
            module.visit(&mut squares);
            let Some(sum) = squares.sum else { return gradients };
            together = factor(sum, clip.limit);
            Way::Times(&together)
        }
    };
    let mut clipping = Clipping { way, gradients };
    module.visit(&mut clipping);
    clipping.gradients
}

/// The gradients of a module's parameters, multiplied by a number.
pub(super) fn scaled<M: Module>(
    factor: f32,
    module: &M,
    gradients: GradientsParams,
) -> GradientsParams {
    let mut scaling = Clipping { way: Way::Scaled(factor), gradients };
    module.visit(&mut scaling);
    scaling.gradients
}

/// The factor that clips gradients with a sum of squares.
///
/// # Shapes
/// - sum and output: `[1]`
fn factor(sum: Tensor<1>, limit: f64) -> Tensor<1> {
    let factor = (sum.sqrt() + SMALLEST_NORM).recip() * limit;
    let within = factor.clone().greater_elem(1.0);
    factor.mask_fill(within, 1.0)
}

/// Adds up the squares of all gradients, in the order of the module's parameters.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let squares = sum_of_squares(gradient);
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + squares,
            None => squares,
        });
    }
}

/// An operation on each gradient.
enum Way<'a> {
    /// Clamps each number to plus and minus a limit.
    Each(f32),
    /// Scales it to at most a norm, by itself.
    Norm(f64),
    /// Multiplies it by a number.
    Scaled(f32),
    /// Multiplies it by a number on the device, `[1]`.
    Times(&'a Tensor<1>),
}

struct Clipping<'a> {
    way: Way<'a>,
    gradients: GradientsParams,
}

impl Clipping<'_> {
    fn clipped<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        match self.way {
            Way::Each(limit) => GradientClipping::Value(limit).clip_gradient(gradient),
            Way::Norm(limit) => {
                let factor = factor(sum_of_squares(gradient.clone()), limit);
                gradient * factor.unsqueeze()
            }
            Way::Scaled(factor) => gradient * factor,
            Way::Times(factor) => gradient * factor.clone().unsqueeze(),
        }
    }

    fn clip<const D: usize>(&mut self, id: ParamId) {
        if let Some(gradient) = self.gradients.remove::<D>(id) {
            let gradient = self.clipped(gradient);
            self.gradients.register(id, gradient);
        }
    }
}

impl ModuleVisitor for Clipping<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.clip::<D>(param.id);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;

    #[derive(Module, Debug)]
    struct Weights {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    impl Weights {
        /// Two parameters, with these gradients.
        fn new(a: &[f32], b: &[f32]) -> (Self, GradientsParams) {
            let device = Device::flex().autodiff();
            let a = Tensor::<2>::from_data(TensorData::new(a.to_vec(), [1, a.len()]), &device);
            let b = Tensor::<1>::from_floats(b, &device);
            let module = Self {
                a: Param::from_tensor(a.zeros_like()),
                b: Param::from_tensor(b.zeros_like()),
            };
            let loss = (a * module.a.val()).sum() + (b * module.b.val()).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &module);
            (module, gradients)
        }
    }

    fn clipped(toml: &str, a: &[f32], b: &[f32]) -> [Vec<f32>; 2] {
        let (module, gradients) = Weights::new(a, b);
        let spec: ClipSpec = toml::from_str(toml).unwrap();
        let gradients = clip(&spec, &module, gradients);
        let a = gradients.get::<2>(module.a.id).unwrap();
        let b = gradients.get::<1>(module.b.id).unwrap();
        [a.into_data(), b.into_data()].map(|data| data.iter::<f32>().collect())
    }

    #[track_caller]
    fn assert_close(found: &[Vec<f32>; 2], expected: [&[f32]; 2]) {
        for (found, expected) in found.iter().zip(expected) {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "found {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn clipping_by_norm_is_per_parameter() {
        let found = clipped("kind = 'norm'\nlimit = 1.0", &[3.0, 0.0, 4.0], &[0.6, 0.8]);
        assert_close(&found, [&[0.6, 0.0, 0.8], &[0.6, 0.8]]);
    }

    #[test]
    fn clipping_by_global_norm_keeps_the_direction_of_all_gradients_together() {
        // 2, 3 and 6 have a norm of 7.
        let found = clipped("kind = 'global-norm'\nlimit = 3.5", &[2.0, 3.0], &[6.0]);
        assert_close(&found, [&[1.0, 1.5], &[3.0]]);
        let found = clipped("kind = 'global-norm'\nlimit = 7.5", &[2.0, 3.0], &[6.0]);
        assert_eq!(found, [vec![2.0, 3.0], vec![6.0]]);
    }

    #[test]
    fn scaling_multiplies_each_gradient() {
        let (module, gradients) = Weights::new(&[3.0, -4.0], &[0.5]);
        let gradients = scaled(1.5, &module, gradients);
        let a = gradients.get::<2>(module.a.id).unwrap().into_data();
        let b = gradients.get::<1>(module.b.id).unwrap().into_data();
        let [a, b] = [a, b].map(|data| data.iter::<f32>().collect());
        assert_close(&[a, b], [&[4.5, -6.0], &[0.75]]);
    }

    #[test]
    fn clipping_by_value_is_per_element() {
        let found = clipped("kind = 'value'\nlimit = 0.7", &[3.0, 0.0, -4.0], &[0.6, 0.8]);
        assert_close(&found, [&[0.7, 0.0, -0.7], &[0.6, 0.7]]);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_is_not_clipped_to_one() {
        for kind in ["value", "norm", "global-norm"] {
            let toml = format!("kind = '{kind}'\nlimit = 1.0");
            let [a, b] = clipped(&toml, &[3.0, f32::NAN], &[6.0]);
            assert!(a[1].is_nan(), "{kind}");
            assert_eq!(b[0].is_nan(), kind == "global-norm", "{kind}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3))]

        /// More numbers than Burn sums on one thread.
        #[test]
        fn the_number_of_threads_changes_no_bit(
            len in (1usize << 22)..(1 << 22) + 100_000,
            seed in 0..1000u32,
            kind in prop::sample::select(vec!["norm", "global-norm"]),
        ) {
            let number = |index: usize| {
                let bits = (index as u32).wrapping_add(seed).wrapping_mul(2_654_435_761);
                (f64::from(bits) / f64::from(u32::MAX) - 0.5) as f32
            };
            let a: Vec<f32> = (0..len).map(number).collect();
            let toml = format!("kind = '{kind}'\nlimit = 0.25");
            let results = [1, 2, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| clipped(&toml, &a, &[0.5, 0.25]))
            });
            prop_assert!(results[0] == results[1], "two threads");
            prop_assert!(results[0] == results[2], "four threads");
        }
    }
}
