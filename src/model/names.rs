//! Names of tensors as PyTorch's libraries have them, where Burn's modules cannot have the same.

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{BurnToPyTorchAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot};
use burn::tensor::Tensor;

use super::efficientnet_names::Library::{self, EfficientnetPytorch, Timm, Torchvision};
use super::efficientnet_names::translated;
use super::fusion::FUSION;

/// The layers of torchvision's dense blocks count from 1 and carry a word, those of a vector from 0.
const DENSE: (&str, &str) = ("denseblock", "denselayer");

/// The name of a network in a model, which PyTorch's names leave out.
const NETWORK: &str = "net.";

/// The linear layer of a head for whole images, which segmentation_models_pytorch makes the fourth of its parts.
const HEAD: [&str; 2] = ["classification_head.linear.", "classification_head.3."];

/// The name outside of a tensor of a network or a model, or of a layer or block of an EfficientNet encoder.
pub(super) fn outward(name: &str) -> String {
    let name = name.trim_start_matches(NETWORK);
    if let Some(rest) = name.strip_prefix(HEAD[0]) {
        return format!("{}{rest}", HEAD[1]);
    }
    if let Some(name) = of_encoder(name, |theirs| [Torchvision, theirs]) {
        return name;
    }
    match layer_of(name) {
        Some((before, layer, after)) => match layer.parse::<usize>() {
            Ok(layer) => format!("{before}.{}{}.{after}", DENSE.1, layer + 1),
            Err(_) => name.to_string(),
        },
        None => name.to_string(),
    }
}

/// The name in a model of a tensor outside.
pub(super) fn inward(name: &str) -> String {
    if let Some(rest) = name.strip_prefix(HEAD[1]) {
        return format!("{}{rest}", HEAD[0]);
    }
    if name.starts_with(FUSION) {
        return name.to_string();
    }
    if let Some(name) = of_encoder(name, |theirs| [theirs, Torchvision]) {
        return format!("{NETWORK}{name}");
    }
    let layer = layer_of(name).and_then(|(before, layer, after)| {
        let layer = layer.strip_prefix(DENSE.1)?.parse::<usize>().ok()?.checked_sub(1)?;
        Some(format!("{before}.{layer}.{after}"))
    });
    format!("{NETWORK}{}", layer.as_deref().unwrap_or(name))
}

/// The name in a library of a layer that an EfficientNet encoder has under another's name: the one that comes from
/// timm is in a module `model`.
fn of_encoder(name: &str, way: impl Fn(Library) -> [Library; 2]) -> Option<String> {
    let (prefix, theirs, excites) = if name.starts_with("encoder.model.") {
        ("encoder.model.", Timm, false)
    } else {
        ("encoder.", EfficientnetPytorch, true)
    };
    let [from, to] = way(theirs);
    let layer = translated(name.strip_prefix(prefix)?, from, to, excites)?;
    Some(format!("{prefix}{layer}"))
}

/// What comes before the layer of a dense block, the layer, and what comes after it.
fn layer_of(name: &str) -> Option<(&str, &str, &str)> {
    let block = name.find(DENSE.0)?;
    let end = block + name[block..].find('.')?;
    let (layer, after) = name[end + 1..].split_once('.')?;
    Some((&name[..end], layer, after))
}

/// From Burn's modules to PyTorch's names and shapes.
#[derive(Clone, Debug, Default)]
pub(super) struct ToPytorch;

impl ModuleAdapter for ToPytorch {
    fn adapt(&self, tensor: StoredTensor, context: ModuleContext<'_>) -> StoredTensor {
        let mut tensor = BurnToPyTorchAdapter.adapt(tensor, context);
        tensor.name = outward(&tensor.name);
        tensor
    }

    fn get_alternative_param_name(&self, name: &str, container: &str) -> Option<String> {
        BurnToPyTorchAdapter.get_alternative_param_name(name, container)
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}

/// The tensors of a module with PyTorch's names and shapes.
pub(super) fn collected<M: Module>(module: &M) -> Vec<StoredTensor> {
    module.collect(None, Some(Box::new(ToPytorch)), true)
}

/// A tensor of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPath {
    /// The layer's name as outside, with Burn's for the tensor: `encoder.conv1.weight`, `encoder.bn1.gamma`.
    pub name: String,
    /// Where it lies among Burn's modules, which name the variants of enums too.
    pub path: String,
    /// How many axes it has.
    pub rank: usize,
}

/// The tensors of a module, in the order of its parts.
pub fn tensor_paths<M: Module>(module: &M) -> Vec<TensorPath> {
    let mut paths = Paths::default();
    module.visit(&mut paths);
    paths.found
}

#[derive(Default)]
struct Paths {
    /// Each part with whether it is the variant of an enum.
    path: Vec<(String, bool)>,
    found: Vec<TensorPath>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_string(), container_type.starts_with("Enum:")));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        let joined = |parts: &mut dyn Iterator<Item = &(String, bool)>| {
            parts.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
        };
        let path = joined(&mut self.path.iter());
        let name = outward(&joined(&mut self.path.iter().filter(|(_, variant)| !variant)));
        self.found.push(TensorPath { name, path, rank: D });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_dense_blocks_count_from_one_efficientnet_encoders_have_their_librarys_and_other_names_stay()
     {
        let own = "features.denseblock3.11.norm1.weight";
        let outside = "features.denseblock3.denselayer12.norm1.weight";
        assert_eq!(outward(own), outside);
        assert_eq!(inward(outside), format!("net.{own}"));
        for (own, outside) in [
            ("encoder.features.8.0.weight", "encoder._conv_head.weight"),
            (
                "encoder.model.features.1.0.block.0.0.weight",
                "encoder.model.blocks.0.0.conv_dw.weight",
            ),
        ] {
            assert_eq!(outward(own), outside);
            assert_eq!(inward(outside), format!("net.{own}"));
        }
        for name in ["features.transition1.conv.weight", "encoder.layer1.0.conv1.weight"] {
            assert_eq!((outward(name), inward(name)), (name.to_string(), format!("net.{name}")));
        }
        let head = "classification_head.3.weight";
        assert_eq!(inward(head), "classification_head.linear.weight");
        assert_eq!(outward(&inward(head)), head);
    }
}
