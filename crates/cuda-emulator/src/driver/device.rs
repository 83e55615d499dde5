//! What devices there are.

use std::ffi::{c_char, c_int, c_uint};

use super::{functions, give, give_text, machine};
use crate::failure::{Failure, Outcome};
use crate::machine::MOST_THREADS;
use crate::settings::Settings;

/// The device that CUDA calls by this number.
fn checked(device: c_int) -> Outcome<usize> {
    let machine = machine();
    let index = usize::try_from(device).ok();
    let found = index.and_then(|index| machine.settings.visible.get(index).copied());
    found.ok_or(Failure::InvalidDevice)
}

/// `CUdevice_attribute`; none where it is not known.
fn attribute(settings: &Settings, device: usize, attribute: c_int) -> Option<c_int> {
    Some(match attribute {
        // Threads of a block, and of its axes.
        1..=3 => MOST_THREADS as c_int,
        4 => 64,
        // Blocks of a grid, by axes.
        5 => c_int::MAX,
        6 | 7 => 65_535,
        // Shared memory of a block, constants, lanes of a warp, pitch, registers, kHz, alignment.
        8 => 49_152,
        9 => 65_536,
        10 => 32,
        11 => c_int::MAX,
        12 | 82 => 65_536,
        13 => 1_500_000,
        14 => 512,
        // Copies beside kernels, multiprocessors, no timeout, discrete, host memory can be mapped.
        15 | 19 | 31 | 40 | 41 => 1,
        16 => 16,
        17 | 18 | 20 | 32 | 35 => 0,
        33 => device as c_int + 1,
        34 | 50 => 0,
        // kHz and bits of memory, L2, threads of a multiprocessor.
        36 => 5_000_000,
        37 => 128,
        38 => 1 << 20,
        39 => {
            if settings.sm == 75 {
                1024
            } else {
                2048
            }
        }
        75 => settings.sm / 10,
        76 => settings.sm % 10,
        78..=80 => 1,
        // Shared memory of a multiprocessor, and of a block that opts in.
        81 => settings.shared_opt_in as c_int + 1024,
        83 => 0,
        84..=96 => 0,
        97 => settings.shared_opt_in as c_int,
        106 => 16,
        111 => 1024,
        115 => 1,
        _ => return None,
    })
}

functions! {
    /// Initialises the driver.
    fn cuInit(_flags: c_uint) {
        let machine = machine();
        machine.settings.log.event(|| "cuInit".into());
        if machine.settings.visible.is_empty() { Err(Failure::NoDevice) } else { Ok(()) }
    }

    /// The version of the driver.
    fn cuDriverGetVersion(version: *mut c_int) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(version, machine().settings.driver) }
    }

    /// How many devices CUDA sees.
    fn cuDeviceGetCount(count: *mut c_int) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(count, machine().settings.visible.len() as c_int) }
    }

    /// The handle of a device, which is its number.
    fn cuDeviceGet(device: *mut c_int, index: c_int) {
        checked(index)?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(device, index) }
    }

    /// Its name.
    fn cuDeviceGetName(name: *mut c_char, bytes: c_int, device: c_int) {
        let device = checked(device)?;
        let text = machine().settings.name_of(device);
        // SAFETY: as `cuda.h` asks for.
        unsafe { give_text(name, usize::try_from(bytes).unwrap_or(0), &text) }
    }

    /// Its place on the bus.
    fn cuDeviceGetPCIBusId(id: *mut c_char, bytes: c_int, device: c_int) {
        let device = checked(device)?;
        let text = format!("0000:{:02x}:00.0", device + 1);
        // SAFETY: as `cuda.h` asks for.
        unsafe { give_text(id, usize::try_from(bytes).unwrap_or(0), &text) }
    }

    /// Its UUID.
    fn cuDeviceGetUuid_v2(id: *mut [u8; 16], device: c_int) {
        let device = checked(device)?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(id, [device as u8; 16]) }
    }

    /// Bytes of its memory.
    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) {
        checked(device)?;
        let memory = machine().settings.memory;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(bytes, memory as usize) }
    }

    /// An attribute; those that are not known are zero.
    fn cuDeviceGetAttribute(value: *mut c_int, which: c_int, device: c_int) {
        let device = checked(device)?;
        let machine = machine();
        let found = attribute(&machine.settings, device, which).unwrap_or_else(|| {
            machine.settings.log.event(|| format!("attribute {which} is not known: 0"));
            0
        });
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(value, found) }
    }

    /// Whether one device can use memory of another: none can.
    fn cuDeviceCanAccessPeer(can: *mut c_int, device: c_int, peer: c_int) {
        checked(device)?;
        checked(peer)?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(can, 0) }
    }
}
