//! What can be missing to compute on GPUs, and what mends it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why GPUs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "said", rename_all = "kebab-case")]
pub enum Failure {
    /// There is no `libcuda.so.1`.
    NoLibrary,
    /// The library is there, and the driver does not answer.
    NotLoaded(String),
    /// The driver works, and shows no GPU.
    NoneVisible,
    /// An index that is too large, and how many GPUs there are.
    NoSuchGpu(usize, usize),
    /// NVRTC is not there.
    NoCompiler,
    /// NVRTC is there, and its builtins are not.
    NoBuiltins(String),
    /// NVRTC does not compile a kernel.
    CompilerFails(String),
    /// There is no folder of a CUDA toolkit, without which Burn compiles nothing.
    NoToolkit,
    /// The driver refuses what NVRTC makes: versions of both.
    NewerThanDriver(String, Option<String>),
    /// A product came out wrong.
    WrongProduct(String),
    /// Seconds after which it was given up.
    TookTooLong(u64),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLibrary => formatter.write_str(
                "there is no NVIDIA driver on this machine: its library libcuda.so.1 was not found",
            ),
            Self::NotLoaded(said) => write!(
                formatter,
                "the NVIDIA driver is installed and not loaded ({said}): its kernel module does not answer, or is of \
                 another version than libcuda.so.1; a restart after an update mends that"
            ),
            Self::NoneVisible => formatter.write_str(
                "the NVIDIA driver shows no GPU to this process; CUDA_VISIBLE_DEVICES, or the container, may hide them",
            ),
            Self::NoSuchGpu(index, 1) => {
                write!(formatter, "there is no cuda:{index}: CUDA sees one GPU, cuda:0")
            }
            Self::NoSuchGpu(index, visible) => write!(
                formatter,
                "there is no cuda:{index}: CUDA sees {visible} GPUs, cuda:0 to cuda:{}",
                visible - 1
            ),
            Self::NoCompiler => formatter.write_str(
                "NVRTC, which compiles kernels, was not found: install a CUDA toolkit, or its package cuda-nvrtc, and \
                 name the folder of libnvrtc.so in LD_LIBRARY_PATH",
            ),
            Self::NoBuiltins(said) => write!(
                formatter,
                "NVRTC's builtins were not found ({said}): libnvrtc-builtins.so of the same version must lie beside \
                 libnvrtc.so"
            ),
            Self::CompilerFails(said) => write!(formatter, "NVRTC does not compile a kernel: {said}"),
            Self::NoToolkit => formatter.write_str(
                "no folder of a CUDA toolkit was found, from which kernels include headers: name it in CUDA_PATH",
            ),
            Self::NewerThanDriver(compiler, driver) => {
                write!(formatter, "the driver refuses what NVRTC compiled: NVRTC is newer than the driver ")?;
                match driver {
                    Some(driver) => write!(formatter, "(NVRTC {compiler}; driver {driver})")?,
                    None => write!(formatter, "(NVRTC {compiler})")?,
                }
                formatter.write_str("; install a newer driver, or the NVRTC of an older CUDA toolkit")
            }
            Self::WrongProduct(said) => write!(formatter, "a product of matrices came out wrong: {said}"),
            Self::TookTooLong(seconds) => {
                write!(formatter, "a product of matrices took longer than {seconds} s")
            }
            Self::Other(said) => write!(formatter, "a test of the GPU failed: {said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_is_missing_and_what_mends_it() {
        let driver = Some("535.54, for CUDA 12.2".into());
        for (failure, parts) in [
            (Failure::NoLibrary, ["libcuda.so.1", "no NVIDIA driver"]),
            (Failure::NotLoaded("999".into()), ["999", "kernel module"]),
            (Failure::NoneVisible, ["no GPU", "CUDA_VISIBLE_DEVICES"]),
            (Failure::NoSuchGpu(1, 1), ["no cuda:1", "one GPU, cuda:0"]),
            (Failure::NoSuchGpu(4, 3), ["no cuda:4", "3 GPUs, cuda:0 to cuda:2"]),
            (Failure::NoCompiler, ["NVRTC", "LD_LIBRARY_PATH"]),
            (Failure::NoBuiltins("x".into()), ["builtins", "libnvrtc-builtins.so"]),
            (Failure::CompilerFails("x".into()), ["NVRTC", "x"]),
            (Failure::NoToolkit, ["CUDA toolkit", "CUDA_PATH"]),
            (
                Failure::NewerThanDriver("12.9.86, PTX 8.8".into(), driver),
                [
                    "newer than the driver (NVRTC 12.9.86, PTX 8.8; driver 535.54, for CUDA 12.2)",
                    "older CUDA toolkit",
                ],
            ),
            (Failure::NewerThanDriver("12.9".into(), None), ["(NVRTC 12.9);", "newer driver"]),
            (Failure::WrongProduct("[3.0]".into()), ["wrong", "3.0"]),
            (Failure::TookTooLong(300), ["longer", "300 s"]),
        ] {
            let said = failure.to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
