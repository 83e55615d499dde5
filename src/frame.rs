//! What a network sees of an image: how large, and where the image lies in it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Height and width of what a network sees, in pixels. One number is the side of a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenSize", into = "WrittenSize")]
pub struct ImageSize {
    /// Height.
    pub height: u32,
    /// Width.
    pub width: u32,
}

/// Side of a square, or height and width, in pixels.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenSize {
    /// Side of a square, in pixels.
    Square(#[schemars(range(min = 16, max = 4096))] u32),
    /// Height and width, in pixels.
    Sides(Sides),
}

/// Height and width, in pixels.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sides {
    /// Height, in pixels.
    #[schemars(range(min = 16, max = 4096))]
    height: u32,
    /// Width, in pixels.
    #[schemars(range(min = 16, max = 4096))]
    width: u32,
}

impl From<WrittenSize> for ImageSize {
    fn from(written: WrittenSize) -> Self {
        match written {
            WrittenSize::Square(side) => Self::square(side),
            WrittenSize::Sides(Sides { height, width }) => Self { height, width },
        }
    }
}

impl From<ImageSize> for WrittenSize {
    fn from(size: ImageSize) -> Self {
        let ImageSize { height, width } = size;
        if size.is_square() { Self::Square(height) } else { Self::Sides(Sides { height, width }) }
    }
}

impl ImageSize {
    /// A square.
    pub fn square(side: u32) -> Self {
        Self { height: side, width: side }
    }

    /// Whether height and width are the same.
    pub fn is_square(&self) -> bool {
        self.height == self.width
    }

    /// The shorter side.
    pub fn shorter(&self) -> u32 {
        self.height.min(self.width)
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_square() {
            true => write!(f, "{}", self.width),
            false => write!(f, "{{ height = {}, width = {} }}", self.height, self.width),
        }
    }
}

/// How an image becomes one of the network's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// It is stretched to that size, whatever its own shape.
    #[default]
    Stretch,
    /// It keeps its shape: one factor scales both sides until it fits, it lies in the middle, and what is left on two sides is
    /// black (0, before `normalize`). Labels there take no part in the loss and in figures, pixels there none in the statistics
    /// of `normalize`; predictions are cut back to the image before they are scaled to its own size. This is `LongestMaxSize`
    /// and `PadIfNeeded` of albumentations.
    Letterbox,
}

impl Resize {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a network sees: its size, and how images get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Height, in pixels.
    pub height: u32,
    /// Width, in pixels.
    pub width: u32,
    /// How an image becomes one of this size.
    pub resize: Resize,
}

/// Where an image lies in a frame, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inset {
    /// Columns before it.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Its width.
    pub width: usize,
    /// Its height.
    pub height: usize,
}

impl Frame {
    /// A square to which images are stretched.
    pub fn square(side: u32) -> Self {
        Self { width: side, height: side, resize: Resize::Stretch }
    }

    /// Height and width.
    pub fn sides(&self) -> [usize; 2] {
        [self.height as usize, self.width as usize]
    }

    /// Where an image of a width and height lies in it.
    ///
    /// Letterboxed, its longer side (against the frame's) is the frame's and the other is rounded, a half to the even number;
    /// of an odd number of rows or columns that are left, one more lies below or to the right.
    pub fn inset(&self, (width, height): (u32, u32)) -> Inset {
        let [rows, columns] = self.sides();
        if self.resize == Resize::Stretch || width == 0 || height == 0 {
            return Inset { left: 0, top: 0, width: columns, height: rows };
        }
        let (wide, high) = (u64::from(width), u64::from(height));
        let (of_width, of_height) = (u64::from(self.width), u64::from(self.height));
        let (width, height) = match of_width * high <= of_height * wide {
            true => (of_width, rounded(high * of_width, wide)),
            false => (rounded(wide * of_height, high), of_height),
        };
        let (width, height) = (width as usize, height as usize);
        Inset { left: (columns - width) / 2, top: (rows - height) / 2, width, height }
    }
}

/// A quotient as a whole number, a half to the even one; at least 1.
fn rounded(dividend: u64, divisor: u64) -> u64 {
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    let up = 2 * rest > divisor || (2 * rest == divisor && whole % 2 == 1);
    (whole + u64::from(up)).max(1)
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ImageSize { height: self.height, width: self.width }.fmt(f)
    }
}

impl Inset {
    /// Whether it is all of a frame of a height and width.
    pub fn is_all(&self, [height, width]: [usize; 2]) -> bool {
        [self.height, self.width] == [height, width]
    }

