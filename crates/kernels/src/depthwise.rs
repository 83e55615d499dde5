//! Depthwise convolutions: each channel by a kernel of its own.
//!
//! There is one product for each number read, so that the time is that of reading: vectors of
//! channels, no gathering.

use macerator::Simd;
use rayon::prelude::*;

use super::epilogue::Epilogue;
use super::geometry::{Dims, Window};
use super::pointwise::added;
use super::simd::{Vector, load_part, store_part, zero};

/// Rows of outputs that a task of the weights' gradient sums.
const ROWS: usize = 8;

/// Whether a convolution from `inputs` to `outputs` channels is depthwise.
pub(crate) fn applies(window: &Window, inputs: usize, outputs: usize) -> bool {
    window.groups == inputs && inputs == outputs && inputs > 1
}

/// Weights `[channels, taps]` as `[taps, channels]`.
fn by_tap(weights: &[f32], channels: usize) -> Vec<f32> {
    let taps = weights.len() / channels;
    (0..weights.len()).map(|index| weights[index % channels * taps + index / channels]).collect()
}

/// Convolves maps of the given size.
pub(crate) fn forward(
    maps: &[f32],
    dims: Dims,
    weights: &[f32],
    window: &Window,
    epilogue: Epilogue,
    out: &mut [f32],
) {
    let [height, width] = window.output([dims.height, dims.width]);
    let weights = by_tap(weights, dims.channels);
    let row = (width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        forward_row(maps, dims, &weights, window, [index / height, index % height], epilogue, out);
    });
}

/// A number that a tap reads: where, in numbers from a base, and the weight it is multiplied by.
#[derive(Clone, Copy, Debug)]
struct Read {
    source: isize,
    weight: usize,
}

/// Outputs side by side that share the loads of weights.
const TILE: usize = 4;

/// The sums of `N` outputs whose reads lie `step` numbers apart, for a vector of channels.
///
/// # Safety
/// `left` numbers must be readable at each read of each output, and as many weights.
#[inline(always)]
unsafe fn sums<S: Simd, const N: usize>(
    source: *const f32,
    weights: *const f32,
    reads: &[Read],
    step: usize,
    left: usize,
) -> [Vector<S>; N] {
    let mut sums = [zero::<S>(); N];
    for read in reads {
        // SAFETY: what the caller promises.
        unsafe {
            let weight = load_part::<S>(weights.add(read.weight), left);
            let source = source.offset(read.source);
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = load_part::<S>(source.add(index * step), left).mul_add(weight, *sum);
            }
        }
    }
    sums
}

/// The positions along an axis that the taps of an output read inside maps of a size, with their taps.
fn inside(window: &Window, axis: usize, output: usize, size: usize) -> Vec<(usize, usize)> {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let before = window.before[axis];
    (0..window.kernel[axis])
        .filter_map(|tap| Some((tap, (output * stride + tap * dilation).checked_sub(before)?)))
        .filter(|&(_, at)| at < size)
        .collect()
}

/// The outputs along an axis, of so many, all of whose taps read inside maps of a size.
fn interior(window: &Window, axis: usize, size: usize, outputs: usize) -> std::ops::Range<usize> {
    let (stride, before) = (window.stride[axis], window.before[axis]);
    let reach = window.dilation[axis] * (window.kernel[axis] - 1);
    let first = before.div_ceil(stride);
    let end = (size + before).checked_sub(reach + 1).map_or(0, |last| last / stride + 1);
    let end = end.min(outputs);
    first.min(end)..end
}

