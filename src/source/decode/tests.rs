//! Tests on files that are whole, odd, damaged or forged.

use std::fs::{self, File};
use std::io::Cursor;

use proptest::prelude::*;

use ::png::{BitDepth, ColorType};

use super::super::header::{MAX_FILE_BYTES, PNG_END};
use super::super::sample::{png, save_bytes};
use super::*;
use crate::testing::fixture;

const FULL: Levels = Levels::FullRange;
const TWO: ForegroundSpec = ForegroundSpec::TwoValued(crate::source::TwoValuedForeground {});

fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bild (1) \u{e4}\u{65e5}.png");
    save_bytes(&path, bytes);
    (folder, path)
}

/// What is said of bytes as an image and as a mask with codes.
fn complaints(bytes: &[u8]) -> [Option<String>; 2] {
    let (_folder, path) = file(bytes);
    let of = |error: Error| {
        let text = error.to_string();
        assert!(matches!(error, Error::User(_)), "{text}");
        text.strip_prefix(&format!("{}: ", path.display())).expect("names the file").to_string()
    };
    [decode_image(&path, FULL).err().map(of), decode_codes(&path, Limit::Image).err().map(of)]
}

fn both(bytes: &[u8], part: &str) {
    for complaint in complaints(bytes) {
        let complaint = complaint.expect("an error");
        assert!(complaint.contains(part), "`{part}` in `{complaint}`");
    }
}

/// An 8-bit gray PNG of the pixels given.
fn gray(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    png((width, height), ColorType::Grayscale, BitDepth::Eight, pixels)
}

fn noise() -> Vec<u8> {
    gray(50, 40, &(0..2000u32).map(|x| (x * x / 7) as u8).collect::<Vec<_>>())
}

/// Writes another size into the header of a PNG, and its checksum.
fn claim(mut bytes: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum: u32, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let error = decode_image(Path::new("/nowhere/benign (1).png"), FULL).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/benign (1).png: no such file");
}

#[test]
fn a_folder_and_a_file_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read_header(folder.path(), Limit::Image), Err("not a file".into()));
    let path = folder.path().join("sparse.png");
    File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    let complaint = read_header(&path, Limit::Image).unwrap_err();
    assert_eq!(complaint, "a file of 1024 MiB, more than the limit of 1024 MiB");
}

