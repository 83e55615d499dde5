//! Whether images are pictures, and such as the spec reads them.
//!
//! An image of which nothing is left, or that is something else, spoils figures in silence: drawn in its alpha
//! channel, outside of the window, replaced by its mask, there twice. So every image file is decoded once, and what
//! it holds is kept. Regions of interest are not: they are decoded where they are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::case::{Case, ImageSource};
use super::decode::picture_values;
use super::look::Look;
use super::picture_values::{DeepValues, PictureValues};
use super::survey::survey;
use crate::finding::{Finding, FindingKind, Findings};

/// Where an image reads as fewer levels than this although it has twice as many values, the window does not fit.
const FEW_LEVELS: u32 = 32;

/// Part of an image above the window, beyond which that does not fit: what is bright is tissue.
const MOST_ABOVE: f64 = 0.5;

/// Part of an image below the window, beyond which that does not fit: what is dark may be air.
const MOST_BELOW: f64 = 0.9;

/// The greatest value of 8 bits.
const EIGHT_BITS: u16 = 255;

/// An image with values from here on has at least 10 bits.
const TEN_BITS: u16 = 1 << 9;

/// An image of a case with what it holds.
struct Picture<'a> {
    case: &'a Case,
    file: &'a Path,
    values: PictureValues,
}

impl Picture<'_> {
    fn id(&self) -> &str {
        &self.case.id
    }
}

/// Judges the image files of cases: whether they are pictures, and what the window leaves of them.
pub(super) fn judge_pictures(look: &Look, cases: &[Case]) -> Findings {
    let whole = |case: &'_ Case| matches!(case.image, ImageSource::File(_));
    let files = cases.iter().filter(|case| whole(case)).filter_map(|case| case.image.file());
    let knowledge = format!("values of images {:?}", look.levels);
    let mut surveyed =
        survey(&knowledge, files.collect(), |file| picture_values(file, look.limit, look.levels));
    let mut findings = Findings::default();
    let mut pictures = Vec::new();
    for case in cases.iter().filter(|case| whole(case)) {
        let Some(file) = case.image.file() else { continue };
        match surveyed.remove(file) {
            Some(Ok(values)) => pictures.push(Picture { case, file, values }),
            Some(Err(complaint)) => findings.push(look.unreadable(file, &complaint)),
            None => {}
        }
    }
    findings.extend(in_alpha(&pictures));
    findings.extend(blank(&pictures));
    findings.extend(outside_the_window(&pictures));
    findings.extend(of_two_depths(&pictures));
    findings.extend(copies(&pictures));
    findings.extend(mask_like(look, &pictures));
    findings
}

/// Images that are drawn in the alpha channel, which is dropped.
fn in_alpha(pictures: &[Picture]) -> Option<Finding> {
    let drawn = |picture: &&Picture| picture.values.is_blank() && picture.values.alpha_varies;
    let names: Vec<&str> = pictures.iter().filter(drawn).map(Picture::id).collect();
    let what = "images of one colour that are drawn in their alpha channel, which is not read";
    (!names.is_empty()).then(|| {
        Finding::error(FindingKind::ImageAlpha, what).naming_all(names).remedy(
            "write them without alpha channel, such as with `magick mogrify -alpha extract` (opaque becomes \
             white) or `-background white -alpha remove`",
        )
    })
}

/// Images of which all pixels are alike.
fn blank(pictures: &[Picture]) -> Option<Finding> {
    let blank: Vec<&Picture> =
        pictures.iter().filter(|p| p.values.is_blank() && !p.values.alpha_varies).collect();
    let name = |picture: &&Picture| match (&picture.values.deep, picture.values.colours.first()) {
        (Some(deep), Some([red, _, _])) if deep.stored > 1 => {
            format!("{}: {red} everywhere, of {} to {}", picture.id(), deep.least, deep.greatest)
        }
        (_, Some([red, green, blue])) if red == green && green == blue => {
            format!("{}: {red} everywhere", picture.id())
        }
        _ => picture.id().to_string(),
    };
    let names: Vec<String> = blank.iter().map(name).collect();
    if names.is_empty() {
        return None;
    }
    let (kind, what) = (FindingKind::BlankImage, "images of one value, on which there is nothing");
    let by_window = blank.iter().any(|p| p.values.deep.as_ref().is_some_and(|d| d.stored > 1));
    let remedy = match by_window {
        true => "all their values lie on one side of the window: look at `dataset.intensity`",
        false => "fetch or export them again, or leave them out",
    };
    let finding = match names.len() == pictures.len() {
        true => Finding::error(kind, what),
        false => Finding::warning(kind, what),
    };
    Some(finding.naming_all(names).remedy(remedy))
}

