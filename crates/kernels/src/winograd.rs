//! 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16
//! outputs, where the definition takes 144.
//!
//! Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks". A tile of 6x6 inputs and
//! the 3x3 weights are each transformed to 36 numbers, multiplied number by number, summed over the
//! input channels (36 products of matrices) and transformed back to 4x4 outputs. The points of
//! interpolation are 0, +-3/4, +-3/2 and infinity, with which the error in single precision is half
//! that of the usual 0, +-1, +-2: about 1e-6 of the outputs' root mean square, and 1e-5 at most.
//!
//! The gradient of the input is a convolution of the same kind with the weights turned around; that
//! of the weights is the transposed algorithm, with sums over tiles instead of channels.

use std::cell::Cell;
use std::ops::Range;

use macerator::Simd;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::epilogue::Epilogue;
use super::gemm::{Product, TransposedProduct, product, transposed_product};
use super::geometry::{Dims, Input, Locate, Part, Shared, Window, zeros_for};
use super::simd::{MAX_LANES, Vector, lanes, load, load_part, padded, store, store_part, zero};
use super::winograd_transforms::{
    IN, OUT, POINTS, gradient_transform, input_transform, output_transform, twice,
    weight_gradient_transform, weight_transform,
};

/// Tiles that a task transforms at least, to use each of the weights more than once.
const FEWEST_TILES: usize = 24;
/// Bytes of transformed tiles that a task should not exceed: what stays in a core's second-level cache.
const TASK_BYTES: usize = 400 << 10;
/// Bytes of transformed tiles between two steps of the weights' gradient.
const CHUNK_BYTES: usize = 8 << 20;

/// Where the tiles of a batch lie.
#[derive(Clone, Copy)]
struct Tiles {
    down: usize,
    across: usize,
    count: usize,
}

impl Tiles {
    fn new(batch: usize, [height, width]: [usize; 2]) -> Self {
        let (down, across) = (height.div_ceil(OUT), width.div_ceil(OUT));
        Self { down, across, count: batch * down * across }
    }

    /// Image, row and column of a tile's first output.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (row, across) = (tile / self.across, tile % self.across);
        (row / self.down, row % self.down * OUT, across * OUT)
    }
}

/// Which way the weights of a convolution are used.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    /// From input to output channels.
    Forward,
    /// From output to input channels, turned around: the gradient of the input.
    Backward,
}

/// Weights `[outputs, inputs, 3, 3]`, transformed: for each point, panels of a vector of channels to
/// write by all channels to read.
fn transformed_weights(
    weights: &[f32],
    outputs: usize,
    inputs: usize,
    direction: Direction,
) -> Buffer {
    let (read, written) = match direction {
        Direction::Forward => (inputs, outputs),
        Direction::Backward => (outputs, inputs),
    };
    let lanes = lanes();
    let panels = written.div_ceil(lanes);
    let mut transformed = Buffer::new(POINTS * panels * read * lanes);
    let out = Shared::new(&mut transformed);
    (0..panels).into_par_iter().for_each(|panel| {
        weights_panel(weights, inputs, read, written, direction, panel, out);
    });
    transformed
}

#[macerator::with_simd]
fn weights_panel<S: Simd>(
    weights: &[f32],
    inputs: usize,
    read: usize,
    written: usize,
    direction: Direction,
    panel: usize,
    out: Shared<f32>,
) {
    let lanes = S::lanes32();
    let first = panel * lanes;
    let here = lanes.min(written - first);
    let plane = written.div_ceil(lanes) * read * lanes;
    let mut gathered = [0f32; 9 * MAX_LANES];
    for channel in 0..read {
        for lane in 0..here {
            let start = 9 * match direction {
                Direction::Forward => (first + lane) * inputs + channel,
                Direction::Backward => channel * inputs + first + lane,
            };
            let taps = &weights[start..start + 9];
            for (tap, &weight) in taps.iter().enumerate() {
                let tap = if direction == Direction::Backward { 8 - tap } else { tap };
                gathered[tap * lanes + lane] = weight;
            }
        }
        // SAFETY: the buffer has nine vectors; the place of this panel and channel, which no other
        // task writes.
        twice!(
            weight_transform::<S>,
            3,
            IN,
            |y, x| unsafe { load(gathered.as_ptr().add((3 * y + x) * lanes)) },
            |y, x, number| unsafe {
                let at = (IN * y + x) * plane + (panel * read + channel) * lanes;
                store(out.at(at), number);
            },
        );
    }
}

/// Reads tiles of an input and transforms them: for each point, `rows` tiles by all channels.
struct Reader<'a> {
    input: Input<'a>,
    before: [usize; 2],
    tiles: Tiles,
    zeros: &'a [f32],
}

