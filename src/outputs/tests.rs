//! Tests of what may be replaced.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::ledger::{LEDGER, Line};
use super::*;

const KEEP: bool = false;
const REPLACE: bool = true;

fn claim(folder: &Path, names: &[&str], overwrite: bool) -> Result<Outputs> {
    let planned = names.iter().map(|name| Planned::named(*name)).collect();
    Outputs::folder(folder, "a page", planned, overwrite)
}

fn refused(result: Result<Outputs>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn an_own_file_is_replaced_and_an_edited_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = claim(folder.path(), &["a.toml"], KEEP).unwrap().write("a.toml", b"1").unwrap();
    claim(folder.path(), &["a.toml"], KEEP).unwrap().write("a.toml", b"2").unwrap();
    fs::write(&file, b"mine").unwrap();
    let message = refused(claim(folder.path(), &["a.toml"], KEEP));
    assert!(message.contains("a.toml: oncospec did not write this file, or"), "{message}");
    assert!(message.contains("--overwrite"), "{message}");
    claim(folder.path(), &["a.toml"], REPLACE).unwrap().write("a.toml", b"3").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"3");
    claim(folder.path(), &["a.toml"], KEEP).unwrap();
}

#[test]
fn many_refused_files_are_counted_and_three_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.html", "b.html", "c.html", "d.html"];
    for name in names {
        fs::write(folder.path().join(name), b"mine").unwrap();
    }
    let message = refused(claim(folder.path(), &names, KEEP));
    assert!(message.contains("4 files: ") && message.contains("c.html, .."), "{message}");
    assert!(!message.contains("d.html"), "{message}");
}

#[test]
fn what_is_edited_while_a_command_works_stays() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = claim(folder.path(), &["page.html"], KEEP).unwrap();
    fs::write(folder.path().join("page.html"), b"mine").unwrap();
    let error = outputs.write("page.html", b"new").unwrap_err().to_string();
    assert!(error.contains("it is left as it is"), "{error}");
    assert_eq!(fs::read(folder.path().join("page.html")).unwrap(), b"mine");
}

#[test]
fn a_file_that_another_process_wrote_meanwhile_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| claim(folder.path(), &["ci.html"], KEEP).unwrap());
    one.write("ci.html", b"1").unwrap();
    other.write("ci.html", b"2").unwrap();
    one.write("ci.html", b"3").unwrap();
}

#[test]
fn folders_links_and_devices_are_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("page.html")).unwrap();
    for overwrite in [KEEP, REPLACE] {
        assert!(refused(claim(folder.path(), &["page.html"], overwrite)).contains("not a file"));
        let message = OutputFile::new(&folder.path().join("page.html"), "a page", overwrite)
            .unwrap_err()
            .to_string();
        assert!(message.contains("a folder"), "{message}");
    }
    let message = OutputFile::new(Path::new("/dev/null"), "a page", KEEP).unwrap_err().to_string();
    assert!(message.contains("/dev/null"), "{message}");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.path().join("link.html")).unwrap();
        refused(claim(folder.path(), &["link.html"], KEEP));
    }
    fs::write(folder.path().join("file"), b"").unwrap();
    let message = refused(claim(&folder.path().join("file/deeper"), &["a"], KEEP));
    assert!(message.contains("cannot write into this folder"), "{message}");
}

#[test]
fn pictures_do_not_come_to_lie_among_the_images_of_others() {
    let folder = tempfile::tempdir().unwrap();
    claim(folder.path(), &["x_mask.png"], KEEP).unwrap().write("x_mask.png", b"1").unwrap();
    claim(folder.path(), &["y_mask.png"], KEEP).expect("its own pictures are no data");
    fs::write(folder.path().join("y.PNG"), b"an image").unwrap();
    let message = refused(claim(folder.path(), &["y_mask.png"], KEEP));
    assert!(message.contains("y.PNG") && message.contains("masks or cases"), "{message}");
    claim(folder.path(), &["model.json"], KEEP).expect("no picture");
    claim(folder.path(), &["y_mask.png"], REPLACE).expect("told to");
}

#[test]
fn a_file_made_of_another_image_of_the_same_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let of = |image: &str| {
        let planned = vec![Planned::of(Path::new(image), "x_mask.png")];
        Outputs::folder(folder.path(), "a prediction", planned, KEEP)
    };
    of("/a/x.png").unwrap().write("x_mask.png", b"1").unwrap();
    of("/a/x.png").unwrap();
    assert!(refused(of("/b/x.png")).contains("it was made of /a/x.png, not of /b/x.png"));
}

#[test]
#[cfg(unix)]
fn an_image_is_itself_by_whatever_path() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir_all(&images).unwrap();
    fs::write(images.join("x.png"), b"1").unwrap();
    std::os::unix::fs::symlink("images", folder.path().join("link")).unwrap();
    let out = folder.path().join("out");
    for path in ["images/x.png", "link/x.png", "out/../images/x.png"] {
        let planned = vec![Planned::of(&folder.path().join(path), "x_mask.png")];
        let outputs = Outputs::folder(&out, "a prediction", planned, KEEP).unwrap();
        outputs.write("x_mask.png", path.as_bytes()).unwrap();
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let of = |kind, overwrite| {
        Outputs::folder(folder.path(), kind, vec![Planned::named("x_mask.png")], overwrite)
    };
    of("a prediction", KEEP).unwrap().write("x_mask.png", b"1").unwrap();
    let message = refused(of("a proposal", KEEP));
    assert!(message.contains("it is a prediction, and a proposal would replace"), "{message}");
    of("a proposal", REPLACE).unwrap().write("x_mask.png", b"2").unwrap();
    refused(of("a prediction", KEEP));
}

