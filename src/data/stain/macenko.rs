//! Macenko's normalisation of stains.

use std::fmt;
use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::eigen::two_largest;
use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::source::Levels;
use crate::source::decode::decode_image;
use crate::spec::{StainReferenceSpec, StainSpec};

/// Intensity of the light without tissue, in levels.
const LIGHT: f64 = 240.0;
/// Stains of the reference of Mitko Veta's implementation (github.com/mitkovetta/staining-normalization).
const HAEMATOXYLIN: [f64; 3] = [0.5626, 0.7201, 0.4062];
const EOSIN: [f64; 3] = [0.2159, 0.8012, 0.5581];
const CONCENTRATIONS: [f64; 2] = [1.9705, 1.0308];
/// The percentile of a stain's concentrations that becomes the reference's.
const STRONG: f64 = 99.0;
/// Part of an image that must be tissue: the 99th percentile is of all pixels, and must be one of tissue.
const LEAST_TISSUE: f64 = 0.05;
/// Least sine of the angle between two stains, squared; below it they are one.
const LEAST_ANGLE: f64 = 1e-3;
/// Least strong concentration of a stain that is there; below it the background would be magnified.
const LEAST_CONCENTRATION: f64 = 0.05;

/// How a run normalises stains (Macenko et al. 2009, "A method for normalizing histology slides for quantitative
/// analysis", ISBI), as `plan.toml` keeps it.
///
/// The optical density of a level is -ln((level + 1) / 240). The stains of an image lie in the plane of the two largest
/// eigenvectors of the covariance of its tissue's densities, at the extreme angles; its pixels' concentrations are the least
/// squares solution by them. Each stain's concentrations are scaled so that their 99th percentile is that of the
/// reference, whose stains then give the new levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StainNormalization {
    /// Optical densities of red, green and blue of the reference's haematoxylin, of length 1.
    pub haematoxylin: [f64; 3],
    /// Those of its eosin.
    pub eosin: [f64; 3],
    /// The 99th percentiles of its concentrations of haematoxylin and eosin.
    pub concentrations: [f64; 2],
    /// The optical density that all three colours of a pixel of tissue have at least.
    pub background: f64,
    /// Percent of the tissue that lies beyond each of the two stains.
    pub percentile: f64,
    /// SHA-256 of the file of the image that the reference was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_sha256: Option<String>,
}

/// Why no two stains can be found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoStains {
    /// Red, green and blue are equal everywhere.
    Gray,
    /// Less than a twentieth of it is tissue.
    Background,
    /// Its tissue has one colour.
    OneColour,
}

impl fmt::Display for NoStains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gray => "it is gray",
            Self::Background => "less than 5 % of it is tissue",
            Self::OneColour => "its tissue has one colour",
        })
    }
}

impl StainNormalization {
    /// What a spec decides; an image that is its reference is read through `levels`.
    ///
    /// # Errors
    /// If that image cannot be decoded, or has no two stains.
    pub fn of(spec: &StainSpec, levels: Levels) -> Result<Self> {
        let StainSpec::Macenko(spec) = spec;
        let published = Self {
            haematoxylin: HAEMATOXYLIN,
            eosin: EOSIN,
            concentrations: CONCENTRATIONS,
            background: spec.background,
            percentile: spec.percentile,
            image_sha256: None,
        };
        let StainReferenceSpec::Image(image) = &spec.reference else { return Ok(published) };
        let path = Path::new(&image.path);
        let found = published.stains(&decode_image(path, levels)?).map_err(|why| {
            Error::user(format!(
                "{}: no two stains can be found in it, for {why}: choose an image with nuclei and stroma",
                path.display()
            ))
        })?;
        let [haematoxylin, eosin] = found.densities;
        Ok(Self {
            haematoxylin,
            eosin,
            concentrations: found.concentrations,
            image_sha256: Some(sha256_of_file(path)?),
            ..published
        })
    }

