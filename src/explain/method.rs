//! How a map is made, with all its settings.

use crate::error::Error;
use crate::model::{self, ModelSpec};
use crate::spec::ExplanationKind;

/// How a map is made of what speaks for a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Grad-CAM.
    GradCam {
        /// Where maps are weighed.
        layer: String,
    },
    /// Grad-CAM++.
    GradCamPlusPlus {
        /// Where maps are weighed.
        layer: String,
    },
    /// Occlusion.
    Occlusion {
        /// Side of the square that is hidden, in pixels of the network's input.
        patch: usize,
        /// Pixels from one patch to the next.
        stride: usize,
    },
    /// Integrated gradients.
    IntegratedGradients {
        /// Points between zeros and the image.
        steps: usize,
    },
    /// Coefficients of an attention gate.
    Gate {
        /// The gate.
        gate: String,
    },
}

/// What may be asked of a method; what is not is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The layer or gate; of a layer [`model::usual_place`], of a gate the last.
    pub layer: Option<String>,
    /// A tenth of the input's side, at least one pixel.
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

impl Method {
    /// A method for a network and the side of its square input, in pixels.
    ///
    /// # Errors
    /// If a setting is not one of the method's or out of its range, or the network has no such layer or gate.
    pub fn new(
        kind: ExplanationKind,
        settings: Settings,
        model: &ModelSpec,
        size: usize,
    ) -> Result<Self, Unfit> {
        let Settings { layer, patch, stride, steps } = settings;
        let (given, names): (&[(&'static str, bool)], _) = match kind {
            ExplanationKind::GradCam | ExplanationKind::GradCamPlusPlus | ExplanationKind::Gate => {
                (
                    &[
                        ("patch", patch.is_some()),
                        ("stride", stride.is_some()),
                        ("steps", steps.is_some()),
                    ],
                    "it has `layer`",
                )
            }
            ExplanationKind::Occlusion => (
                &[("layer", layer.is_some()), ("steps", steps.is_some())],
                "it has `patch` and `stride`",
            ),
            ExplanationKind::IntegratedGradients => (
                &[
                    ("layer", layer.is_some()),
                    ("patch", patch.is_some()),
                    ("stride", stride.is_some()),
                ],
                "it has `steps`",
            ),
        };
        if let Some((key, _)) = given.iter().find(|(_, given)| *given) {
            let message = format!("{} has no such setting", kind.title());
            return Err(Unfit { key, message, help: names.into() });
        }
        let layer_of = |places: Vec<String>, usual: &dyn Fn() -> String| match layer {
            Some(layer) if !places.contains(&layer) => Err(Unfit {
                key: "layer",
                message: format!("the network has no layer `{layer}` to look at"),
                help: format!("it has {}", places.join(", ")),
            }),
            Some(layer) => Ok(layer),
            None => Ok(usual()),
        };
        match kind {
            ExplanationKind::GradCam => {
                let layer = layer_of(model::places(model), &|| model::usual_place(model))?;
                Ok(Self::GradCam { layer })
            }
            ExplanationKind::GradCamPlusPlus => {
                let layer = layer_of(model::places(model), &|| model::usual_place(model))?;
                Ok(Self::GradCamPlusPlus { layer })
            }
            ExplanationKind::Occlusion => {
                let patch = within("patch", patch, (size / 10).max(1), size)?;
                let stride = within("stride", stride, (patch / 2).max(1), patch)?;
                Ok(Self::Occlusion { patch, stride })
            }
            ExplanationKind::IntegratedGradients => {
                Ok(Self::IntegratedGradients { steps: within("steps", steps, 50, 1000)? })
            }
            ExplanationKind::Gate => {
                let gates = model::gates(model);
                let Some(last) = gates.last().cloned() else {
                    return Err(Unfit {
                        key: "method",
                        message: "the network has no attention gate".into(),
                        help: "`attention-unet` has".into(),
                    });
                };
                Ok(Self::Gate { gate: layer_of(gates, &|| last.clone())? })
            }
        }
    }

    /// The layer or gate that is looked at; `None` where it is the input alone.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::GradCam { layer }
            | Self::GradCamPlusPlus { layer }
            | Self::Gate { gate: layer } => Some(layer),
            Self::Occlusion { .. } | Self::IntegratedGradients { .. } => None,
        }
    }
}

fn within(
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

    fn said(kind: ExplanationKind, settings: Settings) -> String {
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
        assert_eq!(usual(ExplanationKind::GradCam, gated, 256), Method::GradCam { layer });
        let layer = "decoder.3".to_string();
        assert_eq!(
            usual(ExplanationKind::GradCamPlusPlus, unet, 256),
            Method::GradCamPlusPlus { layer }
        );
        let occlusion = |size| usual(ExplanationKind::Occlusion, unet, size);
        assert_eq!(occlusion(256), Method::Occlusion { patch: 25, stride: 12 });
        assert_eq!(occlusion(8), Method::Occlusion { patch: 1, stride: 1 });
        assert_eq!(
            usual(ExplanationKind::IntegratedGradients, unet, 64),
            Method::IntegratedGradients { steps: 50 }
        );
        let gate = "gates.3".to_string();
        assert_eq!(usual(ExplanationKind::Gate, gated, 64), Method::Gate { gate });
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
        let refused = |kind: ExplanationKind, keys: &[&str], has: &str| {
            for key in keys {
                let expected =
                    format!("`{key}`: {} has no such setting; it has {has}", kind.title());
                assert_eq!(said(kind, only(key)), expected);
            }
        };
        refused(ExplanationKind::GradCam, &["patch", "stride", "steps"], "`layer`");
        refused(ExplanationKind::GradCamPlusPlus, &["patch", "stride", "steps"], "`layer`");
        refused(ExplanationKind::Gate, &["patch", "stride", "steps"], "`layer`");
        refused(ExplanationKind::Occlusion, &["layer", "steps"], "`patch` and `stride`");
        refused(ExplanationKind::IntegratedGradients, &["layer", "patch", "stride"], "`steps`");
    }

    #[test]
    fn settings_out_of_range_and_layers_that_are_not_there_are_refused() {
        let occlusion = |patch, stride| Settings { patch, stride, ..Settings::default() };
        for (settings, expected) in [
            (occlusion(Some(65), None), "`patch`: 65 is out of range; from 1 to 64 fits"),
            (occlusion(Some(0), None), "`patch`: 0 is out of range; from 1 to 64 fits"),
            (occlusion(Some(8), Some(9)), "`stride`: 9 is out of range; from 1 to 8 fits"),
        ] {
            assert_eq!(said(ExplanationKind::Occlusion, settings), expected);
        }
        let settings = Settings { steps: Some(0), ..Settings::default() };
        assert!(said(ExplanationKind::IntegratedGradients, settings).contains("from 1 to 1000"));
        let settings = Settings { layer: Some("gates.0".into()), ..Settings::default() };
        let error = said(ExplanationKind::GradCam, settings.clone());
        assert!(error.contains("no layer `gates.0` to look at; it has encoder.0"), "{error}");
        let error = said(ExplanationKind::Gate, settings);
        assert_eq!(error, "`method`: the network has no attention gate; `attention-unet` has");
        let settings = Settings { layer: Some("decoder.0".into()), ..Settings::default() };
        let model = model("kind = 'attention-unet'");
        let unfit = Method::new(ExplanationKind::Gate, settings, &model, 64).unwrap_err();
        assert_eq!(unfit.help, "it has gates.0, gates.1, gates.2, gates.3");
    }
}
