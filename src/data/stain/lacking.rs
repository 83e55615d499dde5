//! Which images have no two stains.

use std::path::Path;

use rayon::prelude::*;

use super::macenko::{NoStains, StainNormalization, is_gray};
use crate::data::crop::Crop;
use crate::data::dataset::Dataset;
use crate::data::open::decode_pixels;
use crate::digest::Hasher;
use crate::error::Result;
use crate::finding::{Finding, FindingKind};
use crate::progress::Counting;
use crate::source::case::Decoded;
use crate::source::kept;

/// The cases among some in which no two stains can be found, or, where the network sees crops, in no window that covers
/// them; without a normalisation, those that are gray. Kept on disk until a file changes.
///
/// # Errors
/// If a case cannot be decoded.
pub fn lacking_stains(
    dataset: &Dataset,
    cases: &[usize],
    stain: Option<&StainNormalization>,
    crop: Option<&Crop>,
) -> Result<Vec<(usize, NoStains)>> {
    let files: Vec<&Path> =
        cases.iter().filter_map(|&case| dataset.cases[case].image.file()).collect();
    // Whose stains the images get makes no difference to whether they have any.
    let settings = stain.map(|stain| (stain.background, stain.percentile));
    let mut asked = Hasher::new(b"oncospec stains 1");
    asked.text(&format!("{settings:?} {:?} {crop:?}", dataset.levels));
    for &case in cases {
        asked.text(&format!("{case} {:?}", dataset.cases[case]));
    }
    let compute = || {
        let counting = Counting::of("looking for stains", cases.len());
        let one = |&case: &usize| {
            counting.add(1);
            let image = decode_pixels(dataset, &dataset.cases[case])?;
            let lacks = match (stain, crop) {
                (None, _) => is_gray(&image).then_some(NoStains::Gray),
                (Some(stain), None) => stain.stains(&image).err(),
                (Some(stain), Some(crop)) => stainless(stain, crop, Decoded::new(image))?,
            };
            Ok(lacks.map(|why| (case, why)))
        };
        let found = cases.par_iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().collect())
    };
    if files.is_empty() { compute() } else { kept(&asked.finish(), &files, compute) }
}

/// Why no window of an image has two stains: of the first; `None` where one has.
fn stainless(stain: &StainNormalization, crop: &Crop, image: Decoded) -> Result<Option<NoStains>> {
    let mut first = None;
    for cut in crop.windows(image.image.dimensions()) {
        match stain.stains(&crop.decoded(&image, cut)?.image) {
            Ok(_) => return Ok(None),
            Err(why) => first = first.or(Some(why)),
        }
    }
    Ok(first)
}

/// What is to be said of cases without two stains, which stay as they are.
pub fn stains_lacking(dataset: &Dataset, lacking: &[(usize, NoStains)]) -> Option<Finding> {
    let names = lacking.iter().map(|(case, why)| format!("{}: {why}", dataset.cases[*case].id));
    let what = "images without two stains, whose colours stay as they are";
    // Tiles of little tissue are to be expected.
    let expected = lacking.iter().all(|(_, why)| *why == NoStains::Background);
    let finding = if expected { Finding::note } else { Finding::warning };
    (!lacking.is_empty()).then(|| finding(FindingKind::NoStains, what).naming_all(names))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::{open, tiny};
    use crate::finding::Level;
    use crate::source::Levels;
    use crate::source::case::{Case, ImageSource, MaskSource};
    use crate::spec::{MacenkoSpec, StainSpec};

    fn published() -> StainNormalization {
        let spec = StainSpec::Macenko(MacenkoSpec::default());
        StainNormalization::of(&spec, Levels::Refused).unwrap()
    }

    #[test]
    fn ultrasound_is_gray_and_tissue_is_not() {
        let of = |modality: &str, stain: Option<&StainNormalization>| {
            let text =
                format!("kind = 'phantom'\ncases = 6\nmodality = '{modality}'\nimage-size = 48");
            let dataset = open(&toml::from_str(&text).unwrap()).unwrap();
            lacking_stains(&dataset, &[0, 3, 5], stain, None).unwrap()
        };
        let gray = [0, 3, 5].map(|case| (case, NoStains::Gray));
        assert_eq!(of("ultrasound", None), gray);
        assert_eq!(of("ultrasound", Some(&published())), gray);
        assert_eq!(of("histology", None), []);
    }

    #[test]
    fn cases_without_stains_are_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let pixel = |name: &str, x: u32, y: u32| match name {
            "tissue" | "corner" if name == "tissue" || x.max(y) < 4 => {
                Rgb([90 + 4 * (x % 9) as u8, 60 + 5 * (y % 9) as u8, 130 + 3 * (x % 5) as u8])
            }
            "white" | "corner" => Rgb([250, 250, 251]),
            _ => Rgb([120, 60, 150]),
        };
        let case = |name: &str| {
            let path = folder.path().join(format!("{name}.png"));
            RgbImage::from_fn(20, 20, |x, y| pixel(name, x, y)).save(&path).unwrap();
            Case {
                id: name.into(),
                metadata: Default::default(),
                label: String::new(),
                slide: None,
                institution: None,
                group: None,
                folder: None,
                image: ImageSource::File(path),
                mask: MaskSource::Unlabelled,
                width: 20,
                height: 20,
            }
        };
        let dataset = tiny::of(["tissue", "white", "flat", "corner"].map(case).into());
        let lacking = lacking_stains(&dataset, &[0, 1, 2], Some(&published()), None).unwrap();
        assert_eq!(lacking, [(1, NoStains::Background), (2, NoStains::OneColour)]);
        let finding = stains_lacking(&dataset, &lacking).unwrap();
        assert_eq!(finding.level, Level::Warning);
        assert_eq!(
            finding.line(),
            "images without two stains, whose colours stay as they are (2: white: less than 5 % of it is tissue; flat: its \
             tissue has one colour)"
        );
        assert_eq!(stains_lacking(&dataset, &lacking[..1]).unwrap().level, Level::Note);
        assert_eq!(stains_lacking(&dataset, &[]), None);
        // A corner of tissue is too little of the whole image, and a quarter of a window.
        let crop = Crop { size: 8, magnification: 1.0, foreground: 0.0 };
        for (crop, expected) in [(None, vec![1, 3]), (Some(&crop), vec![1])] {
            let found = lacking_stains(&dataset, &[1, 3], Some(&published()), crop).unwrap();
            assert_eq!(found.iter().map(|(case, _)| *case).collect::<Vec<_>>(), expected);
        }
        std::fs::write(folder.path().join("white.png"), "no image").unwrap();
        let error = lacking_stains(&dataset, &[1], None, None).unwrap_err().to_string();
        assert!(error.contains("white.png"), "{error}");
    }
}
