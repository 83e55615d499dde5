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
    let data = TensorData::new(labels.to_vec(), [1, 1, labels.len()]);
    Tensor::from_data(data, &Device::flex())
}

/// Logits of one row of pixels, `[1, C, 1, W]`, channel after channel.
pub(super) fn logits(channels: usize, values: &[f32]) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, channels, 1, values.len() / channels]);
    Tensor::from_data(data, &Device::flex())
}

/// Gradient of a loss in the logits of one row of pixels, in their order.
pub(super) fn gradient(
    channels: usize,
    values: &[f32],
    truth: &[i64],
    loss: impl Fn(Tensor<4>, &Target) -> Measured,
) -> Vec<f32> {
    let logits = logits(channels, values).autodiff().require_grad();
    let target = Target::new(labels(truth).autodiff(), channels);
    let gradients = loss(logits.clone(), &target).value.backward();
    logits.grad(&gradients).unwrap().into_data().iter::<f32>().collect()
}

/// Asserts that two numbers agree to 1e-6, relative to the larger of the expected one and 1.
#[track_caller]
pub(super) fn assert_close(found: f32, expected: f32) {
    let tolerance = 1e-6 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}
