//! Proposed masks for histology without labels: regions of the dominant colours.

use std::sync::LazyLock;

use image::{GrayImage, RgbImage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// Pixels drawn for the clustering; smaller images are taken whole.
const SAMPLE_PIXELS: usize = 20_000;

/// Clusterings from different seedings, of which the tightest counts.
const RESTARTS: usize = 5;

/// Updates of the centres at most.
const UPDATES: usize = 200;

/// What [`propose`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The cluster of each pixel, from the darkest (0) to the lightest.
    pub labels: GrayImage,
    /// The mean red, green and blue of each cluster, before small regions are merged.
    pub colours: Vec<[u8; 3]>,
    /// The share of the pixels that each cluster has in `labels`.
    pub shares: Vec<f64>,
}

/// Labels each pixel with the nearest of `clusters` dominant colours.
///
/// The colours are the centres of k-means (Lloyd 1982, *IEEE Transactions on Information Theory*
/// 28:2) in CIE L\*a\*b\* on a random sample of pixels, the best of a few k-means++ seedings
/// (Arthur and Vassilvitskii 2007, SODA). Regions (pixels of one cluster joined by their sides) of
/// less than `minimum_px` pixels go to the cluster that most of their border touches, inwards from
/// the regions that are large enough; if there is none, the largest region counts as one.
///
/// An image with fewer colours than `clusters` has one cluster for each colour. The same image and
/// `seed` give the same proposal.
///
/// # Panics
/// If `clusters` is not from 1 to 256.
pub fn propose(image: &RgbImage, clusters: usize, minimum_px: u32, seed: u64) -> Proposal {
    assert!((1..=256).contains(&clusters), "1 to 256 clusters, not {clusters}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sample = sample(image, &mut rng);
    let points: Vec<[f64; 3]> = sample.iter().map(|&rgb| lab(rgb)).collect();
    let mut centres = k_means(&points, clusters, &mut rng);
    centres.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let pixels = image.as_raw().par_chunks_exact(3);
    let label = |rgb: &[u8]| nearest(&lab([rgb[0], rgb[1], rgb[2]]), &centres).0 as u8;
    let mut labels = GrayImage::new(image.width(), image.height());
    labels.par_iter_mut().zip(pixels).for_each(|(pixel, rgb)| *pixel = label(rgb));
    merge_small(&mut labels, minimum_px);
    let mut counts = vec![0u32; centres.len()];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let area = labels.len() as f64;
    let shares = counts.iter().map(|&count| f64::from(count) / area).collect();
    Proposal { labels, colours: mean_colours(&sample, &centres), shares }
}

/// Colours of random pixels, or of all if they are few.
fn sample(image: &RgbImage, rng: &mut impl Rng) -> Vec<[u8; 3]> {
    let (pixels, _) = image.as_raw().as_chunks::<3>();
    if pixels.len() <= SAMPLE_PIXELS {
        return pixels.to_vec();
    }
    (0..SAMPLE_PIXELS).map(|_| pixels[below(rng, pixels.len())]).collect()
}

/// Uniform in `[0, 1)`, with 53 random bits.
fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform in `0..count`.
fn below(rng: &mut impl Rng, count: usize) -> usize {
    (uniform(rng) * count as f64) as usize
}

/// Intensity of light for each level of sRGB (IEC 61966-2-1).
static LINEAR: LazyLock<[f64; 256]> = LazyLock::new(|| {
    std::array::from_fn(|level| {
        let value = level as f64 / 255.0;
        if value > 0.04045 { ((value + 0.055) / 1.055).powf(2.4) } else { value / 12.92 }
    })
});

/// An sRGB colour in CIE L\*a\*b\* under D65, 2 degrees: L\* from 0 to 100.
fn lab(rgb: [u8; 3]) -> [f64; 3] {
    const XYZ_OF_RGB: [[f64; 3]; 3] = [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ];
    const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];
    let [red, green, blue] = rgb.map(|level| LINEAR[usize::from(level)]);
    let [x, y, z] = std::array::from_fn(|axis| {
        let [r, g, b] = XYZ_OF_RGB[axis];
        let value = (r * red + g * green + b * blue) / WHITE[axis];
        if value > 0.008856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn squared_distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

/// The index of the nearest centre, the first of equals, and its squared distance.
fn nearest(point: &[f64; 3], centres: &[[f64; 3]]) -> (usize, f64) {
    let distances = centres.iter().map(|centre| squared_distance(point, centre)).enumerate();
    distances.min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, f64::INFINITY))
}

/// The centres of the tightest of a few clusterings.
fn k_means(points: &[[f64; 3]], clusters: usize, rng: &mut impl Rng) -> Vec<[f64; 3]> {
    let clusterings = (0..RESTARTS).map(|_| lloyd(points, seeds(points, clusters, rng)));
    let spread = |centres: &[[f64; 3]]| -> f64 {
        points.iter().map(|point| nearest(point, centres).1).sum()
    };
    let spreads = clusterings.map(|centres| (spread(&centres), centres));
    spreads.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, centres)| centres).unwrap_or_default()
}

