//! The block of a vision transformer (Dosovitskiy et al. 2021) on maps whose pixels are tokens: linear layers are
//! convolutions of one pixel, and the position is a depthwise convolution beside its input.
//!
//! Sparse attention is between every other token in each direction, from which a transposed convolution spreads
//! it to all (Pan et al. 2022, "EdgeViTs").

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::blocks::{
    Convolution, pytorch_convolution as convolution, pytorchs, summarise_layer_norm,
};
use super::summary::{Maps, Table};
use crate::kernels::{After, add, block, conv_transpose2d, conv2d, gelu, layer_norm, max_pool2d};

/// What a [`Transformer`] is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransformerConfig {
    pub channels: usize,
    pub heads: usize,
    pub sparse: bool,
    pub drop_path: f64,
}

/// A transformer's block with a convolution for positions.
#[derive(Module, Debug)]
pub(super) struct Transformer {
    position: Conv2d,
    attention: SelfAttention,
    perceptron: Perceptron,
    drop_path: Dropout,
}

/// Attention of each token to every token; sparse where [`Propagation`] brings back those left out.
#[derive(Module, Debug)]
pub(super) struct SelfAttention {
    norm: LayerNorm,
    qkv: Conv2d,
    propagation: Option<Propagation>,
    project: Conv2d,
    #[module(skip)]
    heads: usize,
}

/// From every other token in each direction to all.
#[derive(Module, Debug)]
pub(super) struct Propagation {
    up: ConvTranspose2d,
    norm: LayerNorm,
}

/// Each token's channels through four times as many.
#[derive(Module, Debug)]
pub(super) struct Perceptron {
    norm: LayerNorm,
    fc1: Conv2d,
    fc2: Conv2d,
}

/// A depthwise convolution.
pub(super) fn depthwise(channels: usize, kernel: usize) -> Convolution {
    convolution([channels, channels], kernel).grouped(channels)
}

/// A linear layer on each pixel.
pub(super) fn linear(inputs: usize, outputs: usize) -> Convolution {
    convolution([inputs, outputs], 1)
}

impl TransformerConfig {
    /// The convolutions in order: position, queries with keys and values, projection, perceptron.
    fn convolutions(&self) -> [Convolution; 5] {
        let channels = self.channels;
        [
            depthwise(channels, 3),
            linear(channels, 3 * channels),
            linear(channels, channels),
            linear(channels, 4 * channels),
            linear(4 * channels, channels),
        ]
    }

    /// The block.
    pub(super) fn init(&self, device: &Device) -> Transformer {
        let [position, qkv, project, fc1, fc2] = self.convolutions().map(|conv| conv.init(device));
        let norm = || LayerNormConfig::new(self.channels).init(device);
        let propagation =
            self.sparse.then(|| Propagation { up: self.init_up(device), norm: norm() });
        let heads = self.heads;
        Transformer {
            position,
            attention: SelfAttention { norm: norm(), qkv, propagation, project, heads },
            perceptron: Perceptron { norm: norm(), fc1, fc2 },
            drop_path: DropoutConfig::new(self.drop_path).init(),
        }
    }

    fn init_up(&self, device: &Device) -> ConvTranspose2d {
        ConvTranspose2dConfig::new([self.channels; 2], [2; 2])
            .with_stride([2; 2])
            .with_groups(self.channels)
            .with_initializer(pytorchs())
            .init(device)
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str, maps: Maps) -> Maps {
        let [position, qkv, project, fc1, fc2] = self.convolutions();
        position.summarise(table, &format!("{name}.position"), maps);
        let attention = format!("{name}.attention");
        summarise_layer_norm(table, &format!("{attention}.norm"), maps);
        let mut tokens = maps;
        if self.sparse {
            tokens = tokens.with_sides(|side| side / 2);
            table.plain(&format!("{attention}.sample"), "Sample /2", maps, tokens);
        }
        let wide = qkv.summarise(table, &format!("{attention}.qkv"), tokens);
        let kind = format!("Attention {} heads", self.heads);
        table.plain(&format!("{attention}.heads"), &kind, wide, tokens);
        if self.sparse {
            let name = format!("{attention}.propagation");
            let kind = "ConvTranspose2d 2x2 /2 depthwise".to_string();
            table.convolution(&format!("{name}.up"), kind, tokens, maps, 5 * self.channels);
            summarise_layer_norm(table, &format!("{name}.norm"), maps);
        }
        project.summarise(table, &format!("{attention}.project"), maps);
        let perceptron = format!("{name}.perceptron");
        summarise_layer_norm(table, &format!("{perceptron}.norm"), maps);
        let wide = fc1.summarise(table, &format!("{perceptron}.fc1"), maps);
        fc2.summarise(table, &format!("{perceptron}.fc2"), wide)
    }
}