#[macerator::with_simd]
fn forward_row<'a, S: Simd>(
    maps: &[f32],
    dims: Dims,
    weights: &[f32],
    window: &Window,
    place: [usize; 2],
    epilogue: Epilogue<'a>,
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let [height, width] = window.output([dims.height, dims.width]);
    let start = (image * height + row) * width * channels;
    let rows = inside(window, 0, row, dims.height);
    let first = image * dims.height * dims.width;
    // Reads of an output at a column, from the first number of the image's pixel 0.
    let reads = |columns: &[(usize, usize)], from: isize| -> Vec<Read> {
        let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
        pairs
            .map(|(&(down, y), &(across, x))| Read {
                source: ((y * dims.width + x) as isize - from) * channels as isize,
                weight: (down * window.kernel[1] + across) * channels,
            })
            .collect()
    };
    let interior = interior(window, 1, dims.width, width);
    let step = window.stride[1] * channels;
    let inner = reads(
        &inside(window, 1, interior.start, dims.width),
        (interior.start * window.stride[1]) as isize,
    );
    let source = maps[first * channels..].as_ptr();
    let mut column = 0;
    while column < width {
        let tiled = interior.contains(&column);
        let tile = if tiled && column + TILE <= interior.end { TILE } else { 1 };
        let border;
        let (reads, from) = if tiled {
            (&inner, column * step)
        } else {
            border = reads(&inside(window, 1, column, dims.width), 0);
            (&border, 0)
        };
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            // SAFETY: reads are inside the maps for each of these columns, and `left` channels follow, as they do in
            // an output pixel of this row.
            unsafe {
                let source = source.add(from + channel);
                let weights = weights.as_ptr().add(channel);
                if tile == TILE {
                    let sums = sums::<S, TILE>(source, weights, reads, step, left);
                    for (index, sum) in sums.into_iter().enumerate() {
                        let index = (column + index) * channels + channel;
                        let value = epilogue.apply::<S>(sum, channel, start + index, left);
                        store_part(out.as_mut_ptr().add(index), value, left);
                    }
                } else {
                    let [sum] = sums::<S, 1>(source, weights, reads, step, left);
                    let index = column * channels + channel;
                    let value = epilogue.apply::<S>(sum, channel, start + index, left);
                    store_part(out.as_mut_ptr().add(index), value, left);
                }
            }
            channel += S::lanes32();
        }
        column += tile;
    }
}

/// The gradient of the maps from that of the output.
pub(crate) fn input_gradient(
    gradient: &[f32],
    weights: &[f32],
    window: &Window,
    dims: Dims,
    out: &mut [f32],
) {
    let [height, width] = window.output([dims.height, dims.width]);
    if let Some(turned) = turned(window, dims) {
        let taps = window.taps();
        let flipped: Vec<f32> =
            weights.chunks(taps).flat_map(|weights| weights.iter().rev().copied()).collect();
        let dims = Dims { height, width, ..dims };
        forward(gradient, dims, &flipped, &turned, Epilogue::default(), out);
        return;
    }
    let weights = by_tap(weights, dims.channels);
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        let place = [index / dims.height, index % dims.height];
        input_gradient_row(gradient, &weights, window, dims, place, out);
    });
}

/// The window that turns the gradient of an output into that of its input, where strides are 1 and there are
/// no more zeros around the maps than the kernel reaches.
fn turned(window: &Window, dims: Dims) -> Option<Window> {
    let reach = |axis: usize| window.dilation[axis] * (window.kernel[axis] - 1);
    let output = window.output([dims.height, dims.width]);
    let size = [dims.height, dims.width];
    let mut turned = *window;
    for axis in 0..2 {
        let before = reach(axis).checked_sub(window.before[axis])?;
        turned.before[axis] = before;
        turned.after[axis] = (size[axis] + reach(axis)).checked_sub(output[axis] + before)?;
    }
    (window.stride == [1, 1]).then_some(turned)
}

#[macerator::with_simd]
fn input_gradient_row<S: Simd>(
    gradient: &[f32],
    weights: &[f32],
    window: &Window,
    dims: Dims,
    place: [usize; 2],
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let size = window.output([dims.height, dims.width]);
    let mut reads = Vec::with_capacity(window.taps());
    for column in 0..dims.width {
        reads.clear();
        reads.extend((0..window.taps()).filter_map(|tap| {
            let (y, x) = window.read_by([row, column], tap, size)?;
            let source = ((image * size[0] + y) * size[1] + x) * channels;
            Some(Read { source: source as isize, weight: tap * channels })
        }));
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            // SAFETY: reads are inside the gradient, and `left` channels of a pixel follow, here and there.
            unsafe {
                let source = gradient.as_ptr().wrapping_add(channel);
                let weights = weights.as_ptr().add(channel);
                let [sum] = sums::<S, 1>(source, weights, &reads, 0, left);
                store_part(out.as_mut_ptr().add(column * channels + channel), sum, left);
            }
            channel += S::lanes32();
        }
    }
}

