//! Random hue, saturation and value (Smith 1978, "Color gamut transform pairs").

use super::{Draws, Purpose};
use crate::spec::AugmentSpec;

/// A change of colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jitter {
    /// Added to the hue, as a part of the circle.
    pub hue: f32,
    /// Factor of the saturation.
    pub saturation: f32,
    /// Factor of the value.
    pub value: f32,
}

impl Jitter {
    /// Draws the change; `None` if none happens.
    pub(super) fn draw(spec: &AugmentSpec, draws: &Draws) -> Option<Self> {
        let spec = spec.colour_jitter.as_ref()?;
        let mut stream = draws.stream(Purpose::ColourJitter);
        stream.chance(spec.probability).then(|| Self {
            hue: stream.between([-spec.hue, spec.hue]) as f32,
            saturation: stream.between([1.0 - spec.saturation, 1.0 + spec.saturation]) as f32,
            value: stream.between([1.0 - spec.value, 1.0 + spec.value]) as f32,
        })
    }

    /// Changes an image of `planes` planes: colours if there are three, brightness alone if not.
    pub(super) fn apply(&self, image: &mut [f32], planes: usize) {
        if planes != 3 {
            for value in image {
                *value = (*value * self.value).clamp(0.0, 1.0);
            }
            return;
        }
        let area = image.len() / 3;
        let (red, rest) = image.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let [hue, saturation, value] = rgb_to_hsv([*r, *g, *b]);
            let turned = hue + self.hue;
            let hsv = [
                turned - turned.floor(),
                (saturation * self.saturation).clamp(0.0, 1.0),
                (value * self.value).clamp(0.0, 1.0),
            ];
            [*r, *g, *b] = hsv_to_rgb(hsv);
        }
    }
}

/// Hue, saturation and value, each from 0 to 1; gray has hue 0.
fn rgb_to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let value = r.max(g).max(b);
    let range = value - r.min(g).min(b);
    if range <= 0.0 {
        return [0.0, 0.0, value];
    }
    let sixths = if value == r {
        (g - b) / range
    } else if value == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    let hue = sixths / 6.0;
    [if hue < 0.0 { hue + 1.0 } else { hue }, range / value, value]
}

/// Red, green and blue, each from 0 to 1.
fn hsv_to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let channel = |shift: f32| {
        let position = (shift + hue * 6.0) % 6.0;
        let ramp = position.min(4.0 - position).clamp(0.0, 1.0);
        (value - value * saturation * ramp).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn known_colours() {
        for (rgb, hsv) in [
            ([1.0, 0.0, 0.0], [0.0, 1.0, 1.0]),
            ([0.0, 1.0, 0.0], [1.0 / 3.0, 1.0, 1.0]),
            ([0.0, 0.0, 0.5], [2.0 / 3.0, 1.0, 0.5]),
            ([0.5, 0.25, 0.5], [5.0 / 6.0, 0.5, 0.5]),
            ([0.4, 0.4, 0.4], [0.0, 0.0, 0.4]),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ] {
            assert!(close(rgb_to_hsv(rgb), hsv), "{rgb:?} {:?}", rgb_to_hsv(rgb));
            assert!(close(hsv_to_rgb(hsv), rgb), "{hsv:?} {:?}", hsv_to_rgb(hsv));
        }
    }

    #[test]
    fn a_third_of_the_circle_turns_red_to_green() {
        let mut image = [1.0, 0.0, 0.0];
        Jitter { hue: 1.0 / 3.0, saturation: 1.0, value: 1.0 }.apply(&mut image, 3);
        assert!(close(image, [0.0, 1.0, 0.0]), "{image:?}");
    }

    #[test]
    fn no_saturation_is_gray_and_value_darkens() {
        let mut image = [0.8, 0.4, 0.2];
        Jitter { hue: 0.0, saturation: 0.0, value: 0.5 }.apply(&mut image, 3);
        assert!(close(image, [0.4, 0.4, 0.4]), "{image:?}");
        let mut gray = [0.2, 0.9];
        Jitter { hue: 0.3, saturation: 0.1, value: 2.0 }.apply(&mut gray, 1);
        assert_eq!(gray, [0.4, 1.0]);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_colour(r in 0f32..=1.0, g in 0f32..=1.0, b in 0f32..=1.0) {
            let back = hsv_to_rgb(rgb_to_hsv([r, g, b]));
            prop_assert!(close(back, [r, g, b]), "{:?}", back);
        }
    }
}
