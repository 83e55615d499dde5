//! Stained tissue: regions of tumor, stroma, inflammation, necrosis and fat, each with its nuclei.

use std::f32::consts::LOG2_10;

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::math::{cos_turns, exp2, sin_turns, smoothstep};
use super::noise::{Field, Random};
use super::{Drawn, PhantomImage};

/// Codes of BCSS that are drawn.
const OUTSIDE: u8 = 0;
const TUMOR: u8 = 1;
const STROMA: u8 = 2;
const LYMPHOCYTES: u8 = 3;
const NECROSIS: u8 = 4;
const FAT: u8 = 9;
const PLASMA_CELLS: u8 = 10;
const VESSEL: u8 = 18;

/// How much of red, green and blue a unit of stain takes away, as optical density
/// (Ruifrok and Johnston 2001, Anal. Quant. Cytol. Histol. 23:291).
const HEMATOXYLIN: [f32; 3] = [0.65, 0.70, 0.29];
const EOSIN: [f32; 3] = [0.09, 0.95, 0.28];

/// Draws a histology phantom.
pub(super) fn draw(phantom: &PhantomImage) -> Drawn {
    let slide = Slide::new(phantom);
    let map = Map::new(phantom, &slide);
    let codes = map.codes();
    let mut random = Random::new(phantom.seed, phantom.index, 4);
    let mut stains = stain_tissue(&mut random, &map, &codes);
    for kind in &NUCLEI {
        scatter(&mut random, &mut stains, &map, &codes, kind);
    }
    let image = develop(&mut random, &stains, (phantom.width, phantom.height), &slide);
    Drawn { image, codes: cut_roi(phantom, codes), lesions: Vec::new() }
}

/// The codes of a histology phantom alone.
pub(super) fn codes(phantom: &PhantomImage) -> GrayImage {
    cut_roi(phantom, Map::new(phantom, &Slide::new(phantom)).codes())
}

/// What the images of one slide share.
struct Slide {
    hematoxylin: [f32; 3],
    eosin: [f32; 3],
    strength: f32,
    tumor_from: f32,
    inflamed_from: f32,
    paper: f32,
}

impl Slide {
    fn new(phantom: &PhantomImage) -> Self {
        let mut random = Random::new(phantom.seed, phantom.slide, 3);
        let mut shifted = |stain: [f32; 3]| stain.map(|part| part + random.between(-0.05, 0.05));
        Self {
            hematoxylin: shifted(HEMATOXYLIN),
            eosin: shifted(EOSIN),
            strength: random.between(0.85, 1.2),
            tumor_from: random.between(-0.15, 0.25),
            inflamed_from: random.between(0.35, 0.8),
            paper: random.between(238.0, 248.0),
        }
    }
}

/// Where which tissue is.
struct Map {
    nests: Field,
    lobes: Field,
    inflammation: Field,
    death: Field,
    adipose: Field,
    grain: Field,
    fibre: Field,
    bend: Field,
    direction: (f32, f32),
    tumor_from: f32,
    inflamed_from: f32,
    vessels: Vec<(f32, f32, f32, f32)>,
    size: (f32, f32),
}

impl Map {
    fn new(phantom: &PhantomImage, slide: &Slide) -> Self {
        let size = (phantom.width, phantom.height);
        let random = &mut Random::new(phantom.seed, phantom.index, 2);
        let mut field = |cell: f32| Field::new(random, size, (cell, cell));
        let (nests, lobes) = (field(78.0), field(31.0));
        let (inflammation, death, adipose) = (field(60.0), field(66.0), field(85.0));
        let (grain, bend) = (field(7.0), field(70.0));
        let reach = 2 * size.0.max(size.1);
        let fibre = Field::new(random, (reach, reach), (46.0, 5.0));
        let turn = random.unit();
        let (width, height) = (size.0 as f32, size.1 as f32);
        let vessels = (0..random.below(3))
            .map(|_| {
                let (x, y) = (random.between(0.0, width), random.between(0.0, height));
                (x, y, random.between(7.0, 15.0), random.between(5.0, 10.0))
            })
            .collect();
        Self {
            nests,
            lobes,
            inflammation,
            death,
            adipose,
            grain,
            fibre,
            bend,
            direction: (cos_turns(turn), sin_turns(turn)),
            tumor_from: slide.tumor_from,
            inflamed_from: slide.inflamed_from,
            vessels,
            size: (width, height),
        }
    }

