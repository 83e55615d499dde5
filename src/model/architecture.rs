//! What an architecture is: settings that an author may write, the network they make, and the facts about both.
//!
//! Each architecture implements [`Architecture`] in its own file; the list in `model/mod.rs` has one line for it, from
//! which [`architectures!`] makes the types [`ModelSpec`](super::ModelSpec) and [`Net`](super::Net) and every match.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::encoder::EncoderSpec;
use super::multi_task::SecondHead;
use super::problems::Problems;
use super::published::Published;
use super::pytorch::InPytorch;
use super::summary::Table;

/// An architecture.
pub trait Architecture {
    /// What an author may write of it: a struct with a field `weights`, from which the whole network, of a classifier
    /// all but its head, starts.
    type Settings;
    /// What its network is made of.
    type Design: Design + 'static;

    /// Its name for people.
    const TITLE: &'static str;
    /// Whether it gives a whole image its class, rather than each pixel.
    const CLASSIFIES: bool = false;

    /// Its name for people, with the choices that make it another network.
    fn title(_: &Self::Settings) -> String {
        Self::TITLE.into()
    }

    /// The contracting path, where it can be chosen.
    fn encoder(_: &Self::Settings) -> Option<&EncoderSpec> {
        None
    }

    /// The same, to be changed.
    fn encoder_mut(_: &mut Self::Settings) -> Option<&mut EncoderSpec> {
        None
    }

    /// How many times it halves an image on the way to the deepest layer.
    fn halvings(settings: &Self::Settings) -> u32;

    /// What is wrong with the settings for images of a height and width, beyond what their schema says, and but for their
    /// weights and for how often the image can be halved.
    fn problems(_: &Self::Settings, _sides: [usize; 2], _found: &mut Problems) {}

    /// What the network is made of, for the channels of images and logits.
    fn design(settings: &Self::Settings, channels: [usize; 2]) -> Self::Design;

    /// Whether some layers keep their parameters in training.
    fn freezes(settings: &Self::Settings) -> bool {
        Self::encoder(settings).is_some_and(EncoderSpec::is_frozen)
    }

    /// The network as training is to change it, with the frozen layers left as they are.
    fn freeze(net: NetworkOf<Self>, _: &Self::Settings) -> NetworkOf<Self> {
        net
    }

    /// The call that makes it in PyTorch, where a library has it, for the channels of images and logits.
    fn in_pytorch(
        _: &Self::Settings,
        _channels: [usize; 2],
        _second_head: Option<SecondHead>,
    ) -> Option<InPytorch> {
        None
    }

    /// Settings of small networks for the tests that every architecture must pass, one for each choice inside it.
    #[cfg(test)]
    fn samples() -> Vec<Self::Settings>;
}

/// The module of an architecture.
pub(super) type NetworkOf<A> = <<A as Architecture>::Design as Design>::Net;

/// What a network is made of: its layers, not yet made.
pub trait Design {
    /// The module.
    type Net: Network
    where
        Self: Sized;

    /// The network, whose weights are drawn when they are first used.
    fn init(&self, device: &Device) -> Self::Net
    where
        Self: Sized;

    /// The places whose maps can be looked at, in the order of the forward pass.
    fn places(&self) -> Vec<String>;

    /// The place that is looked at unless another is named.
    fn usual_place(&self) -> String {
        self.places().pop().expect("every network has places")
    }

    /// The attention gates whose coefficients can be looked at, in the order of the forward pass.
    fn gates(&self) -> Vec<String> {
        Vec::new()
    }

    /// Of a segmentation network, the place where the deepest features pass, and their channels.
    fn bottleneck(&self) -> Option<(String, usize)> {
        None
    }

    /// Fills in the layer table for images of a height and width.
    fn summarise(&self, table: &mut Table, sides: [usize; 2]);
}

/// A network.
pub trait Network: Module {
    /// The logits of every head: several with deep supervision.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - outputs: `[batch, classes, height, width]`, of a classifier `[batch, classes, 1, 1]`
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>>;

    /// The part of it that others publish weights of.
    fn published(&self) -> Published {
        Published::Nothing
    }
}

