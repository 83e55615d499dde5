//! What figures mean, in words for the report.

use super::bootstrap::{CONFIDENCE, FEWEST_GROUPS, RESAMPLES};
use super::views;
use crate::loss::{LossSpec, Scope};
use crate::spec::{EmptyRule, MissedDistance, RefineSpec, Settled};

/// How the scores of cases become figures.
pub fn describe_reductions(classes: usize) -> &'static str {
    if classes > 1 {
        "mean: for each case the mean over the classes in its truth or prediction, then over cases; \
         lesion: mean over pairs of case and class whose truth has the class; pooled: from pixel \
         counts summed over all cases, then the mean over classes that occur; class: mean over cases \
         whose truth has the class. Accuracy is the share of labelled pixels predicted correctly."
    } else {
        "mean: over cases; lesion: over cases whose truth has a lesion; pooled: from pixel counts \
         summed over all cases."
    }
}

/// What metrics score where they would be 0 / 0.
pub fn describe_empty(empty: EmptyRule, missed: MissedDistance, classes: usize) -> String {
    let rule = match empty {
        EmptyRule::One => {
            "Where a metric would be 0 / 0 it is 1 if prediction and truth are the same (nothing to \
             find and nothing found) and 0 otherwise; surface distances are 0 in the first case"
        }
        EmptyRule::Skip => {
            "Where a metric would be 0 / 0 (such as Dice with nothing to find and nothing found) the \
             case is left out, and counted as left out"
        }
    };
    let classes = if classes > 1 {
        " A class in neither truth nor prediction takes no part in a mean over classes; of those that do, what is \
         left out is counted by case and class."
    } else {
        ""
    };
    let distances = match missed {
        MissedDistance::LeftOut => {
            "Surface distances are undefined, and left out, where one of the two masks is empty"
        }
        MissedDistance::Diagonal => {
            "Where one of the two masks is empty, HD95 and ASSD are the diagonal of the image, and figures say of how many \
             cases"
        }
    };
    format!(
        "{rule}. {distances}. AUC is undefined, and left out, where the truth has one class only.{classes}"
    )
}

/// What was made of the probabilities of pixels, and of masks; `None` where nothing was.
pub fn describe_steps(settled: &Settled) -> Option<String> {
    let mut said = Vec::new();
    let views = views::count(&settled.test_time);
    if views > 1 {
        said.push(format!("averaged over {views} views of the image"));
    }
    if let RefineSpec::Crf(spec) = &settled.refine {
        let updates = if spec.iterations == 1 { "update" } else { "updates" };
        said.push(format!("refined by a conditional random field ({} {updates})", spec.iterations));
    }
    if settled.temperature != 1.0 {
        said.push(format!("calibrated at temperature {:.3}", settled.temperature));
    }
    let steps: Vec<&str> = settled.post_process.iter().map(|step| step.name()).collect();
    if !steps.is_empty() {
        said.push(format!("masks of them are changed by {}", steps.join(", ")));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// How classified images become figures.
pub fn describe_image_reductions() -> &'static str {
    "Each image counts once. accuracy: share predicted correctly; balanced accuracy: mean recall over the classes that \
     have images; class: the class against all others, n its images (of specificity, the others'); macro: its mean \
     over classes. AUC is that of the ROC curve, average precision that of the precision-recall curve."
}

/// What figures of images are where a class is absent.
pub fn describe_absent() -> &'static str {
    "Precision, F1 and MCC are 0 where they would be 0 / 0; recall, specificity, AUC and average precision of a class \
     are undefined without images of it, or of others. Mean precision, recall and F1 are scikit-learn's with \
     average=\"macro\" and zero_division=0: over the classes in truth or prediction, 0 where they would be 0 / 0. Means \
     of specificity, AUC and average precision are over the classes that have images and others."
}

/// What the loss of a split is taken over, in the curves and where it decides.
pub fn describe_loss(loss: &LossSpec, of_images: bool) -> String {
    if of_images {
        return "Of a split: over all its images, in cross-entropy by the weights of their classes.".into();
    }
    let said: Vec<&str> = loss.scopes().into_iter().map(Scope::words).collect();
    format!("Of a split, whatever the batch size: {}.", said.join("; "))
}

/// How intervals are computed.
pub fn describe_intervals() -> String {
    format!(
        "{:.0} % interval over {RESAMPLES} resamples of whole groups (Bayesian bootstrap), each with one group more for which \
         the figure is lowest, or highest (Gaffke 2005): what few groups do not show is allowed for, and the interval of a \
         share is that of Clopper and Pearson. None with fewer than {FEWEST_GROUPS} groups, of classes of images of each \
         class. It covers the choice of cases, not that of seeds.",
        100.0 * CONFIDENCE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_follow_the_rule_and_the_number_of_classes() {
        let said = |empty, classes| describe_empty(empty, MissedDistance::LeftOut, classes);
        assert!(said(EmptyRule::One, 1).starts_with("Where a metric would be 0 / 0 it is 1"));
        assert!(said(EmptyRule::Skip, 1).contains("case is left out"));
        assert!(!said(EmptyRule::One, 1).contains("mean over classes"));
        assert!(said(EmptyRule::One, 5).contains("mean over classes"));
        assert!(said(EmptyRule::One, 1).contains("Surface distances are undefined"));
        let diagonal = describe_empty(EmptyRule::One, MissedDistance::Diagonal, 1);
        assert!(
            diagonal.contains("are the diagonal") && !diagonal.contains("distances are undefined")
        );
        assert_ne!(describe_reductions(1), describe_reductions(2));
    }

    #[test]
    fn the_loss_of_a_split_is_said_by_what_it_is_made_of() {
        let said = |toml: &str| describe_loss(&toml::from_str(toml).unwrap(), false);
        let of_pixels = said("kind = 'bce'");
        assert!(
            of_pixels.contains("labelled pixels") && !of_pixels.contains("overlap"),
            "{of_pixels}"
        );
        let both = said("kind = 'sum'\nterms = [{ kind = 'bce' }, { kind = 'dice' }]");
        assert!(both.contains("a loss of pixels") && both.contains("pixels together"), "{both}");
        assert!(said("kind = 'dice'\npool = 'image'").contains("over its images"));
        assert!(said("kind = 'lovasz'").contains("in training over batches"));
    }

    #[test]
    fn the_interval_is_described_with_its_numbers() {
        let words = describe_intervals();
        assert!(words.contains("95 %") && words.contains("2000") && words.contains("5 groups"));
    }
}
