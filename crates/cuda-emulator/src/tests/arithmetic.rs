//! Functions of one number.

use super::device::Argument::{Int, Pointer};
use super::device::{Device, numbers};
use crate::interpreter::number::{Rounding, fma_f32, from_f16, to_f16};

/// The error function by its series, which is exact enough for numbers below 3.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn functions_are_those_of_the_library() {
    let x = numbers(300, 2.5);
    let mut device = Device::new(include_str!("../../fixtures/math.ptx"));
    let input = device.upload(&x);
    let output = device.upload(&vec![0f32; 12 * x.len()]);
    let arguments = [Pointer(input), Pointer(output), Int(x.len() as i32)];
    device.launch("functions", [3, 1, 1], [128, 1, 1], &arguments).unwrap();
    assert_eq!(device.fault(), None);
    let found: Vec<f32> = device.download(output, 12 * x.len());
    let expected = |row: usize, v: f32| {
        let x = f64::from(v);
        match row {
            0 => x.exp(),
            1 => f64::from(v * 1000.0).sin(),
            2 => f64::from(v * 1e7).cos(),
            3 => x.tanh(),
            4 => x.abs().powf(1.7f32.into()),
            5 => f64::from(v.abs() + 1.0).ln(),
            6 => erf(x),
            7 => x.abs().sqrt(),
            8 => (v % 0.3).into(),
            9 => (x * 0.1).exp(),
            10 => x / (x.abs() + f64::from(0.7f32)),
            _ => 1.0 / f64::from(v.abs() + 1.0).sqrt(),
        }
    };
    for row in 0..12 {
        for (index, v) in x.iter().enumerate() {
            let (found, expected) = (f64::from(found[row * x.len() + index]), expected(row, *v));
            let close = (found - expected).abs() <= 2e-6 * expected.abs().max(0.5);
            assert!(close, "row {row} of {v}: {found}, not {expected}");
        }
    }
}

#[test]
fn whole_numbers_are_those_of_the_host() {
    let x: Vec<i32> =
        numbers(200, 2e9).iter().map(|x| *x as i32).chain([0, -1, i32::MIN]).collect();
    let mut device = Device::new(include_str!("../../fixtures/math.ptx"));
    let input = device.upload(&x);
    let output = device.upload(&vec![0i64; 10 * x.len()]);
    let arguments = [Pointer(input), Pointer(output), Int(x.len() as i32)];
    device.launch("integers", [4, 1, 1], [64, 1, 1], &arguments).unwrap();
    let found: Vec<i64> = device.download(output, 10 * x.len());
    let bytes = |u: u32| {
        let all = [u.to_le_bytes(), 0x5566_7788u32.to_le_bytes()].concat();
        u32::from_le_bytes([all[2], all[4], all[1], all[5]])
    };
    let expected = |row: usize, v: i32| -> i64 {
        let (u, w) = (v as u32, i64::from(v).wrapping_mul(1_234_567_891));
        match row {
            0 => (v / 7).into(),
            1 => (v % 7).into(),
            2 => (u / 10).into(),
            3 => w / 12345,
            4 => (w as u64 % 999_983) as i64,
            5 => {
                let first = if v == 0 { 0 } else { u.trailing_zeros() + 1 };
                i64::from(u.count_ones() + 100 * u.leading_zeros() + 10000 * first)
            }
            6 => {
                let high = (i64::from(v) * 0x1234_5678) >> 32;
                high + ((u64::from(u) * 0x9abc_def0) >> 32) as i64
            }
            7 => (bytes(u) ^ u.reverse_bits()).into(),
            8 => {
                let funnel = (u64::from(u.wrapping_mul(3)) << 32 | u64::from(u)) << 9 >> 32;
                i64::from((v >> 3) ^ (u << 5) as i32) ^ i64::from(funnel as u32)
            }
            _ => i64::from(v.min(100)) + i64::from(u.max(5)) + i64::from(v.wrapping_abs()),
        }
    };
    for row in 0..10 {
        for (index, v) in x.iter().enumerate() {
            assert_eq!(found[row * x.len() + index], expected(row, *v), "row {row} of {v}");
        }
    }
}

#[test]
fn halves_and_directed_roundings_are_exact() {
    let x = numbers(64, 3.0);
    let n = x.len();
    let mut device = Device::new(include_str!("../../fixtures/halves.ptx"));
    let input = device.upload(&x);
    let halves = device.upload(&vec![0u16; 4 * n]);
    let output = device.upload(&vec![0f32; 4 * n]);
    let arguments = [Pointer(input), Pointer(halves), Pointer(output), Int(n as i32)];
    device.launch("halves", [1, 1, 1], [64, 1, 1], &arguments).unwrap();
    let halves: Vec<u16> = device.download(halves, 4 * n);
    let output: Vec<f32> = device.download(output, 4 * n);
    for (i, v) in x.iter().enumerate() {
        let a = to_f16(*v);
        let wide = f64::from(from_f16(a));
        let b = halves[n + i];
        // The nearest half is no farther than half of its last place.
        let exact = wide.mul_add(wide, wide);
        assert!((f64::from(from_f16(b)) - exact).abs() <= exact.abs() * 2f64.powi(-11));
        assert_eq!(halves[i], a);
        assert_eq!(output[i], from_f16(a));
        assert_eq!(halves[2 * n + i], to_f16(2.0 * from_f16(a)));
        assert_eq!(halves[3 * n + i], to_f16(2.0 * from_f16(b)));
        assert_eq!(output[n + i], fma_f32(*v, 1.1, 0.3, Rounding::Down));
        assert_eq!(output[2 * n + i], fma_f32(*v, 1.0, 1e-3, Rounding::TowardsZero));
        assert_eq!(output[3 * n + i], (v * 3.0).floor() + v.clamp(0.0, 1.0));
    }
}
