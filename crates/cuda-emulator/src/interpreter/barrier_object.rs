//! Barriers in shared memory (`mbarrier`).
//!
//! Their 64 bits are opaque to programs. Here they are: arrivals that are missing (16 bits), how
//! many are expected (16), bytes that are missing, from 2^29 on (31), and the phase (1).

use super::Fault;
use super::access::{read, write};
use super::lanes::lanes_of;
use super::memory::Memory;
use super::warp::Warp;
use crate::compile::{Address, BarrierObject, Register};
use crate::ptx::Space;

const NO_BYTES: i64 = 1 << 29;

impl Warp {
    /// Starts a barrier or arrives at it.
    pub(crate) fn barrier_object(
        &mut self,
        memory: &Memory,
        object: &BarrierObject,
        mask: u32,
    ) -> Result<(), Fault> {
        for lane in lanes_of(mask) {
            match object {
                BarrierObject::Start { address, count } => {
                    let count = u64::from(self.registers.lanes::<u32>(*count)[lane] & 0xffff);
                    let fresh = count | count << 16 | (NO_BYTES as u64) << 32;
                    self.change_barrier(memory, address, lane, |_| Ok(fresh))?;
                }
                BarrierObject::Arrive { d, address, count, bytes, arrives } => {
                    let number = |slot: &u32| self.registers.lanes::<u32>(*slot)[lane];
                    let bytes = i64::from(bytes.as_ref().map_or(0, number));
                    let count = u64::from(count.as_ref().map_or(1, number) & 0xffff);
                    let count = if *arrives { count } else { 0 };
                    let old =
                        self.change_barrier(memory, address, lane, |old| after(old, count, bytes))?;
                    if let Some(slot) = d {
                        self.registers.lanes_mut::<u64>(*slot)[lane] = old;
                    }
                }
            }
        }
        Ok(())
    }

    /// Says that bytes have come.
    pub(crate) fn complete_bytes(
        &mut self,
        memory: &Memory,
        barrier: &Address,
        lane: usize,
        bytes: usize,
    ) -> Result<(), Fault> {
        self.change_barrier(memory, barrier, lane, |old| after(old, 0, -(bytes as i64)))?;
        Ok(())
    }

    /// Lanes of a mask whose phase has ended.
    pub(crate) fn finished_phases(
        &mut self,
        memory: &Memory,
        address: &Address,
        state: Register,
        parity: bool,
        mask: u32,
    ) -> Result<u32, Fault> {
        let mut finished = 0;
        for lane in lanes_of(mask) {
            let now = self.change_barrier(memory, address, lane, Ok)? >> 63;
            let state = self.lane(state, lane);
            let waited_for = if parity { state & 1 } else { state >> 63 };
            finished |= u32::from(now != waited_for) << lane;
        }
        Ok(finished)
    }

    /// Changes a barrier and gives what it was.
    fn change_barrier(
        &mut self,
        memory: &Memory,
        address: &Address,
        lane: usize,
        change: impl FnOnce(u64) -> Result<u64, Fault>,
    ) -> Result<u64, Fault> {
        let at = self.address(Space::Shared, address, lane);
        let at = self.resolve(memory, Space::Shared, lane, at, 8)?;
        // SAFETY: `resolve` checked the address and its alignment.
        let old = unsafe { read(at, 8) };
        // SAFETY: as above.
        unsafe { write(at, 8, change(old)?) };
        Ok(old)
    }
}

/// The barrier after so many arrivals, with more or fewer bytes to come.
fn after(barrier: u64, arrivals: u64, bytes: i64) -> Result<u64, Fault> {
    let (missing, count) = (barrier & 0xffff, barrier >> 16 & 0xffff);
    let to_come = (barrier >> 32 & 0x7fff_ffff) as i64 + bytes;
    let phase = barrier >> 63;
    if arrivals > missing {
        let text = format!("{arrivals} arrive at a barrier that waits for {missing} of {count}");
        return Err(Fault::failed(text));
    }
    let missing = missing - arrivals;
    let complete = missing == 0 && to_come == NO_BYTES;
    let (missing, phase) = if complete { (count, phase ^ 1) } else { (missing, phase) };
    Ok(missing | count << 16 | (to_come as u64 & 0x7fff_ffff) << 32 | phase << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_with_the_last_arrival_and_the_last_byte() {
        let fresh = 2 | 2 << 16 | (NO_BYTES as u64) << 32;
        let one = after(fresh, 1, 64).unwrap();
        let both = after(one, 1, 0).unwrap();
        assert_eq!(both >> 63, 0);
        let ended = after(both, 0, -64).unwrap();
        assert_eq!((ended >> 63, ended & 0xffff), (1, 2));
        assert!(after(fresh, 3, 0).is_err());
    }
}