proptest! {
    #[test]
    fn whatever_is_damaged_gives_pixels_or_an_error_but_no_panic(
        name in prop::sample::select(vec![
            "gray.jpg", "progressive.jpg", "turned.jpg", "cmyk.jpg", "palette.png", "animated.png",
        ]),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kept in 0.3f64..1.3,
    ) {
        let mut bytes = fs::read(fixture(&format!("images/{name}"))).unwrap();
        for (place, value) in damages {
            *place.get_mut(&mut bytes) = value;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        let (_folder, path) = file(&bytes);
        if let Ok(image) = decode_image(&path, FULL) {
            prop_assert!(image.width() > 0);
        }
        let _ = (decode_binary(&path, &TWO), decode_codes(&path, Limit::Image));
    }
}

#[test]
fn empty_files_and_files_of_other_kinds_are_named() {
    both(b"", "the file is empty (0 bytes)");
    both(b"\x89PN", "truncated: only 3 bytes");
    both(b"GIF89a..........", "this is a GIF");
    both(b"%PDF-1.7", "this is a PDF");
    both(b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
    both(
        b"hello, world",
        "not an image that is read here, which are PNG, JPEG, BMP, TIFF, WebP and DICOM",
    );
}

#[test]
fn a_truncated_png_is_found_at_any_length_by_its_header_alone() {
    let whole = noise();
    for length in [8, 20, 33, 40, 60, whole.len() / 2, whole.len() - 13, whole.len() - 1] {
        let (_folder, path) = file(&whole[..length]);
        let complaint = read_header(&path, Limit::Image).unwrap_err();
        assert!(complaint.contains("truncated"), "{length}: {complaint}");
        both(&whole[..length], "truncated");
    }
}

#[test]
fn bytes_after_the_end_of_a_png_do_no_harm() {
    let mut bytes = gray(2, 1, &[0, 255]);
    bytes.extend_from_slice(b"left by a camera");
    assert_eq!(complaints(&bytes), [None, None]);
}

#[test]
fn a_damaged_png_is_found_when_decoded() {
    let mut bytes = noise();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    both(&bytes, "a damaged PNG");
}

#[test]
fn a_truncated_jpeg_is_found_though_decoders_would_fill_it_up() {
    let whole = fs::read(fixture("images/gray.jpg")).unwrap();
    assert_eq!(complaints(&whole)[0], None);
    for length in [4, 30, 200, whole.len() - 2] {
        let complaint = complaints(&whole[..length])[0].clone().unwrap();
        assert!(complaint.contains("truncated"), "{length}: {complaint}");
    }
}

#[test]
fn sizes_are_refused_before_memory_is_taken() {
    both(&claim(gray(1, 1, &[0]), 6_000, 6_000), "cannot hold 6000x6000 pixels");
    both(&claim(gray(1, 1, &[0]), 0, 5), "an image of 0x5 has no pixels");
    both(&large(8001, 8000), "8001x8000 are 64.0 megapixels, more than the limit of 64");
}

/// A PNG that claims a size and is long enough for it to be true.
fn large(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = claim(gray(1, 1, &[0]), width, height);
    bytes.resize((u64::from(width) * u64::from(height) / 1000) as usize, 0);
    bytes
}

#[test]
fn an_roi_may_be_larger_but_not_than_its_memory() {
    let (_folder, path) = file(&large(8001, 8000));
    assert_eq!(read_header(&path, Limit::Roi).map(|header| header.width), Ok(8001));
    let (_folder, path) = file(&large(12_000, 12_000));
    let complaint = read_header(&path, Limit::Roi).unwrap_err();
    let expected = "12000x12000 take 549 MiB decoded with labels, more than the limit of 512 MiB";
    assert_eq!(complaint, expected);
}

#[test]
fn pixel_data_beyond_the_image_changes_nothing() {
    // Says 4 x 2 pixels before a stream that inflates to 20 MB.
    let bytes = claim(gray(4000, 5000, &vec![0; 20_000_000]), 4, 2);
    let (_folder, path) = file(&bytes);
    assert_eq!(decode_codes(&path, Limit::Image).unwrap().into_raw(), [0; 8]);
}

#[test]
fn cmyk_is_refused() {
    let complaint = decode_image(&fixture("images/cmyk.jpg"), FULL).unwrap_err().to_string();
    assert!(complaint.contains("a CMYK JPEG") && complaint.contains("to RGB"), "{complaint}");
}

#[test]
fn sixteen_bits_are_read_through_a_window_in_images_and_refused_in_masks() {
    let bytes = png((2, 1), ColorType::Grayscale, BitDepth::Sixteen, &[0x0f, 0xff, 0, 0]);
    let (_folder, path) = file(&bytes);
    let read = |low: u16, high: u16| {
        let window = Window { low: low.into(), high: high.into() };
        decode_image(&path, Levels::Window(window)).unwrap()
    };
    assert_eq!(read(0, 4095).into_raw(), [255, 255, 255, 0, 0, 0]);
    assert_eq!(read(0, 65535).into_raw(), [16, 16, 16, 0, 0, 0]);
    assert_eq!(decode_image(&path, Levels::Undecided).unwrap(), read(0, 4095));
    let complaint = decode_image(&path, Levels::Refused).unwrap_err().to_string();
    assert!(complaint.contains("set `dataset.intensity`"), "{complaint}");
    let mut counts = vec![0; 1 << 16];
    count_levels(&path, Limit::Image, &mut counts).unwrap();
    assert_eq!((counts[0], counts[4095], counts.iter().sum::<u64>()), (3, 3, 6));
    let complaint = complaints(&bytes)[1].clone().unwrap();
    assert!(complaint.contains("16 bits a channel (16-bit gray)"), "{complaint}");
    assert!(decode_binary(&path, &TWO).is_err());
}

#[test]
fn an_animated_image_is_its_first_picture_and_an_animated_mask_is_refused() {
    let path = fixture("images/animated.png");
    let header = read_header(&path, Limit::Image).unwrap();
    assert!(judge_image(&header).unwrap().unwrap().what.contains("animated"));
    assert_eq!(decode_image(&path, FULL).unwrap().get_pixel(5, 5).0, [255, 0, 0]);
    let complaint = decode_binary(&path, &TWO).unwrap_err().to_string();
    assert!(complaint.contains("a mask in an animated PNG"), "{complaint}");
}

#[test]
fn a_palette_gives_colours_to_images_and_indices_to_codes() {
    let path = fixture("images/palette.png");
    let image = decode_image(&path, FULL).unwrap();
    assert_eq!(image.get_pixel(1, 0).0, [255, 0, 0]);
    let codes = decode_codes(&path, Limit::Image).unwrap();
    assert_eq!(codes.into_raw(), [0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), [0, 1, 1, 1, 0, 1, 1, 1]);
}

#[test]
fn masks_of_every_published_mode_give_the_same_labels() {
    // Nine columns, so that a row of single bits does not end with its byte.
    let on = [1, 0, 0, 1, 1, 0, 1, 0, 1u8];
    let spread = |values: fn(u8) -> Vec<u8>| on.into_iter().flat_map(values).collect::<Vec<_>>();
    let eight = |color: ColorType, rows: &[u8]| png((9, 1), color, BitDepth::Eight, rows);
    let bits = [0b1001_1010, 0b1000_0000];
    let opaque = |on: u8| vec![on * 255, on * 255, on * 255, 255];
    let files = [
        png((9, 1), ColorType::Grayscale, BitDepth::One, &bits),
        eight(ColorType::Grayscale, &spread(|on| vec![on * 255])),
        eight(ColorType::Rgb, &spread(|on| vec![on * 255; 3])),
        // Opaque everywhere: transparency must not count as lesion.
        eight(ColorType::Rgba, &spread(opaque)),
        eight(ColorType::GrayscaleAlpha, &spread(|on| vec![on, 255])),
    ];
    for bytes in files {
        let (_folder, path) = file(&bytes);
        assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), on);
    }
}

