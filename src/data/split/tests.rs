//! Tests of divisions.

use std::path::Path;

use proptest::prelude::*;

use super::super::dataset::Dataset;
use super::super::open;
use super::*;
use crate::data::{find_duplicates, leaks, tiny, unsearched};
use crate::source::PhantomImage;
use crate::source::case::{Case, ImageSource, MaskSource};
use crate::source::sample::{save_bytes, spec};
use crate::spec::FileSplitSpec;

fn split(spec: &SplitSpec, dataset: &Dataset) -> Result<Split> {
    super::split(spec, dataset, &unsearched(dataset))
}

/// What is said to lie in more than one split.
fn crossing(dataset: &Dataset, split: &Split) -> Vec<String> {
    let leaks = leaks(dataset, split, &unsearched(dataset));
    leaks.into_iter().flat_map(|finding| finding.names).collect()
}

/// Cases as `(label, slide)`, named `<label>/<number>`.
fn dataset(cases: &[(&str, Option<u32>)]) -> Dataset {
    let case = |(number, (label, slide)): (usize, &(&str, Option<u32>))| Case {
        id: format!("{label}/{label} ({number})"),
        label: (*label).into(),
        slide: slide.map(|slide| format!("S{slide}")),
        institution: None,
        group: None,
        folder: None,
        metadata: Default::default(),
        image: ImageSource::Phantom(PhantomImage::ultrasound(0, number as u32)),
        mask: MaskSource::Phantom,
        width: 8,
        height: 8,
    };
    tiny::of(cases.iter().enumerate().map(case).collect())
}

fn busi_like() -> Dataset {
    let labels = [("benign", 40), ("malignant", 20), ("normal", 10)];
    let cases: Vec<_> =
        labels.iter().flat_map(|&(label, count)| vec![(label, None); count]).collect();
    dataset(&cases)
}

fn holdout(train: f64, valid: f64, test: f64) -> HoldoutSpec {
    HoldoutSpec { fractions: Fractions { train, valid, test }, ..HoldoutSpec::default() }
}

fn error_of(spec: &SplitSpec, dataset: &Dataset) -> String {
    let error = split(spec, dataset).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn labels_of(dataset: &Dataset, cases: &[usize]) -> [usize; 3] {
    ["benign", "malignant", "normal"]
        .map(|label| cases.iter().filter(|&&case| dataset.cases[case].label == label).count())
}

#[test]
fn each_split_gets_its_share_of_every_class() {
    let dataset = busi_like();
    let split = split(&SplitSpec::Holdout(holdout(0.7, 0.2, 0.1)), &dataset).unwrap();
    assert_eq!(labels_of(&dataset, &split.train), [28, 14, 7]);
    assert_eq!(labels_of(&dataset, &split.valid), [8, 4, 2]);
    assert_eq!(labels_of(&dataset, &split.test), [4, 2, 1]);
}

#[test]
fn the_division_of_a_seed_is_the_same_on_every_machine() {
    let dataset = dataset(&[("a", None); 12]);
    let with = |seed| SplitSpec::Holdout(HoldoutSpec { seed, ..holdout(0.5, 0.25, 0.25) });
    let first = split(&with(0), &dataset).unwrap();
    assert_eq!((first.valid, first.test), (vec![0, 1, 5], vec![4, 8, 9]));
    let second = split(&with(1), &dataset).unwrap();
    assert_eq!((second.valid, second.test), (vec![0, 1, 5], vec![3, 6, 8]));
}

#[test]
fn folds_take_turns_as_test_and_validation() {
    let dataset = busi_like();
    let fold = |fold| {
        let spec = KfoldSpec { fold: Some(fold), ..KfoldSpec::default() };
        split(&SplitSpec::Kfold(spec), &dataset).unwrap()
    };
    let folds: Vec<_> = (0..5).map(fold).collect();
    let mut tested: Vec<usize> = folds.iter().flat_map(|split| split.test.clone()).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..70).collect::<Vec<_>>());
    for (number, split) in folds.iter().enumerate() {
        assert_eq!(labels_of(&dataset, &split.test), [8, 4, 2]);
        assert_eq!(split.valid, folds[(number + 1) % 5].test);
        assert_eq!(split.fold, Some(number as u32));
    }
}

