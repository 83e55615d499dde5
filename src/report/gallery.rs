//! Every evaluated case with its pictures in all runs, as a page has it.

use serde::Serialize;

use crate::split_name::SplitName;

/// The cases of a split, each with its pictures in every run that has some.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Gallery {
    pub split: SplitName,
    pub kind: Kind,
    /// Metrics of the scores, the one that is shown first.
    pub measure: String,
    pub columns: Vec<Column>,
    pub cases: Vec<GalleryCase>,
    /// How many cases were evaluated.
    pub evaluated: usize,
    /// What the scripts of the page know of it, as JSON.
    pub data: String,
}

/// A case that stands for others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Typical {
    /// Why it is shown.
    pub title: &'static str,
    pub case: String,
    pub label: String,
    /// Label of the run that predicted it.
    pub run: String,
    pub measure: String,
    pub score: Option<f64>,
    pub image: Option<Drawn>,
    pub picture: Option<Drawn>,
}

impl Gallery {
    /// The worst, the median and the best case of a run by its first metric; of the first run that has pictures, where it
    /// has none.
    pub(super) fn typical(&self, run: Option<usize>) -> Vec<Typical> {
        let of_run = |column: &Column| run.is_some_and(|run| column.runs.contains(&run));
        let column = self.columns.iter().position(of_run).unwrap_or(0);
        let score = |case: &GalleryCase| case.panels.get(column)?.scores.first().copied().flatten();
        let mut scored: Vec<&GalleryCase> =
            self.cases.iter().filter(|case| score(case).is_some()).collect();
        // Of an image without a lesion there is little to see.
        if scored.iter().any(|case| case.size.is_some_and(|size| size > 0)) {
            scored.retain(|case| case.size != Some(0));
        }
        let value = |case: &GalleryCase| score(case).unwrap_or_default();
        scored.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let (Some(last), Some(label)) = (scored.len().checked_sub(1), self.columns.get(column))
        else {
            return Vec::new();
        };
        let places = match last {
            0 => vec![("The only one", 0)],
            1 => vec![("Worst", 0), ("Best", 1)],
            _ => vec![("Worst", 0), ("Median", last / 2), ("Best", last)],
        };
        let typical = |(title, at): (&'static str, usize)| {
            let case = scored[at];
            Typical {
                title,
                case: case.case.clone(),
                label: case.label.clone(),
                run: label.label.clone(),
                measure: self.measure.clone(),
                score: score(case),
                image: case.image.clone(),
                picture: case.panels[column].picture.clone(),
            }
        };
        places.into_iter().map(typical).collect()
    }
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// One foreground.
    Binary,
    /// Several classes of pixels.
    Classes,
    /// Classes of images.
    Images,
}

/// A run, or the runs of all folds of a division.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Column {
    pub label: String,
    /// Index of the run whose colour it has.
    pub run: usize,
    #[serde(skip)]
    pub runs: Vec<usize>,
}

/// A case.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct GalleryCase {
    pub case: String,
    pub label: String,
    pub group: String,
    pub image: Option<Drawn>,
    pub truth: Option<Drawn>,
    /// One for each column.
    pub panels: Vec<Panel>,
    /// Pixels of the foreground in the truth; `None` of several classes.
    #[serde(skip)]
    pub size: Option<u64>,
}

/// A picture in the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Drawn {
    pub uri: String,
    pub width: u32,
    pub height: u32,
}

/// What a run made of a case.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Panel {
    pub picture: Option<Drawn>,
    /// By the metrics, in their order.
    pub scores: Vec<Option<f64>>,
    /// The predicted class of an image, with its probability.
    pub predicted: String,
}
