//! Values and gradients of every loss against other projects' (tests/fixtures/losses.py).

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Deserialize;

use super::{LossSpec, Outputs, init};
use crate::testing::fixture;

#[derive(Deserialize)]
struct Fixture {
    batches: Vec<Batch>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Batch {
    shape: [usize; 4],
    logits: Vec<f32>,
    labels: Vec<i64>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    loss: LossSpec,
    batch: usize,
    value: f64,
    gradient: Vec<f64>,
}

/// Value and gradient of a case.
fn found(case: &Case, batch: &Batch) -> (f64, Vec<f64>) {
    let device = Device::flex().autodiff();
    let [images, channels, height, width] = batch.shape;
    let logits = TensorData::new(batch.logits.clone(), batch.shape);
    let logits = Tensor::<4>::from_data(logits, &device).require_grad();
    let labels = TensorData::new(batch.labels.clone(), [images, height, width]);
    let labels = Tensor::<3, Int>::from_data(labels, &device);
    let outputs = if channels == 1 { Outputs::Binary } else { Outputs::Classes(channels) };
    let loss = init(&case.loss, outputs, &[]).unwrap().measure(vec![logits.clone()], labels);
    let gradient = logits.grad(&loss.value.backward()).unwrap();
    (loss.value.into_scalar::<f64>(), gradient.into_data().iter::<f64>().collect())
}

fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn values_and_gradients_are_those_of_other_projects() {
    let file = std::fs::read_to_string(fixture("losses.json")).unwrap();
    let fixture: Fixture = serde_json::from_str(&file).unwrap();
    assert!(fixture.cases.len() > 100);
    let mut worst = (0.0, 0.0);
    for case in &fixture.cases {
        let (value, gradient) = found(case, &fixture.batches[case.batch]);
        let error = (value - case.value).abs() / case.value.abs().max(1e-3);
        assert!(error < 1e-5, "{}: found {value}, expected {}", case.name, case.value);
        let difference = norm(gradient.iter().zip(&case.gradient).map(|(a, b)| a - b));
        let relative = difference / norm(case.gradient.iter().copied()).max(1e-3);
        assert!(relative < 1e-5, "{}: gradient off by {relative}", case.name);
        worst = (f64::max(worst.0, error), f64::max(worst.1, relative));
    }
    println!("worst relative error: value {:.1e}, gradient {:.1e}", worst.0, worst.1);
}
