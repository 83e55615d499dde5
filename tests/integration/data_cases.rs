//! Data sets that went wrong for people: what `check`, `run` and the page say of each.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageBuffer, Luma, RgbaImage};

use crate::support::{Bench, Said};

const EPOCHS: &str = "schedule.epochs=1";

/// Side of the pictures, in pixels.
const SIDE: u32 = 40;

/// A small BUSI, and what is said of it.
struct Set {
    bench: Bench,
    /// Overrides of the spec.
    sets: Vec<String>,
}

/// Whether a pixel of the image of this number is lesion: a rectangle.
fn truth(class: &str, number: u32, x: u32, y: u32) -> bool {
    let (left, top) = (5 + 2 * number, 8 + number);
    class != "normal" && (left..left + 12).contains(&x) && (top..top + 9).contains(&y)
}

/// How bright a pixel of the image is.
fn brightness(class: &str, number: u32, x: u32, y: u32) -> u8 {
    let speckle = (x * 31 + y * 17 + number * 57 + class.len() as u32 * 91) % 40;
    if truth(class, number, x, y) { 30 + speckle as u8 } else { 130 + speckle as u8 }
}

const CLASSES: [&str; 3] = ["benign", "malignant", "normal"];

impl Set {
    /// Four images of each class with masks that `save_mask` writes, from a function that tells lesions.
    fn new(save_mask: impl Fn(&Path, &dyn Fn(u32, u32) -> bool)) -> Self {
        let set = Self::empty();
        for class in CLASSES {
            for number in 1..5 {
                let stem = set.folder(class).join(format!("{class} ({number})"));
                let gray = |x, y| Luma([brightness(class, number, x, y)]);
                let path = stem.with_extension("png");
                GrayImage::from_fn(SIDE, SIDE, gray).save(path).unwrap();
                let mask = stem.with_file_name(format!("{class} ({number})_mask.png"));
                save_mask(&mask, &|x, y| truth(class, number, x, y));
            }
        }
        set
    }

    /// The same with masks of two grey values, the second for lesions.
    fn with_values(background: u8, lesion: u8) -> Self {
        Self::new(|path, is_lesion| {
            let value = |x, y| Luma([if is_lesion(x, y) { lesion } else { background }]);
            GrayImage::from_fn(SIDE, SIDE, value).save(path).unwrap();
        })
    }

    fn empty() -> Self {
        let bench = Bench::new();
        bench.tiny("");
        let data = "dataset={kind=\"busi\", root=\"data\", image-size=32, channels=\"gray\"}";
        let split =
            "dataset.split={kind=\"holdout\", fractions={train=0.5, valid=0.25, test=0.25}}";
        let sets = [data, split, EPOCHS].map(String::from).to_vec();
        Self { bench, sets }
    }

    /// The same, read with one more override.
    fn reading(mut self, set: &str) -> Self {
        self.sets.push(set.into());
        self
    }

    /// The same, without saying how it is divided.
    fn undivided(mut self) -> Self {
        self.sets.retain(|set| !set.starts_with("dataset.split="));
        self
    }

    fn root(&self) -> PathBuf {
        self.bench.path().join("data")
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.root().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn say(&self, command: &str, more: &[&str]) -> Said {
        let mut arguments = vec![command, "tiny.toml"];
        self.sets.iter().for_each(|set| arguments.extend(["--set", set.as_str()]));
        arguments.extend(more);
        self.bench.oncospec(&arguments)
    }

    /// `check` and `run` refuse the data in these words, and there is no page.
    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        for command in ["check", "run"] {
            self.say(command, &[]).with(2).telling(parts);
        }
        assert!(!self.bench.path().join("reports").exists(), "a page of data that were refused");
        assert!(!self.bench.path().join("runs").exists(), "a run of data that were refused");
    }

