//! Values of `[augment]` that cannot be meant.

use std::collections::BTreeMap;

use crate::spec::{AmountSpec, AugmentSpec, Chance, OneOfSpec};

/// Every key of `spec` that is out of range, such as `augment.rotate.range`, and what is wrong.
pub fn problems(spec: &AugmentSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, part) in spec.parts() {
        of_part(&mut found, &path, part);
        for (index, one_of) in part.one_of.iter().enumerate() {
            draw(&mut found, &format!("{path}.one-of[{index}]"), one_of);
        }
    }
    twice(&mut found, spec);
    found
}

/// The changes of `[augment]` or of a member, whose keys lie below `path`.
fn of_part(found: &mut Vec<(String, String)>, path: &str, spec: &AugmentSpec) {
    let key = |name: &str| format!("{path}.{name}");
    for (name, chance) in [
        ("horizontal-flip", &spec.horizontal_flip),
        ("vertical-flip", &spec.vertical_flip),
        ("rotate90", &spec.rotate90),
    ] {
        if let Some(Chance { probability }) = chance {
            check(found, &key(&format!("{name}.probability")), *probability, [0.0, 1.0]);
        }
    }
    for (name, amount, limits) in [
        ("rotate", &spec.rotate, [-180.0, 180.0]),
        ("scale", &spec.scale, [0.1, 10.0]),
        ("shift", &spec.shift, [-1.0, 1.0]),
        ("brightness", &spec.brightness, [-1.0, 1.0]),
        ("contrast", &spec.contrast, [0.0, 10.0]),
        ("gamma", &spec.gamma, [0.05, 10.0]),
        ("blur", &spec.blur, [0.0, 20.0]),
        ("noise", &spec.noise, [0.0, 1.0]),
    ] {
        if let Some(amount) = amount {
            check_amount(found, &key(name), amount, limits);
        }
    }
    if let Some(elastic) = &spec.elastic {
        check(found, &key("elastic.probability"), elastic.probability, [0.0, 1.0]);
        check(found, &key("elastic.shift-px"), elastic.shift_px, [0.0, 200.0]);
        check(found, &key("elastic.sigma-px"), elastic.sigma_px, [1.0, 200.0]);
    }
    if let Some(jitter) = &spec.colour_jitter {
        check(found, &key("colour-jitter.probability"), jitter.probability, [0.0, 1.0]);
        check(found, &key("colour-jitter.hue"), jitter.hue, [0.0, 0.5]);
        check(found, &key("colour-jitter.saturation"), jitter.saturation, [0.0, 1.0]);
        check(found, &key("colour-jitter.value"), jitter.value, [0.0, 1.0]);
    }
    if let Some(jitter) = &spec.stain {
        check(found, &key("stain.probability"), jitter.probability, [0.0, 1.0]);
        check(found, &key("stain.factor"), jitter.factor, [0.0, 1.0]);
        check(found, &key("stain.shift"), jitter.shift, [0.0, 2.0]);
    }
}

/// How a member is drawn.
fn draw(found: &mut Vec<(String, String)>, path: &str, one_of: &OneOfSpec) {
    let OneOfSpec { probability, members, weights } = one_of;
    check(found, &format!("{path}.probability"), *probability, [0.0, 1.0]);
    if members.is_empty() {
        found.push((format!("{path}.members"), "is empty: there is nothing to draw".into()));
    }
    let key = format!("{path}.weights");
    if !weights.is_empty() && weights.len() != members.len() {
        let (weights, members) = (weights.len(), members.len());
        found
            .push((key, format!("has {weights} weights for {members} members: give one for each")));
    } else if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
        found.push((key, "must be finite numbers, of which none is below 0".into()));
    } else if !weights.is_empty() && weights.iter().all(|weight| *weight == 0.0) {
        found.push((key, "are all 0: one must be above".into()));
    }
}

/// Changes that a case may be asked to get twice.
fn twice(found: &mut Vec<(String, String)>, spec: &AugmentSpec) {
    let mut taken: BTreeMap<&str, String> = BTreeMap::new();
    take(found, &mut taken, "augment", spec);
}

/// Adds the changes below `path` to those `taken`, each with the key that it stands at. Members of one `one-of` may share
/// some, for a case gets one of them.
fn take<'s>(
    found: &mut Vec<(String, String)>,
    taken: &mut BTreeMap<&'s str, String>,
    path: &str,
    spec: &'s AugmentSpec,
) {
    for name in spec.names() {
        let key = format!("{path}.{name}");
        match taken.get(name) {
            Some(other) => {
                let message = format!(
                    "is said by `{other}` too, and a case gets each change once: leave out one"
                );
                found.push((key, message));
            }
            None => {
                taken.insert(name, key);
            }
        }
    }
    for (at, one_of) in spec.one_of.iter().enumerate() {
        let before = taken.clone();
        for (index, member) in one_of.members.iter().enumerate() {
            let mut of_member = before.clone();
            take(found, &mut of_member, &format!("{path}.one-of[{at}].members[{index}]"), member);
            of_member.into_iter().for_each(|(name, key)| {
                taken.entry(name).or_insert(key);
            });
        }
    }
}

