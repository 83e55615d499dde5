//! What masks hold, and whether that says which pixels are lesion.
//!
//! A mask that was saved in an unexpected way looks whole and is wrong: with codes 1 and 2, with black and
//! white exchanged, through JPEG, with its drawing in the alpha channel. So every mask is read once, what it
//! holds is kept, and where that leaves open what is lesion, nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use image::GrayImage;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::case::{Case, MaskSource};
use super::codes::CodeCount;
use super::decode::{code_counts, decode_binary, lesion_pixels, mask_values};
use super::extent::Extent;
use super::foreground::ForegroundSpec;
use super::kept::kept;
use super::look::Look;
use super::mask_values::{MaskValues, brightest, hue_distance, is_lesion, tint};
use super::scan::Scan;
use super::sizes::BothSizes;
use super::survey::{Surveyed, survey};
use crate::error::Result;
use crate::finding::{Finding, FindingKind, Findings};
use crate::frame::Frame;

/// Part of a mask from which on it is nearly all lesion. The largest of BUSI is 0.56.
const NEARLY_ALL: f64 = 0.8;

/// Colours of lesion that lie further apart than this are different things.
const SAME_HUE: u32 = 40;

/// Where the middle one of all masks is more lesion than this, lesion and background are exchanged.
const EXCHANGED: f64 = 0.5;

/// What is found in each mask file of some cases.
fn survey_masks<T: Clone + Send + Serialize + DeserializeOwned>(
    knowledge: &str,
    cases: &[Case],
    of: impl Fn(&Path) -> Result<T> + Sync,
) -> BTreeMap<PathBuf, Surveyed<T>> {
    let files = cases.iter().flat_map(|case| case.mask.files()).map(PathBuf::as_path);
    survey(knowledge, files.collect(), &[], of)
}

/// Lesion of a mask or case.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Lesion {
    /// At its own size.
    own: Extent,
    /// Pixels at the network's size.
    network: u64,
}

/// What is known of the masks of lesions.
pub(super) struct Lesions {
    /// What is wrong or unlikely.
    pub findings: Findings,
    /// Pixels of lesion by the ids of cases.
    pub pixels: BTreeMap<String, BothSizes<u64>>,
}

/// Judges the masks of lesions: whether they say what is lesion, whether that can be so, and whether it is left at the
/// size of a network, if there is one.
pub(super) fn judge_lesions(
    look: &Look,
    cases: &[Case],
    foreground: &ForegroundSpec,
    frame: Option<Frame>,
) -> Lesions {
    let surveyed =
        survey_masks(&format!("values of masks {foreground:?} at {frame:?}"), cases, |mask| {
            mask_values(mask, foreground, frame)
        });
    let mut findings = Findings::default();
    let mut read: BTreeMap<&Path, &MaskValues> = BTreeMap::new();
    let mut of_files: BTreeMap<&Path, Lesion> = BTreeMap::new();
    for (file, values) in &surveyed {
        match values {
            Ok((values, network)) => {
                read.insert(file, values);
                of_files.insert(file, Lesion { own: values.extent, network: *network });
            }
            Err(complaint) => findings.push(look.unreadable(file, complaint)),
        }
    }
    match foreground {
        ForegroundSpec::TwoValued(_) => findings.extend(two_valued(look, &read)),
        ForegroundSpec::Above(_) | ForegroundSpec::Values(_) => {
            findings.extend(of_several_colours(look, &read, foreground));
        }
        ForegroundSpec::AlphaAbove(_) => findings.extend(without_alpha(look, &read)),
    }
    let mut pixels = BTreeMap::new();
    if !findings.has_errors() {
        match lesions(cases, &of_files, foreground, frame) {
            Ok(found) => {
                findings.extend(amounts(cases, &read, &found, foreground));
                findings.extend(frame.and_then(|frame| vanished(cases, &found, frame)));
                let both = |of: Lesion| BothSizes { own: of.own.pixels, network: of.network };
                let known = cases.iter().zip(found);
                pixels =
                    known.filter_map(|(case, of)| Some((case.id.clone(), both(of?)))).collect();
            }
            Err(complaint) => findings.push(complaint),
        }
    }
    Lesions { findings, pixels }
}

/// Masks that are to be read by their alpha channel and have none.
fn without_alpha(look: &Look, read: &BTreeMap<&Path, &MaskValues>) -> Option<Finding> {
    let without = read.iter().filter(|(_, values)| !values.has_alpha());
    let names: Vec<_> =
        without.map(|(file, values)| format!("{}: {}", look.name(file), values.words())).collect();
    let what = "masks without alpha channel, which `dataset.foreground` reads";
    (!names.is_empty()).then(|| {
        Finding::error(FindingKind::MaskAlpha, what).naming_all(names).remedy(
            "write all masks alike, or set `dataset.foreground` to what their colours mean, such as { kind = \
             \"above\", threshold = 127 }",
        )
    })
}

