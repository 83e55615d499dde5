//! Names of errors.

use std::ffi::{CStr, c_char, c_int};

use super::{functions, give};
use crate::failure::{Failure, Outcome};

unsafe fn named(
    error: c_int,
    to: *mut *const c_char,
    of: impl Fn(Failure) -> &'static CStr,
) -> Outcome {
    let text = match error {
        0 => c"CUDA_SUCCESS",
        number => of(Failure::of_number(number).ok_or(Failure::InvalidValue)?),
    };
    // SAFETY: the caller of the driver promises a pointer that is null or good.
    unsafe { give(to, text.as_ptr()) }
}

functions! {
    /// The symbol of an error.
    fn cuGetErrorName(error: c_int, to: *mut *const c_char) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { named(error, to, Failure::symbol) }
    }

    /// What an error means.
    fn cuGetErrorString(error: c_int, to: *mut *const c_char) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { named(error, to, Failure::words) }
    }
}
