//! Deals groups of cases into parts of given sizes, each group to each part with the part's probability.
//!
//! Parts are halved, and a half is drawn by the cube method (Deville and Tillé 2004, Biometrika 91:893): chances
//! start at the half's fraction and take random steps along which the expected numbers of cases in every
//! stratum stay what they are, until each chance is 0 or 1. Steps go up and down with the probabilities that leave
//! the mean where it is, so a group of any size keeps its chance. What rounding has left is then mended by
//! moves and swaps of groups drawn at random, where they bring parts closer to their shares.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::random::{below, shuffle, stream};

/// Draws of the whole division, of which the first that leaves no part without a stratum is taken.
const DRAWS: usize = 200;

/// Moves and swaps that are tried for each group.
const MENDS: usize = 4;

/// What chances may miss 0 or 1 by.
const EDGE: f64 = 1e-9;

/// Weight of the number of all cases beside those of the strata: it decides between what is equally good.
const ALL: f64 = 0.1;

/// Says for every case which part it is in, where parts get these fractions of the cases in each stratum.
///
/// A part gets no group larger than its own share where that would leave another part, or a stratum of one, without
/// cases; where no division is without such a gap, the closest to the fractions is returned.
pub(super) fn deal(
    groups: &[String],
    strata: &[usize],
    fractions: &[f64],
    seed: u32,
) -> Vec<usize> {
    let members = members(groups);
    let kinds = strata.iter().max().map_or(1, |&last| last + 1);
    let counts: Vec<Vec<u32>> = members
        .iter()
        .map(|cases| {
            let mut counts = vec![0; kinds];
            cases.iter().for_each(|&case| counts[strata[case]] += 1);
            counts
        })
        .collect();
    let mut rng = stream(seed, b"split   ");
    let mut best: Option<(usize, f64, Vec<usize>)> = None;
    for _ in 0..DRAWS {
        let mut division = Division::new(&counts, fractions, draw(&counts, fractions, &mut rng));
        division.mend(&mut rng);
        let (gaps, distance) = (division.gaps(), division.distance());
        if best.as_ref().is_none_or(|best| (gaps, distance) < (best.0, best.1)) {
            best = Some((gaps, distance, division.parts));
        }
        if gaps == 0 {
            break;
        }
    }
    let parts = best.map(|best| best.2).unwrap_or_default();
    let mut of_cases = vec![0; groups.len()];
    for (cases, part) in members.iter().zip(parts) {
        cases.iter().for_each(|&case| of_cases[case] = part);
    }
    of_cases
}

/// The cases of each group, in the order of their first cases, which is natural order, not that of the names.
fn members(groups: &[String]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (case, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(case);
    }
    let mut members: Vec<Vec<usize>> = members.into_values().collect();
    members.sort_by_key(|cases| cases[0]);
    members
}

/// Draws the part of every group, each with the part's fraction.
fn draw(counts: &[Vec<u32>], fractions: &[f64], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    shuffle(&mut order, |bound| below(rng, bound));
    // The largest first, so that small ones are left for the end, where chances are rounded.
    order.sort_by_key(|&group| std::cmp::Reverse(counts[group].iter().sum::<u32>()));
    let wanted: Vec<usize> = (0..fractions.len()).filter(|&part| fractions[part] > 0.0).collect();
    let mut parts = vec![0; counts.len()];
    halve(counts, fractions, &order, &wanted, rng, &mut parts);
    parts
}

fn halve(
    counts: &[Vec<u32>],
    fractions: &[f64],
    groups: &[usize],
    wanted: &[usize],
    rng: &mut ChaCha8Rng,
    parts: &mut [usize],
) {
    if let [part] = wanted {
        groups.iter().for_each(|&group| parts[group] = *part);
    }
    if wanted.len() < 2 {
        return;
    }
    let (one, other) = wanted.split_at(wanted.len() / 2);
    let sum = |parts: &[usize]| parts.iter().map(|&part| fractions[part]).sum::<f64>();
    let balanced: Vec<Vec<f64>> = groups.iter().map(|&group| balance(&counts[group])).collect();
    let taken = cube(&balanced, sum(one) / sum(wanted), rng);
    let of = |wanted: bool| -> Vec<usize> {
        let both = groups.iter().zip(&taken);
        both.filter(|(_, taken)| **taken == wanted).map(|(&group, _)| group).collect()
    };
    halve(counts, fractions, &of(true), one, rng, parts);
    halve(counts, fractions, &of(false), other, rng, parts);
}

