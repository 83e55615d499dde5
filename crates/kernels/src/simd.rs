//! Vectors of single-precision numbers, as wide as the processor has them.
//!
//! A kernel is written once, generic over `S: Simd`, marked `#[inline(always)]`, and entered through a
//! function marked `#[macerator::with_simd]`, which compiles it for AVX-512, AVX2, SSE4.2 or NEON and
//! chooses among them at run time.

use macerator::{Scalar, Simd, vload_unaligned, vstore_unaligned};

/// A vector of `S::lanes32()` numbers.
pub(crate) type Vector<S> = macerator::Vector<S, f32>;

/// The most numbers that a vector has on any processor.
pub(crate) const MAX_LANES: usize = 16;

/// Numbers in a vector on this machine.
pub(crate) fn lanes() -> usize {
    #[macerator::with_simd]
    fn count<S: Simd>() -> usize {
        S::lanes32()
    }
    count()
}

/// `len` rounded up to whole vectors.
pub(crate) fn padded(len: usize, lanes: usize) -> usize {
    len.div_ceil(lanes) * lanes
}

/// A vector of zeros.
#[inline(always)]
pub(crate) fn zero<S: Simd>() -> Vector<S> {
    0f32.splat()
}

/// A vector whose numbers are all `value`.
#[inline(always)]
pub(crate) fn splat<S: Simd>(value: f32) -> Vector<S> {
    value.splat()
}

/// Zero where a number is below it. A NaN stays, as it does not with the `max` of every instruction set.
#[inline(always)]
pub(crate) fn rectified<S: Simd>(value: Vector<S>) -> Vector<S> {
    value.lt(zero::<S>()).select(zero::<S>(), value)
}

/// Reads a vector.
///
/// # Safety
/// `S::lanes32()` numbers must be readable at `from`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32) -> Vector<S> {
    // SAFETY: what the caller promises.
    unsafe { vload_unaligned(from) }
}

/// Writes a vector.
///
/// # Safety
/// `S::lanes32()` numbers must be writable at `to`.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(to: *mut f32, value: Vector<S>) {
    // SAFETY: what the caller promises.
    unsafe { vstore_unaligned(to, value) }
}

/// Reads the first `len` numbers of a vector, zeros behind them.
///
/// # Safety
/// `min(len, S::lanes32())` numbers must be readable at `from`.
#[inline(always)]
pub(crate) unsafe fn load_part<S: Simd>(from: *const f32, len: usize) -> Vector<S> {
    let lanes = S::lanes32();
    // SAFETY: no more is read than the caller promises; the buffer has room for any vector.
    unsafe {
        if len >= lanes {
            return load(from);
        }
        let mut buffer = [0f32; MAX_LANES];
        std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), len);
        load(buffer.as_ptr())
    }
}

/// Writes the first `len` numbers of a vector.
///
/// # Safety
/// `min(len, S::lanes32())` numbers must be writable at `to`.
#[inline(always)]
pub(crate) unsafe fn store_part<S: Simd>(to: *mut f32, value: Vector<S>, len: usize) {
    let lanes = S::lanes32();
    // SAFETY: no more is written than the caller promises; the buffer has room for any vector.
    unsafe {
        if len >= lanes {
            return store(to, value);
        }
        let mut buffer = [0f32; MAX_LANES];
        store(buffer.as_mut_ptr(), value);
        std::ptr::copy_nonoverlapping(buffer.as_ptr(), to, len);
    }
}

/// Puts what a function makes of each number in its place.
#[inline(always)]
pub(crate) fn map<S: Simd>(values: &mut [f32], of: impl Fn(Vector<S>) -> Vector<S>) {
    for values in values.chunks_mut(S::lanes32()) {
        let len = values.len();
        // SAFETY: `len` numbers are there.
        unsafe {
            let value = of(load_part::<S>(values.as_ptr(), len));
            store_part(values.as_mut_ptr(), value, len);
        }
    }
}
