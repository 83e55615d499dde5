//! Stains of histology: normalised for the network, and augmented.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use oncospec::digest::sha256_of_file;
use oncospec::record::Record;

use crate::regions::SPEC;
use crate::support::{Bench, json};

const STAINED: &str = r#"
name = "stained"

[dataset]
kind = "phantom"
modality = "histology"
cases = 24
image-size = 32
normalize = { kind = "dataset" }
stain = { kind = "macenko", reference = { kind = "image", path = "reference.png" } }

[dataset.split]
kind = "holdout"
fractions = { train = 0.5, valid = 0.25, test = 0.25 }
stratify = "none"
group = "slide"

[augment]
horizontal-flip = { probability = 0.5 }
stain = { probability = 1.0, factor = 0.2 }

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }

[loss]
kind = "cross-entropy"

[schedule]
epochs = 2
batch-size = 4
optimizer = { kind = "adam", learning-rate = 0.01 }
"#;

/// Tissue of two stains in amounts that vary from pixel to pixel, each darker by a factor; white from a column on.
fn tissue(width: u32, height: u32, strength: [f64; 2], white: u32) -> RgbImage {
    const STAINS: [[f64; 3]; 2] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]];
    RgbImage::from_fn(width, height, |x, y| {
        if x >= white {
            return Rgb([255; 3]);
        }
        let amounts = [
            0.2 + f64::from((7 * x + 5 * y) % 11) / 8.0,
            0.2 + f64::from((3 * x + 4 * y) % 13) / 13.0,
        ];
        let density = |colour: usize| -> f64 {
            (0..2).map(|stain| amounts[stain] * strength[stain] * STAINS[stain][colour]).sum()
        };
        Rgb([0, 1, 2].map(|colour| (240.0 * (-density(colour)).exp()).round() as u8))
    })
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("stained.toml", STAINED);
    tissue(40, 40, [1.0, 0.8], 40).save(bench.path().join("reference.png")).unwrap();
    bench
}

#[test]
fn stains_reach_everything_that_a_run_makes_and_no_reference_is_read_again() {
    let bench = bench();
    let planned = bench.oncospec(&["plan", "stained.toml", "--device", "cpu"]).with(0).out;
    for part in
        ["kind = \"macenko\"", "factor = 0.2", "shift = 0.05", "stains  become haematoxylin 0.6"]
    {
        assert!(planned.contains(part), "no `{part}` in {planned}");
    }
    let made = bench.trained("stained", "made", &[]);
    let plan: toml::Table = fs::read_to_string(made.join("plan.toml")).unwrap().parse().unwrap();
    let reference = bench.path().join("reference.png");
    assert_eq!(plan["stain"]["image-sha256"].as_str(), Some(&*sha256_of_file(&reference).unwrap()));
    assert_eq!(plan["stain"]["haematoxylin"].as_array().unwrap().len(), 3);

    // Both keys change the weights, and so does another reference.
    for (name, set) in [
        ("unnormalised", "dataset.stain=false"),
        ("unaugmented", "augment.stain=false"),
        ("published", "dataset.stain.reference.kind=published"),
    ] {
        let other = bench.trained("stained", name, &[set]);
        assert_ne!(made.file_name(), other.file_name(), "{name}");
        let weights = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
        assert!(weights(&made) != weights(&other), "{name}");
    }
    tissue(40, 40, [1.2, 0.7], 40).save(&reference).unwrap();
    assert_ne!(made.file_name(), bench.trained("stained", "other-reference", &[]).file_name());
    fs::remove_file(&reference).unwrap();

    let path = made.to_str().unwrap();
    let record = Record::read(&made).unwrap();
    assert!(bench.scored_alike(path, &record) > 5);

    tissue(32, 32, [1.0, 0.8], 32).save(bench.path().join("usual.png")).unwrap();
    tissue(32, 32, [1.2, 0.7], 32).save(bench.path().join("other.png")).unwrap();
    tissue(32, 32, [1.0, 0.8], 1).save(bench.path().join("white.png")).unwrap();
    let predict = [
        "predict",
        path,
        "usual.png",
        "other.png",
        "white.png",
        "--out",
        "masks",
        "--device",
        "cpu",
    ];
    let told = bench.oncospec(&predict).with(0);
    assert_eq!(told.err.matches("its stains are not normalised").count(), 1, "{}", told.err);
    told.telling(&[
        "white.png",
        "its stains are not normalised, for less than 5 % of it is tissue",
    ]);
    let predictions = json(&bench.path().join("masks/predictions.json"));
    let told: Vec<bool> =
        predictions.as_array().unwrap().iter().map(|one| one["stains"].is_string()).collect();
    assert_eq!(told.iter().filter(|&&told| told).count(), 1);
    // Probabilities of one tissue in two stainings are about the same.
    let probability = |run: &str, name: &str| {
        let file = bench.path().join(format!("{run}/{name}_probability.png"));
        image::open(file).unwrap().to_luma8().into_raw()
    };
    let apart = |run: &str| {
        let pairs = probability(run, "usual").into_iter().zip(probability(run, "other"));
        pairs.map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>()
    };
    let unnormalised = bench.only_run("unnormalised", "stained");
    let plain = [
        "predict",
        unnormalised.to_str().unwrap(),
        "usual.png",
        "other.png",
        "--out",
        "plain",
        "--device",
        "cpu",
    ];
    bench.oncospec(&plain).with(0);
    assert!(3 * apart("masks") < apart("plain"), "{} {}", apart("masks"), apart("plain"));

    let cam = ["cam", path, "white.png", "--out", "cams", "--device", "cpu"];
    bench.oncospec(&cam).with(0).telling(&["its stains are not normalised"]);
    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let card = json(&bench.path().join("exported/model.json"));
    let stain = &card["input"]["stain"];
    // serde_json may read the last digit otherwise than toml.
    let [exported, planned] = [
        stain["concentrations"][0].as_f64().unwrap(),
        plan["stain"]["concentrations"][0].as_float().unwrap(),
    ];
    assert!((exported - planned).abs() < 1e-12, "{exported}, not {planned}");
    assert!(stain["method"].as_str().unwrap().contains("Macenko et al. 2009"));
}

