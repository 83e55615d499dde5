//! A network whose contracting path can be chosen: plain, or a pretrained encoder.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use super::architecture::{Design, Network};
use super::published::Published;
use super::summary::Table;

/// What an [`Either`] is made of.
pub enum EitherConfig<P, E> {
    /// The network with a plain path.
    Plain(P),
    /// The network with a pretrained encoder.
    Pretrained(E),
}

/// A network of one of two kinds.
#[derive(Module, Debug)]
pub enum Either<P: Module, E: Module> {
    /// With a plain path.
    Plain(P),
    /// With a pretrained encoder.
    Pretrained(E),
}

impl<P: Design, E: Design> EitherConfig<P, E> {
    fn chosen(&self) -> &dyn Design
    where
        P: 'static,
        E: 'static,
    {
        match self {
            Self::Plain(design) => design,
            Self::Pretrained(design) => design,
        }
    }
}

impl<P: Design + 'static, E: Design + 'static> Design for EitherConfig<P, E>
where
    P::Net: ModuleDisplay,
    E::Net: ModuleDisplay,
{
    type Net = Either<P::Net, E::Net>;

    fn init(&self, device: &Device) -> Self::Net {
        match self {
            Self::Plain(design) => Either::Plain(design.init(device)),
            Self::Pretrained(design) => Either::Pretrained(design.init(device)),
        }
    }

    fn places(&self) -> Vec<String> {
        self.chosen().places()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        self.chosen().bottleneck()
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        self.chosen().summarise(table, sides);
    }
}

impl<P: Network + ModuleDisplay, E: Network + ModuleDisplay> Network for Either<P, E> {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::Plain(net) => net.heads(images),
            Self::Pretrained(net) => net.heads(images),
        }
    }

    fn published(&self) -> Published {
        match self {
            Self::Plain(net) => net.published(),
            Self::Pretrained(net) => net.published(),
        }
    }
}

impl<P: Module, E: Module> Either<P, E> {
    /// Changes the network with a pretrained encoder, and leaves the other as it is.
    pub(super) fn map_pretrained(self, change: impl FnOnce(E) -> E) -> Self {
        match self {
            Self::Pretrained(net) => Self::Pretrained(change(net)),
            plain @ Self::Plain(_) => plain,
        }
    }
}