    /// How deep in a nest of tumor a point is; 0 at its border.
    fn nest(&self, x: f32, y: f32) -> f32 {
        self.nests.at(x, y) + 0.38 * self.lobes.at(x, y) + 0.05 * self.grain.at(x, y)
            - self.tumor_from
    }

    fn codes(&self) -> GrayImage {
        let (width, height) = (self.size.0 as u32, self.size.1 as u32);
        GrayImage::from_fn(width, height, |x, y| Luma([self.code(x as f32, y as f32)]))
    }

    fn code(&self, x: f32, y: f32) -> u8 {
        let nest = self.nest(x, y);
        let ragged = 0.12 * self.lobes.at(x, y) + 0.05 * self.grain.at(x, y);
        if nest > 0.0 {
            let dead = nest > 0.35 && self.death.at(x, y) + ragged > 0.55;
            return if dead { NECROSIS } else { TUMOR };
        }
        let in_vessel = self.vessels.iter().any(|&(vx, vy, across, down)| {
            let (u, v) = ((x - vx) / across, (y - vy) / down);
            u * u + v * v < 1.0 + 0.2 * ragged
        });
        if in_vessel {
            return VESSEL;
        }
        if nest < -0.5 && self.adipose.at(x, y) + ragged > 0.75 {
            return FAT;
        }
        let inflamed = self.inflammation.at(x, y) + ragged - self.inflamed_from;
        match inflamed {
            level if level > 0.9 => PLASMA_CELLS,
            level if level > 0.0 => LYMPHOCYTES,
            _ => STROMA,
        }
    }

    /// Strands of collagen, about -1 to 1, along a slowly bending direction.
    fn strands(&self, x: f32, y: f32) -> f32 {
        let bend = 16.0 * self.bend.at(x, y);
        let (cos, sin) = self.direction;
        let (dx, dy) = (x - 0.5 * self.size.0, y - 0.5 * self.size.1);
        let reach = self.size.0.max(self.size.1);
        let along = dx * cos + dy * sin + reach;
        let across = dy * cos - dx * sin + reach + bend;
        self.fibre.at(along, across)
    }
}

/// Amounts of hematoxylin and eosin at every pixel.
struct Stains {
    width: usize,
    height: usize,
    amounts: Vec<[f32; 2]>,
}

fn stain_tissue(random: &mut Random, map: &Map, codes: &GrayImage) -> Stains {
    let size = codes.dimensions();
    let fine = Field::new(random, size, (3.0, 3.0));
    let clefts = Field::new(random, size, (40.0, 40.0));
    let cells = fat_cells(random, size);
    let mut amounts = Vec::with_capacity(codes.len());
    for (x, y, code) in codes.enumerate_pixels() {
        let (x, y) = (x as f32, y as f32);
        let (fine, grain) = (fine.at(x, y), map.grain.at(x, y));
        let [hematoxylin, eosin] = match code.0[0] {
            TUMOR => [0.20 + 0.03 * fine + 0.02 * grain, 0.33 + 0.05 * fine + 0.04 * grain],
            LYMPHOCYTES => [0.12 + 0.03 * fine, 0.30 + 0.06 * fine],
            PLASMA_CELLS => [0.18 + 0.03 * fine, 0.42 + 0.06 * fine],
            NECROSIS => [0.10 + 0.05 * fine, 0.42 + 0.10 * fine + 0.10 * grain],
            VESSEL => [0.02, 0.75 + 0.25 * grain.max(-1.0)],
            FAT => {
                let wall = cells.wall(x, y);
                [0.02 + 0.10 * wall, 0.02 + 0.42 * wall]
            }
            _ => {
                let strand = map.strands(x, y);
                let gap = smoothstep(0.9, 1.4, -strand);
                [0.05 + 0.02 * strand, (0.30 + 0.11 * strand + 0.03 * fine) * (1.0 - 0.8 * gap)]
            }
        };
        // Tissue shrinks away from the border of a nest here and there.
        let border = 1.0 - (map.nest(x, y) / 0.05).abs();
        let cleft = 1.0 - 0.9 * border.max(0.0) * smoothstep(0.4, 0.9, clefts.at(x, y));
        amounts.push([hematoxylin.max(0.0) * cleft, eosin.max(0.0) * cleft]);
    }
    Stains { width: size.0 as usize, height: size.1 as usize, amounts }
}

