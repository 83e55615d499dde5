//! The spec language as an author meets it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::loss::bce::BceSpec;
use crate::loss::focal::FocalSpec;
use crate::loss::overlap::OverlapSpec;
use crate::loss::sum::{SumSpec, TermSpec};
use crate::model::{EncoderSpec, PlainEncoderSpec};

/// A folder of spec files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    fn load(&self, name: &str, sets: &[&str], env: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        load(&self.path(name), &sets, env)
    }

    /// The message for what is wrong with `name`, the folder written as `DIR`.
    fn mistakes(&self, name: &str, sets: &[&str], env: &[(&str, &str)]) -> String {
        let problems = self.load(name, sets, env).expect_err("mistakes");
        self.shown(&problems.to_string())
    }

    fn shown(&self, text: &str) -> String {
        text.replace(&self.0.path().display().to_string(), "DIR")
    }
}

/// The message for what is wrong with a spec of this text.
fn mistakes(text: &str) -> String {
    Folder::new(&[("spec.toml", text)]).mistakes("spec.toml", &[], &[])
}

fn loaded(text: &str) -> Loaded {
    Folder::new(&[("spec.toml", text)]).load("spec.toml", &[], &[]).expect("a right spec")
}

/// Compares with a file beside the code, under the same name in whichever crate this is compiled.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

const SMALLEST: &str = r#"
name = "smallest"
dataset = { kind = "phantom" }
model = { kind = "unet" }
"#;

fn with(text: &str) -> String {
    format!("{SMALLEST}{text}")
}

#[test]
fn the_smallest_spec_is_all_defaults() {
    let spec = loaded(SMALLEST).spec;
    assert_eq!(spec.seeds, [0]);
    assert_eq!(spec.schedule, ScheduleSpec::default());
    assert_eq!(spec.loss, LossSpec::default());
    assert_eq!(spec.evaluation, EvaluationSpec::default());
    assert_eq!(spec.run, RunSpec::default());
    assert_eq!(spec.dataset.split, SplitSpec::default());
}

#[test]
fn unknown_keys_are_reported_with_what_was_meant() {
    let text = r#"
seed = [0]
name = "a"
[dataset]
kind = "busi"
root = "data"
image_size = 64
cases = 10
stride = 3
fractions = { train = 1.0, valid = 0.0 }
[model]
kind = "attention-unet"
fliters = [8]
encoder = { kind = "plain" }
[loss]
kind = "sum"
terms = [{ kind = "dice", smoth = 1.0 }, { kind = "bce", weigth = 2.0 }]
[schedule]
learning-rate = 0.1
zzz = 1
[schedule.optimizer]
kind = "adam"
momentum = 0.9
[gate]
"test.dice.mean" = { at-leest = 0.5, at-most = 0.9 }
[run]
seeds = [1]
"#;
    snapshot("unknown_keys", &mistakes(text));
}

#[test]
fn unknown_kinds_and_words_are_reported_with_what_was_meant() {
    let text = r#"
name = "a"
[task]
kind = "segmentation"
[dataset]
kind = "bsui"
[model]
kind = "transformer"
[loss]
kind = "sum"
terms = [{ kind = "Dice" }, { weight = 2.0 }, { kind = 3 }]
[schedule.learning-rate-schedule]
kind = "reduce-on-plateau"
goal = "hihgest"
[evaluation]
metrics = ["dice", "jaccard", "hd_95"]
threshold = "best-on-valid"
"#;
    snapshot("unknown_kinds", &mistakes(text));
}

#[test]
fn wrong_types_are_reported_with_what_was_found() {
    let text = r#"
name = 3
description = 2024-01-01
seeds = 0
augment = "none"
[dataset]
kind = "phantom"
image-size = "256"
normalize = "imagnet"
split = ["holdout"]
[model]
kind = "unet"
encoder = { kind = "resnet18", frozen = "false" }
[schedule]
epochs = 20.0
batch-size = 1.5
warm-up-epochs = true
optimizer = 0.001
[gate]
"test.dice.mean" = 0.5
"#;
    snapshot("wrong_types", &mistakes(text));
}

#[test]
fn values_out_of_range_are_reported_with_the_range() {
    let text = r#"
name = "a b"
seeds = [0, -1, 4294967296]
[dataset]
kind = "bcss"
root = ""
image-size = 9999999999999
classes = { kind = "custom", groups = { tumor = [1, 256] } }
[model]
kind = "unet"
[model.encoder]
kind = "resnet34"
decoder-filters = [1, 2, 3, 4]
weights = { path = "w.pth", sha256 = "abc" }
[loss]
kind = "sum"
terms = []
[schedule]
epochs = 0
warm-up-epochs = nan
optimizer = { kind = "adam", learning-rate = inf, betas = [0.9, 1.5] }
best = { metric = "test.dice" }
[evaluation]
metrics = []
[run]
device = "gpu"
workers = 0
"#;
    snapshot("out_of_range", &mistakes(text));
}

