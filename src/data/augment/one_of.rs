//! Which member of each `one-of` a case gets.

use super::{Draws, Purpose, Stream};
use crate::spec::AugmentSpec;

/// What `spec` asks of a case, without `one-of`: its own changes, and those of the members drawn.
pub(super) fn drawn(spec: &AugmentSpec, draws: &Draws) -> AugmentSpec {
    drawn_of(spec, &mut draws.stream(Purpose::OneOf))
}

/// Each `one-of` takes two numbers of the stream, whether it is drawn or not, so that none changes the draws of the next.
fn drawn_of(spec: &AugmentSpec, stream: &mut Stream) -> AugmentSpec {
    let mut whole = AugmentSpec { one_of: Vec::new(), ..spec.clone() };
    for one_of in &spec.one_of {
        let happens = stream.chance(one_of.probability);
        let chosen = one_of.member_at(stream.uniform());
        for (index, member) in one_of.members.iter().enumerate() {
            let member = drawn_of(member, stream);
            if happens && index == chosen {
                whole = joined(whole, member);
            }
        }
    }
    whole
}

/// The changes of both; where both have one, that of the first.
fn joined(first: AugmentSpec, second: AugmentSpec) -> AugmentSpec {
    AugmentSpec {
        horizontal_flip: first.horizontal_flip.or(second.horizontal_flip),
        vertical_flip: first.vertical_flip.or(second.vertical_flip),
        rotate90: first.rotate90.or(second.rotate90),
        rotate: first.rotate.or(second.rotate),
        scale: first.scale.or(second.scale),
        shift: first.shift.or(second.shift),
        elastic: first.elastic.or(second.elastic),
        brightness: first.brightness.or(second.brightness),
        contrast: first.contrast.or(second.contrast),
        gamma: first.gamma.or(second.gamma),
        blur: first.blur.or(second.blur),
        noise: first.noise.or(second.noise),
        colour_jitter: first.colour_jitter.or(second.colour_jitter),
        stain: first.stain.or(second.stain),
        one_of: first.one_of,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::augment_sample;
    use super::super::tests::sample;
    use super::*;

    fn spec(text: &str) -> AugmentSpec {
        toml::from_str(text).unwrap()
    }

    const FLIP: &str = "[[one-of]]\nprobability = 0.6\nmembers = [\
        { horizontal-flip = { probability = 1 } }, { vertical-flip = { probability = 1 } },\
        { horizontal-flip = { probability = 1 }, vertical-flip = { probability = 1 } }]\n";

    /// How often of 12,000 cases each pair of flips is drawn.
    fn frequencies(text: &str) -> BTreeMap<[bool; 2], f64> {
        let spec = spec(text);
        let mut counts = BTreeMap::new();
        for epoch in 0..12_000 {
            let one = drawn(&spec, &Draws::new(7, epoch, "a"));
            assert!(one.one_of.is_empty());
            *counts
                .entry([one.horizontal_flip, one.vertical_flip].map(|it| it.is_some()))
                .or_insert(0.0) += 1.0 / 12_000.0;
        }
        counts
    }

    /// Four standard deviations of 12,000 draws with a chance of a half are 0.0183.
    fn close(found: &BTreeMap<[bool; 2], f64>, expected: [f64; 4]) {
        let places = [[false, false], [true, false], [false, true], [true, true]];
        for (place, expected) in places.into_iter().zip(expected) {
            let found = found.get(&place).copied().unwrap_or(0.0);
            assert!((found - expected).abs() < 0.0183, "{place:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn members_are_drawn_as_often_as_probability_and_weights_say() {
        close(&frequencies(FLIP), [0.4, 0.2, 0.2, 0.2]);
        close(&frequencies(&format!("{FLIP}weights = [1, 2, 3]")), [0.4, 0.1, 0.2, 0.3]);
        close(&frequencies(&format!("{FLIP}weights = [1, 1, 0]")), [0.4, 0.3, 0.3, 0.0]);
        let never = FLIP.replace("0.6", "0");
        close(&frequencies(&never), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn each_one_of_is_drawn_by_itself() {
        let two = "[[one-of]]\nprobability = 0.5\nmembers = [{ horizontal-flip = { probability = 1 } }]\n\
                   [[one-of]]\nprobability = 0.2\nmembers = [{ vertical-flip = { probability = 1 } }]\n";
        close(&frequencies(two), [0.4, 0.4, 0.1, 0.1]);
    }

    #[test]
    fn a_one_of_inside_of_another_is_drawn_with_its_member() {
        let nested = "[[one-of]]\nprobability = 1\nmembers = [{ horizontal-flip = { probability = 1 } },\
             { one-of = [{ probability = 0.5, members = [{ vertical-flip = { probability = 1 } }] }] }]\n";
        close(&frequencies(nested), [0.25, 0.5, 0.25, 0.0]);
    }

    #[test]
    fn image_and_mask_get_the_member_drawn_and_the_same_draw_the_same_one() {
        let sample = sample(3, 8);
        let flips = ["horizontal-flip", "vertical-flip"]
            .map(|key| format!("{key} = {{ probability = 1 }}"));
        let both = flips.join("\n");
        let alone = ["", &flips[0], &flips[1], &both].map(spec);
        let mut seen = [false; 4];
        for epoch in 0..40 {
            let draws = Draws::new(0, epoch, "a");
            let changed = augment_sample(&spec(FLIP), &sample, &draws);
            assert_eq!(changed, augment_sample(&spec(FLIP), &sample, &draws));
            let same =
                alone.iter().position(|alone| augment_sample(alone, &sample, &draws) == changed);
            seen[same.expect("one of the members, or none")] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn a_one_of_leaves_the_draws_of_other_changes_as_they_were() {
        let sample = sample(1, 16);
        let noise = "noise = { probability = 1, range = [0.0, 0.1] }\n";
        let never = format!("{noise}{}", FLIP.replace("0.6", "0"));
        for epoch in 0..8 {
            let draws = Draws::new(0, epoch, "a");
            let [one, two] =
                [noise, &never].map(|text| augment_sample(&spec(text), &sample, &draws));
            assert_eq!(one, two);
        }
    }

    #[derive(serde::Deserialize)]
    struct Frequency {
        pixels: Vec<u8>,
        frequency: f64,
    }

    #[derive(serde::Deserialize)]
    struct Albumentations {
        rotate90: Vec<Frequency>,
        flip: Vec<Frequency>,
        both: Vec<Frequency>,
        one_of: Vec<Frequency>,
    }

    #[test]
    fn pixels_lie_as_often_in_each_place_as_albumentations_puts_them_there() {
        let text = std::fs::read_to_string(crate::testing::fixture("albumentations.json")).unwrap();
        let theirs: Albumentations = serde_json::from_str(&text).unwrap();
        // `RandomRotate90` turns by 0 to 3 quarters, of which 0 changes nothing.
        let rotate90 = "rotate90 = { probability = 0.375 }\n";
        let flip = FLIP.replace("0.6", "0.5");
        let one_of = "[[one-of]]\nprobability = 0.8\nweights = [1, 3]\nmembers = [\
            { horizontal-flip = { probability = 1 } }, { vertical-flip = { probability = 1 } }]\n";
        let both = format!("{rotate90}{flip}");
        let mut sample = sample(1, 2);
        (sample.image, sample.labels) = (vec![1, 2, 3, 4], vec![1, 2, 3, 4]);
        for (text, expected) in [
            (rotate90, theirs.rotate90),
            (&flip, theirs.flip),
            (&both, theirs.both),
            (one_of, theirs.one_of),
        ] {
            let mut found: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
            for epoch in 0..12_000 {
                let changed = augment_sample(&spec(text), &sample, &Draws::new(3, epoch, "a"));
                *found.entry(changed.labels).or_default() += 1.0 / 12_000.0;
            }
            assert_eq!(found.len(), expected.len(), "{text}");
            for Frequency { pixels, frequency } in expected {
                let found = found[&pixels];
                assert!(
                    (found - frequency).abs() < 0.02,
                    "{text}{pixels:?}: {found}, not {frequency}"
                );
            }
        }
    }
}
