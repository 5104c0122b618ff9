//! CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: a client that keeps a cache of its own is told what to drop.
//!
//! Here options are read and checked; `instance::tracking` tells the clients, `command::reads` notes what they read.

use std::collections::BTreeSet;

use crate::command::reads::ReadTracking;
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::tracking::{self, Mode, Overlap, Tracker, Wish};
use crate::resp::Request;
use crate::text::words::until_nul;

const FLAGS: &[Flags] = &[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE];

const STATUS: &[Arg] = &[Arg::token("on", "ON"), Arg::token("off", "OFF")];

/// CLIENT TRACKING (ON|OFF) [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub(super) static TRACKING: CommandSpec =
    CommandSpec::new("TRACKING", Group::Connection, set_tracking)
        .doc(
            "Chooses whether the connection is told when keys change that it may have cached.",
            "6.0.0",
            "O(1), and O(N log N) for N prefixes.",
        )
        .arity(-3)
        .flags(FLAGS)
        .args(&[
            Arg::one_of("status", STATUS),
            Arg::integer("client-id").with_token("REDIRECT").optional(),
            Arg::string("prefix")
                .with_token("PREFIX")
                .optional()
                .multiple_token(),
            Arg::token("bcast", "BCAST").optional(),
            Arg::token("optin", "OPTIN").optional(),
            Arg::token("optout", "OPTOUT").optional(),
            Arg::token("noloop", "NOLOOP").optional(),
        ]);

/// The options as they were given.
#[derive(Default)]
struct Options<'a> {
    wish: Wish<'a>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
}

