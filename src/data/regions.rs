//! Regions of interest that cases are tiles of, and the truth that these tiles have of them.

use std::collections::HashMap;
use std::path::Path;

use image::GrayImage;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::source::IGNORE;
use crate::source::case::{ImageSource, MaskSource, Region};
use crate::source::decode::decode_codes;
use crate::source::header::Limit;

/// A region of interest with those of its tiles that are cases of a split.
#[derive(Clone, Debug)]
pub struct RegionOfCases<'a> {
    /// Its name: what the names of its tiles begin with.
    pub name: &'a str,
    /// What keeps its tiles together; the region itself where nothing does.
    pub group: &'a str,
    /// The first of its tiles, by its index in [`Dataset::cases`].
    pub first: usize,
    /// The file of its image.
    pub image: &'a Path,
    mask: &'a Path,
    tiles: Vec<&'a Region>,
}

/// The regions that some cases are tiles of, in the order of their first tiles. Groups are those of all cases.
///
/// # Errors
/// If a case is no labelled tile of a region.
pub fn regions<'a>(
    dataset: &'a Dataset,
    cases: &[usize],
    groups: &'a [String],
) -> Result<Vec<RegionOfCases<'a>>> {
    let mut regions: Vec<RegionOfCases> = Vec::new();
    let mut of_image = HashMap::new();
    for &index in cases {
        let case = &dataset.cases[index];
        let (ImageSource::Region(tile), MaskSource::Region(mask)) = (&case.image, &case.mask)
        else {
            return Err(Error::failed(format!("{} is no tile of a region", case.id)));
        };
        let name = case.id.rsplit_once('/').map_or(case.id.as_str(), |(name, _)| name);
        let region = *of_image.entry(&tile.path).or_insert(regions.len());
        match regions.get_mut(region) {
            Some(region) => {
                region.tiles.push(tile);
                if region.group != groups[index] {
                    region.group = name;
                }
            }
            None => regions.push(RegionOfCases {
                name,
                group: &groups[index],
                first: index,
                image: &tile.path,
                mask: &mask.path,
                tiles: vec![tile],
            }),
        }
    }
    for region in regions.iter_mut().filter(|region| region.tiles.len() == 1) {
        // A tile that is its own group stands for its region.
        if dataset.cases[region.first].id == region.group {
            region.group = region.name;
        }
    }
    Ok(regions)
}

impl RegionOfCases<'_> {
    /// The truth at the region's own size: pixels that none of the tiles shows take no part.
    ///
    /// # Errors
    /// A user's error that names the mask, where it cannot be decoded or holds a code that the data set does not know.
    pub fn labels(&self, dataset: &Dataset) -> Result<GrayImage> {
        let mut codes = decode_codes(self.mask, Limit::Roi)?;
        if let Err(unknown) = dataset.codes.apply(&mut codes) {
            let said = dataset.codes.unknown(&unknown);
            return Err(Error::user(format!("{}: {said}", self.mask.display())));
        }
        let (width, height) = codes.dimensions();
        let line = width as usize;
        let mut labels = vec![IGNORE; codes.len()];
        for tile in &self.tiles {
            let (left, right) = (tile.x as usize, (tile.x + tile.width).min(width) as usize);
            for y in tile.y as usize..(tile.y + tile.height).min(height) as usize {
                let shown = y * line + left..y * line + right;
                labels[shown.clone()].copy_from_slice(&codes.as_raw()[shown]);
            }
        }
        codes.copy_from_slice(&labels);
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use crate::source::sample::{save_image, save_mask, spec};

    #[test]
    fn a_region_has_the_truth_that_its_tiles_show_each_pixel_once() {
        let folder = tempfile::tempdir().unwrap();
        for stem in ["TCGA-A1-A0SK-DX1_a", "TCGA-A1-A0SK-DX1_b"] {
            save_image(&folder.path().join(format!("images/{stem}.png")), 20, 12);
            save_mask(&folder.path().join(format!("masks/{stem}.png")), 20, 12, |x| {
                1 + (x % 2) as u8
            });
        }
        let toml =
            "kind = 'bcss'\nroot = $\nimage-size = 8\nlayout = { kind = 'rois', stride = 4 }";
        let dataset = open(&spec(toml, folder.path())).unwrap();
        let groups: Vec<String> = dataset.cases.iter().map(|case| case.id.clone()).collect();
        let all: Vec<usize> = (0..dataset.cases.len()).collect();
        let regions = regions(&dataset, &all, &groups).unwrap();
        let names: Vec<&str> = regions.iter().map(|region| region.name).collect();
        assert_eq!(names, ["TCGA-A1-A0SK-DX1_a", "TCGA-A1-A0SK-DX1_b"]);
        assert_eq!(regions[1].group, regions[1].name, "tiles of several groups");
        let counted = |region: &RegionOfCases| {
            let labels = region.labels(&dataset).unwrap();
            (labels.dimensions(), labels.iter().filter(|label| **label != IGNORE).count())
        };
        assert_eq!(counted(&regions[0]), ((20, 12), 20 * 12));
        // Two tiles of 8 x 8, one below the other, that share a half.
        let of_two = super::regions(&dataset, &all[..2], &groups).unwrap();
        assert_eq!(counted(&of_two[0]), ((20, 12), 12 * 8));
        let labels = of_two[0].labels(&dataset).unwrap();
        assert_eq!(labels.as_raw()[..9], [0, 1, 0, 1, 0, 1, 0, 1, IGNORE]);
    }
}