/// k-means++: each further seed is a point drawn in proportion to its squared distance from the
/// nearest seed so far.
fn seeds(points: &[[f64; 3]], clusters: usize, rng: &mut impl Rng) -> Vec<[f64; 3]> {
    let mut seeds = Vec::new();
    let mut weights = vec![1.0; points.len()];
    while seeds.len() < clusters {
        let mut left = uniform(rng) * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a little at the end.
        let Some(drawn) = drawn.or_else(|| weights.iter().rposition(|&weight| weight > 0.0)) else {
            break;
        };
        let seed = points[drawn];
        for (weight, point) in weights.iter_mut().zip(points) {
            let distance = squared_distance(point, &seed);
            *weight = if seeds.is_empty() { distance } else { weight.min(distance) };
        }
        seeds.push(seed);
    }
    seeds
}

/// Moves each centre to the mean of the points nearest to it until none moves; those that lose all
/// points are dropped.
fn lloyd(points: &[[f64; 3]], mut centres: Vec<[f64; 3]>) -> Vec<[f64; 3]> {
    for _ in 0..UPDATES {
        let mut sums = vec![([0.0; 3], 0u32); centres.len()];
        for point in points {
            let (sum, count) = &mut sums[nearest(point, &centres).0];
            sum.iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
            *count += 1;
        }
        let kept = sums.into_iter().filter(|(_, count)| *count > 0);
        let means: Vec<_> =
            kept.map(|(sum, count)| sum.map(|sum| sum / f64::from(count))).collect();
        if means == centres {
            break;
        }
        centres = means;
    }
    centres
}

/// The mean of the colours nearest to each centre.
fn mean_colours(colours: &[[u8; 3]], centres: &[[f64; 3]]) -> Vec<[u8; 3]> {
    let mut sums = vec![([0u32; 3], 0u32); centres.len()];
    for &colour in colours {
        let (sum, count) = &mut sums[nearest(&lab(colour), centres).0];
        sum.iter_mut().zip(colour).for_each(|(sum, level)| *sum += u32::from(level));
        *count += 1;
    }
    let mean = |sum: u32, count: u32| (f64::from(sum) / f64::from(count)).round() as u8;
    sums.iter().map(|(sum, count)| sum.map(|sum| mean(sum, *count))).collect()
}

/// Pixels of one label that are joined by their sides.
struct Region {
    label: u8,
    pixels: u32,
}

/// Gives regions of less than `minimum_px` pixels the label around them.
fn merge_small(labels: &mut GrayImage, minimum_px: u32) {
    let width = labels.width() as usize;
    let (regions, region_of) = regions(labels, width);
    let largest = regions.iter().map(|region| region.pixels).max().unwrap_or(0);
    let first_largest = regions.iter().position(|region| region.pixels == largest);
    let mut settled: Vec<Option<u8>> = regions
        .iter()
        .map(|region| (region.pixels >= minimum_px).then_some(region.label))
        .collect();
    if let Some(index) = first_largest {
        settled[index] = Some(regions[index].label);
    }
    let borders = borders(&region_of, width, &settled);
    let around = |region: u32| {
        let start = borders.partition_point(|&[inner, _]| inner < region);
        borders[start..].iter().take_while(move |&&[inner, _]| inner == region).map(|&[_, o]| o)
    };
    let mut wave: Vec<u32> = (0..regions.len() as u32)
        .filter(|&region| around(region).any(|other| settled[other as usize].is_some()))
        .collect();
    while !wave.is_empty() {
        let decided: Vec<u8> = wave
            .iter()
            .map(|&region| {
                let labels = around(region).filter_map(|other| settled[other as usize]);
                label_around(regions[region as usize].label, labels)
            })
            .collect();
        for (&region, label) in wave.iter().zip(decided) {
            settled[region as usize] = Some(label);
        }
        wave = wave.iter().flat_map(|&region| around(region)).collect();
        wave.retain(|&region| settled[region as usize].is_none());
        wave.sort_unstable();
        wave.dedup();
    }
    for (label, region) in labels.iter_mut().zip(region_of) {
        *label = settled[region as usize].unwrap_or(*label);
    }
}

