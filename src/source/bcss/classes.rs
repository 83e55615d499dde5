//! The codes of BCSS masks, and the classes that they become.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::codes::{CodeCount, Codes};
use super::super::labels::{IGNORE, Labels};
use super::super::look::Look;
use super::super::masks::survey_cases;
use super::super::scan::Scan;
use super::super::two_folders::CODE_TABLE;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind};
use crate::frame::Frame;

/// How the codes of a BCSS mask are mapped to classes. Code 0 of the 22 (outside the ROI) is always ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BcssClasses {
    /// The 21 codes of `gtruth_codes.tsv`, 1 to 21, as 21 classes.
    Raw(RawClasses),
    /// tumor {1, 19, 20}, stroma {2}, inflammatory {3, 10, 11}, necrosis {4}, other {the rest}.
    Five(FiveClasses),
    /// The three codes of the public 224-pixel tiles: 0 rest, 1 tumor, 2 stroma.
    Merged(MergedClasses),
    /// Any named groups of codes.
    Custom(CustomClasses),
}

impl Default for BcssClasses {
    fn default() -> Self {
        Self::Raw(RawClasses {})
    }
}

/// Settings of `raw`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClasses {}

/// Settings of `five`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FiveClasses {}

/// Settings of `merged`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergedClasses {}

/// Named groups of raw codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CustomClasses {
    /// Class name to the codes it takes; classes are numbered in alphabetical order of their names.
    #[schemars(length(min = 1, max = 21))]
    pub groups: BTreeMap<String, Vec<u8>>,
    /// What happens to a code that no group names.
    #[serde(default)]
    pub rest: RestOfCodes,
}

/// What happens to a code that no group names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestOfCodes {
    /// Its pixels take no part in loss, metrics or pictures.
    #[default]
    Ignore,
    /// It is mapped to one more class, the last, named `rest`.
    Class,
}

/// Which codes the masks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeSet {
    /// 0 rest, 1 tumor, 2 stroma.
    Merged,
    /// The 22 of `gtruth_codes.tsv`.
    Full,
}

/// The 22 codes of BCSS, as `gtruth_codes.tsv` names them.
pub(crate) const CODE_NAMES: [&str; 22] = [
    "outside_roi",
    "tumor",
    "stroma",
    "lymphocytic_infiltrate",
    "necrosis_or_debris",
    "glandular_secretions",
    "blood",
    "exclude",
    "metaplasia_NOS",
    "fat",
    "plasma_cells",
    "other_immune_infiltrate",
    "mucoid_material",
    "normal_acinus_or_duct",
    "lymphatics",
    "undetermined",
    "nerve",
    "skin_adnexa",
    "blood_vessel",
    "angioinvasion",
    "dcis",
    "other",
];

/// The classes of the 5-group, in order.
pub(super) const FIVE_NAMES: [&str; 5] = ["tumor", "stroma", "inflammatory", "necrosis", "other"];

/// The classes of the public tiles with merged codes, in order.
pub(super) const MERGED_NAMES: [&str; 3] = ["rest", "tumor", "stroma"];

/// What is said of masks with codes that BCSS does not have.
const UNKNOWN: &str = "masks with codes that BCSS does not have";

/// What would be right of them.
const CODES_REMEDY: &str = "masks must hold the codes of `gtruth_codes.tsv` as they are: not scaled for display, not coloured";

/// The 22 codes, each its own label.
fn full_codes() -> Codes {
    Codes::from_pairs((0..22).map(|code| (code, code)))
}

/// The classes of a BCSS spec, and how codes become them.
///
/// # Errors
/// A custom grouping that names a code twice, code 0, a code above 21 or none.
pub(super) fn bcss_classes(classes: &BcssClasses) -> Result<(Labels, Codes)> {
    let (names, pairs): (Vec<String>, Pairs) = match classes {
        BcssClasses::Raw(_) => (
            CODE_NAMES[1..].iter().map(ToString::to_string).collect(),
            (1..22).map(|code| (code, code - 1)).chain([(0, IGNORE)]).collect(),
        ),
        BcssClasses::Five(_) => return Ok(five_classes()),
        BcssClasses::Merged(_) => (
            MERGED_NAMES.iter().map(ToString::to_string).collect(),
            (0..3).map(|code| (code, code)).collect(),
        ),
        BcssClasses::Custom(custom) => custom_pairs(custom)?,
    };
    Ok((Labels::Classes { names }, Codes::from_pairs(pairs)))
}

/// The 5-group.
pub(crate) fn five_classes() -> (Labels, Codes) {
    let names = FIVE_NAMES.iter().map(ToString::to_string).collect();
    let codes = (1..22).map(|code| (code, five_group(code))).chain([(0, IGNORE)]);
    (Labels::Classes { names }, Codes::from_pairs(codes))
}

/// The class of a code, 1 to 21, in the 5-group.
fn five_group(code: u8) -> u8 {
    match code {
        1 | 19 | 20 => 0,
        2 => 1,
        3 | 10 | 11 => 2,
        4 => 3,
        _ => 4,
    }
}

