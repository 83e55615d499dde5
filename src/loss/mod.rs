//! Losses, one file each, and the choice between them.
//!
//! All take logits, stay finite with logits of ±10,000 in single precision, and leave ignored
//! pixels out of value and gradient; a batch without a valid pixel costs 0 and has no gradient, and
//! takes no part in the loss of a split ([`Sums`]).

pub mod bce;
mod class_weights;
pub mod cross_entropy;
pub mod dice;
pub mod focal;
pub mod jaccard;
pub mod log_cosh_dice;
pub mod lovasz;
mod measured;
pub mod multi_task;
pub mod overlap;
mod problems;
mod reduce;
mod scope;
pub mod sum;
pub mod target;
pub mod tversky;

#[cfg(test)]
mod parity;
#[cfg(test)]
mod testing;

use std::collections::BTreeSet;

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use class_weights::{BalancedWeights, ClassWeights, EqualWeights, GivenWeights};
pub use measured::{Measured, Sums};
pub use multi_task::MultiTask;
pub use problems::Problems;
pub use scope::Scope;
pub use target::{IGNORED, Target};

use crate::error::{Error, Result};

/// Makes the settings ([`LossSpec`]), the loss ([`Loss`]) and every match on the two of a list of loss functions.
macro_rules! losses {
    ($($(#[doc = $doc:literal])* $name:ident($function:ty),)*) => {
        /// What training minimises. Ignored pixels take no part in any of them.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum LossSpec {
            $($(#[doc = $doc])* $name(<$function as LossFunction>::Settings),)*
        }

        /// A loss with every setting decided.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Loss {
            $($(#[doc = $doc])* $name($function),)*
        }

        impl LossSpec {
            /// The unit that its loss of a split is averaged over.
            pub fn scopes(&self) -> BTreeSet<Scope> {
                match self {
                    $(Self::$name(settings) => <$function>::scopes(settings),)*
                }
            }

            fn check(&self, outputs: Outputs, problems: &mut Problems) {
                match self {
                    $(Self::$name(settings) => <$function>::check(settings, outputs, problems),)*
                }
            }

            fn decided(&self, class_pixels: &[u64]) -> Result<Loss> {
                Ok(match self {
                    $(Self::$name(settings) => Loss::$name(<$function>::new(settings, class_pixels)?),)*
                })
            }
        }

        impl Loss {
            /// The loss of a batch whose target is derived already; 0 if no pixel is valid.
            ///
            /// # Shapes
            ///
            /// - logits: `[N, C, H, W]`
            pub fn of(&self, logits: Tensor<4>, target: &Target) -> Measured {
                match self {
                    $(Self::$name(loss) => loss.forward(logits, target),)*
                }
            }

            /// The same loss in a form that is the same for a split, however it is parted into batches: what ranks the
            /// pixels of a batch ranks those of each image.
            pub fn for_splits(self) -> Self {
                match self {
                    $(Self::$name(loss) => Self::$name(loss.for_splits()),)*
                }
            }
        }

        /// The examples of every loss, with the outputs that they are for.
        #[cfg(test)]
        fn examples() -> Vec<(Outputs, Loss)> {
            let mut examples = Vec::new();
            $(for example in <$function>::examples() {
                let spec = LossSpec::$name(toml::from_str(&example.settings).unwrap());
                let loss = init(&spec, example.outputs, &[]);
                examples.push((example.outputs, loss.unwrap()));
            })*
            examples
        }
    };
}

losses! {
    /// Binary cross-entropy of each pixel, averaged. For one foreground class.
    Bce(bce::Bce),
    /// Cross-entropy of each pixel over the classes, averaged.
    CrossEntropy(cross_entropy::CrossEntropy),
    /// 1 - soft Dice.
    Dice(dice::Dice),
    /// log(cosh(1 - soft Dice)) (Jadon 2020).
    LogCoshDice(log_cosh_dice::LogCoshDice),
    /// 1 - soft Jaccard (IoU).
    Jaccard(jaccard::Jaccard),
    /// 1 - Tversky index (Salehi et al. 2017).
    Tversky(tversky::Tversky),
    /// Focal loss (Lin et al. 2017).
    Focal(focal::Focal),
    /// Lovász hinge, or Lovász-softmax for several classes (Berman et al. 2018).
    Lovasz(lovasz::Lovasz),
    /// A weighted sum of other losses.
    Sum(sum::Sum),
}

/// A loss function with every setting decided. One that is listed in `losses!` can be written in a spec.
pub trait LossFunction: Sized {
    /// Its settings in a spec.
    type Settings;

    /// Decides every setting. `class_pixels` counts the pixels of each class in the training split.
    ///
    /// # Errors
    ///
    /// The user's, if what `class_pixels` counts cannot decide a setting.
    fn new(settings: &Self::Settings, class_pixels: &[u64]) -> Result<Self>;

    /// Adds why it does not fit a network's outputs.
    fn check(settings: &Self::Settings, outputs: Outputs, problems: &mut Problems);

    /// The unit that its loss of a split is averaged over.
    fn scopes(settings: &Self::Settings) -> BTreeSet<Scope>;

    /// The loss of a batch; 0 if no pixel is valid.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured;

    /// The same loss in a form that is the same for a split, however it is parted into batches.
    fn for_splits(self) -> Self {
        self
    }

    /// Settings for the tests that every loss must pass.
    #[cfg(test)]
    fn examples() -> Vec<testing::Example>;
}

/// The meaning of the channels of the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One channel: the lesion, by its sigmoid.
    Binary,
    /// A channel for each of so many classes, by their softmax.
    Classes(usize),
    /// The same for whole images, as for maps of one pixel.
    Images(usize),
}

impl Outputs {
    /// Channels of the logits.
    pub fn channels(self) -> usize {
        match self {
            Self::Binary => 1,
            Self::Classes(classes) | Self::Images(classes) => classes,
        }
    }

    /// How many classes the network has; `None` where it has the lesion alone.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::Binary => None,
            Self::Classes(classes) | Self::Images(classes) => Some(classes),
        }
    }
}

impl LossSpec {
    /// Why it does not fit a network's outputs, under keys that begin with `key`.
    fn problems(&self, key: &str, outputs: Outputs) -> Vec<(String, String)> {
        let mut problems = Problems::of(key);
        self.check(outputs, &mut problems);
        problems.into_vec()
    }

    /// Decides it, if it fits.
    fn fitted(&self, key: &str, outputs: Outputs, class_pixels: &[u64]) -> Result<Loss> {
        match self.problems(key, outputs).into_iter().next() {
            Some((key, message)) => Err(Error::user(format!("{key}: {message}"))),
            None => self.decided(class_pixels),
        }
    }
}

/// Decides a loss for a network's outputs. `class_pixels` counts the pixels of each class in the
/// training split, which balanced class weights are inverse to.
///
/// ```
/// use burn::tensor::{Int, Tensor};
/// use oncospec::device::{Request, choose};
/// use oncospec::loss::{LossSpec, Outputs, Target, init};
///
/// let spec: LossSpec = toml::from_str("kind = 'bce'")?;
/// let loss = init(&spec, Outputs::Binary, &[])?;
/// let device = choose(Request::Cpu)?.device;
/// let labels = Tensor::<3, Int>::from_data([[[0, 1]]], &device);
/// let logits = Tensor::<4>::zeros([1, 1, 1, 2], &device);
/// let value = loss.of(logits, &Target::new(labels, 1)).value.into_scalar::<f32>();
/// assert!((value - 2.0_f32.ln()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The user's, if the loss does not fit the outputs ([`problems`]) or balanced weights are asked
/// for and no pixel is labelled.
pub fn init(spec: &LossSpec, outputs: Outputs, class_pixels: &[u64]) -> Result<Loss> {
    spec.fitted(KEY, outputs, class_pixels)
}

/// Why a loss does not fit a network's outputs: for each problem its key, such
/// as `loss.terms[1].kind`, and a message.
pub fn problems(spec: &LossSpec, outputs: Outputs) -> Vec<(String, String)> {
    spec.problems(KEY, outputs)
}

/// The key of the loss in a spec.
const KEY: &str = "loss";

impl Loss {
    /// The mean loss of one or several heads; 0 if no pixel is valid.
    ///
    /// # Shapes
    ///
    /// - heads: `[N, C, H, W]` each, one channel for a lesion or one for each class
    /// - labels: `[N, H, W]`, [`IGNORED`] where a pixel takes no part
    pub fn measure(&self, heads: Vec<Tensor<4>>, labels: Tensor<3, Int>) -> Measured {
        let target = Target::new(labels, heads[0].dims()[1]);
        let share = 1.0 / heads.len() as f64;
        let losses = heads.into_iter().map(|logits| self.of(logits, &target));
        let sum = losses.reduce(Measured::plus).expect("a network has a head");
        if share == 1.0 { sum } else { sum.weighted(share) }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn spec(toml: &str) -> LossSpec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn weights_from_the_training_split_reach_the_loss() {
        let spec = spec("kind = 'cross-entropy'\nclass-weights = { kind = 'balanced' }");
        let given =
            "kind = 'cross-entropy'\nclass-weights = { kind = 'given', values = [0.5, 1.5] }";
        let given = init(&toml::from_str(given).unwrap(), Outputs::Classes(2), &[]).unwrap();
        assert_eq!(init(&spec, Outputs::Classes(2), &[30, 10]).unwrap(), given);
    }

    #[test]
    fn each_problem_of_a_sum_is_reported_under_its_own_key() {
        let spec = spec(
            "kind = 'sum'
             terms = [
                 { kind = 'bce' },
                 { kind = 'dice' },
                 { kind = 'focal', alpha = 0.25 },
                 { kind = 'cross-entropy', class-weights = { kind = 'given', values = [1, 2] } },
             ]",
        );
        let keys = |outputs| -> Vec<String> {
            problems(&spec, outputs).into_iter().map(|(key, _)| key).collect()
        };
        let expected =
            ["loss.terms[0].kind", "loss.terms[2].alpha", "loss.terms[3].class-weights.values"];
        assert_eq!(keys(Outputs::Classes(5)), expected);
        assert_eq!(keys(Outputs::Binary), ["loss.terms[3].kind"]);
        let error = init(&spec, Outputs::Binary, &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_loss_that_weighs_nothing_is_a_problem() {
        for (toml, key) in [
            ("kind = 'sum'\nterms = [{ kind = 'dice', weight = 0 }]", "loss.terms"),
            ("kind = 'sum'\nterms = []", "loss.terms"),
            ("kind = 'tversky'\nalpha = 0\nbeta = 0", "loss.beta"),
        ] {
            assert_eq!(problems(&spec(toml), Outputs::Binary)[0].0, key);
        }
    }

    #[test]
    fn every_default_fits_a_binary_network_but_cross_entropy() {
        for kind in ["bce", "dice", "jaccard", "tversky", "focal", "lovasz"] {
            let spec = spec(&format!("kind = '{kind}'"));
            assert_eq!(problems(&spec, Outputs::Binary), [], "{kind}");
        }
        assert_eq!(problems(&LossSpec::default(), Outputs::Binary), []);
    }

    /// Every loss, with the number of channels it is for.
    fn losses() -> impl Iterator<Item = (usize, Loss)> {
        let weights =
            "kind = 'cross-entropy'\nclass-weights = { kind = 'given', values = [1, 0, 3] }";
        let weighs_none = init(&spec(weights), Outputs::Classes(3), &[]).unwrap();
        let examples = examples().into_iter().map(|(outputs, loss)| (outputs.channels(), loss));
        examples.chain([(3, weighs_none)])
    }

    /// Value and gradient.
    fn found(loss: &Loss, channels: usize, values: &[f32], truth: &[i64]) -> (f32, Vec<f32>) {
        let target = Target::new(testing::labels(truth), channels);
        let value = loss.of(testing::logits(channels, values), &target).value.into_scalar();
        let gradient =
            testing::gradient(channels, values, truth, |logits, target| loss.of(logits, target));
        (value, gradient)
    }

    #[test]
    fn every_loss_is_finite_with_logits_of_10_000() {
        for (channels, loss) in losses() {
            for truth in [[0, 1], [0, 0], [1, 1], [1, 255]] {
                for signs in 0..1 << (2 * channels) {
                    let sign = |bit: usize| if signs >> bit & 1 == 1 { 1e4 } else { -1e4 };
                    let values: Vec<f32> = (0..2 * channels).map(sign).collect();
                    let (value, gradient) = found(&loss, channels, &values, &truth);
                    let finite = value.is_finite() && gradient.iter().all(|g| g.is_finite());
                    assert!(finite, "{loss:?} of {values:?}: {value}, {gradient:?}");
                    assert!(value >= 0.0, "{loss:?} of {values:?}: {value}");
                }
            }
        }
    }

    #[test]
    fn every_loss_and_its_gradient_are_the_same_on_a_gpu() {
        let Some(gpu) = crate::testing::gpu() else { return };
        for (channels, loss) in losses() {
            let values: Vec<f32> = (0..12 * channels).map(|i| (i as f32 * 1.7).sin()).collect();
            let truth = [0, 1, 1, 0, 255, 1, 0, 0, 1, 1, 255, 0];
            let of = |device: &Device| {
                testing::value_and_gradient(channels, &values, &truth, device, |logits, target| {
                    loss.of(logits, target)
                })
            };
            let ((on_cpu, expected), (on_gpu, found)) = (of(&Device::flex()), of(&gpu));
            assert!((on_cpu - on_gpu).abs() < 1e-5, "{loss:?}: {on_gpu}, not {on_cpu}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{loss:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn ignored_pixels_change_no_loss_and_get_no_gradient() {
        for (channels, loss) in losses() {
            let values: Vec<f32> = (0..4 * channels).map(|i| (i as f32 * 1.7).sin()).collect();
            let mut others = values.clone();
            for pixel in (2..4 * channels).step_by(4) {
                others[pixel] = 1e4;
            }
            let truth = [0, 1, 255, 0];
            let (value, gradient) = found(&loss, channels, &values, &truth);
            assert_eq!((value, gradient.clone()), found(&loss, channels, &others, &truth));
            for pixel in gradient.iter().skip(2).step_by(4) {
                assert_eq!(*pixel, 0.0, "{loss:?}");
            }
            assert!(gradient.iter().any(|pixel| *pixel != 0.0), "{loss:?}");
        }
    }

    #[test]
    fn a_batch_without_a_valid_pixel_costs_nothing_and_has_no_gradient() {
        for (channels, loss) in losses() {
            let (value, gradient) = found(&loss, channels, &vec![2.0; 2 * channels], &[255, 255]);
            assert_eq!((value, gradient), (0.0, vec![0.0; 2 * channels]), "{loss:?}");
        }
    }

    #[test]
    fn a_gradient_is_the_same_bit_for_bit_each_time() {
        let terms = ["bce", "dice", "jaccard", "focal", "lovasz"]
            .map(|kind| format!("{{ kind = '{kind}' }}"));
        let spec = spec(&format!("kind = 'sum'\nterms = [{}]", terms.join(", ")));
        let loss = init(&spec, Outputs::Binary, &[]).unwrap();
        let values: Vec<f32> = (0..200).map(|i| (i as f32 * 1.7).sin() * 3.0).collect();
        let truth: Vec<i64> = (0..200).map(|i| i64::from(i % 7 < 3)).collect();
        let first = found(&loss, 1, &values, &truth);
        for _ in 0..50 {
            assert_eq!(found(&loss, 1, &values, &truth), first);
        }
    }

    #[test]
    fn a_right_prediction_costs_less_than_a_wrong_one() {
        for (channels, loss) in losses() {
            let mut right = vec![-9.0; 2 * channels];
            let truth = if channels == 1 { [0, 1] } else { [0, 2] };
            right[if channels == 1 { 1 } else { 0 }] = 9.0;
            if channels == 3 {
                right[5] = 9.0;
            }
            let wrong: Vec<f32> = right.iter().map(|logit| -logit).collect();
            let (of_right, _) = found(&loss, channels, &right, &truth);
            let (of_wrong, _) = found(&loss, channels, &wrong, &truth);
            assert!(of_right < 0.2 * of_wrong, "{loss:?}: {of_right} and {of_wrong}");
        }
    }
}
