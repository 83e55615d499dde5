//! Streams. What they are given is done at once, so none has anything to wait for.

use std::ffi::{c_int, c_uint};

use super::{current_device, functions, give, machine};
use crate::failure::{Failure, Outcome};

unsafe fn create(to: *mut u64) -> Outcome {
    let device = current_device()?;
    let mut machine = machine();
    let stream = machine.new_handle();
    machine.streams.insert(stream, device);
    // SAFETY: the caller of the driver promises a pointer that is null or good.
    unsafe { give(to, stream) }
}

/// The device of a stream; the streams that are always there are those of the context.
pub(super) fn device_of(stream: u64) -> Outcome<usize> {
    if stream <= 2 {
        return current_device();
    }
    machine().streams.get(&stream).copied().ok_or(Failure::InvalidHandle)
}

functions! {
    /// A new stream.
    fn cuStreamCreate(to: *mut u64, _flags: c_uint) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { create(to) }
    }

    /// A new stream with a priority.
    fn cuStreamCreateWithPriority(to: *mut u64, _flags: c_uint, _priority: c_int) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { create(to) }
    }

    /// Ends a stream.
    fn cuStreamDestroy_v2(stream: u64) {
        machine().streams.remove(&stream).map(|_| ()).ok_or(Failure::InvalidHandle)
    }

    /// Waits for a stream.
    fn cuStreamSynchronize(stream: u64) {
        let device = device_of(stream)?;
        let machine = machine();
        machine.counts().stream_synchronisations += 1;
        machine.check(device)
    }

    /// Whether a stream is done.
    fn cuStreamQuery(stream: u64) {
        let device = device_of(stream)?;
        machine().check(device)
    }

    /// Lets a stream wait for an event.
    fn cuStreamWaitEvent(_stream: u64, event: u64, _flags: c_uint) {
        let known = machine().events.contains_key(&event);
        if known { Ok(()) } else { Err(Failure::InvalidHandle) }
    }
}
