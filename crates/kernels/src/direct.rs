//! Convolutions by their definition: any kernel, stride, padding, dilation and groups.
//!
//! The pixels that a few outputs read are gathered into rows, zeros standing in for those beyond the
//! border, and multiplied with packed weights. The gradient of the input gathers from that of the
//! output; the gradient of the weights multiplies the same rows with the gradient of the outputs.

use std::cell::Cell;
use std::ops::Range;

use macerator::Simd;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::epilogue::Epilogue;
use super::gemm::{Product, TransposedProduct, product, transposed_product};
use super::geometry::{Dims, Input, Locate, Shared, Window};
use super::pointwise;
use super::simd::{lanes, load, padded, store_part};

/// Positions whose pixels are gathered at a time; a multiple of the rows of a register tile.
const ROWS: usize = 96;
/// Numbers of a row that are multiplied at a time, so that weights stay in the first caches.
const DEPTH: usize = 1024;
/// Positions of a block of the weights' gradient.
const BLOCK: usize = 256;
/// The weights' gradient is summed in at most this many parts, which are added up in order.
const MOST_SEGMENTS: usize = 16;
/// Positions that make a part worth its while.
const FEWEST_POSITIONS: usize = 64;
/// Bytes that all parts may take.
const SEGMENT_BYTES: usize = 32 << 20;

/// A position of the kernel and where it reads.
#[derive(Clone, Copy, Debug)]
struct Tap {
    index: usize,
    offset: [isize; 2],
}

/// Channels of a part that a group reads.
#[derive(Clone, Copy, Debug)]
struct Segment {
    part: usize,
    first: usize,
    len: usize,
}

/// Positions of a grid, each with the pixels that it reads: those at `step` times the position plus
/// each tap's offset.
struct Gather<'a> {
    input: &'a Input<'a>,
    locate: Vec<Locate>,
    taps: Vec<Tap>,
    /// So many taps at a time read pixels beside each other.
    beside: usize,
    step: [usize; 2],
    grid: [usize; 2],
}

impl<'a> Gather<'a> {
    fn new(input: &'a Input<'a>, taps: Vec<Tap>, step: [usize; 2], grid: [usize; 2]) -> Self {
        let locate =
            input.parts.iter().map(|part| Locate::new(part, input.height, input.width)).collect();
        Self { input, locate, taps, beside: 1, step, grid }
    }

    /// What a convolution reads for its outputs.
    fn forward(input: &'a Input<'a>, window: &Window) -> Self {
        let taps = all_taps(window, |axis, tap| {
            (tap * window.dilation[axis]) as isize - window.before[axis] as isize
        });
        let beside = if window.dilation[1] == 1 { window.kernel[1] } else { 1 };
        let grid = window.output([input.height, input.width]);
        Self { beside, ..Self::new(input, taps, window.stride, grid) }
    }

    fn positions(&self) -> usize {
        self.input.batch * self.grid[0] * self.grid[1]
    }

    /// Image, row and column of a position.
    #[inline(always)]
    fn place(&self, position: usize) -> (usize, usize, usize) {
        let (row, x) = (position / self.grid[1], position % self.grid[1]);
        (row / self.grid[0], row % self.grid[0], x)
    }

    /// Copies what a position reads: by segments, by taps, by the segment's channels.
    fn copy(&self, position: usize, segments: &[Segment], row: &mut [f32]) {
        let (image, y, x) = self.place(position);
        let (y, x) = (y * self.step[0], x * self.step[1]);
        let mut rest = row;
        for segment in segments {
            let part = &self.input.parts[segment.part];
            let whole = segment.len == part.channels && !part.doubled;
            for taps in self.taps.chunks(if whole { self.beside } else { 1 }) {
                let y = y.wrapping_add_signed(taps[0].offset[0]);
                let x = x.wrapping_add_signed(taps[0].offset[1]);
                let inside = y < self.input.height && x < self.input.width;
                if inside && x + taps.len() <= self.input.width {
                    let (to, after) = rest.split_at_mut(taps.len() * segment.len);
                    rest = after;
                    let start = self.locate[segment.part].pixel(image, y, x) + segment.first;
                    to.copy_from_slice(&part.data[start..start + to.len()]);
                    continue;
                }
                for beside in 0..taps.len() {
                    let (to, after) = rest.split_at_mut(segment.len);
                    rest = after;
                    let x = x.wrapping_add(beside);
                    if y < self.input.height && x < self.input.width {
                        let start = self.locate[segment.part].pixel(image, y, x) + segment.first;
                        to.copy_from_slice(&part.data[start..start + segment.len]);
                    } else {
                        to.fill(0.0);
                    }
                }
            }
        }
    }

