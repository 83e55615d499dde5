//! A forward pass that is run a second time must drop the same numbers and leave running statistics
//! alone. Passes do not nest: one inside another belongs to the outer one.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::scoped::scoped;

thread_local! {
    static PASS: RefCell<Pass> = const { RefCell::new(Pass::Only) };
}

/// What the forward pass on this thread is.
enum Pass {
    /// The only one.
    Only,
    /// The first of two: keys of dropout are noted.
    First(Vec<u64>),
    /// The second: keys come from the first.
    Second(VecDeque<u64>),
}

/// Runs a forward pass that will be run again; gives the keys of its dropouts too.
pub(crate) fn first<T>(run: impl FnOnce() -> T) -> (T, Vec<u64>) {
    let (output, pass) = scoped(&PASS, Pass::First(Vec::new()), run);
    let Pass::First(keys) = pass else { unreachable!("passes end as what they began") };
    (output, keys)
}

/// Runs it again, with the keys of the first time.
pub(crate) fn again<T>(keys: &[u64], run: impl FnOnce() -> T) -> T {
    scoped(&PASS, Pass::Second(keys.iter().copied().collect()), run).0
}

/// Whether this thread runs a forward pass for the second time.
pub(crate) fn is_again() -> bool {
    PASS.with_borrow(|pass| matches!(pass, Pass::Second(_)))
}

/// The key of the next dropout.
pub(crate) fn key(draw: impl FnOnce() -> u64) -> u64 {
    PASS.with_borrow_mut(|pass| match pass {
        Pass::Only => draw(),
        Pass::First(keys) => {
            let key = draw();
            keys.push(key);
            key
        }
        Pass::Second(keys) => keys.pop_front().expect("a pass drops as often as its first time"),
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_pass_that_panics_leaves_nothing_behind() {
        assert!(catch_unwind(|| again(&[7], || panic!("on purpose"))).is_err());
        assert!(!is_again());
        assert!(catch_unwind(|| first(|| panic!("on purpose"))).is_err());
        assert_eq!(key(|| 5), 5);
        // In a second pass the key would be that of the first.
        assert_eq!(again(&[9], || key(|| 5)), 9);
    }
}
