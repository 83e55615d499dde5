//! Breast ultrasound: layers of tissue seen through speckle, with lesions and what they cast.

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::math::{angle_turns, cos_turns, log2, sin_turns, smoothstep};
use super::noise::{Field, Random, speckle};
use super::{Diagnosis, Drawn, PhantomImage, lesion_count};

/// Steps around the outline of a lesion.
const OUTLINE: usize = 512;

/// Brightness that is drawn white, and the range below it that is drawn at all, in decibels.
const WHITE_DB: f32 = 0.0;
const RANGE_DB: f32 = 52.0;

/// Steepest rise of septa and muscle fibres across the image.
const MAX_TILT: f32 = 0.18;

/// Draws an ultrasound phantom.
pub(super) fn draw(phantom: &PhantomImage) -> Drawn {
    let size = (phantom.width, phantom.height);
    let mut random = Random::new(phantom.seed, phantom.index, 1);
    let tissue = Tissue::new(&mut random, size);
    let lesions = lesions(phantom);
    let speckle_cell = (random.between(1.7, 2.6), random.between(1.1, 1.6));
    let speckle = speckle(&mut random, size, speckle_cell, 3);
    let gain_db = random.between(-6.0, 2.0);

    let (width, height) = (size.0 as usize, size.1 as usize);
    let mut gray = vec![0u8; width * height];
    let mut codes = GrayImage::new(size.0, size.1);
    let mut masks = vec![GrayImage::new(size.0, size.1); lesions.len()];
    let mut behind_db = vec![0.0f32; width];
    let mut textures = Textures::new(width);
    for y in 0..height {
        textures.fill(&tissue, y as f32);
        let near: Vec<bool> = lesions.iter().map(|lesion| lesion.reaches_row(y as f32)).collect();
        for x in 0..width {
            let (px, py) = (x as f32, y as f32);
            let mut level_db = tissue.level_db(&textures, px, py);
            let mut inside_any = 0.0f32;
            let mut cast_db = 0.0;
            for ((lesion, mask), &near) in lesions.iter().zip(&mut masks).zip(&near) {
                if !near || !lesion.reaches_column(px) {
                    continue;
                }
                let seen = lesion.look(px, py);
                level_db += seen.inside * (lesion.echo_db(px, py) - level_db) + seen.rim_db;
                cast_db += seen.inside * lesion.cast_db / lesion.radius_y;
                inside_any = inside_any.max(seen.inside);
                if seen.distance < 1.0 {
                    mask.put_pixel(x as u32, y as u32, Luma([1]));
                    codes.put_pixel(x as u32, y as u32, Luma([1]));
                }
            }
            let fading = if behind_db[x] > 0.0 { 0.992 } else { 0.9985 };
            behind_db[x] =
                if cast_db == 0.0 { behind_db[x] * fading } else { behind_db[x] + cast_db };
            // Shadows and enhancement have soft sides: the beam is wider than a column.
            let left = behind_db[x.saturating_sub(3)];
            let right = behind_db[(x + 3).min(width - 1)];
            let cast = (0.25 * (left + right) + 0.5 * behind_db[x]).clamp(-26.0, 9.0);
            level_db += (1.0 - inside_any) * cast;
            let speckle_db = 3.010_3 * log2(speckle[y * width + x] + 1e-4);
            let value = (level_db + gain_db + speckle_db - WHITE_DB + RANGE_DB) / RANGE_DB;
            gray[y * width + x] = (value.clamp(0.0, 1.0) * 255.0) as u8;
        }
    }
    let mut image = RgbImage::new(size.0, size.1);
    for (pixel, &value) in image.pixels_mut().zip(&gray) {
        *pixel = Rgb([value; 3]);
    }
    for lesion in lesions.iter().filter(|lesion| lesion.measured) {
        draw_callipers(&mut image, lesion);
    }
    Drawn { image, codes, lesions: masks }
}

/// Where the lesions of an ultrasound phantom are, without what they look like.
pub(super) fn codes(phantom: &PhantomImage) -> GrayImage {
    let mut codes = GrayImage::new(phantom.width, phantom.height);
    for lesion in lesions(phantom) {
        for (x, y, code) in codes.enumerate_pixels_mut() {
            let (x, y) = (x as f32, y as f32);
            if lesion.reaches_row(y) && lesion.reaches_column(x) && lesion.look(x, y).distance < 1.0
            {
                *code = Luma([1]);
            }
        }
    }
    codes
}