/// Fat cells as cells of a jittered lattice: their walls are where two centres are equally near.
struct FatCells {
    columns: usize,
    rows: usize,
    centres: Vec<(f32, f32)>,
}

/// Distance between the centres of fat cells, in pixels.
const FAT_CELL: f32 = 27.0;

fn fat_cells(random: &mut Random, size: (u32, u32)) -> FatCells {
    let columns = (size.0 as f32 / FAT_CELL) as usize + 3;
    let rows = (size.1 as f32 / FAT_CELL) as usize + 3;
    let mut centres = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let x = (column as f32 - 1.0 + random.between(0.15, 0.85)) * FAT_CELL;
            let y = (row as f32 - 1.0 + random.between(0.15, 0.85)) * FAT_CELL;
            centres.push((x, y));
        }
    }
    FatCells { columns, rows, centres }
}

impl FatCells {
    /// 1 on a wall, 0 within a cell.
    fn wall(&self, x: f32, y: f32) -> f32 {
        let column = ((x / FAT_CELL) as usize + 1).min(self.columns - 2);
        let row = ((y / FAT_CELL) as usize + 1).min(self.rows - 2);
        let (mut first, mut second) = (f32::INFINITY, f32::INFINITY);
        for near_row in row - 1..=row + 1 {
            for near_column in column - 1..=column + 1 {
                let (cx, cy) = self.centres[near_row * self.columns + near_column];
                let distance = ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt();
                if distance < first {
                    (first, second) = (distance, first);
                } else if distance < second {
                    second = distance;
                }
            }
        }
        1.0 - smoothstep(0.8, 3.0, second - first)
    }
}

/// One kind of nucleus: where, how dense, how large.
struct Nuclei {
    codes: &'static [u8],
    spacing: f32,
    share: f32,
    radius: (f32, f32),
    stretch: (f32, f32),
    hematoxylin: f32,
    /// How much paler the middle is than the rim.
    pale: f32,
    along_strands: bool,
}

const NUCLEI: [Nuclei; 4] = [
    Nuclei {
        codes: &[STROMA],
        spacing: 21.0,
        share: 0.7,
        radius: (1.9, 2.6),
        stretch: (2.4, 4.2),
        hematoxylin: 0.75,
        pale: 0.1,
        along_strands: true,
    },
    Nuclei {
        codes: &[NECROSIS],
        spacing: 8.0,
        share: 0.4,
        radius: (0.9, 2.2),
        stretch: (1.0, 1.3),
        hematoxylin: 0.7,
        pale: 0.0,
        along_strands: false,
    },
    Nuclei {
        codes: &[TUMOR],
        spacing: 13.5,
        share: 0.95,
        radius: (4.0, 6.3),
        stretch: (1.0, 1.5),
        hematoxylin: 0.72,
        pale: 0.45,
        along_strands: false,
    },
    Nuclei {
        codes: &[LYMPHOCYTES, PLASMA_CELLS],
        spacing: 8.2,
        share: 0.9,
        radius: (2.7, 3.4),
        stretch: (1.0, 1.2),
        hematoxylin: 1.05,
        pale: 0.05,
        along_strands: false,
    },
];

