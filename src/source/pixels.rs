//! Classes of the pixels of masks that an author declares.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codes::Codes;
use super::labels::{IGNORE, Labels};
use crate::error::{Error, Result};

/// What the pixels of masks mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PixelsSpec {
    /// One class, the pixels that `dataset.foreground` names, against all others; several masks of an image are united.
    Foreground(ForegroundPixels),
    /// Each value of a mask, or index of its palette, stands for a class.
    Values(ValuesPixels),
    /// A mask for each class, whose foreground it is.
    Layers(LayersPixels),
}

impl Default for PixelsSpec {
    fn default() -> Self {
        Self::Foreground(ForegroundPixels::default())
    }
}

/// One class against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ForegroundPixels {
    /// Name of the class.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl Default for ForegroundPixels {
    fn default() -> Self {
        Self { name: "lesion".into() }
    }
}

/// Classes by the values of masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ValuesPixels {
    /// The classes, in the order of the network's outputs; 0 is one of them only where a class has it.
    #[schemars(length(min = 2, max = 64))]
    pub classes: Vec<ValueClass>,
    /// Values whose pixels take no part in loss, metrics or pictures, such as 0 outside of what was annotated, or 255.
    #[serde(default)]
    pub ignore: Vec<u8>,
    /// What happens to a value that neither a class nor `ignore` has.
    #[serde(default)]
    pub rest: RestOfValues,
}

/// A class and the values that stand for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ValueClass {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The values of its pixels.
    #[schemars(length(min = 1, max = 256))]
    pub values: Vec<u8>,
}

/// What happens to a value that no class has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestOfValues {
    /// Masks that hold it are refused by name.
    #[default]
    Refuse,
    /// Its pixels take no part in loss, metrics or pictures.
    Ignore,
}

/// Classes by the masks that they have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayersPixels {
    /// Name of the class of all pixels that no mask has.
    #[serde(default = "background")]
    #[schemars(length(min = 1))]
    pub background: String,
    /// The classes; where masks overlap, the later one counts.
    #[schemars(length(min = 1, max = 63))]
    pub classes: Vec<LayerClass>,
}

fn background() -> String {
    "background".into()
}

/// A class and where its masks are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayerClass {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What `{mask-class}` of `dataset.masks` is for it, such as a folder; of a table, the column of its masks.
    #[schemars(length(min = 1))]
    pub at: String,
}

impl PixelsSpec {
    /// The classes, and how the codes of masks become them.
    ///
    /// # Errors
    /// The user's: a name, a value or a place that stands twice.
    pub(super) fn classes(&self) -> Result<(Labels, Codes)> {
        match self {
            Self::Foreground(spec) => {
                Ok((Labels::Binary { foreground: spec.name.clone() }, Codes::binary()))
            }
            Self::Values(spec) => of_values(spec),
            Self::Layers(spec) => of_layers(spec),
        }
    }

    /// What the page calls it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Foreground(spec) => spec.name.clone(),
            Self::Values(spec) => format!("{} classes of pixels", spec.classes.len()),
            Self::Layers(spec) => format!("{} classes of pixels", spec.classes.len() + 1),
        }
    }

    /// The code of the class whose masks are at a place; `None` if it is of none.
    pub(super) fn layer(&self, at: &str) -> Option<u8> {
        let Self::Layers(spec) = self else { return None };
        let place = spec.classes.iter().position(|class| class.at == at)?;
        u8::try_from(place + 1).ok()
    }
}

