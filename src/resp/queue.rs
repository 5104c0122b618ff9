//! Commands that are kept: those of a transaction, the one that a client is blocked in, those that a script calls.

use std::sync::Arc;

use super::request::{Request, Span};

/// A queue of commands that owns their words, in one buffer for all.
#[derive(Clone, Debug, Default)]
pub struct CommandQueue {
    buffer: Vec<u8>,
    spans: Vec<Span>,
    /// Large arguments, which arrived in buffers of their own, are shared with those.
    large: Vec<Arc<Vec<u8>>>,
    /// Where each command's spans end.
    ends: Vec<usize>,
}

impl CommandQueue {
    /// A queue of one command.
    pub fn of(request: Request<'_>) -> Self {
        let copied = (0..request.len()).filter(|&at| request.shared(at).is_none());
        let mut queue = CommandQueue {
            buffer: Vec::with_capacity(copied.map(|at| request.get(at).len()).sum()),
            spans: Vec::with_capacity(request.len()),
            large: Vec::new(),
            ends: Vec::with_capacity(1),
        };
        queue.push(request);
        queue
    }

    /// Adds a command.
    pub fn push(&mut self, request: Request<'_>) {
        for index in 0..request.len() {
            match request.shared(index) {
                Some(shared) => self.push_shared(Arc::clone(shared)),
                None => self.push_word(request.get(index)),
            }
        }
        self.end_command();
    }

    /// Adds a word to the command that [`CommandQueue::end_command`] will end.
    pub fn push_word(&mut self, word: &[u8]) {
        self.spans.push(Span::new(self.buffer.len(), word.len()));
        self.buffer.extend_from_slice(word);
    }

    /// As [`CommandQueue::push_word`], for a word that is shared instead of copied.
    pub fn push_shared(&mut self, word: Arc<Vec<u8>>) {
        self.spans.push(Span::large(self.large.len()));
        self.large.push(word);
    }

    /// Ends the command whose words were pushed.
    pub fn end_command(&mut self) {
        self.ends.push(self.spans.len());
    }

    /// The command at `index`.
    pub fn get(&self, index: usize) -> Request<'_> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Request::new(
            &self.buffer,
            &self.spans[start..self.ends[index]],
            &self.large,
        )
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of the words that are not shared.
    pub fn copied_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes that the commands take.
    pub fn memory_bytes(&self) -> usize {
        self.buffer.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.ends.capacity() * size_of::<usize>()
            + self.large.iter().map(|word| word.len()).sum::<usize>()
    }

    /// Forgets all commands and keeps the room that they took, unless it is more than `kept_bytes`.
    pub fn clear(&mut self, kept_bytes: usize) {
        if self.memory_bytes() > kept_bytes {
            *self = CommandQueue::default();
            return;
        }
        self.buffer.clear();
        self.spans.clear();
        self.large.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(queue: &CommandQueue) -> Vec<Vec<Vec<u8>>> {
        let command = |index| queue.get(index).iter_from(0).map(<[u8]>::to_vec).collect();
        (0..queue.len()).map(command).collect()
    }

    #[test]
    fn commands_come_back_as_they_were_put_in() {
        let mut queue = CommandQueue::default();
        queue.push_word(b"set");
        queue.push_word(b"");
        queue.push_shared(Arc::new(b"large".to_vec()));
        queue.end_command();
        let again = CommandQueue::of(queue.get(0));
        queue.push(again.get(0));
        queue.push_word(b"ping");
        queue.end_command();
        let set: Vec<Vec<u8>> = vec![b"set".to_vec(), Vec::new(), b"large".to_vec()];
        assert_eq!(words(&queue), [set.clone(), set, vec![b"ping".to_vec()]]);
        assert_eq!(
            queue.copied_bytes(),
            2 * b"set".len() + b"ping".len(),
            "what is shared is not copied"
        );
        assert!(
            queue
                .get(1)
                .shared(2)
                .is_some_and(|word| Arc::strong_count(word) == 3)
        );
        queue.clear(usize::MAX);
        assert!(queue.is_empty());
        queue.push_word(b"get");
        queue.end_command();
        assert_eq!(words(&queue), [[b"get".to_vec()]]);
    }
}
