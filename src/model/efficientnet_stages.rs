//! The stages of EfficientNet-B0 and EfficientNet-Lite0.

/// Blocks that look alike, the first of which may halve the maps and changes their channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub expansion: usize,
    pub channels: usize,
    pub blocks: usize,
    pub stride: usize,
    pub kernel: usize,
}

/// Table 1 of the paper.
pub(super) const STAGES: [Stage; 7] = [
    Stage { expansion: 1, channels: 16, blocks: 1, stride: 1, kernel: 3 },
    Stage { expansion: 6, channels: 24, blocks: 2, stride: 2, kernel: 3 },
    Stage { expansion: 6, channels: 40, blocks: 2, stride: 2, kernel: 5 },
    Stage { expansion: 6, channels: 80, blocks: 3, stride: 2, kernel: 3 },
    Stage { expansion: 6, channels: 112, blocks: 3, stride: 1, kernel: 5 },
    Stage { expansion: 6, channels: 192, blocks: 4, stride: 2, kernel: 5 },
    Stage { expansion: 6, channels: 320, blocks: 1, stride: 1, kernel: 3 },
];
