//! A trained network at work on single images.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use rayon::prelude::*;

use super::counts::likeliest;
use super::refine::refined;
use super::windows::Windows;
use crate::data::{Decoded, NoStains, Preprocess, Sample, fused_numbers};
use crate::device::{failed, on_device};
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::model::Model;
use crate::spec::RefineSpec;

/// A network with the preparation its images need.
pub struct Predictor {
    /// The network, without autodiff.
    pub model: Model,
    /// What its channels mean.
    pub outputs: Outputs,
    /// How images become its input.
    pub preprocess: Preprocess,
    /// What is made of its probabilities.
    pub refine: RefineSpec,
    /// How whole regions or images are covered, where it was trained on tiles or crops of them.
    pub windows: Option<Windows>,
    /// Images that go through the network together.
    pub batch_size: usize,
    /// Where it computes.
    pub device: Device,
}

/// Probabilities of one image, `[channels, height, width]`: of the foreground for binary outputs,
/// else of each class. Those of a whole image are of one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// Width, in pixels.
    pub width: usize,
    /// Height, in pixels.
    pub height: usize,
    /// The values, channel by channel, row by row.
    pub values: Vec<f32>,
    /// Of each class of the image, where a second head predicts it; else none.
    pub of_image: Vec<f32>,
    /// Why the stains of the image were not normalised, where they should be.
    pub no_stains: Option<NoStains>,
}

impl Predictor {
    /// The network's input for a batch of images, `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// If an image has no pixels.
    pub fn input(&self, images: &[&Decoded]) -> Result<Tensor<4>> {
        Ok(self.input_of(&self.samples(images)?))
    }

    fn samples(&self, images: &[&Decoded]) -> Result<Vec<Sample>> {
        images.par_iter().map(|image| self.preprocess.sample(image)).collect()
    }

    fn input_of(&self, samples: &[Sample]) -> Tensor<4> {
        let ([height, width], channels) =
            (self.preprocess.sampling.frame.sides(), self.preprocess.count());
        let mut input = Vec::with_capacity(samples.len() * channels * height * width);
        for sample in samples {
            self.preprocess.extend_plain(&mut input, sample);
        }
        let shape = [samples.len(), channels, height, width];
        Tensor::from_data(TensorData::new(input, shape), &self.device)
    }

    /// Predicts a batch of images at the network's size, without padding and refined; where images have classes, as of
    /// one pixel.
    ///
    /// # Errors
    /// If an image has no pixels or lacks a column that the network is given, or the prediction is not a number somewhere.
    pub fn predict(&self, images: &[&Decoded]) -> Result<Vec<Probabilities>> {
        let samples = self.samples(images)?;
        let doing = || match images.len() {
            1 => "predicting an image".into(),
            images => format!("predicting {images} images"),
        };
        let numbers = self.numbers(images)?;
        on_device(doing, || self.predicted(&samples, numbers))?
    }

    /// What the network is given beside images, `[batch, numbers]`; `None` where it takes nothing.
    fn numbers(&self, images: &[&Decoded]) -> Result<Option<Tensor<2>>> {
        if !self.model.is_fused() {
            return Ok(None);
        }
        let of_image = |image: &&Decoded| self.preprocess.numbers("the image", &image.metadata);
        let numbers: Vec<Vec<f32>> = images.iter().map(of_image).collect::<Result<_>>()?;
        let shape = [numbers.len(), fused_numbers(&self.preprocess.fused)];
        let numbers = TensorData::new(numbers.concat(), shape);
        Ok(Some(Tensor::from_data(numbers, &self.device)))
    }

    fn predicted(
        &self,
        samples: &[Sample],
        numbers: Option<Tensor<2>>,
    ) -> Result<Vec<Probabilities>> {
        let mut heads = self.model.heads(self.input_of(samples), numbers);
        let of_images = heads.images.take().map(|logits| read(softmax(logits, 1))).transpose()?;
        let of_images = of_images.unwrap_or_default();
        let classes = of_images.len() / samples.len().max(1);
        let logits = heads.combined();
        let [_, _, height, width] = logits.dims();
        let probabilities = match self.outputs {
            Outputs::Binary => sigmoid(logits),
            Outputs::Classes(_) | Outputs::Images(_) => softmax(logits, 1),
        };
        let values = read(probabilities)?;
        let each = self.outputs.channels() * height * width;
        let refine = |(index, (values, sample)): (usize, (&[f32], &Sample))| {
            let of_image = of_images[index * classes..][..classes].to_vec();
            let no_stains = sample.no_stains;
            if [height, width] != sample.sides || sample.inset.is_all(sample.sides) {
                let values = refined(&self.refine, self.outputs, sample, values);
                return Probabilities { width, height, values, of_image, no_stains };
            }
            let values = sample.inset.cut(values, sample.sides);
            let seen = sample.cut();
            let values = refined(&self.refine, self.outputs, &seen, &values);
            let [height, width] = seen.sides;
            Probabilities { width, height, values, of_image, no_stains }
        };
        Ok(values.par_chunks(each).zip(samples).enumerate().map(refine).collect())
    }
}

