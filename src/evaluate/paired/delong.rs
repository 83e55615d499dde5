//! The difference of two areas under ROC curves on the same images.
//!
//! DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845; with images in groups Obuchowski (1997), Biometrics
//! 53:567-578.

use std::collections::BTreeSet;

use super::super::images::ImageScore;

/// A difference and its standard error.
pub(super) struct AucDifference {
    pub value: f64,
    /// `None` where a class has images of fewer than two groups.
    pub error: Option<f64>,
    /// The area of each seed of the first and of the second.
    pub of_seeds: [Vec<f64>; 2],
}

/// The difference of the area of one class against all others, or of its mean over the classes that have images and others.
/// With several seeds, of the mean of their areas. `None` where no class has both.
///
/// # Shapes
///
/// - networks: of two networks, `[seeds][images]`, all the same images in the same order
/// - group_of: `[images]`
pub(super) fn auc_difference(
    networks: [&[Vec<ImageScore>]; 2],
    group_of: &[usize],
    classes: &[usize],
) -> Option<AucDifference> {
    let images = networks[0].first()?;
    let both = |class: &usize| {
        let of_class = images.iter().filter(|score| score.truth == *class).count();
        0 < of_class && of_class < images.len()
    };
    let classes: Vec<usize> = classes.iter().copied().filter(both).collect();
    if classes.is_empty() {
        return None;
    }
    let groups = group_of.iter().max().map_or(0, |last| last + 1);
    let mut sums = vec![0.0; groups];
    let mut of_seeds = [Vec::new(), Vec::new()];
    let mut enough = true;
    for (side, seeds) in networks.into_iter().enumerate() {
        let sign = if side == 0 { 1.0 } else { -1.0 };
        let share = sign / (seeds.len() * classes.len()) as f64;
        for scores in seeds {
            let mut mean = 0.0;
            for &class in &classes {
                let (auc, placements) = placements(scores, class);
                mean += auc / classes.len() as f64;
                for of_class in [true, false] {
                    let members: Vec<usize> = (0..scores.len())
                        .filter(|&image| (scores[image].truth == class) == of_class)
                        .collect();
                    let seen = members.iter().map(|&image| group_of[image]);
                    let seen = seen.collect::<BTreeSet<_>>().len() as f64;
                    enough &= seen > 1.0;
                    let factor = (seen / (seen - 1.0)).sqrt() / members.len() as f64;
                    for image in members {
                        sums[group_of[image]] += share * factor * (placements[image] - auc);
                    }
                }
            }
            of_seeds[side].push(mean);
        }
    }
    let mean = |areas: &[f64]| areas.iter().sum::<f64>() / areas.len() as f64;
    Some(AucDifference {
        value: mean(&of_seeds[0]) - mean(&of_seeds[1]),
        error: enough.then(|| sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt()),
        of_seeds,
    })
}

/// The area, and of each image the part of the other side that it is ranked rightly against; ties count half.
fn placements(scores: &[ImageScore], class: usize) -> (f64, Vec<f64>) {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let of = |image: usize| scores[image].probabilities[class];
    order.sort_by(|&a, &b| of(a).total_cmp(&of(b)));
    let is_of_class = |image: usize| scores[image].truth == class;
    let positives = scores.iter().filter(|score| score.truth == class).count() as f64;
    let negatives = scores.len() as f64 - positives;
    let mut placed = vec![0.0; scores.len()];
    let (mut positives_below, mut negatives_below, mut at) = (0.0, 0.0, 0);
    while at < order.len() {
        let tied: Vec<usize> =
            order[at..].iter().copied().take_while(|&image| of(image) == of(order[at])).collect();
        let positives_tied = tied.iter().filter(|&&image| is_of_class(image)).count() as f64;
        let negatives_tied = tied.len() as f64 - positives_tied;
        for &image in &tied {
            placed[image] = if is_of_class(image) {
                (negatives_below + negatives_tied / 2.0) / negatives
            } else {
                (positives - positives_below - positives_tied / 2.0) / positives
            };
        }
        positives_below += positives_tied;
        negatives_below += negatives_tied;
        at += tied.len();
    }
    let of_class = (0..scores.len()).filter(|&image| is_of_class(image));
    (of_class.map(|image| placed[image]).sum::<f64>() / positives, placed)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::testing::fixture;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        truth: Vec<usize>,
        first: Vec<f32>,
        second: Vec<f32>,
        difference: f64,
        z: f64,
    }

    fn scores(truth: &[usize], probabilities: &[f32]) -> Vec<ImageScore> {
        let score = |(&truth, &p): (&usize, &f32)| ImageScore {
            truth,
            probabilities: vec![1.0 - p, p],
            ..ImageScore::default()
        };
        truth.iter().zip(probabilities).map(score).collect()
    }

    #[test]
    fn the_difference_and_its_error_are_those_of_mlstatkit() {
        let text = std::fs::read_to_string(fixture("delong.json")).unwrap();
        let Fixture { cases } = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 4);
        for Case { truth, first, second, difference, z } in cases {
            let networks = [first, second].map(|of| vec![scores(&truth, &of)]);
            let alone: Vec<usize> = (0..truth.len()).collect();
            let found = auc_difference([&networks[0], &networks[1]], &alone, &[1]).unwrap();
            assert!((found.value - difference).abs() < 1e-6, "{} {difference}", found.value);
            let of_found = found.value / found.error.unwrap();
            assert!((of_found.abs() - z.abs()).abs() < 1e-4, "{of_found} {z}");
            // Of two classes, each is ranked as the other: the mean over both is the same.
            let both = auc_difference([&networks[0], &networks[1]], &alone, &[0, 1]).unwrap();
            assert!((both.value - found.value).abs() < 1e-4);
        }
    }

    #[test]
    fn copies_of_images_in_their_groups_do_not_change_the_error() {
        let text = std::fs::read_to_string(fixture("delong.json")).unwrap();
        let Fixture { mut cases } = serde_json::from_str(&text).unwrap();
        let Case { truth, first, second, .. } = cases.remove(1);
        let error = |copies: usize, grouped: bool| {
            let repeated = |of: &[f32]| of.repeat(copies);
            let truth = truth.repeat(copies);
            let networks = [&first, &second].map(|of| vec![scores(&truth, &repeated(of))]);
            let n = first.len();
            let groups: Vec<usize> =
                (0..truth.len()).map(|image| if grouped { image % n } else { image }).collect();
            auc_difference([&networks[0], &networks[1]], &groups, &[1]).unwrap().error.unwrap()
        };
        assert!((error(3, true) - error(1, false)).abs() < 1e-9);
        assert!(error(3, false) < 0.7 * error(1, false), "as if they were new images");
    }

    #[test]
    fn a_class_of_one_group_has_no_error() {
        let networks = [
            vec![scores(&[1, 0, 0], &[0.9, 0.1, 0.2])],
            vec![scores(&[1, 0, 0], &[0.1, 0.9, 0.2])],
        ];
        let found = auc_difference([&networks[0], &networks[1]], &[0, 1, 2], &[1]).unwrap();
        assert_eq!((found.value, found.error), (1.0, None));
        assert!(auc_difference([&networks[0], &networks[1]], &[0, 1, 2], &[]).is_none());
    }
}
