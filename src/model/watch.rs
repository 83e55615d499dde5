//! Places in a forward pass where maps can be looked at, by the names of the layer table.
//!
//! Every architecture names its places with [`place`]; outside of [`watched`] that costs a comparison.

use std::cell::RefCell;

use burn::tensor::Tensor;

use crate::kernels::scoped;

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// What is looked for on this thread.
#[derive(Default)]
struct Watch {
    name: String,
    /// Whether the graph is cut there.
    cuts: bool,
    found: Option<Tensor<4>>,
    /// Every place that was passed.
    passed: Vec<String>,
    /// The coefficients of every attention gate that was passed.
    gates: Vec<(String, Tensor<4>)>,
}

/// Names a place. Where it is the one looked for, what follows may hang on a leaf of the graph with these values.
pub(super) fn place(name: impl FnOnce() -> String, maps: Tensor<4>) -> Tensor<4> {
    WATCH.with_borrow_mut(|watch| match watch {
        None => maps,
        Some(watch) => {
            let name = name();
            let here = name == watch.name;
            watch.passed.push(name);
            if !here {
                return maps;
            }
            let maps = if watch.cuts { maps.detach().require_grad() } else { maps };
            watch.found = Some(maps.clone());
            maps
        }
    })
}

/// What a forward pass gives, and the maps that pass at a place, which stay a part of its graph.
pub(super) fn passing<T>(name: &str, run: impl FnOnce() -> T) -> (T, Option<Tensor<4>>) {
    let (output, watch) = watching(Watch { name: name.to_string(), ..Watch::default() }, run);
    (output, watch.found)
}

/// Names the coefficients of an attention gate.
pub(super) fn gate(name: impl FnOnce() -> String, coefficients: &Tensor<4>) {
    WATCH.with_borrow_mut(|watch| {
        if let Some(watch) = watch {
            watch.gates.push((name(), coefficients.clone()));
        }
    });
}

/// What a forward pass gives, the maps at a place as a leaf of its graph, and the names of all places that
/// it passed.
pub(super) fn watched<T>(
    name: &str,
    run: impl FnOnce() -> T,
) -> (T, Option<Tensor<4>>, Vec<String>) {
    let (output, watch) =
        watching(Watch { name: name.to_string(), cuts: true, ..Watch::default() }, run);
    (output, watch.found, watch.passed)
}

/// The attention gates that a forward pass leads through, with their coefficients.
pub(super) fn gates<T>(run: impl FnOnce() -> T) -> Vec<(String, Tensor<4>)> {
    watching(Watch::default(), run).1.gates
}

fn watching<T>(watch: Watch, run: impl FnOnce() -> T) -> (T, Watch) {
    let (output, watch) = scoped(&WATCH, Some(watch), run);
    (output, watch.expect("it was set above, and nothing takes it"))
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_watch_that_panics_watches_nothing_after_it() {
        let maps = || Tensor::<4>::ones([1, 1, 2, 2], &Device::flex().autodiff());
        let here = || place(|| "here".into(), maps());
        assert!(catch_unwind(|| watched("here", || panic!("on purpose"))).is_err());
        assert!(!here().is_require_grad(), "the graph is still cut");
        assert!(WATCH.with_borrow(Option::is_none));
        // One inside another leaves the outer one in place.
        let (_, found, passed) = watched("here", || {
            passing("elsewhere", here);
            here()
        });
        assert!(found.is_some());
        assert_eq!(passed, ["here"]);
    }
}
