//! The libraries of functions: loading, listing, deleting, and the interpreter in which functions run.
//!
//! While a library is loaded its code sees nothing but `redis.register_function` and the log; its functions, when they
//! are called, see what EVAL's scripts see. Both look at the same table of globals, so what that table shows is changed
//! for the time of the loading ([`FunctionVm::load`]). What a library makes takes effect when all of it is found good:
//! a library that cannot be loaded changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mlua::{Lua, RegistryKey, Table, Value};

use super::flags::{self, LibraryHead, ScriptFlags};
use super::host::Host;
use super::load::{self, BAD_NAME, Load, Registered};
use super::sandbox::{self, Entry, Failure, Missing};
use super::{api, hook};

/// The only language.
pub const ENGINE: &str = "LUA";

/// A text for the client, without code.
pub type LoadResult<T> = Result<T, Vec<u8>>;

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Vec<u8>>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its code.
    pub function: RegistryKey,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its whole text.
    pub code: Vec<u8>,
    /// Its functions by their names.
    pub functions: BTreeMap<Arc<str>, Arc<Function>>,
}

/// What happens to libraries that are there when others are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They stay; one of the same name is an error.
    Append,
    /// One of the same name is replaced.
    Replace,
    /// All are deleted.
    Flush,
}

/// Libraries, and their functions by name.
#[derive(Debug, Default)]
pub struct Libraries {
    libraries: BTreeMap<String, Library>,
    /// By their names in lower case: a call need not write a name as it was registered.
    functions: HashMap<String, Arc<Function>>,
}

impl Libraries {
    /// The function of that name, without regard to case.
    pub fn function(&self, name: &[u8]) -> Option<&Arc<Function>> {
        let name = std::str::from_utf8(name).ok()?;
        match self.functions.get(name) {
            Some(function) => Some(function),
            None => self.functions.get(&name.to_ascii_lowercase()),
        }
    }

    /// Whether there is a function with such a name in a library other than `but`.
    fn is_taken(&self, name: &str, but: Option<&Library>) -> bool {
        let taken = self.functions.get(&name.to_ascii_lowercase());
        taken.is_some_and(|taken| {
            !but.is_some_and(|library| library.functions.contains_key(&taken.name))
        })
    }

    /// All libraries by their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.libraries.values()
    }

    /// How many libraries there are.
    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Deletes a library; false if there is none of that name.
    pub fn delete(&mut self, name: &[u8]) -> bool {
        let name = std::str::from_utf8(name).unwrap_or_default();
        self.take(name).is_some()
    }

    /// Bytes that texts and names take.
    pub fn memory_bytes(&self) -> usize {
        let function = |function: &Arc<Function>| {
            let description = function.description.as_ref().map_or(0, Vec::len);
            size_of::<Function>() + 2 * function.name.len() + description
        };
        let library = |library: &Library| {
            let functions: usize = library.functions.values().map(function).sum();
            size_of::<Library>() + library.name.len() + library.code.len() + functions
        };
        self.libraries.values().map(library).sum()
    }

    fn take(&mut self, name: &str) -> Option<Library> {
        let library = self.libraries.remove(name)?;
        for function in library.functions.keys() {
            self.functions.remove(&function.to_ascii_lowercase());
        }
        Some(library)
    }

    fn put(&mut self, library: Library) {
        for (name, function) in &library.functions {
            self.functions
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| Arc::clone(function));
        }
        self.libraries.insert(library.name.clone(), library);
    }

    /// Adds one library; with `replace` in the place of one of the same name.
    fn add(&mut self, library: Library, replace: bool) -> LoadResult<()> {
        let old = self.libraries.get(&library.name);
        if old.is_some() && !replace {
            return Err(format!("Library '{}' already exists", library.name).into());
        }
        let mut names = library.functions.keys();
        if let Some(name) = names.find(|name| self.is_taken(name, old)) {
            return Err(format!("Function {name} already exists").into());
        }
        self.take(&library.name);
        self.put(library);
        Ok(())
    }

    /// Takes the libraries of `restored` in; all or none.
    pub fn join(&mut self, restored: Libraries, policy: Policy) -> LoadResult<()> {
        if policy == Policy::Flush {
            *self = restored;
            return Ok(());
        }
        let mut replaced = Vec::new();
        let mut fault = None;
        for name in restored.libraries.keys() {
            match self.libraries.contains_key(name) {
                true if policy == Policy::Append => {
                    fault = Some(format!("Library {name} already exists"));
                    break;
                }
                _ => replaced.extend(self.take(name)),
            }
        }
        let taken = restored
            .functions
            .values()
            .find(|function| self.is_taken(&function.name, None));
        let fault = fault.or_else(|| Some(format!("Function {} already exists", taken?.name)));
        if let Some(fault) = fault {
            replaced.into_iter().for_each(|library| self.put(library));
            return Err(fault.into());
        }
        restored
            .libraries
            .into_values()
            .for_each(|library| self.put(library));
        Ok(())
    }
}

