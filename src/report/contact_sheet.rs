//! The contact sheet of `data dedup`: near-duplicate images side by side.

use serde::Serialize;

use super::page;
use super::pictures::uri;
use crate::error::Result;

/// Near-duplicates, and pairs that may be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ContactSheet {
    /// Heading of the page.
    pub title: String,
    /// Images searched.
    pub images: usize,
    /// Images in clusters.
    pub in_clusters: usize,
    /// Correlation from which two images are near-duplicates.
    pub same: f64,
    /// Correlation from which a pair is shown.
    pub from: f64,
    /// Clusters of near-duplicates.
    pub clusters: Vec<SheetCluster>,
    /// Pairs that may be near-duplicates.
    pub borderline: Vec<SheetBorderline>,
}

/// A cluster of near-duplicates.
#[derive(Clone, Debug, Serialize)]
pub struct SheetCluster {
    /// The images.
    pub pictures: Vec<SheetPicture>,
    /// Pairs that link them.
    pub pairs: Vec<SheetPair>,
    /// Whether they have several labels.
    pub conflicting: bool,
}

/// Two images that may be near-duplicates.
#[derive(Clone, Debug, Serialize)]
pub struct SheetBorderline {
    /// The images.
    pub pictures: Vec<SheetPicture>,
    /// How they match.
    pub pair: SheetPair,
}

/// One image.
#[derive(Clone, Debug, Serialize)]
pub struct SheetPicture {
    /// Its name.
    pub name: String,
    /// Its label; empty where it has none.
    pub label: String,
    /// The picture itself.
    pub uri: String,
}

/// How two images match.
#[derive(Clone, Debug, Serialize)]
pub struct SheetPair {
    /// Name of the first.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Correlation of their fine structure.
    pub correlation: f64,
    /// The transform from one to the other, in words.
    pub transform: String,
}

/// A JPEG file as a data URI.
pub fn jpeg_uri(bytes: &[u8]) -> String {
    uri("image/jpeg", bytes)
}

/// The sheet as one HTML file that loads nothing.
///
/// # Errors
/// When the built-in template is wrong.
pub fn contact_sheet(sheet: &ContactSheet) -> Result<String> {
    #[derive(Serialize)]
    struct Page<'a> {
        version: &'static str,
        #[serde(flatten)]
        sheet: &'a ContactSheet,
    }
    let page = Page { version: env!("CARGO_PKG_VERSION"), sheet };
    page::render_template("dedup.html.j2", &page, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_shows_pictures_names_labels_and_transforms_and_its_names_are_inert() {
        let picture = |name: &str| SheetPicture {
            name: name.into(),
            label: "benign".into(),
            uri: jpeg_uri(b"bytes"),
        };
        let pair = SheetPair {
            first: "a".into(),
            second: "<b>".into(),
            correlation: 0.938,
            transform: "mirrored".into(),
        };
        let pictures = vec![picture("a"), picture("<b>")];
        let cluster = SheetCluster {
            pictures: pictures.clone(),
            pairs: vec![pair.clone()],
            conflicting: true,
        };
        let sheet = ContactSheet {
            title: "Near-duplicates of d".into(),
            images: 2,
            in_clusters: 2,
            clusters: vec![cluster],
            borderline: vec![SheetBorderline { pictures, pair }],
            ..ContactSheet::default()
        };
        let page = contact_sheet(&sheet).unwrap();
        for part in [
            "jpeg;base64,Ynl0ZXM=",
            "<bdi>&lt;b&gt;</bdi>: correlation 0.938, mirrored",
            "several labels",
            "default-src 'none'",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(contact_sheet(&ContactSheet::default()).unwrap().contains("<p>None.</p>"));
    }
}
