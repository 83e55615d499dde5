//! What follows a convolution or a norm.

use burn::tensor::Tensor;

use super::activation::Activation;

/// What follows a convolution or a norm, in this order: a residual is added, an activation, dropout.
#[derive(Clone, Debug, Default)]
pub(crate) struct After<'a> {
    pub(super) residual: Option<Tensor<4>>,
    pub(super) activation: Option<Activation>,
    pub(super) dropout: Option<&'a burn::nn::Dropout>,
}

impl<'a> After<'a> {
    /// Nothing.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// ReLU.
    pub(crate) fn relu() -> Self {
        Self { activation: Some(Activation::Relu), ..Self::default() }
    }

    /// ReLU that stops at 6.
    pub(crate) fn relu6() -> Self {
        Self { activation: Some(Activation::Relu6), ..Self::default() }
    }

    /// Sigmoid linear units.
    pub(crate) fn silu() -> Self {
        Self { activation: Some(Activation::Silu), ..Self::default() }
    }

    /// And then dropout, in training.
    pub(crate) fn dropout(self, dropout: &'a burn::nn::Dropout) -> Self {
        Self { dropout: Some(dropout), ..self }
    }

    /// With maps of the output's shape added first.
    pub(crate) fn residual(self, maps: Tensor<4>) -> Self {
        Self { residual: Some(maps), ..self }
    }

    /// Whether kernels can do all of it while they write: a ReLU or nothing, or else that activation alone.
    pub(super) fn is_simple(&self) -> bool {
        let alone = self.residual.is_none() && self.dropout.is_none();
        alone || matches!(self.activation, None | Some(Activation::Relu))
    }

    /// This without its activation and dropout, and what is then left to do.
    pub(super) fn parted(self) -> (Self, Self) {
        let Self { residual, activation, dropout } = self;
        (Self { residual, ..Self::default() }, Self { residual: None, activation, dropout })
    }
}