    /// The rows of a plane of a width that lie in it, without what is beside it.
    pub fn rows<'a, T>(&self, plane: &'a [T], width: usize) -> impl Iterator<Item = &'a [T]> {
        let (left, columns) = (self.left, self.width);
        plane
            .chunks_exact(width)
            .skip(self.top)
            .take(self.height)
            .map(move |row| &row[left..left + columns])
    }

    /// What lies in it of planes of a height and width.
    pub fn cut<T: Copy>(&self, planes: &[T], [height, width]: [usize; 2]) -> Vec<T> {
        if self.is_all([height, width]) {
            return planes.to_vec();
        }
        let planes = planes.chunks_exact(height * width);
        planes.flat_map(|plane| self.rows(plane, width)).flatten().copied().collect()
    }

    /// Planes of its size in planes of a height and width, with `around` in the rest.
    pub fn pad<T: Copy>(&self, planes: Vec<T>, [height, width]: [usize; 2], around: T) -> Vec<T> {
        if self.is_all([height, width]) {
            return planes;
        }
        let count = planes.len() / (self.width * self.height);
        let mut padded = vec![around; count * height * width];
        let rows = padded
            .chunks_exact_mut(height * width)
            .flat_map(|plane| plane.chunks_exact_mut(width).skip(self.top).take(self.height));
        for (into, row) in rows.zip(planes.chunks_exact(self.width)) {
            into[self.left..self.left + self.width].copy_from_slice(row);
        }
        padded
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letterbox(height: u32, width: u32) -> Frame {
        Frame { width, height, resize: Resize::Letterbox }
    }

    #[test]
    fn a_size_is_one_number_where_it_is_a_square() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Spec {
            size: ImageSize,
        }
        let read = |text: &str| toml::from_str::<Spec>(text).unwrap().size;
        assert_eq!(read("size = 256"), ImageSize::square(256));
        let wide = ImageSize { height: 192, width: 256 };
        assert_eq!(read("size = { height = 192, width = 256 }"), wide);
        let written = |size| toml::to_string(&Spec { size }).unwrap();
        assert_eq!(written(read("size = { height = 64, width = 64 }")), "size = 64\n");
        assert_eq!(read(&written(wide)), wide);
        assert_eq!(wide.to_string(), "{ height = 192, width = 256 }");
    }

    #[test]
    fn a_wide_image_has_padding_above_and_below_and_a_high_one_beside() {
        let inset = |left, top, width, height| Inset { left, top, width, height };
        let frame = letterbox(256, 256);
        assert_eq!(frame.inset((500, 471)), inset(0, 7, 256, 241));
        assert_eq!(frame.inset((471, 500)), inset(7, 0, 241, 256));
        assert_eq!(frame.inset((64, 64)), inset(0, 0, 256, 256));
        // 2.5 rows become 2, 3.5 become 4.
        assert_eq!(letterbox(8, 8).inset((16, 5)), inset(0, 3, 8, 2));
        assert_eq!(letterbox(8, 8).inset((16, 7)), inset(0, 2, 8, 4));
        assert_eq!(letterbox(8, 8).inset((100, 1)), inset(0, 3, 8, 1));
        assert_eq!(letterbox(4, 12).inset((10, 10)), inset(4, 0, 4, 4));
        assert_eq!(Frame::square(9).inset((100, 1)), inset(0, 0, 9, 9));
    }

    #[derive(Deserialize)]
    struct Place {
        size: (u32, u32),
        frame: (u32, u32),
        place: [usize; 4],
    }

    #[derive(Deserialize)]
    struct Fixture {
        places: Vec<Place>,
    }

    #[test]
    fn images_lie_where_albumentations_puts_them() {
        let text = std::fs::read_to_string(crate::testing::fixture("letterbox.json")).unwrap();
        let Fixture { places } = serde_json::from_str(&text).unwrap();
        assert_eq!(places.len(), 300);
        for Place { size, frame, place: [left, top, width, height] } in places {
            let found = letterbox(frame.1, frame.0).inset(size);
            assert_eq!(found, Inset { left, top, width, height }, "{size:?} in {frame:?}");
        }
    }

    #[test]
    fn what_is_padded_is_cut_back() {
        let inset = letterbox(4, 4).inset((8, 4));
        let padded = inset.pad(vec![1, 2, 3, 4, 5, 6, 7, 8], [4, 4], 0);
        assert_eq!(padded, [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
        assert_eq!(inset.cut(&padded, [4, 4]), [1, 2, 3, 4, 5, 6, 7, 8]);
        let high = letterbox(2, 4).inset((2, 2));
        let planes = high.pad(vec![1, 2, 3, 4, 5, 6, 7, 8], [2, 4], 9);
        assert_eq!(planes, [9, 1, 2, 9, 9, 3, 4, 9, 9, 5, 6, 9, 9, 7, 8, 9]);
        assert_eq!(high.cut(&planes, [2, 4]), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    proptest! {
        #[test]
        fn an_image_lies_inside_its_frame_and_fills_it_along_one_side(
            size in (1u32..5000, 1u32..5000), height in 1u32..600, width in 1u32..600,
        ) {
            let Inset { left, top, width: across, height: down } = letterbox(height, width).inset(size);
            prop_assert!(across >= 1 && down >= 1);
            prop_assert!(left + across <= width as usize && top + down <= height as usize);
            prop_assert!(across == width as usize || down == height as usize);
            let (before, after) = (left + top, width as usize - across - left + height as usize - down - top);
            prop_assert!(before == after || before + 1 == after);
        }
    }
}