#[test]
fn channels_and_dropout_out_of_range_and_missing_levels_are_each_reported() {
    let of_model = |model: &str| {
        mistakes(&format!("name = 'a'\ndataset = {{ kind = 'phantom' }}\n[model]\n{model}"))
    };
    let found = of_model("kind = 'attention-unet'\nfilters = [0]\ndropout = [0.1, 1.0]");
    for part in ["`model.filters[0]` must be", "`model.dropout[1]` must be"] {
        assert!(found.contains(part), "{found}");
    }
    let found =
        of_model("kind = 'unet'\nencoder = { kind = 'plain', filters = [8], dropout = nan }");
    for part in ["`model.encoder.filters`", "`model.encoder.dropout` must be"] {
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn missing_keys_are_reported_with_what_they_mean() {
    let text = r#"
[dataset]
kind = "busi"
[model]
[model.encoder]
kind = "resnet18"
weights = {}
[augment]
rotate = { probability = 0.5 }
[schedule]
clip = { kind = "norm" }
"#;
    snapshot("missing_keys", &mistakes(text));
}

#[test]
fn rules_between_keys_are_checked() {
    let text = with(
        r#"
seeds = [1, 2, 1]
[augment]
rotate = { probability = 0.5, range = [10, -10] }
[evaluation]
metrics = ["dice", "iou", "dice"]
splits = ["test", "test"]
[gate]
"test.dice.mean" = {}
"test.iou.mean" = { at-least = 0.9, at-most = 0.1 }
"#,
    );
    snapshot("rules", &mistakes(&text));
}

#[test]
fn rules_of_splits_are_checked() {
    let wrong = [
        r#"{ kind = "holdout", fractions = { train = 0.7, valid = 0.2, test = 0.2 } }"#,
        r#"{ kind = "kfold", folds = 5, fold = 5 }"#,
        r#"{ kind = "kfold", fold = 7 }"#,
        r#"{ kind = "file" }"#,
        r#"{ kind = "file", train = "t.txt" }"#,
        r#"{ kind = "file", path = "s.csv", train = "t.txt" }"#,
    ];
    let all = wrong.map(|split| {
        let dataset = format!("dataset = {{ kind = \"phantom\", split = {split} }}");
        mistakes(&format!("name = \"a\"\nmodel = {{ kind = \"unet\" }}\n{dataset}\n"))
    });
    snapshot("split_rules", &all.join("\n\n"));
    for right in [
        r#"{ kind = "holdout", fractions = { train = 0.7, valid = 0.1, test = 0.2 } }"#,
        r#"{ kind = "holdout", fractions = { train = 0.8, valid = 0.2 } }"#,
        r#"{ kind = "kfold", folds = 5, fold = 4 }"#,
        r#"{ kind = "file", train = "t.txt", valid = "v.txt" }"#,
        r#"{ kind = "file", path = "s.csv" }"#,
        r#"{ kind = "by-folder" }"#,
    ] {
        let dataset = format!("dataset = {{ kind = \"phantom\", split = {right} }}");
        loaded(&format!("name = \"a\"\nmodel = {{ kind = \"unet\" }}\n{dataset}\n"));
    }
}

#[test]
fn groups_of_codes_exist_and_do_not_overlap() {
    let text = r#"
name = "a"
model = { kind = "unet" }
[dataset]
kind = "bcss"
root = "data"
[dataset.classes]
kind = "custom"
groups = { stroma = [2, 1], tumor = [1, 19, 22] }
"#;
    snapshot("codes", &mistakes(text));
}

#[test]
fn mistakes_of_all_layers_are_reported_together() {
    let folder = Folder::new(&[
        ("base/busi.toml", "[dataset]\nkind = \"busi\"\nimage-sise = 64\n"),
        ("middle.toml", "extends = \"base/busi.toml\"\n[schedule]\nepochs = \"many\"\n"),
        (
            "spec.toml",
            "extends = \"middle.toml\"\nname = \"a\"\nmodel = { kind = \"unet\" }\nsede = 1\n",
        ),
    ]);
    let env = [
        ("ONCOSPEC_SCHEDULE__BATCH_SIZE", "0"),
        ("ONCOSPEC_DATASET__CHANNELS", "grey"),
        ("ONCOSPEC_RUN__", "1"),
        (&format!("ONCOSPEC{}", "_A_".repeat(40)), "1"),
        ("ONCOSPEC_SHARED", "/not/a/key"),
        ("PATH", "/bin"),
    ];
    let sets = ["schedule.epoch=3", "loss.kind=dise", "seeds=[1", "run.workers", "extends=x.toml"];
    snapshot("all_layers", &folder.mistakes("spec.toml", &sets, &env));
}

#[test]
fn syntax_errors_are_shown_in_place() {
    let wrong = [
        "name = \"a\nmodel = 1\n",
        "name = \"a\"\nname = \"b\"\n",
        "[dataset\nkind = \"busi\"\n",
        "seeds = [0, 1\n[dataset]\n",
        "name = a\n",
        "a = 99999999999999999999\n",
        "[a]\nb = 1\n[a.b]\nc = 1\n",
    ];
    snapshot("syntax", &wrong.map(mistakes).join("\n\n"));
}

#[test]
fn a_file_that_is_no_spec_is_reported_as_what_it_is() {
    let folder = Folder::new(&[
        ("empty.toml", ""),
        ("comment.toml", "# nothing here yet\r\n"),
        ("extends-missing.toml", "name = \"a\"\nextends = \"base/bsui.toml\"\n"),
        ("extends-far.toml", "extends = \"nowhere/base.toml\"\n"),
        ("extends-empty.toml", "extends = \"empty.toml\"\n"),
        ("extends-number.toml", "extends = 3\n"),
        ("extends-syntax.toml", "extends = \"syntax.toml\"\nname = 7\n"),
        ("syntax.toml", "name = \n"),
        ("base/busi.toml", "name = \"b\"\n"),
        ("a.toml", "extends = \"b.toml\"\n"),
        ("b.toml", "# one\nextends = \"c.toml\"\n"),
        ("c.toml", "extends = \"./b.toml\"\n"),
        ("self.toml", "extends = \"self.toml\"\n"),
        ("ein Brust-Ultraschall (1) ü.toml", "x = 1\n"),
    ]);
    folder.write("binary.toml", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    folder.write("latin1.toml", b"name = \"caf\xe9\"\n");
    folder.write("utf16.toml", b"\xff\xfen\0a\0m\0e\0");
    folder.write("nul.toml", b"name = \"a\0b\"\n");
    folder.write("large.toml", &b"# 10 MB of comment\n".repeat(10 * 1024 * 1024 / 19 + 1));
    folder.write("deep.toml", format!("a = {}{}\n", "[".repeat(1000), "]".repeat(1000)).as_bytes());
    folder.write("deep-table.toml", format!("a = {}", "{ a = ".repeat(1000)).as_bytes());
    folder.write("deep-key.toml", format!("[{}]\n", ["a"; 1000].join(".")).as_bytes());
    let dotted = ["a"; 79].join(".");
    folder.write("deep-dots.toml", format!("[{dotted}]\n{dotted} = 1\n").as_bytes());
    let names = [
        "empty.toml",
        "comment.toml",
        "missing.toml",
        "emtpy.toml",
        "base",
        "extends-missing.toml",
        "extends-far.toml",
        "extends-empty.toml",
        "extends-number.toml",
        "extends-syntax.toml",
        "a.toml",
        "self.toml",
        "ein Brust-Ultraschall (1) ü.toml",
        "binary.toml",
        "latin1.toml",
        "utf16.toml",
        "nul.toml",
        "large.toml",
        "deep.toml",
        "deep-table.toml",
        "deep-key.toml",
        "deep-dots.toml",
    ];
    let all = names.map(|name| format!("== {name}\n{}\n", folder.mistakes(name, &[], &[])));
    snapshot("bad_files", &all.join("\n"));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = Folder::new(&[]);
    std::os::unix::fs::symlink("loop.toml", folder.path("loop.toml")).expect("a link");
    let message = folder.mistakes("loop.toml", &[], &[]);
    assert!(message.starts_with("DIR/loop.toml: cannot be read: "), "{message}");
    let device = load(Path::new("/dev/zero"), &[], std::iter::empty()).expect_err("no file");
    assert!(device.to_string().contains("/dev/zero: cannot be read: not a file"), "{device}");
    folder.write("large.toml", &vec![b'#'; (1 << 20) + 1]);
    let message = folder.mistakes("large.toml", &[], &[]);
    assert!(message.contains("larger than 1 MiB (1048577 bytes)"), "{message}");
}

#[test]
fn a_chain_of_extends_ends() {
    let files: Vec<(String, String)> =
        (0..40).map(|i| (format!("{i}.toml"), format!("extends = \"{}.toml\"\n", i + 1))).collect();
    let folder = Folder::new(&[]);
    for (name, text) in &files {
        folder.write(name, text.as_bytes());
    }
    let message = folder.mistakes("0.toml", &[], &[]);
    assert!(message.contains("more than 16 files extend one another"), "{message}");
    assert!(message.contains("DIR/15.toml:1:11"), "{message}");
}

#[test]
fn line_ends_and_byte_order_marks_change_nothing() {
    let right = loaded(SMALLEST).spec;
    let text = format!("\u{feff}{}", SMALLEST.replace('\n', "\r\n"));
    assert_eq!(loaded(&text).spec, right);
    let wrong = mistakes(&format!("{text}\r\nsede = 1\r\n"));
    assert!(wrong.contains("DIR/spec.toml:6:1\n  |\n6 | sede = 1\n  | ^^^^\n"), "{wrong}");
}

#[test]
fn long_lines_and_control_characters_are_shown_harmlessly() {
    let long = format!("seeds = [{}\"x\", {}1]", "1, ".repeat(1000), "1, ".repeat(1000));
    let message = mistakes(&with(&format!("{long}\n")));
    snapshot("long_line", &message);
    let message = mistakes(&with("\"\u{202e}key\\u001b[31m\" = 1\n"));
    assert!(!message.contains(['\u{202e}', '\u{1b}']), "{message:?}");
    let message = mistakes(&with(&format!("{} = 1\n", "k".repeat(100_000))));
    assert!(message.len() < 2_000, "{}", message.len());
}

#[test]
fn higher_layers_win_and_each_value_knows_its_origin() {
    let folder = Folder::new(&[
        ("base.toml", "seeds = [9]\n[schedule]\nepochs = 1\nbatch-size = 1\naccumulate = 1\n"),
        (
            "spec.toml",
            "extends = \"base.toml\"\nname = \"a\"\ndataset.kind = \"phantom\"\nmodel.kind = \"unet\"\n\
             [schedule]\nbatch-size = 2\naccumulate = 2\nwarm-up-epochs = 2\n",
        ),
    ]);
    let env = [("ONCOSPEC_SCHEDULE__ACCUMULATE", "3"), ("ONCOSPEC_SCHEDULE__WARM_UP_EPOCHS", "3")];
    let sets = ["schedule.warm-up-epochs=4", "schedule.warm-up-epochs=5"];
    let loaded = folder.load("spec.toml", &sets, &env).expect("a right spec");
    let schedule = &loaded.spec.schedule;
    assert_eq!((schedule.epochs, schedule.batch_size, schedule.accumulate), (1, 2, 3));
    assert_eq!(schedule.warm_up_epochs, 5.0);
    let file = |name, line| Origin::File { path: folder.path(name), line };
    assert_eq!(*loaded.origins.of("seeds"), file("base.toml", 1));
    assert_eq!(*loaded.origins.of("schedule.epochs"), file("base.toml", 3));
    assert_eq!(*loaded.origins.of("schedule.batch-size"), file("spec.toml", 6));
    assert_eq!(*loaded.origins.of("schedule.accumulate"), Origin::Env(env[0].0.into()));
    assert_eq!(*loaded.origins.of("schedule.warm-up-epochs"), Origin::Set(sets[1].into()));
    assert_eq!(*loaded.origins.of("schedule.optimizer.betas"), Origin::Default);
    assert_eq!(*loaded.origins.of("no.such.key"), Origin::Default);
    let files: Vec<&Path> = loaded.files().collect();
    assert_eq!(files, [folder.path("base.toml"), folder.path("spec.toml")]);
}

#[test]
fn what_the_files_did_not_say_is_reported_without_seeds_and_places() {
    let folder = Folder::new(&[("spec.toml", LARGE)]);
    let env = [("ONCOSPEC_SCHEDULE__BATCH_SIZE", "4"), ("ONCOSPEC_RUN__OUTPUT", "\"elsewhere\"")];
    let sets = ["seeds=[5]", "dataset.subset={train=0.5}", "schedule.clip.limit=3.0"];
    let loaded = folder.load("spec.toml", &sets, &env).expect("a right spec");
    assert_eq!(
        overridden(&loaded),
        ["dataset.subset.train = 0.5", "schedule.batch-size = 4", "schedule.clip.limit = 3.0"]
    );
    assert!(overridden(&self::loaded(LARGE)).is_empty());
}

#[test]
fn another_file_of_weights_replaces_the_one_below_with_its_checksum() {
    let sum = "0".repeat(64);
    let folder = Folder::new(&[(
        "spec.toml",
        &format!(
            "name = \"a\"\n[dataset]\nkind = \"phantom\"\n\
             [model]\nkind = \"resnet18\"\nweights = {{ path = \"/w.pth\", sha256 = \"{sum}\" }}\n\
             [task]\nkind = \"classify\"\n"
        ),
    )]);
    let weights = |set: &str| {
        let loaded = folder.load("spec.toml", &[set], &[]).expect("a right spec");
        loaded.spec.model.weights().cloned().expect("weights")
    };
    let named = weights("model.weights.name=resnet18-imagenet");
    assert!(named.path().ends_with("resnet18-f37072fd.pth"), "{named:?}");
    assert_eq!(named.sha256.as_deref(), Some("f37072fd"));
    let other = weights("model.weights.path=/v.pth");
    assert_eq!((other.path.as_deref(), other.sha256), (Some("/v.pth"), None));
    let checked =
        weights(&format!("model.weights={{name=\"resnet18-imagenet\",sha256=\"{sum}\"}}"));
    assert_eq!(checked.sha256, Some(sum.clone()), "a given checksum counts");
    let same = weights("model.weights.path=/w.pth");
    assert_eq!(same.sha256, Some(sum.clone()), "the same file keeps its checksum");
    assert_eq!(
        notes(&folder, &["model.weights.path=/v.pth"], &[]).len(),
        1,
        "a checksum that goes is reported"
    );
    let sets = [&*format!("model.weights.sha256={sum}"), "model.weights.path=/v.pth"];
    let loaded = folder.load("spec.toml", &sets, &[]).expect("a right spec");
    let weights = loaded.spec.model.weights().cloned().expect("weights");
    assert_eq!((weights.path.as_deref(), weights.sha256), (Some("/v.pth"), Some(sum.clone())));
}

/// The notes of a right spec, the folder written as `DIR`.
fn notes(folder: &Folder, sets: &[&str], env: &[(&str, &str)]) -> Vec<String> {
    let loaded = folder.load("spec.toml", sets, env).expect("a right spec");
    loaded.notes.iter().map(|note| folder.shown(&note.to_string())).collect()
}

#[test]
fn another_kind_keeps_what_it_has_too_and_the_rest_is_noted() {
    let folder = Folder::new(&[
        (
            "base.toml",
            "name = \"a\"\nmodel = { kind = \"unet\", encoder = { kind = \"resnet18\", frozen = true } }\n\
             loss = { kind = \"tversky\", alpha = 0.1, gamma = 9, smooth = 2.0 }\n\
             [dataset]\nkind = \"busi\"\nroot = \"data\"\nmulti-mask = \"first\"\nimage-size = 64\n\
             split = { kind = \"kfold\", folds = 4, group = \"duplicates\" }\n\
             [schedule.optimizer]\nkind = \"sgd\"\nmomentum = 0.5\nlearning-rate = 0.5\n",
        ),
        (
            "spec.toml",
            "extends = \"base.toml\"\nloss = { kind = \"focal\" }\n[dataset]\nkind = \"phantom\"\n\
             split = { kind = \"holdout\", seed = 4 }\n[schedule.optimizer]\nkind = \"adam\"\n\
             betas = [0.5, 0.5]\n",
        ),
    ]);
    let sets = ["model.encoder.kind=plain"];
    let spec = folder.load("spec.toml", &sets, &[]).expect("right").spec;
    assert_eq!(spec.loss, LossSpec::Focal(FocalSpec { gamma: 9.0, alpha: Some(0.1) }));
    assert_eq!(spec.dataset.image_size, ImageSize::square(64));
    assert!(matches!(spec.dataset.source, SourceSpec::Phantom(_)));
    let group = GroupKey::Duplicates;
    let holdout = HoldoutSpec { seed: 4, group, ..HoldoutSpec::default() };
    assert_eq!(spec.dataset.split, SplitSpec::Holdout(holdout));
    let adam = AdamSpec { learning_rate: 0.5, betas: [0.5, 0.5], ..AdamSpec::default() };
    assert_eq!(spec.schedule.optimizer, OptimizerSpec::Adam(adam));
    let ModelSpec::Unet(unet) = spec.model else { panic!("a U-Net") };
    assert_eq!(unet.encoder, EncoderSpec::Plain(PlainEncoderSpec::default()));
    snapshot("notes", &notes(&folder, &sets, &[]).join("\n"));
}

#[test]
fn a_value_that_the_new_kind_does_not_take_is_dropped_and_noted() {
    let text = with("[schedule.learning-rate-schedule]\nkind = \"step\"\nevery = 3\n")
        .replace("{ kind = \"unet\" }", "{ kind = \"attention-unet\", filters = [8, 16] }");
    let folder = Folder::new(&[("spec.toml", &text)]);
    assert_eq!(
        notes(&folder, &["model.kind=cmunext"], &[]),
        [
            "`model.filters = [8, 16]` (DIR/spec.toml:4) is dropped: `model.kind` is now \"cmunext\" (--set), \
          where it must be an array of 5, each a whole number from 1 to 4096"
        ]
    );
    assert_eq!(notes(&folder, &["model.kind=rgu-net"], &[]).len(), 1, "kept with another meaning");
}

#[test]
fn within_a_layer_the_kind_comes_first() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let (fold, kind) = ("dataset.split.fold=2", "dataset.split.kind=kfold");
    let expected = SplitSpec::Kfold(KfoldSpec { fold: Some(2), ..KfoldSpec::default() });
    let (fold_first, kind_first) = (
        [("ONCOSPEC_DATASET__SPLIT__FOLD", "2"), ("ONCOSPEC_DATASET__SPLIT__KIND", "kfold")],
        [("ONCOSPEC_DATASET__SPLIT__KIND", "kfold"), ("ONCOSPEC_DATASET__SPLIT__FOLD", "2")],
    );
    let split = |sets: &[&str], env: &[(&str, &str)]| {
        folder.load("spec.toml", sets, env).map(|loaded| loaded.spec.dataset.split)
    };
    for (sets, env) in [
        (&[fold, kind][..], &[][..]),
        (&[kind, fold], &[]),
        (&[], &fold_first),
        (&[], &kind_first),
        (&["dataset.split={ kind = \"kfold\" }", fold], &[]),
        (&[fold, "dataset.split={ kind = \"kfold\" }"], &[]),
        (&[fold], &kind_first[..1]),
    ] {
        assert_eq!(split(sets, env).expect("right"), expected, "{sets:?} {env:?}");
    }
    let said = with("dataset.split.kind = \"holdout\"\n")
        .replace("dataset = { kind = \"phantom\" }", "dataset.kind = \"phantom\"");
    folder.write("holdout.toml", said.as_bytes());
    for sets in [[fold, kind], [kind, fold]] {
        let loaded = folder.load("holdout.toml", &sets, &[]).expect("right");
        assert_eq!(loaded.spec.dataset.split, expected, "{sets:?} over a kind of the file");
    }
    // Neither the kind of a lower layer nor that of the same layer has a `fold`.
    let of_env = folder.mistakes("spec.toml", &[], &fold_first[..1]);
    assert!(of_env.contains("unknown key `fold` in `dataset.split`"), "{of_env}");
    assert!(of_env.contains("ONCOSPEC_DATASET__SPLIT__FOLD=2\n"), "{of_env}");
    let of_set = folder.mistakes("spec.toml", &[fold, "dataset.split.kind=holdout"], &[]);
    assert!(of_set.contains("--set dataset.split.fold=2"), "{of_set}");
    assert!(of_set.contains("`dataset.split` has it where its kind is \"kfold\""), "{of_set}");
}

#[test]
fn what_one_layer_says_twice_is_reported() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let sets = ["schedule.epochs=3", "schedule.epochs=4", "seeds=[1]", "seeds=[1]"];
    assert_eq!(
        notes(&folder, &sets, &[]),
        ["`schedule.epochs = 3` (--set) does not count: a later --set says 4"]
    );
    let env = [("ONCOSPEC_SCHEDULE__EPOCHS", "3"), ("ONCOSPEC_Schedule__EPOCHS", "4")];
    let sets = [
        "schedule.clip=false",
        "schedule.clip.limit=1.0",
        "dataset.split=kfold",
        "dataset.split.fold=1",
    ];
    snapshot("twice", &folder.mistakes("spec.toml", &sets, &env));
}

#[test]
fn what_may_be_left_out_is_switched_off_by_false() {
    let base = format!("{LARGE}\n[report.film]\nlayer = \"encoder\"\n");
    let spec = "extends = \"base.toml\"\nschedule.early-stopping = false\nmodel.weights = false\n\
                gate.\"test.dice.mean\" = false\nreport.film.layer = false\n\
                dataset.classes.groups.stroma = false\n";
    let folder = Folder::new(&[("base.toml", &base), ("spec.toml", spec)]);
    let loaded =
        folder.load("spec.toml", &["schedule.clip=false"], &[("ONCOSPEC_SCHEDULE__EMA", "false")]);
    let loaded = loaded.expect("a right spec");
    let spec = &loaded.spec;
    assert_eq!((&spec.schedule.clip, &spec.schedule.ema), (&None, &None));
    assert_eq!(spec.schedule.early_stopping, None);
    assert_eq!(spec.model.weights(), None);
    assert_eq!(spec.report.film.layer, None);
    assert_eq!(spec.gate.keys().collect::<Vec<_>>(), ["test.\"odd\"\nname"]);
    let SourceSpec::Bcss(BcssSpec { classes: BcssClasses::Custom(classes), .. }) =
        &spec.dataset.source
    else {
        panic!("classes of BCSS")
    };
    assert_eq!(classes.groups.keys().collect::<Vec<_>>(), ["tumor & co"]);
    assert_eq!(overridden(&loaded), ["schedule.clip = false", "schedule.ema = false"]);
    let sets = ["augment=false", "gate=false", "loss.terms[1].terms[0].alpha=false"];
    let spec = folder.load("base.toml", &sets, &[]).expect("a right spec").spec;
    assert_eq!(spec.augment, AugmentSpec::default());
    assert!(spec.gate.is_empty());
    let again = folder.load(
        "spec.toml",
        &["schedule.ema=false", "schedule.early-stopping.patience=2"],
        &[],
    );
    let stopping = again.expect("on again").spec.schedule.early_stopping.expect("stopping");
    assert_eq!(stopping.patience, 2);
    let sets = [
        "model=false",
        "schedule.optimizer=false",
        "schedule.epochs=false",
        "dataset.filters=false",
        "schedule.clip=none",
        "schedule.ema.decay=off",
        "schedule.early-stopping.kind=none",
    ];
    snapshot("not_off", &folder.mistakes("base.toml", &sets, &[]));
}

/// Every key that the schema says may be switched off is switched off.
#[test]
fn every_optional_key_takes_false() {
    let switched = |key: &str, kinds: &[&str]| {
        let folder = Folder::new(&[("spec.toml", SMALLEST)]);
        let off = format!("{key}=false");
        let sets: Vec<&str> = kinds.iter().copied().chain([&*off]).collect();
        folder.load("spec.toml", &sets, &[]).map(|_| ()).map_err(|problems| problems.to_string())
    };
    let optional: Vec<String> = super::schema::all_keys()
        .iter()
        .filter(|path| {
            super::schema::nodes_at(path).iter().any(|node| super::schema::may_be_off(node))
        })
        .map(ToString::to_string)
        .collect();
    for key in [
        "schedule.clip",
        "augment.rotate",
        "report.film.layer",
        "gate",
        "augment",
        "schedule.unfreeze-epoch",
        "dataset.stain",
        "augment.stain",
    ] {
        assert!(optional.iter().any(|optional| optional == key), "{key} in {optional:?}");
        assert_eq!(switched(key, &[]), Ok(()), "{key}");
    }
    assert!(optional.len() > 20, "{optional:?}");
    for (key, kinds) in [
        ("task.guide", &["task.kind=classify", "model.kind=resnet18"][..]),
        ("loss.alpha", &["loss.kind=focal"]),
        ("model.encoder.weights", &["model.encoder.kind=resnet18"]),
    ] {
        assert!(optional.iter().any(|optional| optional == key), "{key} in {optional:?}");
        assert_eq!(switched(key, kinds), Ok(()), "{key}");
    }
}

#[test]
fn stains_take_their_defaults_and_a_reference_lies_beside_the_spec() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let of = |sets: &[&str]| {
        let spec = folder.load("spec.toml", sets, &[]).expect("a right spec").spec;
        (spec.dataset.stain, spec.augment.stain)
    };
    assert_eq!(of(&[]), (None, None));
    let sets = ["dataset.stain.kind=macenko", "augment.stain.probability=0.5"];
    let (stain, jitter) = of(&sets);
    assert_eq!(stain, Some(StainSpec::Macenko(MacenkoSpec::default())));
    assert_eq!(jitter, Some(StainJitterSpec { probability: 0.5, factor: 0.05, shift: 0.05 }));
    let image = "dataset.stain.reference={kind='image', path='stains/a.png'}";
    let Some(StainSpec::Macenko(spec)) = of(&[sets[0], image]).0 else { panic!("Macenko's") };
    let StainReferenceSpec::Image(image) = spec.reference else { panic!("an image") };
    assert!(image.path.ends_with("stains/a.png"), "{}", image.path);
}

