//! The layer table: shapes, parameters and multiply-adds, worked out without making a tensor.
//!
//! Multiply-adds are counted as torchinfo counts them, so that the figures compare with those of
//! published model summaries: a convolution has one for each of its parameters (bias included)
//! at each output position of each image, a normalisation one for each of its parameters for each
//! image, anything else none. A transposed convolution is counted the same way, which is `stride²`
//! times what it computes.

use crate::layer::Layer;

/// The feature maps between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maps {
    /// How many.
    pub channels: usize,
    /// Height and width.
    pub sides: [usize; 2],
}

impl Maps {
    /// As many of other sides, each made from the side before.
    pub(super) fn with_sides(self, of: impl FnMut(usize) -> usize) -> Self {
        Self { sides: self.sides.map(of), ..self }
    }
}

/// A layer table being filled in.
pub struct Table {
    batch: usize,
    frozen: bool,
    rows: Vec<Layer>,
}

impl Table {
    /// An empty table for batches of a size.
    pub(super) fn new(batch: usize) -> Self {
        Self { batch, frozen: false, rows: Vec::new() }
    }

    /// Says whether the layers that follow keep their parameters.
    pub(super) fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// A convolution, plain or transposed.
    pub(super) fn convolution(
        &mut self,
        name: &str,
        kind: String,
        input: Maps,
        output: Maps,
        parameters: usize,
    ) -> Maps {
        let positions = self.batch as u64 * output.sides.iter().product::<usize>() as u64;
        self.push(name, kind, input, output, parameters, positions)
    }

    /// A normalisation with a scale and a shift for each channel.
    pub(super) fn norm(&mut self, name: &str, kind: String, maps: Maps) -> Maps {
        self.push(name, kind, maps, maps, 2 * maps.channels, self.batch as u64)
    }

    /// A linear layer with a bias on features of whole images.
    pub(super) fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Maps {
        let [input, output] = [inputs, outputs].map(|channels| Maps { channels, sides: [1; 2] });
        let parameters = inputs * outputs + outputs;
        self.push(name, "Linear".to_string(), input, output, parameters, self.batch as u64)
    }

    /// A linear layer without a bias on features of whole images.
    pub(super) fn linear_without_bias(&mut self, name: &str, input: Maps, output: Maps) -> Maps {
        let parameters = input.channels * output.channels;
        self.push(name, "Linear".to_string(), input, output, parameters, self.batch as u64)
    }

    /// A layer that is held with its parameters, which keep their values, and not run.
    pub(super) fn unused(
        &mut self,
        name: &str,
        kind: &str,
        input: Maps,
        output: Maps,
        parameters: usize,
    ) {
        let frozen = std::mem::replace(&mut self.frozen, true);
        self.push(name, kind.to_string(), input, output, parameters, 0);
        self.frozen = frozen;
    }

    /// A layer without parameters.
    pub(super) fn plain(&mut self, name: &str, kind: &str, input: Maps, output: Maps) -> Maps {
        self.push(name, kind.to_string(), input, output, 0, 0)
    }

    /// Dropout; no row where the probability is zero.
    pub(super) fn dropout(&mut self, name: &str, probability: f64, maps: Maps) -> Maps {
        if probability == 0.0 {
            return maps;
        }
        self.plain(name, &format!("Dropout {probability}"), maps, maps)
    }

    /// Concatenation of the channels of two maps of one size.
    pub(super) fn concat(&mut self, name: &str, maps: Maps, skip: Maps) -> Maps {
        let output = Maps { channels: maps.channels + skip.channels, ..maps };
        self.plain(name, "Concat", maps, output)
    }

    /// The finished table.
    pub(super) fn into_rows(self) -> Vec<Layer> {
        self.rows
    }

    fn push(
        &mut self,
        name: &str,
        kind: String,
        input: Maps,
        output: Maps,
        parameters: usize,
        uses: u64,
    ) -> Maps {
        let shape = |maps: Maps| vec![self.batch, maps.channels, maps.sides[0], maps.sides[1]];
        self.rows.push(Layer {
            name: name.to_string(),
            kind,
            input: shape(input),
            output: shape(output),
            parameters: parameters as u64,
            trainable: parameters > 0 && !self.frozen,
            multiply_adds: parameters as u64 * uses,
        });
        output
    }
}
