//! NVML's functions, as `libnvidia-ml.so.1` has them. NVML counts all devices, whatever CUDA sees.

use std::ffi::{c_char, c_int, c_uint};

use crate::driver::{give, give_text, machine, text_at};
use crate::failure::{Failure, Outcome};

/// `NVML_ERROR_*`, which have numbers of their own.
#[derive(Clone, Copy)]
enum Error {
    InvalidArgument = 2,
    NotFound = 6,
    DriverNotLoaded = 9,
}

/// Answers with NVML's numbers.
fn answered(name: &str, body: impl FnOnce() -> Result<(), Error>) -> c_int {
    let mut error = 0;
    let number = crate::driver::answered(name, || {
        if let Err(found) = body() {
            error = found as c_int;
        }
        Ok(())
    });
    if number == 0 { error } else { 999 }
}

/// The device of a handle: its index and one.
fn device(handle: usize) -> Result<usize, Error> {
    let index = handle.checked_sub(1).ok_or(Error::InvalidArgument)?;
    if index < machine().settings.devices { Ok(index) } else { Err(Error::InvalidArgument) }
}

fn given(outcome: Outcome) -> Result<(), Error> {
    outcome.map_err(|_: Failure| Error::InvalidArgument)
}

fn machine_name(device: usize) -> String {
    machine().settings.name_of(device)
}

/// As the driver's `functions`, with NVML's errors.
macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers must be as `nvml.h` asks for.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            answered(stringify!($name), || $body)
        }
    )*};
}

functions! {
    /// Starts.
    fn nvmlInit_v2() {
        if machine().settings.devices == 0 { Err(Error::DriverNotLoaded) } else { Ok(()) }
    }

    /// Starts.
    fn nvmlInitWithFlags(_flags: c_uint) {
        if machine().settings.devices == 0 { Err(Error::DriverNotLoaded) } else { Ok(()) }
    }

    /// Ends.
    fn nvmlShutdown() {
        Ok(())
    }

    /// The driver, by the name of its release.
    fn nvmlSystemGetDriverVersion(to: *mut c_char, bytes: c_uint) {
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give_text(to, bytes as usize, "580.0") })
    }

    /// The version of CUDA that the driver has.
    fn nvmlSystemGetCudaDriverVersion_v2(to: *mut c_int) {
        let driver = machine().settings.driver;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, driver) })
    }

    /// How many devices there are.
    fn nvmlDeviceGetCount_v2(to: *mut c_uint) {
        let devices = machine().settings.devices as c_uint;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, devices) })
    }

    /// A device by its number.
    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, to: *mut usize) {
        let handle = index as usize + 1;
        device(handle)?;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, handle) })
    }

    /// A device by its place on the bus.
    fn nvmlDeviceGetHandleByPciBusId_v2(id: *const c_char, to: *mut usize) {
        // SAFETY: as `nvml.h` asks for.
        let id = unsafe { text_at(id) }.map_err(|_| Error::InvalidArgument)?;
        let bus = id.split(':').nth_back(1).and_then(|bus| usize::from_str_radix(bus, 16).ok());
        let handle = bus.ok_or(Error::InvalidArgument)?;
        device(handle).map_err(|_| Error::NotFound)?;
        // SAFETY: as above.
        given(unsafe { give(to, handle) })
    }

    /// Its number.
    fn nvmlDeviceGetIndex(handle: usize, to: *mut c_uint) {
        let index = device(handle)? as c_uint;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, index) })
    }

    /// Its name.
    fn nvmlDeviceGetName(handle: usize, to: *mut c_char, bytes: c_uint) {
        let name = machine_name(device(handle)?);
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give_text(to, bytes as usize, &name) })
    }

    /// How busy it and its memory are, in percent.
    fn nvmlDeviceGetUtilizationRates(handle: usize, to: *mut [c_uint; 2]) {
        device(handle)?;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, [50, 50]) })
    }

    /// Bytes of its memory: all, free, used.
    fn nvmlDeviceGetMemoryInfo(handle: usize, to: *mut [u64; 3]) {
        let device = device(handle)?;
        let info = machine().memory_info(device).map_err(|_| Error::InvalidArgument)?;
        // SAFETY: as `nvml.h` asks for.
        given(unsafe { give(to, [info.total, info.total - info.used, info.used]) })
    }
}
