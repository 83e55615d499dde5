//! Where tensors live: the only place that names a backend.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use burn::tensor::Device;
use nvml_wrapper::Nvml;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu_kernels;
use crate::kernels::keep_freed_memory;

/// What the user asked for with `run.device` or `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// CUDA where there is a GPU, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index.
    Cuda(usize),
}

impl FromStr for Request {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => match text.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => Ok(Self::Cuda(index)),
                None => Err(Error::user(format!(
                    "device `{text}` is not known: use auto, cpu, cuda or cuda:<index>"
                ))),
            },
        }
    }
}

/// The device that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Where tensors live, without autodiff.
    pub device: Device,
    /// Which it is.
    pub kind: Kind,
    /// A sentence for the person who asked for `auto` and got the CPU.
    pub note: Option<String>,
}

/// Which device it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The CPU, through burn-flex.
    Cpu,
    /// A GPU, through burn-cuda.
    Cuda {
        /// Its index.
        index: usize,
        /// Its name, as the driver gives it.
        name: String,
    },
}

/// What of a device decides a result: CPU and GPU add numbers in other orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Any CPU.
    #[default]
    Cpu,
    /// Any GPU.
    Cuda,
}

impl Family {
    /// What asks for a device of it, as `run.device` does.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl Kind {
    /// What of it decides a result.
    pub fn family(&self) -> Family {
        match self {
            Self::Cpu => Family::Cpu,
            Self::Cuda { .. } => Family::Cuda,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(formatter, "cpu (burn-flex)"),
            Self::Cuda { index, name } => write!(formatter, "cuda:{index} ({name})"),
        }
    }
}

/// Chooses the device.
///
/// # Errors
/// `cuda` where there is no such GPU, or one whose libraries do not work.
pub fn choose(request: Request) -> Result<Chosen> {
    match request {
        Request::Cpu => Ok(cpu(None)),
        Request::Cuda(index) => cuda(index),
        Request::Auto => match gpus() {
            Err(why) => Ok(cpu(Some(format!("no GPU is used: {why}")))),
            Ok(names) if names.is_empty() => {
                Ok(cpu(Some("no GPU is used: the NVIDIA driver lists none".into())))
            }
            Ok(_) => cuda(0).or_else(|why| Ok(cpu(Some(format!("no GPU is used: {why}"))))),
        },
    }
}

/// The device with autodiff, and with activation checkpointing where it is asked for.
pub fn for_training(device: &Device, activation_checkpointing: bool) -> Device {
    let device = device.clone().autodiff();
    if activation_checkpointing { device.gradient_checkpointing() } else { device }
}

fn cpu(note: Option<String>) -> Chosen {
    keep_freed_memory();
    Chosen { device: Device::flex(), kind: Kind::Cpu, note }
}

fn cuda(index: usize) -> Result<Chosen> {
    let names = gpus().map_err(|why| {
        Error::user(format!("device cuda:{index} cannot be used: {why}; use --device cpu"))
    })?;
    let Some(name) = names.get(index) else {
        return Err(Error::user(format!(
            "device cuda:{index} does not exist: the driver lists {} GPU(s); use --device cpu",
            names.len()
        )));
    };
    probe(index)?;
    gpu_kernels::keep();
    let kind = Kind::Cuda { index, name: name.clone() };
    Ok(Chosen { device: Device::cuda(index), kind, note: None })
}

/// Names of the GPUs that the NVIDIA driver lists, or why there are none.
pub fn gpus() -> Result<Vec<String>, String> {
    let nvml = Nvml::init().map_err(|_| "there is no NVIDIA driver on this machine".to_string())?;
    let count = nvml.device_count().map_err(|error| format!("the NVIDIA driver says: {error}"))?;
    (0..count)
        .map(|index| {
            nvml.device_by_index(index)
                .and_then(|device| device.name())
                .map_err(|error| format!("GPU {index}: {error}"))
        })
        .collect()
}

/// The hidden subcommand that computes on a GPU and exits.
pub const PROBE: &str = "probe-cuda";

/// Computes on the GPU in a process of its own, since a missing CUDA library ends the process that
/// meets it rather than returning an error.
fn probe(index: usize) -> Result<()> {
    let program = std::env::current_exe()
        .map_err(|error| Error::failed(format!("cannot find the oncospec binary: {error}")))?;
    let output = Command::new(program)
        .args([PROBE, &index.to_string()])
        .output()
        .map_err(|error| Error::failed(format!("cannot probe cuda:{index}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    Err(Error::user(format!(
        "device cuda:{index} is there, but computing on it failed ({line}); \
         the CUDA runtime libraries (NVRTC) may be missing; use --device cpu"
    )))
}

/// What the probe process does: one small product of matrices.
pub fn compute_once(index: usize) -> Result<()> {
    gpu_kernels::keep();
    let device = Device::cuda(index);
    let ones = burn::tensor::Tensor::<2>::ones([4, 4], &device);
    let product = ones.clone().matmul(ones);
    let values: Vec<f32> = product
        .try_into_vec_as()
        .map_err(|error| Error::failed(format!("cuda:{index} gave no result: {error}")))?;
    if values.iter().all(|&value| value == 4.0) {
        Ok(())
    } else {
        Err(Error::failed(format!("cuda:{index} computed {values:?} instead of fours")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_typos_refused() {
        assert_eq!("auto".parse::<Request>().ok(), Some(Request::Auto));
        assert_eq!("cpu".parse::<Request>().ok(), Some(Request::Cpu));
        assert_eq!("cuda".parse::<Request>().ok(), Some(Request::Cuda(0)));
        assert_eq!("cuda:3".parse::<Request>().ok(), Some(Request::Cuda(3)));
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert_eq!(wrong.parse::<Request>().unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn auto_gives_the_cpu_and_says_so_where_there_is_no_gpu() {
        if gpus().is_ok() {
            return;
        }
        let chosen = choose(Request::Auto).unwrap();
        assert_eq!(chosen.kind, Kind::Cpu);
        assert!(chosen.note.unwrap().contains("no NVIDIA driver"));
        let refused = choose(Request::Cuda(0)).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
    }
}
