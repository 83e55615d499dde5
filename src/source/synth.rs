//! `data synth`: phantoms written to disk in the layouts of the real data sets.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use image::{DynamicImage, GrayImage, ImageFormat};
use png::{BitDepth, ColorType};
use rayon::prelude::*;
use serde::Serialize;

use super::bcss::CODE_NAMES;
use super::case::PhantomImage;
use super::phantom::{Drawn, slide_name};
use super::two_folders::CODE_TABLE;
use crate::error::{Error, Result};

/// Side of a written tile, in pixels.
const TILE: u32 = 224;

/// Tiles across and down a written ROI, which is a little larger.
const TILES: (u32, u32) = (3, 2);

/// Which data set's layout is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SynthKind {
    /// Breast ultrasound in the layout of BUSI.
    Busi,
    /// Stained tissue in the layouts of BCSS: tiles in `tiles/`, whole ROIs in `rois/`, both with the 22 codes.
    Bcss,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Synthesis {
    /// Folders that may be named as `dataset.root`.
    pub roots: Vec<PathBuf>,
    /// Images, tiles or, for whole ROIs, ROIs.
    pub images: usize,
    /// Files in all.
    pub files: usize,
}

/// Writes `cases` phantoms (BUSI: images, BCSS: tiles) of a seed into a new or empty folder.
///
/// # Errors
/// A folder that is not empty, no cases, or a disk that does not take the files.
pub fn synth(kind: SynthKind, out: &Path, cases: u32, seed: u32) -> Result<Synthesis> {
    if cases == 0 {
        return Err(Error::user("no cases to write: ask for at least one"));
    }
    if out.is_dir() {
        let mut entries = fs::read_dir(out).map_err(Error::io(out, "cannot list"))?;
        if entries.next().is_some() {
            return Err(Error::user(format!("{}: not empty; name a new folder", out.display())));
        }
    }
    match kind {
        SynthKind::Busi => synth_busi(out, cases, seed),
        SynthKind::Bcss => synth_bcss(out, cases, seed),
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create the folder"))
}

fn synth_busi(out: &Path, cases: u32, seed: u32) -> Result<Synthesis> {
    for label in ["benign", "malignant", "normal"] {
        make_folder(&out.join(label))?;
    }
    let phantoms: Vec<_> = (0..cases).map(|index| PhantomImage::ultrasound(seed, index)).collect();
    let mut numbers = [0; 3];
    let named: Vec<(String, PhantomImage)> = phantoms
        .into_iter()
        .map(|phantom| {
            let diagnosis = phantom.diagnosis();
            numbers[diagnosis as usize] += 1;
            let label = diagnosis.label();
            (format!("{label}/{label} ({})", numbers[diagnosis as usize]), phantom)
        })
        .collect();
    let written = named
        .par_iter()
        .map(|(name, phantom)| {
            let Drawn { image, codes, lesions } = phantom.draw();
            let path = |suffix: &str| out.join(format!("{name}{suffix}.png"));
            save(&path(""), &DynamicImage::from(image))?;
            save_bits(&path("_mask"), lesions.first().unwrap_or(&codes))?;
            for (number, lesion) in lesions.iter().enumerate().skip(1) {
                save_bits(&path(&format!("_mask_{number}")), lesion)?;
            }
            Ok(1 + lesions.len().max(1))
        })
        .collect::<Result<Vec<usize>>>()?;
    Ok(Synthesis {
        roots: vec![out.to_path_buf()],
        images: cases as usize,
        files: written.into_iter().sum(),
    })
}

fn synth_bcss(out: &Path, cases: u32, seed: u32) -> Result<Synthesis> {
    let (tiles, rois) = (out.join("tiles"), out.join("rois"));
    for folder in ["train", "train_mask", "val", "val_mask", "test"] {
        make_folder(&tiles.join(folder))?;
    }
    for folder in ["images", "masks"] {
        make_folder(&rois.join(folder))?;
    }
    let table: Vec<_> =
        (0..).zip(CODE_NAMES).map(|(code, name): (u8, _)| format!("{name}\t{code}\n")).collect();
    let table = format!("label\tGT_code\n{}", table.concat());
    for folder in [&tiles, &rois] {
        let path = folder.join(CODE_TABLE);
        fs::write(&path, &table).map_err(Error::io(&path, "cannot write"))?;
    }
    let per_roi = TILES.0 * TILES.1;
    let slides: Vec<u32> = (0..cases.div_ceil(per_roi)).collect();
    let written = slides
        .par_iter()
        .map(|&slide| {
            let wanted = (cases - slide * per_roi).min(per_roi);
            synth_slide(&tiles, &rois, seed, slide, slides.len() as u32, wanted)
        })
        .collect::<Result<Vec<usize>>>()?;
    Ok(Synthesis {
        roots: vec![tiles, rois],
        images: cases as usize + slides.len(),
        files: written.into_iter().sum::<usize>() + 2,
    })
}

/// Writes one ROI and some of its tiles. Of every five slides the last but one is for validation
/// and the last, without masks, for testing; of fewer than five, each comes once the ones before it
/// are there.
fn synth_slide(
    tiles: &Path,
    rois: &Path,
    seed: u32,
    slide: u32,
    slides: u32,
    wanted: u32,
) -> Result<usize> {
    let split = match slide % 5 {
        _ if slides > 1 && slides < 5 && slide == 1 => "val",
        _ if slides > 1 && slides < 5 && slide == 2 => "test",
        3 if slides >= 5 => "val",
        4 => "test",
        _ => "train",
    };
    let (width, height) = (TILES.0 * TILE + 37, TILES.1 * TILE + 21);
    let phantom = PhantomImage::histology(seed, slide, slide, width, height);
    let Drawn { image, codes, .. } = phantom.draw();
    let (name, _) = slide_name(slide);
    let name = format!("{name}_xmin{}_ymin{}_MPP-0", 1000 + 17 * slide, 2000 + 31 * slide);
    let image = DynamicImage::from(image);
    let codes = DynamicImage::from(codes);
    save(&rois.join(format!("images/{name}.2500.png")), &image)?;
    save(&rois.join(format!("masks/{name}.2500.png")), &codes)?;
    let mut files = 2;
    for number in 0..wanted {
        let (row, column) = (number / TILES.0 * TILE, number % TILES.0 * TILE);
        let tile = format!("{name}_{row}_{column}_size{TILE}.png");
        save(&tiles.join(split).join(&tile), &image.crop_imm(column, row, TILE, TILE))?;
        files += 1;
        if split != "test" {
            let mask = codes.crop_imm(column, row, TILE, TILE);
            save(&tiles.join(format!("{split}_mask")).join(&tile), &mask)?;
            files += 1;
        }
    }
    Ok(files)
}

fn save(path: &Path, image: &DynamicImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| unwritable(path, &error))?;
    // At once: encoders write the end of a picture when they are dropped, where nobody hears an error.
    fs::write(path, bytes.into_inner()).map_err(Error::io(path, "cannot write"))
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::failed(format!("{}: cannot write: {error}", path.display()))
}

