//! A trained network at work on single images.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::counts::likeliest;
use super::images::predicted_class;
use super::planes;
use super::post_process::post_processed;
use super::refine::refined;
use super::temperature::tempered;
use super::views::{self, View};
use super::windows::Windows;
use crate::data::{Decoded, NoStains, Preprocess, Sample, fused_numbers};
use crate::device::{failed, on_device};
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::model::Model;
use crate::spec::Settled;

/// A network with the preparation its images need.
pub struct Predictor {
    /// The network, without autodiff.
    pub model: Model,
    /// What its channels mean.
    pub outputs: Outputs,
    /// How images become its input.
    pub preprocess: Preprocess,
    /// How its outputs become a prediction.
    pub settled: Settled,
    /// Networks whose probabilities are averaged with its own. Then threshold and post-processing are those of the average.
    pub others: Vec<Predictor>,
    /// What height and width of its input must be multiples of.
    pub size_divisor: usize,
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
        self.tensor(self.planes(samples), samples.len(), self.preprocess.sampling.frame.sides())
    }

    /// The numbers of the network's input, `[batch, channels, height, width]`.
    fn planes(&self, samples: &[Sample]) -> Vec<f32> {
        let ([height, width], channels) =
            (self.preprocess.sampling.frame.sides(), self.preprocess.count());
        let mut planes = Vec::with_capacity(samples.len() * channels * height * width);
        for sample in samples {
            self.preprocess.extend_plain(&mut planes, sample);
        }
        planes
    }

    fn tensor(&self, planes: Vec<f32>, images: usize, [height, width]: [usize; 2]) -> Tensor<4> {
        let shape = [images, self.preprocess.count(), height, width];
        Tensor::from_data(TensorData::new(planes, shape), &self.device)
    }

    /// Predicts a batch of images at the network's size, without padding, refined and calibrated; where images have
    /// classes, as of one pixel.
    ///
    /// # Errors
    /// If an image has no pixels or lacks a column that the network is given, or the prediction is not a number somewhere.
    pub fn predict(&self, images: &[&Decoded]) -> Result<Vec<Probabilities>> {
        let mut predicted = self.uncalibrated(images)?;
        predicted.par_iter_mut().for_each(|seen| self.calibrate(&mut seen.values));
        Ok(predicted)
    }

    /// As [`predict`](Self::predict), by each of the networks that are averaged.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn each(&self, images: &[&Decoded]) -> Result<Vec<Vec<Probabilities>>> {
        let mut own = self.alone(images)?;
        let temperature = self.settled.temperature;
        own.par_iter_mut().for_each(|seen| tempered(&mut seen.values, self.outputs, temperature));
        let others = self.others.iter().map(|other| other.predict(images));
        std::iter::once(Ok(own)).chain(others).collect()
    }

    /// Calibrates probabilities `[channels, pixels]`; of an average its parts are calibrated.
    pub(super) fn calibrate(&self, values: &mut [f32]) {
        if self.others.is_empty() {
            tempered(values, self.outputs, self.settled.temperature);
        }
    }

    /// As [`predict`](Self::predict), before calibration.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub(super) fn uncalibrated(&self, images: &[&Decoded]) -> Result<Vec<Probabilities>> {
        if self.others.is_empty() {
            return self.alone(images);
        }
        let each = self.each(images)?;
        let of_image = |index: usize| {
            let of_networks: Vec<&Probabilities> = each.iter().map(|seen| &seen[index]).collect();
            Probabilities::mean(&of_networks)
        };
        (0..images.len()).map(of_image).collect()
    }

    /// What its own network predicts, before calibration.
    fn alone(&self, images: &[&Decoded]) -> Result<Vec<Probabilities>> {
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
        let Averaged { values, of_images, sides: [height, width] } =
            self.averaged(samples, numbers)?;
        let classes = of_images.len() / samples.len().max(1);
        let each = self.outputs.channels() * height * width;
        let refine = |(index, (values, sample)): (usize, (&[f32], &Sample))| {
            let of_image = of_images[index * classes..][..classes].to_vec();
            let no_stains = sample.no_stains;
            if [height, width] != sample.sides || sample.inset.is_all(sample.sides) {
                let values = refined(&self.settled.refine, self.outputs, sample, values);
                return Probabilities { width, height, values, of_image, no_stains };
            }
            let values = sample.inset.cut(values, sample.sides);
            let seen = sample.cut();
            let values = refined(&self.settled.refine, self.outputs, &seen, &values);
            let [height, width] = seen.sides;
            Probabilities { width, height, values, of_image, no_stains }
        };
        Ok(values.par_chunks(each).zip(samples).enumerate().map(refine).collect())
    }

    /// The probabilities of a batch, averaged over all views of its images.
    fn averaged(&self, samples: &[Sample], numbers: Option<Tensor<2>>) -> Result<Averaged> {
        let planes = self.planes(samples);
        let own = self.preprocess.sampling.frame.sides();
        let spec = &self.settled.test_time;
        let (sizes, views) = (views::sides(spec, own, self.size_divisor), View::all(spec));
        let count = (sizes.len() * views.len()) as f32;
        let mut sum: Option<Averaged> = None;
        for sides in sizes {
            let input = match sides == own {
                true => planes.clone(),
                false => planes::resized(&planes, own, sides)?,
            };
            let input = self.tensor(input, samples.len(), sides);
            let mut seen = self.seen_in(&views, input, numbers.clone())?;
            let of_pixels = !matches!(self.outputs, Outputs::Images(_));
            match &mut sum {
                None => sum = Some(seen),
                Some(sum) => {
                    if of_pixels && seen.sides != sum.sides {
                        seen.values = planes::resized(&seen.values, seen.sides, sum.sides)?;
                    }
                    add(&mut sum.values, &seen.values);
                    add(&mut sum.of_images, &seen.of_images);
                }
            }
        }
        let mut sum = sum.ok_or_else(|| Error::failed("an image was seen in no view"))?;
        if count > 1.0 {
            let numbers = sum.values.iter_mut().chain(&mut sum.of_images);
            numbers.for_each(|value| *value /= count);
        }
        Ok(sum)
    }

    /// The sums of the probabilities of a batch over views at one size.
    fn seen_in(
        &self,
        views: &[View],
        input: Tensor<4>,
        numbers: Option<Tensor<2>>,
    ) -> Result<Averaged> {
        let (mut pixels, mut images): (Option<Tensor<4>>, Option<Tensor<4>>) = (None, None);
        for view in views {
            let mut heads = self.model.heads(view.of(input.clone()), numbers.clone());
            if let Some(logits) = heads.images.take() {
                let seen = softmax(logits, 1);
                images = Some(images.map_or(seen.clone(), |sum| sum + seen));
            }
            let logits = heads.combined();
            let seen = match self.outputs {
                Outputs::Binary => view.undone(sigmoid(logits)),
                Outputs::Classes(_) => view.undone(softmax(logits, 1)),
                Outputs::Images(_) => softmax(logits, 1),
            };
            pixels = Some(pixels.map_or(seen.clone(), |sum| sum + seen));
        }
        let pixels = pixels.ok_or_else(|| Error::failed("an image was seen in no view"))?;
        let [_, _, height, width] = pixels.dims();
        let of_images = images.map(read).transpose()?.unwrap_or_default();
        Ok(Averaged { values: read(pixels)?, of_images, sides: [height, width] })
    }

    /// The label of each pixel ([`Probabilities::labels`]).
    pub fn labels(&self, seen: &Probabilities, original: (u32, u32)) -> Vec<u8> {
        seen.labels(self.outputs, &self.settled, original)
    }

    /// The class that the probabilities of an image stand for.
    pub fn class(&self, probabilities: &[f32]) -> usize {
        predicted_class(probabilities, self.settled.threshold)
    }
}