#[test]
fn lists_are_merged_by_their_images() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |image: &str, class: &str| {
        BTreeMap::from([("image", image.to_string()), ("class", class.to_string())])
    };
    let add = |entries: &[BTreeMap<&str, String>]| {
        let outputs = claim(folder.path(), &["predictions.json"], KEEP).unwrap();
        let path = outputs.merge("predictions.json", entries).unwrap();
        let text = fs::read_to_string(path).unwrap();
        serde_json::from_str::<Vec<BTreeMap<String, String>>>(&text).unwrap()
    };
    add(&[entry("a", "benign"), entry("b", "benign")]);
    let all = add(&[entry("b", "malignant"), entry("c", "benign")]);
    let found: Vec<(&str, &str)> =
        all.iter().map(|entry| (entry["image"].as_str(), entry["class"].as_str())).collect();
    assert_eq!(found, [("a", "benign"), ("b", "malignant"), ("c", "benign")]);
}

#[test]
fn files_of_one_image_name_are_of_one_image_and_by_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let of = |kind, image: &str, run: &str, name: &str, overwrite| {
        let planned = Planned::of(Path::new(image), name).by(Path::new(run));
        Outputs::folder(folder.path(), kind, vec![planned], overwrite)
    };
    let mask = |image: &str, run: &str| of("a prediction", image, run, "x_mask.png", KEEP);
    mask("/a/x.png", "/runs/t").unwrap().write("x_mask.png", b"1").unwrap();
    let cam = |image: &str, run: &str| of("an attribution", image, run, "x_cam.jpg", KEEP);
    assert!(refused(mask("/a/x.png", "/runs/u")).contains("x_mask.png: it was made of /runs/t"));
    for (image, run, other) in
        [("/b/x.png", "/runs/t", "/a/x.png"), ("/a/x.png", "/runs/u", "/runs/t")]
    {
        let message = refused(cam(image, run));
        assert!(message.contains(&format!("x_mask.png: it was made of {other}")), "{message}");
    }
    cam("/a/x.png", "/runs/t").expect("the same image and run");
    of("an attribution", "/b/x_y.png", "/runs/u", "x_y_cam.jpg", KEEP).expect("another name");
    let told = of("a prediction", "/a/x.png", "/runs/u", "x_mask.png", REPLACE).unwrap();
    told.write("x_mask.png", b"2").unwrap();
    cam("/a/x.png", "/runs/u").expect("what was written last counts");
}

#[test]
fn what_two_runs_say_of_an_image_is_kept_unless_one_replaced_the_mask_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let add = |run: &str, mask: Option<&str>| {
        let outputs = claim(folder.path(), &["predictions.json"], KEEP).unwrap();
        let mut entry = BTreeMap::from([("image", "x.png"), ("run", run)]);
        entry.extend(mask.map(|mask| ("mask", mask)));
        let path = outputs.merge("predictions.json", &[entry]).unwrap();
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        all.iter().map(|one| one["run"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    add("t", Some("x_mask.png"));
    assert_eq!(add("c", None), ["t", "c"], "a classifier has no mask");
    assert_eq!(add("u", Some("x_mask.png")), ["c", "u"], "the mask is now another run's");
}

/// What happens to a folder in turn.
#[derive(Clone, Debug)]
enum Act {
    /// A person writes a file.
    Person(u8, u8),
    /// A command writes a file, and is killed after the ledger's line where the last is set.
    Command(u8, u8, bool),
    /// The end of the ledger is lost.
    Torn,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0..2u8, any::<u8>()).prop_map(|(file, byte)| Act::Person(file, byte)),
        (0..2u8, any::<u8>(), any::<bool>())
            .prop_map(|(file, byte, killed)| Act::Command(file, byte, killed)),
        Just(Act::Torn),
    ];
    proptest::collection::vec(act, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever persons, commands and kills do in turn, a person's bytes are never replaced.
    #[test]
    fn no_order_of_events_loses_what_a_person_wrote(acts in acts()) {
        let folder = tempfile::tempdir().unwrap();
        // What a person wrote last, while nobody was told to replace it.
        let mut persons: [Option<Vec<u8>>; 2] = [None, None];
        for act in acts {
            match act {
                Act::Person(file, byte) => {
                    let bytes = format!("a person's {byte}").into_bytes();
                    fs::write(folder.path().join(format!("{file}.html")), &bytes).unwrap();
                    persons[usize::from(file)] = Some(bytes);
                }
                Act::Command(file, byte, killed) => {
                    let name = format!("{file}.html");
                    let bytes = format!("a page {byte}").into_bytes();
                    let claimed = claim(folder.path(), &[&name], KEEP);
                    prop_assert!(persons[usize::from(file)].is_none() || claimed.is_err());
                    if let Ok(outputs) = claimed {
                        if killed {
                            let sha256 = crate::digest::sha256(&bytes);
                            outputs.ledger.note(Line { file: name, sha256, by: None, of: None, run: None }).unwrap();
                        } else {
                            outputs.write(&name, &bytes).unwrap();
                        }
                    }
                }
                Act::Torn => {
                    let ledger = folder.path().join(LEDGER);
                    let Ok(bytes) = fs::read(&ledger) else { continue };
                    fs::write(&ledger, &bytes[..bytes.len().saturating_sub(7)]).unwrap();
                }
            }
            for (file, bytes) in persons.iter().enumerate() {
                if let Some(bytes) = bytes {
                    let found = fs::read(folder.path().join(format!("{file}.html"))).unwrap();
                    prop_assert_eq!(&found, bytes);
                }
            }
        }
    }
}
