//! Files of published figures: what was measured, and how, so that a page ranks only what was measured alike.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{BatchesSpec, Resolution};
use crate::error::{Error, Result};
use crate::frame::ImageSize;
use crate::metric::MetricKind;

/// Published figures on one data set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Literature {
    /// The data set, as `dataset.kind` names it.
    pub data: String,
    /// Tables of one source and one protocol each.
    #[serde(rename = "table")]
    pub tables: Vec<LiteratureTable>,
}

/// Figures that one source measured alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LiteratureTable {
    /// Who published it, and under which title.
    pub source: String,
    /// DOI or address; absent where none is known.
    #[serde(default)]
    pub url: Option<String>,
    /// What else a reader has to know.
    #[serde(default)]
    pub note: String,
    /// How its figures were measured.
    pub protocol: Protocol,
    /// Its figures; the first ranks its rows.
    pub figures: Vec<LiteratureFigure>,
    /// One for each network.
    #[serde(rename = "row")]
    pub rows: Vec<LiteratureRow>,
}

/// A figure of a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LiteratureFigure {
    /// Its name in the source.
    pub name: String,
    /// What it is here: a metric of pixels that is a function of counts, such as `iou`, or a figure of images, such as
    /// `recall.class.malignant`. Absent where the source does not define it.
    #[serde(default)]
    pub is: Option<String>,
}

impl LiteratureFigure {
    /// The metric of pixels that it is.
    pub fn metric(&self) -> Option<MetricKind> {
        let is = self.is.as_deref()?;
        MetricKind::ALL.into_iter().find(|kind| kind.name() == is && kind.is_of_counts())
    }
}

/// What a network reached.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LiteratureRow {
    /// The network, as the source names it.
    pub network: String,
    /// A value for each figure, from 0 to 1.
    pub values: Vec<f64>,
    /// The standard deviation of each over the divisions; absent where the source gives none.
    #[serde(default)]
    pub deviations: Vec<f64>,
    /// Parameters in millions, where the source gives them.
    #[serde(default)]
    pub parameters_m: Option<f64>,
    /// Its GFLOPs, where the source gives them.
    #[serde(default)]
    pub gflops: Option<f64>,
}

/// How figures were measured. What is absent the source does not say, and no run shares it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Protocol {
    /// What is predicted.
    pub predicts: Predicts,
    /// Labels of the images that take part, such as `benign`.
    pub labels: Option<Vec<String>>,
    /// Which of several masks of an image count, as `dataset.multi-mask` has it.
    pub masks: Option<String>,
    /// How many images are in each split.
    #[serde(default)]
    pub cases: CasesOfSplits,
    /// Over how many divisions values are means.
    pub divisions: Option<u32>,
    /// What keeps images in one split, as `dataset.split.group` has it.
    pub groups: Option<String>,
    /// Height and width of the network's input.
    pub image_size: Option<ImageSize>,
    /// At which size masks are compared.
    pub resolution: Option<Resolution>,
    /// The probability from which a pixel is lesion.
    pub threshold: Option<f64>,
    /// How the pixels of many images become one number.
    pub convention: Option<Counting>,
    /// The images that chose the epoch.
    pub chosen_on: Option<EpochBy>,
}

/// What a published system predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predicts {
    /// The class of each pixel.
    Pixels,
    /// The class of whole images.
    Images,
}

/// Images in each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CasesOfSplits {
    /// Training.
    pub train: Option<u32>,
    /// Validation; 0 where there is none.
    pub valid: Option<u32>,
    /// Those that are reported.
    pub test: Option<u32>,
}

/// The images that chose the epoch of a published figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochBy {
    /// Validation.
    Valid,
    /// Those that are reported.
    Test,
}

/// How the pixels of many images become one number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Counting {
    /// The mean over images.
    Images(OverImages),
    /// All pixels of the split.
    Pooled(AllPixels),
    /// The mean over batches of their pooled pixels.
    Batches(BatchesSpec),
}

/// The mean over images.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverImages {
    /// What an image without the class scores in which none is found.
    pub empty: Empty,
}

/// All pixels of the split; it has no settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllPixels {}

/// What an image without the class scores in which none is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Empty {
    /// 1.
    One,
    /// 0.
    Zero,
    /// It is left out.
    Skip,
    /// Images without the class in the truth are left out, whatever is found.
    WithClass,
}

