//! What the network sees of images: letterboxed ones, sizes of two sides, and crops.

use std::fs;

use image::GenericImageView;
use oncospec::frame::{Frame, Resize};
use oncospec::record::Record;

use crate::support::{Bench, json};

const LETTERBOXED: &str = r#"extends = "tiny.toml"
name = "letterboxed"

[dataset]
resize = "letterbox"
normalize = { kind = "dataset" }

[evaluation]
refine = { kind = "crf", bilateral-px = 8 }

[schedule]
epochs = 1
"#;

#[test]
fn padding_is_in_no_figure_and_no_picture_of_a_run() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("letterboxed.toml", LETTERBOXED);
    let planned = bench.oncospec(&["plan", "letterboxed.toml", "--device", "cpu"]).with(0).out;
    assert!(planned.contains("resize = \"letterbox\""), "{planned}");
    bench.oncospec(&["run", "letterboxed.toml", "--device", "cpu"]).with(0);
    let run = bench.only_run("runs", "letterboxed");
    let record = Record::read(&run).unwrap();
    let page = fs::read_to_string(bench.path().join("reports/letterboxed.html")).unwrap();
    assert!(page.contains("cut back to it from its padding"));

    // Pixels that are counted are those of the image, at both sizes.
    let frame = Frame { resize: Resize::Letterbox, ..Frame::square(32) };
    let spec = toml::from_str("kind = 'phantom'\ncases = 40").unwrap();
    let dataset = oncospec::data::open(&spec).unwrap();
    let mut padded = 0;
    for row in record.cases.iter() {
        let case = dataset.cases.iter().find(|case| case.id == row.case).unwrap();
        let inset = frame.inset((case.width, case.height));
        let pixels = match row.resolution.as_str() {
            "original" => case.width as usize * case.height as usize,
            _ => inset.width * inset.height,
        };
        assert_eq!(
            row.tp + row.fp + row.fn_ + row.tn,
            pixels as u64,
            "{} of {}",
            row.resolution,
            row.case
        );
        padded += usize::from(!inset.is_all(frame.sides()));
    }
    assert!(padded >= 10, "{padded}");

    let path = run.to_str().unwrap();
    assert!(bench.scored_alike(path, &record) > 10);

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    bench.oncospec(&["predict", path, "data/benign", "--out", "masks", "--device", "cpu"]).with(0);
    let images = fs::read_dir(bench.path().join("data/benign")).unwrap();
    let images = images.map(|entry| entry.unwrap().path());
    for image in images.filter(|path| !path.to_string_lossy().contains("_mask")) {
        let stem = image.file_stem().unwrap().to_string_lossy().into_owned();
        let mask = bench.path().join(format!("masks/{stem}_probability.png"));
        let size = |path| image::open(path).unwrap().dimensions();
        assert_eq!(size(&mask), size(&image), "{stem}");
    }
    bench.oncospec(&["cam", path, "data/benign", "--out", "cams", "--device", "cpu"]).with(0);

    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let card = json(&bench.path().join("exported/model.json"));
    assert_eq!(card["input"]["fit"], "letterbox");
    assert!(card["input"]["resize"].as_str().unwrap().contains("padded with 0"), "{card}");
    assert!(card["output"]["resize"].as_str().unwrap().starts_with("without the rows"), "{card}");
}

#[test]
fn tiles_that_are_cut_while_loading_have_nothing_to_pad() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "6"]).with(0);
    bench.file(
        "rois.toml",
        "name = 'rois'\n[dataset]\nkind = 'bcss'\nroot = 'data/rois'\nlayout = { kind = 'rois' }\nimage-size = 32\n\
         resize = 'letterbox'\n[model]\nkind = 'unet'\n[loss]\nkind = 'cross-entropy'\n",
    );
    bench
        .oncospec(&["check", "rois.toml"])
        .with(2)
        .telling(&["resize = 'letterbox'", "nothing to pad"]);
}

/// Trains with these keys, predicts, draws attributions and exports: the run's record.
fn whole(bench: &Bench, name: &str, sets: &[&str]) -> Record {
    let named = format!("name={name}");
    let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--set", &named];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.oncospec(&arguments).with(0);
    let run = bench.only_run("runs", name);
    let (path, out) = (run.to_str().unwrap(), |what: &str| format!("{what}-{name}"));
    let record = Record::read(&run).unwrap();
    if record.summary.classes == ["lesion"] {
        assert!(bench.scored_alike(path, &record) > 10);
    }
    for command in ["predict", "cam"] {
        let out = out(command);
        bench.oncospec(&[command, path, "data/benign", "--out", &out, "--device", "cpu"]).with(0);
    }
    bench.oncospec(&["export", path, "--out", &out("exported")]).with(0);
    record
}