/// The numbers of a prediction.
fn read(tensor: Tensor<4>) -> Result<Vec<f32>> {
    let values: Vec<f32> =
        tensor.try_into_vec_as().map_err(|error| failed("predicting", &error.to_string()))?;
    if values.iter().any(|value| value.is_nan()) {
        return Err(Error::failed(not_a_number("the prediction")));
    }
    Ok(values)
}

/// What is wrong where a network gives NaN, which any threshold or highest class would turn into background.
pub fn not_a_number(what: &str) -> String {
    format!(
        "{what} is not a number (NaN) in places: the network's weights or the image hold NaN, or numbers too large \
         for single precision"
    )
}

impl Probabilities {
    /// The same at another size, by bilinear interpolation (antialiased where it shrinks).
    ///
    /// # Errors
    /// If a size is zero.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        if (self.width, self.height) == (width, height) {
            return Ok(self.clone());
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let mut resizer = Resizer::new();
        let mut values = Vec::with_capacity(width * height * self.channels());
        for channel in self.values.chunks(self.width * self.height) {
            let bytes: Vec<u8> = channel.iter().flat_map(|value| value.to_ne_bytes()).collect();
            let (from, to) =
                ([self.width as u32, self.height as u32], [width as u32, height as u32]);
            let source = ImageRef::new(from[0], from[1], &bytes, PixelType::F32)
                .map_err(|error| Error::failed(format!("cannot resize a prediction: {error}")))?;
            let mut resized = Image::new(to[0], to[1], PixelType::F32);
            resizer
                .resize(&source, &mut resized, &options)
                .map_err(|error| Error::failed(format!("cannot resize a prediction: {error}")))?;
            let floats = resized.buffer().as_chunks::<4>().0;
            values.extend(floats.iter().map(|&bytes| f32::from_ne_bytes(bytes).clamp(0.0, 1.0)));
        }
        let of_image = self.of_image.clone();
        Ok(Self { width, height, values, of_image, no_stains: self.no_stains })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.values.len() / (self.width * self.height).max(1)
    }

    /// The label of each pixel: 1 from `threshold` on for binary outputs, else the likeliest class; of a whole
    /// image the predicted class.
    pub fn labels(&self, outputs: Outputs, threshold: f64) -> Vec<u8> {
        match outputs {
            Outputs::Binary => super::binarize(&self.values, threshold),
            Outputs::Classes(classes) => likeliest(&self.values, classes),
            Outputs::Images(_) => vec![super::predicted_class(&self.values, threshold) as u8],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_is_the_highest_channel_and_the_first_of_equals() {
        let values = [0.2, 0.5, 0.1, 0.2, 0.5, 0.7, 0.6, 0.0, 0.2];
        assert_eq!(likeliest(&values, 3), [2, 0, 1]);
    }

    #[test]
    fn a_prediction_that_is_not_a_number_is_an_error() {
        let read = |values: [f32; 4]| {
            let device = burn::tensor::Device::flex();
            read(Tensor::<1>::from_floats(values, &device).reshape([1, 1, 2, 2]))
        };
        assert_eq!(read([0.0, 1.0, 0.5, 0.25]).unwrap(), [0.0, 1.0, 0.5, 0.25]);
        let error = read([0.0, f32::NAN, 0.5, 0.25]).unwrap_err().to_string();
        assert!(error.starts_with("the prediction is not a number (NaN) in places"), "{error}");
    }

    #[test]
    fn doubling_a_step_interpolates_it_bilinearly() {
        let step = Probabilities {
            width: 2,
            height: 1,
            values: vec![0.0, 1.0],
            of_image: Vec::new(),
            no_stains: None,
        };
        let doubled = step.resized(4, 1).unwrap();
        assert_eq!(doubled.values, [0.0, 0.25, 0.75, 1.0]);
    }
}
