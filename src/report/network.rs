//! A drawing of a network from its layer table.

use std::fmt::Write;

use super::words;
use crate::layer::Layer;

/// Most blocks of a drawing.
const MOST: usize = 36;

/// Height of the drawing, and of the largest block.
const HEIGHT: f64 = 300.0;
const TALLEST: f64 = 190.0;

/// Room for the first label.
const LEFT: f64 = 52.0;

/// Consecutive layers with the beginning of their names in common.
struct Block {
    name: String,
    channels: usize,
    /// Height and width of what comes out; 1 of numbers.
    sides: [usize; 2],
    layers: usize,
    parameters: u64,
    multiply_adds: u64,
}

/// Blocks from the input to the output, each as high as what comes out of it (on a scale of powers of two) and as wide as it
/// has channels (likewise), as SVG; empty without layers that have a shape.
pub(super) fn drawing(layers: &[Layer]) -> String {
    let blocks = blocks(layers);
    let Some(largest) = blocks.iter().map(|block| block.sides[0]).max() else {
        return String::new();
    };
    let steps = (largest as f64).log2().max(1.0);
    let height_of = |side: usize| TALLEST * ((side as f64).log2() + 1.0) / (steps + 1.0);
    let width_of = |channels: usize| 4.0 + 3.0 * (channels.max(1) as f64).log2();
    let gap = 9.0;
    let width = blocks.iter().map(|block| width_of(block.channels) + gap).sum::<f64>() + LEFT + gap;
    let described: Vec<String> = blocks.iter().map(Block::in_words).collect();
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg class=\"chart network\" style=\"max-width:{:.0}px\" viewBox=\"0 0 {width:.0} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        1.3 * width,
        words::escape(&format!("From the input to the output: {}.", described.join("; ")))
    );
    let most = blocks.iter().map(|block| block.parameters).max().unwrap_or(1).max(1) as f64;
    let mut x = LEFT;
    let mut last_sides = [0, 0];
    let middle = 20.0 + TALLEST / 2.0;
    for block in &blocks {
        let (across, down) = (width_of(block.channels), height_of(block.sides[0]));
        let share = (block.parameters as f64 / most).sqrt();
        let _ = write!(
            svg,
            "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{across:.1}\" height=\"{down:.1}\" rx=\"2\" \
             fill=\"var(--run-0)\" fill-opacity=\"{:.2}\" stroke=\"var(--axis)\"/>",
            words::escape(&block.in_words()),
            middle - down / 2.0,
            0.12 + 0.75 * share,
        );
        let centre = x + across / 2.0;
        let _ = write!(
            svg,
            "<text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"end\" transform=\"rotate(-60 {centre:.1} {:.1})\" \
             font-size=\"10\" fill=\"var(--ink-soft)\">{}</text>",
            middle + TALLEST / 2.0 + 22.0,
            middle + TALLEST / 2.0 + 22.0,
            words::escape(&block.short_name()),
        );
        if block.sides != last_sides {
            let [high, wide] = block.sides;
            let said = if high == wide { high.to_string() } else { format!("{high}×{wide}") };
            let _ = write!(
                svg,
                "<text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"var(--ink-soft)\">{said}</text>",
                (middle - down / 2.0 - 5.0).max(10.0)
            );
            last_sides = block.sides;
        }
        svg.push_str("</g>");
        x += across + gap;
    }
    svg.push_str("</svg>");
    svg
}

impl Block {
    fn new(name: &str, layer: &Layer) -> Self {
        let side = |at: usize| layer.output.get(at).copied().unwrap_or(1).max(1);
        Self {
            name: name.to_owned(),
            channels: side(1),
            sides: [side(2), side(3)],
            layers: 0,
            parameters: 0,
            multiply_adds: 0,
        }
    }

    fn in_words(&self) -> String {
        let [height, width] = self.sides;
        format!(
            "{}: {} × {height} × {width}, {} parameters, {} multiply-adds in {} layer{}",
            self.name,
            self.channels,
            words::count(self.parameters),
            words::si(self.multiply_adds as f64),
            self.layers,
            if self.layers == 1 { "" } else { "s" }
        )
    }

