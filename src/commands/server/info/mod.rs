//! INFO: the server's figures as text, section by section.
//!
//! [`SECTIONS`] lists the sections in their order; [`sections`] writes each. Names, order and formats of the fields are
//! Redis's, for exporters and clients look for them by name. To add a field, write it where Redis has it; to add a section,
//! add its row and its function.

mod sections;

use std::fmt::{Arguments, Display, Write as _};

use super::memory::MemoryFigures;
use crate::command::{Arg, Categories, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::Request;

/// INFO [section [section ...]]
pub static INFO: CommandSpec = CommandSpec::new("INFO", Group::Server, info)
    .doc("Answers the server's figures as text.", "1.0.0", "O(1)")
    .arity(-1)
    .flags(&[Flags::LOADING, Flags::STALE])
    .categories(&[Categories::DANGEROUS])
    .args(&[Arg::string("section").optional().multiple()])
    .history(&[("7.0.0", "Several sections at once.")])
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]);

/// Room for the sections that are shown when none is asked for.
const PAGE_BYTES: usize = 8 << 10;

/// A section.
struct Section {
    /// The word that asks for it.
    name: &'static str,
    /// Its heading.
    title: &'static str,
    /// Whether it is shown when no section is asked for.
    is_default: bool,
    write: fn(&mut Page, &Context<'_>),
}

const fn section(
    name: &'static str,
    title: &'static str,
    write: fn(&mut Page, &Context<'_>),
) -> Section {
    Section {
        name,
        title,
        is_default: true,
        write,
    }
}

impl Section {
    const fn on_request(mut self) -> Self {
        self.is_default = false;
        self
    }
}

static SECTIONS: &[Section] = &[
    section("server", "Server", sections::server),
    section("clients", "Clients", sections::clients),
    section("memory", "Memory", sections::memory),
    section("persistence", "Persistence", sections::persistence),
    section("stats", "Stats", sections::stats),
    section("replication", "Replication", sections::replication),
    section("cpu", "CPU", sections::cpu),
    section("modules", "Modules", |_, _| {}),
    section("commandstats", "Commandstats", sections::command_stats).on_request(),
    section("errorstats", "Errorstats", sections::error_stats),
    // The histograms of latency are not kept.
    section("latencystats", "Latencystats", |_, _| {}).on_request(),
    section("cluster", "Cluster", sections::cluster),
    section("keyspace", "Keyspace", sections::keyspace),
];

fn info(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let text = text(context, request.iter_from(1));
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// The text of the sections that `words` ask for. A word that names none is passed over.
fn text<'w>(
    context: &Context<'_>,
    words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
) -> String {
    let mut page = Page {
        text: String::with_capacity(PAGE_BYTES),
    };
    for section in SECTIONS {
        let is_asked_for = |word: &[u8]| {
            [section.name, "all", "everything"]
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
                || (section.is_default && word.eq_ignore_ascii_case(b"default"))
        };
        if words.clone().any(is_asked_for) || (words.len() == 0 && section.is_default) {
            page.head(section.title);
            (section.write)(&mut page, context);
        }
    }
    page.text
}

/// The text in the making.
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.line(format_args!("# {title}"));
    }

    fn field(&mut self, name: &str, value: impl Figure) {
        self.text.push_str(name);
        self.text.push(':');
        value.write_to(&mut self.text);
        self.text.push_str("\r\n");
    }

    fn fields<V: Figure, const N: usize>(&mut self, fields: [(&str, V); N]) {
        for (name, value) in fields {
            self.field(name, value);
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{line}");
        self.text.push_str("\r\n");
    }
}

/// What a field shows. Most are plain numbers, of which monitoring reads some two hundred each time.
trait Figure {
    fn write_to(&self, text: &mut String);
}

macro_rules! plain_numbers {
    ($($number:ty),*) => {$(
        impl Figure for $number {
            fn write_to(&self, text: &mut String) {
                text.push_str(itoa::Buffer::new().format(*self));
            }
        }
    )*};
}

plain_numbers!(u8, u16, i32, u32, i64, u64, u128, usize);

impl Figure for &str {
    fn write_to(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Figure for String {
    fn write_to(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Figure for Arguments<'_> {
    fn write_to(&self, text: &mut String) {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(*self);
    }
}