/// Writes a mask with one bit a pixel, as most of BUSI's are.
fn save_bits(path: &Path, mask: &GrayImage) -> Result<()> {
    let rows = mask.as_raw().chunks_exact(mask.width() as usize);
    let packed: Vec<u8> = rows
        .flat_map(|row| {
            row.chunks(8).map(|eight| {
                (0u8..8).rev().zip(eight).fold(0, |byte, (bit, &on)| byte | u8::from(on > 0) << bit)
            })
        })
        .collect();
    let failed = |error: png::EncodingError| unwritable(path, &error);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, mask.width(), mask.height());
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&packed).map_err(failed)?;
    writer.finish().map_err(failed)?;
    fs::write(path, bytes).map_err(Error::io(path, "cannot write"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::spec;
    use super::*;
    use crate::data::{decode, inspect, open};
    use crate::split_name::SplitName;

    #[test]
    fn a_written_busi_is_read_like_a_real_one() {
        let folder = tempfile::tempdir().unwrap();
        let written = synth(SynthKind::Busi, folder.path(), 12, 3).unwrap();
        assert_eq!((written.images, written.files), (12, 12 + 12 + 2));
        let dataset = open(&spec("kind = 'busi'\nroot = $", folder.path())).unwrap();
        assert_eq!(dataset.cases.len(), 12);
        assert_eq!(dataset.cases[0].id, "benign/benign (1)");
        let drawn = PhantomImage::ultrasound(3, 0).draw();
        let decoded = decode(&dataset, &dataset.cases[0]).unwrap();
        assert_eq!((decoded.image, decoded.labels), (drawn.image, Some(drawn.codes)));
        let two = dataset.cases.iter().find(|case| case.id == "benign/benign (3)").unwrap();
        let drawn = PhantomImage::ultrasound(3, 4).draw();
        assert_eq!(decode(&dataset, two).unwrap().labels, Some(drawn.codes));
        let inspection = inspect(folder.path()).unwrap();
        assert_eq!(inspection.mask_modes.keys().collect::<Vec<_>>(), ["1-bit gray"]);
        assert_eq!(inspection.masks_per_image.values().copied().collect::<Vec<_>>(), [10, 2]);
        assert!(inspection.is_usable(), "{inspection}");
    }

    #[test]
    fn a_written_bcss_is_read_as_tiles_and_as_rois() {
        let folder = tempfile::tempdir().unwrap();
        let written = synth(SynthKind::Bcss, folder.path(), 14, 0).unwrap();
        let [tiles, rois] = written.roots.as_slice() else { panic!("{written:?}") };
        let toml = "kind = 'bcss'\nroot = $\nimage-size = 224\nclasses = { kind = 'five' }";
        let dataset = open(&spec(toml, tiles)).unwrap();
        let folders =
            |split| dataset.cases.iter().filter(|case| case.folder == Some(split)).count();
        assert_eq!([folders(SplitName::Train), folders(SplitName::Valid)], [6, 6]);
        assert_eq!((dataset.cases.len(), dataset.unlabelled.len()), (12, 2));
        let cut = open(&spec(
            &format!("{toml}\nlayout = {{ kind = 'rois', minimum-labelled = 0.0 }}"),
            rois,
        ))
        .unwrap();
        assert_eq!(cut.cases.len(), 3 * 4 * 3);
        let tile = decode(&dataset, &dataset.cases[0]).unwrap();
        let same = cut
            .cases
            .iter()
            .find(|case| case.id.ends_with("P000-DX1_xmin1000_ymin2000_MPP-0.2500/0_0"));
        assert_eq!(decode(&cut, same.unwrap()).unwrap(), tile);
        assert_eq!(inspect(tiles).unwrap().layout.name, "bcss-tiles");
        assert_eq!(inspect(rois).unwrap().layout.name, "bcss-rois");
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("precious"), "x").unwrap();
        let message = synth(SynthKind::Busi, folder.path(), 6, 0).unwrap_err().to_string();
        assert!(message.contains("not empty; name a new folder"), "{message}");
    }
}
