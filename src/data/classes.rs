//! Which classes the codes of a mask become.

use super::labels::{IGNORE, Labels};
use crate::error::{Error, Result};
use crate::spec::{BcssClasses, CustomClasses, RestOfCodes};
use image::GrayImage;

/// The 22 codes of BCSS, as `gtruth_codes.tsv` names them.
pub(super) const CODE_NAMES: [&str; 22] = [
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

/// Marks a code that no mask may hold.
const UNKNOWN: u8 = 254;

/// How pixel values of a mask become labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    table: [u8; 256],
}

impl Codes {
    /// 0 is background, 1 is foreground.
    pub fn binary() -> Self {
        Self::from_pairs([(0, 0), (1, 1)])
    }

    /// Every code is its own label.
    pub fn as_found() -> Self {
        Self { table: std::array::from_fn(|code| code as u8) }
    }

    /// The 5-group of the 22 codes.
    pub fn five() -> Self {
        Self::from_pairs((1..22).map(|code| (code, five_group(code))).chain([(0, IGNORE)]))
    }

    fn from_pairs(pairs: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut table = [UNKNOWN; 256];
        for (code, label) in pairs {
            table[usize::from(code)] = label;
        }
        Self { table }
    }

    /// The label of a code: [`IGNORE`] if it takes no part, `None` if no mask may hold it.
    pub fn label(&self, code: u8) -> Option<u8> {
        Some(self.table[usize::from(code)]).filter(|&label| label != UNKNOWN)
    }

    /// The codes of a label, ascending; the first stands for it where one code must.
    pub fn of_label(&self, label: u8) -> Vec<u8> {
        (0..=255).filter(|&code| self.label(code) == Some(label)).collect()
    }

    /// Replaces codes by labels.
    ///
    /// # Errors
    /// The codes that no mask may hold, each with its number of pixels.
    pub fn apply(&self, mask: &mut GrayImage) -> Result<(), Vec<(u8, u64)>> {
        let counts = count_codes(mask);
        let unknown: Vec<_> = (0..=255)
            .zip(counts)
            .filter(|&(code, count)| count > 0 && self.label(code).is_none())
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        for pixel in mask.iter_mut() {
            *pixel = self.table[usize::from(*pixel)];
        }
        Ok(())
    }
}

/// How often each value occurs.
pub(super) fn count_codes(mask: &GrayImage) -> [u64; 256] {
    let mut counts = [[0; 256]; 4];
    let mut pixels = mask.as_raw().chunks_exact(4);
    for four in &mut pixels {
        for (count, &value) in counts.iter_mut().zip(four) {
            count[usize::from(value)] += 1;
        }
    }
    for &value in pixels.remainder() {
        counts[0][usize::from(value)] += 1;
    }
    std::array::from_fn(|value| counts.iter().map(|count| count[value]).sum())
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
        BcssClasses::Five(_) => {
            let names = FIVE_NAMES.iter().map(ToString::to_string).collect();
            return Ok((Labels::Classes { names }, Codes::five()));
        }
        BcssClasses::Merged(_) => (
            MERGED_NAMES.iter().map(ToString::to_string).collect(),
            (0..3).map(|code| (code, code)).collect(),
        ),
        BcssClasses::Custom(custom) => custom_pairs(custom)?,
    };
    Ok((Labels::Classes { names }, Codes::from_pairs(pairs)))
}

/// The class of a code, 1 to 21, in the 5-group.
pub(super) fn five_group(code: u8) -> u8 {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::{FiveClasses, MergedClasses, RawClasses};

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
        assert_eq!(Codes::five().of_label(0), [1, 19, 20]);
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
