//! Memory of devices and of the host.

use std::ffi::{c_uint, c_void};

use super::stream::device_of;
use super::{current_device, functions, give, machine};
use crate::failure::{Failure, Outcome};

unsafe fn allocate(to: *mut u64, bytes: usize, device: usize) -> Outcome {
    if to.is_null() {
        return Err(Failure::InvalidValue);
    }
    let start = machine().allocate(device, bytes)?;
    // SAFETY: the caller of the driver promises a good pointer.
    unsafe { give(to, start) }
}

unsafe fn set<T: Copy>(to: u64, value: T, count: usize) -> Outcome {
    let bytes = count.checked_mul(size_of::<T>()).ok_or(Failure::InvalidValue)?;
    let machine = machine();
    machine.check_range("memset", to, bytes)?;
    if !to.is_multiple_of(align_of::<T>() as u64) {
        return Err(Failure::InvalidValue);
    }
    machine.counts().memsets.add(bytes);
    // SAFETY: the range is memory of a device, and aligned.
    unsafe { std::slice::from_raw_parts_mut(to as *mut T, count) }.fill(value);
    Ok(())
}

functions! {
    /// Allocates memory of the device.
    fn cuMemAlloc_v2(to: *mut u64, bytes: usize) {
        let device = current_device()?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { allocate(to, bytes, device) }
    }

    /// The same, in the order of a stream.
    fn cuMemAllocAsync(to: *mut u64, bytes: usize, stream: u64) {
        let device = device_of(stream)?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { allocate(to, bytes, device) }
    }

    /// Frees memory of a device.
    fn cuMemFree_v2(start: u64) { machine().free(start) }

    /// The same, in the order of a stream.
    fn cuMemFreeAsync(start: u64, _stream: u64) { machine().free(start) }

    /// Allocates memory of the host.
    fn cuMemAllocHost_v2(to: *mut u64, bytes: usize) {
        let start = machine().allocate_host(bytes);
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(to, start) }
    }

    /// The same, with flags.
    fn cuMemHostAlloc(to: *mut u64, bytes: usize, _flags: c_uint) {
        let start = machine().allocate_host(bytes);
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(to, start) }
    }

    /// Frees memory of the host.
    fn cuMemFreeHost(start: *mut c_void) { machine().free_host(start as u64) }

    /// Memory that is free, and that there is.
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let device = current_device()?;
        let info = machine().memory_info(device)?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(free, (info.total - info.used) as usize) }?;
        // SAFETY: as above.
        unsafe { give(total, info.total as usize) }
    }

    /// Fills memory with a byte.
    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) {
        // SAFETY: `set` checks the range.
        unsafe { set(to, value, count) }
    }

    /// The same, in the order of a stream.
    fn cuMemsetD8Async(to: u64, value: u8, count: usize, _stream: u64) {
        // SAFETY: `set` checks the range.
        unsafe { set(to, value, count) }
    }

    /// Fills memory with 32 bits.
    fn cuMemsetD32_v2(to: u64, value: c_uint, count: usize) {
        // SAFETY: `set` checks the range.
        unsafe { set(to, value, count) }
    }

    /// The same, in the order of a stream.
    fn cuMemsetD32Async(to: u64, value: c_uint, count: usize, _stream: u64) {
        // SAFETY: `set` checks the range.
        unsafe { set(to, value, count) }
    }
}
