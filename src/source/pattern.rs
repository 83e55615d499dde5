//! Patterns of paths below a root: `images/*.png`, `**/{class}/{stem}_mask*.png`.
//!
//! A mask is matched with its image by what both patterns name, such as `{stem}`. Of a mask all ways to read its path
//! count, for `{stem}_mask*` says nothing of where a stem ends that holds `_mask` itself.

use std::collections::BTreeSet;

use super::files::{image_stem, nfc};

/// What a pattern can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    /// What an image and its masks share.
    Stem,
    /// The class of the image.
    Class,
    /// The group of the image.
    Group,
    /// The split of the image.
    Split,
    /// The class of a mask's foreground.
    MaskClass,
    /// The folders that `**` stands for.
    Folders,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::Stem, Self::Class, Self::Group, Self::Split, Self::MaskClass, Self::Folders];

    /// How it is written.
    pub(super) fn written(self) -> &'static str {
        match self {
            Self::Stem => "{stem}",
            Self::Class => "{class}",
            Self::Group => "{group}",
            Self::Split => "{split}",
            Self::MaskClass => "{mask-class}",
            Self::Folders => "**",
        }
    }
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// This character, in any case.
    Char(char),
    /// One character of a name.
    One,
    /// Any characters of a name, or none.
    Any,
    /// Characters of a name that are kept, at least one; of [`Field::Folders`] any folders, or none.
    Field(Field),
}

/// A pattern of paths below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

/// What a pattern named in a path, by [`Field`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named([Option<String>; 6]);

impl Named {
    /// What a field stands for.
    pub(super) fn get(&self, field: Field) -> Option<&str> {
        self.0[field as usize].as_deref()
    }
}

/// Where the characters lie that each field stands for.
type Places = [Option<(usize, usize)>; 6];

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let normal = nfc(text.trim_start_matches("./"));
        if normal.is_empty() || normal.ends_with('/') {
            return Err(format!("`{text}` names no file; end it with one, such as `*.png`"));
        }
        if normal.starts_with('/') || normal.contains('\\') {
            return Err(format!(
                "`{text}` is no path below `dataset.root` with `/` between its folders"
            ));
        }
        let mut tokens = Vec::new();
        for (place, name) in normal.split('/').enumerate() {
            if matches!(name, "" | "." | "..") {
                return Err(format!(
                    "`{text}` has a folder `{name}`; patterns go down from `dataset.root`, so set that to a folder \
                     above all images and masks"
                ));
            }
            if tokens.last() != Some(&Token::Field(Field::Folders)) && place > 0 {
                tokens.push(Token::Char('/'));
            }
            if name == "**" {
                tokens.push(Token::Field(Field::Folders));
            } else {
                read_name(text, name, &mut tokens)?;
            }
        }
        if tokens.last() == Some(&Token::Field(Field::Folders)) {
            return Err(format!(
                "`{text}` ends with `**`, which stands for folders; end it with a file, such as `**/*.png`"
            ));
        }
        let twice = tokens.iter().filter(|token| **token == Token::Field(Field::Folders)).count();
        if twice > 1 {
            return Err(format!("`{text}` has `**` several times; one is enough"));
        }
        Ok(Self { text: text.to_string(), tokens })
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names a field.
    pub(super) fn names(&self, field: Field) -> bool {
        self.tokens.contains(&Token::Field(field))
    }

    /// What it names in a path, read with fields as short as they can be; `None` for a path of another form. The stem is
    /// the file's name without extension where the pattern does not say it.
    pub(super) fn first(&self, path: &str) -> Option<Named> {
        let mut named = self.read(path, true).into_iter().next()?;
        let stem = &mut named.0[Field::Stem as usize];
        if stem.is_none() {
            let name = path.rsplit('/').next().unwrap_or(path);
            let plain = || name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            *stem = Some(image_stem(name).unwrap_or_else(plain).to_string());
        }
        Some(named)
    }

    /// What it names in a path, in all ways in which that can be read.
    pub(super) fn all(&self, path: &str) -> Vec<Named> {
        self.read(path, false)
    }

    /// Whether a path is of its form.
    pub(super) fn matches(&self, path: &str) -> bool {
        !self.read(path, true).is_empty()
    }

    /// The path that it stands for once its fields are known; what is not known stays as it is written.
    pub(super) fn filled(&self, named: &Named) -> String {
        let text = |token: &Token| match token {
            Token::Char(c) => c.to_string(),
            Token::One => "?".into(),
            Token::Any => "*".into(),
            Token::Field(field) => match (named.get(*field), field) {
                (Some(value), _) => value.to_string(),
                (None, Field::Folders) => "**/".into(),
                (None, field) => field.written().into(),
            },
        };
        self.tokens.iter().map(text).collect()
    }

    fn read(&self, path: &str, only_first: bool) -> Vec<Named> {
        let path: Vec<char> = path.chars().collect();
        let mut reading = Reading {
            tokens: &self.tokens,
            path: &path,
            only_first,
            seen: BTreeSet::new(),
            found: vec![],
        };
        reading.go(0, 0, Places::default());
        let mut found: Vec<Named> = Vec::new();
        for places in reading.found {
            let text = |(start, end): (usize, usize)| path[start..end].iter().collect::<String>();
            let named = Named(places.map(|place| place.map(text)));
            if !found.contains(&named) {
                found.push(named);
            }
        }
        found
    }
}

