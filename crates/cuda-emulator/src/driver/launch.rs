//! Launches of kernels.

use std::ffi::{c_int, c_uint, c_void};

use super::{functions, give, machine};
use crate::failure::Failure;
use crate::interpreter::memory::Bytes;
use crate::machine::MOST_THREADS;

/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`
const MOST_DYNAMIC_SHARED: c_int = 8;

functions! {
    /// Launches a kernel.
    fn cuLaunchKernel(
        function: u64,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        dynamic_shared: c_uint,
        _stream: u64,
        arguments: *const *const c_void,
        extra: *const *const c_void,
    ) {
        let mut machine = machine();
        let (parameters, bytes) = machine.parameters(function)?;
        if !extra.is_null() {
            return Err(Failure::NotSupported);
        }
        if arguments.is_null() && !parameters.is_empty() {
            return Err(Failure::InvalidValue);
        }
        let mut block_of_parameters = Bytes::new(bytes + 8);
        for (index, parameter) in parameters.iter().enumerate() {
            // SAFETY: there is a pointer for each parameter, as `cuda.h` asks for.
            let from = unsafe { *arguments.add(index) };
            if from.is_null() {
                return Err(Failure::InvalidValue);
            }
            let to = block_of_parameters.as_mut_ptr();
            // SAFETY: as above, it leads to the parameter; its place lies within `bytes`.
            unsafe { to.add(parameter.offset).copy_from(from.cast(), parameter.bytes) };
        }
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        machine.launch(function, grid, block, dynamic_shared as usize, block_of_parameters)
    }

    /// Asks for more dynamic shared memory; other attributes change nothing.
    fn cuFuncSetAttribute(function: u64, attribute: c_int, value: c_int) {
        let mut machine = machine();
        machine.parameters(function)?;
        if attribute == MOST_DYNAMIC_SHARED {
            let bytes = usize::try_from(value).map_err(|_| Failure::InvalidValue)?;
            machine.allow_dynamic_shared(function, bytes)?;
        }
        Ok(())
    }

    /// What a kernel needs.
    fn cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: u64) {
        let program = machine().program(function)?;
        let found = match attribute {
            0 => program.most_threads.unwrap_or(MOST_THREADS) as c_int,
            1 => program.shared_bytes as c_int,
            3 => program.local_bytes as c_int,
            _ => 0,
        };
        // SAFETY: as `cuda.h` asks for.
        unsafe { give(value, found) }
    }
}