/// Skin, fat, gland and muscle under each other, with wavy borders.
struct Tissue {
    height: f32,
    /// Depth of the lower borders of skin, fat and gland, at every column.
    borders: Vec<[f32; 3]>,
    coarse: Field,
    medium: Field,
    fine: Field,
    septa: Field,
    strength: Field,
    striation: Field,
    tilt: f32,
    /// What keeps tilted coordinates from becoming negative, in pixels.
    above: f32,
    dark_from: f32,
    side: f32,
    levels_db: [f32; 4],
}

impl Tissue {
    fn new(random: &mut Random, size: (u32, u32)) -> Self {
        let wide = size.0 as f32;
        let skin = random.between(0.025, 0.05);
        let fat = random.between(0.13, 0.28);
        let gland = random.between(0.62, 0.82);
        let tall = (size.0, size.1 + (2.0 * MAX_TILT * wide) as u32);
        let mut field = |across: f32, down: f32| Field::new(random, size, (across, down));
        let waves = [field(wide / 3.0, 1e4), field(wide / 5.0, 1e4), field(wide / 3.0, 1e4)];
        let borders = (0..size.0)
            .map(|x| {
                let wave = |index: usize| waves[index].at(x as f32, 0.0);
                [skin + 0.003 * wave(0), fat + 0.04 * wave(1), gland + 0.04 * wave(2)]
            })
            .collect();
        Self {
            height: size.1 as f32,
            borders,
            coarse: field(wide / 6.0, wide / 14.0),
            medium: field(wide / 14.0, wide / 42.0),
            fine: field(wide / 42.0, wide / 80.0),
            strength: field(wide / 9.0, wide / 12.0),
            septa: Field::new(random, tall, (wide / 3.5, wide / 15.0)),
            striation: Field::new(random, tall, (wide / 4.0, wide / 85.0)),
            tilt: random.between(-MAX_TILT, MAX_TILT),
            above: MAX_TILT * wide,
            dark_from: random.between(0.6, 0.85),
            side: random.between(-1.0, 1.0),
            levels_db: [
                random.between(-19.0, -13.0),
                random.between(-36.0, -30.0),
                random.between(-30.0, -22.0),
                random.between(-36.0, -30.0),
            ],
        }
    }

    /// Brightness of the tissue at a point of the row that `textures` holds, in decibels.
    fn level_db(&self, textures: &Textures, x: f32, y: f32) -> f32 {
        let column = x as usize;
        let depth = y / self.height;
        let borders = self.borders[column];
        let soft = 0.012;
        let fat = smoothstep(borders[0] - soft / 3.0, borders[0] + soft / 3.0, depth);
        let gland = smoothstep(borders[1] - soft, borders[1] + soft, depth);
        let muscle = smoothstep(borders[2] - soft, borders[2] + soft, depth);

        let fine = textures.fine[column];
        let coarse = textures.coarse[column];
        let mut level = self.levels_db[0] + 1.5 * fine;
        if fat > 0.0 && muscle < 1.0 {
            // Septa shine where they lie across the beam, and fade along their way.
            let bent = y + self.above + self.tilt * x + 3.0 * fine + 5.0 * coarse;
            let septum = (1.0 - (self.septa.at(x, bent) * 8.0).abs()).max(0.0);
            let septum = septum * smoothstep(-0.4, 1.2, textures.strength[column]);
            let fat_db = self.levels_db[1] + 1.4 * coarse + 1.6 * fine + 15.0 * septum;
            level += fat * (fat_db - level);
            if gland > 0.0 {
                let medium = textures.medium[column];
                let gland_db =
                    self.levels_db[2] + 4.2 * coarse + 5.0 * medium + 2.6 * fine + 9.0 * septum;
                level += gland * (gland_db - level);
            }
        }
        if muscle > 0.0 {
            let stripe = self.striation.at(x, y + self.above + self.tilt * x + 6.0 * coarse);
            let muscle_db = self.levels_db[3] + 2.0 * coarse + 6.5 * stripe.max(-0.6) + 1.5 * fine;
            level += muscle * (muscle_db - level);
        }
        // A bright line where gland meets muscle, and along the skin's lower side.
        let fascia = 1.0 - ((depth - borders[2]) / 0.010).abs();
        let dermis = 1.0 - ((depth - borders[0]) / 0.006).abs();
        level += 9.0 * fascia.max(0.0) + 6.0 * dermis.max(0.0);
        let beyond = ((depth - self.dark_from) / (1.0 - self.dark_from)).max(0.0);
        let aside = (self.side * (x / self.height - 0.6)).max(0.0);
        level - 26.0 * beyond * beyond - 9.0 * aside
    }
}

/// The fields of a tissue along one row.
struct Textures {
    coarse: Vec<f32>,
    medium: Vec<f32>,
    fine: Vec<f32>,
    strength: Vec<f32>,
}

