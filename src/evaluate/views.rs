//! The views of an image whose probabilities are averaged: `evaluation.test-time-augmentation`.

use burn::tensor::Tensor;

use crate::spec::TestTimeSpec;

/// An image mirrored or turned: rows and columns are exchanged, then left and right, then top and bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    transposed: bool,
    mirrored: bool,
    upside_down: bool,
}

impl View {
    const fn new(transposed: bool, mirrored: bool, upside_down: bool) -> Self {
        Self { transposed, mirrored, upside_down }
    }

    /// The image as it is, and each view of it that is asked for.
    pub(super) fn all(spec: &TestTimeSpec) -> Vec<Self> {
        const F: bool = false;
        const T: bool = true;
        let [mirrors, flips] = [spec.horizontal_flip, spec.vertical_flip];
        let views: &[Self] = match (spec.rotate90, mirrors, flips) {
            (false, false, false) => &[Self::new(F, F, F)],
            (false, true, false) => &[Self::new(F, F, F), Self::new(F, T, F)],
            (false, false, true) => &[Self::new(F, F, F), Self::new(F, F, T)],
            (false, true, true) => {
                &[Self::new(F, F, F), Self::new(F, T, F), Self::new(F, F, T), Self::new(F, T, T)]
            }
            (true, false, false) => {
                &[Self::new(F, F, F), Self::new(T, T, F), Self::new(F, T, T), Self::new(T, F, T)]
            }
            (true, true, _) | (true, _, true) => &[
                Self::new(F, F, F),
                Self::new(F, T, F),
                Self::new(F, F, T),
                Self::new(F, T, T),
                Self::new(T, F, F),
                Self::new(T, T, F),
                Self::new(T, F, T),
                Self::new(T, T, T),
            ],
        };
        views.to_vec()
    }

    /// The view of images `[batch, channels, height, width]`.
    pub(super) fn of(self, images: Tensor<4>) -> Tensor<4> {
        let images = if self.transposed { images.swap_dims(2, 3) } else { images };
        self.flipped(images)
    }

    /// What was predicted for the view, at the place of the image.
    pub(super) fn undone(self, maps: Tensor<4>) -> Tensor<4> {
        let maps = self.flipped(maps);
        if self.transposed { maps.swap_dims(2, 3) } else { maps }
    }

    fn flipped(self, images: Tensor<4>) -> Tensor<4> {
        let images = if self.mirrored { images.flip([3]) } else { images };
        if self.upside_down { images.flip([2]) } else { images }
    }
}

/// How many views an image is seen in, where all sizes differ.
pub(super) fn count(spec: &TestTimeSpec) -> usize {
    View::all(spec).len() * (1 + spec.scales.len())
}

/// The sides of the network's input in each view: its own, and those that each factor gives in steps of `divisor`, without
/// repetition.
pub fn sides(spec: &TestTimeSpec, own: [usize; 2], divisor: usize) -> Vec<[usize; 2]> {
    let mut sides = vec![own];
    for scale in &spec.scales {
        let scaled = own.map(|side| {
            let steps = (side as f64 * scale / divisor as f64).round() as usize;
            steps.max(1) * divisor
        });
        if !sides.contains(&scaled) {
            sides.push(scaled);
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    fn views(horizontal_flip: bool, vertical_flip: bool, rotate90: bool) -> Vec<View> {
        View::all(&TestTimeSpec { horizontal_flip, vertical_flip, rotate90, scales: Vec::new() })
    }

    #[test]
    fn a_view_undone_is_the_image_and_no_view_comes_twice() {
        let image = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &Device::flex());
        let image = image.reshape([1, 1, 2, 2]);
        for (flags, count) in [
            ([false, false, false], 1),
            ([true, false, false], 2),
            ([false, true, false], 2),
            ([true, true, false], 4),
            ([false, false, true], 4),
            ([true, false, true], 8),
            ([false, true, true], 8),
            ([true, true, true], 8),
        ] {
            let all = views(flags[0], flags[1], flags[2]);
            let mut seen: Vec<Vec<f32>> = Vec::new();
            for view in all {
                let shown = numbers(view.of(image.clone()));
                assert!(!seen.contains(&shown), "{view:?} twice");
                seen.push(shown);
                let back = numbers(view.undone(view.of(image.clone())));
                assert_eq!(back, [1.0, 2.0, 3.0, 4.0], "{view:?}");
            }
            assert_eq!(seen.len(), count, "{flags:?}");
        }
    }

    #[test]
    fn turns_alone_are_those_of_numpy() {
        let image = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &Device::flex());
        let image = image.reshape([1, 1, 2, 2]);
        let turned: Vec<Vec<f32>> = views(false, false, true)
            .into_iter()
            .map(|view| numbers(view.of(image.clone())))
            .collect();
        // np.rot90 by -1, 2 and 1.
        let expected = [
            [1.0, 2.0, 3.0, 4.0],
            [3.0, 1.0, 4.0, 2.0],
            [4.0, 3.0, 2.0, 1.0],
            [2.0, 4.0, 1.0, 3.0],
        ];
        assert_eq!(turned, expected);
    }

    #[test]
    fn sides_are_in_steps_that_the_network_can_halve() {
        let spec = TestTimeSpec { scales: vec![0.75, 1.0, 1.25, 0.01], ..TestTimeSpec::default() };
        assert_eq!(sides(&spec, [64, 128], 16), [[64, 128], [48, 96], [80, 160], [16, 16]]);
    }
}
