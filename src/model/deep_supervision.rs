//! Deep supervision (Lee, Xie, Gallagher, Zhang and Tu 2015, "Deeply-Supervised Nets"): several heads, each
//! with a loss of its own.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax};

/// The logits of the mean of the heads' probabilities, U-Net++'s "accurate mode": sigmoid of one
/// channel, softmax of several.
///
/// # Shapes
/// - heads and output: `[batch, channels, height, width]`
pub fn combined(heads: Vec<Tensor<4>>) -> Tensor<4> {
    if let [only] = &heads[..] {
        return only.clone();
    }
    let log_mean =
        |logs: fn(Tensor<4>) -> Tensor<4>| log_mean_exp(heads.iter().cloned().map(logs).collect());
    if heads[0].dims()[1] == 1 {
        log_mean(log_sigmoid) - log_mean(|logits| log_sigmoid(-logits))
    } else {
        log_mean(|logits| log_softmax(logits, 1))
    }
}

fn log_mean_exp(logs: Vec<Tensor<4>>) -> Tensor<4> {
    let count = logs.len() as f64;
    let highest = logs.iter().cloned().reduce(Tensor::max_pair).expect("there is a head");
    let sum = logs.into_iter().map(|log| (log - highest.clone()).exp()).reduce(|a, b| a + b);
    highest + (sum.expect("there is a head") / count).log()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::activation::{sigmoid, softmax};

    use super::*;

    fn heads(channels: usize) -> Vec<Tensor<4>> {
        let values = [-40.0f32, 3.0, 0.5, 90.0, -2.0, 0.0];
        let head = |factor: f32| {
            let values: Vec<f32> = values.iter().map(|value| value * factor).collect();
            let tensor = Tensor::<1>::from_floats(&values[..], &Device::flex());
            tensor.reshape([1, channels, 1, 6 / channels])
        };
        vec![head(1.0), head(-0.5), head(0.25)]
    }

    fn assert_same(found: Tensor<4>, expected: Tensor<4>) {
        let numbers = |tensor: Tensor<4>| tensor.into_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in numbers(found).into_iter().zip(numbers(expected)) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn probabilities_of_one_channel_are_averaged() {
        let mean = heads(1).into_iter().map(sigmoid).reduce(|a, b| a + b).unwrap() / 3.0;
        assert_same(sigmoid(combined(heads(1))), mean);
    }

    #[test]
    fn probabilities_of_classes_are_averaged() {
        let mean = heads(3).into_iter().map(|head| softmax(head, 1)).reduce(|a, b| a + b);
        assert_same(softmax(combined(heads(3)), 1), mean.unwrap() / 3.0);
    }

    #[test]
    fn a_single_head_is_the_prediction() {
        let [first, ..] = <[_; 3]>::try_from(heads(1)).unwrap();
        assert_eq!(combined(vec![first.clone()]).into_data(), first.into_data());
    }
}
