//! Random changes to image and mask together: [`augment_sample`].
//!
//! Each family has a file. What is drawn depends on (seed, epoch, case, purpose) alone. Positions
//! outside an image read its mirror image about the border pixels' centres, in image and labels
//! alike (OpenCV's `BORDER_REFLECT_101`). Labels are never interpolated.

mod affine;
mod blur;
mod colour;
mod elastic;
mod flip;
mod intensity;
mod noise;
mod one_of;
mod problems;
mod stain;
mod warp;

pub use problems::problems;

use super::draws::{Draws, Purpose, Stream};
use super::resize::Sample;
use crate::spec::{AmountSpec, AugmentSpec};

/// A changed case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Augmented {
    /// `[planes, height, width]` intensities from 0 to 1; as many planes as the sample has.
    pub image: Vec<f32>,
    /// `[height, width]`.
    pub labels: Vec<u8>,
}

/// Changes `sample` as `spec` says, by the draws of its case in an epoch of a seed.
///
/// Flips and quarter turns move pixels exactly; rotation, scale, shift and elastic deformation are
/// one resampling, bilinear for the image and nearest for the labels. Intensities are clamped to
/// [0, 1] after each change. A gray sample (one plane) stays gray: noise is then equal in all of
/// its channels, and hue, saturation and stains change nothing.
pub(super) fn augment_sample(spec: &AugmentSpec, sample: &Sample, draws: &Draws) -> Augmented {
    let drawn = (!spec.one_of.is_empty()).then(|| one_of::drawn(spec, draws));
    let spec = drawn.as_ref().unwrap_or(spec);
    let mut augmented = place(spec, sample, draws);
    shade(spec, &mut augmented.image, sample.planes, sample.sides, draws);
    augmented
}

/// Everything that moves pixels.
fn place(spec: &AugmentSpec, sample: &Sample, draws: &Draws) -> Augmented {
    let sides = sample.sides;
    let symmetry = flip::Symmetry::draw(spec, draws);
    let labels = symmetry.apply(&sample.labels, sides);
    let mut image = Vec::with_capacity(sample.image.len());
    for plane in sample.image.chunks_exact(sample.area()) {
        image.extend(symmetry.apply(plane, sides).iter().map(|&value| f32::from(value) / 255.0));
    }
    let affine = affine::Affine::draw(spec, draws, sides);
    let field = elastic::Field::draw(spec, draws, sides);
    if affine.is_none() && field.is_none() {
        return Augmented { image, labels };
    }
    let affine = affine.unwrap_or(affine::Affine::IDENTITY);
    warp::warp(&image, &labels, sides, &affine, field.as_ref())
}

/// Everything that changes intensities.
fn shade(spec: &AugmentSpec, image: &mut [f32], planes: usize, sides: [usize; 2], draws: &Draws) {
    let amount =
        |spec, purpose| drawn_amount(spec, draws, purpose).map(|(amount, _)| amount as f32);
    if let Some(added) = amount(&spec.brightness, Purpose::Brightness) {
        intensity::brightness(image, added);
    }
    if let Some(factor) = amount(&spec.contrast, Purpose::Contrast) {
        intensity::contrast(image, factor);
    }
    if let Some(power) = amount(&spec.gamma, Purpose::Gamma) {
        intensity::gamma(image, power);
    }
    if let Some(sigma) = amount(&spec.blur, Purpose::Blur) {
        for plane in image.chunks_exact_mut(sides[0] * sides[1]) {
            blur::gaussian(plane, sides, sigma);
        }
    }
    if let Some((sigma, mut stream)) = drawn_amount(&spec.noise, draws, Purpose::Noise) {
        noise::gaussian(image, sigma as f32, &mut stream);
    }
    if let Some(jitter) = colour::Jitter::draw(spec, draws) {
        jitter.apply(image, planes);
    }
    if let Some(jitter) = stain::StainJitter::draw(spec, draws) {
        jitter.apply(image, planes);
    }
}

