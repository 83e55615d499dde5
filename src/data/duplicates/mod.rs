//! Near-duplicate images: the same picture cropped, rescaled, mirrored, exported again, or written on.
//!
//! BUSI holds many (Pawlowska et al. 2023, Data in Brief 48:109247), some under two labels, and many
//! neighbouring frames of one lesion; a split that parts them measures memory. `neighbours` proposes pairs that
//! look alike from afar, `registration` confirms those that show the same place.

mod cases;
mod descriptor;
mod neighbours;
mod registration;
#[cfg(test)]
mod testing;
mod thumbnail;
mod thumbnails;
mod turn;

pub use cases::{Duplicates, find_duplicates, near_cases, unsearched};
pub(super) use registration::Placement;
pub(super) use thumbnail::{Thumbnail, thumbnail};
pub(super) use thumbnails::Thumbnails;
pub(super) use turn::Turn;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use neighbours::{Candidate, candidates};
use registration::register;

use super::linked::Linked;
use crate::error::Result;
use crate::progress::Counting;

/// Correlation of fine structure from which two images count as one.
///
/// Of BUSI's pairs all above 0.36 show one scene; between 0.36 and 0.5 its neighbouring frames moved. Copies that
/// were cropped, rescaled, mirrored, compressed or written on, even all at once, stay above 0.5.
pub const SAME: f32 = 0.5;

/// Correlation from which a person should look at two images.
pub const BORDERLINE: f32 = 0.35;

/// Candidates that are registered before those of one cluster are left out again.
const ROUND: usize = 1024;

/// Two images that show the same, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pair {
    /// The one with the smaller number.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How the first is turned to lie as the second does.
    pub turn: Turn,
    /// Where the second lies in the first, once that is turned.
    pub placement: Placement,
    /// Correlation of their fine structure where they overlap.
    pub correlation: f32,
}

impl Pair {
    /// What makes the second image of the first, in words.
    pub fn transform(&self) -> String {
        let Placement { scale, shift } = self.placement;
        let percent = |part: f32| format!("{:.0} %", 100.0 * part);
        let moved = shift.iter().any(|shift| shift.abs() >= 0.005);
        let scaled = scale.iter().any(|scale| (scale - 1.0).abs() >= 0.005);
        let mut said = vec![self.turn.to_string()];
        if scaled {
            said.push(format!("shows {} x {} of it", percent(scale[0]), percent(scale[1])));
        }
        if moved {
            said.push(format!("moved by {} and {}", percent(shift[0]), percent(shift[1])));
        }
        said.join(", ")
    }
}

/// Images that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// Pairs from [`SAME`] on that link clusters, the most alike first; not all pairs within one.
    pub pairs: Vec<Pair>,
    /// Pairs of different clusters from [`BORDERLINE`] on, the most alike first.
    pub borderline: Vec<Pair>,
    /// For each image the number of the first of its cluster.
    pub clusters: Vec<usize>,
}

/// Looks for images that show the same. What is found depends on the images and their order alone.
///
/// `digests` tell images that are the same to the pixel, which belong together even where they have no contrast;
/// `None` where that is unknown.
///
/// # Errors
/// If a thumbnail cannot be read back.
pub(super) fn search(thumbnails: &Thumbnails, digests: Option<&[u64]>) -> Result<Found> {
    let candidates = candidates(&thumbnails.descriptors);
    let mut linked = Linked::new(thumbnails.count());
    let (mut pairs, mut borderline) = (Vec::new(), Vec::new());
    let counting = Counting::of("comparing images", candidates.len());
    for round in candidates.chunks(ROUND) {
        let open: Vec<&Candidate> = round
            .iter()
            .filter(|candidate| !linked.joined(candidate.first, candidate.second))
            .collect();
        let looked = open
            .into_par_iter()
            .map(|&Candidate { first, second, turn, .. }| {
                let turned = thumbnails.get(first)?.turned(turn);
                let (correlation, placement) = register(&turned, &*thumbnails.get(second)?);
                Ok(Pair { first, second, turn, placement, correlation })
            })
            .collect::<Result<Vec<_>>>()?;
        counting.add(round.len());
        for pair in looked {
            if pair.correlation >= SAME {
                linked.join(pair.first, pair.second);
                pairs.push(pair);
            } else if pair.correlation >= BORDERLINE {
                borderline.push(pair);
            }
        }
    }
    let mut first_of = BTreeMap::new();
    for (second, digest) in digests.unwrap_or_default().iter().enumerate() {
        let first = *first_of.entry(digest).or_insert(second);
        if !linked.joined(first, second) {
            linked.join(first, second);
            let (turn, placement) = (Turn::NONE, Placement { scale: [1.0; 2], shift: [0.0; 2] });
            pairs.push(Pair { first, second, turn, placement, correlation: 1.0 });
        }
    }
    borderline.retain(|pair| !linked.joined(pair.first, pair.second));
    let by_likeness = |a: &Pair, b: &Pair| {
        let order = b.correlation.total_cmp(&a.correlation);
        order.then_with(|| (a.first, a.second).cmp(&(b.first, b.second)))
    };
    pairs.sort_by(by_likeness);
    borderline.sort_by(by_likeness);
    Ok(Found { pairs, borderline, clusters: linked.firsts() })
}