#[test]
fn what_has_no_stains_is_refused_at_its_key() {
    let bench = bench();
    RgbImage::from_pixel(40, 40, Rgb([250; 3])).save(bench.path().join("gray.png")).unwrap();
    let refused = |sets: &[&str], told: &[&str]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        bench.oncospec(&[&["check", "stained.toml"], &sets[..]].concat()).with(2).telling(told);
    };
    let (unnormalised, unaugmented) = ("dataset.stain=false", "augment.stain=false");
    // The line of the key is shown.
    let [normalised, augmented] = ["| stain = { kind = \"macenko\"", "| stain = { probability"];
    let colours = "stains are colours, and `dataset.channels` is \"gray\"";
    refused(&["dataset.channels=gray", unaugmented], &[normalised, colours]);
    refused(&["dataset.channels=gray", unnormalised], &[augmented, colours]);
    let ultrasound = ["dataset.modality=ultrasound", "dataset.split.group=none"];
    let none = "no training image has two stains, so that it would change nothing";
    refused(
        &[&ultrasound[..], &[unaugmented, "loss.kind=dice"]].concat(),
        &[normalised, none, "it is gray"],
    );
    refused(
        &[&ultrasound[..], &[unnormalised, "loss.kind=dice"]].concat(),
        &[augmented, none, "it is gray"],
    );
    refused(&["dataset.stain.reference.path=gray.png"], &["gray.png: no two stains", "it is gray"]);
    refused(&["dataset.stain.reference.path=none.png"], &["none.png", "no such file"]);
    refused(&["dataset.stain.percentile=26"], &["dataset.stain.percentile"]);
    refused(&["augment.stain.factor=2"], &["augment.stain.factor"]);
}

#[test]
fn windows_without_tissue_are_counted() {
    let bench = Bench::new();
    let stained = "image-size = 16\nstain = { kind = \"macenko\" }";
    let spec = SPEC.replace("stride = 8", "stride = 16").replace("image-size = 16", stained);
    bench.file("regions.toml", spec);
    for region in 0..8u32 {
        let stem = format!("TCGA-A{region}-A0D0-DX1_roi");
        let strength = [0.8 + 0.05 * f64::from(region), 1.0];
        let mask = image::GrayImage::from_fn(48, 32, |x, _| image::Luma([1 + (x / 8 % 2) as u8]));
        for folder in ["images", "masks"] {
            fs::create_dir_all(bench.path().join("rois").join(folder)).unwrap();
        }
        let at = |folder: &str| bench.path().join(format!("rois/{folder}/{stem}.png"));
        tissue(48, 32, strength, 32).save(at("images")).unwrap();
        mask.save(at("masks")).unwrap();
    }
    let checked = bench.oncospec(&["check", "regions.toml"]).with(0);
    // The two tiles on the right of each region are white.
    checked.telling(&["images without two stains, whose colours stay as they are (16: "]);
    bench.oncospec(&["run", "regions.toml", "--device", "cpu"]).with(0);
    let image = "rois/images/TCGA-A0-A0D0-DX1_roi.png";
    let predict = ["predict", "regions", image, "--out", "masks", "--device", "cpu"];
    // Windows begin in columns 0, 8, .., 32 and rows 0, 8 and 16; the last column shows white alone.
    let told = bench.oncospec(&predict).with(0);
    told.telling(&["the stains of 3 of 15 windows are not normalised, for no two can be found"]);
}
