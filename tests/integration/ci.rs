//! `ci`: what runs and why, gates against a baseline and earlier runs, verdicts for machines; and `compare`.

use std::fs;
use std::path::Path;

use oncospec::record::{Position, Record, RunSummary, list_runs};
use serde_json::Value;

use crate::support::{Bench, Said, json, repository, said};

/// Three small experiments: two on synthetic images with networks of their own, one on images in files.
fn three(bench: &Bench) {
    let synth = ["data", "synth", "--kind", "busi", "--out", "data", "--cases", "30"];
    bench.oncospec(&synth).with(0);
    let spec = |name: &str, dataset: &str, model: &str| {
        bench.file(
            &format!("specs/{name}.toml"),
            format!(
                "name = '{name}'\n[dataset]\nimage-size = 32\nchannels = 'gray'\n{dataset}\n[model]\n{model}\n\
                 [schedule]\nepochs = 1\nbatch-size = 8\n[report.film]\nframes = 0\n"
            ),
        );
    };
    let unet = "kind = 'unet'\nencoder = { kind = 'plain', filters = [4, 8] }";
    spec("a", "kind = 'phantom'\ncases = 30", unet);
    spec(
        "b",
        "kind = 'phantom'\ncases = 30",
        "kind = 'attention-unet'\nfilters = [4, 8]\ndropout = [0.0, 0.0, 0.0]",
    );
    spec("c", "kind = 'busi'\nroot = '../data'", unet);
}

/// `ci` on all specs.
fn ci(bench: &Bench, more: &[&str]) -> Said {
    bench.oncospec(&[&["ci", "specs", "--device", "cpu"], more].concat())
}

/// What a dry run says of each of the three.
fn due(bench: &Bench) -> [String; 3] {
    let said = ci(bench, &["--dry-run"]).with(0);
    let lines: Vec<String> = said.out.lines().map(String::from).collect();
    lines.try_into().unwrap()
}

const NOTHING: &str = "nothing to do";

/// Makes a finished run one that a version of oncospec with another source of its network has made.
fn made_with_another_source(run: &Path, part: &str, source: &str) {
    let edit = |name: &str, change: &dyn Fn(&str) -> String| {
        let file = run.join(name);
        let text = change(&fs::read_to_string(&file).unwrap());
        fs::write(&file, text).unwrap();
    };
    let id = run.file_name().unwrap().to_str().unwrap().to_string();
    let (training, _) = id.split_once('-').unwrap();
    let other = format!("0123456789ab-{}", &id[id.len() - 6..]);
    let renamed = |text: &str| text.replace(&id, &other).replace(training, "0123456789ab");
    let plan: toml::Table = fs::read_to_string(run.join("plan.toml")).unwrap().parse().unwrap();
    let digest = plan["engine-parts"][part].as_str().unwrap().to_string();
    let changed = |text: &str| renamed(text).replace(&digest, &"5".repeat(64));
    edit("plan.toml", &changed);
    edit("provenance.json", &changed);
    let sources: Value =
        serde_json::from_slice(&fs::read(run.join("sources.json")).unwrap()).unwrap();
    let digest = sources[source].as_str().unwrap().to_string();
    edit("sources.json", &|text| text.replace(&digest, "555555555555"));
    // A run of an earlier version has no sums.
    let mut status: Value =
        serde_json::from_slice(&fs::read(run.join("status.json")).unwrap()).unwrap();
    status.as_object_mut().unwrap().remove("files").unwrap();
    fs::write(run.join("status.json"), status.to_string()).unwrap();
    fs::rename(run, run.with_file_name(other)).unwrap();
}