/// Masks of several colours that are distinguished by their brightness, in which these are the same.
fn of_several_colours(
    look: &Look,
    read: &BTreeMap<&Path, &MaskValues>,
    foreground: &ForegroundSpec,
) -> Option<Finding> {
    let same: BTreeSet<Vec<[u8; 3]>> = match foreground {
        ForegroundSpec::Values(spec) => {
            let of = |value: u8| {
                let all = read.values().flat_map(|values| values.colours.iter().copied());
                all.filter(|colour| brightest(*colour) == value).collect::<BTreeSet<_>>()
            };
            let several = spec.values.iter().map(|&value| of(value)).filter(|of| of.len() > 1);
            several.map(|of| of.into_iter().collect()).collect()
        }
        _ => BTreeSet::new(),
    };
    let all_but_black = matches!(foreground, ForegroundSpec::Above(above) if above.threshold == 0);
    if all_but_black || (same.is_empty() && !has_several_hues(read, foreground)) {
        return None;
    }
    let coloured = read.iter().filter(|(_, values)| !values.is_gray());
    let what = "masks of several colours, of which `dataset.foreground` sees the brightest channel alone, so that \
                all of them are lesion";
    Some(
        Finding::error(FindingKind::MaskColours, what)
            .naming_all(coloured.map(|(file, values)| format!("{}: {}", look.name(file), values.words())))
            .remedy(
                "write them anew with 0 for background and 255 for lesion; if all that is not black is lesion, set \
                 `dataset.foreground = { kind = \"above\", threshold = 0 }`",
            ),
    )
}

/// Whether the colours that are lesion by their brightness have several hues: compared exactly where they are few,
/// otherwise by the channels that they have, for soft edges have many colours.
fn has_several_hues(read: &BTreeMap<&Path, &MaskValues>, foreground: &ForegroundSpec) -> bool {
    let (few, many): (Vec<&MaskValues>, Vec<&MaskValues>) =
        read.values().partition(|values| values.knows_all_colours());
    let colours = few.iter().flat_map(|values| values.colours.iter().copied());
    let lesion: BTreeSet<[u8; 3]> =
        colours.filter(|colour| is_lesion(foreground, *colour, Some(255))).collect();
    let one = lesion.iter().copied().max_by_key(|colour| brightest(*colour));
    let differ =
        lesion.iter().any(|&other| one.is_some_and(|one| hue_distance(one, other) > SAME_HUE));
    let tints = many.iter().flat_map(|values| values.tints(foreground));
    let tints: BTreeSet<u8> = tints.chain(one.map(tint)).collect();
    differ || tints.len() > 1
}

/// Lesions of which no pixel is left once their masks are resized.
fn vanished(cases: &[Case], lesions: &[Option<Lesion>], frame: Frame) -> Option<Finding> {
    let (mut with_lesion, mut names) = (0, Vec::new());
    for (case, lesion) in cases.iter().zip(lesions) {
        let Some(Lesion { own, network }) = lesion.filter(|lesion| lesion.own.pixels > 0) else {
            continue;
        };
        with_lesion += 1;
        if network == 0 {
            let (width, height) = (case.width, case.height);
            names.push(format!("{}: {} pixels of {width}x{height}", case.id, own.pixels));
        }
    }
    let what = format!("lesions of which `dataset.image-size` {frame} leaves no pixel");
    let finding = match names.len() {
        0 => return None,
        all if all == with_lesion => Finding::error(FindingKind::VanishedLesion, what),
        _ => Finding::warning(FindingKind::VanishedLesion, what),
    };
    Some(finding.naming_all(names).remedy("raise `dataset.image-size`, or cut the images to tiles"))
}

/// Lesion of each case in any of its masks; `None` for one that is not read from files.
fn lesions(
    cases: &[Case],
    of_files: &BTreeMap<&Path, Lesion>,
    foreground: &ForegroundSpec,
    frame: Option<Frame>,
) -> std::result::Result<Vec<Option<Lesion>>, Finding> {
    let several: Vec<&Case> = cases.iter().filter(|case| case.mask.files().len() > 1).collect();
    let files: Vec<&Path> =
        several.iter().flat_map(|case| case.mask.files()).map(PathBuf::as_path).collect();
    let counts: Vec<usize> = several.iter().map(|case| case.mask.files().len()).collect();
    let unions = || -> Result<Vec<Lesion>> {
        several.par_iter().map(|case| union(case.mask.files(), foreground, frame)).collect()
    };
    let unions = match several.is_empty() {
        true => Vec::new(),
        false => {
            kept(&format!("unions of masks {foreground:?} {counts:?} at {frame:?}"), &files, unions)
                .map_err(|error| Finding::error(FindingKind::UnreadableFile, error.to_string()))?
        }
    };
    let mut unions = unions.into_iter();
    let pixels = |case: &Case| match &case.mask {
        MaskSource::Empty => Some(Lesion::default()),
        MaskSource::Files(files) | MaskSource::Layers { files, .. } => match files.as_slice() {
            [only] => of_files.get(only.as_path()).copied(),
            _ => unions.next(),
        },
        MaskSource::Region(_) | MaskSource::Phantom | MaskSource::Unlabelled => None,
    };
    Ok(cases.iter().map(pixels).collect())
}

