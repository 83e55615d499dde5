//! Names that may have been meant.

/// Names that are shown of those that come near.
const SHOWN: usize = 5;

/// The names that are most like what was written, in any case, the likest first.
pub(crate) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let written = written.to_lowercase();
    let likeness = |name: &str| strsim::normalized_levenshtein(&written, &name.to_lowercase());
    let mut near: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_names_come_first_and_five_at_the_most() {
        let names = ["zzzz", "Images/a.png", "image/a.png", "b", "c", "d", "masks/a.png"];
        let near = nearest("images/a.png", names.into_iter());
        assert_eq!(near[..3], ["Images/a.png", "image/a.png", "masks/a.png"]);
        assert_eq!(near.len(), 5);
    }
}
