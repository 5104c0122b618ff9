//! FUNCTION: libraries of functions.

use super::{FLUSH_MODES, drop_vm, is_async, with_engine};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
};
use crate::resp::{Reply, Request};
use crate::script::functions::{ENGINE, Library, Policy};
use crate::script::payload;
use crate::script::running::Kind;
use crate::text::pattern;

/// FUNCTION subcommand ...
pub static FUNCTION: CommandSpec = CommandSpec::new("FUNCTION", Group::Scripting, container)
    .doc(
        "Looks after functions.",
        "7.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[
        &DELETE, &DUMP, &FLUSH, &HELP, &KILL, &LIST, &LOAD, &RESTORE, &STATS,
    ]);

/// The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

const fn subcommand(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    complexity: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Scripting, handler)
        .doc(summary, "7.0.0", complexity)
        .arity(2)
        .flags(&[Flags::NOSCRIPT])
}

const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// An error without code, as loading libraries gives them.
fn failed(text: Vec<u8>) -> CommandError {
    CommandError::Quoting([b"ERR ".to_vec(), text].concat())
}

/// FUNCTION LOAD [REPLACE] function-code
static LOAD: CommandSpec = subcommand(
    "LOAD",
    load,
    "Loads a library.",
    "O(1), beside compiling it.",
)
.arity(-3)
.flags(&[Flags::WRITE, Flags::DENYOOM])
.args(
    const {
        &[
            Arg::token("replace", "REPLACE").optional(),
            Arg::string("function-code"),
        ]
    },
)
.tips(EVERYWHERE);

fn load(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let last = request.len() - 1;
    let mut replace = false;
    for word in request.iter_from(2).take(last - 2) {
        if !word.eq_ignore_ascii_case(b"REPLACE") {
            return Err(failed([b"Unknown option given: ", word].concat()));
        }
        replace = true;
    }
    with_engine(context, |context, engine| {
        let vm = engine.functions()?;
        let name = vm.add(request.get(last), replace).map_err(failed)?;
        context.db.dirty += 1;
        context.reply.text(&name);
        Ok(())
    })
}

/// FUNCTION DELETE library-name
static DELETE: CommandSpec = subcommand("DELETE", delete, "Deletes a library.", "O(1)")
    .arity(3)
    .flags(&[Flags::WRITE])
    .args(const { &[Arg::string("library-name")] })
    .tips(EVERYWHERE);

fn delete(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    with_engine(context, |context, engine| {
        if engine.known_functions().is_none()
            || !engine.functions()?.libraries.delete(request.get(2))
        {
            return Err(CommandError::fixed("ERR Library not found"));
        }
        context.db.dirty += 1;
        context.reply.ok();
        Ok(())
    })
}

/// FUNCTION FLUSH [ASYNC | SYNC]
static FLUSH: CommandSpec = subcommand(
    "FLUSH",
    flush,
    "Deletes all libraries.",
    "O(N), N being the number of functions.",
)
.arity(-2)
.flags(&[Flags::WRITE])
.args(const { &[Arg::one_of("flush-type", FLUSH_MODES).optional()] })
.tips(EVERYWHERE);

fn flush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if request.len() > 3 {
        return Err(wrong_form(request));
    }
    let elsewhere = is_async(
        context,
        request,
        "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
    )?;
    with_engine(context, |context, engine| {
        drop_vm(context, engine.take_functions(), elsewhere);
        context.db.dirty += 1;
        context.reply.ok();
        Ok(())
    })
}

/// The error for a subcommand with words that it has no use for.
fn wrong_form(request: Request<'_>) -> CommandError {
    CommandError::UnknownForm {
        word: request.get(1).to_vec(),
        command: "FUNCTION",
    }
}

/// FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]
static LIST: CommandSpec = subcommand(
    "LIST",
    list,
    "Answers what libraries there are, with their functions.",
    "O(N), N being the number of functions.",
)
.arity(-2)
.args(
    const {
        &[
            Arg::string("library-name-pattern")
                .with_token("LIBRARYNAME")
                .optional(),
            Arg::token("withcode", "WITHCODE").optional(),
        ]
    },
)
.tips(&["nondeterministic_output_order"]);

fn list(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let (mut with_code, mut wanted) = (false, None);
    while let Some(word) = args.peek() {
        if !with_code && args.keyword("WITHCODE") {
            with_code = true;
        } else if wanted.is_none() && args.keyword("LIBRARYNAME") {
            let none = CommandError::fixed("ERR library name argument was not given");
            wanted = Some(args.bytes().map_err(|_| none)?);
        } else {
            return Err(failed([b"Unknown argument ", word].concat()));
        }
    }
    let engine = context.instance.scripts.engine();
    let libraries: Vec<&Library> = engine
        .known_functions()
        .into_iter()
        .flat_map(|vm| vm.libraries.iter())
        .filter(|library| {
            wanted.is_none_or(|wanted| {
                pattern::matches_ignoring_case(wanted, library.name.as_bytes())
            })
        })
        .collect();
    context.reply.array(libraries.len());
    for library in libraries {
        reply_library(&mut context.reply, library, with_code);
    }
    Ok(())
}