/// Adds the tokens of one name between slashes.
fn read_name(text: &str, name: &str, tokens: &mut Vec<Token>) -> Result<(), String> {
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if c == '{' {
            let field = Field::ALL[..5].iter().find(|field| rest.starts_with(field.written()));
            let Some(field) = field else {
                let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                let known: Vec<_> = Field::ALL[..5].iter().map(|field| field.written()).collect();
                return Err(format!(
                    "`{text}` has `{}`, which is unknown; known are {}",
                    &rest[..end],
                    known.join(", ")
                ));
            };
            if matches!(tokens.last(), Some(Token::Field(last)) if *last != Field::Folders) {
                return Err(format!(
                    "`{text}` has `{}` right behind another: nothing says where one ends",
                    field.written()
                ));
            }
            tokens.push(Token::Field(*field));
            rest = &rest[field.written().len()..];
            continue;
        }
        let token = match c {
            '*' if rest.starts_with("**") => {
                return Err(format!(
                    "`{text}` has `**` within a name; it stands for whole folders"
                ));
            }
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Char(c),
        };
        tokens.push(token);
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}

/// A path that is read.
struct Reading<'a> {
    tokens: &'a [Token],
    path: &'a [char],
    only_first: bool,
    /// Where a reading has been with the same fields.
    seen: BTreeSet<(usize, usize, Places)>,
    found: Vec<Places>,
}

impl Reading<'_> {
    fn go(&mut self, mut token: usize, mut at: usize, places: Places) {
        while let Some(&next) = self.tokens.get(token) {
            let c = self.path.get(at).copied();
            match next {
                Token::Char(wanted) if c.is_some_and(|c| same(c, wanted)) => {}
                Token::One if c.is_some_and(|c| c != '/') => {}
                Token::Char(_) | Token::One => return,
                Token::Any | Token::Field(_) => return self.branch(next, token, at, places),
            }
            (token, at) = (token + 1, at + 1);
        }
        if at == self.path.len() {
            self.found.push(places);
        }
    }

    /// Tries every end of what a token of any length stands for, the nearest first.
    fn branch(&mut self, next: Token, token: usize, at: usize, places: Places) {
        if !self.seen.insert((token, at, places)) {
            return;
        }
        let place = match next {
            Token::Field(field) => Some(field as usize),
            _ => None,
        };
        let folders = next == Token::Field(Field::Folders);
        if let Some((start, end)) = place.and_then(|place| places[place]) {
            // Named before: it stands for the same.
            let known = &self.path[start..end];
            if self.path[at..].starts_with(known) {
                self.go(token + 1, at + known.len(), places);
            }
            return;
        }
        let least = if next == Token::Any || folders { at } else { at + 1 };
        for end in least..=self.path.len() {
            if self.only_first && !self.found.is_empty() {
                return;
            }
            let taken = &self.path[at..end];
            if !folders && taken.contains(&'/') {
                return;
            }
            if folders && taken.last().is_some_and(|c| *c != '/') {
                continue;
            }
            let mut places = places;
            if let Some(place) = place {
                places[place] = Some((at, end));
            }
            self.go(token + 1, end, places);
        }
    }
}

