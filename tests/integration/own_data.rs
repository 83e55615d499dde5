//! Anyone's data: folders and tables read like the data sets that have a kind of their own, and first specs for them.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageBuffer, Luma};
use oncospec::record::{Record, RunState};
use serde_json::Value;

use crate::support::{Bench, repository, shared};

/// Side of the images of made layouts.
const SIDE: u32 = 48;

fn layouts() -> serde_json::Map<String, Value> {
    let file = repository().join("tests/fixtures/layouts.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Whether a pixel of the image with this number is lesion.
fn is_lesion(seed: u64, x: u32, y: u32) -> bool {
    let (left, top) = (12 + (seed * 7 % 20) as u32, 12 + (seed * 11 % 20) as u32);
    x.abs_diff(left).pow(2) + y.abs_diff(top).pow(2) < 60
}

fn picture(seed: u64) -> GrayImage {
    GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let noise = ((u64::from(x * 97 + y * 31) * (seed + 3) * 2_654_435_761) >> 7) % 90;
        Luma([(if is_lesion(seed, x, y) { 20 } else { 110 } + noise) as u8])
    })
}

/// Writes a layout of the fixture below a folder.
fn write(root: &Path, files: &Value) {
    for file in files.as_array().unwrap() {
        let path = root.join(file["path"].as_str().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let seed = file["seed"].as_u64().unwrap_or_default();
        let mask = |of: &dyn Fn(u32, u32) -> u8| {
            GrayImage::from_fn(SIDE, SIDE, |x, y| Luma([of(x, y)])).save(&path).unwrap();
        };
        match file["is"].as_str().unwrap() {
            "image" => picture(seed).save(&path).unwrap(),
            "mask" => mask(&|x, y| 255 * u8::from(is_lesion(seed, x, y))),
            "values" => mask(&|x, y| match (y, is_lesion(seed, x, y), is_lesion(seed + 1, x, y)) {
                (0, ..) => 255,
                (_, true, _) => 2,
                (_, false, near) => u8::from(near),
            }),
            _ => {
                // As spreadsheets write it: not UTF-8.
                let text = file["text"].as_str().unwrap();
                let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn first_specs_of_eight_layouts_count_as_an_independent_script_and_train() {
    let layouts = layouts();
    assert_eq!(layouts.len(), 8);
    for (name, layout) in &layouts {
        let bench = Bench::new();
        write(&bench.path().join("data"), &layout["files"]);
        let said = bench.oncospec(&["data", "init", "data", "-o", "specs/first.toml", "--json"]);
        let said: Value = serde_json::from_str(&said.with(0).out).unwrap();
        for (key, expected) in layout["holds"].as_object().unwrap() {
            assert_eq!(&said["found"][key], expected, "{key} of {name}");
        }
        let step = |key: &str| said["step"][key].as_u64().unwrap_or_default();
        let spec = fs::read_to_string(bench.path().join("specs/first.toml")).unwrap();
        assert!((1 << 20..step("available-bytes")).contains(&step("peak-bytes")), "{said}");
        assert!(spec.contains(&format!("measured: {} MiB", step("peak-bytes") >> 20)), "{spec}");
        bench.oncospec(&["check", "specs/first.toml"]).with(0);
        let epoch = ["--set", "schedule.epochs=1", "--set", "report.film.frames=1"];
        let run = ["run", "specs/first.toml", "--device", "cpu"];
        bench.oncospec(&[&run[..], &epoch].concat()).with(0);
        let record = Record::read(bench.only_run("runs", "data")).unwrap();
        assert_eq!(record.status.state, RunState::Finished, "{name}");
        let split = record.split.len() as u64;
        assert_eq!(layout["holds"]["cases"].as_u64(), Some(split), "{name}");
    }
}

#[test]
fn groups_of_a_table_and_of_folders_stay_in_one_split_and_reach_the_record() {
    let layouts = layouts();
    for (name, groups) in [("table", 9), ("patient-folders", 9), ("values", 4)] {
        let bench = Bench::new();
        write(&bench.path().join("data"), &layouts[name]["files"]);
        bench.oncospec(&["data", "init", "data"]).with(0);
        let epoch = ["--set", "schedule.epochs=1", "--set", "report.film.frames=1"];
        bench.oncospec(&[&["run", "data.toml", "--device", "cpu"][..], &epoch].concat()).with(0);
        let record = Record::read(bench.only_run("runs", "data")).unwrap();
        assert_eq!(record.summary.group_key, "given");
        let mut split_of = std::collections::BTreeMap::new();
        for row in record.split.iter() {
            let other = split_of.insert(row.group.clone(), row.split);
            assert!(other.is_none_or(|other| other == row.split), "{} of {name}", row.group);
        }
        assert_eq!(split_of.len(), groups, "{name}");
    }
}

/// Runs a tiny network on a data set, and gives its record and weights.
fn run(bench: &Bench, name: &str, dataset: &str, more: &[&str]) -> (Record, Vec<u8>) {
    let spec = bench.tiny("");
    let (named, data) = (format!("name=\"{name}\""), format!("dataset={dataset}"));
    let mut arguments = vec!["run", spec.to_str().unwrap(), "--device", "cpu"];
    for set in [named.as_str(), &data, "schedule.epochs=1", "report.film.frames=1"] {
        arguments.extend(["--set", set]);
    }
    more.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.oncospec(&arguments).with(0);
    let run = bench.only_run("runs", name);
    let weights = fs::read(run.join("model.safetensors")).unwrap();
    (Record::read(run).unwrap(), weights)
}

#[track_caller]
fn same(one: &(Record, Vec<u8>), other: &(Record, Vec<u8>)) {
    assert!(one.1 == other.1, "weights");
    // As text, in which what is not a number is the same as itself, and each number has all its digits.
    let text = |of: &Record| {
        let rows = format!("{:?}\n{:?}\n", of.cases.to_vec(), of.split.to_vec());
        // The kind `bcss` calls the folder `val` by its split.
        let rows = rows.replace("\"val/", "\"valid/");
        format!("{:?}\n{:?}\n{rows}", of.epochs, of.figures)
    };
    assert!(text(&one.0) == text(&other.0), "figures, cases or splits");
    assert!(!one.0.figures.is_empty() && !one.0.cases.is_empty());
}

#[test]
fn busi_through_a_folder_and_through_a_table_gives_the_figures_of_busi() {
    let Some(data) = shared() else { return };
    let root = data.join("Dataset_BUSI_with_GT");
    let bench = Bench::new();
    let mut split = String::from("split={kind=\"file\"");
    for (part, few) in [("train", 24), ("valid", 12), ("test", 12)] {
        let list = fs::read_to_string(data.join(format!("splits/busi_{part}.txt"))).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        // Spread over the list, so that each class is there.
        let step = lines.len() / few;
        let some: Vec<&str> = lines.into_iter().step_by(step).collect();
        let file = bench.file(&format!("{part}.txt"), some.join("\n"));
        split += &format!(", {part}={:?}", file.display().to_string());
    }
    let of = |kind: &str| {
        let root = root.display().to_string();
        format!("{{{kind}, root={root:?}, image-size=32, channels=\"gray\", {split}}}}}")
    };
    let busi = run(&bench, "busi", &of("kind=\"busi\""), &[]);
    let pattern = "kind=\"folder\", images=\"{class}/*.png\", masks=\"{class}/{stem}_mask*.png\"";
    let folder = run(&bench, "folder", &of(pattern), &[]);
    same(&busi, &folder);

    let mut rows = vec!["image;masks;class".to_string()];
    for class in ["benign", "malignant", "normal"] {
        let mut names: Vec<String> = fs::read_dir(root.join(class))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for image in names.iter().filter(|name| !name.contains("_mask")) {
            let stem = image.strip_suffix(".png").unwrap();
            let masks = names.iter().filter(|name| name.starts_with(&format!("{stem}_mask")));
            let masks: Vec<String> = masks.map(|mask| format!("{class}/{mask}")).collect();
            rows.push(format!("{class}/{image};{};{class}", masks.join("|")));
        }
    }
    let csv = bench.file("busi.csv", rows.join("\r\n"));
    let columns = format!(
        "kind=\"table\", table={:?}, masks=[\"masks\"], class=\"class\"",
        csv.display().to_string()
    );
    let table = run(&bench, "table", &of(&columns), &[]);
    same(&busi, &table);
}

#[test]
fn bcss_tiles_through_a_folder_give_the_figures_of_bcss() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let of = |kind: &str| {
        let root = data.join("BCSS_22").display().to_string();
        format!("{{{kind}, root={root:?}, image-size=224, split={{kind=\"by-folder\"}}}}")
    };
    let more = ["loss={kind=\"cross-entropy\"}", "evaluation={splits=[\"valid\"]}"];
    let bcss = run(&bench, "bcss", &of("kind=\"bcss\", classes={kind=\"five\"}"), &more);
    let class = |name: &str, values: &[u8]| format!("{{name={name:?}, values={values:?}}}");
    let classes = [
        class("tumor", &[1, 19, 20]),
        class("stroma", &[2]),
        class("inflammatory", &[3, 10, 11]),
        class("necrosis", &[4]),
        class("other", &[5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 21]),
    ];
    let pattern = format!(
        "kind=\"folder\", images=\"{{split}}/*.png\", masks=\"{{split}}_mask/{{stem}}.png\", \
         pixels={{kind=\"values\", ignore=[0], classes=[{}]}}",
        classes.join(", ")
    );
    let folder = run(&bench, "folder", &of(&pattern), &more);
    same(&bcss, &folder);
}

/// Where an image of BUSI and its first mask lie.
fn of_busi(data: &Path, class: &str, number: u32) -> [PathBuf; 2] {
    let folder = data.join("Dataset_BUSI_with_GT").join(class);
    ["", "_mask"].map(|part| folder.join(format!("{class} ({number}){part}.png")))
}

/// The images that `shared/cases/make.py` takes of each class.
const TAKEN: [(&str, [u32; 6]); 3] = [
    ("benign", [1, 11, 13, 15, 17, 19]),
    ("malignant", [1, 3, 11, 13, 15, 17]),
    ("normal", [1, 3, 5, 7, 9, 11]),
];

/// A first spec of a folder, trained for an epoch on small images: how many cases it has.
fn trained(bench: &Bench) -> usize {
    bench.oncospec(&["data", "init", "data"]).with(0);
    bench.oncospec(&["check", "data.toml"]).with(0);
    let mut arguments = vec!["run", "data.toml", "--device", "cpu"];
    let small = ["schedule.epochs=1", "report.film.frames=1", "dataset.image-size=64"];
    small.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.oncospec(&arguments).with(0);
    Record::read(bench.only_run("runs", "data")).unwrap().split.len()
}

#[test]
fn images_and_masks_of_real_data_in_two_folders_train_by_a_first_spec() {
    let Some(data) = shared() else { return };
    for masks in ["masks", "masks/0"] {
        let bench = Bench::new();
        for (class, numbers) in TAKEN {
            for number in &numbers[..4] {
                let files = of_busi(&data, class, *number);
                for (folder, file) in ["images", masks].iter().zip(files) {
                    let folder = bench.path().join("data").join(folder);
                    fs::create_dir_all(&folder).unwrap();
                    fs::copy(file, folder.join(format!("{class} ({number}).png"))).unwrap();
                }
            }
        }
        assert_eq!(trained(&bench), 12, "{masks}");
    }
}

#[test]
fn real_images_of_twelve_bits_train_by_a_first_spec() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    for (class, numbers) in TAKEN {
        let folder = bench.path().join("data").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in numbers {
            let [image, mask] = of_busi(&data, class, number);
            let image = image::open(image).unwrap().to_luma8();
            let deep = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(
                image.width(),
                image.height(),
                |x, y| Luma([u16::from(image.get_pixel(x, y)[0]) * 16]),
            );
            deep.save(folder.join(format!("{class} ({number}).png"))).unwrap();
            fs::copy(mask, folder.join(format!("{class} ({number})_mask.png"))).unwrap();
        }
    }
    assert_eq!(trained(&bench), 18);
    let spec = fs::read_to_string(bench.path().join("data.toml")).unwrap();
    assert!(spec.contains("intensity = { kind = \"percentiles\""), "{spec}");
}

/// Writes the images of BUSI that the cases take, and their masks, by what makes each of the original.
fn write_busi(bench: &Bench, data: &Path, write: impl Fn(GrayImage, PathBuf), masks: &str) {
    for (class, numbers) in TAKEN {
        let folder = bench.path().join("data").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in numbers {
            let [image, mask] =
                of_busi(data, class, number).map(|file| image::open(file).unwrap().to_luma8());
            write(image, folder.join(format!("{class} ({number})")));
            mask.save(folder.join(format!("{class} ({number})_mask.{masks}"))).unwrap();
        }
    }
}

#[test]
fn real_images_in_bmp_train_by_a_first_spec() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let bmp = |image: GrayImage, path: PathBuf| image.save(path.with_extension("bmp")).unwrap();
    write_busi(&bench, &data, bmp, "bmp");
    assert_eq!(trained(&bench), 18);
    let image = "data/benign/benign (1).bmp";
    bench.oncospec(&["predict", "data", image, "--out", "out", "--device", "cpu"]).with(0);
}

#[test]
fn real_images_of_floating_point_numbers_train_by_a_first_spec() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let real = |image: GrayImage, path: PathBuf| {
        let values: Vec<f32> = image.iter().map(|&value| f32::from(value) / 255.0 - 0.5).collect();
        let file = fs::File::create(path.with_extension("tiff")).unwrap();
        let mut encoder = tiff::encoder::TiffEncoder::new(file).unwrap();
        encoder
            .write_image::<tiff::encoder::colortype::Gray32Float>(
                image.width(),
                image.height(),
                &values,
            )
            .unwrap();
    };
    write_busi(&bench, &data, real, "png");
    assert_eq!(trained(&bench), 18);
    let spec = fs::read_to_string(bench.path().join("data.toml")).unwrap();
    assert!(spec.contains("intensity = { kind = \"window\", low = -0.5, high = 0.5 }"), "{spec}");
    let refused =
        bench.oncospec(&["check", "data.toml", "--set", "dataset.intensity={kind=\"full-range\"}"]);
    refused.with(2).telling(&["images of floating-point numbers, and nothing says which"]);
}

#[test]
fn a_format_that_is_not_read_has_no_first_spec_but_a_way_to_convert_it() {
    let bench = Bench::new();
    for name in ["benign (1)", "benign (1)_mask"] {
        bench.file(&format!("data/benign/{name}.gif"), "GIF89a");
    }
    let said = bench.oncospec(&["data", "init", "data"]).with(2);
    said.telling(&["2 images in a format that is not read", "magick mogrify -format png *.gif"]);
    assert!(!bench.path().join("data.toml").exists());
}

#[test]
fn a_first_spec_does_not_replace_one_that_was_changed() {
    let bench = Bench::new();
    write(&bench.path().join("data"), &layouts()["case-folders"]["files"]);
    bench.oncospec(&["data", "init", "data"]).with(0);
    bench.oncospec(&["data", "init", "data"]).with(0);
    let spec = fs::read_to_string(bench.path().join("data.toml")).unwrap();
    bench.file("data.toml", format!("{spec}\n# mine\n"));
    bench.oncospec(&["data", "init", "data"]).with(2).telling(&["data.toml"]);
}

#[test]
fn a_first_spec_evaluates_the_splits_that_there_are() {
    let layouts = layouts();
    let bench = Bench::new();
    let root = bench.path().join("data");
    write(&root, &layouts["split-folders"]["files"]);
    fs::remove_dir_all(root.join("test")).unwrap();
    bench.oncospec(&["data", "init", "data"]).with(0);
    let spec = fs::read_to_string(bench.path().join("data.toml")).unwrap();
    assert!(
        spec.contains("kind = \"by-folder\"") && spec.contains("splits = [\"valid\"]"),
        "{spec}"
    );
    // Too few images for three splits.
    let few = Bench::new();
    let files: Vec<Value> = layouts["case-folders"]["files"].as_array().unwrap()[..4].to_vec();
    write(&few.path().join("data"), &Value::from(files));
    few.oncospec(&["data", "init", "data"]).with(0);
    few.oncospec(&["check", "data.toml"]).with(0).telling(&["0 test cases"]);
}

#[test]
fn masks_that_leave_open_what_is_outlined_are_refused_with_what_was_guessed() {
    let bench = Bench::new();
    write(&bench.path().join("data"), &layouts()["case-folders"]["files"]);
    bench.file("data/case 03/mask.png", "no picture");
    let said = bench.oncospec(&["data", "init", "data"]).with(2);
    said.telling(&["case 03/mask.png", "read with", "images = \"{stem}/image.png\""]);
}

#[test]
fn experiments_that_come_with_the_program_are_listed_and_copied_with_what_they_build_on() {
    let bench = Bench::new();
    let listed = bench.oncospec(&["new"]).with(0).out;
    assert!(listed.contains("busi_unet ") && listed.contains("demo "), "{listed}");
    let copied = bench.oncospec(&["new", "busi_unet_log_cosh_dice", "-o", "mine/first.toml"]);
    copied.with(0).telling(&["mine/first.toml", "mine/busi_unet.toml", "mine/base/busi.toml"]);
    bench.oncospec(&["check", "mine/first.toml"]).with(2).telling(&["no such folder"]);
    bench.oncospec(&["new", "demo"]).with(0);
    bench.oncospec(&["check", "demo.toml"]).with(0);
    bench.oncospec(&["new", "busi_guided_efficientnet_b0", "-o", "guided.toml"]).with(0);
    assert!(bench.path().join("busi_unet_plus_plus.toml").is_file());
    bench.oncospec(&["new", "schema"]).with(0);
    let schema = fs::read_to_string(bench.path().join("schema.json")).unwrap();
    assert_eq!(schema.trim(), bench.oncospec(&["schema"]).with(0).out.trim());
    bench.oncospec(&["new", "busi_unett"]).with(2).telling(&["the nearest are busi_unet"]);
}

#[test]
fn an_experiment_that_comes_with_the_program_trains_on_own_images() {
    let bench = Bench::new();
    write(&bench.path().join("data"), &layouts()["table"]["files"]);
    let made =
        bench.oncospec(&["new", "busi_unext", "--data", "data/cases.csv", "-o", "mine/ours.toml"]);
    made.with(0).telling(&["mine/ours.toml", "mine/busi_unext.toml", "mine/base/busi.toml"]);
    let mut arguments = vec!["run", "mine/ours.toml", "--device", "cpu"];
    let small = ["schedule.epochs=1", "report.film.frames=1", "dataset.image-size=64"];
    small.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.oncospec(&arguments).with(0);
    let record = Record::read(bench.only_run("runs", "cases-busi-unext")).unwrap();
    assert_eq!(record.summary.group_key, "given");
    assert!(record.plan.contains("kind = \"unext\"") && record.plan.contains("kind = \"table\""));
    let new = |of: &[&str]| bench.oncospec(&[&["new"], of].concat()).with(2);
    new(&["schema", "--data", "data"]).telling(&["the schema is about no images"]);
    new(&["busi_unext", "--data", "data", "-o", "busi_unext.toml"]).telling(&["use another"]);
    new(&["busi_guided_efficientnet_b0", "--data", "data"]).telling(&["is guided by another"]);
}
