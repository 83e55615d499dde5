//! What other seeds would change, beside other cases.

/// The quantile of the normal distribution at 0.975.
pub(super) const NORMAL: f64 = 1.959_963_984_540_054;

/// An interval over cases and seeds together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverSeeds {
    /// 95 % interval.
    pub interval: (f64, f64),
    /// The part of the variance that is that of the seeds.
    pub share: f64,
    /// Whether the value is farther from zero than the errors of cases and seeds explain (with a chance of 0.95).
    pub is_beyond: bool,
}

/// Widens an interval over cases by what a mean over seeds says of others: `seeds` are the figure's values, by network of
/// which the figure is the difference, or of one. `None` where a network has one seed, which says nothing of others.
///
/// The intervals of both parts are joined by the method of variance estimates recovery (Zou and Donner 2008, Statistics in
/// Medicine 27:1693-1702): from the value down, the square root of the sum of squares of both distances. That of the seeds
/// is Student's; with few it is wide, since few seeds say little.
pub(super) fn over_seeds(
    value: f64,
    (low, high): (f64, f64),
    seeds: &[&[f64]],
    error_of_cases: f64,
) -> Option<OverSeeds> {
    let (mut margins, mut variances) = (0.0, 0.0);
    for values in seeds {
        let n = values.len() as f64;
        if n < 2.0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        margins += student(values.len() - 1).powi(2) * variance / n;
        variances += variance / n;
    }
    let joined = |distance: f64| (distance * distance + margins).sqrt();
    let total = variances + error_of_cases * error_of_cases;
    let explained = ((NORMAL * error_of_cases).powi(2) + margins).sqrt();
    Some(OverSeeds {
        is_beyond: value.abs() > explained,
        interval: (value - joined(value - low), value + joined(high - value)),
        share: if total > 0.0 { variances / total } else { 0.0 },
    })
}

/// The mean of a figure over seeds of one network with its interval over cases and seeds, from the value of each seed and its
/// interval over cases. Over cases it is as wide as those of the seeds on average, if anything too wide, since the mean of
/// several networks varies less from case to case.
pub fn mean_over_seeds(seeds: &[(f64, (f64, f64))]) -> Option<OverSeeds> {
    let n = seeds.len() as f64;
    let values: Vec<f64> = seeds.iter().map(|(value, _)| *value).collect();
    let mean = values.iter().sum::<f64>() / n;
    let below = seeds.iter().map(|(value, (low, _))| value - low).sum::<f64>() / n;
    let above = seeds.iter().map(|(value, (_, high))| high - value).sum::<f64>() / n;
    let error = (below + above) / (2.0 * NORMAL);
    over_seeds(mean, (mean - below, mean + above), &[&values], error)
}

/// The 97.5 % quantile of Student's distribution.
fn student(degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if within(middle, degrees) < 0.95 { low = middle } else { high = middle }
    }
    high
}

/// The chance that a number of Student's distribution lies within `t` of zero (Abramowitz and Stegun 1964, 26.7.3 and
/// 26.7.4).
fn within(t: f64, degrees: usize) -> f64 {
    let angle = libm::atan(t / (degrees as f64).sqrt());
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cos, cos) } else { (1.0, 1.0) };
    // The terms of powers up to degrees - 2.
    let mut power = if odd { 3 } else { 2 };
    while power + 2 <= degrees {
        let factor = (power - 1) as f64 / power as f64;
        term *= factor * cos * cos;
        sum += term;
        power += 2;
    }
    match degrees {
        1 => angle / std::f64::consts::FRAC_PI_2,
        _ if odd => (angle + sin * sum) / std::f64::consts::FRAC_PI_2,
        _ => sin * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_scipy() {
        for (degrees, t) in
            [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (7, 2.3646), (30, 2.0423)]
        {
            assert!((student(degrees) - t).abs() < 1e-4, "{degrees}: {}", student(degrees));
        }
    }

    #[test]
    fn equal_seeds_leave_the_interval_and_one_says_nothing() {
        let found = over_seeds(0.5, (0.4, 0.7), &[&[0.5, 0.5, 0.5]], 0.1).unwrap();
        assert!((found.interval.0 - 0.4).abs() < 1e-12 && (found.interval.1 - 0.7).abs() < 1e-12);
        assert_eq!(found.share, 0.0);
        assert_eq!(over_seeds(0.5, (0.4, 0.7), &[&[0.5, 0.6], &[0.5]], 0.1), None);
    }

    #[test]
    fn without_cases_it_is_the_interval_of_student() {
        // Mean 0.6, deviation 0.1, of three: 0.6 -+ 4.3027 * 0.1 / sqrt(3).
        let found = over_seeds(0.6, (0.6, 0.6), &[&[0.5, 0.6, 0.7]], 0.0).unwrap();
        assert!((found.interval.1 - 0.848413).abs() < 1e-5, "{found:?}");
        assert!((found.share - 1.0).abs() < 1e-12);
    }
}
