//! What device it is: the variables `CUDA_EMULATOR_*`, documented in `README.md`.

use std::fmt::Display;
use std::str::FromStr;

use crate::failure::Failure;
use crate::log::{Log, complain};
use crate::versions::NEWEST_DRIVER;

/// The settings of a process.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Compute capability, such as 75.
    pub(crate) sm: i32,
    /// The name of the devices.
    pub(crate) name: String,
    /// Whether kernels are computed; else launches are checked only.
    pub(crate) computes: bool,
    /// Bytes of memory of each device.
    pub(crate) memory: u64,
    /// Bytes of shared memory that a block can opt in to.
    pub(crate) shared_opt_in: usize,
    /// What the driver calls its version, such as 12040.
    pub(crate) driver: i32,
    /// How many devices NVML lists.
    pub(crate) devices: usize,
    /// Which of them CUDA sees, in its order.
    pub(crate) visible: Vec<usize>,
    /// Whether fresh memory is full of NaN rather than zeros.
    pub(crate) poisons: bool,
    /// Whether an unknown instruction is an error of the launch rather than of loading its module.
    pub(crate) strict: bool,
    /// The error that loading any module gives.
    pub(crate) refuses: Option<Failure>,
    /// Where the PTX of each module is written.
    pub(crate) dump: Option<String>,
    /// Where the summary of the process is written.
    pub(crate) counts: Option<String>,
    /// Nanoseconds that events count for an instruction of a warp; none: they read the clock.
    pub(crate) ns_per_instruction: Option<u64>,
    /// Threads of the host that share the blocks of a launch.
    pub(crate) threads: usize,
    /// Where events are written.
    pub(crate) log: Log,
}

impl Default for Settings {
    fn default() -> Self {
        Self::read(|_| None, &[])
    }
}

impl Settings {
    /// Reads the environment of this process.
    pub(crate) fn of_process() -> Self {
        let command = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let command: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        Self::read(|name| std::env::var(name).ok(), &command)
    }

    /// The name of one of the devices.
    pub(crate) fn name_of(&self, device: usize) -> String {
        if device == 0 { self.name.clone() } else { format!("{} no. {}", self.name, device + 1) }
    }

    fn read(environment: impl Fn(&str) -> Option<String>, command: &[&[u8]]) -> Self {
        let text = |name: &str| environment(&format!("CUDA_EMULATOR_{name}"));
        let set = |name: &str| text(name).is_some_and(|value| !matches!(&*value, "" | "0"));
        let sm = number(text, "SM", 75);
        let devices = number(text, "DEVICES", 1usize);
        let visible = text("VISIBLE").or_else(|| environment("CUDA_VISIBLE_DEVICES"));
        // A probe asks whether the device computes at all, so it is always answered.
        let probes = command.iter().any(|word| *word == b"probe-cuda");
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            sm,
            name: text("NAME").unwrap_or_else(|| format!("Emulated GPU sm_{sm}")),
            computes: probes || text("EXEC").as_deref() != Some("0"),
            memory: number(text, "MEM", 4 << 30),
            shared_opt_in: number(text, "SHARED", shared_opt_in(sm)),
            driver: number(text, "DRIVER", NEWEST_DRIVER),
            devices,
            visible: visible.map_or_else(|| (0..devices).collect(), |list| listed(&list, devices)),
            poisons: set("POISON"),
            strict: set("STRICT"),
            refuses: text("REFUSE").filter(|code| !code.is_empty() && code != "0").map(|code| {
                code.parse().ok().and_then(Failure::of_number).unwrap_or(Failure::InvalidPtx)
            }),
            dump: text("DUMP").filter(|folder| !folder.is_empty()),
            counts: text("COUNTS").filter(|file| !file.is_empty()),
            ns_per_instruction: (text("CLOCK").as_deref() != Some("wall"))
                .then(|| number(text, "NS", 100)),
            threads: number(text, "THREADS", cores).max(1),
            log: text("LOG")
                .filter(|file| !file.is_empty())
                .map_or_else(Log::default, |file| Log::to_file(&file)),
        }
    }
}

fn number<T: FromStr + Display>(text: impl Fn(&str) -> Option<String>, name: &str, else_: T) -> T {
    let Some(value) = text(name) else { return else_ };
    value.trim().parse().unwrap_or_else(|_| {
        complain(&format!("CUDA_EMULATOR_{name} is `{value}`, not a number; {else_} is used"));
        else_
    })
}

/// The devices of a list such as `1,0`; as with `CUDA_VISIBLE_DEVICES`, those after an index that
/// does not exist are not seen.
fn listed(list: &str, devices: usize) -> Vec<usize> {
    list.split(',')
        .map_while(|index| index.trim().parse().ok().filter(|index| *index < devices))
        .collect()
}

/// Bytes of shared memory per block (CUDA C++ Programming Guide, technical specifications).
fn shared_opt_in(sm: i32) -> usize {
    let kib = match sm {
        ..70 => 48,
        70..75 => 96,
        75..80 => 64,
        80 | 87 => 163,
        90..120 => 227,
        _ => 99,
    };
    kib * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        let find = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        Settings::read(find, &[])
    }

    #[test]
    fn visible_devices_are_those_before_the_first_wrong_index() {
        let settings =
            with(&[("CUDA_EMULATOR_DEVICES", "3"), ("CUDA_EMULATOR_VISIBLE", "2,0,7,1")]);
        assert_eq!((settings.devices, settings.visible), (3, vec![2, 0]));
        let none = with(&[("CUDA_EMULATOR_VISIBLE", "")]);
        assert_eq!((none.devices, none.visible), (1, vec![]));
        assert_eq!(with(&[("CUDA_VISIBLE_DEVICES", "0")]).visible, vec![0]);
    }

    #[test]
    fn a_probe_is_computed_though_kernels_are_not() {
        let find = |name: &str| (name == "CUDA_EMULATOR_EXEC").then(|| "0".to_string());
        assert!(!Settings::read(find, &[b"oncospec", b"run"]).computes);
        assert!(Settings::read(find, &[b"oncospec", b"probe-cuda"]).computes);
    }

    #[test]
    fn what_is_no_number_leaves_the_default() {
        assert_eq!(with(&[("CUDA_EMULATOR_SM", "ampere")]).sm, 75);
        assert_eq!(
            with(&[("CUDA_EMULATOR_REFUSE", "222")]).refuses,
            Some(Failure::UnsupportedPtxVersion)
        );
    }
}
