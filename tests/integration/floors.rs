//! Modules form floors: none uses what uses it, directly or by way of others.
//!
//! Read from the tokens of a build without tests: `use` lines and paths alike, through re-exports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::engine;

/// Folders whose files form floors too.
const FOLDERS: &[&str] = &["data", "evaluate", "kernels"];
/// What a folder's own file is called among its files.
const ROOT: &str = "mod";

/// A path of names, such as `["data", "split"]`; the root's is empty.
type Names = Vec<String>;

/// A module as the compiler sees it.
#[derive(Default)]
struct Module {
    /// Names that it imports, and where from.
    imports: BTreeMap<String, Names>,
    /// Modules of which it imports all.
    globs: Vec<Names>,
    /// Names of its items.
    items: BTreeSet<String>,
    /// Paths that it uses, as written; of these, whether each is only handed on by `pub use`.
    uses: Vec<(Names, bool)>,
}

/// The modules of a package.
#[derive(Default)]
struct Tree(BTreeMap<Names, Module>);

/// Which members of a folder use which, with the uses that make it so.
type Edges = BTreeMap<(String, String), BTreeSet<String>>;

impl Tree {
    /// Reads the modules below a folder `src`.
    fn read(src: &Path) -> Self {
        let mut tree = Self::default();
        for (file, text) in engine::modules(src, &src.join("lib.rs")).unwrap() {
            let below = file.strip_prefix(src).unwrap().with_extension("");
            let mut path: Names =
                below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if ["mod", "lib"].contains(&path.last().unwrap().as_str()) {
                path.pop();
            }
            tree.0.entry(path.clone()).or_default();
            tree.take(&path, text.parse().unwrap(), true);
        }
        tree
    }

    fn take(&mut self, path: &Names, tokens: TokenStream, items: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at += match word(&tokens[at..]).as_deref() {
                Some("mod") if matches!(tokens.get(at + 2), Some(TokenTree::Group(_))) => {
                    self.inline(path, &tokens[at + 1..])
                }
                Some("use") if !is(tokens.get(at + 1), '<') => {
                    self.imports(path, &tokens[at + 1..], exported(&tokens[..at]))
                }
                Some(name) => {
                    if items && ITEMS.contains(&name) {
                        let name = word(&tokens[at + 1..]);
                        self.module(path).items.extend(name);
                    }
                    self.path(path, &tokens, at)
                }
                None => {
                    if let TokenTree::Group(group) = &tokens[at] {
                        self.take(path, group.stream(), false);
                    }
                    1
                }
            };
        }
    }

    fn module(&mut self, path: &Names) -> &mut Module {
        self.0.entry(path.clone()).or_default()
    }

    /// A module in its file's braces.
    fn inline(&mut self, path: &Names, tokens: &[TokenTree]) -> usize {
        if let [TokenTree::Ident(name), TokenTree::Group(group), ..] = tokens {
            let path = joined(path, &[name.to_string()]);
            self.module(&path);
            self.take(&path, group.stream(), true);
        }
        3
    }

    /// What stands between `use` and its semicolon.
    fn imports(&mut self, path: &Names, tokens: &[TokenTree], exported: bool) -> usize {
        let length = tokens.iter().position(|token| is(Some(token), ';')).unwrap_or(tokens.len());
        let mut leaves = Vec::new();
        leaves_of(&tokens[..length], &Names::new(), &mut leaves);
        let module = self.module(path);
        for (mut names, alias) in leaves {
            module.uses.push((names.clone(), exported));
            if names.last().is_some_and(|name| name == "self") {
                names.pop();
            }
            if names.last().is_some_and(|name| name == "*") {
                names.pop();
                module.globs.push(names);
            } else if let Some(name) = alias.or_else(|| names.last().cloned()) {
                module.imports.insert(name, names);
            }
        }
        length + 2
    }

    /// A path outside of `use`: of names joined by `::`.
    fn path(&mut self, path: &Names, tokens: &[TokenTree], at: usize) -> usize {
        let follows = at > 0 && (is(tokens.get(at - 1), '.') || is(tokens.get(at - 1), ':'));
        let (mut names, mut end) = (vec![tokens[at].to_string()], at + 1);
        while is(tokens.get(end), ':') && is(tokens.get(end + 1), ':') {
            let Some(name) = word(tokens.get(end + 2..).unwrap_or_default()) else { break };
            names.push(name);
            end += 3;
        }
        if names.len() > 1 && !follows {
            self.module(path).uses.push((names, false));
        }
        end - at
    }

    /// A path as written in a module, from the root on; `None` where it leads out of the package.
    fn absolute(&self, from: &Names, names: &[String]) -> Option<Names> {
        match names.first().map(String::as_str) {
            Some("crate") => Some(names[1..].to_vec()),
            Some("self") => Some(joined(from, &names[1..])),
            Some("super") => {
                let (mut base, mut rest) = (from.clone(), names);
                while rest.first().is_some_and(|name| name == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
                Some(joined(&base, rest))
            }
            Some(name) => {
                let child = joined(from, &[name.to_string()]);
                self.0.contains_key(&child).then(|| joined(from, names))
            }
            None => None,
        }
    }

    /// Which member of a folder a path from the root on leads to.
    fn member(&self, folder: &Names, path: &Names) -> Option<String> {
        let rest = path.strip_prefix(folder.as_slice())?;
        let Some(name) = rest.first() else { return Some(ROOT.into()) };
        if self.0.contains_key(&joined(folder, std::slice::from_ref(name))) {
            return Some(name.clone());
        }
        let module = &self.0[folder];
        if let Some(from) = module.imports.get(name) {
            return self.member(folder, &self.absolute(folder, from)?);
        }
        let defined = |glob: &Names| {
            let path = self.absolute(folder, glob)?;
            self.0.get(&path)?.items.contains(name).then_some(path)
        };
        match module.globs.iter().find_map(defined) {
            Some(path) => self.member(folder, &path),
            None => Some(ROOT.into()),
        }
    }

    /// Which members of a folder use which; what its own file hands on by `pub use` is no use.
    fn edges(&self, folder: &Names) -> Edges {
        let mut edges = Edges::new();
        for (path, module) in &self.0 {
            let Some(rest) = path.strip_prefix(folder.as_slice()) else { continue };
            let user = rest.first().map_or(ROOT, String::as_str);
            for (names, exported) in &module.uses {
                let used = self.absolute(path, names).and_then(|to| self.member(folder, &to));
                if let Some(used) = used
                    && used != user
                    && !(*exported && user == ROOT)
                {
                    let line = format!("{}: {}", path.join("::"), names.join("::"));
                    edges.entry((user.into(), used)).or_default().insert(line);
                }
            }
        }
        edges
    }
}

