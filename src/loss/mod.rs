//! Losses, one file each, and the choice between them.
//!
//! All take logits, stay finite with logits of ±10,000 in single precision, and leave ignored
//! pixels out of value and gradient; a batch without a valid pixel costs 0 and has no gradient, and
//! takes no part in the loss of a split ([`Sums`]).

pub mod bce;
pub mod cross_entropy;
pub mod dice;
pub mod focal;
pub mod jaccard;
pub mod lovasz;
mod measured;
pub mod multi_task;
mod overlap;
mod reduce;
pub mod sum;
pub mod target;
pub mod tversky;

#[cfg(test)]
mod parity;
#[cfg(test)]
mod testing;

use burn::tensor::{Int, Tensor};

pub use measured::{Measured, Sums};
pub use multi_task::MultiTask;
pub use target::{IGNORED, Target};

use self::{
    bce::Bce, cross_entropy::CrossEntropy, dice::Dice, focal::Focal, jaccard::Jaccard,
    lovasz::Lovasz, sum::Sum, tversky::Tversky,
};
use crate::{
    error::{Error, Result},
    spec::{ClassWeights, LossSpec},
};

/// What the channels of the logits mean.
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
}

/// A loss with every setting decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// Binary cross-entropy.
    Bce(Bce),
    /// Cross-entropy over classes.
    CrossEntropy(CrossEntropy),
    /// 1 - soft Dice.
    Dice(Dice),
    /// 1 - soft Jaccard.
    Jaccard(Jaccard),
    /// 1 - Tversky index.
    Tversky(Tversky),
    /// Focal loss.
    Focal(Focal),
    /// Lovász hinge or Lovász-softmax.
    Lovasz(Lovasz),
    /// A weighted sum.
    Sum(Sum),
}

/// Decides a loss for a network's outputs. `class_pixels` counts the pixels of each class in the
/// training split, which balanced class weights are inverse to.
///
/// # Errors
///
/// The user's, if the loss does not fit the outputs ([`problems`]) or balanced weights are asked
/// for and no pixel is labelled.
pub fn init(spec: &LossSpec, outputs: Outputs, class_pixels: &[u64]) -> Result<Loss> {
    if let Some((key, message)) = problems(spec, outputs).into_iter().next() {
        return Err(Error::user(format!("{key}: {message}")));
    }
    decided(spec, class_pixels)
}

fn decided(spec: &LossSpec, class_pixels: &[u64]) -> Result<Loss> {
    Ok(match spec {
        LossSpec::Bce(spec) => Loss::Bce(spec.into()),
        LossSpec::CrossEntropy(spec) => {
            let weights = match &spec.class_weights {
                ClassWeights::Equal(_) => None,
                ClassWeights::Balanced(_) => Some(balanced_weights(class_pixels)?),
                ClassWeights::Given(given) => Some(given.values.clone()),
            };
            Loss::CrossEntropy(CrossEntropy::new(weights, spec.label_smoothing))
        }
        LossSpec::Dice(spec) => Loss::Dice(spec.into()),
        LossSpec::Jaccard(spec) => Loss::Jaccard(spec.into()),
        LossSpec::Tversky(spec) => Loss::Tversky(spec.into()),
        LossSpec::Focal(spec) => Loss::Focal(spec.into()),
        LossSpec::Lovasz(spec) => Loss::Lovasz(spec.into()),
        LossSpec::Sum(spec) => Loss::Sum(Sum {
            terms: spec
                .terms
                .iter()
                .map(|term| Ok((term.weight, decided(&term.loss, class_pixels)?)))
                .collect::<Result<_>>()?,
        }),
    })
}

