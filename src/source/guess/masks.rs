//! What the values of masks seem to mean.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::super::decode::{code_counts, mask_values};
use super::super::foreground::ForegroundSpec;
use super::super::header::Limit;
use super::super::mask_values::MaskValues;
use super::Key;

/// Most masks that are looked at, spread over all.
const MOST_MASKS: usize = 2000;

/// Most values that count as classes.
const MOST_CLASSES: usize = 32;

/// The keys that masks need.
pub(super) fn of(files: &[PathBuf], layered: bool) -> Vec<Key> {
    let step = files.len().div_ceil(MOST_MASKS).max(1);
    let looked_at: Vec<&PathBuf> = files.iter().step_by(step).collect();
    let read: Vec<MaskValues> = looked_at
        .par_iter()
        .filter_map(|file| mask_values(file, &ForegroundSpec::default(), None).ok())
        .map(|(values, _)| values)
        .collect();
    if read.iter().any(MaskValues::is_drawn_in_alpha) {
        return vec![foreground(
            "{ kind = \"alpha-above\", threshold = 127 }",
            "masks are drawn in their alpha channel",
        )];
    }
    let gray = read.iter().all(MaskValues::is_gray);
    let values: BTreeSet<u8> = read.iter().flat_map(MaskValues::levels).collect();
    let others: Vec<u8> = values.iter().copied().filter(|&value| value > 0).collect();
    match (gray, others.as_slice()) {
        (_, []) => Vec::new(),
        (true, [_]) if values.contains(&0) => Vec::new(),
        (true, [only]) => {
            let value = format!("{{ kind = \"values\", values = [{only}] }}");
            vec![foreground(&value, "masks hold one value")]
        }
        (true, [low, high]) if !values.contains(&0) && !layered => {
            let value = format!("{{ kind = \"values\", values = [{high}] }}");
            vec![foreground(
                &value,
                &format!("masks hold {low} and {high}; the larger is taken for the foreground"),
            )]
        }
        (true, _) if !layered && are_codes(&values) => vec![classes(&codes_of(&looked_at, values))],
        (true, _) => {
            let why =
                format!("masks hold {} values, as soft edges or JPEG leave them", values.len());
            vec![foreground("{ kind = \"above\", threshold = 127 }", &why)]
        }
        (false, _) => vec![foreground(
            "{ kind = \"above\", threshold = 0 }",
            "masks are coloured; all that is not black is foreground",
        )],
    }
}

fn foreground(value: &str, why: &str) -> Key {
    Key { key: "foreground", value: value.into(), why: why.into() }
}

/// Whether values are few enough, or small enough, to stand for classes each.
fn are_codes(values: &BTreeSet<u8>) -> bool {
    let small = values.iter().all(|&value| usize::from(value) <= MOST_CLASSES || value == 255);
    values.len() <= 8 || (small && values.len() <= MOST_CLASSES + 2)
}

/// What masks hold where a palette is read by its indices.
fn codes_of(files: &[&PathBuf], values: BTreeSet<u8>) -> BTreeSet<u8> {
    let counted: Vec<_> =
        files.par_iter().filter_map(|file| code_counts(file, Limit::Image, None).ok()).collect();
    match counted.len() == files.len() {
        true => counted.iter().flat_map(|codes| &codes.own).map(|&(code, _)| code).collect(),
        false => values,
    }
}

/// A class for each value; 255 among small ones takes no part.
fn classes(values: &BTreeSet<u8>) -> Key {
    let outside =
        values.contains(&255) && values.iter().filter(|&&value| value != 255).all(|&v| v < 128);
    let name = |value: u8| match value {
        0 => "background".to_string(),
        value => format!("class-{value}"),
    };
    let named: Vec<String> = values
        .iter()
        .filter(|&&value| !(outside && value == 255))
        .map(|&value| format!("{{ name = \"{}\", values = [{value}] }}", name(value)))
        .collect();
    let ignore = if outside { "ignore = [255], " } else { "" };
    Key {
        key: "pixels",
        value: format!("{{ kind = \"values\", {ignore}classes = [{}] }}", named.join(", ")),
        why: format!(
            "masks hold {} values; give them their names, and put those that take no part into `ignore`",
            values.len()
        ),
    }
}
