//! What a convolution reads.

use burn::tensor::Tensor;

/// Maps that a convolution reads.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(super) maps: Tensor<4>,
    pub(super) doubled: bool,
}

impl Source {
    /// Maps of twice the height and width, each pixel four times.
    pub(crate) fn doubled(maps: Tensor<4>) -> Self {
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
pub(crate) struct Input {
    pub(super) first: Source,
    pub(super) second: Option<Tensor<4>>,
}

impl Input {
    /// Two maps, channel after channel, as if concatenated.
    pub(crate) fn pair(first: impl Into<Source>, second: Tensor<4>) -> Self {
        Self { first: first.into(), second: Some(second) }
    }
}

impl<T: Into<Source>> From<T> for Input {
    fn from(first: T) -> Self {
        Self { first: first.into(), second: None }
    }
}
