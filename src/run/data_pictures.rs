//! Pictures of the data: a training case of each class, one as eight epochs see it, and near-duplicates.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use image::{GrayImage, RgbImage};

use super::pictures::Album;
use crate::data::{Cache, IGNORE, Loader, Order, decode, decode_pixels};
use crate::error::{Error, Result};
use crate::evaluate::differences::truth_map;
use crate::evaluate::{jpeg, shown};
use crate::loss::Outputs;
use crate::plan::Plan;
use crate::record::{DataPicture, DataPictureKind, RunDir};
use crate::spec::AugmentSpec;

/// Epochs whose view of a case is shown.
const EPOCHS: u32 = 8;

/// Most samples. As many cases, at even distances, are looked through for classes of pixels, since each must be decoded.
const SAMPLES: usize = 24;

/// Most clusters of near-duplicates, and most cases of each.
const CLUSTERS: usize = 8;
const OF_A_CLUSTER: usize = 4;

/// Memory for the case that is seen several times, so that it is decoded once.
const CACHE_BYTES: usize = 64 << 20;

/// Draws them.
///
/// # Errors
/// If a case cannot be decoded or a picture not written.
pub(super) fn write(plan: &Plan, run: &RunDir) -> Result<()> {
    let mut pictures = samples(plan, run)?;
    if let Some(case) = pictures.iter().find(|picture| picture.truth.is_some()).or(pictures.first())
    {
        let name = case.case.clone();
        let index = plan.split.train.iter().find(|&&at| plan.dataset.cases[at].id == name);
        if let Some(&index) = index {
            views(plan, run, index, &mut pictures)?;
        }
    }
    near_duplicates(plan, run, &mut pictures)?;
    run.write(&pictures)
}

/// The first training case of each label and each class of pixels.
fn samples(plan: &Plan, run: &RunDir) -> Result<Vec<DataPicture>> {
    let several = matches!(plan.decisions.outputs(), Outputs::Classes(_));
    let classes = plan.decisions.labels.names();
    let mut seen: Vec<String> = Vec::new();
    let mut pictures = Vec::new();
    let train = &plan.split.train;
    let step = if several { train.len().div_ceil(SAMPLES).max(1) } else { 1 };
    for &index in train.iter().step_by(step) {
        if pictures.len() == SAMPLES || (several && seen.len() >= classes.len()) {
            break;
        }
        let case = &plan.dataset.cases[index];
        let known = |name: &String| seen.contains(name);
        if !several && known(&case.label) {
            continue;
        }
        let decoded = decode(&plan.dataset, case)?;
        let new: Vec<String> = match (several, &decoded.labels) {
            (true, Some(labels)) => {
                let there = labels_in(labels).into_iter();
                let names = there.filter_map(|label| classes.get(usize::from(label)).cloned());
                names.filter(|name| !known(name)).collect()
            }
            _ => vec![case.label.clone()],
        };
        if new.is_empty() {
            continue;
        }
        let one = Shown {
            of: DataPicture {
                kind: DataPictureKind::Sample,
                case: case.id.clone(),
                label: new.join(", "),
                ..DataPicture::default()
            },
            image: shown(&decoded.image),
            truth: decoded.labels.clone(),
            several,
        };
        pictures.push(picture(run, pictures.len(), one)?);
        seen.extend(new);
    }
    Ok(pictures)
}

fn labels_in(labels: &GrayImage) -> Vec<u8> {
    let mut there: Vec<u8> = labels.as_raw().clone();
    there.sort_unstable();
    there.dedup();
    there.retain(|label| *label != IGNORE);
    there
}

