//! What lies on both sides of a division is said by the commands and on the page.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, RgbImage};

use super::support::Bench;

/// Names of the images of a class, without masks.
fn images(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains("_mask"))
        .collect();
    names.sort();
    names
}

/// A data set in the layout of BUSI in which `malignant (99)` is `benign (1)`, cropped and mirrored, and a division by
/// lists that has them in training and test.
fn with_a_copy() -> (Bench, PathBuf) {
    let bench = Bench::new();
    let cases = ["--cases", "24", "--seed", "5"];
    bench
        .oncospec(&[&["data", "synth", "--kind", "busi", "--out", "data"][..], &cases].concat())
        .with(0);
    let data = bench.path().join("data");
    for suffix in ["", "_mask"] {
        let original = image::open(data.join(format!("benign/benign (1){suffix}.png"))).unwrap();
        let (width, height) = (original.width(), original.height());
        let (x, y) = (width / 25, height / 30);
        let copy = original.crop_imm(x, y, width - 2 * x, height - 2 * y).fliph();
        copy.save(data.join(format!("malignant/malignant (99){suffix}.png"))).unwrap();
    }
    let mut lists = [String::new(), String::new(), String::new()];
    for class in ["benign", "malignant", "normal"] {
        for (number, name) in images(&data.join(class)).into_iter().enumerate() {
            let part = match name.as_str() {
                "benign (1).png" => 0,
                "malignant (99).png" => 2,
                _ => number % 3,
            };
            lists[part].push_str(&format!("{class}/{name}\n"));
        }
    }
    for (name, list) in ["train", "valid", "test"].iter().zip(lists) {
        bench.file(&format!("{name}.txt"), list);
    }
    let dataset = "dataset = { kind = \"busi\", root = \"data\", image-size = 32, split = { kind = \"file\", \
                   train = \"train.txt\", valid = \"valid.txt\", test = \"test.txt\" } }";
    let spec = format!(
        "name = \"copied\"\n{dataset}\nmodel = {{ kind = \"unet\", encoder = {{ kind = \"plain\", filters = [4, 8] }} }}\n\
         schedule = {{ epochs = 1, batch-size = 4, optimizer = {{ kind = \"adam\", learning-rate = 0.01 }} }}\n"
    );
    let spec = bench.file("copied.toml", spec);
    (bench, spec)
}

#[test]
fn a_copy_on_the_other_side_of_given_lists_is_said_at_the_headline() {
    let (bench, _) = with_a_copy();
    let leak = "near-duplicate images lie in more than one split";
    let copied = "benign/benign (1) in train, malignant/malignant (99) in test";
    let conflict = "one picture under several labels";
    bench
        .oncospec(&["run", "copied.toml", "--device", "cpu", "-o", "page.html"])
        .with(0)
        .telling(&[&format!("warning: {leak}"), copied, conflict]);
    let page = fs::read_to_string(bench.path().join("page.html")).unwrap().replace("&#x2f;", "/");
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no `{text}` on the page"));
    assert!(place("Near-duplicate images lie in more than one split") < place("Headline figures"));
    place(copied);
    place(conflict);
    assert!(!page.contains("No group crosses a split"));
}

#[test]
fn copies_are_listed_and_drawn_and_no_other_file_is_written_over() {
    let (bench, _) = with_a_copy();
    let said = bench.oncospec(&["data", "dedup", "data", "-o", "sheet.html"]).with(0);
    let named = "2 images, under several labels: benign/benign (1), malignant/malignant (99)";
    assert!(said.out.contains(named) && said.out.contains("mirrored"), "{}", said.out);
    let sheet = fs::read_to_string(bench.path().join("sheet.html")).unwrap();
    assert_eq!(sheet.matches("<img ").count(), 2);
    bench.oncospec(&["data", "dedup", "data", "-o", "sheet.html"]).with(0);
    bench.file("notes.html", "mine");
    bench.oncospec(&["data", "dedup", "data", "-o", "notes.html"]).with(2).telling(&["notes.html"]);
    assert_eq!(fs::read_to_string(bench.path().join("notes.html")).unwrap(), "mine");
    let json = bench.oncospec(&["data", "dedup", "data", "--json"]).with(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["clusters"][0]["conflicting-labels"], true);
}

#[test]
fn patients_and_overlapping_tiles_that_cross_given_folders_are_said_by_check() {
    let bench = Bench::new();
    let tiles = [
        "train/TCGA-A2-A0D2-DX1_0_0_size16",
        "train/TCGA-A2-A0D3-DX1_0_0_size16",
        "val/TCGA-A2-A0D2-DX2_0_0_size16",
        "val/TCGA-A2-A0D3-DX1_8_8_size16",
    ];
    for tile in tiles {
        let image = bench.file(&format!("data/{tile}.png"), "");
        RgbImage::from_fn(16, 16, |x, y| image::Rgb([x as u8, y as u8, 7])).save(image).unwrap();
        let mask = bench.file(&format!("data/{}.png", tile.replacen('/', "_mask/", 1)), "");
        GrayImage::from_fn(16, 16, |x, _| Luma([1 + (x % 4) as u8])).save(mask).unwrap();
    }
    bench.file(
        "tiles.toml",
        "name = \"tiles\"\n\
         dataset = { kind = \"bcss\", root = \"data\", image-size = 16, split = { kind = \"by-folder\" } }\n\
         model = { kind = \"unet\", encoder = { kind = \"plain\", filters = [4, 8] } }\n\
         loss = { kind = \"cross-entropy\" }\nevaluation = { splits = [\"valid\"] }\n",
    );
    bench.oncospec(&["check", "tiles.toml"]).with(0).telling(&[
        "patients lie in more than one split",
        "TCGA-A2-A0D2 in train and valid",
        "tiles that overlap lie in more than one split",
        "train/TCGA-A2-A0D3-DX1_0_0_size16 in train, valid/TCGA-A2-A0D3-DX1_8_8_size16 in valid",
    ]);
}
