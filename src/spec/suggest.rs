//! "Did you mean".

/// The candidate nearest to what was typed, if one is near enough to be meant.
pub(super) fn closest<'c>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // A very long word is no misspelling, and distances take time by its length.
    if typed.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (likeness(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, candidate)| candidate)
}

/// The candidate that was all but typed: a letter or two away.
pub(super) fn slip<'c>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let near = closest(typed, candidates)?;
    let letters = strsim::damerau_levenshtein(&typed.to_lowercase().replace('_', "-"), near);
    let few = letters <= if typed.len() > 5 { 2 } else { 1 };
    (few || spelt_as(typed, near)).then_some(near)
}

/// Whether two words differ in case and punctuation alone: `UNet++` and `unet-plus-plus`, `cross entropy` and
/// `cross-entropy`.
fn spelt_as(typed: &str, candidate: &str) -> bool {
    let (typed, candidate) = (letters(typed), letters(candidate));
    let plus = typed.strip_suffix("pp").map(|word| format!("{word}plusplus"));
    !typed.is_empty() && (typed == candidate || plus.is_some_and(|plus| plus == candidate))
}

/// The letters and digits of a word, in lower case, `+` as `plus`.
fn letters(word: &str) -> String {
    word.replace('+', "plus")
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// From 0 (nothing alike) to 1 (equal but for case and punctuation).
fn likeness(typed: &str, candidate: &str) -> f64 {
    if spelt_as(typed, candidate) {
        return 1.0;
    }
    let typed = typed.to_lowercase().replace(['_', ' '], "-");
    let whole = strsim::normalized_damerau_levenshtein(&typed, candidate);
    // A word cut short is meant as well, unless it is too short to tell.
    let cut = typed.len() >= 4 && candidate.starts_with(&typed);
    if cut { whole.max(0.8) } else { whole }
}

/// `` `a`, `b` `` for a list of words.
pub(super) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let keys = ["epochs", "batch-size", "learning-rate-schedule", "optimizer"];
        assert_eq!(closest("epoch", keys), Some("epochs"));
        assert_eq!(closest("batch_size", keys), Some("batch-size"));
        assert_eq!(closest("optimiser", keys), Some("optimizer"));
        assert_eq!(closest("Epochs", keys), Some("epochs"));
        assert_eq!(closest("learning-rate", keys), Some("learning-rate-schedule"));
        assert_eq!(closest("momentum", keys), None);
        assert_eq!(slip("epoch", keys), Some("epochs"));
        assert_eq!(slip("learning-rate", keys), None);
        assert_eq!(closest(&"epochs".repeat(1000), keys), None);
    }

    #[test]
    fn case_and_punctuation_are_no_misspelling() {
        let words = [
            "unet",
            "attention-unet",
            "unet-plus-plus",
            "efficientnet-b0",
            "cross-entropy",
            "adam",
            "adamw",
            "resnet18",
            "best-on-valid",
            "learning-rate",
            "hd95",
        ];
        for (typed, meant) in [
            ("unet++", "unet-plus-plus"),
            ("UNet++", "unet-plus-plus"),
            ("unetpp", "unet-plus-plus"),
            ("UNet", "unet"),
            ("U-Net", "unet"),
            ("attention_unet", "attention-unet"),
            ("AttentionUNet", "attention-unet"),
            ("cross entropy", "cross-entropy"),
            ("CrossEntropy", "cross-entropy"),
            ("adam-w", "adamw"),
            ("efficientnet b0", "efficientnet-b0"),
            ("ResNet-18", "resnet18"),
            ("best_on_valid", "best-on-valid"),
            ("learningRate", "learning-rate"),
            ("HD 95", "hd95"),
        ] {
            assert_eq!(closest(typed, words), Some(meant), "{typed}");
            assert_eq!(slip(typed, words), Some(meant), "{typed}");
        }
        assert_eq!(closest("++", words), None);
    }
}
