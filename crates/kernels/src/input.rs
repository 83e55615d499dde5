//! What a convolution reads.

use burn::tensor::Tensor;

use super::ops::MOST_MORE;

/// Maps that a convolution reads.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) maps: Tensor<4>,
    pub(crate) doubled: bool,
}

impl Source {
    /// Maps of twice the height and width, each pixel four times.
    pub fn doubled(maps: Tensor<4>) -> Self {
        Self { maps, doubled: true }
    }
}

impl From<Tensor<4>> for Source {
    fn from(maps: Tensor<4>) -> Self {
        Self { maps, doubled: false }
    }
}

/// The input of a convolution: maps, and maybe maps whose channels come behind theirs.
#[derive(Clone, Debug)]
pub struct Input {
    pub(crate) first: Source,
    /// [`MOST_MORE`] at the most.
    pub(crate) more: Vec<Tensor<4>>,
}

impl Input {
    /// Two maps, channel after channel, as if concatenated.
    pub fn pair(first: impl Into<Source>, second: Tensor<4>) -> Self {
        Self { first: first.into(), more: vec![second] }
    }

    /// Any number of maps, channel after channel, as if concatenated; those beyond the fifth are.
    pub fn row(first: impl Into<Source>, mut more: Vec<Tensor<4>>) -> Self {
        if more.len() > MOST_MORE {
            let rest = more.split_off(MOST_MORE - 1);
            more.push(Tensor::cat(rest, 1));
        }
        Self { first: first.into(), more }
    }
}

impl<T: Into<Source>> From<T> for Input {
    fn from(first: T) -> Self {
        Self { first: first.into(), more: Vec::new() }
    }
}