/// The gradient of the weights, `[channels, 1, kernel height, kernel width]`.
pub(crate) fn weight_gradient(
    maps: &[f32],
    dims: Dims,
    gradient: &[f32],
    window: &Window,
    weights: &mut [f32],
) {
    let [height, _] = window.output([dims.height, dims.width]);
    let rows = dims.batch * height;
    let blocks = (0..rows.div_ceil(ROWS))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; weights.len()];
            for row in block * ROWS..((block + 1) * ROWS).min(rows) {
                let place = [row / height, row % height];
                add_row(maps, dims, gradient, window, place, &mut sums);
            }
            sums
        })
        .collect();
    let sums = added(blocks, weights.len());
    let taps = window.taps();
    for (index, weight) in weights.iter_mut().enumerate() {
        *weight = sums[index % taps * dims.channels + index / taps];
    }
}

/// Adds what a row of outputs makes of `[taps, channels]`.
#[macerator::with_simd]
fn add_row<S: Simd>(
    maps: &[f32],
    dims: Dims,
    gradient: &[f32],
    window: &Window,
    place: [usize; 2],
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let [height, width] = window.output([dims.height, dims.width]);
    let gradient = &gradient[(image * height + row) * width * channels..][..width * channels];
    let across = window.kernel[1];
    for (down, y) in inside(window, 0, row, dims.height) {
        let maps = &maps[(image * dims.height + y) * dims.width * channels..];
        let maps = &maps[..dims.width * channels];
        let mut tap = 0;
        while tap < across {
            let sums = &mut out[(down * across + tap) * channels..];
            tap += match across - tap {
                5.. => add_taps::<S, 5>(maps, dims, gradient, window, tap, sums),
                3 | 4 => add_taps::<S, 3>(maps, dims, gradient, window, tap, sums),
                _ => add_taps::<S, 1>(maps, dims, gradient, window, tap, sums),
            };
        }
    }
}

/// Adds what `N` taps side by side make of a row of outputs; gives `N`.
#[inline(always)]
fn add_taps<S: Simd, const N: usize>(
    maps: &[f32],
    dims: Dims,
    gradient: &[f32],
    window: &Window,
    first: usize,
    out: &mut [f32],
) -> usize {
    let channels = dims.channels;
    let width = gradient.len() / channels.max(1);
    let (stride, dilation, before) = (window.stride[1], window.dilation[1], window.before[1]);
    // The columns at which each tap reads inside the maps.
    let columns = |tap: usize| {
        let shift = tap * dilation;
        let start = before.saturating_sub(shift).div_ceil(stride);
        let end = (dims.width + before).checked_sub(shift + 1).map_or(0, |last| last / stride + 1);
        [start.min(width), end.min(width).max(start.min(width))]
    };
    let ranges: [[usize; 2]; N] = std::array::from_fn(|index| columns(first + index));
    let all = ranges
        .iter()
        .fold([0, width], |[start, end], range| [start.max(range[0]), end.min(range[1])]);
    let all = [all[0], all[1].max(all[0])];
    let mut channel = 0;
    while channel < channels {
        let left = channels - channel;
        let mut sums = [zero::<S>(); N];
        for column in all[0]..all[1] {
            let x = column * stride + first * dilation - before;
            // SAFETY: an output of the row, and pixels inside the row, `left` channels of each.
            unsafe {
                let factor =
                    load_part::<S>(gradient.as_ptr().add(column * channels + channel), left);
                for (index, sum) in sums.iter_mut().enumerate() {
                    let at = (x + index * dilation) * channels + channel;
                    *sum = load_part::<S>(maps.as_ptr().add(at), left).mul_add(factor, *sum);
                }
            }
        }
        for (index, sum) in sums.iter_mut().enumerate() {
            let [start, end] = ranges[index];
            for column in (start..all[0].min(end)).chain(all[1].max(start)..end) {
                let x = column * stride + (first + index) * dilation - before;
                // SAFETY: as above.
                unsafe {
                    let output = column * channels + channel;
                    let factor = load_part::<S>(gradient.as_ptr().add(output), left);
                    let value = load_part::<S>(maps.as_ptr().add(x * channels + channel), left);
                    *sum = value.mul_add(factor, *sum);
                }
            }
            let at = out[index * channels + channel..].as_mut_ptr();
            // SAFETY: `left` sums of this tap.
            unsafe {
                let before = load_part::<S>(at, left);
                store_part(at, before + *sum, left);
            }
        }
        channel += S::lanes32();
    }
    N
}