/// Images of 16 bits of which the window leaves little.
fn outside_the_window(pictures: &[Picture]) -> Option<Finding> {
    let deep: Vec<(&Picture, &DeepValues)> =
        pictures.iter().filter_map(|p| Some((p, p.values.deep.as_ref()?))).collect();
    let percent = |part: f64| format!("{:.0} %", 100.0 * part);
    let lost = |(picture, deep): &(&Picture, &DeepValues)| {
        let id = picture.id();
        let DeepValues { least, greatest, stored, read, below, above } = **deep;
        let range = format!("of {least} to {greatest}");
        if above > MOST_ABOVE {
            Some(format!("{id}: {} of its pixels above the window, {range}", percent(above)))
        } else if below > MOST_BELOW {
            Some(format!("{id}: {} of its pixels below the window, {range}", percent(below)))
        } else if read < FEW_LEVELS && stored >= 2 * read {
            Some(format!("{id}: {read} of 256 levels used, {range}"))
        } else {
            None
        }
    };
    let names: Vec<String> = deep.iter().filter_map(lost).collect();
    let (kind, what) =
        (FindingKind::WindowFit, "images of 16 bits that the window leaves little of");
    let finding = match names.len() {
        0 => return None,
        count if count == deep.len() => Finding::error(kind, what),
        _ => Finding::warning(kind, what),
    };
    let remedy = "set the `low` and `high` of `dataset.intensity` to what the images hold, or { kind = \
                  \"percentiles\" }; export those alike that differ";
    Some(finding.naming_all(names).remedy(remedy))
}

/// Images whose 16 bits hold values of 8, among others that hold more.
fn of_two_depths(pictures: &[Picture]) -> Option<Finding> {
    let greatest = |picture: &Picture| picture.values.deep.as_ref().map(|deep| deep.greatest);
    let is = |picture: &&Picture, of: &dyn Fn(u16) -> bool| greatest(picture).is_some_and(of);
    let dark: Vec<&Picture> = pictures.iter().filter(|p| is(p, &|v| v <= EIGHT_BITS)).collect();
    let bright: Vec<&Picture> = pictures.iter().filter(|p| is(p, &|v| v >= TEN_BITS)).collect();
    if dark.is_empty() || bright.is_empty() {
        return None;
    }
    let labels = |of: &[&Picture]| -> BTreeSet<String> {
        of.iter().map(|picture| picture.case.label.clone()).collect()
    };
    let tells = match labels(&dark).is_disjoint(&labels(&bright)) {
        true => ": how bright an image is gives its class away",
        false => "",
    };
    let what = format!(
        "images whose 16 bits hold values of 8, up to {EIGHT_BITS}, beside others that hold more{tells}"
    );
    let finding = Finding::warning(FindingKind::StoredDepth, what);
    let names = dark.iter().map(|picture| picture.id());
    Some(finding.naming_all(names).remedy("export all of them from the same values"))
}

/// Images that are the same to the pixel: a note, and a warning of those under several labels.
fn copies(pictures: &[Picture]) -> Vec<Finding> {
    let mut alike: BTreeMap<(u32, u32, u64), Vec<&Picture>> = BTreeMap::new();
    for picture in pictures {
        let key = (picture.case.width, picture.case.height, picture.values.digest);
        alike.entry(key).or_default().push(picture);
    }
    let mut clusters: Vec<Vec<&Picture>> =
        alike.into_values().filter(|cluster| cluster.len() > 1).collect();
    clusters.sort_by_key(|cluster| cluster[0].id().to_string());
    let name = |cluster: &Vec<&Picture>| {
        cluster.iter().map(|picture| picture.id()).collect::<Vec<_>>().join(" = ")
    };
    let differ = |cluster: &&Vec<&Picture>| {
        cluster.iter().any(|picture| picture.case.label != cluster[0].case.label)
    };
    let (several, one): (Vec<_>, Vec<_>) = clusters.iter().partition(differ);
    let kind = FindingKind::ExactCopies;
    let mut findings = Vec::new();
    if !several.is_empty() {
        findings.push(
            Finding::warning(kind, "images that are the same to the pixel, under several labels")
                .naming_all(several.into_iter().map(name))
                .remedy("leave out what is wrong"),
        );
    }
    if !one.is_empty() {
        findings.push(
            Finding::note(kind, "images that are the same to the pixel")
                .naming_all(one.into_iter().map(name)),
        );
    }
    findings
}

