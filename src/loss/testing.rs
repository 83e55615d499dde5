//! What the tests of the losses share.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Outputs, measured::Measured, target::Target};

/// Settings of a loss, in TOML without its kind, for the tests that every loss must pass.
pub struct Example {
    /// What the loss is for.
    pub outputs: Outputs,
    /// Its settings.
    pub settings: String,
}

impl Example {
    /// Of one channel.
    pub fn binary(settings: impl Into<String>) -> Self {
        Self { outputs: Outputs::Binary, settings: settings.into() }
    }

    /// Of three classes.
    pub fn classes(settings: impl Into<String>) -> Self {
        Self { outputs: Outputs::Classes(3), settings: settings.into() }
    }
}

/// Labels of one row of pixels, `[1, 1, W]`.
pub(super) fn labels(labels: &[i64]) -> Tensor<3, Int> {
    labels_on(labels, &Device::flex())
}

fn labels_on(labels: &[i64], device: &Device) -> Tensor<3, Int> {
    Tensor::from_data(TensorData::new(labels.to_vec(), [1, 1, labels.len()]), device)
}

/// Logits of one row of pixels, `[1, C, 1, W]`, channel after channel.
pub(super) fn logits(channels: usize, values: &[f32]) -> Tensor<4> {
    logits_on(channels, values, &Device::flex())
}

fn logits_on(channels: usize, values: &[f32], device: &Device) -> Tensor<4> {
    let shape = [1, channels, 1, values.len() / channels];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Gradient of a loss in the logits of one row of pixels, in their order.
pub(super) fn gradient(
    channels: usize,
    values: &[f32],
    truth: &[i64],
    loss: impl Fn(Tensor<4>, &Target) -> Measured,
) -> Vec<f32> {
    value_and_gradient(channels, values, truth, &Device::flex(), loss).1
}

/// A loss of one row of pixels on a device, and its gradient in their logits.
pub(super) fn value_and_gradient(
    channels: usize,
    values: &[f32],
    truth: &[i64],
    device: &Device,
    loss: impl Fn(Tensor<4>, &Target) -> Measured,
) -> (f32, Vec<f32>) {
    let device = device.clone().autodiff();
    let logits = logits_on(channels, values, &device).require_grad();
    let target = Target::new(labels_on(truth, &device), channels);
    let value = loss(logits.clone(), &target).value;
    let gradients = value.clone().backward();
    let gradient = logits.grad(&gradients).expect("the loss depends on its logits");
    (value.inner().into_scalar(), gradient.into_data().iter::<f32>().collect())
}

/// Asserts that two numbers agree to 1e-6, relative to the larger of the expected one and 1.
#[track_caller]
pub(super) fn assert_close(found: f32, expected: f32) {
    let tolerance = 1e-6 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}
