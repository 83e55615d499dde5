//! Why a network predicts what it predicts: class activation maps of any named place.

mod cam;
mod draw;

pub use cam::{CamMethod, grad_cam, grad_cam_plus_plus};
pub use draw::{heat_over, hot, panels};

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::data::Decoded;
use crate::error::{Error, Result};
use crate::evaluate::{Predictor, likeliest};
use crate::loss::Outputs;
use crate::model::Net;

/// How much each place of an image speaks for a class, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Width of the maps.
    pub width: usize,
    /// Height of the maps.
    pub height: usize,
    /// The values, row by row.
    pub values: Vec<f32>,
}

/// Lets layers behave as in evaluation, and weights do without gradients, on a device that records them.
struct Still;

impl ModuleMapper for Still {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.set_require_grad(false)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

/// Where images have classes, the class activation map of the one named, or else of the likeliest. Where pixels have,
/// Seg-Grad-CAM (Vinogradova, Dibrov and Myers 2020): the map of what was predicted to be
/// `class`, for one image; of several classes that with the most predicted pixels, unless one is named. The score is the sum of the class's logits over the pixels that are predicted to be
/// it, or over all where none is.
///
/// # Shapes
/// - net, image: without autodiff; image `[1, channels, height, width]`
///
/// # Errors
/// If the network has no place of that name.
pub fn class_activation(
    net: &Net,
    image: Tensor<4>,
    place: &str,
    class: Option<usize>,
    outputs: Outputs,
    method: CamMethod,
) -> Result<Heat> {
    let still = net.clone().train().map(&mut Still);
    let (logits, maps) = still.watched(Tensor::from_inner(image), place)?;
    let numbers = |tensor: Tensor<4>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
    let [_, channels, height, width] = logits.dims();
    let channel = match (outputs, class) {
        (Outputs::Binary, _) => 0,
        (Outputs::Classes(_) | Outputs::Images(_), Some(class)) => class,
        (Outputs::Classes(classes) | Outputs::Images(classes), None) => {
            let seen = likeliest(&numbers(logits.clone().inner()), classes);
            let pixels = |class: &usize| seen.iter().filter(|&&l| usize::from(l) == *class).count();
            (0..classes).rev().max_by_key(pixels).unwrap_or(0)
        }
    };
    if channel >= channels {
        return Err(Error::user(format!(
            "there is no class {channel}: the network has {channels}"
        )));
    }
    let of_class = logits.clone().slice([0..1, channel..channel + 1]);
    let found = match outputs {
        Outputs::Binary => of_class.clone().detach().greater_equal_elem(0.0),
        Outputs::Classes(_) | Outputs::Images(_) => {
            logits.detach().argmax(1).equal_elem(channel as i64)
        }
    };
    let found = found.float();
    let none = found.clone().sum().into_scalar::<f32>() == 0.0;
    let region = if none { Tensor::ones([1, 1, height, width], &found.device()) } else { found };
    let gradients = (of_class * region).sum().backward();
    let gradient = maps
        .grad(&gradients)
        .ok_or_else(|| Error::user(format!("`{place}` does not bear on the prediction")))?;
    let [_, channels, height, width] = maps.dims();
    let (maps, gradient) = (numbers(maps.inner()), numbers(gradient));
    let values = match method {
        CamMethod::GradCam => grad_cam(&maps, &gradient, channels),
        CamMethod::GradCamPlusPlus => grad_cam_plus_plus(&maps, &gradient, channels),
    };
    Ok(Heat { width, height, values })
}

/// The class activation map of one image at a place of a predictor's network; of several classes that of the
/// one with the most predicted pixels, unless one is named.
///
/// # Errors
/// If the network has no such place or class, or the image no pixels.
pub fn explain(
    predictor: &Predictor,
    image: &Decoded,
    place: &str,
    class: Option<usize>,
    method: CamMethod,
) -> Result<Heat> {
    let input = predictor.input(&[image])?;
    class_activation(&predictor.net.net, input, place, class, predictor.outputs, method)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde::Deserialize;

    use super::*;
    use crate::model::init;
    use crate::model::parity::{filled, images};
    use crate::spec::ModelSpec;

    #[derive(Deserialize)]
    struct Case {
        model: String,
        input: [usize; 4],
        classes: usize,
        class: usize,
        place: String,
        method: String,
        size: [usize; 2],
        values: Vec<f32>,
    }

    #[test]
    fn maps_are_those_of_an_independent_program() {
        let file = std::fs::read_to_string(crate::testing::fixture("cams.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&file).unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let spec: ModelSpec = toml::from_str(&case.model).unwrap();
            let device = Device::flex();
            let net = filled(init(&spec, case.input[1], case.classes, &device));
            let (outputs, method) = (
                if case.classes == 1 { Outputs::Binary } else { Outputs::Classes(case.classes) },
                if case.method == "GradCAM" {
                    CamMethod::GradCam
                } else {
                    CamMethod::GradCamPlusPlus
                },
            );
            let input = images(case.input, &device);
            let heat =
                class_activation(&net, input, &case.place, Some(case.class), outputs, method)
                    .unwrap();
            assert_eq!([heat.height, heat.width], case.size);
            for (found, expected) in heat.values.iter().zip(&case.values) {
                let what = format!("{} at {} of {}", case.method, case.place, case.model);
                assert!((found - expected).abs() < 1e-3, "{what}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn a_place_or_class_that_is_not_there_is_an_error() {
        let device = Device::flex();
        let spec: ModelSpec =
            toml::from_str("kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }")
                .unwrap();
        let net = init(&spec, 1, 2, &device);
        let explained = |place: &str, class| {
            let image = images([1, 1, 8, 8], &device);
            let method = CamMethod::GradCam;
            class_activation(&net, image, place, Some(class), Outputs::Classes(2), method)
        };
        assert!(explained("decoder.0", 1).is_ok());
        let error = explained("decoder.1", 1).unwrap_err().to_string();
        assert!(error.contains("it has encoder.0, bottleneck, decoder.0"), "{error}");
        let error = explained("decoder.0", 2).unwrap_err().to_string();
        assert!(error.contains("the network has 2"), "{error}");
    }
}