/// What begins an item with a name.
const ITEMS: [&str; 8] = ["struct", "enum", "union", "trait", "fn", "type", "const", "static"];

fn joined(base: &[String], rest: &[String]) -> Names {
    [base, rest].concat()
}

fn word(tokens: &[TokenTree]) -> Option<String> {
    match tokens.first() {
        Some(TokenTree::Ident(name)) => Some(name.to_string()),
        _ => None,
    }
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Whether what stands before `use` makes it public.
fn exported(before: &[TokenTree]) -> bool {
    let public = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "pub");
    match before {
        [.., token, TokenTree::Group(_)] => public(token),
        [.., token] => public(token),
        [] => false,
    }
}

/// The paths of a tree of imports, each with its other name.
fn leaves_of(tokens: &[TokenTree], base: &Names, leaves: &mut Vec<(Names, Option<String>)>) {
    for tokens in tokens.split(|token| is(Some(token), ',')) {
        let (mut path, mut alias, mut at) = (base.clone(), None, 0);
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(name) if name == "as" => {
                    alias = word(&tokens[at + 1..]);
                    at = tokens.len();
                }
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".into()),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves_of(&tokens, &path, leaves);
                    path.clear();
                }
                _ => {}
            }
            at += 1;
        }
        if path.len() > base.len() {
            leaves.push((path, alias));
        }
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
static SRC: LazyLock<Tree> = LazyLock::new(|| Tree::read(&package().join("src")));

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
        .filter(|(_, found)| !found.is_empty())
        .map(|(folder, found)| format!("in {folder}:\n{found}"))
        .collect();
    assert!(found.is_empty(), "files that use each other, {found}");
}

#[test]
fn the_floors_of_the_architecture_are_those_of_the_code() {
    let floors = drawn();
    let modules = SRC.0.keys().filter(|path| path.len() == 1).map(|path| path[0].clone());
    let mut listed = floors.concat();
    listed.sort();
    assert_eq!(listed, modules.collect::<Names>(), "`## Floors` of ARCHITECTURE.md");
    let floor = |name: &String| floors.iter().position(|floor| floor.contains(name));
    for ((user, used), lines) in SRC.edges(&Names::new()) {
        let upward = user != ROOT && floor(&user) >= floor(&used);
        assert!(!upward, "{user} uses {used}, which `## Floors` does not put below it: {lines:?}");
    }
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
    Tree::read(package.path()).edges(&folder)
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
