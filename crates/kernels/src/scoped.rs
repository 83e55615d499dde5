//! State of a thread that holds for the time of a call.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Runs with the state of this thread set to a value, and gives what became of that. Afterwards the state is what it
/// was before, even where `run` panics.
pub fn scoped<S: 'static, T>(
    state: &'static LocalKey<RefCell<S>>,
    during: S,
    run: impl FnOnce() -> T,
) -> (T, S) {
    let outer = Outer { state, before: Some(state.replace(during)) };
    let output = run();
    (output, outer.restored())
}

/// What a state was before, put back when dropped.
struct Outer<S: 'static> {
    state: &'static LocalKey<RefCell<S>>,
    before: Option<S>,
}

impl<S> Outer<S> {
    /// Puts it back; gives what was there.
    fn restored(mut self) -> S {
        let before = self.before.take().expect("it is taken once, here or in `drop`");
        self.state.replace(before)
    }
}

impl<S> Drop for Outer<S> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.state.set(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static NUMBER: RefCell<u32> = const { RefCell::new(1) };
    }

    #[test]
    fn a_state_is_what_it_was_before_after_a_call_and_after_a_panic() {
        let (output, became) = scoped(&NUMBER, 2, || {
            NUMBER.with_borrow_mut(|number| *number += 5);
            scoped(&NUMBER, 20, || NUMBER.with_borrow(|number| *number)).0
        });
        assert_eq!((output, became, NUMBER.with_borrow(|number| *number)), (20, 7, 1));
        let panicked = std::panic::catch_unwind(|| scoped(&NUMBER, 3, || panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(NUMBER.with_borrow(|number| *number), 1);
    }
}
