//! Tiles that show the same tissue: where they lie in what they were cut from, and which of them overlap.
//!
//! Tiles cut while loading know their place; published ones say it in their names, `<ROI>_<y>_<x>_size<side>` as BCSS
//! does, or `<slide>_x<x>_y<y>`.

use std::collections::BTreeMap;

use image::GrayImage;

use super::dataset::Dataset;
use crate::source::IGNORE;
use crate::source::case::{Case, ImageSource};

/// Where a tile lies, in pixels of what it was cut from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    source: String,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// A rectangle of a case, in its own pixels: left, top, right and bottom; right and bottom lie outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area([u32; 4]);

impl Place {
    fn of(case: &Case) -> Option<Self> {
        match &case.image {
            ImageSource::Region(region) => Some(Self {
                source: region.path.display().to_string(),
                left: region.x,
                top: region.y,
                width: region.width,
                height: region.height,
            }),
            // A slide spelt in another case is the same.
            ImageSource::File(_) => {
                let mut place = Self::named(&case.id, case.width, case.height)?;
                place.source.make_ascii_uppercase();
                Some(place)
            }
            ImageSource::Phantom(_) => None,
        }
    }

    /// The place in a name. The split's folder is no part of what a tile was cut from.
    fn named(id: &str, width: u32, height: u32) -> Option<Self> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let number = |text: &str| text.parse::<u32>().ok();
        let mut parts = name.rsplitn(4, '_');
        let (last, middle) = (parts.next()?, parts.next()?);
        if let Some(side) = last.strip_prefix("size") {
            let (left, side) = (number(middle)?, number(side)?);
            let top = number(parts.next()?)?;
            let source = parts.next()?.to_string();
            return Some(Self { source, left, top, width: side, height: side });
        }
        let (left, top) = (number(middle.strip_prefix('x')?)?, number(last.strip_prefix('y')?)?);
        let source = name.strip_suffix(&format!("_{middle}_{last}"))?.to_string();
        Some(Self { source, left, top, width, height })
    }

    /// What two have in common, as left, top, right and bottom; `None` if nothing.
    fn shared(&self, other: &Self) -> Option<[u32; 4]> {
        let left = self.left.max(other.left);
        let top = self.top.max(other.top);
        let right = (self.left + self.width).min(other.left + other.width);
        let bottom = (self.top + self.height).min(other.top + other.height);
        (left < right && top < bottom).then_some([left, top, right, bottom])
    }

    /// A rectangle of the source in pixels of a case that shows this place.
    fn seen(&self, shared: [u32; 4], case: &Case) -> Area {
        let scaled = |at: u32, from: u32, side: u32, pixels: u32| {
            (f64::from(at - from) * f64::from(pixels) / f64::from(side)).round() as u32
        };
        let x = |at: u32| scaled(at, self.left, self.width, case.width);
        let y = |at: u32| scaled(at, self.top, self.height, case.height);
        let [left, top, right, bottom] = shared;
        Area([x(left), y(top), x(right), y(bottom)])
    }
}

/// Pairs of cases, by their places in `cases`, that show the same pixels, the smaller number first.
fn pairs(dataset: &Dataset, cases: &[usize]) -> Vec<(usize, usize, [u32; 4])> {
    let mut by_source: BTreeMap<String, Vec<(usize, Place)>> = BTreeMap::new();
    for (index, &case) in cases.iter().enumerate() {
        if let Some(place) = Place::of(&dataset.cases[case]) {
            by_source.entry(place.source.clone()).or_default().push((index, place));
        }
    }
    let mut found = Vec::new();
    for mut places in by_source.into_values() {
        places.sort_by_key(|(index, place)| (place.left, *index));
        for (number, (first, place)) in places.iter().enumerate() {
            let right = place.left + place.width;
            let beside = places[number + 1..].iter().take_while(|(_, other)| other.left < right);
            for (second, other) in beside {
                if let Some(shared) = place.shared(other) {
                    found.push((*first.min(second), *first.max(second), shared));
                }
            }
        }
    }
    found
}

/// Whether any two cases show the same pixels.
pub fn overlaps(dataset: &Dataset) -> bool {
    let all: Vec<usize> = (0..dataset.cases.len()).collect();
    !pairs(dataset, &all).is_empty()
}