/// What is lesion in any of several masks.
fn union(files: &[PathBuf], foreground: &ForegroundSpec, frame: Option<Frame>) -> Result<Lesion> {
    let mut union = GrayImage::default();
    for file in files {
        let mask = decode_binary(file, foreground)?;
        if union.is_empty() {
            union = mask;
        } else {
            union.iter_mut().zip(mask.as_raw()).for_each(|(all, &one)| *all |= one);
        }
    }
    let lesion: Vec<bool> = union.iter().map(|&label| label == 1).collect();
    let own = Extent::of(&lesion, union.width() as usize);
    let network = frame.map_or(own.pixels, |frame| lesion_pixels(&union, frame));
    Ok(Lesion { own, network })
}

/// What is wrong with masks that should hold black and one other value.
fn two_valued(look: &Look, read: &BTreeMap<&Path, &MaskValues>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named =
        |file: &Path, values: &MaskValues| format!("{}: {}", look.name(file), values.words());
    let in_alpha: Vec<_> = read
        .iter()
        .filter(|(_, values)| values.is_drawn_in_alpha())
        .map(|(f, v)| named(f, v))
        .collect();
    if !in_alpha.is_empty() {
        findings.push(
            Finding::error(
                FindingKind::MaskAlpha,
                "masks of one colour that are not opaque: what is drawn is in their alpha channel",
            )
            .naming_all(in_alpha)
            .remedy("set `dataset.foreground = { kind = \"alpha-above\", threshold = 127 }`"),
        );
        return findings;
    }
    let contradictory: Vec<String> = read
        .iter()
        .filter(|(_, values)| values.contradictions() > 0)
        .map(|(file, values)| format!("{}: {} pixels", look.name(file), values.contradictions()))
        .collect();
    if !contradictory.is_empty() {
        let what = "masks whose colour and alpha channel say different things about what is lesion";
        findings.push(
            Finding::error(FindingKind::MaskAlpha, what).naming_all(contradictory).remedy(
                "set `dataset.foreground` to what counts: { kind = \"above\", threshold = 0 } for their colour, \
                 { kind = \"alpha-above\", threshold = 127 } for their alpha channel",
            ),
        );
    }
    let unclear = |values: &MaskValues| {
        let black = values.colours.contains(&[0; 3]);
        values.colours.len() > 2 || (values.colours.len() == 2 && !black)
    };
    let mut wrong: BTreeMap<&Path, &MaskValues> =
        read.iter().filter(|(_, values)| unclear(values)).map(|(f, v)| (*f, *v)).collect();
    let but_black = |values: &MaskValues| {
        values.colours.iter().copied().filter(|colour| *colour != [0; 3]).collect::<Vec<_>>()
    };
    let others: BTreeSet<[u8; 3]> = read.values().flat_map(|values| but_black(values)).collect();
    if wrong.is_empty() && others.len() > 1 {
        // Each has one colour, but not the same one.
        wrong = read
            .iter()
            .filter(|(_, values)| !values.values_but_black().is_empty())
            .map(|(f, v)| (*f, *v))
            .collect();
    }
    if !wrong.is_empty() {
        findings.push(
            Finding::error(
                FindingKind::MaskValues,
                "masks that do not say which pixels are lesion: they hold more than black and one other value",
            )
            .naming_all(wrong.iter().map(|(file, values)| named(file, values)))
            .remedy(remedy(read)),
        );
    }
    findings
}

/// The key that would make masks readable.
fn remedy(read: &BTreeMap<&Path, &MaskValues>) -> String {
    let gray = read.values().all(|values| values.is_gray());
    let values: BTreeSet<u8> = read.values().flat_map(|values| values.levels()).collect();
    let black = values.contains(&0);
    let list = |values: Vec<u8>| {
        let values: Vec<_> = values.iter().map(u8::to_string).collect();
        format!(
            "set `dataset.foreground = {{ kind = \"values\", values = [{}] }}`",
            values.join(", ")
        )
    };
    let highest = values.last().copied().unwrap_or(255);
    match (gray, values.len()) {
        (true, 2) if !black => format!("if {highest} is lesion, {}", list(vec![highest])),
        (true, 2..=8) => {
            let lesion: Vec<u8> = values.into_iter().filter(|&value| value > 0).collect();
            format!("{}, with those of the values that are lesion", list(lesion))
        }
        (true, _) => {
            "if a threshold parts them, set `dataset.foreground = { kind = \"above\", threshold = 127 }`".into()
        }
        (false, _) if black => {
            "if all that is not black is lesion, set `dataset.foreground = { kind = \"above\", threshold = 0 }`"
                .into()
        }
        (false, _) => "write them anew with 0 for background and 255 for lesion".into(),
    }
}

/// How much of a case is lesion by its masks.
struct Amount<'a> {
    case: &'a Case,
    /// From 0 to 1.
    part: f64,
    /// Whether there is lesion all around the image.
    around: bool,
}

impl Amount<'_> {
    fn is_normal(&self) -> bool {
        self.case.label == "normal"
    }

    fn words(&self) -> String {
        format!("{}: {:.0} % lesion", self.case.id, 100.0 * self.part)
    }
}

