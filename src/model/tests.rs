//! What every architecture must keep, and what each is known by.

use burn::module::Module;
use burn::tensor::Device;

use super::parity::{filled, first_gradient, images};
use super::*;
use crate::device::for_training;
use crate::model::attention_unet::AttentionUnetSpec;
use crate::model::blocks::NormKind;
use crate::model::classifier::ClassifierSpec;
use crate::model::efficientnet::EfficientnetSpec;
use crate::model::efficientnet_encoder::EfficientnetEncoderSpec;
use crate::model::plain_classifier::PlainClassifierSpec;
use crate::model::resnet::ResnetEncoderSpec;
use crate::model::unet::UnetSpec;
use crate::model::unet_plus_plus::UnetPlusPlusSpec;

fn resnet(kind: fn(ResnetEncoderSpec) -> EncoderSpec, frozen: bool) -> ModelSpec {
    let encoder = ResnetEncoderSpec { frozen, ..ResnetEncoderSpec::default() };
    ModelSpec::Unet(UnetSpec { encoder: kind(encoder), weights: None })
}

fn efficientnet(kind: fn(EfficientnetEncoderSpec) -> EncoderSpec, frozen: bool) -> ModelSpec {
    let encoder = EfficientnetEncoderSpec { frozen, ..EfficientnetEncoderSpec::default() };
    ModelSpec::Unet(UnetSpec { encoder: kind(encoder), weights: None })
}

fn attention(base: u32) -> ModelSpec {
    let filters = vec![base, 2 * base, 4 * base, 8 * base];
    ModelSpec::AttentionUnet(AttentionUnetSpec { filters, ..Default::default() })
}

fn nested(encoder: EncoderSpec, deep_supervision: bool) -> ModelSpec {
    ModelSpec::UnetPlusPlus(UnetPlusPlusSpec { encoder, deep_supervision, weights: None })
}

/// Height and width of the logits of images of a height and width.
fn logits_sides(spec: &ModelSpec, sides: [usize; 2]) -> [usize; 2] {
    if spec.classifies() { [1; 2] } else { sides }
}

#[test]
fn logits_have_the_size_of_the_images_or_of_a_pixel_and_are_finite() {
    let device = Device::flex();
    for spec in ModelSpec::samples() {
        let divisor = size_divisor(&spec) as usize;
        for (batch, channels, classes, times) in
            [(1, 3, 1, [2, 2]), (2, 1, 3, [3, 3]), (2, 3, 2, [2, 3]), (1, 1, 1, [4, 2])]
        {
            let [height, width] = times.map(|times| divisor * times);
            assert_eq!(problems(&spec, [height, width]), []);
            let net = init(&spec, channels, classes, &device);
            let logits = net.forward(images([batch, channels, height, width], &device));
            let [rows, columns] = logits_sides(&spec, [height, width]);
            assert_eq!(logits.dims(), [batch, classes, rows, columns]);
            let numbers = logits.to_data().try_to_vec::<f32>().unwrap();
            assert!(numbers.iter().all(|number| number.is_finite()), "{spec:?}");
        }
    }
}

#[test]
fn sizes_that_cannot_be_halved_are_refused() {
    for spec in ModelSpec::samples() {
        let divisor = size_divisor(&spec);
        for size in [1, divisor - 1, divisor + 1, 3 * divisor / 2] {
            let keys: Vec<String> =
                problems(&spec, [size as usize; 2]).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["dataset.image-size"], "{spec:?} at {size}");
        }
    }
}

#[test]
fn the_layer_table_has_the_parameters_and_shapes_of_the_network() {
    let device = Device::flex().autodiff();
    for spec in ModelSpec::samples() {
        let [height, width] = [2, 3].map(|times| times * size_divisor(&spec) as usize);
        let net = freeze(init(&spec, 3, 2, &device), &spec);
        let rows = layers(&spec, 3, 2, [height, width], 5);
        let sum = |trainable: bool| {
            let rows = rows.iter().filter(|row| row.trainable || !trainable);
            rows.map(|row| row.parameters).sum::<u64>()
        };
        let count = ParameterCount { total: sum(false), trainable: sum(true) };
        assert_eq!(net.parameters(), count, "{spec:?}");
        assert_eq!(rows[0].input, [5, 3, height, width]);
        let [seen_rows, seen_columns] = logits_sides(&spec, [height, width]);
        assert_eq!(rows[rows.len() - 1].output, [5, 2, seen_rows, seen_columns]);
        let mut named: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), rows.len(), "two rows of one name: {spec:?}");
    }
}

