//! Instructions of matrix units.

use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::ptx::{Operand, Type};

impl<'a> Compiler<'_, '_, 'a> {
    /// Decodes an instruction of matrix units.
    pub(super) fn matrix(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        op.ignore(&["sync", "aligned"]);
        let matrix = match op.name {
            "ldmatrix" | "stmatrix" => self.tiles(op, o)?,
            "wmma" if op.has("load") => self.fragment(op, o, true)?,
            "wmma" if op.has("store") => self.fragment(op, o, false)?,
            _ => Matrix::Product(self.product(op, o)?),
        };
        Ok(Operation::Matrix(Box::new(matrix)))
    }

    fn tiles(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded<Matrix> {
        let loads = op.name == "ldmatrix";
        let (address, values) = if loads { (o.get(1), o.first()) } else { (o.first(), o.get(1)) };
        let (address, values) = (self.address(address)?.0, self.slots(values, 4)?);
        op.ignore(&["m8n8", "x1", "x2", "x4", "shared", "shared::cta"]);
        if !op.take("b16") {
            return Err("type".into());
        }
        let transposed = op.take("trans");
        Ok(if loads {
            Matrix::LoadTiles { transposed, values, address }
        } else {
            Matrix::StoreTiles { transposed, values, address }
        })
    }

    fn fragment(&mut self, op: &mut Opcode, o: &[Operand<'a>], loads: bool) -> Decoded<Matrix> {
        op.ignore(&["load", "store"]);
        let which =
            op.take_as(|word| matches!(word, "a" | "b" | "c" | "d").then(|| word.to_string()));
        let shape = op.take_as(shape).ok_or("shape")?;
        let (rows, columns) = match which.as_deref() {
            Some("a") => (shape.m, shape.k),
            Some("b") => (shape.k, shape.n),
            Some(_) => (shape.m, shape.n),
            None => return Err("matrix".into()),
        };
        let row_major = op.take("row");
        if !row_major && !op.take("col") {
            return Err("layout".into());
        }
        let type_ = op.type_()?;
        if !type_.is_float() || type_ == Type::F64 {
            return Err("type".into());
        }
        let space = op.space();
        let (address, values) = if loads { (o.get(1), o.first()) } else { (o.first(), o.get(1)) };
        let (address, values) = (self.address(address)?.0, self.slots(values, 4)?);
        let stride = if o.len() > 2 { Some(self.register(o.get(2), 4)?) } else { None };
        let fragment = Fragment { rows, columns, row_major, type_ };
        Ok(if loads {
            Matrix::Load { fragment, space, values, address, stride }
        } else {
            Matrix::Store { fragment, space, values, address, stride }
        })
    }

    fn product(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded<Product> {
        let known_layout = op.name == "mma";
        if !known_layout && !op.take("mma") {
            return Err("operation".into());
        }
        let shape = op.take_as(shape).ok_or("shape")?;
        let rows = op.take("row");
        let columns = op.take("col");
        if known_layout && !(rows && columns) {
            return Err("layout".into());
        }
        // Fragments of `wmma` lie in the layout of this program whatever it was in memory.
        op.ignore(&["row", "col"]);
        let types = match op.types()[..] {
            [d, a, b, c] => [d, a, b, c],
            [d, c] => [d, Type::F16, Type::F16, c],
            _ => return Err("types".into()),
        };
        let inputs = [Type::F16, Type::Bf16, Type::Tf32];
        let results = [Type::F32, Type::F16];
        let fits = types[1] == types[2]
            && inputs.contains(&types[1])
            && results.contains(&types[0])
            && results.contains(&types[3]);
        if !fits || known_layout && (shape.m, shape.n) != (16, 8) {
            return Err("types or shape".into());
        }
        let values = [
            self.slots(o.first(), 4)?,
            self.slots(o.get(1), 4)?,
            self.slots(o.get(2), 4)?,
            self.slots(o.get(3), 4)?,
        ];
        Ok(Product { known_layout, shape, types, values })
    }
}

/// `m16n8k16`
fn shape(word: &str) -> Option<Shape> {
    let (m, rest) = word.strip_prefix('m')?.split_once('n')?;
    let (n, k) = rest.split_once('k')?;
    Some(Shape { m: m.parse().ok()?, n: n.parse().ok()?, k: k.parse().ok()? })
}