/// The interpreter of functions.
pub struct FunctionVm {
    /// The interpreter.
    pub lua: Lua,
    /// What its functions stand on.
    pub host: Host,
    /// The libraries.
    pub libraries: Libraries,
    /// The globals of all libraries.
    environment: Table,
    /// How its functions are entered.
    pub entry: Entry,
    for_calls: Table,
    for_loading: Table,
}

impl FunctionVm {
    /// An interpreter without libraries.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new() -> mlua::Result<Self> {
        let lua = sandbox::new_vm()?;
        let host = Host::default();
        api::install_for_functions(&lua, &host)?;
        hook::install(&lua, &host)?;
        let register = load::register_function(&lua, &host)?;
        let for_loading = api::globals_for_loading(&lua, register)?;
        let environment = sandbox::protect(&lua, lua.create_table()?, Missing::Nil)?;
        let vm = FunctionVm {
            for_calls: lua.globals(),
            host,
            libraries: Libraries::default(),
            environment,
            for_loading,
            entry: Entry::of(&lua, super::MEMORY_LIMIT)?,
            lua,
        };
        vm.show(&vm.for_calls)?;
        // What it took to set it up is more than what is left of that.
        vm.lua.gc_collect()?;
        Ok(vm)
    }

    /// Lets libraries see what `globals` shows.
    fn show(&self, globals: &Table) -> mlua::Result<()> {
        match self.environment.metatable() {
            Some(metatable) => metatable.raw_set("__index", globals),
            None => Ok(()),
        }
    }

    /// Loads a library and answers its name.
    ///
    /// # Errors
    /// The text for the client; nothing has changed then.
    pub fn add(&mut self, code: &[u8], replace: bool) -> LoadResult<String> {
        let head = flags::library_head(code)?;
        if !load::is_name(&head.name) {
            return Err(BAD_NAME.into());
        }
        if !head.engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
            return Err([b"Engine '".as_slice(), &head.engine, b"' not found"].concat());
        }
        let name = String::from_utf8_lossy(&head.name).into_owned();
        if self.libraries.libraries.contains_key(&name) && !replace {
            return Err(format!("Library '{name}' already exists").into());
        }
        let library = self.load(&head, code)?;
        self.libraries.add(library, replace)?;
        Ok(name)
    }

    /// Loads the libraries of a dump.
    ///
    /// # Errors
    /// The text for the client; nothing has changed then.
    pub fn restore(&mut self, codes: &[Vec<u8>], policy: Policy) -> LoadResult<()> {
        let before = std::mem::take(&mut self.libraries);
        let loaded = codes
            .iter()
            .try_for_each(|code| self.add(code, false).map(drop));
        let restored = std::mem::replace(&mut self.libraries, before);
        loaded?;
        self.libraries.join(restored, policy)
    }

    /// Runs a library's code, which registers its functions.
    fn load(&self, head: &LibraryHead<'_>, code: &[u8]) -> LoadResult<Library> {
        let failed = |text: &[u8]| [b"Error compiling function: ", text].concat();
        let chunk = sandbox::compile(&self.lua, head.code, "@user_function")
            .map_err(|text| failed(&text))?;
        chunk
            .set_environment(self.environment.clone())
            .map_err(|error| failed(error.to_string().as_bytes()))?;
        let registered = self.run_loading(&chunk)?;
        if registered.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        let functions = registered.into_iter().map(|registered| {
            let name: Arc<str> = String::from_utf8_lossy(&registered.name).into();
            let function = Function {
                name: Arc::clone(&name),
                description: registered.description,
                flags: registered.flags,
                function: registered.function,
            };
            (name, Arc::new(function))
        });
        Ok(Library {
            name: String::from_utf8_lossy(&head.name).into_owned(),
            code: code.to_vec(),
            functions: functions.collect(),
        })
    }

    fn run_loading(&self, chunk: &mlua::Function) -> LoadResult<Vec<Registered>> {
        let trouble = |error: mlua::Error| error.to_string().into_bytes();
        self.host.state().load = Some(Load::begin());
        let outcome = self
            .show(&self.for_loading)
            .and_then(|()| self.entry.call::<Value>(&self.lua, chunk, ()));
        let load = self.host.state().load.take();
        self.show(&self.for_calls).map_err(trouble)?;
        if self.host.take_alarm() {
            hook::install(&self.lua, &self.host).map_err(trouble)?;
        }
        match outcome.map_err(trouble)? {
            Ok(_) => Ok(load.map(|load| load.functions).unwrap_or_default()),
            Err(Failure { value, .. }) => {
                let text = super::engine::failure_text(&value);
                Err([b"Error registering functions: ".as_slice(), &text].concat())
            }
        }
    }
}

impl std::fmt::Debug for FunctionVm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionVm")
            .field("libraries", &self.libraries)
            .finish_non_exhaustive()
    }
}
