//! Modules form floors: none uses what uses it, directly or by way of others.
//!
//! Read from the tokens of a build without tests: `use` lines and paths alike, through re-exports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use super::tokens;
use super::uses::{Names, Tree, Use, Way, joined};

/// Folders whose files form floors too.
const FOLDERS: [&str; 7] = ["data", "evaluate", "record", "report", "run", "source", "train"];
/// What a folder's own file is called among its files.
const ROOT: &str = "mod";

/// Which members of a folder use which, with the uses that make it so.
type Edges = BTreeMap<(String, String), BTreeSet<String>>;

impl Tree {
    /// Which member of a folder a path from the root on leads to.
    fn member(&self, folder: &Names, path: &Names) -> Option<String> {
        let rest = path.strip_prefix(folder.as_slice())?;
        let Some(name) = rest.first() else { return Some(ROOT.into()) };
        if self.modules.contains_key(&joined(folder, std::slice::from_ref(name))) {
            return Some(name.clone());
        }
        match self.handed_on(folder, name) {
            Some(path) => self.member(folder, &path),
            // From outside of the package, or the folder's own.
            None if self.modules[folder].imports.contains_key(name) => None,
            None => Some(ROOT.into()),
        }
    }

    /// Which members of a folder use which; what its own file hands on by `pub use` is no use.
    fn edges(&self, folder: &Names) -> Edges {
        let mut edges = Edges::new();
        for (path, module) in &self.modules {
            let Some(rest) = path.strip_prefix(folder.as_slice()) else { continue };
            let user = rest.first().map_or(ROOT, String::as_str);
            for Use { names, way } in &module.uses {
                let used = self.absolute(path, names).and_then(|to| self.member(folder, &to));
                if let Some(used) = used
                    && used != user
                    && !(*way == Way::HandedOn && user == ROOT)
                {
                    let line = format!("{}: {}", path.join("::"), names.join("::"));
                    edges.entry((user.into(), used)).or_default().insert(line);
                }
            }
        }
        edges
    }
}

/// The shortest way along edges from one member to another.
fn way(edges: &Edges, from: &str, to: &str) -> Option<Names> {
    let mut open = VecDeque::from([vec![from.to_string()]]);
    let mut seen = BTreeSet::from([from.to_string()]);
    while let Some(way) = open.pop_front() {
        let last = way.last().cloned().unwrap_or_default();
        if last == to {
            return Some(way);
        }
        for (_, next) in edges.keys().filter(|(user, _)| *user == last) {
            if seen.insert(next.clone()) {
                open.push_back(joined(&way, std::slice::from_ref(next)));
            }
        }
    }
    None
}

