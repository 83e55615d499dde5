//! Elementary functions from additions, multiplications and divisions alone. The ones of the system
//! differ in the last bit between machines; these do not, and pictures need no more digits.

/// Base-2 logarithm of a positive number, to about 1e-5.
pub(super) fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    // log2(m) = 2 / ln 2 * artanh((m - 1) / (m + 1))
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0)));
    exponent as f32 + 2.885_39 * s * series
}

/// 2 to the power of `x`, to about 1e-5 of its value, for `x` from -100 to 100.
pub(super) fn exp2(x: f32) -> f32 {
    let whole = x.floor();
    let y = (x - whole) * std::f32::consts::LN_2;
    let factors = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let series = factors.into_iter().fold(0.0, |sum, factor| sum * y + factor);
    f32::from_bits(((whole as i32 + 127) as u32) << 23) * series
}

/// Sine of an angle in turns, to about 1e-5.
pub(super) fn sin_turns(turns: f32) -> f32 {
    let t = turns - (turns + 0.5).floor();
    let folded = if t > 0.25 {
        0.5 - t
    } else if t < -0.25 {
        -0.5 - t
    } else {
        t
    };
    let x = folded * std::f32::consts::TAU;
    let square = x * x;
    x * (1.0
        - square
            * (1.0 / 6.0 - square * (1.0 / 120.0 - square * (1.0 / 5040.0 - square / 362_880.0))))
}

/// Cosine of an angle in turns, to about 1e-5.
pub(super) fn cos_turns(turns: f32) -> f32 {
    sin_turns(turns + 0.25)
}

/// Angle of a point in turns, from 0 to 1, to about 1e-4.
pub(super) fn angle_turns(y: f32, x: f32) -> f32 {
    let (small, large) = (x.abs().min(y.abs()), x.abs().max(y.abs()));
    if large == 0.0 {
        return 0.0;
    }
    let ratio = small / large;
    let square = ratio * ratio;
    // A minimax polynomial of arctan on [0, 1] (Abramowitz and Stegun 1964, 4.4.47), in turns.
    let arctan = ratio
        * (0.999_866
            + square
                * (-0.330_299_5
                    + square * (0.180_141 + square * (-0.085_133 + square * 0.020_835_1))))
        / std::f32::consts::TAU;
    let octant = if y.abs() > x.abs() { 0.25 - arctan } else { arctan };
    let half = if x < 0.0 { 0.5 - octant } else { octant };
    if y < 0.0 { 1.0 - half } else { half }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_functions_of_the_system() {
        for step in 1..2000 {
            let x = step as f32 * 0.013;
            assert!((log2(x) - x.log2()).abs() < 3e-5, "log2 {x}");
            let y = x - 13.0;
            assert!((exp2(y) / y.exp2() - 1.0).abs() < 3e-5, "exp2 {y}");
            assert!((sin_turns(y) - (y * std::f32::consts::TAU).sin()).abs() < 3e-5, "sin {y}");
            let (sin, cos) = (f64::from(x) * std::f64::consts::TAU).sin_cos();
            let angle = angle_turns(sin as f32, cos as f32);
            let distance = (angle - x.fract()).abs();
            assert!(distance.min(1.0 - distance) < 1e-4, "angle {x}: {angle}");
        }
        assert_eq!(angle_turns(0.0, 0.0), 0.0);
    }
}
