//! Loads and stores.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Fault;
use super::lanes::{FULL, LANES, lanes_of};
use super::memory::Memory;
use super::warp::Warp;
use crate::compile::{Access, AtomicKind};
use crate::ptx::{Space, Type};

/// Loads or stores in the lanes of a mask.
///
/// # Safety
/// The processor must have the instructions that it was compiled for, and the access must be one
/// that the compiler made for the program of the warp.
pub(crate) type MemoryFunction = unsafe fn(&mut Warp, &Memory, &Access, u32) -> Result<(), Fault>;

/// A number as it lies in memory. Several threads of the host may touch it.
pub(crate) trait Cell: Copy + Default {
    /// Reads it.
    ///
    /// # Safety
    /// The pointer must be aligned and lead to memory of the device or the warp.
    unsafe fn read(at: *mut u8) -> Self;

    /// Writes it.
    ///
    /// # Safety
    /// As [`Cell::read`], and the memory must be writable.
    unsafe fn write(self, at: *mut u8);
}

macro_rules! cell {
    ($type:ty, $atomic:ty) => {
        impl Cell for $type {
            #[inline(always)]
            unsafe fn read(at: *mut u8) -> Self {
                // SAFETY: the caller promises an aligned pointer to memory that is there.
                unsafe { <$atomic>::from_ptr(at.cast()).load(Relaxed) as Self }
            }

            #[inline(always)]
            unsafe fn write(self, at: *mut u8) {
                // SAFETY: as above.
                unsafe { <$atomic>::from_ptr(at.cast()).store(self as _, Relaxed) }
            }
        }
    };
}

cell!(u8, AtomicU8);
cell!(i8, AtomicU8);
cell!(u16, AtomicU16);
cell!(i16, AtomicU16);
cell!(u32, AtomicU32);
cell!(i32, AtomicU32);
cell!(u64, AtomicU64);

/// `$cell` in memory, `$lane` in the register.
macro_rules! load {
    ($cell:ty, $lane:ty) => {{
        #[inline(always)]
        fn run(w: &mut Warp, m: &Memory, access: &Access, mask: u32) -> Result<(), Fault> {
            const SIZE: usize = size_of::<$cell>();
            let count = access.values.len();
            let places = w.resolve_all(m, access, mask, SIZE * count)?;
            for (index, slot) in access.values.iter().enumerate() {
                let mut values = [<$lane>::default(); LANES];
                let place = |lane: usize| places.place(lane, SIZE * index);
                if mask != FULL {
                    for lane in lanes_of(mask) {
                        // SAFETY: `resolve_all` checked the addresses of all lanes of the mask.
                        values[lane] = unsafe { <$cell>::read(place(lane)) } as $lane;
                    }
                } else if places.same {
                    // SAFETY: as above.
                    values = [unsafe { <$cell>::read(place(0)) } as $lane; LANES];
                } else if count == 1 && places.row {
                    // SAFETY: as above; the lanes' values lie side by side. Where blocks race for
                    // them, the kernel has no result on a GPU either.
                    let cells = unsafe { place(0).cast::<[$cell; LANES]>().read() };
                    for lane in 0..LANES {
                        values[lane] = cells[lane] as $lane;
                    }
                } else {
                    for lane in 0..LANES {
                        // SAFETY: as above.
                        values[lane] = unsafe { <$cell>::read(place(lane)) } as $lane;
                    }
                }
                w.registers.write(*slot, mask, &values);
            }
            Ok(())
        }
        compiled_twice!(MemoryFunction,
            (w: &mut Warp, m: &Memory, access: &Access, mask: u32) -> Result<(), Fault>,
            run(w, m, access, mask))
    }};
}