/// Its own label, if a merged neighbour has taken that, or else the most frequent one; the lowest
/// of equals.
fn label_around(own: u8, around: impl Iterator<Item = u8>) -> u8 {
    let mut counts = [0u32; 256];
    around.for_each(|label| counts[usize::from(label)] += 1);
    if counts[usize::from(own)] > 0 {
        return own;
    }
    (0..=255).rev().max_by_key(|&label: &u8| counts[usize::from(label)]).unwrap_or(own)
}

/// The regions in reading order of their first pixels, and the one of each pixel.
fn regions(labels: &[u8], width: usize) -> (Vec<Region>, Vec<u32>) {
    const NONE: u32 = u32::MAX;
    let mut regions: Vec<Region> = Vec::new();
    let mut region_of = vec![NONE; labels.len()];
    let mut open = Vec::new();
    for start in 0..labels.len() {
        if region_of[start] != NONE {
            continue;
        }
        let (number, label) = (regions.len() as u32, labels[start]);
        let mut pixels = 0;
        region_of[start] = number;
        open.push(start);
        while let Some(place) = open.pop() {
            pixels += 1;
            let column = place % width;
            let sides = [
                (column > 0).then(|| place - 1),
                (column + 1 < width).then(|| place + 1),
                place.checked_sub(width),
                (place + width < labels.len()).then(|| place + width),
            ];
            for side in sides.into_iter().flatten() {
                if region_of[side] == NONE && labels[side] == label {
                    region_of[side] = number;
                    open.push(side);
                }
            }
        }
        regions.push(Region { label, pixels });
    }
    (regions, region_of)
}

