//! What follows a convolution or a norm.

use burn::tensor::Tensor;

use super::activation::Activation;

/// What follows a convolution or a norm, in this order: a residual is added, an activation, dropout.
#[derive(Clone, Debug, Default)]
pub struct After<'a> {
    pub(crate) residual: Option<Tensor<4>>,
    pub(crate) activation: Option<Activation>,
    pub(crate) dropout: Option<&'a burn::nn::Dropout>,
}

impl<'a> After<'a> {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// ReLU.
    pub fn relu() -> Self {
        Self { activation: Some(Activation::Relu), ..Self::default() }
    }

    /// ReLU that stops at 6.
    pub fn relu6() -> Self {
        Self { activation: Some(Activation::Relu6), ..Self::default() }
    }

    /// Sigmoid linear units.
    pub fn silu() -> Self {
        Self { activation: Some(Activation::Silu), ..Self::default() }
    }

    /// And then dropout, in training.
    pub fn dropout(self, dropout: &'a burn::nn::Dropout) -> Self {
        Self { dropout: Some(dropout), ..self }
    }

    /// With maps of the output's shape added first.
    pub fn residual(self, maps: Tensor<4>) -> Self {
        Self { residual: Some(maps), ..self }
    }

    /// Whether kernels can do all of it while they write: a ReLU or nothing, or else that activation alone.
    pub(crate) fn is_simple(&self) -> bool {
        let alone = self.residual.is_none() && self.dropout.is_none();
        alone || matches!(self.activation, None | Some(Activation::Relu))
    }

    /// This without its activation and dropout, and what is then left to do.
    pub(crate) fn parted(self) -> (Self, Self) {
        let Self { residual, activation, dropout } = self;
        (Self { residual, ..Self::default() }, Self { residual: None, activation, dropout })
    }
}