#[test]
fn height_and_width_may_differ_in_all_that_is_done_with_a_run() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    let size = "dataset.image-size={ height = 32, width = 48 }";
    let record = whole(&bench, "wide", &["schedule.epochs=1", size]);
    assert_eq!(record.summary.input, [4, 1, 32, 48]);
    assert_eq!(record.layers.last().unwrap().output, [4, 1, 32, 48]);
    for row in record.cases.iter().filter(|row| row.resolution == "network") {
        assert_eq!(row.tp + row.fp + row.fn_ + row.tn, 32 * 48, "{}", row.case);
    }
    let card = json(&bench.path().join("exported-wide/model.json"));
    assert_eq!(card["input"]["size"], serde_json::json!({ "height": 32, "width": 48 }));

    let augment = "augment={ horizontal-flip={probability=0.5}, rotate={probability=1.0, range=[-20, 20]}, \
                   shift={probability=1.0, range=[-0.1, 0.1]}, elastic={probability=1.0, shift-px=3, sigma-px=4}, \
                   blur={probability=1.0, range=[0.5, 1.0]} }";
    let refine = "evaluation.refine={ kind = \"crf\" }";
    let padded = ["schedule.epochs=1", size, "dataset.resize=letterbox", augment, refine];
    let record = whole(&bench, "padded", &padded);
    let counted = |row: &oncospec::record::CaseRow| row.tp + row.fp + row.fn_ + row.tn;
    let network = record.cases.iter().filter(|row| row.resolution == "network");
    assert!(network.clone().all(|row| counted(row) <= 32 * 48));
    assert!(network.clone().any(|row| counted(row) < 32 * 48));

    let classify = ["task.kind=classify", "model={ kind = \"resnet18\" }", "schedule.epochs=1"];
    let larger = "dataset.image-size={ height = 64, width = 32 }";
    let record = whole(&bench, "sorted", &[&classify[..], &[larger]].concat());
    assert_eq!(record.summary.input, [4, 1, 64, 32]);
    let multi = ["task.kind=multi-task", "schedule.epochs=1", size, "dataset.resize=letterbox"];
    whole(&bench, "both", &multi);

    let bench_of =
        ["bench", "tiny.toml", "--device", "cpu", "--steps", "1", "--warmup", "0", "--set", size];
    let timed = bench.oncospec(&bench_of).with(0);
    assert!(timed.out.contains("of 48x32 px"), "{}", timed.out);
}

#[test]
fn sizes_that_do_not_fit_are_refused_at_their_side() {
    let bench = Bench::new();
    bench.tiny("");
    let refused = |sets: &[&str], told: &[&str]| {
        let mut arguments = vec!["check", "tiny.toml"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        bench.oncospec(&arguments).with(2).telling(told);
    };
    let size = |size: &str| format!("dataset.image-size={size}");
    refused(
        &[&size("{ height = 33, width = 48 }")],
        &["{ height = 33", "its height must be a multiple of 2"],
    );
    refused(&[&size("{ height = 32 }")], &["missing key `width`", "dataset.image-size"]);
    refused(
        &[&size("{ height = 8, width = 32 }")],
        &["dataset.image-size.height", "from 16 to 4096"],
    );
    refused(&[&size("{ high = 32, width = 32 }")], &["unknown key `high`", "missing key `height`"]);
    refused(
        &[&size("\"32\"")],
        &["a whole number from 16 to 4096, or a table of `height` and `width`", "without quotes"],
    );
    refused(
        &[&size("{ height = 32, width = 48 }"), "augment.rotate90={ probability = 0.5 }"],
        &["augment.rotate90", "exchange height and width"],
    );
    let explained = bench.oncospec(&["explain", "dataset.image-size.width"]).with(0).out;
    assert!(explained.contains("Width, in pixels"), "{explained}");
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "6"]).with(0);
    let spec = |root: &str, layout: &str| {
        format!(
            "name = 'tiles'\n[dataset]\nkind = 'bcss'\nroot = 'data/{root}'\nlayout = {{ kind = '{layout}' }}\n\
             image-size = {{ height = 32, width = 64 }}\n[model]\nkind = 'unet'\n[loss]\nkind = 'cross-entropy'\n"
        )
    };
    for (root, layout) in [("tiles", "tiles"), ("rois", "rois")] {
        bench.file("tiles.toml", spec(root, layout));
        bench.oncospec(&["check", "tiles.toml"]).with(2).telling(&["tiles are square"]);
    }
}