/// For each image behind the first `others` the numbers of those among these that show the same.
///
/// # Errors
/// If a thumbnail cannot be read back.
pub(super) fn near(thumbnails: &Thumbnails, others: usize) -> Result<Vec<Vec<usize>>> {
    // The smaller number of a candidate comes first.
    let crosses = |one: &Candidate| one.first < others && one.second >= others;
    let same = |one: &Candidate| -> Result<bool> {
        let turned = thumbnails.get(one.first)?.turned(one.turn);
        Ok(register(&turned, &*thumbnails.get(one.second)?).0 >= SAME)
    };
    let crossing = candidates(&thumbnails.descriptors).into_par_iter().filter(crosses);
    let looked = crossing.map(|one| Ok((same(&one)?, one))).collect::<Result<Vec<_>>>()?;
    let mut near = vec![Vec::new(); thumbnails.count() - others];
    for (_, Candidate { first, second, .. }) in looked.into_iter().filter(|(same, _)| *same) {
        let of_image: &mut Vec<usize> = &mut near[second - others];
        if !of_image.contains(&first) {
            of_image.push(first);
        }
    }
    Ok(near)
}

/// For each image the number of the first of its cluster.
///
/// # Errors
/// As [`search`].
pub(super) fn clusters(thumbnails: &Thumbnails) -> Result<Vec<usize>> {
    Ok(search(thumbnails, None)?.clusters)
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use proptest::prelude::*;

    use super::testing::{Alteration, scene};
    use super::*;

    fn thumbnails(images: &[RgbImage]) -> Thumbnails {
        let mut thumbnails = Thumbnails::new();
        thumbnails.extend(images.iter().map(|image| thumbnail(image).unwrap()).collect()).unwrap();
        thumbnails
    }

    fn alteration() -> impl Strategy<Value = Alteration> {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        let cut = prop::array::uniform4(0u32..6);
        let size = prop::array::uniform2(60u32..150);
        (flags, cut, size, 60u32..170, 1u32..12).prop_map(
            |((mirrored, upside_down, text), cut, size, gamma, step)| Alteration {
                mirrored,
                upside_down,
                cut,
                size,
                gamma,
                step,
                text,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_copy_is_found_whatever_was_done_to_it_and_nothing_else_is(
            alteration in alteration(), seed in 0u32..1000, source in 0usize..8,
        ) {
            let scenes: Vec<_> = (0..8).map(|index| scene(8 * seed + index, 240, 200)).collect();
            let copy = alteration.apply(&scenes[source]);
            let images: Vec<_> = scenes.iter().chain([&copy]).cloned().collect();
            let found = search(&thumbnails(&images), None).unwrap();
            let pairs: Vec<_> = found.pairs.iter().map(|pair| (pair.first, pair.second)).collect();
            prop_assert_eq!(pairs, [(source, 8)]);
            prop_assert_eq!(found.clusters[8], source);
        }
    }

    #[test]
    fn links_carry_over_and_clusters_are_named_for_their_first() {
        let original = scene(5, 300, 300);
        let cut = |cut| Alteration { cut, ..Alteration::NONE }.apply(&original);
        let images = [
            scene(6, 300, 300),
            cut([5, 5, 0, 0]),
            scene(7, 300, 300),
            original.clone(),
            cut([0, 0, 5, 5]),
        ];
        assert_eq!(clusters(&thumbnails(&images)).unwrap(), [0, 1, 2, 1, 1]);
    }

    #[test]
    fn copies_of_the_images_of_others_are_found_among_them() {
        let scenes: Vec<_> = (0..4).map(|seed| scene(seed, 240, 200)).collect();
        let copy = Alteration { mirrored: true, cut: [2, 0, 3, 1], ..Alteration::NONE };
        let images = [scene(9, 240, 200), copy.apply(&scenes[2]), scenes[0].clone()];
        let all = [scenes.as_slice(), &images].concat();
        let found = near(&thumbnails(&all), scenes.len()).unwrap();
        assert_eq!(found, [vec![], vec![2], vec![0]]);
    }

    #[test]
    fn pictures_without_contrast_are_like_nothing() {
        let flat = thumbnails(&vec![RgbImage::from_pixel(50, 40, image::Rgb([7; 3])); 2]);
        assert_eq!(clusters(&flat).unwrap(), [0, 1]);
        assert_eq!(search(&flat, Some(&[3, 4])).unwrap().clusters, [0, 1]);
    }

    #[test]
    fn images_that_are_the_same_to_the_pixel_belong_together_even_without_contrast() {
        let flat = thumbnails(&vec![RgbImage::from_pixel(50, 40, image::Rgb([7; 3])); 3]);
        let found = search(&flat, Some(&[3, 4, 3])).unwrap();
        assert_eq!(found.clusters, [0, 1, 0]);
        let pairs: Vec<_> = found.pairs.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(pairs, [(0, 2)]);
    }
}