    /// Numbers that a position reads of so many channels.
    fn depth(&self, channels: usize) -> usize {
        self.taps.len() * channels
    }

    /// The maps themselves, where each position reads its own pixel of the only part and no more.
    fn identity(&self) -> Option<&[f32]> {
        let whole = self.grid == [self.input.height, self.input.width] && self.step == [1; 2];
        match (self.input.parts, &self.taps[..]) {
            ([part], [tap]) if whole && tap.offset == [0; 2] && !part.doubled => Some(part.data),
            _ => None,
        }
    }

    /// The channels of `range`, part by part.
    fn segments(&self, range: Range<usize>) -> Vec<Segment> {
        let mut start = 0;
        let mut found = Vec::new();
        for (part, maps) in self.input.parts.iter().enumerate() {
            let end = start + maps.channels;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                found.push(Segment { part, first: from - start, len: to - from });
            }
            start = end;
        }
        found
    }
}

/// Every position of the kernel, with the offset that `offset(axis, tap)` gives.
fn all_taps(window: &Window, offset: impl Fn(usize, usize) -> isize) -> Vec<Tap> {
    let [height, width] = window.kernel;
    (0..height * width)
        .map(|index| Tap { index, offset: [offset(0, index / width), offset(1, index % width)] })
        .collect()
}

/// Weights packed for a gather: for each group, panels of a vector of channels to write, by segments,
/// by taps, by the segment's channels.
pub(crate) struct Packed {
    weights: Buffer,
    segments: Vec<Vec<Segment>>,
    /// Channels to write in each group.
    written: usize,
    /// Numbers of a panel.
    panel: usize,
}

impl Packed {
    /// Numbers of all weights.
    pub(crate) fn len(&self) -> usize {
        self.weights.len()
    }
}

/// Packs `weight(written, read, tap)`: channels counted inside their group after `group`.
fn pack(
    gather: &Gather,
    groups: usize,
    [read, written]: [usize; 2],
    weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
) -> Packed {
    let lanes = lanes();
    let panels = written.div_ceil(lanes);
    let panel = gather.taps.len() * read * lanes;
    let segments: Vec<Vec<Segment>> =
        (0..groups).map(|group| gather.segments(group * read..(group + 1) * read)).collect();
    let mut weights = Buffer::zeroed(groups * panels * panel);
    if panel > 0 {
        weights.par_chunks_mut(panel).enumerate().for_each(|(index, panel)| {
            let (group, first) = (index / panels, index % panels * lanes);
            let mut vectors = panel.chunks_mut(lanes);
            let mut start = 0;
            for segment in &segments[group] {
                for tap in &gather.taps {
                    for channel in start..start + segment.len {
                        let vector = vectors.next().into_iter().flatten();
                        for (value, lane) in vector.zip(first..written) {
                            *value = weight(group, lane, channel, tap.index);
                        }
                    }
                }
                start += segment.len;
            }
        });
    }
    Packed { weights, segments, written, panel }
}

/// Where results of a gather go: position (y, x) to pixel `first + stride * (y, x)`.
struct Target<'a> {
    output: Shared<f32>,
    dims: Dims,
    first: [usize; 2],
    stride: [usize; 2],
    epilogue: Epilogue<'a>,
}

