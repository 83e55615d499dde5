//! `evaluation.post-process` at work on the mask of a foreground.

use crate::metric::regions;
use crate::spec::MaskStepSpec;

/// The mask after all steps: 1 is foreground.
///
/// `original` has the pixels of the original image for each pixel of the mask.
///
/// # Shapes
/// - mask: `[height, width]`
pub(super) fn post_processed(
    steps: &[MaskStepSpec],
    mask: Vec<u8>,
    width: usize,
    original: f64,
) -> Vec<u8> {
    steps.iter().fold(mask, |mut mask, step| {
        match step {
            MaskStepSpec::FillHoles(_) => fill_holes(&mut mask, width),
            MaskStepSpec::RemoveSmall(step) => {
                let large =
                    |pixels: &[usize]| pixels.len() as f64 * original >= f64::from(step.pixels);
                retain(&mut mask, width, large);
            }
            MaskStepSpec::LargestComponent(_) => {
                let sizes =
                    regions(&foreground(&mask), width).into_iter().map(|pixels| pixels.len());
                let largest = sizes.max().unwrap_or(0);
                let mut kept = false;
                retain(&mut mask, width, |pixels| {
                    let is_it = !kept && pixels.len() == largest;
                    kept |= is_it;
                    is_it
                });
            }
        }
        mask
    })
}

fn foreground(mask: &[u8]) -> Vec<bool> {
    mask.iter().map(|&pixel| pixel == 1).collect()
}

/// Keeps the regions that `keeps`, asked from the top down.
fn retain(mask: &mut [u8], width: usize, mut keeps: impl FnMut(&[usize]) -> bool) {
    for region in regions(&foreground(mask), width) {
        if !keeps(&region) {
            region.into_iter().for_each(|pixel| mask[pixel] = 0);
        }
    }
}

/// Makes foreground of what no path by sides leads out of to the edge.
fn fill_holes(mask: &mut [u8], width: usize) {
    if mask.is_empty() {
        return;
    }
    let height = mask.len() / width;
    let edge = |pixel: usize| {
        let (x, y) = (pixel % width, pixel / width);
        x == 0 || y == 0 || x == width - 1 || y == height - 1
    };
    let mut outside = vec![false; mask.len()];
    let mut waiting: Vec<usize> =
        (0..mask.len()).filter(|&pixel| edge(pixel) && mask[pixel] == 0).collect();
    waiting.iter().for_each(|&pixel| outside[pixel] = true);
    while let Some(pixel) = waiting.pop() {
        let (x, y) = (pixel % width, pixel / width);
        let beside = [
            (x > 0).then(|| pixel - 1),
            (x + 1 < width).then_some(pixel + 1),
            (y > 0).then(|| pixel - width),
            (y + 1 < height).then_some(pixel + width),
        ];
        for next in beside.into_iter().flatten() {
            if mask[next] == 0 && !outside[next] {
                outside[next] = true;
                waiting.push(next);
            }
        }
    }
    for (pixel, outside) in mask.iter_mut().zip(outside) {
        if !outside {
            *pixel = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        width: usize,
        mask: String,
        least: u32,
        filled: String,
        large: String,
        largest: String,
    }

    #[test]
    fn steps_are_those_of_scipy() {
        let text = std::fs::read_to_string(crate::testing::fixture("post_process.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 20);
        let pixels =
            |text: &str| text.bytes().map(|pixel| u8::from(pixel == b'#')).collect::<Vec<_>>();
        for case in cases {
            let after = |toml: String| {
                let step: MaskStepSpec = toml::from_str(&toml).unwrap();
                post_processed(&[step], pixels(&case.mask), case.width, 1.0)
            };
            assert_eq!(after("kind = 'fill-holes'".into()), pixels(&case.filled), "{}", case.mask);
            let small = format!("kind = 'remove-small'\npixels = {}", case.least);
            assert_eq!(after(small), pixels(&case.large), "{}", case.mask);
            assert_eq!(
                after("kind = 'largest-component'".into()),
                pixels(&case.largest),
                "{}",
                case.mask
            );
        }
    }

    #[test]
    fn pixels_are_those_of_the_original_image_and_steps_follow_one_another() {
        let step = |toml: &str| toml::from_str::<MaskStepSpec>(toml).unwrap();
        let small = [step("kind = 'remove-small'\npixels = 8")];
        // Two pixels, of which each is four of the original.
        assert_eq!(post_processed(&small, vec![1, 1, 0, 1], 4, 4.0), [1, 1, 0, 0]);
        assert_eq!(post_processed(&small, vec![1, 1, 0, 1], 4, 1.0), [0; 4]);
        let both = [step("kind = 'largest-component'"), step("kind = 'fill-holes'")];
        let ring = vec![1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            post_processed(&both, ring, 4, 1.0),
            [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert!(post_processed(&both, Vec::new(), 0, 1.0).is_empty());
    }
}
