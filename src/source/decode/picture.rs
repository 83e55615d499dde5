//! Pixels as they are stored, before a window, Exif or a spec changes them.

use super::super::header::Complaint;
use super::super::levels::{Levels, Window};

/// What is wanted of a file's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Colours: a palette's entries, and black and white of fewer than 8 bits as 0 and 255.
    Colours,
    /// Numbers as they are stored: a palette's indices, and those of fewer than 8 bits.
    Stored,
}

/// The values of pixels, row by row, the channels of each pixel together.
pub(super) enum Samples {
    /// Of up to 8 bits.
    Eight(Vec<u8>),
    /// Of 16 bits.
    Sixteen(Vec<u16>),
    /// Floating-point numbers.
    Real(Vec<f32>),
}

/// Pixels as a decoder leaves them.
pub(super) struct Picture {
    samples: Samples,
    channels: usize,
}

impl Picture {
    /// Of samples with so many channels: gray, gray and alpha, RGB, or RGB and alpha.
    pub(super) fn new(samples: Samples, channels: usize) -> Self {
        Self { samples, channels }
    }

    /// Whether the last channel is opacity.
    pub(super) fn has_alpha(&self) -> bool {
        self.channels.is_multiple_of(2)
    }

    /// Whether there is an alpha channel with more than one value.
    pub(super) fn has_alpha_that_varies(&self) -> bool {
        self.has_alpha()
            && match &self.samples {
                Samples::Eight(data) => varies(data, self.channels),
                Samples::Sixteen(data) => varies(data, self.channels),
                Samples::Real(data) => varies(data, self.channels),
            }
    }

    /// Red, green and blue of all pixels in 8 bits, more bits through `levels`.
    ///
    /// # Errors
    /// If nothing says which values are black and white, or a value is no number.
    pub(super) fn into_rgb(self, levels: Levels) -> Result<Vec<u8>, Complaint> {
        match self.samples {
            Samples::Eight(data) if self.channels == 3 => Ok(data),
            Samples::Eight(data) => Ok(colours(&data, self.channels).flatten().collect()),
            Samples::Sixteen(data) => {
                let values = || colours(&data, self.channels).flatten();
                let window = match levels {
                    Levels::Window(window) => window,
                    Levels::FullRange => Window::FULL,
                    Levels::Undecided => Window::around(values().map(f64::from)),
                    Levels::Refused => {
                        return Err("a 16-bit image, and nothing says which values are black and white: set \
                                    `dataset.intensity`"
                            .into());
                    }
                };
                Ok(values().map(|value| window.apply(value)).collect())
            }
            Samples::Real(data) => {
                let values = || colours(&data, self.channels).flatten();
                if let Some(value) = values().find(|value| !value.is_finite()) {
                    return Err(format!(
                        "a pixel is {value}: all must be numbers that a window can hold"
                    ));
                }
                let window = match levels {
                    Levels::Window(window) => window,
                    Levels::Undecided => Window::around(values().map(f64::from)),
                    Levels::FullRange | Levels::Refused => return Err(needs_window()),
                };
                Ok(values().map(|value| window.apply(value)).collect())
            }
        }
    }

    /// The values of all channels but alpha, with how often they are there, from the least on; nothing for 8 bits.
    pub(super) fn counted(&self) -> Option<Vec<(f64, u64)>> {
        match &self.samples {
            Samples::Eight(_) => None,
            Samples::Sixteen(data) => {
                let mut counts = vec![0u64; 1 << 16];
                colours(data, self.channels)
                    .flatten()
                    .for_each(|value| counts[usize::from(value)] += 1);
                let counted = (0u16..).zip(counts).filter(|(_, count)| *count > 0);
                Some(counted.map(|(value, count)| (value.into(), count)).collect())
            }
            Samples::Real(data) => {
                let mut values: Vec<f32> = colours(data, self.channels).flatten().collect();
                values.sort_unstable_by(f32::total_cmp);
                let alike = values.chunk_by(|a, b| a == b);
                Some(alike.map(|alike| (alike[0].into(), alike.len() as u64)).collect())
            }
        }
    }

    /// Counts the values of 16 bits, of all channels but alpha.
    ///
    /// # Errors
    /// If they are floating-point numbers, of which there are too many to be counted.
    pub(super) fn count(&self, counts: &mut [u64]) -> Result<(), Complaint> {
        match &self.samples {
            Samples::Eight(_) => {}
            Samples::Sixteen(data) => {
                for value in colours(data, self.channels).flatten() {
                    if let Some(count) = counts.get_mut(usize::from(value)) {
                        *count += 1;
                    }
                }
            }
            Samples::Real(_) => return Err(needs_window()),
        }
        Ok(())
    }

    /// Values of up to 8 bits, and how many channels they have.
    ///
    /// # Errors
    /// If they have more bits.
    pub(super) fn eight_bits(&self) -> Result<(&[u8], usize), Complaint> {
        match &self.samples {
            Samples::Eight(data) => Ok((data, self.channels)),
            Samples::Sixteen(_) | Samples::Real(_) => {
                Err("the file changed while it was read".into())
            }
        }
    }

    /// Colour and opacity of each pixel of up to 8 bits.
    ///
    /// # Errors
    /// As [`Self::eight_bits`].
    pub(super) fn mask_pixels(
        &self,
    ) -> Result<impl Iterator<Item = ([u8; 3], Option<u8>)> + '_, Complaint> {
        let (data, channels) = self.eight_bits()?;
        let has_alpha = self.has_alpha();
        let alphas = data
            .chunks_exact(channels)
            .map(move |pixel| pixel.last().copied().filter(|_| has_alpha));
        Ok(colours(data, channels).zip(alphas))
    }
}

fn needs_window() -> Complaint {
    "an image of floating-point numbers, and nothing says which of them are black and white: set \
     `dataset.intensity` to { kind = \"window\", low = .., high = .. }"
        .into()
}

/// Red, green and blue of each pixel, whatever the channels are.
fn colours<T: Copy>(data: &[T], channels: usize) -> impl Iterator<Item = [T; 3]> + '_ {
    data.chunks_exact(channels).map(move |pixel| match channels {
        1 | 2 => [pixel[0]; 3],
        _ => [pixel[0], pixel[1], pixel[2]],
    })
}

/// Whether the last channel has more than one value.
fn varies<T: PartialEq>(data: &[T], channels: usize) -> bool {
    let mut alphas = data.chunks_exact(channels).map(|pixel| &pixel[channels - 1]);
    let first = alphas.next();
    alphas.any(|alpha| Some(alpha) != first)
}

/// Rows of `line` bytes with `width` packed numbers each, as one byte a number.
pub(super) fn unpack(data: &[u8], line: usize, width: usize, bits: u8) -> Vec<u8> {
    let mask = u8::MAX >> (8 - bits);
    let bits = usize::from(bits);
    let number = |row: &[u8], x: usize| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & mask;
    data.chunks_exact(line).flat_map(|row| (0..width).map(move |x| number(row, x))).collect()
}

/// Red, green and blue of luma and chroma, as JFIF defines them.
pub(super) fn rgb_of([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
        .map(|value| value.round() as u8)
}