/// What is kept in balance, the most important first: cases of each stratum, all cases, groups.
fn balance(counts: &[u32]) -> Vec<f64> {
    let all = f64::from(counts.iter().sum::<u32>());
    let strata = counts.iter().map(|&count| f64::from(count));
    let strata: Vec<f64> = if counts.len() > 1 { strata.collect() } else { Vec::new() };
    [&[all], strata.as_slice(), &[1.0]].concat()
}

/// Takes each of some items with a probability, so that sums of what is balanced come close to that part of them.
fn cube(balanced: &[Vec<f64>], probability: f64, rng: &mut ChaCha8Rng) -> Vec<bool> {
    let mut chances = vec![probability; balanced.len()];
    let mut open: Vec<usize> = (0..balanced.len()).collect();
    let last = balanced.first().map_or(0, Vec::len);
    // The strata add up to all cases: the first of what is balanced follows from the others until these are let go.
    let columns = |first: usize, last: usize| (first..last).collect::<Vec<_>>();
    if last > 2 {
        open = flight(balanced, &columns(1, last), &mut chances, open, rng);
    }
    for end in (1..=last).rev() {
        open = flight(balanced, &columns(0, end), &mut chances, open, rng);
    }
    for item in open {
        chances[item] = if unit(rng) < chances[item] { 1.0 } else { 0.0 };
    }
    chances.into_iter().map(|chance| chance > 0.5).collect()
}

/// Steps that keep some sums, until no item is left whose chance can change; returns those still open.
fn flight(
    balanced: &[Vec<f64>],
    columns: &[usize],
    chances: &mut [f64],
    open: Vec<usize>,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut waiting = open.into_iter();
    let mut window: Vec<usize> = Vec::new();
    loop {
        let missing = (columns.len() + 1).saturating_sub(window.len());
        window.extend(waiting.by_ref().take(missing));
        let rows: Vec<Vec<f64>> = columns
            .iter()
            .map(|&column| window.iter().map(|&item| balanced[item][column]).collect())
            .collect();
        let Some(direction) = kernel(rows, window.len()) else { break };
        step(chances, &window, &direction, rng);
        window.retain(|&item| chances[item] > 0.0 && chances[item] < 1.0);
    }
    window.extend(waiting);
    window
}

/// Moves chances along a direction, up or down, as far as the first of them goes.
fn step(chances: &mut [f64], window: &[usize], direction: &[f64], rng: &mut ChaCha8Rng) {
    let room = |sign: f64| {
        let rooms = window.iter().zip(direction).filter_map(|(&item, &slope)| {
            let slope = sign * slope;
            match slope {
                slope if slope > EDGE => Some((1.0 - chances[item]) / slope),
                slope if slope < -EDGE => Some(chances[item] / -slope),
                _ => None,
            }
        });
        rooms.fold(f64::INFINITY, f64::min)
    };
    let (up, down) = (room(1.0), room(-1.0));
    let length = if unit(rng) * (up + down) < down { up } else { -down };
    for (&item, &slope) in window.iter().zip(direction) {
        let chance = chances[item] + length * slope;
        chances[item] = match chance {
            chance if chance < EDGE => 0.0,
            chance if chance > 1.0 - EDGE => 1.0,
            chance => chance,
        };
    }
}