impl Reader<'_> {
    /// Writes the tiles of a range, each tile's channels `stride` apart.
    ///
    /// # Safety
    /// `out` must have room for 36 times `rows` times `stride` numbers.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, range: Range<usize>, out: *mut f32, rows: usize, stride: usize) {
        let lanes = S::lanes32();
        let mut offset = 0;
        for part in self.input.parts {
            let locate = Locate::new(part, self.input.height, self.input.width);
            for (row, tile) in range.clone().enumerate() {
                let (image, y, x) = self.tiles.place(tile);
                let mut pixels = [self.zeros.as_ptr(); POINTS];
                for (index, pixel) in pixels.iter_mut().enumerate() {
                    let y = (y + index / IN).wrapping_sub(self.before[0]);
                    let x = (x + index % IN).wrapping_sub(self.before[1]);
                    if y < self.input.height && x < self.input.width {
                        *pixel = part.data.as_ptr().wrapping_add(locate.pixel(image, y, x));
                    }
                }
                let plane = rows * stride;
                let mut channel = 0;
                while channel < part.channels {
                    let left = part.channels - channel;
                    let place = out.wrapping_add(row * stride + offset + channel);
                    // SAFETY: `left` channels of a pixel, or as many zeros; the caller gives room.
                    if left >= lanes {
                        twice!(
                            input_transform::<S>,
                            IN,
                            IN,
                            |y, x| unsafe { load(pixels[IN * y + x].add(channel)) },
                            |y, x, number| unsafe {
                                store(place.add((IN * y + x) * plane), number);
                            },
                        );
                    } else {
                        twice!(
                            input_transform::<S>,
                            IN,
                            IN,
                            |y, x| unsafe { load_part(pixels[IN * y + x].add(channel), left) },
                            |y, x, number| unsafe {
                                store_part(place.add((IN * y + x) * plane), number, left);
                            },
                        );
                    }
                    channel += lanes;
                }
            }
            offset += part.channels;
        }
    }
}

/// Where a convolution's output goes.
#[derive(Clone, Copy)]
enum Writer<'a> {
    /// To maps of the given channels, after an epilogue.
    Maps(Shared<f32>, usize, Epilogue<'a>),
    /// To the parts of an input's gradient.
    Parts(&'a [Part<Shared<f32>>]),
}

/// What all tasks of a convolution share.
struct Task<'a> {
    reader: Reader<'a>,
    weights: &'a [f32],
    writer: Writer<'a>,
    written: usize,
    size: [usize; 2],
    /// Panels whose sums a task holds at a time.
    panels_at_once: usize,
}

/// Whether a convolution is of the kind that this computes, and faster so than by its definition.
///
/// Counted in products for each pair of channels: a tile of 36 against nine for each output; tiles
/// reach over the border. Moving a number to or from memory takes the time of about 27 products (200
/// GFLOP/s, 15 GB/s), and transformed weights, four times as many as packed ones, are read, and before
/// that brought to the caches and written unless they are `kept`.
pub(crate) fn pays(window: &Window, input: Dims, output: Dims, kept: bool) -> bool {
    let moves = 27 * if kept { 1 } else { 3 };
    let kind = window.kernel == [3; 2]
        && window.stride == [1; 2]
        && window.dilation == [1; 2]
        && window.groups == 1
        && window.before.iter().all(|&zeros| zeros <= 2);
    let tiles = Tiles::new(output.batch, [output.height, output.width]).count;
    let [read, written] = [input.channels, output.channels];
    let pairs = read * written;
    let tiled = POINTS * tiles * (pairs + 4 * (read + written)) + moves * POINTS * pairs;
    kind && read >= 8 && written >= 8 && tiled < (9 * output.pixels() + moves * 9) * pairs
}

/// Weights `[outputs, inputs, 3, 3]` as [`forward`] reads them.
pub(crate) fn for_forward(weights: &[f32], outputs: usize) -> Buffer {
    let inputs = weights.len() / (9 * outputs).max(1);
    transformed_weights(weights, outputs, inputs, Direction::Forward)
}

/// Convolves, 3x3 with stride 1: `before` are the zeros above and to the left, `output` the size of
/// the output.
pub(crate) fn forward(
    input: &Input,
    weights: &[f32],
    before: [usize; 2],
    output: Dims,
    epilogue: Epilogue,
    out: &mut [f32],
) {
    let writer = Writer::Maps(Shared::new(out), output.channels, epilogue);
    convolve(input, weights, before, [output.height, output.width], output.channels, writer);
}

