//! `oncospec data dedup`.

use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use serde::Serialize;

use super::{Output, OverwriteArgs, pretty, print};
use crate::data::{
    BORDERLINE, Case, Dataset, DuplicatePair, Duplicates, SAME, decode_pixels, find_duplicates,
    open_root,
};
use crate::error::Result;
use crate::evaluate::{jpeg, shown};
use crate::outputs::OutputFile;
use crate::report::{
    ContactSheet, SheetBorderline, SheetCluster, SheetPair, SheetPicture, contact_sheet, jpeg_uri,
};

/// Arguments of `data dedup`.
#[derive(Debug, Args)]
pub(super) struct DedupArgs {
    /// Folder of the data set.
    root: PathBuf,
    /// HTML file for a contact sheet: clusters and borderline pairs, side by side.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed<'a> {
    images: usize,
    clusters: Vec<ListedCluster<'a>>,
    borderline: Vec<ListedPair<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ListedCluster<'a> {
    images: Vec<&'a str>,
    conflicting_labels: bool,
    pairs: Vec<ListedPair<'a>>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ListedPair<'a> {
    first: &'a str,
    second: &'a str,
    correlation: f32,
    transform: String,
    #[serde(skip)]
    pair: DuplicatePair,
}

/// Lists near-duplicates, and draws them.
pub(super) fn execute(args: &DedupArgs, output: Output) -> Result<u8> {
    let out = args
        .out
        .as_deref()
        .map(|out| OutputFile::new(out, "a contact sheet", args.overwrite.overwrite))
        .transpose()?;
    let dataset = open_root(&args.root)?;
    let duplicates = find_duplicates(&dataset)?;
    let listed = listed(&dataset, &duplicates);
    if let Some(out) = out {
        let sheet = sheet(&args.root, &dataset, &duplicates, &listed)?;
        let written = out.write(contact_sheet(&sheet)?.as_bytes())?;
        output.say(format!("contact sheet {}", written.display()));
    }
    print(&if output.json { pretty(&listed)? } else { text(&listed) })
}

fn listed<'a>(dataset: &'a Dataset, duplicates: &Duplicates) -> Listed<'a> {
    let id = |case: usize| dataset.cases[case].id.as_str();
    let pair = |pair: &DuplicatePair| ListedPair {
        first: id(pair.first),
        second: id(pair.second),
        correlation: pair.correlation,
        transform: pair.transform(),
        pair: *pair,
    };
    let conflicting = duplicates.conflicting(dataset);
    let found = &duplicates.found;
    let cluster = |cases: Vec<usize>| ListedCluster {
        images: cases.iter().map(|&case| id(case)).collect(),
        conflicting_labels: conflicting.contains(&cases),
        pairs: found
            .pairs
            .iter()
            .filter(|pair| found.clusters[pair.first] == cases[0])
            .map(pair)
            .collect(),
    };
    Listed {
        images: dataset.cases.len(),
        clusters: duplicates.clusters().into_iter().map(cluster).collect(),
        borderline: found.borderline.iter().map(pair).collect(),
    }
}

fn text(listed: &Listed) -> String {
    let mut lines = Vec::new();
    let line = |pair: &ListedPair| {
        let ListedPair { first, second, correlation, transform, .. } = pair;
        format!("  {correlation:.3}  {first}  {second}  {transform}")
    };
    for cluster in &listed.clusters {
        let labels = if cluster.conflicting_labels { ", under several labels" } else { "" };
        lines.push(format!(
            "{} images{labels}: {}",
            cluster.images.len(),
            cluster.images.join(", ")
        ));
        lines.extend(cluster.pairs.iter().map(line));
    }
    if !listed.borderline.is_empty() {
        lines.push(format!(
            "{} borderline pairs, which count as two images each",
            listed.borderline.len()
        ));
        lines.extend(listed.borderline.iter().map(line));
    }
    let images: usize = listed.clusters.iter().map(|cluster| cluster.images.len()).sum();
    let conflicting = listed.clusters.iter().filter(|cluster| cluster.conflicting_labels).count();
    lines.push(format!(
        "{} images: {images} in {} clusters of near-duplicates, {conflicting} of them under several labels",
        listed.images,
        listed.clusters.len()
    ));
    lines.join("\n")
}

fn sheet(
    root: &Path,
    dataset: &Dataset,
    duplicates: &Duplicates,
    listed: &Listed,
) -> Result<ContactSheet> {
    let pair = |pair: &ListedPair| SheetPair {
        first: pair.first.into(),
        second: pair.second.into(),
        correlation: f64::from(pair.correlation),
        transform: pair.transform.clone(),
    };
    let of_clusters = duplicates.clusters();
    let clusters = of_clusters.par_iter().zip(&listed.clusters).map(|(cases, listed)| {
        Ok(SheetCluster {
            pictures: pictures(dataset, cases)?,
            pairs: listed.pairs.iter().map(pair).collect(),
            conflicting: listed.conflicting_labels,
        })
    });
    let borderline = listed.borderline.par_iter().map(|one| {
        let cases = [one.pair.first, one.pair.second];
        Ok(SheetBorderline { pictures: pictures(dataset, &cases)?, pair: pair(one) })
    });
    Ok(ContactSheet {
        title: format!("Near-duplicates in {}", root.display()),
        images: listed.images,
        in_clusters: of_clusters.iter().map(Vec::len).sum(),
        same: f64::from(SAME),
        from: f64::from(BORDERLINE),
        clusters: clusters.collect::<Result<_>>()?,
        borderline: borderline.collect::<Result<_>>()?,
    })
}

fn pictures(dataset: &Dataset, cases: &[usize]) -> Result<Vec<SheetPicture>> {
    let picture = |&case: &usize| {
        let case: &Case = &dataset.cases[case];
        let image = shown(&decode_pixels(dataset, case)?);
        Ok(SheetPicture {
            name: case.id.clone(),
            label: case.label.clone(),
            uri: jpeg_uri(&jpeg(&image)?),
        })
    };
    cases.iter().map(picture).collect()
}
