//! Masks at the size of a network, beside their own.

use image::GrayImage;
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Inset};

/// What is known of a mask at the two sizes at which figures are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BothSizes<T> {
    /// At its own size.
    pub own: T,
    /// At the network's.
    pub network: T,
}

impl<T> BothSizes<T> {
    /// The same of both sizes.
    pub(crate) fn map<U>(&self, of: impl Fn(&T) -> U) -> BothSizes<U> {
        BothSizes { own: of(&self.own), network: of(&self.network) }
    }
}

/// Labels at the size that their image has in a frame, without what pads it.
pub(super) fn labels_in(labels: &GrayImage, frame: Frame) -> Vec<u8> {
    let Inset { width, height, .. } = frame.inset(labels.dimensions());
    labels_at(labels, (width as u32, height as u32))
}

/// Labels at another width and height by the nearest pixel centre: only values that were there.
pub fn labels_at(labels: &GrayImage, (to_width, to_height): (u32, u32)) -> Vec<u8> {
    let (width, height) = labels.dimensions();
    let columns: Vec<usize> = (0..to_width).map(|x| nearest(x, to_width, width)).collect();
    let rows =
        (0..to_height).map(|y| &labels.as_raw()[nearest(y, to_height, height) * width as usize..]);
    rows.flat_map(|row| columns.iter().map(|&column| row[column])).collect()
}

/// The old pixel that holds the centre of new pixel `index`: floor((index + 1/2) * from / to).
fn nearest(index: u32, to: u32, from: u32) -> usize {
    ((2 * u64::from(index) + 1) * u64::from(from) / (2 * u64::from(to))) as usize
}
