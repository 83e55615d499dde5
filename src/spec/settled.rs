//! How outputs of a network become a prediction, once the validation split has decided what it is asked.

use serde::{Deserialize, Serialize};

use super::{EvaluationSpec, MaskStepSpec, RefineSpec, TestTimeSpec, ThresholdSpec};

/// The steps from a network's outputs to a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The views whose probabilities are averaged.
    pub test_time: TestTimeSpec,
    /// How probabilities of pixels are refined.
    pub refine: RefineSpec,
    /// What logits are divided by; 1 where they are not calibrated.
    pub temperature: f64,
    /// The lowest probability at which a pixel is foreground, or an image of the second of two classes.
    pub threshold: f64,
    /// What is made of the mask.
    pub post_process: Vec<MaskStepSpec>,
}

impl Settled {
    /// A network alone, with a threshold of 0.5.
    pub fn network() -> Self {
        Self {
            test_time: TestTimeSpec::default(),
            refine: RefineSpec::default(),
            temperature: 1.0,
            threshold: 0.5,
            post_process: Vec::new(),
        }
    }

    /// What of it is of an average, where it is of the first of the networks that are averaged: the rest is that network's own.
    pub fn of_average(&self) -> Self {
        let Self { threshold, post_process, .. } = self.clone();
        Self { threshold, post_process, ..Self::network() }
    }
}

impl EvaluationSpec {
    /// All steps that are asked for, and a threshold of 0.5 where validation cases decide it.
    pub fn all_steps(&self) -> Settled {
        Settled {
            test_time: self.test_time_augmentation.clone(),
            refine: self.refine.clone(),
            temperature: 1.0,
            threshold: match &self.threshold {
                ThresholdSpec::Fixed(fixed) => fixed.value,
                ThresholdSpec::BestOnValid(_) => 0.5,
            },
            post_process: self.post_process.clone(),
        }
    }
}

/// A step after the network, about which the validation split decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriedStep {
    /// Its key or kind in `[evaluation]`, such as `refine` or `fill-holes`.
    pub step: String,
    /// The metric that decided, in words.
    pub metric: String,
    /// Its value on the validation split without the step; `None` where it is undefined.
    pub without: Option<f64>,
    /// With it.
    pub with: Option<f64>,
    /// Whether it was kept.
    pub kept: bool,
}
