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
    let typed = typed.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| (likeness(&typed, candidate), candidate))
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
    (letters <= if typed.len() > 5 { 2 } else { 1 }).then_some(near)
}

/// From 0 (nothing alike) to 1 (equal).
fn likeness(typed: &str, candidate: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(typed, candidate);
    // A word cut short is meant as well, unless it is too short to tell.
    let cut = typed.len() >= 4 && candidate.starts_with(typed);
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
}
