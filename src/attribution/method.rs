//! How a map is made, with all its settings.

use super::cam::{GradCam, GradCamPlusPlus};
use super::gate::Gate;
use super::integrated_gradients::IntegratedGradients;
use super::occlusion::Occlusion;
use super::{Heat, Subject};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::spec::AttributionKind;

/// A method of attribution with all its settings; one that `methods!` lists can be asked for.
pub trait Attribution: Sized {
    /// Which of [`Settings`] it has.
    const SETTINGS: &'static [&'static str];

    /// Decides its settings for a network and the shorter side of its input, in pixels.
    ///
    /// # Errors
    /// If one is out of its range, or the network has no such layer or gate.
    fn new(settings: Settings, model: &ModelSpec, size: usize) -> Result<Self, Unfit>;

    /// The layer or gate that is looked at; `None` where it is the input alone.
    fn layer(&self) -> Option<&str> {
        None
    }

    /// How much each place of an image contributes to the [`Score`](super::Score): negative contributions are left out,
    /// and the highest value is 1. Of a gate, its coefficients.
    ///
    /// # Errors
    /// If the network has no such layer, gate or class.
    fn heat(&self, subject: &Subject) -> Result<Heat>;
}

/// Makes the choice between the methods of a list, and the way to each one's own file.
macro_rules! methods {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// How an attribution map is made.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Method {
            $($(#[doc = $doc])* $name($name),)*
        }

        impl Method {
            /// A method for a network and the shorter side of its input, in pixels.
            ///
            /// # Errors
            /// If a setting is not one of the method's or out of its range, or the network has no such layer or gate.
            pub fn new(
                kind: AttributionKind,
                settings: Settings,
                model: &ModelSpec,
                size: usize,
            ) -> Result<Self, Unfit> {
                match kind {
                    $(AttributionKind::$name => {
                        settings.of(kind, $name::SETTINGS)?;
                        Ok(Self::$name($name::new(settings, model, size)?))
                    })*
                }
            }

            /// The layer or gate that is looked at; `None` where it is the input alone.
            pub fn layer(&self) -> Option<&str> {
                match self {
                    $(Self::$name(method) => method.layer(),)*
                }
            }

            /// The map of one image; see [`Attribution::heat`].
            ///
            /// # Errors
            /// If the network has no such layer, gate or class.
            pub fn heat(&self, subject: &Subject) -> Result<Heat> {
                match self {
                    $(Self::$name(method) => method.heat(subject),)*
                }
            }
        }
    };
}

methods! {
    /// Grad-CAM.
    GradCam,
    /// Grad-CAM++.
    GradCamPlusPlus,
    /// Occlusion.
    Occlusion,
    /// Integrated gradients.
    IntegratedGradients,
    /// Coefficients of an attention gate.
    Gate,
}

/// The settings of all methods; one that is not given has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The layer or gate; of a layer [`usual_place`](crate::model::usual_place), of a gate the last.
    pub layer: Option<String>,
    /// A tenth of the input's shorter side, at least one pixel.
    pub patch: Option<usize>,
    /// Half of the patch, at least one pixel.
    pub stride: Option<usize>,
    /// 50.
    pub steps: Option<usize>,
}

/// Why there is no such method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// `method`, or the setting that does not fit.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::user(format!("`{}`: {}; {}", unfit.key, unfit.message, unfit.help))
    }
}

impl Settings {
    /// Refuses what a method that has some settings does not have.
    fn of(&self, kind: AttributionKind, has: &[&str]) -> Result<(), Unfit> {
        let given = [
            ("layer", self.layer.is_some()),
            ("patch", self.patch.is_some()),
            ("stride", self.stride.is_some()),
            ("steps", self.steps.is_some()),
        ];
        let other = given.into_iter().find(|(key, given)| *given && !has.contains(key));
        other.map_or(Ok(()), |(key, _)| {
            let names: Vec<String> = has.iter().map(|name| format!("`{name}`")).collect();
            Err(Unfit {
                key,
                message: format!("{} has no such setting", kind.title()),
                help: format!("it has {}", names.join(" and ")),
            })
        })
    }
}

/// The layer that is asked for, if it is one of `places`; else the usual one.
///
/// # Errors
/// If there is no such layer.
pub(super) fn layer_of(
    asked: Option<String>,
    places: Vec<String>,
    usual: impl FnOnce() -> String,
) -> Result<String, Unfit> {
    match asked {
        Some(layer) if !places.contains(&layer) => Err(Unfit {
            key: "layer",
            message: format!("the network has no layer `{layer}` to look at"),
            help: format!("it has {}", places.join(", ")),
        }),
        Some(layer) => Ok(layer),
        None => Ok(usual()),
    }
}

