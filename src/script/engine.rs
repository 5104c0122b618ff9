//! Running scripts and functions: from the command that calls one to its answer.
//!
//! Life cycle of a script: EVAL compiles it or finds it compiled ([`Cache`]); the data set is moved into the
//! interpreter's [`Host`]; the script runs; the data set comes back; its result, or its error with the place where it
//! happened, becomes the answer. An interpreter is made when it is first needed.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Function, Lua, Table, Value};

use super::cache::Cache;
use super::flags::{self, ScriptFlags};
use super::functions::FunctionVm;
use super::host::{Host, Start};
use super::running::{Kind, Running};
use super::sandbox::{self, Entry, Failure};
use super::{api, convert, hook, raise};
use crate::command::{CommandError, CommandResult, Context};
use crate::instance::Instance;
use crate::instance::attention::{FILE_FAILS, WRITES_STOPPED};
use crate::resp::{Protocol, Request};

/// An error's code is no longer.
const MAX_CODE: usize = 32;

/// What a server has of scripts.
#[derive(Debug, Default)]
pub struct Scripts {
    engine: Mutex<Engine>,
    /// The script that runs, as others see it.
    pub running: Running,
    /// What INFO shows.
    pub figures: Figures,
    /// Whether scripts may call the commands that are not for them (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub allow_all: AtomicBool,
}

/// Figures that are to be had without waiting for a script.
#[derive(Debug, Default)]
pub struct Figures {
    /// Bytes that the interpreter of EVAL's scripts takes.
    pub eval_vm_bytes: AtomicUsize,
    /// Bytes that the texts of EVAL's scripts take.
    pub eval_bytes: AtomicUsize,
    /// EVAL's scripts that are kept.
    pub scripts: AtomicUsize,
    /// EVAL's scripts that had to go for others.
    pub evicted: AtomicU64,
    /// Bytes that the interpreter of functions takes.
    pub function_vm_bytes: AtomicUsize,
    /// Bytes that the texts of libraries take.
    pub function_bytes: AtomicUsize,
    /// Libraries.
    pub libraries: AtomicUsize,
    /// Functions.
    pub functions: AtomicUsize,
}

impl Scripts {
    /// The interpreters. Taken under the data set's lock, and kept while a script runs: commands that may run meanwhile
    /// have [`Scripts::running`] and [`Scripts::figures`].
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has INFO show what interpreters take after a script has run.
    pub fn publish_run(&self, engine: &Engine) {
        let set = |figure: &AtomicUsize, value| figure.store(value, Ordering::Relaxed);
        let figures = &self.figures;
        if let Some(vm) = &engine.eval {
            set(&figures.eval_vm_bytes, vm.lua.used_memory());
            set(&figures.eval_bytes, vm.scripts.memory_bytes());
            set(&figures.scripts, vm.scripts.len());
        }
        if let Some(vm) = &engine.functions {
            set(&figures.function_vm_bytes, vm.lua.used_memory());
        }
    }

    /// Has INFO show what there is now.
    pub fn publish(&self, engine: &Engine) {
        let set = |figure: &AtomicUsize, value| figure.store(value, Ordering::Relaxed);
        let figures = &self.figures;
        let eval = engine.eval.as_ref();
        set(
            &figures.eval_vm_bytes,
            eval.map_or(0, |vm| vm.lua.used_memory()),
        );
        set(
            &figures.eval_bytes,
            eval.map_or(0, |vm| vm.scripts.memory_bytes()),
        );
        set(&figures.scripts, eval.map_or(0, |vm| vm.scripts.len()));
        let vm = engine.functions.as_ref();
        set(
            &figures.function_vm_bytes,
            vm.map_or(0, |vm| vm.lua.used_memory()),
        );
        let libraries = vm.map(|vm| &vm.libraries);
        let of = |count: fn(&super::functions::Libraries) -> usize| libraries.map_or(0, count);
        set(
            &figures.function_bytes,
            of(|libraries| libraries.memory_bytes()),
        );
        set(&figures.libraries, of(|libraries| libraries.len()));
        set(&figures.functions, of(|libraries| libraries.functions()));
    }
}

/// The interpreters.
#[derive(Debug, Default)]
pub struct Engine {
    eval: Option<EvalVm>,
    functions: Option<FunctionVm>,
}

impl Engine {
    /// EVAL's interpreter.
    ///
    /// # Errors
    /// Out of memory.
    pub fn eval(&mut self) -> Result<&mut EvalVm, CommandError> {
        if self.eval.is_none() {
            self.eval = Some(EvalVm::new().map_err(|error| no_vm(&error))?);
        }
        self.eval.as_mut().ok_or(CommandError::NoScript)
    }

    /// EVAL's interpreter, if there is one.
    pub fn known_eval(&self) -> Option<&EvalVm> {
        self.eval.as_ref()
    }

