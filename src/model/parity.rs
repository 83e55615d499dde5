//! The networks give what PyTorch, segmentation_models_pytorch and Keras give with the same weights:
//! `tests/fixtures/models.py` made the numbers, and has the same formula for weights and images.

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::store::bridge::{from_data, to_data};
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::Deserialize;

use super::names::{collected, inward};
use super::{Model, Net, SecondHead, init};
use crate::model::ModelSpec;
use crate::model::blocks::NormKind;
use crate::model::classifier::ClassifierSpec;
use crate::model::efficientnet::EfficientnetSpec;
use crate::model::efficientnet_encoder::EfficientnetEncoderSpec;
use crate::model::encoder::{EncoderSpec, PlainEncoderSpec, UpSampling};
use crate::model::plain_classifier::PlainClassifierSpec;
use crate::model::resnet::ResnetEncoderSpec;
use crate::model::unet::UnetSpec;
use crate::model::unet_plus_plus::UnetPlusPlusSpec;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Case {
    name: String,
    input: [usize; 4],
    output: [usize; 4],
    rms: f64,
    logits: Vec<(usize, f32)>,
    gradient_norm: f64,
    gradient: Vec<(usize, f32)>,
    statistics: BTreeMap<String, Vec<f32>>,
    /// How far PyTorch in single precision is off these logits, where they are in double.
    rounding: f64,
    /// And the gradient.
    gradient_rounding: f64,
}

