//! The driver's functions, as `libcuda.so.1` has them, by theme.
//!
//! Each answers a number: zero, or that of a [`Failure`]. A panic becomes `CUDA_ERROR_UNKNOWN`.

mod context;
mod copy;
mod device;
mod error;
mod event;
mod export;
mod launch;
mod memory;
mod module;
mod stream;
mod tensor_map;

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

pub(crate) use context::current_device;

use crate::counts::Counts;
use crate::failure::{Failure, Outcome};
use crate::log::complain;
use crate::machine::Machine;
use crate::settings::Settings;

/// Functions with the calling convention of C, which answer the number of an error.
macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers must be as `cuda.h` or `nvml.h` asks for.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> std::ffi::c_int {
            $crate::driver::answered(stringify!($name), || $body)
        }
    )*};
}
pub(crate) use functions;

/// The number of an outcome.
pub(crate) fn answered(name: &str, body: impl FnOnce() -> Outcome) -> c_int {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(failure)) => failure as c_int,
        Err(_) => {
            complain(&format!("{name} panicked"));
            Failure::Unknown as c_int
        }
    }
}

/// What is written at the end of the process.
static COUNTS: OnceLock<(Arc<Mutex<Counts>>, String)> = OnceLock::new();

/// The devices of this process.
pub(crate) fn machine() -> MutexGuard<'static, Machine> {
    static MACHINE: OnceLock<Mutex<Machine>> = OnceLock::new();
    let machine = MACHINE.get_or_init(|| {
        let machine = Machine::new(Settings::of_process());
        if let Some(file) = &machine.settings.counts {
            COUNTS.get_or_init(|| (machine.shared_counts(), file.clone()));
        }
        Mutex::new(machine)
    });
    machine.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Runs when the process ends or lets go of the library.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_END: extern "C" fn() = {
    extern "C" fn write_counts() {
        let Some((counts, file)) = COUNTS.get() else { return };
        // Counts are held for moments only; who panics with them has counted nothing wrong.
        let counts = counts.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Err(error) = counts.write(file) {
            complain(&format!("cannot write the counts `{file}`: {error}"));
        }
    }
    write_counts
};

/// Writes a result where the caller wants it.
///
/// # Safety
/// The pointer must be null or lead to memory for a `T`.
pub(crate) unsafe fn give<T>(to: *mut T, value: T) -> Outcome {
    if to.is_null() {
        return Err(Failure::InvalidValue);
    }
    // SAFETY: the caller promises that there is memory.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// Writes a text and its zero, cut off where there is no room.
///
/// # Safety
/// The pointer must be null or lead to so many bytes.
pub(crate) unsafe fn give_text(to: *mut c_char, bytes: usize, text: &str) -> Outcome {
    if to.is_null() || bytes == 0 {
        return Err(Failure::InvalidValue);
    }
    let length = text.len().min(bytes - 1);
    // SAFETY: the caller promises that there are so many bytes.
    unsafe {
        to.copy_from_nonoverlapping(text.as_ptr().cast(), length);
        to.add(length).write(0);
    }
    Ok(())
}

/// Reads a text.
///
/// # Safety
/// The pointer must be null or lead to bytes that end with a zero.
pub(crate) unsafe fn text_at(from: *const c_char) -> Outcome<String> {
    if from.is_null() {
        return Err(Failure::InvalidValue);
    }
    // SAFETY: the caller promises that a zero ends it.
    Ok(unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned())
}
