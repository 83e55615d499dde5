//! Classifiers of whole images: what they share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::catalogue::WeightsSpec;
use super::multi_task::SecondHead;
use super::problems::Problems;
use super::pytorch::InPytorch;

/// ResNet or DenseNet; tensors and names are torchvision's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClassifierSpec {
    /// Weights of all but the head to start from, with torchvision's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters; the stem is the first.
    #[schemars(range(max = 9))]
    pub frozen_stages: u32,
    /// Widths of hidden layers in the head; without any the head is one linear layer.
    #[schemars(length(max = 4), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<u32>,
    /// Dropout probability before each layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

/// A classifier, which halves an image five times and whose first stages may be frozen; each is an [`Architecture`].
pub trait Classifier {
    /// What an author may write of it.
    type Settings: ClassifierSettings;
    /// Its module.
    type Net: Staged;
    /// What its network is made of.
    type Design: Design<Net = Self::Net> + 'static;

    /// Its name for people.
    const TITLE: &'static str;
    /// Its name in torchvision, where that has it.
    const IN_TORCHVISION: Option<&'static str>;

    /// What is wrong with the settings for images of a height and width.
    fn problems(settings: &Self::Settings, _sides: [usize; 2], found: &mut Problems) {
        settings.problems(found);
    }

    /// What the network is made of, for the channels of images and logits.
    fn design(settings: &Self::Settings, channels: [usize; 2]) -> Self::Design;

    /// Settings for the tests that every architecture must pass.
    #[cfg(test)]
    fn samples() -> Vec<Self::Settings>;
}

/// Settings of a classifier.
pub trait ClassifierSettings {
    /// How many stages its networks have.
    const STAGES: u32;

    /// What is wrong with them.
    fn problems(&self, found: &mut Problems) {
        found.stages(self.frozen_stages(), Self::STAGES);
    }

    /// Stages, from the image on, that keep their parameters.
    fn frozen_stages(&self) -> u32;

    /// Whether the head is torchvision's.
    fn has_usual_head(&self) -> bool;
}

/// A network whose first stages can be frozen.
pub trait Staged: Network {
    /// With the parameters and running statistics of the first stages left as they are by training.
    fn freeze_stages(self, stages: usize) -> Self;
}

impl<C: Classifier> Architecture for C {
    type Settings = C::Settings;
    type Design = C::Design;

    const TITLE: &'static str = C::TITLE;
    const CLASSIFIES: bool = true;

    fn halvings(_: &C::Settings) -> u32 {
        5
    }

    fn problems(settings: &C::Settings, sides: [usize; 2], found: &mut Problems) {
        C::problems(settings, sides, found);
    }

    fn design(settings: &C::Settings, channels: [usize; 2]) -> C::Design {
        C::design(settings, channels)
    }

    fn freezes(settings: &C::Settings) -> bool {
        settings.frozen_stages() > 0
    }

    fn freeze(net: C::Net, settings: &C::Settings) -> C::Net {
        net.freeze_stages(settings.frozen_stages() as usize)
    }

    fn in_pytorch(
        settings: &C::Settings,
        channels: [usize; 2],
        _: Option<SecondHead>,
    ) -> Option<InPytorch> {
        InPytorch::torchvision(C::IN_TORCHVISION?, channels, settings.has_usual_head())
    }

    #[cfg(test)]
    fn samples() -> Vec<C::Settings> {
        C::samples()
    }
}

impl ClassifierSettings for ClassifierSpec {
    const STAGES: u32 = 5;

    fn frozen_stages(&self) -> u32 {
        self.frozen_stages
    }

    fn has_usual_head(&self) -> bool {
        self.hidden.is_empty()
    }
}
