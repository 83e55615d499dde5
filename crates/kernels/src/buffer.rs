//! Memory that is used again: a training step asks for the same sizes each time, and fresh pages cost
//! more than the arithmetic of many operators.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::sync::{Mutex, MutexGuard};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// A cache line, and the widest vector.
const ALIGNMENT: usize = 64;

/// Below this the system's allocator is as fast.
const SMALLEST: usize = 1 << 14;

/// What is held may exceed the most that was asked for at one time by one part in so many.
const SPARE: usize = 4;

/// Memory serves requests down to one part in so many of its size. Sizes of a step that are in use at different times
/// share memory by that; each with its own would take more than there is room for.
const LARGEST: usize = 2;

/// Single-precision numbers, always initialised; on drop the memory goes back to a pool.
pub(crate) struct Buffer {
    memory: Memory,
    len: usize,
}

struct Memory {
    at: NonNull<u8>,
    bytes: usize,
    /// What whoever uses it has asked for.
    asked: usize,
}

// SAFETY: the memory belongs to whoever holds it, like that of a `Box`.
unsafe impl Send for Memory {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Memory {}

/// What buffers have, and what nobody uses and may be used again.
static POOL: Mutex<Pool> = Mutex::new(Pool::new());

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Memory in use and memory to be used again. Together they stay below what was asked for at the most at one time and a
/// part more: a process that goes on to other sizes, as with a short last batch or the next run of a suite, gives the
/// old ones back.
struct Pool {
    /// Memory that nobody uses, what was given back first in front.
    free: VecDeque<Memory>,
    /// Bytes of it.
    free_bytes: usize,
    /// Bytes in use.
    used_bytes: usize,
    /// Bytes of them that were asked for.
    asked_bytes: usize,
    /// The most that was asked for at one time.
    most_bytes: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { free: VecDeque::new(), free_bytes: 0, used_bytes: 0, asked_bytes: 0, most_bytes: 0 }
    }

    /// What may be held beyond the most that was asked for.
    fn spare(&self) -> usize {
        self.most_bytes / SPARE
    }

    /// Memory for `bytes`, if some is free, and memory that there is no room for any more.
    fn take(&mut self, bytes: usize) -> (Option<Memory>, Vec<Memory>) {
        let room = self.spare().saturating_sub(self.used_bytes - self.asked_bytes);
        let largest = (bytes * LARGEST).min(bytes + room);
        self.asked_bytes += bytes;
        self.most_bytes = self.most_bytes.max(self.asked_bytes);
        let fitting = |(_, memory): &(usize, &Memory)| (bytes..=largest).contains(&memory.bytes);
        let position = self.free.iter().enumerate().rev().filter(fitting);
        let position =
            position.min_by_key(|(_, memory)| memory.bytes).map(|(position, _)| position);
        let mut found = position.and_then(|position| self.free.remove(position));
        if let Some(found) = &mut found {
            self.free_bytes -= found.bytes;
            found.asked = bytes;
        }
        self.used_bytes += found.as_ref().map_or(bytes, |found| found.bytes);
        let mut surplus = Vec::new();
        while self.used_bytes + self.free_bytes > self.most_bytes + self.spare() {
            let Some(oldest) = self.free.pop_front() else { break };
            self.free_bytes -= oldest.bytes;
            surplus.push(oldest);
        }
        (found, surplus)
    }

    /// Keeps memory that is no longer used.
    fn give_back(&mut self, memory: Memory) {
        self.asked_bytes -= memory.asked;
        self.used_bytes -= memory.bytes;
        self.free_bytes += memory.bytes;
        self.free.push_back(memory);
    }
}

impl Memory {
    /// At least `bytes` bytes, initialised.
    fn take(bytes: usize) -> Self {
        let bytes = rounded(bytes);
        if bytes < SMALLEST {
            return Self::new(bytes);
        }
        let (found, surplus) = pool().take(bytes);
        surplus.into_iter().for_each(Self::release);
        found.unwrap_or_else(|| Self::new(bytes))
    }

    fn new(bytes: usize) -> Self {
        let layout = layout(bytes);
        // SAFETY: the size is not zero.
        let at = unsafe { alloc_zeroed(layout) };
        let at = NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout));
        Self { at, bytes, asked: bytes }
    }

    fn release(self) {
        // SAFETY: allocated by `new` with the same layout.
        unsafe { dealloc(self.at.as_ptr(), layout(self.bytes)) }
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGNMENT).expect("sizes are far below isize::MAX")
}

/// Sizes are rounded up to eighths of a power of two, so that nearly equal ones serve each other.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.max(1).next_power_of_two() / 16).max(ALIGNMENT);
    bytes.max(1).div_ceil(step) * step
}

/// Lets the system's allocator keep what Burn's own operators free, like the pool: by default glibc
/// gives large blocks back at once, and each step would fault all its pages in again.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