    /// Its name, short enough for a drawing.
    fn short_name(&self) -> String {
        const LONGEST: usize = 14;
        let name: Vec<char> = self.name.chars().collect();
        match name.len() > LONGEST {
            true => format!("…{}", name[name.len() - LONGEST + 1..].iter().collect::<String>()),
            false => self.name.clone(),
        }
    }
}

/// Blocks by as much of the names as makes no more of them than fit.
fn blocks(layers: &[Layer]) -> Vec<Block> {
    let deepest = layers.iter().map(|layer| layer.name.split('.').count()).max().unwrap_or(0);
    let mut found = Vec::new();
    for depth in 1..=deepest {
        let more = blocks_at(layers, depth);
        if !found.is_empty() && more.len() > MOST {
            break;
        }
        found = more;
    }
    united(found)
}

/// Blocks with neighbours of one parent and one shape as one block of that parent.
fn united(blocks: Vec<Block>) -> Vec<Block> {
    let parent = |name: &str| name.rsplit_once('.').map(|(parent, _)| parent.to_owned());
    let mut found: Vec<Block> = Vec::new();
    for block in blocks {
        let shape = |of: &Block| (of.channels, of.sides);
        match found.last_mut() {
            Some(last) if shape(last) == shape(&block) && joins(last, &block, &parent) => {
                last.name = parent(&block.name).unwrap_or_default();
                last.layers += block.layers;
                last.parameters += block.parameters;
                last.multiply_adds += block.multiply_adds;
            }
            _ => found.push(block),
        }
    }
    found
}

/// Whether two blocks have one parent, or one is the parent of the other.
fn joins(last: &Block, next: &Block, parent: &dyn Fn(&str) -> Option<String>) -> bool {
    let of_next = parent(&next.name);
    of_next.is_some() && (parent(&last.name) == of_next || Some(&last.name) == of_next.as_ref())
}

fn blocks_at(layers: &[Layer], depth: usize) -> Vec<Block> {
    let prefix = |name: &str| name.split('.').take(depth).collect::<Vec<_>>().join(".");
    let mut found: Vec<Block> = Vec::new();
    for layer in layers.iter().filter(|layer| layer.output.len() >= 2) {
        let name = prefix(&layer.name);
        if found.last().is_none_or(|block| block.name != name) {
            found.push(Block::new(&name, layer));
        }
        if let Some(block) = found.last_mut() {
            let of_layer = Block::new("", layer);
            (block.channels, block.sides) = (of_layer.channels, of_layer.sides);
            block.layers += 1;
            block.parameters += layer.parameters;
            block.multiply_adds += layer.multiply_adds;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, output: &[usize], parameters: u64) -> Layer {
        Layer { name: name.into(), output: output.to_vec(), parameters, ..Layer::default() }
    }

    #[test]
    fn layers_of_a_name_are_one_block_with_their_sums() {
        let layers = [
            layer("encoder.0.conv", &[1, 16, 64, 64], 10),
            layer("encoder.0.norm", &[1, 16, 64, 64], 2),
            layer("encoder.1.conv", &[1, 32, 32, 32], 20),
            layer("head.<b>", &[1, 1, 64, 64], 3),
        ];
        let found = blocks_at(&layers, 2);
        let said: Vec<_> =
            found.iter().map(|of| (of.name.as_str(), of.layers, of.parameters, of.sides)).collect();
        assert_eq!(
            said,
            [
                ("encoder.0", 2, 12, [64, 64]),
                ("encoder.1", 1, 20, [32, 32]),
                ("head.<b>", 1, 3, [64, 64])
            ]
        );
        let svg = drawing(&layers);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(!svg.contains("<b>") && svg.contains("head.&lt;b&gt;"));
        assert_eq!(drawing(&[]), "");
    }

    #[test]
    fn a_deep_network_is_drawn_in_no_more_blocks_than_fit() {
        let layers: Vec<Layer> = (0..400)
            .map(|at| layer(&format!("stage{}.{at}.conv", at / 100), &[1, 8, 32, 32], 1))
            .collect();
        assert_eq!(blocks(&layers).len(), 4);
    }
}
