//! Copies from memory of the device to shared memory: `cp.async`, and tiles of tensors.

use super::Fault;
use super::lanes::lanes_of;
use super::memory::Memory;
use super::warp::Warp;
use crate::compile::{CopyAsync, TensorLoad};
use crate::ptx::Space;

/// What a `CUtensorMap` holds here; its 128 bytes are opaque to programs.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TensorMap {
    pub(crate) magic: u32,
    pub(crate) rank: u32,
    pub(crate) element_bytes: u32,
    pub(crate) swizzle: u32,
    pub(crate) address: u64,
    pub(crate) dimensions: [u32; 5],
    pub(crate) boxes: [u16; 5],
    pub(crate) steps: [u8; 5],
    pub(crate) strides: [u64; 4],
}

impl TensorMap {
    /// Marks a map that the driver here has made.
    pub(crate) const MAGIC: u32 = 0x544d_4150;
}

const _: () = assert!(size_of::<TensorMap>() <= 128, "a CUtensorMap has 128 bytes");

impl Warp {
    /// `cp.async`
    pub(crate) fn copy_async(
        &mut self,
        memory: &Memory,
        copy: &CopyAsync,
        mask: u32,
    ) -> Result<(), Fault> {
        for lane in lanes_of(mask) {
            let read = copy.read.map_or(copy.bytes, |slot| {
                (self.registers.lanes::<u32>(slot)[lane] as usize).min(copy.bytes)
            });
            let to = self.address(Space::Shared, &copy.to, lane);
            let to = self.resolve(memory, Space::Shared, lane, to, copy.bytes)?;
            // SAFETY: `resolve` checked that so many bytes are there.
            unsafe { to.write_bytes(0, copy.bytes) };
            if read == 0 {
                continue;
            }
            let from = self.address(Space::Global, &copy.from, lane);
            if !from.is_multiple_of(copy.bytes as u64) {
                let text = format!("lane {lane}: cp.async from the misaligned address {from:#x}");
                return Err(Fault::new(crate::failure::Failure::MisalignedAddress, text));
            }
            // The last byte is in the same allocation as the first.
            let first = self.resolve(memory, Space::Global, lane, from, 1)?;
            self.resolve(memory, Space::Global, lane, from + read as u64 - 1, 1)?;
            // SAFETY: both ranges were checked, and memory of the device is not shared memory.
            unsafe { to.copy_from_nonoverlapping(first, read) };
        }
        Ok(())
    }

    /// `cp.async.bulk.tensor` of a tile; what is outside of the tensor is zero.
    pub(crate) fn tensor_load(
        &mut self,
        memory: &Memory,
        load: &TensorLoad,
        mask: u32,
    ) -> Result<(), Fault> {
        for lane in lanes_of(mask) {
            let at = self.address(Space::Generic, &load.map, lane);
            self.resolve(memory, Space::Generic, lane, at, 8)?;
            let map = self.resolve(memory, Space::Generic, lane, at + 120, 8)?;
            // SAFETY: the first and the last of 128 bytes were checked, and a map is no longer.
            let map: TensorMap = unsafe { map.sub(120).cast::<TensorMap>().read_unaligned() };
            let rank = map.rank as usize;
            if map.magic != TensorMap::MAGIC || rank > 5 || rank != load.coordinates.len() {
                return Err(Fault::failed("what should be a tensor map is none of this rank"));
            }
            let bytes = map.element_bytes as usize;
            let elements: usize = map.boxes[..rank].iter().map(|size| *size as usize).product();
            let start = self.address(Space::Shared, &load.to, lane);
            for element in 0..elements {
                let (mut rest, mut from, mut inside) = (element, map.address, true);
                for axis in 0..rank {
                    let index = rest % map.boxes[axis] as usize * map.steps[axis] as usize;
                    rest /= map.boxes[axis] as usize;
                    let first = self.registers.lanes::<i32>(load.coordinates[axis])[lane];
                    let place = i64::from(first) + index as i64;
                    inside &= (0..i64::from(map.dimensions[axis])).contains(&place);
                    let stride = if axis == 0 { bytes as u64 } else { map.strides[axis - 1] };
                    from = from.wrapping_add((place as u64).wrapping_mul(stride));
                }
                let to = swizzled(start + (element * bytes) as u64, map.swizzle)?;
                let to = self.resolve(memory, Space::Shared, lane, to, bytes)?;
                if inside {
                    let from = self.resolve(memory, Space::Global, lane, from, bytes)?;
                    // SAFETY: both ranges were checked.
                    unsafe { to.copy_from_nonoverlapping(from, bytes) };
                } else {
                    // SAFETY: as above.
                    unsafe { to.write_bytes(0, bytes) };
                }
            }
            self.complete_bytes(memory, &load.barrier, lane, elements * bytes)?;
        }
        Ok(())
    }
}

/// Where a byte of a tile goes: of its address, bits 4 to 6 are combined with bits 7 to 9, as many
/// as the swizzle of 32, 64 or 128 bytes has.
fn swizzled(at: u64, swizzle: u32) -> Result<u64, Fault> {
    let mask = match swizzle {
        0 => 0,
        1 => 1,
        2 => 3,
        3 => 7,
        other => return Err(Fault::failed(format!("swizzle {other} of a tensor map"))),
    };
    Ok(at ^ (at >> 7 & mask) << 4)
}
