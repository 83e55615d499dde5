//! What the compiler sees of the sources of a package when it does not build tests.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A source that cannot be read, or is not Rust.
#[derive(Debug)]
pub(crate) struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a source.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    fs::read_to_string(path).map_err(|error| Unreadable(format!("{}: {error}", path.display())))
}

/// A path with slashes between its parts.
pub(crate) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The modules that a build without tests compiles, from a crate's root on, each as [`compiled`] text.
pub(crate) fn modules(folder: &Path, root: &Path) -> Result<Vec<(PathBuf, String)>, Unreadable> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_path_buf(), folder.to_path_buf())];
    while let Some((file, children)) = open.pop() {
        let compiled = compiled(&read(&file)?)
            .map_err(|error| Unreadable(format!("{}: {error}", file.display())))?;
        for name in compiled.modules {
            let (alone, folder) = (children.join(format!("{name}.rs")), children.join(&name));
            let file = if alone.is_file() { alone } else { folder.join("mod.rs") };
            open.push((file, folder));
        }
        found.push((file, compiled.text));
    }
    found.sort();
    Ok(found)
}

/// What the compiler sees of a source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// Its tokens, one after the other.
    pub text: String,
    /// The modules that it names and does not hold.
    pub modules: Vec<String>,
}

/// Reduces a source to what the compiler sees of it when it does not build tests.
///
/// # Errors
/// If it is not Rust.
pub(crate) fn compiled(source: &str) -> Result<Compiled, proc_macro2::LexError> {
    let tokens: TokenStream = source.parse()?;
    let mut compiled = Compiled::default();
    compiled.take(tokens);
    Ok(compiled)
}

impl Compiled {
    fn take(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match attribute(&tokens[at..]) {
                Some((length, Attribute::Silent)) => at += length,
                Some((length, Attribute::TestOnly)) => at += length + item(&tokens[at + length..]),
                Some((length, Attribute::Kept)) => {
                    tokens[at..at + length].iter().for_each(|token| self.token(token));
                    at += length;
                }
                None => {
                    if let [
                        TokenTree::Ident(word),
                        TokenTree::Ident(name),
                        TokenTree::Punct(end),
                        ..,
                    ] = &tokens[at..]
                        && word == "mod"
                        && end.as_char() == ';'
                    {
                        self.modules.push(name.to_string());
                    }
                    self.token(&tokens[at]);
                    at += 1;
                }
            }
        }
    }

    fn token(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Group(group) => self.group(group),
            TokenTree::Punct(punct) => {
                self.text.push(punct.as_char());
                // `a & &b` is not `a && b`.
                if punct.spacing() == Spacing::Alone {
                    self.text.push(' ');
                }
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                self.text.push_str(&token.to_string());
                self.text.push(' ');
            }
        }
    }

    fn group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.text.push_str(open);
        self.take(group.stream());
        self.text.push_str(close);
    }
}

/// What an attribute means for a figure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    /// Nothing: documentation and lints.
    Silent,
    /// What follows is compiled for tests only.
    TestOnly,
    /// Perhaps something.
    Kept,
}

/// The attribute that tokens begin with, and how many they are of it.
fn attribute(tokens: &[TokenTree]) -> Option<(usize, Attribute)> {
    let [TokenTree::Punct(hash), rest @ ..] = tokens else { return None };
    if hash.as_char() != '#' {
        return None;
    }
    let inner = matches!(rest, [TokenTree::Punct(bang), ..] if bang.as_char() == '!');
    let length = if inner { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = tokens.get(length) else { return None };
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let text: String = group.stream().to_string().split_whitespace().collect();
    let name: &str = text.split(['(', '=', ':']).next().unwrap_or_default();
    let meaning = match name {
        "doc" | "allow" | "expect" | "warn" | "deny" | "must_use" => Attribute::Silent,
        "cfg" if text == "cfg(test)" => Attribute::TestOnly,
        _ => Attribute::Kept,
    };
    Some((length + 1, meaning))
}

/// How many tokens the item is that tokens begin with, its attributes among them.
fn item(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while let Some((length, _)) = attribute(&tokens[at..]) {
        at += length;
    }
    // These end with a semicolon, whatever braces they hold.
    let is_flat = |word: &str| ["use", "const", "static", "type", "extern"].contains(&word);
    let words: Vec<String> = tokens[at..].iter().take(4).map(ToString::to_string).collect();
    let flat = words.iter().any(|word| is_flat(word)) && !words.iter().any(|word| word == "fn");
    for (index, token) in tokens[at..].iter().enumerate() {
        let ends = match token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !flat,
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        if ends {
            return at + index + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        compiled(source).unwrap().text
    }

    const SOURCE: &str = "//! A module.\nuse std::fmt;\n\n/// Doubles.\n#[must_use]\npub fn double(x: f32) -> f32 {\n    \
                          // Twice.\n    x * 2.0\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two() { assert!(true); }\n}\n";

    #[test]
    fn comments_documentation_lints_layout_and_tests_change_nothing() {
        let same = [
            SOURCE.replace("A module.", "Another module."),
            SOURCE.replace("/// Doubles.\n", "/// Says more.\n/// In two lines.\n"),
            SOURCE.replace("// Twice.", "/* Twice, /* as said */ above. */"),
            SOURCE.replace("#[must_use]\n", "#[expect(dead_code, reason = \"a test\")]\n"),
            SOURCE.replace("    x * 2.0", "        x\n * 2.0"),
            SOURCE.replace("assert!(true)", "assert_eq!(1 + 1, 2)"),
            SOURCE.replace(
                "#[cfg(test)]\nmod tests",
                "#[cfg(test)]\nuse a::{b, c};\n#[cfg(test)]\n#[path = \"x\"]\nmod tests",
            ),
            SOURCE.replace(
                "#[cfg(test)]\nmod tests",
                "#[cfg(test)]\nconst fn three() -> u8 { 3 }\n#[cfg(test)]\nmod tests",
            ),
        ];
        for other in same {
            assert_eq!(text(&other), text(SOURCE), "{other}");
        }
    }

    #[test]
    fn numbers_operators_names_texts_and_attributes_change_it() {
        let others = [
            SOURCE.replace("2.0", "2.1"),
            SOURCE.replace('*', "+"),
            SOURCE.replace("double", "twice"),
            SOURCE.replace("#[must_use]", "#[inline(always)]"),
            SOURCE
                .replace("x * 2.0", "x * 2.0 + f32::from(u8::from(\"// no comment\".is_empty()))"),
            SOURCE.replace("#[cfg(test)]\nmod tests", "mod tests"),
            SOURCE.replace("#[cfg(test)]", "#[cfg(not(test))]"),
        ];
        for other in others {
            assert_ne!(text(&other), text(SOURCE), "{other}");
        }
        assert_ne!(text("fn f() { a & &b }"), text("fn f() { a && b }"));
    }

    #[test]
    fn modules_of_tests_are_not_followed() {
        let found =
            compiled("mod a;\npub mod b;\n#[cfg(test)]\nmod c;\nmod d { mod e; }\n").unwrap();
        assert_eq!(found.modules, ["a", "b", "e"]);
        assert!(compiled("fn f( {").is_err());
    }
}