/// What is unlikely about how much of the masks is lesion.
fn amounts(
    cases: &[Case],
    read: &BTreeMap<&Path, &MaskValues>,
    lesions: &[Option<Lesion>],
    foreground: &ForegroundSpec,
) -> Vec<Finding> {
    let amount = cases.iter().zip(lesions).filter_map(|(case, lesion)| {
        let files = case.mask.files();
        let Lesion { own, .. } = lesion.filter(|_| !files.is_empty())?;
        let pixels = f64::from(case.width) * f64::from(case.height);
        let mut masks = files.iter().filter_map(|file| read.get(file.as_path()));
        let around = own.is_around || masks.any(|values| values.extent.is_around);
        Some(Amount { case, part: own.pixels as f64 / pixels.max(1.0), around })
    });
    let amounts: Vec<Amount> = amount.collect();
    let words = |keep: &dyn Fn(&Amount) -> bool| -> Vec<String> {
        amounts.iter().filter(|one| keep(one)).map(Amount::words).collect()
    };
    let mut findings: Vec<Finding> = no_lesion(cases, &amounts, read).into_iter().collect();
    let in_normal = words(&|one| one.is_normal() && one.part > 0.0);
    if !in_normal.is_empty() {
        let what = "normal images whose mask has lesion";
        findings.push(Finding::warning(FindingKind::LesionInNormal, what).naming_all(in_normal));
    }
    let mut parts: Vec<f64> = amounts.iter().map(|one| one.part).filter(|&p| p > 0.0).collect();
    parts.sort_by(f64::total_cmp);
    let middle = parts.get(parts.len() / 2).copied().unwrap_or(0.0);
    let mostly = words(&|one| one.part > NEARLY_ALL);
    if middle > EXCHANGED && !matches!(foreground, ForegroundSpec::Values(_)) {
        findings.push(exchanged(words(&|one| one.part > EXCHANGED), read, foreground));
    } else if !mostly.is_empty() {
        let what = "masks of which nearly all is lesion";
        findings.push(Finding::warning(FindingKind::MostlyLesion, what).naming_all(mostly));
    }
    let around = words(&|one| one.around);
    if !around.is_empty() && !findings.iter().any(Finding::is_error) {
        let what = "masks with lesion all around and less in the middle, as if lesion and background were exchanged";
        let kind = FindingKind::LesionAround;
        let two_valued = matches!(foreground, ForegroundSpec::TwoValued(_));
        findings.push(match two_valued && 2 * around.len() > parts.len() {
            true => Finding::error(kind, what).naming_all(around).remedy(which_is_lesion(read)),
            false => Finding::warning(kind, what)
                .naming_all(around)
                .remedy("look at them; exchange black and white where that is so"),
        });
    }
    findings
}

/// Masks without lesion of images that are not normal.
fn no_lesion(
    cases: &[Case],
    amounts: &[Amount],
    read: &BTreeMap<&Path, &MaskValues>,
) -> Option<Finding> {
    let none = amounts.iter().filter(|one| !one.is_normal() && one.part <= 0.0);
    let none: Vec<String> = none.map(|one| one.case.id.clone()).collect();
    let with_lesion = cases.iter().filter(|case| case.label != "normal").count();
    match none.len() {
        0 => None,
        all if all == with_lesion => {
            let held: BTreeSet<u8> = read.values().flat_map(|values| values.levels()).collect();
            let held: Vec<String> = held.iter().take(8).map(u8::to_string).collect();
            let remedy =
                format!("look at `dataset.foreground`; the masks hold {}", held.join(", "));
            let what = "no mask has a pixel of lesion";
            Some(Finding::error(FindingKind::NoLesion, what).naming_all(none).remedy(remedy))
        }
        _ => {
            let what = "images of a lesion whose mask is empty";
            Some(Finding::warning(FindingKind::NoLesion, what).naming_all(none))
        }
    }
}

fn exchanged(
    most: Vec<String>,
    read: &BTreeMap<&Path, &MaskValues>,
    foreground: &ForegroundSpec,
) -> Finding {
    let (kind, what) = (
        FindingKind::MostlyLesion,
        "masks of which most is lesion, as if lesion and background were exchanged",
    );
    match foreground {
        ForegroundSpec::TwoValued(_) => {
            Finding::error(kind, what).naming_all(most).remedy(which_is_lesion(read))
        }
        // A threshold cannot be turned round, and large lesions are to be had.
        _ => Finding::warning(kind, what)
            .naming_all(most)
            .remedy("look at them; where that is so, write them anew with 255 for lesion"),
    }
}

/// The key that says which of black and another value is lesion.
fn which_is_lesion(read: &BTreeMap<&Path, &MaskValues>) -> String {
    let value = read.values().flat_map(|values| values.values_but_black()).next().unwrap_or(255);
    format!(
        "if black is lesion, set `dataset.foreground = {{ kind = \"values\", values = [0] }}`; \
         if {value} is, say so with `values = [{value}]`"
    )
}

/// The codes that each mask holds, with their pixels.
pub(super) type CodesOf = BTreeMap<PathBuf, BothSizes<Vec<CodeCount>>>;