#[test]
fn elements_of_arrays_are_said_by_index() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let loss = |sets: &[&str], env: &[(&str, &str)]| {
        folder.load("spec.toml", sets, env).map(|loaded| loaded.spec.loss)
    };
    let bce_and_dice = |first, second| {
        LossSpec::Sum(SumSpec {
            terms: vec![
                TermSpec { weight: first, loss: LossSpec::Bce(BceSpec::default()) },
                TermSpec { weight: second, loss: LossSpec::Dice(OverlapSpec::default()) },
            ],
        })
    };
    let env = [("ONCOSPEC_LOSS__TERMS__1__WEIGHT", "3")];
    assert_eq!(loss(&["loss.terms[0].weight=2"], &env).expect("right"), bce_and_dice(2.0, 3.0));
    let sets = [
        "loss.terms[1].weight=5",
        "loss={ kind = \"sum\", terms = [{ kind = \"bce\" }, { kind = \"dice\" }] }",
    ];
    assert_eq!(loss(&sets, &[]).expect("right"), bce_and_dice(1.0, 5.0));
    let sets = [
        "loss.terms[0].smooth=3",
        "loss.terms[0].kind=jaccard",
        "loss.terms[1]={ kind = \"focal\" }",
    ];
    let LossSpec::Sum(sum) = loss(&sets, &[]).expect("right") else { panic!("a sum") };
    assert_eq!(
        sum.terms[0].loss,
        LossSpec::Jaccard(OverlapSpec { smooth: 3.0, ..Default::default() })
    );
    assert_eq!(sum.terms[1].loss, LossSpec::Focal(FocalSpec::default()));
    let sets = ["evaluation.metrics[0]=auc", "evaluation.metrics[9]=dice", "seeds[0]=7"];
    let loaded = folder.load("spec.toml", &sets, &[]).expect("right");
    assert_eq!(loaded.spec.seeds, [7]);
    assert_eq!(loaded.spec.evaluation.metrics[0], MetricKind::Auc);
    assert_eq!(*loaded.origins.of("evaluation.metrics[0]"), Origin::Set(sets[0].into()));
    assert_eq!(*loaded.origins.of("evaluation.metrics[1]"), Origin::Default);
    let sets = [
        "loss.terms[2].weight=2",
        "seeds[1]=1",
        "schedule.layer-rates[0].factor=0.1",
        "name[0]=a",
        "schedule.epochs[0]=1",
        "loss.terms[x]=1",
        "loss.terms[0]..weight=1",
        "loss.terms[0].wieght=1",
    ];
    let env = [("ONCOSPEC_MODEL__ENCODER__FILTERS__9", "8")];
    snapshot("no_element", &folder.mistakes("spec.toml", &sets, &env));
}