fn reply_library(reply: &mut Reply<'_>, library: &Library, with_code: bool) {
    reply.map(3 + usize::from(with_code));
    reply.text("library_name");
    reply.text(&library.name);
    reply.text("engine");
    reply.text(ENGINE);
    reply.text("functions");
    reply.array(library.functions.len());
    for function in library.functions.values() {
        reply.map(3);
        reply.text("name");
        reply.text(&function.name);
        reply.text("description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.text("flags");
        reply.set(function.flags.names().count());
        for name in function.flags.names() {
            reply.simple(name);
        }
    }
    if with_code {
        reply.text("library_code");
        reply.bulk(&library.code);
    }
}

/// FUNCTION STATS
static STATS: CommandSpec = subcommand(
    "STATS",
    stats,
    "Answers which function runs, and how many functions there are.",
    "O(1)",
)
.flags(&[Flags::ALLOW_BUSY])
.tips(&[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
]);

fn stats(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let scripts = &context.instance.scripts;
    if scripts.running.busy() == Some(Kind::Eval) {
        return Err(CommandError::Busy(Kind::Eval));
    }
    let reply = &mut context.reply;
    reply.map(2);
    reply.text("running_script");
    match &*scripts.running.slow() {
        None => reply.null(),
        Some(slow) => {
            reply.map(3);
            reply.text("name");
            reply.text(&slow.name);
            reply.text("command");
            let command = slow.command.get(0);
            reply.array(command.len());
            command.iter_from(0).for_each(|word| reply.bulk(word));
            reply.text("duration_ms");
            reply.count(usize::try_from(slow.started.elapsed().as_millis()).unwrap_or(usize::MAX));
        }
    }
    reply.text("engines");
    reply.map(1);
    reply.text(ENGINE);
    reply.map(2);
    let count =
        |figure: &std::sync::atomic::AtomicUsize| figure.load(std::sync::atomic::Ordering::Relaxed);
    reply.text("libraries_count");
    reply.count(count(&scripts.figures.libraries));
    reply.text("functions_count");
    reply.count(count(&scripts.figures.functions));
    Ok(())
}

/// FUNCTION KILL
static KILL: CommandSpec = subcommand(
    "KILL",
    kill,
    "Ends the function that runs, unless it has written.",
    "O(1)",
)
.flags(&[Flags::ALLOW_BUSY])
.tips(&["request_policy:all_shards", "response_policy:one_succeeded"]);

fn kill(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.instance.scripts.running.kill(Kind::Function)?;
    context.reply.ok();
    Ok(())
}

/// FUNCTION DUMP
static DUMP: CommandSpec = subcommand(
    "DUMP",
    dump,
    "Answers all libraries as one payload.",
    "O(N), N being the number of functions.",
);

fn dump(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let engine = context.instance.scripts.engine();
    let libraries = engine
        .known_functions()
        .into_iter()
        .flat_map(|vm| vm.libraries.iter());
    let payload = payload::write(libraries.map(|library| library.code.as_slice()));
    context.reply.bulk(&payload);
    Ok(())
}

/// FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]
static RESTORE: CommandSpec = subcommand(
    "RESTORE",
    restore,
    "Loads the libraries of a payload.",
    "O(N), N being the number of functions.",
)
.arity(-3)
.flags(&[Flags::WRITE, Flags::DENYOOM])
.args(
    const {
        &[
            Arg::string("serialized-value"),
            Arg::one_of(
                "policy",
                const {
                    &[
                        Arg::token("flush", "FLUSH"),
                        Arg::token("append", "APPEND"),
                        Arg::token("replace", "REPLACE"),
                    ]
                },
            )
            .optional(),
        ]
    },
)
.tips(EVERYWHERE);

fn restore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if request.len() > 4 {
        return Err(wrong_form(request));
    }
    let mut args = Args::new(request, 3);
    let policy = if args.is_empty() || args.keyword("APPEND") {
        Policy::Append
    } else if args.keyword("REPLACE") {
        Policy::Replace
    } else if args.keyword("FLUSH") {
        Policy::Flush
    } else {
        return Err(CommandError::fixed(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    };
    let codes = payload::read(request.get(2)).map_err(CommandError::err)?;
    with_engine(context, |context, engine| {
        engine
            .functions()?
            .restore(&codes, policy)
            .map_err(failed)?;
        context.db.dirty += 1;
        context.reply.ok();
        Ok(())
    })
}

/// FUNCTION HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Scripting, help)
    .doc("Answers a list of the subcommands.", "7.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "FUNCTION",
        &[
            "DELETE <library-name>",
            "    Delete a library.",
            "DUMP",
            "    All libraries as one payload for RESTORE.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries, dropping them in the background or at once; without a word as",
            "    lazyfree-lazy-user-flush says.",
            "KILL",
            "    End the function that runs.",
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "    The libraries, with their functions.",
            "LOAD [REPLACE] <function-code>",
            "    Load a library, in the place of one of the same name if that is wished.",
            "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
            "    Load the libraries of a payload: in the place of all others, beside them (which is what is done",
            "    without a word), or in the place of those of the same names.",
            "STATS",
            "    Which function runs, by which command and for how long; and how many there are.",
        ],
    );
    Ok(())
}