/// The amount drawn for a change, and the rest of its stream; `None` if it does not happen.
fn drawn_amount(
    spec: &Option<AmountSpec>,
    draws: &Draws,
    purpose: Purpose,
) -> Option<(f64, Stream)> {
    let spec = spec.as_ref()?;
    let mut stream = draws.stream(purpose);
    stream.chance(spec.probability).then(|| (stream.between(spec.range), stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Inset;
    use crate::source::IGNORE;
    use crate::spec::{Chance, ColourJitterSpec, ElasticSpec, StainJitterSpec};
    use proptest::prelude::*;

    fn always(range: [f64; 2]) -> Option<AmountSpec> {
        Some(AmountSpec { probability: 1.0, range })
    }

    /// Everything on.
    fn everything() -> AugmentSpec {
        AugmentSpec {
            horizontal_flip: Some(Chance { probability: 0.5 }),
            vertical_flip: Some(Chance { probability: 0.5 }),
            rotate90: Some(Chance { probability: 0.5 }),
            rotate: always([-30.0, 30.0]),
            scale: always([0.7, 1.4]),
            shift: always([-0.2, 0.2]),
            elastic: Some(ElasticSpec { probability: 1.0, shift_px: 3.0, sigma_px: 4.0 }),
            brightness: always([-0.2, 0.2]),
            contrast: always([0.5, 1.5]),
            gamma: always([0.5, 2.0]),
            blur: always([0.0, 1.5]),
            noise: always([0.0, 0.1]),
            colour_jitter: Some(ColourJitterSpec {
                probability: 1.0,
                hue: 0.1,
                saturation: 0.2,
                value: 0.2,
            }),
            stain: Some(StainJitterSpec { probability: 1.0, factor: 0.2, shift: 0.2 }),
            one_of: Vec::new(),
        }
    }

    pub(super) fn sample(planes: usize, size: usize) -> Sample {
        of_sides(planes, [size; 2])
    }

    fn of_sides(planes: usize, sides: [usize; 2]) -> Sample {
        let area = sides[0] * sides[1];
        let image = (0..planes * area).map(|i| (i * 37 % 251) as u8).collect();
        let labels = (0..area).map(|i| [0, 2, 7, IGNORE][i / 3 % 4]).collect();
        made(image, planes, labels, sides)
    }

    fn made(image: Vec<u8>, planes: usize, labels: Vec<u8>, sides: [usize; 2]) -> Sample {
        let inset = Inset { left: 0, top: 0, width: sides[1], height: sides[0] };
        Sample { image, planes, labels, sides, inset, no_stains: None }
    }

    #[test]
    fn nothing_declared_changes_nothing() {
        let sample = sample(3, 8);
        let augmented = augment_sample(&AugmentSpec::default(), &sample, &Draws::new(0, 0, "a"));
        let expected: Vec<f32> = sample.image.iter().map(|&v| f32::from(v) / 255.0).collect();
        assert_eq!(augmented, Augmented { image: expected, labels: sample.labels });
    }

    #[test]
    fn probability_zero_changes_nothing() {
        let sample = sample(3, 8);
        let mut spec = everything();
        let never = Some(Chance { probability: 0.0 });
        spec.horizontal_flip.clone_from(&never);
        spec.vertical_flip.clone_from(&never);
        spec.rotate90 = never;
        for amount in [
            &mut spec.rotate,
            &mut spec.scale,
            &mut spec.shift,
            &mut spec.brightness,
            &mut spec.contrast,
            &mut spec.gamma,
            &mut spec.blur,
            &mut spec.noise,
        ] {
            amount.as_mut().unwrap().probability = 0.0;
        }
        spec.elastic.as_mut().unwrap().probability = 0.0;
        spec.colour_jitter.as_mut().unwrap().probability = 0.0;
        spec.stain.as_mut().unwrap().probability = 0.0;
        let plain = augment_sample(&AugmentSpec::default(), &sample, &Draws::new(3, 1, "a"));
        assert_eq!(augment_sample(&spec, &sample, &Draws::new(3, 1, "a")), plain);
    }

    #[test]
    fn the_same_draw_gives_the_same_sample_and_another_epoch_another() {
        let sample = sample(3, 16);
        let spec = everything();
        let first = augment_sample(&spec, &sample, &Draws::new(0, 0, "a"));
        assert_eq!(first, augment_sample(&spec, &sample, &Draws::new(0, 0, "a")));
        assert_ne!(first, augment_sample(&spec, &sample, &Draws::new(0, 1, "a")));
        assert_ne!(first, augment_sample(&spec, &sample, &Draws::new(1, 0, "a")));
        assert_ne!(first, augment_sample(&spec, &sample, &Draws::new(0, 0, "b")));
    }

    #[test]
    fn turning_one_change_off_leaves_the_others_as_they_were() {
        let sample = sample(1, 16);
        let only_brightness =
            AugmentSpec { brightness: always([-0.2, 0.2]), ..AugmentSpec::default() };
        let with_identity_contrast =
            AugmentSpec { contrast: always([1.0, 1.0]), ..only_brightness.clone() };
        let one = augment_sample(&only_brightness, &sample, &Draws::new(0, 0, "a"));
        let two = augment_sample(&with_identity_contrast, &sample, &Draws::new(0, 0, "a"));
        for (a, b) in one.image.iter().zip(&two.image) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn image_and_mask_move_together() {
        let size = 33;
        let inside =
            |i: usize| (i % size).abs_diff(16).pow(2) + (i / size).abs_diff(16).pow(2) < 81;
        let labels: Vec<u8> = (0..size * size).map(|i| u8::from(inside(i))).collect();
        let image = labels.iter().map(|label| 255 * label).collect();
        let sample = made(image, 1, labels, [size; 2]);
        let AugmentSpec { rotate, scale, shift, elastic, rotate90, .. } = everything();
        let spec =
            AugmentSpec { rotate, scale, shift, elastic, rotate90, ..AugmentSpec::default() };
        for epoch in 0..20 {
            let moved = augment_sample(&spec, &sample, &Draws::new(0, epoch, "a"));
            assert_ne!(moved.labels, sample.labels);
            let pairs = moved.image.iter().zip(&moved.labels);
            let apart = pairs.filter(|&(value, &label)| (*value > 0.5) != (label == 1)).count();
            // Bilinear and nearest may differ on the outline, which is some 60 pixels long.
            assert!(apart <= 12, "epoch {epoch}: {apart} pixels");
        }
    }

    #[test]
    fn a_gray_sample_equals_its_copy_in_three_planes() {
        let gray = sample(1, 16);
        let coloured = Sample { image: gray.image.repeat(3), planes: 3, ..gray.clone() };
        let spec = AugmentSpec { noise: None, stain: None, ..everything() };
        for epoch in 0..4 {
            let one = augment_sample(&spec, &gray, &Draws::new(0, epoch, "a"));
            let three = augment_sample(&spec, &coloured, &Draws::new(0, epoch, "a"));
            assert_eq!(one.labels, three.labels);
            for (a, b) in one.image.repeat(3).iter().zip(&three.image) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn masks_hold_only_values_that_were_there_and_images_stay_in_range(
            height in 1usize..24, width in 1usize..24, square in any::<bool>(),
            planes in prop::sample::select(vec![1usize, 3]), seed in any::<u32>(), epoch in any::<u32>(),
        ) {
            let sides = if square { [height; 2] } else { [height, width] };
            let sample = of_sides(planes, sides);
            let mut spec = everything();
            // Quarter turns would exchange the sides.
            spec.rotate90 = spec.rotate90.filter(|_| sides[0] == sides[1]);
            let augmented = augment_sample(&spec, &sample, &Draws::new(seed, epoch, "case"));
            prop_assert_eq!(augmented.labels.len(), sample.area());
            prop_assert!(augmented.labels.iter().all(|label| sample.labels.contains(label)));
            prop_assert_eq!(augmented.image.len(), planes * sample.area());
            prop_assert!(augmented.image.iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