#[test]
fn several_files_are_extended_the_later_over_the_earlier() {
    let folder = Folder::new(&[
        (
            "common.toml",
            "name = \"common\"\ndataset.kind = \"phantom\"\nmodel.kind = \"unet\"\nseeds = [1]\n",
        ),
        ("a.toml", "extends = \"common.toml\"\nname = \"a\"\nseeds = [2]\nschedule.epochs = 2\n"),
        ("b.toml", "extends = [\"common.toml\"]\nschedule = { epochs = 3, batch-size = 3 }\n"),
        ("spec.toml", "extends = [\"a.toml\", \"./b.toml\"]\nschedule.batch-size = 4\n"),
        ("twice.toml", "extends = [\"a.toml\", \"./a.toml\"]\n"),
        ("crossed.toml", "extends = [\"a.toml\", \"common.toml\"]\n"),
        ("circle.toml", "extends = [\"a.toml\", \"round.toml\"]\n"),
        ("round.toml", "extends = [\"b.toml\", \"circle.toml\"]\n"),
        ("missing.toml", "extends = [\"no.toml\", \"a.toml\", 3]\n"),
        ("gone.toml", "extends = [\"no.toml\", \"a.toml\", \"~/b.toml\"]\n"),
    ]);
    let loaded = folder.load("spec.toml", &[], &[]).expect("a right spec");
    let spec = &loaded.spec;
    assert_eq!((spec.name.as_str(), spec.seeds.as_slice()), ("a", &[2][..]), "common lies below a");
    assert_eq!((spec.schedule.epochs, spec.schedule.batch_size), (3, 4));
    let files: Vec<PathBuf> = loaded.files().map(Path::to_path_buf).collect();
    assert_eq!(
        files,
        ["common.toml", "a.toml", "b.toml", "spec.toml"].map(|name| folder.path(name))
    );
    let names = ["twice.toml", "crossed.toml", "circle.toml", "missing.toml", "gone.toml"];
    let all = names.map(|name| format!("== {name}\n{}\n", folder.mistakes(name, &[], &[])));
    snapshot("extends", &all.join("\n"));
}

