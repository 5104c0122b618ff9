//! [`Tree`] against a vector, with chunks so small that every operation splits, merges and drops nodes.
use proptest::prelude::*;

use super::*;

/// A chunk of numbers. Numbers from 900 on live alone in their chunks; the "bytes" of a number are its hundreds
/// and one.
#[derive(Clone, Debug)]
struct Numbers(Vec<u32>);

fn weight(value: u32) -> usize {
    value as usize / 100 + 1
}

impl Chunk for Numbers {
    type New<'a> = u32;
    type Key = u32;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|&value| weight(value)).sum()
    }

    fn heap_bytes(&self) -> usize {
        self.0.len() * 4
    }

    fn key(&self) -> u32 {
        *self.0.last().expect("only asked for if there are elements")
    }

    fn fits(&self, new: &u32, limit: ChunkLimit) -> bool {
        self.0[0] < 900
            && *new < 900
            && self.bytes() + weight(*new) <= limit.bytes
            && self.len() < limit.elements
    }

    fn alone(new: &u32, _limit: ChunkLimit) -> bool {
        *new >= 900
    }

    fn single(new: u32, _room: Option<(End, usize)>) -> Numbers {
        Numbers(vec![new])
    }

    fn insert(&mut self, at: usize, new: u32) {
        self.0.insert(at, new);
    }

    fn remove(&mut self, range: Range<usize>) {
        self.0.drain(range);
    }

    fn split_off(&mut self, at: usize) -> Numbers {
        assert!(at > 0 && at < self.0.len(), "both parts get something");
        Numbers(self.0.split_off(at))
    }

    fn mergeable(&self, right: &Numbers) -> bool {
        self.0[0] < 900 && right.0[0] < 900
    }

    fn append(&mut self, right: &Numbers) {
        self.0.extend(&right.0);
    }
}

fn elements(tree: &Tree<Numbers>) -> Vec<u32> {
    let mut all = Vec::new();
    let mut cursor = tree.cursor(0);
    while let Some(reader) = &mut cursor {
        assert_eq!(reader.start(), all.len());
        all.extend(&reader.chunk().0);
        if !reader.next() {
            break;
        }
    }
    all
}

fn elements_backwards(tree: &Tree<Numbers>) -> Vec<u32> {
    let mut all = Vec::new();
    let mut cursor = tree.len().checked_sub(1).and_then(|last| tree.cursor(last));
    while let Some(reader) = &mut cursor {
        all.extend(reader.chunk().0.iter().rev());
        if !reader.prev() {
            break;
        }
    }
    all.reverse();
    all
}

/// Checks every node against its kids, and returns (depth, elements, chunks).
fn check_node(node: &Node<Numbers>, is_root: bool) -> (usize, usize, usize) {
    match node {
        Node::Leaf(chunk) => {
            assert!(chunk.len() > 0, "no empty chunk stays");
            assert!(chunk.len() == 1 || chunk.0.iter().all(|&value| value < 900));
            (0, chunk.len(), 1)
        }
        Node::Inner(inner) => {
            assert!(inner.kids.len() <= MAX_KIDS);
            assert!(!inner.kids.is_empty());
            assert!(
                !is_root || inner.kids.len() > 1,
                "a root with one kid gives way to it"
            );
            let (mut depths, mut len, mut chunks) = (Vec::new(), 0, 0);
            assert_eq!(inner.keys.len(), inner.kids.len());
            for (kid, key) in inner.kids.iter().zip(&inner.keys) {
                let (depth, kid_len, kid_chunks) = check_node(&kid.node, false);
                assert_eq!(kid.len, kid_len);
                assert_eq!(Some(*key), kid.node.key());
                depths.push(depth);
                len += kid_len;
                chunks += kid_chunks;
            }
            depths.dedup();
            assert_eq!(depths.len(), 1, "all chunks lie at one depth");
            assert_eq!(inner.len, len);
            (depths[0] + 1, len, chunks)
        }
    }
}

fn check(tree: &Tree<Numbers>, model: &[u32]) {
    assert_eq!(tree.len(), model.len());
    assert_eq!(tree.is_empty(), model.is_empty());
    if let Some(root) = &tree.root {
        check_node(root, true);
    }
    assert_eq!(elements(tree), model);
    assert_eq!(elements_backwards(tree), model);
}

