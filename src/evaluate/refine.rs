//! `evaluation.refine` at work on the probabilities of an image.

use image::RgbImage;

use super::crf::crf;
use crate::data::Sample;
use crate::loss::Outputs;
use crate::spec::{CrfSpec, RefineSpec};

/// The probabilities of an image's pixels after refinement; those of whole images stay as they are.
///
/// # Shapes
/// - sample: the image as the network saw it, `[planes, height, width]`, without padding
/// - values: `[channels, height, width]`, with one channel of the foreground for binary outputs
pub(super) fn refined(
    spec: &RefineSpec,
    outputs: Outputs,
    sample: &Sample,
    values: &[f32],
) -> Vec<f32> {
    match (spec, outputs) {
        (RefineSpec::None(_), _) | (RefineSpec::Crf(_), Outputs::Images(_)) => values.to_vec(),
        (RefineSpec::Crf(spec), Outputs::Classes(classes)) => {
            crf(spec, &levels(sample), values, classes)
        }
        (RefineSpec::Crf(spec), Outputs::Binary) => foreground(spec, sample, values),
    }
}

/// Refines the probability of the foreground against the rest.
fn foreground(spec: &CrfSpec, sample: &Sample, values: &[f32]) -> Vec<f32> {
    let both: Vec<f32> =
        values.iter().map(|value| 1.0 - value).chain(values.iter().copied()).collect();
    crf(spec, &levels(sample), &both, 2).split_off(values.len())
}

/// Red, green and blue as the network saw them, equal where it saw gray.
fn levels(sample: &Sample) -> RgbImage {
    let ([height, width], area) = (sample.sides, sample.area());
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let pixel = y as usize * width + x as usize;
        image::Rgb([0, 1, 2].map(|channel| sample.image[channel % sample.planes * area + pixel]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Inset;

    const SPEC: CrfSpec = CrfSpec {
        iterations: 3,
        smooth_weight: 1.0,
        smooth_px: 1.0,
        bilateral_weight: 2.0,
        bilateral_px: 2.0,
        bilateral_colour: 20.0,
    };

    fn sample(image: &[u8], planes: usize) -> Sample {
        let (sides, inset) = ([2, 2], Inset { left: 0, top: 0, width: 2, height: 2 });
        let (image, labels) = (image.to_vec(), vec![0; 4]);
        Sample { image, planes, labels, sides, inset, no_stains: None }
    }

    #[test]
    fn a_foreground_is_the_second_of_two_classes() {
        let (seen, values) = (sample(&[0, 0, 0, 255], 1), [0.1, 0.2, 0.6, 0.9]);
        let spec = RefineSpec::Crf(SPEC);
        let alone = refined(&spec, Outputs::Binary, &seen, &values);
        let both = [0.9, 0.8, 0.4, 0.1].into_iter().chain(values).collect::<Vec<_>>();
        let of_two = refined(&spec, Outputs::Classes(2), &seen, &both);
        assert_eq!(alone.len(), 4);
        for (one, other) in alone.iter().zip(&of_two[4..]) {
            assert!((one - other).abs() < 1e-6, "{alone:?}, {of_two:?}");
        }
        // The pixel that looks like two others goes with them.
        assert!(alone[2] < 0.5 && alone[3] > 0.5, "{alone:?}");
    }

    #[test]
    fn gray_has_three_equal_channels() {
        let gray = levels(&sample(&[1, 2, 3, 4], 1));
        assert_eq!(gray.into_raw(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let rgb = levels(&sample(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 3));
        assert_eq!(rgb.into_raw(), [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]);
    }

    #[test]
    fn nothing_asked_for_changes_nothing_and_images_are_not_refined() {
        let (seen, values) = (sample(&[0, 0, 0, 255], 1), [0.1, 0.2, 0.6, 0.9]);
        assert_eq!(refined(&RefineSpec::default(), Outputs::Binary, &seen, &values), values);
        let spec = RefineSpec::Crf(SPEC);
        assert_eq!(refined(&spec, Outputs::Images(2), &seen, &[0.3, 0.7]), [0.3, 0.7]);
    }
}
