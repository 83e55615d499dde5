//! Which module of a package uses which, read from tokens: `use` lines and paths alike, through re-exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tokens::{self, Unreadable};

/// A path of names, such as `["data", "split"]`; the root's is empty.
pub(crate) type Names = Vec<String>;

/// A module as the compiler sees it.
#[derive(Default)]
pub(crate) struct Module {
    /// Its file below `src`; that of the module around it where it is in braces.
    file: String,
    /// Names that it imports, and where from.
    pub imports: BTreeMap<String, Names>,
    /// Modules of which it imports all.
    globs: Vec<Names>,
    /// Names of its items.
    items: BTreeSet<String>,
    /// Paths that it uses, as written.
    pub uses: Vec<Use>,
}

/// A path that a module uses, as written.
pub(crate) struct Use {
    /// Its names.
    pub names: Names,
    /// How it is used.
    pub way: Way,
}

/// How a path is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By what the module does.
    Used,
    /// It is only handed on, by `pub use`.
    HandedOn,
    /// It is a row of the list that a macro of the module is given.
    Row,
}

/// The modules of a package.
#[derive(Default)]
pub(crate) struct Tree {
    /// By their names.
    pub modules: BTreeMap<Names, Module>,
    /// Rows of lists, `Name(path::of::Type),`, by the macro that is given them: name and path as written, with the module.
    rows: BTreeMap<String, Vec<Row>>,
}

/// A row of a list.
struct Row {
    module: Names,
    name: String,
    path: Names,
}

