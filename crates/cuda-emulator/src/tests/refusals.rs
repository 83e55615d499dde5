//! What the devices refuse, and by which error.

use super::device::Argument::{Int, Long, Pointer};
use super::device::{Device, numbers};
use crate::failure::Failure;
use crate::interpreter::memory::Bytes;
use crate::machine::Machine;
use crate::settings::Settings;

const WARPS: &str = include_str!("../../fixtures/warps.ptx");
const MATMUL: &str = include_str!("../../fixtures/matmul.ptx");
const UNKNOWN: &str = include_str!("../../fixtures/unknown.ptx");

/// Settings whose log is a file of this test, and the file.
fn logged(test: &str, settings: Settings) -> (Settings, std::path::PathBuf) {
    let file = std::env::temp_dir().join(format!("cuda_emulator_{}_{test}", std::process::id()));
    let log = crate::log::Log::to_file(&file.display().to_string());
    (Settings { log, ..settings }, file)
}

fn taken(file: &std::path::Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::remove_file(file).unwrap();
    text
}

#[test]
fn an_address_outside_of_allocations_is_illegal() {
    let (settings, file) = logged("outside", Settings::default());
    let mut device = Device::with(settings, WARPS);
    let output = device.upload(&[0i32; 4]);
    device.launch("write_at", [1, 1, 1], [1, 1, 1], &[Pointer(output), Long(3)]).unwrap();
    assert_eq!(device.fault(), None);
    assert_eq!(device.download::<i32>(output, 4), [0, 0, 0, 7]);
    device.launch("write_at", [1, 1, 1], [1, 1, 1], &[Pointer(output), Long(4)]).unwrap();
    assert_eq!(device.fault(), Some(Failure::IllegalAddress));
    // Nothing works after it.
    assert_eq!(device.machine.allocate(0, 4), Err(Failure::IllegalAddress));
    let log = taken(&file);
    assert!(
        log.contains("kernel write_at failed: block [0, 0, 0], warp 0: lane 0: 4 bytes"),
        "{log}"
    );
    assert!(log.contains("st.global.u32"), "{log}");
}

#[test]
fn a_misaligned_address_is_named_so() {
    let mut device = Device::new(WARPS);
    let output = device.upload(&[0i32; 4]);
    device.launch("write_at", [1, 1, 1], [1, 1, 1], &[Pointer(output + 2), Long(0)]).unwrap();
    assert_eq!(device.fault(), Some(Failure::MisalignedAddress));
}

#[test]
fn an_unknown_instruction_is_named_when_its_module_is_loaded() {
    let (settings, file) = logged("unknown", Settings::default());
    let mut machine = Machine::new(settings);
    assert_eq!(machine.load(0, UNKNOWN), Err(Failure::InvalidPtx));
    let log = taken(&file);
    let expected = "kernel unknown: instruction `bmsk.clamp.b32 %r2, %r1, 3` (PTX line 11: ";
    assert!(log.contains(expected), "{log}");
    assert!(log.contains("kernel modifier: instruction `add.rn.sideways.f32"), "{log}");
    assert!(log.contains("modifier .sideways"), "{log}");
}

#[test]
fn where_it_is_strict_the_launch_fails_and_nothing_works_after_it() {
    for computes in [true, false] {
        let mut device =
            Device::with(Settings { strict: true, computes, ..Settings::default() }, UNKNOWN);
        let output = device.upload(&[0u32; 32]);
        let launched = device.launch("unknown", [1, 1, 1], [32, 1, 1], &[Pointer(output)]);
        assert_eq!(launched, Err(Failure::IllegalInstruction));
        assert_eq!(device.fault(), Some(Failure::IllegalInstruction));
    }
}

