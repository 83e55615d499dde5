//! The headline figures of a split by the columns that a spec names.

use std::collections::{BTreeMap, BTreeSet};

use super::headline::headline;
use super::rows;
use crate::data::Dataset;
use crate::error::Result;
use crate::evaluate::reliability::Reliability;
use crate::evaluate::{CaseScore, Confusion, Evaluation, ImageScore, Strata};
use crate::figure_name::MASK_DICE;
use crate::metric::Counts;
use crate::record::{Figure, GuideRow, Stratum};
use crate::spec::Spec;
use crate::split_name::SplitName;

/// Figures of segmented cases by the columns of `evaluation.by`.
///
/// # Errors
/// The user's, if cases have no such strata.
pub fn strata_of_pixels(
    evaluation: &Evaluation,
    dataset: &Dataset,
    spec: &Spec,
) -> Result<Vec<Stratum>> {
    let mut cases: BTreeMap<&str, Option<f64>> = BTreeMap::new();
    for score in &evaluation.original {
        cases.insert(&score.case, lesion_percent(score.counts));
    }
    let of_cases = |scores: &[CaseScore], kept: &BTreeSet<&str>| {
        scores.iter().filter(|score| kept.contains(score.case.as_str())).cloned().collect()
    };
    stratified(spec, dataset, evaluation.split, &cases, |spec, kept| {
        let images = evaluation.images.iter();
        let part = Evaluation {
            split: evaluation.split,
            original: of_cases(&evaluation.original, kept),
            network: of_cases(&evaluation.network, kept),
            images: images.filter(|score| kept.contains(score.case.as_str())).cloned().collect(),
            confusion: Confusion::new(dataset.labels.values()),
            reliability: Reliability::new(0),
            froc: None,
            pictured: Vec::new(),
        };
        rows::figures(&part, &dataset.image_classes, spec)
    })
}

/// Figures of classified images by the columns of `evaluation.by`; of the masks that guide, too.
///
/// # Errors
/// The user's, if cases have no such strata.
pub fn strata_of_images(
    scores: &[ImageScore],
    split: SplitName,
    dataset: &Dataset,
    guide: &[GuideRow],
    spec: &Spec,
) -> Result<Vec<Stratum>> {
    let cases = scores.iter().map(|score| (score.case.as_str(), None)).collect();
    let classes = dataset.labels.names();
    stratified(spec, dataset, split, &cases, |spec, kept| {
        let of_stratum = scores.iter().filter(|score| kept.contains(score.case.as_str()));
        let of_stratum: Vec<ImageScore> = of_stratum.cloned().collect();
        let guided = guide.iter().filter(|row| kept.contains(row.case.as_str()));
        let mut figures = rows::image_figures(&of_stratum, split, &classes, spec);
        figures.extend(rows::mask_dice(&guided.cloned().collect::<Vec<_>>(), split));
        figures
    })
}

/// The part of a case that is lesion, of what is labelled; `None` where none is.
fn lesion_percent(counts: Counts) -> Option<f64> {
    let lesion = counts.truth();
    (lesion > 0).then(|| 100.0 * lesion as f64 / counts.total() as f64)
}

