//! Memory as lanes see it: which addresses are theirs, loads and stores.

use super::Fault;
use super::lanes::{FULL, LANES, lanes_of};
use super::launch::Launch;
use super::warp::Warp;
use crate::compile::{Access, Address};
use crate::failure::Failure;
use crate::ptx::Space;

/// Where shared memory begins among generic addresses.
pub(crate) const GENERIC_SHARED: u64 = 1 << 60;
/// Where memory of the thread begins.
pub(crate) const GENERIC_LOCAL: u64 = 1 << 61;
/// Where parameters begin.
pub(crate) const GENERIC_PARAM: u64 = 1 << 62;

/// Bytes that are aligned for every type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes(Vec<u128>);

impl Bytes {
    /// So many zeros, and a few more.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes / 16 + 1])
    }

    /// Sets all bytes.
    pub(crate) fn fill(&mut self, byte: u8) {
        self.0.fill(u128::from_ne_bytes([byte; 16]));
    }

    /// The first byte.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    /// The first byte, to be read.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }
}

/// What the warps of a block may touch, beside memory of their own.
pub(crate) struct Memory<'l> {
    pub(crate) launch: &'l Launch<'l>,
    pub(crate) shared: *mut u8,
    pub(crate) shared_bytes: usize,
}

impl Warp {
    /// The address of one lane, in its space.
    #[inline(always)]
    pub(crate) fn address(&self, space: Space, address: &Address, lane: usize) -> u64 {
        let base = match address.register.bytes {
            4 => u64::from(self.registers.lanes::<u32>(address.register.slot)[lane]),
            _ => self.registers.lanes::<u64>(address.register.slot)[lane],
        };
        let at = base.wrapping_add_signed(address.offset);
        // Addresses of these spaces have 32 bits.
        if space == Space::Shared { u64::from(at as u32) } else { at }
    }

    /// Where in memory of the host a lane finds its address, after it was checked.
    pub(crate) fn resolve(
        &mut self,
        memory: &Memory,
        space: Space,
        lane: usize,
        at: u64,
        bytes: usize,
    ) -> Result<*mut u8, Fault> {
        let (space, at) = match space {
            Space::Generic if at >= GENERIC_PARAM => (Space::Param, at - GENERIC_PARAM),
            Space::Generic if at >= GENERIC_LOCAL => (Space::Local, at - GENERIC_LOCAL),
            Space::Generic if at >= GENERIC_SHARED => (Space::Shared, at - GENERIC_SHARED),
            Space::Generic => (Space::Global, at),
            space => (space, at),
        };
        let name = || format!("{space:?}").to_lowercase();
        if at & (bytes as u64 - 1) != 0 {
            let text =
                format!("lane {lane}: misaligned {} address {at:#x} for {bytes} bytes", name());
            return Err(Fault::new(Failure::MisalignedAddress, text));
        }
        let end = at.saturating_add(bytes as u64);
        let outside = |size: usize| {
            let text = format!(
                "lane {lane}: {bytes} bytes at {} address {at:#x}, where there are {size:#x} bytes",
                name()
            );
            Err(Fault::new(Failure::IllegalAddress, text))
        };
        let program = memory.launch.program;
        match space {
            Space::Global | Space::Generic => {
                if at < self.last_range.0 || end > self.last_range.1 {
                    let allocations = memory.launch.allocations;
                    let after = allocations.partition_point(|range| range.0 <= at);
                    match after.checked_sub(1).map(|index| allocations[index]) {
                        Some(range) if end <= range.1 => self.last_range = range,
                        _ => {
                            let text = format!(
                                "lane {lane}: {bytes} bytes at global address {at:#x}, which is in \
                                 no allocation of the device"
                            );
                            return Err(Fault::new(Failure::IllegalAddress, text));
                        }
                    }
                }
                Ok(at as *mut u8)
            }
            Space::Shared if end > memory.shared_bytes as u64 => outside(memory.shared_bytes),
            // SAFETY: the range is within the block's shared memory.
            Space::Shared => Ok(unsafe { memory.shared.add(at as usize) }),
            Space::Local if end > program.local_bytes as u64 => outside(program.local_bytes),
            Space::Local => {
                let place = lane * program.local_bytes + at as usize;
                // SAFETY: the range is within the lane's part of the warp's local memory.
                Ok(unsafe { self.local.as_mut_ptr().add(place) })
            }
            Space::Param if end > program.parameter_bytes.next_multiple_of(8) as u64 => {
                outside(program.parameter_bytes)
            }
            Space::Param => {
                let start = memory.launch.parameters.as_ptr();
                // SAFETY: the range is within the parameters, which nothing writes to.
                Ok(unsafe { start.add(at as usize) }.cast_mut())
            }
        }
    }