#[test]
fn every_tensor_is_named_after_its_row_of_the_layer_table() {
    for spec in ModelSpec::samples() {
        let rows = layers(&spec, 3, 2, [2 * size_divisor(&spec) as usize; 2], 1);
        let net = init(&spec, 3, 2, &Device::flex());
        let tensors = names::collected(&net);
        for row in rows {
            let own = tensors.iter().filter(|tensor| {
                tensor
                    .name
                    .strip_prefix(&row.name)
                    .is_some_and(|rest| matches!(rest, ".weight" | ".bias"))
            });
            let numbers: usize = own.map(|tensor| tensor.shape.num_elements()).sum();
            assert_eq!(numbers as u64, row.parameters, "{} of {spec:?}", row.name);
        }
    }
}

#[test]
fn saved_weights_load_into_a_network_that_gives_the_same_logits() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    for spec in ModelSpec::samples() {
        let size = size_divisor(&spec) as usize * 2;
        let path = folder.path().join("net.safetensors");
        let net = filled(init(&spec, 3, 2, &device));
        save_weights(&net.clone().into(), &path).unwrap();
        let file = WeightsSpec::at(&path);
        let other = init(&spec, 3, 2, &device).into();
        let (again, report) = load_weights(other, &file, Part::Whole).unwrap();
        assert!(report.fits() && report.ignored.is_empty());
        let again = again.net;
        let logits = |net: &Net| net.forward(images([1, 3, size, size], &device)).to_data();
        assert_eq!(logits(&net), logits(&again), "{spec:?}");
    }
}

#[test]
fn a_second_head_tells_images_apart_by_features_that_its_loss_trains() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let head = SecondHead { dropout: 0.0, classes: 3 };
    for spec in ModelSpec::samples().into_iter().filter(|spec| !spec.classifies()) {
        let size = size_divisor(&spec) as usize * 2;
        let model = Model::init(&spec, [1, 2], Some(head), &device);
        let seen = model.heads(images([2, 1, size, size], &device), None);
        assert_eq!(seen.pixels[0].dims(), [2, 2, size, size]);
        let of_images = seen.images.unwrap();
        assert_eq!(of_images.dims(), [2, 3, 1, 1], "{spec:?}");
        let gradients = of_images.powf_scalar(2.0).mean().backward();
        let first = first_gradient(&model.net, &gradients);
        assert!(first.unwrap().iter().any(|number| *number != 0.0), "{spec:?}");

        let rows = head.layers(&spec, 2);
        let tensors = names::collected(&model);
        let own = tensors.iter().filter(|tensor| tensor.name.starts_with("classification_head.3."));
        let numbers: usize = own.map(|tensor| tensor.shape.num_elements()).sum();
        assert_eq!(numbers as u64, rows.iter().map(|row| row.parameters).sum::<u64>());

        let path = folder.path().join("model.safetensors");
        save_weights(&model, &path).unwrap();
        let other = Model::outline(&spec, [1, 2], Some(head), &Device::flex());
        let (again, _) = load_weights(other, &WeightsSpec::at(&path), Part::Whole).unwrap();
        let of_images = |model: &Model| {
            let seen = model.heads(images([2, 1, size, size], &Device::flex()), None);
            seen.images.unwrap().to_data()
        };
        assert_eq!(of_images(&again), of_images(&model.valid()), "{spec:?}");
    }
}

#[test]
fn weights_are_drawn_by_init_and_not_later() {
    let device = Device::flex().autodiff();
    let drawn = |net: &Net| {
        let mut all = Initialized(true);
        net.visit(&mut all);
        all.0
    };
    assert!(drawn(&init(&attention(2), 1, 1, &device)));
    assert!(!drawn(&outline(&attention(2), 1, 1, &device)));
}

struct Initialized(bool);

impl ModuleVisitor for Initialized {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 &= param.is_initialized();
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let weights = |seed| {
        let device = Device::flex();
        device.seed(seed);
        let net = init(&attention(2), 1, 1, &device);
        net.forward(images([1, 1, 16, 16], &device)).to_data().try_to_vec::<f32>().unwrap()
    };
    assert_ne!(weights(1), weights(2));
}