/// A setting from 1 to `highest`, or else the usual one.
///
/// # Errors
/// If it is out of that range.
pub(super) fn within(
    key: &'static str,
    given: Option<usize>,
    usual: usize,
    highest: usize,
) -> Result<usize, Unfit> {
    match given.unwrap_or(usual) {
        value if (1..=highest).contains(&value) => Ok(value),
        value => Err(Unfit {
            key,
            message: format!("{value} is out of range"),
            help: format!("from 1 to {highest} fits"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> ModelSpec {
        toml::from_str(text).unwrap()
    }

    fn said(kind: AttributionKind, settings: Settings) -> String {
        let model = model("kind = 'unet'");
        Error::from(Method::new(kind, settings, &model, 64).unwrap_err()).to_string()
    }

    #[test]
    fn what_is_not_asked_for_is_as_usual() {
        let usual = |kind, text: &str, size| {
            Method::new(kind, Settings::default(), &model(text), size).unwrap()
        };
        let (unet, gated) = ("kind = 'unet'", "kind = 'attention-unet'");
        let layer = "gates.3".to_string();
        assert_eq!(usual(AttributionKind::GradCam, gated, 256), Method::GradCam(GradCam { layer }));
        let layer = "decoder.3".to_string();
        assert_eq!(
            usual(AttributionKind::GradCamPlusPlus, unet, 256),
            Method::GradCamPlusPlus(GradCamPlusPlus { layer })
        );
        let occlusion = |size| usual(AttributionKind::Occlusion, unet, size);
        assert_eq!(occlusion(256), Method::Occlusion(Occlusion { patch: 25, stride: 12 }));
        assert_eq!(occlusion(8), Method::Occlusion(Occlusion { patch: 1, stride: 1 }));
        assert_eq!(
            usual(AttributionKind::IntegratedGradients, unet, 64),
            Method::IntegratedGradients(IntegratedGradients { steps: 50 })
        );
        let gate = "gates.3".to_string();
        assert_eq!(usual(AttributionKind::Gate, gated, 64), Method::Gate(Gate { gate }));
    }

    #[test]
    fn settings_of_another_method_are_refused() {
        let only = |key: &str| {
            let given = |name: &str, value: usize| (key == name).then_some(value);
            Settings {
                layer: (key == "layer").then(|| "decoder.0".into()),
                patch: given("patch", 8),
                stride: given("stride", 4),
                steps: given("steps", 20),
            }
        };
        let refused = |kind: AttributionKind, keys: &[&str], has: &str| {
            for key in keys {
                let expected =
                    format!("`{key}`: {} has no such setting; it has {has}", kind.title());
                assert_eq!(said(kind, only(key)), expected);
            }
        };
        refused(AttributionKind::GradCam, &["patch", "stride", "steps"], "`layer`");
        refused(AttributionKind::GradCamPlusPlus, &["patch", "stride", "steps"], "`layer`");
        refused(AttributionKind::Gate, &["patch", "stride", "steps"], "`layer`");
        refused(AttributionKind::Occlusion, &["layer", "steps"], "`patch` and `stride`");
        refused(AttributionKind::IntegratedGradients, &["layer", "patch", "stride"], "`steps`");
    }

    #[test]
    fn settings_out_of_range_and_layers_that_are_not_there_are_refused() {
        let occlusion = |patch, stride| Settings { patch, stride, ..Settings::default() };
        for (settings, expected) in [
            (occlusion(Some(65), None), "`patch`: 65 is out of range; from 1 to 64 fits"),
            (occlusion(Some(0), None), "`patch`: 0 is out of range; from 1 to 64 fits"),
            (occlusion(Some(8), Some(9)), "`stride`: 9 is out of range; from 1 to 8 fits"),
        ] {
            assert_eq!(said(AttributionKind::Occlusion, settings), expected);
        }
        let settings = Settings { steps: Some(0), ..Settings::default() };
        assert!(said(AttributionKind::IntegratedGradients, settings).contains("from 1 to 1000"));
        let settings = Settings { layer: Some("gates.0".into()), ..Settings::default() };
        let error = said(AttributionKind::GradCam, settings.clone());
        assert!(error.contains("no layer `gates.0` to look at; it has encoder.0"), "{error}");
        let error = said(AttributionKind::Gate, settings);
        assert_eq!(error, "`method`: the network has no attention gate; `attention-unet` has");
        let settings = Settings { layer: Some("decoder.0".into()), ..Settings::default() };
        let model = model("kind = 'attention-unet'");
        let unfit = Method::new(AttributionKind::Gate, settings, &model, 64).unwrap_err();
        assert_eq!(unfit.help, "it has gates.0, gates.1, gates.2, gates.3");
    }
}