    /// `check`, `run` and the page say this, and the run finishes. The page, and how many cases it is of.
    #[track_caller]
    fn heard(&self, parts: &[&str]) -> (String, u64) {
        let checked = self.say("check", &["--json"]).with(0).telling(parts);
        self.say("run", &["--device", "cpu"]).with(0).telling(parts).telling(&["finished"]);
        let page = fs::read_to_string(self.bench.path().join("reports/tiny.html")).unwrap();
        let (_, found) = page.split_once("Findings about the data").unwrap();
        for part in parts {
            assert!(found.contains(part), "the page does not say `{part}`");
        }
        let checked: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
        let cases = |part: &str| checked[0][part].as_u64().unwrap();
        (page, cases("train") + cases("valid") + cases("test"))
    }
}

/// A mask of one colour whose alpha channel holds the lesion.
fn in_alpha(colour: u8) -> Set {
    Set::new(move |path, is_lesion| {
        let pixel =
            |x, y| image::Rgba([colour, colour, colour, if is_lesion(x, y) { 255 } else { 0 }]);
        RgbaImage::from_fn(SIDE, SIDE, pixel).save(path).unwrap();
    })
}

const IN_ALPHA: [&str; 4] = [
    "masks of one colour that are not opaque",
    "12: benign/benign (1)_mask.png",
    "and 9 more",
    "foreground = { kind = \"alpha-above\", threshold = 127 }",
];

#[test]
fn alpha_black_is_refused_and_read_where_the_spec_says_so() {
    let set = in_alpha(0);
    set.refused(&IN_ALPHA);
    let foreground = "dataset.foreground={kind=\"alpha-above\", threshold=127}";
    let (_, cases) = set.reading(foreground).heard(&[]);
    assert_eq!(cases, 12);
}

#[test]
fn alpha_white_is_refused() {
    in_alpha(255).refused(&IN_ALPHA);
}

#[test]
fn codes_1_and_2_are_refused_until_one_of_them_is_lesion() {
    let set = Set::with_values(1, 2);
    set.refused(&[
        "masks that do not say which pixels are lesion",
        "8: benign/benign (1)_mask.png: values 1, 2",
        "dataset.foreground = { kind = \"values\", values = [2] }",
    ]);
    set.reading("dataset.foreground={kind=\"values\", values=[2]}").heard(&[]);
}

#[test]
fn inverted_masks_are_refused_until_the_spec_says_which_value_is_lesion() {
    let set = Set::with_values(255, 0);
    set.refused(&["lesion and background were exchanged", "benign/benign (1): 9", "values = [0]"]);
    let as_they_are = "dataset.foreground={kind=\"values\", values=[255]}";
    set.reading(as_they_are).heard(&[
        "masks of which nearly all is lesion (12: ",
        "normal images whose mask has lesion (4: normal",
    ]);
}

#[test]
fn jpeg_as_png_is_refused_until_a_threshold_is_given() {
    let through_jpeg = |path: &Path, is_lesion: &dyn Fn(u32, u32) -> bool| {
        let value = |x, y| Luma([if is_lesion(x, y) { 255 } else { 0 }]);
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(Cursor::new(&mut bytes), 60);
        GrayImage::from_fn(SIDE, SIDE, value).write_with_encoder(encoder).unwrap();
        image::load_from_memory(&bytes).unwrap().to_luma8().save(path).unwrap();
    };
    let set = Set::new(through_jpeg);
    set.refused(&[
        "masks that do not say which pixels are lesion",
        "8: benign/benign (1)_mask.png: ",
        "dataset.foreground = { kind = \"above\", threshold = 127 }",
    ]);
    set.reading("dataset.foreground={kind=\"above\", threshold=127}").heard(&[]);
}

