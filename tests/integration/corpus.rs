//! What fuzzing found: files that once ended oncospec, and small ones that reach much of what reads files.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::repository;
use crate::targets::TARGETS;

#[test]
fn no_file_of_the_corpus_ends_oncospec() {
    let corpus = repository().join("tests/corpus");
    for entry in fs::read_dir(&corpus).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|(target, _)| name == *target), "{name:?} is no target");
    }
    let mut ended = Vec::new();
    for (name, target) in TARGETS {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(folder.path(), &bytes))).is_err() {
                ended.push(path);
            }
        }
    }
    assert!(ended.is_empty(), "{ended:#?}");
}
