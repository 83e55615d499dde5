//! Why a loss does not fit a network's outputs.

/// Problems, each with its key, such as `loss.terms[1].kind`.
#[derive(Debug)]
pub struct Problems {
    key: String,
    found: Vec<(String, String)>,
}

impl Problems {
    /// None yet, of the loss at a key.
    pub fn of(key: &str) -> Self {
        Self { key: key.into(), found: Vec::new() }
    }

    /// Adds a problem with a key of the loss.
    pub fn add(&mut self, key: &str, message: impl Into<String>) {
        self.found.push((format!("{}.{key}", self.key), message.into()));
    }

    /// Adds the problems of a loss below a key of this one.
    pub fn below(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        let mut below = Self::of(&format!("{}.{key}", self.key));
        check(&mut below);
        self.found.append(&mut below.found);
    }

    /// Key and message of each.
    pub fn into_vec(self) -> Vec<(String, String)> {
        self.found
    }
}