#[test]
fn a_path_that_a_shell_would_have_to_complete_is_refused() {
    let text = r#"
name = "a"
[dataset]
kind = "busi"
root = "~/data"
[model]
kind = "resnet18"
weights = { path = "$HOME/w.pth" }
[run]
output = 'C:\temp'
"#;
    let folder = Folder::new(&[("spec.toml", text)]);
    let sets =
        [r"run.weights=%APPDATA%\weights", "dataset.split={ kind = \"file\", path = \"a\\tb\" }"];
    let env = [("ONCOSPEC_RUN__OUTPUT", "${HOME}/runs")];
    snapshot("paths", &folder.mistakes("spec.toml", &sets, &env));
}

#[test]
fn variables_of_others_break_nothing_and_misspelt_keys_are_reported() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let foreign = [
        ("ONCOSPEC_HOME", "/opt/oncospec"),
        ("ONCOSPEC_EPOCHS", "3"),
        ("ONCOSPEC_MODELS", "/models"),
        ("ONCOSPEC_RUN_ID", "17"),
        ("ONCOSPEC_SHARED", "/shared"),
        ("ONCOSPEC_TOKEN", "a secret"),
        ("ONCOSPEC_", "1"),
        ("HOME", "/root"),
    ];
    snapshot("foreign_variables", &notes(&folder, &[], &foreign).join("\n"));
    let misspelt = [
        ("ONCOSPEC_SEED", "3"),
        ("ONCOSPEC_SHEDULE__EPOCHS", "3"),
        ("ONCOSPEC_SCHEDULE_EPOCHS", "3"),
        ("ONCOSPEC_SCHEDULE__EPOCS", "3"),
        ("ONCOSPEC_PLUGIN__PATH", "3"),
    ];
    snapshot("misspelt_variables", &folder.mistakes("spec.toml", &[], &misspelt));
}