fn chunks(tree: &Tree<Numbers>) -> usize {
    tree.root
        .as_ref()
        .map_or(0, |root| check_node(root, true).2)
}

fn depth(tree: &Tree<Numbers>) -> usize {
    tree.root
        .as_ref()
        .map_or(0, |root| check_node(root, true).0)
}

fn pop(tree: &mut Tree<Numbers>, end: End) -> Option<u32> {
    tree.pop(end, |chunk, at| chunk.0[at])
}

#[derive(Clone, Debug)]
enum Op {
    Push(bool, Vec<u32>),
    Pop(bool, usize),
    Insert(usize, Vec<u32>),
    Remove(usize, usize),
    Replace(usize, u32),
    PushChunk(Vec<u32>),
    Snapshot,
}

fn op() -> impl Strategy<Value = Op> {
    let value = || prop_oneof![8 => 0u32..300, 2 => 300u32..900, 1 => 900u32..1000];
    let values = move |most| proptest::collection::vec(value(), 0..most);
    prop_oneof![
        3 => (any::<bool>(), values(40)).prop_map(|(front, values)| Op::Push(front, values)),
        2 => (any::<bool>(), 0usize..20).prop_map(|(front, n)| Op::Pop(front, n)),
        3 => (any::<usize>(), values(20)).prop_map(|(at, values)| Op::Insert(at, values)),
        2 => (any::<usize>(), 0usize..9).prop_map(|(at, n)| Op::Remove(at, n)),
        1 => (any::<usize>(), 0usize..200).prop_map(|(at, n)| Op::Remove(at, n)),
        2 => (any::<usize>(), 0u32..900).prop_map(|(at, value)| Op::Replace(at, value)),
        1 => proptest::collection::vec(0u32..300, 0..4).prop_map(Op::PushChunk),
        2 => Just(Op::Snapshot),
    ]
}

fn apply(tree: &mut Tree<Numbers>, model: &mut Vec<u32>, op: Op, limit: ChunkLimit) {
    let len = model.len();
    match op {
        Op::Push(true, values) => {
            for value in values {
                tree.push(End::Front, value, limit);
                model.insert(0, value);
            }
        }
        Op::Push(false, values) => {
            for value in values {
                tree.push(End::Back, value, limit);
                model.push(value);
            }
        }
        Op::Pop(true, n) => {
            for _ in 0..n {
                let expected = (!model.is_empty()).then(|| model.remove(0));
                assert_eq!(pop(tree, End::Front), expected);
            }
        }
        Op::Pop(false, n) => (0..n).for_each(|_| assert_eq!(pop(tree, End::Back), model.pop())),
        Op::Insert(at, values) => {
            let at = at % (len + 1);
            for value in values {
                tree.insert(at, value, limit);
                model.insert(at, value);
            }
        }
        Op::Remove(at, n) => {
            let at = at % (len + 1);
            tree.remove(at..at + n, limit);
            model.drain(at..(at + n).min(len));
        }
        Op::Replace(at, value) => {
            let at = at % (len + 1);
            if model.get(at).is_some_and(|&old| old < 900) {
                let old = tree.update(at, limit, |chunk, at| {
                    std::mem::replace(&mut chunk.0[at], value)
                });
                assert_eq!(old, Some(std::mem::replace(&mut model[at], value)));
            }
        }
        Op::PushChunk(values) => {
            model.extend(&values);
            tree.push_chunk(Numbers(values));
        }
        Op::Snapshot => {}
    }
}