proptest! {
    #[test]
    fn groups_never_part_and_nothing_is_lost(
        cases in prop::collection::vec((0u32..3, 0u32..12), 40..160),
        seed in any::<u32>(),
        folds in prop::bool::ANY,
    ) {
        let cases: Vec<_> =
            cases.iter().map(|&(label, slide)| (["a", "b", "c"][label as usize], Some(slide))).collect();
        let dataset = dataset(&cases);
        let spec = if folds {
            SplitSpec::Kfold(KfoldSpec { seed, group: GroupKey::Slide, ..KfoldSpec::default() })
        } else {
            SplitSpec::Holdout(HoldoutSpec { seed, group: GroupKey::Slide, ..HoldoutSpec::default() })
        };
        // A class may be missing from a part, which is an error of its own.
        if let Ok(split) = split(&spec, &dataset) {
            let mut all = [split.train.clone(), split.valid.clone(), split.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..cases.len()).collect::<Vec<_>>());
            prop_assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
        }
    }

    #[test]
    fn without_groups_every_class_is_within_one_case_of_its_share(
        counts in prop::collection::vec(10usize..60, 3), seed in any::<u32>(),
    ) {
        let labels = ["benign", "malignant", "normal"];
        let cases: Vec<_> =
            labels.iter().zip(&counts).flat_map(|(label, &count)| vec![(*label, None); count]).collect();
        let dataset = dataset(&cases);
        let spec = HoldoutSpec { seed, ..HoldoutSpec::default() };
        let split = split(&SplitSpec::Holdout(spec), &dataset).unwrap();
        for (part, fraction) in [(&split.train, 0.7), (&split.valid, 0.15), (&split.test, 0.15)] {
            for (got, all) in labels_of(&dataset, part).into_iter().zip(&counts) {
                let share = fraction * *all as f64;
                prop_assert!((got as f64 - share).abs() <= 1.0 + 1e-9, "{} of {}", got, share);
            }
        }
    }
}

#[test]
fn a_shared_slide_is_seen_to_cross_an_ungrouped_split() {
    let dataset = dataset(&[("a", Some(1)); 20]);
    let alone = HoldoutSpec { group: GroupKey::None, ..holdout(0.5, 0.5, 0.0) };
    let split = split(&SplitSpec::Holdout(alone), &dataset).unwrap();
    assert_eq!(crossing(&dataset, &split), ["S1 in train and valid"]);
}

#[test]
fn slides_of_one_patient_stay_together_unless_the_spec_says_otherwise() {
    let mut dataset = dataset(&[("a", Some(0)); 40]);
    for (number, case) in dataset.cases.iter_mut().enumerate() {
        case.slide = Some(format!("TCGA-A2-A{:03}-DX{}", number / 4, number % 2 + 1));
    }
    let of = |group, seed| {
        let spec = HoldoutSpec { group, seed, ..HoldoutSpec::default() };
        split(&SplitSpec::Holdout(spec), &dataset).unwrap()
    };
    assert_eq!(of(GroupKey::Auto, 0).groups[1], "TCGA-A2-A000");
    for seed in 0..20 {
        assert_eq!(crossing(&dataset, &of(GroupKey::Auto, seed)), Vec::<String>::new());
    }
    let by_slide = of(GroupKey::Slide, 0);
    assert_eq!(by_slide.groups[1], "TCGA-A2-A000-DX2");
    let parted = crossing(&dataset, &by_slide);
    assert!(parted.iter().any(|name| name.starts_with("TCGA-A2-A0")), "{parted:?}");
}

