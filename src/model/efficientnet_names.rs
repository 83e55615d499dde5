//! The names of EfficientNets' layers in other libraries; ours are torchvision's.

use std::sync::LazyLock;

use super::efficientnet_stages::STAGES;

/// A library that has the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// torchvision, and our networks.
    Torchvision,
    /// EfficientNet-PyTorch, and what was made of it: segmentation_models_pytorch's encoders and
    /// efficientnet-lite-pytorch.
    EfficientnetPytorch,
    /// timm.
    Timm,
}

/// The names of a layer, or of a block, in the order of [`Library`].
type Names = [String; 3];

static EXCITING: LazyLock<Vec<Names>> = LazyLock::new(|| table(true));
static LITE: LazyLock<Vec<Names>> = LazyLock::new(|| table(false));

/// The name in a library of a block, a layer or a layer's tensor that another has under a name.
///
/// EfficientNets with squeeze-and-excitation and without have other names in torchvision.
pub(super) fn translated(name: &str, from: Library, to: Library, excites: bool) -> Option<String> {
    let table = if excites { &*EXCITING } else { &*LITE };
    let of = |layer: &str| {
        let names = table.iter().find(|names| names[from as usize] == layer)?;
        Some(names[to as usize].as_str())
    };
    of(name).map(str::to_string).or_else(|| {
        let (layer, tensor) = name.rsplit_once('.')?;
        of(layer).map(|layer| format!("{layer}.{tensor}"))
    })
}

fn table(excites: bool) -> Vec<Names> {
    let mut table: Vec<Names> = [
        ["features.0.0", "_conv_stem", "conv_stem"],
        ["features.0.1", "_bn0", "bn1"],
        ["features.8.0", "_conv_head", "conv_head"],
        ["features.8.1", "_bn1", "bn2"],
        ["classifier.1", "_fc", "classifier"],
    ]
    .map(|names| names.map(str::to_string))
    .into();
    let mut before = 0;
    for (stage, blocks) in STAGES.into_iter().enumerate() {
        for block in 0..blocks.blocks {
            let names = [
                format!("features.{}.{block}", stage + 1),
                format!("_blocks.{before}"),
                format!("blocks.{stage}.{block}"),
            ];
            let layers =
                layers(blocks.expansion > 1, excites).into_iter().map(|[own, rest @ ..]| {
                    let [theirs, timms] = rest;
                    [
                        format!("{}.block.{own}", names[0]),
                        format!("{}.{theirs}", names[1]),
                        format!("{}.{timms}", names[2]),
                    ]
                });
            table.extend(layers);
            table.push(names);
            before += 1;
        }
    }
    table
}

/// The layers of a block.
fn layers(expands: bool, excites: bool) -> Vec<[String; 3]> {
    let mut groups: Vec<Vec<[&str; 3]>> = Vec::new();
    if expands {
        groups.push(vec![["0", "_expand_conv", "conv_pw"], ["1", "_bn0", "bn1"]]);
        groups.push(vec![["0", "_depthwise_conv", "conv_dw"], ["1", "_bn1", "bn2"]]);
    } else {
        groups.push(vec![["0", "_depthwise_conv", "conv_dw"], ["1", "_bn1", "bn1"]]);
    }
    if excites {
        groups.push(vec![
            ["avgpool", "_se_squeeze", "se.squeeze"],
            ["fc1", "_se_reduce", "se.conv_reduce"],
            ["fc2", "_se_expand", "se.conv_expand"],
        ]);
    }
    groups.push(if expands {
        vec![["0", "_project_conv", "conv_pwl"], ["1", "_bn2", "bn3"]]
    } else {
        vec![["0", "_project_conv", "conv_pw"], ["1", "_bn2", "bn2"]]
    });
    let numbered = groups.into_iter().enumerate().flat_map(|(index, group)| {
        group.into_iter().map(move |[own, theirs, timms]| {
            [format!("{index}.{own}"), theirs.to_string(), timms.to_string()]
        })
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::Library::{EfficientnetPytorch, Timm, Torchvision};
    use super::*;

    #[test]
    fn layers_have_the_names_of_each_library() {
        let exciting = [
            ["features.0.0.weight", "_conv_stem.weight", "conv_stem.weight"],
            ["features.1.0.block.0.0", "_blocks.0._depthwise_conv", "blocks.0.0.conv_dw"],
            [
                "features.1.0.block.1.fc1.bias",
                "_blocks.0._se_reduce.bias",
                "blocks.0.0.se.conv_reduce.bias",
            ],
            ["features.1.0.block.2.1.weight", "_blocks.0._bn2.weight", "blocks.0.0.bn2.weight"],
            ["features.4.2.block.3.0", "_blocks.7._project_conv", "blocks.3.2.conv_pwl"],
            ["features.7.0", "_blocks.15", "blocks.6.0"],
        ];
        let lite = [
            ["features.1.0.block.1.0", "_blocks.0._project_conv", "blocks.0.0.conv_pw"],
            ["features.2.1.block.2.1.bias", "_blocks.2._bn2.bias", "blocks.1.1.bn3.bias"],
        ];
        let libraries = [Torchvision, EfficientnetPytorch, Timm];
        for (excites, cases) in [(true, &exciting[..]), (false, &lite[..])] {
            for case in cases {
                for (name, from) in case.iter().zip(libraries) {
                    let names = libraries.map(|to| translated(name, from, to, excites).unwrap());
                    assert_eq!(&names, case);
                }
            }
        }
        assert_eq!(translated("layer1.0.conv1.weight", Torchvision, Timm, true), None);
        assert_eq!(translated("features.1.0.block.1.fc1.bias", Torchvision, Timm, false), None);
    }
}