#[test]
fn a_frozen_encoder_gets_no_gradient_and_keeps_its_running_statistics() {
    let device = Device::flex().autodiff();
    let encoders: [fn(bool) -> ModelSpec; 3] = [
        |frozen| resnet(EncoderSpec::Resnet18, frozen),
        |frozen| efficientnet(EncoderSpec::EfficientnetB0, frozen),
        |frozen| efficientnet(EncoderSpec::EfficientnetLite0, frozen),
    ];
    for (spec, frozen) in encoders.into_iter().flat_map(|spec| [(spec, false), (spec, true)]) {
        let spec = spec(frozen);
        let net = freeze(filled(init(&spec, 3, 1, &device)), &spec);
        let before = statistics(&net);
        let logits = net.forward(images([2, 3, 32, 32], &device));
        let gradients = logits.powf_scalar(2.0).mean().backward();
        assert_eq!(first_gradient(&net, &gradients).is_none(), frozen);
        let after = statistics(&net);
        let changed = |prefix: &str| {
            let mut names = before.iter().zip(&after).filter(|(b, a)| b.1 != a.1 && b.0 == a.0);
            names.any(|(b, _)| b.0.starts_with(prefix))
        };
        assert_eq!(changed("encoder."), !frozen);
        assert!(changed("decoder."), "the decoder trains in either case");
    }
}

fn statistics(net: &Net) -> Vec<(String, Vec<f32>)> {
    use burn::store::ModuleSnapshot;
    let tensors = net.valid().collect(None, None, true).into_iter();
    let tensors = tensors.filter(|tensor| tensor.name.contains("running_"));
    let numbers =
        |tensor| burn::store::bridge::to_data(&tensor).unwrap().try_to_vec::<f32>().unwrap();
    tensors.map(|tensor| (tensor.name.clone(), numbers(tensor))).collect()
}

#[test]
fn system_c_has_the_figures_of_its_published_summary() {
    let rows = layers(&resnet(EncoderSpec::Resnet34, true), 3, 21, [224; 2], 64);
    let total: u64 = rows.iter().map(|row| row.parameters).sum();
    let trainable: u64 = rows.iter().filter(|row| row.trainable).map(|row| row.parameters).sum();
    assert_eq!((total, trainable, total - trainable), (24_439_269, 3_154_597, 21_284_672));
    let multiply_adds: u64 = rows.iter().map(|row| row.multiply_adds).sum();
    // torchinfo prints this as 392.20 G.
    assert_eq!(multiply_adds, 392_202_522_624);
    let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("encoder.layer4.2.bn2").output, [64, 512, 7, 7]);
    assert_eq!(row("decoder.blocks.0.concat").output, [64, 768, 14, 14]);
    assert_eq!(row("segmentation_head.0").kind, "Conv2d 3x3");
}

/// How many parameters a network for images of so many channels has.
pub(super) fn parameters(spec: &ModelSpec, channels: usize) -> u64 {
    layers(spec, channels, 1, [256; 2], 1).iter().map(|row| row.parameters).sum()
}

#[test]
fn unet_plus_plus_has_the_parameters_of_its_paper() {
    let encoder = PlainEncoderSpec { norm: NormKind::None, ..PlainEncoderSpec::default() };
    // Printed as 9.04 M.
    assert_eq!(parameters(&nested(EncoderSpec::Plain(encoder), false), 1), 9_041_601);
    let resnet34 = EncoderSpec::Resnet34(ResnetEncoderSpec::default());
    // segmentation_models_pytorch's.
    assert_eq!(parameters(&nested(resnet34, false), 1), 26_072_337);
}

#[test]
fn efficientnet_encoders_give_the_parameters_of_segmentation_models_pytorch() {
    let spec = EfficientnetEncoderSpec::default;
    let [b0, lite0] =
        [EncoderSpec::EfficientnetB0, EncoderSpec::EfficientnetLite0].map(|kind| kind(spec()));
    let unet = |encoder: &EncoderSpec| {
        parameters(&ModelSpec::Unet(UnetSpec { encoder: encoder.clone(), weights: None }), 3)
    };
    assert_eq!([unet(&b0), unet(&lite0)], [6_251_469, 5_198_161]);
    assert_eq!(
        [b0, lite0].map(|encoder| parameters(&nested(encoder, false), 3)),
        [6_569_581, 5_429_681]
    );
    // The encoder holds the classifier's last convolution without using it.
    let rows = layers(&efficientnet(EncoderSpec::EfficientnetB0, false), 3, 1, [64; 2], 1);
    let unused: Vec<&str> = rows
        .iter()
        .filter(|row| row.parameters > 0 && row.multiply_adds == 0)
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(unused, ["encoder._conv_head", "encoder._bn1"]);
}