/// A vector other than 0 that all rows are at right angles to, scaled to 1 at its largest; `None` if there is none.
fn kernel(mut rows: Vec<Vec<f64>>, width: usize) -> Option<Vec<f64>> {
    let mut pivots: Vec<usize> = Vec::new();
    let mut free = None;
    for column in 0..width {
        let rank = pivots.len();
        let size = |row: usize, rows: &[Vec<f64>]| rows[row][column].abs();
        let best = (rank..rows.len()).max_by(|&a, &b| size(a, &rows).total_cmp(&size(b, &rows)));
        match best.filter(|&row| size(row, &rows) > EDGE) {
            Some(row) => {
                rows.swap(rank, row);
                let lead = rows[rank].clone();
                for (index, row) in rows.iter_mut().enumerate() {
                    let factor = row[column] / lead[column];
                    if index != rank {
                        row.iter_mut().zip(&lead).for_each(|(value, lead)| *value -= factor * lead);
                    }
                }
                pivots.push(column);
            }
            None => free = free.or(Some(column)),
        }
    }
    let free = free?;
    let mut vector = vec![0.0; width];
    vector[free] = 1.0;
    for (row, &pivot) in rows.iter().zip(&pivots) {
        vector[pivot] = -row[free] / row[pivot];
    }
    let largest = vector.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    Some(vector.into_iter().map(|value| value / largest).collect())
}

/// A number from 0 to 1, without 1.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

/// Groups in parts, and how far the parts are from their shares.
struct Division<'a> {
    counts: &'a [Vec<u32>],
    parts: Vec<usize>,
    wanted: Vec<usize>,
    /// Cases of each stratum in each part, less the part's share of them.
    excess: Vec<Vec<f64>>,
    /// Cases of each part and stratum.
    held: Vec<Vec<u32>>,
    totals: Vec<f64>,
}

impl<'a> Division<'a> {
    fn new(counts: &'a [Vec<u32>], fractions: &[f64], parts: Vec<usize>) -> Self {
        let kinds = counts.first().map_or(0, Vec::len);
        let mut held = vec![vec![0u32; kinds]; fractions.len()];
        let mut totals = vec![0.0; kinds];
        for (counts, &part) in counts.iter().zip(&parts) {
            for (kind, &count) in counts.iter().enumerate() {
                held[part][kind] += count;
                totals[kind] += f64::from(count);
            }
        }
        let excess = |(held, &fraction): (&Vec<u32>, &f64)| {
            let both = held.iter().zip(&totals);
            both.map(|(&held, total)| f64::from(held) - fraction * total).collect()
        };
        let excess = held.iter().zip(fractions).map(excess).collect();
        let wanted = (0..fractions.len()).filter(|&part| fractions[part] > 0.0).collect();
        Self { counts, parts, wanted, excess, held, totals }
    }

    /// Parts and strata that are without a case although there are groups enough for all.
    fn gaps(&self) -> usize {
        let kinds = 0..self.totals.len();
        let spread = |kind: usize| {
            let groups = self.counts.iter().filter(|counts| counts[kind] > 0).count();
            groups >= self.wanted.len()
        };
        let empty =
            |kind: &usize| self.wanted.iter().filter(|&&part| self.held[part][*kind] == 0).count();
        kinds.filter(|&kind| spread(kind)).map(|kind| empty(&kind)).sum()
    }

    /// Squared distances from the shares, each over the size of its stratum.
    fn distance(&self) -> f64 {
        let all: f64 = self.totals.iter().sum();
        let of_part = |excess: &Vec<f64>| {
            let strata = excess.iter().zip(&self.totals);
            let strata: f64 = strata.map(|(excess, total)| excess * excess / total.max(1.0)).sum();
            strata + ALL * excess.iter().sum::<f64>().powi(2) / all.max(1.0)
        };
        self.excess.iter().map(of_part).sum()
    }

    /// Tries moves and swaps at random, and keeps what brings the parts closer to their shares.
    fn mend(&mut self, rng: &mut ChaCha8Rng) {
        let groups = self.parts.len() as u32;
        for _ in 0..MENDS * self.parts.len() {
            let [first, second] =
                [below(rng, groups), below(rng, groups)].map(|group| group as usize);
            // Where the other group is: parts are proposed as often as they hold groups, so that a group is as
            // likely to come into a part as to leave it.
            let to = self.parts[second];
            self.exchange(first, (below(rng, 2) == 0).then_some(second), to);
        }
    }

