//! Planes of numbers at another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};

/// Planes at another size, by bilinear interpolation (antialiased where it shrinks).
///
/// # Shapes
/// - values: `[planes, height, width]`
/// - output: the same number of planes
///
/// # Errors
/// If a size is zero.
pub(super) fn resized(
    values: &[f32],
    [height, width]: [usize; 2],
    [to_height, to_width]: [usize; 2],
) -> Result<Vec<f32>> {
    let refused =
        |error: &dyn std::fmt::Display| Error::failed(format!("cannot resize planes: {error}"));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let mut resizer = Resizer::new();
    let mut out = Vec::with_capacity(values.len() / (width * height).max(1) * to_width * to_height);
    for plane in values.chunks(width * height) {
        let bytes: Vec<u8> = plane.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let source = ImageRef::new(width as u32, height as u32, &bytes, PixelType::F32)
            .map_err(|error| refused(&error))?;
        let mut resized = Image::new(to_width as u32, to_height as u32, PixelType::F32);
        resizer.resize(&source, &mut resized, &options).map_err(|error| refused(&error))?;
        let floats = resized.buffer().as_chunks::<4>().0;
        out.extend(floats.iter().map(|&bytes| f32::from_ne_bytes(bytes)));
    }
    Ok(out)
}