fn of_values(spec: &ValuesPixels) -> Result<(Labels, Codes)> {
    let at = "dataset.pixels";
    let names: Vec<&str> = spec.classes.iter().map(|class| class.name.as_str()).collect();
    let mut mistakes: Vec<String> =
        twice(&names).map(|name| format!("`{at}.classes`: `{name}` stands twice")).collect();
    let mut pairs: Vec<(u8, u8)> = Vec::new();
    let ignored = spec.ignore.iter().map(|&value| (value, IGNORE));
    let of_classes = (0..).zip(&spec.classes);
    let of_classes =
        of_classes.flat_map(|(label, class)| class.values.iter().map(move |&value| (value, label)));
    for (value, label) in of_classes.chain(ignored) {
        if pairs.iter().any(|(known, _)| *known == value) {
            mistakes.push(format!(
                "`{at}`: the value {value} stands twice; each is of one class, or in `ignore`"
            ));
        }
        pairs.push((value, label));
    }
    if !mistakes.is_empty() {
        return Err(Error::user(mistakes.join("\n")));
    }
    if spec.rest == RestOfValues::Ignore {
        let known: BTreeSet<u8> = pairs.iter().map(|(value, _)| *value).collect();
        pairs.extend((0..=255).filter(|value| !known.contains(value)).map(|value| (value, IGNORE)));
    }
    let names = names.into_iter().map(String::from).collect();
    Ok((Labels::Classes { names }, Codes::from_pairs(pairs)))
}

fn of_layers(spec: &LayersPixels) -> Result<(Labels, Codes)> {
    let names: Vec<&str> = std::iter::once(spec.background.as_str())
        .chain(spec.classes.iter().map(|class| class.name.as_str()))
        .collect();
    let places: Vec<&str> = spec.classes.iter().map(|class| class.at.as_str()).collect();
    let mistakes: Vec<String> = twice(&names)
        .chain(twice(&places))
        .map(|name| format!("`dataset.pixels`: `{name}` stands twice"))
        .collect();
    if !mistakes.is_empty() {
        return Err(Error::user(mistakes.join("\n")));
    }
    let codes = Codes::from_pairs((0..names.len() as u8).map(|code| (code, code)));
    let names = names.into_iter().map(String::from).collect();
    Ok((Labels::Classes { names }, codes))
}

/// Names that were there before.
fn twice<'a>(names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    names.iter().enumerate().filter(|(place, name)| names[..*place].contains(name)).map(|(_, n)| *n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(toml: &str) -> PixelsSpec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn values_become_classes_in_the_order_of_the_spec() {
        let spec = pixels(
            "kind = 'values'\nignore = [255]\nclasses = [{ name = 'tumor', values = [1, 19] }, \
             { name = 'rest', values = [0] }]",
        );
        let (labels, codes) = spec.classes().unwrap();
        assert_eq!(labels.names(), ["tumor", "rest"]);
        let of = [0, 1, 19, 255, 2].map(|value| codes.label(value));
        assert_eq!(of, [Some(1), Some(0), Some(0), Some(IGNORE), None]);
    }

    #[test]
    fn other_values_are_ignored_where_the_spec_says_so() {
        let spec = pixels(
            "kind = 'values'\nrest = 'ignore'\nclasses = [{ name = 'a', values = [1] }, { name = 'b', values = [2] }]",
        );
        let (_, codes) = spec.classes().unwrap();
        assert_eq!(
            [0, 1, 77].map(|value| codes.label(value)),
            [Some(IGNORE), Some(0), Some(IGNORE)]
        );
    }

    #[test]
    fn what_stands_twice_is_refused() {
        let spec = pixels(
            "kind = 'values'\nignore = [1]\nclasses = [{ name = 'a', values = [1] }, { name = 'a', values = [2] }]",
        );
        let message = spec.classes().unwrap_err().to_string();
        assert!(
            message.contains("`a` stands twice") && message.contains("the value 1"),
            "{message}"
        );
        let spec = pixels("kind = 'layers'\nclasses = [{ name = 'background', at = '0' }]");
        assert!(spec.classes().unwrap_err().to_string().contains("`background` stands twice"));
    }

    #[test]
    fn layers_have_the_background_first() {
        let spec = pixels(
            "kind = 'layers'\nclasses = [{ name = 'tumor', at = '1' }, { name = 'fat', at = '0' }]",
        );
        assert_eq!(spec.classes().unwrap().0.names(), ["background", "tumor", "fat"]);
        assert_eq!([spec.layer("1"), spec.layer("0"), spec.layer("2")], [Some(1), Some(2), None]);
    }
}
