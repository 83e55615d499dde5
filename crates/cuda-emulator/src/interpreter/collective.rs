//! What lanes of a warp do together, once all that take part are here.

use super::lanes::{LANES, lanes_of};
use super::warp::Warp;
use crate::compile::{CollectiveKind, Condition, Reduce, Shuffle, Vote};

impl Warp {
    /// Runs a collective instruction of the lanes of a mask.
    pub(crate) fn collective(&mut self, kind: &CollectiveKind, mask: u32) {
        let registers = &mut self.registers;
        let condition = |of: &Condition, predicates: &[u32]| {
            (predicates[of.predicate as usize] ^ of.flip) & mask
        };
        match kind {
            CollectiveKind::Sync => {}
            CollectiveKind::Shuffle { mode, d, valid, a, b, c } => {
                let source = *registers.lanes::<u32>(*a);
                let (by, clamp) = (registers.lanes::<u32>(*b), registers.lanes::<u32>(*c));
                let (mut values, mut in_range) = ([0u32; LANES], 0);
                for lane in lanes_of(mask) {
                    let (from, found) = shuffled(*mode, lane as u32, by[lane], clamp[lane]);
                    values[lane] = source[from as usize];
                    in_range |= u32::from(found) << lane;
                }
                registers.write(*d, mask, &values);
                if let Some(valid) = valid {
                    registers.write_predicate(*valid, mask, in_range);
                }
            }
            CollectiveKind::Ballot { d, a } => {
                let ballot = condition(a, &registers.predicates);
                registers.write(*d, mask, &[ballot; LANES]);
            }
            CollectiveKind::Vote { mode, d, a } => {
                let votes = condition(a, &registers.predicates);
                let holds = match mode {
                    Vote::All => votes == mask,
                    Vote::Any => votes != 0,
                    Vote::Same => votes == mask || votes == 0,
                };
                registers.write_predicate(*d, mask, if holds { u32::MAX } else { 0 });
            }
            CollectiveKind::Reduce { mode, d, a } => {
                let source = registers.lanes::<u32>(*a);
                let reduced = lanes_of(mask).map(|lane| source[lane]).reduce(|x, y| match mode {
                    Reduce::Add => x.wrapping_add(y),
                    Reduce::And => x & y,
                    Reduce::Or => x | y,
                    Reduce::Xor => x ^ y,
                    Reduce::Least => x.min(y),
                    Reduce::Most => x.max(y),
                    Reduce::LeastSigned => (x as i32).min(y as i32) as u32,
                    Reduce::MostSigned => (x as i32).max(y as i32) as u32,
                });
                registers.write(*d, mask, &[reduced.unwrap_or(0); LANES]);
            }
            CollectiveKind::MatchAny { d, a } => {
                let source = registers.wide(a.slot, a.bytes);
                let same = |lane: usize| {
                    lanes_of(mask)
                        .filter(|other| source[*other] == source[lane])
                        .fold(0u32, |found, other| found | 1 << other)
                };
                registers.write(*d, mask, &std::array::from_fn(same));
            }
            CollectiveKind::MatchAll { d, all, a } => {
                let source = registers.wide(a.slot, a.bytes);
                let first = source[mask.trailing_zeros() as usize & 31];
                let same = lanes_of(mask).all(|lane| source[lane] == first);
                registers.write(*d, mask, &[if same { mask } else { 0 }; LANES]);
                if let Some(all) = all {
                    registers.write_predicate(*all, mask, if same { u32::MAX } else { 0 });
                }
            }
            CollectiveKind::Elect { d, elected } => {
                let first = mask.trailing_zeros();
                registers.write(*d, mask, &[first; LANES]);
                registers.write_predicate(*elected, mask, 1u32.checked_shl(first).unwrap_or(0));
            }
        }
    }
}

/// The lane that a value comes from, and whether it is within the segment (PTX manual, `shfl`).
fn shuffled(mode: Shuffle, lane: u32, by: u32, clamp: u32) -> (u32, bool) {
    let (by, segment, clamp) = (by & 31, clamp >> 8 & 31, clamp & 31);
    let most = lane & segment | clamp & !segment;
    let least = lane & segment;
    let (from, found) = match mode {
        Shuffle::Up => (lane.wrapping_sub(by), lane as i32 - by as i32 >= most as i32),
        Shuffle::Down => (lane + by, lane + by <= most),
        Shuffle::Butterfly => (lane ^ by, (lane ^ by) <= most),
        Shuffle::Index => (least | by & !segment, (least | by & !segment) <= most),
    };
    if found { (from & 31, true) } else { (lane, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_stay_in_their_segment() {
        assert_eq!(shuffled(Shuffle::Down, 30, 1, 31), (31, true));
        assert_eq!(shuffled(Shuffle::Down, 31, 1, 31), (31, false));
        assert_eq!(shuffled(Shuffle::Up, 0, 1, 0), (0, false));
        assert_eq!(shuffled(Shuffle::Up, 5, 1, 0), (4, true));
        assert_eq!(shuffled(Shuffle::Butterfly, 3, 16, 31), (19, true));
        // Segments of 8 lanes.
        assert_eq!(shuffled(Shuffle::Index, 11, 2, 0x181f), (10, true));
        assert_eq!(shuffled(Shuffle::Down, 7, 1, 0x181f), (7, false));
    }
}
