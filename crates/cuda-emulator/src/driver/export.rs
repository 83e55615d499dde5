//! Tables that NVIDIA's own libraries ask for.

use std::ffi::c_void;

use super::{functions, give, machine};
use crate::failure::Failure;

functions! {
    /// There are none; NVRTC asks and goes on without, but only if it is answered.
    fn cuGetExportTable(table: *mut *const c_void, _id: *const c_void) {
        let machine = machine();
        machine.settings.log.event(|| "cuGetExportTable".into());
        machine.counts().export_table_requests += 1;
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(table, std::ptr::null()) }?;
        Err(Failure::NotFound)
    }

    /// Functions are found by their names in the library.
    fn cuGetProcAddress_v2(
        _symbol: *const std::ffi::c_char,
        function: *mut *const c_void,
        _version: std::ffi::c_int,
        _flags: u64,
        status: *mut std::ffi::c_int,
    ) {
        if !status.is_null() {
            // SAFETY: as `cuda.h` asks for; 1 says that there is no such symbol.
            unsafe { give(status, 1) }?;
        }
        // SAFETY: as above.
        unsafe { give(function, std::ptr::null()) }?;
        Err(Failure::NotFound)
    }
}
