//! Whether images are pictures, and such as the spec reads them.
//!
//! An image of which nothing is left, or that is something else, spoils figures in silence: drawn in its alpha
//! channel, outside of the window, replaced by its mask, there twice. So every image file is decoded once, and what
//! it holds is kept. Regions of interest are not: they are decoded where they are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::case::{Case, ImageSource};
use super::decode::{decode_binary, decode_codes, picture};
use super::foreground::ForegroundSpec;
use super::header::{Limit, read_header};
use super::levels::{Levels, Window};
use super::look::Look;
use super::pair_values::PairValues;
use super::picture_values::{DeepValues, PictureValues};
use super::shortcuts::shortcuts;
use super::survey::survey;
use crate::error::Result;
use crate::finding::{Finding, FindingKind, Findings};

/// Where an image reads as fewer levels than this although it has twice as many values, the window does not fit.
const FEW_LEVELS: u32 = 32;

/// Part of an image above the window, beyond which that does not fit: what is bright is tissue.
const MOST_ABOVE: f64 = 0.5;

/// Part of an image below the window, beyond which that does not fit: what is dark may be air.
const MOST_BELOW: f64 = 0.9;

/// Part of an image's variance between labels of its mask from which on it shows the mask alone. The greatest of BUSI
/// is 0.51, of tiles of BCSS 0.32.
const IS_MASK: f64 = 0.9;

/// The same for an image of which no doubt is left: masks compressed as JPEG are at 0.99, scaled ones at 0.92, and a
/// plain phantom may come close to these.
const SURELY_MASK: f64 = 0.98;

/// Dice of the best threshold of an image from which on it was made from its mask, or the other way round. The
/// greatest of BUSI is 0.86.
const MADE_OF_MASK: f64 = 0.95;

/// Dice of the best threshold with the border of a mask from which on that is drawn. The greatest of BUSI is 0.20; a
/// line of 1 to 6 pixels gives 0.5 and more.
const OUTLINED: f64 = 0.5;

/// The greatest value of 8 bits.
const EIGHT_BITS: f64 = 255.0;

/// An image with values from here on has at least 10 bits.
const TEN_BITS: f64 = 512.0;

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

/// How the masks beside images are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum MaskReading<'a> {
    /// Those of lesions.
    Lesions(&'a ForegroundSpec),
    /// Those of codes.
    Codes,
}

/// What an image holds, and how well it tells its masks. What is wrong with these is said of them elsewhere.
fn values_of(
    look: &Look,
    file: &Path,
    masks: &[PathBuf],
    reading: Option<MaskReading>,
) -> Result<PictureValues> {
    let (image, mut values) = picture(file, look.limit, look.levels)?;
    let Some(reading) = reading else { return Ok(values) };
    let labels = |mask: &PathBuf| match reading {
        MaskReading::Lesions(foreground) => decode_binary(mask, foreground),
        MaskReading::Codes => decode_codes(mask, look.limit),
    };
    let of_lesions = matches!(reading, MaskReading::Lesions(_));
    let fitting = masks.iter().filter_map(|mask| labels(mask).ok());
    let fitting = fitting.filter(|mask| mask.dimensions() == image.dimensions());
    let pairs = fitting.map(|mask| PairValues::of(&image, &mask, of_lesions));
    values.pair = pairs.reduce(PairValues::or);
    Ok(values)
}

/// The image files of cases with what they hold, and how well they tell masks that are read; what cannot be read is a
/// finding.
fn pictures_of<'a>(
    look: &Look,
    cases: &'a [Case],
    reading: Option<MaskReading>,
    findings: &mut Findings,
) -> Vec<Picture<'a>> {
    let file_of = |case: &'a Case| match &case.image {
        ImageSource::File(file) => Some((case, file.as_path())),
        ImageSource::Region(_) | ImageSource::Phantom(_) => None,
    };
    let masks = |case: &'a Case| if reading.is_some() { case.mask.files() } else { &[] };
    let masks_of: BTreeMap<&Path, &[PathBuf]> =
        cases.iter().filter_map(file_of).map(|(case, file)| (file, masks(case))).collect();
    let beside: Vec<&Path> = masks_of.values().copied().flatten().map(PathBuf::as_path).collect();
    let knowledge = format!("values of images {:?} {reading:?}", look.levels);
    let mut surveyed = survey(&knowledge, masks_of.keys().copied().collect(), &beside, |file| {
        values_of(look, file, masks_of.get(file).copied().unwrap_or_default(), reading)
    });
    let mut pictures = Vec::new();
    for (case, file) in cases.iter().filter_map(file_of) {
        match surveyed.remove(file) {
            Some(Ok(values)) => pictures.push(Picture { case, file, values }),
            Some(Err(complaint)) => findings.push(look.unreadable(file, &complaint)),
            None => {}
        }
    }
    pictures
}

