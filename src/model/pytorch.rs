//! The networks that libraries of PyTorch have too.

use serde::Serialize;
use serde_json::{Value, json};

use super::encoder::PretrainedEncoder;
use super::multi_task::SecondHead;

/// The call that makes a network in PyTorch whose `load_state_dict` takes the weights with `strict=True`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InPytorch {
    module: &'static str,
    class: &'static str,
    arguments: Value,
}

impl InPytorch {
    /// A classifier of torchvision, from the channels of images and logits; `None` where images have not three
    /// channels or the head is another than torchvision's.
    pub(super) fn torchvision(
        class: &'static str,
        [channels, classes]: [usize; 2],
        same_head: bool,
    ) -> Option<Self> {
        (channels == 3 && same_head).then(|| Self {
            module: "torchvision.models",
            class,
            arguments: json!({ "num_classes": classes }),
        })
    }

    /// A network of segmentation_models_pytorch, from its encoder, the channels of images and logits and the head for
    /// images.
    pub(super) fn smp(
        class: &'static str,
        encoder: PretrainedEncoder,
        [channels, classes]: [usize; 2],
        second_head: Option<SecondHead>,
    ) -> Option<Self> {
        let arguments = json!({
            "encoder_name": encoder.in_smp,
            "encoder_weights": null,
            "decoder_channels": encoder.decoder_filters,
            "in_channels": channels,
            "classes": classes,
            "aux_params": second_head.map(|head| json!({
                "classes": head.classes,
                "dropout": (head.dropout > 0.0).then_some(head.dropout),
            })),
        });
        Some(Self { module: "segmentation_models_pytorch", class, arguments })
    }
}
