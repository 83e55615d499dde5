//! What others publish weights of: how the files fill a part of a network.

/// The part of a network that others publish weights of.
#[derive(Clone, Copy, Debug)]
pub enum Published {
    /// No part of it.
    Nothing,
    /// Its encoder.
    Encoder(EncoderFiles),
    /// A classifier without its head.
    Backbone(BackboneFiles),
}

/// How files of weights for an encoder are read.
#[derive(Clone, Copy, Debug)]
pub struct EncoderFiles {
    /// What the names of its tensors begin with in a whole network.
    pub prefix: &'static str,
    /// The first layer.
    pub first: &'static str,
    /// What the names begin with of tensors that classifiers have besides.
    pub beside: &'static [&'static str],
    /// The name of a tensor that a classifier of another library names otherwise.
    pub renamed: fn(&str) -> Option<String>,
}

/// How files of weights for a classifier without its head are read.
#[derive(Clone, Copy, Debug)]
pub struct BackboneFiles {
    /// The first layer.
    pub first: &'static str,
    /// What the names of the tensors begin with that are left as they are.
    pub head: &'static str,
    /// Our name of a tensor that another library names otherwise.
    pub renamed: fn(&str) -> Option<String>,
}
