//! Hints for values that are written as in another language.

use figment::value::Value;
use regex::Regex;

/// Other languages' words for nothing.
const NOTHING: [&str; 8] = ["none", "null", "nil", "off", "no", "never", "disabled", "disable"];
/// Marks that a word processor writes for quotes.
const CURLY: [char; 8] = ['“', '”', '„', '‘', '’', '‚', '«', '»'];

/// `0,01` as `0.01`, if `text` is a number with a decimal comma.
pub(super) fn decimal_comma(text: &str) -> Option<String> {
    let text = text.trim();
    let number = text.replacen(',', ".", 1);
    let digits_about = |(before, after): (&str, &str)| {
        before.ends_with(|c: char| c.is_ascii_digit())
            && after.starts_with(|c: char| c.is_ascii_digit())
    };
    (text.split_once(',').is_some_and(digits_about) && number.parse::<f64>().is_ok())
        .then_some(number)
}

/// `[0,9, 0,99]` as `[0.9, 0.99]`, if `elements` may be numbers with decimal commas.
pub(super) fn decimal_commas(elements: &[Value]) -> Option<String> {
    let whole = |value: &Value| match value {
        Value::Num(_, number) if number.to_f64().is_none() => Some(super::check::toml_like(value)),
        _ => None,
    };
    let numbers: Vec<String> = elements.iter().map(whole).collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    let written = || pairs.iter().map(|[before, after]| format!("{before}.{after}"));
    (rest.is_empty() && !pairs.is_empty())
        .then(|| format!("[{}]", written().collect::<Vec<_>>().join(", ")))
}

/// `True` as `true`, if `text` is a truth value of another language.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Whether `text` is another language's word for nothing.
pub(super) fn is_nothing(text: &str) -> bool {
    NOTHING.contains(&text.to_lowercase().as_str())
}

/// The help for what stands around byte `at` of a text that is no TOML.
pub(super) fn of_syntax(text: &str, at: usize, message: &str) -> Option<String> {
    let at = text.floor_char_boundary(at.min(text.len()));
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    let (line, at) = (&text[start..end], at - start);
    if ["missing escaped value", "too few unicode value digits", "invalid value, expected unicode"]
        .iter()
        .any(|escape| message.starts_with(escape))
    {
        return Some(backslash(line, at));
    }
    if line[at..].starts_with(CURLY) {
        return Some("write straight quotes: \"..\"".into());
    }
    // After such a number the parser goes on for a while before it complains.
    let commas = Regex::new(r"=\s*([+-]?[0-9]+,[0-9]+)").ok()?;
    if let Some(number) = commas.captures(line).and_then(|found| found.get(1)) {
        return Some(point(&number.as_str().replace(',', ".")));
    }
    let words = Regex::new(r"[+-]?[A-Za-z0-9_.]+").ok()?;
    let word =
        words.find_iter(line).find(|found| (found.start()..=found.end()).contains(&at))?.as_str();
    let unsigned = word.trim_start_matches(['+', '-']);
    let sign = &word[..word.len() - unsigned.len()];
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (unsigned.strip_prefix('.'), unsigned.strip_suffix('.')) {
        (Some(after), _) if digits(after) => Some(format!("write {sign}0.{after}")),
        (_, Some(before)) if digits(before) => Some(format!("write {sign}{before}.0")),
        _ if is_nothing(word) => {
            Some("a key without a value is left out; `false` switches an optional one off".into())
        }
        _ => truth(word).map(|truth| format!("write {truth}")),
    }
}

/// The help for a number with a decimal comma.
pub(super) fn point(number: &str) -> String {
    format!("write {number}: the decimal mark is a point")
}

/// The help for a backslash in the string around byte `at` of a line.
fn backslash(line: &str, at: usize) -> String {
    let start = line[..at].rfind('"').map_or(0, |quote| quote + 1);
    let end = line[at..].find('"').map_or(line.len(), |length| at + length);
    let inside = &line[start..end];
    format!(
        "in double quotes a backslash begins an escape, such as \\n; write '{inside}', in single quotes, or \
         \"{}\"",
        inside.replace('\\', "/")
    )
}

/// What in a path would have to be replaced by a shell: `~` at its start, `$NAME`, `${NAME}` or `%NAME%`.
pub(super) fn unexpanded(path: &str) -> Option<&str> {
    if path == "~" || path.starts_with("~/") || path.starts_with("~\\") {
        return Some("~");
    }
    let variable = Regex::new(
        r"^~[A-Za-z_][A-Za-z0-9_-]*(?:[/\\]|$)|\$\{[^}/]*\}|\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%",
    );
    variable.ok()?.find(path).map(|found| found.as_str().trim_end_matches(['/', '\\']))
}

/// The help for a path with something in it that a shell would replace.
pub(super) fn write_out(found: &str) -> String {
    format!(
        "write the path out: what is said here goes through no shell, which would replace {found}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_comma_is_distinguished_from_other_commas() {
        assert_eq!(decimal_comma("0,01").as_deref(), Some("0.01"));
        assert_eq!(decimal_comma(" -1,5e-3 ").as_deref(), Some("-1.5e-3"));
        for other in ["0.01", "1,2,3", ",5", "a,b", "1, 2", "[0,1]", "1.000,5"] {
            assert_eq!(decimal_comma(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_shell_would_replace_is_found_in_a_path() {
        for (path, found) in [
            ("~", "~"),
            ("~/data", "~"),
            ("~anna/data", "~anna"),
            ("$HOME/data", "$HOME"),
            ("/data/${USER}/busi", "${USER}"),
            (r"%USERPROFILE%\busi", "%USERPROFILE%"),
        ] {
            assert_eq!(unexpanded(path), Some(found), "{path}");
        }
        for path in ["data~1", "a/~b", "5$ and 10$", "100%", "50% of 20% x", "data (1)", "~1/x"] {
            assert_eq!(unexpanded(path), None, "{path}");
        }
    }
}