/// Whether two characters are the same but for their case.
fn same(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(pattern: &str, path: &str) -> Vec<String> {
        let all = Pattern::new(pattern).unwrap().all(path);
        all.iter().filter_map(|named| named.get(Field::Stem).map(String::from)).collect()
    }

    #[test]
    fn stars_stay_within_a_name_and_two_of_them_cross_folders() {
        let matches = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().matches(path);
        assert!(matches("images/*.png", "images/a (1).PNG"));
        assert!(!matches("images/*.png", "images/more/a.png"));
        assert!(!matches("images/*.png", "images/a.jpg"));
        assert!(matches("**/*.png", "a.png") && matches("**/*.png", "x/y/a.png"));
        assert!(
            matches("**/images/?.png", "images/a.png")
                && matches("**/images/?.png", "p/images/a.png")
        );
        assert!(!matches("**/images/?.png", "myimages/a.png"));
    }

    #[test]
    fn the_stem_is_said_or_is_the_name_without_its_extension() {
        let first = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().first(path).unwrap();
        let named = first("{class}/{group}_*.png", "benign/P12_left_1.png");
        assert_eq!(named.get(Field::Stem), Some("P12_left_1"));
        assert_eq!(named.get(Field::Class), Some("benign"));
        assert_eq!(named.get(Field::Group), Some("P12"));
        assert_eq!(first("{stem}/image.png", "p1/image.png").get(Field::Stem), Some("p1"));
        assert_eq!(first("**/i/*.png", "a/b/i/x.png").get(Field::Folders), Some("a/b/"));
    }

    #[test]
    fn a_mask_is_read_in_every_way() {
        assert_eq!(stems("m/{stem}_mask*.png", "m/a_mask_1.png"), ["a"]);
        assert_eq!(stems("{stem}_mask*.png", "a_mask_b_mask.png"), ["a", "a_mask_b"]);
        assert_eq!(stems("{stem}/{stem}_gt.png", "x/x_gt.png"), ["x"]);
        assert_eq!(stems("{stem}/{stem}_gt.png", "x/y_gt.png"), Vec::<String>::new());
    }

    #[test]
    fn many_stars_do_not_take_long() {
        let path = format!("{}.png", "ab_".repeat(60));
        assert!(!Pattern::new("*_*_*_*_*_*_*_*x.png").unwrap().matches(&path));
    }

    #[test]
    fn a_pattern_with_known_fields_is_a_path() {
        let image = Pattern::new("**/{class}/*.png").unwrap().first("x/benign/a (1).png").unwrap();
        let mask = Pattern::new("**/{class}/{stem}_mask*.png").unwrap();
        assert_eq!(mask.filled(&image), "x/benign/a (1)_mask*.png");
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        let wrong = |text: &str| Pattern::new(text).unwrap_err();
        for (text, part) in [
            ("", "names no file"),
            ("images/", "names no file"),
            ("/images/*.png", "no path below `dataset.root`"),
            ("../*.png", "set that to a folder above"),
            ("images/**", "end it with a file"),
            ("a**/b.png", "whole folders"),
            ("**/a/**/b.png", "several times"),
            ("{name}.png", "known are {stem}, {class}"),
            ("{class}{stem}.png", "nothing says where one ends"),
        ] {
            assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
        }
    }
}