/// What a window that was decided after opening leaves of the images of more than 8 bits.
pub(crate) fn judge_window(cases: &[Case], window: Window) -> Findings {
    let levels = Levels::Window(window);
    let look = Look { root: Path::new(""), limit: Limit::Image, levels };
    let is_deep = |case: &&Case| match &case.image {
        ImageSource::File(file) => {
            read_header(file, Limit::Roi).is_ok_and(|header| header.mode.is_deep())
        }
        ImageSource::Region(_) | ImageSource::Phantom(_) => false,
    };
    let deep: Vec<Case> = cases.iter().filter(is_deep).cloned().collect();
    let mut findings = Findings::default();
    let pictures = pictures_of(&look, &deep, None, &mut findings);
    findings.extend(outside_the_window(&pictures));
    findings
}

/// Judges the image files of cases: whether they are pictures, other than their masks, and what a window that is known
/// leaves of them.
pub(super) fn judge_pictures(look: &Look, cases: &[Case], reading: MaskReading) -> Findings {
    let mut findings = Findings::default();
    let pictures = pictures_of(look, cases, Some(reading), &mut findings);
    findings.extend(in_alpha(&pictures));
    findings.extend(blank(&pictures));
    findings.extend(outside_the_window(&pictures));
    findings.extend(of_two_depths(&pictures));
    let labelled: Vec<_> = pictures.iter().map(|p| (p.case.label.as_str(), &p.values)).collect();
    findings.extend(shortcuts(&labelled));
    findings.extend(copies(&pictures));
    findings.extend(mask_like(look, &pictures));
    findings.extend(mask_in_image(&pictures));
    findings
}

/// Images that are drawn in the alpha channel, which is dropped.
fn in_alpha(pictures: &[Picture]) -> Option<Finding> {
    let drawn = |picture: &&Picture| picture.values.is_blank() && picture.values.alpha_varies;
    let names: Vec<&str> = pictures.iter().filter(drawn).map(Picture::id).collect();
    let of_one = pictures.iter().filter(drawn).all(|p| p.values.is_of_one_colour());
    let what = match of_one {
        true => "images of one colour that are drawn in their alpha channel, which is not read",
        false => {
            "images of hardly more than one colour that are drawn in their alpha channel, which is not read"
        }
    };
    (!names.is_empty()).then(|| {
        Finding::error(FindingKind::ImageAlpha, what).naming_all(names).remedy(
            "write them without alpha channel, such as with `magick mogrify -alpha extract` (opaque becomes \
             white) or `-background white -alpha remove`",
        )
    })
}

