//! Maximum pooling that remembers which place of its window each maximum came from.

use macerator::Simd;
use rayon::prelude::*;

use super::geometry::{Dims, Window};

/// Writes the maxima of each window, and the position in the window of each.
///
/// A window has at most 256 positions, and at least one that is inside the maps. Not a number is
/// larger than any, and of equals the first is the maximum, as with PyTorch.
pub(crate) fn forward(
    maps: &[f32],
    dims: Dims,
    window: &Window,
    out: &mut [f32],
    places: &mut [u8],
) {
    let [height, width] = window.output([dims.height, dims.width]);
    let row = (width * dims.channels).max(1);
    out.par_chunks_mut(row).zip(places.par_chunks_mut(row)).enumerate().for_each(
        |(index, (out, places))| {
            forward_row(maps, dims, window, (index / height, index % height), out, places);
        },
    );
}

#[macerator::with_simd]
fn forward_row<S: Simd>(
    maps: &[f32],
    dims: Dims,
    window: &Window,
    place: (usize, usize),
    out: &mut [f32],
    places: &mut [u8],
) {
    let channels = dims.channels;
    let (image, row) = place;
    let pixels = out.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
    for (column, (out, places)) in pixels.enumerate() {
        let mut first = true;
        for tap in 0..window.taps() {
            let Some((y, x)) = window.reads([row, column], tap, dims) else { continue };
            let start = ((image * dims.height + y) * dims.width + x) * channels;
            let values = &maps[start..start + channels];
            if first {
                first = false;
                out.copy_from_slice(values);
                places.fill(tap as u8);
                continue;
            }
            for ((out, place), &value) in out.iter_mut().zip(places.iter_mut()).zip(values) {
                let larger = value > *out || value.is_nan();
                *out = if larger { value } else { *out };
                *place = if larger { tap as u8 } else { *place };
            }
        }
    }
}

/// The gradient of the maps from that of the maxima.
pub(crate) fn backward(
    gradient: &[f32],
    places: &[u8],
    dims: Dims,
    window: &Window,
    out: &mut [f32],
) {
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        let place = (index / dims.height, index % dims.height);
        backward_row(gradient, places, dims, window, place, out);
    });
}

#[macerator::with_simd]
fn backward_row<S: Simd>(
    gradient: &[f32],
    places: &[u8],
    dims: Dims,
    window: &Window,
    place: (usize, usize),
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [height, width] = window.output([dims.height, dims.width]);
    let (image, row) = place;
    for (column, out) in out.chunks_exact_mut(channels).enumerate() {
        out.fill(0.0);
        for tap in 0..window.taps() {
            let read_by = window.read_by([row, column], tap, [height, width]);
            let Some((y, x)) = read_by else { continue };
            let start = ((image * height + y) * width + x) * channels;
            let gradients = &gradient[start..start + channels];
            let places = &places[start..start + channels];
            for ((out, &place), &gradient) in out.iter_mut().zip(places).zip(gradients) {
                *out += if place == tap as u8 { gradient } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use macerator::WithSimd;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_same, on_every_set, partly_nan, strange};

    /// Forward and backward pass of the whole, one row after the other.
    struct Pool<'a> {
        maps: &'a [f32],
        gradient: &'a [f32],
        dims: Dims,
        window: Window,
    }

    impl WithSimd for Pool<'_> {
        type Output = (Vec<f32>, Vec<f32>);

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> (Vec<f32>, Vec<f32>) {
            let Self { maps, gradient, dims, window } = self;
            let [height, width] = window.output([dims.height, dims.width]);
            let len = dims.batch * height * width * dims.channels;
            let (mut out, mut places) = (vec![0.0; len], vec![0; len]);
            let row = width * dims.channels;
            for (index, (out, places)) in
                out.chunks_mut(row).zip(places.chunks_mut(row)).enumerate()
            {
                let place = (index / height, index % height);
                forward_row_impl::<S>(maps, dims, &window, place, out, places);
            }
            let mut back = vec![0.0; dims.len()];
            for (index, back) in back.chunks_mut(dims.width * dims.channels).enumerate() {
                let place = (index / dims.height, index % dims.height);
                backward_row_impl::<S>(&gradient[..len], &places, dims, &window, place, back);
            }
            (out, back)
        }
    }

    /// PyTorch's loop over a window: the first that is inside, then any that is larger or NaN.
    fn by_definition(pool: &Pool) -> (Vec<f32>, Vec<f32>) {
        let Pool { maps, gradient, dims, window } = *pool;
        let [height, width] = window.output([dims.height, dims.width]);
        let mut out = Vec::new();
        let mut back = vec![0.0; dims.len()];
        let len = dims.batch * height * width * dims.channels;
        for (index, &gradient) in gradient[..len].iter().enumerate() {
            let (pixel, channel) = (index / dims.channels, index % dims.channels);
            let (image, row, column) =
                (pixel / width / height, pixel / width % height, pixel % width);
            let mut best: Option<usize> = None;
            for tap in 0..window.taps() {
                let Some((y, x)) = window.reads([row, column], tap, dims) else { continue };
                let at = ((image * dims.height + y) * dims.width + x) * dims.channels + channel;
                let larger = |best: usize| maps[at] > maps[best] || maps[at].is_nan();
                if best.is_none_or(larger) {
                    best = Some(at);
                }
            }
            let best = best.expect("a window has a position inside the maps");
            out.push(maps[best]);
            back[best] += gradient;
        }
        (out, back)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn maxima_and_their_gradients_are_those_of_the_definition_on_every_instruction_set(
            maps in strange(2 * 5 * 6 * 19),
            gradient in partly_nan(2 * 5 * 6 * 19),
            shape in prop::sample::select(vec![(2, 2, 0), (3, 2, 1), (3, 1, 1)]),
        ) {
            let dims = Dims { batch: 2, height: 5, width: 6, channels: 19 };
            let window = Window::square(shape.0, shape.1, shape.2);
            let pool = || Pool { maps: &maps, gradient: &gradient, dims, window };
            let (out, back) = by_definition(&pool());
            for (set, found) in on_every_set(pool) {
                assert_same(&format!("maxima on {set:?}"), &found.0, |index| out[index]);
                assert_same(&format!("gradients on {set:?}"), &found.1, |index| back[index]);
            }
        }
    }

    #[test]
    fn overlapping_windows_send_their_gradients_to_the_same_maximum() {
        let dims = Dims { batch: 1, height: 1, width: 4, channels: 1 };
        let window = Window {
            kernel: [1, 3],
            stride: [1, 2],
            before: [0, 1],
            after: [0, 1],
            dilation: [1, 1],
            groups: 1,
        };
        let maps = [1.0, 5.0, 2.0, 3.0];
        let (mut out, mut places) = ([0.0; 2], [0; 2]);
        forward(&maps, dims, &window, &mut out, &mut places);
        assert_eq!((out, places), ([5.0, 5.0], [2, 0]));
        let mut gradient = [9.0; 4];
        backward(&[10.0, 1.0], &places, dims, &window, &mut gradient);
        assert_eq!(gradient, [0.0, 11.0, 0.0, 0.0]);
    }

    #[test]
    fn not_a_number_is_not_lost() {
        let dims = Dims { batch: 1, height: 2, width: 2, channels: 1 };
        let (mut out, mut places) = ([0.0; 1], [0; 1]);
        for at in 0..4 {
            let mut maps = [1.0; 4];
            maps[at] = f32::NAN;
            forward(&maps, dims, &Window::square(2, 2, 0), &mut out, &mut places);
            assert!(out[0].is_nan(), "at {at}");
        }
    }
}