/// Every pixel side between a region that is not settled and another, as the numbers of the two,
/// in order.
fn borders(region_of: &[u32], width: usize, settled: &[Option<u8>]) -> Vec<[u32; 2]> {
    let mut borders = Vec::new();
    let mut add = |here: u32, there: u32| {
        for pair in [[here, there], [there, here]] {
            if here != there && settled[pair[0] as usize].is_none() {
                borders.push(pair);
            }
        }
    };
    for (place, &here) in region_of.iter().enumerate() {
        if (place + 1) % width != 0 {
            add(here, region_of[place + 1]);
        }
        if let Some(&below) = region_of.get(place + width) {
            add(here, below);
        }
    }
    borders.sort_unstable();
    borders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    fn merged(width: u32, labels: &[u8], minimum_px: u32) -> Vec<u8> {
        let height = labels.len() as u32 / width;
        let mut labels = GrayImage::from_raw(width, height, labels.to_vec()).unwrap();
        merge_small(&mut labels, minimum_px);
        labels.into_raw()
    }

    /// Three upright bands of flat colours, each level up to 6 off.
    fn bands() -> RgbImage {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        RgbImage::from_fn(30, 20, |x, _| {
            let colour = [[240, 230, 235], [90, 40, 120], [220, 120, 160]][x as usize / 10];
            image::Rgb(colour.map(|level: u8| level - 6 + below(&mut rng, 13) as u8))
        })
    }

    #[test]
    fn flat_colours_with_noise_are_found_from_dark_to_light() {
        let proposal = propose(&bands(), 3, 1, 0);
        let expected: Vec<u8> = (0..600).map(|place| [2, 0, 1][place % 30 / 10]).collect();
        assert_eq!(proposal.labels.into_raw(), expected);
        assert_eq!(proposal.shares, [1.0 / 3.0; 3]);
        for (found, flat) in
            proposal.colours.iter().zip([[90u8, 40, 120], [220, 120, 160], [240, 230, 235]])
        {
            assert!(found.iter().zip(flat).all(|(a, b)| a.abs_diff(b) <= 1), "{found:?} {flat:?}");
        }
    }

    #[test]
    fn a_seed_gives_one_proposal_with_any_number_of_threads() {
        let image = RgbImage::from_fn(200, 150, |x, y| {
            image::Rgb([x, y, x * y].map(|value| (value * value % 251) as u8))
        });
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| propose(&image, 4, 20, seed))
        };
        let proposal = on(1, 7);
        assert_eq!(proposal, on(3, 7));
        assert_ne!(proposal.colours, on(1, 8).colours);
    }

    #[test]
    fn fewer_colours_than_clusters_give_fewer_clusters() {
        let proposal = propose(&RgbImage::from_pixel(3, 2, image::Rgb([9, 8, 7])), 4, 1, 0);
        assert_eq!((proposal.colours, proposal.shares), (vec![[9, 8, 7]], vec![1.0]));
        assert_eq!(proposal.labels.into_raw(), [0; 6]);
        assert!(propose(&RgbImage::new(0, 0), 4, 1, 0).colours.is_empty());
    }

    #[test]
    fn a_small_region_goes_where_most_of_its_border_is() {
        // The 1 touches 2 on three sides and 0 on one.
        let labels = [0, 0, 0, 0, 2, 1, 2, 2, 2, 2, 2, 2];
        assert_eq!(merged(4, &labels, 2), [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(merged(4, &labels, 1), labels);
        // Touching both once, it goes to the darker.
        assert_eq!(merged(5, &[2, 2, 1, 0, 0], 2), [2, 2, 0, 0, 0]);
    }

    #[test]
    fn nested_small_regions_are_merged_from_outside() {
        let ring = |middle: u8, ring: u8| {
            let mut labels = [0; 25];
            for (y, x) in (1..4).flat_map(|y| (1..4).map(move |x| (y, x))) {
                labels[y * 5 + x] = if (x, y) == (2, 2) { middle } else { ring };
            }
            labels
        };
        assert_eq!(merged(5, &ring(2, 1), 9), [0; 25]);
        assert_eq!(merged(5, &ring(2, 1), 8), ring(1, 1));
        // What the ring becomes reaches the middle, which then is large enough.
        assert_eq!(merged(5, &[0, 0, 0, 1, 0], 3), [0; 5]);
    }

    #[test]
    fn without_a_region_large_enough_the_largest_takes_all() {
        assert_eq!(merged(4, &[1, 0, 0, 2], 9), [0; 4]);
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        colours: Vec<[u8; 3]>,
        lab: Vec<[f64; 3]>,
        clusterings: Vec<Clustering>,
    }

    #[derive(serde::Deserialize)]
    struct Clustering {
        sample: Vec<[u8; 3]>,
        centres: Vec<[f64; 3]>,
    }

    fn stored() -> Fixture {
        let text = std::fs::read_to_string(fixture("dominant_colours.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn lab_is_that_of_skimage() {
        let Fixture { colours, lab, .. } = stored();
        assert_eq!((colours.len(), lab.len()), (43, 43));
        for (&colour, expected) in colours.iter().zip(lab) {
            let off = squared_distance(&super::lab(colour), &expected).sqrt();
            assert!(off < 1e-5, "{colour:?}: {off}");
        }
    }

    #[test]
    fn centres_are_those_of_scikit_learn() {
        let clusterings = stored().clusterings;
        assert_eq!(clusterings.len(), 3);
        for Clustering { sample, centres } in clusterings {
            let points: Vec<[f64; 3]> = sample.iter().map(|&rgb| lab(rgb)).collect();
            for seed in 0..5 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut found = k_means(&points, centres.len(), &mut rng);
                found.sort_by(|a, b| a[0].total_cmp(&b[0]));
                assert_eq!(found.len(), centres.len());
                for (found, expected) in found.iter().zip(&centres) {
                    let off = squared_distance(found, expected).sqrt();
                    assert!(off < 1e-5, "seed {seed}: {found:?}, {expected:?}");
                }
            }
        }
    }
}
