//! Cuts between the members of a sorted set: a member's place, and the ends of ranges by score and by text.

use crate::store::member::Member;

/// A point between two elements: some first elements lie in front of it, the rest does not.
pub(super) trait Cut {
    /// Lower scores than this lie in front and higher ones do not; where there is none, scores do not matter.
    fn threshold(&self) -> Option<f64>;
    /// Whether a member lies in front whose score is the threshold.
    fn is_behind_member(&self, member: &[u8]) -> bool;

    /// Whether elements of this score lie in front; nothing if that depends on the member.
    #[inline]
    fn is_behind_score(&self, score: f64) -> Option<bool> {
        let threshold = self.threshold()?;
        // No score is NaN.
        (score != threshold).then_some(score < threshold)
    }

    /// How many of these members lie in front, whose score is the threshold.
    #[inline]
    fn count_members(&self, members: &[Member]) -> usize {
        members.partition_point(|member| self.is_behind_member(member.key()))
    }

    /// Whether an element lies in front; its member is asked for only where the score does not tell.
    #[inline]
    fn is_behind<'m>(&self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        self.is_behind_score(score)
            .unwrap_or_else(|| self.is_behind_member(member()))
    }
}

/// Where an element of this score and member is, or belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
}

impl Cut for Place<'_> {
    #[inline]
    fn threshold(&self) -> Option<f64> {
        Some(self.score)
    }

    #[inline]
    fn is_behind_member(&self, member: &[u8]) -> bool {
        member < self.member
    }
}

/// Where an element is that is there: among others of the same score it is found by its address, so that none of them
/// has to be fetched from memory to be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present<'a> {
    pub(super) place: Place<'a>,
    /// [`Member::address`].
    pub(super) address: usize,
}

impl Cut for Present<'_> {
    #[inline]
    fn threshold(&self) -> Option<f64> {
        self.place.threshold()
    }

    #[inline]
    fn is_behind_member(&self, member: &[u8]) -> bool {
        self.place.is_behind_member(member)
    }

    #[inline]
    fn count_members(&self, members: &[Member]) -> usize {
        // All of a chunk's addresses are compared in the time of one look at a member.
        members
            .iter()
            .position(|member| member.address() == self.address)
            .unwrap_or_else(|| self.place.count_members(members))
    }
}

/// An end of a range by score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// The score itself is in the range.
    Included(f64),
    /// The score itself is not in the range.
    Excluded(f64),
}

/// In front of lie the scores below this one, or those up to it.
pub(super) struct ScoreCut {
    score: f64,
    up_to: bool,
}

impl ScoreBound {
    /// The cut at which a range begins that has this as its lower end.
    pub(super) fn begin(self) -> ScoreCut {
        match self {
            ScoreBound::Included(score) => ScoreCut {
                score,
                up_to: false,
            },
            ScoreBound::Excluded(score) => ScoreCut { score, up_to: true },
        }
    }

    /// The cut at which a range ends that has this as its upper end.
    pub(super) fn end(self) -> ScoreCut {
        match self {
            ScoreBound::Included(score) => ScoreCut { score, up_to: true },
            ScoreBound::Excluded(score) => ScoreCut {
                score,
                up_to: false,
            },
        }
    }
}

impl Cut for ScoreCut {
    #[inline]
    fn threshold(&self) -> Option<f64> {
        Some(self.score)
    }

    fn is_behind_member(&self, _member: &[u8]) -> bool {
        self.up_to
    }
}

/// An end of a range by text, in a set whose members have all the same score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// In front of every text.
    First,
    /// Behind every text.
    Last,
    /// The text itself is in the range.
    Included(&'a [u8]),
    /// The text itself is not in the range.
    Excluded(&'a [u8]),
}

/// In front of lie all texts, none, those below this one, or those up to it.
pub(super) struct LexCut<'a> {
    bound: LexBound<'a>,
    up_to: bool,
}

impl<'a> LexBound<'a> {
    /// The cut at which a range begins that has this as its lower end.
    pub(super) fn begin(self) -> LexCut<'a> {
        LexCut {
            bound: self,
            up_to: matches!(self, LexBound::Excluded(_)),
        }
    }

    /// The cut at which a range ends that has this as its upper end.
    pub(super) fn end(self) -> LexCut<'a> {
        LexCut {
            bound: self,
            up_to: matches!(self, LexBound::Included(_)),
        }
    }
}

impl Cut for LexCut<'_> {
    #[inline]
    fn threshold(&self) -> Option<f64> {
        match self.bound {
            LexBound::First => Some(f64::NEG_INFINITY),
            LexBound::Last => Some(f64::INFINITY),
            LexBound::Included(_) | LexBound::Excluded(_) => None,
        }
    }

    #[inline]
    fn is_behind_member(&self, member: &[u8]) -> bool {
        match self.bound {
            LexBound::First => false,
            LexBound::Last => true,
            LexBound::Included(text) | LexBound::Excluded(text) => {
                member < text || (self.up_to && member == text)
            }
        }
    }
}
