//! The grammar: tokens become a syntax tree.

use super::syntax::*;
use super::token::{Kind, Token, number, tokens};
use super::types::{Space, Type};
use crate::versions::Version;

type Parsed<T> = Result<T, String>;

/// Reads a module.
///
/// # Errors
/// The line, and what is not understood there.
pub(crate) fn parse(text: &str) -> Parsed<Module<'_>> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, next: 0 };
    let mut module = Module::default();
    while parser.next < tokens.len() {
        parser.declaration(&mut module).map_err(|error| {
            let line = parser.tokens.get(parser.next.saturating_sub(1)).map_or(0, |t| t.line);
            format!("PTX line {line}: {error}")
        })?;
    }
    Ok(module)
}

struct Parser<'a, 't> {
    text: &'a str,
    tokens: &'t [Token<'a>],
    next: usize,
}

/// Words before a declaration that say who sees it.
const LINKING: [&str; 4] = [".visible", ".extern", ".weak", ".common"];

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.next).map(|token| token.kind)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.next).map_or(0, |token| token.line)
    }

    fn take(&mut self) -> Parsed<Kind<'a>> {
        let kind = self.peek().ok_or("the file ends here")?;
        self.next += 1;
        Ok(kind)
    }

    fn word(&mut self) -> Parsed<&'a str> {
        match self.take()? {
            Kind::Word(word) => Ok(word),
            other => Err(format!("{other:?} where a word should be")),
        }
    }

    fn takes(&mut self, sign: u8) -> bool {
        let found = self.peek() == Some(Kind::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(Kind::Word(word));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: u8) -> Parsed<()> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(format!("{:?} where `{}` should be", self.peek(), sign as char))
    }

    /// Passes over the rest of the line at which the last token stands.
    fn skip_line(&mut self) {
        let line = self.tokens[self.next - 1].line;
        while self.tokens.get(self.next).is_some_and(|token| token.line == line) {
            self.next += 1;
        }
    }

    fn skip_to(&mut self, sign: u8) -> Parsed<()> {
        while self.take()? != Kind::Sign(sign) {}
        Ok(())
    }

    fn integer(&mut self) -> Parsed<u64> {
        let negative = self.takes(b'-');
        let word = self.word()?;
        let value = number(word).ok_or_else(|| format!("`{word}` where a number should be"))?;
        Ok(if negative { value.wrapping_neg() } else { value })
    }

    fn declaration(&mut self, module: &mut Module<'a>) -> Parsed<()> {
        let mut word = self.word()?;
        while LINKING.contains(&word) {
            word = self.word()?;
        }
        match word {
            ".version" => {
                let version = self.word()?;
                let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
                let part = |part: &str| part.parse().map_err(|_| format!("version {version}"));
                module.version = Version(part(major)?, part(minor)?);
            }
            ".target" => {
                module.target = self.word()?;
                self.skip_line();
            }
            ".address_size" => {
                if self.integer()? != 64 {
                    return Err("addresses are not of 64 bits".into());
                }
            }
            ".file" | ".loc" => self.skip_line(),
            ".section" => self.skip_to(b'}')?,
            ".alias" | ".pragma" => self.skip_to(b';')?,
            ".entry" | ".func" => {
                let function = self.function(word == ".entry")?;
                module.functions.push(function);
            }
            ".global" | ".const" | ".shared" => {
                let space = if word == ".shared" { Space::Shared } else { Space::Global };
                let variable = self.variable(space)?;
                self.expect(b';')?;
                module.variables.push(variable);
            }
            other => return Err(format!("`{other}` is not known here")),
        }
        Ok(())
    }

    fn function(&mut self, is_kernel: bool) -> Parsed<Function<'a>> {
        let returns = if self.takes(b'(') { self.parameters()? } else { vec![] };
        let name = self.word()?;
        let parameters = if self.takes(b'(') { self.parameters()? } else { vec![] };
        let mut most_threads = None;
        loop {
            match self.take()? {
                Kind::Sign(b'{') => break,
                Kind::Sign(b';') => {
                    let body = None;
                    return Ok(Function {
                        name,
                        is_kernel,
                        parameters,
                        returns,
                        most_threads,
                        body,
                    });
                }
                Kind::Word(".maxntid" | ".reqntid") => {
                    let mut threads = self.integer()?;
                    while self.takes(b',') {
                        threads *= self.integer()?;
                    }
                    most_threads = Some(threads as u32);
                }
                Kind::Word(".minnctapersm" | ".maxnreg" | ".maxnctapersm") => {
                    self.integer()?;
                }
                Kind::Word(".noreturn") => {}
                Kind::Word(".pragma") => self.skip_to(b';')?,
                other => return Err(format!("{other:?} is not known before a function's body")),
            }
        }
        let body = Some(self.block()?);
        Ok(Function { name, is_kernel, parameters, returns, most_threads, body })
    }

    fn parameters(&mut self) -> Parsed<Vec<Variable<'a>>> {
        let mut found = vec![];
        while !self.takes(b')') {
            let space = self.word()?;
            if !matches!(space, ".param" | ".reg") {
                return Err(format!("`{space}` where `.param` should be"));
            }
            found.push(self.variable(Space::Param)?);
            self.takes(b',');
        }
        Ok(found)
    }

    /// `.align 8 .b8 name[4][2] = {..}`
    fn variable(&mut self, space: Space) -> Parsed<Variable<'a>> {
        let (mut alignment, mut element_bytes, mut points) = (0, 1, false);
        let name = loop {
            match self.word()? {
                ".align" if points => {
                    // Of what the pointer points to.
                    self.integer()?;
                }
                ".align" => alignment = self.integer()? as usize,
                ".ptr" => points = true,
                ".global" | ".shared" | ".const" | ".local" | ".param" if points => {}
                word => match word.strip_prefix('.') {
                    None => break word,
                    Some(type_) => {
                        element_bytes = Type::of_name(type_)
                            .ok_or_else(|| format!("`{word}` is not known in a declaration"))?
                            .bytes();
                    }
                },
            }
        };
        let (mut elements, mut is_unsized) = (1, false);
        while self.takes(b'[') {
            if self.takes(b']') {
                is_unsized = true;
                continue;
            }
            elements *= self.integer()? as usize;
            self.expect(b']')?;
        }
        let mut initial = vec![];
        if self.takes(b'=') {
            self.initial(&mut initial)?;
        }
        if is_unsized {
            elements = initial.len();
        }
        Ok(Variable {
            space,
            name,
            alignment: alignment.max(element_bytes),
            element_bytes,
            bytes: element_bytes * elements,
            is_unsized: is_unsized && initial.is_empty(),
            initial,
        })
    }

    fn initial(&mut self, found: &mut Vec<Initial<'a>>) -> Parsed<()> {
        if self.takes(b'{') {
            while !self.takes(b'}') {
                self.initial(found)?;
                self.takes(b',');
            }
        } else if let Some(Kind::Word(word)) = self.peek()
            && number(word).is_none()
        {
            self.next += 1;
            let generic = word == "generic" && self.takes(b'(');
            found.push(Initial::Address(if generic { self.word()? } else { word }));
            if generic {
                self.expect(b')')?;
            }
        } else {
            found.push(Initial::Number(self.integer()?));
        }
        Ok(())
    }

    /// Statements up to the brace that closes them.
    fn block(&mut self) -> Parsed<Vec<Statement<'a>>> {
        let mut found = vec![];
        while !self.takes(b'}') {
            let line = self.line();
            if let Some(kind) = self.statement()? {
                found.push(Statement { line, kind });
            }
        }
        Ok(found)
    }

    fn statement(&mut self) -> Parsed<Option<StatementKind<'a>>> {
        if self.takes(b'{') {
            return Ok(Some(StatementKind::Block(self.block()?)));
        }
        if self.takes(b';') {
            return Ok(None);
        }
        let start = self.tokens.get(self.next).map_or(0, |token| token.at);
        let guard = if self.takes(b'@') {
            let negated = self.takes(b'!');
            Some((self.word()?, negated))
        } else {
            None
        };
        let opcode = self.word()?;
        if guard.is_none() {
            match opcode {
                ".loc" => {
                    self.skip_line();
                    return Ok(None);
                }
                ".pragma" => {
                    self.skip_to(b';')?;
                    return Ok(None);
                }
                ".reg" => return self.registers().map(Some),
                ".branchtargets" => {
                    let mut targets = vec![self.word()?];
                    while self.takes(b',') {
                        targets.push(self.word()?);
                    }
                    self.expect(b';')?;
                    return Ok(Some(StatementKind::Targets(targets)));
                }
                ".local" | ".shared" | ".param" | ".extern" | ".global" | ".const" => {
                    return self.local_variable(opcode).map(Some);
                }
                _ if self.takes(b':') => return Ok(Some(StatementKind::Label(opcode))),
                _ => {}
            }
        }
        let mut operands = vec![];
        while !self.takes(b';') {
            operands.push(self.operand()?);
            self.takes(b',');
        }
        let text = self.text[start..self.tokens[self.next - 1].at].trim();
        Ok(Some(StatementKind::Instruction(Instruction { guard, opcode, operands, text })))
    }

    fn registers(&mut self) -> Parsed<StatementKind<'a>> {
        let word = self.word()?;
        let type_ = word.strip_prefix('.').and_then(Type::of_name);
        let type_ = type_.ok_or_else(|| format!("registers of `{word}`"))?;
        let mut names = vec![];
        while !self.takes(b';') {
            let name = self.word()?;
            let count = if self.takes(b'<') { Some(self.integer()? as u32) } else { None };
            if count.is_some() {
                self.expect(b'>')?;
            }
            names.push((name, count));
            self.takes(b',');
        }
        Ok(StatementKind::Registers(type_, names))
    }

    fn local_variable(&mut self, word: &'a str) -> Parsed<StatementKind<'a>> {
        let word = if word == ".extern" { self.word()? } else { word };
        let space = match word {
            ".shared" => Space::Shared,
            // Parameters of a call lie in memory of the thread.
            ".local" | ".param" => Space::Local,
            other => return Err(format!("a variable of `{other}` in a function")),
        };
        let variable = self.variable(space)?;
        self.expect(b';')?;
        Ok(StatementKind::Variable(variable))
    }

    fn operand(&mut self) -> Parsed<Operand<'a>> {
        if self.takes(b'{') {
            return Ok(Operand::Vector(self.operands(b'}')?));
        }
        if self.takes(b'(') {
            return Ok(Operand::Arguments(self.operands(b')')?));
        }
        if self.takes(b'!') {
            return Ok(Operand::Not(self.word()?));
        }
        if self.takes(b'[') {
            let base = Box::new(self.plain()?);
            let (base, offset) = match *base {
                Operand::Sum(name, offset) => (Box::new(Operand::Name(name)), offset),
                other => (Box::new(other), 0),
            };
            let coordinates = if self.takes(b',') {
                match self.operand()? {
                    Operand::Vector(coordinates) => coordinates,
                    other => return Err(format!("coordinates {other:?}")),
                }
            } else {
                vec![]
            };
            self.expect(b']')?;
            return Ok(Operand::Address { base, offset, coordinates });
        }
        let first = self.plain()?;
        if self.takes(b'|') {
            return Ok(Operand::Pair(Box::new(first), Box::new(self.plain()?)));
        }
        Ok(first)
    }

    fn operands(&mut self, end: u8) -> Parsed<Vec<Operand<'a>>> {
        let mut found = vec![];
        while !self.takes(end) {
            found.push(self.operand()?);
            self.takes(b',');
        }
        Ok(found)
    }

    /// A name, a name and an offset, or a number.
    fn plain(&mut self) -> Parsed<Operand<'a>> {
        if let Some(Kind::Sign(b'-')) = self.peek() {
            return Ok(Operand::Number(self.integer()?));
        }
        let word = self.word()?;
        if let Some(value) = number(word) {
            return Ok(Operand::Number(value));
        }
        if self.takes(b'+') {
            return Ok(Operand::Sum(word, self.integer()? as i64));
        }
        if self.takes_word("..") {
            return Err("a range of registers".into());
        }
        Ok(Operand::Name(word))
    }
}