#[test]
fn what_was_meant_by_a_value_of_another_language_is_reported() {
    let wrong = [
        "[schedule]\noptimizer = { kind = \"adam\", learning-rate = 0,01 }\n",
        "schedule.warm-up-epochs = 0,5\n",
        "schedule.warm-up-epochs = .5\n",
        "schedule.warm-up-epochs = 5.\n",
        "[schedule]\noptimizer = { kind = \"adam\", learning-rate = \"0,01\", betas = [0,9, 0,999] }\n",
        "dataset2 = \"C:\\Users\\anna\"\n",
        "dataset2 = \"D:\\busi\\data\"\n",
        "[schedule]\nactivation-checkpointing = True\n",
        "[schedule]\nactivation-checkpointing = \"yes\"\n",
        "[schedule]\nclip = None\n",
        "description = “a”\n",
        "loss.kind = \"CrossEntropy\"\n",
    ];
    let all: Vec<String> = wrong.iter().map(|text| mistakes(&with(text))).collect();
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let sets = [
        "schedule.optimizer.learning-rate=0,01",
        "seeds=0,1",
        "model.kind=unet++",
        "name=Brüste 2",
        "schedule.activation-checkpointing=True",
    ];
    let set = folder.mistakes("spec.toml", &sets, &[]);
    let long = folder.mistakes("spec.toml", &[&format!("name={}", "n".repeat(120))], &[]);
    snapshot("meant", &[all.join("\n\n"), set, long].join("\n\n"));
}

#[test]
fn fractions_said_in_part_are_refused_with_what_is_missing_and_who_said_the_rest() {
    let folder = Folder::new(&[
        ("spec.toml", SMALLEST),
        (
            "base.toml",
            "name = \"a\"\nmodel.kind = \"unet\"\ndataset.kind = \"phantom\"\n\
          dataset.split.fractions = { train = 0.7, valid = 0.15, test = 0.15 }\n",
        ),
    ]);
    let set = ["dataset.split.fractions.train=0.6"];
    let all = ["spec.toml", "base.toml"].map(|name| folder.mistakes(name, &set, &[]));
    snapshot("fractions", &all.join("\n\n"));
}