fn run(ops: Vec<Op>, limit: ChunkLimit) {
    let mut tree = Tree::<Numbers>::new();
    let mut model = Vec::new();
    let mut snapshots = Vec::new();
    for op in ops {
        if matches!(op, Op::Snapshot) {
            snapshots.push((tree.clone(), model.clone()));
        }
        apply(&mut tree, &mut model, op, limit);
        check(&tree, &model);
    }
    for (tree, model) in &snapshots {
        check(tree, model);
    }
    for (index, value) in model.iter().enumerate() {
        let (chunk, at) = tree.get(index).expect("an element below the length");
        assert_eq!(chunk.0[at], *value);
    }
    assert!(tree.get(model.len()).is_none());
    assert!(tree.cursor(model.len()).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 150 }))]

    #[test]
    fn behaves_like_a_vector(
        ops in proptest::collection::vec(op(), 0..60),
        bytes in 8usize..30,
        elements in 1usize..9,
    ) {
        run(ops, ChunkLimit { bytes, elements });
    }

    #[test]
    fn seek_finds_the_first_chunk_not_in_front(
        mut values in proptest::collection::vec(0u32..900, 0..800),
        targets in proptest::collection::vec(0u32..1000, 20),
        elements in 1usize..9,
    ) {
        values.sort_unstable();
        let limit = ChunkLimit { bytes: 1000, elements };
        let tree = pushed(&values, limit);
        for target in targets {
            let found = tree.seek(|&last| last < target);
            let rank = values.partition_point(|&value| value < target);
            let got = found.map(|cursor| {
                cursor.start() + cursor.chunk().0.partition_point(|&value| value < target)
            });
            prop_assert_eq!(got, (rank < values.len()).then_some(rank));
        }
    }

    #[test]
    fn an_ordered_tree_behaves_like_a_sorted_vector(
        mut values in proptest::collection::vec(0u32..900, 0..800),
        changes in proptest::collection::vec((any::<bool>(), 0u32..900), 0..200),
        tens in any::<bool>(),
        elements in 1usize..9,
    ) {
        let limit = ChunkLimit { bytes: 1000, elements };
        if tens {
            // Few different values, so that points lie among equals that fill whole nodes.
            values.iter_mut().for_each(|value| *value %= 30);
        }
        values.sort_unstable();
        let mut tree = pushed(&values, limit);
        for (adds, value) in changes {
            let below = Below(if tens { value % 40 } else { value });
            let rank = values.partition_point(|&other| other < below.0);
            prop_assert_eq!(tree.rank(&below), rank);
            if adds {
                tree.insert_at(&below, below.0, limit);
                values.insert(rank, below.0);
            } else if rank < values.len() {
                let removed = tree.update_at(&below, limit, |chunk, at| {
                    // Behind a chunk's last element is the first of the next one, which is left alone.
                    (at < chunk.0.len()).then(|| chunk.0.remove(at))
                });
                if removed.flatten().is_some() {
                    values.remove(rank);
                }
            }
            check(&tree, &values);
        }
    }

    #[test]
    fn the_chunk_that_is_fetched_ahead_is_the_one_of_the_point(
        mut values in proptest::collection::vec(0u32..900, 1..800),
        targets in proptest::collection::vec(0u32..1000, 20),
        elements in 1usize..9,
    ) {
        values.sort_unstable();
        values.dedup_by_key(|value| *value / 10);
        let tree = pushed(&values, ChunkLimit { bytes: 1000, elements });
        let ahead = tree.ahead().expect("there are elements");
        for target in targets {
            let chunk = ahead.leaf(&Below(target)).chunk().expect("all leaves lie at one depth");
            let last = values.last().expect("there are some");
            // The keys tell tens only, and a chunk that ends with the same ten is one that may have the place.
            let index = values.partition_point(|&value| value / 10 < target / 10);
            let expected = values.get(index).unwrap_or(last);
            prop_assert!(chunk.0.contains(expected), "{} in {:?}", target, chunk);
        }
    }
}

/// The point in front of a number and of those that are equal to it. Keys are made to tell tens only, so that chunks
/// have to be looked at too.
#[derive(Clone, Copy)]
struct Below(u32);

impl Point<Numbers> for Below {
    fn is_behind_key(&self, key: &u32) -> Option<bool> {
        (key / 10 != self.0 / 10).then_some(*key < self.0)
    }

    fn is_behind_last(&self, chunk: &Numbers) -> bool {
        chunk.key() < self.0
    }

    fn place(&self, chunk: &Numbers) -> usize {
        chunk.0.partition_point(|&value| value < self.0)
    }
}

fn pushed(values: &[u32], limit: ChunkLimit) -> Tree<Numbers> {
    let mut tree = Tree::new();
    values
        .iter()
        .for_each(|&value| tree.push(End::Back, value, limit));
    tree
}

const SMALL: ChunkLimit = ChunkLimit {
    bytes: 100,
    elements: 4,
};