#[test]
fn a_device_has_no_more_memory_than_it_says() {
    let settings = Settings { memory: 1000, devices: 2, ..Settings::default() };
    let mut machine = Machine::new(settings);
    let first = machine.allocate(0, 900).unwrap();
    assert_eq!(machine.allocate(0, 101), Err(Failure::OutOfMemory));
    assert!(machine.allocate(0, 100).is_ok());
    // The other has memory of its own.
    assert!(machine.allocate(1, 1000).is_ok());
    machine.free(first).unwrap();
    assert_eq!(machine.free(first), Err(Failure::InvalidValue));
    assert_eq!(machine.memory_info(0).unwrap().used, 100);
    assert!(machine.allocate(0, 900).is_ok());
    assert_eq!(machine.counts().peak_bytes, 2000);
}

#[test]
fn memory_of_another_device_is_no_argument() {
    let settings = Settings { devices: 2, ..Settings::default() };
    let mut device = Device::with(settings, WARPS);
    let elsewhere = device.machine.allocate(1, 64).unwrap();
    let launched = device.launch("write_at", [1, 1, 1], [1, 1, 1], &[Pointer(elsewhere), Long(0)]);
    assert_eq!(launched, Err(Failure::IllegalAddress));
    assert_eq!(device.fault(), Some(Failure::IllegalAddress));
    assert_eq!(device.machine.check(1), Ok(()));
}

#[test]
fn a_driver_refuses_ptx_that_is_newer() {
    let mut machine = Machine::new(Settings { driver: 12040, ..Settings::default() });
    assert_eq!(machine.load(0, WARPS), Err(Failure::UnsupportedPtxVersion));
    let mut machine = Machine::new(Settings { driver: 12090, ..Settings::default() });
    assert!(machine.load(0, WARPS).is_ok());
    let ampere = include_str!("../../fixtures/ampere.ptx");
    assert_eq!(machine.load(0, ampere), Err(Failure::NoBinaryForGpu));
    assert_eq!(machine.load(0, "not PTX"), Err(Failure::InvalidPtx));
}

#[test]
fn modules_are_refused_where_that_is_asked_for() {
    let refuses = Some(Failure::UnsupportedPtxVersion);
    let mut machine = Machine::new(Settings { refuses, ..Settings::default() });
    assert_eq!(machine.load(0, WARPS), Err(Failure::UnsupportedPtxVersion));
}

#[test]
fn without_computing_launches_are_checked_and_named() {
    let settings = Settings { computes: false, ..Settings::default() };
    let mut device = Device::with(settings, MATMUL);
    let a = device.upload(&numbers(256, 1.0));
    let c = device.upload(&[0f32; 256]);
    let arguments = [Pointer(a), Pointer(a), Pointer(c), Int(16)];
    device.launch("matmul", [1, 1, 1], [16, 16, 1], &arguments).unwrap();
    assert_eq!(device.download::<f32>(c, 256), [0.0; 256]);
    let too_many = device.launch("matmul", [1, 1, 1], [64, 32, 1], &arguments);
    assert_eq!(too_many, Err(Failure::InvalidValue));
    let counts = device.machine.counts();
    assert_eq!(counts.not_computed.iter().collect::<Vec<_>>(), ["matmul"]);
    assert_eq!((counts.launches["matmul"], counts.warp_instructions), (1, 0));
}

#[test]
fn a_trap_is_a_failed_launch() {
    let mut device = Device::new(WARPS);
    let output = device.upload(&[0i32; 65]);
    device.launch("unequal", [1, 1, 1], [64, 1, 1], &[Pointer(output)]).unwrap();
    assert_eq!(device.fault(), Some(Failure::LaunchFailed));
}

#[test]
fn fresh_memory_is_no_number_where_it_is_poisoned() {
    let mut machine = Machine::new(Settings { poisons: true, ..Settings::default() });
    let start = machine.allocate(0, 4).unwrap();
    // SAFETY: four bytes were allocated.
    assert!(unsafe { (start as *const f32).read() }.is_nan());
    let handle = machine.load(0, WARPS).unwrap();
    assert_eq!(machine.function(handle, "none"), Err(Failure::NotFound));
    let launched = machine.launch(1, [1; 3], [1; 3], 0, Bytes::new(8));
    assert_eq!(launched, Err(Failure::InvalidHandle));
}
