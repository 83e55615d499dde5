use std::path::PathBuf;

use burn::tensor::Device;

use super::*;
use crate::model::ModelSpec;
use crate::model::classifier::ClassifierSpec;
use crate::model::efficientnet::EfficientnetSpec;
use crate::model::efficientnet_encoder::EfficientnetEncoderSpec;
use crate::model::encoder::{EncoderSpec, PlainEncoderSpec};
use crate::model::init;
use crate::model::parity::{draws, filled, images};
use crate::model::plain_classifier::PlainClassifierSpec;
use crate::model::resnet::ResnetEncoderSpec;
use crate::model::unet::UnetSpec;
use crate::testing::fixture;

/// The network of the fixtures: a plain U-Net with filters [2, 4].
fn small() -> Net {
    let plain = PlainEncoderSpec { filters: vec![2, 4], ..PlainEncoderSpec::default() };
    let encoder = EncoderSpec::Plain(plain);
    init(&ModelSpec::Unet(UnetSpec { encoder, weights: None }), 1, 1, &Device::flex())
}

fn resnet(channels: usize) -> Net {
    let encoder = EncoderSpec::Resnet18(ResnetEncoderSpec::default());
    init(&ModelSpec::Unet(UnetSpec { encoder, weights: None }), channels, 1, &Device::flex())
}

fn file(path: impl AsRef<Path>) -> WeightsSpec {
    WeightsSpec::at(path)
}

fn load_weights(net: Net, file: &WeightsSpec, part: Part) -> Result<(Net, WeightsReport)> {
    super::load_weights(net.into(), file, part).map(|(model, report)| (model.net, report))
}

fn save_weights(net: &Net, path: &Path) -> Result<()> {
    super::save_weights(&net.clone().into(), path)
}

