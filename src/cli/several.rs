//! Several runs at once, each made by a process of its own.
//!
//! A process is told what to make by one line on its standard input, which then stays open: it stops at the end of a step once
//! that is closed, whether this process asks it to or has died.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::job::{Maker, Task};
use super::one_run::{Asked, COMMAND, Ended};
use crate::error::{Error, Result};
use crate::progress::JobLine;
use crate::record::{RunDir, RunState};
use crate::run::Outcome;
use crate::train::Stop;

/// The variable that says how many threads compute.
pub(super) const THREADS: &str = "RAYON_NUM_THREADS";

/// How often a process is looked after.
const MOMENT: Duration = Duration::from_millis(50);

/// Makes several runs at once.
pub(super) struct Several {
    /// How many.
    most: usize,
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Whose turn it is.
#[derive(Default)]
struct Turns {
    /// The training ids of the runs that are made. Two of one id are not made at once, since the second takes over the
    /// weights of the first.
    made: BTreeSet<String>,
    /// Those of the runs that wait, by their order.
    waiting: BTreeMap<(usize, usize), String>,
}

impl Turns {
    /// Whether a run that waits is to begin.
    fn is_for(&self, order: (usize, usize), most: usize) -> bool {
        let next = self.waiting.iter().find(|(_, id)| !self.made.contains(*id));
        self.made.len() < most && next.is_some_and(|(first, _)| *first == order)
    }
}

/// The turn of a run; others follow when it is dropped.
struct Turn<'a> {
    of: &'a Several,
    id: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.of.turns().made.remove(&self.id);
        self.of.changed.notify_all();
    }
}

impl Several {
    /// So many at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most, turns: Mutex::default(), changed: Condvar::new() }
    }

    /// Threads that each may compute with: the share of each in those of this process.
    fn threads(&self) -> usize {
        (rayon::current_num_threads() / self.most).max(1)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something in this process, as one of so many at once; `None` if someone asks to stop before.
    pub(super) fn here<T>(
        &self,
        task: &Task,
        maker: &Maker,
        what: impl FnOnce() -> T,
    ) -> Option<T> {
        let order = (maker.place, usize::MAX);
        let turn = self.turn(order, &task.plan.decisions.training_id, maker.stop)?;
        let made = what();
        drop(turn);
        Some(made)
    }

    /// Waits until a run is to begin; `None` if someone asks to stop before.
    fn turn(&self, order: (usize, usize), id: &str, stop: &Stop) -> Option<Turn<'_>> {
        let mut turns = self.turns();
        turns.waiting.insert(order, id.into());
        while !stop.asked() && !turns.is_for(order, self.most) {
            let waited = self.changed.wait_timeout(turns, MOMENT);
            turns = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        turns.waiting.remove(&order);
        if stop.asked() {
            return None;
        }
        turns.made.insert(id.into());
        drop(turns);
        self.changed.notify_all();
        Some(Turn { of: self, id: id.into() })
    }

    /// Makes runs, and gives what came of each by its place among them; those that a stop comes before are left out.
    pub(super) fn make(
        &self,
        tasks: &[Task],
        maker: &Maker,
        ended: &mut dyn FnMut(usize, Result<Outcome>),
    ) {
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::channel();
        let work = |send: mpsc::Sender<(usize, Result<Outcome>)>| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(index) else { return };
                let id = &task.plan.decisions.training_id;
                let Some(_turn) = self.turn((maker.place, index), id, maker.stop) else { return };
                if let Some(result) = self.one(task, maker).transpose()
                    && send.send((index, result)).is_err()
                {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.most.min(tasks.len()) {
                let send = send.clone();
                scope.spawn(|| work(send));
            }
            drop(send);
            for (index, result) in receive {
                ended(index, result);
            }
        });
    }

    /// Makes a run; `None` if it was to stop before it began.
    fn one(&self, task: &Task, maker: &Maker) -> Result<Option<Outcome>> {
        let state = RunDir::open_read(task.plan.folder()).and_then(|run| run.status());
        let finished = state.is_ok_and(|status| status.state == RunState::Finished);
        if finished && !task.options.force {
            return maker.here(task).map(Some);
        }
        maker.output.say(task.begin());
        let outcome = match self.by_process(task, maker)? {
            Ended::Run { path, reused } => Outcome::read(path, reused)?,
            Ended::Stopped => return Ok(None),
            Ended::Refused { why, code: 2 } => return Err(Error::user(why)),
            Ended::Refused { why, .. } => return Err(Error::failed(why)),
        };
        maker.output.say(task.end(&outcome)?);
        Ok(Some(outcome))
    }

    /// Has another process make a run.
    fn by_process(&self, task: &Task, maker: &Maker) -> Result<Ended> {
        let cannot = |error: &dyn std::fmt::Display| {
            Error::failed(format!("a process for it cannot be started: {error}"))
        };
        let program = std::env::current_exe().map_err(|error| cannot(&error))?;
        let mut child = Command::new(program)
            .arg(COMMAND)
            .env(THREADS, self.threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| cannot(&error))?;
        let asked = serde_json::to_string(&Asked::new(task)).map_err(|error| cannot(&error))?;
        let mut said = Said { last: String::new(), line: JobLine::new(&task.plan.name()) };
        let (mut answer, errors) = (Vec::new(), child.stderr.take());
        let mut output = child.stdout.take();
        let status = thread::scope(|scope| {
            scope.spawn(|| errors.into_iter().for_each(|errors| said.pass_on(errors, task, maker)));
            scope.spawn(|| output.iter_mut().for_each(|from| drop(from.read_to_end(&mut answer))));
            looked_after(&mut child, &asked, maker.stop)
        });
        let status = status.map_err(|error| cannot(&error))?;
        match serde_json::from_slice(&answer) {
            Ok(ended) => Ok(ended),
            Err(_) if maker.stop.asked() => Ok(Ended::Stopped),
            Err(_) => {
                let name = task.plan.name();
                let last = if said.last.is_empty() { "nothing" } else { &said.last };
                Err(Error::failed(format!(
                    "{name}: its process ended ({status}); the last that it said was: {last}"
                )))
            }
        }
    }
}

