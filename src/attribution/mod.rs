//! Attribution: which regions of an image drove a prediction. Class activation maps of any named layer, occlusion,
//! integrated gradients, and the coefficients of attention gates.

mod cam;
mod draw;
mod gate;
mod integrated_gradients;
mod method;
mod occlusion;
mod score;

pub use cam::{GradCam, GradCamPlusPlus, grad_cam, grad_cam_plus_plus};
pub use draw::{heat_over, hot, panels};
pub use gate::{Gate, coefficients};
pub use integrated_gradients::{IntegratedGradients, integrated_gradients};
pub use method::{Attribution, Method, Settings, Unfit};
pub use occlusion::{Occlusion, occlusion};
pub use score::Score;

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::data::Decoded;
use crate::error::Result;
use crate::evaluate::{Predictor, Probabilities, likeliest};
use crate::frame::Inset;
use crate::loss::Outputs;
use crate::model::Net;

/// Inputs that pass the network at a time.
const BATCH: usize = 8;

/// An attribution map: how much each place of an image contributes to the score of a class, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Width of the maps.
    pub width: usize,
    /// Height of the maps.
    pub height: usize,
    /// The values, row by row.
    pub values: Vec<f32>,
}

/// The prediction that is explained.
pub struct Subject<'a> {
    /// The network, without autodiff.
    pub net: &'a Net,
    /// The image: `[1, channels, height, width]`, without autodiff.
    pub input: Tensor<4>,
    /// What the logits mean.
    pub outputs: Outputs,
    /// The class whose score is explained; if absent, the predicted one.
    pub class: Option<usize>,
    /// Where the image lies in the input, where it is padded.
    pub inset: Option<Inset>,
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

/// The regions of an image that drove the prediction of a class, or else of the predicted one. Of a network that is also
/// given numbers, the part that the image has in the score.
///
/// # Errors
/// If the network has no such layer, gate or class, or the image no pixels.
pub fn attribute(
    predictor: &Predictor,
    image: &Decoded,
    class: Option<usize>,
    method: &Method,
) -> Result<Heat> {
    let input = predictor.input(&[image])?;
    // What is added for numbers beside the image is the same for every input, and decides only which class is predicted.
    let class = match class {
        None if predictor.model.is_fused() => {
            let predicted = predictor.predict(&[image])?.remove(0);
            Some(usize::from(likeliest(&predicted.values, predicted.values.len())[0]))
        }
        class => class,
    };
    let frame = predictor.preprocess.sampling.frame;
    let inset = frame.inset(image.image.dimensions());
    let padded = !inset.is_all(frame.sides());
    let subject = Subject {
        net: &predictor.model.net,
        input,
        outputs: predictor.outputs,
        class,
        inset: padded.then_some(inset),
    };
    method.heat(&subject)?.inside(&inset, frame.sides())
}

impl Heat {
    /// What of a map of all that the network sees lies over the image; the map of a layer is interpolated there first.
    ///
    /// # Errors
    /// If the map has no values.
    fn inside(self, inset: &Inset, [height, width]: [usize; 2]) -> Result<Self> {
        if inset.is_all([height, width]) {
            return Ok(self);
        }
        let values = inset.cut(&self.resized(width, height)?.values, [height, width]);
        Ok(Self { width: inset.width, height: inset.height, values })
    }

    /// The same at another size, as probabilities are.
    fn resized(self, columns: usize, rows: usize) -> Result<Probabilities> {
        let Self { width, height, values } = self;
        Probabilities { width, height, values, of_image: Vec::new(), no_stains: None }
            .resized(columns, rows)
    }
}

/// A map of the input's own size, of what is positive.
///
/// # Shapes
/// - input: `[1, channels, height, width]`
/// - values: `[height * width]`
fn at_input(input: &Tensor<4>, values: Vec<f32>) -> Heat {
    let [_, _, height, width] = input.dims();
    let values = positive(values.into_iter().map(f64::from).collect());
    Heat { width, height, values }
}