#[test]
fn twelve_bits_are_refused_until_a_window_is_given_which_predictions_use_too() {
    let set = Set::with_values(0, 255);
    for class in CLASSES {
        for number in 1..5 {
            let path = set.folder(class).join(format!("{class} ({number}).png"));
            let deep = |x, y| Luma([u16::from(brightness(class, number, x, y)) * 16]);
            ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(SIDE, SIDE, deep).save(path).unwrap();
        }
    }
    set.refused(&[
        "images of 16 bits a channel, and nothing says which of their values are black and white",
        "12: benign/benign (1).png",
        "{ kind = \"window\", low = 0, high = 4095 }",
    ]);
    let set = set.reading("dataset.intensity={kind=\"percentiles\", low=0, high=100}");
    set.heard(&["note", "images of 16 bits a channel"]);
    let plan = fs::read_to_string(set.bench.only_run("runs", "tiny").join("plan.toml")).unwrap();
    // Brightness goes from 30 to 169.
    assert!(plan.contains("[window]\nlow = 480\nhigh = 2704"), "{plan}");
    let image = "data/benign/benign (1).png";
    set.bench.oncospec(&["predict", "tiny", image, "--out", "out", "--device", "cpu"]).with(0);
    set.bench.oncospec(&["evaluate", "tiny", "--device", "cpu"]).with(0);
}

#[test]
fn gif_is_an_error_that_names_how_to_convert() {
    let set = Set::with_values(0, 255);
    for name in ["benign (1)", "benign (1)_mask", "benign (2)", "benign (2)_mask"] {
        let path = set.folder("benign").join(name);
        fs::remove_file(path.with_extension("png")).unwrap();
        fs::write(path.with_extension("gif"), b"GIF89a").unwrap();
    }
    set.refused(&[
        "images in a format that is not read",
        "4: benign/benign (1).gif",
        "and 1 more",
        "magick mogrify -format png *.gif",
    ]);
}

#[test]
fn masks_are_masks_in_any_case() {
    let set = Set::with_values(0, 255);
    for class in CLASSES {
        for (number, suffix) in (1..5).zip(["_Mask", "_MASK", "_mask", "_mAsk"]) {
            let old = set.folder(class).join(format!("{class} ({number})_mask.png"));
            let new = set.folder(class).join(format!("{class} ({number}){suffix}.png"));
            fs::rename(old, new).unwrap();
        }
    }
    assert_eq!(set.heard(&[]).1, 12);
}

#[test]
fn masks_under_names_that_are_not_known_do_not_become_images() {
    let set = Set::with_values(0, 255);
    let folder = set.folder("normal");
    fs::rename(folder.join("normal (1)_mask.png"), folder.join("normal (1)-gt.png")).unwrap();
    set.refused(&["sound like its mask", "normal/normal (1)-gt.png", "<image>_mask.png"]);
}

#[test]
fn names_in_two_forms_of_unicode_are_the_same() {
    let set = Set::with_values(0, 255);
    let folder = set.folder("benign");
    fs::rename(folder.join("benign (1).png"), folder.join("gr\u{f6}\u{df}e (1).png")).unwrap();
    let mask = folder.join("gro\u{308}\u{df}e (1)_mask.png");
    fs::rename(folder.join("benign (1)_mask.png"), mask).unwrap();
    assert_eq!(set.heard(&[]).1, 12);
}

