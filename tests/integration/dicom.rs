//! Images in DICOM, from the first spec to predictions.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use oncospec::record::Record;

use crate::support::{Bench, repository};

const SIDE: u32 = 32;
const PATIENT: &str = "SECRETLASTNAME^SECRETFIRSTNAME";

/// Elements of Explicit VR Little Endian.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn add(mut self, (group, element): (u16, u16), vr: &str, value: &[u8]) -> Self {
        self.0.extend([group.to_le_bytes(), element.to_le_bytes()].concat());
        self.0.extend(vr.as_bytes());
        let padding: &[u8] = if value.len() % 2 == 1 { b" " } else { b"" };
        let length = value.len() + padding.len();
        match vr {
            "OB" | "OW" => self.0.extend([&[0, 0][..], &(length as u32).to_le_bytes()].concat()),
            _ => self.0.extend((length as u16).to_le_bytes()),
        }
        self.0.extend([value, padding].concat());
        self
    }

    fn number(self, tag: (u16, u16), value: u16) -> Self {
        self.add(tag, "US", &value.to_le_bytes())
    }
}

/// A DICOM of 12 bits in 16, or of 8, of a patient with a name, seen through a window where one is given.
fn dicom(image: &GrayImage, deep: bool, inverted: bool, window: Option<(u16, u16)>) -> Vec<u8> {
    let greatest = if deep { 4095 } else { 255 };
    let values = image.as_raw().iter().map(|&value| {
        let value = if deep { 16 * u16::from(value) } else { value.into() };
        if inverted { greatest - value } else { value }
    });
    let pixels: Vec<u8> = match deep {
        true => values.flat_map(u16::to_le_bytes).collect(),
        false => values.map(|value| value as u8).collect(),
    };
    let syntax = Elements::default().add((2, 0x10), "UI", b"1.2.840.10008.1.2.1\0");
    let photometric: &[u8] = if inverted { b"MONOCHROME1" } else { b"MONOCHROME2" };
    let mut elements = Elements::default()
        .add((0x10, 0x10), "PN", PATIENT.as_bytes())
        .add((0x10, 0x20), "LO", b"SECRETID")
        .number((0x28, 2), 1)
        .add((0x28, 4), "CS", photometric)
        .number((0x28, 0x10), image.height() as u16)
        .number((0x28, 0x11), image.width() as u16)
        .number((0x28, 0x100), if deep { 16 } else { 8 })
        .number((0x28, 0x101), if deep { 12 } else { 8 })
        .number((0x28, 0x102), if deep { 11 } else { 7 })
        .number((0x28, 0x103), 0);
    if let Some((center, width)) = window {
        elements = elements.add((0x28, 0x1050), "DS", center.to_string().as_bytes()).add(
            (0x28, 0x1051),
            "DS",
            width.to_string().as_bytes(),
        );
    }
    let elements = elements.add((0x7fe0, 0x10), if deep { "OW" } else { "OB" }, &pixels);
    [&[0; 128][..], b"DICM", &syntax.0, &elements.0].concat()
}

fn picture(seed: u32) -> (GrayImage, GrayImage) {
    let (left, top) = (8 + seed * 5 % 15, 8 + seed * 7 % 15);
    let is_lesion = |x: u32, y: u32| x.abs_diff(left).pow(2) + y.abs_diff(top).pow(2) < 30;
    let image = GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let noise = ((x * 97 + y * 31) * (seed + 3)).wrapping_mul(2_654_435_761) >> 26;
        Luma([(if is_lesion(x, y) { 20 } else { 110 } + noise) as u8])
    });
    let mask = GrayImage::from_fn(SIDE, SIDE, |x, y| Luma([255 * u8::from(is_lesion(x, y))]));
    (image, mask)
}

const CASES: u32 = 20;

/// Images in a folder each for one way to write them, and their masks.
fn write(root: &Path) {
    let folders = ["png", "eight", "deep", "own", "masks"].map(|name| root.join(name));
    folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    let [png, eight, deep, own, masks] = &folders;
    for seed in 0..CASES {
        let (image, mask) = picture(seed);
        let inverted = seed % 3 == 0;
        // Of 12 bits, 0 to 4080 are 0 to 255.
        let window = Some((2041, 4081));
        image.save(png.join(format!("{seed:02}.png"))).unwrap();
        mask.save(masks.join(format!("{seed:02}.png"))).unwrap();
        let name = format!("{seed:02}.dcm");
        fs::write(eight.join(&name), dicom(&image, false, inverted, None)).unwrap();
        fs::write(deep.join(&name), dicom(&image, true, false, None)).unwrap();
        fs::write(own.join(&name), dicom(&image, true, false, window)).unwrap();
    }
}

