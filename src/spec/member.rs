//! The runs of one spec that differ in keys: the folds of its division, the trials of its sweep.

use toml::Value;

use super::{Loaded, SplitSpec};

/// The keys of one of the runs that a spec declares, over all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Which one, such as `fold 2`.
    pub name: String,
    /// The keys, dotted, with their values.
    pub keys: Vec<(String, Value)>,
}

/// Every fold of every division that a spec declares, or the fold that it names of each of several divisions; none where
/// it declares one division and names its fold, or divides otherwise.
///
/// ```
/// use std::path::Path;
///
/// let sets = ["dataset.split={ kind = \"kfold\", folds = 3, repeats = 2 }".to_owned()];
/// let loaded = oncospec::spec::load(Path::new("experiments/demo.toml"), &sets, std::iter::empty())?;
/// let folds = oncospec::spec::folds(&loaded);
/// let names: Vec<&str> = folds.iter().map(|fold| fold.name.as_str()).collect();
/// assert_eq!(names[..4], ["fold 0", "fold 1", "fold 2", "fold 0 of repeat 1"]);
/// # Ok::<(), oncospec::spec::Problems>(())
/// ```
pub fn folds(loaded: &Loaded) -> Vec<Member> {
    let SplitSpec::Kfold(kfold) = &loaded.spec.dataset.split else { return Vec::new() };
    let folds = match kfold.fold {
        Some(_) if kfold.repeats == 1 => return Vec::new(),
        Some(fold) => fold..fold + 1,
        None => 0..kfold.folds,
    };
    let of_repeat = |repeat: u32| {
        folds.clone().map(move |fold| {
            let mut keys = vec![("dataset.split.fold".to_string(), Value::from(fold))];
            if repeat > 0 {
                let seed = kfold.seed.wrapping_add(repeat);
                keys.push(("dataset.split.seed".into(), Value::from(seed)));
            }
            let of = if repeat > 0 { format!(" of repeat {repeat}") } else { String::new() };
            Member { name: format!("fold {fold}{of}"), keys }
        })
    };
    (0..kfold.repeats).flat_map(of_repeat).collect()
}
