//! What an image operator works on: maps with their channels side by side, and the shape of a
//! convolution.

use super::simd::MAX_LANES;

/// Channel maps stored pixel by pixel: `[batch, height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Dims {
    /// Pixels of all images.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// Numbers.
    pub(crate) fn len(&self) -> usize {
        self.pixels() * self.channels
    }
}

/// Maps that a convolution reads, or whose gradient it writes: one part of its input channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<T> {
    /// Of the maps, pixel by pixel.
    pub data: T,
    pub channels: usize,
    /// Whether the maps have half the height and width, and each of their pixels stands for 2x2.
    pub doubled: bool,
}

/// The input of a convolution: parts put behind each other, channel by channel, without a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub parts: &'a [Part<&'a [f32]>],
}

impl Input<'_> {
    /// Channels of all parts.
    pub(crate) fn channels(&self) -> usize {
        self.parts.iter().map(|part| part.channels).sum()
    }

    /// The size of the whole, were it in one piece.
    pub(crate) fn dims(&self) -> Dims {
        let Self { batch, height, width, .. } = *self;
        Dims { batch, height, width, channels: self.channels() }
    }
}

/// Where a pixel of a part begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locate {
    height: usize,
    width: usize,
    channels: usize,
    shift: usize,
}

impl Locate {
    /// For parts of maps of this size.
    pub(crate) fn new<T>(part: &Part<T>, height: usize, width: usize) -> Self {
        let shift = usize::from(part.doubled);
        Self { height: height >> shift, width: width >> shift, channels: part.channels, shift }
    }

    /// Offset of pixel (`y`, `x`) of an image.
    #[inline(always)]
    pub(crate) fn pixel(&self, image: usize, y: usize, x: usize) -> usize {
        ((image * self.height + (y >> self.shift)) * self.width + (x >> self.shift)) * self.channels
    }
}

/// Zeros to read where a window reaches over the border.
pub(crate) fn zeros_for(parts: &[Part<&[f32]>]) -> Vec<f32> {
    vec![0.0; parts.iter().map(|part| part.channels).max().unwrap_or(0) + MAX_LANES]
}

/// The shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Zeros below and to the right.
    pub after: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Window {
    /// A square kernel with the same zeros on each side.
    pub(crate) fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            before: [padding; 2],
            after: [padding; 2],
            dilation: [1; 2],
            groups: 1,
        }
    }

    /// Height and width of the output; 0 where the kernel does not fit.
    pub(crate) fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let span = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let room = size[axis] + self.before[axis] + self.after[axis];
            if room < span { 0 } else { (room - span) / self.stride[axis] + 1 }
        })
    }

    /// Row and column that a position of the kernel reads for the output at a row and column, if they
    /// are inside maps of the given size.
    #[inline(always)]
    pub(crate) fn reads(&self, at: [usize; 2], tap: usize, dims: Dims) -> Option<(usize, usize)> {
        let columns = self.kernel[1];
        let y = at[0] * self.stride[0] + tap / columns * self.dilation[0];
        let x = at[1] * self.stride[1] + tap % columns * self.dilation[1];
        let (y, x) = (y.checked_sub(self.before[0])?, x.checked_sub(self.before[1])?);
        (y < dims.height && x < dims.width).then_some((y, x))
    }

    /// Row and column of the output, of the given height and width, for which a position of the kernel
    /// reads a row and column, if there is one.
    #[inline(always)]
    pub(crate) fn read_by(
        &self,
        at: [usize; 2],
        tap: usize,
        output: [usize; 2],
    ) -> Option<(usize, usize)> {
        let taps = [tap / self.kernel[1], tap % self.kernel[1]];
        let along = |axis: usize| {
            let start =
                (at[axis] + self.before[axis]).checked_sub(taps[axis] * self.dilation[axis])?;
            let index = start / self.stride[axis];
            (start.is_multiple_of(self.stride[axis]) && index < output[axis]).then_some(index)
        };
        Some((along(0)?, along(1)?))
    }

    /// Positions in the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// A pointer that several threads may use, each at places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: a pointer is only a number; whoever follows it promises that places are not shared.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Of a slice.
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// The place of an index.
    #[inline(always)]
    pub(crate) fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}