#[test]
fn links_that_lead_nowhere_are_counted_and_named() {
    let set = Set::with_values(0, 255);
    for name in ["benign (1)", "benign (1)_mask", "benign (2)", "benign (2)_mask"] {
        let path = set.folder("benign").join(format!("{name}.png"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("../.annex/objects/gone", &path).unwrap();
    }
    set.refused(&[
        "links that lead nowhere (4: benign/benign (1).png -> ../.annex/objects/gone; ",
        "and 1 more",
        "git annex get",
    ]);
}

/// Images and masks in two folders.
fn two_folders(masks: &str) -> Set {
    let set = Set::empty();
    for number in 1..5 {
        let name = format!("benign ({number}).png");
        let gray = |x, y| Luma([brightness("benign", number, x, y)]);
        GrayImage::from_fn(SIDE, SIDE, gray).save(set.folder("images").join(&name)).unwrap();
        let value = |x, y| Luma([u8::from(truth("benign", number, x, y))]);
        GrayImage::from_fn(SIDE, SIDE, value).save(set.folder(masks).join(&name)).unwrap();
    }
    set
}

#[test]
fn images_and_masks_in_two_folders_are_a_layout_of_their_own() {
    for masks in ["masks", "masks/0"] {
        let said = format!("`images/` with 4 images, `{masks}/`");
        let parts = [
            "images and masks in two folders",
            said.as_str(),
            "no BCSS ROIs",
            "dataset.kind = \"folder\"",
            "oncospec data init",
        ];
        let set = two_folders(masks);
        let rois = "dataset={kind=\"bcss\", root=\"data\", layout={kind=\"rois\"}, image-size=32}";
        let set = set.reading(rois).reading("loss={kind=\"cross-entropy\"}");
        set.refused(&parts);
        set.bench.oncospec(&["data", "inspect", "data"]).with(2).telling(&parts);
        two_folders(masks).refused(&parts);
    }
}

/// Tiles with the codes that a function gives the columns of training and validation masks.
fn tiles(code: impl Fn(&str, u32, u32) -> u8) -> Set {
    let set = Set::empty();
    for part in ["train", "val"] {
        for number in 0..4 {
            let name = format!("TCGA-A1-A0SK-DX1_xmin{number}_ymin2_MPP-0_0_0_size32.png");
            let gray = |x, y| Luma([brightness(part, number, x, y)]);
            GrayImage::from_fn(32, 32, gray).save(set.folder(part).join(&name)).unwrap();
            let mask = set.folder(&format!("{part}_mask")).join(&name);
            GrayImage::from_fn(32, 32, |x, _| Luma([code(part, number, x)])).save(mask).unwrap();
        }
    }
    let data = "dataset={kind=\"bcss\", root=\"data\", image-size=32, split={kind=\"by-folder\"}, \
                classes={kind=\"five\"}}";
    Set { sets: [data, EPOCHS].map(String::from).to_vec(), ..set }
        .reading("loss={kind=\"cross-entropy\"}")
        .reading("evaluation.splits=[\"valid\"]")
}

#[test]
fn a_split_without_a_labelled_pixel_is_refused() {
    let set = tiles(|part, _, x| if part == "val" { 0 } else { 1 + (x % 4) as u8 });
    set.refused(&["the valid split has not one labelled pixel (4: "]);
}

#[test]
fn tiles_without_a_labelled_pixel_among_others_are_heard_of() {
    let set = tiles(|_, number, x| if number == 0 { 0 } else { 1 + (x % 4) as u8 });
    set.heard(&["tiles whose mask has no labelled pixel (2: "]);
}

/// Eight tiles under names made of their split and number, divided as a spec says.
fn named_tiles(name: impl Fn(&str, u32) -> String, split: &str) -> Set {
    let set = tiles(|_, number, x| 1 + ((number + x) % 4) as u8);
    for part in ["train", "val"] {
        for folder in [part.to_string(), format!("{part}_mask")] {
            for number in 0..4 {
                let old = format!("TCGA-A1-A0SK-DX1_xmin{number}_ymin2_MPP-0_0_0_size32.png");
                let new = set.folder(&folder).join(name(part, number));
                fs::rename(set.folder(&folder).join(old), new).unwrap();
            }
        }
    }
    set.reading(split).reading("evaluation.splits=[\"valid\",\"test\"]")
}

const THIRDS: &str =
    "dataset.split={kind=\"holdout\", fractions={train=0.5, valid=0.25, test=0.25}}";

#[test]
fn tiles_of_a_slide_stay_together_however_it_is_spelt() {
    for name in ["tile_TCGA-a2-A0D{}-DX1", "tcga-a2-a0d{}-dx1", "TCGA-A2-{case}0D{}-DX1"] {
        let set = named_tiles(
            |part, number| {
                // Each patient has a tile in either folder.
                let spelt = if part == "val" { "a" } else { "A" };
                let name = name.replace("{}", &number.to_string()).replace("{case}", spelt);
                format!("{name}_xmin1_ymin{part}_MPP-0_0_0_size32.png")
            },
            THIRDS,
        );
        let plan = set.say("plan", &[]).with(0);
        assert!(plan.out.contains("patient"), "{}", plan.out);
        assert!(!plan.err.contains("patients lie in more than one split"), "{}", plan.err);
        assert!(!plan.err.contains("tell no slide"), "{}", plan.err);
    }
}

#[test]
fn tiles_that_name_no_slide_are_heard_of() {
    let name = |part: &str, number| format!("{part}{number}.png");
    named_tiles(name, THIRDS).heard(&[
        "warning",
        "tiles whose names tell no slide: nothing keeps those of one patient in one split",
        "(8: train",
        "TCGA-A2-A0D2-DX1_..",
    ]);
    let alone = named_tiles(name, THIRDS).reading("dataset.split.group=\"none\"");
    assert!(!alone.say("check", &[]).with(0).err.contains("tell no slide"));
}

#[test]
fn codes_that_bcss_does_not_have_are_refused() {
    let set = tiles(|part, _, x| if part == "val" { 24 + (x % 2) as u8 * 12 } else { 5 });
    set.refused(&[
        "masks with codes that BCSS does not have (4: val_mask/TCGA-A1",
        "code 24 (512 pixels), code 36 (512 pixels)",
    ]);
}

#[test]
fn a_folder_called_valid_is_not_passed_over() {
    let set = tiles(|_, _, x| 1 + (x % 4) as u8);
    for name in ["", "_mask"] {
        fs::rename(set.folder(&format!("val{name}")), set.root().join(format!("valid{name}")))
            .unwrap();
    }
    set.refused(&["`valid` must be `val`", "`valid_mask` must be `val_mask`", "rename them"]);
}

#[test]
fn folders_that_are_not_read_and_images_beside_them_are_heard_of() {
    let set = Set::with_values(0, 255);
    for place in ["cysts", "benign/deeper"] {
        let path = set.folder(place).join("a.png");
        GrayImage::new(4, 4).save(path).unwrap();
    }
    GrayImage::new(4, 4).save(set.root().join("overview.png")).unwrap();
    set.heard(&[
        "folders with images that are not read (2: benign",
        "images beside the folders that are read (overview.png)",
    ]);
}

#[test]
fn images_that_exif_turns_are_refused_beside_masks_that_it_does_not() {
    let set = Set::with_values(0, 255);
    let folder = set.folder("benign");
    let turned = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/images/turned.jpg");
    fs::remove_file(folder.join("benign (1).png")).unwrap();
    fs::copy(turned, folder.join("benign (1).jpg")).unwrap();
    set.refused(&["Exif says are turned or mirrored", "benign/benign (1).jpg", "auto-orient"]);
}

#[test]
fn images_that_their_masks_have_replaced_are_refused() {
    let set = Set::with_values(0, 255);
    for number in 1..5 {
        let image = set.folder("benign").join(format!("benign ({number}).png"));
        fs::copy(image.with_file_name(format!("benign ({number})_mask.png")), image).unwrap();
    }
    set.refused(&["images that are the same as their mask (4: benign/benign (1); "]);
}

#[test]
fn an_image_on_which_there_is_nothing_is_heard_of() {
    let set = Set::with_values(0, 255);
    GrayImage::new(SIDE, SIDE).save(set.folder("benign").join("benign (1).png")).unwrap();
    set.heard(&["images of one value, on which there is nothing", "benign (1): 0 everywhere"]);
}

#[test]
fn a_split_without_lesion_is_refused_where_it_decides_and_heard_of_elsewhere() {
    let set = Set::with_values(0, 255).undivided();
    let list = |lists: [&[&str]; 3]| {
        for (name, classes) in ["train", "valid", "test"].into_iter().zip(lists) {
            let names = classes.iter().map(|class| format!("{class}\n"));
            fs::write(set.bench.path().join(format!("{name}.txt")), names.collect::<String>())
                .unwrap();
        }
    };
    let lists = "dataset.split={kind=\"file\", train=\"train.txt\", valid=\"valid.txt\", test=\"test.txt\"}";
    let lesions = ["benign (1)", "benign (2)", "malignant (1)"];
    let (one, two) = (["normal (1)", "normal (2)"], ["normal (3)", "malignant (2)", "benign (3)"]);
    let classes = "dataset.classes=[\"benign\",\"malignant\",\"normal\"]";
    // Every class must be in every part, so that the masks of some are emptied.
    for name in ["benign (3)", "malignant (2)"] {
        let class = name.split(' ').next().unwrap();
        GrayImage::new(SIDE, SIDE)
            .save(set.folder(class).join(format!("{name}_mask.png")))
            .unwrap();
    }
    let set_of = |best: &str| {
        let mut more = vec!["--set", lists, "--set", classes, "--set", best];
        more.extend(["--set", "evaluation.splits=[\"valid\",\"test\"]"]);
        set.say("check", &more)
    };
    list([
        &[&lesions[..], &one[..1]].concat(),
        &two,
        &["benign (4)", "malignant (4)", "normal (4)"],
    ]);
    let said = set_of("schedule.best={metric=\"valid.dice.lesion\"}");
    said.with(2).telling(&[
        "`valid.dice.lesion` decides, and the valid split has not one pixel of lesion in its 3 cases",
    ]);
    let said = set_of("schedule.best={metric=\"valid.loss\"}");
    said.with(0).telling(&[
        "warning",
        "without one pixel of the foreground",
        "valid: 3 cases without lesion",
    ]);
    list([
        &[&lesions[..], &one[..1]].concat(),
        &["benign (4)", "malignant (4)", "normal (4)"],
        &two,
    ]);
    let said = set_of("schedule.best={metric=\"valid.dice.lesion\"}");
    said.with(0).telling(&["test: 3 cases without lesion"]);
}

#[test]
fn tiles_that_nobody_labelled_are_heard_of() {
    let set = tiles(|_, number, x| 1 + ((number + x) % 4) as u8);
    let name = "TCGA-A1-A0SK-DX1_xmin9_ymin2_MPP-0_0_0_size32.png";
    let gray = |x, y| Luma([brightness("test", 9, x, y)]);
    GrayImage::from_fn(32, 32, gray).save(set.folder("test").join(name)).unwrap();
    set.say("check", &[]).with(0).telling(&[
        "note: tiles without a folder of their masks, which are in no split and in no figure",
    ]);
}

#[test]
fn a_pipe_is_no_list_and_stops_nothing() {
    let set = Set::with_values(0, 255);
    let made = std::process::Command::new("mkfifo").arg(set.bench.path().join("pipe.csv")).status();
    assert!(made.unwrap().success());
    let made = std::process::Command::new("mkfifo").arg(set.root().join("pipe")).status();
    assert!(made.unwrap().success());
    set.say("check", &[]).with(0).telling(&["pipes, sockets and devices", "(pipe)"]);
    let set = set.undivided().reading("dataset.split={kind=\"file\", path=\"pipe.csv\"}");
    set.say("check", &[]).with(2).telling(&["pipe.csv", "not a file"]);
}

#[test]
fn a_class_of_images_needs_no_masks() {
    let set = Set::with_values(1, 2);
    for number in 1..5 {
        fs::remove_file(set.folder("benign").join(format!("benign ({number})_mask.png"))).unwrap();
    }
    let set = set.reading("task={kind=\"classify\"}").reading("loss={kind=\"cross-entropy\"}");
    let checked = set.reading("model={kind=\"resnet18\"}").say("check", &[]).with(0);
    assert!(!checked.err.contains("mask"), "{}", checked.err);
}
