//! `math.random` and `math.randomseed`: the same numbers on every machine.
//!
//! The generator is the linear congruential one of `lrand48`, with 48 bits of state: Redis gives its scripts this one in
//! place of the platform's. It begins with the interpreter and goes on from script to script.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Lua, Result, Value, Variadic};

use super::ffi;
use super::libs::arguments::Arguments;
use super::raise;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const STATE_MASK: u64 = (1 << 48) - 1;
/// The low bits that every seed has.
const SEED_LOW: u64 = 0x330E;
/// The state before anything seeds it.
const FIRST_STATE: u64 = 0x1234_ABCD_330E;
/// One more than the largest number.
const LIMIT: u32 = i32::MAX as u32;

/// The generator of one interpreter.
#[derive(Clone, Debug)]
struct Generator(Arc<AtomicU64>);

impl Generator {
    fn seed(&self, seed: i32) {
        let state = u64::from(seed as u32) << 16 | SEED_LOW;
        self.0.store(state, Ordering::Relaxed);
    }

    /// The next number of 31 bits.
    fn next(&self) -> u32 {
        let state = self.0.load(Ordering::Relaxed);
        let state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & STATE_MASK;
        self.0.store(state, Ordering::Relaxed);
        (state >> 17) as u32
    }

    /// The next number from 0 to below 1.
    fn fraction(&self) -> f64 {
        f64::from(self.next() % LIMIT) / f64::from(LIMIT)
    }
}

/// Puts the two functions into the table `math`.
pub(super) fn install(lua: &Lua) -> Result<()> {
    let generator = Generator(Arc::new(AtomicU64::new(FIRST_STATE)));
    lua.set_app_data(generator.clone());
    let math: mlua::Table = lua.globals().raw_get("math")?;
    let random = generator.clone();
    math.raw_set(
        "random",
        ffi::function(lua, move |lua, arguments: Variadic<Value>| {
            draw(&random, &Arguments::new(lua, &arguments))
        })?,
    )?;
    math.raw_set(
        "randomseed",
        ffi::function(lua, move |lua, arguments: Variadic<Value>| {
            let arguments = Arguments::new(lua, &arguments);
            generator.seed(arguments.integer(1)? as i32);
            Ok(())
        })?,
    )
}

/// Starts the generator as in a new interpreter.
pub(super) fn reseed(lua: &Lua) {
    if let Some(generator) = lua.app_data_ref::<Generator>() {
        generator.0.store(FIRST_STATE, Ordering::Relaxed);
    }
}

fn draw(generator: &Generator, arguments: &Arguments<'_>) -> Result<f64> {
    let fraction = generator.fraction();
    let (low, high, last) = match arguments.len() {
        0 => return Ok(fraction),
        1 => (1, arguments.integer(1)? as i32, 1),
        2 => (
            arguments.integer(1)? as i32,
            arguments.integer(2)? as i32,
            2,
        ),
        _ => return Err(raise::error(arguments.lua(), "wrong number of arguments")),
    };
    if low > high {
        return Err(arguments.error(last, "interval is empty"));
    }
    // The difference wraps around as C's does on the machines that Redis runs on.
    let count = high.wrapping_sub(low).wrapping_add(1);
    Ok((fraction * f64::from(count)).floor() + f64::from(low))
}