    /// An image with the stains of the reference.
    ///
    /// # Errors
    /// If no two stains can be found in it.
    pub(crate) fn apply(&self, image: &RgbImage) -> Result<RgbImage, NoStains> {
        let found = self.stains(image)?;
        let scales: [f64; 2] =
            std::array::from_fn(|stain| self.concentrations[stain] / found.concentrations[stain]);
        // From the densities of an image to those of the reference.
        let map: [[f64; 3]; 3] = std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                self.haematoxylin[row] * scales[0] * found.unmixing[0][column]
                    + self.eosin[row] * scales[1] * found.unmixing[1][column]
            })
        });
        let table = densities();
        let mut normalised = image.clone();
        for pixel in normalised.pixels_mut() {
            let density = pixel.0.map(|level| table[usize::from(level)]);
            pixel.0 = map.map(|row| {
                let level = LIGHT as f32 * (-dot(&row, &density) as f32).exp();
                (level + 0.5) as u8
            });
        }
        Ok(normalised)
    }

    /// The two stains of an image.
    ///
    /// # Errors
    /// If there are no two.
    pub(super) fn stains(&self, image: &RgbImage) -> Result<Stains, NoStains> {
        if is_gray(image) {
            return Err(NoStains::Gray);
        }
        let table = densities();
        let all = || image.pixels().map(|pixel| pixel.0.map(|level| table[usize::from(level)]));
        let tissue = || all().filter(|density| density.iter().all(|&d| d >= self.background));
        let count = tissue().count();
        if count < 2 || (count as f64) < LEAST_TISSUE * f64::from(image.width() * image.height()) {
            return Err(NoStains::Background);
        }
        let (mean, covariance) = moments(tissue(), count);
        let [mut first, second] = two_largest(covariance);
        if dot(&first, &mean) < 0.0 {
            first = first.map(|part| -part);
        }
        let angle = |density: [f64; 3]| dot(&second, &density).atan2(dot(&first, &density)) as f32;
        let mut angles: Vec<f32> = tissue().map(angle).collect();
        let at = |angle: f64| -> [f64; 3] {
            std::array::from_fn(|i| angle.cos() * first[i] + angle.sin() * second[i])
        };
        let one = at(percentile(&mut angles, self.percentile));
        let other = at(percentile(&mut angles, 100.0 - self.percentile));
        drop(angles);
        // Haematoxylin is blue: it takes away more red.
        let densities = if one[0] > other[0] { [one, other] } else { [other, one] };
        let unmixing = unmixing(&densities).ok_or(NoStains::OneColour)?;
        let concentrations = unmixing.map(|row| {
            let mut all: Vec<f32> = all().map(|density| dot(&row, &density) as f32).collect();
            percentile(&mut all, STRONG)
        });
        if concentrations.iter().all(|&strong| strong >= LEAST_CONCENTRATION) {
            Ok(Stains { densities, unmixing, concentrations })
        } else {
            Err(NoStains::OneColour)
        }
    }
}

/// The two stains of an image, haematoxylin first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stains {
    /// Optical densities of red, green and blue, of length 1.
    densities: [[f64; 3]; 2],
    /// What densities are multiplied by to get the concentration of each.
    unmixing: [[f64; 3]; 2],
    /// The 99th percentiles of the concentrations of all pixels.
    concentrations: [f64; 2],
}

/// Whether red, green and blue are equal everywhere.
pub(super) fn is_gray(image: &RgbImage) -> bool {
    image.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2])
}

