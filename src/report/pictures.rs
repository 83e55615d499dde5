//! Pictures as data URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::names;
use crate::error::{Error, Result};
use crate::record::{
    DataPicture, DataPictureKind, Picture, PictureFile, PictureKind, Record, Task,
};
use crate::split_name::SplitName;

/// The cases of one split that are shown for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Group {
    /// The split.
    pub split: SplitName,
    /// Why they are shown, as a heading.
    pub title: String,
    /// The cases.
    pub cases: Vec<ShownCase>,
}

/// A case with its pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ShownCase {
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// Its Dice, or the probability of the true class of a classified image.
    pub score: Option<f64>,
    /// Predicted class of the image; empty where only pixels have classes.
    pub predicted: String,
    /// Image, truth, probability, prediction, error map, class activation map, as far as they were made.
    pub pictures: Vec<Shown>,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    /// The heading of its column.
    pub role: &'static str,
    /// The picture as a data URI; `None` if it was not made or cannot be read.
    pub uri: Option<String>,
    /// What it shows.
    pub alt: String,
    /// Why it cannot be shown.
    pub problem: Option<String>,
}

/// The pictures of a run by split: worst, best, random.
pub(super) fn groups(record: &Record) -> Vec<Group> {
    let mut groups: Vec<((u8, u8), Group)> = Vec::new();
    for picture in &record.pictures {
        let (rank, title) = reason(picture.kind);
        let key = (names::split_rank(picture.split), rank);
        let case = shown(record, picture);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.cases.push(case),
            None => {
                let group = Group { split: picture.split, title: title.into(), cases: vec![case] };
                groups.push((key, group));
            }
        }
    }
    groups.sort_by_key(|group| group.0);
    groups.into_iter().map(|(_, group)| without_empty_columns(group)).collect()
}

/// Leaves out columns without a picture, such as the truth of unlabelled images.
fn without_empty_columns(mut group: Group) -> Group {
    let made = |shown: &Shown| shown.uri.is_some() || shown.problem.is_some();
    let columns = group.cases.first().map_or(0, |case| case.pictures.len());
    let keep: Vec<bool> = (0..columns)
        .map(|column| group.cases.iter().any(|case| made(&case.pictures[column])))
        .collect();
    for case in &mut group.cases {
        let mut column = keep.iter();
        case.pictures.retain(|_| column.next().copied().unwrap_or(true));
    }
    group
}

fn reason(kind: PictureKind) -> (u8, &'static str) {
    match kind {
        PictureKind::Worst => (0, "Worst cases"),
        PictureKind::Best => (1, "Best cases"),
        PictureKind::Random => (2, "Random cases"),
    }
}

fn shown(record: &Record, picture: &Picture) -> ShownCase {
    let images = &picture.images;
    let prediction = match record.summary.task {
        Task::Segment => "Prediction",
        Task::Classify => "Guiding mask",
    };
    let roles = [
        ("Image", &images.image),
        ("Truth", &images.truth),
        ("Probability", &images.probability),
        (prediction, &images.prediction),
        ("Errors", &images.error),
        ("Grad-CAM++", &images.heat),
    ];
    ShownCase {
        case: picture.case.clone(),
        label: picture.label.clone(),
        score: picture.score,
        predicted: picture.predicted.clone(),
        pictures: roles.into_iter().map(|(role, file)| load(record, role, file)).collect(),
    }
}

/// A case of the data in the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Seen {
    kind: DataPictureKind,
    case: String,
    label: String,
    epoch: u32,
    cluster: Option<u32>,
    split: Option<SplitName>,
    image: Shown,
    truth: Shown,
}

/// Training cases as they are, one as training sees it, and near-duplicates.
pub(super) fn seen_data(record: &Record) -> Vec<Seen> {
    let seen = |of: &DataPicture| Seen {
        kind: of.kind,
        case: of.case.clone(),
        label: of.label.clone(),
        epoch: of.epoch,
        cluster: of.cluster,
        split: of.split,
        image: load(record, "Image", &of.image),
        truth: load(record, "Truth", &of.truth),
    };
    record.data_pictures.iter().map(seen).collect()
}

/// A picture of a record, or why there is none.
pub(super) fn load(record: &Record, role: &'static str, file: &Option<PictureFile>) -> Shown {
    let Some(file) = file else {
        return Shown { role, uri: None, alt: String::new(), problem: None };
    };
    let (uri, problem) = match record.picture_bytes(file).and_then(|bytes| data_uri(&bytes, file)) {
        Ok(uri) => (Some(uri), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Shown { role, uri, alt: file.alt.clone(), problem }
}

/// The bytes of a picture with their media type.
fn data_uri(bytes: &[u8], file: &PictureFile) -> Result<String> {
    let unknown = || Error::failed(format!("{}: not a PNG, JPEG or WebP file", file.file));
    Ok(uri(media(bytes).ok_or_else(unknown)?, bytes))
}

/// The media type of a picture; `None` of what is neither PNG, JPEG nor WebP.
pub(super) fn media(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// A data URI.
pub(super) fn uri(media: &str, bytes: &[u8]) -> String {
    format!("data:{media};base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> PictureFile {
        PictureFile { file: "a.png".into(), alt: "a".into() }
    }

    #[test]
    fn the_media_type_comes_from_the_bytes() {
        let png = data_uri(b"\x89PNG\r\n", &file()).unwrap();
        assert_eq!(png, "data:image/png;base64,iVBORw0K");
        assert!(data_uri(b"\xff\xd8\xff\xe0", &file()).unwrap().starts_with("data:image/jpeg"));
        assert!(data_uri(b"<svg onload=x>", &file()).unwrap_err().to_string().contains("a.png"));
    }

    #[test]
    fn a_missing_picture_is_named_in_its_place() {
        let picture = Picture {
            split: SplitName::Test,
            images: crate::record::PictureImages { image: Some(file()), ..Default::default() },
            ..Default::default()
        };
        let record = Record { pictures: vec![picture], ..Default::default() };
        let groups = groups(&record);
        assert_eq!(groups[0].cases[0].pictures.len(), 1, "what no case has is left out");
        let shown = &groups[0].cases[0].pictures[0];
        assert_eq!(shown.uri, None);
        assert!(shown.problem.as_ref().unwrap().contains("a.png"));
    }
}
