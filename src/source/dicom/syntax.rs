//! Transfer syntaxes (DICOM PS3.5, annex A; PS3.6, table A-1): how elements and pixels are encoded.

use super::elements::Encoding;

/// How the pixels of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// JPEG baseline, of 8 bits.
    Jpeg,
    /// Runs of bytes (PS3.5, annex G).
    Rle,
}

/// A transfer syntax that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub encoding: Encoding,
    pub compression: Compression,
}

/// Transfer syntaxes that are not read, by what their identifiers begin with, each with its name and how to convert it;
/// of several that fit, the first.
const REFUSED: [(&str, &str, &str); 11] = [
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", DCMCONV),
    ("1.2.840.10008.1.2.4.51", "JPEG Extended (12 bits)", GDCMCONV),
    ("1.2.840.10008.1.2.4.57", "JPEG Lossless", GDCMCONV),
    ("1.2.840.10008.1.2.4.70", "JPEG Lossless (first order)", GDCMCONV),
    ("1.2.840.10008.1.2.4.8", "JPEG-LS", GDCMCONV),
    ("1.2.840.10008.1.2.4.9", "JPEG 2000", GDCMCONV),
    ("1.2.840.10008.1.2.4.10", "a film (MPEG)", OTHER),
    ("1.2.840.10008.1.2.4.11", "JPEG XL", OTHER),
    ("1.2.840.10008.1.2.4.20", "High-Throughput JPEG 2000", OTHER),
    ("1.2.840.10008.1.2.4.", "a retired kind of JPEG", GDCMCONV),
    ("1.2.840.10008.1.2.8.1", "Deflated Image Frame", OTHER),
];

const GDCMCONV: &str = "convert it, such as with `gdcmconv --raw IN.dcm OUT.dcm` (GDCM)";
const DCMCONV: &str = "convert it, such as with `dcmconv +te IN.dcm OUT.dcm` (DCMTK)";
const OTHER: &str = "write it uncompressed, as Explicit VR Little Endian";

impl Syntax {
    /// By its identifier.
    ///
    /// # Errors
    /// What it is and how to convert it, if it is not read.
    pub(super) fn of(uid: &str) -> Result<Self, String> {
        let (encoding, compression) = match uid {
            // Implicit VR Little Endian, then Explicit VR Little and Big Endian.
            "1.2.840.10008.1.2" => (Encoding::ImplicitLittle, Compression::None),
            "1.2.840.10008.1.2.1" => (Encoding::ExplicitLittle, Compression::None),
            "1.2.840.10008.1.2.2" => (Encoding::ExplicitBig, Compression::None),
            // JPEG Baseline, then RLE Lossless.
            "1.2.840.10008.1.2.4.50" => (Encoding::ExplicitLittle, Compression::Jpeg),
            "1.2.840.10008.1.2.5" => (Encoding::ExplicitLittle, Compression::Rle),
            other => return Err(refusal(other)),
        };
        Ok(Self { encoding, compression })
    }
}

fn refusal(uid: &str) -> String {
    let known = REFUSED.iter().find(|(start, ..)| uid.starts_with(start));
    match known {
        Some((_, name, how)) => {
            format!("a DICOM in the transfer syntax {name} ({uid}), which is not read: {how}")
        }
        // Not a text of the file's own.
        None if !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            format!("a DICOM in the transfer syntax {uid}, which is not read: {OTHER}")
        }
        None => "a damaged DICOM: nothing says in which transfer syntax it is".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named_with_the_command_that_converts_it() {
        for (uid, name, command) in [
            ("1.2.840.10008.1.2.4.70", "JPEG Lossless (first order)", "gdcmconv --raw"),
            ("1.2.840.10008.1.2.4.57", "JPEG Lossless (", "gdcmconv --raw"),
            ("1.2.840.10008.1.2.4.80", "JPEG-LS", "gdcmconv --raw"),
            ("1.2.840.10008.1.2.4.91", "JPEG 2000 (", "gdcmconv --raw"),
            ("1.2.840.10008.1.2.4.102", "a film", "uncompressed"),
            ("1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000", "uncompressed"),
            ("1.2.840.10008.1.2.4.53", "a retired kind of JPEG", "gdcmconv --raw"),
            ("1.2.840.10008.1.2.1.99", "Deflated Explicit", "dcmconv +te"),
            ("1.2.3", "1.2.3", "uncompressed"),
        ] {
            let said = Syntax::of(uid).unwrap_err();
            assert!(said.contains(name) && said.contains(command), "{uid}: {said}");
        }
        let said = Syntax::of("SECRET^NAME").unwrap_err();
        assert!(!said.contains("SECRET"), "{said}");
    }
}