    /// Takes EVAL's interpreter away, with all its scripts.
    pub fn take_eval(&mut self) -> Option<EvalVm> {
        self.eval.take()
    }

    /// The interpreter of functions.
    ///
    /// # Errors
    /// Out of memory.
    pub fn functions(&mut self) -> Result<&mut FunctionVm, CommandError> {
        if self.functions.is_none() {
            self.functions = Some(FunctionVm::new().map_err(|error| no_vm(&error))?);
        }
        self.functions.as_mut().ok_or(CommandError::NoScript)
    }

    /// The interpreter of functions, if there is one.
    pub fn known_functions(&self) -> Option<&FunctionVm> {
        self.functions.as_ref()
    }

    /// Takes the interpreter of functions away, with all its libraries.
    pub fn take_functions(&mut self) -> Option<FunctionVm> {
        self.functions.take()
    }
}

fn no_vm(error: &mlua::Error) -> CommandError {
    CommandError::err(format_args!("The interpreter cannot be started: {error}"))
}

/// EVAL's interpreter, with its scripts.
pub struct EvalVm {
    lua: Lua,
    entry: Entry,
    host: Host,
    /// The scripts that it knows.
    pub scripts: Cache,
}

impl std::fmt::Debug for EvalVm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvalVm")
            .field("scripts", &self.scripts.len())
            .finish_non_exhaustive()
    }
}

impl EvalVm {
    fn new() -> mlua::Result<Self> {
        let lua = sandbox::new_vm()?;
        let host = Host::default();
        api::install_for_scripts(&lua, &host)?;
        hook::install(&lua, &host)?;
        let entry = Entry::of(&lua, super::MEMORY_LIMIT)?;
        // What it took to set it up is more than what is left of that.
        lua.gc_collect()?;
        Ok(EvalVm {
            entry,
            lua,
            host,
            scripts: Cache::default(),
        })
    }

    /// Compiles a script, unless that has been done; answers its hash. `evicted` counts those that had to go for it.
    ///
    /// # Errors
    /// The text for the client.
    pub fn learn(&mut self, body: &[u8], evicted: &AtomicU64) -> Result<Arc<str>, CommandError> {
        if let Some(sha) = self.scripts.sha_of(body) {
            return Ok(sha);
        }
        let failed = |text: &[u8]| CommandError::Quoting([b"ERR ", text].concat());
        let (flags, code) = flags::split(body).map_err(|text| failed(&text))?;
        let compiling =
            |text: &[u8]| failed(&[b"Error compiling script (new function): ", text].concat());
        let chunk = sandbox::compile(&self.lua, code, "@user_script");
        let key = chunk
            .map_err(|text| compiling(&text))
            .and_then(|function| {
                let kept = self.lua.create_registry_value(function);
                kept.map_err(|error| compiling(error.to_string().as_bytes()))
            })?;
        if let Some(gone) = self.scripts.add(body, flags, key) {
            evicted.fetch_add(1, Ordering::Relaxed);
            // Only a key of another interpreter can fail.
            let _ = self.lua.remove_registry_value(gone.function);
        }
        self.scripts.sha_of(body).ok_or(CommandError::NoScript)
    }

    /// Runs the script with that hash.
    ///
    /// # Errors
    /// There is none, or it may not run; what goes wrong within it is answered.
    pub fn run(
        &mut self,
        context: &mut Context<'_>,
        request: Request<'_>,
        sha: &str,
        call: &Call<'_>,
    ) -> CommandResult {
        let script = self.scripts.used(sha).ok_or(CommandError::NoScript)?;
        let start = Start {
            name: &script.sha,
            kind: Kind::Eval,
            flags: script.flags,
            read_only: call.read_only,
        };
        check(&start, context.instance)?;
        let prepare = || -> mlua::Result<()> {
            let words = call.words.iter_from(0);
            self.entry.stage(&self.lua, call.keys, words)
        };
        prepare().map_err(CommandError::err)?;
        run(&self.lua, &self.host, context, request, &start, || {
            self.entry.call(&self.lua, &script.function, ())
        })
    }
}

impl FunctionVm {
    /// Runs the function of that name.
    ///
    /// # Errors
    /// It may not run; what goes wrong within it is answered.
    pub fn run(
        &mut self,
        context: &mut Context<'_>,
        request: Request<'_>,
        function: &super::functions::Function,
        call: &Call<'_>,
    ) -> CommandResult {
        let start = Start {
            name: &function.name,
            kind: Kind::Function,
            flags: function.flags,
            read_only: call.read_only,
        };
        check(&start, context.instance)?;
        let prepare = || -> mlua::Result<(Function, (Table, Table))> {
            Ok((
                self.lua.registry_value(&function.function)?,
                sandbox::tables(&self.lua, call.keys, call.words.iter_from(0))?,
            ))
        };
        let (function, tables) = prepare().map_err(CommandError::err)?;
        run(&self.lua, &self.host, context, request, &start, || {
            self.entry.call(&self.lua, &function, tables)
        })
    }
}