/// Pairs of a code and its label.
type Pairs = Vec<(u8, u8)>;

fn custom_pairs(custom: &CustomClasses) -> Result<(Vec<String>, Pairs)> {
    let at = "dataset.classes.groups";
    let mut pairs = vec![(0, IGNORE)];
    let mut mistakes = Vec::new();
    if custom.groups.is_empty() {
        mistakes.push(format!("`{at}`: no group; at least one is needed"));
    }
    for (label, (name, codes)) in (0..).zip(&custom.groups) {
        if codes.is_empty() {
            mistakes.push(format!("`{at}.{name}`: no codes; name at least one of 1 to 21"));
        }
        for &code in codes {
            match code {
                0 => mistakes
                    .push(format!("`{at}.{name}`: code 0 is outside the ROI and never a class")),
                1..22 => match pairs.iter().find(|(other, _)| *other == code) {
                    Some(_) => mistakes.push(format!(
                        "`{at}.{name}`: code {code} ({}) is in a group already",
                        CODE_NAMES[usize::from(code)]
                    )),
                    None => pairs.push((code, label)),
                },
                _ => mistakes.push(format!("`{at}.{name}`: no code {code}; codes are 1 to 21")),
            }
        }
    }
    let mut names: Vec<String> = custom.groups.keys().cloned().collect();
    let rest = match custom.rest {
        RestOfCodes::Ignore => IGNORE,
        RestOfCodes::Class => {
            if custom.groups.contains_key("rest") {
                mistakes
                    .push(format!("`{at}.rest`: `rest = \"class\"` makes a class of that name"));
            }
            names.push("rest".into());
            names.len() as u8 - 1
        }
    };
    if !mistakes.is_empty() {
        return Err(Error::user(mistakes.join("\n")));
    }
    for code in 1..22 {
        if !pairs.iter().any(|(other, _)| *other == code) {
            pairs.push((code, rest));
        }
    }
    Ok((names, pairs))
}

/// What is wrong with a mask that holds codes that BCSS does not have.
pub(super) fn unknown_codes(look: &Look, mask: &Path, found: &[CodeCount]) -> Option<Finding> {
    let codes = full_codes();
    let unknown = codes.unknown_of(found);
    (!unknown.is_empty()).then(|| {
        let name = format!("{}: {}", look.name(mask), codes.unknown(&unknown));
        Finding::error(FindingKind::UnknownCodes, UNKNOWN).naming(name).remedy(CODES_REMEDY)
    })
}

/// Finds out which codes a set of tiles holds, from all its masks; codes that BCSS does not have are an error.
///
/// A table of codes beside the data settles which set it is, otherwise a code above 2 anywhere means the 22 codes.
pub(super) fn detect_codes(look: &Look, scan: &mut Scan, frame: Option<Frame>) -> CodeSet {
    let codes_of = survey_cases(look, scan, frame);
    let found: BTreeSet<u8> =
        codes_of.values().flat_map(|codes| &codes.own).map(|&(code, _)| code).collect();
    let unknown: Vec<Finding> =
        codes_of.iter().filter_map(|(mask, codes)| unknown_codes(look, mask, &codes.own)).collect();
    let all_known = unknown.is_empty();
    scan.findings.extend(unknown);
    let table = look.root.join(CODE_TABLE).is_file();
    let set = match table || found.iter().any(|&code| code > 2) {
        true => CodeSet::Full,
        false => CodeSet::Merged,
    };
    if !all_known {
        return set;
    }
    let meaning = match set {
        CodeSet::Merged => "the three merged codes (0 rest, 1 tumor, 2 stroma)".to_string(),
        CodeSet::Full if table => format!("the 22 codes (`{CODE_TABLE}` is there)"),
        CodeSet::Full => "the 22 codes".into(),
    };
    let found: Vec<_> = found.iter().map(u8::to_string).collect();
    let what =
        format!("masks hold {meaning}: {} found in {} masks", found.join(", "), codes_of.len());
    scan.findings.push(Finding::note(FindingKind::CodeSet, what));
    set
}

