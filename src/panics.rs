//! Panics that become errors, and are not printed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// File and line of the last panic of this thread that becomes an error.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was not printed.
pub(crate) struct Panicked {
    /// What it said.
    pub said: String,
    /// File and line, where it is not one that another thread passed on.
    pub place: Option<String>,
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it gave no reason").into()
}

/// What work gives, or its panic, which is not printed.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    watch();
    let outer = CAUGHT.replace(true);
    PLACE.replace(None);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done.map_err(|panic| Panicked { said: said(&*panic), place: PLACE.take() })
}

/// Has panics that become errors not printed.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            if CAUGHT.get() {
                let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
                PLACE.replace(place);
            // Threads of a device: what panics there is logged, or a kernel that autotune tries in vain.
            } else if !name.starts_with("DSU-") && !name.starts_with("DSD-") {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_what_it_said_and_where() {
        let numbers: [u8; 2] = [1, 2];
        let index = numbers.len();
        let Err(panicked) = quietly(|| numbers[index]) else { panic!("no panic") };
        assert!(panicked.said.starts_with("index out of bounds"), "{}", panicked.said);
        assert!(panicked.place.is_some_and(|place| place.contains("panics.rs:")));
        assert!(quietly(|| 3).is_ok_and(|three| three == 3));
    }
}
