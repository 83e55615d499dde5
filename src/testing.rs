//! What tests share: where real data and fixtures are, the GPU, and tensors that cannot be read.

use std::path::{Path, PathBuf};

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{DType, Device, Shape, Tensor};
use burn_std::Bytes;

/// The folder with real data beside the repository, or `None` with the reason printed.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = match std::env::var_os("ONCOSPEC_SHARED") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let data = root.join("data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: no real data at {}", data.display());
    None
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let root = option_env!("ONCOSPEC_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    );
    root.join(name)
}

/// The GPU on which tests are to compute too, where `TEST_ON_GPU` is set: there or emulated. Else the reason to
/// skip them is printed.
pub(crate) fn gpu() -> Option<Device> {
    if std::env::var_os("TEST_ON_GPU").is_none() {
        eprintln!("skipped: TEST_ON_GPU is not set");
        return None;
    }
    crate::device::keep_gpu_kernels();
    Some(Device::cuda(0))
}

/// A tensor whose numbers lie in a file that is not there, as where a device failed.
pub(crate) fn unreadable<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let bytes = shape.iter().product::<usize>() * size_of::<f32>();
    let bytes = Bytes::from_file("/nowhere/at/all", bytes as u64, 0);
    let tensor = FlexTensor::new(bytes, Layout::contiguous(Shape::new(shape)), DType::F32);
    let mut dispatch = Tensor::<D>::zeros(shape, &Device::flex()).into_dispatch();
    dispatch.kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
    Tensor::from_dispatch(dispatch)
}