/// Loads a value of so many bytes into a register of at least as many.
pub(crate) fn load(bytes: usize, signed: bool, register: usize) -> Option<MemoryFunction> {
    Some(match (bytes, signed, register) {
        (1, false, 2) => load!(u8, u16),
        (1, false, 4) => load!(u8, u32),
        (1, false, 8) => load!(u8, u64),
        (1, true, 2) => load!(i8, u16),
        (1, true, 4) => load!(i8, u32),
        (1, true, 8) => load!(i8, u64),
        (2, _, 2) => load!(u16, u16),
        (2, false, 4) => load!(u16, u32),
        (2, false, 8) => load!(u16, u64),
        (2, true, 4) => load!(i16, u32),
        (2, true, 8) => load!(i16, u64),
        (4, _, 4) => load!(u32, u32),
        (4, false, 8) => load!(u32, u64),
        (4, true, 8) => load!(i32, u64),
        (8, _, 8) => load!(u64, u64),
        _ => return None,
    })
}

macro_rules! store {
    ($cell:ty, $lane:ty) => {{
        #[inline(always)]
        fn run(w: &mut Warp, m: &Memory, access: &Access, mask: u32) -> Result<(), Fault> {
            const SIZE: usize = size_of::<$cell>();
            if access.space == Space::Param {
                return Err(Fault::failed("a store to a parameter"));
            }
            let count = access.values.len();
            let places = w.resolve_all(m, access, mask, SIZE * count)?;
            for (index, slot) in access.values.iter().enumerate() {
                let values = w.registers.lanes::<$lane>(*slot);
                let place = |lane: usize| places.place(lane, SIZE * index);
                if count == 1 && places.row {
                    let mut cells = [<$cell>::default(); LANES];
                    for lane in 0..LANES {
                        cells[lane] = values[lane] as $cell;
                    }
                    // SAFETY: `resolve_all` checked the addresses of all lanes, and their values lie
                    // side by side. Where blocks race for them, the kernel has no result on a GPU
                    // either.
                    unsafe { place(0).cast::<[$cell; LANES]>().write(cells) };
                    continue;
                }
                for lane in lanes_of(mask) {
                    // SAFETY: `resolve_all` checked the addresses of all lanes of the mask.
                    unsafe { (values[lane] as $cell).write(place(lane)) };
                }
            }
            Ok(())
        }
        compiled_twice!(MemoryFunction,
            (w: &mut Warp, m: &Memory, access: &Access, mask: u32) -> Result<(), Fault>,
            run(w, m, access, mask))
    }};
}

/// Stores the lowest bytes of a register.
pub(crate) fn store(bytes: usize, register: usize) -> Option<MemoryFunction> {
    Some(match (bytes, register) {
        (1, 2) => store!(u8, u16),
        (1, 4) => store!(u8, u32),
        (1, 8) => store!(u8, u64),
        (2, 2) => store!(u16, u16),
        (2, 4) => store!(u16, u32),
        (2, 8) => store!(u16, u64),
        (4, 4) => store!(u32, u32),
        (4, 8) => store!(u32, u64),
        (8, 8) => store!(u64, u64),
        _ => return None,
    })
}

/// # Errors
/// Where there is no such atomic instruction.
pub(crate) fn check_atomic(kind: AtomicKind, type_: Type) -> Result<(), String> {
    super::atomic::changed(kind, type_, 0, 0, 0).map(|_| ()).ok_or("operation or type".into())
}

/// A number of 2, 4 or 8 bytes in memory.
///
/// # Safety
/// As [`Cell::read`].
pub(crate) unsafe fn read(at: *mut u8, bytes: usize) -> u64 {
    // SAFETY: the caller promises what `Cell::read` needs.
    unsafe {
        match bytes {
            2 => u16::read(at).into(),
            4 => u32::read(at).into(),
            _ => u64::read(at),
        }
    }
}

/// Writes a number of 2, 4 or 8 bytes.
///
/// # Safety
/// As [`Cell::write`].
pub(crate) unsafe fn write(at: *mut u8, bytes: usize, value: u64) {
    // SAFETY: the caller promises what `Cell::write` needs.
    unsafe {
        match bytes {
            2 => (value as u16).write(at),
            4 => (value as u32).write(at),
            _ => value.write(at),
        }
    }
}
