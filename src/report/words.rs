//! Numbers and names as text, and text as HTML.

use serde_json::Value;

use crate::text;

/// Stands for an undefined value.
pub(super) const UNDEFINED: &str = "–";

/// A metric: three decimals near 1, fewer for large values, scientific for very small ones.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        UNDEFINED.into()
    } else if size >= 1e6 || (size > 0.0 && size < 5e-4) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// Two metrics, such as the ends of an interval: `0.540 to 0.615`.
pub(super) fn range(low: f64, high: f64) -> String {
    format!("{} to {}", figure(low), figure(high))
}

/// A whole number in groups of three digits: `24,439,269`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large number with an SI prefix and two decimals: `392.20 G`.
pub(super) fn si(value: f64) -> String {
    let (divisor, prefix) = match value.abs() {
        size if size >= 1e12 => (1e12, " T"),
        size if size >= 1e9 => (1e9, " G"),
        size if size >= 1e6 => (1e6, " M"),
        size if size >= 1e3 => (1e3, " k"),
        _ => return format!("{value:.0}"),
    };
    format!("{:.2}{prefix}", value / divisor)
}

/// A fraction as per cent with one decimal.
pub(super) fn percent(part: f64) -> String {
    if part.is_finite() { format!("{:.1} %", 100.0 * part) } else { UNDEFINED.into() }
}

/// A duration: `8.5 s`, `4 min 15 s`, `2 h 5 min`.
pub(super) fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return UNDEFINED.into();
    }
    if value < 60.0 {
        return if value < 10.0 { format!("{value:.1} s") } else { format!("{value:.0} s") };
    }
    let whole = value.round() as u64;
    if whole < 3600 {
        return format!("{} min {} s", whole / 60, whole % 60);
    }
    format!("{} h {} min", whole / 3600, whole % 3600 / 60)
}

/// A shape: `64 × 3 × 224 × 224`.
pub(super) fn shape(sides: &[usize]) -> String {
    if sides.is_empty() {
        return UNDEFINED.into();
    }
    sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

/// A number of times: `once`, `3 times`.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".into(),
        count => format!("{count} times"),
    }
}

/// A phrase as a sentence: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), characters.as_str())
}

/// Text that is no markup, in elements and in quoted attributes; hidden characters are shown.
pub(super) fn escape(text: &str) -> String {
    text::name(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// JSON for a data block of the page: no markup ends it, and hidden characters of its texts are shown.
pub(super) fn json_in_html(value: &Value) -> String {
    let text = with_shown_characters(value).to_string();
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn with_shown_characters(value: &Value) -> Value {
    match value {
        Value::String(text) => text::lines(text).into_owned().into(),
        Value::Array(items) => items.iter().map(with_shown_characters).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, value)| (text::lines(key).into_owned(), with_shown_characters(value)))
                .collect()
        }
        other => other.clone(),
    }
}

/// A name as HTML; its direction of writing does not affect the text beside it.
pub(super) fn isolated(name: &str) -> String {
    format!("<bdi>{}</bdi>", escape(name))
}

/// The same of a long name, which may break after its separators.
pub(super) fn breakable(name: &str) -> String {
    let mut html = escape(name);
    for separator in ['.', '/', '_'] {
        html = html.replace(separator, &format!("{separator}<wbr>"));
    }
    format!("<bdi>{html}</bdi>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_about_three_digits() {
        let text: Vec<String> =
            [0.58649, 12.345, 147.6, 0.00012, 0.0, f64::NAN].into_iter().map(figure).collect();
        assert_eq!(text, ["0.586", "12.3", "148", "1.20e-4", "0.000", "–"]);
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(
            [count(0), count(999), count(1000), count(24_439_269)],
            ["0", "999", "1,000", "24,439,269"]
        );
    }

    #[test]
    fn large_numbers_get_a_prefix() {
        assert_eq!([si(392.2e9), si(1.39e6), si(12.0)], ["392.20 G", "1.39 M", "12"]);
    }

    #[test]
    fn seconds_are_said_in_the_largest_two_units() {
        assert_eq!(
            [seconds(8.52), seconds(255.2), seconds(7500.0)],
            ["8.5 s", "4 min 15 s", "2 h 5 min"]
        );
    }

    #[test]
    fn phrases_become_sentences_once() {
        let text = ["at the size of the image", "Done.", "", "élan"].map(sentence);
        assert_eq!(text, ["At the size of the image.", "Done.", "", "Élan."]);
    }

    #[test]
    fn names_break_after_separators_and_stay_text() {
        assert_eq!(breakable("test.dice.<b>"), "<bdi>test.<wbr>dice.<wbr>&lt;b&gt;</bdi>");
        assert_eq!(breakable("a'b&\"c"), "<bdi>a&#39;b&amp;&quot;c</bdi>");
        assert_eq!(isolated("a\u{202e}b\n"), r"<bdi>a\u{202e}b\n</bdi>");
    }

    #[test]
    fn one_time_is_said_as_a_word() {
        assert_eq!([times(0), times(1), times(3)], ["0 times", "once", "3 times"]);
    }
}
