//! Looking into a HyperLogLog, for tests: PFDEBUG and PFSELFTEST.

use super::{change, hyperloglog_of, sparse_max_bytes};
use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::string::Str;
use crate::resp::Request;
use crate::store::encoding::hyperloglog::{
    self, Corrupted, DENSE_LEN, Encoding, Mark, REGISTERS, Registers, Run,
};

/// PFDEBUG subcommand key
pub static PFDEBUG: CommandSpec = CommandSpec::new("PFDEBUG", Group::HyperLogLog, pfdebug)
    .doc(
        "Shows the registers, the runs or the encoding of a HyperLogLog, or makes it dense.",
        "2.8.9",
        "N/A",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::ADMIN])
    .keys(&[KeySpec::at(2, KeyFlags::RW.with(KeyFlags::ACCESS))])
    .args(&[Arg::string("subcommand"), Arg::key("key", 0)])
    .internal();

fn pfdebug(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (form, key) = (request.get(1), request.get(2));
    let Some(entry) = context.db.touch(context.session.db, key) else {
        return Err(CommandError::fixed("ERR The specified key does not exist"));
    };
    let bytes = hyperloglog_of(Str::of(entry.value())?)?;
    let encoding = hyperloglog::encoding(bytes);
    let is = |word: &str| form.eq_ignore_ascii_case(word.as_bytes());
    if is("GETREG") {
        make_dense(context, key)?;
        reply_registers(context, key)?;
    } else if is("DECODE") {
        if encoding == Encoding::Dense {
            return Err(CommandError::fixed("ERR HLL encoding is not sparse"));
        }
        let text = text_of_runs(bytes);
        context.reply.text(&text);
    } else if is("ENCODING") {
        context.reply.simple(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        });
    } else if is("TODENSE") {
        let changed = make_dense(context, key)?;
        context.reply.flag(changed);
    } else {
        return Err(CommandError::quoting(
            "Unknown PFDEBUG subcommand '",
            form,
            "'",
        ));
    }
    Ok(())
}

/// Makes the HyperLogLog at `key` dense; false if it was.
fn make_dense(context: &mut Context<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let changed = change(context, key, hyperloglog::make_dense)?;
    if changed {
        context.changed(key);
    }
    Ok(changed)
}

fn reply_registers(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let mut registers = Registers::default();
    if let Some(entry) = context.peek(key) {
        registers.merge(hyperloglog_of(Str::of(entry.value())?)?)?;
    }
    context.reply.array(REGISTERS);
    for &value in registers.values() {
        context.reply.integer(i64::from(value));
    }
    Ok(())
}

/// Runs as Redis prints them: `z:` and `Z:` with a number of zeros, `v:` with a value and a number.
fn text_of_runs(bytes: &[u8]) -> String {
    let texts: Vec<String> = hyperloglog::runs(bytes)
        .map(|run| match run {
            Run::Zeros(len) => format!("z:{len}"),
            Run::ManyZeros(len) => format!("Z:{len}"),
            Run::Values { value, len } => format!("v:{value},{len}"),
        })
        .collect();
    texts.join(" ")
}

/// So many elements are added by the self-test: Redis adds ten times as many, but others wait meanwhile.
const TEST_ELEMENTS: u64 = 1_000_000;
/// The error that is accepted, in standard errors.
const ACCEPTED_ERRORS: f64 = 6.0;

/// PFSELFTEST
pub static PFSELFTEST: CommandSpec = CommandSpec::new("PFSELFTEST", Group::HyperLogLog, pfselftest)
    .doc(
        "Adds a million elements to HyperLogLogs of both encodings and checks what they count.",
        "2.8.9",
        "N/A",
    )
    .arity(1)
    .flags(&[Flags::ADMIN])
    .internal();

fn pfselftest(context: &mut Context<'_>, _: Request<'_>) -> CommandResult {
    let seed = context.db.rng.u64(..);
    // A sparse one without a useful limit would be searched from end to end for each element.
    let max_bytes = sparse_max_bytes(context).min(DENSE_LEN);
    self_test(seed, max_bytes)?
        .map_err(|fault| CommandError::err(format_args!("TESTFAILED {fault}")))?;
    context.reply.ok();
    Ok(())
}

/// Adds the same elements to a dense one and to one that begins sparse; both must count the same, and about right.
fn self_test(seed: u64, max_bytes: usize) -> Result<Result<(), String>, Corrupted> {
    let (mut dense, mut other) = (hyperloglog::new(), hyperloglog::new());
    hyperloglog::make_dense(&mut dense)?;
    let mut checkpoint = 1;
    for number in 1..=TEST_ELEMENTS {
        let mark = Mark::of(&(number ^ seed).to_le_bytes());
        mark.put(&mut dense, 0)?;
        mark.put(&mut other, max_bytes)?;
        if number != checkpoint {
            continue;
        }
        checkpoint *= 10;
        let is_sparse = hyperloglog::encoding(&other) == Encoding::Sparse;
        if number < max_bytes as u64 / 2 && !is_sparse {
            return Ok(Err("sparse encoding not used".to_owned()));
        }
        let count = hyperloglog::count(&dense)?;
        if count != hyperloglog::count(&other)? {
            return Ok(Err("dense/sparse disagree".to_owned()));
        }
        let error = count.abs_diff(number);
        if error > accepted_error(number) {
            let fault = format!("Too big error. card:{number} abserr:{error}");
            return Ok(Err(fault));
        }
    }
    Ok(Ok(()))
}

fn accepted_error(number: u64) -> u64 {
    let standard = 1.04 / (REGISTERS as f64).sqrt();
    (standard * ACCEPTED_ERRORS * number as f64).ceil() as u64
}