/// The gradient of the input, part by part, from that of the output (`[batch, height, width,
/// outputs]`), for weights `[outputs, inputs, 3, 3]` and the zeros of [`forward`].
pub(crate) fn input_gradient(
    gradient: &Input,
    weights: &[f32],
    before: [usize; 2],
    size: [usize; 2],
    parts: &[Part<Shared<f32>>],
) {
    let inputs: usize = parts.iter().map(|part| part.channels).sum();
    let outputs = gradient.channels();
    let transformed = transformed_weights(weights, outputs, inputs, Direction::Backward);
    let before = before.map(|zeros| 2 - zeros);
    convolve(gradient, &transformed, before, size, inputs, Writer::Parts(parts));
}

fn convolve(
    input: &Input,
    weights: &[f32],
    before: [usize; 2],
    size: [usize; 2],
    written: usize,
    writer: Writer,
) {
    let zeros = zeros_for(input.parts);
    let tiles = Tiles::new(input.batch, size);
    let reader = Reader { input: *input, before, tiles, zeros: &zeros };
    let lanes = lanes();
    let (read, panels) = (input.channels(), written.div_ceil(lanes));
    let bytes = |panels: usize| POINTS * size_of::<f32>() * (read + panels * lanes);
    let fit = TASK_BYTES / bytes(panels.min(64 / lanes));
    let wanted = if size_of_val(weights) > 1 << 20 { 4 * FEWEST_TILES } else { FEWEST_TILES };
    let even = tiles.count.div_ceil(2 * rayon::current_num_threads());
    let rows = fit.max(wanted.min(even)).clamp(1, 4 * FEWEST_TILES);
    let panels_at_once = panels.min((128 / lanes).max(1));
    let task = Task { reader, weights, writer, written, size, panels_at_once };
    (0..tiles.count.div_ceil(rows)).into_par_iter().for_each(|index| {
        let range = index * rows..((index + 1) * rows).min(tiles.count);
        let mut read_points = Buffer::new(POINTS * range.len() * read);
        let mut sums = Buffer::new(POINTS * range.len() * panels_at_once * lanes);
        run_task(&task, range, &mut read_points, &mut sums);
    });
}

#[macerator::with_simd]
fn run_task<'a, S: Simd>(
    task: &Task<'a>,
    range: Range<usize>,
    points: &mut [f32],
    sums: &mut [f32],
) {
    let lanes = S::lanes32();
    let (rows, read) = (range.len(), task.reader.input.channels());
    let panels = task.written.div_ceil(lanes);
    let plane = panels * read * lanes;
    // SAFETY: the buffers were made for these sizes.
    unsafe { task.reader.read::<S>(range.clone(), points.as_mut_ptr(), rows, read) };
    let mut first = 0;
    while first < panels {
        let here = task.panels_at_once.min(panels - first);
        let stride = here * lanes;
        for point in 0..POINTS {
            let weights = &task.weights[point * plane + first * read * lanes..];
            // SAFETY: `here` panels of weights, and sums for as many.
            unsafe {
                product::<S>(Product {
                    a: points.as_ptr().add(point * rows * read),
                    a_stride: read,
                    b: weights.as_ptr(),
                    b_stride: read * lanes,
                    out: sums.as_mut_ptr().add(point * rows * stride),
                    out_stride: stride,
                    rows,
                    depth: read,
                    panels: here,
                    added: false,
                });
            }
        }
        for (row, tile) in range.clone().enumerate() {
            for panel in 0..here {
                let at = row * stride + panel * lanes;
                let mut outputs = [[zero::<S>(); OUT]; OUT];
                // SAFETY: sums that were just written.
                twice!(
                    output_transform::<S>,
                    IN,
                    OUT,
                    |y, x| unsafe { load(sums.as_ptr().add((IN * y + x) * rows * stride + at)) },
                    |y, x, number| outputs[y][x] = number,
                );
                // SAFETY: this tile and these channels are this task's.
                unsafe { task.write::<S>(tile, (first + panel) * lanes, &outputs) };
            }
        }
        first += here;
    }
}