#[test]
fn slides_of_which_nobody_knows_the_patient_are_called_slides() {
    let mut dataset = dataset(&[("a", Some(0)); 20]);
    for (number, case) in dataset.cases.iter_mut().enumerate() {
        case.slide = Some(format!("roi {}", number / 4));
    }
    let spec = SplitSpec::Holdout(HoldoutSpec::default());
    assert_eq!(group_key(&spec, &dataset), GroupKey::Slide);
    let split = split(&spec, &dataset).unwrap();
    assert_eq!((split.groups[1].as_str(), crossing(&dataset, &split)), ("roi 0", vec![]));
    dataset.cases[0].slide = None;
    assert_eq!(group_key(&spec, &dataset), GroupKey::None);
}

#[test]
fn overlapping_tiles_stay_together_whatever_the_group_is() {
    let mut dataset = dataset(&[("a", None); 60]);
    for (number, case) in dataset.cases.iter_mut().enumerate() {
        // Rows of three tiles of 224 pixels, each 112 further; rows do not touch.
        case.id =
            format!("train/S{}_{}_{}_size224", number / 30, number / 3 * 300, number % 3 * 112);
        case.image = ImageSource::File(case.id.clone().into());
    }
    for seed in 0..20 {
        let alone = HoldoutSpec { group: GroupKey::None, seed, ..HoldoutSpec::default() };
        let split = split(&SplitSpec::Holdout(alone), &dataset).unwrap();
        assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
        assert_eq!(split.groups[2], split.groups[0]);
        assert_ne!(split.groups[3], split.groups[0]);
    }
}

#[test]
fn fractions_must_add_up_and_leave_no_split_without_cases() {
    let dataset = busi_like();
    let message = error_of(&SplitSpec::Holdout(holdout(0.7, 0.2, 0.2)), &dataset);
    assert!(message.contains("add up to 1.1") && message.contains("must be 1"), "{message}");
    let message = error_of(&SplitSpec::Holdout(holdout(1.5, -0.5, 0.0)), &dataset);
    assert!(message.contains("fractions.train` is 1.5: fractions are 0 to 1"), "{message}");
    let message = error_of(&SplitSpec::Holdout(holdout(0.998, 0.001, 0.001)), &dataset);
    assert!(message.contains("a fraction of 0.001 for `valid` leaves it without"), "{message}");
    let message = error_of(&SplitSpec::Holdout(holdout(1.0, 0.0, 0.0)), &dataset);
    assert!(message.contains("no case for `valid`"), "{message}");
}

#[test]
fn a_class_that_a_split_lacks_is_named_with_the_split() {
    let cases = [vec![("benign", None); 30], vec![("normal", None); 1]].concat();
    let dataset = dataset(&cases);
    let message = error_of(&SplitSpec::Holdout(holdout(0.7, 0.15, 0.15)), &dataset);
    let expected = "no case of class `normal` in `valid` (1 train, 0 valid, 0 test)";
    assert!(message.contains(expected), "{message}");
    let remedy = "to mend it, give that part a larger one of `fractions`, try another `seed`";
    assert!(message.contains(remedy), "{message}");
}

#[test]
fn a_fold_or_a_group_that_is_not_there_is_an_error() {
    let dataset = busi_like();
    let kfold = |folds, fold| {
        SplitSpec::Kfold(KfoldSpec { folds, fold: Some(fold), ..KfoldSpec::default() })
    };
    assert!(error_of(&kfold(5, 5), &dataset).contains("with 5 folds it is 0 to 4"));
    assert!(error_of(&kfold(2, 0), &dataset).contains("at least 3"));
    let slide = HoldoutSpec { group: GroupKey::Slide, ..HoldoutSpec::default() };
    let message = error_of(&SplitSpec::Holdout(slide), &dataset);
    assert!(message.contains("`benign/benign (0)` has no slide"), "{message}");
    assert!(error_of(&SplitSpec::ByFolder(Default::default()), &dataset).contains("is in none"));
}

fn real() -> Option<(Dataset, std::path::PathBuf)> {
    let data = crate::testing::shared()?;
    let spec = spec("kind = 'busi'\nroot = $", &data.join("Dataset_BUSI_with_GT"));
    Some((open(&spec).unwrap(), data.join("splits")))
}