impl Buffer {
    /// `len` numbers of any value.
    pub(crate) fn new(len: usize) -> Self {
        Self { memory: Memory::take(len * size_of::<f32>()), len }
    }

    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(0.0);
        buffer
    }

    /// As the storage of a Burn tensor, which gives the memory back to the pool in its turn.
    pub(crate) fn into_bytes(self) -> Bytes {
        let len = self.len * size_of::<f32>();
        // SAFETY: all of the memory is initialised, and `len` is within it.
        unsafe { Bytes::from_controller(Box::new(self), len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Memory { at, bytes, asked } = self.memory;
        let memory = Memory { at, bytes, asked };
        if memory.bytes < SMALLEST {
            memory.release();
        } else {
            pool().give_back(memory);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the memory is initialised, aligned and large enough.
        unsafe { slice::from_raw_parts(self.memory.at.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`, and the buffer is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.memory.at.as_ptr().cast(), self.len) }
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        ALIGNMENT
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        // SAFETY: the whole allocation, borrowed mutably.
        Ok(unsafe { slice::from_raw_parts_mut(self.memory.at.as_ptr().cast(), self.memory.bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        // SAFETY: the whole allocation.
        Ok(unsafe { slice::from_raw_parts(self.memory.at.as_ptr().cast(), self.memory.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_rounded_up_by_an_eighth_at_most() {
        for bytes in [1, 63, 64, 65, 1000, 1 << 20, (1 << 20) + 1, 201_326_592] {
            let found = rounded(bytes);
            assert!(found >= bytes && found.is_multiple_of(ALIGNMENT), "{bytes}: {found}");
            assert!(found <= bytes + (bytes / 8).max(ALIGNMENT), "{bytes}: {found}");
        }
    }

    /// Takes and gives back memory as steps on such sizes would; what the pool then holds, and held at the most.
    fn after_steps(pool: &mut Pool, sizes: &[usize], steps: usize) -> (usize, usize) {
        let mut held = 0;
        for _ in 0..steps {
            let used: Vec<Memory> = sizes
                .iter()
                .map(|&bytes| {
                    let (found, surplus) = pool.take(bytes);
                    surplus.into_iter().for_each(Memory::release);
                    held = held.max(pool.used_bytes + pool.free_bytes);
                    found.unwrap_or_else(|| Memory::new(bytes))
                })
                .collect();
            used.into_iter().for_each(|memory| pool.give_back(memory));
        }
        (pool.free_bytes, held)
    }

    fn emptied(pool: Pool) {
        pool.free.into_iter().for_each(Memory::release);
    }

    proptest! {
        #[test]
        fn other_sizes_do_not_add_up(sizes in prop::collection::vec(1usize..64, 1..20), scales in prop::collection::vec(1usize..9, 1..8)) {
            let mut pool = Pool::new();
            let mut most = 0;
            for scale in scales {
                let sizes: Vec<usize> = sizes.iter().map(|size| rounded(size * scale * SMALLEST)).collect();
                most = most.max(sizes.iter().sum());
                let (free, held) = after_steps(&mut pool, &sizes, 2);
                prop_assert!(held <= most + most / SPARE, "{held} held, {most} used");
                prop_assert!(free >= sizes.iter().sum(), "what a step needs is kept");
            }
            emptied(pool);
        }
    }

    #[test]
    fn a_step_like_the_one_before_asks_the_system_for_nothing() {
        let mut pool = Pool::new();
        let sizes = [1, 2, 3, 5, 8].map(|size| size * SMALLEST);
        after_steps(&mut pool, &sizes, 1);
        let before: Vec<_> = pool.free.iter().map(|memory| memory.at).collect();
        after_steps(&mut pool, &sizes, 3);
        let mut after: Vec<_> = pool.free.iter().map(|memory| memory.at).collect();
        after.sort_unstable();
        let mut before = before;
        before.sort_unstable();
        assert_eq!(after, before);
        emptied(pool);
    }

    #[test]
    fn sizes_that_are_used_one_after_another_share_memory_and_a_step_asks_the_system_for_nothing() {
        let mut pool = Pool::new();
        // Each size nearly fills the most that is used at one time, and is free while the next is used.
        let phases =
            [(16, 15), (14, 16), (15, 15)].map(|(size, count)| vec![size * SMALLEST; count]);
        let mut missed = [0; 3];
        for missed in &mut missed {
            for sizes in &phases {
                let taken = sizes.iter().map(|&bytes| {
                    let (found, surplus) = pool.take(bytes);
                    surplus.into_iter().for_each(Memory::release);
                    *missed += usize::from(found.is_none());
                    found.unwrap_or_else(|| Memory::new(bytes))
                });
                let used: Vec<Memory> = taken.collect();
                assert!(used.iter().zip(sizes).all(|(memory, &bytes)| memory.bytes >= bytes));
                assert!(
                    pool.used_bytes + pool.free_bytes <= pool.most_bytes + pool.most_bytes / SPARE
                );
                used.into_iter().for_each(|memory| pool.give_back(memory));
            }
        }
        assert_eq!(missed[1..], [0, 0], "{missed:?}");
        emptied(pool);
    }

    #[test]
    fn memory_given_back_is_used_again_with_what_was_in_it() {
        let len = 1_234_567;
        let mut buffer = Buffer::new(len);
        buffer[len - 1] = 7.0;
        let at = buffer.as_ptr();
        drop(buffer.into_bytes());
        let again = Buffer::new(len);
        assert_eq!((again.as_ptr(), again[len - 1]), (at, 7.0));
        assert!(Buffer::zeroed(len).iter().all(|&value| value == 0.0));
    }
}
