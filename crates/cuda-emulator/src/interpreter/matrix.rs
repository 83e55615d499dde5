//! Matrix units. Products are summed in double precision and rounded once.

use super::Fault;
use super::access::{read, write};
use super::lanes::{FULL, LANES, Slot};
use super::memory::Memory;
use super::number::{from_half, to_half};
use super::warp::Warp;
use crate::compile::{Address, Fragment, Matrix, Product};
use crate::ptx::{Space, Type};

impl Warp {
    /// Runs an instruction of matrix units.
    pub(crate) fn matrix(
        &mut self,
        memory: &Memory,
        matrix: &Matrix,
        mask: u32,
    ) -> Result<(), Fault> {
        if mask != FULL {
            return Err(Fault::failed(format!("a matrix instruction of the lanes {mask:#x}")));
        }
        match matrix {
            Matrix::Load { fragment, space, values, address, stride } => {
                self.load_fragment(memory, fragment, *space, values, address, *stride)
            }
            Matrix::Store { fragment, space, values, address, stride } => {
                self.store_fragment(memory, fragment, *space, values, address, *stride)
            }
            Matrix::Product(product) if product.known_layout => self.mma(product),
            Matrix::Product(product) => self.wmma(product),
            Matrix::LoadTiles { transposed, values, address } => {
                self.tiles(memory, values, address, *transposed, true)
            }
            Matrix::StoreTiles { transposed, values, address } => {
                self.tiles(memory, values, address, *transposed, false)
            }
        }
    }

    fn bits(&self, slot: Slot, lane: usize) -> u32 {
        self.registers.lanes::<u32>(slot)[lane]
    }

    fn set_bits(&mut self, slot: Slot, lane: usize, bits: u32) {
        self.registers.lanes_mut::<u32>(slot)[lane] = bits;
    }

    /// Bytes from the first element of a fragment to each other one, and its base.
    fn fragment_places(
        &self,
        fragment: &Fragment,
        space: Space,
        address: &Address,
        stride: Option<Slot>,
    ) -> (u64, impl Fn(usize, usize) -> u64 + use<>) {
        let base = self.address(space, address, 0);
        let packed = if fragment.row_major { fragment.columns } else { fragment.rows };
        let stride = stride.map_or(packed, |slot| self.bits(slot, 0) as usize);
        let (row_major, bytes) = (fragment.row_major, fragment.type_.bytes());
        let place = move |row: usize, column: usize| {
            let index = if row_major { row * stride + column } else { column * stride + row };
            (index * bytes) as u64
        };
        (base, place)
    }

    fn load_fragment(
        &mut self,
        memory: &Memory,
        fragment: &Fragment,
        space: Space,
        values: &[Slot],
        address: &Address,
        stride: Option<Slot>,
    ) -> Result<(), Fault> {
        let (base, place) = self.fragment_places(fragment, space, address, stride);
        let holder = Holder::new(fragment.rows * fragment.columns, fragment.type_, values)?;
        values.iter().for_each(|slot| *self.registers.lanes_mut::<u32>(*slot) = [0; LANES]);
        let bytes = fragment.type_.bytes();
        for row in 0..fragment.rows {
            for column in 0..fragment.columns {
                let at = base.wrapping_add(place(row, column));
                let at = self.resolve(memory, space, 0, at, bytes)?;
                // SAFETY: `resolve` checked the address and its alignment.
                let bits = unsafe { read(at, bytes) } as u32;
                let (lane, slot, shift) = holder.place(row * fragment.columns + column);
                let old = self.bits(slot, lane);
                self.set_bits(slot, lane, old | bits << shift);
            }
        }
        Ok(())
    }

    fn store_fragment(
        &mut self,
        memory: &Memory,
        fragment: &Fragment,
        space: Space,
        values: &[Slot],
        address: &Address,
        stride: Option<Slot>,
    ) -> Result<(), Fault> {
        let (base, place) = self.fragment_places(fragment, space, address, stride);
        let holder = Holder::new(fragment.rows * fragment.columns, fragment.type_, values)?;
        let bytes = fragment.type_.bytes();
        for row in 0..fragment.rows {
            for column in 0..fragment.columns {
                let (lane, slot, shift) = holder.place(row * fragment.columns + column);
                let bits = self.bits(slot, lane) >> shift;
                let at = base.wrapping_add(place(row, column));
                let at = self.resolve(memory, space, 0, at, bytes)?;
                // SAFETY: `resolve` checked the address and its alignment.
                unsafe { write(at, bytes, bits.into()) };
            }
        }
        Ok(())
    }

    fn wmma(&mut self, product: &Product) -> Result<(), Fault> {
        let (m, n, k) = (product.shape.m, product.shape.n, product.shape.k);
        let sizes = [m * n, m * k, k * n, m * n];
        let mut sources = [vec![], vec![], vec![], vec![]];
        for index in 1..4 {
            let type_ = product.types[index];
            let holder = Holder::new(sizes[index], type_, &product.values[index])?;
            sources[index] = (0..sizes[index])
                .map(|element| {
                    let (lane, slot, shift) = holder.place(element);
                    decoded(type_, self.bits(slot, lane) >> shift)
                })
                .collect();
        }
        let result = multiplied(&sources[1], &sources[2], &sources[3], m, n, k);
        let (type_, slots) = (product.types[0], &product.values[0]);
        let holder = Holder::new(m * n, type_, slots)?;
        slots.iter().for_each(|slot| *self.registers.lanes_mut::<u32>(*slot) = [0; LANES]);
        for (element, value) in result.iter().enumerate() {
            let (lane, slot, shift) = holder.place(element);
            let old = self.bits(slot, lane);
            self.set_bits(slot, lane, old | encoded(type_, *value) << shift);
        }
        Ok(())
    }

