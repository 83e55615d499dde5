//! The contracting path of U-Nets: a 2x2 max-pool after each block, and the bottleneck below the last.

use burn::tensor::Tensor;

use super::blocks::{max_pool, summarise_max_pool};
use super::summary::{Maps, Table};
use super::watch::place;

/// The places of a path with so many blocks, in the order of the forward pass.
pub(super) fn places(blocks: usize) -> impl Iterator<Item = String> {
    (0..blocks).map(|level| format!("encoder.{level}")).chain(["bottleneck".into()])
}

/// Passes images through the path: the maps of the bottleneck, and those of the blocks, shallowest first.
pub(super) fn contract<B>(
    encoder: &[B],
    bottleneck: &B,
    images: Tensor<4>,
    forward: impl Fn(&B, Tensor<4>) -> Tensor<4>,
) -> (Tensor<4>, Vec<Tensor<4>>) {
    let mut x = images;
    let mut skips = Vec::with_capacity(encoder.len() + 1);
    for (level, block) in encoder.iter().enumerate() {
        x = place(|| format!("encoder.{level}"), forward(block, x));
        skips.push(x.clone());
        x = max_pool(x);
    }
    (place(|| "bottleneck".into(), forward(bottleneck, x)), skips)
}

/// Fills in the path's rows of the layer table: the maps of the bottleneck, and those of the blocks, shallowest first.
pub(super) fn summarise<B>(
    encoder: &[B],
    bottleneck: &B,
    table: &mut Table,
    mut maps: Maps,
    rows: impl Fn(&B, &mut Table, &str, Maps) -> Maps,
) -> (Maps, Vec<Maps>) {
    let mut skips = Vec::with_capacity(encoder.len() + 1);
    for (level, block) in encoder.iter().enumerate() {
        let name = format!("encoder.{level}");
        maps = rows(block, table, &name, maps);
        skips.push(maps);
        maps = summarise_max_pool(table, &format!("{name}.pool"), maps);
    }
    (rows(bottleneck, table, "bottleneck", maps), skips)
}
