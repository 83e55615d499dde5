//! What is there to compute on GPUs with, found out in a process of its own: a CUDA library that is missing, or that does
//! not fit the driver, can end the process that meets it.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use cudarc::driver::CudaContext;
use cudarc::driver::sys::CUresult;
use cudarc::nvrtc::compile_ptx;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};

use super::keep_gpu_kernels;
use crate::error::panic_text;

/// The hidden subcommand that computes on GPUs and says how it went.
pub const PROBE: &str = "probe-cuda";

/// The longest that a probe may take: the first one on a machine compiles and times kernels.
const MOST: Duration = Duration::from_secs(300);

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The GPUs that were asked for, as far as they were reached.
    pub gpus: Vec<Gpu>,
    /// GPUs that CUDA sees.
    pub visible: usize,
    /// Folder of the CUDA headers, where they are there.
    pub headers: Option<PathBuf>,
    /// Why the GPUs cannot be used.
    pub failure: Option<Failure>,
}

/// A GPU that CUDA sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its index, as CUDA counts.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its compute capability, major and minor.
    pub capability: [i32; 2],
    /// Its memory, in bytes.
    pub memory_bytes: u64,
}

impl Gpu {
    /// Whether it has tensor cores for TF32 and bfloat16.
    pub fn has_tf32(&self) -> bool {
        self.capability[0] >= 8
    }
}

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
    NoCompiler(String),
    /// NVRTC is there and does not compile: its builtins are missing.
    CompilerFails(String),
    /// The driver refuses what NVRTC makes.
    NewerThanDriver(String),
    /// A product came out wrong.
    WrongProduct(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLibrary => formatter.write_str(
                "the CUDA driver library libcuda.so.1 was not found; it comes with the NVIDIA driver",
            ),
            Self::NotLoaded(said) => write!(
                formatter,
                "the NVIDIA driver is installed and does not answer ({said}): its kernel module is not loaded, or of \
                 another version than libcuda.so.1; a restart after an update mends that"
            ),
            Self::NoneVisible => formatter.write_str(
                "the NVIDIA driver shows no GPU to this process; CUDA_VISIBLE_DEVICES may hide them",
            ),
            Self::NoSuchGpu(index, 1) => {
                write!(formatter, "there is no cuda:{index}: CUDA sees one GPU, cuda:0")
            }
            Self::NoSuchGpu(index, visible) => write!(
                formatter,
                "there is no cuda:{index}: CUDA sees {visible} GPUs, cuda:0 to cuda:{}",
                visible - 1
            ),
            Self::NoCompiler(said) => write!(
                formatter,
                "NVRTC, which compiles kernels, was not found ({said}): install a CUDA toolkit, or its package \
                 cuda-nvrtc, and name the folder of libnvrtc.so in LD_LIBRARY_PATH"
            ),
            Self::CompilerFails(said) => write!(
                formatter,
                "NVRTC does not compile ({said}): libnvrtc-builtins.so of the same version must lie beside libnvrtc.so"
            ),
            Self::NewerThanDriver(said) => write!(
                formatter,
                "the driver refuses what NVRTC compiled ({said}): NVRTC is newer than the driver; install a newer \
                 driver, or the NVRTC of an older CUDA toolkit"
            ),
            Self::WrongProduct(said) => write!(formatter, "a product of matrices came out wrong: {said}"),
            Self::Other(said) => write!(formatter, "a product of matrices failed: {said}"),
        }
    }
}

/// Whether there is an NVIDIA driver, and which version it has, as `570.86, for CUDA 12.8`.
///
/// # Errors
/// Why it cannot be used.
pub fn driver() -> Result<String, String> {
    let nvml = Nvml::init().map_err(|error| match error {
        NvmlError::LibloadingError(_) => {
            "there is no NVIDIA driver on this machine (libnvidia-ml.so.1 was not found)"
                .to_string()
        }
        NvmlError::DriverNotLoaded => {
            "the NVIDIA driver is installed and not loaded; a restart after an update mends that"
                .to_string()
        }
        other => format!("the NVIDIA driver says: {other}"),
    })?;
    let version = nvml.sys_driver_version();
    let version = version.map_err(|error| format!("the NVIDIA driver says: {error}"))?;
    Ok(match nvml.sys_cuda_driver_version() {
        Ok(cuda) => format!("{version}, for CUDA {}.{}", cuda / 1000, cuda % 1000 / 10),
        Err(_) => version,
    })
}

/// Computes on GPUs, or on all that there are if none is named, in a process of its own.
pub fn probe(indices: &[usize]) -> Probe {
    probed(indices)
        .unwrap_or_else(|said| Probe { failure: Some(Failure::Other(said)), ..Probe::default() })
}

