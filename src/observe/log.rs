//! The log: `tracing` events in Redis's line format, `PID:ROLE DAY MONTH YEAR TIME LEVEL MESSAGE`.
//!
//! Life cycle: [`init`] once, before anything is logged; [`set_level`] when `loglevel` changes; [`set_role`] when the
//! server becomes a replica or a primary. Modules log with `tracing`'s macros, whose levels stand for Redis's:
//!
//! | macro | Redis | sign |
//! |---|---|---|
//! | `error!`, `warn!` | warning | `#` |
//! | `info!` | notice | `*` |
//! | `debug!` | verbose | `-` |
//! | `trace!` | debug | `.` |
//!
//! Fields other than the message follow it as ` name=value`. A log file is opened for each line, as Redis does, so that it
//! can be moved away at any time. Events of other crates are logged from `warn!` up only.

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::zone;
use crate::config::choices::LogLevel;

/// The root of this crate's event targets.
const OWN_TARGET: &str = "ruddle";

static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// How to log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// The file to append to; standard output when there is none.
    pub file: Option<PathBuf>,
}

/// Who writes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A primary.
    Primary,
    /// A replica.
    Replica,
    /// A process that is starting, or a child.
    Child,
    /// Sentinel.
    Sentinel,
}

/// Logging was set up before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialized;

impl fmt::Display for AlreadyInitialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("logging is set up already")
    }
}

impl std::error::Error for AlreadyInitialized {}

/// Makes the log the destination of all `tracing` events of the process, for its whole life. The role is
/// [`Role::Child`] until it is set.
pub fn init(settings: &LogSettings) -> Result<(), AlreadyInitialized> {
    let sink: Box<dyn Sink> = match &settings.file {
        Some(path) => Box::new(FileSink(path.clone())),
        None => Box::new(StdoutSink),
    };
    let zone = zone::local();
    let log = Arc::new(Log::new(settings.level, Timestamp::now, zone, sink));
    let subscriber = tracing_subscriber::registry().with(LogLayer(Arc::clone(&log)));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadyInitialized)?;
    LOG.set(log).map_err(|_| AlreadyInitialized)
}

/// Changes the level at run time; without effect before [`init`].
pub fn set_level(level: LogLevel) {
    if let Some(log) = LOG.get() {
        log.set_level(level);
    }
}

/// Changes the role that lines show; without effect before [`init`].
pub fn set_role(role: Role) {
    if let Some(log) = LOG.get() {
        log.role.store(role.sign(), Ordering::Relaxed);
    }
}

/// Writes text as it is where the log goes, for banners. Nothing is written when the level is `warning` or above, as
/// banners are notices.
pub fn raw(text: &str) {
    if let Some(log) = LOG.get()
        && log.shows(Level::INFO)
    {
        log.sink.write(text.as_bytes());
    }
}

impl Role {
    fn sign(self) -> u8 {
        match self {
            Role::Primary => b'M',
            Role::Replica => b'S',
            Role::Child => b'C',
            Role::Sentinel => b'X',
        }
    }
}

/// Where lines go. Each call has whole lines.
trait Sink: Send + Sync {
    fn write(&self, lines: &[u8]);
}

struct StdoutSink;

impl Sink for StdoutSink {
    fn write(&self, lines: &[u8]) {
        // There is nowhere to report that the log itself can not be written.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(lines).and_then(|()| stdout.flush());
    }
}

struct FileSink(PathBuf);

impl Sink for FileSink {
    fn write(&self, lines: &[u8]) {
        let file = OpenOptions::new().append(true).create(true).open(&self.0);
        let _ = file.and_then(|mut file| file.write_all(lines));
    }
}

/// The state behind the layer: level and role may change at any time.
struct Log {
    /// A [`LogLevel`] by its number.
    level: AtomicU8,
    role: AtomicU8,
    pid: u32,
    clock: fn() -> Timestamp,
    zone: TimeZone,
    sink: Box<dyn Sink>,
}

impl Log {
    fn new(level: LogLevel, clock: fn() -> Timestamp, zone: TimeZone, sink: Box<dyn Sink>) -> Log {
        Log {
            level: AtomicU8::new(level as u8),
            role: AtomicU8::new(Role::Child.sign()),
            pid: std::process::id(),
            clock,
            zone,
            sink,
        }
    }

    fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
        // Call sites remember whether anyone listens; they ask again after this.
        tracing::callsite::rebuild_interest_cache();
    }

    fn shows(&self, level: Level) -> bool {
        LevelFilter::from_level(level) <= self.filter()
    }

    fn filter(&self) -> LevelFilter {
        const FILTERS: [LevelFilter; 4] = [
            LevelFilter::TRACE,
            LevelFilter::DEBUG,
            LevelFilter::INFO,
            LevelFilter::WARN,
        ];
        let level = usize::from(self.level.load(Ordering::Relaxed));
        FILTERS.get(level).copied().unwrap_or(LevelFilter::OFF)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = *metadata.level();
        let target = metadata.target().split("::").next();
        self.shows(level) && (level <= Level::WARN || target == Some(OWN_TARGET))
    }

    fn line(&self, level: Level, message: &str) -> String {
        let pid = self.pid;
        let role = char::from(self.role.load(Ordering::Relaxed));
        let now = (self.clock)().to_zoned(self.zone.clone());
        let time = now.strftime("%d %b %Y %H:%M:%S.%3f");
        let sign = sign_of(level);
        format!("{pid}:{role} {time} {sign} {message}\n")
    }
}

fn sign_of(level: Level) -> char {
    match level {
        Level::ERROR | Level::WARN => '#',
        Level::INFO => '*',
        Level::DEBUG => '-',
        Level::TRACE => '.',
    }
}

/// Connects the log to `tracing`.
struct LogLayer(Arc<Log>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = EventText::default();
        event.record(&mut text);
        let message = text.message + &text.fields;
        let line = self.0.line(*event.metadata().level(), &message);
        self.0.sink.write(line.as_bytes());
    }
}

/// The message of an event, and its other fields as they follow it.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
}

impl EventText {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string can not fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing::{debug, error, info, trace, warn};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Sink for Memory {
        fn write(&self, lines: &[u8]) {
            self.0.lock().unwrap().extend(lines);
        }
    }

    impl Memory {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    /// 22 November 2026, 15:01:02.123 in UTC.
    fn clock() -> Timestamp {
        Timestamp::from_millisecond(1_795_359_662_123).unwrap()
    }

    fn log(level: LogLevel) -> (Arc<Log>, Memory) {
        let memory = Memory::default();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let mut log = Log::new(level, clock, zone, Box::new(memory.clone()));
        log.pid = 42;
        (Arc::new(log), memory)
    }

    fn log_everything() {
        error!("error");
        warn!("warn");
        info!("info");
        debug!("debug");
        trace!("trace");
    }

    #[test]
    fn lines_have_the_format_of_redis() {
        let (log, memory) = log(LogLevel::Debug);
        log.role.store(Role::Primary.sign(), Ordering::Relaxed);
        let subscriber = tracing_subscriber::registry().with(LogLayer(log));
        tracing::subscriber::with_default(subscriber, || {
            info!("Ready to accept connections");
            warn!(port = 6380, path = "/x", "no {}", "luck");
        });
        assert_eq!(
            memory.take(),
            "42:M 22 Nov 2026 16:01:02.123 * Ready to accept connections\n\
             42:M 22 Nov 2026 16:01:02.123 # no luck port=6380 path=/x\n"
        );
    }

    #[test]
    fn each_level_shows_what_it_names_and_above() {
        let cases = [
            (LogLevel::Debug, "##*-."),
            (LogLevel::Verbose, "##*-"),
            (LogLevel::Notice, "##*"),
            (LogLevel::Warning, "##"),
            (LogLevel::Nothing, ""),
        ];
        let (log, memory) = log(LogLevel::Debug);
        let layer = LogLayer(Arc::clone(&log));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for (level, expected) in cases {
                log.set_level(level);
                log_everything();
                let signs: String = memory
                    .take()
                    .lines()
                    .filter_map(|line| line.chars().nth(30))
                    .collect();
                assert_eq!(signs, expected, "{level:?}");
            }
        });
    }

    #[test]
    fn other_crates_are_heard_from_warnings_up() {
        let (log, memory) = log(LogLevel::Debug);
        let subscriber = tracing_subscriber::registry().with(LogLayer(log));
        tracing::subscriber::with_default(subscriber, || {
            info!(target: "mio::poll", "chatter");
            warn!(target: "mio::poll", "trouble");
        });
        assert_eq!(memory.take(), "42:C 22 Nov 2026 16:01:02.123 # trouble\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_created_again() {
        let dir = std::env::temp_dir().join(format!("ruddle-log-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (path, moved) = (dir.join("log"), dir.join("log.1"));
        let sink = FileSink(path.clone());
        sink.write(b"one\n");
        sink.write(b"two\n");
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"three\n");
        let read = |path| std::fs::read_to_string(path).unwrap();
        let texts = (read(&moved), read(&path));
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(texts, ("one\ntwo\n".to_owned(), "three\n".to_owned()));
    }
}
