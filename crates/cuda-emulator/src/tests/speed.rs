//! How fast kernels are interpreted: `cargo test -p oncospec-cuda-emulator -- --ignored --nocapture`.

use std::time::Instant;

use super::device::Argument::{Float, Int, Pointer};
use super::device::{Device, numbers};
use crate::settings::Settings;

fn measured(name: &str, device: &mut Device, mut launch: impl FnMut(&mut Device)) {
    let best = (0..7)
        .map(|_| {
            let (before, began) = (device.machine.counts().warp_instructions, Instant::now());
            launch(device);
            let instructions = device.machine.counts().warp_instructions - before;
            instructions as f64 / began.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max);
    println!("{name}: {:.1} million instructions of a warp per second", best / 1e6);
}

#[test]
#[ignore = "it measures"]
fn instructions_per_second() {
    for threads in [1, 2] {
        let settings = Settings { threads, ..Settings::default() };
        let mut device = Device::with(settings, include_str!("../../fixtures/matmul.ptx"));
        let x = device.upload(&numbers(1 << 18, 1.0));
        let y = device.upload(&vec![0f32; 1 << 18]);
        for n in [75, 256] {
            measured(&format!("{threads} threads, matmul {n}"), &mut device, |device| {
                let grid = (n as u32).div_ceil(16);
                let arguments = [Pointer(x), Pointer(x), Pointer(y), Int(n)];
                device.launch("matmul", [grid, grid, 1], [16, 16, 1], &arguments).unwrap();
            });
        }
        measured(&format!("{threads} threads, elementwise"), &mut device, |device| {
            let arguments = [Pointer(x), Pointer(y), Float(2.0), Float(1.0), Int(1 << 18)];
            device.launch("elementwise", [1024, 1, 1], [256, 1, 1], &arguments).unwrap();
        });
    }
}