fn refused(net: Net, path: impl AsRef<Path>, part: Part) -> String {
    let error = load_weights(net, &file(path), part).expect_err("these weights must be refused");
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

fn logits(net: &Net) -> TensorData {
    net.forward(images([1, 1, 8, 8], &Device::flex())).to_data()
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn files_written_by_pytorch_load_whole_or_nested_in_any_float_type() {
    let expected = logits(&filled(small()));
    for name in ["unet_2_4.pth", "unet_2_4_checkpoint.pth", "unet_2_4.safetensors"] {
        let (net, report) = load_weights(small(), &file(fixture(name)), Part::Whole).unwrap();
        assert_eq!(logits(&net), expected, "{name}");
        assert_eq!((report.matched.len(), report.ignored.len()), (34, 6), "{name}");
    }
    let half = file(fixture("unet_2_4_half.pth"));
    let (net, _) = load_weights(small(), &half, Part::Whole).unwrap();
    let [half, whole] = [logits(&net), expected].map(|data| data.try_to_vec::<f32>().unwrap());
    assert!(half != whole && half.iter().zip(&whole).all(|(h, w)| (h - w).abs() < 1e-2));
}

#[test]
fn the_checksum_is_of_the_file_and_another_one_is_refused() {
    let path = fixture("unet_2_4.pth");
    let digits = sha256_of_file(&path).unwrap().to_uppercase();
    let right = WeightsSpec { sha256: Some(digits.clone()), ..file(&path) };
    let (_, report) = load_weights(small(), &right, Part::Whole).unwrap();
    assert!(report.sha256.eq_ignore_ascii_case(&digits));
    let wrong = WeightsSpec { sha256: Some("0".repeat(64)), ..file(&path) };
    let error = load_weights(small(), &wrong, Part::Whole).unwrap_err().to_string();
    assert!(error.contains("its SHA-256 is") && error.contains(&"0".repeat(64)), "{error}");
}

#[test]
fn code_in_a_pickle_is_not_run() {
    let error = refused(small(), fixture("runs_code.pth"), Part::Whole);
    assert!(error.contains("runs_code.pth"), "{error}");
    assert!(!Path::new("oncospec_pickled_code_ran").exists());
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["unet_2_4.pth", "unet_2_4.safetensors"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for share in [0.02, 0.3, 0.6, 0.99] {
            let cut = &bytes[..(bytes.len() as f64 * share) as usize];
            let error = refused(small(), written(&folder, name, cut), Part::Whole);
            assert!(error.contains("damaged"), "{error}");
        }
    }
}

#[test]
fn damage_anywhere_is_an_error_with_the_files_name_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["unet_2_4.pth", "unet_2_4.safetensors"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for (index, bit) in (0..bytes.len()).step_by(41).zip((0..8).cycle()) {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1 << bit;
            let path = written(&folder, name, &damaged);
            if let Err(error) = load_weights(small(), &file(&path), Part::Whole) {
                assert_eq!(error.exit_code(), 2, "{error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_among_the_numbers_of_a_pth_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(fixture("unet_2_4.pth")).unwrap();
    let (net, _) = load_weights(small(), &file(fixture("unet_2_4.pth")), Part::Whole).unwrap();
    let weights = tensors(&net, "encoder.0.conv1.weight").remove(0).1;
    let number = weights.iter::<f32>().next().unwrap();
    let place = bytes.windows(4).position(|four| four == number.to_le_bytes()).unwrap();
    bytes[place] ^= 1;
    let error = refused(small(), written(&folder, "flipped.pth", &bytes), Part::Whole);
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn what_downloads_leave_in_place_of_weights_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"not weights at all, in any format", "damaged"),
    ] {
        for name in ["a.pth", "a.safetensors"] {
            let error = refused(small(), written(&folder, name, bytes), Part::Whole);
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
    }
    let error = refused(small(), written(&folder, "a.onnx", b"x"), Part::Whole);
    assert!(error.contains("`.safetensors`"), "{error}");
    let absent = load_weights(small(), &file(folder.path().join("b.pth")), Part::Whole);
    assert!(absent.unwrap_err().to_string().contains("b.pth: cannot read"));
}

#[test]
fn tensors_missing_unexpected_or_of_another_shape_are_each_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    save_weights(&small(), &path).unwrap();
    let plain = PlainEncoderSpec { filters: vec![2, 4, 8], ..PlainEncoderSpec::default() };
    let encoder = EncoderSpec::Plain(plain);
    let deeper = ModelSpec::Unet(UnetSpec { encoder, weights: None });
    let error = refused(init(&deeper, 1, 1, &Device::flex()), &path, Part::Whole);
    assert!(error.contains("bottleneck.conv1.weight is [4, 2, 3, 3], must be [8, 4, 3, 3]"));
    assert!(error.contains("missing: decoder.1.conv1.weight"), "{error}");
    let error = refused(resnet(3), &path, Part::Whole);
    assert!(error.contains("34 unexpected: bottleneck.conv1.weight"), "{error}");
    assert!(error.contains("and 26 more"), "{error}");
}

#[test]
fn an_encoder_takes_its_part_of_a_whole_network() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.safetensors");
    let given = filled(resnet(3));
    save_weights(&given, &whole).unwrap();
    let decoder = |net: &Net| tensors(net, "decoder.");
    let fresh = resnet(3);
    let before = decoder(&fresh);
    let (net, report) = load_weights(fresh, &file(&whole), Part::Encoder).unwrap();
    assert_eq!(tensors(&net, "encoder."), tensors(&given, "encoder."));
    assert_eq!(decoder(&net), before, "the decoder must stay");
    assert_eq!(report.matched.len(), 100);
    assert!(report.ignored.contains(&"segmentation_head.0.bias".to_string()));
    let error = refused(resnet(1), &whole, Part::Whole);
    assert!(error.contains("its first layer is for images with 3 channels, these have 1"));
    let error = refused(small(), &whole, Part::Encoder);
    assert!(error.contains("no encoder with weights of its own"), "{error}");
}

#[test]
fn an_encoder_takes_the_files_of_torchvision_and_of_segmentation_models_pytorch() {
    // Each tensor of these files has one number throughout, decided by its name.
    for (name, ignored) in [("resnet18_torchvision.pth", 22), ("resnet18_smp.pth", 82)] {
        let (net, report) = load_weights(resnet(3), &file(fixture(name)), Part::Encoder).unwrap();
        assert_eq!((report.matched.len(), report.ignored.len()), (100, ignored), "{name}");
        for (name, numbers) in tensors(&net, "encoder.") {
            let expected = draws(name.strip_prefix("encoder.").unwrap(), 1)[0] as f32;
            assert!(numbers.iter::<f32>().all(|number| number == expected), "{name}");
        }
    }
    let (_, report) =
        load_weights(resnet(3), &file(fixture("resnet18_smp.pth")), Part::Whole).unwrap();
    assert_eq!((report.matched.len(), report.ignored.len()), (152, 30));
}

#[test]
fn an_efficientnet_encoder_takes_the_files_of_classifiers_and_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let unet = |kind: fn(EfficientnetEncoderSpec) -> EncoderSpec, channels| {
        let encoder = kind(EfficientnetEncoderSpec::default());
        init(&ModelSpec::Unet(UnetSpec { encoder, weights: None }), channels, 1, &Device::flex())
    };
    let classifier = |kind: fn(EfficientnetSpec) -> ModelSpec| {
        filled(init(&kind(EfficientnetSpec::default()), 3, 2, &Device::flex()))
    };
    let path = folder.path().join("b0.safetensors");
    let given = classifier(ModelSpec::EfficientnetB0);
    save_weights(&given, &path).unwrap();
    let (net, report) =
        load_weights(unet(EncoderSpec::EfficientnetB0, 3), &file(&path), Part::Encoder).unwrap();
    assert_eq!(report.ignored, ["classifier.1.bias", "classifier.1.weight"]);
    for (theirs, ours) in [
        ("features.0.0.weight", "encoder._conv_stem.weight"),
        ("features.5.2.block.2.fc1.bias", "encoder._blocks.10._se_reduce.bias"),
        ("features.8.1.running_var", "encoder._bn1.running_var"),
    ] {
        assert_eq!(tensors(&given, theirs)[0].1, tensors(&net, ours)[0].1, "{ours}");
    }
    let whole = folder.path().join("whole.safetensors");
    save_weights(&net, &whole).unwrap();
    let (again, _) =
        load_weights(unet(EncoderSpec::EfficientnetB0, 1), &file(&whole), Part::Encoder).unwrap();
    assert_eq!(tensors(&again, "encoder._blocks"), tensors(&net, "encoder._blocks"));

    let path = folder.path().join("lite0.safetensors");
    let given = classifier(ModelSpec::EfficientnetLite0);
    save_weights(&given, &path).unwrap();
    let lite0 = unet(EncoderSpec::EfficientnetLite0, 3);
    let (net, report) = load_weights(lite0, &file(&path), Part::Encoder).unwrap();
    // Head and last convolution.
    assert_eq!(report.ignored.len(), 2 + 5);
    assert_eq!(
        tensors(&given, "features.7.0.block.2.1.running_mean")[0].1,
        tensors(&net, "encoder.model.blocks.6.0.bn3.running_mean")[0].1
    );
    let error = refused(unet(EncoderSpec::EfficientnetB0, 3), &path, Part::Encoder);
    assert!(error.contains("missing: encoder._blocks.0._"), "{error}");
}

#[test]
fn a_densenet_takes_the_names_of_torchvisions_files() {
    let densenet = |classes| {
        let spec = ModelSpec::Densenet169(ClassifierSpec::default());
        init(&spec, 3, classes, &Device::flex())
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("densenet169.safetensors");
    let given = filled(densenet(5));
    save_weights(&given, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // As torchvision's `_load_state_dict` finds them in the files.
    let published = |name: &str| {
        ["norm1", "norm2", "conv1", "conv2"].iter().fold(name.to_string(), |name, layer| {
            let (kind, number) = layer.split_at(4);
            name.replace(&format!(".{layer}."), &format!(".{kind}.{number}."))
        })
    };
    let tensors_of_file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let renamed = tensors_of_file.iter().map(|(name, tensor)| (published(name), tensor));
    let renamed: Vec<_> = renamed.collect();
    let name = "features.denseblock2.denselayer3.norm.2.running_mean";
    assert!(renamed.iter().any(|(renamed, _)| renamed == name));
    safetensors::serialize_to_file(renamed, None, &path).unwrap();
    let (net, report) = load_weights(densenet(2), &file(&path), Part::Backbone).unwrap();
    assert_eq!(report.ignored, ["classifier.bias", "classifier.weight"]);
    assert_eq!(tensors(&net, "features."), tensors(&given, "features."));
}

#[test]
fn a_perceptron_takes_published_layers_where_its_hidden_widths_are_those() {
    let folder = tempfile::tempdir().unwrap();
    let alexnet = |hidden: &[u32], classes| {
        let spec = PlainClassifierSpec { hidden: hidden.into(), ..PlainClassifierSpec::default() };
        init(&ModelSpec::Alexnet(spec), 3, classes, &Device::flex())
    };
    let path = folder.path().join("alexnet.safetensors");
    let given = filled(alexnet(&[4096, 4096], 5));
    save_weights(&given, &path).unwrap();
    for (hidden, matched, same) in [(&[4096, 4096][..], 14, true), (&[8], 10, false)] {
        let (net, report) = load_weights(alexnet(hidden, 2), &file(&path), Part::Backbone).unwrap();
        assert_eq!((report.matched.len(), report.ignored.len()), (matched, 16 - matched));
        assert_eq!(tensors(&net, "features."), tensors(&given, "features."));
        let layer = |net: &Net| tensors(net, "classifier.4.").into_iter().next();
        assert_eq!(layer(&net) == layer(&given), same);
    }
}

#[test]
fn a_first_layer_for_colours_is_adapted_to_other_channels_as_timm_does() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.safetensors");
    let given = filled(resnet(3));
    save_weights(&given, &whole).unwrap();
    let first = |net: &Net| {
        let layer = tensors(net, "encoder.conv1.weight").remove(0).1;
        layer.iter::<f32>().collect::<Vec<_>>()
    };
    let colours = first(&given);
    let (gray, report) = load_weights(resnet(1), &file(&whole), Part::Encoder).unwrap();
    let sums = colours.chunks(3 * 49).flat_map(|filter| {
        (0..49).map(|place| filter[place] + filter[49 + place] + filter[98 + place])
    });
    assert_eq!(first(&gray), sums.collect::<Vec<_>>());
    assert!(report.to_string().contains("is the sum over red, green and blue"), "{report}");
    let (five, report) = load_weights(resnet(5), &file(&whole), Part::Encoder).unwrap();
    let five = first(&five);
    for (filter, colours) in five.chunks(5 * 49).zip(colours.chunks(3 * 49)) {
        for channel in 0..5 {
            let expected = colours[channel % 3 * 49 + 7] * 3.0 / 5.0;
            assert_eq!(filter[channel * 49 + 7], expected);
        }
    }
    assert!(report.to_string().contains("times 3 / 5"), "{report}");
}

#[test]
fn an_archive_for_pytorch_holds_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let net = filled(small());
    save_weights(&net, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let archive = written(&folder, "net.pth", &super::super::pth::archive(&tensors).unwrap());
    let (again, report) = load_weights(small(), &file(&archive), Part::Whole).unwrap();
    assert_eq!((report.matched.len(), report.ignored.len()), (34, 0));
    assert_eq!(logits(&again), logits(&net));
}

fn tensors(net: &Net, prefix: &str) -> Vec<(String, TensorData)> {
    let tensors = collected(net).into_iter();
    let tensors = tensors.filter(|tensor| tensor.name.starts_with(prefix));
    tensors.map(|tensor| (tensor.name.clone(), to_data(&tensor).unwrap())).collect()
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.safetensors");
    save_weights(&filled(small()), &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert!(refused(small(), &path, Part::Whole).contains("not finite"));
}

#[test]
fn saving_twice_gives_the_same_bytes_and_a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let net = filled(small());
    let [a, b] = ["a.safetensors", "b.safetensors"].map(|name| folder.path().join(name));
    save_weights(&net, &a).unwrap();
    save_weights(&net, &b).unwrap();
    save_weights(&net, &a).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    let error = save_weights(&net, &folder.path().join("none/a.safetensors")).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
}

#[test]
fn weights_saved_while_training_have_the_last_running_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let device = Device::flex().autodiff();
    let plain = PlainEncoderSpec { filters: vec![2, 4], ..PlainEncoderSpec::default() };
    let spec = ModelSpec::Unet(UnetSpec { encoder: EncoderSpec::Plain(plain), weights: None });
    let net = init(&spec, 1, 1, &device);
    net.forward(images([2, 1, 8, 8], &device));
    save_weights(&net, &path).unwrap();
    let (again, _) = load_weights(small(), &file(&path), Part::Whole).unwrap();
    let mean = tensors(&again, "bottleneck.norm1.running_mean").remove(0).1;
    assert!(mean.iter::<f32>().any(|number| number != 0.0));
}