impl Target<'_> {
    #[inline(always)]
    fn index(&self, (image, y, x): (usize, usize, usize)) -> usize {
        let (y, x) = (self.first[0] + y * self.stride[0], self.first[1] + x * self.stride[1]);
        ((image * self.dims.height + y) * self.dims.width + x) * self.dims.channels
    }

    /// Whether the positions of a grid are its pixels, in their order.
    fn is(&self, grid: [usize; 2]) -> bool {
        let Dims { height, width, .. } = self.dims;
        self.first == [0; 2] && self.stride == [1; 2] && grid == [height, width]
    }
}

/// Weights `[outputs, inputs / groups, kernel height, kernel width]` as [`forward`] reads them for an
/// input of such parts.
pub(crate) fn for_forward(input: &Input, weights: &[f32], window: &Window) -> Packed {
    let gather = Gather::forward(input, window);
    let read = input.channels() / window.groups;
    let taps = window.taps();
    let written = weights.len() / (read * taps).max(1) / window.groups;
    pack(&gather, window.groups, [read, written], |group, out, channel, tap| {
        weights[((group * written + out) * read + channel) * taps + tap]
    })
}

/// Convolves.
pub(crate) fn forward(
    input: &Input,
    weights: &Packed,
    window: &Window,
    epilogue: Epilogue,
    output: &mut [f32],
) {
    let gather = Gather::forward(input, window);
    let [height, width] = gather.grid;
    let channels = weights.written * window.groups;
    let dims = Dims { batch: input.batch, height, width, channels };
    let output = Shared::new(output);
    run(&gather, weights, &Target { output, dims, first: [0; 2], stride: [1; 2], epilogue });
}

/// The gradient of the input, `[batch, height, width, inputs]`, from that of the output.
///
/// Pixels are taken by their residue modulo the stride: those of one residue are reached by the same
/// positions of the kernel.
pub(crate) fn input_gradient(
    gradient: &Input,
    weights: &[f32],
    window: &Window,
    dims: Dims,
    output: &mut [f32],
) {
    let read = gradient.channels() / window.groups;
    let written = dims.channels / window.groups;
    let taps = window.taps();
    let output = Shared::new(output);
    let [down, across] = window.stride;
    for residue in (0..down).flat_map(|y| (0..across).map(move |x| [y, x])) {
        let reach = |axis: usize, tap: usize| {
            residue[axis] as isize + window.before[axis] as isize
                - (tap * window.dilation[axis]) as isize
        };
        let hits = |tap: &Tap| {
            (0..2).all(|axis| tap.offset[axis].rem_euclid(window.stride[axis] as isize) == 0)
        };
        let mut here: Vec<Tap> = all_taps(window, reach).into_iter().filter(hits).collect();
        for tap in &mut here {
            tap.offset =
                std::array::from_fn(|axis| tap.offset[axis] / window.stride[axis] as isize);
        }
        let size = [dims.height, dims.width];
        let grid = std::array::from_fn(|axis| {
            size[axis].saturating_sub(residue[axis]).div_ceil(window.stride[axis])
        });
        let gather = Gather::new(gradient, here, [1; 2], grid);
        let packed = pack(&gather, window.groups, [read, written], |group, channel, out, tap| {
            weights[((group * read + out) * written + channel) * taps + tap]
        });
        let (stride, epilogue) = (window.stride, Epilogue::default());
        run(&gather, &packed, &Target { output, dims, first: residue, stride, epilogue });
    }
}

fn run(gather: &Gather, packed: &Packed, target: &Target) {
    let positions = gather.positions();
    let tasks = positions.div_ceil(ROWS);
    // Where there are few positions, threads share out the outputs of each.
    let panels = packed.written.div_ceil(lanes());
    let parts = (2 * rayon::current_num_threads()).div_ceil(tasks.max(1)).min(panels.div_ceil(2));
    let per_part = panels.div_ceil(parts.max(1));
    (0..tasks * parts).into_par_iter().for_each(|task| {
        let (task, first) = (task / parts, task % parts * per_part);
        let range = task * ROWS..((task + 1) * ROWS).min(positions);
        run_task(gather, packed, target, range, first.min(panels)..(first + per_part).min(panels));
    });
}