/// Weights inverse to the pixels of each class, averaging 1 over the classes present. A class
/// without a pixel weighs 0: nothing was learned of it, so that it says nothing of the fit.
///
/// # Errors
///
/// The user's, if no class has a pixel.
pub fn balanced_weights(class_pixels: &[u64]) -> Result<Vec<f64>> {
    let inverse = |pixels: u64| if pixels == 0 { 0.0 } else { 1.0 / pixels as f64 };
    let total: f64 = class_pixels.iter().copied().map(inverse).sum();
    if total == 0.0 {
        return Err(Error::user(
            "loss.class-weights: balanced weights need a labelled pixel in the training split, \
             and there is none",
        ));
    }
    let present = class_pixels.iter().filter(|&&pixels| pixels > 0).count() as f64;
    Ok(class_pixels.iter().map(|&pixels| inverse(pixels) * present / total).collect())
}

/// What keeps a loss from fitting a network's outputs: for each problem the key that says it, such
/// as `loss.terms[1].kind`, and a message.
pub fn problems(spec: &LossSpec, outputs: Outputs) -> Vec<(String, String)> {
    problems_at(spec, outputs, "loss")
}

fn problems_at(spec: &LossSpec, outputs: Outputs, key: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect_problems(spec, outputs, key, &mut found);
    found
}

