//! The command line client: sends commands to a server and shows the replies as redis-cli does.
//!
//! The words after the options are one command; without them each line of standard input is one. The connection
//! and the shapes of replies are [`ruddle::client`]'s; here are the options, the loop over lines, and what redis-cli
//! does for some commands by name ([`prints_text`], [`streams`], [`Session::follow`]).

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgAction, Parser};
use ruddle::client::{Address, ClientError, Connection, Reply, format};
use ruddle::text::{number, words};

/// The variable that the password comes from where no option gives it.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// Sends commands to a Ruddle or Redis server.
#[derive(Parser)]
#[command(
    name = "ruddle-cli",
    version,
    disable_help_flag = true,
    disable_version_flag = true
)]
struct Options {
    /// The server's host.
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    host: String,
    /// The server's port.
    #[arg(short, long, default_value_t = 6380)]
    port: u16,
    /// The server's Unix socket, instead of host and port.
    #[arg(short, long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The password; better given as the variable REDISCLI_AUTH.
    #[arg(short = 'a', long, allow_hyphen_values = true)]
    pass: Option<OsString>,
    /// The user whose password it is.
    #[arg(long)]
    user: Option<OsString>,
    /// Do not warn of a password among the arguments.
    #[arg(long)]
    no_auth_warning: bool,
    /// The database's number.
    #[arg(short = 'n', long = "db", default_value_t = 0)]
    db: u32,
    /// Speak RESP2, which is what a connection begins with.
    #[arg(short = '2', conflicts_with = "resp3")]
    resp2: bool,
    /// Speak RESP3.
    #[arg(short = '3')]
    resp3: bool,
    /// Take the command's last argument from standard input.
    #[arg(short = 'x')]
    stdin_argument: bool,
    /// Run the command so often; -1 for ever.
    #[arg(
        short,
        long,
        value_name = "TIMES",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    repeat: i64,
    /// Seconds to wait between the runs of -r.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0.0)]
    interval: f64,
    /// Exit with 1 on an error reply, which goes to standard error.
    #[arg(short = 'e')]
    exit_on_error: bool,
    /// Show values alone, as where the output is no terminal.
    #[arg(long, overrides_with = "no_raw")]
    raw: bool,
    /// Show types and quotes, as on a terminal.
    #[arg(long, overrides_with = "raw")]
    no_raw: bool,
    /// Print this help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version.
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// The command and its arguments; without them commands are read from standard input.
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    words: Vec<OsString>,
}

/// A command: its name and its arguments.
type Words = Vec<Vec<u8>>;