impl Tree {
    /// The modules below a folder `src`, as [`tokens::modules`] reads them. A macro that one of `lists` names is given rows.
    ///
    /// # Errors
    /// A source that is not Rust.
    pub(crate) fn of(
        src: &Path,
        modules: &[(PathBuf, String)],
        lists: &[&str],
    ) -> Result<Self, Unreadable> {
        let mut tree = Self::default();
        for (file, text) in modules {
            let file = tokens::slashed(file.strip_prefix(src).unwrap_or(file));
            let mut path: Names =
                file.trim_end_matches(".rs").split('/').map(String::from).collect();
            if path.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
                path.pop();
            }
            let tokens = text.parse().map_err(|error| Unreadable(format!("{file}: {error}")))?;
            tree.module(&path).file = file;
            tree.take(&path, tokens, Kind::Items, lists);
        }
        Ok(tree)
    }

    /// The rows of a list: each name with the file of what it names.
    pub(crate) fn rows(&self, list: &str) -> Vec<(String, String)> {
        let file = |row: &Row| {
            let path = self.absolute(&row.module, &row.path)?;
            Some((row.name.clone(), self.modules[&self.leads_to(&path)].file.clone()))
        };
        self.rows.get(list).into_iter().flatten().filter_map(file).collect()
    }

    /// The files that each file uses; what it hands on and what stands in its lists are no uses.
    pub(crate) fn files(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, module) in &self.modules {
            let used = files.entry(module.file.clone()).or_default();
            for names in module.uses.iter().filter(|one| one.way == Way::Used).map(|one| &one.names)
            {
                if let Some(path) = self.absolute(path, names) {
                    used.insert(self.modules[&self.leads_to(&path)].file.clone());
                }
            }
        }
        files
    }

    /// The module that defines what a path from the root on names.
    fn leads_to(&self, path: &[String]) -> Names {
        let mut at = Names::new();
        for (index, name) in path.iter().enumerate() {
            let child = joined(&at, std::slice::from_ref(name));
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            return match self.handed_on(&at, name) {
                Some(from) => self.leads_to(&joined(&from, &path[index + 1..])),
                None => at,
            };
        }
        at
    }

    /// The path from the root on of a name that a module has from another.
    pub(crate) fn handed_on(&self, module: &Names, name: &str) -> Option<Names> {
        let imported = self.modules[module].imports.get(name);
        if let Some(path) = imported.and_then(|from| self.absolute(module, from)) {
            return Some(path);
        }
        let defined = |glob: &Names| {
            let path = self.absolute(module, glob)?;
            let known = self.modules.get(&path)?.items.contains(name);
            known.then(|| joined(&path, &[name.to_string()]))
        };
        self.modules[module].globs.iter().find_map(defined)
    }

    fn take(&mut self, path: &Names, tokens: TokenStream, kind: Kind, lists: &[&str]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at += match word(&tokens[at..]).as_deref() {
                Some("mod") if matches!(tokens.get(at + 2), Some(TokenTree::Group(_))) => {
                    self.inline(path, &tokens[at + 1..], lists)
                }
                Some("use") if !is(tokens.get(at + 1), '<') => {
                    self.imports(path, &tokens[at + 1..], exported(&tokens[..at]))
                }
                Some(list) if lists.contains(&list) && is(tokens.get(at + 1), '!') => {
                    self.list(path, list, &tokens[at + 2..], lists)
                }
                Some(name) => {
                    if kind == Kind::Items && ITEMS.contains(&name) {
                        let name = word(&tokens[at + 1..]);
                        self.module(path).items.extend(name);
                    }
                    self.path(path, &tokens, at, kind)
                }
                None => {
                    if let TokenTree::Group(group) = &tokens[at] {
                        let kind = if kind == Kind::Rows { Kind::Rows } else { Kind::Body };
                        self.take(path, group.stream(), kind, lists);
                    }
                    1
                }
            };
        }
    }

    fn module(&mut self, path: &Names) -> &mut Module {
        self.modules.entry(path.clone()).or_default()
    }

    /// What a macro is given: rows.
    fn list(&mut self, path: &Names, list: &str, tokens: &[TokenTree], lists: &[&str]) -> usize {
        let Some(TokenTree::Group(group)) = tokens.first() else { return 2 };
        let inside: Vec<TokenTree> = group.stream().into_iter().collect();
        for pair in inside.windows(2) {
            if let [TokenTree::Ident(name), TokenTree::Group(group)] = pair {
                let row = group.stream().into_iter();
                let path_of_row = row.filter_map(|token| word(&[token])).collect();
                let row = Row { module: path.clone(), name: name.to_string(), path: path_of_row };
                self.rows.entry(list.to_string()).or_default().push(row);
            }
        }
        self.take(path, group.stream(), Kind::Rows, lists);
        3
    }

    /// A module in its file's braces.
    fn inline(&mut self, path: &Names, tokens: &[TokenTree], lists: &[&str]) -> usize {
        if let [TokenTree::Ident(name), TokenTree::Group(group), ..] = tokens {
            let file = self.module(path).file.clone();
            let path = joined(path, &[name.to_string()]);
            self.module(&path).file = file;
            self.take(&path, group.stream(), Kind::Items, lists);
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
            let way = if exported { Way::HandedOn } else { Way::Used };
            module.uses.push(Use { names: names.clone(), way });
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
    fn path(&mut self, path: &Names, tokens: &[TokenTree], at: usize, kind: Kind) -> usize {
        let follows = at > 0 && (is(tokens.get(at - 1), '.') || is(tokens.get(at - 1), ':'));
        let (mut names, mut end) = (vec![tokens[at].to_string()], at + 1);
        while is(tokens.get(end), ':') && is(tokens.get(end + 1), ':') {
            let Some(name) = word(tokens.get(end + 2..).unwrap_or_default()) else { break };
            names.push(name);
            end += 3;
        }
        if names.len() > 1 && !follows {
            let way = if kind == Kind::Rows { Way::Row } else { Way::Used };
            self.module(path).uses.push(Use { names, way });
        }
        end - at
    }

    /// A path as written in a module, from the root on; `None` where it leads out of the package.
    pub(crate) fn absolute(&self, from: &Names, names: &[String]) -> Option<Names> {
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
                if self.modules.contains_key(&joined(from, &[name.to_string()])) {
                    return Some(joined(from, names));
                }
                // A name that was imported; one of another package begins its own path.
                let imported = self.modules.get(from)?.imports.get(name)?;
                let own = imported.first().is_none_or(|first| first == name);
                (!own)
                    .then(|| self.absolute(from, imported))
                    .flatten()
                    .map(|base| joined(&base, &names[1..]))
            }
            None => None,
        }
    }
}

/// What tokens are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The items of a module.
    Items,
    /// What is in the braces of one.
    Body,
    /// A list.
    Rows,
}

/// What begins an item with a name.
const ITEMS: [&str; 8] = ["struct", "enum", "union", "trait", "fn", "type", "const", "static"];

/// Names after names.
pub(crate) fn joined(base: &[String], rest: &[String]) -> Names {
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
