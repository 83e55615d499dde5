//! The fully connected conditional random field, as post-processing of probabilities.

use std::collections::HashMap;

use image::RgbImage;
use rayon::prelude::*;

use crate::spec::CrfSpec;

/// Probabilities below this count as this much, so that no class is ruled out for good.
const LEAST_PROBABILITY: f32 = 1e-5;

/// The marginal probabilities of the classes after mean-field inference in a conditional random
/// field in which every pixel is tied to every other (Krähenbühl and Koltun 2011, NeurIPS, sections
/// 2 and 4).
///
/// Two pixels at positions p and with colours c are tied by
///
/// ```text
/// smooth_weight    * exp(-|p_i - p_j|^2 / (2 smooth_px^2))
/// bilateral_weight * exp(-|p_i - p_j|^2 / (2 bilateral_px^2) - |c_i - c_j|^2 / (2 bilateral_colour^2))
/// ```
///
/// and pay that much where their labels differ (Potts). The kernels are filtered with the
/// permutohedral lattice, normalised symmetrically, and hold the pixel itself, all as in pydensecrf;
/// `probabilities` are cut off at 1e-5.
///
/// # Shapes
/// `probabilities` is `[classes, height, width]` and adds up to 1 over the classes; so does the
/// result.
///
/// # Panics
/// If there are not `classes` probabilities for each pixel of `image`.
pub(super) fn crf(
    spec: &CrfSpec,
    image: &RgbImage,
    probabilities: &[f32],
    classes: usize,
) -> Vec<f32> {
    let pixels = image.width() as usize * image.height() as usize;
    assert_eq!(probabilities.len(), classes * pixels, "probabilities of {classes} classes");
    if probabilities.is_empty() {
        return Vec::new();
    }
    let (smooth, bilateral) = rayon::join(
        || Kernel::<3>::new(spec.smooth_weight, &positions(spec, image)),
        || Kernel::<6>::new(spec.bilateral_weight, &positions_and_colours(spec, image)),
    );
    let unary: Vec<f32> =
        probabilities.iter().map(|value| value.clamp(LEAST_PROBABILITY, 1.0).ln()).collect();
    let mut refined = unary.clone();
    softmax(&mut refined, classes);
    for _ in 0..spec.iterations {
        let mut scores = unary.clone();
        let planes = scores.par_chunks_exact_mut(pixels);
        planes.zip(refined.par_chunks_exact(pixels)).for_each(|(scores, plane)| {
            smooth.add_filtered(plane, scores);
            bilateral.add_filtered(plane, scores);
        });
        softmax(&mut scores, classes);
        refined = scores;
    }
    refined
}

/// x and y of each pixel in standard deviations.
fn positions(spec: &CrfSpec, image: &RgbImage) -> Vec<[f32; 2]> {
    let scale = spec.smooth_px as f32;
    image.enumerate_pixels().map(|(x, y, _)| [x, y].map(|axis| axis as f32 / scale)).collect()
}

/// x, y, red, green and blue of each pixel in standard deviations.
fn positions_and_colours(spec: &CrfSpec, image: &RgbImage) -> Vec<[f32; 5]> {
    let (px, colour) = (spec.bilateral_px as f32, spec.bilateral_colour as f32);
    let features = image.enumerate_pixels().map(|(x, y, pixel)| {
        let [r, g, b] = pixel.0.map(|level| f32::from(level) / colour);
        [x as f32 / px, y as f32 / px, r, g, b]
    });
    features.collect()
}