/// The strata of the scored cases, with the figures that are computed of each.
fn stratified(
    spec: &Spec,
    dataset: &Dataset,
    split: SplitName,
    cases: &BTreeMap<&str, Option<f64>>,
    figures_of: impl Fn(&Spec, &BTreeSet<&str>) -> Vec<Figure>,
) -> Result<Vec<Stratum>> {
    let evaluation = &spec.evaluation;
    let names = headline(&dataset.labels, &dataset.image_classes, &evaluation.metrics);
    let mut of_headline = spec.clone();
    of_headline
        .evaluation
        .metrics
        .retain(|kind| names.iter().any(|name| name.split('.').next() == Some(kind.name())));
    let mut found = Vec::new();
    for by in &evaluation.by {
        let carried = spec.dataset.source.source().metadata();
        let strata = Strata::new(by, dataset, carried)?;
        let mut members = vec![BTreeSet::new(); strata.names.len() + 1];
        for (case, lesion_percent) in cases {
            members[strata.of(case, *lesion_percent)].insert(*case);
        }
        for (place, members) in members.iter().enumerate() {
            let value = strata.names.get(place).cloned();
            if value.is_none() && members.is_empty() {
                continue;
            }
            let mut figures = Vec::new();
            if !members.is_empty() {
                figures = figures_of(&of_headline, members);
                figures.retain(|figure| figure.name == MASK_DICE || names.contains(&figure.name));
                let order = |figure: &Figure| names.iter().position(|name| *name == figure.name);
                figures.sort_by_key(|figure| order(figure).unwrap_or(usize::MAX));
            }
            let column = by.column.clone();
            found.push(Stratum { split, column, value, cases: members.len() as u64, figures });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::data::{Labels, open};

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<FixtureCase>,
        cuts: BTreeMap<String, [f64; 2]>,
        images: Vec<Expected>,
        pixels: Vec<Expected>,
    }

    #[derive(Deserialize)]
    struct FixtureCase {
        case: String,
        device: Option<String>,
        age: Option<f64>,
        truth: usize,
        probability: f32,
        tp: u64,
        fp: u64,
        #[serde(rename = "fn")]
        fn_: u64,
        tn: u64,
    }

    #[derive(Deserialize)]
    struct Expected {
        column: String,
        value: Option<String>,
        cases: u64,
        figures: BTreeMap<String, Option<f64>>,
    }

    impl Fixture {
        fn read() -> Self {
            let text = std::fs::read_to_string(crate::testing::fixture("strata.json")).unwrap();
            serde_json::from_str(&text).unwrap()
        }

        /// As many phantoms with the names and columns of the cases.
        fn dataset(&self) -> Dataset {
            let text = format!("kind = 'phantom'\ncases = {}", self.cases.len());
            let mut dataset = open(&toml::from_str(&text).unwrap()).unwrap();
            for (case, of) in dataset.cases.iter_mut().zip(&self.cases) {
                case.id = of.case.clone();
                case.metadata = [
                    ("device".to_string(), of.device.clone()),
                    ("age".to_string(), of.age.map(|age| age.to_string())),
                ]
                .into();
            }
            dataset
        }

        fn spec(&self, columns: &[&str]) -> Spec {
            let by = columns.iter().map(|column| match self.cuts.get(*column) {
                Some(cuts) => format!("{{ column = '{column}', cuts = {cuts:?} }}"),
                None => format!("{{ column = '{column}' }}"),
            });
            let text = format!(
                "name = 'a'\n[dataset]\nkind = 'table'\nroot = '.'\ntable = 'a.csv'\nmetadata = ['device', 'age']\n\
                 [model]\nkind = 'unet'\n[evaluation]\nby = [{}]",
                by.collect::<Vec<_>>().join(", ")
            );
            toml::from_str(&text).unwrap()
        }
    }

    fn same(found: &[Stratum], expected: &[Expected]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let what = format!("{} {:?}", expected.column, expected.value);
            assert_eq!(
                (&found.column, &found.value, found.cases),
                (&expected.column, &expected.value, expected.cases)
            );
            assert_eq!(found.figures.len(), expected.figures.len(), "{what}");
            for figure in &found.figures {
                match expected.figures[&figure.name] {
                    None => assert!(figure.value.is_nan(), "{} of {what}", figure.name),
                    Some(value) => {
                        let (name, found) = (&figure.name, figure.value);
                        assert!((found - value).abs() < 1e-9, "{name} of {what}: {found}, {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn figures_of_strata_of_images_are_those_of_pandas_and_scikit_learn() {
        let fixture = Fixture::read();
        let mut dataset = fixture.dataset();
        let names = ["benign", "malignant"].map(String::from).to_vec();
        dataset.labels = Labels::Images { names };
        let score = |of: &FixtureCase| ImageScore {
            case: of.case.clone(),
            group: of.case.clone(),
            truth: of.truth,
            predicted: usize::from(of.probability >= 0.5),
            probabilities: vec![1.0 - of.probability, of.probability],
        };
        let scores: Vec<ImageScore> = fixture.cases.iter().map(score).collect();
        let mut spec = fixture.spec(&["device", "age"]);
        spec.evaluation.metrics = crate::spec::MetricKind::of_images();
        let found = strata_of_images(&scores, SplitName::Test, &dataset, &[], &spec).unwrap();
        same(&found, &fixture.images);
        assert_eq!(found[0].figures[0].name, "accuracy", "in the order of the headline");
        assert!(found[0].figures[0].interval.is_some() && found[0].figures[0].n == 19);
    }

    #[test]
    fn figures_of_strata_of_pixels_are_those_of_pandas_and_scikit_learn() {
        let fixture = Fixture::read();
        let score = |of: &FixtureCase| CaseScore {
            case: of.case.clone(),
            group: of.case.clone(),
            class: "lesion".into(),
            class_index: 1,
            counts: Counts { tp: of.tp, fp: of.fp, fn_: of.fn_, tn: of.tn },
            ..CaseScore::default()
        };
        let scores: Vec<CaseScore> = fixture.cases.iter().map(score).collect();
        let evaluation = Evaluation {
            split: SplitName::Test,
            original: scores.clone(),
            network: scores,
            images: Vec::new(),
            confusion: Confusion::new(2),
            reliability: Reliability::new(0),
            froc: None,
            pictured: Vec::new(),
        };
        let spec = fixture.spec(&["device", "age", "lesion-percent"]);
        let found = strata_of_pixels(&evaluation, &fixture.dataset(), &spec).unwrap();
        same(&found, &fixture.pixels);
        // What only some of the cases of a column are in keeps the strata of all.
        let few = Evaluation { original: evaluation.original[..1].to_vec(), ..evaluation };
        let found = strata_of_pixels(&few, &fixture.dataset(), &spec).unwrap();
        let of_age: Vec<(Option<&str>, u64)> = found
            .iter()
            .filter(|stratum| stratum.column == "age")
            .map(|stratum| (stratum.value.as_deref(), stratum.cases))
            .collect();
        assert_eq!(of_age, [(Some("< 40"), 0), (Some("40 to < 60.5"), 1), (Some(">= 60.5"), 0)]);
    }
}