/// Gathers, multiplies and writes a range of positions, group by group; of each group the outputs of a
/// range of panels.
#[macerator::with_simd]
fn run_task<'a, S: Simd>(
    gather: &Gather<'a>,
    packed: &Packed,
    target: &Target<'a>,
    range: Range<usize>,
    part: Range<usize>,
) {
    let lanes = S::lanes32();
    let (rows, depth) = (range.len(), packed.panel / lanes);
    let panels = packed.written.div_ceil(lanes);
    let width = part.len() * lanes;
    let in_order = target.is(gather.grid);
    // Sums to which nothing is done, of whole vectors, are written where they belong.
    let whole = depth > 0 && packed.written.is_multiple_of(lanes);
    let at_once = in_order && whole && target.epilogue.is_nothing();
    let mut sums = Buffer::new(if at_once { 0 } else { rows * width });
    let mut gathered = Buffer::new(if gather.identity().is_some() { 0 } else { rows * depth });
    for (group, segments) in packed.segments.iter().enumerate() {
        let (pixels, stride) = match gather.identity() {
            Some(maps) => {
                let channels = gather.input.channels();
                (maps[range.start * channels + segments[0].first..].as_ptr(), channels)
            }
            None => {
                for (position, row) in range.clone().zip(gathered.chunks_exact_mut(depth.max(1))) {
                    gather.copy(position, segments, row);
                }
                (gathered.as_ptr(), depth)
            }
        };
        let weights = &packed.weights[(group * panels + part.start) * packed.panel..];
        let channels = target.dims.channels;
        let (out, out_stride) = if at_once {
            let first = group * packed.written + part.start * lanes;
            (target.output.at(range.start * channels + first), channels)
        } else {
            (sums.as_mut_ptr(), width)
        };
        if depth == 0 {
            sums.fill(0.0);
        }
        for first in (0..depth).step_by(DEPTH) {
            // SAFETY: rows of `depth` numbers, panels of as many vectors, and channels of positions that are this task's.
            unsafe {
                product::<S>(Product {
                    a: pixels.add(first),
                    a_stride: stride,
                    b: weights.as_ptr().add(first * lanes),
                    b_stride: packed.panel,
                    out,
                    out_stride,
                    rows,
                    depth: DEPTH.min(depth - first),
                    panels: part.len(),
                    added: first > 0,
                });
            }
        }
        for (position, sums) in range.clone().zip(sums.chunks_exact(width.max(1))) {
            let pixel = match in_order {
                true => position * channels,
                false => target.index(gather.place(position)),
            };
            let output = pixel + group * packed.written;
            for (panel, sums) in part.clone().zip(sums.chunks_exact(lanes)) {
                let (first, left) = (panel * lanes, packed.written - panel * lanes);
                let (channel, index) = (group * packed.written + first, output + first);
                // SAFETY: a vector of sums; `left` channels of an output pixel of this task.
                unsafe {
                    let sums = load::<S>(sums.as_ptr());
                    let value = target.epilogue.apply::<S>(sums, channel, index, left);
                    store_part(target.output.at(index), value, left);
                }
            }
        }
    }
}

