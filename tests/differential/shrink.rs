//! The shortest sequence that still shows a difference.
//!
//! Delta debugging: commands are dropped in runs of half the sequence, a quarter and so on, then single arguments,
//! then arguments are shortened. A step is kept if the servers still differ in the same way
//! ([`Finding::signature`]). Repeated until no step helps, or the trials are used up.

use crate::arena::{Arena, Finding};
use crate::generate::Sequence;
use crate::known;

/// Trials for one difference.
const MOST_TRIALS: usize = 3000;

struct Shrinker<'a> {
    arena: &'a mut Arena,
    best: Sequence,
    finding: Finding,
    trials_left: usize,
}

/// Shrinks the sequence in which this was found.
pub(crate) fn shrink(
    arena: &mut Arena,
    sequence: Sequence,
    finding: Finding,
) -> (Sequence, Finding) {
    let mut shrinker = Shrinker {
        arena,
        best: sequence,
        finding,
        trials_left: MOST_TRIALS,
    };
    if let Some(at) = shrinker.finding.at {
        let mut cut = shrinker.best.clone();
        cut.commands.truncate(at + 1);
        shrinker.keep(cut);
    }
    loop {
        let before = shrinker.best.commands.clone();
        shrinker.drop_commands();
        shrinker.simplify_frame();
        shrinker.simplify_arguments();
        if shrinker.best.commands == before || shrinker.trials_left == 0 {
            return (shrinker.best, shrinker.finding);
        }
    }
}

impl Shrinker<'_> {
    /// Takes the candidate if the difference is still there.
    fn keep(&mut self, candidate: Sequence) -> bool {
        if self.trials_left == 0 || !candidate.commands.iter().all(known::admissible) {
            return false;
        }
        self.trials_left -= 1;
        match self.arena.trial(&candidate) {
            Some(finding) if finding.signature() == self.finding.signature() => {
                self.best = candidate;
                self.finding = finding;
                true
            }
            _ => false,
        }
    }

    fn drop_commands(&mut self) {
        let mut run = self.best.commands.len().div_ceil(2);
        while run > 0 {
            let mut at = 0;
            while at < self.best.commands.len() {
                let end = (at + run).min(self.best.commands.len());
                let mut candidate = self.best.clone();
                candidate.commands.drain(at..end);
                if !self.keep(candidate) {
                    at += run;
                }
            }
            run /= 2;
        }
    }

    fn simplify_frame(&mut self) {
        let (resp3, profile) = (self.best.resp3, self.best.profile);
        if resp3 {
            self.keep(Sequence {
                resp3: false,
                ..self.best.clone()
            });
        }
        if profile > 0 {
            self.keep(Sequence {
                profile: 0,
                ..self.best.clone()
            });
        }
    }

    fn simplify_arguments(&mut self) {
        for at in 0..self.best.commands.len() {
            let mut word = self.best.commands[at].len();
            while word > 1 {
                word -= 1;
                self.simplify_word(at, word);
            }
        }
    }

    fn simplify_word(&mut self, at: usize, word: usize) {
        let mut candidate = self.best.clone();
        candidate.commands[at].remove(word);
        if self.keep(candidate) {
            return;
        }
        loop {
            let old = self.best.commands[at][word].clone();
            let halves = [
                &old[..old.len() / 2],
                &old[old.len() / 2..],
                &old[..old.len().saturating_sub(1)],
            ];
            let shorter = halves
                .into_iter()
                .filter(|half| half.len() < old.len() && !half.is_empty());
            let taken = shorter.map(<[u8]>::to_vec).any(|half| {
                let mut candidate = self.best.clone();
                candidate.commands[at][word] = half;
                self.keep(candidate)
            });
            if !taken {
                return;
            }
        }
    }
}
