//! A data set as a task sees it.

use super::dataset::Dataset;
use super::open::open_with;
use crate::error::{Error, Result};
use crate::source::Labels;
use crate::source::Masks;
use crate::source::case::MaskSource;
use crate::spec::{Spec, TaskSpec};

/// Opens the data set of a spec, with the labels that its task asks for.
///
/// # Errors
/// As [`open_with`] and [`for_task`].
pub fn open_for(spec: &Spec) -> Result<Dataset> {
    for_task(open_with(&spec.dataset, masks_of(&spec.task))?, &spec.task)
}

/// Whether a task reads masks. Those that guide a classifier are read by the segmentation that makes them.
pub fn masks_of(task: &TaskSpec) -> Masks {
    match task {
        TaskSpec::Segment(_) | TaskSpec::MultiTask(_) => Masks::Read,
        TaskSpec::Classify(_) => Masks::Ignored,
    }
}

/// Opens data for a trained network that predicts these classes of images, of which the data may lack some; their folders
/// may be absent.
///
/// # Errors
/// As [`open_with`], and the user's if an image is of another class.
pub fn open_with_classes(spec: &Spec, classes: &[String]) -> Result<Dataset> {
    let mut wanted = spec.dataset.clone();
    wanted.source.source_mut().keep_present();
    let mut dataset = open_with(&wanted, masks_of(&spec.task))?;
    if classes.is_empty() {
        return Ok(dataset);
    }
    if let Some(other) = dataset.cases.iter().find(|case| !classes.contains(&case.label)) {
        return Err(Error::user(format!(
            "the run distinguishes {}, and `{}` is of class `{}`",
            classes.join(", "),
            other.id,
            other.label
        )));
    }
    match spec.task {
        TaskSpec::Segment(_) => {}
        TaskSpec::Classify(_) => label_images(&mut dataset, classes.to_vec()),
        TaskSpec::MultiTask(_) => dataset.image_classes = classes.to_vec(),
    }
    Ok(dataset)
}

/// A data set with the labels that a task asks for.
///
/// # Errors
/// The user's, if images have no class of their own.
pub fn for_task(mut dataset: Dataset, task: &TaskSpec) -> Result<Dataset> {
    match task {
        TaskSpec::Segment(_) => Ok(dataset),
        TaskSpec::Classify(_) => {
            let classes = classes(&dataset, "classify")?;
            label_images(&mut dataset, classes);
            Ok(dataset)
        }
        TaskSpec::MultiTask(_) => {
            let image_classes = classes(&dataset, "multi-task")?;
            Ok(Dataset { image_classes, ..dataset })
        }
    }
}

/// Gives each image one of these classes, and its pixels none.
fn label_images(dataset: &mut Dataset, names: Vec<String>) {
    dataset.labels = Labels::Images { names };
    dataset.label_pixels.clear();
    dataset.cases.iter_mut().for_each(|case| case.mask = MaskSource::Unlabelled);
}

/// The classes of images, from normal to malignant.
fn classes(dataset: &Dataset, task: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for case in &dataset.cases {
        if case.label.is_empty() {
            return Err(Error::user(format!(
                "`{task}` needs images with a class of their own, and `{}` has none; \
                 BUSI has benign, malignant and normal ones, `folder` takes it from `{{class}}` of `dataset.images`, \
                 `table` from the column that `dataset.class` names",
                case.id
            )));
        }
        if !names.contains(&case.label) {
            names.push(case.label.clone());
        }
    }
    if names.len() < 2 {
        return Err(Error::user(format!(
            "`{task}` needs images of at least two classes, and all are {}",
            names.first().map_or("absent", String::as_str)
        )));
    }
    names.sort_by_key(|name| (severity(name), name.clone()));
    Ok(names)
}

/// Where a diagnosis stands among the others.
fn severity(name: &str) -> u8 {
    match name {
        "normal" => 0,
        "benign" => 1,
        "malignant" => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sample::{save_image, save_mask};
    use crate::spec::ClassifySpec;

    fn spec(dataset: &str) -> Spec {
        let text = format!("name = 'x'\n[dataset]\n{dataset}\n[model]\nkind = 'resnet18'");
        let mut spec: Spec = toml::from_str(&text).unwrap();
        spec.task = TaskSpec::Classify(ClassifySpec::default());
        spec
    }

    #[test]
    fn classes_are_those_of_the_images_from_normal_to_malignant() {
        let dataset = open_for(&spec("kind = 'phantom'\ncases = 30")).unwrap();
        let names = ["normal", "benign", "malignant"].map(String::from).to_vec();
        assert_eq!(dataset.labels, Labels::Images { names });
        for (index, case) in dataset.cases.iter().enumerate() {
            let class = dataset.class_of(index).unwrap();
            assert_eq!(dataset.labels.names()[usize::from(class)], case.label);
        }
    }

    #[test]
    fn data_may_lack_classes_that_a_trained_network_tells_but_have_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for stem in ["a", "b"] {
            save_image(&folder.path().join(format!("malignant/{stem}.png")), 9, 5);
            let mask = folder.path().join(format!("malignant/{stem}_mask.png"));
            save_mask(&mask, 9, 5, |x| 255 * u8::from(x < 3));
        }
        let spec = spec(&format!("kind = 'busi'\nroot = '{}'", folder.path().display()));
        let classes = ["normal", "benign", "malignant"].map(String::from);
        let dataset = open_with_classes(&spec, &classes).unwrap();
        assert_eq!(dataset.labels, Labels::Images { names: classes.to_vec() });
        assert_eq!((dataset.cases.len(), dataset.class_of(0)), (2, Some(2)));
        let error = open_with_classes(&spec, &classes[..2]).unwrap_err().to_string();
        assert!(error.contains("`malignant/a` is of class `malignant`"), "{error}");
    }

    #[test]
    fn images_without_a_class_of_their_own_cannot_be_classified() {
        let error = open_for(&spec("kind = 'phantom'\nmodality = 'histology'")).unwrap_err();
        assert!(error.to_string().contains("needs images with a class of their own"), "{error}");
    }
}
