//! A machine for one test.

use crate::failure::{Failure, Outcome};
use crate::interpreter::memory::Bytes;
use crate::machine::Machine;
use crate::settings::Settings;

/// A machine, and a module on its first device.
pub(super) struct Device {
    pub(super) machine: Machine,
    module: u64,
}

/// An argument of a kernel.
pub(super) enum Argument {
    Pointer(u64),
    Int(i32),
    Long(i64),
    Float(f32),
}

impl Device {
    /// With settings of its own.
    pub(super) fn with(settings: Settings, ptx: &str) -> Self {
        let mut machine = Machine::new(settings);
        let module = machine.load(0, ptx).expect("the module is good");
        Self { machine, module }
    }

    /// With the settings that a process has where nothing is said.
    pub(super) fn new(ptx: &str) -> Self {
        Self::with(Settings { sm: 80, ..Settings::default() }, ptx)
    }

    /// Memory with these numbers.
    pub(super) fn upload<T: Copy>(&mut self, numbers: &[T]) -> u64 {
        let start = self.machine.allocate(0, size_of_val(numbers)).expect("there is room");
        // SAFETY: so many bytes were allocated.
        unsafe { (start as *mut T).copy_from_nonoverlapping(numbers.as_ptr(), numbers.len()) };
        start
    }

    /// Numbers of memory.
    pub(super) fn download<T: Copy>(&self, start: u64, count: usize) -> Vec<T> {
        assert_eq!(self.machine.owner(start, count * size_of::<T>()), Some(0));
        // SAFETY: the range is in one allocation of a device.
        unsafe { std::slice::from_raw_parts(start as *const T, count) }.to_vec()
    }

    /// Launches a kernel; what it does wrong is known afterwards.
    pub(super) fn launch(
        &mut self,
        name: &str,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &[Argument],
    ) -> Outcome {
        let function = self.machine.function(self.module, name)?;
        let (parameters, bytes) = self.machine.parameters(function)?;
        assert_eq!(parameters.len(), arguments.len());
        let mut values = Bytes::new(bytes + 8);
        for (parameter, argument) in parameters.iter().zip(arguments) {
            let value = match *argument {
                Argument::Pointer(value) => value,
                Argument::Int(value) => u64::from(value as u32),
                Argument::Long(value) => value as u64,
                Argument::Float(value) => value.to_bits().into(),
            };
            let bytes = value.to_le_bytes();
            // SAFETY: the parameter lies within the bytes.
            unsafe {
                let to = values.as_mut_ptr().add(parameter.offset);
                to.copy_from_nonoverlapping(bytes.as_ptr(), parameter.bytes);
            }
        }
        self.machine.launch(function, grid, block, 0, values)
    }

    /// The error that a kernel has left.
    pub(super) fn fault(&self) -> Option<Failure> {
        self.machine.check(0).err()
    }
}

/// Numbers between -`scale` and `scale`, always the same.
pub(super) fn numbers(count: usize, scale: f32) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    std::iter::repeat_with(next).take(count).collect()
}
