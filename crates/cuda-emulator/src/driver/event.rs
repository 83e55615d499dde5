//! Events. The time between two is that of the instructions between them, so that what chooses by
//! time chooses the same each time.

use std::ffi::c_uint;

use super::{current_device, functions, give, machine};
use crate::failure::{Failure, Outcome};
use crate::machine::Event;

unsafe fn elapsed(ms: *mut f32, start: u64, end: u64) -> Outcome {
    let machine = machine();
    let time = |event: u64| {
        let event = machine.events.get(&event).ok_or(Failure::InvalidHandle)?;
        event.recorded.ok_or(Failure::InvalidHandle)
    };
    let ns = time(end)? as f64 - time(start)? as f64;
    // SAFETY: the caller of the driver promises a pointer that is null or good.
    unsafe { give(ms, (ns / 1e6) as f32) }
}

functions! {
    /// A new event.
    fn cuEventCreate(to: *mut u64, _flags: c_uint) {
        let device = current_device()?;
        let mut machine = machine();
        let event = machine.new_handle();
        machine.events.insert(event, Event { device, recorded: None });
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(to, event) }
    }

    /// Ends an event.
    fn cuEventDestroy_v2(event: u64) {
        machine().events.remove(&event).map(|_| ()).ok_or(Failure::InvalidHandle)
    }

    /// Notes the time.
    fn cuEventRecord(event: u64, _stream: u64) {
        let mut machine = machine();
        let now = machine.now();
        let event = machine.events.get_mut(&event).ok_or(Failure::InvalidHandle)?;
        event.recorded = Some(now);
        let device = event.device;
        machine.check(device)
    }

    /// Waits for an event; the thread may have no context.
    fn cuEventSynchronize(event: u64) {
        let machine = machine();
        machine.counts().event_synchronisations += 1;
        let event = machine.events.get(&event).ok_or(Failure::InvalidHandle)?;
        machine.check(event.device)
    }

    /// Whether an event has come.
    fn cuEventQuery(event: u64) {
        let machine = machine();
        let event = machine.events.get(&event).ok_or(Failure::InvalidHandle)?;
        machine.check(event.device)
    }

    /// Milliseconds between two events.
    fn cuEventElapsedTime(ms: *mut f32, start: u64, end: u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { elapsed(ms, start, end) }
    }

    /// The same, since CUDA 12.8.
    fn cuEventElapsedTime_v2(ms: *mut f32, start: u64, end: u64) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { elapsed(ms, start, end) }
    }
}