/// Images that are masks: their own, those of another image under a name that is not known, or such as hold two values.
fn mask_like(look: &Look, pictures: &[Picture]) -> Vec<Finding> {
    let stems: BTreeSet<&str> = pictures.iter().map(Picture::id).collect();
    let (mut own, mut named, mut two, mut beside) = (vec![], vec![], vec![], vec![]);
    for picture in pictures {
        let is_beside = !picture.case.label.is_empty() && owner(picture.id(), &stems).is_some();
        let two_valued = picture.values.is_two_valued();
        if is_beside && (two_valued || picture.values.is_blank()) {
            named.push(look.name(picture.file));
        } else if is_beside {
            beside.push(look.name(picture.file));
        } else if two_valued && is_own_mask(look, picture) {
            own.push(picture.id());
        } else if two_valued {
            two.push(picture.id());
        }
    }
    let mut findings = Vec::new();
    if !named.is_empty() {
        findings.push(
            Finding::error(
                FindingKind::MaskName,
                "pictures beside an image that hold at most two values, as its mask does, and would count as images",
            )
            .naming_all(named)
            .remedy("call masks `<image>_mask.png`, and further ones `<image>_mask_1.png`"),
        );
    }
    if !own.is_empty() {
        findings.push(
            Finding::error(FindingKind::ImageIsMask, "images that are the same as their mask")
                .naming_all(own)
                .remedy("fetch the images again: their masks have replaced them"),
        );
    }
    if !two.is_empty() {
        findings.push(
            Finding::warning(
                FindingKind::TwoValuedImage,
                "images of two values alone, as if they were masks",
            )
            .naming_all(two),
        );
    }
    if !beside.is_empty() {
        findings.push(
            Finding::warning(
                FindingKind::NamedAfter,
                "pictures that are named after another image, and count as images of their own",
            )
            .naming_all(beside)
            .remedy("if they are not, move them out of the folder"),
        );
    }
    findings
}

/// The image whose name this one's begins with, before a separator.
fn owner<'a>(id: &'a str, ids: &BTreeSet<&str>) -> Option<&'a str> {
    let name = id.rfind('/').map_or(0, |slash| slash + 1);
    let ends = id[name..].match_indices(['_', '-', ' ', '.', '(']).map(|(at, _)| &id[..name + at]);
    ends.map(str::trim_end).find(|owner| ids.contains(owner))
}