/// Numbers in [-1, 1) decided by a name: FNV-1a into splitmix64, upper 24 bits.
pub(super) fn draws(name: &str, count: usize) -> Vec<f64> {
    let seed = name
        .bytes()
        .fold(0xCBF29CE484222325u64, |hash, byte| (hash ^ byte as u64).wrapping_mul(0x100000001B3));
    (1..=count as u64)
        .map(|index| {
            let x = seed.wrapping_add(index.wrapping_mul(0x9E3779B97F4A7C15));
            let x = (x ^ (x >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94D049BB133111EB);
            ((x ^ (x >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

fn formula(name: &str, shape: &[usize]) -> TensorData {
    let fan_in: usize = shape[1..].iter().product();
    let number: Box<dyn Fn(f64) -> f64> = if shape.len() > 1 {
        let scale = (3.0 / fan_in as f64).sqrt();
        Box::new(move |v| v * scale)
    } else if name.ends_with("running_var") {
        Box::new(|v| 1.0 + 0.5 * v)
    } else if name.ends_with(".weight") {
        Box::new(|v| 1.0 + 0.2 * v)
    } else {
        Box::new(|v| 0.1 * v)
    };
    let numbers = draws(name, shape.iter().product());
    let numbers: Vec<f32> = numbers.into_iter().map(|v| number(v) as f32).collect();
    TensorData::new(numbers, shape.to_vec())
}

/// The network with weights by the formula.
pub(crate) fn filled(net: Net) -> Net {
    filled_model(net.into()).net
}

/// The model with weights by the formula.
pub(super) fn filled_model(mut model: Model) -> Model {
    let tensors: Vec<_> = collected(&model)
        .into_iter()
        .map(|tensor| from_data(formula(&tensor.name, &tensor.shape), inward(&tensor.name), None))
        .collect();
    let given = tensors.len();
    let result = model.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    assert_eq!((result.applied.len(), result.errors.len()), (given, 0));
    model
}

/// Images by the formula.
pub(crate) fn images(shape: [usize; 4], device: &Device) -> Tensor<4> {
    let numbers = draws("images", shape.iter().product());
    let numbers: Vec<f32> = numbers.into_iter().map(|v| v as f32).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// The gradient of the weights nearest to the images; `None` where they have none.
pub(super) fn first_gradient(net: &Net, gradients: &Gradients) -> Option<Vec<f32>> {
    let mut first = First { gradients, found: None };
    net.visit(&mut first);
    first.found.unwrap()
}

struct First<'a> {
    gradients: &'a Gradients,
    found: Option<Option<Vec<f32>>>,
}

impl ModuleVisitor for First<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let numbers = |gradient: Tensor<D>| gradient.to_data().try_to_vec::<f32>().unwrap();
        self.found.get_or_insert_with(|| param.val().grad(self.gradients).map(numbers));
    }
}

/// Lets layers behave as in evaluation on a device that records gradients.
pub(super) struct Evaluating;

impl ModuleMapper for Evaluating {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

fn unet(norm: NormKind, up_sampling: UpSampling) -> ModelSpec {
    let filters = vec![6, 12, 16];
    let encoder = PlainEncoderSpec { filters, norm, dropout: 0.0, up_sampling };
    ModelSpec::Unet(UnetSpec { encoder: EncoderSpec::Plain(encoder), weights: None })
}

fn resnet_unet(kind: fn(ResnetEncoderSpec) -> EncoderSpec) -> ModelSpec {
    ModelSpec::Unet(UnetSpec { encoder: kind(ResnetEncoderSpec::default()), weights: None })
}

fn unet_plus_plus(encoder: EncoderSpec, deep_supervision: bool) -> ModelSpec {
    ModelSpec::UnetPlusPlus(UnetPlusPlusSpec { encoder, deep_supervision, weights: None })
}

/// Compares a network with a case of the fixture.
pub(super) fn agrees(name: &str, spec: &ModelSpec) {
    let file = std::fs::read_to_string(crate::testing::fixture("models.json")).unwrap();
    let fixture: Fixture = serde_json::from_str(&file).unwrap();
    let case = fixture.cases.into_iter().find(|case| case.name == name).unwrap();
    let device = Device::flex().autodiff();
    let mut net = filled(init(spec, case.input[1], case.output[1], &device));
    if !name.ends_with("-train") {
        net = net.map(&mut Evaluating);
    }

    let logits = net.forward(images(case.input, &device));
    assert_eq!(logits.dims(), case.output);
    let found = logits.to_data().try_to_vec::<f32>().unwrap();
    let error = largest_error(&found, &case.logits);
    assert!(
        error <= 1e-4 * case.rms.min(1.0) + 2.0 * case.rounding,
        "{name}: logits are {error} off at rms {}",
        case.rms
    );

    for (tensor, expected) in &case.statistics {
        let found = numbers(&net, tensor);
        let samples: Vec<(usize, f32)> = expected.iter().copied().enumerate().collect();
        let error = largest_error(&found, &samples);
        assert!(error <= 1e-4, "{name}: {tensor} is {error} off after a forward pass");
    }

    let gradients = logits.powf_scalar(2.0).mean().backward();
    let gradient = first_gradient(&net, &gradients).unwrap();
    let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let off = (norm / case.gradient_norm - 1.0).abs();
    let rounding = 2.0 * case.gradient_rounding;
    assert!(
        off < 1e-4 + rounding / case.gradient_norm,
        "{name}: the gradient's norm is {norm}, not {}",
        case.gradient_norm
    );
    let error = largest_error(&gradient, &case.gradient);
    assert!(error <= 1e-4 * case.gradient_norm + rounding, "{name}: the gradient is {error} off");
}

/// The numbers of one tensor, with running statistics brought up to date.
fn numbers(net: &Net, name: &str) -> Vec<f32> {
    let tensor = collected(&net.valid()).into_iter().find(|tensor| tensor.name == name).unwrap();
    to_data(&tensor).unwrap().try_to_vec().unwrap()
}

fn largest_error(found: &[f32], samples: &[(usize, f32)]) -> f64 {
    let errors =
        samples.iter().map(|&(index, expected)| f64::from((found[index] - expected).abs()));
    errors.fold(0.0, |worst, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) })
}

#[test]
fn unet_is_pytorchs_with_each_up_sampling() {
    agrees("unet-batch-transposed", &unet(NormKind::Batch, UpSampling::Transposed));
    agrees("unet-batch-nearest", &unet(NormKind::Batch, UpSampling::Nearest));
    agrees("unet-batch-bilinear", &unet(NormKind::Batch, UpSampling::Bilinear));
}

#[test]
fn unet_is_pytorchs_with_each_norm() {
    agrees("unet-group-transposed", &unet(NormKind::Group, UpSampling::Transposed));
    agrees("unet-instance-transposed", &unet(NormKind::Instance, UpSampling::Transposed));
    agrees("unet-none-transposed", &unet(NormKind::None, UpSampling::Transposed));
}

#[test]
fn resnet18_unet_is_segmentation_models_pytorchs() {
    agrees("resnet18", &resnet_unet(EncoderSpec::Resnet18));
}

#[test]
fn resnet18_unet_in_training_is_segmentation_models_pytorchs() {
    agrees("resnet18-train", &resnet_unet(EncoderSpec::Resnet18));
}

#[test]
fn resnet34_unet_is_segmentation_models_pytorchs() {
    agrees("resnet34", &resnet_unet(EncoderSpec::Resnet34));
}

#[test]
fn resnet50_unet_is_segmentation_models_pytorchs() {
    agrees("resnet50", &resnet_unet(EncoderSpec::Resnet50));
}

#[test]
fn efficientnet_encoders_are_segmentation_models_pytorchs() {
    let unet = |encoder| ModelSpec::Unet(UnetSpec { encoder, weights: None });
    let spec =
        || EfficientnetEncoderSpec { stochastic_depth: 0.0, ..EfficientnetEncoderSpec::default() };
    let b0 = || EncoderSpec::EfficientnetB0(spec());
    let lite0 = || EncoderSpec::EfficientnetLite0(spec());
    agrees("unet-efficientnet-b0", &unet(b0()));
    agrees("unet-efficientnet-lite0", &unet(lite0()));
    agrees("unet-plus-plus-efficientnet-b0", &unet_plus_plus(b0(), false));
    agrees("unet-plus-plus-efficientnet-lite0", &unet_plus_plus(lite0(), false));
    agrees("unet-efficientnet-b0-train", &unet(b0()));
    agrees("unet-efficientnet-lite0-train", &unet(lite0()));
}

#[test]
fn unet_plus_plus_is_pytorchs() {
    let plain = |filters: &[u32], norm, up_sampling, deep| {
        let filters = filters.to_vec();
        let encoder = PlainEncoderSpec { filters, norm, dropout: 0.0, up_sampling };
        unet_plus_plus(EncoderSpec::Plain(encoder), deep)
    };
    let filters = [6, 8, 12, 16];
    let spec = |up, deep| plain(&filters, NormKind::Batch, up, deep);
    agrees("unet-plus-plus-transposed", &spec(UpSampling::Transposed, false));
    agrees("unet-plus-plus-bilinear", &spec(UpSampling::Bilinear, false));
    let deep = plain(&filters, NormKind::None, UpSampling::Nearest, true);
    agrees("unet-plus-plus-nearest-deep", &deep);
    let binary = plain(&[4, 6, 8], NormKind::Batch, UpSampling::Transposed, true);
    agrees("unet-plus-plus-deep-binary", &binary);
}

#[test]
fn unet_plus_plus_with_a_resnet_is_segmentation_models_pytorchs() {
    let spec = |kind: fn(ResnetEncoderSpec) -> EncoderSpec| {
        unet_plus_plus(kind(ResnetEncoderSpec::default()), false)
    };
    agrees("unet-plus-plus-resnet18", &spec(EncoderSpec::Resnet18));
    agrees("unet-plus-plus-resnet34", &spec(EncoderSpec::Resnet34));
    agrees("unet-plus-plus-resnet50", &spec(EncoderSpec::Resnet50));
}

#[test]
fn classifiers_are_torchvisions() {
    let spec = ClassifierSpec::default;
    agrees("classify-resnet18", &ModelSpec::Resnet18(spec()));
    agrees("classify-resnet50", &ModelSpec::Resnet50(spec()));
    agrees("classify-densenet169", &ModelSpec::Densenet169(spec()));
    agrees("efficientnet-b0", &ModelSpec::EfficientnetB0(EfficientnetSpec::default()));
}

#[test]
fn classifiers_with_perceptrons_are_torchvisions_whatever_is_left_to_pool() {
    let hidden = vec![24, 16];
    let vgg = ModelSpec::Vgg16(PlainClassifierSpec { hidden, ..PlainClassifierSpec::default() });
    agrees("classify-vgg16-64", &vgg);
    agrees("classify-vgg16-256", &vgg);
    let alexnet = ModelSpec::Alexnet(PlainClassifierSpec::default());
    agrees("classify-alexnet-64", &alexnet);
    agrees("classify-alexnet-224", &alexnet);
    agrees("classify-alexnet-288", &alexnet);
}

#[test]
fn efficientnet_lite0_is_the_packages() {
    agrees("efficientnet-lite0", &ModelSpec::EfficientnetLite0(EfficientnetSpec::default()));
}

#[test]
fn efficientnets_in_training_are_those_of_pytorch() {
    let spec =
        || EfficientnetSpec { dropout: 0.0, stochastic_depth: 0.0, ..EfficientnetSpec::default() };
    agrees("efficientnet-b0-train", &ModelSpec::EfficientnetB0(spec()));
    agrees("efficientnet-lite0-train", &ModelSpec::EfficientnetLite0(spec()));
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SecondHeadCase {
    network: String,
    input: [usize; 4],
    classes: [usize; 2],
    parameters: u64,
    pixels: Vec<(usize, f32)>,
    images: Vec<f32>,
    gradient: Vec<(usize, f32)>,
}

#[test]
fn a_second_head_gives_what_segmentation_models_pytorch_gives() {
    let text = std::fs::read_to_string(crate::testing::fixture("second_head.json")).unwrap();
    let cases: Vec<SecondHeadCase> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let spec: ModelSpec = toml::from_str(&case.network).unwrap();
        let [pixels, classes] = case.classes;
        let device = Device::flex().autodiff();
        let head = Some(SecondHead { dropout: 0.0, classes });
        let model = Model::init(&spec, [case.input[1], pixels], head, &device);
        let model = filled_model(model).map(&mut Evaluating);
        let numbers: usize = collected(&model)
            .iter()
            .filter(|tensor| !tensor.name.contains("running_"))
            .map(|tensor| tensor.shape.num_elements())
            .sum();
        assert_eq!(numbers as u64, case.parameters);
        let seen = model.heads(images(case.input, &device), None);
        let of_images = seen.images.clone().unwrap();
        let squares = |logits: Tensor<4>| logits.powf_scalar(2.0).mean();
        let gradients = (squares(seen.pixels[0].clone()) + squares(of_images.clone())).backward();
        let of_images = of_images.to_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in of_images.iter().zip(&case.images) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
        let of_pixels = seen.pixels[0].to_data().try_to_vec::<f32>().unwrap();
        let gradient = first_gradient(&model.net, &gradients).unwrap();
        for (found, expected) in [(of_pixels, case.pixels), (gradient, case.gradient)] {
            for (place, expected) in expected {
                let tolerance = 1e-4 * expected.abs().max(1.0);
                assert!(
                    (found[place] - expected).abs() < tolerance,
                    "{}, not {expected}",
                    found[place]
                );
            }
        }
    }
}
