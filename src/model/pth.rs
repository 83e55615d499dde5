//! Weights as `torch.save` writes a `state_dict`: a zip archive of a pickle, which names the tensors, and
//! of each tensor's numbers. PyTorch reads it with `weights_only=True`.

use std::io::{Cursor, Write};

use safetensors::{Dtype, SafeTensors};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Result};

/// The archive for tensors of a safetensors file, in order of their names.
///
/// # Errors
/// A tensor that is not of float32 numbers, or too many of them.
pub fn archive(tensors: &SafeTensors) -> Result<Vec<u8>> {
    let mut named: Vec<_> = tensors.tensors();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut pickle = Pickle::new();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let failed =
        |error: &dyn std::fmt::Display| Error::failed(format!("cannot write the archive: {error}"));
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("model/{name}"), stored).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))
    };
    for (key, (name, tensor)) in named.iter().enumerate() {
        if tensor.dtype() != Dtype::F32 {
            return Err(Error::failed(format!("{name}: {:?} is not float32", tensor.dtype())));
        }
        pickle.tensor(name, key, tensor.shape())?;
        add(&format!("data/{key}"), tensor.data())?;
    }
    add("data.pkl", &pickle.finished())?;
    add("byteorder", b"little")?;
    add("version", b"3\n")?;
    let archive = zip.finish().map_err(|error| failed(&error))?;
    Ok(archive.into_inner())
}

/// An `OrderedDict` of tensors in the making, in protocol 2.
struct Pickle(Vec<u8>);

const PROTOCOL: &[u8] = b"\x80\x02";
const MARK: u8 = b'(';
const TUPLE: u8 = b't';
const REDUCE: u8 = b'R';
const EMPTY_TUPLE: u8 = b')';
const PERSISTENT_ID: u8 = b'Q';
const FALSE: u8 = 0x89;
const SET_ITEMS: u8 = b'u';
const STOP: u8 = b'.';

impl Pickle {
    fn new() -> Self {
        let mut pickle = Self(PROTOCOL.to_vec());
        pickle.empty_dict();
        pickle.0.push(MARK);
        pickle
    }

    /// `name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
    fn tensor(&mut self, name: &str, key: usize, shape: &[usize]) -> Result<()> {
        let numbers = shape.iter().product::<usize>();
        if i32::try_from(numbers).is_err() {
            return Err(Error::failed(format!("{name}: {numbers} numbers are too many")));
        }
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        self.text(name);
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.push(MARK);
        self.0.push(MARK);
        self.text("storage");
        self.global("torch", "FloatStorage");
        self.text(&key.to_string());
        self.text("cpu");
        self.number(numbers);
        self.0.extend([TUPLE, PERSISTENT_ID]);
        self.number(0);
        self.numbers(shape);
        self.numbers(&strides);
        self.0.push(FALSE);
        self.empty_dict();
        self.0.extend([TUPLE, REDUCE]);
        Ok(())
    }

    fn finished(mut self) -> Vec<u8> {
        self.0.extend([SET_ITEMS, STOP]);
        self.0
    }

    fn empty_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend([EMPTY_TUPLE, REDUCE]);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
    }

    /// One that fits into four bytes, which [`tensor`](Self::tensor) makes sure of.
    fn number(&mut self, number: usize) {
        self.0.push(b'J');
        self.0.extend((number as i32).to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[usize]) {
        self.0.push(MARK);
        for &number in numbers {
            self.number(number);
        }
        self.0.push(TUPLE);
    }
}