/// Images of which nearly all pixels are nearly alike.
fn blank(pictures: &[Picture]) -> Option<Finding> {
    let blank: Vec<&Picture> =
        pictures.iter().filter(|p| p.values.is_blank() && !p.values.alpha_varies).collect();
    let several = |picture: &&Picture| !picture.values.is_of_one_colour();
    let name = |picture: &&Picture| match (&picture.values.deep, picture.values.colours.first()) {
        _ if several(picture) => {
            let tones = &picture.values.tones;
            format!("{}: {} to {} nearly everywhere", picture.id(), tones.dark, tones.bright)
        }
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
    let kind = FindingKind::BlankImage;
    let what = match blank.iter().any(several) {
        true => "images of hardly more than one value, on which there is nothing",
        false => "images of one value, on which there is nothing",
    };
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
    let (kind, what) = (FindingKind::WindowFit, "images that the window leaves little of");
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
    let is = |picture: &&Picture, of: &dyn Fn(f64) -> bool| greatest(picture).is_some_and(of);
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
    let mut surely = false;
    for picture in pictures {
        let pair = picture.values.pair;
        let is_beside = !picture.case.label.is_empty() && owner(picture.id(), &stems).is_some();
        let drawn = picture.values.is_drawn();
        if is_beside && (drawn || picture.values.is_blank()) {
            named.push(look.name(picture.file));
        } else if is_beside {
            beside.push(look.name(picture.file));
        } else if let Some(pair) = pair.filter(|pair| pair.explained > IS_MASK) {
            own.push(picture.id());
            surely |= pair.explained > SURELY_MASK;
        } else if drawn {
            two.push(picture);
        }
    }
    let mut findings = Vec::new();
    if !named.is_empty() {
        findings.push(
            Finding::error(
                FindingKind::MaskName,
                "pictures beside an image that hold hardly more than two values, as its mask does, and would count as \
                 images",
            )
            .naming_all(named)
            .remedy("call masks `<image>_mask.png`, and further ones `<image>_mask_1.png`"),
        );
    }
    if !own.is_empty() {
        let (kind, what) = (FindingKind::ImageIsMask, "images that are the same as their mask");
        let finding = match surely {
            true => Finding::error(kind, what),
            false => Finding::warning(kind, what),
        };
        findings.push(
            finding
                .naming_all(own)
                .remedy("fetch the images again: their masks have replaced them"),
        );
    }
    if !two.is_empty() {
        let what = match two.iter().all(|picture| picture.values.is_two_valued()) {
            true => "images of two values alone, as if they were masks",
            false => "images of hardly more than two values, as if they were masks",
        };
        findings.push(
            Finding::warning(FindingKind::TwoValuedImage, what)
                .naming_all(two.into_iter().map(Picture::id)),
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

/// Masks that a threshold of their image gives, and images in which the outline of the mask is drawn.
fn mask_in_image(pictures: &[Picture]) -> Vec<Finding> {
    let pairs = pictures.iter().filter_map(|picture| Some((picture, picture.values.pair?)));
    let pairs: Vec<_> = pairs.filter(|(_, pair)| pair.explained <= IS_MASK).collect();
    let named = |number: fn(&PairValues) -> f64, least: f64| -> Vec<String> {
        let found = pairs.iter().filter(|(_, pair)| number(pair) > least);
        found.map(|(picture, pair)| format!("{}: Dice {:.2}", picture.id(), number(pair))).collect()
    };
    let made = "masks that a threshold of their image gives, as if they were made from it or drawn into it";
    let outlined = "images in which the outline of their mask is drawn";
    let thresholded = named(|pair| pair.area, MADE_OF_MASK);
    let lines = match thresholded.is_empty() {
        true => named(|pair| pair.border, OUTLINED),
        false => Vec::new(),
    };
    let said = [
        (
            made,
            thresholded,
            "look at both; put the image or the mask right that stands in for the other",
        ),
        (outlined, lines, "fetch the images without annotations"),
    ];
    let said = said.into_iter().filter(|(_, names, _)| !names.is_empty());
    said.map(|(what, names, remedy)| {
        Finding::warning(FindingKind::MaskInImage, what).naming_all(names).remedy(remedy)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use image::{GrayImage, ImageBuffer, Luma, Rgba, RgbaImage};

    use super::super::case::MaskSource;
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
                group: None,
                folder: None,
                metadata: Default::default(),
                image: ImageSource::File(self.path(id)),
                mask: MaskSource::Files(vec![self.path(&format!("{id}_mask"))]),
                width: 16,
                height: 16,
            }
        }

        fn said(&self, ids: &[&str], window: (u16, u16)) -> String {
            let cases: Vec<Case> = ids.iter().map(|id| self.case(id)).collect();
            self.said_of(&cases, window)
        }

        fn said_of(&self, cases: &[Case], window: (u16, u16)) -> String {
            let levels = Levels::Window(Window { low: window.0.into(), high: window.1.into() });
            let look = Look { root: self.0.path(), limit: Limit::Image, levels };
            let found =
                judge_pictures(&look, cases, MaskReading::Lesions(&ForegroundSpec::default()));
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
        let expected = "error: images that the window leaves little of (malignant/b: 2 of 256 levels used, \
                        of 0 to 249): set the `low` and `high` of `dataset.intensity`";
        assert!(text.contains(expected), "{text}");
        let text = folder.said(&["malignant/c"], (0, 4095));
        assert!(text.contains("100 % of its pixels above the window, of 8000 to 8255"), "{text}");
        assert!(text.contains("error: images of one value"), "{text}");
        let text = folder.said(&["malignant/c"], (8200, 9000));
        assert!(!text.contains("above"), "{text}");
        let text = folder.said(&["benign/a", "malignant/b"], (0, 4095));
        assert!(text.contains("warning: images that the window leaves little"), "{text}");
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
        let named = "error: pictures beside an image that hold hardly more than two values, as its mask does, and would count as images \
                     (malignant/c_tumor.png): call masks `<image>_mask.png`";
        assert!(text.contains(named), "{text}");
        let beside =
            "count as images of their own (2: malignant/c-overlay.png; malignant/c (2).png)";
        assert!(text.contains(beside), "{text}");
    }

    /// A disc of lesion in the middle of 256 pixels.
    fn disc(at: u32) -> bool {
        let place = |of: u32| f64::from(of) - 7.5;
        place(at % 16).powi(2) + place(at / 16).powi(2) < 36.0
    }

    /// Pixels of a class by number: what they hold and the mask of lesion.
    fn said_of_pairs(image: impl Fn(u32) -> u8, mask: impl Fn(u32) -> bool) -> String {
        let folder = Folder::new();
        folder.gray("benign/a", image).gray("benign/a_mask", |at| 255 * u8::from(mask(at)));
        folder.said(&["benign/a"], WHOLE)
    }

    #[test]
    fn an_image_and_a_mask_that_stand_in_for_each_other_are_named_whatever_was_done_to_either() {
        assert_eq!(said_of_pairs(picture(1), disc), "");
        let same = "error: images that are the same as their mask (benign/a): fetch";
        let noisy = |at: u32| if disc(at) { 250 - (at % 6) as u8 } else { (at % 7) as u8 };
        let inverted = |at: u32| 255 - noisy(at);
        let codes = |at: u32| 1 + u8::from(disc(at));
        for text in
            [said_of_pairs(noisy, disc), said_of_pairs(inverted, disc), said_of_pairs(codes, disc)]
        {
            assert!(text.contains(same), "{text}");
        }
        let text = said_of_pairs(picture(1), |at| picture(1)(at) > 127);
        let expected = "warning: masks that a threshold of their image gives, as if they were made from it or drawn into \
                        it (benign/a: Dice 1.00)";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_second_mask_that_is_the_image_is_named() {
        let folder = Folder::new();
        folder.gray("benign/a", picture(1)).gray("benign/a_mask", |at| 255 * u8::from(disc(at)));
        folder.gray("benign/a_mask_1", |at| 255 * u8::from(picture(1)(at) > 90));
        let mut case = folder.case("benign/a");
        case.mask = MaskSource::Files(
            ["benign/a_mask", "benign/a_mask_1"].map(|id| folder.path(id)).into(),
        );
        let text = folder.said_of(&[case], WHOLE);
        assert!(text.contains("masks that a threshold of their image gives"), "{text}");
    }

    #[test]
    fn an_outline_of_the_mask_in_the_image_is_named() {
        let line = |at: u32| {
            let neighbours = [at.wrapping_sub(1), at + 1, at.wrapping_sub(16), at + 16];
            disc(at) && neighbours.into_iter().any(|next| !disc(next))
        };
        let text = said_of_pairs(|at| if line(at) { 255 } else { picture(1)(at) / 2 }, disc);
        assert!(
            text.contains("images in which the outline of their mask is drawn (benign/a: Dice 0."),
            "{text}"
        );
    }

    #[test]
    fn compressed_masks_among_images_are_named_whatever_they_are_called() {
        let folder = Folder::new();
        let mask = |at: u32| if disc(at) { 250 - (at % 6) as u8 } else { (at % 7) as u8 };
        folder.gray("benign/a", picture(1)).gray("benign/101", mask).gray("benign/a_tumor", mask);
        let text = folder.said(&["benign/a", "benign/101", "benign/a_tumor"], WHOLE);
        let two =
            "warning: images of hardly more than two values, as if they were masks (benign/101)";
        assert!(text.contains(two), "{text}");
        assert!(text.contains("(benign/a_tumor.png): call masks"), "{text}");
    }

    #[test]
    fn images_with_practically_nothing_on_them_are_named() {
        let folder = Folder::new();
        folder.gray("benign/a", picture(1)).gray("benign/b", |at| 252 + (at % 4) as u8);
        let text = folder.said(&["benign/a", "benign/b"], WHOLE);
        let expected = "warning: images of hardly more than one value, on which there is nothing (benign/b: 252 to 255 \
                        nearly everywhere)";
        assert!(text.contains(expected), "{text}");
        let pixel = |x: u32, y: u32| Rgba([(x % 3) as u8, (y % 3) as u8, 0, (x * 16 + y) as u8]);
        RgbaImage::from_fn(16, 16, pixel).save(folder.path("benign/c")).unwrap();
        let text = folder.said(&["benign/a", "benign/c"], WHOLE);
        let expected =
            "error: images of hardly more than one colour that are drawn in their alpha channel";
        assert!(text.contains(expected), "{text}");
    }

    /// What is said of five benign and five malignant images.
    fn said_of_classes(value: impl Fn(&str, u32, u8) -> u8) -> String {
        let folder = Folder::new();
        let ids: Vec<String> = ["benign", "malignant"]
            .into_iter()
            .flat_map(|class| (0..5).map(move |number| format!("{class}/{number}")))
            .collect();
        for (id, number) in ids.iter().zip(1u32..) {
            folder.gray(id, |at| value(&id[..3], number, picture(number)(at)));
        }
        folder.said(&ids.iter().map(String::as_str).collect::<Vec<_>>(), WHOLE)
    }

    #[test]
    fn a_class_that_was_stored_in_another_way_is_named_with_the_number_that_tells_it() {
        assert_eq!(said_of_classes(|_, _, level| level), "");
        // Brighter by chance or in some of the images alone.
        assert_eq!(said_of_classes(|_, number, level| level / 8 * (2 + number as u8 % 4)), "");
        let dark =
            said_of_classes(|class, _, level| if class == "ben" { level / 16 } else { level });
        assert!(
            dark.contains("warning: images that give their class away by how they were stored"),
            "{dark}"
        );
        assert!(dark.contains("brightest pixels: benign 15 to 15, others 24"), "{dark}");
        let inverted = said_of_classes(
            |class, _, level| if class == "ben" { 255 - level / 2 } else { level / 2 },
        );
        assert!(inverted.contains("mean brightness: benign 19"), "{inverted}");
        let coarse =
            said_of_classes(|class, _, level| if class == "mal" { level / 32 * 36 } else { level });
        assert!(coarse.contains("number of levels: benign 145 to 161, others 8 to 8"), "{coarse}");
    }

    #[test]
    fn a_tint_and_a_stored_depth_by_class_are_named() {
        let folder = Folder::new();
        let mut ids = Vec::new();
        for number in 1..=5 {
            for (class, tint) in [("benign", 8), ("malignant", 0)] {
                let id = format!("{class}/{number}");
                let gray = |at: u32| picture(number)(at) / 2;
                let pixel = |x, y| {
                    image::Rgb([
                        gray(x + 16 * y),
                        gray(x + 16 * y),
                        gray(x + 16 * y).saturating_sub(tint),
                    ])
                };
                image::RgbImage::from_fn(16, 16, pixel).save(folder.path(&id)).unwrap();
                ids.push(id);
            }
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let text = folder.said(&ids, WHOLE);
        assert!(text.contains("(mean chroma: benign 8 to 8, others 0 to 0)"), "{text}");
        for (number, id) in (1..).zip(&ids) {
            let times = if id.starts_with("benign") { 1 } else { 2 };
            folder.deep(id, |at| times * u16::from(picture(number)(at)));
        }
        let text = folder.said(&ids, (0, 1023));
        assert!(
            text.contains("bits of the greatest stored value: benign 8 to 8, others 9 to 9"),
            "{text}"
        );
    }

    #[test]
    fn a_window_that_is_decided_later_is_judged_like_one_that_is_given() {
        let folder = Folder::new();
        folder.deep("benign/a", |at| at as u16).deep("malignant/b", |at| 200 * at as u16);
        let cases = ["benign/a", "malignant/b"].map(|id| folder.case(id));
        let said = |low: u16, high: u16| {
            let window = Window { low: low.into(), high: high.into() };
            let found = judge_window(&cases, window);
            found.iter().map(|finding| format!("{finding}\n")).collect::<String>()
        };
        let (low, high) = (0, 51_000);
        let later = said(low, high);
        assert!(later.contains("benign/a: 2 of 256 levels used, of 0 to 255"), "{later}");
        assert!(folder.said(&["benign/a", "malignant/b"], (low, high)).contains(later.trim_end()));
        let cut = said(low, 40);
        assert!(cut.starts_with("error: images that the window leaves little of"), "{cut}");
        assert_eq!(said(low, 255).lines().count(), 1);
    }
}
