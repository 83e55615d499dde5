//! Descriptors that lie close together, found without comparing all with all.
//!
//! A forest of random projection trees (Dasgupta and Freund 2008, STOC): each tree halves the descriptors
//! again and again at the median of a random direction, until few are left together. Two that are close are
//! parted by some trees and kept together by others. Work grows as n log n.

use rayon::prelude::*;

use super::descriptor::{Descriptor, Scale, likeness};
use super::turn::Turn;
use crate::data::random::{below, shuffle, stream};

/// Trees of the forest.
const TREES: u32 = 12;

/// Most descriptors in a leaf.
const LEAF: usize = 256;

/// Likeness from which two pictures are looked at closely.
pub(super) const LIKE: f32 = 0.6;

/// Most neighbours that are looked at for one picture.
const NEIGHBOURS: usize = 24;

/// Two pictures that may be one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The one with the smaller number.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How the first is turned to look like the second.
    pub turn: Turn,
    /// Cosine between the descriptors.
    pub likeness: f32,
}

enum Tree {
    Leaf(Vec<u32>),
    Fork { direction: Box<Descriptor>, cut: f32, below: Box<Tree>, above: Box<Tree> },
}

impl Tree {
    fn grow(
        items: Vec<u32>,
        of: &[Descriptor],
        rng: &mut impl rand_chacha::rand_core::Rng,
    ) -> Self {
        if items.len() <= LEAF {
            return Self::Leaf(items);
        }
        // Any two numbers between -1 and 1 do; their sum is close to normal over 24 of them.
        let direction: Descriptor =
            std::array::from_fn(|_| below(rng, 1 << 16) as f32 / f32::from(1u16 << 15) - 1.0);
        let mut placed: Vec<(f32, u32)> =
            items.iter().map(|&item| (likeness(&direction, &of[item as usize]), item)).collect();
        // Equal ones stay in the shuffled order of the tree, so that another tree parts them elsewhere.
        placed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = placed.len() / 2;
        let cut = placed[middle].0;
        let part = |placed: &[(f32, u32)]| placed.iter().map(|&(_, item)| item).collect();
        let (lower, upper) = (part(&placed[..middle]), part(&placed[middle..]));
        Self::Fork {
            direction: Box::new(direction),
            cut,
            below: Box::new(Self::grow(lower, of, rng)),
            above: Box::new(Self::grow(upper, of, rng)),
        }
    }

    fn leaf(&self, at: &Descriptor) -> &[u32] {
        match self {
            Self::Leaf(items) => items,
            Self::Fork { direction, cut, below, above } => {
                if likeness(direction, at) < *cut {
                    below.leaf(at)
                } else {
                    above.leaf(at)
                }
            }
        }
    }
}

/// Pairs of pictures that look alike in one of the eight ways to turn them, the likest first.
pub(super) fn candidates(descriptors: &[Descriptor]) -> Vec<Candidate> {
    let scale = Scale::of(descriptors);
    let scaled: Vec<Descriptor> =
        descriptors.iter().map(|descriptor| scale.apply(descriptor, Turn::NONE)).collect();
    let trees: Vec<Tree> = (0..TREES)
        .into_par_iter()
        .map(|tree| {
            let mut rng = stream(tree, b"neighbor");
            let mut items: Vec<u32> = (0..scaled.len() as u32).collect();
            shuffle(&mut items, |bound| below(&mut rng, bound));
            Tree::grow(items, &scaled, &mut rng)
        })
        .collect();
    let turns: Vec<Turn> = Turn::all().collect();
    let forest = Forest { descriptors, scale, scaled, trees, turns };
    let mut found: Vec<Candidate> = (0..descriptors.len())
        .into_par_iter()
        .map_init(|| vec![0; descriptors.len()], |met, index| forest.neighbours(index, met))
        .flatten_iter()
        .collect();
    // Both pictures of a pair may propose it: the likelier proposal stays.
    let order = |candidate: &Candidate| (candidate.first, candidate.second, candidate.turn);
    let likest = |a: &Candidate, b: &Candidate| b.likeness.total_cmp(&a.likeness);
    found.par_sort_unstable_by(|a, b| order(a).cmp(&order(b)).then_with(|| likest(a, b)));
    found.dedup_by_key(|candidate| order(candidate));
    found.par_sort_unstable_by(|a, b| likest(a, b).then_with(|| order(a).cmp(&order(b))));
    found
}

/// Descriptors and the trees that they lie in.
struct Forest<'a> {
    descriptors: &'a [Descriptor],
    scale: Scale,
    scaled: Vec<Descriptor>,
    trees: Vec<Tree>,
    turns: Vec<Turn>,
}

impl Forest<'_> {
    /// The pictures that look most like one, however it is turned. `met` has a number for each picture, which tells in
    /// which search it was met last.
    fn neighbours(&self, index: usize, met: &mut [u32]) -> Vec<Candidate> {
        let mut near = Vec::new();
        for (number, &turn) in self.turns.iter().enumerate() {
            let search = (index * self.turns.len() + number + 1) as u32;
            let wanted = self.scale.apply(&self.descriptors[index], turn);
            for &other in self.trees.iter().flat_map(|tree| tree.leaf(&wanted)) {
                let other = other as usize;
                if other == index || std::mem::replace(&mut met[other], search) == search {
                    continue;
                }
                let likeness = likeness(&wanted, &self.scaled[other]);
                if likeness >= LIKE {
                    near.push((likeness, other, turn));
                }
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        near.truncate(NEIGHBOURS);
        let candidate = |(likeness, other, turn): (f32, usize, Turn)| {
            let (first, second, turn) =
                if index < other { (index, other, turn) } else { (other, index, turn.reversed()) };
            Candidate { first, second, turn, likeness }
        };
        near.into_iter().map(candidate).collect()
    }
}