impl<'a> Options<'a> {
    fn parse(context: &Context<'_>, mut args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            let has_value = args.remaining() > 1;
            if has_value && args.keyword("REDIRECT") {
                if options.wish.redirect.is_some() {
                    return Err(CommandError::fixed(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let id = u64::try_from(args.integer()?).ok();
                let target = id.and_then(|id| context.instance.clients.get(id));
                let target = target.filter(|target| !target.is_gone());
                options.wish.redirect = Some(target.ok_or(NO_TARGET)?);
            } else if args.keyword("BCAST") {
                options.broadcast = true;
            } else if args.keyword("OPTIN") {
                options.opt_in = true;
            } else if args.keyword("OPTOUT") {
                options.opt_out = true;
            } else if args.keyword("NOLOOP") {
                options.wish.noloop = true;
            } else if has_value && args.keyword("PREFIX") {
                options.wish.prefixes.push(args.bytes()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// The mode that the options ask for, if they go together, and with what the client has asked for before.
    fn mode(&self, before: Option<&Tracker>) -> Result<Mode, CommandError> {
        let mode_before = before.map(|tracker| tracker.mode);
        if !self.broadcast && !self.wish.prefixes.is_empty() {
            return Err(PREFIX_WITHOUT_BCAST);
        }
        if mode_before.is_some_and(|mode| (mode == Mode::Broadcast) != self.broadcast) {
            return Err(SWITCHED_BCAST);
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(OPT_WITH_BCAST);
        }
        if self.opt_in && self.opt_out {
            return Err(BOTH_OPTS);
        }
        if (self.opt_in && mode_before == Some(Mode::OptOut))
            || (self.opt_out && mode_before == Some(Mode::OptIn))
        {
            return Err(SWITCHED_OPT);
        }
        let none = BTreeSet::new();
        let existing = before.map_or(&none, |tracker| &tracker.prefixes);
        if let Some(overlap) = tracking::find_overlap(existing, &self.wish.prefixes) {
            return Err(overlap_error(overlap));
        }
        Ok(match (self.broadcast, self.opt_in, self.opt_out) {
            (true, _, _) => Mode::Broadcast,
            (_, true, _) => Mode::OptIn,
            (_, _, true) => Mode::OptOut,
            _ => Mode::Reads,
        })
    }
}

const NO_TARGET: CommandError =
    CommandError::fixed("ERR The client ID you want redirect to does not exist");
const PREFIX_WITHOUT_BCAST: CommandError =
    CommandError::fixed("ERR PREFIX option requires BCAST mode to be enabled");
const SWITCHED_BCAST: CommandError = CommandError::fixed(
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
     different mode.",
);
const OPT_WITH_BCAST: CommandError =
    CommandError::fixed("ERR OPTIN and OPTOUT are not compatible with BCAST");
const BOTH_OPTS: CommandError =
    CommandError::fixed("ERR You can't specify both OPTIN mode and OPTOUT mode");
const SWITCHED_OPT: CommandError = CommandError::fixed(
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
     different mode.",
);

fn overlap_error(overlap: Overlap<'_>) -> CommandError {
    let which: &[u8] = if overlap.exists {
        b"an existing"
    } else {
        b"another provided"
    };
    let parts: [&[u8]; 7] = [
        b"ERR Prefix '",
        until_nul(overlap.prefix),
        b"' overlaps with ",
        which,
        b" prefix '",
        until_nul(overlap.other),
        b"'. Prefixes for a single client must not overlap.",
    ];
    CommandError::Quoting(parts.concat())
}

fn set_tracking(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut options = Options::parse(context, Args::new(request, 3))?;
    let mut status = Args::new(request, 2);
    let instance = context.instance;
    if status.keyword("ON") {
        let handle = &context.session.handle;
        let mut tracking = instance.tracking();
        let mode = options.mode(tracking.get(handle.id))?;
        options.wish.mode = mode;
        tracking.enable(handle, options.wish);
        drop(tracking);
        // What CLIENT CACHING has said holds on.
        let caching = context.session.tracking.caching;
        context.session.tracking = ReadTracking::new(mode);
        context.session.tracking.caching = caching;
    } else if status.keyword("OFF") {
        tracking::disable(instance, &context.session.handle);
        context.session.tracking = ReadTracking::default();
    } else {
        return Err(CommandError::Syntax);
    }
    instance.follow(context.db);
    context.reply.ok();
    Ok(())
}

/// CLIENT CACHING (YES|NO)
pub(super) static CACHING: CommandSpec = CommandSpec::new("CACHING", Group::Connection, caching)
    .doc(
        "Tells whether what the next command reads is to be tracked.",
        "6.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(FLAGS)
    .flags(&[Flags::ALLOW_BUSY])
    .args(&[Arg::one_of(
        "mode",
        &[Arg::token("yes", "YES"), Arg::token("no", "NO")],
    )]);

fn caching(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    if !context.session.handle.tracking.is_on() {
        return Err(CommandError::fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    }
    let (needed, refusal) = if args.keyword("YES") {
        (Mode::OptIn, YES_WITHOUT_OPTIN)
    } else if args.keyword("NO") {
        (Mode::OptOut, NO_WITHOUT_OPTOUT)
    } else {
        return Err(CommandError::Syntax);
    };
    if context.session.tracking.mode != needed {
        return Err(CommandError::fixed(refusal));
    }
    context.session.tracking.caching = true;
    context.reply.ok();
    Ok(())
}

const YES_WITHOUT_OPTIN: &str =
    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
const NO_WITHOUT_OPTOUT: &str =
    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";

/// CLIENT GETREDIR
pub(super) static GETREDIR: CommandSpec = CommandSpec::new("GETREDIR", Group::Connection, getredir)
    .doc(
        "Answers which client gets the connection's invalidation messages.",
        "6.0.0",
        "O(1)",
    )
    .arity(2)
    .flags(FLAGS)
    .flags(&[Flags::ALLOW_BUSY]);

fn getredir(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context
        .reply
        .integer(context.session.handle.tracking.redirect());
    Ok(())
}

/// CLIENT TRACKINGINFO
pub(super) static TRACKINGINFO: CommandSpec =
    CommandSpec::new("TRACKINGINFO", Group::Connection, trackinginfo)
        .doc(
            "Answers the state of client-side caching for the connection.",
            "6.2.0",
            "O(1)",
        )
        .arity(2)
        .flags(FLAGS);

fn trackinginfo(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let marks = &context.session.handle.tracking;
    let caching = context.session.tracking.caching;
    let tracking = context.instance.tracking();
    let tracker = tracking.get(context.session.id());
    let mode = tracker.map(|tracker| tracker.mode);
    let flags = [
        ("off", !marks.is_on()),
        ("on", marks.is_on()),
        ("bcast", marks.broadcasts()),
        ("optin", mode == Some(Mode::OptIn)),
        ("caching-yes", mode == Some(Mode::OptIn) && caching),
        ("optout", mode == Some(Mode::OptOut)),
        ("caching-no", mode == Some(Mode::OptOut) && caching),
        ("noloop", tracker.is_some_and(|tracker| tracker.noloop)),
        ("broken_redirect", marks.is_broken()),
    ];
    let flags = flags.into_iter().filter(|(_, is)| *is);
    let reply = &mut context.reply;
    reply.map(3);
    reply.text("flags");
    reply.set(flags.clone().count());
    flags.for_each(|(flag, _)| reply.text(flag));
    reply.text("redirect");
    reply.integer(marks.redirect());
    reply.text("prefixes");
    let prefixes = tracker.map(|tracker| &tracker.prefixes);
    reply.array(prefixes.map_or(0, BTreeSet::len));
    prefixes
        .into_iter()
        .flatten()
        .for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