fn probed(indices: &[usize]) -> Result<Probe, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("the oncospec binary was not found: {error}"))?;
    let mut child = Command::new(program)
        .arg(PROBE)
        .args(indices.iter().map(ToString::to_string))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("a process for it could not be started: {error}"))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() > MOST => {
                // It is given up either way.
                let _ = child.kill();
                return Err(format!("it took longer than {} s", MOST.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("its process was lost: {error}")),
        }
    };
    let read = |pipe: Option<&mut dyn Read>| {
        let mut text = String::new();
        pipe.map(|pipe| pipe.read_to_string(&mut text));
        text
    };
    let out = read(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read));
    let found = out.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    found.ok_or_else(|| {
        let err = read(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read));
        let last: Vec<&str> = err.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
        format!("its process ended with {status} and said: {}", last.join(" "))
    })
}

/// What the process of a probe does.
pub fn answer(indices: &[usize]) -> Probe {
    // Panics are part of the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let mut probe = Probe { headers: headers(), ..Probe::default() };
    probe.failure = compute(indices, &mut probe).err();
    probe
}

fn compute(indices: &[usize], probe: &mut Probe) -> Result<(), Failure> {
    let count = caught(CudaContext::device_count).map_err(|_| Failure::NoLibrary)?;
    let visible = match count {
        Ok(count) => count.max(0) as usize,
        Err(error) if error.0 == CUresult::CUDA_ERROR_NO_DEVICE => 0,
        Err(error) => return Err(Failure::NotLoaded(error.to_string())),
    };
    probe.visible = visible;
    if visible == 0 {
        return Err(Failure::NoneVisible);
    }
    let all: Vec<usize> = (0..visible).collect();
    let indices = if indices.is_empty() { &all } else { indices };
    for &index in indices {
        if index >= visible {
            return Err(Failure::NoSuchGpu(index, visible));
        }
        let context = CudaContext::new(index).map_err(|error| Failure::Other(error.to_string()))?;
        let read = || {
            let (major, minor) = context.compute_capability()?;
            Ok::<_, cudarc::driver::DriverError>(Gpu {
                index,
                name: context.name()?,
                capability: [major, minor],
                memory_bytes: context.total_mem()? as u64,
            })
        };
        probe.gpus.push(read().map_err(|error| Failure::Other(error.to_string()))?);
        const KERNEL: &str =
            "extern \"C\" __global__ void probe(float* numbers) { numbers[0] = 1.0f; }";
        let ptx = caught(|| compile_ptx(KERNEL)).map_err(Failure::NoCompiler)?;
        let ptx = ptx.map_err(|error| Failure::CompilerFails(error.to_string()))?;
        context.load_module(ptx).map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
                Failure::NewerThanDriver(error.to_string())
            }
            _ => Failure::Other(error.to_string()),
        })?;
        let values = caught(|| product(index)).and_then(|values| values).map_err(Failure::Other)?;
        if values.iter().any(|&value| value != 4.0) {
            return Err(Failure::WrongProduct(format!("{values:?} instead of fours")));
        }
    }
    Ok(())
}

/// A small product of matrices, all of whose numbers are 4.
fn product(index: usize) -> Result<Vec<f32>, String> {
    keep_gpu_kernels();
    let ones = Tensor::<2>::ones([4, 4], &Device::cuda(index));
    let product = ones.clone().matmul(ones);
    product.try_into_vec_as().map_err(|error| error.to_string())
}

/// What work gives, or what its panic said.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic_text(&*panic).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    })
}

/// Where the headers lie that kernels for tensor cores include, if they are there.
fn headers() -> Option<PathBuf> {
    let folder = cubecl_cuda::install::cuda_path()?.join("include");
    folder.join("mma.h").is_file().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_is_missing_and_what_mends_it() {
        let said = |failure: Failure| failure.to_string();
        for (failure, parts) in [
            (Failure::NoLibrary, ["libcuda.so.1", "driver"]),
            (Failure::NotLoaded("999".into()), ["999", "kernel module"]),
            (Failure::NoneVisible, ["no GPU", "CUDA_VISIBLE_DEVICES"]),
            (Failure::NoSuchGpu(1, 1), ["no cuda:1", "one GPU, cuda:0"]),
            (Failure::NoSuchGpu(4, 3), ["no cuda:4", "3 GPUs, cuda:0 to cuda:2"]),
            (Failure::NoCompiler("x".into()), ["NVRTC", "LD_LIBRARY_PATH"]),
            (Failure::CompilerFails("x".into()), ["NVRTC", "libnvrtc-builtins.so"]),
            (Failure::NewerThanDriver("x".into()), ["newer than the driver", "older CUDA toolkit"]),
        ] {
            let said = said(failure);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let gpu = Gpu { index: 0, name: "a".into(), capability: [7, 5], memory_bytes: 1 };
        let failure = Some(Failure::NoSuchGpu(1, 1));
        let probe = Probe { gpus: vec![gpu], visible: 1, headers: None, failure };
        let text = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), probe);
    }
}
