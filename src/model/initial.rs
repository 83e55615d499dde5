//! The networks start as those of torchvision and segmentation_models_pytorch do: `tests/fixtures/initial.py` made the
//! numbers.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::{Model, ModelSpec, SecondHead, tensor_paths};
use crate::testing::fixture;

/// Numbers to see of each tensor, and networks to draw for that at the most.
const SEEN: usize = 20_000;
const MOST: usize = 12;

/// Tensors with more numbers are not drawn: it takes long, and layers like them are.
const LARGEST: usize = 3_000_000;

/// What was seen of a tensor.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    count: usize,
    squares: f64,
    sizes: f64,
    largest: f64,
}

impl Seen {
    fn root(&self) -> f64 {
        (self.squares / self.count as f64).sqrt()
    }

    fn mean(&self) -> f64 {
        self.sizes / self.count as f64
    }
}

/// Draws the tensors of which not enough was seen.
struct Look<'a> {
    names: std::vec::IntoIter<String>,
    wanted: &'a BTreeMap<String, [f64; 4]>,
    seen: &'a mut BTreeMap<String, Seen>,
}

impl ModuleVisitor for Look<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.next().expect("a name for each tensor");
        let numbers: usize = param.lazy_shape().iter().product();
        if !self.wanted.contains_key(&name) || numbers > LARGEST {
            return;
        }
        let seen = self.seen.entry(name).or_default();
        if seen.count >= SEEN {
            return;
        }
        for number in param.val().into_data().iter::<f64>() {
            seen.count += 1;
            seen.squares += number * number;
            seen.sizes += number.abs();
            seen.largest = seen.largest.max(number.abs());
        }
    }
}

/// Compares every layer that both have with the fixture; gives how many tensors these were.
#[track_caller]
fn starts_as(case: &str, toml: &str) -> usize {
    let file = std::fs::read_to_string(fixture("initial.json")).unwrap();
    let cases: BTreeMap<String, BTreeMap<String, [f64; 4]>> = serde_json::from_str(&file).unwrap();
    let wanted = &cases[case];
    let spec: ModelSpec = toml::from_str(toml).unwrap();
    let outputs = if case.contains("unet") { 2 } else { 3 };
    let head = wanted.keys().any(|name| name.starts_with("classification_head"));
    let head = head.then_some(SecondHead { dropout: 0.0, classes: 3 });
    let mut seen = BTreeMap::new();
    let mut names = BTreeSet::new();
    for _ in 0..MOST {
        let model = Model::outline(&spec, [3, outputs], head, &Device::flex());
        let found: Vec<String> = tensor_paths(&model).into_iter().map(|path| path.name).collect();
        names.extend(found.iter().cloned());
        model.visit(&mut Look { names: found.into_iter(), wanted, seen: &mut seen });
    }
    for name in wanted.keys() {
        assert!(names.contains(name), "{case}: there is no {name}");
    }
    for (name, found) in &seen {
        let [count, root, mean, largest] = wanted[name];
        let what = format!("{case}, {name}: {found:?}, root {}", found.root());
        if largest == 0.0 {
            assert_eq!(found.largest, 0.0, "{what}, not zero");
            continue;
        }
        // Five standard errors of the quotient of two roots, for normal numbers, and of two means.
        let error = 5.0 * (0.5 / count + 0.5 / found.count as f64).sqrt();
        assert!((found.root() / root - 1.0).abs() < error, "{what}, not {root}");
        // 0.80 of normal numbers and 0.87 of uniform ones.
        if found.count > 2000 {
            let shapes = [found.mean() / found.root(), mean / root];
            assert!((shapes[0] - shapes[1]).abs() < 0.03, "{what}: another distribution");
        }
    }
    seen.len()
}

#[test]
fn resnets_start_as_torchvisions() {
    assert_eq!(starts_as("resnet18", "kind = 'resnet18'"), 22);
}

#[test]
fn densenets_start_as_torchvisions() {
    assert_eq!(starts_as("densenet169", "kind = 'densenet169'"), 170);
}

#[test]
fn efficientnets_start_as_torchvisions_depthwise_convolutions_too() {
    assert_eq!(starts_as("efficientnet-b0", "kind = 'efficientnet-b0'"), 115);
}

#[test]
fn plain_classifiers_start_as_torchvisions() {
    // But for the weights of two layers that are too large.
    assert_eq!(starts_as("vgg16", "kind = 'vgg16'"), 30);
    assert_eq!(starts_as("alexnet", "kind = 'alexnet'"), 14);
}

#[test]
fn decoders_and_heads_start_as_segmentation_models_pytorchs() {
    let unet = |kind: &str| format!("kind = '{kind}'\nencoder = {{ kind = 'resnet18' }}");
    assert_eq!(starts_as("unet-resnet18", &unet("unet")), 34);
    assert_eq!(starts_as("unet-plus-plus-resnet18", &unet("unet-plus-plus")), 44);
}