/// The gradient of the weights, `[outputs, inputs / groups, kernel height, kernel width]`, from the
/// input and the gradient of the output (`[batch, height, width, outputs]`).
///
/// Sums run over the positions in their order inside parts, whose number depends on the shapes only,
/// and then over the parts.
pub(crate) fn weight_gradient(
    input: &Input,
    gradient: &[f32],
    window: &Window,
    weights: &mut [f32],
) {
    let gather = Gather::forward(input, window);
    let (positions, taps) = (gather.positions(), gather.taps.len());
    let read = input.channels() / window.groups;
    let depth = gather.depth(read);
    let outputs = weights.len() / depth.max(1);
    let written = outputs / window.groups;
    let width = padded(written, lanes());
    let size = window.groups * depth * width;
    let fit = SEGMENT_BYTES / (size * size_of::<f32>()).max(1);
    let parts = (positions / FEWEST_POSITIONS).clamp(1, fit.clamp(2, MOST_SEGMENTS));
    let per_part = positions.div_ceil(parts);
    let groups: Vec<Vec<Segment>> =
        (0..window.groups).map(|group| gather.segments(group * read..(group + 1) * read)).collect();
    let work = WeightGradient { gather: &gather, gradient, groups: &groups, depth, written };
    let mut sums = Buffer::zeroed(parts * size);
    sums.par_chunks_mut(size.max(1)).enumerate().for_each(|(part, sums)| {
        let end = ((part + 1) * per_part).min(positions);
        work.sum((part * per_part).min(end)..end, sums);
    });
    let (sums, others) = sums.split_at_mut(size);
    for other in others.chunks(size.max(1)) {
        pointwise::add_to(sums, other);
    }
    // Sums lie by rows, weights by columns: a task turns a few columns around.
    const COLUMNS: usize = 16;
    let sums = &*sums;
    let tasks = written.div_ceil(COLUMNS);
    let weights = Shared::new(weights);
    (0..window.groups * tasks).into_par_iter().for_each(|task| {
        let (group, first) = (task / tasks, task % tasks * COLUMNS);
        let columns = first..(first + COLUMNS).min(written);
        let mut rows = sums[group * depth * width..].chunks_exact(width.max(1));
        let mut start = 0;
        for segment in &groups[group] {
            for tap in 0..taps {
                for (channel, row) in (start..start + segment.len).zip(&mut rows) {
                    for column in columns.clone() {
                        let output = group * written + column;
                        // SAFETY: weights of this task's outputs.
                        unsafe {
                            *weights.at((output * read + channel) * taps + tap) = row[column];
                        }
                    }
                }
            }
            start += segment.len;
        }
    });
}

struct WeightGradient<'a> {
    gather: &'a Gather<'a>,
    gradient: &'a [f32],
    groups: &'a [Vec<Segment>],
    depth: usize,
    written: usize,
}

impl WeightGradient<'_> {
    /// Adds what a range of positions makes of each group's rows by outputs, padded to vectors.
    fn sum(&self, range: Range<usize>, sums: &mut [f32]) {
        let Self { gather, gradient, groups, depth, written } = *self;
        let width = padded(written, lanes());
        // What lies as it is multiplied is read where it lies.
        let maps = gather.identity().filter(|_| groups.len() == 1);
        let outputs = (groups.len() == 1 && width == written).then_some(gradient);
        let block = BLOCK.min(range.len());
        let mut pixels = Buffer::new(if maps.is_some() { 0 } else { block * depth });
        let mut columns = Buffer::zeroed(if outputs.is_some() { 0 } else { block * width });
        for start in range.clone().step_by(BLOCK) {
            let block = start..(start + BLOCK).min(range.end);
            for (group, segments) in groups.iter().enumerate() {
                let a = match maps {
                    Some(maps) => maps[start * depth..].as_ptr(),
                    None => {
                        let rows = pixels.chunks_exact_mut(depth.max(1));
                        for (position, row) in block.clone().zip(rows) {
                            gather.copy(position, segments, row);
                        }
                        pixels.as_ptr()
                    }
                };
                let b = match outputs {
                    Some(gradient) => gradient[start * width..].as_ptr(),
                    None => {
                        let rows = columns.chunks_exact_mut(width);
                        for (position, column) in block.clone().zip(rows) {
                            let from = (position * groups.len() + group) * written;
                            column[..written].copy_from_slice(&gradient[from..from + written]);
                        }
                        columns.as_ptr()
                    }
                };
                let sums = &mut sums[group * depth * width..(group + 1) * depth * width];
                add_block(&Cell::new(TransposedProduct {
                    a,
                    a_stride: depth,
                    b,
                    b_stride: width,
                    out: sums.as_mut_ptr(),
                    out_stride: width,
                    depth: block.len(),
                    rows: depth,
                    vectors: width / lanes(),
                }));
            }
        }
    }
}

#[macerator::with_simd]
fn add_block<S: Simd>(operands: &Cell<TransposedProduct>) {
    // SAFETY: made by `WeightGradient::sum` for its buffers, or for as many rows of the maps and the gradient.
    unsafe { transposed_product::<S>(operands.get()) }
}