/// Makes the settings of a model, its network and every match on the two of a list of architectures.
macro_rules! architectures {
    ($($(#[$doc:meta])* $name:ident($architecture:ty),)+) => {
        /// The network.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum ModelSpec {
            $($(#[$doc])* $name(<$architecture as Architecture>::Settings),)+
        }

        /// A network.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "there are a few networks at a time, never many")]
        pub enum Net {
            $($(#[$doc])* $name(NetworkOf<$architecture>),)+
        }

        impl ModelSpec {
            /// Its name for people, with the choices that make it another network.
            pub fn title(&self) -> String {
                match self {
                    $(Self::$name(settings) => <$architecture as Architecture>::title(settings),)+
                }
            }

            /// Weights to start from: of the whole network, of a classifier all but its head.
            pub fn weights(&self) -> Option<&WeightsSpec> {
                match self {
                    $(Self::$name(settings) => settings.weights.as_ref(),)+
                }
            }

            fn weights_mut(&mut self) -> Option<&mut WeightsSpec> {
                match self {
                    $(Self::$name(settings) => settings.weights.as_mut(),)+
                }
            }

            /// The contracting path, where it can be chosen.
            pub fn encoder(&self) -> Option<&EncoderSpec> {
                match self {
                    $(Self::$name(settings) => <$architecture as Architecture>::encoder(settings),)+
                }
            }

            fn encoder_mut(&mut self) -> Option<&mut EncoderSpec> {
                match self {
                    $(Self::$name(settings) => {
                        <$architecture as Architecture>::encoder_mut(settings)
                    })+
                }
            }

            /// Whether it gives a whole image its class, rather than each pixel.
            pub fn classifies(&self) -> bool {
                match self {
                    $(Self::$name(_) => <$architecture as Architecture>::CLASSIFIES,)+
                }
            }

            /// Whether some of its layers keep their parameters in training.
            pub fn freezes(&self) -> bool {
                match self {
                    $(Self::$name(settings) => <$architecture as Architecture>::freezes(settings),)+
                }
            }

            /// The call that makes it in PyTorch, where a library has it: its `load_state_dict` takes the weights with
            /// `strict=True`. From the channels of images and logits.
            pub fn in_pytorch(
                &self,
                channels: [usize; 2],
                second_head: Option<SecondHead>,
            ) -> Option<InPytorch> {
                match self {
                    $(Self::$name(settings) => {
                        <$architecture as Architecture>::in_pytorch(settings, channels, second_head)
                    })+
                }
            }

            /// How many times it halves an image on the way to the deepest layer.
            fn halvings(&self) -> u32 {
                match self {
                    $(Self::$name(settings) => <$architecture as Architecture>::halvings(settings),)+
                }
            }

            /// What is wrong with its own settings.
            fn own_problems(&self, sides: [usize; 2], found: &mut Problems) {
                match self {
                    $(Self::$name(settings) => {
                        <$architecture as Architecture>::problems(settings, sides, found);
                    })+
                }
            }

            /// What its network is made of, for the channels of images and logits.
            fn design(&self, channels: [usize; 2]) -> Box<dyn Design> {
                match self {
                    $(Self::$name(settings) => {
                        Box::new(<$architecture as Architecture>::design(settings, channels))
                    })+
                }
            }

            /// Its network, whose weights are drawn when they are first used.
            fn outline(&self, channels: [usize; 2], device: &Device) -> Net {
                match self {
                    $(Self::$name(settings) => {
                        let design = <$architecture as Architecture>::design(settings, channels);
                        Net::$name(design.init(device))
                    })+
                }
            }

            /// Small ones of each architecture and of each choice inside it.
            #[cfg(test)]
            pub(crate) fn samples() -> Vec<Self> {
                let mut samples = Vec::new();
                $(samples.extend(
                    <$architecture as Architecture>::samples().into_iter().map(Self::$name),
                );)+
                samples
            }
        }

        impl Net {
            fn frozen(self, spec: &ModelSpec) -> Self {
                match (self, spec) {
                    $((Self::$name(net), ModelSpec::$name(settings)) => {
                        Self::$name(<$architecture as Architecture>::freeze(net, settings))
                    })+
                    _ => unreachable!("a network is frozen by the spec that it was made of"),
                }
            }

            fn published(&self) -> Published {
                match self {
                    $(Self::$name(net) => net.published(),)+
                }
            }

            /// The logits of every head: what a loss is taken of. There are several with deep supervision,
            /// and [`combined`] makes a prediction of them.
            ///
            /// # Shapes
            /// - as [`forward`](Self::forward)
            pub fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
                match self {
                    $(Self::$name(net) => net.heads(images),)+
                }
            }
        }
    };
}

pub(super) use architectures;