/// A network as in evaluation, with autodiff of its input alone.
fn still(net: &Net) -> Net {
    net.clone().train().map(&mut Still)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// What is positive, scaled to a highest value of 1.
fn positive(values: Vec<f64>) -> Vec<f32> {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let scale = if highest > 0.0 { 1.0 / highest } else { 0.0 };
    values.into_iter().map(|value| (value.max(0.0) * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::frame::{Frame, Resize};
    use crate::model::parity::{filled, images};
    use crate::model::{ModelSpec, init};

    fn fixture<T: DeserializeOwned>(name: &str) -> T {
        let file = std::fs::read_to_string(crate::testing::fixture(name)).unwrap();
        serde_json::from_str(&file).unwrap()
    }

    fn net(model: &str, channels: usize, classes: usize) -> Net {
        let spec: ModelSpec = toml::from_str(model).unwrap();
        filled(init(&spec, channels, classes, &Device::flex()))
    }

    #[derive(Deserialize)]
    struct Cam {
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
    fn class_activation_maps_are_those_of_an_independent_program() {
        let cases: Vec<Cam> = fixture("cams.json");
        assert!(cases.len() >= 8);
        for case in cases {
            let net = net(&case.model, case.input[1], case.classes);
            let outputs = match case.classes {
                1 => Outputs::Binary,
                classes => Outputs::Classes(classes),
            };
            let layer = case.place.clone();
            let method = match case.method.as_str() {
                "GradCAM" => Method::GradCam(GradCam { layer }),
                _ => Method::GradCamPlusPlus(GradCamPlusPlus { layer }),
            };
            let input = images(case.input, &Device::flex());
            let subject =
                Subject { net: &net, input, outputs, class: Some(case.class), inset: None };
            let heat = method.heat(&subject).unwrap();
            assert_eq!([heat.height, heat.width], case.size);
            for (found, expected) in heat.values.iter().zip(&case.values) {
                let what = format!("{} at {} of {}", case.method, case.place, case.model);
                assert!((found - expected).abs() < 1e-3, "{what}: {found}, not {expected}");
            }
        }
    }

    #[derive(Deserialize)]
    struct Attributions {
        attributions: Vec<Attribution>,
        gates: Vec<GateCase>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Attribution {
        model: String,
        input: [usize; 4],
        classes: usize,
        class: usize,
        of_image: bool,
        method: Made,
        values: Vec<f32>,
        #[serde(default)]
        change: f32,
    }

    #[derive(Clone, Copy, Deserialize)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Made {
        Occlusion { patch: usize, stride: usize },
        IntegratedGradients { steps: usize },
    }

    #[derive(Deserialize)]
    struct GateCase {
        gate: String,
        size: [usize; 2],
        values: Vec<f32>,
    }

    impl Attribution {
        fn outputs(&self) -> Outputs {
            match (self.of_image, self.classes) {
                (true, classes) => Outputs::Images(classes),
                (false, 1) => Outputs::Binary,
                (false, classes) => Outputs::Classes(classes),
            }
        }
    }

    #[test]
    fn attributions_are_those_of_an_independent_program() {
        let Attributions { attributions, .. } = fixture("attributions.json");
        assert_eq!(attributions.len(), 6);
        for case in attributions {
            let net = net(&case.model, case.input[1], case.classes);
            let input = images(case.input, &Device::flex());
            let class = Some(case.class);
            let subject = Subject { net: &net, input, outputs: case.outputs(), class, inset: None };
            let (name, found) = match case.method {
                Made::Occlusion { patch, stride } => {
                    ("occlusion", Occlusion { patch, stride }.values(&subject).unwrap())
                }
                Made::IntegratedGradients { steps } => (
                    "integrated gradients",
                    IntegratedGradients { steps }.values(&subject).unwrap(),
                ),
            };
            let highest = case.values.iter().fold(0f32, |highest, value| highest.max(value.abs()));
            assert_eq!(found.len(), case.values.len());
            for (found, expected) in found.iter().zip(&case.values) {
                let off = (found - expected).abs();
                assert!(off < 1e-3 * highest, "{name} of {}: {found}, not {expected}", case.model);
            }
        }
    }

    #[test]
    fn a_map_over_padding_is_cut_back_to_the_image() {
        let frame = Frame { resize: Resize::Letterbox, ..Frame::square(8) };
        let inset = frame.inset((20, 10));
        let heat = |values: Vec<f32>| Heat { width: 2, height: 2, values };
        let cut = heat(vec![0.0, 0.0, 1.0, 1.0]).inside(&inset, frame.sides()).unwrap();
        assert_eq!([cut.height, cut.width], [4, 8]);
        // Rows 2 to 5 of 8, between 0 at row 1.5 and 1 at row 5.5.
        for (row, expected) in cut.values.chunks(8).zip([0.125, 0.375, 0.625, 0.875]) {
            assert!(row.iter().all(|value| (value - expected).abs() < 1e-6), "{row:?}");
        }
        let all = heat(vec![0.0, 0.0, 1.0, 1.0]);
        let square = Frame::square(8);
        let kept = all.clone().inside(&square.inset((20, 10)), square.sides()).unwrap();
        assert_eq!(kept, all);
    }

    const PLAIN: &str = "kind = 'unet'\nencoder = { kind = 'plain', filters = [6, 12, 16] }";

    #[test]
    fn integrated_gradients_add_up_to_the_change_of_the_score() {
        let Attributions { attributions, .. } = fixture("attributions.json");
        let found = attributions.iter().find(|case| case.model == PLAIN && case.change != 0.0);
        let case = found.expect("one of a plain network");
        let input = images(case.input, &Device::flex());
        let net = net(PLAIN, 3, 1);
        let subject =
            Subject { net: &net, input, outputs: Outputs::Binary, class: None, inset: None };
        let values = IntegratedGradients { steps: 200 }.values(&subject).unwrap();
        let sum: f32 = values.iter().sum();
        assert!((sum / case.change - 1.0).abs() < 2e-3, "{sum}, not {}", case.change);
    }

    #[test]
    fn heat_is_what_raises_the_score_scaled_to_1() {
        let (net, input) = (net(PLAIN, 3, 1), images([1, 3, 16, 24], &Device::flex()));
        let subject =
            Subject { net: &net, input, outputs: Outputs::Binary, class: None, inset: None };
        let gradients = IntegratedGradients { steps: 4 };
        let values = gradients.values(&subject).unwrap();
        let heat = Method::IntegratedGradients(gradients).heat(&subject).unwrap();
        assert_eq!([heat.height, heat.width], [16, 24]);
        let highest = values.iter().copied().fold(0.0, f32::max);
        assert!(values.iter().any(|&value| value < 0.0));
        for (value, heat) in values.iter().zip(&heat.values) {
            assert!((heat - value.max(0.0) / highest).abs() < 1e-6, "{heat} of {value}");
        }
    }

    #[test]
    fn coefficients_of_gates_are_those_of_an_independent_program() {
        let Attributions { gates, .. } = fixture("attributions.json");
        assert_eq!(gates.len(), 4);
        let model = "kind = 'attention-unet'\nfilters = [8, 16, 32, 64]";
        let net = net(model, 3, 1);
        for GateCase { gate, size, values } in gates {
            let input = images([1, 3, 32, 32], &Device::flex());
            let method = Method::Gate(Gate { gate });
            let subject =
                Subject { net: &net, input, outputs: Outputs::Binary, class: None, inset: None };
            let heat = method.heat(&subject).unwrap();
            assert_eq!([heat.height, heat.width], size);
            for (found, expected) in heat.values.iter().zip(&values) {
                assert!((found - expected).abs() < 1e-5, "{method:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn a_layer_gate_or_class_that_is_not_there_is_an_error() {
        let net = net("kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }", 1, 2);
        let explained = |method: Method, class| {
            let input = images([1, 1, 8, 8], &Device::flex());
            let (outputs, class) = (Outputs::Classes(2), Some(class));
            method.heat(&Subject { net: &net, input, outputs, class, inset: None })
        };
        let cam = |layer: &str| Method::GradCam(GradCam { layer: layer.into() });
        assert!(explained(cam("decoder.0"), 1).is_ok());
        let refused = |method, class, expected: &str| {
            let error = explained(method, class).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(cam("decoder.1"), 1, "it has encoder.0, bottleneck, decoder.0");
        refused(cam("decoder.0"), 2, "the network has 2");
        refused(Method::Occlusion(Occlusion { patch: 2, stride: 2 }), 2, "the network has 2");
        refused(
            Method::IntegratedGradients(IntegratedGradients { steps: 2 }),
            2,
            "the network has 2",
        );
        refused(Method::Gate(Gate { gate: "gates.0".into() }), 1, "no gate `gates.0`; it has none");
    }
}