/// What a command hands to a script.
pub struct Call<'a> {
    /// The words behind the number of keys.
    words: Request<'a>,
    keys: usize,
    /// Whether the command only reads.
    pub read_only: bool,
}

impl<'a> Call<'a> {
    /// The call of a request that has the number of its keys, which was found to be `keys`, as its third word.
    pub fn new(request: Request<'a>, keys: usize, read_only: bool) -> Self {
        Call {
            words: request.skip(3),
            keys,
            read_only,
        }
    }
}

/// Why a script may not run, if so.
fn check(start: &Start<'_>, instance: &Instance) -> Result<(), CommandError> {
    let declared = !start.flags.has(ScriptFlags::UNDECLARED);
    if declared && start.read_only && !start.flags.has(ScriptFlags::NO_WRITES) {
        return Err(CommandError::fixed(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let may_write = declared && !start.flags.has(ScriptFlags::NO_WRITES);
    if may_write && instance.attention.has(WRITES_STOPPED) {
        return Err(CommandError::UnsavedScript);
    }
    if may_write
        && instance.attention.has(FILE_FAILS)
        && let Some(text) = instance.aof.error()
    {
        return Err(CommandError::FileFails(text));
    }
    Ok(())
}

type Outcome = mlua::Result<Result<Value, Failure>>;

/// Runs something on the context's data set, and answers what comes of it.
fn run(
    lua: &Lua,
    host: &Host,
    context: &mut Context<'_>,
    request: Request<'_>,
    start: &Start<'_>,
    body: impl FnOnce() -> Outcome,
) -> CommandResult {
    let lent = host.lend(context, request, start)?;
    let outcome = body();
    let protocol = lent.protocol();
    drop(lent);
    if host.take_alarm() {
        hook::install(lua, host).map_err(CommandError::err)?;
    }
    let failure = match outcome {
        Ok(Ok(value)) => return answer(context, lua, &value, protocol),
        Ok(Err(failure)) => failure,
        Err(error) => Failure {
            value: raise::value_of(lua, &error).map_err(CommandError::err)?,
            place: None,
        },
    };
    let mut text = failure_text(&failure.value);
    if let Some(place) = &failure.place {
        let place = format!(
            " script: {}, on {}:{}.",
            start.name, place.source, place.line
        );
        text.extend_from_slice(place.as_bytes());
    }
    let counted = matches!(&failure.value, Value::Table(table)
        if matches!(table.raw_get("ignore_error_stats_update"), Ok(Value::Boolean(true))));
    context.reply.error(&text);
    if !counted {
        count(context, &text);
    }
    fail(context);
    Ok(())
}

/// Writes the result of a script.
fn answer(
    context: &mut Context<'_>,
    lua: &Lua,
    value: &Value,
    protocol: Protocol,
) -> CommandResult {
    let mark = context.reply.mark();
    let (mut fails, mut uncounted) = (false, Vec::new());
    let mut on_error = |text: &[u8], counted: bool| {
        fails = true;
        if !counted {
            uncounted.push(text.to_vec());
        }
    };
    let written = convert::to_reply(lua, value, &mut context.reply, protocol, &mut on_error);
    if let Err(error) = written {
        context.reply.rewind(mark);
        return Err(CommandError::err(error));
    }
    for text in uncounted {
        count(context, &text);
    }
    if fails {
        fail(context);
    }
    Ok(())
}

/// Counts a call of the script's command as failed: its answer holds an error, whoever has counted that.
fn fail(context: &Context<'_>) {
    let counters = &context.instance.stats.commands[context.command.id];
    counters.failed.add(1);
}

/// Counts an error that a script itself has made.
fn count(context: &Context<'_>, text: &[u8]) {
    // A text of one word has no code.
    let code = match text.iter().take(MAX_CODE).position(|&byte| byte == b' ') {
        Some(end) => &text[..end],
        None => b"ERR",
    };
    let stats = &context.instance.stats;
    stats.count_error(&String::from_utf8_lossy(code));
}

/// The text of a script's error with its code.
pub(super) fn failure_text(value: &Value) -> Vec<u8> {
    match value {
        Value::Table(table) => match table.raw_get("err") {
            Ok(Value::String(text)) => text.as_bytes().to_vec(),
            _ => b"ERR unknown error".to_vec(),
        },
        Value::String(text) => [b"ERR ".as_slice(), &text.as_bytes()].concat(),
        other => {
            let text = other
                .to_string()
                .unwrap_or_else(|_| other.type_name().to_owned());
            format!("ERR {text}").into_bytes()
        }
    }
}
