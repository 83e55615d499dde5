//! What is there to compute on GPUs with, found out in a process of its own: a CUDA library that is missing, or that does
//! not fit the driver, can end the process that meets it.

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cudarc::driver::CudaContext;
use cudarc::driver::sys::CUresult;
use nvml_wrapper::Nvml;
use serde::{Deserialize, Serialize};

use super::missing::Failure;
use crate::panics::quietly;

/// The hidden subcommand that computes on GPUs and says how it went.
pub const PROBE: &str = "probe-cuda";

/// Set in the process of a probe, so that a program that is not oncospec does not start itself again and again.
const IN_PROBE: &str = "PROBED_BY_ONCOSPEC";

/// The longest that a probe may take: the first one on a machine compiles and times kernels.
const MOST: Duration = Duration::from_secs(300);

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Version of the driver, and the CUDA it is for, as `570.86, for CUDA 12.8`, where NVML tells.
    pub driver: Option<String>,
    /// The GPUs that were asked for, as far as they were reached.
    pub gpus: Vec<Gpu>,
    /// GPUs that CUDA sees.
    pub visible: usize,
    /// Version of NVRTC and of the PTX it makes, as `12.9.86, PTX 8.8`, where it compiles.
    pub compiler: Option<String>,
    /// Where the CUDA headers are looked for.
    pub headers: Option<PathBuf>,
    /// Headers that kernels for tensor cores include and that are not there.
    pub missing_headers: Vec<String>,
    /// Why the GPUs cannot be used.
    pub failure: Option<Failure>,
}

impl Probe {
    /// What missing headers cost, where they cost something.
    pub fn headers_note(&self) -> Option<String> {
        if self.missing_headers.is_empty() || !self.gpus.iter().any(Gpu::has_tf32) {
            return None;
        }
        let mut note = format!("CUDA headers are missing ({}", self.missing_headers.join(", "));
        if let Some(folder) = &self.headers {
            // Writing to a string does not fail.
            let _ = write!(note, " in {}", folder.display());
        }
        note += "): tensor cores are not used, and products are several times slower; install a CUDA toolkit, or its \
                 packages cuda-cudart-dev, cuda-cccl and cuda-nvcc, and name its folder in CUDA_PATH";
        Some(note)
    }
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

/// How many GPUs CUDA sees; there is at least one.
///
/// # Errors
/// Why it sees none.
pub fn visible() -> Result<usize, Failure> {
    // cudarc panics where the library is missing.
    match quietly(CudaContext::device_count) {
        Err(_) => Err(Failure::NoLibrary),
        Ok(Ok(count)) if count > 0 => Ok(count as usize),
        Ok(Ok(_)) => Err(Failure::NoneVisible),
        Ok(Err(error)) => Err(match error.0 {
            CUresult::CUDA_ERROR_NO_DEVICE => Failure::NoneVisible,
            _ => Failure::NotLoaded(error.to_string()),
        }),
    }
}

/// The version of the driver, as `570.86, for CUDA 12.8`; none where NVML is not there, as in some containers.
pub(super) fn driver_version() -> Option<String> {
    let nvml = Nvml::init().ok()?;
    let version = nvml.sys_driver_version().ok()?;
    Some(match nvml.sys_cuda_driver_version() {
        Ok(cuda) => format!("{version}, for CUDA {}.{}", cuda / 1000, cuda % 1000 / 10),
        Err(_) => version,
    })
}

/// Computes on GPUs, or on all that there are if none is named, in a process of its own.
pub fn probe(indices: &[usize]) -> Probe {
    let found = visible().and_then(|_| probed(indices));
    found.unwrap_or_else(|failure| Probe {
        driver: driver_version(),
        failure: Some(failure),
        ..Probe::default()
    })
}

fn probed(indices: &[usize]) -> Result<Probe, Failure> {
    if std::env::var_os(IN_PROBE).is_some() {
        return Err(Failure::Other("this program started itself to find out".into()));
    }
    let other = |what: &str, error: std::io::Error| Failure::Other(format!("{what}: {error}"));
    let program = std::env::current_exe()
        .map_err(|error| other("the oncospec binary was not found", error))?;
    let mut child = Command::new(program)
        .arg(PROBE)
        .args(indices.iter().map(ToString::to_string))
        .env(IN_PROBE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| other("a process for it could not be started", error))?;
    // Read while it works: it would wait for a full pipe.
    let (out, err) = (text(child.stdout.take()), text(child.stderr.take()));
    let status = ended(&mut child)?;
    let read = |text: JoinHandle<String>| text.join().unwrap_or_default();
    let (out, err) = (read(out), read(err));
    let found = out.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    found.ok_or_else(|| {
        let lines = err.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<&str> = lines.take(3).collect();
        Failure::Other(format!("its process ended with {status} and said: {}", said.join(" ")))
    })
}

/// Waits for a process to end, but not for ever.
fn ended(child: &mut Child) -> Result<std::process::ExitStatus, Failure> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if started.elapsed() > MOST => {
                // It is given up either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::TookTooLong(MOST.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(Failure::Other(format!("its process was lost: {error}"))),
        }
    }
}

/// Everything that a process writes.
fn text(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is of use too.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Probe {
        let gpu = Gpu { index: 0, name: "a".into(), capability: [8, 0], memory_bytes: 1 };
        Probe {
            gpus: vec![gpu],
            visible: 1,
            failure: Some(Failure::NoSuchGpu(1, 1)),
            ..Probe::default()
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let text = serde_json::to_string(&found()).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), found());
    }

    #[test]
    fn missing_headers_cost_something_where_there_are_tensor_cores() {
        let missing = |capability: i32, headers: &[&str]| {
            let mut probe = found();
            probe.gpus[0].capability = [capability, 0];
            probe.headers = Some("/cuda/include".into());
            probe.missing_headers = headers.iter().map(ToString::to_string).collect();
            probe.headers_note()
        };
        assert_eq!(missing(8, &[]), None);
        assert_eq!(missing(7, &["mma.h"]), None);
        let note = missing(8, &["mma.h", "cuda_fp16.h"]).unwrap();
        assert!(note.contains("(mma.h, cuda_fp16.h in /cuda/include): tensor cores"), "{note}");
        assert!(note.contains("CUDA_PATH"), "{note}");
    }
}