    /// Moves a group to a part, and another one back, if that is closer to the shares.
    fn exchange(&mut self, first: usize, second: Option<usize>, to: usize) {
        let from = self.parts[first];
        if from == to {
            return;
        }
        let moved: Vec<f64> = (0..self.totals.len())
            .map(|kind| {
                let back = second.map_or(0, |second| self.counts[second][kind]);
                f64::from(self.counts[first][kind]) - f64::from(back)
            })
            .collect();
        let rise = |part: usize, sign: f64| {
            let mut rise = 0.0;
            let (mut excess, mut change) = (0.0, 0.0);
            for ((has, moved), total) in self.excess[part].iter().zip(&moved).zip(&self.totals) {
                let moved = sign * moved;
                rise += moved * (2.0 * has + moved) / total.max(1.0);
                excess += has;
                change += moved;
            }
            let all: f64 = self.totals.iter().sum();
            rise + ALL * change * (2.0 * excess + change) / all.max(1.0)
        };
        // A margin, so that the last bit of a sum decides nothing.
        if rise(from, -1.0) + rise(to, 1.0) > -1e-9 {
            return;
        }
        for (kind, moved) in moved.iter().enumerate() {
            self.excess[from][kind] -= moved;
            self.excess[to][kind] += moved;
        }
        for (group, from, to) in [(Some(first), from, to), (second, to, from)] {
            let Some(group) = group else { continue };
            self.parts[group] = to;
            for (kind, count) in self.counts[group].iter().enumerate() {
                self.held[from][kind] -= count;
                self.held[to][kind] += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Groups of so many cases of one stratum each, as `(size, stratum)`.
    fn cases(groups: &[(usize, usize)]) -> (Vec<String>, Vec<usize>) {
        let of = |(number, &(size, stratum)): (usize, &(usize, usize))| {
            vec![(format!("g{number}"), stratum); size]
        };
        groups.iter().enumerate().flat_map(of).unzip()
    }

    /// How often each group was in each part over some seeds, and the mean and largest distance of a part's cases
    /// from its share, in hundredths of all cases.
    fn over_seeds(
        groups: &[(usize, usize)],
        fractions: &[f64],
        seeds: u32,
    ) -> (Vec<Vec<u32>>, f64, f64) {
        let (names, strata) = cases(groups);
        let mut seen = vec![vec![0; fractions.len()]; groups.len()];
        let (mut sum, mut largest) = (0.0, 0.0f64);
        for seed in 0..seeds {
            let parts = deal(&names, &strata, fractions, seed);
            let mut first = 0;
            for (group, (size, _)) in groups.iter().enumerate() {
                seen[group][parts[first]] += 1;
                assert!(parts[first..first + size].iter().all(|part| *part == parts[first]));
                first += size;
            }
            for (part, fraction) in fractions.iter().enumerate() {
                let held = parts.iter().filter(|other| **other == part).count();
                let missed = 100.0 * (held as f64 / parts.len() as f64 - fraction).abs();
                sum += missed;
                largest = largest.max(missed);
            }
        }
        (seen, sum / f64::from(seeds) / fractions.len() as f64, largest)
    }

    /// The largest distance of a group's share of the seeds from its part's fraction, in standard deviations of chance.
    fn surprise(seen: &[Vec<u32>], fractions: &[f64], seeds: u32) -> f64 {
        let seeds = f64::from(seeds);
        let of = |(count, fraction): (&u32, &f64)| {
            (f64::from(*count) - fraction * seeds).abs()
                / (fraction * (1.0 - fraction) * seeds).sqrt()
        };
        seen.iter().flat_map(|seen| seen.iter().zip(fractions).map(of)).fold(0.0, f64::max)
    }

    const PARTS: [f64; 3] = [0.7, 0.15, 0.15];

    #[test]
    fn each_of_20_slides_of_different_sizes_gets_its_chance_of_every_part() {
        let slides: Vec<_> = (0..20).map(|slide| (10 + 3 * slide, 0)).collect();
        let (seen, mean, largest) = over_seeds(&slides, &PARTS, 400);
        let surprise = surprise(&seen, &PARTS, 400);
        assert!(surprise < 4.0, "{surprise}: {seen:?}");
        assert!(mean < 0.8 && largest < 5.0, "{mean} {largest}");
    }

    #[test]
    fn of_151_slides_of_skewed_sizes_all_reach_the_test_split() {
        let slides: Vec<_> =
            (0..151).map(|slide: usize| (4 + slide * slide * slide / 20_000, 0)).collect();
        let (seen, mean, largest) = over_seeds(&slides, &PARTS, 200);
        let surprise = surprise(&seen, &PARTS, 200);
        assert!(surprise < 4.5, "{surprise}");
        assert!(mean < 0.05 && largest < 0.5, "{mean} {largest}");
    }

    #[test]
    fn clusters_among_cases_that_stand_alone_get_their_chance_as_well() {
        let clusters = (0..33).map(|cluster| (2 + cluster % 3, cluster % 3));
        let alone = [(200, 0), (90, 1), (50, 2)];
        let alone = alone.into_iter().flat_map(|(count, stratum)| vec![(1, stratum); count]);
        let groups: Vec<_> = clusters.chain(alone).collect();
        let (seen, mean, largest) = over_seeds(&groups, &PARTS, 100);
        let surprise = surprise(&seen[..33], &PARTS, 100);
        assert!(surprise < 4.0, "{surprise}");
        assert!(mean < 0.2 && largest < 0.5, "{mean} {largest}");
    }

    #[test]
    fn folds_are_dealt_as_fairly_and_none_is_empty() {
        let slides: Vec<_> = (0..10).map(|slide| (30 + 4 * slide, 0)).collect();
        let folds = [0.1; 10];
        let (names, strata) = cases(&slides);
        for seed in 0..40 {
            let mut parts = deal(&names, &strata, &folds, seed);
            parts.sort_unstable();
            parts.dedup();
            assert_eq!(parts.len(), 10, "seed {seed}");
        }
        let (seen, ..) = over_seeds(&slides, &folds, 200);
        assert!(surprise(&seen, &folds, 200) < 4.5, "{seen:?}");
    }

    #[test]
    fn a_group_too_large_for_a_part_leaves_no_part_empty() {
        let (names, strata) = cases(&[(80, 0), (10, 0), (10, 0)]);
        for seed in 0..20 {
            let mut parts = deal(&names, &strata, &PARTS, seed);
            parts.dedup();
            parts.sort_unstable();
            assert_eq!(parts, [0, 1, 2], "seed {seed}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn every_group_has_its_chance_whatever_the_sizes_and_classes(
            sizes in prop::collection::vec(1usize..8, 60..90), train in 5u32..8,
        ) {
            // Many groups of each stratum: of few, each part needs one, which is more than its share.
            let sizes: Vec<_> =
                sizes.into_iter().enumerate().map(|(number, size)| (size, number % 3)).collect();
            let rest = f64::from(10 - train) / 20.0;
            let fractions = [f64::from(train) / 10.0, rest, rest];
            let (seen, ..) = over_seeds(&sizes, &fractions, 150);
            let surprise = surprise(&seen, &fractions, 150);
            prop_assert!(surprise < 6.0, "{}", surprise);
        }

        #[test]
        fn no_stratum_is_further_from_its_share_than_its_largest_group(
            sizes in prop::collection::vec((1usize..12, 0usize..3), 30..60), seed in any::<u32>(),
        ) {
            let (names, strata) = cases(&sizes);
            let parts = deal(&names, &strata, &PARTS, seed);
            for stratum in 0..3 {
                let all = strata.iter().filter(|other| **other == stratum).count() as f64;
                for (part, fraction) in PARTS.iter().enumerate() {
                    let held = parts.iter().zip(&strata);
                    let held = held.filter(|both| *both == (&part, &stratum)).count() as f64;
                    prop_assert!((held - fraction * all).abs() < 12.0, "{} of {}", held, all);
                }
            }
        }
    }

    #[test]
    fn a_vector_at_right_angles_to_all_rows_is_found_where_there_is_one() {
        let rows = vec![vec![1.0, 2.0, 3.0], vec![1.0, 1.0, 1.0]];
        let vector = kernel(rows.clone(), 3).unwrap();
        for row in rows {
            let product: f64 = row.iter().zip(&vector).map(|(a, b)| a * b).sum();
            assert!(product.abs() < 1e-12, "{vector:?}");
        }
        assert_eq!(kernel(vec![vec![1.0, 0.0], vec![0.0, 1.0]], 2), None);
    }
}