/// Reads a file of published figures.
///
/// # Errors
/// The user's, with the file, if it cannot be read, has other keys, or a row does not fit its table.
pub fn literature(path: &Path) -> Result<Literature> {
    let text = crate::file::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::user(format!("{}: no such file", path.display())),
        _ => Error::io(path, "cannot read")(error),
    })?;
    let wrong = |why: String| {
        Error::user(format!("{}: no file of published figures: {}", path.display(), why.trim_end()))
    };
    let found: Literature = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    match problem(&found) {
        Some(problem) => Err(wrong(problem)),
        None => Ok(found),
    }
}

/// The first thing that does not fit.
fn problem(literature: &Literature) -> Option<String> {
    let mut sources: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, table) in literature.tables.iter().enumerate() {
        let key = format!("`table[{at}]`");
        if table.source.trim().is_empty() {
            return Some(format!("{key} has an empty `source`: say who published it"));
        }
        if table.figures.is_empty() || table.rows.is_empty() {
            return Some(format!("{key} needs a `figures` and a `row`"));
        }
        for figure in &table.figures {
            let of_pixels = table.protocol.predicts == Predicts::Pixels;
            if of_pixels && figure.is.is_some() && figure.metric().is_none() {
                let all = MetricKind::ALL.into_iter().filter(|kind| kind.is_of_counts());
                let all: Vec<&str> = all.map(MetricKind::name).collect();
                let is = figure.is.as_deref().unwrap_or_default();
                return Some(format!(
                    "{key}: `{}` is `{is}`, which is no metric of counts of pixels: {}",
                    figure.name,
                    all.join(", ")
                ));
            }
        }
        for (index, row) in table.rows.iter().enumerate() {
            let key = format!("`table[{at}].row[{index}]` ({})", row.network);
            let (values, figures) = (row.values.len(), table.figures.len());
            if values != figures {
                return Some(format!("{key} has {values} `values` for {figures} `figures`"));
            }
            if !row.deviations.is_empty() && row.deviations.len() != figures {
                let deviations = row.deviations.len();
                return Some(format!(
                    "{key} has {deviations} `deviations` for {figures} `figures`"
                ));
            }
            let outside = |value: &f64| !(0.0..=1.0).contains(value);
            if let Some(value) = row.values.iter().chain(&row.deviations).find(|v| outside(v)) {
                return Some(format!("{key} has {value}: values are parts, from 0 to 1"));
            }
            if let Some(before) = sources.insert((&table.source, &row.network), index) {
                let there = format!("`row[{before}]` of the same source");
                return Some(format!("{key} stands there twice: {there} is the same network"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "data = 'busi'\n[[table]]\nsource = 'a'\nfigures = [{ name = 'IoU', is = 'iou' }]\n\
                        protocol = { predicts = 'pixels', image-size = 256, convention = { kind = 'pooled' } }\n\
                        [[table.row]]\nnetwork = 'U-Net'\nvalues = [0.6]\n";

    fn read(text: &str) -> Result<Literature> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, text).unwrap();
        literature(&path)
    }

    #[test]
    fn a_table_is_read_with_what_its_source_says() {
        let found = read(GOOD).unwrap();
        let protocol = &found.tables[0].protocol;
        assert_eq!(protocol.image_size, Some(ImageSize::square(256)));
        assert_eq!(protocol.convention, Some(Counting::Pooled(AllPixels {})));
        assert_eq!((&protocol.labels, protocol.chosen_on), (&None, None));
        assert_eq!(found.tables[0].figures[0].metric(), Some(MetricKind::Iou));
    }

    #[test]
    fn what_does_not_fit_is_named_with_file_and_row() {
        for (change, with, said) in [
            ("values = [0.6]", "values = [0.6, 0.7]", "(U-Net) has 2 `values` for 1 `figures`"),
            ("values = [0.6]", "values = [60.0]", "has 60: values are parts, from 0 to 1"),
            ("values = [0.6]", "values = [0.6]\ndeviations = []\nextra = 1", "extra"),
            ("is = 'iou'", "is = 'hd95'", "`hd95`, which is no metric of counts of pixels: dice"),
            ("source = 'a'", "source = ' '", "empty `source`"),
            ("'pooled'", "'pooled', empty = 'one'", "empty"),
            ("'pixels'", "'voxels'", "voxels"),
        ] {
            let error = read(&GOOD.replace(change, with)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            let text = error.to_string();
            assert!(text.contains(said) && text.contains("a.toml: no file of published"), "{text}");
        }
        let twice = format!("{GOOD}[[table.row]]\nnetwork = 'U-Net'\nvalues = [0.7]\n");
        assert!(read(&twice).unwrap_err().to_string().contains("twice"));
        assert_eq!(literature(Path::new("no/such.toml")).unwrap_err().exit_code(), 2);
    }
}
