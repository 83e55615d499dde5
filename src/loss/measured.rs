//! The loss of a batch, and its part in the loss of a whole split.
//!
//! The mean of the batches' means is not the mean over the pixels: it depends on which cases share a batch, and a batch
//! of ignored pixels alone would count as a loss of 0. So each loss also gives the sums that it is made of, which add up
//! over batches to those of the split, whatever the batch size.

use burn::tensor::Tensor;

use super::overlap::Ratio;
use super::reduce;

/// The loss of a batch, and the sums behind it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// `[1]`: the loss, in the graph; 0 if no pixel is valid.
    pub value: Tensor<1>,
    terms: Vec<Term>,
}

/// One loss of a sum.
#[derive(Clone, Debug)]
struct Term {
    weight: f64,
    kind: Kind,
    /// `[n]` each; one after the other they are the sums of the term.
    sums: Vec<Tensor<1>>,
}

/// How a loss is computed from the sums of a term.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The first over the second.
    Mean,
    /// 1 - a ratio of soft counts, averaged over classes; sums as [`Ratio::loss`] takes them.
    Ratio(Ratio),
}

impl Measured {
    /// A mean: `numerator / denominator`, over pixels by their weights or over images.
    ///
    /// # Shapes
    ///
    /// - numerator, denominator: `[1]`
    pub fn mean(numerator: Tensor<1>, denominator: Tensor<1>) -> Self {
        let value = reduce::ratio(numerator.clone(), denominator.clone());
        Self::of(value, Kind::Mean, vec![numerator, denominator])
    }

    /// A loss of a batch that no sums add up to: over batches, its mean by their valid pixels.
    ///
    /// # Shapes
    ///
    /// - value, valid: `[1]`
    pub fn of_batch(value: Tensor<1>, valid: Tensor<1>) -> Self {
        Self::of(value.clone(), Kind::Mean, vec![value * valid.clone(), valid])
    }

    /// A ratio of soft counts, with the sums that `Ratio::loss` takes.
    ///
    /// # Shapes
    ///
    /// - value: `[1]`
    /// - sums: `[n]` each
    pub fn ratio(value: Tensor<1>, ratio: Ratio, sums: Vec<Tensor<1>>) -> Self {
        Self::of(value, Kind::Ratio(ratio), sums)
    }

    fn of(value: Tensor<1>, kind: Kind, sums: Vec<Tensor<1>>) -> Self {
        Self { value, terms: vec![Term { weight: 1.0, kind, sums }] }
    }

    /// A loss times a weight.
    pub fn weighted(mut self, weight: f64) -> Self {
        for term in &mut self.terms {
            term.weight *= weight;
        }
        Self { value: self.value * weight, ..self }
    }

    /// The sum of two losses.
    pub fn plus(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        Self { value: self.value + other.value, ..self }
    }

    /// The same without gradients.
    pub fn inner(self) -> Self {
        let inner =
            |term: Term| Term { sums: term.sums.into_iter().map(Tensor::inner).collect(), ..term };
        Self { value: self.value.inner(), terms: self.terms.into_iter().map(inner).collect() }
    }

    /// The value, and the tensors that one after the other are the sums.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor<1>> {
        std::iter::once(&self.value).chain(self.terms.iter().flat_map(|term| &term.sums))
    }

    /// Value and sums, from the numbers of [`tensors`](Self::tensors) one after the other.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn of_numbers(&self, mut numbers: impl Iterator<Item = f32>) -> (f32, Sums) {
        let value = numbers.next().expect("the value is the first");
        let read = |term: &Term| {
            let count = term.sums.iter().map(|part| part.dims()[0]).sum();
            let sums = numbers.by_ref().take(count).map(f64::from).collect();
            TermSums { weight: term.weight, kind: term.kind, sums }
        };
        (value, Sums { terms: self.terms.iter().map(read).collect() })
    }
}

/// The sums behind the loss of some batches.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    terms: Vec<TermSums>,
}

