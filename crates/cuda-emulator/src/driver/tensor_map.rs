//! Maps of tensors, by which kernels copy tiles.

use std::ffi::{c_int, c_uint};

use super::{functions, give, machine};
use crate::failure::{Failure, Outcome};
use crate::interpreter::TensorMap;

/// Bytes of `CUtensorMapDataType`.
fn element_bytes(data_type: c_int) -> Outcome<u32> {
    match data_type {
        0 => Ok(1),
        1 | 6 | 9 => Ok(2),
        2 | 3 | 7 | 10 | 11 | 12 => Ok(4),
        4 | 5 | 8 => Ok(8),
        _ => Err(Failure::InvalidValue),
    }
}

functions! {
    /// A map of tiles.
    fn cuTensorMapEncodeTiled(
        to: *mut TensorMap,
        data_type: c_int,
        rank: c_uint,
        address: u64,
        dimensions: *const u64,
        strides: *const u64,
        boxes: *const c_uint,
        steps: *const c_uint,
        interleave: c_int,
        swizzle: c_int,
        _promotion: c_int,
        _fill: c_int,
    ) {
        let element_bytes = element_bytes(data_type)?;
        let axes = rank as usize;
        let swizzles = 0..=3;
        if !(1..=5).contains(&axes)
            || interleave != 0
            || !swizzles.contains(&swizzle)
            || !address.is_multiple_of(16)
            || dimensions.is_null()
            || boxes.is_null()
            || steps.is_null()
            || strides.is_null() && axes > 1
        {
            return Err(Failure::InvalidValue);
        }
        let mut map = TensorMap {
            magic: TensorMap::MAGIC,
            rank,
            element_bytes,
            swizzle: swizzle as u32,
            address,
            dimensions: [1; 5],
            boxes: [1; 5],
            steps: [1; 5],
            strides: [0; 4],
        };
        for axis in 0..axes {
            // SAFETY: as `cuda.h` asks for, there is one number for each axis.
            let (dimension, size, step) =
                unsafe { (*dimensions.add(axis), *boxes.add(axis), *steps.add(axis)) };
            if !(1..=256).contains(&size) || !(1..=8).contains(&step) {
                return Err(Failure::InvalidValue);
            }
            map.dimensions[axis] = dimension.try_into().map_err(|_| Failure::InvalidValue)?;
            map.boxes[axis] = size as u16;
            map.steps[axis] = step as u8;
            if axis + 1 < axes {
                // SAFETY: as above; the first axis has no stride.
                map.strides[axis] = unsafe { *strides.add(axis) };
                if !map.strides[axis].is_multiple_of(16) {
                    return Err(Failure::InvalidValue);
                }
            }
        }
        machine().settings.log.event(|| format!("tensor map {map:?}"));
        // SAFETY: as `cuda.h` asks for; a map has 128 bytes.
        unsafe { give(to, map) }
    }

    /// Maps for convolutions cannot be interpreted.
    fn cuTensorMapEncodeIm2col() { im2col() }

    /// Nor these.
    fn cuTensorMapEncodeIm2colWide() { im2col() }
}

fn im2col() -> Outcome {
    let machine = machine();
    machine.settings.log.event(|| "a map for im2col".into());
    // Where nothing is computed the map is not looked at.
    if machine.settings.computes { Err(Failure::NotSupported) } else { Ok(()) }
}
