//! Matrix units and asynchronous copies.

use super::device::Argument::Pointer;
use super::device::{Device, numbers};
use crate::interpreter::number::{to_bf16, to_f16, to_tf32};

fn product(a: &[f32], b: &[f32], start: f32, [m, n, k]: [usize; 3]) -> Vec<f32> {
    let mut c = vec![0.0; m * n];
    for row in 0..m {
        for column in 0..n {
            let products = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + column]));
            c[row * n + column] = (products.sum::<f64>() + f64::from(start)) as f32;
        }
    }
    c
}

#[test]
fn tiles_of_halves_are_copied_read_and_multiplied() {
    // Sixteenths are halves exactly.
    let rounded = |count| -> Vec<f32> {
        numbers(count, 2.0).iter().map(|x| (x * 16.0).round() / 16.0).collect()
    };
    let (a, b) = (rounded(256), rounded(128));
    let halves = |x: &[f32]| -> Vec<u16> { x.iter().map(|x| to_f16(*x)).collect() };
    let mut device = Device::new(include_str!("../../fixtures/ampere.ptx"));
    let (pa, pb) = (device.upload(&halves(&a)), device.upload(&halves(&b)));
    let pc = device.upload(&[0f32; 128]);
    device
        .launch("mma_f16", [1, 1, 1], [32, 1, 1], &[Pointer(pa), Pointer(pb), Pointer(pc)])
        .unwrap();
    assert_eq!(device.fault(), None);
    assert_eq!(device.download::<f32>(pc, 128), product(&a, &b, 0.0, [16, 8, 16]));
}

#[test]
fn tf32_has_ten_bits_of_mantissa() {
    let (a, b) = (numbers(128, 1.0), numbers(64, 3.0));
    let mut device = Device::new(include_str!("../../fixtures/ampere.ptx"));
    let (pa, pb) = (device.upload(&a), device.upload(&b));
    let (pc, ps) = (device.upload(&[0f32; 128]), device.upload(&[0u32; 64]));
    let arguments = [Pointer(pa), Pointer(pb), Pointer(pc), Pointer(ps)];
    device.launch("mma_tf32", [1, 1, 1], [32, 1, 1], &arguments).unwrap();
    assert_eq!(device.fault(), None);
    let cut = |x: &[f32]| -> Vec<f32> { x.iter().map(|x| to_tf32(*x)).collect() };
    assert_eq!(device.download::<f32>(pc, 128), product(&cut(&a), &cut(&b), 1.0, [16, 8, 8]));
    let sums: Vec<u32> = device.download(ps, 64);
    for lane in 0..32 {
        assert_eq!(sums[lane], 31 * 32 / 2);
        assert_eq!(sums[32 + lane], u32::from(to_bf16(a[lane])) * 0x1_0001);
    }
}