/// The circles among members, each with the uses that make it; the empty text where there are none.
fn circles(edges: &Edges) -> String {
    let (mut text, mut told) = (String::new(), BTreeSet::new());
    for (user, used) in edges.keys() {
        let Some(back) = way(edges, used, user) else { continue };
        let members: BTreeSet<&String> = back.iter().collect();
        let circle = format!("{user} -> {}", back.join(" -> "));
        if !told.insert(members.into_iter().cloned().collect::<Names>()) {
            continue;
        }
        let _ = writeln!(text, "{circle}");
        for pair in joined(std::slice::from_ref(user), &back).windows(2) {
            for line in &edges[&(pair[0].clone(), pair[1].clone())] {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// The modules of this package.
static SRC: LazyLock<Tree> = LazyLock::new(|| tree(&package().join("src")));

/// The modules of `oncospec-kernels`.
static KERNELS: LazyLock<Tree> = LazyLock::new(|| tree(&package().join("crates/kernels/src")));

/// The modules below a folder.
fn tree(src: &Path) -> Tree {
    let modules = tokens::modules(src, &src.join("lib.rs")).unwrap();
    Tree::of(src, &modules, &[]).unwrap()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The floors that ARCHITECTURE.md draws, from the top: the block of text below `## Floors`.
fn drawn() -> Vec<Names> {
    let text = fs::read_to_string(package().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Floors\n").nth(1).expect("ARCHITECTURE.md has no `## Floors`");
    let block = section.split("```").nth(1).expect("`## Floors` has no block");
    let lines = block.lines().skip(1).map(|line| line.split("  ").next().unwrap_or_default());
    let floors = lines.map(|line| line.split_whitespace().map(String::from).collect());
    floors.filter(|floor: &Names| !floor.is_empty()).collect()
}

#[test]
fn no_two_modules_use_each_other_by_any_way() {
    let found = circles(&SRC.edges(&Names::new()));
    assert!(found.is_empty(), "modules of src that use each other:\n{found}");
}

#[test]
fn no_two_files_of_a_folder_use_each_other_by_any_way() {
    let found: String = FOLDERS
        .iter()
        .map(|folder| (folder, circles(&SRC.edges(&vec![(*folder).to_string()]))))
        .chain([(&"crates/kernels", circles(&KERNELS.edges(&Names::new())))])
        .filter(|(_, found)| !found.is_empty())
        .map(|(folder, found)| format!("in {folder}:\n{found}"))
        .collect();
    assert!(found.is_empty(), "files that use each other, {found}");
}

#[test]
fn the_floors_of_the_architecture_are_those_of_the_code() {
    let floors = drawn();
    let modules = SRC.modules.keys().filter(|path| path.len() == 1).map(|path| path[0].clone());
    let mut listed = floors.concat();
    listed.sort();
    assert_eq!(listed, modules.collect::<Names>(), "`## Floors` of ARCHITECTURE.md");
    let floor = |name: &String| floors.iter().position(|floor| floor.contains(name));
    for ((user, used), lines) in SRC.edges(&Names::new()) {
        let upward = user != ROOT && floor(&user) >= floor(&used);
        assert!(!upward, "{user} uses {used}, which `## Floors` does not put below it: {lines:?}");
    }
}

#[test]
fn the_network_is_used_by_the_command_that_downloads_weights_alone() {
    let edges = SRC.edges(&Names::new());
    let users: Vec<&String> =
        edges.iter().filter(|((_, used), _)| used == "download").flat_map(|(_, by)| by).collect();
    assert!(!users.is_empty());
    assert!(users.iter().all(|user| user.starts_with("cli::weights: ")), "{users:?}");
    let of_network = |names: &Names| {
        names[0] == "ureq" || names.starts_with(&["std".to_string(), "net".to_string()])
    };
    let users: BTreeSet<&String> = SRC
        .modules
        .iter()
        .filter(|(_, module)| module.uses.iter().any(|Use { names, .. }| of_network(names)))
        .filter_map(|(path, _)| path.first())
        .collect();
    assert_eq!(users, BTreeSet::from([&"download".to_string()]));
}

/// The edges of a folder of a small package, made of files with these texts.
fn planted(files: &[(&str, &str)], folder: &str) -> Edges {
    let package = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = package.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let folder: Names =
        folder.split("::").filter(|name| !name.is_empty()).map(Into::into).collect();
    tree(package.path()).edges(&folder)
}

fn pairs(edges: &Edges) -> Vec<String> {
    edges.keys().map(|(user, used)| format!("{user} {used}")).collect()
}

#[test]
fn a_circle_is_told_with_the_uses_that_make_it() {
    let two = planted(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::{B, C as D};"),
            ("b.rs", "pub struct B; pub struct C; fn f() -> crate::a::A { todo!() }"),
        ],
        "",
    );
    let expected = "a -> b -> a\n    a: crate::b::B\n    a: crate::b::C\n    b: crate::a::A\n";
    assert_eq!(circles(&two), expected);
    let three = planted(
        &[
            ("lib.rs", "pub mod a; mod b; mod c; pub use c::Error;"),
            ("a/mod.rs", "mod inner;"),
            ("a/inner.rs", "mod deep { fn f() { super::super::super::b::g(); } }"),
            ("b.rs", "use super::Error;"),
            ("c.rs", "pub struct Error; use crate::a::*;"),
        ],
        "",
    );
    assert_eq!(pairs(&three), ["a b", "b c", "c a"]);
    assert!(circles(&three).starts_with("a -> b -> c -> a\n"), "{}", circles(&three));
}

#[test]
fn tests_comments_texts_and_names_handed_on_make_no_circle() {
    let none = planted(
        &[
            ("lib.rs", "pub mod a; mod b; pub use a::A;"),
            (
                "a.rs",
                "// use crate::b;\npub struct A; const T: &str = \"crate::b::B\";\n\
                      #[cfg(test)] mod tests { use crate::b::B; }",
            ),
            ("b.rs", "/// See [`crate::a`].\npub struct B(crate::A);"),
        ],
        "",
    );
    assert_eq!(pairs(&none), ["b a"]);
    assert_eq!(circles(&none), "");
}

#[test]
fn within_a_folder_its_own_file_counts_for_what_it_defines_and_uses_itself() {
    let edges = planted(
        &[
            ("lib.rs", "mod f;"),
            (
                "f/mod.rs",
                "mod x; mod y; mod z; pub use x::X; pub use z::*; pub struct Own; \
                          fn go() { y::work() }",
            ),
            ("f/x.rs", "pub struct X;"),
            ("f/y.rs", "use super::{Own, X}; use crate::f::Z;"),
            ("f/z.rs", "pub struct Z;"),
        ],
        "f",
    );
    assert_eq!(pairs(&edges), ["mod y", "y mod", "y x", "y z"]);
    assert!(circles(&edges).starts_with("mod -> y -> mod\n"));
}

/// Where files may be opened otherwise: where that is done for all, and where what was just written is flushed.
const OPENING: [&str; 2] = ["file", "record::files"];

#[test]
fn what_is_read_is_asked_first_whether_it_is_a_file() {
    for (path, module) in &SRC.modules {
        for Use { names, .. } in &module.uses {
            let opens = names.windows(2).any(|pair| {
                [["File", "open"], ["fs", "read"], ["fs", "read_to_string"]]
                    .iter()
                    .any(|way| way == pair)
            });
            let path = path.join("::");
            let names = names.join("::");
            assert!(
                !opens || OPENING.contains(&path.as_str()),
                "{path} uses {names}, which waits for ever where that is a pipe: use `file::read`"
            );
        }
    }
}