impl Textures {
    fn new(width: usize) -> Self {
        let row = || vec![0.0; width];
        Self { coarse: row(), medium: row(), fine: row(), strength: row() }
    }

    fn fill(&mut self, tissue: &Tissue, y: f32) {
        tissue.coarse.fill_row(y, &mut self.coarse);
        tissue.medium.fill_row(y, &mut self.medium);
        tissue.fine.fill_row(y, &mut self.fine);
        tissue.strength.fill_row(y, &mut self.strength);
    }
}

/// A lesion: an outline, what is inside, and what it does to the beam.
struct Lesion {
    x: f32,
    y: f32,
    radius_x: f32,
    radius_y: f32,
    cos: f32,
    sin: f32,
    outline: Vec<f32>,
    reach: f32,
    softness: f32,
    level_db: f32,
    texture_db: f32,
    texture: Field,
    rim_db: f32,
    rim_at: f32,
    rim_width: f32,
    cast_db: f32,
    specks: Vec<(f32, f32, f32)>,
    measured: bool,
}

/// What a lesion does at a point.
struct Seen {
    /// 1 at the outline, less inside.
    distance: f32,
    /// 1 inside, 0 outside, between at the edge.
    inside: f32,
    /// Brightness that its rim adds.
    rim_db: f32,
}

impl Lesion {
    /// Whether a column is near enough to look closer.
    fn reaches_column(&self, x: f32) -> bool {
        (x - self.x).abs() < self.reach * self.radius_x.max(self.radius_y)
    }

    /// Whether a row is near enough to look closer.
    fn reaches_row(&self, y: f32) -> bool {
        (y - self.y).abs() < self.reach * self.radius_x.max(self.radius_y)
    }

    fn look(&self, x: f32, y: f32) -> Seen {
        let (dx, dy) = (x - self.x, y - self.y);
        let u = (dx * self.cos + dy * self.sin) / self.radius_x;
        let v = (dy * self.cos - dx * self.sin) / self.radius_y;
        let place = angle_turns(v, u) * OUTLINE as f32;
        let step = place as usize % OUTLINE;
        let (here, next) = (self.outline[step], self.outline[(step + 1) % OUTLINE]);
        let radius = here + (place - place.floor()) * (next - here);
        let distance = (u * u + v * v).sqrt() / radius;
        let inside = 1.0 - smoothstep(1.0 - self.softness, 1.0 + self.softness, distance);
        let off = (distance - self.rim_at) / self.rim_width;
        // Smooth walls shine where the beam meets them squarely: above and below.
        let square_on = 0.35 + 0.65 * (v / (u * u + v * v).sqrt().max(1e-3)).abs();
        let rim_db = self.rim_db * square_on * (1.0 - off * off).max(0.0);
        Seen { distance, inside, rim_db }
    }

    fn echo_db(&self, x: f32, y: f32) -> f32 {
        let speck = |&(sx, sy, size): &(f32, f32, f32)| {
            let (dx, dy) = ((x - sx) / (1.6 * size), (y - sy) / size);
            24.0 * (1.0 - dx * dx - dy * dy).max(0.0)
        };
        let specks = self.specks.iter().map(speck).fold(0.0, f32::max);
        self.level_db + self.texture_db * self.texture.at(x, y) + specks
    }
}

/// The lesions of a phantom; a second one keeps clear of the first.
fn lesions(phantom: &PhantomImage) -> Vec<Lesion> {
    let random = &mut Random::new(phantom.seed, phantom.index, 6);
    let (width, height) = (phantom.width as f32, phantom.height as f32);
    let count = lesion_count(phantom.index);
    let mut lesions: Vec<Lesion> = Vec::new();
    for number in 0..count {
        let shrink = if count == 2 { 0.62 } else { 1.0 };
        let low = random.between(0.32, 0.62);
        let x = match (count, number) {
            (2, 0) => random.between(0.2, 0.34),
            (2, _) => random.between(0.66, 0.8),
            _ => random.between(0.28, 0.72),
        };
        let center = (x * width, low * height);
        let lesion = match phantom.diagnosis() {
            Diagnosis::Malignant => malignant(random, phantom, center, shrink),
            Diagnosis::Benign | Diagnosis::Normal => benign(random, phantom, center, shrink),
        };
        lesions.push(lesion);
    }
    lesions
}

