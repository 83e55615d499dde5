//! Modules: PTX becomes programs.

use std::ffi::{c_char, c_uint, c_void};

use super::{current_device, functions, give, machine, text_at};
use crate::failure::{Failure, Outcome};

unsafe fn load(to: *mut u64, image: *const c_void) -> Outcome {
    let device = current_device()?;
    if to.is_null() || image.is_null() {
        return Err(Failure::InvalidValue);
    }
    // SAFETY: the caller of the driver promises an image, of which every kind has four bytes.
    let start = unsafe { image.cast::<[u8; 4]>().read_unaligned() };
    // ELF, or a bundle of several images: machine code, which is not for this machine.
    if start == *b"\x7fELF" || start == 0xba55_ed50u32.to_le_bytes() {
        machine().settings.log.problem("a module is machine code; only PTX can be interpreted");
        return Err(Failure::NoBinaryForGpu);
    }
    // SAFETY: PTX ends with a zero.
    let text = unsafe { text_at(image.cast()) }?;
    let module = machine().load(device, &text)?;
    // SAFETY: as above.
    unsafe { give(to, module) }
}

functions! {
    /// Loads a module.
    fn cuModuleLoadData(to: *mut u64, image: *const c_void) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { load(to, image) }
    }

    /// The same; options of the compiler change nothing.
    fn cuModuleLoadDataEx(
        to: *mut u64,
        image: *const c_void,
        _count: c_uint,
        _options: *const c_void,
        _values: *const c_void,
    ) {
        // SAFETY: as `cuda.h` asks for.
        unsafe { load(to, image) }
    }

    /// Unloads a module.
    fn cuModuleUnload(module: u64) { machine().unload(module) }

    /// A kernel of a module.
    fn cuModuleGetFunction(to: *mut u64, module: u64, name: *const c_char) {
        // SAFETY: as `cuda.h` asks for.
        let name = unsafe { text_at(name) }?;
        let function = machine().function(module, &name)?;
        // SAFETY: as above.
        unsafe { give(to, function) }
    }

    /// A variable of a module.
    fn cuModuleGetGlobal_v2(to: *mut u64, bytes: *mut usize, module: u64, name: *const c_char) {
        // SAFETY: as `cuda.h` asks for.
        let name = unsafe { text_at(name) }?;
        let (start, size) = machine().variable(module, &name)?;
        if !bytes.is_null() {
            // SAFETY: as above.
            unsafe { give(bytes, size) }?;
        }
        // SAFETY: as above.
        unsafe { give(to, start) }
    }
}
