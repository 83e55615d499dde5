//! Convolutions of Burn's tensors, forward and backward, by the kernel that is fastest for their size.

use std::sync::Arc;

use burn::backend::flex::{Flex, FlexTensor};

use super::bridge::{by_pixel, contiguous, dims, maps, rows};
use super::buffer::Buffer;
use super::epilogue::Epilogue;
use super::geometry::{Dims, Input, Part, Shared};
use super::ops::{Convolution, Operands};
use super::weights::{self, Form, Key};
use super::{depthwise, direct, pointwise, winograd};

/// A convolution with its operands as kernels read them.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// Maps whose channels are read one behind the other; the first may be doubled.
    pub maps: Vec<FlexTensor>,
    pub weight: FlexTensor,
    pub shift: Option<FlexTensor>,
    pub scale: Option<FlexTensor>,
    pub settings: Convolution,
}

impl Prepared {
    /// Height, width and channels of the whole input.
    fn input_dims(&self) -> Dims {
        let first = dims(&self.maps[0]);
        let times = if self.settings.doubled { 2 } else { 1 };
        Dims {
            batch: first.batch,
            height: times * first.height,
            width: times * first.width,
            channels: self.channels().iter().sum(),
        }
    }

    /// Channels of each part.
    fn channels(&self) -> Vec<usize> {
        self.maps.iter().map(|maps| dims(maps).channels).collect()
    }

    /// The parts of the input, with what `data` gives of each.
    fn parts<T>(&self, data: impl IntoIterator<Item = T>) -> Vec<Part<T>> {
        let parts = data.into_iter().zip(self.channels()).enumerate();
        parts
            .map(|(index, (data, channels))| {
                let doubled = index == 0 && self.settings.doubled;
                Part { data, channels, doubled }
            })
            .collect()
    }

    fn output_dims(&self) -> Dims {
        let input = self.input_dims();
        let [height, width] = self.settings.window.output([input.height, input.width]);
        Dims { batch: input.batch, height, width, channels: self.weight.layout().shape()[0] }
    }

    fn with_input<T>(&self, run: impl FnOnce(&Input) -> T) -> T {
        let Dims { batch, height, width, .. } = self.input_dims();
        let parts = self.parts(self.maps.iter().map(|maps| maps.storage()));
        run(&Input { batch, height, width, parts: &parts })
    }

    /// The maps of the only part, where there is no other and it is not doubled.
    fn only(&self) -> Option<&[f32]> {
        match &self.maps[..] {
            [maps] if !self.settings.doubled => Some(maps.storage()),
            _ => None,
        }
    }

    fn is_depthwise(&self) -> bool {
        let (input, output) = (self.input_dims().channels, self.output_dims().channels);
        self.only().is_some() && depthwise::applies(&self.settings.window, input, output)
    }

    fn is_winograd(&self, kept: bool) -> bool {
        winograd::pays(&self.settings.window, self.input_dims(), self.output_dims(), kept)
    }

    /// Weights in the form that the forward pass reads.
    fn form(&self, winograd: bool) -> Form {
        let weight: &[f32] = self.weight.storage();
        if winograd {
            Form::Winograd(winograd::for_forward(weight, self.output_dims().channels))
        } else {
            let window = &self.settings.window;
            Form::Direct(self.with_input(|input| direct::for_forward(input, weight, window)))
        }
    }

    /// The same, for weights that will be used again.
    pub(crate) fn kept_form(&self) -> Arc<Form> {
        let winograd = self.is_winograd(true);
        let key = Key { window: self.settings.window, parts: self.channels(), winograd };
        weights::form(&self.weight, key, || self.form(winograd))
    }

    /// Convolves, with weights that are about to change.
    pub(crate) fn forward(
        &self,
        bias: Option<&FlexTensor>,
        residual: Option<&FlexTensor>,
    ) -> FlexTensor {
        weights::forget();
        self.convolve(bias, residual, || Arc::new(self.form(self.is_winograd(false))))
    }