fn collect_problems(
    spec: &LossSpec,
    outputs: Outputs,
    key: &str,
    found: &mut Vec<(String, String)>,
) {
    let mut report = |key: String, message: String| found.push((key, message));
    match (spec, outputs) {
        (LossSpec::Bce(_), Outputs::Classes(classes) | Outputs::Images(classes)) => report(
            format!("{key}.kind"),
            format!(
                "`bce` is for one foreground class, and this network tells {classes} classes \
                 apart; use `cross-entropy`"
            ),
        ),
        (LossSpec::CrossEntropy(_), Outputs::Binary) => report(
            format!("{key}.kind"),
            "`cross-entropy` is for several classes, and this network has one output, the \
             foreground; use `bce`"
                .into(),
        ),
        (LossSpec::CrossEntropy(spec), Outputs::Classes(classes) | Outputs::Images(classes)) => {
            if let ClassWeights::Given(given) = &spec.class_weights {
                let key = format!("{key}.class-weights.values");
                if given.values.len() != classes {
                    let weights = given.values.len();
                    report(key, format!("{weights} weights for {classes} classes; give one each"));
                } else if given.values.iter().all(|&weight| weight == 0.0) {
                    report(key, "all weights are 0, so nothing would be learned".into());
                }
            }
        }
        (
            LossSpec::Dice(_) | LossSpec::Jaccard(_) | LossSpec::Tversky(_) | LossSpec::Lovasz(_),
            Outputs::Images(_),
        ) => report(
            format!("{key}.kind"),
            "this loss measures the overlap of pixels, and this network gives whole images their \
             class; use `cross-entropy` or `focal`"
                .into(),
        ),
        (LossSpec::Focal(spec), Outputs::Classes(classes) | Outputs::Images(classes))
            if spec.alpha.is_some() =>
        {
            report(
                format!("{key}.alpha"),
                format!(
                    "`alpha` weighs one foreground class against the rest, and this network tells \
                 {classes} classes apart; leave it out"
                ),
            )
        }
        (LossSpec::Tversky(spec), _) if spec.alpha == 0.0 && spec.beta == 0.0 => report(
            format!("{key}.beta"),
            "`alpha` and `beta` are both 0, so nothing would be learned".into(),
        ),
        (LossSpec::Sum(spec), _) => {
            if spec.terms.iter().all(|term| term.weight == 0.0) {
                let message = if spec.terms.is_empty() {
                    "a sum needs at least one loss"
                } else {
                    "all weights are 0, so nothing would be learned"
                };
                report(format!("{key}.terms"), message.into());
            }
            for (index, term) in spec.terms.iter().enumerate() {
                collect_problems(&term.loss, outputs, &format!("{key}.terms[{index}]"), found);
            }
        }
        (
            LossSpec::Bce(_)
            | LossSpec::Dice(_)
            | LossSpec::Jaccard(_)
            | LossSpec::Tversky(_)
            | LossSpec::Focal(_)
            | LossSpec::Lovasz(_),
            _,
        ) => {}
    }
}

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

    /// The same loss in a form that is the same for a split, however it is parted into batches: what ranks the pixels
    /// of a batch ranks those of each image.
    pub fn for_splits(self) -> Self {
        match self {
            Self::Lovasz(loss) => Self::Lovasz(loss.by_image()),
            Self::Sum(Sum { terms }) => {
                let terms = terms.into_iter().map(|(weight, loss)| (weight, loss.for_splits()));
                Self::Sum(Sum { terms: terms.collect() })
            }
            Self::Bce(_)
            | Self::CrossEntropy(_)
            | Self::Dice(_)
            | Self::Jaccard(_)
            | Self::Tversky(_)
            | Self::Focal(_) => self,
        }
    }

    /// The loss of a batch whose target is derived already; 0 if no pixel is valid.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    pub fn of(&self, logits: Tensor<4>, target: &Target) -> Measured {
        match self {
            Self::Bce(loss) => loss.forward(logits, target),
            Self::CrossEntropy(loss) => loss.forward(logits, target),
            Self::Dice(loss) => loss.forward(logits, target),
            Self::Jaccard(loss) => loss.forward(logits, target),
            Self::Tversky(loss) => loss.forward(logits, target),
            Self::Focal(loss) => loss.forward(logits, target),
            Self::Lovasz(loss) => loss.forward(logits, target),
            Self::Sum(loss) => loss.forward(logits, target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(toml: &str) -> LossSpec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn balanced_weights_are_inverse_to_pixels_and_average_1_over_the_classes_present() {
        assert_eq!(balanced_weights(&[30, 10, 0]).unwrap(), [0.5, 1.5, 0.0]);
        let error = balanced_weights(&[0, 0]).unwrap_err().to_string();
        assert!(error.contains("labelled pixel"), "{error}");
    }

    #[test]
    fn weights_from_the_training_split_reach_the_loss() {
        let spec = spec("kind = 'cross-entropy'\nclass-weights = { kind = 'balanced' }");
        let expected = Loss::CrossEntropy(CrossEntropy::new(Some(vec![0.5, 1.5]), 0.0));
        assert_eq!(init(&spec, Outputs::Classes(2), &[30, 10]).unwrap(), expected);
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

    const BINARY: [&str; 8] = [
        "kind = 'bce'\nlabel-smoothing = 0.1\npositive-weight = 2.0",
        "kind = 'dice'",
        "kind = 'dice'\nsmooth = 0.0\npool = 'image'",
        "kind = 'jaccard'\nsmooth = 0.0",
        "kind = 'tversky'\ngamma = 0.5\nsmooth = 0.0",
        "kind = 'focal'\ngamma = 0.5\nalpha = 0.25",
        "kind = 'lovasz'",
        "kind = 'sum'\nterms = [{ kind = 'bce' }, { kind = 'lovasz', pool = 'image', weight = 0.5 }]",
    ];
    const CLASSES: [&str; 7] = [
        "kind = 'cross-entropy'\nlabel-smoothing = 0.1\n\
         class-weights = { kind = 'given', values = [1, 0, 3] }",
        "kind = 'dice'\nsmooth = 0.0\npool = 'image'",
        "kind = 'jaccard'",
        "kind = 'tversky'\ngamma = 0.5\nsmooth = 0.0",
        "kind = 'focal'\ngamma = 0.5",
        "kind = 'lovasz'\npool = 'image'",
        "kind = 'sum'\nterms = [{ kind = 'cross-entropy' }, { kind = 'dice' }]",
    ];

    /// Every loss, with the number of channels it is for.
    fn losses() -> impl Iterator<Item = (usize, Loss)> {
        let binary = BINARY.iter().map(|toml| (1, init(&spec(toml), Outputs::Binary, &[])));
        let classes = CLASSES.iter().map(|toml| (3, init(&spec(toml), Outputs::Classes(3), &[])));
        binary.chain(classes).map(|(channels, loss)| (channels, loss.unwrap()))
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
