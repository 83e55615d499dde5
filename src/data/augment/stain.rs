//! Random strength of stains, also called HED jitter (Tellez et al. 2018, "Whole-slide mitosis detection in H&E breast
//! histology using PHH3 as a reference to train distilled stain-invariant convolutional networks", IEEE Trans. Med. Imaging
//! 37:2126).

use super::{Draws, Purpose};
use crate::spec::AugmentSpec;

/// Optical densities of red, green and blue of haematoxylin, eosin and DAB (Ruifrok and Johnston 2001, Anal. Quant. Cytol.
/// Histol. 23:291), as scikit-image's `rgb_from_hed`.
const STAINS: [[f64; 3]; 3] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]];
/// What darker intensities count as, as in scikit-image.
const DARKEST: f32 = 1e-6;

/// A change of the strength of haematoxylin, eosin and DAB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StainJitter {
    /// Factor of each.
    pub factors: [f64; 3],
    /// Added to each, in optical density to the base of e: scikit-image's unit times ln 10^6.
    pub shifts: [f64; 3],
}

impl StainJitter {
    /// Draws the change; `None` if none happens.
    pub(super) fn draw(spec: &AugmentSpec, draws: &Draws) -> Option<Self> {
        let spec = spec.stain.as_ref()?;
        let mut stream = draws.stream(Purpose::Stain);
        stream.chance(spec.probability).then(|| Self {
            factors: [0; 3].map(|_| stream.between([1.0 - spec.factor, 1.0 + spec.factor])),
            shifts: [0; 3].map(|_| stream.between([-spec.shift, spec.shift])),
        })
    }

    /// Changes an image of three planes; one of a single plane is gray, and no stain makes it.
    ///
    /// With densities d = -ln(max(intensity, 10^-6)) and the stains' densities S as rows, the stains d S^-1 become
    /// factors d S^-1 + shifts, negative ones too, so that factors of 1 and shifts of 0 change nothing. scikit-image's
    /// `rgb2hed` takes negative ones for 0.
    pub(super) fn apply(&self, image: &mut [f32], planes: usize) {
        if planes != 3 {
            return;
        }
        let (map, offset) = self.of_densities();
        let area = image.len() / 3;
        let (red, rest) = image.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let [x, y, z] = [*r, *g, *b].map(|intensity| -intensity.max(DARKEST).ln());
            let changed = |to: usize| {
                let density = x * map[0][to] + y * map[1][to] + z * map[2][to] + offset[to];
                (-density).exp().clamp(0.0, 1.0)
            };
            (*r, *g, *b) = (changed(0), changed(1), changed(2));
        }
    }

    /// What densities as a row are multiplied by, and what is then added.
    fn of_densities(&self) -> ([[f32; 3]; 3], [f32; 3]) {
        let inverse = inverse(&STAINS);
        let sum = |term: &dyn Fn(usize) -> f64| (0..3).map(term).sum::<f64>() as f32;
        let map = std::array::from_fn(|from| {
            std::array::from_fn(|to| {
                sum(&|stain| inverse[from][stain] * self.factors[stain] * STAINS[stain][to])
            })
        });
        (map, std::array::from_fn(|to| sum(&|stain| self.shifts[stain] * STAINS[stain][to])))
    }
}

/// The inverse of a matrix, by its cofactors.
fn inverse(matrix: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |row: usize, column: usize| {
        let [a, b] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        matrix[a][c] * matrix[b][d] - matrix[a][d] * matrix[b][c]
    };
    let determinant: f64 = (0..3).map(|column| matrix[0][column] * cofactor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::testing::fixture;

    #[derive(Deserialize)]
    struct Case {
        factors: [f64; 3],
        shifts: [f64; 3],
        /// Red, green and blue of pixels side by side, in levels.
        pixels: Vec<u8>,
        /// What scikit-image's matrices make of them.
        changed: Vec<u8>,
        /// What its `rgb2hed` and `hed2rgb` make of them.
        by_hed: Vec<u8>,
        /// Whether none of a pixel's stains is negative.
        positive: Vec<bool>,
    }

    /// The image of pixels side by side, in planes.
    fn planes(pixels: &[u8]) -> Vec<f32> {
        let plane = |channel: usize| pixels.iter().skip(channel).step_by(3);
        (0..3).flat_map(plane).map(|&level| f32::from(level) / 255.0).collect()
    }

    #[test]
    fn images_are_those_of_scikit_image_but_for_its_negative_stains() {
        let text = std::fs::read_to_string(fixture("stain_jitter.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 4);
        for Case { factors, shifts, pixels, changed, by_hed, positive } in cases {
            let mut image = planes(&pixels);
            StainJitter { factors, shifts }.apply(&mut image, 3);
            let off = |expected: &[u8]| -> Vec<f32> {
                let pairs = image.iter().zip(planes(expected));
                pairs.map(|(a, b)| 255.0 * (a - b).abs()).collect()
            };
            // Half a level for the rounding of the fixture.
            assert!(off(&changed).iter().all(|&off| off < 0.51));
            let (off, count) = (off(&by_hed), positive.len());
            let of_positive = (0..3 * count).filter(|index| positive[index % count]);
            assert!(of_positive.map(|index| off[index]).all(|off| off < 0.51));
            assert!(positive.iter().filter(|&&positive| positive).count() > count / 4);
        }
    }

    #[test]
    fn twice_the_haematoxylin_is_twice_its_density() {
        // Haematoxylin of strength 1 alone.
        let mut image: Vec<f32> = STAINS[0].iter().map(|part| (-part).exp() as f32).collect();
        StainJitter { factors: [2.0, 0.5, 0.5], shifts: [0.0; 3] }.apply(&mut image, 3);
        for (found, part) in image.iter().zip(STAINS[0]) {
            assert!((f64::from(*found) - (-2.0 * part).exp()).abs() < 1e-5, "{image:?}");
        }
    }

    #[test]
    fn eosin_that_is_added_takes_away_its_colours() {
        let mut image = [1.0; 3];
        StainJitter { factors: [1.0; 3], shifts: [0.0, 0.5, 0.0] }.apply(&mut image, 3);
        for (found, part) in image.iter().zip(STAINS[1]) {
            assert!((f64::from(*found) - (-0.5 * part).exp()).abs() < 1e-6, "{image:?}");
        }
    }

    #[test]
    fn a_gray_image_stays_as_it_is() {
        let mut image = [0.2, 0.9];
        StainJitter { factors: [2.0; 3], shifts: [0.5; 3] }.apply(&mut image, 1);
        assert_eq!(image, [0.2, 0.9]);
    }

    proptest! {
        #[test]
        fn no_change_of_any_stain_changes_nothing(r in 1e-5f32..=1.0, g in 1e-5f32..=1.0, b in 1e-5f32..=1.0) {
            let mut image = [r, g, b];
            StainJitter { factors: [1.0; 3], shifts: [0.0; 3] }.apply(&mut image, 3);
            for (found, was) in image.iter().zip([r, g, b]) {
                prop_assert!((found - was).abs() < 1e-4, "{:?}", image);
            }
        }
    }
}