/// Probability and both ends of the range.
fn check_amount(
    found: &mut Vec<(String, String)>,
    key: &str,
    amount: &AmountSpec,
    limits: [f64; 2],
) {
    check(found, &format!("{key}.probability"), amount.probability, [0.0, 1.0]);
    let [low, high] = amount.range;
    let key = format!("{key}.range");
    let inside = |value: f64| (limits[0]..=limits[1]).contains(&value);
    if !inside(low) || !inside(high) {
        let message =
            format!("is [{low}, {high}]: both must lie from {} to {}", limits[0], limits[1]);
        found.push((key, message));
    } else if low > high {
        let message =
            format!("is [{low}, {high}]: the smaller amount comes first, [{high}, {low}]");
        found.push((key, message));
    }
}

/// One number.
fn check(found: &mut Vec<(String, String)>, key: &str, value: f64, [low, high]: [f64; 2]) {
    if !(low..=high).contains(&value) {
        let message = format!("is {value}: it must lie from {low} to {high}");
        found.push((key.into(), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ColourJitterSpec, ElasticSpec, StainJitterSpec};

    fn amount(range: [f64; 2]) -> Option<AmountSpec> {
        Some(AmountSpec { probability: 0.5, range })
    }

    #[test]
    fn sensible_values_are_no_problem() {
        let spec = AugmentSpec {
            horizontal_flip: Some(Chance { probability: 1.0 }),
            rotate: amount([-180.0, 180.0]),
            scale: amount([1.0, 1.0]),
            elastic: Some(ElasticSpec { probability: 0.0, shift_px: 0.0, sigma_px: 1.0 }),
            ..AugmentSpec::default()
        };
        assert_eq!(problems(&spec), []);
    }

    #[test]
    fn each_wrong_value_is_named_with_what_would_be_right() {
        let spec = AugmentSpec {
            vertical_flip: Some(Chance { probability: 1.5 }),
            rotate: amount([15.0, -15.0]),
            scale: amount([0.0, 2.0]),
            noise: amount([0.0, f64::NAN]),
            elastic: Some(ElasticSpec { probability: 0.5, shift_px: -1.0, sigma_px: 0.5 }),
            colour_jitter: Some(ColourJitterSpec {
                probability: 0.5,
                hue: 0.75,
                saturation: 0.0,
                value: 0.0,
            }),
            stain: Some(StainJitterSpec { probability: 0.5, factor: 1.5, shift: -0.1 }),
            ..AugmentSpec::default()
        };
        let found: Vec<String> =
            problems(&spec).into_iter().map(|(key, message)| format!("{key} {message}")).collect();
        assert_eq!(
            found,
            [
                "augment.vertical-flip.probability is 1.5: it must lie from 0 to 1",
                "augment.rotate.range is [15, -15]: the smaller amount comes first, [-15, 15]",
                "augment.scale.range is [0, 2]: both must lie from 0.1 to 10",
                "augment.noise.range is [0, NaN]: both must lie from 0 to 1",
                "augment.elastic.shift-px is -1: it must lie from 0 to 200",
                "augment.elastic.sigma-px is 0.5: it must lie from 1 to 200",
                "augment.colour-jitter.hue is 0.75: it must lie from 0 to 0.5",
                "augment.stain.factor is 1.5: it must lie from 0 to 1",
                "augment.stain.shift is -0.1: it must lie from 0 to 2",
            ]
        );
    }

    fn said(text: &str) -> Vec<String> {
        let spec = toml::from_str(text).unwrap();
        problems(&spec).into_iter().map(|(key, message)| format!("{key} {message}")).collect()
    }

    #[test]
    fn members_are_checked_as_the_table_is_and_so_is_how_they_are_drawn() {
        let found = said(
            "[[one-of]]\nprobability = 2\nweights = [1]\nmembers = [{ blur = { probability = 1, range = [1, 30] } }, {}]\n\
             [[one-of]]\nprobability = 1\nweights = [0, 0]\nmembers = [{}, {}]\n\
             [[one-of]]\nprobability = 1\nweights = [1, -1]\nmembers = [{}, {}]\n\
             [[one-of]]\nprobability = 1\nmembers = []\n",
        );
        assert_eq!(
            found,
            [
                "augment.one-of[0].probability is 2: it must lie from 0 to 1",
                "augment.one-of[0].weights has 1 weights for 2 members: give one for each",
                "augment.one-of[1].weights are all 0: one must be above",
                "augment.one-of[2].weights must be finite numbers, of which none is below 0",
                "augment.one-of[3].members is empty: there is nothing to draw",
                "augment.one-of[0].members[0].blur.range is [1, 30]: both must lie from 0 to 20",
            ]
        );
    }

    #[test]
    fn a_change_that_a_case_could_get_twice_is_refused_and_members_may_share_one() {
        let blur = |high| format!("{{ blur = {{ probability = 1, range = [0, {high}] }} }}");
        let one_of =
            |members: &str| format!("[[one-of]]\nprobability = 1\nmembers = [{members}]\n");
        let shared = one_of(&format!("{}, {}", blur(1), blur(2)));
        assert_eq!(said(&shared), <[&str; 0]>::default());
        let again = |key: &str, other: &str| {
            format!(
                "augment.{key} is said by `augment.{other}` too, and a case gets each change once: leave out one"
            )
        };
        let whole = format!("blur = {{ probability = 1, range = [0, 1] }}\n{shared}");
        let [first, second] = [0, 1].map(|index| format!("one-of[0].members[{index}].blur"));
        assert_eq!(said(&whole), [again(&first, "blur"), again(&second, "blur")]);
        let two = format!("{}{}", one_of(&blur(1)), one_of(&blur(2)));
        assert_eq!(said(&two), [again("one-of[1].members[0].blur", &first)]);
    }
}
