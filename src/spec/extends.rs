//! `extends`: the files that a spec builds on, and the order in which they and it lie over one another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The files that a spec builds on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Extends {
    /// One file.
    One(String),
    /// Several, the lowest first.
    Several(Vec<String>),
}

/// The order of files, the lowest first, in which each lies over those that it extends, `bases`, and these in the order
/// that it names them; as near as can be to the order in which the files were found. `Err` has two files, each of which
/// would have to lie below the other.
pub(super) fn order(bases: &[Vec<usize>], found: &[usize]) -> Result<Vec<usize>, (usize, usize)> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); bases.len()];
    for (file, bases) in bases.iter().enumerate() {
        below[file].extend(bases);
        for pair in bases.windows(2) {
            below[pair[1]].push(pair[0]);
        }
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < found.len() {
        let free = |file: &&usize| {
            !order.contains(file) && below[**file].iter().all(|lower| order.contains(lower))
        };
        match found.iter().find(free) {
            Some(&next) => order.push(next),
            None => return Err(clash(bases, &order)),
        }
    }
    Ok(order)
}

/// Two files that one file names in an order in which they cannot lie.
fn clash(bases: &[Vec<usize>], placed: &[usize]) -> (usize, usize) {
    let waiting = |pair: &&[usize]| !placed.contains(&pair[0]) && !placed.contains(&pair[1]);
    let pairs = bases.iter().flat_map(|bases| bases.windows(2));
    // Every circle has such a pair: to extend is no circle, which the reader of the files has seen to.
    pairs
        .clone()
        .find(waiting)
        .or_else(|| pairs.clone().next())
        .map_or((0, 0), |pair| (pair[0], pair[1]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_lie_over_what_they_extend_and_over_what_is_named_before_them() {
        // 3 extends 1 and 2, which both extend 0.
        let diamond = [vec![], vec![0], vec![0], vec![1, 2]];
        assert_eq!(order(&diamond, &[0, 1, 2, 3]), Ok(vec![0, 1, 2, 3]));
        // 4 extends 1 and 3; 1 extends 0, and 3 extends 2 and 0, so that 2 must come before 0.
        let crossed = [vec![], vec![0], vec![], vec![2, 0], vec![1, 3]];
        assert_eq!(order(&crossed, &[0, 1, 2, 3, 4]), Ok(vec![2, 0, 1, 3, 4]));
        // 2 names 1, which extends 0, and then 0 over it.
        assert_eq!(order(&[vec![], vec![0], vec![1, 0]], &[0, 1, 2]), Err((1, 0)));
        assert_eq!(order(&[vec![], vec![0, 0]], &[0, 1]), Err((0, 0)));
    }

    proptest! {
        /// Files extend files of lower numbers, in any order.
        #[test]
        fn an_order_keeps_what_every_file_says(lists in prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..8))
        {
            let bases: Vec<Vec<usize>> = lists.iter().enumerate().map(|(file, list)| {
                let mut bases: Vec<usize> = Vec::new();
                for base in list.iter().filter(|_| file > 0).map(|index| index.index(file.max(1))) {
                    if !bases.contains(&base) {
                        bases.push(base);
                    }
                }
                bases
            }).collect();
            let found: Vec<usize> = (0..bases.len()).collect();
            if let Ok(order) = order(&bases, &found) {
                let place = |file: &usize| order.iter().position(|other| other == file);
                for (file, bases) in bases.iter().enumerate() {
                    prop_assert!(bases.iter().all(|base| place(base) < place(&file)));
                    prop_assert!(bases.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])));
                }
            }
        }
    }
}