fn lists(train: &Path, valid: &Path, test: Option<&Path>) -> SplitSpec {
    let text = |path: &Path| Some(path.display().to_string());
    SplitSpec::File(FileSplitSpec {
        path: None,
        train: text(train),
        valid: text(valid),
        test: test.and_then(text),
    })
}

#[test]
fn the_shared_lists_divide_the_real_images_as_they_say() {
    let Some((dataset, folder)) = real() else { return };
    let path = |name: &str| folder.join(format!("busi_{name}.txt"));
    let spec = lists(&path("train"), &path("valid"), Some(&path("test")));
    let split = split(&spec, &dataset).unwrap();
    let sizes = [&split.train, &split.valid, &split.test].map(Vec::len);
    assert_eq!((sizes, split.left_out.len()), ([273, 59, 59], 0));
    assert!(split.test.iter().any(|&case| dataset.cases[case].id == "benign/benign (119)"));
}

#[test]
fn lists_name_cases_by_path_file_name_or_stem() {
    let dataset = dataset(&[("a", None), ("a", None), ("a", None), ("a", Some(7)), ("a", Some(7))]);
    let folder = tempfile::tempdir().unwrap();
    let (train, valid) = (folder.path().join("t.txt"), folder.path().join("v.txt"));
    save_bytes(&train, b"\xef\xbb\xbf# by hand\r\n\r\n  a (0)  \r\n./data/a/a (1).png\r\n");
    save_bytes(&valid, b"a\\a (2).PNG\nS7\n");
    let split = split(&lists(&train, &valid, None), &dataset).unwrap();
    assert_eq!((split.train, split.valid, split.test), (vec![0, 1], vec![2, 3, 4], vec![]));
    assert_eq!(split.groups[3], "S7");
}

