//! Modules: PTX becomes programs, and variables get their places.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Function, Loaded, Machine, launch::SHARED_BYTES};
use crate::compile::{Environment, Parameter, Program, compile};
use crate::failure::{Failure, Outcome};
use crate::ptx::{Initial, Module, Space, parse};
use crate::versions::newest_ptx;

impl Machine {
    /// Loads a module.
    pub(crate) fn load(&mut self, device: usize, text: &str) -> Outcome<u64> {
        self.check(device)?;
        if let Some(refusal) = self.settings.refuses {
            return Err(refusal);
        }
        let handle = self.new_handle();
        self.dump(handle, text);
        let log = self.settings.log.clone();
        let module = parse(text).map_err(|error| {
            log.problem(&format!("cannot read a module: {error}"));
            Failure::InvalidPtx
        })?;
        self.check_target(&module)?;
        let mut variables = HashMap::new();
        for variable in module.variables.iter().filter(|variable| variable.space == Space::Global) {
            let start = self.allocate(device, variable.bytes.max(1))?;
            variables.insert(variable.name, (start, variable.bytes));
        }
        let globals: HashMap<&str, u64> =
            variables.iter().map(|(name, (start, _))| (*name, *start)).collect();
        let compiled = initialise(&module, &globals)
            .and_then(|()| compile(&Environment { module: &module, globals: &globals }));
        let programs = match compiled {
            Ok(programs) if self.knows_all(&programs) || self.settings.strict => programs,
            refused => {
                if let Err(error) = refused {
                    log.problem(&format!("cannot read a module: {error}"));
                }
                for start in globals.values() {
                    self.free(*start)?;
                }
                return Err(Failure::InvalidPtx);
            }
        };
        let mut functions = vec![];
        for program in programs {
            log.event(|| {
                format!(
                    "device {device}: module {} {} kernel {}: {} instructions, {} lines of registers, \
                     {} bytes shared, {} bytes local",
                    module.target, module.version, program.name, program.code.len(), program.lines,
                    program.shared_bytes, program.local_bytes
                )
            });
            if program.has_float_atomics {
                self.counts().float_atomics.insert(program.name.clone());
            }
            let function = self.new_handle();
            functions.push(function);
            let most_dynamic_shared = SHARED_BYTES.saturating_sub(program.shared_bytes);
            let program = Arc::new(program);
            self.functions.insert(function, Function { device, program, most_dynamic_shared });
        }
        self.counts().modules_loaded += 1;
        let variables =
            variables.into_iter().map(|(name, place)| (name.to_string(), place)).collect();
        self.modules.insert(handle, Loaded { device, functions, variables });
        Ok(handle)
    }

    fn dump(&self, handle: u64, text: &str) {
        let Some(folder) = &self.settings.dump else { return };
        let file = format!("{folder}/{}_{handle:x}.ptx", std::process::id());
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        if let Err(error) = written {
            self.settings.log.problem(&format!("cannot write `{file}`: {error}"));
        }
    }

    fn check_target(&self, module: &Module) -> Outcome {
        let newest = newest_ptx(self.settings.driver);
        if module.version > newest {
            self.settings.log.problem(&format!(
                "a module is PTX {}, and driver {} reads PTX {newest} at most",
                module.version, self.settings.driver
            ));
            return Err(Failure::UnsupportedPtxVersion);
        }
        // `sm_90a` is of its own architecture, and so are all with a letter.
        let target = module.target.strip_prefix("sm_").unwrap_or("");
        let number = target.trim_end_matches(|last: char| last.is_ascii_alphabetic());
        match number.parse::<i32>() {
            Ok(of_module) if of_module <= self.settings.sm => Ok(()),
            Ok(_) => {
                self.settings.log.problem(&format!(
                    "a module is for {}, and the device is sm_{}",
                    module.target, self.settings.sm
                ));
                Err(Failure::NoBinaryForGpu)
            }
            Err(_) => {
                self.settings.log.problem(&format!("a module is for `{}`", module.target));
                Err(Failure::InvalidPtx)
            }
        }
    }

    /// Whether all instructions are known; names those that are not.
    pub(super) fn knows_all(&self, programs: &[Program]) -> bool {
        for program in programs {
            for instruction in &program.unknown {
                self.settings.log.problem(&format!(
                    "kernel {}: instruction {instruction} is not known",
                    program.name
                ));
            }
        }
        programs.iter().all(|program| program.unknown.is_empty())
    }

    /// Unloads a module.
    pub(crate) fn unload(&mut self, module: u64) -> Outcome {
        let loaded = self.modules.remove(&module).ok_or(Failure::InvalidHandle)?;
        for function in loaded.functions {
            self.functions.remove(&function);
        }
        let device = &mut self.devices[loaded.device];
        for (start, _) in loaded.variables.values() {
            if let Some(allocation) = device.allocations.remove(start) {
                device.used -= allocation.end - start;
            }
        }
        Ok(())
    }

    /// A kernel of a module.
    pub(crate) fn function(&self, module: u64, name: &str) -> Outcome<u64> {
        let loaded = self.modules.get(&module).ok_or(Failure::InvalidHandle)?;
        let mut functions = loaded.functions.iter();
        let found = functions.find(|function| self.functions[function].program.name == name);
        found.copied().ok_or(Failure::NotFound)
    }

    /// A variable of a module: where it is, and its bytes.
    pub(crate) fn variable(&self, module: u64, name: &str) -> Outcome<(u64, usize)> {
        let loaded = self.modules.get(&module).ok_or(Failure::InvalidHandle)?;
        loaded.variables.get(name).copied().ok_or(Failure::NotFound)
    }

    /// Parameters of a kernel, and their bytes together.
    pub(crate) fn parameters(&self, function: u64) -> Outcome<(Vec<Parameter>, usize)> {
        let function = self.functions.get(&function).ok_or(Failure::InvalidHandle)?;
        Ok((function.program.parameters.clone(), function.program.parameter_bytes))
    }

    /// The program of a kernel.
    pub(crate) fn program(&self, function: u64) -> Outcome<Arc<Program>> {
        Ok(self.functions.get(&function).ok_or(Failure::InvalidHandle)?.program.clone())
    }
}

/// Writes what variables of a module hold at first.
fn initialise(module: &Module, globals: &HashMap<&str, u64>) -> Result<(), String> {
    for variable in &module.variables {
        let Some(start) = globals.get(variable.name) else { continue };
        let size = variable.element_bytes;
        if variable.initial.len() * size > variable.bytes {
            return Err(format!("variable {} has too many initial values", variable.name));
        }
        // Not poisoned: what is not said is zero.
        // SAFETY: the variable was allocated with this size, and nobody else has its address yet.
        unsafe { (*start as *mut u8).write_bytes(0, variable.bytes) };
        for (index, initial) in variable.initial.iter().enumerate() {
            let value = match initial {
                Initial::Number(value) => *value,
                Initial::Address(name) => {
                    *globals.get(name).ok_or_else(|| format!("variable {name} is not known"))?
                }
            };
            let bytes = value.to_le_bytes();
            let at = (*start as usize + index * size) as *mut u8;
            // SAFETY: as above; elements have at most 8 bytes, or the rest is zero.
            unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), size.min(8)) };
        }
    }
    Ok(())
}
