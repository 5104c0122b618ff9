//! DEBUG RELOAD: the data set goes into its file and comes back from it, while all others wait.

use crate::command::session::Place;
use crate::command::{CommandError, CommandResult, Context};
use crate::instance::aof::{self, writer};
use crate::instance::{Instance, loading, saving, tracking};
use crate::persist::rdb::dataset::LoadRules;
use crate::resp::Request;
use crate::script::functions::Policy;
use crate::store::db::Db;

/// What DEBUG RELOAD is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    saves: bool,
    flushes: bool,
    merges: bool,
}

/// DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]
pub(super) fn reload(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = parse(request.iter_from(2))?;
    let (db, instance) = (&mut *context.db, context.instance);
    if instance.loading.is_loading() {
        return Err(CommandError::Loading);
    }
    if context.session.place == Place::Script {
        return Err(CommandError::fixed(
            "ERR This Redis command is not allowed from script",
        ));
    }
    if options.saves && !saving::save_now(db, instance) {
        return Err(CommandError::Unexplained);
    }
    load(db, instance, options)
        .map_err(|_| CommandError::fixed("ERR Error trying to load the RDB dump"))?;
    for index in 0..db.databases() {
        instance.database_changed(index);
    }
    tracking::all_changed(instance, context.session.id());
    tracing::warn!("DB reloaded by DEBUG RELOAD");
    context.reply.ok();
    Ok(())
}

/// DEBUG LOADAOF
pub(super) fn load_append_only(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let (db, instance) = (&mut *context.db, context.instance);
    if context.session.place == Place::Script {
        return Err(CommandError::fixed(
            "ERR This Redis command is not allowed from script",
        ));
    }
    let failed = CommandError::fixed("ERR Error trying to load the AOF files, check server logs");
    if !writer::flush(instance) {
        // What is not in the files would be gone from here, and come to them later.
        return Err(failed);
    }
    let mut fresh = db.empty_copy();
    aof::load::load_again(instance, &mut fresh).map_err(|_| failed)?;
    replace(db, instance, fresh);
    db.dirty = 0;
    for index in 0..db.databases() {
        instance.database_changed(index);
    }
    tracking::all_changed(instance, context.session.id());
    tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
    context.reply.ok();
    Ok(())
}

/// Puts a data set that was loaded in the place of the one that is there.
fn replace(db: &mut Db, instance: &Instance, fresh: Db) {
    for index in 0..db.databases() {
        instance.watches().replaced(db, index, None);
    }
    let before = db.adopt(fresh);
    let keys = before.iter().map(|keyspace| keyspace.len()).sum();
    instance.reclaimer.hand_over(keys, before);
}

fn parse<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<Options, CommandError> {
    let mut options = Options {
        saves: true,
        flushes: true,
        merges: false,
    };
    for word in words {
        match word.to_ascii_uppercase().as_slice() {
            b"MERGE" => options.merges = true,
            b"NOFLUSH" => options.flushes = false,
            b"NOSAVE" => options.saves = false,
            _ => {
                let text = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
                return Err(CommandError::fixed(text));
            }
        }
    }
    Ok(options)
}

/// Loads the file. What is there gives way when all of it could be read.
fn load(db: &mut Db, instance: &Instance, options: Options) -> Result<(), loading::Failed> {
    let rules = LoadRules {
        skips_expired: true,
        replaces: options.merges,
    };
    if !options.flushes {
        let functions = loading::load_file(instance, db, rules)?.ok_or(loading::Failed)?;
        let policy = match options.merges {
            true => Policy::Replace,
            false => Policy::Append,
        };
        return loading::load_functions(instance, &functions, policy);
    }
    let mut fresh = db.empty_copy();
    let functions = loading::load_file(instance, &mut fresh, rules)?.ok_or(loading::Failed)?;
    loading::load_functions(instance, &functions, Policy::Flush)?;
    replace(db, instance, fresh);
    Ok(())
}