/// Tells a process what to make and waits for its end; its standard input is closed when someone asks to stop.
fn looked_after(
    child: &mut Child,
    asked: &str,
    stop: &Stop,
) -> std::io::Result<std::process::ExitStatus> {
    let mut input = child.stdin.take();
    if let Some(input) = &mut input {
        // A process that has ended already says why in its status.
        let _ = input.write_all(asked.as_bytes()).and_then(|()| input.write_all(b"\n"));
        let _ = input.flush();
    }
    loop {
        if stop.asked() {
            input = None;
        }
        if let Some(status) = child.try_wait()? {
            drop(input);
            return Ok(status);
        }
        thread::sleep(MOMENT);
    }
}

/// What a process says while it works.
struct Said {
    last: String,
    line: JobLine,
}

impl Said {
    /// Passes on what a process says, each line with the name of its run; how far it came goes into its own line, where there
    /// is a terminal.
    fn pass_on(&mut self, errors: impl Read, task: &Task, maker: &Maker) {
        let name = task.plan.name();
        let mut lines = BufReader::new(errors);
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_string();
            bytes.clear();
            self.line.tell(&line);
            if !(self.line.is_shown() && line.ends_with(" cases")) {
                maker.output.say(format!("{name}: {line}"));
            }
            self.last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(made: &[&str], waiting: &[(usize, usize, &str)]) -> Turns {
        let waiting = waiting.iter().map(|&(place, index, id)| ((place, index), id.to_string()));
        Turns { made: made.iter().map(|id| id.to_string()).collect(), waiting: waiting.collect() }
    }

    #[test]
    fn the_first_that_waits_begins_unless_its_weights_are_being_trained() {
        let waiting = [(0, 1, "a"), (0, 2, "b"), (1, 0, "c")];
        let next = |made: &[&str], most: usize| {
            let turns = turns(made, &waiting);
            let of =
                |&&(place, index, _): &&(usize, usize, &str)| turns.is_for((place, index), most);
            waiting.iter().find(of).map(|(.., id)| *id)
        };
        assert_eq!(next(&[], 2), Some("a"));
        assert_eq!(next(&["x"], 2), Some("a"));
        assert_eq!(next(&["a"], 2), Some("b"));
        assert_eq!(next(&["x", "y"], 2), None);
        assert_eq!(next(&["a", "b"], 3), Some("c"));
    }

    #[test]
    fn no_more_runs_are_made_at_once_than_asked_for_and_a_stop_ends_the_waiting() {
        let several = Several::new(2);
        let stop = Stop::default();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for index in 0..6 {
                let (several, stop, now, most) = (&several, &stop, &now, &most);
                scope.spawn(move || {
                    let _turn = several.turn((0, index), &index.to_string(), stop).unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(20));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 2);
        let _turns = [several.turn((0, 0), "a", &stop), several.turn((0, 1), "b", &stop)];
        stop.ask();
        assert!(several.turn((0, 2), "c", &stop).is_none());
    }
}
