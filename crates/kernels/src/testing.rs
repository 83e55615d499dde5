//! What tests of kernels share: numbers that are none, every instruction set of the machine, and its GPU.

use burn::tensor::Device;
use macerator::{Arch, WithSimd};
use proptest::prelude::*;

/// The GPU on which operators are to give what they give on the CPU, where `TEST_ON_GPU` is set: there or emulated.
pub(crate) fn gpu() -> Option<Device> {
    std::env::var_os("TEST_ON_GPU").map(|_| Device::cuda(0))
}

/// All cases of a test, or the first alone with `TEST_ON_GPU=few`: an emulated GPU compiles and times kernels for each.
pub(crate) fn few<T>(cases: &[T]) -> &[T] {
    match std::env::var("TEST_ON_GPU") {
        Ok(which) if which == "few" => &cases[..1],
        _ => cases,
    }
}

/// So many numbers, among which are NaN, infinities and the largest and smallest there are.
pub(crate) fn strange(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![
        8 => -8f32..8.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => prop::sample::select(vec![0.0, -0.0, 3e38, -3e38, 1e-40, -1e-40, -87.5, -1e30]),
    ];
    prop::collection::vec(number, len)
}

/// The same without infinities and what overflows.
pub(crate) fn partly_nan(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![6 => -2f32..2.0, 1 => Just(f32::NAN)];
    prop::collection::vec(number, len)
}

/// What an operation gives on each instruction set that this machine has.
pub(crate) fn on_every_set<Op: WithSimd>(operation: impl Fn() -> Op) -> Vec<(Arch, Op::Output)> {
    let mut sets = vec![Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("sse4.2") && has!("popcnt") {
            sets.push(Arch::V2);
        }
        if has!("avx2") && has!("fma") && has!("bmi2") && has!("f16c") && has!("lzcnt") {
            sets.push(Arch::V3);
        }
    }
    sets.push(Arch::detect());
    // SAFETY: the machine has each of these sets.
    sets.into_iter().map(|set| (set, unsafe { set.dispatch(operation()) })).collect()
}

/// Whether two numbers are both NaN, the same infinity, or nearly equal.
pub(crate) fn same(found: f32, expected: f32) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 1e-5 * expected.abs().max(1.0)
}

/// Checks each number against its definition.
#[track_caller]
pub(crate) fn assert_same(what: &str, found: &[f32], expected: impl Fn(usize) -> f32) {
    for (index, &found) in found.iter().enumerate() {
        let expected = expected(index);
        assert!(same(found, expected), "{what}: number {index} is {found}, not {expected}");
    }
}