/// The optical density of each level.
fn densities() -> [f64; 256] {
    std::array::from_fn(|level| -((level as f64 + 1.0) / LIGHT).ln())
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Mean and covariance of `count` densities.
fn moments(
    densities: impl Iterator<Item = [f64; 3]> + Clone,
    count: usize,
) -> ([f64; 3], [[f64; 3]; 3]) {
    let mut mean = [0.0; 3];
    for density in densities.clone() {
        mean.iter_mut().zip(density).for_each(|(sum, part)| *sum += part);
    }
    mean.iter_mut().for_each(|sum| *sum /= count as f64);
    let mut covariance = [[0.0; 3]; 3];
    for density in densities {
        let off: [f64; 3] = std::array::from_fn(|i| density[i] - mean[i]);
        for (row, a) in covariance.iter_mut().zip(off) {
            row.iter_mut().zip(off).for_each(|(sum, b)| *sum += a * b);
        }
    }
    (mean, covariance.map(|row| row.map(|sum| sum / (count as f64 - 1.0))))
}

/// What densities are multiplied by to get the concentrations of two stains of length 1: the pseudo-inverse of their
/// columns. `None` if they are one.
fn unmixing(stains: &[[f64; 3]; 2]) -> Option<[[f64; 3]; 2]> {
    let [a, b] = stains;
    let cosine = dot(a, b);
    let determinant = 1.0 - cosine * cosine;
    let row = |own: &[f64; 3], other: &[f64; 3]| -> [f64; 3] {
        std::array::from_fn(|i| (own[i] - cosine * other[i]) / determinant)
    };
    (determinant >= LEAST_ANGLE).then(|| [row(a, b), row(b, a)])
}

/// A percentile of some values, linear between the two next to it, as NumPy's default. Changes their order.
fn percentile(values: &mut [f32], percent: f64) -> f64 {
    let rank = percent / 100.0 * (values.len() - 1) as f64;
    let (_, &mut below, rest) = values.select_nth_unstable_by(rank as usize, f32::total_cmp);
    let above = rest.iter().copied().min_by(f32::total_cmp).unwrap_or(below);
    f64::from(below) + rank.fract() * (f64::from(above) - f64::from(below))
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;
    use crate::spec::MacenkoSpec;
    use crate::testing::fixture;

    fn normalization(spec: &MacenkoSpec) -> StainNormalization {
        StainNormalization::of(&StainSpec::Macenko(spec.clone()), Levels::Refused).unwrap()
    }

    fn published() -> StainNormalization {
        normalization(&MacenkoSpec::default())
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        width: u32,
        height: u32,
        pixels: Vec<u8>,
        background: f64,
        percentile: f64,
        stains: [[f64; 3]; 2],
        concentrations: [f64; 2],
        normalised: Vec<u8>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
        /// The first image with the stains of the second.
        to_second: Vec<u8>,
    }

    fn read() -> Fixture {
        let text = std::fs::read_to_string(fixture("stain_macenko.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    impl Case {
        fn image(&self) -> RgbImage {
            RgbImage::from_raw(self.width, self.height, self.pixels.clone()).unwrap()
        }

        fn normalization(&self) -> StainNormalization {
            let (background, percentile) = (self.background, self.percentile);
            normalization(&MacenkoSpec { background, percentile, ..MacenkoSpec::default() })
        }
    }

    /// How far two images are apart.
    fn apart(found: &RgbImage, expected: &[u8]) -> u8 {
        found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn stains_and_images_are_those_of_torchstain_but_for_its_cut_fractions() {
        let Fixture { cases, .. } = read();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let normalization = case.normalization();
            let found = normalization.stains(&case.image()).unwrap();
            let pairs = found.densities.iter().flatten().zip(case.stains.iter().flatten());
            let pairs = pairs.chain(found.concentrations.iter().zip(&case.concentrations));
            for (a, b) in pairs {
                assert!((a - b).abs() < 1e-5, "{}: {found:?}", case.name);
            }
            let normalised = normalization.apply(&case.image()).unwrap();
            assert!(apart(&normalised, &case.normalised) <= 1, "{}", case.name);
            assert_ne!(normalised, case.image());
        }
    }

    #[test]
    fn an_image_gets_the_stains_of_an_image() {
        let folder = tempfile::tempdir().unwrap();
        let Fixture { cases, to_second } = read();
        let path = folder.path().join("reference.png");
        cases[1].image().save(&path).unwrap();
        let image = crate::spec::StainImage { path: path.display().to_string() };
        let reference = StainReferenceSpec::Image(image);
        let fitted = normalization(&MacenkoSpec { reference, ..MacenkoSpec::default() });
        assert_eq!(fitted.image_sha256, Some(sha256_of_file(&path).unwrap()));
        assert!(apart(&fitted.apply(&cases[0].image()).unwrap(), &to_second) <= 1);
        // The numbers alone are enough, and come through a plan as they are.
        let text = toml::to_string(&fitted).unwrap();
        assert_eq!(toml::from_str::<StainNormalization>(&text).unwrap(), fitted);
    }

    #[test]
    fn a_reference_without_two_stains_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("white.png");
        RgbImage::from_fn(16, 16, |x, _| Rgb([250, 250, 240 + (x % 2) as u8])).save(&path).unwrap();
        let of = |path: &Path| {
            let image = crate::spec::StainImage { path: path.display().to_string() };
            let reference = StainReferenceSpec::Image(image);
            let spec = StainSpec::Macenko(MacenkoSpec { reference, ..MacenkoSpec::default() });
            StainNormalization::of(&spec, Levels::Refused).unwrap_err().to_string()
        };
        let said = of(&path);
        assert!(said.contains("white.png: no two stains can be found in it, for less than 5 %"));
        assert!(of(&folder.path().join("none.png")).contains("none.png"));
    }

    #[test]
    fn what_has_no_two_stains_says_why() {
        let image = |pixel: &dyn Fn(u32, u32) -> [u8; 3]| {
            RgbImage::from_fn(20, 20, |x, y| Rgb(pixel(x, y)))
        };
        let why = |image: RgbImage| published().apply(&image).unwrap_err();
        assert_eq!(why(image(&|x, y| [(x * y) as u8; 3])), NoStains::Gray);
        assert_eq!(why(image(&|_, _| [255, 254, 255])), NoStains::Background);
        // 19 of 400 pixels are tissue.
        let few = |x, y| if y == 0 && x < 19 { [90 + x as u8, 60, 120] } else { [240, 240, 245] };
        assert_eq!(why(image(&few)), NoStains::Background);
        assert_eq!(why(image(&|_, _| [120, 60, 150])), NoStains::OneColour);
        // More or less of one stain.
        let one = |x: u32, _| {
            HAEMATOXYLIN.map(|part| (LIGHT * (-part * (0.5 + f64::from(x) / 20.0)).exp()) as u8 - 1)
        };
        assert!(published().stains(&image(&one)).is_err_and(|why| why != NoStains::Gray));
        assert_eq!(why(RgbImage::new(0, 0)), NoStains::Gray);
    }

    #[test]
    fn percentiles_lie_between_values_as_numpys() {
        assert_eq!(percentile(&mut [3.0, 1.0, 2.0, 4.0], 50.0), 2.5);
        assert_eq!(percentile(&mut [3.0, 1.0, 2.0, 4.0], 100.0), 4.0);
        assert_eq!(percentile(&mut [3.0, 1.0], 25.0), 1.5);
        assert_eq!(percentile(&mut [7.0], 99.0), 7.0);
    }

    #[test]
    fn one_tissue_in_two_stainings_becomes_about_the_same() {
        let tissue = |strength: [f64; 2]| {
            RgbImage::from_fn(32, 32, |x, y| {
                let amounts =
                    [f64::from((7 * x + 5 * y) % 11) / 8.0, f64::from((3 * x + 4 * y) % 13) / 13.0];
                let amounts = [0, 1].map(|stain| (0.2 + amounts[stain]) * strength[stain]);
                Rgb([0, 1, 2].map(|i| {
                    let density = amounts[0] * HAEMATOXYLIN[i] + amounts[1] * EOSIN[i];
                    (LIGHT * (-density).exp() - 1.0).round() as u8
                }))
            })
        };
        let apart = |a: &RgbImage, b: &RgbImage| {
            let sum: u32 = a.iter().zip(b.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            f64::from(sum) / (3.0 * 32.0 * 32.0)
        };
        let (one, other) = (tissue([1.0, 0.8]), tissue([1.2, 0.7]));
        let normalised = [&one, &other].map(|image| published().apply(image).unwrap());
        let (before, after) = (apart(&one, &other), apart(&normalised[0], &normalised[1]));
        assert!(before > 5.0 && after < 1.0, "{before} levels, {after} normalised");
    }

    #[test]
    fn the_reference_of_itself_stays_as_it_is() {
        let case = &read().cases[0];
        let found = published().stains(&case.image()).unwrap();
        let [haematoxylin, eosin] = found.densities;
        let concentrations = found.concentrations;
        let own = StainNormalization { haematoxylin, eosin, concentrations, ..published() };
        // But for what is in neither stain, and the 1 that is added to levels.
        let normalised = own.apply(&case.image()).unwrap();
        let off: u32 =
            normalised.iter().zip(&case.pixels).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(f64::from(off) / (case.pixels.len() as f64) < 3.0, "{off}");
    }

    proptest! {
        #[test]
        fn any_image_gets_an_image_or_a_reason(
            width in 1u32..12, height in 1u32..12, pixels in prop::collection::vec(any::<u8>(), 3 * 144),
            background in 0.0f64..2.0, percentile in 0.0f64..25.0,
        ) {
            let pixels = pixels[..(3 * width * height) as usize].to_vec();
            let image = RgbImage::from_raw(width, height, pixels).unwrap();
            let normalization = StainNormalization { background, percentile, ..published() };
            if let Ok(found) = normalization.stains(&image) {
                prop_assert!(found.unmixing.iter().flatten().all(|part| part.is_finite()));
                prop_assert!(found.concentrations.iter().all(|part| part.is_finite()));
                let normalised = normalization.apply(&image).unwrap();
                prop_assert_eq!(normalised.dimensions(), image.dimensions());
            }
        }
    }
}