impl Task<'_> {
    /// Writes the outputs of a tile for a vector of channels.
    ///
    /// # Safety
    /// No other thread may write the same place.
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, tile: usize, channel: usize, square: &[[Vector<S>; OUT]; OUT]) {
        let (image, y0, x0) = self.reader.tiles.place(tile);
        let [height, width] = self.size;
        let (down, across) = (OUT.min(height - y0), OUT.min(width - x0));
        match self.writer {
            Writer::Maps(output, channels, epilogue) => {
                let left = channels - channel;
                for (y, row) in square.iter().enumerate().take(down) {
                    let start = ((image * height + y0 + y) * width + x0) * channels + channel;
                    for (x, sums) in row.iter().enumerate().take(across) {
                        let index = start + x * channels;
                        let value = epilogue.apply::<S>(*sums, channel, index, left);
                        // SAFETY: a pixel of the output.
                        unsafe { store_part(output.at(index), value, left) };
                    }
                }
            }
            Writer::Parts(parts) => {
                let lanes = S::lanes32();
                let mut start = 0;
                for part in parts {
                    let end = start + part.channels;
                    let (from, to) = (channel.max(start), (channel + lanes).min(end));
                    if from < to {
                        // SAFETY: channels that this vector and this part share.
                        unsafe {
                            self.write_part::<S>(
                                part,
                                (image, y0, x0),
                                (down, across),
                                square,
                                Place {
                                    skip: from - channel,
                                    channel: from - start,
                                    len: to - from,
                                },
                            );
                        }
                    }
                    start = end;
                }
            }
        }
    }

    /// Writes a part's share of a tile of the input's gradient; where each of its pixels stands for
    /// 2x2, the sum of the four.
    ///
    /// # Safety
    /// No other thread may write the same place.
    #[inline(always)]
    unsafe fn write_part<S: Simd>(
        &self,
        part: &Part<Shared<f32>>,
        (image, y0, x0): (usize, usize, usize),
        (down, across): (usize, usize),
        square: &[[Vector<S>; OUT]; OUT],
        place: Place,
    ) {
        let locate = Locate::new(part, self.size[0], self.size[1]);
        let step = if part.doubled { 2 } else { 1 };
        for y in (0..down).step_by(step) {
            for x in (0..across).step_by(step) {
                let value = if part.doubled {
                    (square[y][x] + square[y][x + 1]) + (square[y + 1][x] + square[y + 1][x + 1])
                } else {
                    square[y][x]
                };
                let to = part.data.at(locate.pixel(image, y0 + y, x0 + x) + place.channel);
                // SAFETY: `len` channels of a pixel of the part.
                unsafe {
                    if place.skip == 0 {
                        store_part(to, value, place.len);
                    } else {
                        let mut buffer = [0f32; MAX_LANES];
                        store(buffer.as_mut_ptr(), value);
                        let from = buffer.as_ptr().add(place.skip);
                        std::ptr::copy_nonoverlapping(from, to, place.len);
                    }
                }
            }
        }
    }
}

/// Which numbers of a vector go where.
#[derive(Clone, Copy)]
struct Place {
    /// Numbers of the vector that belong to the part before.
    skip: usize,
    /// Channel of the part that the next one is.
    channel: usize,
    len: usize,
}

/// The gradient of the weights, `[outputs, inputs, 3, 3]`, from the input and the gradient of the
/// output (`[batch, height, width, outputs]`).
///
/// Sums run over the tiles in their order, whatever the number of threads.
pub(crate) fn weight_gradient(
    input: &Input,
    gradient: &Input,
    before: [usize; 2],
    weights: &mut [f32],
) {
    let lanes = lanes();
    let zeros = zeros_for(input.parts);
    let (inputs, outputs) = (input.channels(), gradient.channels());
    let tiles = Tiles::new(input.batch, [gradient.height, gradient.width]);
    let reader = Reader { input: *input, before, tiles, zeros: &zeros };
    // Rows a little longer than a power of two, so that the columns of a product do not all fall on
    // the same few lines of the cache.
    let stride = |channels: usize| {
        padded(channels, lanes) + if channels.is_multiple_of(256) { 16 } else { 0 }
    };
    let strides = [stride(inputs), stride(outputs)];
    let per_tile = POINTS * (strides[0] + strides[1]) * size_of::<f32>();
    let rows = (CHUNK_BYTES / per_tile).clamp(FEWEST_TILES, tiles.count.max(FEWEST_TILES));
    let mut points = Buffer::new(POINTS * rows * strides[0]);
    let mut gradient_points = Buffer::new(POINTS * rows * strides[1]);
    let vectors = outputs.div_ceil(lanes);
    let mut sums = Buffer::zeroed(POINTS * inputs * vectors * lanes);
    let targets = [&mut points, &mut gradient_points].map(|buffer| Shared::new(buffer));
    let sums_at = Shared::new(&mut sums);
    // Transforms and products of a chunk are shared out in pieces of this many tiles and channels.
    const PIECE: usize = 16;
    let blocks = inputs.div_ceil(48);
    for start in (0..tiles.count).step_by(rows) {
        let chunk = rows.min(tiles.count - start);
        (0..chunk.div_ceil(PIECE)).into_par_iter().for_each(|piece| {
            let range = piece * PIECE..((piece + 1) * PIECE).min(chunk);
            let transform = Transform { reader: &reader, gradient, start, rows: chunk, strides };
            transform_piece(&transform, range, targets);
        });
        (0..POINTS * blocks).into_par_iter().for_each(|task| {
            let (point, block) = (task / blocks, task % blocks);
            let first = block * 48;
            // SAFETY: transformed tiles of this chunk; the sums are this task's.
            let operands = TransposedProduct {
                a: targets[0].at(point * chunk * strides[0] + first),
                a_stride: strides[0],
                b: targets[1].at(point * chunk * strides[1]),
                b_stride: strides[1],
                out: sums_at.at((point * inputs + first) * vectors * lanes),
                out_stride: vectors * lanes,
                depth: chunk,
                rows: 48.min(inputs - first),
                vectors,
            };
            add_transposed(&Cell::new(operands));
        });
    }
    let weights = Shared::new(weights);
    (0..vectors).into_par_iter().for_each(|panel| {
        weight_gradient_panel(&sums, inputs, outputs, panel, weights);
    });
}