#[test]
fn a_table_said_in_part_is_completed_from_its_default() {
    let text = with(
        "[schedule.optimizer]\nlearning-rate = 0.5\n[evaluation]\nthreshold.value = 0.25\n\
         [dataset.split]\nseed = 3\n",
    )
    .replace("dataset = { kind = \"phantom\" }", "dataset.kind = \"phantom\"");
    let spec = loaded(&text).spec;
    let adam = AdamSpec { learning_rate: 0.5, ..AdamSpec::default() };
    assert_eq!(spec.schedule.optimizer, OptimizerSpec::Adam(adam));
    assert_eq!(spec.evaluation.threshold, ThresholdSpec::Fixed(FixedThreshold { value: 0.25 }));
    let holdout = HoldoutSpec { seed: 3, ..HoldoutSpec::default() };
    assert_eq!(spec.dataset.split, SplitSpec::Holdout(holdout));
}

#[test]
fn arguments_are_toml_or_else_strings() {
    let folder = Folder::new(&[("spec.toml", SMALLEST)]);
    let sets = [
        "name=2024",
        "description=a = b, \"c\"",
        "seeds=[3, 4]",
        "schedule={ epochs = 3, optimizer = { kind = \"sgd\" } }",
        "gate.\"test.dice.mean\".at-least=0.5",
        "schedule.best.goal=highest",
        " run . device = cpu",
    ];
    let spec = folder.load("spec.toml", &sets, &[]).map_err(|p| p.to_string());
    let message = spec.expect_err("a space before the value makes it another string");
    assert!(message.contains("`run.device` cannot be \" cpu\""), "{message}");
    let spec = folder.load("spec.toml", &sets[..6], &[]).expect("right arguments").spec;
    assert_eq!(spec.name, "2024");
    assert_eq!(spec.description, "a = b, \"c\"");
    assert_eq!(spec.seeds, [3, 4]);
    assert_eq!(spec.schedule.epochs, 3);
    assert_eq!(spec.schedule.optimizer, OptimizerSpec::Sgd(SgdSpec::default()));
    assert_eq!(spec.gate["test.dice.mean"].at_least, Some(0.5));
    assert_eq!(spec.schedule.best.goal, Some(Goal::Highest));
}

#[test]
fn paths_are_relative_to_the_file_that_says_them() {
    let folder = Folder::new(&[
        (
            "base/data.toml",
            "[dataset]\nkind = \"busi\"\nroot = \"../data\"\n\
             split = { kind = \"file\", train = \"a.txt\", valid = \"/b.txt\", test = \"c\" }\n",
        ),
        (
            "spec.toml",
            "extends = \"base/data.toml\"\nname = \"a\"\n[run]\noutput = \"out\"\n\
             [model]\nkind = \"unet\"\nencoder = { kind = \"resnet34\", weights = { path = \"w.pth\" } }\n",
        ),
    ]);
    let sets = ["dataset.split.test=d.txt"];
    let spec = folder.load("spec.toml", &sets, &[]).expect("a right spec").spec;
    let said = |path: &str| path.replace("DIR", &folder.0.path().display().to_string());
    let SourceSpec::Busi(busi) = spec.dataset.source else { panic!("BUSI") };
    assert_eq!(busi.root, said("DIR/data"));
    let SplitSpec::File(split) = spec.dataset.split else { panic!("files") };
    assert_eq!(split.train, Some(said("DIR/base/a.txt")));
    assert_eq!(split.valid.as_deref(), Some("/b.txt"));
    assert_eq!(split.test.as_deref(), Some("d.txt"));
    let ModelSpec::Unet(unet) = spec.model else { panic!("a U-Net") };
    let EncoderSpec::Resnet34(resnet) = unet.encoder else { panic!("a ResNet") };
    assert_eq!(resnet.weights.and_then(|weights| weights.path), Some(said("DIR/w.pth")));
    assert_eq!(spec.run.output, said("DIR/out"));
    assert_eq!(loaded(SMALLEST).spec.run.output, "runs");
}

/// A spec that uses much of the language.
const LARGE: &str = r#"
name = "large"
description = """Two
lines, "quoted" \u007f"""
seeds = [0, 1, 2]
[dataset]
kind = "bcss"
root = "/data set (1)"
image-size = 224
layout = { kind = "rois", stride = 112, magnification = 0.5 }
normalize = { kind = "imagenet" }
classes = { kind = "custom", rest = "class", groups = { "tumor & co" = [1, 19], stroma = [2] } }
split = { kind = "kfold", folds = 4, fold = 3, group = "slide" }
[augment]
horizontal-flip = { probability = 0.5 }
rotate = { probability = 0.5, range = [-15, 15.5] }
[model]
kind = "unet"
encoder = { kind = "resnet50", frozen = true, decoder-filters = [16, 8, 4, 2, 1] }
weights = { path = "/w.safetensors" }
[[loss.terms]]
kind = "cross-entropy"
class-weights = { kind = "given", values = [1, 2.5] }
[[loss.terms]]
kind = "sum"
weight = 0.5
terms = [{ kind = "focal", alpha = 0.25 }, { kind = "lovasz" }]
[schedule]
epochs = 3
optimizer = { kind = "adamw", learning-rate = 1e-12, weight-decay = 0 }
learning-rate-schedule = { kind = "one-cycle", final-divisor = 1e9 }
clip = { kind = "norm", limit = 1e9 }
ema = { decay = 0.999 }
early-stopping = { patience = 3 }
[gate]
"test.dice.mean" = { at-least = 0.5 }
"test.\"odd\"\nname" = { at-most = 3 }
"#;

#[test]
fn a_rendered_spec_says_every_origin() {
    let folder = Folder::new(&[("spec.toml", LARGE)]);
    let env = [("ONCOSPEC_SCHEDULE__BATCH_SIZE", "4")];
    let loaded = folder.load("spec.toml", &["schedule.epochs=5"], &env).expect("a right spec");
    snapshot("render", &folder.shown(&render(&loaded)));
}

#[test]
fn a_rendered_spec_reads_back_as_itself() {
    for text in [SMALLEST, LARGE] {
        let first = loaded(text);
        assert_eq!(toml::from_str::<Spec>(&render(&first)).expect("TOML"), first.spec);
        assert_eq!(toml::from_str::<Spec>(&to_toml(&first.spec)).expect("TOML"), first.spec);
    }
}