#[test]
fn codes_may_be_stored_as_equal_channels_but_not_as_colours() {
    let bytes = png((2, 1), ColorType::Rgba, BitDepth::Eight, &[7, 7, 7, 255, 21, 21, 21, 0]);
    let (_folder, path) = file(&bytes);
    assert_eq!(decode_codes(&path, Limit::Image).unwrap().into_raw(), [7, 21]);
    let bytes = png((1, 1), ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
    let complaint = complaints(&bytes)[1].clone().unwrap();
    assert!(complaint.contains("a pixel is 1, 2, 3"), "{complaint}");
}

/// A JPEG of noise, and what the image crate makes of it.
fn noise_in_jpeg() -> (Vec<u8>, RgbImage) {
    let noise = |x: u32, y: u32, c: u32| ((x * 31 + y * 57 + c * 83) * (x + 7 * y) % 251) as u8;
    let picture = RgbImage::from_fn(64, 96, |x, y| image::Rgb([0, 1, 2].map(|c| noise(x, y, c))));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let bytes = bytes.into_inner();
    let decoded = image::load_from_memory(&bytes).unwrap().into_rgb8();
    (bytes, decoded)
}

#[test]
fn a_jpeg_that_was_cut_and_closed_again_is_refused_as_it_was_decoded_before_if_whole() {
    let (whole, decoded) = noise_in_jpeg();
    let (_folder, path) = file(&whole);
    assert_eq!(decode_image(&path, FULL).unwrap(), decoded);
    for percent in [30, 50, 70, 85, 95] {
        let mut cut = whole[..whole.len() * percent / 100].to_vec();
        cut.extend([0xff, 0xd9]);
        let complaint = complaints(&cut)[0].clone().expect("refused");
        assert!(complaint.contains("truncated JPEG"), "{percent} %: {complaint}");
    }
}

#[test]
fn a_whole_jpeg_is_read_however_little_data_it_has() {
    for (width, height) in [(1, 1), (8, 8), (9, 40), (64, 200)] {
        let mut bytes = Cursor::new(Vec::new());
        let black = RgbImage::new(width, height);
        black.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let (_folder, path) = file(&bytes.into_inner());
        assert_eq!(decode_image(&path, FULL).unwrap(), black);
    }
}

#[test]
fn a_mask_in_jpeg_is_refused() {
    let complaint = decode_binary(&fixture("images/gray.jpg"), &TWO).unwrap_err().to_string();
    assert!(complaint.contains("masks must be PNG"), "{complaint}");
}

#[test]
fn jpegs_of_other_kinds_are_read_whatever_their_name() {
    let gray = decode_image(&fixture("images/gray.jpg"), FULL).unwrap();
    assert_eq!(gray.dimensions(), (24, 16));
    let value = gray.get_pixel(12, 8).0;
    assert!(value[0].abs_diff(120) < 6 && value[0] == value[2], "{value:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("progressive.png");
    fs::copy(fixture("images/progressive.jpg"), &path).unwrap();
    let value = decode_image(&path, FULL).unwrap().get_pixel(12, 8).0;
    assert!(value[0].abs_diff(120) < 6, "{value:?}");
}

/// An Exif block that says nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// A PNG with an Exif block before its pixels.
fn with_exif(mut bytes: Vec<u8>, orientation: u8) -> Vec<u8> {
    let exif = exif(orientation);
    let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"eXIf");
    chunk.extend(&exif);
    chunk.extend(crc32(&chunk[4..]).to_be_bytes());
    bytes.splice(33..33, chunk);
    bytes
}

#[test]
fn images_and_masks_are_turned_as_exif_says() {
    let path = fixture("images/turned.jpg");
    let header = read_header(&path, Limit::Image).unwrap();
    assert!(header.is_turned());
    let shown = decode_image(&path, FULL).unwrap();
    assert_eq!((shown.width(), shown.height()), (header.width, header.height));

    // Stored as 0 1 2, to be turned by 90 degrees to the right: a column from 0 down to 2.
    let (_folder, path) = file(&with_exif(gray(3, 1, &[0, 1, 2]), 6));
    let header = read_header(&path, Limit::Image).unwrap();
    assert_eq!((header.width, header.height, header.is_turned()), (1, 3, true));
    let column: Vec<u8> =
        decode_image(&path, FULL).unwrap().pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(column, [0, 1, 2]);
    assert_eq!(decode_codes(&path, Limit::Image).unwrap().dimensions(), (1, 3));
    // Behind the pixels, where a viewer might not look.
    let mut behind = gray(3, 1, &[0, 1, 2]);
    let chunk = with_exif(behind.clone(), 6)[33..33 + 12 + exif(6).len()].to_vec();
    let end = behind.len() - PNG_END.len();
    behind.splice(end..end, chunk);
    both(&behind, "orientation 6 in eXIf, where only some viewers look, and 1 otherwise");
    // Upside down.
    let (_folder, path) = file(&with_exif(gray(3, 1, &[0, 0, 9]), 3));
    assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), [1, 0, 0]);
}
