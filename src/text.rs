//! Names and messages as a person sees them.
//!
//! A file may have any name. A character that is invisible or changes the direction of writing makes a line misleading, so
//! it is shown as `\u{202e}` wherever a name is printed: on a terminal, on the page, in Markdown and JSON.

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

/// A name on one line with its hidden characters shown: `a\u{202e}b`, `a\nb`.
pub fn name(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden, |c| c.escape_default().to_string())
}

/// A text of several lines with its other hidden characters shown.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, is_hidden_in_lines, |c| c.escape_default().to_string())
}

/// JSON with the hidden characters of its strings as JSON escapes, which mean the same.
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

/// A name in a line or a cell of Markdown: unchanged if nothing in it is markup, else as code. No name opens a link, an
/// image, an HTML tag, a mention or another cell.
pub fn markdown(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { markdown_code(text) }
}

/// A name in Markdown as code.
pub fn markdown_code(text: &str) -> String {
    let shown = name(text);
    if shown.is_empty() {
        return String::new();
    }
    let mut code = String::with_capacity(shown.len());
    for c in shown.chars() {
        match c {
            // After a backslash another would be escaped, and the bar end the cell.
            '|' if code.ends_with('\\') => code.push_str(r"\u{7c}"),
            '|' => code.push_str(r"\|"),
            c => code.push(c),
        }
    }
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // One space at each end is not shown.
    let pad = if code.starts_with(['`', ' ']) || code.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{code}{pad}{fence}")
}

/// Whether nothing in a text is markup, anywhere in a line.
fn is_plain(text: &str) -> bool {
    let lower = text.to_lowercase();
    let characters: Vec<char> = text.chars().collect();
    let at = |index: Option<usize>| index.and_then(|index| characters.get(index)).copied();
    let fits = |(index, &c): (usize, &char)| match c {
        '_' => [index.checked_sub(1), Some(index + 1)]
            .into_iter()
            .all(|beside| at(beside).is_some_and(char::is_alphanumeric)),
        ':' => at(Some(index + 1)).is_none_or(|next| next == ' '),
        c => c.is_alphanumeric() || " ,.;()-=%'/+?\u{2013}\u{b1}".contains(c),
    };
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_item = number.len() < text.len()
        && number.starts_with(['.', ')'])
        && !number[1..].starts_with(|c: char| c.is_ascii_digit());
    text.starts_with(|c: char| c.is_alphanumeric() || c == '(' || c == '\u{2013}')
        && !text.ends_with(' ')
        && characters.iter().enumerate().all(fits)
        && !text.contains(is_hidden)
        && !lower.contains("www.")
        && !is_item
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

    #[test]
    fn markdown_keeps_plain_names_and_makes_code_of_others() {
        for plain in [
            "busi-unet, seed 0 (0123abcd)",
            "test.dice.mean",
            "0.586 (0.501 to 0.662), 9 left out",
            "a_b",
            "gr\u{f6}\u{df}e",
            "stopped early after epoch 5: valid.loss has not improved",
            "3 runs",
            "1.5",
        ] {
            assert_eq!(markdown(plain), plain);
        }
        for (hostile, code) in [
            ("a|b", r"`a\|b`"),
            (r"a\|b", r"`a\\u{7c}b`"),
            ("`x`", "`` `x` ``"),
            ("a``b", "```a``b```"),
            ("[x](http://y)", "`[x](http://y)`"),
            ("<img src=x>", "`<img src=x>`"),
            ("@user", "`@user`"),
            ("a\n| b", r"`a\n\| b`"),
            ("1. x", "`1. x`"),
            ("- x", "`- x`"),
            ("# x", "`# x`"),
            ("_x_", "`_x_`"),
            ("see www.x.org", "`see www.x.org`"),
            ("a\u{202e}b", r"`a\u{202e}b`"),
            (":tada:", "`:tada:`"),
            ("", ""),
        ] {
            assert_eq!(markdown(hostile), code, "{hostile}");
        }
    }

    /// Unicode's own properties, as the regular expressions know them, decide what is hidden; the marks that are drawn
    /// around the digits that follow (such as U+0600) are seen.
    #[test]
    fn what_unicode_says_is_not_seen_or_turns_is_hidden_and_nothing_that_is_seen() {
        let class = |class: &str| regex::Regex::new(&format!("^{class}$")).unwrap();
        let unseen = class(r"[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]");
        let seen = class(r"[\p{L}\p{N}\p{P}\p{S}\p{Zs}--\p{Default_Ignorable_Code_Point}]");
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            assert!(is_hidden(c) || !unseen.is_match(&text), "U+{:04X} passes", u32::from(c));
            assert!(!is_hidden(c) || !seen.is_match(&text), "U+{:04X} is escaped", u32::from(c));
        }
    }

    proptest! {
        /// A name stays in its cell and is no markup: it is of plain characters, or it is one code span.
        #[test]
        fn a_name_in_markdown_is_inert(text in hostile::name()) {
            let written = markdown(&text);
            prop_assert!(!written.contains(is_hidden));
            // A bar is never bare, nor behind an escaped backslash.
            for (index, _) in written.match_indices('|') {
                let backslashes = written[..index].len() - written[..index].trim_end_matches('\\').len();
                prop_assert_eq!(backslashes, 1, "{}", written);
            }
            if written == text {
                prop_assert!(!written.contains(['`', '<', '>', '[', ']', '*', '@', '#', '&', '!', '~', '$', '\\', '|']));
            } else if !written.is_empty() {
                let fence = written.len() - written.trim_start_matches('`').len();
                let inside = &written[fence..written.len() - fence];
                let runs = inside.split(|c| c != '`').map(str::len);
                prop_assert!(fence > 0 && written.ends_with(&"`".repeat(fence)), "{}", written);
                prop_assert!(runs.max().unwrap_or(0) < fence && !inside.is_empty(), "{}", written);
                prop_assert!(!inside.starts_with('`') && !inside.ends_with('`'), "{}", written);
            }
        }

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
