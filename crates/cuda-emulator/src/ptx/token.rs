//! Words, numbers and punctuation of PTX.

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) line: u32,
    /// Of its first byte in the file.
    pub(crate) at: usize,
    pub(crate) kind: Kind<'a>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// An identifier, a directive, an opcode with its modifiers or a number.
    Word(&'a str),
    /// What stands between quotation marks.
    Quoted,
    Sign(u8),
}

/// Splits a file into tokens; comments and blanks are left out.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let bytes = text.as_bytes();
    let (mut found, mut line, mut at) = (vec![], 1, 0);
    let count_lines = |part: &[u8]| part.iter().filter(|byte| **byte == b'\n').count() as u32;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let start = at;
        match rest[0] {
            b'\n' => {
                line += 1;
                at += 1;
            }
            // NVRTC ends its text with a zero.
            b' ' | b'\t' | b'\r' | 0 => at += 1,
            b'/' if rest.starts_with(b"//") => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            }
            b'/' if rest.starts_with(b"/*") => {
                let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
                let length = end.ok_or(format!("line {line}: a comment without an end"))? + 4;
                line += count_lines(&rest[..length]);
                at += length;
            }
            b'"' => {
                let end = rest[1..].iter().position(|byte| *byte == b'"');
                at += end.ok_or(format!("line {line}: a string without an end"))? + 2;
                found.push(Token { line, at: start, kind: Kind::Quoted });
                line += count_lines(&bytes[start..at]);
            }
            first if is_of_word(first) => {
                let mut length = 1;
                while let Some(next) = rest.get(length) {
                    if is_of_word(*next) {
                        length += 1;
                    } else if rest[length..].starts_with(b"::") {
                        length += 2;
                    } else {
                        break;
                    }
                }
                at += length;
                found.push(Token { line, at: start, kind: Kind::Word(&text[start..at]) });
            }
            sign if sign.is_ascii() => {
                found.push(Token { line, at, kind: Kind::Sign(sign) });
                at += 1;
            }
            _ => return Err(format!("line {line}: a character that is not ASCII")),
        }
    }
    Ok(found)
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

/// The bits of a number: an integer, or the bits of a float after `0f` or `0d`.
pub(crate) fn number(word: &str) -> Option<u64> {
    if !word.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let hexadecimal = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let integer = word.strip_suffix('U').unwrap_or(word);
    match word.get(..2) {
        Some("0f" | "0F") if word.len() == 10 => hexadecimal(&word[2..]),
        Some("0d" | "0D") if word.len() == 18 => hexadecimal(&word[2..]),
        Some("0x" | "0X") => hexadecimal(&integer[2..]),
        Some("0b" | "0B") => u64::from_str_radix(&integer[2..], 2).ok(),
        _ if integer.len() > 1 && integer.starts_with('0') => u64::from_str_radix(integer, 8).ok(),
        _ => integer.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_tokens_and_lines_are_counted() {
        let found = tokens("a /* x\n */ // y\n%r1, mbarrier::complete_tx.b64;").unwrap();
        let kinds: Vec<_> = found.iter().map(|token| (token.line, token.kind)).collect();
        let expected = [
            (1, Kind::Word("a")),
            (3, Kind::Word("%r1")),
            (3, Kind::Sign(b',')),
            (3, Kind::Word("mbarrier::complete_tx.b64")),
            (3, Kind::Sign(b';')),
        ];
        assert_eq!(kinds, expected);
        assert!(tokens("/* no end").is_err());
    }

    #[test]
    fn numbers_are_bits() {
        assert_eq!(number("0f3F800000"), Some(0x3f80_0000));
        assert_eq!(number("0d3FF0000000000000"), Some(1f64.to_bits()));
        assert_eq!((number("0x1F"), number("42"), number("017")), (Some(31), Some(42), Some(15)));
        assert_eq!((number("%r1"), number("12x")), (None, None));
    }
}