fn main() -> ExitCode {
    let mut options = Options::parse();
    let words: Words = std::mem::take(&mut options.words)
        .into_iter()
        .map(OsStringExt::into_vec)
        .collect();
    let outcome = match words.as_slice() {
        [] => run_lines(Session::new(options)),
        _ => run_command(Session::new(options), words),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the command of the arguments, as often as they say.
fn run_command(mut session: Session, mut words: Words) -> anyhow::Result<ExitCode> {
    if session.options.stdin_argument {
        let mut argument = Vec::new();
        io::stdin()
            .read_to_end(&mut argument)
            .context("reading standard input")?;
        words.push(argument);
    }
    let interval = Duration::try_from_secs_f64(session.options.interval)
        .ok()
        .context("the interval is no time")?;
    let mut left = session.options.repeat;
    while left != 0 {
        let reply = session.run(&words)?;
        if let (Some(Reply::Error(text)), true) = (&reply, session.options.exit_on_error) {
            io::stderr().write_all(&[text, &b"\n"[..]].concat())?;
            return Ok(ExitCode::FAILURE);
        }
        if let Some(reply) = reply {
            session.show(&words, &reply)?;
        }
        // A negative number never arrives at 0 in anybody's life.
        left = left.wrapping_sub(1);
        if left != 0 {
            std::thread::sleep(interval);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the lines of standard input until it ends or a line says so.
fn run_lines(mut session: Session) -> anyhow::Result<ExitCode> {
    let prompts = io::stdin().is_terminal();
    // On a terminal a server may come up later; for a script it is over.
    if let Err(error) = session.connection() {
        if !prompts {
            return Err(error);
        }
        eprintln!("{error:#}");
    }
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        if prompts {
            write!(io::stdout(), "{}", session.prompt())?;
            io::stdout().flush()?;
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let Ok(words) = words::split(&line) else {
            writeln!(io::stdout(), "Invalid argument(s)")?;
            continue;
        };
        let Some(name) = words.first() else { continue };
        if is(name, "quit") || is(name, "exit") {
            return Ok(ExitCode::SUCCESS);
        }
        if let Err(error) = run_line(&mut session, words) {
            if !prompts {
                return Err(error);
            }
            eprintln!("{error:#}");
            session.connection = None;
        }
    }
}

/// Runs a line's command, so often as a number in front of it says.
fn run_line(session: &mut Session, mut words: Words) -> anyhow::Result<()> {
    let mut times = 1;
    if words.len() > 1
        && let Some(number) = number::parse_i64(&words[0])
    {
        if number <= 0 {
            writeln!(io::stdout(), "Invalid repeat count")?;
            return Ok(());
        }
        times = number;
        words.remove(0);
    }
    for _ in 0..times {
        if let Some(reply) = session.run(&words)? {
            session.show(&words, &reply)?;
        }
    }
    Ok(())
}

/// The options and the connection that was opened by them.
struct Session {
    options: Options,
    address: Address,
    raw: bool,
    connection: Option<Connection>,
}

impl Session {
    fn new(options: Options) -> Session {
        let address = match &options.socket {
            Some(path) => Address::Unix(path.clone()),
            None => Address::Tcp(options.host.clone(), options.port),
        };
        let raw = options.raw || !(options.no_raw || io::stdout().is_terminal());
        if options.pass.is_some() && !options.no_auth_warning {
            eprintln!("Warning: a password given with '-a' can be seen by other users.");
        }
        Session {
            options,
            address,
            raw,
            connection: None,
        }
    }

    /// The connection, opened where there is none.
    fn connection(&mut self) -> anyhow::Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Connects, authenticates, and selects protocol and database.
    fn open(&self) -> anyhow::Result<Connection> {
        let mut connection = Connection::connect(&self.address).map_err(|error| {
            let cause = without_number(&error);
            anyhow::anyhow!("Could not connect to Redis at {}: {cause}", self.address)
        })?;
        let password = self.options.pass.clone();
        if let Some(password) = password.or_else(|| std::env::var_os(PASSWORD_VARIABLE)) {
            let mut words = vec![b"AUTH".to_vec()];
            words.extend(self.options.user.clone().map(OsStringExt::into_vec));
            words.push(password.into_vec());
            // As with redis-cli it is left to the server what may be done without.
            if let Reply::Error(text) = connection.command(&words)? {
                eprintln!("AUTH failed: {}", String::from_utf8_lossy(&text));
            }
        }
        if self.options.resp3
            && !self.options.resp2
            && let Reply::Error(text) = connection.command(&["HELLO", "3"])?
        {
            eprintln!("HELLO 3 failed: {}", String::from_utf8_lossy(&text));
        }
        let db = self.options.db;
        if db != 0
            && let Reply::Error(text) = connection.command(&["SELECT", &db.to_string()])?
        {
            // The commands would change another database than was meant.
            bail!("SELECT {db} failed: {}", String::from_utf8_lossy(&text));
        }
        Ok(connection)
    }

    fn prompt(&self) -> String {
        if self.connection.is_none() {
            return "not connected> ".to_owned();
        }
        let scheme = match self.address {
            Address::Tcp(..) => "",
            Address::Unix(_) => "redis ",
        };
        match self.options.db {
            0 => format!("{scheme}{}> ", self.address),
            db => format!("{scheme}{}[{db}]> ", self.address),
        }
    }

    /// Sends a command and returns its reply; none if it made the server leave, as SHUTDOWN does. What the server
    /// pushes meanwhile is shown on a terminal.
    fn run(&mut self, words: &[Vec<u8>]) -> anyhow::Result<Option<Reply>> {
        self.connection()?.send(words).map_err(describe)?;
        let answered_by_push = words[0].to_ascii_lowercase().ends_with(b"subscribe");
        let reply = loop {
            match self.connection()?.read() {
                // A program that reads the output expects one reply for each command.
                Ok(push @ Reply::Push(_)) if !answered_by_push => {
                    if io::stdout().is_terminal() {
                        self.show(&[], &push)?;
                    }
                }
                Ok(reply) => break reply,
                Err(ClientError::Closed) if is(&words[0], "shutdown") => {
                    self.connection = None;
                    return Ok(None);
                }
                Err(error) => return Err(describe(error)),
            }
        };
        self.follow(words, &reply);
        if streams(&words[0]) && !matches!(reply, Reply::Error(_)) {
            self.show(words, &reply)?;
            loop {
                let message = self.connection()?.read().map_err(describe)?;
                self.show(words, &message)?;
            }
        }
        Ok(Some(reply))
    }

    /// Follows a SELECT, for the prompt and for the next connection.
    fn follow(&mut self, words: &[Vec<u8>], reply: &Reply) {
        if let [name, index] = words
            && is(name, "select")
            && !matches!(reply, Reply::Error(_))
            && let Some(db) = number::parse_i64(index).and_then(|db| u32::try_from(db).ok())
        {
            self.options.db = db;
        }
    }

    /// Shows the reply to a command.
    fn show(&self, words: &[Vec<u8>], reply: &Reply) -> io::Result<()> {
        let mut text = if self.raw || prints_text(words) {
            format::raw(reply)
        } else {
            format::human(reply)
        };
        if self.raw && !prints_text(words) {
            text.push(b'\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()
    }
}

/// Whether a command's reply is text of several lines, which is shown as it is even on a terminal.
fn prints_text(words: &[Vec<u8>]) -> bool {
    let second = |names: &[&str]| {
        words
            .get(1)
            .is_some_and(|word| names.iter().any(|name| is(word, name)))
    };
    match words {
        [] => false,
        [name, ..] if is(name, "info") || is(name, "lolwut") => true,
        [name, ..] if is(name, "client") => second(&["list", "info"]),
        [name, ..] if is(name, "memory") => second(&["malloc-stats", "doctor"]),
        [name, ..] if is(name, "debug") => second(&["htstats", "htstats-key", "client-eviction"]),
        [name, _] if is(name, "cluster") => second(&["nodes", "info"]),
        [name, _] if is(name, "latency") => second(&["doctor"]),
        [name, _, _] if is(name, "latency") => second(&["graph"]),
        _ => false,
    }
}

/// Whether a command is answered by messages without end.
fn streams(name: &[u8]) -> bool {
    ["monitor", "subscribe", "psubscribe", "ssubscribe"]
        .iter()
        .any(|streaming| is(name, streaming))
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

fn describe(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Io(error) => anyhow::anyhow!("Error: {}", without_number(&error)),
        other => anyhow::anyhow!("Error: {other}"),
    }
}

/// The error as the system words it, without the number that Rust adds: scripts look for `Connection refused`.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
