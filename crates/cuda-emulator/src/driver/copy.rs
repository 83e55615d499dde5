//! Copies. All are done when they are asked for, in the order in which they are asked for.

use std::ffi::{c_int, c_void};

use super::{functions, machine};
use crate::failure::{Failure, Outcome};

unsafe fn to_device(to: u64, from: *const c_void, bytes: usize) -> Outcome {
    let machine = machine();
    machine.check_range("copy to the device", to, bytes)?;
    if from.is_null() {
        return Err(Failure::InvalidValue);
    }
    machine.settings.log.event(|| format!("copy of {bytes} bytes to {to:#x}"));
    machine.counts().add_host_to_device(bytes);
    // SAFETY: one range is memory of a device, the caller of the driver promises the other.
    unsafe { std::ptr::copy(from.cast::<u8>(), to as *mut u8, bytes) };
    Ok(())
}

unsafe fn to_host(to: *mut c_void, from: u64, bytes: usize) -> Outcome {
    let machine = machine();
    machine.check_range("copy from the device", from, bytes)?;
    if to.is_null() {
        return Err(Failure::InvalidValue);
    }
    machine.settings.log.event(|| format!("copy of {bytes} bytes from {from:#x}"));
    machine.counts().device_to_host.add(bytes);
    // SAFETY: as in `to_device`.
    unsafe { std::ptr::copy(from as *const u8, to.cast(), bytes) };
    Ok(())
}

unsafe fn on_device(to: u64, from: u64, bytes: usize) -> Outcome {
    let machine = machine();
    machine.check_range("copy to the device", to, bytes)?;
    machine.check_range("copy from the device", from, bytes)?;
    machine.counts().device_to_device.add(bytes);
    // SAFETY: both ranges are memory of devices.
    unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) };
    Ok(())
}

/// `CUDA_MEMCPY2D`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Copy2D {
    from: Plane,
    to: Plane,
    width_bytes: usize,
    height: usize,
}

/// One side of it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Plane {
    x_bytes: usize,
    y: usize,
    memory: c_int,
    host: u64,
    device: u64,
    array: u64,
    pitch: usize,
}

impl Plane {
    /// Where it begins, and whether that is on a device.
    fn start(&self) -> Outcome<(u64, bool)> {
        let (start, on_device) = match self.memory {
            1 => (self.host, false),
            // Memory of a device, or of any kind by its address.
            2 => (self.device, true),
            _ => return Err(Failure::InvalidValue),
        };
        Ok((start + (self.y * self.pitch + self.x_bytes) as u64, on_device))
    }
}

unsafe fn plane(copy: *const Copy2D) -> Outcome {
    if copy.is_null() {
        return Err(Failure::InvalidValue);
    }
    // SAFETY: the caller of the driver promises a good pointer.
    let copy = unsafe { *copy };
    let ((from, from_device), (to, to_device)) = (copy.from.start()?, copy.to.start()?);
    if copy.height == 0 || copy.width_bytes == 0 {
        return Ok(());
    }
    if copy.height > 1 && copy.from.pitch.min(copy.to.pitch) < copy.width_bytes {
        return Err(Failure::InvalidValue);
    }
    let machine = machine();
    let length = |plane: &Plane| plane.pitch * (copy.height - 1) + copy.width_bytes;
    if from_device {
        machine.check_range("2D copy from the device", from, length(&copy.from))?;
    }
    if to_device {
        machine.check_range("2D copy to the device", to, length(&copy.to))?;
    }
    let bytes = copy.width_bytes * copy.height;
    match (from_device, to_device) {
        (false, true) => machine.counts().add_host_to_device(bytes),
        (true, false) => machine.counts().device_to_host.add(bytes),
        _ => machine.counts().device_to_device.add(bytes),
    }
    machine.settings.log.event(|| format!("2D copy of {bytes} bytes from {from:#x} to {to:#x}"));
    for row in 0..copy.height {
        let from = (from as usize + row * copy.from.pitch) as *const u8;
        let to = (to as usize + row * copy.to.pitch) as *mut u8;
        // SAFETY: ranges of devices were checked, the caller of the driver promises others.
        unsafe { std::ptr::copy(from, to, copy.width_bytes) };
    }
    Ok(())
}

functions! {
    /// From the host.
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { to_device(to, from, bytes) }
    }

    /// From the host, in the order of a stream.
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, _stream: u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { to_device(to, from, bytes) }
    }

    /// To the host.
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { to_host(to, from, bytes) }
    }

    /// To the host, in the order of a stream.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, _stream: u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { to_host(to, from, bytes) }
    }

    /// From device to device.
    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        // SAFETY: `on_device` checks both ranges.
        unsafe { on_device(to, from, bytes) }
    }

    /// From device to device, in the order of a stream.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, _stream: u64) {
        // SAFETY: `on_device` checks both ranges.
        unsafe { on_device(to, from, bytes) }
    }

    /// Rows of bytes.
    fn cuMemcpy2D_v2(copy: *const Copy2D) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { plane(copy) }
    }

    /// Rows of bytes, in the order of a stream.
    fn cuMemcpy2DAsync_v2(copy: *const Copy2D, _stream: u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { plane(copy) }
    }
}