impl Transformer {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`, height and width multiples of 2 if sparse
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = conv2d(&self.position, input.clone(), After::nothing().residual(input));
        let y = block(&self.attention, x.clone().into(), |attention, input| {
            attention.forward(input.into_maps())
        });
        let x = add(x, drop_path(&self.drop_path, y));
        let y = block(&self.perceptron, x.clone().into(), |perceptron, input| {
            perceptron.forward(input.into_maps())
        });
        add(x, drop_path(&self.drop_path, y))
    }
}

impl SelfAttention {
    /// What tokens attend to.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`, height and width multiples of 2 if sparse
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = layer_norm(&self.norm, input);
        if self.propagation.is_some() {
            // Windows of a pixel, of which every other is kept.
            x = max_pool2d(x, 1, 2, 0);
        }
        x = attended(conv2d(&self.qkv, x, After::nothing()), self.heads);
        if let Some(propagation) = &self.propagation {
            x = layer_norm(&propagation.norm, conv_transpose2d(&propagation.up, x));
        }
        conv2d(&self.project, x, After::nothing())
    }
}

/// Scaled dot-product attention (Vaswani et al. 2017) in heads.
///
/// # Shapes
/// - qkv: queries, keys and values, `[batch, 3 * channels, height, width]`
/// - output: `[batch, channels, height, width]`
fn attended(qkv: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, channels, height, width] = qkv.dims();
    let channels = channels / 3;
    let of_head = channels / heads;
    let [queries, keys, values] = [0, 1, 2].map(|part| {
        let tokens = qkv.clone().narrow(1, part * channels, channels).permute([0, 2, 3, 1]);
        tokens.reshape([batch, height * width, heads, of_head]).swap_dims(1, 2)
    });
    let scores = (queries * (of_head as f64).powf(-0.5)).matmul(keys.swap_dims(2, 3));
    let tokens = softmax(scores, 3).matmul(values).swap_dims(1, 2);
    tokens.reshape([batch, height, width, channels]).permute([0, 3, 1, 2])
}

impl Perceptron {
    /// What a perceptron makes of each token.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = layer_norm(&self.norm, input);
        conv2d(&self.fc2, gelu(conv2d(&self.fc1, x, After::nothing())), After::nothing())
    }
}

/// Stochastic depth (Huang, Sun, Liu, Sedra and Weinberger 2016): in training, all maps of an image are left out
/// with the layer's probability, and scaled otherwise so that their mean stays.
pub(super) fn drop_path(layer: &Dropout, maps: Tensor<4>) -> Tensor<4> {
    if layer.prob == 0.0 || !maps.device().is_autodiff() {
        return maps;
    }
    let factors = layer.forward(Tensor::<4>::ones([maps.dims()[0], 1, 1, 1], &maps.device()));
    maps * factors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_head_weighs_the_values_by_its_own_queries_and_keys() {
        // Two tokens, two heads of a channel. The first head's keys are zero: the mean of its values. The second's
        // queries times keys are 0 and ln 3 for both tokens: a quarter and three quarters.
        let ln3 = 3f32.ln();
        let channels = [[5.0, 7.0], [1.0, 1.0], [0.0, 0.0], [0.0, ln3], [2.0, 4.0], [8.0, 4.0]];
        let qkv = Tensor::<2>::from_data(channels, &Device::flex()).reshape([1, 6, 1, 2]);
        let found = attended(qkv, 2).into_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in found.iter().zip([3.0, 3.0, 5.0, 5.0]) {
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
    }

    #[test]
    fn stochastic_depth_leaves_out_whole_images_and_keeps_the_mean() {
        let device = Device::flex();
        let layer = DropoutConfig::new(0.5).init();
        let dropped = |device: &Device| {
            let maps = drop_path(&layer, Tensor::<4>::ones([64, 2, 1, 2], device));
            maps.into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(dropped(&device), [1.0; 256]);
        let device = device.autodiff();
        device.seed(1);
        let dropped = dropped(&device);
        let images: Vec<&[f32]> = dropped.chunks(4).collect();
        assert!(images.iter().all(|image| *image == [0.0; 4] || *image == [2.0; 4]));
        assert!(images.contains(&&[0.0; 4][..]) && images.contains(&&[2.0; 4][..]));
    }
}