/// Probabilities of a batch, or sums of them over views.
struct Averaged {
    /// `[batch, channels, height, width]`.
    values: Vec<f32>,
    /// Of a second head, `[batch, classes]`; else none.
    of_images: Vec<f32>,
    /// Height and width.
    sides: [usize; 2],
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
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
    /// The mean of what several networks predict of an image.
    ///
    /// # Errors
    /// If there is none, or they differ in size.
    pub fn mean(each: &[&Self]) -> Result<Self> {
        let (Some((first, others)), n) = (each.split_first(), each.len() as f32) else {
            return Err(Error::failed("a mean of no prediction"));
        };
        let mut mean = (*first).clone();
        for other in others {
            if (other.width, other.height, other.values.len())
                != (mean.width, mean.height, mean.values.len())
            {
                return Err(Error::failed("predictions of one image differ in size"));
            }
            add(&mut mean.values, &other.values);
            add(&mut mean.of_image, &other.of_image);
        }
        let numbers = mean.values.iter_mut().chain(&mut mean.of_image);
        numbers.for_each(|value| *value /= n);
        Ok(mean)
    }

    /// How much networks differ about each pixel of an image: the standard deviation of the probability of the class about
    /// which they differ most, from 0 to 0.5. `mean` is their mean.
    ///
    /// # Shapes
    /// - output: `[height, width]`
    pub fn disagreement(mean: &Self, each: &[&Self]) -> Vec<f32> {
        let pixels = mean.width * mean.height;
        let of_pixel = |pixel: usize| {
            let of_class = |at: usize| {
                let squares = each.iter().map(|seen| (seen.values[at] - mean.values[at]).powi(2));
                (squares.sum::<f32>() / each.len() as f32).sqrt()
            };
            (pixel..mean.values.len()).step_by(pixels.max(1)).map(of_class).fold(0.0, f32::max)
        };
        (0..pixels).map(of_pixel).collect()
    }