#[test]
fn a_run_on_crops_predicts_whole_images_by_windows() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    let sets = [
        "--set",
        "name=crops",
        "--set",
        "schedule.epochs=1",
        "--set",
        "dataset.crop={ magnification = 0.25, foreground = 0.5 }",
        "--set",
        "dataset.normalize={ kind = \"dataset\" }",
        "--set",
        "evaluation.window-overlap=0.25",
    ];
    let run = [&["run", "tiny.toml", "--device", "cpu"], &sets[..]].concat();
    bench.oncospec(&run).with(0);
    let run = bench.only_run("runs", "crops");
    let record = Record::read(&run).unwrap();
    let page = fs::read_to_string(bench.path().join("reports/crops.html")).unwrap();
    assert!(page.contains("windows of 32x32 pixels at magnification 0.25 that share 0.25"));

    // Each pixel of an image counts once, at its own size and at the network's scale.
    let spec = toml::from_str("kind = 'phantom'\ncases = 40").unwrap();
    let dataset = oncospec::data::open(&spec).unwrap();
    assert!(!record.cases.is_empty());
    for row in record.cases.iter() {
        let case = dataset.cases.iter().find(|case| case.id == row.case).unwrap();
        let scale = if row.resolution == "original" { 1.0 } else { 0.25 };
        let side = |length: u32| (f64::from(length) * scale).round() as u64;
        let counted = row.tp + row.fp + row.fn_ + row.tn;
        assert_eq!(
            counted,
            side(case.width) * side(case.height),
            "{} {}",
            row.resolution,
            row.case
        );
    }
    let path = run.to_str().unwrap();
    assert!(bench.scored_alike(path, &record) > 10);

    bench.oncospec(&["predict", path, "data/benign", "--out", "masks", "--device", "cpu"]).with(0);
    let image = fs::read_dir(bench.path().join("data/benign")).unwrap();
    let image = image
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.to_string_lossy().contains("_mask"));
    let image = image.unwrap();
    let stem = image.file_stem().unwrap().to_string_lossy().into_owned();
    let mask = image::open(bench.path().join(format!("masks/{stem}_mask.png"))).unwrap();
    assert_eq!(mask.dimensions(), image::open(&image).unwrap().dimensions());

    let cam = ["cam", path, "data/benign", "--out", "cams", "--device", "cpu"];
    bench.oncospec(&cam).with(2).telling(&["trained on crops of 128x128 pixels"]);
    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let card = json(&bench.path().join("exported/model.json"));
    let windows = serde_json::json!({ "magnification": 0.25, "overlap": 0.25, "beyond": 255 });
    assert_eq!(card["input"]["windows"], windows);

    // Begun anew and taken up again, the same crops are drawn.
    let longer = ["--set", "schedule.epochs=2", "--set", "run.output=whole"];
    bench
        .oncospec(&[&["run", "tiny.toml", "--device", "cpu"], &sets[..], &longer].concat())
        .with(0);
    let extended = ["run", "tiny.toml", "--device", "cpu", "--extend-epochs", "1"];
    bench.oncospec(&[&extended[..], &sets].concat()).with(0);
    let whole = bench.only_run("whole", "crops");
    let runs = fs::read_dir(bench.path().join("runs/crops")).unwrap();
    let runs = runs.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let other = runs.into_iter().find(|path| *path != run).unwrap();
    for file in ["model.safetensors", "epochs.parquet", "cases.parquet"] {
        assert!(
            fs::read(whole.join(file)).unwrap() == fs::read(other.join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn crops_are_refused_where_they_make_no_sense() {
    let bench = Bench::new();
    bench.tiny("");
    let refused = |sets: &[&str], told: &[&str]| {
        let mut arguments =
            vec!["check", "tiny.toml", "--set", "dataset.crop={ foreground = 0.5 }"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        bench.oncospec(&arguments).with(2).telling(told);
    };
    let classify = ["task.kind=classify", "model={ kind = \"resnet18\" }"];
    refused(&classify, &["dataset.crop", "what gives the whole its class"]);
    refused(&["dataset.resize=letterbox"], &["dataset.resize", "nothing to pad"]);
    refused(
        &["dataset.image-size={ height = 32, width = 48 }"],
        &["dataset.image-size", "crops are square"],
    );
    let far = ["check", "tiny.toml", "--set", "dataset.crop={ magnification = 9 }"];
    bench.oncospec(&far).with(2).telling(&["dataset.crop.magnification", "from 0.05 to 4"]);
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "6"]).with(0);
    for (root, layout) in [("tiles", "tiles"), ("rois", "rois")] {
        bench.file(
            "tiles.toml",
            format!(
                "name = 'tiles'\n[dataset]\nkind = 'bcss'\nroot = 'data/{root}'\nlayout = {{ kind = '{layout}' }}\n\
                 image-size = 32\ncrop = {{}}\n[model]\nkind = 'unet'\n[loss]\nkind = 'cross-entropy'\n"
            ),
        );
        bench.oncospec(&["check", "tiles.toml"]).with(2).telling(&["crop = {}", "has tiles"]);
    }
}