#[test]
fn pushes_fill_chunks_and_nodes() {
    for end in [End::Front, End::Back] {
        let mut tree = Tree::<Numbers>::new();
        let total = if cfg!(miri) {
            100
        } else {
            4 * MAX_KIDS as u32 * MAX_KIDS as u32
        };
        for value in 0..total {
            tree.push(end, value % 100, SMALL);
        }
        assert_eq!(chunks(&tree), total as usize / 4);
        assert_eq!(tree.len(), total as usize);
        if total == 4 * 64 * 64 {
            assert_eq!(
                depth(&tree),
                2,
                "64 times 64 chunks need two levels and no third"
            );
        }
    }
}

#[test]
fn pops_return_everything_and_shrink_the_tree() {
    for (push, pops) in [
        (End::Back, End::Front),
        (End::Back, End::Back),
        (End::Front, End::Back),
    ] {
        let mut tree = Tree::<Numbers>::new();
        for value in 0..3000 {
            tree.push(push, value % 900, SMALL);
        }
        let deep = depth(&tree);
        for left in (0..3000).rev() {
            assert!(pop(&mut tree, pops).is_some());
            assert!(chunks(&tree) <= left / 4 + 2);
        }
        assert!(deep > depth(&tree));
        assert!(tree.root.is_none(), "nothing is kept by an empty tree");
        assert!(pop(&mut tree, pops).is_none());
    }
}

#[test]
fn a_queue_keeps_its_depth() {
    let mut tree = Tree::<Numbers>::new();
    for value in 0..1000u32 {
        tree.push(End::Back, value % 900, SMALL);
    }
    for value in 1000..30_000u32 {
        tree.push(End::Back, value % 900, SMALL);
        assert_eq!(pop(&mut tree, End::Front), Some((value - 1000) % 900));
    }
    assert!(depth(&tree) <= 4);
    assert!(chunks(&tree) <= 252);
}

#[test]
fn sparse_chunks_are_merged_by_removals() {
    let mut tree = Tree::<Numbers>::new();
    let limit = ChunkLimit {
        bytes: 1000,
        elements: 16,
    };
    (0..6400u32).for_each(|value| tree.push(End::Back, value % 90, limit));
    for index in 0..6000 {
        tree.remove(index * 7 % tree.len()..index * 7 % tree.len() + 1, limit);
    }
    assert_eq!(tree.len(), 400);
    assert!(
        chunks(&tree) <= 400 / 4,
        "{} chunks for 400 elements",
        chunks(&tree)
    );
}

#[test]
fn a_writer_copies_only_the_path() {
    let mut tree = Tree::<Numbers>::new();
    (0..4000u32).for_each(|value| tree.push(End::Back, value % 900, SMALL));
    let snapshot = tree.clone();
    tree.insert(2000, 1, SMALL);
    let (mut shared, mut own) = (0, 0);
    fn walk(node: &Arc<Node<Numbers>>, shared: &mut usize, own: &mut usize) {
        if Arc::strong_count(node) > 1 {
            *shared += 1;
            return;
        }
        *own += 1;
        if let Node::Inner(inner) = &**node {
            inner
                .kids
                .iter()
                .for_each(|kid| walk(&kid.node, shared, own));
        }
    }
    walk(
        tree.root.as_ref().expect("it holds elements"),
        &mut shared,
        &mut own,
    );
    assert!(own <= 9, "{own} nodes were copied");
    assert!(shared >= MAX_KIDS);
    assert_eq!(snapshot.len(), 4000);
}

#[test]
fn a_range_over_everything_or_nothing() {
    let mut tree = Tree::<Numbers>::new();
    (0..500u32).for_each(|value| tree.push(End::Back, value, SMALL));
    tree.remove(10..10, SMALL);
    tree.remove(500..600, SMALL);
    assert_eq!(tree.len(), 500);
    tree.remove(1..499, SMALL);
    assert_eq!(elements(&tree), [0, 499]);
    tree.remove(0..usize::MAX, SMALL);
    assert!(tree.root.is_none());
    assert_eq!(tree.heap_bytes(5), 0);
}

#[test]
fn heap_bytes_are_those_of_chunks_and_nodes() {
    let mut tree = Tree::<Numbers>::new();
    (0..1000u32).for_each(|_| tree.push(End::Back, 7, SMALL));
    let exact = tree.heap_bytes(0);
    assert_eq!(tree.heap_bytes(3), exact, "all chunks are alike");
    let leaf_bytes = size_of::<Node<Numbers>>() + 8;
    assert!(exact >= 4000 + 250 * leaf_bytes);
    assert!(exact <= 4000 + 260 * (leaf_bytes + 90));
}
