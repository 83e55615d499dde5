//! Small image files and data sets for tests.

use std::fs;
use std::path::Path;

use image::{GrayImage, RgbImage};
use png::{BitDepth, ColorType};

use crate::spec::DatasetSpec;

/// Writes a picture whose red is its column and whose green is its row.
pub(crate) fn save_image(path: &Path, width: u32, height: u32) {
    make_parent(path);
    RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 100]))
        .save(path)
        .unwrap();
}

/// Writes a mask with one code for each column.
pub(crate) fn save_mask(path: &Path, width: u32, height: u32, code_of: impl Fn(u32) -> u8) {
    make_parent(path);
    GrayImage::from_fn(width, height, |x, _| image::Luma([code_of(x)])).save(path).unwrap();
}

/// A PNG of raw rows in any mode.
pub(crate) fn png(size: (u32, u32), color: ColorType, depth: BitDepth, rows: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(rows).unwrap();
    bytes
}

/// Writes bytes to a file, with the folders above it.
pub(crate) fn save_bytes(path: &Path, bytes: &[u8]) {
    make_parent(path);
    fs::write(path, bytes).unwrap();
}

fn make_parent(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
}

/// A spec of the table `[dataset]` in TOML, with `$` for a path.
pub(crate) fn spec(toml: &str, root: &Path) -> DatasetSpec {
    let root = toml::Value::String(root.display().to_string()).to_string();
    toml::from_str(&toml.replace('$', &root)).unwrap()
}
