//! What figures mean, in words for the report.

use super::bootstrap::{CONFIDENCE, FEWEST_GROUPS, RESAMPLES};
use crate::spec::{EmptyRule, RefineSpec};

/// How the scores of cases become figures.
pub fn describe_reductions(classes: usize) -> &'static str {
    if classes > 1 {
        "mean: for each case the mean over the classes in its truth or prediction, then over cases; \
         lesion: mean over pairs of case and class whose truth has the class; pooled: from pixel \
         counts summed over all cases, then the mean over classes that occur; class: mean over cases \
         whose truth has the class. Accuracy is the part of labelled pixels called right."
    } else {
        "mean: over cases; lesion: over cases whose truth has a lesion; pooled: from pixel counts \
         summed over all cases."
    }
}

/// What metrics score where they would be 0 / 0.
pub fn describe_empty(empty: EmptyRule, classes: usize) -> String {
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
        " A class in neither truth nor prediction takes no part in a mean over classes."
    } else {
        ""
    };
    format!(
        "{rule}. Surface distances are undefined, and left out, where one of the two masks is \
         empty; AUC where the truth has one class only.{classes}"
    )
}

/// What was made of the probabilities of pixels; `None` where nothing was.
pub fn describe_refinement(refine: &RefineSpec) -> Option<String> {
    match refine {
        RefineSpec::None(_) => None,
        RefineSpec::Crf(spec) => {
            let updates = if spec.iterations == 1 { "update" } else { "updates" };
            Some(format!("refined by a conditional random field ({} {updates})", spec.iterations))
        }
    }
}

/// How classified images become figures.
pub fn describe_image_reductions() -> &'static str {
    "Each image counts once. accuracy: part called right; balanced accuracy: mean recall over the classes that \
     occur; class: the class against all others; macro: its mean over the classes that occur. AUC is that of the \
     ROC curve, average precision that of the precision-recall curve."
}

/// What figures of images are where a class is absent.
pub fn describe_absent() -> &'static str {
    "Precision, F1 and MCC are 0 where they would be 0 / 0; recall, AUC and average precision of a class without \
     images are undefined and left out of means (scikit-learn's rules)."
}

/// How intervals are computed.
pub fn describe_intervals() -> String {
    format!(
        "{:.0} % percentile interval over {RESAMPLES} bootstrap resamples of whole groups; none with \
         fewer than {FEWEST_GROUPS} groups. It covers the choice of cases, not that of seeds.",
        100.0 * CONFIDENCE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_follow_the_rule_and_the_number_of_classes() {
        assert!(
            describe_empty(EmptyRule::One, 1).starts_with("Where a metric would be 0 / 0 it is 1")
        );
        assert!(describe_empty(EmptyRule::Skip, 1).contains("case is left out"));
        assert!(!describe_empty(EmptyRule::One, 1).contains("mean over classes"));
        assert!(describe_empty(EmptyRule::One, 5).contains("mean over classes"));
        assert_ne!(describe_reductions(1), describe_reductions(2));
    }

    #[test]
    fn the_interval_is_described_with_its_numbers() {
        let words = describe_intervals();
        assert!(words.contains("95 %") && words.contains("2000") && words.contains("5 groups"));
    }
}