/// The codes of masks at their own size and at a network's, from an earlier process where nothing has changed; what
/// cannot be read is a finding.
fn survey_codes(
    look: &Look,
    cases: &[Case],
    frame: Option<Frame>,
    findings: &mut Findings,
) -> CodesOf {
    let limit = look.limit;
    let surveyed = survey_masks(&format!("codes of masks at {frame:?}"), cases, |mask| {
        code_counts(mask, limit, frame)
    });
    let mut codes = CodesOf::new();
    for (file, found) in surveyed {
        match found {
            Ok(found) => {
                codes.insert(file, found);
            }
            Err(complaint) => findings.push(look.unreadable(&file, &complaint)),
        }
    }
    codes
}

/// The codes that the masks of some cases hold, which the scan keeps by the ids of these.
pub(super) fn survey_cases(look: &Look, scan: &mut Scan, frame: Option<Frame>) -> CodesOf {
    let codes_of = survey_codes(look, &scan.cases, frame, &mut scan.findings);
    let of_case = |case: &Case| {
        let codes = codes_of.get(case.mask.files().first()?)?;
        Some((case.id.clone(), codes.clone()))
    };
    scan.codes = scan.cases.iter().filter_map(of_case).collect();
    codes_of
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};
    use proptest::prelude::*;

    use super::super::case::ImageSource;
    use super::super::decode::decode_binary;
    use super::super::header::Limit;
    use super::super::levels::Levels;
    use super::super::sample::{png, save_bytes};
    use super::*;
    use crate::source::{ThresholdForeground, ValuesForeground};

    /// Sides of a mask, in pixels.
    const SIZE: (u32, u32) = (9, 7);

    /// How a mask stores its pixels.
    #[derive(Clone, Copy, Debug)]
    enum Stored {
        OneBit,
        Gray,
        GrayAlpha,
        Rgb,
        Rgba,
        Palette,
    }

    /// A mask file in which background and lesion have a value and an opacity each.
    fn file(stored: Stored, lesion: &[bool], values: [u8; 2], alphas: [u8; 2]) -> Vec<u8> {
        let rows = |pixel: &dyn Fn(usize) -> Vec<u8>| -> Vec<u8> {
            lesion.iter().flat_map(|&lesion| pixel(usize::from(lesion))).collect()
        };
        let (color, rows) = match stored {
            Stored::OneBit => {
                let bits: Vec<u8> = lesion
                    .chunks(SIZE.0 as usize)
                    .flat_map(|row| {
                        let bit = |x: usize| u8::from(values[usize::from(row[x])] > 127);
                        let byte = |start: usize| {
                            (start..(start + 8).min(row.len()))
                                .fold(0, |byte, x| byte | bit(x) << (7 - (x - start)))
                        };
                        [byte(0), byte(8)]
                    })
                    .collect();
                return png(SIZE, ColorType::Grayscale, BitDepth::One, &bits);
            }
            Stored::Palette => {
                let rows = rows(&|which| vec![which as u8]);
                let mut bytes = Vec::new();
                let mut encoder = png::Encoder::new(&mut bytes, SIZE.0, SIZE.1);
                encoder.set_color(ColorType::Indexed);
                encoder.set_palette([[values[0]; 3], [values[1]; 3]].concat());
                encoder.write_header().unwrap().write_image_data(&rows).unwrap();
                return bytes;
            }
            Stored::Gray => (ColorType::Grayscale, rows(&|which| vec![values[which]])),
            Stored::GrayAlpha => {
                (ColorType::GrayscaleAlpha, rows(&|which| vec![values[which], alphas[which]]))
            }
            Stored::Rgb => (ColorType::Rgb, rows(&|which| vec![values[which]; 3])),
            Stored::Rgba => {
                let pixel =
                    |which: usize| [[values[which]; 3].as_slice(), &[alphas[which]]].concat();
                (ColorType::Rgba, rows(&pixel))
            }
        };
        png(SIZE, color, BitDepth::Eight, &rows)
    }

    fn case(root: &Path, name: &str) -> Case {
        Case {
            id: format!("benign/{name}"),
            label: "benign".into(),
            slide: None,
            institution: None,
            group: None,
            folder: None,
            metadata: Default::default(),
            image: ImageSource::File(root.join(format!("{name}.png"))),
            mask: MaskSource::Files(vec![root.join(format!("{name}_mask.png"))]),
            width: SIZE.0,
            height: SIZE.1,
        }
    }

    /// What is found about masks with these bytes.
    fn judge(masks: &[Vec<u8>], foreground: &ForegroundSpec) -> (tempfile::TempDir, Findings) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let cases: Vec<Case> =
            (0..masks.len()).map(|number| case(root, &number.to_string())).collect();
        for (case, bytes) in cases.iter().zip(masks) {
            save_bytes(&case.mask.files()[0], bytes);
        }
        let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
        let findings = judge_lesions(&look, &cases, foreground, None).findings;
        (folder, findings)
    }

    fn lines(masks: &[Vec<u8>], foreground: &ForegroundSpec) -> String {
        judge(masks, foreground).1.iter().map(|finding| format!("{finding}\n")).collect()
    }

    /// Nine columns of which the first two are lesion.
    fn stripes() -> Vec<bool> {
        (0..63).map(|pixel| pixel % 9 < 2).collect()
    }

    fn gray(values: impl Fn(usize) -> u8) -> Vec<u8> {
        let rows: Vec<u8> = (0..63).map(values).collect();
        png(SIZE, ColorType::Grayscale, BitDepth::Eight, &rows)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn masks_are_read_as_they_were_drawn_or_refused_by_name(
            stored in prop::sample::select(vec![
                Stored::OneBit, Stored::Gray, Stored::GrayAlpha, Stored::Rgb, Stored::Rgba, Stored::Palette,
            ]),
            values in prop::sample::select(vec![
                [0, 255], [0, 1], [0, 7], [255, 0], [1, 2], [1, 0], [0, 0], [255, 255], [128, 255],
            ]),
            alphas in prop::sample::select(vec![[255, 255], [0, 255], [255, 0], [0, 0], [90, 200]]),
            // Lesions are the smaller part of an image, or nobody could tell that they are exchanged.
            start in 0usize..30, length in 1usize..28,
        ) {
            let lesion: Vec<bool> = (0..63).map(|at| (start..start + length).contains(&at)).collect();
            let two = ForegroundSpec::default();
            let (folder, findings) = judge(&[file(stored, &lesion, values, alphas)], &two);
            if findings.has_errors() {
                let named = findings.iter().any(|finding| !finding.names.is_empty());
                prop_assert!(named, "{findings:?}");
            } else {
                let read = decode_binary(&folder.path().join("0_mask.png"), &two).unwrap();
                let read: Vec<bool> = read.iter().map(|&label| label == 1).collect();
                prop_assert_eq!(read, lesion);
            }
        }
    }

    #[test]
    fn a_white_first_colour_of_a_palette_is_not_lesion_in_silence() {
        let text =
            lines(&[file(Stored::Palette, &stripes(), [255, 0], [255; 2])], &Default::default());
        assert!(text.contains("lesion and background were exchanged"), "{text}");
        let text =
            lines(&[file(Stored::Palette, &stripes(), [255, 90], [255; 2])], &Default::default());
        assert!(
            text.contains("(benign") || text.contains("(0_mask.png: values 90, 255)"),
            "{text}"
        );
    }

    #[test]
    fn each_kind_of_doubt_names_the_key_that_settles_it() {
        let two = ForegroundSpec::default();
        let of = |values: [u8; 2]| file(Stored::Gray, &stripes(), values, [255; 2]);
        let labels = gray(|pixel| (pixel % 3) as u8);
        let edges = gray(|pixel| (pixel * 4) as u8);
        for (masks, key) in [
            (
                vec![of([1, 2])],
                "if 2 is lesion, set `dataset.foreground = { kind = \"values\", values = [2] }`",
            ),
            (vec![labels], "values = [1, 2] }`, with those of the values that are lesion"),
            (vec![edges], "set `dataset.foreground = { kind = \"above\", threshold = 127 }`"),
            (vec![of([0, 1]), of([0, 255])], "values = [1, 255] }`"),
            (
                vec![of([255, 0])],
                "if black is lesion, set `dataset.foreground = { kind = \"values\", values = [0] }`",
            ),
            (vec![of([0, 0])], "look at `dataset.foreground`; the masks hold 0"),
        ] {
            let text = lines(&masks, &two);
            assert!(text.starts_with("error: ") && text.contains(key), "`{key}` in {text}");
        }
        assert_eq!(lines(&[of([0, 1]), of([0, 1])], &two), "");
    }

    #[test]
    fn one_exchanged_or_empty_mask_among_others_is_a_warning() {
        let of = |values: [u8; 2]| file(Stored::Gray, &stripes(), values, [255; 2]);
        let tall: Vec<bool> = (0..63).map(|pixel| pixel < 60).collect();
        let full = file(Stored::Gray, &tall, [0, 255], [255; 2]);
        let text = lines(&[of([0, 255]), of([0, 255]), full, of([0, 0])], &Default::default());
        assert!(
            text.contains("warning: images of a lesion whose mask is empty (benign/3)"),
            "{text}"
        );
        assert!(
            text.contains("warning: masks of which nearly all is lesion (benign/2: 95 % lesion)"),
            "{text}"
        );
    }

    /// A mask of colours, those of the first two of nine columns and of the third.
    fn coloured(left: [u8; 3], right: [u8; 3]) -> Vec<u8> {
        let colour = |pixel: usize| match pixel % 9 {
            0 | 1 => left,
            2 => right,
            _ => [0; 3],
        };
        png(SIZE, ColorType::Rgb, BitDepth::Eight, &(0..63).flat_map(colour).collect::<Vec<u8>>())
    }

    const RED: [u8; 3] = [255, 0, 0];
    const BLUE: [u8; 3] = [0, 0, 255];

    #[test]
    fn colours_that_a_value_cannot_tell_apart_are_refused() {
        let values = ForegroundSpec::Values(ValuesForeground { values: vec![255] });
        let above = |threshold| ForegroundSpec::Above(ThresholdForeground { threshold });
        let both = [coloured(RED, BLUE)];
        let apart = [coloured(RED, RED), coloured(BLUE, BLUE)];
        for foreground in [&values, &above(127)] {
            for masks in [&both[..], &apart] {
                let text = lines(masks, foreground);
                assert!(text.starts_with("error: masks of several colours"), "{text}");
                assert!(text.contains("#0000ff"), "{text}");
            }
            let red = [coloured(RED, RED), coloured(RED, [200, 9, 5])];
            assert_eq!(lines(&red, foreground), "");
        }
        assert_eq!(lines(&both, &above(0)), "");
        let text = lines(&apart, &ForegroundSpec::default());
        assert!(text.starts_with("error: masks that do not say which pixels are lesion"), "{text}");
        assert!(text.contains("2: 0_mask.png: colours #000000, #ff0000"), "{text}");
    }

    #[test]
    fn masks_without_the_alpha_channel_that_the_spec_reads_are_refused() {
        let foreground = ForegroundSpec::AlphaAbove(ThresholdForeground { threshold: 127 });
        let drawn = file(Stored::Rgba, &stripes(), [0, 0], [0, 255]);
        assert_eq!(lines(std::slice::from_ref(&drawn), &foreground), "");
        let flat = file(Stored::Gray, &stripes(), [0, 255], [255; 2]);
        let (folder, findings) = judge(&[drawn, flat], &foreground);
        let text: String = findings.iter().map(ToString::to_string).collect();
        let expected = "error: masks without alpha channel, which `dataset.foreground` reads (1_mask.png: values 0, 255)";
        assert!(text.starts_with(expected), "{text}");
        let mask = decode_binary(&folder.path().join("1_mask.png"), &foreground);
        assert!(mask.unwrap_err().to_string().contains("without alpha channel"));
    }

    proptest! {
        #[test]
        fn what_is_surveyed_is_what_is_decoded(
            pixels in prop::collection::vec((0u8..3, 0u8..3), 63),
            threshold in 0u8..3,
            kind in 0usize..4,
        ) {
            let foreground = match kind {
                0 => ForegroundSpec::default(),
                1 => ForegroundSpec::Above(ThresholdForeground { threshold }),
                2 => ForegroundSpec::Values(ValuesForeground { values: vec![threshold] }),
                _ => ForegroundSpec::AlphaAbove(ThresholdForeground { threshold }),
            };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("m.png");
            let rows: Vec<u8> = pixels.into_iter().flat_map(|(value, alpha)| [value, alpha]).collect();
            save_bytes(&path, &png(SIZE, ColorType::GrayscaleAlpha, BitDepth::Eight, &rows));
            let decoded = decode_binary(&path, &foreground).unwrap().pixels().filter(|p| p.0[0] == 1).count();
            prop_assert_eq!(mask_values(&path, &foreground, None).unwrap().0.extent.pixels, decoded as u64);
        }
    }

    #[test]
    fn several_masks_of_an_image_count_together() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut cases = Vec::new();
        for number in 0..3 {
            let mut case = case(root, &number.to_string());
            let second = root.join(format!("{number}_mask_1.png"));
            for (path, left) in [(case.mask.files()[0].clone(), true), (second.clone(), false)] {
                let half = |pixel: usize| 255 * u8::from((pixel % 9 < 4) == left);
                save_bytes(&path, &gray(half));
            }
            case.mask = MaskSource::Files(vec![case.mask.files()[0].clone(), second]);
            cases.push(case);
        }
        let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
        let found = judge_lesions(&look, &cases, &ForegroundSpec::default(), None);
        let text: String = found.findings.iter().map(ToString::to_string).collect();
        assert!(text.contains("benign/0: 100 % lesion"), "{text}");
        assert!(found.pixels.into_values().all(|pixels| pixels.own == 63));
    }

    #[test]
    fn a_mask_with_lesion_around_the_image_is_named() {
        let inner = |pixel: usize| (3..6).contains(&(pixel % 9)) && (2..5).contains(&(pixel / 9));
        let right = gray(|pixel| 255 * u8::from(inner(pixel)));
        let exchanged = gray(|pixel| 255 * u8::from(!inner(pixel)));
        let others = [right.clone(), right.clone(), right.clone(), exchanged];
        let text = lines(&others, &ForegroundSpec::default());
        let expected = "warning: masks with lesion all around and less in the middle, as if lesion and background were \
                        exchanged (benign/3: 86 % lesion)";
        assert!(text.contains(expected), "{text}");
        assert_eq!(lines(&[right], &ForegroundSpec::default()), "");
    }

    /// An image of lesion but for a hole and a black frame; and the hole.
    fn framed(at: usize) -> bool {
        (1..8).contains(&(at % 9)) && (1..6).contains(&(at / 9)) && !hole(at)
    }

    fn hole(at: usize) -> bool {
        (3..6).contains(&(at % 9)) && (2..5).contains(&(at / 9))
    }

    #[test]
    fn exchanged_masks_are_named_where_a_black_frame_is_left_around_them() {
        let [right, wrong] = [hole, framed].map(|lesion| gray(|at| 255 * u8::from(lesion(at))));
        let above = ForegroundSpec::Above(ThresholdForeground { threshold: 127 });
        let one = [right.clone(), right.clone(), wrong.clone()];
        let all = [wrong.clone(), wrong.clone(), wrong.clone()];
        let warned = "warning: masks with lesion all around and less in the middle";
        for foreground in [&ForegroundSpec::default(), &above] {
            let text = lines(&one, foreground);
            assert!(
                text.contains(&format!(
                    "{warned}, as if lesion and background were exchanged (benign/2: 41 %"
                )),
                "{text}"
            );
        }
        let text = lines(&all, &ForegroundSpec::default());
        assert!(text.starts_with("error: masks with lesion all around"), "{text}");
        assert!(text.contains("if 255 is, say so with `values = [255]`"), "{text}");
        let said = ForegroundSpec::Values(ValuesForeground { values: vec![255] });
        assert!(lines(&all, &said).starts_with(warned), "{}", lines(&all, &said));
        // Without frame, by a threshold: that most is lesion is said as well.
        let whole = gray(|at| 255 * u8::from(!hole(at)));
        let text = lines(&[whole.clone(), whole], &above);
        assert!(
            text.starts_with("warning: masks of which most is lesion") && text.contains(warned),
            "{text}"
        );
    }

    #[test]
    fn a_second_mask_that_is_exchanged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut case = case(folder.path(), "0");
        let second = folder.path().join("0_mask_1.png");
        save_bytes(&case.mask.files()[0], &gray(|at| 255 * u8::from(hole(at))));
        save_bytes(&second, &gray(|at| 255 * u8::from(framed(at))));
        case.mask = MaskSource::Files(vec![case.mask.files()[0].clone(), second]);
        let mut others = vec![self::case(folder.path(), "1"), self::case(folder.path(), "2")];
        for other in &others {
            save_bytes(&other.mask.files()[0], &gray(|at| 255 * u8::from(hole(at))));
        }
        others.push(case);
        let look = Look { root: folder.path(), limit: Limit::Image, levels: Levels::Refused };
        let found = judge_lesions(&look, &others, &ForegroundSpec::default(), None).findings;
        let text: String = found.iter().map(ToString::to_string).collect();
        assert!(text.contains("masks with lesion all around and less in the middle"), "{text}");
        assert!(text.contains("(benign/0: 56 % lesion)"), "{text}");
    }

    #[test]
    fn similar_hues_above_a_threshold_are_several_colours_and_shades_of_one_are_not() {
        let above = ForegroundSpec::Above(ThresholdForeground { threshold: 127 });
        for other in [[255, 120, 0], [255, 100, 100], [255, 0, 60], [200, 60, 0]] {
            for masks in
                [vec![coloured(RED, other)], vec![coloured(RED, RED), coloured(other, other)]]
            {
                let text = lines(&masks, &above);
                assert!(text.starts_with("error: masks of several colours"), "{other:?} {text}");
            }
        }
        for shade in [[200, 0, 0], [130, 10, 10], [255, 30, 20]] {
            assert_eq!(lines(&[coloured(RED, shade)], &above), "", "{shade:?}");
        }
        // What is darker than the threshold is background, whatever its colour.
        assert_eq!(lines(&[coloured(RED, [0, 0, 120])], &above), "");
    }

    #[test]
    fn two_valued_masks_whose_colour_and_alpha_disagree_are_refused_until_one_is_chosen() {
        // The colour has the left columns, the alpha channel the right ones.
        let mask = |opaque: fn(usize) -> bool| {
            let pixel = |at: usize| [255 * u8::from(at % 9 < 4), if opaque(at) { 255 } else { 0 }];
            let rows: Vec<u8> = (0..63).flat_map(pixel).collect();
            png(SIZE, ColorType::GrayscaleAlpha, BitDepth::Eight, &rows)
        };
        let two = ForegroundSpec::default();
        for (opaque, pixels) in [
            ((|at| at / 9 < 3) as fn(usize) -> bool, 31),
            (|at| at % 9 < 2, 14),
            (|at| at % 9 > 5, 14),
            (|at| at % 9 > 0, 21),
        ] {
            let text = lines(&[mask(opaque)], &two);
            let expected = format!(
                "error: masks whose colour and alpha channel say different things about what is lesion (0_mask.png: {pixels} pixels)"
            );
            assert!(text.starts_with(&expected), "{text}");
            let above = ForegroundSpec::Above(ThresholdForeground { threshold: 0 });
            assert!(!lines(&[mask(opaque)], &above).contains("error"));
        }
        for opaque in [
            (|_| true) as fn(usize) -> bool,
            |_| false,
            |at| at % 9 < 4,
            |at| at % 9 > 3,
            |at| at != 3,
        ] {
            assert_eq!(lines(&[mask(opaque)], &two), "");
        }
    }

    #[test]
    fn what_the_spec_says_is_lesion_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        let read =
            |foreground: ForegroundSpec| decode_binary(&path, &foreground).unwrap().into_raw();
        let rows = [10, 0, 127, 255, 128, 90];
        save_bytes(&path, &png((3, 1), ColorType::GrayscaleAlpha, BitDepth::Eight, &rows));
        let above = |threshold| ThresholdForeground { threshold };
        assert_eq!(read(ForegroundSpec::Above(above(127))), [0, 0, 1]);
        assert_eq!(read(ForegroundSpec::AlphaAbove(above(89))), [0, 1, 1]);
        let values = ValuesForeground { values: vec![10, 128] };
        assert_eq!(read(ForegroundSpec::Values(values)), [1, 0, 1]);
    }
}