#[derive(Clone, Debug)]
struct TermSums {
    weight: f64,
    kind: Kind,
    sums: Vec<f64>,
}

impl Sums {
    /// Adds another batch of the same loss.
    ///
    /// # Panics
    ///
    /// If it is of another loss.
    pub fn add(&mut self, other: &Self) {
        if self.terms.is_empty() {
            self.clone_from(other);
            return;
        }
        assert_eq!(self.terms.len(), other.terms.len(), "sums of one loss");
        for (term, other) in self.terms.iter_mut().zip(&other.terms) {
            assert_eq!(term.sums.len(), other.sums.len(), "sums of one loss");
            for (sum, other) in term.sums.iter_mut().zip(&other.sums) {
                *sum += other;
            }
        }
    }

    /// The loss of all pixels together; `None` where none of them counts.
    pub fn loss(&self) -> Option<f64> {
        let counted = self.terms.iter().filter(|term| term.weight != 0.0);
        let losses = counted.map(|term| {
            let loss = match term.kind {
                Kind::Mean => mean(&term.sums),
                Kind::Ratio(ratio) => ratio.loss(&term.sums),
            };
            loss.map(|loss| term.weight * loss)
        });
        if self.terms.is_empty() { None } else { losses.sum() }
    }
}

/// The first over the second; `None` where that is 0.
fn mean(sums: &[f64]) -> Option<f64> {
    let [numerator, denominator] = sums else { return None };
    (*denominator != 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, TensorData};
    use proptest::prelude::*;

    use super::*;
    use crate::loss::{Loss, Outputs, examples, init};

    const SIDE: usize = 3;
    const PIXELS: usize = SIDE * SIDE;

    fn loss(toml: &str, outputs: Outputs) -> Loss {
        init(&toml::from_str(toml).unwrap(), outputs, &[]).unwrap()
    }

    fn read(measured: &Measured) -> (f32, Sums) {
        let values = |tensor: &Tensor<1>| tensor.to_data().iter::<f32>().collect::<Vec<_>>();
        measured.of_numbers(measured.tensors().flat_map(values))
    }

    /// The loss of a split taken in batches.
    fn of_split(
        loss: &Loss,
        channels: usize,
        (logits, labels): (&[f32], &[i64]),
        batch: usize,
    ) -> Option<f64> {
        let loss = loss.clone().for_splits();
        let device = Device::flex();
        let mut sums = Sums::default();
        let cases = logits.chunks(channels * PIXELS).zip(labels.chunks(PIXELS));
        let cases: Vec<(&[f32], &[i64])> = cases.collect();
        for cases in cases.chunks(batch) {
            let logits: Vec<f32> = cases.iter().flat_map(|case| case.0).copied().collect();
            let labels: Vec<i64> = cases.iter().flat_map(|case| case.1).copied().collect();
            let shape = [cases.len(), channels, SIDE, SIDE];
            let logits = Tensor::from_data(TensorData::new(logits, shape), &device);
            let shape = [cases.len(), SIDE, SIDE];
            let labels: Tensor<3, Int> = Tensor::from_data(TensorData::new(labels, shape), &device);
            let (value, of_batch) = read(&loss.measure(vec![logits], labels));
            // One batch alone has the loss that training minimises.
            let alone = of_batch.loss().unwrap_or(0.0);
            assert!(
                (alone - f64::from(value)).abs() < 1e-4 * (1.0 + alone.abs()),
                "{alone} {value}"
            );
            sums.add(&of_batch);
        }
        sums.loss()
    }

    fn split(channels: usize) -> impl Strategy<Value = (Vec<f32>, Vec<i64>)> {
        (1usize..7).prop_flat_map(move |cases| {
            let logits = prop::collection::vec(-4.0f32..4.0, cases * channels * PIXELS);
            // A case is labelled, ignored, or in between.
            let classes = channels.max(2) as i64;
            let case = prop_oneof![
                prop::collection::vec(0..classes, PIXELS),
                Just(vec![255; PIXELS]),
                prop::collection::vec(prop_oneof![0..classes, Just(255)], PIXELS),
                Just(vec![0; PIXELS]),
            ];
            let labels = prop::collection::vec(case, cases);
            (logits, labels.prop_map(|cases| cases.concat()))
        })
    }

    #[track_caller]
    fn same_for_all_sizes(loss: &Loss, channels: usize, split: &(Vec<f32>, Vec<i64>)) {
        let cases = split.1.len() / PIXELS;
        let of = |batch| of_split(loss, channels, (&split.0, &split.1), batch);
        let whole = of(cases);
        assert_eq!(whole.is_none(), split.1.iter().all(|&label| label == 255), "{loss:?}");
        for batch in 1..cases {
            match (of(batch), whole) {
                (Some(found), Some(whole)) => assert!(
                    (found - whole).abs() < 1e-5 * (1.0 + whole.abs()),
                    "{loss:?} by {batch}: {found}, not {whole}"
                ),
                (found, whole) => assert_eq!(found, whole, "{loss:?} by {batch}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_loss_of_a_split_does_not_depend_on_the_batch_size(
            binary in split(1),
            classes in split(3),
        ) {
            // Those that pool batches, pool the split.
            for (outputs, loss) in examples() {
                let split = if outputs == Outputs::Binary { &binary } else { &classes };
                same_for_all_sizes(&loss, outputs.channels(), split);
            }
        }
    }

    #[test]
    fn a_batch_of_ignored_pixels_alone_counts_nothing() {
        let bce = loss("kind = 'bce'", Outputs::Binary);
        let logits = vec![0.0; 2 * PIXELS];
        let mut labels = vec![255; 2 * PIXELS];
        assert_eq!(of_split(&bce, 1, (&logits, &labels), 1), None);
        labels[0] = 1;
        for batch in [1, 2] {
            let found = of_split(&bce, 1, (&logits, &labels), batch).unwrap();
            assert!((found - 2f64.ln()).abs() < 1e-6, "{found}");
        }
    }

    #[test]
    fn a_mean_over_pixels_weighs_them_alike_and_cross_entropy_by_their_classes() {
        // One pixel of class 0 with p = 3/4 in the first case, nine of class 1 with p = 1/4 in the second.
        let log_3 = 3f32.ln();
        let logits = [vec![log_3; PIXELS], vec![0.0; PIXELS]].concat().repeat(2);
        let mut labels = [vec![255; PIXELS], vec![1; PIXELS]].concat();
        labels[0] = 0;
        let (right, wrong) = ((4.0f64 / 3.0).ln(), 4f64.ln());
        let plain = "kind = 'cross-entropy'";
        let weighted = "kind = 'cross-entropy'\n\
                        class-weights = { kind = 'given', values = [3.0, 1.0] }";
        for (toml, expected) in
            [(plain, (right + 9.0 * wrong) / 10.0), (weighted, (3.0 * right + 9.0 * wrong) / 12.0)]
        {
            let loss = loss(toml, Outputs::Classes(2));
            for batch in [1, 2] {
                let found = of_split(&loss, 2, (&logits, &labels), batch).unwrap();
                assert!((found - expected).abs() < 1e-5, "{toml}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn a_loss_that_is_no_number_stays_visible() {
        let bce = loss("kind = 'bce'", Outputs::Binary);
        let mut logits = [0.0; 2 * PIXELS];
        logits[3] = f32::NAN;
        let device = Device::flex();
        let tensor = |values: &[f32]| {
            Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, SIDE, SIDE]), &device)
        };
        let mut sums = Sums::default();
        for case in logits.chunks(PIXELS) {
            let labels: Tensor<3, Int> = Tensor::zeros([1, SIDE, SIDE], &device);
            sums.add(&read(&bce.measure(vec![tensor(case)], labels)).1);
        }
        assert!(sums.loss().unwrap().is_nan());
    }
}