    /// As [`Self::resolve`], for all lanes of a mask.
    #[inline(always)]
    pub(super) fn resolve_all(
        &mut self,
        memory: &Memory,
        access: &Access,
        mask: u32,
        bytes: usize,
    ) -> Result<Places, Fault> {
        let register = &access.address.register;
        let first =
            self.address(access.space, &access.address, mask.trailing_zeros() as usize & 31);
        let mut places = Places { at: [0; LANES], same: false, row: false };
        if let Some(window) = self.window(memory, access.space, first) {
            let is_inside = if register.bytes == 4 {
                let base = self.registers.lanes::<u32>(register.slot);
                places.find(base, access, mask, bytes, first, &window)
            } else {
                let base = self.registers.lanes::<u64>(register.slot);
                places.find(base, access, mask, bytes, first, &window)
            };
            if is_inside {
                return Ok(places);
            }
        }
        // Lane by lane, to say which it is or to find several parts of memory.
        (places.same, places.row) = (false, false);
        for lane in lanes_of(mask) {
            let at = self.address(access.space, &access.address, lane);
            places.at[lane] = self.resolve(memory, access.space, lane, at, bytes)? as u64;
        }
        Ok(places)
    }

    /// The memory around an address.
    #[inline(always)]
    fn window(&mut self, memory: &Memory, space: Space, at: u64) -> Option<Window> {
        let program = memory.launch.program;
        let (space, start) = match space {
            Space::Generic if at >= GENERIC_PARAM => (Space::Param, GENERIC_PARAM),
            Space::Generic if at >= GENERIC_LOCAL => (Space::Local, GENERIC_LOCAL),
            Space::Generic if at >= GENERIC_SHARED => (Space::Shared, GENERIC_SHARED),
            Space::Generic => (Space::Global, 0),
            space => (space, 0),
        };
        let (host, bytes, lane_bytes) = match space {
            Space::Global | Space::Generic => {
                if at < self.last_range.0 || at >= self.last_range.1 {
                    let allocations = memory.launch.allocations;
                    let after = allocations.partition_point(|range| range.0 <= at);
                    self.last_range = allocations[after.checked_sub(1)?];
                }
                let (start, end) = self.last_range;
                return Some(Window { start, bytes: end - start, host: start, lane_bytes: 0 });
            }
            Space::Shared => (memory.shared as u64, memory.shared_bytes, 0),
            Space::Param => (memory.launch.parameters.as_ptr() as u64, program.parameter_bytes, 0),
            Space::Local => {
                let lane_bytes = program.local_bytes;
                (self.local.as_mut_ptr() as u64, lane_bytes, lane_bytes as u64)
            }
        };
        Some(Window { start, bytes: bytes as u64, host, lane_bytes })
    }
}

/// A part of memory that lies together.
struct Window {
    /// The first of its addresses.
    start: u64,
    bytes: u64,
    /// Where it is in memory of the host.
    host: u64,
    /// What a lane has of it, where each has its own.
    lane_bytes: u64,
}

/// Where the lanes of a warp find their values, in memory of the host.
pub(super) struct Places {
    /// Of lanes that take part.
    at: [u64; LANES],
    /// Whether all 32 lanes have one place.
    pub(super) same: bool,
    /// Whether the values of all 32 lanes lie side by side.
    pub(super) row: bool,
}

impl Places {
    /// Finds the places of all lanes in one window; gives whether they are there and aligned.
    ///
    /// The loop has no branch, no minimum and a count that the compiler does not know: else it
    /// would become a long row of instructions for single lanes rather than vectors.
    #[inline(always)]
    fn find<T: Copy + Into<u64>>(
        &mut self,
        base: &[T; LANES],
        access: &Access,
        mask: u32,
        bytes: usize,
        first: u64,
        window: &Window,
    ) -> bool {
        let used = if access.space == Space::Shared { 0xffff_ffff } else { u64::MAX };
        let (offset, start) = (access.address.offset as u64, window.start);
        // The highest bit of `outside` is set where an address is below the window or a value
        // passes its end.
        let last = window.bytes.wrapping_sub(bytes as u64);
        let (mut outside, mut bits, mut apart, mut out_of_row) = (last, 0, 0, 0);
        let from_first = first.wrapping_sub(start);
        let step = bytes.trailing_zeros();
        let count = std::hint::black_box(LANES).min(LANES);
        let mut distances = [from_first; LANES];
        if mask == FULL {
            for lane in 0..count {
                let address = base[lane].into().wrapping_add(offset) & used;
                distances[lane] = address.wrapping_sub(start);
            }
        } else {
            // Lanes that do not take part have the address of one that does.
            for lane in lanes_of(mask) {
                let address = base[lane].into().wrapping_add(offset) & used;
                distances[lane] = address.wrapping_sub(start);
            }
        }
        let host = window.host;
        let at = &mut self.at;
        for lane in 0..count {
            let distance = distances[lane];
            outside |= distance | last.wrapping_sub(distance);
            bits |= distance;
            apart |= distance ^ from_first;
            out_of_row |= distance ^ from_first.wrapping_add((lane as u64) << step);
            at[lane] = host.wrapping_add(distance);
        }
        if outside >> 63 != 0 || bits & (bytes as u64 - 1) != 0 {
            return false;
        }
        if window.lane_bytes == 0 {
            (self.same, self.row) = (mask == FULL && apart == 0, mask == FULL && out_of_row == 0);
        } else {
            for (lane, at) in self.at.iter_mut().enumerate() {
                *at += lane as u64 * window.lane_bytes;
            }
        }
        true
    }

    /// Where a lane finds the value of this index.
    #[inline(always)]
    pub(super) fn place(&self, lane: usize, offset: usize) -> *mut u8 {
        (self.at[lane] as *mut u8).wrapping_add(offset)
    }
}