/// Weights of a run on the images of a folder.
fn weights(bench: &Bench, folder: &str, more: &str) -> Vec<u8> {
    let extension = if folder == "png" { "png" } else { "dcm" };
    let dataset = format!(
        "dataset={{kind=\"folder\",root=\"data\",images=\"{folder}/{{stem}}.{extension}\",masks=\"masks/{{stem}}.png\",\
         image-size=32,channels=\"gray\",split={{kind=\"holdout\",group=\"none\"}}{more}}}"
    );
    let spec = bench.tiny("");
    let name = format!("name=\"{folder}\"");
    let mut run =
        vec!["run", spec.to_str().unwrap(), "--device", "cpu", "--set", "schedule.epochs=1"];
    run.extend(["--set", "report.film.frames=1", "--set", &dataset, "--set", &name]);
    bench.oncospec(&run).with(0);
    fs::read(bench.only_run("runs", folder).join("model.safetensors")).unwrap()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn images_in_dicom_train_to_the_weights_of_the_same_images_in_png() {
    let bench = Bench::new();
    write(&bench.path().join("data"));
    let of_png = weights(&bench, "png", "");
    assert!(weights(&bench, "eight", "") == of_png, "8 bits, of both kinds of gray");
    let window = ",intensity={kind=\"window\",low=0,high=4080}";
    assert!(weights(&bench, "deep", window) == of_png, "12 bits through a window of the spec");
    assert!(weights(&bench, "own", "") == of_png, "12 bits through the window of each file");

    let run = bench.only_run("runs", "own");
    let run = run.to_str().unwrap();
    let predict = ["predict", run, "data/own/00.dcm", "data/own/01.dcm", "--out", "predicted"];
    bench.oncospec(&predict).with(0);
    let png = bench.only_run("runs", "png");
    let predict = ["predict", png.to_str().unwrap(), "data/png/00.png", "--out", "of-png"];
    bench.oncospec(&predict).with(0);
    let probability =
        |folder: &str| fs::read(bench.path().join(folder).join("00_probability.png")).unwrap();
    assert!(probability("predicted") == probability("of-png"));
    assert!(bench.path().join("predicted/01_overlay.png").is_file());

    // Nothing that was written says who the patients are.
    let written: Vec<_> = ["runs", "predicted", "reports"]
        .map(|name| bench.path().join(name))
        .iter()
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| files(folder))
        .collect();
    assert!(written.len() > 20, "{written:?}");
    for file in written {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"SECRET"), "{}", file.display());
    }
}

#[test]
fn dicom_without_a_window_is_refused_with_what_to_do_and_read_by_a_table_with_one() {
    let bench = Bench::new();
    write(&bench.path().join("data"));
    let rows = (0..CASES).map(|case| format!("deep/{case:02}.dcm,masks/{case:02}.png\n"));
    bench.file("data/cases.csv", format!("image,mask\n{}", rows.collect::<String>()));
    let spec = bench.tiny("");
    let check = |more: &str| {
        let dataset = format!(
            "dataset={{kind=\"table\",root=\"data\",table=\"cases.csv\",image=\"image\",masks=[\"mask\"],image-size=32,\
             split={{kind=\"holdout\",group=\"none\"}}{more}}}"
        );
        bench.oncospec(&["check", spec.to_str().unwrap(), "--set", &dataset])
    };
    check("").with(2).telling(&["nothing says which of their values are black and white"]);
    check(",intensity={kind=\"percentiles\"}").with(0);
    // A file of several frames among them.
    let frames = fs::read(repository().join("tests/fixtures/dicom/frames.dcm")).unwrap();
    bench.file("data/deep/03.dcm", frames);
    let said = check(",intensity={kind=\"percentiles\"}").with(2);
    let said = said.telling(&["deep/03.dcm", "a DICOM of 3 frames, 1 to 3", "dcmj2pnm --frame"]);
    assert!(!said.err.contains("SECRET"), "{}", said.err);
}

#[test]
fn a_first_spec_for_dicom_takes_the_windows_of_the_files() {
    for (folder, intensity) in [("own", "kind = \"as-stored\""), ("deep", "kind = \"percentiles\"")]
    {
        let bench = Bench::new();
        write(&bench.path().join("all"));
        fs::create_dir_all(bench.path().join("data")).unwrap();
        fs::rename(bench.path().join("all").join(folder), bench.path().join("data/images"))
            .unwrap();
        fs::rename(bench.path().join("all/masks"), bench.path().join("data/masks")).unwrap();
        bench.oncospec(&["data", "init", "data"]).with(0);
        let text = fs::read_to_string(bench.path().join("data.toml")).unwrap();
        assert!(text.contains(intensity) && text.contains(".dcm"), "{text}");
        bench.oncospec(&["check", "data.toml"]).with(0);
        if folder == "own" {
            let run = ["run", "data.toml", "--device", "cpu", "--set", "schedule.epochs=1"];
            bench.oncospec(&run).with(0);
            let record = Record::read(bench.only_run("runs", "data")).unwrap();
            assert_eq!(record.split.len(), CASES as usize);
        }
    }
}