/// Turns log-probabilities `[classes, pixels]` into probabilities that add up to 1 at each pixel.
fn softmax(scores: &mut [f32], classes: usize) {
    let pixels = scores.len() / classes;
    for pixel in 0..pixels {
        let places = (pixel..scores.len()).step_by(pixels);
        let highest = places.clone().map(|place| scores[place]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for place in places.clone() {
            scores[place] = (scores[place] - highest).exp();
            sum += scores[place];
        }
        for place in places {
            scores[place] /= sum;
        }
    }
}

/// A Gaussian kernel of unit variance over features of `VERTICES - 1` dimensions.
struct Kernel<const VERTICES: usize> {
    lattice: Lattice<VERTICES>,
    weight: f32,
    /// One over the square root of what each pixel receives when all give 1.
    norm: Vec<f32>,
}

impl<const VERTICES: usize> Kernel<VERTICES> {
    fn new<const D: usize>(weight: f64, features: &[[f32; D]]) -> Self {
        let lattice = Lattice::new(features);
        let mut norm = lattice.filter(&vec![1.0; features.len()]);
        norm.iter_mut().for_each(|received| *received = received.sqrt().recip());
        Self { lattice, weight: weight as f32, norm }
    }

    /// Adds the weighted and normalised filtering of `plane` to `target`.
    fn add_filtered(&self, plane: &[f32], target: &mut [f32]) {
        let given: Vec<f32> =
            plane.iter().zip(&self.norm).map(|(value, norm)| value * norm).collect();
        let received = self.lattice.filter(&given);
        for ((value, received), norm) in target.iter_mut().zip(received).zip(&self.norm) {
            *value += self.weight * norm * received;
        }
    }
}

/// The permutohedral lattice around points (Adams, Baek and Davis 2010, Eurographics, section 3),
/// of as many dimensions as its simplices have `VERTICES`, less one.
struct Lattice<const VERTICES: usize> {
    /// The corners of the simplex around each point.
    corners: Vec<[u32; VERTICES]>,
    /// The barycentric coordinates of each point among them.
    weights: Vec<[f32; VERTICES]>,
    /// For each direction of the lattice, the two neighbours of each vertex in it.
    neighbours: Vec<Vec<[u32; 2]>>,
}

/// The number of all vertices that no point is near; their value stays 0.
const ABSENT: u32 = 0;

impl<const VERTICES: usize> Lattice<VERTICES> {
    fn new<const D: usize>(points: &[[f32; D]]) -> Self {
        let (positions, weights): (Vec<_>, Vec<_>) =
            points.par_iter().map(|point| enclosing(&elevate(point))).unzip();
        let (vertices, corners) = number(&positions);
        let directions = (0..VERTICES).into_par_iter();
        let neighbours = directions.map(|axis| neighbours(&vertices, axis)).collect();
        Self { corners, weights, neighbours }
    }

    /// Splats a value for each point onto the lattice, blurs, and slices: the sum over all points
    /// under an approximate Gaussian, up to a factor.
    fn filter(&self, values: &[f32]) -> Vec<f32> {
        let mut lattice = vec![0.0; self.neighbours[0].len()];
        for ((corners, weights), value) in self.corners.iter().zip(&self.weights).zip(values) {
            for (&vertex, weight) in corners.iter().zip(weights) {
                lattice[vertex as usize] += weight * value;
            }
        }
        let mut blurred = vec![0.0; lattice.len()];
        for neighbours in &self.neighbours {
            for ((sum, value), pair) in blurred.iter_mut().zip(&lattice).zip(neighbours) {
                let [before, after] = pair.map(|vertex| lattice[vertex as usize]);
                *sum = value + 0.5 * (before + after);
            }
            std::mem::swap(&mut lattice, &mut blurred);
        }
        let slice = |(corners, weights): (&[u32; VERTICES], &[f32; VERTICES])| {
            let corners = corners.iter().zip(weights);
            corners.map(|(&vertex, weight)| weight * lattice[vertex as usize]).sum()
        };
        self.corners.iter().zip(&self.weights).map(slice).collect()
    }
}

/// The vertices in ascending order without repetition, and the corners as numbers of vertices, of
/// which the first is 1.
fn number<const VERTICES: usize>(
    corners: &[[[i32; VERTICES]; VERTICES]],
) -> (Vec<[i32; VERTICES]>, Vec<[u32; VERTICES]>) {
    let mut found = HashMap::new();
    let mut numbers = vec![[ABSENT; VERTICES]; corners.len()];
    for (number, corner) in numbers.as_flattened_mut().iter_mut().zip(corners.as_flattened()) {
        let next = found.len() as u32;
        *number = *found.entry(*corner).or_insert(next);
    }
    let mut vertices: Vec<_> = found.into_iter().collect();
    vertices.par_sort_unstable();
    let mut ranks = vec![ABSENT; vertices.len()];
    for (rank, (_, number)) in (1..).zip(&vertices) {
        ranks[*number as usize] = rank;
    }
    numbers.as_flattened_mut().iter_mut().for_each(|number| *number = ranks[*number as usize]);
    (vertices.into_iter().map(|(vertex, _)| vertex).collect(), numbers)
}

/// The numbers of the neighbours of each vertex in a direction: a step is `VERTICES - 1` along
/// that axis and -1 along all others, which keeps the vertices in their order.
fn neighbours<const VERTICES: usize>(
    vertices: &[[i32; VERTICES]],
    direction: usize,
) -> Vec<[u32; 2]> {
    let mut neighbours = vec![[ABSENT; 2]; vertices.len() + 1];
    let mut rest = (1u32..).zip(vertices).peekable();
    for (number, vertex) in (1u32..).zip(vertices) {
        let mut step = vertex.map(|coordinate| coordinate - 1);
        step[direction] += VERTICES as i32;
        while rest.next_if(|(_, other)| **other < step).is_some() {}
        if let Some(&(next, _)) = rest.peek().filter(|(_, other)| **other == step) {
            neighbours[number as usize][1] = next;
            neighbours[next as usize][0] = number;
        }
    }
    neighbours
}

/// A point in the hyperplane of coordinates that add up to 0, scaled so that the blur has unit
/// variance (pages 5 and 6).
fn elevate<const D: usize, const VERTICES: usize>(point: &[f32; D]) -> [f32; VERTICES] {
    let deviation = (2.0f64 / 3.0).sqrt() * VERTICES as f64;
    let mut elevated = [0.0; VERTICES];
    let mut sum = 0.0;
    for axis in (1..=D).rev() {
        let scale = (deviation / ((axis * (axis + 1)) as f64).sqrt()) as f32;
        let scaled = point[axis - 1] * scale;
        elevated[axis] = sum - axis as f32 * scaled;
        sum += scaled;
    }
    elevated[0] = sum;
    elevated
}

/// The corners of the simplex around a point of the hyperplane, and its barycentric coordinates
/// (page 10).
fn enclosing<const VERTICES: usize>(
    point: &[f32; VERTICES],
) -> ([[i32; VERTICES]; VERTICES], [f32; VERTICES]) {
    let size = VERTICES as i32;
    let rounded = point.map(|coordinate| (coordinate / size as f32).round_ties_even() as i32);
    let mut nearest = rounded.map(|multiple| multiple * size);
    let mut rank = [rounded.iter().sum::<i32>(); VERTICES];
    let differences: [f32; VERTICES] =
        std::array::from_fn(|axis| point[axis] - nearest[axis] as f32);
    for first in 0..VERTICES {
        for second in first + 1..VERTICES {
            let behind = differences[first] < differences[second];
            rank[if behind { first } else { second }] += 1;
        }
    }
    // Where the nearest multiples do not add up to 0, some go one further.
    for (rank, nearest) in rank.iter_mut().zip(&mut nearest) {
        let turns = rank.div_euclid(size) * size;
        *rank -= turns;
        *nearest -= turns;
    }
    let mut weights = [0.0; VERTICES];
    for axis in 0..VERTICES {
        let share = (point[axis] - nearest[axis] as f32) / size as f32;
        let place = VERTICES - 1 - rank[axis] as usize;
        weights[place] += share;
        weights[(place + 1) % VERTICES] -= share;
    }
    weights[0] += 1.0;
    let corners = std::array::from_fn(|corner| {
        let corner = corner as i32;
        std::array::from_fn(|axis| {
            nearest[axis] + if rank[axis] < size - corner { corner } else { corner - size }
        })
    });
    (corners, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        classes: usize,
        smooth: [f64; 2],
        bilateral: [f64; 3],
        iterations: u32,
        pixels: Vec<u8>,
        probabilities: Vec<f32>,
        refined: Vec<f32>,
    }

    impl Case {
        fn spec(&self) -> CrfSpec {
            let [smooth_weight, smooth_px] = self.smooth;
            let [bilateral_weight, bilateral_px, bilateral_colour] = self.bilateral;
            let iterations = self.iterations;
            CrfSpec {
                iterations,
                smooth_weight,
                smooth_px,
                bilateral_weight,
                bilateral_px,
                bilateral_colour,
            }
        }

        fn image(&self) -> RgbImage {
            RgbImage::from_raw(self.width, self.height, self.pixels.clone()).unwrap()
        }
    }

    fn cases() -> Vec<Case> {
        let text = std::fs::read_to_string(fixture("crf.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 4);
        cases
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Mean-field inference with the exact kernels, in a sum over all pairs of pixels.
    fn brute_force(
        spec: &CrfSpec,
        image: &RgbImage,
        probabilities: &[f32],
        classes: usize,
    ) -> Vec<f32> {
        let smooth = exact_kernel(spec.smooth_weight, &positions(spec, image));
        let bilateral = exact_kernel(spec.bilateral_weight, &positions_and_colours(spec, image));
        let pixels = smooth.len();
        let mut refined = probabilities.to_vec();
        for _ in 0..spec.iterations {
            let mut scores: Vec<f32> = probabilities.iter().map(|value| value.ln()).collect();
            for (place, score) in scores.iter_mut().enumerate() {
                let plane = &refined[place / pixels * pixels..][..pixels];
                let ties = smooth[place % pixels].iter().zip(&bilateral[place % pixels]);
                let message = ties.zip(plane).map(|((a, b), value)| (a + b) * f64::from(*value));
                *score += message.sum::<f64>() as f32;
            }
            softmax(&mut scores, classes);
            refined = scores;
        }
        refined
    }

    /// The kernel between all pairs, normalised symmetrically.
    fn exact_kernel<const D: usize>(weight: f64, features: &[[f32; D]]) -> Vec<Vec<f64>> {
        let tie = |a: &[f32; D], b: &[f32; D]| {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
            (-0.5 * squares.sum::<f64>()).exp()
        };
        let ties: Vec<Vec<f64>> =
            features.iter().map(|a| features.iter().map(|b| tie(a, b)).collect()).collect();
        let norms: Vec<f64> = ties.iter().map(|row| row.iter().sum::<f64>().sqrt()).collect();
        let normal = |(row, norm): (&Vec<f64>, &f64)| {
            row.iter().zip(&norms).map(|(tie, other)| weight * tie / (norm * other)).collect()
        };
        ties.iter().zip(&norms).map(normal).collect()
    }

    #[test]
    fn probabilities_are_those_of_pydensecrf() {
        for case in cases() {
            let refined = crf(&case.spec(), &case.image(), &case.probabilities, case.classes);
            let off = largest_difference(&refined, &case.refined);
            assert!(off < 1e-4, "{}x{}: {off}", case.width, case.height);
        }
    }

    #[test]
    fn probabilities_are_near_those_of_the_exact_kernels() {
        for case in cases() {
            let image = case.image();
            let refined = crf(&case.spec(), &image, &case.probabilities, case.classes);
            let exact = brute_force(&case.spec(), &image, &case.probabilities, case.classes);
            let off = largest_difference(&refined, &exact);
            assert!(off < 0.05, "{}x{}: {off}", case.width, case.height);
            let pixels = (case.width * case.height) as usize;
            let labels = labels(&refined, pixels);
            let differing = labels.iter().zip(self::labels(&exact, pixels));
            assert!(differing.filter(|(a, b)| *a != b).count() <= 1);
            assert_ne!(labels, self::labels(&case.probabilities, pixels));
        }
    }

    /// The class of the highest probability at each pixel.
    fn labels(probabilities: &[f32], pixels: usize) -> Vec<usize> {
        let label = |pixel: usize| {
            let planes = probabilities.chunks_exact(pixels).map(|plane| plane[pixel]).enumerate();
            planes.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap().0
        };
        (0..pixels).map(label).collect()
    }

    fn spec(iterations: u32) -> CrfSpec {
        CrfSpec {
            iterations,
            smooth_weight: 1.0,
            smooth_px: 2.0,
            bilateral_weight: 1.0,
            bilateral_px: 4.0,
            bilateral_colour: 10.0,
        }
    }

    #[test]
    fn a_lone_pixel_is_tied_to_itself() {
        // The log odds ln 3 grow by the weights 1 + 1 times 0.75 - 0.25: 3 e / (3 e + 1).
        let refined = crf(&spec(1), &RgbImage::new(1, 1), &[0.75, 0.25], 2);
        assert!(largest_difference(&refined, &[0.89077, 0.10923]) < 1e-5, "{refined:?}");
    }

    #[test]
    fn no_iterations_change_nothing() {
        let probabilities = [0.75, 1.0, 0.25, 0.0];
        let refined = crf(&spec(0), &RgbImage::new(2, 1), &probabilities, 2);
        assert!(largest_difference(&refined, &probabilities) < 2e-5, "{refined:?}");
        assert!(crf(&spec(5), &RgbImage::new(0, 3), &[], 2).is_empty());
    }

    #[test]
    fn labels_follow_the_colours_of_the_image() {
        // Two halves, black and white; one pixel of each is on the wrong side.
        let image = RgbImage::from_fn(8, 4, |x, _| image::Rgb([if x < 4 { 0 } else { 255 }; 3]));
        let wrong = [8 + 2, 16 + 5];
        let first: Vec<f32> = (0..32)
            .map(|place| if (place % 8 < 4) != wrong.contains(&place) { 0.7 } else { 0.3 })
            .collect();
        let both: Vec<f32> = first.iter().copied().chain(first.iter().map(|v| 1.0 - v)).collect();
        let refined = crf(&spec(5), &image, &both, 2);
        let expected: Vec<usize> = (0..32).map(|place| usize::from(place % 8 >= 4)).collect();
        assert_eq!(labels(&refined, 32), expected);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let case = &cases()[1];
        let refine = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| crf(&case.spec(), &case.image(), &case.probabilities, case.classes))
        };
        assert_eq!(refine(1), refine(4));
    }

    #[test]
    fn a_point_lies_in_its_simplex() {
        // The centre of 0, (1, 1, -2) and (2, -1, -1).
        let (corners, weights) = enclosing(&[1.0, 0.0, -1.0]);
        assert_eq!(corners, [[0, 0, 0], [1, 1, -2], [2, -1, -1]]);
        assert!(largest_difference(&weights, &[1.0 / 3.0; 3]) < 1e-6);

        for point in [[0.0; 5], [7.3, -2.1, 0.4, 9.9, 3.0], [-0.2, 0.1, -8.0, 0.0, 1.5]] {
            let elevated: [f32; 6] = elevate(&point);
            let (corners, weights) = enclosing(&elevated);
            assert!(weights.iter().all(|weight| (-1e-5..=1.00001).contains(weight)), "{weights:?}");
            for (axis, coordinate) in elevated.iter().enumerate() {
                let sum: f32 =
                    corners.iter().zip(weights).map(|(corner, w)| corner[axis] as f32 * w).sum();
                assert!((sum - coordinate).abs() < 1e-4, "{sum} {coordinate}");
            }
        }
    }

    #[test]
    fn neighbours_are_a_step_apart() {
        // A step in direction 0 of a triangular lattice is (2, -1, -1).
        let corners = [[[0, 0, 0], [1, 1, -2], [2, -1, -1]], [[0, 0, 0], [1, 1, -2], [-1, 2, -1]]];
        let (vertices, numbers) = number(&corners);
        assert_eq!(vertices, [[-1, 2, -1], [0, 0, 0], [1, 1, -2], [2, -1, -1]]);
        assert_eq!(numbers, [[2, 3, 4], [2, 3, 1]]);
        assert_eq!(neighbours(&vertices, 0), [[0, 0], [0, 3], [0, 4], [1, 0], [2, 0]]);
    }

    #[test]
    fn distances_are_those_of_the_features_times_the_scale() {
        // The scale is sqrt(2/3) * 3 = sqrt(6): features (3, 4) are 5 from 0.
        let elevated: [f32; 3] = elevate(&[3.0, 4.0]);
        assert!(elevated.iter().sum::<f32>().abs() < 1e-5);
        let length = elevated.iter().map(|coordinate| coordinate.powi(2)).sum::<f32>();
        assert!((length - 6.0 * 25.0).abs() < 1e-3, "{length}");
    }
}
