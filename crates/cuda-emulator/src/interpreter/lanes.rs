//! Registers of a warp, and functions that compute 32 lanes at a time.

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;

/// The mask of all lanes.
pub(crate) const FULL: u32 = u32::MAX;

/// A number that a register holds for each lane.
pub(crate) trait Lane: Copy + Default + 'static {}
impl Lane for u16 {}
impl Lane for i16 {}
impl Lane for u32 {}
impl Lane for i32 {}
impl Lane for u64 {}
impl Lane for i64 {}
impl Lane for f32 {}
impl Lane for f64 {}

/// Where the lanes of a register lie: the number of its first line.
pub(crate) type Slot = u32;

/// 64 bytes: 32 lanes of 16 bits. A register has 1, 2 or 4 lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "lanes are read through pointers")] [u8; 64]);

/// The registers of a warp. The compiler hands out slots; see `compile::Layout`.
pub(crate) struct Registers {
    lines: Vec<Line>,
    /// One bit a lane.
    pub(crate) predicates: Vec<u32>,
    /// The carry of `add.cc`, one bit a lane.
    pub(crate) carry: u32,
}

impl Registers {
    /// Registers that are all zero.
    pub(crate) fn new(lines: u32, predicates: u32) -> Self {
        // Three lines more than were handed out, so that no width of access passes the end.
        let lines = vec![Line([0; 64]); lines as usize + 3];
        Self { lines, predicates: vec![0; predicates as usize], carry: 0 }
    }

    /// The lanes of a register.
    #[inline(always)]
    pub(crate) fn lanes<T: Lane>(&self, slot: Slot) -> &[T; LANES] {
        debug_assert!((slot as usize) + size_of::<[T; LANES]>() / 64 <= self.lines.len());
        // SAFETY: the compiler hands out slots below the number of lines that `new` was told, `new`
        // adds what the widest access reads beyond the last of them, lines are aligned to 64 bytes,
        // and every pattern of bits is a number.
        unsafe { &*self.lines.as_ptr().add(slot as usize).cast() }
    }

    /// The lanes of a register, to be written.
    #[inline(always)]
    pub(crate) fn lanes_mut<T: Lane>(&mut self, slot: Slot) -> &mut [T; LANES] {
        debug_assert!((slot as usize) + size_of::<[T; LANES]>() / 64 <= self.lines.len());
        // SAFETY: as in `lanes`, and `self` is borrowed for as long as the lanes are.
        unsafe { &mut *self.lines.as_mut_ptr().add(slot as usize).cast() }
    }

    /// Writes the lanes of a mask.
    #[inline(always)]
    pub(crate) fn write<T: Lane>(&mut self, slot: Slot, mask: u32, values: &[T; LANES]) {
        let lanes = self.lanes_mut(slot);
        if mask == FULL {
            *lanes = *values;
        } else {
            for lane in 0..LANES {
                lanes[lane] = if mask >> lane & 1 != 0 { values[lane] } else { lanes[lane] };
            }
        }
    }

    /// Writes a predicate in the lanes of a mask.
    #[inline(always)]
    pub(crate) fn write_predicate(&mut self, predicate: u32, mask: u32, value: u32) {
        let old = &mut self.predicates[predicate as usize];
        *old = *old & !mask | value & mask;
    }
}

/// The lanes of a mask, lowest first.
#[inline(always)]
pub(crate) fn lanes_of(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (lane < LANES).then_some(lane)
    })
}

/// Operands of a function on lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operands {
    pub(crate) d: Slot,
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) c: Slot,
    /// A fourth source (`bfi`).
    pub(crate) e: Slot,
    /// [`FTZ`] and others, or the table of `lop3`.
    pub(crate) flags: u8,
}

/// Numbers too small for a normal exponent are zero (`.ftz`).
pub(crate) const FTZ: u8 = 1;
/// Results lie between 0 and 1 (`.sat`).
pub(crate) const SAT: u8 = 2;
/// Negative results are zero (`.relu`).
pub(crate) const RELU: u8 = 4;

/// Computes the lanes of a mask.
///
/// # Safety
/// The processor must have the instructions that the function was compiled for; [`for_processor`]
/// chooses by them.
pub(crate) type LaneFunction = unsafe fn(&mut Registers, &Operands, u32);