/// For each case the first of those that it is linked to by overlaps.
pub(super) fn overlap_clusters(dataset: &Dataset) -> Vec<usize> {
    let all: Vec<usize> = (0..dataset.cases.len()).collect();
    let mut linked = super::linked::Linked::new(all.len());
    for (first, second, _) in pairs(dataset, &all) {
        linked.join(first, second);
    }
    linked.firsts()
}

/// For each of some cases the areas that one before it in the list shows as well.
pub fn shown_before(dataset: &Dataset, cases: &[usize]) -> Vec<Vec<Area>> {
    let mut areas = vec![Vec::new(); cases.len()];
    for (_, later, shared) in pairs(dataset, cases) {
        let case = &dataset.cases[cases[later]];
        if let Some(place) = Place::of(case) {
            areas[later].push(place.seen(shared, case));
        }
    }
    areas
}

/// Takes areas out of what counts.
pub fn leave_out(labels: &mut GrayImage, areas: &[Area]) {
    for Area([left, top, right, bottom]) in areas {
        for y in *top..(*bottom).min(labels.height()) {
            for x in *left..(*right).min(labels.width()) {
                labels.put_pixel(x, y, image::Luma([IGNORE]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::open;
    use super::*;
    use crate::source::sample::{save_image, save_mask, spec};

    fn place(name: &str) -> Option<(String, [u32; 4])> {
        let place = Place::named(name, 50, 40)?;
        Some((place.source, [place.left, place.top, place.width, place.height]))
    }

    #[test]
    fn names_tell_where_tiles_lie() {
        let name = "train/TCGA-A2-A0D2-DX1_xmin9_ymin2_MPP-0_112_672_size224";
        let source = "TCGA-A2-A0D2-DX1_xmin9_ymin2_MPP-0".to_string();
        assert_eq!(place(name), Some((source, [672, 112, 224, 224])));
        assert_eq!(place("val/S1_a_x100_y30"), Some(("S1_a".into(), [100, 30, 50, 40])));
        for other in ["benign/benign (1)", "a_b_c", "a_size3", "x1_y2", "a_1_2_size", "t_x1_2"] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    fn tiles(folder: &Path, names: &[&str]) -> Dataset {
        for name in names {
            save_image(&folder.join(format!("{name}.png")), 16, 16);
            let mask = name.replacen('/', "_mask/", 1);
            save_mask(&folder.join(format!("{mask}.png")), 16, 16, |x| (x % 5) as u8);
        }
        open(&spec("kind = 'bcss'\nroot = $\nimage-size = 16", folder)).unwrap()
    }

    #[test]
    fn tiles_that_share_pixels_are_linked_and_those_that_touch_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "train/S_0_0_size16",
            "train/S_0_16_size16",
            "train/S_8_24_size16",
            "val/S_40_0_size16",
            "val/T_0_0_size16",
            "val/t_8_8_size16",
        ];
        let dataset = tiles(folder.path(), &names);
        assert_eq!(overlap_clusters(&dataset), [0, 1, 1, 3, 4, 4]);
    }

    #[test]
    fn pixels_of_several_tiles_count_in_the_first_alone() {
        let folder = tempfile::tempdir().unwrap();
        let toml = "kind = 'bcss'\nroot = $\nimage-size = 16\nlayout = { kind = 'rois', stride = 8, \
                    minimum-labelled = 0.0 }";
        save_image(&folder.path().join("images/TCGA-A1-A0SK-DX1_a.png"), 40, 24);
        save_mask(&folder.path().join("masks/TCGA-A1-A0SK-DX1_a.png"), 40, 24, |x| {
            1 + (x % 2) as u8
        });
        let dataset = open(&spec(toml, folder.path())).unwrap();
        let cases: Vec<usize> = (0..dataset.cases.len()).collect();
        let mut counted = 0;
        for (case, areas) in cases.iter().zip(shown_before(&dataset, &cases)) {
            let mut labels =
                super::super::decode_labels(&dataset, &dataset.cases[*case]).unwrap().unwrap();
            leave_out(&mut labels, &areas);
            counted += labels.iter().filter(|label| **label != IGNORE).count();
        }
        assert_eq!((cases.len(), counted), (8, 40 * 24));
    }
}
