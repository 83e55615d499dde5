//! A forward pass that is run a second time must drop the same numbers and leave running statistics
//! alone.

use std::cell::RefCell;
use std::collections::VecDeque;

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
pub fn first<T>(run: impl FnOnce() -> T) -> (T, Vec<u64>) {
    let (output, pass) = during(Pass::First(Vec::new()), run);
    let Pass::First(keys) = pass else { unreachable!("passes end as what they began") };
    (output, keys)
}

/// Runs it again, with the keys of the first time.
pub fn again<T>(keys: &[u64], run: impl FnOnce() -> T) -> T {
    during(Pass::Second(keys.iter().copied().collect()), run).0
}

/// Passes do not nest: one inside another belongs to the outer one.
fn during<T>(pass: Pass, run: impl FnOnce() -> T) -> (T, Pass) {
    let outer = PASS.replace(pass);
    let output = run();
    (output, PASS.replace(outer))
}

/// Whether this thread runs a forward pass for the second time.
pub fn is_again() -> bool {
    PASS.with_borrow(|pass| matches!(pass, Pass::Second(_)))
}

/// The key of the next dropout.
pub fn key(draw: impl FnOnce() -> u64) -> u64 {
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
