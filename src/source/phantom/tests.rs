//! What phantoms must be: the same everywhere, true to their labels, and learnable.

use sha2::{Digest, Sha256};

use super::*;

fn hash(drawn: &Drawn) -> String {
    let mut hasher = Sha256::new();
    hasher.update(drawn.image.as_raw());
    hasher.update(drawn.codes.as_raw());
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn ultrasound(count: u32) -> impl Iterator<Item = (PhantomImage, Drawn)> {
    (0..count).map(|index| PhantomImage::ultrasound(0, index)).map(|phantom| {
        let drawn = phantom.draw();
        (phantom, drawn)
    })
}

fn mean_gray(drawn: &Drawn, wanted: impl Fn(u32, u32, u8) -> bool) -> f64 {
    let (mut sum, mut count) = (0u64, 0u64);
    for (x, y, code) in drawn.codes.enumerate_pixels() {
        if wanted(x, y, code.0[0]) {
            sum += u64::from(drawn.image.get_pixel(x, y).0[0]);
            count += 1;
        }
    }
    sum as f64 / count.max(1) as f64
}

#[test]
fn pixels_are_the_same_on_every_machine() {
    // These change only together with `VERSION`.
    let ultrasound = [0, 1].map(|index| hash(&PhantomImage::ultrasound(0, index).draw()));
    assert_eq!(ultrasound, ["655e909cd23d1469", "4b4507af05cd7eaf"]);
    let histology = PhantomImage::histology(0, 0, 0, 256, 256);
    assert_eq!(hash(&histology.draw()), "cc362ce2b93e7f49");
}

#[test]
fn the_truth_alone_is_the_truth_of_the_drawing() {
    for index in 0..6 {
        let ultrasound = PhantomImage::ultrasound(7, index);
        assert_eq!(ultrasound.codes(), ultrasound.draw().codes);
        let histology = PhantomImage::histology(7, index, index / 2, 120, 90);
        assert_eq!(histology.codes(), histology.draw().codes);
    }
}

#[test]
fn labels_and_lesions_agree_and_some_images_have_two() {
    let mut two = 0;
    for (phantom, drawn) in ultrasound(24) {
        let expected = lesion_count(phantom.index) as usize;
        assert_eq!(drawn.lesions.len(), expected);
        two += usize::from(expected == 2);
        let pixels = |mask: &GrayImage| mask.iter().filter(|&&code| code == 1).count();
        let all: usize = drawn.lesions.iter().map(pixels).sum();
        assert_eq!(pixels(&drawn.codes), all, "lesions of {} overlap", phantom.index);
        assert_eq!(phantom.diagnosis() == Diagnosis::Normal, all == 0);
        for lesion in &drawn.lesions {
            let share = pixels(lesion) as f64 / lesion.len() as f64;
            assert!((0.004..0.25).contains(&share), "{} covers {share}", phantom.index);
        }
        assert_eq!(drawn.image.dimensions(), (phantom.width, phantom.height));
    }
    assert_eq!(two, 4);
}

#[test]
fn lesions_are_darker_than_what_surrounds_them() {
    for (phantom, drawn) in
        ultrasound(24).filter(|(phantom, _)| phantom.diagnosis() != Diagnosis::Normal)
    {
        let inside = mean_gray(&drawn, |_, _, code| code == 1);
        let height = phantom.height;
        let outside =
            mean_gray(&drawn, |_, y, code| code == 0 && y > height / 4 && y < 3 * height / 4);
        assert!(inside + 12.0 < outside, "{}: {inside:.0} in {outside:.0}", phantom.index);
    }
}

#[test]
fn malignant_outlines_are_rougher_than_benign_ones() {
    let roughness = |wanted: Diagnosis| {
        let mut values: Vec<f64> = ultrasound(24)
            .filter(|(phantom, _)| phantom.diagnosis() == wanted)
            .flat_map(|(_, drawn)| drawn.lesions)
            .map(|mask| {
                let area = mask.iter().filter(|&&code| code == 1).count() as f64;
                let edges = mask
                    .enumerate_pixels()
                    .filter(|&(x, y, code)| {
                        code.0[0] == 1
                            && x > 0
                            && y > 0
                            && (mask.get_pixel(x - 1, y).0[0] == 0
                                || mask.get_pixel(x, y - 1).0[0] == 0)
                    })
                    .count() as f64;
                edges * edges / area
            })
            .collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (benign, malignant) = (roughness(Diagnosis::Benign), roughness(Diagnosis::Malignant));
    assert!(malignant > 1.1 * benign, "{malignant:.2} against {benign:.2}");
}

#[test]
fn the_brightness_of_ultrasound_is_like_that_of_busi() {
    let (mut means, mut deviations) = (0.0, 0.0);
    for (_, drawn) in ultrasound(12) {
        let mean = mean_gray(&drawn, |_, _, _| true);
        let values = drawn.image.pixels().map(|pixel| (f64::from(pixel.0[0]) - mean).powi(2));
        deviations += (values.sum::<f64>() / drawn.codes.len() as f64).sqrt() / 12.0;
        means += mean / 12.0;
    }
    // The 391 real images at hand have 83 and 52 on average.
    assert!((65.0..110.0).contains(&means), "{means}");
    assert!((38.0..65.0).contains(&deviations), "{deviations}");
}

#[test]
fn tissue_has_all_five_groups_and_ignored_pixels_over_a_few_images() {
    let mut counts = [0u64; 256];
    for index in 0..12 {
        let drawn = PhantomImage::histology(0, index, index / 2, 256, 256).draw();
        for &code in drawn.codes.as_raw() {
            counts[usize::from(code)] += 1;
        }
    }
    let total: u64 = counts.iter().sum();
    for code in [0, 1, 2, 3, 4, 9] {
        assert!(counts[code] * 200 > total, "code {code}: {} of {total}", counts[code]);
    }
    assert_eq!(counts[22..].iter().sum::<u64>(), 0);
}

#[test]
fn tumor_is_more_purple_than_stroma() {
    let (mut tumor, mut stroma) = (0.0, 0.0);
    for index in 0..6 {
        let drawn = PhantomImage::histology(1, index, 0, 256, 256).draw();
        tumor += mean_gray(&drawn, |_, _, code| code == 1) / 6.0;
        stroma += mean_gray(&drawn, |_, _, code| code == 2) / 6.0;
    }
    assert!(tumor + 30.0 < stroma, "red {tumor:.0} in tumor, {stroma:.0} in stroma");
}

#[test]
fn cases_have_the_labels_slides_and_sizes_of_their_images() {
    let spec = |modality, cases| PhantomSpec { modality, cases, seed: 0 };
    let ultrasound = cases(&spec(Modality::Ultrasound, 60));
    let count = |label: &str| ultrasound.iter().filter(|case| case.label == label).count();
    assert_eq!([count("benign"), count("malignant"), count("normal")], [30, 20, 10]);
    assert_eq!(ultrasound[3].id, "normal/phantom (4)");
    let histology = cases(&spec(Modality::Histology, 24));
    assert_eq!(histology[0].id, "TCGA-A1-P000-DX1/1");
    assert_eq!(histology[23].slide.as_deref(), Some("TCGA-A2-P007-DX1"));
    assert_eq!(histology[23].institution.as_deref(), Some("A2"));
    assert_eq!(cases(&spec(Modality::Histology, 6)).len(), 6);
}