    pub(crate) fn convolve(
        &self,
        bias: Option<&FlexTensor>,
        residual: Option<&FlexTensor>,
        form: impl FnOnce() -> Arc<Form>,
    ) -> FlexTensor {
        let (window, output) = (&self.settings.window, self.output_dims());
        let mut buffer = Buffer::new(output.len());
        let epilogue = Epilogue {
            shift: self.shift.as_ref().map(|shift| shift.storage()),
            before: self.settings.before,
            scale: self.scale.as_ref().map(|scale| scale.storage()),
            bias: bias.map(|bias| bias.storage()),
            residual: residual.map(|residual| residual.storage()),
            activation: self.settings.activation,
            dropout: self.settings.dropout,
        };
        self.with_input(|input| match self.only() {
            Some(maps) if self.is_depthwise() => {
                let weight: &[f32] = self.weight.storage();
                depthwise::forward(maps, input.dims(), weight, window, epilogue, &mut buffer);
            }
            _ => match &*form() {
                Form::Winograd(weight) => {
                    winograd::forward(input, weight, window.before, output, epilogue, &mut buffer);
                }
                Form::Direct(weight) => {
                    direct::forward(input, weight, window, epilogue, &mut buffer);
                }
            },
        });
        maps(buffer, output)
    }

    /// The gradient of the weights from that of the sums.
    pub(crate) fn weight_gradient(&self, gradient: &FlexTensor) -> FlexTensor {
        let mut buffer = Buffer::new(self.weight.layout().num_elements());
        let window = &self.settings.window;
        let values: &[f32] = gradient.storage();
        self.with_input(|input| match self.only() {
            Some(maps) if self.is_depthwise() => {
                depthwise::weight_gradient(maps, input.dims(), values, window, &mut buffer);
            }
            _ if self.is_winograd(false) => with_maps(gradient, |gradient| {
                winograd::weight_gradient(input, gradient, window.before, &mut buffer);
            }),
            _ => direct::weight_gradient(input, values, window, &mut buffer),
        });
        rows(buffer, self.weight.layout().shape().dims::<4>())
    }

    /// The gradients of the parts from that of the sums.
    pub(crate) fn input_gradient(&self, gradient: &FlexTensor) -> Vec<FlexTensor> {
        let whole = self.input_dims();
        let weight: &[f32] = self.weight.storage();
        let window = &self.settings.window;
        let mut buffers: Vec<Buffer> =
            self.maps.iter().map(|maps| Buffer::new(dims(maps).len())).collect();
        let parts = self.parts(buffers.iter_mut().map(|buffer| Shared::new(buffer)));
        let values: &[f32] = gradient.storage();
        if self.is_depthwise() {
            depthwise::input_gradient(values, weight, window, whole, &mut buffers[0]);
        } else if self.is_winograd(false) {
            let size = [whole.height, whole.width];
            with_maps(gradient, |gradient| {
                winograd::input_gradient(gradient, weight, window.before, size, &parts);
            });
        } else if self.only().is_some() {
            with_maps(gradient, |gradient| {
                direct::input_gradient(gradient, weight, window, whole, &mut buffers[0]);
            });
        } else {
            let mut buffer = Buffer::new(whole.len());
            with_maps(gradient, |gradient| {
                direct::input_gradient(gradient, weight, window, whole, &mut buffer);
            });
            pointwise::split(&buffer, whole, &parts);
        }
        buffers.into_iter().zip(&self.maps).map(|(buffer, of)| maps(buffer, dims(of))).collect()
    }
}

/// Runs with a tensor of maps as the one part of an input.
pub(crate) fn with_maps<T>(tensor: &FlexTensor, run: impl FnOnce(&Input) -> T) -> T {
    let Dims { batch, height, width, channels } = dims(tensor);
    let parts = [Part { data: tensor.storage(), channels, doubled: false }];
    run(&Input { batch, height, width, parts: &parts })
}

/// Operands as kernels read them, with bias and residual.
pub(crate) fn prepare(
    operands: Operands<Flex>,
    settings: Convolution,
) -> (Prepared, Option<FlexTensor>, Option<FlexTensor>) {
    let prepared = Prepared {
        maps: [operands.first].into_iter().chain(operands.more.into_vec()).map(by_pixel).collect(),
        weight: contiguous(operands.weight),
        shift: operands.shift.into_option().map(contiguous),
        scale: operands.scale.into_option().map(contiguous),
        settings,
    };
    let bias = operands.bias.into_option().map(contiguous);
    (prepared, bias, operands.residual.into_option().map(by_pixel))
}