    /// The same at another size, by bilinear interpolation (antialiased where it shrinks).
    ///
    /// # Errors
    /// If a size is zero.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        if (self.width, self.height) == (width, height) {
            return Ok(self.clone());
        }
        let mut values = planes::resized(&self.values, [self.height, self.width], [height, width])?;
        values.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        let of_image = self.of_image.clone();
        Ok(Self { width, height, values, of_image, no_stains: self.no_stains })
    }

    /// The label of each pixel: of binary outputs 1 from the threshold on and after all steps of post-processing, else the
    /// likeliest class; of a whole image the predicted class. `original` is the size of the image, of which what is seen may
    /// have another.
    pub fn labels(&self, outputs: Outputs, settled: &Settled, original: (u32, u32)) -> Vec<u8> {
        match outputs {
            Outputs::Binary => {
                let mask = super::binarize(&self.values, settled.threshold);
                let pixels = f64::from(original.0) * f64::from(original.1);
                let of_original = pixels / mask.len().max(1) as f64;
                post_processed(&settled.post_process, mask, self.width, of_original)
            }
            Outputs::Classes(classes) => likeliest(&self.values, classes),
            Outputs::Images(_) => vec![predicted_class(&self.values, settled.threshold) as u8],
        }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.values.len() / (self.width * self.height).max(1)
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
    fn networks_are_averaged_and_differ_by_their_standard_deviation() {
        let seen = |values: [f32; 4]| Probabilities {
            width: 2,
            height: 1,
            values: values.to_vec(),
            of_image: vec![values[0]],
            no_stains: None,
        };
        let (first, second) = (seen([0.25, 1.0, 0.75, 0.0]), seen([0.75, 1.0, 0.25, 0.5]));
        let mean = Probabilities::mean(&[&first, &second]).unwrap();
        assert_eq!(
            (mean.values.as_slice(), mean.of_image.as_slice()),
            (&[0.5, 1.0, 0.5, 0.25][..], &[0.5][..])
        );
        let differ = Probabilities::disagreement(&mean, &[&first, &second]);
        assert_eq!(differ, [0.25, 0.25]);
        assert!(Probabilities::mean(&[]).is_err());
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
