//! Commands as one would type them in a POSIX shell.

/// A command as one would type it in a POSIX shell.
pub(crate) fn shell(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word, in quotes where a shell would part or read it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_part_or_read_them() {
        let words = ["oncospec", "--set", "dataset.root=a b", "it's", "", "x(1)"].map(String::from);
        assert_eq!(shell(&words), r"oncospec --set 'dataset.root=a b' 'it'\''s' '' 'x(1)'");
    }
}