fn benign(random: &mut Random, phantom: &PhantomImage, (x, y): (f32, f32), shrink: f32) -> Lesion {
    let width = phantom.width as f32;
    let radius_x = shrink * width * random.between(0.09, 0.21);
    let radius_y = radius_x * random.between(0.5, 0.82);
    let turn = random.between(-0.04, 0.04);
    let cyst = random.chance(0.4);
    let bumps = [(2, 0.05), (3, 0.05), (5, 0.025)];
    let level_db = if cyst { random.between(-58.0, -50.0) } else { random.between(-45.0, -39.0) };
    Lesion {
        x,
        y,
        radius_x,
        radius_y,
        cos: cos_turns(turn),
        sin: sin_turns(turn),
        outline: outline(random, &bumps, 0),
        reach: 1.5,
        softness: random.between(0.03, 0.09),
        level_db,
        texture_db: if cyst { 1.0 } else { 2.4 },
        texture: Field::new(random, (phantom.width, phantom.height), (width / 40.0, width / 55.0)),
        rim_db: random.between(1.0, 8.0),
        rim_at: 1.05,
        rim_width: 0.06,
        cast_db: if cyst { random.between(3.5, 6.0) } else { random.between(-1.0, 2.5) },
        specks: Vec::new(),
        measured: random.chance(0.1),
    }
}

fn malignant(
    random: &mut Random,
    phantom: &PhantomImage,
    (x, y): (f32, f32),
    shrink: f32,
) -> Lesion {
    let width = phantom.width as f32;
    let radius_x = shrink * width * random.between(0.11, 0.19);
    let radius_y = radius_x * random.between(0.75, 1.15);
    let turn = random.between(-0.08, 0.08);
    let bumps = [(2, 0.11), (3, 0.10), (5, 0.07), (8, 0.05), (13, 0.03)];
    let spicules = 2 + random.below(8);
    let outline = outline(random, &bumps, spicules);
    let texture_cell = (width / 30.0, width / 42.0);
    let texture = Field::new(random, (phantom.width, phantom.height), texture_cell);
    let specks = (0..random.below(7))
        .map(|_| {
            let (turns, part) = (random.unit(), random.between(0.0, 0.55));
            let sx = x + radius_x * part * cos_turns(turns);
            let sy = y + radius_y * part * sin_turns(turns);
            (sx, sy, random.between(1.2, 2.4))
        })
        .collect();
    Lesion {
        x,
        y,
        radius_x,
        radius_y,
        cos: cos_turns(turn),
        sin: sin_turns(turn),
        outline,
        reach: 2.1,
        softness: random.between(0.10, 0.24),
        level_db: random.between(-50.0, -42.0),
        texture_db: random.between(2.6, 4.4),
        texture,
        rim_db: random.between(3.0, 7.0),
        rim_at: 1.22,
        rim_width: 0.22,
        cast_db: random.between(-13.0, -5.0),
        specks,
        measured: random.chance(0.1),
    }
}

/// Radius around a lesion, about 1: waves of given strength, and spikes.
fn outline(random: &mut Random, bumps: &[(u32, f32)], spicules: u32) -> Vec<f32> {
    let waves: Vec<(f32, f32, f32)> = bumps
        .iter()
        .map(|&(count, strength)| {
            (count as f32, strength * random.between(0.4, 1.3), random.unit())
        })
        .collect();
    let spikes: Vec<(f32, f32, f32)> = (0..spicules)
        .map(|_| (random.unit(), random.between(0.08, 0.34), random.between(0.018, 0.05)))
        .collect();
    (0..OUTLINE)
        .map(|step| {
            let turns = step as f32 / OUTLINE as f32;
            let wave = waves
                .iter()
                .map(|&(count, strength, phase)| strength * sin_turns(count * turns + phase));
            let spike = spikes.iter().map(|&(at, length, width)| {
                let away = (turns - at).abs();
                length * (1.0 - away.min(1.0 - away) / width).max(0.0)
            });
            1.0 + wave.sum::<f32>() + spike.fold(0.0, f32::max)
        })
        .collect()
}

/// Crosses at both ends of a lesion and dots between, as a sonographer leaves them.
fn draw_callipers(image: &mut RgbImage, lesion: &Lesion) {
    let mut put = |x: f32, y: f32| {
        let (x, y) = (x as i64, y as i64);
        if (0..i64::from(image.width())).contains(&x) && (0..i64::from(image.height())).contains(&y)
        {
            image.put_pixel(x as u32, y as u32, Rgb([225; 3]));
        }
    };
    let along = |part: f32| {
        let reach = lesion.radius_x * part;
        (lesion.x + reach * lesion.cos, lesion.y + reach * lesion.sin)
    };
    for end in [along(-1.0), along(1.0)] {
        for arm in -4i8..=4 {
            put(end.0 + f32::from(arm), end.1);
            put(end.0, end.1 + f32::from(arm));
        }
    }
    let dots = (lesion.radius_x / 3.0) as i16;
    for dot in -dots..=dots {
        let (x, y) = along(f32::from(dot) / f32::from(dots.max(1)));
        put(x, y);
    }
}
