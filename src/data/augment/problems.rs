//! Values of `[augment]` that cannot be meant.

use crate::spec::{AmountSpec, AugmentSpec, Chance};

/// Every key of `spec` that is out of range, such as `augment.rotate.range`, and what is wrong.
pub fn problems(spec: &AugmentSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, chance) in [
        ("horizontal-flip", &spec.horizontal_flip),
        ("vertical-flip", &spec.vertical_flip),
        ("rotate90", &spec.rotate90),
    ] {
        if let Some(Chance { probability }) = chance {
            check(&mut found, &format!("{name}.probability"), *probability, [0.0, 1.0]);
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
            check_amount(&mut found, name, amount, limits);
        }
    }
    if let Some(elastic) = &spec.elastic {
        check(&mut found, "elastic.probability", elastic.probability, [0.0, 1.0]);
        check(&mut found, "elastic.shift-px", elastic.shift_px, [0.0, 200.0]);
        check(&mut found, "elastic.sigma-px", elastic.sigma_px, [1.0, 200.0]);
    }
    if let Some(jitter) = &spec.colour_jitter {
        check(&mut found, "colour-jitter.probability", jitter.probability, [0.0, 1.0]);
        check(&mut found, "colour-jitter.hue", jitter.hue, [0.0, 0.5]);
        check(&mut found, "colour-jitter.saturation", jitter.saturation, [0.0, 1.0]);
        check(&mut found, "colour-jitter.value", jitter.value, [0.0, 1.0]);
    }
    if let Some(jitter) = &spec.stain {
        check(&mut found, "stain.probability", jitter.probability, [0.0, 1.0]);
        check(&mut found, "stain.factor", jitter.factor, [0.0, 1.0]);
        check(&mut found, "stain.shift", jitter.shift, [0.0, 2.0]);
    }
    found
}

/// Probability and both ends of the range.
fn check_amount(
    found: &mut Vec<(String, String)>,
    name: &str,
    amount: &AmountSpec,
    limits: [f64; 2],
) {
    check(found, &format!("{name}.probability"), amount.probability, [0.0, 1.0]);
    let [low, high] = amount.range;
    let key = format!("augment.{name}.range");
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
        found.push((format!("augment.{key}"), message));
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
}
