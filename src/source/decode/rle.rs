//! Runs of bytes, as DICOM compresses them (PS3.5, annex G).

use super::super::header::Complaint;

/// Bytes of the header: how many segments there are, and where each of at most 15 begins.
const HEADER: usize = 64;

/// The bytes of `planes` segments, `length` each. A segment has one byte of each value, the highest first.
pub(super) fn planes(
    bytes: &[u8],
    planes: usize,
    length: usize,
) -> Result<Vec<Vec<u8>>, Complaint> {
    let damaged = || Complaint::from("a damaged DICOM: its runs of bytes have no valid header");
    let words = bytes.get(..HEADER).ok_or_else(damaged)?.as_chunks::<4>().0;
    let word = |at: usize| words.get(at).map(|&word| u32::from_le_bytes(word) as usize);
    if word(0) != Some(planes) {
        return Err(damaged());
    }
    let segment = |plane: usize| {
        let start = word(plane + 1)?;
        let end = if plane + 1 < planes { word(plane + 2)? } else { bytes.len() };
        bytes.get(start..end)
    };
    (0..planes).map(|plane| unpacked(segment(plane).ok_or_else(damaged)?, length)).collect()
}

/// Runs and copies of bytes, up to a length; what a segment has behind it is padding.
fn unpacked(mut packed: &[u8], length: usize) -> Result<Vec<u8>, Complaint> {
    let mut found = Vec::with_capacity(length);
    while found.len() < length {
        let [count, rest @ ..] = packed else { return Err(truncated()) };
        let left = length - found.len();
        packed = match *count {
            count @ 0..=127 => {
                let count = usize::from(count) + 1;
                let copied = rest.get(..count).ok_or_else(truncated)?;
                found.extend(&copied[..count.min(left)]);
                &rest[count..]
            }
            128 => rest,
            count => {
                let [value, rest @ ..] = rest else { return Err(truncated()) };
                let count = 257 - usize::from(count);
                found.resize(found.len() + count.min(left), *value);
                rest
            }
        };
    }
    Ok(found)
}

fn truncated() -> Complaint {
    "a damaged or truncated DICOM: its runs of bytes end before its pixels do".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_copies_are_unpacked_and_padding_is_left() {
        // Two copied, three times 9, nothing, one copied, padding.
        let packed = [1, 5, 6, 254, 9, 128, 0, 7, 0];
        assert_eq!(unpacked(&packed, 6).unwrap(), [5, 6, 9, 9, 9, 7]);
        assert_eq!(unpacked(&packed, 4).unwrap(), [5, 6, 9, 9]);
        assert!(unpacked(&packed, 8).is_err());
        assert!(unpacked(&[3, 1], 4).is_err());
        assert!(unpacked(&[200], 4).is_err());
    }

    #[test]
    fn segments_must_lie_within_the_file() {
        let mut bytes = vec![0; HEADER];
        bytes[0] = 2;
        bytes[4] = 64;
        bytes[8] = 66;
        bytes.extend([255, 1, 255, 2]);
        assert_eq!(planes(&bytes, 2, 2).unwrap(), [[1, 1], [2, 2]]);
        assert!(planes(&bytes, 1, 2).is_err());
        bytes[8] = 60;
        assert!(planes(&bytes, 2, 2).is_err());
        bytes[8] = 255;
        assert!(planes(&bytes, 2, 2).is_err());
        assert!(planes(&bytes[..40], 2, 2).is_err());
    }
}