#[test]
fn a_difference_is_reported_by_key() {
    let one = loaded(SMALLEST).spec;
    let two = loaded(&with("seeds = [1]\nloss.kind = \"bce\"\n")).spec;
    assert!(diff(&[&one, &one]).is_empty());
    assert!(diff(&[]).is_empty());
    let rows = diff(&[&one, &two, &one]);
    let row = |key: &str| rows.iter().find(|(name, _)| name == key).map(|(_, v)| v.join("|"));
    assert_eq!(row("seeds").as_deref(), Some("[0]|[1]|[0]"));
    assert_eq!(row("loss.kind").as_deref(), Some("\"sum\"|\"bce\"|\"sum\""));
    assert_eq!(row("loss.terms[1].kind").as_deref(), Some("\"dice\"||\"dice\""));
    assert_eq!(row("name"), None);
}

#[test]
fn a_problem_found_later_is_shown_where_its_value_was_said() {
    let folder = Folder::new(&[("spec.toml", &with("\n[schedule]\nepochs = 3\n"))]);
    let loaded = folder.load("spec.toml", &["dataset.image-size=250"], &[]).expect("right");
    let shown = |key| {
        let help = Some("240 and 256 can".into());
        folder.shown(&loaded.problem_at(key, "wrong".into(), help).to_string())
    };
    let keys = [
        "dataset.image-size",
        "schedule.epochs",
        "schedule.optimizer.betas",
        "model.encoder.filters",
        "evaluation.metrics",
    ];
    snapshot("problem_at", &keys.map(shown).join("\n\n"));
}

#[test]
fn explanations_follow_the_types() {
    let keys = [
        "schedule.optimizer.adam.betas",
        "schedule.optimizer",
        "schedule.optimizer.learning-rate",
        "schedule.optimizer.sgd",
        "dataset",
        "dataset.root",
        "dataset.image-size",
        "dataset.split.kfold.fold",
        "dataset.classes.custom.groups",
        "loss.terms.weight",
        "model.unet.encoder.resnet34.weights.sha256",
        "augment.rotate.range",
        "evaluation.metrics",
        "gate.test.dice.mean.at-least",
        "gate",
        "name",
        "run.device",
        "optimizer",
        "betas",
        "schedule.optimiser",
        "schedule.epochs.more",
    ];
    let shown = keys.map(|key| match explain(key) {
        Ok(text) => format!("== {key}\n{text}"),
        Err(error) => format!("== {key}\n{error}\n"),
    });
    snapshot("explain", &shown.join("\n"));
}

#[test]
fn examples_in_explanations_are_toml() {
    for key in [
        "schedule.optimizer.adam.betas",
        "schedule.optimizer.sgd",
        "dataset.classes.custom.groups",
        "loss.sum.terms.dice",
        "loss.terms.dice.smooth",
        "loss.terms.cross-entropy.class-weights.values",
        "gate.test.dice.mean",
        "augment",
    ] {
        let text = explain(key).expect("a key");
        let (_, example) = text.split_once("example:  ").expect("an example");
        let lines = example
            .lines()
            .take(1)
            .chain(example.lines().skip(1).take_while(|line| line.starts_with("          ")));
        let toml = lines.collect::<Vec<_>>().join("\n");
        assert!(toml::from_str::<toml::Table>(&toml).is_ok(), "{key}: {toml}");
    }
}

#[test]
fn the_tree_of_keys_is_whole() {
    snapshot("tree", &explain("").expect("the tree"));
}

#[test]
fn the_schema_is_as_published() {
    snapshot("schema", &serde_json::to_string_pretty(&schema()).expect("JSON"));
}

/// Fragments that make texts which are nearly specs.
fn nearly_toml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "name",
        "dataset",
        "kind",
        "busi",
        "split",
        "holdout",
        "fractions",
        "loss",
        "terms",
        "sum",
        "schedule",
        "epochs",
        "gate",
        "at-least",
        "model",
        "unet",
        "extends",
        "seeds",
        "=",
        ".",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\"",
        "'",
        "#",
        "1",
        "-1",
        "0.5",
        "nan",
        "1e400",
        "true",
        "2024-01-01",
        "\"\"\"",
        "'''",
        "\\",
        "\t",
        "\r\n",
        " ",
        "é",
        "\u{feff}",
        "\0",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// Tables that are TOML but hardly a spec.
fn any_toml() -> impl Strategy<Value = toml::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(toml::Value::from),
        any::<i64>().prop_map(toml::Value::from),
        any::<f64>().prop_map(toml::Value::from),
        any::<String>().prop_map(toml::Value::from),
        prop::sample::select(vec!["busi", "bcss", "sum", "adam", "kfold", "unet", "custom"])
            .prop_map(toml::Value::from),
    ];
    let key = prop_oneof![
        3 => prop::sample::select(vec![
            "name", "dataset", "kind", "root", "split", "fractions", "loss", "terms", "schedule",
            "optimizer", "gate", "model", "encoder", "weights", "seeds", "classes", "groups",
            "augment", "rotate", "range", "evaluation", "metrics", "train", "valid", "path",
        ]).prop_map(String::from),
        1 => any::<String>(),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(toml::Value::from),
            4 => prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| {
                toml::Value::Table(map.into_iter().collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::new(&[]);
        folder.write("spec.toml", &bytes);
        prop_assert!(folder.load("spec.toml", &[], &[]).is_err());
    }

    #[test]
    fn no_nearly_toml_makes_loading_panic(text in nearly_toml()) {
        let folder = Folder::new(&[("spec.toml", &text)]);
        if let Err(problems) = folder.load("spec.toml", &[], &[]) {
            prop_assert!(!problems.list.is_empty() && !problems.to_string().is_empty());
        }
    }

    #[test]
    fn no_toml_makes_loading_panic(value in any_toml()) {
        let toml::Value::Table(table) = value else { return Ok(()) };
        let text = toml::to_string(&table).expect("TOML");
        let folder = Folder::new(&[("spec.toml", &with(&text)), ("bare.toml", &text)]);
        for name in ["spec.toml", "bare.toml"] {
            match folder.load(name, &[], &[]) {
                Ok(loaded) => prop_assert_eq!(
                    &toml::from_str::<Spec>(&render(&loaded)).expect("TOML"), &loaded.spec
                ),
                Err(problems) => prop_assert!(!problems.list.is_empty()),
            }
        }
    }

    #[test]
    fn no_argument_makes_loading_panic(
        set in any::<String>(), key in "[a-z.\"=-]{0,20}", value in any::<String>(),
    ) {
        let folder = Folder::new(&[("spec.toml", SMALLEST)]);
        let pair = format!("{key}={value}");
        let name = format!("ONCOSPEC_{key}").to_uppercase();
        if let Err(problems) = folder.load("spec.toml", &[&set, &pair], &[(&name, &value)]) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn no_key_makes_explaining_panic(key in any::<String>()) {
        prop_assert!(explain(&key).unwrap_or_else(|error| error.to_string()).len() > 1);
    }
}