    /// `mma.m16n8k*`: four lanes share a row of a, a column of b and two numbers of c.
    fn mma(&mut self, product: &Product) -> Result<(), Fault> {
        let (m, n, k) = (product.shape.m, product.shape.n, product.shape.k);
        let [_, a_type, b_type, c_type] = product.types;
        let [d, a, b, c] = &product.values;
        let per = halves(a_type);
        let of_halves = |type_| 4 / halves(type_);
        if a.len() * 32 * per != m * k
            || b.len() * 32 * per != k * n
            || c.len() != of_halves(c_type)
            || d.len() != of_halves(product.types[0])
        {
            return Err(Fault::failed("registers of mma do not fit its shape"));
        }
        let (mut av, mut bv, mut cv) = (vec![0.0; m * k], vec![0.0; k * n], vec![0.0; m * n]);
        let c_place = |lane: usize, element: usize| {
            (lane / 4 + 8 * (element / 2)) * n + lane % 4 * 2 + element % 2
        };
        for lane in 0..LANES {
            let (group, member) = (lane / 4, lane % 4);
            for half in 0..per {
                let value =
                    |slot: Slot, type_| decoded(type_, self.bits(slot, lane) >> (16 * half));
                for (index, slot) in a.iter().enumerate() {
                    let row = group + 8 * (index % 2);
                    let column = member * per + half + index / 2 * 4 * per;
                    av[row * k + column] = value(*slot, a_type);
                }
                for (index, slot) in b.iter().enumerate() {
                    let row = member * per + half + index * 4 * per;
                    bv[row * n + group] = value(*slot, b_type);
                }
            }
            for element in 0..4 {
                let per = halves(c_type);
                let bits = self.bits(c[element / per], lane) >> (16 * (element % per));
                cv[c_place(lane, element)] = decoded(c_type, bits);
            }
        }
        let result = multiplied(&av, &bv, &cv, m, n, k);
        let type_ = product.types[0];
        for lane in 0..LANES {
            let bits = |element| encoded(type_, result[c_place(lane, element)]);
            if halves(type_) == 2 {
                let pairs = [bits(0) | bits(1) << 16, bits(2) | bits(3) << 16];
                (0..2).for_each(|index| self.set_bits(d[index], lane, pairs[index]));
            } else {
                let numbers = [bits(0), bits(1), bits(2), bits(3)];
                (0..4).for_each(|index| self.set_bits(d[index], lane, numbers[index]));
            }
        }
        Ok(())
    }

    /// `ldmatrix` and `stmatrix`: tiles of 8 by 8 halves, whose rows 8 lanes give the addresses of.
    fn tiles(
        &mut self,
        memory: &Memory,
        values: &[Slot],
        address: &Address,
        transposed: bool,
        loads: bool,
    ) -> Result<(), Fault> {
        // The register of the addresses may be one of those that are written.
        let rows: [u64; LANES] =
            std::array::from_fn(|lane| self.address(Space::Shared, address, lane));
        for (index, slot) in values.iter().enumerate().take(4) {
            for row in 0..8 {
                let giver = index * 8 + row;
                let at = rows[giver];
                let at = self.resolve(memory, Space::Shared, giver, at, 16)?;
                for column in 0..8 {
                    let (x, y) = if transposed { (column, row) } else { (row, column) };
                    let (lane, shift) = (4 * x + y / 2, 16 * (y % 2));
                    let old = self.bits(*slot, lane);
                    // SAFETY: the 16 bytes of a row were checked.
                    let at = unsafe { at.add(2 * column) };
                    if loads {
                        // SAFETY: as above.
                        let half = unsafe { read(at, 2) } as u32;
                        self.set_bits(*slot, lane, old & !(0xffff << shift) | half << shift);
                    } else {
                        // SAFETY: as above.
                        unsafe { write(at, 2, (old >> shift).into()) };
                    }
                }
            }
        }
        Ok(())
    }
}

/// Numbers of this type in a register.
fn halves(type_: Type) -> usize {
    if type_.bytes() == 2 { 2 } else { 1 }
}

/// Where the elements of a `wmma` fragment lie, which no program may know.
struct Holder<'v> {
    values: &'v [Slot],
    used: usize,
    per: usize,
}

impl<'v> Holder<'v> {
    fn new(elements: usize, type_: Type, values: &'v [Slot]) -> Result<Self, Fault> {
        let per = halves(type_);
        let used = (elements / LANES).div_ceil(per).max(1);
        if used > values.len() {
            return Err(Fault::failed("registers of a fragment do not fit its shape"));
        }
        Ok(Self { values, used, per })
    }

    /// Lane, register and shift.
    fn place(&self, element: usize) -> (usize, Slot, u32) {
        let lane = element / (self.per * self.used) % LANES;
        let slot = self.values[element / self.per % self.used];
        (lane, slot, 16 * (element % self.per) as u32)
    }
}

/// What the units read of the bits of a number.
fn decoded(type_: Type, bits: u32) -> f32 {
    match type_ {
        Type::F16 | Type::Bf16 => from_half(type_, bits as u16),
        Type::Tf32 => f32::from_bits(bits & 0xffff_e000),
        _ => f32::from_bits(bits),
    }
}

fn encoded(type_: Type, value: f64) -> u32 {
    match type_ {
        Type::F16 => to_half(type_, value).into(),
        _ => (value as f32).to_bits(),
    }
}

fn multiplied(a: &[f32], b: &[f32], c: &[f32], m: usize, n: usize, k: usize) -> Vec<f64> {
    let mut result = Vec::with_capacity(m * n);
    for row in 0..m {
        for column in 0..n {
            let products = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + column]));
            result.push(products.sum::<f64>() + f64::from(c[row * n + column]));
        }
    }
    result
}