/// Whether an image has the pixels of its mask.
fn is_own_mask(look: &Look, picture: &Picture) -> bool {
    let masks = picture.case.mask.files().iter();
    let mut values = masks.flat_map(|mask| picture_values(mask, look.limit, look.levels));
    values.any(|values| values.digest == picture.values.digest)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use image::{GrayImage, ImageBuffer, Luma, Rgba, RgbaImage};

    use super::super::case::MaskSource;
    use super::super::header::Limit;
    use super::super::levels::{Levels, Window};
    use super::*;

    /// Images of two classes by their ids, and what is said of them.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for class in ["benign", "malignant"] {
                std::fs::create_dir(folder.path().join(class)).unwrap();
            }
            Self(folder)
        }

        fn path(&self, id: &str) -> PathBuf {
            self.0.path().join(format!("{id}.png"))
        }

        fn gray(&self, id: &str, value: impl Fn(u32) -> u8) -> &Self {
            let pixel = |x, y| Luma([value(x + 16 * y)]);
            GrayImage::from_fn(16, 16, pixel).save(self.path(id)).unwrap();
            self
        }

        fn deep(&self, id: &str, value: impl Fn(u32) -> u16) -> &Self {
            let pixel = |x, y| Luma([value(x + 16 * y)]);
            let image = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(16, 16, pixel);
            image.save(self.path(id)).unwrap();
            self
        }

        fn case(&self, id: &str) -> Case {
            Case {
                id: id.into(),
                label: id.split('/').next().unwrap().into(),
                slide: None,
                institution: None,
                folder: None,
                image: ImageSource::File(self.path(id)),
                mask: MaskSource::Files(vec![self.path(&format!("{id}_mask"))]),
                width: 16,
                height: 16,
            }
        }

        fn said(&self, ids: &[&str], window: (u16, u16)) -> String {
            let levels = Levels::Window(Window { low: window.0, high: window.1 });
            let look = Look { root: self.0.path(), limit: Limit::Image, levels };
            let cases: Vec<Case> = ids.iter().map(|id| self.case(id)).collect();
            let found = judge_pictures(&look, &cases);
            found.iter().map(|finding| format!("{finding}\n")).collect()
        }
    }

    const WHOLE: (u16, u16) = (0, u16::MAX);

    /// A picture that is unlike that of another number.
    fn picture(number: u32) -> impl Fn(u32) -> u8 {
        move |at| (at * (7 + number) + at * at % 11) as u8
    }

    #[test]
    fn pictures_are_left_alone() {
        let folder = Folder::new();
        folder.gray("benign/a (1)", picture(1)).gray("benign/a (10)", picture(2));
        folder.gray("malignant/b", picture(3)).gray("malignant/bc", picture(4));
        let ids = ["benign/a (1)", "benign/a (10)", "malignant/b", "malignant/bc"];
        assert_eq!(folder.said(&ids, WHOLE), "");
    }

    #[test]
    fn images_of_one_value_are_named_and_refused_where_there_is_no_other() {
        let folder = Folder::new();
        folder.gray("benign/a", picture(1)).gray("benign/b", |_| 0).gray("malignant/c", |_| 9);
        let text = folder.said(&["benign/a", "benign/b", "malignant/c"], WHOLE);
        let expected = "warning: images of one value, on which there is nothing (2: benign/b: 0 everywhere; \
                        malignant/c: 9 everywhere)";
        assert!(text.starts_with(expected), "{text}");
        assert!(folder.said(&["benign/b"], WHOLE).starts_with("error: images of one value"));
    }

    #[test]
    fn a_picture_in_the_alpha_channel_is_refused_and_an_alpha_channel_beside_one_is_not() {
        let folder = Folder::new();
        for (id, drawn) in [("benign/a", 0), ("benign/b", 1)] {
            let pixel = |x: u32, y: u32| Rgba([drawn * (x * 9) as u8, 0, 0, (x * 16 + y) as u8]);
            RgbaImage::from_fn(16, 16, pixel).save(folder.path(id)).unwrap();
        }
        let text = folder.said(&["benign/a", "benign/b"], WHOLE);
        let expected = "error: images of one colour that are drawn in their alpha channel, which is not read (benign/a)";
        assert!(text.starts_with(expected) && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_window_that_leaves_little_is_refused_with_what_the_images_hold() {
        let folder = Folder::new();
        let full = |at: u32| (at * 16) as u16;
        folder.deep("benign/a", full).deep("malignant/b", |at| (at % 250) as u16);
        folder.deep("malignant/c", |at| 8000 + at as u16);
        assert_eq!(folder.said(&["benign/a"], (0, 4095)), "");
        let text = folder.said(&["malignant/b"], WHOLE);
        let expected = "error: images of 16 bits that the window leaves little of (malignant/b: 2 of 256 levels used, \
                        of 0 to 249): set the `low` and `high` of `dataset.intensity`";
        assert!(text.contains(expected), "{text}");
        let text = folder.said(&["malignant/c"], (0, 4095));
        assert!(text.contains("100 % of its pixels above the window, of 8000 to 8255"), "{text}");
        assert!(text.contains("error: images of one value"), "{text}");
        let text = folder.said(&["malignant/c"], (8200, 9000));
        assert!(!text.contains("above"), "{text}");
        let text = folder.said(&["benign/a", "malignant/b"], (0, 4095));
        assert!(
            text.contains("warning: images of 16 bits that the window leaves little"),
            "{text}"
        );
        assert!(
            text.contains("how bright an image is gives its class away (malignant/b)"),
            "{text}"
        );
    }

    #[test]
    fn images_that_are_the_same_are_named_together_by_their_labels() {
        let folder = Folder::new();
        folder.gray("benign/a", picture(1)).gray("benign/b", picture(1));
        folder.gray("benign/c", picture(2)).gray("malignant/d", picture(2));
        let text = folder.said(&["benign/a", "benign/b", "benign/c", "malignant/d"], WHOLE);
        let expected = "warning: images that are the same to the pixel, under several labels (benign/c = malignant/d): \
                        leave out what is wrong\nnote: images that are the same to the pixel (benign/a = benign/b)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn masks_in_the_place_of_images_and_beside_them_are_refused() {
        let folder = Folder::new();
        let mask = |at: u32| 255 * u8::from(at > 40);
        folder.gray("benign/a", mask).gray("benign/a_mask", mask);
        folder.gray("benign/b", mask).gray("benign/b_mask", |at| 255 * u8::from(at > 50));
        folder.gray("malignant/c", picture(1)).gray("malignant/c_tumor", |at| u8::from(at > 9));
        folder.gray("malignant/c-overlay", picture(2)).gray("malignant/c (2)", picture(3));
        let text = folder.said(&["benign/a", "benign/b"], WHOLE);
        assert!(
            text.contains("error: images that are the same as their mask (benign/a)"),
            "{text}"
        );
        let two = "warning: images of two values alone, as if they were masks (benign/b)";
        assert!(text.contains(two), "{text}");
        let ids = ["malignant/c", "malignant/c_tumor", "malignant/c-overlay", "malignant/c (2)"];
        let text = folder.said(&ids, WHOLE);
        let named = "error: pictures beside an image that hold at most two values, as its mask does, and would count as images \
                     (malignant/c_tumor.png): call masks `<image>_mask.png`";
        assert!(text.contains(named), "{text}");
        let beside =
            "count as images of their own (2: malignant/c-overlay.png; malignant/c (2).png)";
        assert!(text.contains(beside), "{text}");
    }
}