/// A case without augmentation and as the first epochs of training see it, in one scale of gray.
fn views(plan: &Plan, run: &RunDir, index: usize, pictures: &mut Vec<DataPicture>) -> Result<()> {
    let decisions = &plan.decisions;
    let cache = Arc::new(Cache::new(CACHE_BYTES));
    let loader = |augment: Option<AugmentSpec>| {
        let preprocess = decisions.preprocess();
        Loader::new(
            Arc::clone(&plan.dataset),
            vec![index],
            preprocess,
            augment,
            1,
            1,
            Arc::clone(&cache),
        )
    };
    let see = |loader: &Loader, order: Order| {
        let batch = loader.epoch(order).next();
        batch.unwrap_or_else(|| Err(Error::failed("a case makes no batch")))
    };
    let augmented = loader(Some(decisions.spec.augment.clone()));
    let mut batches = vec![see(&loader(None).windows(), Order::Sequential)?];
    for epoch in 1..=EPOCHS.min(decisions.spec.schedule.epochs) {
        batches.push(see(&augmented, Order::Shuffled { seed: decisions.seed, epoch })?);
    }
    let [height, width] = batches[0].sides;
    // Numbers beside the three colours, such as a guiding mask, are no picture.
    let colours = if batches[0].channels >= 3 { 3 } else { 1 };
    let values = |images: &[f32]| images[..colours * height * width].to_vec();
    let all = || batches.iter().flat_map(|batch| values(&batch.images));
    let (low, high) = all().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let byte = |value: f32| ((value - low) / (high - low).max(f32::EPSILON) * 255.0).round() as u8;
    let case = &plan.dataset.cases[index];
    let several = matches!(decisions.outputs(), Outputs::Classes(_));
    for (epoch, batch) in (0..).zip(&batches) {
        let pixels = values(&batch.images);
        let image = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let at = y as usize * width + x as usize;
            let plane = |colour: usize| byte(pixels[(colour % colours) * height * width + at]);
            image::Rgb([plane(0), plane(1), plane(2)])
        });
        let truth = match batch.label_sides == batch.sides {
            true => GrayImage::from_raw(width as u32, height as u32, batch.labels.clone()),
            false => None,
        };
        let one = Shown {
            of: DataPicture {
                kind: if epoch == 0 { DataPictureKind::Plain } else { DataPictureKind::Augmented },
                case: case.id.clone(),
                label: case.label.clone(),
                epoch,
                ..DataPicture::default()
            },
            image: shown(&image),
            truth,
            several,
        };
        pictures.push(picture(run, pictures.len(), one)?);
    }
    Ok(())
}

/// Clusters of near-duplicates: those that cross splits first, then those of several labels, then the largest.
fn near_duplicates(plan: &Plan, run: &RunDir, pictures: &mut Vec<DataPicture>) -> Result<()> {
    let cases = &plan.dataset.cases;
    let splits = |cluster: &[usize]| -> BTreeSet<_> {
        cluster.iter().filter_map(|&case| plan.split.part_of(case)).collect()
    };
    let labels = |cluster: &[usize]| -> BTreeSet<_> {
        cluster.iter().map(|&case| &cases[case].label).collect()
    };
    let mut clusters: Vec<&Vec<usize>> = plan.near_duplicates.iter().collect();
    clusters.sort_by_cached_key(|&cluster| {
        (splits(cluster).len() < 2, labels(cluster).len() < 2, Reverse(cluster.len()))
    });
    for (number, cluster) in (1..).zip(clusters.into_iter().take(CLUSTERS)) {
        for case in told_apart(cluster, |case| (plan.split.part_of(case), &cases[case].label)) {
            let one = Shown {
                of: DataPicture {
                    kind: DataPictureKind::NearDuplicate,
                    case: cases[case].id.clone(),
                    label: cases[case].label.clone(),
                    cluster: Some(number),
                    split: plan.split.part_of(case),
                    ..DataPicture::default()
                },
                image: shown(&decode_pixels(&plan.dataset, &cases[case])?),
                truth: None,
                several: false,
            };
            pictures.push(picture(run, pictures.len(), one)?);
        }
    }
    Ok(())
}

/// The cases of a cluster that are shown: first one of each kind, then others.
fn told_apart<K: Ord>(cluster: &[usize], kind: impl Fn(usize) -> K) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let (first, others): (Vec<usize>, Vec<usize>) =
        cluster.iter().partition(|&&case| seen.insert(kind(case)));
    first.into_iter().chain(others).take(OF_A_CLUSTER).collect()
}

/// What becomes a picture.
struct Shown {
    /// What is said of it; its files are still to be written.
    of: DataPicture,
    image: RgbImage,
    truth: Option<GrayImage>,
    several: bool,
}

/// Draws it as the picture of a number.
fn picture(
    run: &RunDir,
    number: usize,
    Shown { of, image, truth, several }: Shown,
) -> Result<DataPicture> {
    let album = Album { run, prefix: format!("data-{number:03}"), of: of.case.clone() };
    let truth = truth.map(|truth| truth_map(&truth, several)).transpose()?;
    Ok(DataPicture {
        image: album.save("image.jpg", "image", jpeg(&image)?)?,
        truth: album.save("truth.png", "true mask", truth)?,
        ..of
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_cluster_one_case_of_each_split_and_label_is_shown_before_others() {
        let kinds = ["train", "train", "train", "train", "train", "test", "train", "valid"];
        let cluster = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(told_apart(&cluster, |case| kinds[case]), [0, 5, 7, 1]);
        assert_eq!(told_apart(&[3, 1], |case| kinds[case]), [3, 1]);
    }
}
