//! Names and messages as a person sees them.
//!
//! A file may be named anything. A character that is not seen, or that turns the direction of writing, makes a line read
//! as what it is not; so it is shown as `\u{202e}`, wherever a name is printed: on a terminal, on the page, in Markdown
//! and JSON.

use std::borrow::Cow;
use std::path::Path;

/// Whether a character leaves no mark of its own, or changes how others are read: control characters, marks of
/// direction, separators of lines, and what Unicode calls default-ignorable (of zero width, joiners, tags).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A name on one line, what is hidden in it shown: `a\u{202e}b`, `a\nb`.
pub fn name(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden, |c| c.escape_default().to_string())
}

/// A text of several lines, what else is hidden in it shown.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden_in_lines, |c| c.escape_default().to_string())
}

/// JSON with what is hidden in its strings written as JSON escapes, which mean the same.
pub fn json(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden_in_lines, |c| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    })
}

fn is_hidden_in_lines(c: char) -> bool {
    is_hidden(c) && c != '\n' && c != '\t'
}

fn shown(text: &str, hidden: fn(char) -> bool, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) { shown.push_str(&escape(c)) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// A path as a name.
pub fn path(path: &Path) -> String {
    name(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
pub mod hostile {
    //! Names that try to be something else.

    use proptest::prelude::*;

    /// Pieces of which hostile names are made.
    const PIECES: [&str; 40] = [
        "\u{202e}",
        "\u{202a}",
        "\u{2066}",
        "\u{2069}",
        "\u{200b}",
        "\u{200d}",
        "\u{200e}",
        "\u{feff}",
        "\u{ad}",
        "\u{2028}",
        "\u{e0041}",
        "\u{0}",
        "\u{1b}[31m",
        "\u{9b}2J",
        "\n",
        "\r",
        "\t",
        "\u{7}",
        "|",
        "`",
        "``",
        "\\",
        "[x](http://y)",
        "![x](y)",
        "<b>",
        "</td>",
        "<script>",
        "&amp;",
        "\"",
        "'",
        "*",
        "__",
        "~~",
        "# ",
        "- ",
        "@user",
        "www.x.org",
        "#12",
        "gnp.txt",
        "\u{5d0}\u{5d1}",
    ];

    /// Any mixture of them, and of other characters.
    pub fn name() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => prop::sample::select(PIECES.to_vec()).prop_map(String::from),
            1 => any::<char>().prop_map(String::from),
            2 => "[a-z 0-9._-]{1,5}",
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_turns_or_hides_is_shown_and_all_else_stays() {
        assert_eq!(name("benign\u{202e}gnp.exe"), r"benign\u{202e}gnp.exe");
        assert_eq!(name("a\nb\tc\u{1b}[31m"), r"a\nb\tc\u{1b}[31m");
        assert_eq!(lines("a\nb\u{200b}\r\n"), "a\nb\\u{200b}\\r\n");
        assert_eq!(json("\"a\u{202e}\u{e0041}\""), r#""a\u202e\udb40\udc41""#);
        for plain in ["größe (1)_mask.png", "乳腺", "a b", "\u{5d0}\u{5d1}", "é", r"C:\Users"]
        {
            assert!(matches!(name(plain), Cow::Borrowed(text) if text == plain));
        }
        assert_eq!(path(Path::new("a/b\u{2066}")), r"a/b\u{2066}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in hostile::name()) {
            prop_assert!(!name(&text).contains(is_hidden));
            prop_assert!(!lines(&text).contains(is_hidden_in_lines));
            let value = serde_json::json!({ "name": text });
            let written = serde_json::to_string_pretty(&value).unwrap();
            let escaped = json(&written);
            prop_assert!(!escaped.contains(is_hidden_in_lines));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}
