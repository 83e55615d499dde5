//! The body of a kernel, with those of the functions that it calls in their places.

use super::opcode::Opcode;
use super::program::*;
use super::scope::{Layout, Place, Scope};
use super::{Environment, laid_out, shared_variables};
use crate::ptx::{Function, Instruction as Source, Operand, Space, Statement, StatementKind};

/// What compiling gives, or why an instruction is not understood.
pub(crate) type Decoded<T = Operation> = Result<T, String>;

/// Functions that call one another deeper than this call themselves.
const DEEPEST_CALL: usize = 30;

/// Compiles a kernel.
pub(super) fn compile(function: &Function, environment: &Environment) -> Result<Program, String> {
    let mut compiler = Compiler {
        environment,
        scopes: vec![Scope::default()],
        layout: Layout::default(),
        code: vec![],
        labels: vec![],
        shared_end: 0,
        local_end: 0,
        dynamic: vec![],
        unknown: vec![],
        returns: vec![None],
        has_atomics: false,
        has_float_atomics: false,
    };
    let scope = &mut compiler.scopes[0];
    for variable in shared_variables(environment.module) {
        let place = if variable.is_unsized {
            Place::DynamicShared
        } else {
            let at = compiler.shared_end.next_multiple_of(variable.alignment);
            compiler.shared_end = at + variable.bytes;
            Place::Shared(at)
        };
        scope.variables.insert(variable.name, place);
    }
    let (parameters, parameter_bytes) = laid_out(&function.parameters);
    for (variable, at) in &parameters {
        scope.variables.insert(variable.name, Place::Parameter(*at));
    }
    compiler.block(function.body.as_deref().unwrap_or_default())?;
    compiler.push(None, Operation::Exit, 0, "exit");
    compiler.resolve_labels()?;
    // The most that a tensor copy asks its shared memory to be aligned to.
    let shared_bytes = compiler.shared_end.next_multiple_of(128);
    let parameters = parameters
        .iter()
        .map(|(variable, offset)| Parameter { offset: *offset, bytes: variable.bytes })
        .collect();
    let (lines, predicates) = (compiler.layout.lines, compiler.layout.predicates);
    let (mut constants, specials) = compiler.layout.filled();
    constants.extend(compiler.dynamic.iter().map(|(register, offset)| Constant {
        slot: register.slot,
        bytes: register.bytes,
        value: (shared_bytes as i64 + offset) as u64,
    }));
    Ok(Program {
        name: function.name.into(),
        parameters,
        parameter_bytes,
        code: compiler.code,
        lines,
        predicates,
        constants,
        specials,
        shared_bytes,
        local_bytes: compiler.local_end.next_multiple_of(16),
        most_threads: function.most_threads,
        unknown: compiler.unknown,
        has_atomics: compiler.has_atomics,
        has_float_atomics: compiler.has_float_atomics,
    })
}

/// A kernel while it is compiled.
pub(super) struct Compiler<'c, 'm, 'a> {
    environment: &'c Environment<'m, 'a>,
    pub(super) scopes: Vec<Scope<'a>>,
    pub(super) layout: Layout,
    code: Vec<Instruction>,
    /// Where labels are, once they are met.
    labels: Vec<Option<u32>>,
    shared_end: usize,
    local_end: usize,
    /// Registers with addresses in dynamic shared memory, and their offsets there.
    pub(super) dynamic: Vec<(Register, i64)>,
    unknown: Vec<String>,
    /// Where the functions that are being put in place return to; none: the kernel ends.
    returns: Vec<Option<u32>>,
    pub(super) has_atomics: bool,
    pub(super) has_float_atomics: bool,
}

impl<'a> Compiler<'_, '_, 'a> {
    fn push(&mut self, guard: Option<Condition>, operation: Operation, line: u32, text: &str) {
        let (guard, flip) =
            guard.map_or((Instruction::ALWAYS, 0), |guard| (guard.predicate, guard.flip));
        self.code.push(Instruction { guard, flip, line, operation, text: text.into() });
    }