/// Puts nuclei of one kind where their tissue is.
fn scatter(random: &mut Random, stains: &mut Stains, map: &Map, codes: &GrayImage, kind: &Nuclei) {
    let columns = (stains.width as f32 / kind.spacing) as u32 + 1;
    let rows = (stains.height as f32 / kind.spacing) as u32 + 1;
    for row in 0..rows {
        for column in 0..columns {
            let x = (column as f32 + random.between(0.05, 0.95)) * kind.spacing;
            let y = (row as f32 + random.between(0.05, 0.95)) * kind.spacing;
            let wanted = random.chance(kind.share);
            let radius = random.between(kind.radius.0, kind.radius.1);
            let stretch = random.between(kind.stretch.0, kind.stretch.1);
            let (turn, dark) = (random.unit(), random.between(0.75, 1.2));
            let inside = x < stains.width as f32 && y < stains.height as f32;
            if !wanted || !inside || !kind.codes.contains(&codes.get_pixel(x as u32, y as u32).0[0])
            {
                continue;
            }
            let (cos, sin) = if kind.along_strands {
                // Turned like the strands here: along the line on which their pattern stays.
                let slope = (map.bend.at(x + 2.0, y) - map.bend.at(x - 2.0, y)) * 4.0;
                let (cos, sin) = map.direction;
                let length = ((cos + slope * sin) * (cos + slope * sin)
                    + (sin - slope * cos) * (sin - slope * cos))
                    .sqrt()
                    .max(1e-3);
                ((cos + slope * sin) / length, (sin - slope * cos) / length)
            } else {
                (cos_turns(turn), sin_turns(turn))
            };
            let shape = Ellipse { x, y, long: radius * stretch, short: radius, cos, sin };
            stamp(stains, &shape, kind, dark * kind.hematoxylin);
        }
    }
}

struct Ellipse {
    x: f32,
    y: f32,
    long: f32,
    short: f32,
    cos: f32,
    sin: f32,
}

/// Stains an ellipse, its middle paler than its rim.
fn stamp(stains: &mut Stains, shape: &Ellipse, kind: &Nuclei, amount: f32) {
    let reach = shape.long + 1.5;
    let columns =
        (shape.x - reach).max(0.0) as usize..((shape.x + reach) as usize + 1).min(stains.width);
    let rows =
        (shape.y - reach).max(0.0) as usize..((shape.y + reach) as usize + 1).min(stains.height);
    for y in rows {
        for x in columns.clone() {
            let (dx, dy) = (x as f32 - shape.x, y as f32 - shape.y);
            let u = (dx * shape.cos + dy * shape.sin) / shape.long;
            let v = (dy * shape.cos - dx * shape.sin) / shape.short;
            let distance = (u * u + v * v).sqrt();
            let inside = 1.0 - smoothstep(0.82, 1.18, distance);
            if inside > 0.0 {
                let tone = 1.0 - kind.pale * (1.0 - distance.min(1.0));
                let [hematoxylin, eosin] = &mut stains.amounts[y * stains.width + x];
                *hematoxylin += inside * (amount * tone - *hematoxylin).max(0.0);
                *eosin *= 1.0 - 0.45 * inside;
            }
        }
    }
}

/// Light through the stains (Beer and Lambert), with a little noise.
fn develop(random: &mut Random, stains: &Stains, size: (u32, u32), slide: &Slide) -> RgbImage {
    RgbImage::from_fn(size.0, size.1, |x, y| {
        let [hematoxylin, eosin] = stains.amounts[y as usize * stains.width + x as usize];
        let noise = 2.0 * random.gauss();
        let channel = |index: usize| {
            let density = slide.strength
                * (hematoxylin * slide.hematoxylin[index] + eosin * slide.eosin[index]);
            // 10^-d = 2^(-d log2 10)
            let light = slide.paper * exp2(-LOG2_10 * density.clamp(0.0, 3.0));
            (light + noise).clamp(0.0, 255.0) as u8
        };
        Rgb([channel(0), channel(1), channel(2)])
    })
}

/// In one image of four, what lies beyond a slanted line is outside the ROI.
fn cut_roi(phantom: &PhantomImage, mut codes: GrayImage) -> GrayImage {
    let mut random = Random::new(phantom.seed, phantom.index, 5);
    let (cut, turn, part) = (random.chance(0.25), random.unit(), random.between(0.22, 0.4));
    if cut {
        let (width, height) = (codes.width() as f32, codes.height() as f32);
        let (cos, sin) = (cos_turns(turn), sin_turns(turn));
        for (x, y, code) in codes.enumerate_pixels_mut() {
            let (u, v) = (x as f32 / width - 0.5, y as f32 / height - 0.5);
            if u * cos + v * sin > part {
                *code = Luma([OUTSIDE]);
            }
        }
    }
    codes
}
