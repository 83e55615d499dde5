//! What one real step costs.

use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};

use super::optimizer;
use crate::loss::Loss;
use crate::model::Net;
use crate::spec::ScheduleSpec;

/// What a training step of one case costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Forward, backward and optimizer, in seconds.
    pub step_s: f64,
    /// By how much the process's peak memory rose, in bytes; 0 where the system does not tell.
    pub memory_bytes: u64,
}

/// Makes one training step on one case of zeros.
///
/// # Shapes
/// - `shape`: channels, height, width of the input
pub fn measure(
    net: Net,
    loss: &Loss,
    schedule: &ScheduleSpec,
    shape: [usize; 3],
    device: &Device,
) -> Measured {
    let device = device.clone().autodiff();
    let [channels, height, width] = shape;
    let before = peak_memory();
    let started = Instant::now();
    let images = Tensor::<4>::zeros([1, channels, height, width], &device);
    let labels = Tensor::<3, Int>::zeros([1, height, width], &device);
    let gradients = loss.forward(net.forward(images), labels).backward();
    let gradients = GradientsParams::from_grads(gradients, &net);
    let mut optimizer = optimizer::init(schedule, &device);
    let net = optimizer.step(schedule.optimizer.learning_rate(), net, gradients);
    let _weights = net.into_record();
    let memory_bytes = peak_memory().saturating_sub(before);
    Measured { step_s: started.elapsed().as_secs_f64(), memory_bytes }
}

/// The process's peak resident memory in bytes, from `/proc`; 0 where there is none.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
    kib * 1024
}
