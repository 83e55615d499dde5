//! Weights in the form that a kernel reads, kept while they do not change.
//!
//! Prediction and validation use the same weights many times; putting them in form again for each
//! batch takes a good part of the time for one image. A form is kept with the tensor that it was made
//! of: no one can change a tensor's memory while it is shared.

use std::sync::{Arc, Mutex, MutexGuard};

use burn::backend::flex::FlexTensor;

use super::buffer::Buffer;
use super::direct::Packed;
use super::geometry::Window;

/// Bytes of forms that are kept at the most.
const KEPT_BYTES: usize = 256 << 20;

/// Weights as a kernel reads them.
pub(crate) enum Form {
    Winograd(Buffer),
    Direct(Packed),
}

impl Form {
    fn bytes(&self) -> usize {
        size_of::<f32>()
            * match self {
                Self::Winograd(weights) => weights.len(),
                Self::Direct(packed) => packed.len(),
            }
    }
}

/// What a form depends on besides the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub window: Window,
    /// Channels of the input's parts.
    pub parts: Vec<usize>,
    pub winograd: bool,
}

struct Kept {
    of: FlexTensor,
    key: Key,
    form: Arc<Form>,
}

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The form of weights that will be used again: from what is kept, or made and then kept if there is
/// room.
pub(crate) fn form(weights: &FlexTensor, key: Key, make: impl FnOnce() -> Form) -> Arc<Form> {
    let memory = weights.data_arc();
    let same = |entry: &&Kept| entry.key == key && Arc::ptr_eq(&entry.of.data_arc(), &memory);
    if let Some(found) = kept().iter().find(same) {
        return Arc::clone(&found.form);
    }
    let form = Arc::new(make());
    let mut kept = kept();
    // Weights that nobody else holds are gone.
    kept.retain(|entry| !entry.of.is_unique());
    let bytes: usize = kept.iter().map(|entry| entry.form.bytes()).sum();
    if bytes + form.bytes() <= KEPT_BYTES {
        kept.push(Kept { of: weights.clone(), key, form: Arc::clone(&form) });
    }
    form
}

/// Forgets all forms: weights are about to change.
pub(crate) fn forget() {
    kept().clear();
}