/// Whether the processor has the instructions of `wide` functions.
pub(crate) fn has_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::OnceLock;
        static HAS: OnceLock<bool> = OnceLock::new();
        *HAS.get_or_init(|| {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Of two compilations of a function the one for this processor.
pub(crate) fn for_processor<T>(plain: T, wide: T) -> T {
    if has_wide() { wide } else { plain }
}

/// A function item that is compiled twice, for any processor and for one with AVX2 and FMA, and
/// chosen by the processor.
macro_rules! compiled_twice {
    ($type:ty, ($($name:ident: $argument:ty),*) $(-> $result:ty)?, $body:expr) => {{
        fn plain($($name: $argument),*) $(-> $result)? { $body }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
        fn wide($($name: $argument),*) $(-> $result)? { $body }
        #[cfg(not(target_arch = "x86_64"))]
        use plain as wide;
        $crate::interpreter::lanes::for_processor(plain as $type, wide as $type)
    }};
}

/// A [`LaneFunction`] from the definition for one lane: `lanes!(|x: f32, y: f32| -> f32 { x + y })`.
/// With a name first, `lanes!(o, |x: ..| ..)`, the definition sees its operands.
macro_rules! lanes {
    (|$($rest:tt)*) => { lanes!(_operands, |$($rest)*) };
    ($o:ident, |$x:ident: $a:ty| -> $d:ty $body:block) => {
        compiled_twice!($crate::interpreter::lanes::LaneFunction,
            (r: &mut $crate::interpreter::lanes::Registers,
             $o: &$crate::interpreter::lanes::Operands, mask: u32),
            $crate::interpreter::lanes::map1(r, $o, mask, |$x: $a| -> $d { $body }))
    };
    ($o:ident, |$x:ident: $a:ty, $y:ident: $b:ty| -> $d:ty $body:block) => {
        compiled_twice!($crate::interpreter::lanes::LaneFunction,
            (r: &mut $crate::interpreter::lanes::Registers,
             $o: &$crate::interpreter::lanes::Operands, mask: u32),
            $crate::interpreter::lanes::map2(r, $o, mask, |$x: $a, $y: $b| -> $d { $body }))
    };
    ($o:ident, |$x:ident: $a:ty, $y:ident: $b:ty, $z:ident: $c:ty| -> $d:ty $body:block) => {
        compiled_twice!($crate::interpreter::lanes::LaneFunction,
            (r: &mut $crate::interpreter::lanes::Registers,
             $o: &$crate::interpreter::lanes::Operands, mask: u32),
            $crate::interpreter::lanes::map3(r, $o, mask, |$x: $a, $y: $b, $z: $c| -> $d { $body }))
    };
    ($o:ident, |$x:ident: $a:ty, $y:ident: $b:ty, $z:ident: $c:ty, $w:ident: $e:ty| -> $d:ty $body:block) => {
        compiled_twice!($crate::interpreter::lanes::LaneFunction,
            (r: &mut $crate::interpreter::lanes::Registers,
             $o: &$crate::interpreter::lanes::Operands, mask: u32),
            $crate::interpreter::lanes::map4(r, $o, mask,
                |$x: $a, $y: $b, $z: $c, $w: $e| -> $d { $body }))
    };
}

/// Below this many lanes each is computed by itself, else all 32 and those of the mask kept.
const FEW: u32 = 4;

macro_rules! map {
    ($name:ident, $($source:ident: $type:ident),*) => {
        /// Applies a function to each lane of the mask.
        #[inline(always)]
        pub(crate) fn $name<$($type: Lane,)* D: Lane>(
            registers: &mut Registers,
            operands: &Operands,
            mask: u32,
            function: impl Fn($($type),*) -> D,
        ) {
            if mask.count_ones() <= FEW {
                for lane in lanes_of(mask) {
                    let value = function($(registers.lanes::<$type>(operands.$source)[lane]),*);
                    registers.lanes_mut(operands.d)[lane] = value;
                }
                return;
            }
            // Written after all is read: the destination may be a source.
            let mut values = [D::default(); LANES];
            {
                $(let $source = registers.lanes::<$type>(operands.$source);)*
                for lane in 0..LANES {
                    values[lane] = function($($source[lane]),*);
                }
            }
            registers.write(operands.d, mask, &values);
        }
    };
}

map!(map1, a: A);
map!(map2, a: A, b: B);
map!(map3, a: A, b: B, c: C);
map!(map4, a: A, b: B, c: C, e: E);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lanes_of_the_mask_are_written() {
        let add = lanes!(|x: u32, y: u32| -> u32 { x + y });
        for mask in [0, 1, 0x8000_0001, 0xffff, FULL] {
            let mut registers = Registers::new(4, 0);
            *registers.lanes_mut::<u32>(0) = std::array::from_fn(|lane| lane as u32);
            *registers.lanes_mut::<u32>(2) = [7; LANES];
            let operands = Operands { d: 2, a: 0, b: 2, ..Operands::default() };
            // SAFETY: `lanes!` chose by this processor.
            unsafe { add(&mut registers, &operands, mask) };
            for (lane, value) in registers.lanes::<u32>(2).iter().enumerate() {
                let expected = if mask >> lane & 1 != 0 { lane as u32 + 7 } else { 7 };
                assert_eq!(*value, expected, "mask {mask:x}, lane {lane}");
            }
        }
    }
}