#[macerator::with_simd]
fn add_transposed<S: Simd>(operands: &Cell<TransposedProduct>) {
    // SAFETY: made by `weight_gradient` for its buffers.
    unsafe { transposed_product::<S>(operands.get()) }
}

/// What the pieces of a chunk share.
struct Transform<'a> {
    reader: &'a Reader<'a>,
    gradient: &'a Input<'a>,
    /// The first tile of the chunk.
    start: usize,
    rows: usize,
    strides: [usize; 2],
}

#[macerator::with_simd]
fn transform_piece<'a, S: Simd>(
    transform: &Transform<'a>,
    range: Range<usize>,
    targets: [Shared<f32>; 2],
) {
    let lanes = S::lanes32();
    let Transform { reader, gradient, start, rows, strides } = *transform;
    let tiles = start + range.start..start + range.end;
    let out = targets[0].at(range.start * strides[0]);
    // SAFETY: this piece's rows of the buffer.
    unsafe { reader.read::<S>(tiles.clone(), out, rows, strides[0]) };
    let [part] = gradient.parts else { unreachable!("a gradient is in one piece") };
    for (row, tile) in range.zip(tiles) {
        let (image, y0, x0) = reader.tiles.place(tile);
        let (down, across) = (OUT.min(gradient.height - y0), OUT.min(gradient.width - x0));
        let mut channel = 0;
        while channel < part.channels {
            let left = part.channels - channel;
            let mut square = [[zero::<S>(); OUT]; OUT];
            for (y, values) in square.iter_mut().enumerate().take(down) {
                let pixel = (image * gradient.height + y0 + y) * gradient.width + x0;
                for (x, value) in values.iter_mut().enumerate().take(across) {
                    let from = &part.data[(pixel + x) * part.channels + channel..];
                    // SAFETY: `left` channels of a pixel.
                    *value = unsafe { load_part(from.as_ptr(), left) };
                }
            }
            let at = targets[1].at(row * strides[1] + channel);
            // SAFETY: this piece's rows of the buffer, which are padded to whole vectors.
            twice!(gradient_transform::<S>, OUT, IN, |y, x| square[y][x], |y, x, number| unsafe {
                store(at.add((IN * y + x) * rows * strides[1]), number)
            },);
            channel += lanes;
        }
    }
}

#[macerator::with_simd]
fn weight_gradient_panel<S: Simd>(
    sums: &[f32],
    inputs: usize,
    outputs: usize,
    panel: usize,
    weights: Shared<f32>,
) {
    let lanes = S::lanes32();
    let width = outputs.div_ceil(lanes) * lanes;
    let here = lanes.min(outputs - panel * lanes);
    let mut scattered = [0f32; 9 * MAX_LANES];
    for input in 0..inputs {
        let at = input * width + panel * lanes;
        // SAFETY: sums of this input channel; the buffer has nine vectors.
        twice!(
            weight_gradient_transform::<S>,
            IN,
            3,
            |y, x| unsafe { load(sums.as_ptr().add((IN * y + x) * inputs * width + at)) },
            |y, x, number| unsafe {
                store(scattered.as_mut_ptr().add((3 * y + x) * lanes), number);
            },
        );
        for lane in 0..here {
            let start = ((panel * lanes + lane) * inputs + input) * 9;
            for tap in 0..9 {
                // SAFETY: the weights of these output channels are this task's.
                unsafe { *weights.at(start + tap) = scattered[tap * lanes + lane] };
            }
        }
    }
}
