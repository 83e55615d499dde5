//! Where tensors live: the only place that names a backend.

mod advice;
mod answer;
mod failure;
mod kept_kernels;
mod missing;
mod probe;
mod request;

use std::fmt;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use answer::answer;
pub use failure::{failed, on_device};
pub use kept_kernels::keep_gpu_kernels;
pub use missing::Failure;
pub use probe::{Gpu, PROBE, Probe, probe, visible};
pub use request::Request;

use crate::error::{Error, Result};
use crate::kernels::keep_freed_memory;

/// The device, or devices, that were chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Where tensors live, without autodiff.
    pub device: Device,
    /// Others that training spreads its batches over.
    pub others: Vec<Device>,
    /// Which they are.
    pub kind: Kind,
    /// A sentence for the person who asked for `auto` and got the CPU, or whose GPU could be faster.
    pub note: Option<String>,
}

impl Chosen {
    /// All of them, the one that holds the weights first.
    pub fn devices(&self) -> Vec<Device> {
        [std::slice::from_ref(&self.device), &self.others].concat()
    }
}

/// Which device it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The CPU, through burn-flex.
    Cpu,
    /// GPUs, through burn-cuda.
    Cuda(Vec<Gpu>),
}

/// What of a device decides a result: CPU and GPU add numbers in other orders, and several GPUs part each batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Family {
    /// Any CPU.
    #[default]
    Cpu,
    /// So many GPUs of any kind.
    Cuda(usize),
}

/// What asks for devices of it, as `run.device` does.
impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(1) => formatter.write_str("cuda"),
            Self::Cuda(gpus) => {
                let all: Vec<_> = (0..*gpus).map(|index| format!("cuda:{index}")).collect();
                formatter.write_str(&all.join(","))
            }
        }
    }
}

impl From<Family> for String {
    fn from(family: Family) -> Self {
        family.to_string()
    }
}

impl TryFrom<String> for Family {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match text.parse()? {
            Request::Cpu => Ok(Self::Cpu),
            Request::Cuda(gpus) => Ok(Self::Cuda(gpus.len())),
            Request::Auto => Err(Error::user("`auto` is no kind of device: use cpu or cuda")),
        }
    }
}

impl Kind {
    /// What of it decides a result.
    pub fn family(&self) -> Family {
        match self {
            Self::Cpu => Family::Cpu,
            Self::Cuda(gpus) => Family::Cuda(gpus.len()),
        }
    }

    /// Whether its products of single precision may round their factors to TF32.
    pub fn has_tf32(&self) -> bool {
        match self {
            Self::Cpu => false,
            Self::Cuda(gpus) => gpus.iter().any(Gpu::has_tf32),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(formatter, "cpu (burn-flex)"),
            Self::Cuda(gpus) => {
                let all: Vec<_> =
                    gpus.iter().map(|gpu| format!("cuda:{} ({})", gpu.index, gpu.name)).collect();
                formatter.write_str(&all.join(", "))
            }
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
        Request::Cuda(indices) => cuda(&indices).map_err(|why| {
            let asked: Vec<_> = indices.iter().map(|index| format!("cuda:{index}")).collect();
            Error::user(format!("{} cannot be used: {why}; use --device cpu", asked.join(",")))
        }),
        Request::Auto => cuda(&[0]).or_else(|why| Ok(cpu(Some(format!("no GPU is used: {why}"))))),
    }
}

fn cpu(note: Option<String>) -> Chosen {
    keep_freed_memory();
    Chosen { device: Device::flex(), others: Vec::new(), kind: Kind::Cpu, note }
}

fn cuda(indices: &[usize]) -> Result<Chosen, String> {
    let probe = probe(indices);
    if let Some(failure) = &probe.failure {
        return Err(failure.to_string());
    }
    let note = probe.headers_note();
    keep_gpu_kernels();
    let mut devices = indices.iter().map(|&index| Device::cuda(index));
    let device = devices.next().ok_or("no GPU was named")?;
    Ok(Chosen { device, others: devices.collect(), kind: Kind::Cuda(probe.gpus), note })
}

/// The device with autodiff, and with activation checkpointing where it is asked for.
pub fn for_training(device: &Device, activation_checkpointing: bool) -> Device {
    let device = device.clone().autodiff();
    if activation_checkpointing { device.gradient_checkpointing() } else { device }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_gives_the_cpu_and_says_so_where_there_is_no_gpu() {
        if visible().is_ok() {
            return;
        }
        let chosen = choose(Request::Auto).unwrap();
        assert_eq!(chosen.kind, Kind::Cpu);
        assert!(chosen.note.unwrap().contains("no NVIDIA driver"));
        let refused = choose(Request::Cuda(vec![0])).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
    }

    #[test]
    fn a_family_is_written_as_it_is_asked_for() {
        for (family, text) in
            [(Family::Cpu, "cpu"), (Family::Cuda(1), "cuda"), (Family::Cuda(2), "cuda:0,cuda:1")]
        {
            assert_eq!(family.to_string(), text);
            assert_eq!(Family::try_from(text.to_string()).unwrap(), family);
        }
        assert!(Family::try_from("auto".to_string()).is_err());
    }
}
