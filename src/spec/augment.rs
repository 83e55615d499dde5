//! `[augment]`: random changes to the training images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes to image and mask together, applied to training images in the order of these keys.
///
/// Each is drawn from (seed, epoch, case) alone, so the number of workers changes nothing. A key
/// that is absent is off; `false` switches off one that a base file says, or all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AugmentSpec {
    /// Mirror left and right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizontal_flip: Option<Chance>,
    /// Mirror top and bottom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vertical_flip: Option<Chance>,
    /// Turn by 90, 180 or 270 degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate90: Option<Chance>,
    /// Turn by an angle in degrees, counter-clockwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<AmountSpec>,
    /// Magnify about the centre by a factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<AmountSpec>,
    /// Move along each axis by a part of the image's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<AmountSpec>,
    /// Elastic deformation (Simard et al. 2003).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elastic: Option<ElasticSpec>,
    /// Add to the intensities (0 to 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brightness: Option<AmountSpec>,
    /// Stretch intensities about their mean by a factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<AmountSpec>,
    /// Raise intensities (0 to 1) to a power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<AmountSpec>,
    /// Gaussian blur with a standard deviation in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur: Option<AmountSpec>,
    /// Gaussian noise with a standard deviation in intensity (0 to 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<AmountSpec>,
    /// Random hue, saturation and value, for stained tissue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour_jitter: Option<ColourJitterSpec>,
    /// Random strength of haematoxylin, eosin and DAB, or HED jitter (Tellez et al. 2018, IEEE TMI 37:2126). A gray image
    /// stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stain: Option<StainJitterSpec>,
    /// Changes of which an image gets one at most, drawn by weight. The keys of the one drawn count as if they stood in
    /// `[augment]`, in the order above, so that a key stands there or in the members of one `one-of`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub one_of: Vec<OneOfSpec>,
}

impl AugmentSpec {
    /// It and, of each `one-of` in it, the members, each with the path of its keys, such as `augment.one-of[0].members[1]`.
    pub fn parts(&self) -> Vec<(String, &Self)> {
        self.parts_at("augment".into())
    }

    /// The keys of its changes, those of its `one-of` left out.
    pub fn names(&self) -> Vec<&'static str> {
        let Self {
            horizontal_flip,
            vertical_flip,
            rotate90,
            rotate,
            scale,
            shift,
            elastic,
            brightness,
            contrast,
            gamma,
            blur,
            noise,
            colour_jitter,
            stain,
            one_of: _,
        } = self;
        let said = [
            ("horizontal-flip", horizontal_flip.is_some()),
            ("vertical-flip", vertical_flip.is_some()),
            ("rotate90", rotate90.is_some()),
            ("rotate", rotate.is_some()),
            ("scale", scale.is_some()),
            ("shift", shift.is_some()),
            ("elastic", elastic.is_some()),
            ("brightness", brightness.is_some()),
            ("contrast", contrast.is_some()),
            ("gamma", gamma.is_some()),
            ("blur", blur.is_some()),
            ("noise", noise.is_some()),
            ("colour-jitter", colour_jitter.is_some()),
            ("stain", stain.is_some()),
        ];
        said.into_iter().filter_map(|(name, is_said)| is_said.then_some(name)).collect()
    }

    fn parts_at(&self, path: String) -> Vec<(String, &Self)> {
        let mut parts = vec![(path.clone(), self)];
        for (at, one_of) in self.one_of.iter().enumerate() {
            for (index, member) in one_of.members.iter().enumerate() {
                parts.extend(member.parts_at(format!("{path}.one-of[{at}].members[{index}]")));
            }
        }
        parts
    }
}

/// One of several changes, as albumentations' `OneOf` has it.
///
/// Its `Flip(p=0.5)`, for example, mirrors along either axis or both, each as often:
/// `{ probability = 0.5, members = [{ horizontal-flip = { probability = 1 } }, { vertical-flip = { probability = 1 } },
/// { horizontal-flip = { probability = 1 }, vertical-flip = { probability = 1 } }] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OneOfSpec {
    /// Part of the images for which a member is drawn, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// The changes: tables with keys of `[augment]`, those of each applied together. A change still has its own
    /// `probability`, of the images that draw its member: 1 where it is always applied.
    #[schemars(length(min = 1, max = 16))]
    pub members: Vec<AugmentSpec>,
    /// How often each member is drawn against the others, in their order; if absent, each as often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 0.0, max = 1e9)))]
    pub weights: Vec<f64>,
}

impl OneOfSpec {
    /// The member at a place from 0 (inclusive) to 1 (exclusive), where each takes a part of its weight; 0 without members.
    pub fn member_at(&self, place: f64) -> usize {
        let weight = |index: usize| self.weights.get(index).copied().unwrap_or(1.0);
        let total: f64 = (0..self.members.len()).map(weight).sum();
        let mut end = 0.0;
        let is_here = |index: &usize| {
            end += weight(*index);
            place * total < end
        };
        let last = (0..self.members.len()).rfind(|&index| weight(index) > 0.0);
        (0..self.members.len()).find(is_here).or(last).unwrap_or(0)
    }
}

/// How often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Chance {
    /// Part of the images that are changed, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

/// How often and how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AmountSpec {
    /// Part of the images that are changed, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Smallest and largest amount; each image draws one between, uniformly.
    pub range: [f64; 2],
}

/// Elastic deformation: a random field of shifts, smoothed and scaled (Simard et al. 2003).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ElasticSpec {
    /// Part of the images that are changed, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Largest shift, in pixels of the network's input.
    #[schemars(range(min = 0.0, max = 200.0))]
    pub shift_px: f64,
    /// Standard deviation of the smoothing, in pixels of the network's input.
    #[schemars(range(min = 1.0, max = 200.0))]
    pub sigma_px: f64,
}

/// Random hue, saturation and value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColourJitterSpec {
    /// Part of the images that are changed, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Largest turn of the hue, as a part of the circle.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 0.5))]
    pub hue: f64,
    /// Saturation is multiplied by a factor between 1 - this and 1 + this.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub saturation: f64,
    /// Value is multiplied by a factor between 1 - this and 1 + this.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
}

/// Random strength of stains: each of haematoxylin, eosin and DAB (Ruifrok and Johnston 2001) is multiplied by a factor, and
/// then a shift is added, both its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StainJitterSpec {
    /// Part of the images that are changed, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Each stain is multiplied by a factor between 1 - this and 1 + this.
    #[serde(default = "default_stain_jitter")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
    /// What is added to each stain lies between minus this and this, in optical density to the base of e. scikit-image's
    /// `rgb2hed` gives a 13.8th of that.
    #[serde(default = "default_stain_jitter")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub shift: f64,
}

/// "HED-light" of Tellez et al. 2019 (Med. Image Anal. 58:101544).
fn default_stain_jitter() -> f64 {
    0.05
}
