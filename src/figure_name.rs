//! Names of figures.

/// Name of the figure that says how good the masks are which guide a classifier: their mean Dice.
pub const MASK_DICE: &str = "mask-dice";

/// What the names of figures begin with that a second head's images have, beside those of pixels.
pub const OF_SECOND_HEAD: &str = "image-";