#[test]
fn csv_and_json_say_the_same_as_lists() {
    let dataset = dataset(&[("a", None), ("a", None), ("a", None), ("a", None)]);
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (folder.path().join("s.csv"), folder.path().join("s.JSON"));
    save_bytes(&csv, b"split, case\nvalid, a (1)\r\ntrain,\"a (0)\"\ntest, a/a (2).png\n");
    save_bytes(&json, br#"{"train": ["a (0)"], "val": ["a (1)"], "test": ["a (2)"]}"#);
    for path in [csv, json] {
        let path = Some(path.display().to_string());
        let spec = SplitSpec::File(FileSplitSpec { path, ..FileSplitSpec::default() });
        let split = split(&spec, &dataset).unwrap();
        assert_eq!((split.train, split.valid, split.test), (vec![0], vec![1], vec![2]));
        assert_eq!(split.left_out, [3]);
    }
}

#[test]
fn what_stands_twice_in_lists_is_refused() {
    let mut dataset = dataset(&[("a", None), ("a", None), ("a", None)]);
    dataset.cases[2].id = "a/#7".into();
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, text: &str| {
        let path = folder.path().join(name);
        save_bytes(&path, text.as_bytes());
        let path = Some(path.display().to_string());
        error_of(&SplitSpec::File(FileSplitSpec { path, ..Default::default() }), &dataset)
    };
    let message = one("a.csv", "case,split\na (0),train\na (1),valid\na/a (0),train\n");
    assert!(message.contains("a.csv:4: `a/a (0)` is listed in"), "{message}");
    let message = one("b.csv", "case,split,split\na (0),train,valid\na (1),valid,train\n");
    assert!(message.contains("several columns `split`"), "{message}");
    let message = one("c.json", r#"{"train": ["a (0)"], "valid": ["a (1)"], "train": []}"#);
    assert!(message.contains("keys `train` and `train` are of the same split"), "{message}");
    let message = one("d.json", r#"{"train": ["a (0)"], "valid": [], "val": ["a (1)"]}"#);
    assert!(message.contains("keys `valid` and `val` are of the same split"), "{message}");
    let message = one("e.csv", "case,split\na (0),train\n#7,valid\n");
    assert!(message.contains("e.csv:3: `#7,valid` names a case and is a comment"), "{message}");
}

#[test]
fn everything_wrong_in_lists_is_named_with_its_line() {
    let mut dataset = dataset(&[("a", None), ("a", None), ("b", None), ("b", None)]);
    dataset.cases[3].id = "b/a (0)".into();
    let folder = tempfile::tempdir().unwrap();
    let (train, valid) = (folder.path().join("t.txt"), folder.path().join("v.txt"));
    save_bytes(&train, b"a (1)\nb (2)\na (0)\nx/b (2)\n");
    save_bytes(&valid, b"b (2)\nb (33)\n");
    let message = error_of(&lists(&train, &valid, None), &dataset);
    for part in [
        "4 entries of the split's lists are wrong",
        "t.txt:3: `a (0)` may mean any of 2 cases (`a/a (0)`, `b/a (0)`",
        "t.txt:4: `x/b (2)` names no case",
        "v.txt:1: `b (2)` is listed for `valid`, and for `train` in ",
        "v.txt:2: `b (33)` names no case of the data set; did you mean `b (2)`?",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn files_that_are_no_lists_are_refused() {
    let dataset = busi_like();
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        save_bytes(&path, bytes);
        let path = Some(path.display().to_string());
        error_of(&SplitSpec::File(FileSplitSpec { path, ..Default::default() }), &dataset)
    };
    assert!(one("a.csv", b"image,part\nx,train\n").contains("no column `case`"));
    assert!(one("b.csv", b"case,split\nx,training\n").contains("b.csv:2: split `training`"));
    assert!(one("c.json", b"{\"train\": 3}").contains("expected {\"train\""));
    assert!(one("d.json", b"{\"fit\": []}").contains("key `fit`"));
    assert!(one("e.txt", b"x").contains("must end in .csv or .json"));
    assert!(one("f.json", b"\xff\xfe").contains("not UTF-8"));
    let message = error_of(&SplitSpec::File(FileSplitSpec::default()), &dataset);
    assert!(message.contains("`dataset.split.train` is missing"), "{message}");
    let nowhere = Path::new("/nowhere/t.txt");
    let message = error_of(&lists(nowhere, nowhere, None), &dataset);
    assert!(message.contains("/nowhere/t.txt: no such file"), "{message}");
    save_bytes(&folder.path().join("empty.txt"), b"# nothing\n");
    let empty = folder.path().join("empty.txt");
    assert!(error_of(&lists(&empty, &empty, None), &dataset).contains("lists no case"));
}

#[test]
fn tiles_are_divided_as_their_folders_say() {
    let Some(data) = crate::testing::shared() else { return };
    let toml = "kind = 'bcss'\nroot = $\nimage-size = 224";
    let dataset = open(&spec(toml, &data.join("BCSS_22"))).unwrap();
    let split = split(&SplitSpec::ByFolder(Default::default()), &dataset).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (60, 8, 0));
    assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
    assert_eq!(split.groups[0], "TCGA-A2-A0D2");
}

#[test]
fn near_duplicates_of_real_images_stay_together() {
    let Some((dataset, _)) = real() else { return };
    let spec = HoldoutSpec { group: GroupKey::Duplicates, ..HoldoutSpec::default() };
    let duplicates = find_duplicates(&dataset).unwrap();
    let grouped = super::split(&SplitSpec::Holdout(spec), &dataset, &duplicates).unwrap();
    let groups: BTreeSet<&String> = grouped.groups.iter().collect();
    assert!((280..391).contains(&groups.len()), "{} groups", groups.len());
    assert!(leaks(&dataset, &grouped, &duplicates).is_empty());
    let alone = split(&SplitSpec::Holdout(HoldoutSpec::default()), &dataset).unwrap();
    let said = leaks(&dataset, &alone, &duplicates).remove(0).to_string();
    assert!(said.starts_with("warning: near-duplicate images lie in more than one"), "{said}");
}
