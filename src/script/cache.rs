//! The scripts that EVAL and SCRIPT LOAD have brought, by their hashes and by their texts.
//!
//! A script of EVAL stays until five hundred others were used after it; one of SCRIPT LOAD stays until SCRIPT FLUSH.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::RegistryKey;
use sha1::{Digest, Sha1};

use super::flags::ScriptFlags;

/// So many scripts of EVAL are kept.
const MAX_EVALUATED: usize = 500;

/// A script.
#[derive(Debug)]
pub struct Script {
    /// 40 hexadecimal digits, in lower case.
    pub sha: Arc<str>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its function. The interpreter has room for few values that Rust holds itself.
    pub function: RegistryKey,
    body: Arc<[u8]>,
    /// Whether SCRIPT LOAD has brought it.
    pinned: bool,
    /// When it was last used: a number that grows with each use.
    used: u64,
}

/// The scripts.
#[derive(Debug, Default)]
pub struct Cache {
    by_sha: HashMap<Arc<str>, Script, foldhash::fast::RandomState>,
    by_body: HashMap<Arc<[u8]>, Arc<str>, foldhash::fast::RandomState>,
    clock: u64,
    /// How many are not pinned.
    evaluated: usize,
    bytes: usize,
}

impl Cache {
    /// The hash of the script with that text, if it is there.
    pub fn sha_of(&self, body: &[u8]) -> Option<Arc<str>> {
        self.by_body.get(body).map(Arc::clone)
    }

    /// The script with that hash, which is in use now.
    pub fn used(&mut self, sha: &str) -> Option<&Script> {
        self.clock += 1;
        let script = self.by_sha.get_mut(sha)?;
        script.used = self.clock;
        Some(script)
    }

    /// What the script with that hash declares.
    pub fn flags(&self, sha: &str) -> Option<ScriptFlags> {
        self.by_sha.get(sha).map(|script| script.flags)
    }

    /// The text of the script with that hash.
    pub fn body(&self, sha: &str) -> Option<&[u8]> {
        self.by_sha.get(sha).map(|script| &*script.body)
    }

    /// Whether there is a script with that hash.
    pub fn contains(&self, sha: &str) -> bool {
        self.by_sha.contains_key(sha)
    }

    /// Adds a script that is not there; says which one had to go for it.
    pub fn add(
        &mut self,
        body: &[u8],
        flags: ScriptFlags,
        function: RegistryKey,
    ) -> Option<Script> {
        let gone = (self.evaluated >= MAX_EVALUATED)
            .then(|| self.evict())
            .flatten();
        let body: Arc<[u8]> = body.into();
        let sha: Arc<str> = sha1_hex(&body).into();
        self.clock += 1;
        let script = Script {
            sha: Arc::clone(&sha),
            flags,
            function,
            body: Arc::clone(&body),
            pinned: false,
            used: self.clock,
        };
        self.evaluated += 1;
        self.bytes += bytes_of(&script);
        self.by_body.insert(body, Arc::clone(&sha));
        self.by_sha.insert(sha, script);
        gone
    }

    /// Keeps a script until all are forgotten.
    pub fn pin(&mut self, sha: &str) {
        if let Some(script) = self.by_sha.get_mut(sha)
            && !std::mem::replace(&mut script.pinned, true)
        {
            self.evaluated -= 1;
        }
    }

    /// How many scripts there are.
    pub fn len(&self) -> usize {
        self.by_sha.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_sha.is_empty()
    }

    /// Bytes that the texts and what is known of them take.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn evict(&mut self) -> Option<Script> {
        let oldest = self
            .by_sha
            .values()
            .filter(|script| !script.pinned)
            .min_by_key(|script| script.used)?;
        let sha = Arc::clone(&oldest.sha);
        let script = self.by_sha.remove(&sha)?;
        self.by_body.remove(&script.body);
        self.evaluated -= 1;
        self.bytes -= bytes_of(&script);
        Some(script)
    }
}

fn bytes_of(script: &Script) -> usize {
    script.body.len() + script.sha.len() + size_of::<Script>() + 2 * size_of::<usize>()
}

/// The hash of a text, as 40 hexadecimal digits in lower case.
pub fn sha1_hex(text: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    Sha1::digest(text)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_eval_that_were_not_used_for_long_go() {
        let lua = mlua::Lua::new();
        let function = || {
            lua.create_registry_value(1)
                .expect("a number can be registered")
        };
        let mut cache = Cache::default();
        let body = |number: usize| format!("return {number}").into_bytes();
        for number in 0..MAX_EVALUATED {
            assert!(
                cache
                    .add(&body(number), ScriptFlags::default(), function())
                    .is_none()
            );
        }
        let sha = |number| sha1_hex(&body(number));
        cache.pin(&sha(0));
        assert!(cache.used(&sha(1)).is_some());
        assert!(
            cache
                .add(b"a", ScriptFlags::default(), function())
                .is_none()
        );
        let gone = cache.add(b"b", ScriptFlags::default(), function());
        assert_eq!(gone.map(|script| script.sha.to_string()), Some(sha(2)));
        assert_eq!(cache.sha_of(&body(2)), None);
        assert!(cache.contains(&sha(0)) && cache.contains(&sha(1)));
        assert_eq!(cache.len(), MAX_EVALUATED + 1);
        assert_eq!(cache.body(&sha(3)), Some(body(3).as_slice()));
    }

    #[test]
    fn hashes_are_those_of_sha1() {
        assert_eq!(sha1_hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