#[test]
fn what_depends_on_a_change_is_run_with_the_reason_and_nothing_else() {
    let bench = Bench::new();
    three(&bench);
    let first = due(&bench);
    assert!(
        first.iter().all(|line| line.ends_with("trains: no run of it has finished before")),
        "{first:?}"
    );
    assert!(!bench.path().join("runs").exists(), "a dry run runs nothing");
    ci(&bench, &[]).with(0).telling(&["a seed 0: trains", "b seed 0: trains", "c seed 0: trains"]);

    let nothing = ci(&bench, &[]).with(0);
    assert!(!nothing.err.contains("trains") && !nothing.out.contains("What ran"), "{nothing:?}");

    let file = bench.path().join("specs/a.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("# Another word.\n\n{text}")).unwrap();
    assert!(due(&bench).iter().all(|line| line.contains(NOTHING)));

    let file = bench.path().join("specs/b.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("epochs = 1", "epochs = 2")).unwrap();
    let [a, b, c] = due(&bench);
    assert!(a.contains(NOTHING) && c.contains(NOTHING));
    assert!(b.starts_with("b seed 0: trains: schedule.epochs: 1 -> 2 (since runs/b/"), "{b}");
    fs::write(
        &file,
        format!("{text}[evaluation]\nthreshold = {{ kind = 'fixed', value = 0.3 }}\n"),
    )
    .unwrap();
    let [_, b, _] = due(&bench);
    assert!(b.starts_with("b seed 0: evaluates the weights of b/"), "{b}");
    assert!(b.contains(" again: evaluation.threshold.value: 0.5 -> 0.3 (since runs/b/"), "{b}");
    let told = ci(&bench, &["--summary", "sum.md"]).with(0);
    assert!(!told.err.contains("epoch 1/1"), "nothing is trained: {}", told.err);
    assert!(told.out.contains("What ran, and why:\n\n- `b seed 0: evaluates"), "{}", told.out);
    assert_eq!(told.err.matches("was finished before").count(), 2);
    assert_eq!(fs::read_to_string(bench.path().join("sum.md")).unwrap(), told.out);

    let image = fs::read_dir(bench.path().join("data/benign")).unwrap();
    let mut images: Vec<_> = image.map(|entry| entry.unwrap().path()).collect();
    images.sort();
    let image = images.iter().find(|path| !path.to_str().unwrap().contains("_mask")).unwrap();
    let mut pixels = image::open(image).unwrap().to_rgb8();
    pixels.get_pixel_mut(3, 3).0[1] ^= 1;
    pixels.save(image).unwrap();
    let [a, b, c] = due(&bench);
    assert!(a.contains(NOTHING) && b.contains(NOTHING));
    let name = image.file_name().unwrap().to_str().unwrap();
    let said = format!("c seed 0: trains: image data/benign/{name} (since runs/c/");
    assert!(c.starts_with(&said), "{c}, not {said}");

    made_with_another_source(&bench.only_run("runs", "a"), "model/unet", "src/model/unet.rs");
    let [a, b, _] = due(&bench);
    assert!(b.contains(NOTHING));
    let said = "a seed 0: trains: source src/model/unet.rs (since runs/a/0123456789ab-";
    assert!(a.starts_with(said), "{a}");

    let compared = bench.oncospec(&["compare", "a", "b"]).with(0).out;
    for part in ["model.kind ", "\"unet\"  |  \"attention-unet\"", "Data: the same"] {
        assert!(compared.contains(part), "no `{part}` in\n{compared}");
    }
    let compared = bench.oncospec(&["compare", "b", "c", "--json"]).with(0).out;
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(compared["cases"].as_array().unwrap().len(), 60);
    bench.oncospec(&["compare", "a", "runs/a"]).with(2).telling(&["mean the same run"]);
}

#[test]
fn a_guided_experiment_is_said_to_run_once_its_guide_is_finished() {
    let bench = Bench::new();
    let folder = repository().join("experiments/ci");
    let said =
        bench.oncospec(&["ci", folder.to_str().unwrap(), "--dry-run", "--device", "cpu"]).with(0);
    let guided = "ci-phantom-guided-resnet18 seed 0: runs once ci-phantom-unet, which guides it, is finished";
    assert!(said.out.lines().any(|line| line == guided), "{}", said.out);
    for of in ["", " guide fold 0", " guide fold 1", " guide fold 2"] {
        let line = format!("ci-phantom-unet{of} seed 0: trains");
        assert_eq!(said.out.matches(&line).count(), 1, "{line} in {}", said.out);
    }
    assert!(!bench.path().join("runs").exists() && !bench.path().join("reports").exists());
}

/// Enough cases for intervals.
const CASES: [&str; 4] = [
    "--set",
    "dataset.cases=120",
    "--set",
    "dataset.split.fractions={train=0.2, valid=0.4, test=0.4}",
];

const GATED: &str = "\n[gate]\n\"test.accuracy.pooled\" = { worse-at-most = 0.01 }\n\
    \"valid.accuracy.pooled\" = { worse-at-most = 0.01, against = \"last-run\" }\n\
    \"test.dice.mean\" = { at-least = 0.0, on = \"low\" }\n\
    \"train.seconds\" = { at-most = 3600 }\n";

/// Every pixel is lesion.
const REGRESSION: &str = "evaluation.threshold={kind=\"fixed\", value=0.0}";

#[test]
fn a_planted_regression_falls_against_the_baseline_and_the_last_run_with_figure_bound_and_interval()
{
    let bench = Bench::new();
    bench.tiny(GATED);
    let ci = |more: &[&str]| {
        bench.oncospec(&[&["ci", "tiny.toml", "--device", "cpu"], &CASES[..], more].concat())
    };
    let first = ci(&[]).with(1);
    first.telling(&[
        "gate fell: `test.accuracy.pooled`",
        "no worse than in `baseline.toml`",
        "--accept",
    ]);
    ci(&["--accept"]).with(0).telling(&["was finished before", "accepted"]);
    let read = || fs::read_to_string(bench.path().join("baseline.toml")).unwrap();
    let accepted = read();
    let lines: Vec<&str> = accepted.lines().collect();
    assert_eq!((lines[1], lines[2]), ("", "[\"tiny\".0]"), "{accepted}");
    for figure in ["test.accuracy.pooled", "test.dice.lesion", "train.seconds"] {
        let of = |line: &&str| line.starts_with(&format!("\"{figure}\" = "));
        assert_eq!(lines.iter().filter(|line| of(line)).count(), 1, "{accepted}");
    }
    ci(&[]).with(0);

    let worse = ["--set", REGRESSION, "--junit", "ci.xml", "--summary", "ci.md"];
    for _ in 0..2 {
        // Nor does the regression hold once it is the last run itself.
        let fell = ci(&worse).with(1);
        assert!(!fell.err.contains("epoch 1/3"), "{}", fell.err);
        let read = |name: &str| fs::read_to_string(bench.path().join(name)).unwrap();
        let markdown = read("ci.md");
        let line = |figure: &str| {
            let begins = format!("- tiny: gate fell: `{figure}` is ");
            let found = markdown.lines().find(|line| line.starts_with(&begins));
            found.unwrap_or_else(|| panic!("no {figure} in\n{markdown}")).to_string()
        };
        let test = line("test.accuracy.pooled");
        assert!(test.contains(" to ") && test.contains("must be at least 0.9"), "{test}");
        assert!(test.ends_with(" in `baseline.toml`, and worse by at most 0.01)"), "{test}");
        assert!(line("valid.accuracy.pooled").contains(" in `runs/tiny/"), "{markdown}");
        assert!(markdown.contains("), −0."), "the change to the baseline: {markdown}");
        let verdicts = read("ci.xml");
        assert!(verdicts.contains("tests=\"5\" failures=\"2\" errors=\"0\""), "{verdicts}");
        let failure = verdicts
            .lines()
            .find(|line| line.contains("<failure message=\"test.accuracy.pooled is "))
            .unwrap();
        assert!(failure.contains(" to ") && failure.contains("must be at least 0.9"), "{failure}");
    }
    assert_eq!(read(), accepted, "only --accept writes the baseline");
    let verdict: Value =
        serde_json::from_str(&ci(&["--set", REGRESSION, "--json"]).with(1).out).unwrap();
    assert_eq!(
        (&verdict["held"], &verdict["due"][0]["step"]["kind"]),
        (&false.into(), &"nothing".into())
    );
    assert!(verdict["runs"][0]["gates"][0]["interval"]["low"].is_number(), "{verdict:#}");

    let runs = fs::read_dir(bench.path().join("runs/tiny")).unwrap();
    let runs: Vec<String> = runs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    let compared = bench.oncospec(&["compare", &runs[0], &runs[1]]).with(0).out;
    for part in ["evaluation.threshold.value ", "test.accuracy.pooled ", "permutation test"] {
        assert!(compared.contains(part), "no `{part}` in\n{compared}");
    }

    let peak = "gate={\"train.peak-memory-mib\"={at-most=1}}";
    ci(&["--set", peak]).with(1).telling(&["`train.peak-memory-mib` is ", "must be at most 1"]);
    let end = "gate={\"test.accuracy.pooled\"={at-most=0.5, at-least=0.4, on=\"high\"}}";
    ci(&["--set", end]).with(1).telling(&["at the upper end of its interval"]);

    // A run that fails is an error, and nothing is accepted then.
    let run =
        fs::read_dir(bench.path().join("runs/tiny")).unwrap().map(|entry| entry.unwrap().path());
    let run = run.filter(|path| path.is_dir()).min().unwrap();
    let weights = bench.large_weights(&run);
    let weights = format!("model.weights={{path={:?}}}", weights.display().to_string());
    let failed = ci(&["--set", &weights, "--accept", "--junit", "ci.xml"]).with(1);
    failed.telling(&["training loss is NaN", "nothing is accepted"]);
    assert_eq!(read(), accepted);
    ci(&["--set", &weights, "--junit", "ci.xml"]).with(1);
    let verdicts = fs::read_to_string(bench.path().join("ci.xml")).unwrap();
    assert!(verdicts.contains("<error message=\"failed: "), "{verdicts}");
}

const FOLDS: &str = "dataset.split={ kind = \"kfold\", folds = 3, repeats = 2, fold = 0 }";

const SWEEP: &str = "sweep={ kind = \"grid\", metric = \"valid.dice.lesion\", over = { \
    \"schedule.optimizer.learning-rate\" = { kind = \"values\", values = [0.01, 0.001] } } }";

#[test]
fn a_run_is_compared_with_the_last_one_of_its_own_fold_repeat_and_trial() {
    let bench = Bench::new();
    bench.tiny(
        "[gate]\n\"valid.accuracy.pooled\" = { worse-at-most = 0.5, against = \"last-run\" }\n",
    );
    let ci = |more: &[&str]| {
        let sets = ["ci", "tiny.toml", "--device", "cpu", "--set", FOLDS, "--set", SWEEP];
        bench.oncospec(&[&sets[..], more].concat()).with(0)
    };
    let epochs = |epochs: &str| format!("schedule.epochs={epochs}");
    let (one, two) = (epochs("1"), epochs("2"));
    ci(&["--set", &one]);
    // The path of a run with what tells it from the others, and the path that its gate compares with.
    let runs = || -> Vec<(String, Position, String)> {
        let runs = list_runs(&bench.path().join("runs")).unwrap();
        let of = |run: RunSummary| {
            let gates = Record::read(&run.path).unwrap().gates;
            let against = gates.first().map(|gate| gate.reference.clone().unwrap().of);
            (run.run_id, run.position.unwrap(), against.unwrap_or_default())
        };
        runs.into_iter().map(of).collect()
    };
    let first = runs();
    // Of two divisions, two trials and the one that is chosen.
    assert_eq!(first.len(), 6);
    let earlier = first.iter().filter(|(.., against)| against == "an earlier run").count();
    assert_eq!(earlier, 2, "no run is compared with one of another division: {first:?}");

    let said = ci(&["--set", &two, "--dry-run"]).out;
    for line in [
        "tiny fold 0 of division 0 seed 0, schedule.optimizer.learning-rate = 0.01: trains: ",
        "tiny fold 0 of division 1 seed 0, schedule.optimizer.learning-rate = 0.001: trains: ",
    ] {
        let found =
            said.lines().find(|one| one.starts_with(line)).unwrap_or_else(|| panic!("{said}"));
        let position = |one: &&(String, Position, String)| {
            let key = "schedule.optimizer.learning-rate";
            line.starts_with(&format!(
                "tiny fold 0 of division {} seed 0, {key} = {}: ",
                one.1.division.unwrap(),
                one.1.trial.get(key).map(String::as_str).unwrap_or_default()
            ))
        };
        let (id, ..) = first.iter().find(position).unwrap();
        assert!(
            found.ends_with(&format!("schedule.epochs: 1 -> 2 (since runs/tiny/{id})")),
            "{found}"
        );
    }
    ci(&["--set", &two]);
    for (id, position, against) in runs().iter().filter(|run| !first.contains(run)) {
        let before = first.iter().find(|(_, of, _)| of == position).unwrap();
        let expected = if position.trial.is_empty() {
            format!("runs/tiny/{}", before.0)
        } else {
            String::new()
        };
        assert_eq!(*against, expected, "{id}");
    }
}

const ALL_FOLDS: &str = "dataset.split={ kind = \"kfold\", folds = 3 }";

#[test]
fn a_gate_of_all_folds_is_judged_on_all_test_cases_and_against_their_baseline() {
    let bench = Bench::new();
    bench.tiny(
        "[gate]\n\"test.accuracy.pooled\" = { worse-at-most = 0.01, of = \"all-folds\" }\n\
         \"test.dice.mean\" = { at-least = 0.0, of = \"all-folds\", on = \"low\" }\n",
    );
    let of = |command: &str, more: &[&str]| {
        let sets = [command, "tiny.toml", "--device", "cpu", "--set", ALL_FOLDS];
        bench.oncospec(&[&sets[..], &["--set", "schedule.epochs=1"], more].concat())
    };
    let ci = |more: &[&str]| of("ci", more);
    let read = |name: &str| fs::read_to_string(bench.path().join(name)).unwrap();
    let first = ci(&["--junit", "ci.xml"]).with(1);
    assert!(first.out.contains("| tiny, 3 folds | finished |"), "{}", first.out);
    assert!(first.out.contains("| **1 of 2 fell** |"), "{}", first.out);
    assert!(
        first.out.contains("- tiny, 3 folds: gate fell: `test.accuracy.pooled` is "),
        "{}",
        first.out
    );
    assert!(
        read("ci.xml")
            .contains("<testsuite name=\"tiny, 3 folds\" tests=\"2\" failures=\"1\" errors=\"0\"")
    );
    of("run", &[]).with(1).telling(&["  gate fell: `test.accuracy.pooled` is "]);

    ci(&["--accept"]).with(0).telling(&["accepted"]);
    let baseline: toml::Table = read("baseline.toml").parse().unwrap();
    let accepted = baseline["tiny"]["all-folds"].as_table().unwrap();
    assert_eq!(accepted["runs"].as_array().unwrap().len(), 3);
    let verdict: Value = serde_json::from_str(&ci(&["--json"]).with(0).out).unwrap();
    let of_folds = &verdict["folds"][0];
    let figures = of_folds["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == "accuracy.pooled").unwrap();
    assert_eq!(figure["n"], 40);
    let value = figure["value"].as_f64().unwrap();
    assert!((accepted["test.accuracy.pooled"].as_float().unwrap() - value).abs() < 1e-12);
    assert_eq!((&of_folds["gates"][0]["held"], &verdict["held"]), (&true.into(), &true.into()));
    let page = read("reports/ci.html");
    assert_eq!(
        page.matches("<th scope=\"row\"><bdi>tiny, 3 folds</bdi></th><td><code><bdi>test.").count(),
        2
    );

    let fell = ci(&["--set", REGRESSION, "--junit", "ci.xml"]).with(1);
    let line = fell.out.lines().find(|line| line.contains("gate fell")).unwrap();
    assert!(line.starts_with("- tiny, 3 folds: gate fell: `test.accuracy.pooled` is "), "{line}");
    assert!(line.ends_with(" in `baseline.toml`, and worse by at most 0.01)"), "{line}");
    assert!(fell.out.contains("), −0."), "the change to the baseline: {}", fell.out);
    assert!(read("ci.xml").contains("<failure message=\"test.accuracy.pooled is "));

    // One fold cannot stand for all.
    let one = ["--set", "dataset.split.fold=1"];
    let said = ci(&one).with(1).out;
    assert!(said.contains("not judged: test.accuracy.pooled, test.dice.mean"), "{said}");
    of("run", &one).with(0).telling(&["tiny: not judged: test.accuracy.pooled"]);

    for (gate, parts) in [
        ("\"test.iou.lesion\"={worse-at-most=0.1}", ["none for each", "of = \"all-folds\""]),
        (
            "\"valid.dice.mean\"={at-least=0.1, of=\"all-folds\"}",
            ["of test cases", "`valid.dice.mean` is not"],
        ),
        (
            "\"test.dice.mean\"={worse-at-most=0.1, of=\"all-folds\", against=\"last-run\"}",
            ["against", "compared with the baseline"],
        ),
    ] {
        of("check", &["--set", &format!("gate={{{gate}}}")]).with(2).telling(&parts);
    }
    bench.oncospec(&["check", "tiny.toml"]).with(2).telling(&["not divided into folds"]);
}

#[test]
fn mistakes_in_gates_and_baselines_are_found_before_anything_runs() {
    let bench = Bench::new();
    bench.tiny("");
    let refused = |gate: &str, parts: &[&str]| {
        let gate = format!("gate={{{gate}}}");
        bench.oncospec(&["check", "tiny.toml", "--set", &gate]).with(2).telling(parts);
    };
    refused("\"test.dice.mean\"={against=\"baseline\"}", &["compares nothing", "worse-at-most"]);
    refused("\"test.dice.mean\"={worse-at-most=-1}", &["worse-at-most", "0"]);
    refused("\"train.seconds\"={at-most=9, on=\"low\"}", &["has no interval"]);
    refused("\"train.seconds\"={at-least=9}", &["lower is better"]);
    bench.file("baseline.toml", "name = 'tiny'\n");
    refused(
        "\"test.dice.mean\"={worse-at-most=0.1}",
        &["baseline.toml", "`name` is", "must be a table"],
    );
    let one = ["ci", "tiny.toml", "--junit", "x.md", "--summary", "x.md"];
    bench.oncospec(&one).with(2).telling(&["--junit and --summary name one file"]);
}

#[test]
fn two_at_once_on_one_folder_make_each_run_once_and_both_judge_it() {
    let bench = Bench::new();
    bench.tiny("[gate]\n\"test.accuracy.pooled\" = { at-least = 0.5 }\n");
    let both = [0, 1].map(|_| bench.start(&["ci", "tiny.toml", "--device", "cpu"]));
    for child in both {
        let told = said(child.wait_with_output().unwrap()).with(0);
        assert!(told.out.contains("1 held"), "{told:?}");
    }
    bench.only_run("runs", "tiny");
    let readings = fs::read_to_string(bench.path().join("runs/tiny/test-readings.jsonl")).unwrap();
    assert_eq!(readings.lines().count(), 1);
}

#[test]
fn the_first_steps_of_a_spec_give_the_same_weights_with_any_number_of_threads() {
    let bench = Bench::new();
    bench.tiny("");
    let doctor = ["doctor", "--determinism", "tiny.toml", "--steps", "2", "--device", "cpu"];
    let command = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        said(command.env("XDG_CACHE_HOME", bench.path()).output().unwrap())
    };
    let said = command(&doctor).with(0);
    assert!(said.out.contains("tiny: weights after 2 steps on cpu"), "{}", said.out);
    assert_eq!(said.out.matches("the same bit for bit in all").count(), 3, "{}", said.out);
    assert!(!bench.path().join("runs").exists());
    bench.oncospec(&["doctor", "--determinism", "nowhere.toml"]).with(2).telling(&["nowhere.toml"]);

    // Runs that are made afterwards say it.
    command(&["run", "tiny.toml", "--device", "cpu", "--set", "schedule.epochs=1"]).with(0);
    let made = json(&bench.only_run("runs", "tiny").join("provenance.json"));
    assert_eq!(
        (&made["determinism"]["same"], &made["determinism"]["steps"]),
        (&true.into(), &2.into())
    );
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(page.contains("gave the same weights bit for bit, twice each with one and with "));
}