    fn new_label(&mut self) -> u32 {
        self.labels.push(None);
        self.labels.len() as u32 - 1
    }

    fn resolve_labels(&mut self) -> Result<(), String> {
        let labels = &self.labels;
        let place =
            |label: u32| labels[label as usize].ok_or("a branch to a label that is nowhere");
        for instruction in &mut self.code {
            match &mut instruction.operation {
                Operation::Branch(target) => *target = place(*target)?,
                Operation::BranchTable { targets, .. } => {
                    for target in targets {
                        *target = place(*target)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn block(&mut self, statements: &[Statement<'a>]) -> Result<(), String> {
        let mut scope = Scope::default();
        // Labels may be used before they come.
        for (index, statement) in statements.iter().enumerate() {
            if let StatementKind::Label(name) = statement.kind {
                scope.labels.insert(name, self.new_label());
                if let Some(StatementKind::Targets(targets)) =
                    statements.get(index + 1).map(|next| &next.kind)
                {
                    scope.tables.insert(name, targets.clone());
                }
            }
        }
        self.scopes.push(scope);
        for statement in statements {
            self.statement(statement)
                .map_err(|error| format!("PTX line {}: {error}", statement.line))?;
        }
        self.scopes.pop();
        Ok(())
    }

    fn scope(&mut self) -> &mut Scope<'a> {
        self.scopes.last_mut().expect("a body has a scope")
    }

    fn statement(&mut self, statement: &Statement<'a>) -> Result<(), String> {
        match &statement.kind {
            StatementKind::Block(statements) => self.block(statements)?,
            StatementKind::Label(name) => {
                let label = self.label(name)?;
                self.labels[label as usize] = Some(self.code.len() as u32);
            }
            StatementKind::Targets(_) => {}
            StatementKind::Registers(type_, names) => {
                let scope = self.scopes.last_mut().expect("a body has a scope");
                scope.declare(&mut self.layout, *type_, names)?;
            }
            StatementKind::Variable(variable) => {
                let end = if variable.space == Space::Shared {
                    &mut self.shared_end
                } else {
                    &mut self.local_end
                };
                let at = end.next_multiple_of(variable.alignment);
                let place = if variable.space != Space::Shared {
                    Place::Local(at)
                } else if variable.is_unsized {
                    Place::DynamicShared
                } else {
                    Place::Shared(at)
                };
                *end = at + variable.bytes;
                self.scope().variables.insert(variable.name, place);
            }
            StatementKind::Instruction(source) => self.instruction(source, statement.line)?,
        }
        Ok(())
    }

    fn instruction(&mut self, source: &Source<'a>, line: u32) -> Result<(), String> {
        let guard = match source.guard {
            Some((name, negated)) => Some(Condition {
                predicate: self.predicate(&Operand::Name(name))?,
                flip: if negated { u32::MAX } else { 0 },
            }),
            None => None,
        };
        let mut opcode = Opcode::new(source.opcode);
        if opcode.name == "call" {
            match self.call(source, guard, line) {
                Ok(()) => return Ok(()),
                Err(reason) => {
                    self.unknown(guard, source, line, &reason);
                    return Ok(());
                }
            }
        }
        let decoded = self.decode(&mut opcode, &source.operands);
        match decoded.and_then(|operation| opcode.finish().map(|()| operation)) {
            Ok(Operation::Nothing) => {}
            Ok(operation) => self.push(guard, operation, line, source.text),
            Err(reason) => self.unknown(guard, source, line, &reason),
        }
        Ok(())
    }

    fn unknown(&mut self, guard: Option<Condition>, source: &Source, line: u32, reason: &str) {
        self.unknown.push(format!("`{}` (PTX line {line}: {reason})", source.text));
        self.push(guard, Operation::Unknown, line, source.text);
    }

    /// Decodes an instruction by the group that its name is of.
    fn decode(&mut self, opcode: &mut Opcode, operands: &[Operand<'a>]) -> Decoded {
        match opcode.name {
            "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "mbarrier" | "cvta" | "isspacep" => {
                self.memory(opcode, operands)
            }
            "wmma" | "mma" | "ldmatrix" | "stmatrix" => self.matrix(opcode, operands),
            "shfl" | "vote" | "redux" | "match" | "elect" | "activemask" => {
                self.collective(opcode, operands)
            }
            "bra" | "brx" | "ret" | "exit" | "trap" | "bar" | "barrier" | "membar" | "fence"
            | "nanosleep" | "prefetch" | "prefetchu" | "discard" | "griddepcontrol" | "pmevent"
            | "setmaxnreg" => self.control(opcode, operands),
            _ => self.arithmetic(opcode, operands),
        }
    }

    /// Puts the body of a function where it is called.
    fn call(
        &mut self,
        source: &Source<'a>,
        guard: Option<Condition>,
        line: u32,
    ) -> Result<(), String> {
        let (mut results, mut arguments, mut name) = (vec![], vec![], None);
        for operand in &source.operands {
            match operand {
                Operand::Name(word) if name.is_none() => name = Some(*word),
                Operand::Arguments(list) if name.is_none() => results = list.clone(),
                Operand::Arguments(list) => arguments = list.clone(),
                other => return Err(format!("a call with {other:?}")),
            }
        }
        let name = name.ok_or("a call of nothing")?;
        let module = self.environment.module;
        let function = module.functions.iter().find(|function| function.name == name);
        let body =
            function.and_then(|function| function.body.as_deref().map(|body| (function, body)));
        let (function, body) = body.ok_or("the function has no body")?;
        if self.returns.len() > DEEPEST_CALL {
            return Err("a function that calls itself".into());
        }
        let mut scope = Scope::default();
        for variable in shared_variables(module) {
            if let Some(place) = self.variable(variable.name) {
                scope.variables.insert(variable.name, place);
            }
        }
        let given = arguments.iter().chain(&results);
        for (parameter, given) in function.parameters.iter().chain(&function.returns).zip(given) {
            let Operand::Name(given) = given else { return Err(format!("argument {given:?}")) };
            let place = self.variable(given).ok_or_else(|| format!("argument {given}"))?;
            scope.variables.insert(parameter.name, place);
        }
        let end = self.new_label();
        if let Some(guard) = guard {
            let unless = Condition { flip: !guard.flip, ..guard };
            self.push(Some(unless), Operation::Branch(end), line, source.text);
        }
        // The function sees nothing of its caller.
        let of_caller = std::mem::replace(&mut self.scopes, vec![scope]);
        self.returns.push(Some(end));
        let compiled = self.block(body);
        self.returns.pop();
        self.scopes = of_caller;
        self.labels[end as usize] = Some(self.code.len() as u32);
        compiled
    }

    /// Where the function that is compiled returns to.
    pub(super) fn return_label(&self) -> Option<u32> {
        self.returns.last().copied().flatten()
    }

    /// The label of this name, in this block or one around it.
    pub(super) fn label(&self, name: &str) -> Decoded<u32> {
        let mut scopes = self.scopes.iter().rev();
        let found = scopes.find_map(|scope| scope.labels.get(name));
        found.copied().ok_or_else(|| format!("label {name} is not declared"))
    }

    /// The labels of `.branchtargets`.
    pub(super) fn table(&self, name: &str) -> Decoded<Vec<u32>> {
        let mut scopes = self.scopes.iter().rev();
        let found = scopes.find_map(|scope| scope.tables.get(name)).cloned();
        let targets = found.ok_or_else(|| format!("table {name} is not declared"))?;
        targets.iter().map(|target| self.label(target)).collect()
    }

    pub(super) fn variable(&self, name: &str) -> Option<Place> {
        let local = self.scopes.iter().rev().find_map(|scope| scope.variables.get(name)).copied();
        local.or_else(|| self.environment.globals.get(name).map(|at| Place::Global(*at)))
    }
}
