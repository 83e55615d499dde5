//! Blocks, warps and memory.

use super::device::Argument::{Float, Int, Pointer};
use super::device::{Device, numbers};
use crate::settings::Settings;

#[test]
fn tiles_in_shared_memory_give_the_product() {
    let n = 75;
    let (a, b) = (numbers(n * n, 1.0), numbers(n * n + 1, 2.0)[1..].to_vec());
    let mut device = Device::new(include_str!("../../fixtures/matmul.ptx"));
    let (pa, pb) = (device.upload(&a), device.upload(&b));
    let pc = device.upload(&vec![0f32; n * n]);
    let arguments = [Pointer(pa), Pointer(pb), Pointer(pc), Int(n as i32)];
    device.launch("matmul", [5, 5, 1], [16, 16, 1], &arguments).unwrap();
    assert_eq!(device.fault(), None);
    let c: Vec<f32> = device.download(pc, n * n);
    for row in 0..n {
        for column in 0..n {
            // In the order and with the rounding of the kernel.
            let sum = (0..n).fold(0f32, |sum, k| a[row * n + k].mul_add(b[k * n + column], sum));
            assert_eq!(c[row * n + column], sum, "at {row}, {column}");
        }
    }
}

#[test]
fn several_threads_give_what_one_gives() {
    let x = numbers(100_000, 1.0);
    let mut results = vec![];
    for threads in [1, 3] {
        let settings = Settings { threads, ..Settings::default() };
        let mut device = Device::with(settings, include_str!("../../fixtures/matmul.ptx"));
        let (input, output) = (device.upload(&x), device.upload(&vec![0f32; x.len()]));
        let n = Int(x.len() as i32);
        let arguments = [Pointer(input), Pointer(output), Float(1.5), Float(-0.25), n];
        device.launch("elementwise", [391, 1, 1], [256, 1, 1], &arguments).unwrap();
        let found: Vec<f32> = device.download(output, x.len());
        let instructions = device.machine.counts().warp_instructions;
        results.push((found, instructions));
    }
    assert_eq!(results[0], results[1]);
    for (x, found) in x.iter().zip(&results[0].0) {
        assert_eq!(*found, x.mul_add(1.5, -0.25).max(0.0));
    }
}

#[test]
fn lanes_exchange_values_and_take_their_ways() {
    let x: Vec<i32> = (0..32).map(|i| (i * 37 + 11) % 101).collect();
    let mut device = Device::new(include_str!("../../fixtures/warps.ptx"));
    let (input, output) = (device.upload(&x), device.upload(&[0i32; 320]));
    device.launch("lanes", [1, 1, 1], [32, 1, 1], &[Pointer(input), Pointer(output)]).unwrap();
    assert_eq!(device.fault(), None);
    let found: Vec<i32> = device.download(output, 320);
    let ballot = |holds: &dyn Fn(i32) -> bool| {
        x.iter().enumerate().fold(0u32, |mask, (i, v)| mask | u32::from(holds(*v)) << i) as i32
    };
    let odd = ballot(&|v| v & 1 != 0) as u32;
    for i in 0..32usize {
        let v = x[i];
        let branch = |i: usize| if x[i] & 1 != 0 { x[odd.trailing_zeros() as usize] } else { -1 };
        let expected = [
            x.iter().sum(),
            if i >= 3 { x[i - 3] } else { v },
            if i % 8 + 5 < 8 { x[i + 5] } else { v },
            x[i * 7 % 32],
            odd as i32,
            i32::from(x.contains(&3)) + 2,
            ballot(&|other| other % 3 == v % 3),
            (0..).find(|steps| steps * steps >= v).unwrap(),
            branch(i),
            branch(i ^ 1),
        ];
        for (row, expected) in expected.iter().enumerate() {
            assert_eq!(found[32 * row + i], *expected, "row {row}, lane {i}");
        }
    }
}

#[test]
fn functions_are_called_and_tables_followed() {
    let x: Vec<i32> = (0..200).map(|i| i * 13 - 700).collect();
    let mut device = Device::new(include_str!("../../fixtures/warps.ptx"));
    let (input, output) = (device.upload(&x), device.upload(&vec![0i32; x.len()]));
    let arguments = [Pointer(input), Pointer(output), Int(x.len() as i32)];
    device.launch("calls", [2, 1, 1], [128, 1, 1], &arguments).unwrap();
    assert_eq!(device.fault(), None);
    let found: Vec<i32> = device.download(output, x.len());
    let apply = |kind: usize, v: i32| match kind {
        0 => v + 40,
        1 => v * 3,
        2 => v ^ 0x55,
        3 => v * [2, 3, 5, 7, 11, 13, 17, 19][(v & 7) as usize],
        4 => v >> 1,
        5 => -v,
        6 => v % 5,
        _ => 0,
    };
    for (i, v) in x.iter().enumerate() {
        assert_eq!(found[i], apply(i % 8, *v) + apply((i + 3) % 8, *v), "thread {i}");
    }
}

#[test]
fn atomic_changes_all_count() {
    let x: Vec<i32> = (0..256).map(|i| (i * 71 + 5) % 997).collect();
    let mut device = Device::new(include_str!("../../fixtures/warps.ptx"));
    let input = device.upload(&x);
    let output = device.upload(&[0, 0, i32::MAX, 0, 0, 0, 0]);
    let (single, double) = (device.upload(&[0f32]), device.upload(&[0f64]));
    let arguments = [Pointer(input), Pointer(output), Pointer(single), Pointer(double)];
    device.launch("atomics", [2, 1, 1], [128, 1, 1], &arguments).unwrap();
    assert_eq!(device.fault(), None);
    let expected = [
        x.iter().sum(),
        x.iter().fold(0, |all, v| all ^ v),
        *x.iter().min().unwrap(),
        256 % 10,
        512,
        *x[..128].iter().max().unwrap(),
        *x[128..].iter().max().unwrap(),
    ];
    assert_eq!(device.download::<i32>(output, 7), expected);
    assert_eq!(device.download::<f32>(single, 1), [128.0]);
    assert_eq!(device.download::<f64>(double, 1), [64.0]);
    let counts = device.machine.counts();
    assert_eq!(counts.float_atomics.iter().collect::<Vec<_>>(), ["atomics"]);
    assert_eq!(counts.launches["atomics"], 1);
}