#[test]
fn classifiers_have_the_parameters_of_torchvision() {
    let spec = ClassifierSpec::default;
    let of = |spec: &ModelSpec| -> u64 {
        layers(spec, 3, 1000, [224; 2], 1).iter().map(|row| row.parameters).sum()
    };
    assert_eq!(of(&ModelSpec::Resnet18(spec())), 11_689_512);
    assert_eq!(of(&ModelSpec::Resnet34(spec())), 21_797_672);
    assert_eq!(of(&ModelSpec::Resnet50(spec())), 25_557_032);
    assert_eq!(of(&ModelSpec::Densenet169(spec())), 14_149_480);
    let plain = PlainClassifierSpec::default;
    assert_eq!(of(&ModelSpec::Vgg16(plain())), 138_357_544);
    assert_eq!(of(&ModelSpec::Alexnet(plain())), 61_100_840);
    assert_eq!(of(&ModelSpec::EfficientnetB0(EfficientnetSpec::default())), 5_288_548);
    // That of the package efficientnet-lite-pytorch.
    assert_eq!(of(&ModelSpec::EfficientnetLite0(EfficientnetSpec::default())), 4_652_008);
}

/// The same with every probability of leaving something out at zero.
fn without_dropout(spec: &ModelSpec) -> ModelSpec {
    fn clear(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(table) => {
                for (key, value) in table {
                    match key.as_str() {
                        "dropout" | "drop-path" | "stochastic-depth" => zero(value),
                        _ => clear(value),
                    }
                }
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(clear),
            _ => {}
        }
    }
    fn zero(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Array(values) => values.iter_mut().for_each(zero),
            number => *number = 0.0.into(),
        }
    }
    let mut value = serde_json::to_value(spec).unwrap();
    clear(&mut value);
    serde_json::from_value(value).unwrap()
}

/// The loss and every gradient of a network with weights by the formula.
fn gradients(spec: &ModelSpec, device: &Device) -> (f32, Vec<Vec<f32>>) {
    struct All<'a>(&'a burn::tensor::Gradients, Vec<Vec<f32>>);
    impl ModuleVisitor for All<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.0) {
                self.1.push(gradient.into_data().try_to_vec().unwrap());
            }
        }
    }
    let size = 2 * size_divisor(spec) as usize;
    let net = freeze(filled(init(spec, 3, 2, device)), spec);
    let loss = net.forward(images([2, 3, size, size], device)).powf_scalar(2.0).mean();
    let value = loss.clone().inner().into_scalar::<f32>();
    let gradients = loss.backward();
    let mut all = All(&gradients, Vec::new());
    net.visit(&mut all);
    let statistics = statistics(&net).into_iter().map(|(_, numbers)| numbers);
    (value, all.1.into_iter().chain(statistics).collect())
}

#[test]
fn activation_checkpointing_changes_rounding_at_most() {
    for spec in ModelSpec::samples() {
        let spec = without_dropout(&spec);
        let [with, without] = [true, false]
            .map(|checkpointing| gradients(&spec, &for_training(&Device::flex(), checkpointing)));
        assert_eq!(with.0, without.0, "{spec:?}");
        assert_eq!(with.1.len(), without.1.len(), "{spec:?}");
        for (with, without) in with.1.iter().zip(&without.1) {
            // That of a bias before a normalisation is nothing but rounding.
            let norm = without.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-2);
            for (with, without) in with.iter().zip(without) {
                assert!((with - without).abs() <= 1e-4 * norm, "{with}, not {without}: {spec:?}");
            }
        }
    }
}

#[test]
fn every_place_of_a_forward_pass_is_named_and_bears_on_the_logits() {
    let device = Device::flex().autodiff();
    for spec in ModelSpec::samples() {
        let size = 2 * size_divisor(&spec) as usize;
        let net = filled(init(&spec, 3, 2, &device));
        let images = images([1, 3, size, size], &device);
        let places = places(&spec);
        let error = net.watched(images.clone(), "nowhere").unwrap_err().to_string();
        let named = format!("no place `nowhere` to look at; it has {}", places.join(", "));
        assert!(error.ends_with(&named), "{error}, not {named}");
        assert!(places.contains(&usual_place(&spec)));
        let passed = net.gates(images.clone()).into_iter().map(|(gate, _)| gate);
        assert_eq!(passed.collect::<Vec<_>>(), gates(&spec));
        for place in places {
            let (logits, maps) = net.watched(images.clone(), &place).unwrap();
            let gradients = logits.powf_scalar(2.0).mean().backward();
            let gradient = maps.grad(&gradients).expect("the place bears on the logits");
            assert_eq!(gradient.dims(), maps.dims(), "{place}");
        }
    }
}