/// Checks that the classes of a spec are made for the codes that were found.
pub(super) fn check_classes(set: CodeSet, classes: &BcssClasses) -> Option<Finding> {
    let named = match classes {
        BcssClasses::Raw(_) => "raw",
        BcssClasses::Five(_) => "five",
        BcssClasses::Merged(_) => "merged",
        BcssClasses::Custom(_) => "custom",
    };
    let error = |what: String, remedy: &str| {
        Some(Finding::error(FindingKind::CodeSet, what).remedy(remedy))
    };
    match (set, classes) {
        (CodeSet::Merged, BcssClasses::Merged(_)) => None,
        (CodeSet::Merged, _) => error(
            format!(
                "`dataset.classes = {{ kind = \"{named}\" }}` needs the 22 codes, but the masks hold \
                 the three merged ones"
            ),
            &format!(
                "set `dataset.classes = {{ kind = \"merged\" }}` (if they are the 22 after all, put \
                 `{CODE_TABLE}` beside the folders)"
            ),
        ),
        (CodeSet::Full, BcssClasses::Merged(_)) => error(
            "`dataset.classes = { kind = \"merged\" }` is for masks with the codes 0, 1 and 2, but \
             these hold the 22 codes"
                .into(),
            "set `kind` to \"raw\", \"five\" or \"custom\"",
        ),
        (CodeSet::Full, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    fn custom(groups: &[(&str, &[u8])], rest: RestOfCodes) -> Result<(Labels, Codes)> {
        let groups: BTreeMap<_, _> =
            groups.iter().map(|(name, codes)| (name.to_string(), codes.to_vec())).collect();
        bcss_classes(&BcssClasses::Custom(CustomClasses { groups, rest }))
    }

    #[test]
    fn code_0_of_the_22_is_ignored_and_the_others_become_21_classes() {
        let (labels, codes) = bcss_classes(&BcssClasses::Raw(RawClasses {})).unwrap();
        assert_eq!(labels.channels(), 21);
        assert_eq!(codes.label(0), Some(IGNORE));
        assert_eq!((codes.label(1), codes.label(21)), (Some(0), Some(20)));
        assert_eq!(codes.label(22), None);
        assert_eq!(labels.names()[0], "tumor");
        assert_eq!(labels.names()[20], "other");
    }

    #[test]
    fn the_5_group_is_the_usual_one() {
        let (labels, codes) = bcss_classes(&BcssClasses::Five(FiveClasses {})).unwrap();
        assert_eq!(labels.names(), FIVE_NAMES);
        let of =
            |label| (1..22).filter(|&code| codes.label(code) == Some(label)).collect::<Vec<_>>();
        assert_eq!(of(0), [1, 19, 20]);
        assert_eq!(of(1), [2]);
        assert_eq!(of(2), [3, 10, 11]);
        assert_eq!(of(3), [4]);
        assert_eq!(of(4).len(), 13);
    }

    #[test]
    fn merged_codes_keep_0_as_a_class() {
        let (labels, codes) = bcss_classes(&BcssClasses::Merged(MergedClasses {})).unwrap();
        assert_eq!(labels.names(), ["rest", "tumor", "stroma"]);
        assert_eq!((codes.label(0), codes.label(2), codes.label(3)), (Some(0), Some(2), None));
    }

    #[test]
    fn custom_groups_are_numbered_by_name_and_the_rest_is_ignored_or_last() {
        let groups: &[(&str, &[u8])] = &[("tumour", &[1, 19, 20]), ("immune", &[3, 10, 11])];
        let (labels, codes) = custom(groups, RestOfCodes::Ignore).unwrap();
        assert_eq!(labels.names(), ["immune", "tumour"]);
        assert_eq!((codes.label(3), codes.label(20)), (Some(0), Some(1)));
        assert_eq!(codes.label(2), Some(IGNORE));
        let (labels, codes) = custom(groups, RestOfCodes::Class).unwrap();
        assert_eq!(labels.names(), ["immune", "tumour", "rest"]);
        assert_eq!((codes.label(2), codes.label(0)), (Some(2), Some(IGNORE)));
    }

    #[test]
    fn every_mistake_of_a_custom_grouping_is_named() {
        let groups: &[(&str, &[u8])] =
            &[("a", &[0, 1, 22]), ("b", &[1]), ("c", &[]), ("rest", &[2])];
        let message = custom(groups, RestOfCodes::Class).unwrap_err().to_string();
        for part in [
            "code 0 is outside",
            "no code 22",
            "code 1 (tumor) is in a group",
            "`dataset.classes.groups.c`: no codes",
            "groups.rest`",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn the_code_that_stands_for_a_label_is_read_as_that_label() {
        let sources = [
            BcssClasses::Raw(RawClasses {}),
            BcssClasses::Five(FiveClasses {}),
            BcssClasses::Merged(MergedClasses {}),
        ];
        for classes in sources {
            let (labels, codes) = bcss_classes(&classes).unwrap();
            for label in 0..labels.channels() as u8 {
                assert_eq!(codes.label(codes.of_label(label)[0]), Some(label));
            }
        }
        let raw = bcss_classes(&BcssClasses::Raw(RawClasses {})).unwrap().1;
        assert_eq!((raw.of_label(0), raw.of_label(20)), (vec![1], vec![21]));
        assert_eq!(five_classes().1.of_label(0), [1, 19, 20]);
    }

    #[test]
    fn unknown_codes_are_counted() {
        let (_, codes) = bcss_classes(&BcssClasses::Raw(RawClasses {})).unwrap();
        let mut mask = GrayImage::from_raw(3, 2, vec![1, 30, 30, 255, 0, 2]).unwrap();
        assert_eq!(codes.apply(&mut mask), Err(vec![(30, 2), (255, 1)]));
        let mut mask = GrayImage::from_raw(3, 1, vec![0, 1, 21]).unwrap();
        codes.apply(&mut mask).unwrap();
        assert_eq!(mask.into_raw(), [IGNORE, 0, 20]);
    }
}
