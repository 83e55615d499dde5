//! Contexts: each device has one, its primary context.

use std::cell::Cell;
use std::ffi::{c_int, c_uint};

use super::{functions, give, machine};
use crate::failure::{Failure, Outcome};

/// The handle of the context of the first device; others follow at distances of [`STEP`].
const FIRST: u64 = 0x100;
const STEP: u64 = 0x10;

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// The device of the context of this thread, as NVML counts it.
pub(crate) fn current_device() -> Outcome<usize> {
    device_of(CURRENT.get())
}

/// A device by the number that CUDA has for it becomes one by the number that NVML has.
fn device_of(context: u64) -> Outcome<usize> {
    let index = context.checked_sub(FIRST).filter(|distance| distance % STEP == 0);
    let index = index.ok_or(Failure::InvalidContext)? / STEP;
    machine().settings.visible.get(index as usize).copied().ok_or(Failure::InvalidContext)
}

functions! {
    /// The context of a device.
    fn cuDevicePrimaryCtxRetain(context: *mut u64, device: c_int) {
        let index = usize::try_from(device).map_err(|_| Failure::InvalidDevice)?;
        if index >= machine().settings.visible.len() {
            return Err(Failure::InvalidDevice);
        }
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(context, FIRST + STEP * index as u64) }
    }

    /// Lets go of it.
    fn cuDevicePrimaryCtxRelease_v2(_device: c_int) { Ok(()) }

    /// Makes a context that of this thread; zero: none.
    fn cuCtxSetCurrent(context: u64) {
        if context != 0 {
            device_of(context)?;
        }
        CURRENT.set(context);
        Ok(())
    }

    /// The context of this thread.
    fn cuCtxGetCurrent(context: *mut u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(context, CURRENT.get()) }
    }

    /// The device of this thread.
    fn cuCtxGetDevice(device: *mut c_int) {
        current_device()?;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(device, ((CURRENT.get() - FIRST) / STEP) as c_int) }
    }

    /// Waits for all that the context was given.
    fn cuCtxSynchronize() {
        let device = current_device()?;
        let machine = machine();
        machine.counts().context_synchronisations += 1;
        machine.check(device)
    }

    /// Priorities of streams.
    fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(least, 0) }?;
        // SAFETY: as above.
        unsafe { give(greatest, -5) }
    }

    /// Memory of other devices is not to be had.
    fn cuCtxEnablePeerAccess(_context: u64, _flags: c_uint) { Err(Failure::NotSupported) }
}
